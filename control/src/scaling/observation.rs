//! What is seen of a stream and of the application that reads it, in one second.

use model::limits::{SHARD_READ_BYTES_PER_S, SHARD_WRITE_BYTES_PER_S, SHARD_WRITE_RECORDS_PER_S};
use serde::{Deserialize, Serialize};

/// One second of a stream and of the application that reads it. All that a policy may know.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The stream; `None` where there is none to scale.
    pub stream: Option<StreamSeen>,
    /// The application; `None` where there is none to scale.
    pub application: Option<ApplicationSeen>,
}

impl Observation {
    /// The stream, unless its shards are being changed.
    pub(super) fn settled_stream(&self) -> Option<&StreamSeen> {
        self.stream.as_ref().filter(|stream| !stream.changing)
    }

    /// The application, unless it is being changed or does not run.
    pub(super) fn settled_application(&self) -> Option<&ApplicationSeen> {
        self.application.as_ref().filter(|application| !application.changing)
    }
}

/// One second of a stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamSeen {
    /// Its open shards, each with what came to it.
    pub shards: Vec<ShardSeen>,
    /// A change of its shards is under way.
    pub changing: bool,
    /// Changes of the shard count that are left in the rolling day; `None` where they are not counted.
    pub resizes_left: Option<u32>,
    /// Bytes read by all readers.
    pub read_bytes: f64,
    /// Reads that were refused because shards gave as much as they give.
    pub throttled_reads: f64,
}

/// One second of a shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardSeen {
    /// Its number.
    pub number: u32,
    /// Records taken.
    pub records: f64,
    /// Bytes taken.
    pub bytes: f64,
    /// Records refused because the shard was at its limit.
    pub throttled: f64,
    /// The age of the oldest record that is not read yet, in milliseconds.
    pub age_ms: f64,
    /// Part of the shard's records that have its heaviest key, 0–1; `None` where nobody looked.
    pub hot_key_share: Option<f64>,
}

impl ShardSeen {
    /// Records that somebody wanted to put, whether they were taken or refused.
    pub fn offered_records(&self) -> f64 {
        self.records + self.throttled
    }

    /// The same in bytes: what was refused is taken to be as large as what was taken.
    pub fn offered_bytes(&self) -> f64 {
        if self.records > 0.0 { self.bytes * self.offered_records() / self.records } else { 0.0 }
    }

    /// What was offered of what a shard takes, by records or bytes, whichever is more; 1 is a full shard.
    pub fn use_of_limits(&self) -> f64 {
        let by_records = self.offered_records() / SHARD_WRITE_RECORDS_PER_S as f64;
        by_records.max(self.offered_bytes() / SHARD_WRITE_BYTES_PER_S as f64)
    }
}

impl StreamSeen {
    /// The number of open shards, 1 at least.
    pub fn open_shards(&self) -> u32 {
        u32::try_from(self.shards.len()).unwrap_or(u32::MAX).max(1)
    }

    /// Records taken by all shards.
    pub fn records(&self) -> f64 {
        self.shards.iter().map(|shard| shard.records).sum()
    }

    /// Records refused by all shards.
    pub fn throttled(&self) -> f64 {
        self.shards.iter().map(|shard| shard.throttled).sum()
    }

    /// Records offered to all shards.
    pub fn offered_records(&self) -> f64 {
        self.shards.iter().map(ShardSeen::offered_records).sum()
    }

    /// Bytes offered to all shards.
    pub fn offered_bytes(&self) -> f64 {
        self.shards.iter().map(ShardSeen::offered_bytes).sum()
    }

    /// The greatest age over the shards, in milliseconds: lags of shards are never added up.
    pub fn age_ms(&self) -> f64 {
        self.shards.iter().map(|shard| shard.age_ms).fold(0.0, f64::max)
    }

    /// What is put of what the shards take, by bytes or records, whichever is more, in per cent.
    pub fn put_pct(&self) -> f64 {
        let shards = f64::from(self.open_shards());
        let by_records = self.offered_records() / (SHARD_WRITE_RECORDS_PER_S as f64 * shards);
        100.0 * by_records.max(self.offered_bytes() / (SHARD_WRITE_BYTES_PER_S as f64 * shards))
    }

    /// What is read of what the shards give, in per cent.
    pub fn get_pct(&self) -> f64 {
        100.0 * self.read_bytes / (SHARD_READ_BYTES_PER_S as f64 * f64::from(self.open_shards()))
    }
}

/// One second of an application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApplicationSeen {
    /// Its parallelism, 1 at least.
    pub parallelism: u32,
    /// How many subtasks share one KPU, 1 at least.
    pub per_kpu: u32,
    /// A change of its parallelism is under way, or it does not run.
    pub changing: bool,
    /// Records read and worked off.
    pub records_in: f64,
    /// Records that wait in its sources.
    pub backlog: f64,
    /// How far the slowest split is behind its newest record, in milliseconds.
    pub age_ms: f64,
    /// Part of the time that subtasks of its busiest operator compute, 0–1.
    pub busy: f64,
    /// Part of the time that its sources wait for those behind them, 0–1.
    pub backpressured: f64,
    /// Processor time of its workers, of what they have, 0–1.
    pub cpu: f64,
    /// Bytes of state.
    pub state_bytes: f64,
    /// What its sinks do.
    pub sink: SinkSeen,
    /// Part of its records that have the heaviest key, 0–1; `None` where nobody looked.
    pub hot_key_share: Option<f64>,
    /// Restarts after failures since the platform began.
    pub restarts: u64,
    /// Failed checkpoints since it was started.
    pub failed_checkpoints: u64,
    /// Durable checkpoints since it was started.
    pub completed_checkpoints: u64,
    /// How long no record was read during its last change of parallelism, in milliseconds; `None` before the first.
    pub rescale_pause_ms: Option<f64>,
}

/// One second of the sinks of an application.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SinkSeen {
    /// How long it takes to write a thousand rows, in milliseconds.
    pub latency_ms: f64,
    /// Part of the time that subtasks wait for a sink, 0–1.
    pub waited: f64,
    /// Rows refused.
    pub refused: f64,
}

impl ApplicationSeen {
    /// KPUs that it has.
    pub fn kpus(&self) -> u32 {
        kpus(self.parallelism, self.per_kpu)
    }
}

/// KPUs of a parallelism.
pub(super) fn kpus(parallelism: u32, per_kpu: u32) -> u32 {
    parallelism.div_ceil(per_kpu.max(1))
}
