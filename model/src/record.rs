//! Records as they enter and leave a stream.

use crate::Position;
use bytes::Bytes;

/// A record on its way into a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutRecord {
    /// Decides the shard by its MD5 hash, unless `explicit_hash_key` is given. 1–256 characters.
    pub partition_key: String,
    /// Decides the shard in place of the partition key's hash.
    pub explicit_hash_key: Option<u128>,
    /// The payload; the platform does not look into it on the way in.
    pub data: Bytes,
}

impl PutRecord {
    /// What counts against the size limits: payload and partition key, in bytes.
    pub fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// A record as it stands in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it stands in its shard.
    pub position: Position,
    /// When the store accepted it, in milliseconds since the Unix epoch.
    pub arrival_ms: u64,
    /// The key that it was put with.
    pub partition_key: String,
    /// The payload, shared with the buffer that it was read into.
    pub data: Bytes,
}
