//! The engine's source over a stream of the platform: shards are splits, blocks of the log are payloads, nothing is copied.
//! Of an aggregated record its user records are read, all of them, at the one position that they share.

use engine::port::{Cursor, PayloadBlock, PortError, Source, SplitId, SplitInfo, SplitRead, SplitReader, Waker};
use model::{Classified, Position, ShardIndex};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use store::{ReadError, RecordBlock, ShardDescription, ShardRead, ShardReader, Store};
use wire::aggregation::user_records;

/// A stream as a source.
pub(crate) struct StreamSource {
    store: Store,
    stream: String,
    /// Where the shards that were there at the start begin, where that is not their oldest record.
    starts: Mutex<BTreeMap<ShardIndex, Position>>,
}

impl StreamSource {
    /// The stream `stream`; shards that are not in `starts` are read from their oldest record.
    pub(crate) fn new(store: Store, stream: String, starts: BTreeMap<ShardIndex, Position>) -> Self {
        Self { store, stream, starts: Mutex::new(starts) }
    }

    fn split(&self, shard: &ShardDescription, known: &[ShardDescription]) -> SplitInfo {
        let there = |parent: &&ShardIndex| known.iter().any(|s| s.index == **parent);
        SplitInfo {
            id: SplitId(shard.index.0),
            name: format!("{}, shard {}", self.stream, shard.index.0),
            // A parent that has expired cannot be read any more, so nothing waits for it.
            parents: shard.parents.iter().filter(there).map(|p| SplitId(p.0)).collect(),
            start: self.starts.lock().get(&shard.index).copied().unwrap_or(shard.first).into(),
        }
    }
}

impl Source for StreamSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let stream = self.store.describe_stream(&self.stream).map_err(|e| PortError::new(e.kind(), e.to_string()))?;
        Ok(stream.shards.iter().map(|shard| self.split(shard, &stream.shards)).collect())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let reader = self.store.shard_reader(&self.stream, ShardIndex(split.0), from.position).map_err(port_error)?;
        Ok(Box::new(StreamSplit { reader: Mutex::new(reader) }))
    }

    fn goes_on(&self, known: &BTreeSet<SplitId>) {
        // What was split or merged meanwhile is read whole.
        self.starts.lock().retain(|shard, _| known.contains(&SplitId(shard.0)));
    }

    fn is_bounded(&self) -> bool {
        false
    }

    fn subscribe(&self, waker: Waker) -> Box<dyn Send> {
        match self.store.subscribe(&self.stream, waker) {
            Ok(subscription) => Box::new(subscription),
            Err(error) => {
                // The next read of the deleted stream fails, and says so.
                tracing::warn!(stream = self.stream, %error, "there is no news to be had of the stream");
                Box::new(())
            }
        }
    }
}

struct StreamSplit {
    reader: Mutex<ShardReader>,
}

impl SplitReader for StreamSplit {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        let reader = self.reader.get_mut();
        loop {
            return Ok(match reader.read(bytes_max).map_err(port_error)? {
                ShardRead::Block(block) => SplitRead::Payloads(PayloadBlock {
                    rows: payloads(&block),
                    first: block.rows.first().map_or(block.next, |row| row.position),
                    next: block.next.into(),
                    data: block.data,
                }),
                ShardRead::Tip => SplitRead::Tip,
                ShardRead::End { .. } => SplitRead::End,
                ShardRead::Trimmed { first } => {
                    let (shard, from) = (reader.shard().0, reader.next_position());
                    tracing::warn!(shard, %from, %first, "retention deleted records before they were read");
                    reader.seek(first);
                    continue;
                }
            });
        }
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        match self.reader.lock().millis_behind_latest() {
            Ok(ms) => Some(ms),
            Err(error) => {
                tracing::warn!(%error, "the lag of a shard cannot be told");
                None
            }
        }
    }
}

/// Where the payloads of a block stand, those of user records one by one.
fn payloads(block: &RecordBlock) -> Vec<Range<u32>> {
    let mut rows = Vec::with_capacity(block.rows.len());
    for row in &block.rows {
        match user_records(block.payload(row)) {
            None => rows.push(row.data_start..row.data_end),
            Some(records) => {
                // Places within a block fit into 32 bits, as the row's own do.
                let place = |at: usize| row.data_start + at as u32;
                rows.extend(records.iter().map(|record| place(record.data.start)..place(record.data.end)));
            }
        }
    }
    rows
}

fn port_error(error: ReadError) -> PortError {
    PortError::new(error.kind(), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{Env, PutRecord};
    use store::{CapacityMode, StoreConfig};

    /// Two user records, `one` and `two`, as the producer library aggregates them, without the checksum at the end.
    const AGGREGATED: &[u8] =
        b"\xf3\x89\x9a\xc2\x0a\x01a\x0a\x01b\x1a\x07\x08\x00\x1a\x03one\x1a\x07\x08\x01\x1a\x03two";

    /// The MD5 of what follows the magic number.
    const DIGEST: &[u8] = b"\x78\x96\x62\x6e\x4b\x54\x75\x0e\x07\xfc\xfe\xb4\x58\xe8\xa3\x7e";

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn user_records_of_an_aggregate_are_payloads_at_one_position() {
        let dir = tempfile::tempdir().unwrap();
        let store =
            Store::open(StoreConfig { status_delay_ms: 0, ..StoreConfig::new(dir.path(), Env::system()) }).unwrap();
        store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
        let aggregated = [AGGREGATED, DIGEST].concat();
        let record = |data: &[u8]| PutRecord {
            partition_key: "k".into(),
            explicit_hash_key: None,
            data: Bytes::copy_from_slice(data),
        };
        let put = vec![record(b"before"), record(&aggregated), record(AGGREGATED)];
        store.put_records("s", put).await.unwrap();
        let source = StreamSource::new(store.clone(), "s".into(), BTreeMap::new());
        for (from, expected) in [
            (0, vec![&b"before"[..], b"one", b"two", AGGREGATED]),
            (1, vec![b"one", b"two", AGGREGATED]),
            (2, vec![AGGREGATED]),
        ] {
            let mut reader = source.open(SplitId(0), Position(from).into()).unwrap();
            let SplitRead::Payloads(block) = reader.read(1 << 20).unwrap() else { panic!("there are records") };
            let read: Vec<&[u8]> = block.rows.iter().map(|r| &block.data[r.start as usize..r.end as usize]).collect();
            assert_eq!(read, expected, "from {from}");
            assert_eq!((block.first, block.next.position), (Position(from), Position(3)));
        }
        store.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_was_split_off_while_a_job_stood_still_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store =
            Store::open(StoreConfig { status_delay_ms: 0, ..StoreConfig::new(dir.path(), Env::system()) }).unwrap();
        store.create_stream("s", 2, CapacityMode::Provisioned).await.unwrap();
        // As a table that begins at the newest records finds them when the job is started again.
        let starts = BTreeMap::from([(ShardIndex(0), Position(5)), (ShardIndex(1), Position(9))]);
        let source = StreamSource::new(store.clone(), "s".into(), starts);
        let begin = |source: &StreamSource| -> Vec<u64> {
            source.splits().unwrap().iter().map(|split| split.start.position.0).collect()
        };
        assert_eq!(begin(&source), [5, 9]);
        source.goes_on(&BTreeSet::from([SplitId(0)]));
        assert_eq!(begin(&source), [5, 0]);
        store.shutdown().await;
    }
}
