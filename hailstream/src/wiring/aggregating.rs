//! Puts many small rows of a replay as one aggregated record for each shard, as the Kinesis Producer Library does.

use super::put_target::{HttpTarget, PUT_FRAME_BYTES};
use model::{Env, HashKeyRange, PutRecord, limits};
use replay::{PutError, PutLimits, PutTarget, PutVerdict};
use std::collections::BTreeMap;
use store::hash_key;
use store::kinesis::admin::Admin;
use tokio::runtime::Handle;
use wire::aggregator::{AGGREGATE_BYTES, Aggregator};

/// How long the shards of a stream are taken to be what they were, in nanoseconds. Rows that are aggregated for a shard that
/// was closed meanwhile go to one of its children, as with the producer library.
const SHARDS_NS: u64 = 1_000_000_000;

/// Puts aggregated records into a stream of any running platform.
pub struct Aggregating {
    target: HttpTarget,
    admin: Admin,
    runtime: Handle,
    env: Env,
    /// The ranges of the open shards in the order of keys, and when they were asked for.
    shards: Option<(u64, Vec<HashKeyRange>)>,
}

/// An aggregated record, and the places in the put of the rows that it holds.
type Filled = (Aggregator, Vec<usize>);

impl Aggregating {
    /// Puts through `target`, asking `admin` for the stream's shards.
    pub fn new(target: HttpTarget, admin: Admin, runtime: Handle, env: Env) -> Self {
        Self { target, admin, runtime, env, shards: None }
    }

    /// What a put may hold so that it fits also with the frames of aggregated records.
    pub fn limits() -> PutLimits {
        let defaults = PutLimits::default();
        PutLimits { bytes_max: defaults.bytes_max - limits::PUT_RECORDS_MAX * PUT_FRAME_BYTES, ..defaults }
    }

    fn ranges(&mut self) -> Result<Vec<HashKeyRange>, PutError> {
        let now_ns = self.env.monotonic_ns();
        if let Some((asked_ns, ranges)) = &self.shards
            && now_ns - asked_ns < SHARDS_NS
        {
            return Ok(ranges.clone());
        }
        let shards = self.runtime.block_on(self.admin.shards(self.target.stream()));
        let shards = shards.map_err(|error| PutError::Retriable(error.to_string()))?;
        let open = shards.iter().filter(|shard| shard.is_open());
        let mut ranges: Vec<HashKeyRange> =
            open.filter_map(|shard| HashKeyRange::new(shard.keys().0, shard.keys().1)).collect();
        ranges.sort_unstable_by_key(|range| range.start());
        if ranges.is_empty() {
            return Err(PutError::Retriable("the stream has no shard that takes records".to_owned()));
        }
        self.shards = Some((now_ns, ranges.clone()));
        Ok(ranges)
    }
}

impl PutTarget for Aggregating {
    fn put(&mut self, records: &[PutRecord]) -> Result<Vec<PutVerdict>, PutError> {
        let filled = fill(records, &self.ranges()?);
        let (mut puts, mut holds) = (Vec::new(), Vec::new());
        for (aggregator, slots) in filled {
            puts.extend(aggregator.finish());
            holds.push(slots);
        }
        let verdicts = self.target.put(&puts)?;
        let mut out = vec![PutVerdict::Accepted; records.len()];
        for (verdict, slots) in verdicts.into_iter().zip(holds) {
            slots.into_iter().for_each(|slot| out[slot] = verdict.clone());
        }
        Ok(out)
    }
}

/// Shares rows out among aggregated records, those of each shard in the order of the rows.
fn fill(records: &[PutRecord], ranges: &[HashKeyRange]) -> Vec<Filled> {
    let mut full = Vec::new();
    let mut open: BTreeMap<usize, Filled> = BTreeMap::new();
    for (slot, record) in records.iter().enumerate() {
        let place = hash_key(record);
        let shard = ranges.partition_point(|range| range.end() < place).min(ranges.len() - 1);
        let new = || (Aggregator::new(ranges[shard], AGGREGATE_BYTES), Vec::new());
        let (aggregator, slots) = open.entry(shard).or_insert_with(new);
        if aggregator.add(record) {
            slots.push(slot);
            continue;
        }
        let mut next = new();
        // The first record always fits.
        next.0.add(record);
        next.1.push(slot);
        full.extend(open.insert(shard, next));
    }
    full.extend(open.into_values());
    full
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use wire::aggregation::user_records;

    #[test]
    fn rows_go_to_the_record_of_their_shard_in_their_order() {
        let ranges = HashKeyRange::partition(3);
        let row = |i: usize| PutRecord {
            partition_key: format!("k{}", i % 20),
            explicit_hash_key: None,
            data: Bytes::from(format!("{i:0400}")),
        };
        let rows: Vec<PutRecord> = (0..500).map(row).collect();
        let filled = fill(&rows, &ranges);
        assert!(filled.len() > 3, "50 KiB hold about 100 of them");
        let mut seen = 0;
        for (aggregator, slots) in filled {
            assert!(slots.is_sorted());
            let whole = aggregator.finish().unwrap();
            let range = ranges.iter().find(|range| range.start() == whole.explicit_hash_key.unwrap()).unwrap();
            let parts = user_records(&whole.data).unwrap();
            assert_eq!(parts.len(), slots.len());
            for (part, slot) in parts.iter().zip(&slots) {
                assert_eq!(&whole.data[part.data.clone()], rows[*slot].data);
                assert!((range.start()..=range.end()).contains(&hash_key(&rows[*slot])));
            }
            seen += slots.len();
        }
        assert_eq!(seen, 500);
    }
}
