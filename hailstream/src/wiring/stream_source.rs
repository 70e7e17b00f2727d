//! The engine's source over a stream of the platform: shards are splits, blocks of the log are payloads, nothing is copied.

use engine::port::{PayloadBlock, PortError, Source, SplitId, SplitInfo, SplitRead, SplitReader, Waker};
use model::{Classified, Position, ShardIndex};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use store::{ReadError, ShardDescription, ShardRead, ShardReader, Store};

/// A stream as a source.
pub(crate) struct StreamSource {
    store: Store,
    stream: String,
    /// Where the shards that were there at the start begin, where that is not their oldest record.
    starts: BTreeMap<ShardIndex, Position>,
}

impl StreamSource {
    /// The stream `stream`; shards that are not in `starts` are read from their oldest record.
    pub(crate) fn new(store: Store, stream: String, starts: BTreeMap<ShardIndex, Position>) -> Self {
        Self { store, stream, starts }
    }

    fn split(&self, shard: &ShardDescription, known: &[ShardDescription]) -> SplitInfo {
        let there = |parent: &&ShardIndex| known.iter().any(|s| s.index == **parent);
        SplitInfo {
            id: SplitId(shard.index.0),
            name: format!("{}, shard {}", self.stream, shard.index.0),
            // A parent that has expired cannot be read any more, so nothing waits for it.
            parents: shard.parents.iter().filter(there).map(|p| SplitId(p.0)).collect(),
            start: self.starts.get(&shard.index).copied().unwrap_or(shard.first),
        }
    }
}

impl Source for StreamSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let stream = self.store.describe_stream(&self.stream).map_err(|e| PortError::new(e.kind(), e.to_string()))?;
        Ok(stream.shards.iter().map(|shard| self.split(shard, &stream.shards)).collect())
    }

    fn open(&self, split: SplitId, from: Position) -> Result<Box<dyn SplitReader>, PortError> {
        let reader = self.store.shard_reader(&self.stream, ShardIndex(split.0), from).map_err(port_error)?;
        Ok(Box::new(StreamSplit { reader: Mutex::new(reader) }))
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
                    rows: block.rows.iter().map(|row| row.data_start..row.data_end).collect(),
                    first: block.rows.first().map_or(block.next, |row| row.position),
                    next: block.next,
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

fn port_error(error: ReadError) -> PortError {
    PortError::new(error.kind(), error.to_string())
}
