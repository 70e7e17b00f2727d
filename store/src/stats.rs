//! What was counted: cumulative figures for each shard and stream, since the store was opened.

use model::{Sample, ShardIndex};
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one shard. Each grows only.
#[derive(Debug, Default)]
pub(crate) struct ShardCounters {
    pub(crate) incoming_records: AtomicU64,
    pub(crate) incoming_bytes: AtomicU64,
    pub(crate) throttled_records: AtomicU64,
    pub(crate) failed_records: AtomicU64,
    pub(crate) outgoing_records: AtomicU64,
    pub(crate) outgoing_bytes: AtomicU64,
    pub(crate) throttled_reads: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) commit_ns: AtomicU64,
    pub(crate) commit_ns_max: AtomicU64,
    pub(crate) disk_bytes_written: AtomicU64,
    /// The greatest age of what readers left to be read since it was taken last, in milliseconds, plus one; 0: nobody read.
    read_age: AtomicU64,
}

/// Adds to a counter that only statistics read.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl ShardCounters {
    pub(crate) fn committed(&self, bytes: u64, elapsed_ns: u64) {
        add(&self.commits, 1);
        add(&self.commit_ns, elapsed_ns);
        add(&self.disk_bytes_written, bytes);
        self.commit_ns_max.fetch_max(elapsed_ns, Ordering::Relaxed);
    }

    /// A reader has left a record of this age to be read; 0 where it has reached the tip.
    pub(crate) fn read_left(&self, age_ms: u64) {
        self.read_age.fetch_max(age_ms.saturating_add(1), Ordering::Relaxed);
    }

    /// The greatest age that readers left since this was asked last; `None` when nobody read.
    pub(crate) fn take_read_age(&self) -> Option<u64> {
        self.read_age.swap(0, Ordering::Relaxed).checked_sub(1)
    }

    pub(crate) fn read(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            incoming_records: get(&self.incoming_records),
            incoming_bytes: get(&self.incoming_bytes),
            throttled_records: get(&self.throttled_records),
            failed_records: get(&self.failed_records),
            outgoing_records: get(&self.outgoing_records),
            outgoing_bytes: get(&self.outgoing_bytes),
            throttled_reads: get(&self.throttled_reads),
            commits: get(&self.commits),
            commit_ns_total: get(&self.commit_ns),
            commit_ns_max: get(&self.commit_ns_max),
            disk_bytes_written: get(&self.disk_bytes_written),
        }
    }
}

/// Cumulative figures since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records acknowledged.
    pub incoming_records: u64,
    /// Their payloads and partition keys, in bytes.
    pub incoming_bytes: u64,
    /// Records refused because a limit was reached.
    pub throttled_records: u64,
    /// Records refused because the disk failed or is full.
    pub failed_records: u64,
    /// Records handed to readers.
    pub outgoing_records: u64,
    /// Their payloads and partition keys, in bytes.
    pub outgoing_bytes: u64,
    /// Reads refused because a limit was reached.
    pub throttled_reads: u64,
    /// Group commits, each one write and one sync.
    pub commits: u64,
    /// Time that they took together, in nanoseconds.
    pub commit_ns_total: u64,
    /// Time that the longest one took, in nanoseconds.
    pub commit_ns_max: u64,
    /// What they wrote, in bytes, with headers.
    pub disk_bytes_written: u64,
}

impl Counts {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            incoming_records: self.incoming_records + other.incoming_records,
            incoming_bytes: self.incoming_bytes + other.incoming_bytes,
            throttled_records: self.throttled_records + other.throttled_records,
            failed_records: self.failed_records + other.failed_records,
            outgoing_records: self.outgoing_records + other.outgoing_records,
            outgoing_bytes: self.outgoing_bytes + other.outgoing_bytes,
            throttled_reads: self.throttled_reads + other.throttled_reads,
            commits: self.commits + other.commits,
            commit_ns_total: self.commit_ns_total + other.commit_ns_total,
            commit_ns_max: self.commit_ns_max.max(other.commit_ns_max),
            disk_bytes_written: self.disk_bytes_written + other.disk_bytes_written,
        }
    }

    fn samples(&self) -> [(&'static str, f64); 11] {
        [
            ("store_incoming_records_total", self.incoming_records as f64),
            ("store_incoming_bytes_total", self.incoming_bytes as f64),
            ("store_throttled_records_total", self.throttled_records as f64),
            ("store_failed_records_total", self.failed_records as f64),
            ("store_outgoing_records_total", self.outgoing_records as f64),
            ("store_outgoing_bytes_total", self.outgoing_bytes as f64),
            ("store_throttled_reads_total", self.throttled_reads as f64),
            ("store_commits_total", self.commits as f64),
            ("store_commit_seconds_total", self.commit_ns_total as f64 / 1e9),
            ("store_commit_seconds_max", self.commit_ns_max as f64 / 1e9),
            ("store_disk_written_bytes_total", self.disk_bytes_written as f64),
        ]
    }
}

/// The figures of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardStats {
    /// The shard.
    pub shard: ShardIndex,
    /// Whether it takes records.
    pub open: bool,
    /// What was counted.
    pub counts: Counts,
    /// What it takes on disk, in bytes.
    pub disk_bytes: u64,
}

/// The figures of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStats {
    /// The stream's name.
    pub stream: String,
    /// Its shards, those that have expired left out.
    pub shards: Vec<ShardStats>,
    /// Sums over all shards, also those that have expired since the store was opened.
    pub total: Counts,
    /// Shards that take records.
    pub open_shards: usize,
    /// What the stream takes on disk, in bytes.
    pub disk_bytes: u64,
}

impl StreamStats {
    /// The same as samples with the labels `stream` and `shard`.
    pub(crate) fn push_samples(&self, out: &mut Vec<Sample>) {
        let of_stream = |name, value| Sample::new(name, value).with("stream", self.stream.as_str());
        out.push(of_stream("store_open_shards", self.open_shards as f64));
        for shard in &self.shards {
            let label = shard.shard.0.to_string();
            let readings = shard.counts.samples();
            let readings = readings.into_iter().chain([("store_disk_bytes", shard.disk_bytes as f64)]);
            out.extend(readings.map(|(name, value)| of_stream(name, value).with("shard", label.as_str())));
        }
    }
}
