//! What the owner of a stream may set, as a value: how long records are kept, who counts the shards, tags, and the like.

use crate::catalog::CapacityMode;
use model::limits;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The tag that lifts the limits of one stream, and the only value that it takes.
pub const LIMITS_TAG: (&str, &str) = ("hailstream:limits", "unlimited");

/// What is set for one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSettings {
    /// Who counts its shards.
    pub mode: CapacityMode,
    /// How long records are kept, in hours.
    pub retention_hours: u32,
    /// What its owner wrote on it.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Largest payload plus partition key of one record, in bytes.
    #[serde(default = "default_record_bytes")]
    pub record_bytes_max: usize,
    /// What a stream in on-demand mode takes at once without being grown, in MiB/s; 0 for the smallest such stream.
    #[serde(default)]
    pub warm_mib_per_s: u32,
    /// The key that the stream is encrypted with, as its owner sees it.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    /// What is measured for each shard by itself.
    #[serde(default)]
    pub shard_metrics: BTreeSet<ShardMetric>,
    /// Who else may use the stream: a document that the doors understand.
    #[serde(default)]
    pub policy: Option<String>,
}

/// The state of a stream's encryption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// The name of the key.
    pub key: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// A measurement that can be had for each shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShardMetric {
    /// Bytes that were put.
    IncomingBytes,
    /// Records that were put.
    IncomingRecords,
    /// Age of the last record that was read.
    IteratorAge,
    /// Bytes that were read.
    OutgoingBytes,
    /// Records that were read.
    OutgoingRecords,
    /// Reads that were refused.
    ReadThrottles,
    /// Records that were refused.
    WriteThrottles,
}

fn default_record_bytes() -> usize {
    limits::RECORD_BYTES_MAX
}

impl StreamSettings {
    /// What a stream begins with where nothing else is said.
    pub fn new(mode: CapacityMode) -> Self {
        Self {
            mode,
            retention_hours: limits::RETENTION_HOURS_MIN,
            tags: BTreeMap::new(),
            record_bytes_max: limits::RECORD_BYTES_MAX,
            warm_mib_per_s: 0,
            encryption: None,
            shard_metrics: BTreeSet::new(),
            policy: None,
        }
    }

    /// Whether the limits of throughput and of calls hold for this stream.
    pub fn limited(&self) -> bool {
        self.tags.get(LIMITS_TAG.0).is_none_or(|value| value != LIMITS_TAG.1)
    }

    /// Most bytes of one put: more for streams of large records.
    pub fn put_bytes_max(&self) -> usize {
        if self.record_bytes_max > limits::RECORD_BYTES_MAX {
            limits::PUT_BYTES_LARGE_MAX
        } else {
            limits::PUT_BYTES_MAX
        }
    }

    /// What contradicts the bounds of settings, if anything, in words.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let retained = (limits::RETENTION_HOURS_MIN..=limits::RETENTION_HOURS_MAX).contains(&self.retention_hours);
        let sized = (limits::RECORD_BYTES_MAX..=limits::RECORD_BYTES_LARGE_MAX).contains(&self.record_bytes_max);
        if !retained {
            Some("its retention is out of bounds")
        } else if !sized {
            Some("its record size is out of bounds")
        } else {
            None
        }
    }
}
