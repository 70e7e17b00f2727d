//! Writes aggregated records: many user records in the payload of one, in the form that `aggregation` reads.

use crate::aggregation::{EXPLICIT_HASH_KEYS, MAGIC, PARTITION_KEYS, RECORDS};
use bytes::Bytes;
use md5::{Digest, Md5};
use model::{HashKeyRange, PutRecord};
use std::collections::HashMap;

/// The partition key of an aggregated record; its place in the key space is said beside it.
const PARTITION_KEY: &str = "a";
/// How large an aggregated record grows where nothing else is said, in bytes: what the producer library takes.
pub const AGGREGATE_BYTES: usize = 50 * 1024;
/// More than the frames of one user record, its key and its place in the key space (39 digits) ever take, in bytes.
const OVERHEAD_BYTES: usize = 72;
const FRAME_BYTES: usize = 4 + 16;

/// Gathers user records of one shard.
#[derive(Debug)]
pub struct Aggregator {
    range: HashKeyRange,
    bytes_max: usize,
    keys: HashMap<String, u64>,
    hash_keys: u64,
    tables: Vec<u8>,
    records: Vec<u8>,
    /// What was added first, for the case that nothing follows it.
    single: Option<PutRecord>,
    count: usize,
}

impl Aggregator {
    /// Gathers records for the shard with this range, up to about `bytes_max` bytes.
    pub fn new(range: HashKeyRange, bytes_max: usize) -> Self {
        Self {
            range,
            bytes_max,
            keys: HashMap::new(),
            hash_keys: 0,
            tables: Vec::new(),
            records: Vec::new(),
            single: None,
            count: 0,
        }
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a record if it still fits; the first one always does.
    pub fn add(&mut self, record: &PutRecord) -> bool {
        let size = FRAME_BYTES + self.tables.len() + self.records.len() + record.size() + OVERHEAD_BYTES;
        if self.count > 0 && size > self.bytes_max {
            return false;
        }
        self.single = (self.count == 0).then(|| record.clone());
        self.count += 1;
        let next = self.keys.len() as u64;
        let key = *self.keys.entry(record.partition_key.clone()).or_insert_with(|| {
            put_bytes(&mut self.tables, PARTITION_KEYS, record.partition_key.as_bytes());
            next
        });
        let mut message = Vec::with_capacity(record.data.len() + OVERHEAD_BYTES);
        put_number(&mut message, 1, key);
        if let Some(place) = record.explicit_hash_key {
            put_bytes(&mut self.tables, EXPLICIT_HASH_KEYS, place.to_string().as_bytes());
            put_number(&mut message, 2, self.hash_keys);
            self.hash_keys += 1;
        }
        put_bytes(&mut message, 3, &record.data);
        put_bytes(&mut self.records, RECORDS, &message);
        true
    }

    /// The record to put: an aggregated one for the shard, or, where one alone was added, that one as it was.
    pub fn finish(self) -> Option<PutRecord> {
        if self.count <= 1 {
            return self.single;
        }
        let mut out = Vec::with_capacity(FRAME_BYTES + self.tables.len() + self.records.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.tables);
        out.extend_from_slice(&self.records);
        let digest = Md5::digest(&out[MAGIC.len()..]);
        out.extend_from_slice(&digest);
        let explicit_hash_key = Some(self.range.start());
        Some(PutRecord { partition_key: PARTITION_KEY.to_owned(), explicit_hash_key, data: Bytes::from(out) })
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3);
    put_varint(out, value);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregation::user_records;
    use proptest::prelude::*;

    fn record(key: &str, place: Option<u128>, data: &[u8]) -> PutRecord {
        PutRecord { partition_key: key.to_owned(), explicit_hash_key: place, data: Bytes::copy_from_slice(data) }
    }

    #[test]
    fn one_record_alone_stays_as_it_is() {
        let mut aggregator = Aggregator::new(HashKeyRange::FULL, 100);
        assert!(aggregator.is_empty());
        let large = record("k", Some(7), &[b'x'; 1_000]);
        assert!(aggregator.add(&large) && !aggregator.add(&record("k", None, b"y")));
        assert_eq!(aggregator.finish(), Some(large));
        assert_eq!(Aggregator::new(HashKeyRange::FULL, 100).finish(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_no_larger_than_asked(
            records in proptest::collection::vec(
                ("\\PC{1,20}", proptest::option::of(any::<u128>()), proptest::collection::vec(any::<u8>(), 0..300)), 2..60,
            ),
            bytes_max in 1_000_usize..20_000,
        ) {
            let range = HashKeyRange::new(5, 9).unwrap();
            let mut aggregator = Aggregator::new(range, bytes_max);
            let mut added = Vec::new();
            for (key, place, data) in &records {
                if !aggregator.add(&record(key, *place, data)) {
                    break;
                }
                added.push((key.clone(), place.map(|place| place.to_string()), data.clone()));
            }
            let whole = aggregator.finish().unwrap();
            if added.len() > 1 {
                prop_assert!(whole.data.len() <= bytes_max, "{} of {bytes_max}", whole.data.len());
                prop_assert_eq!((whole.partition_key.as_str(), whole.explicit_hash_key), ("a", Some(5)));
                let read: Vec<_> = user_records(&whole.data).unwrap().into_iter().map(|part| (
                    part.partition_key.to_owned(), part.explicit_hash_key.map(str::to_owned), whole.data[part.data].to_vec(),
                )).collect();
                prop_assert_eq!(read, added);
            }
        }
    }
}
