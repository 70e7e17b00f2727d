//! What a store is opened with.

use crate::log::{DiskFiles, Files};
use model::Env;
use std::path::PathBuf;
use std::sync::Arc;

/// Whether the store refuses what a real service of the same size would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limits {
    /// Each shard takes 1 MB/s and 1,000 records/s and gives 2 MB/s; shard counts change by a factor of two at most.
    Enforced,
    /// As fast as the machine can. Sizes of records and puts are limited all the same.
    Unlimited,
}

/// When a put is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After its group commit is on disk. No crash loses an acknowledged record.
    Fsync,
    /// After the operating system has taken it. Faster on slow disks; a power failure loses the last seconds.
    Os,
}

/// What a store is opened with. [`StoreConfig::new`] gives the defaults.
#[derive(Clone)]
pub struct StoreConfig {
    /// The data directory; made when missing. One process at a time may use it.
    pub dir: PathBuf,
    /// Clock and randomness.
    pub env: Env,
    /// Default: enforced.
    pub limits: Limits,
    /// How much faster than the machine's clock the one of the limits runs, 1–86,400: with 60 a shard takes 60,000
    /// records in a second, and an hour's limit is over in a minute. Default 1.
    pub limits_speedup: u32,
    /// How long a stream is seen creating, updating or deleting, in milliseconds. Default 500; 0 in tests.
    pub status_delay_ms: u64,
    /// Size of a log segment in bytes, 4 KiB at least. Larger ones are deleted later by retention. Default 64 MiB.
    pub segment_bytes: u64,
    /// A segment older than this is followed by a new one, in milliseconds, so that retention works on slow streams.
    /// Default one hour.
    pub segment_age_ms: u64,
    /// Default: fsync.
    pub durability: Durability,
    /// Threads that write and sync, 1–256; of several, one is for small puts alone. More let more shards commit at the same
    /// time, in more and smaller commits. Default 3.
    pub commit_threads: usize,
    /// Threads that read for the doors, 1–256. Default 2.
    pub read_threads: usize,
    /// Records that were put and are not on disk yet, in bytes over all streams; further puts wait. At least 16 MiB.
    /// Default 256 MiB.
    pub pending_bytes_max: usize,
    /// What was written last and is kept in memory for readers near the tip, in bytes over all shards; 0 for nothing.
    /// Default 64 MiB.
    pub tail_cache_bytes: usize,
    /// How often expired records are looked for, in milliseconds; 0 for never. Default one minute.
    pub retention_check_ms: u64,
    /// The file system. Default: the machine's own.
    pub files: Arc<dyn Files>,
}

/// The shortest life of tokens and subscriptions, however fast the clock of the limits runs.
const LIFETIME_MS_MIN: u64 = 1_000;

impl StoreConfig {
    /// The defaults, on the directory `dir`.
    pub fn new(dir: impl Into<PathBuf>, env: Env) -> Self {
        Self {
            dir: dir.into(),
            env,
            limits: Limits::Enforced,
            limits_speedup: 1,
            status_delay_ms: 500,
            segment_bytes: 64 * 1024 * 1024,
            segment_age_ms: 60 * 60 * 1_000,
            durability: Durability::Fsync,
            commit_threads: 3,
            read_threads: 2,
            pending_bytes_max: 256 * 1024 * 1024,
            tail_cache_bytes: 64 * 1024 * 1024,
            retention_check_ms: 60_000,
            files: Arc::new(DiskFiles),
        }
    }

    /// How long something lives that lives for `ms` on the clock of the limits: never so short that a client could not use
    /// it.
    pub(crate) fn lifetime_ms(&self, ms: u64) -> u64 {
        (ms / u64::from(self.limits_speedup)).max(LIFETIME_MS_MIN)
    }

    /// The first option that is out of its bounds, if any, in words.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let threads = 1..=256;
        if self.segment_bytes < 4 * 1024 {
            Some("segment_bytes must be at least 4096")
        } else if !(1..=86_400).contains(&self.limits_speedup) {
            Some("limits_speedup must be 1 to 86400")
        } else if !threads.contains(&self.commit_threads) {
            Some("commit_threads must be 1 to 256")
        } else if !threads.contains(&self.read_threads) {
            Some("read_threads must be 1 to 256")
        } else if self.pending_bytes_max < 16 * 1024 * 1024 {
            Some("pending_bytes_max must be at least 16 MiB")
        } else {
            None
        }
    }
}
