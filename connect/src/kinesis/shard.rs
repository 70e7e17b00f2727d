//! Reading one shard: a task fetches into a queue, a reader takes from it.

use super::fan_out;
use super::place::Place;
use super::polling;
use super::queue::{Front, Queue};
use super::source::{Feeding, Shared};
use bytes::Bytes;
use engine::port::{Cursor, PayloadBlock, PortError, SplitRead, SplitReader};
use model::Position;
use std::ops::Range;
use std::sync::Arc;
use tokio::task::JoinHandle;
use wire::aggregation::user_records;

/// What a record counts beside its bytes, so that small ones do not make huge blocks, in bytes.
const ROW_BYTES: usize = 16;

/// What a task that fetches needs.
pub(super) struct Feed {
    pub(super) shared: Arc<Shared>,
    /// The shard's name.
    pub(super) shard: String,
    pub(super) queue: Arc<Queue>,
}

impl Feed {
    /// How messages about it begin.
    pub(super) fn place(&self) -> String {
        format!("{}, {}", self.shared.place, self.shard)
    }
}

/// Reads a shard from a place on. Its position counts the records that were read.
pub(super) struct ShardReader {
    queue: Arc<Queue>,
    task: JoinHandle<()>,
    position: u64,
    place: Place,
    behind_ms: Option<u64>,
}

impl ShardReader {
    /// Begins to fetch.
    pub(super) fn open(shared: &Arc<Shared>, shard: &str, position: Position, place: Place) -> Self {
        let queue = Arc::new(Queue::new(shared.wakers.clone()));
        let feed = Feed { shared: shared.clone(), shard: shard.to_owned(), queue: queue.clone() };
        let from = place.clone();
        let task = shared.runtime.spawn(async move {
            match feed.shared.feeding.clone() {
                Feeding::Polling { records_max, interval } => polling::run(feed, from, records_max, interval).await,
                Feeding::FanOut(consumer) => fan_out::run(feed, from, &consumer).await,
            }
        });
        Self { queue, task, position: position.0, place, behind_ms: None }
    }
}

impl SplitReader for ShardReader {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        let (mut data, mut rows, first) = (Vec::new(), Vec::new(), Position(self.position));
        let nothing = loop {
            if data.len() + rows.len() * ROW_BYTES >= bytes_max.max(1) {
                break SplitRead::Later;
            }
            match self.queue.take() {
                Ok(Front::Record(record, behind_ms)) => {
                    add(&record.data, &mut data, &mut rows);
                    self.position += 1;
                    self.place = Place::After(record.number);
                    self.behind_ms = behind_ms;
                }
                Ok(Front::Tip) => break SplitRead::Tip,
                Ok(Front::Later) => break SplitRead::Later,
                Ok(Front::End) => break SplitRead::End,
                // What was read before is handed on first.
                Err(_) if !rows.is_empty() => break SplitRead::Later,
                Err(error) => return Err(error),
            }
        };
        if rows.is_empty() {
            self.behind_ms = self.queue.behind_ms().or(self.behind_ms);
            return Ok(nothing);
        }
        let next = Cursor { position: Position(self.position), mark: Some(self.place.to_string().into()) };
        Ok(SplitRead::Payloads(PayloadBlock { data: Bytes::from(data), rows, first, next }))
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        self.behind_ms
    }
}

impl Drop for ShardReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Adds what a record holds: of an aggregate each user record, all of them, so that reading goes on behind it.
fn add(payload: &[u8], data: &mut Vec<u8>, rows: &mut Vec<Range<u32>>) {
    // A block is as large as was asked for and one record more, which is far below 4 GiB.
    let start = data.len() as u32;
    data.extend_from_slice(payload);
    match user_records(payload) {
        None => rows.push(start..data.len() as u32),
        Some(records) => {
            let place = |at: usize| start + at as u32;
            rows.extend(records.iter().map(|record| place(record.data.start)..place(record.data.end)));
        }
    }
}
