//! Reading one partition.

use super::client::{Told, failed};
use super::options::Place;
use super::source::{Shared, position};
use bytes::Bytes;
use engine::port::{Cursor, KeyedRecord, PayloadBlock, PortError, RecordBlock, SplitRead, SplitReader};
use model::{Kind, Position};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// When a reader at its tip looks again though nothing has woken it: errors of the client are seen then.
const LOOK_AGAIN_MS: u64 = 500;
/// What a record counts beside its bytes, so that small ones do not make huge blocks, in bytes.
const ROW_BYTES: usize = 16;

/// Reads a partition from an offset on. The client fetches ahead into the partition's own queue, within its bounds.
pub(super) struct PartitionReader {
    shared: Arc<Shared>,
    topic: String,
    number: i32,
    /// `None` where there was nothing to be read from the start.
    queue: Option<PartitionQueue<Told>>,
    /// The offset of the next record.
    next: i64,
    /// Where reading ends.
    end: Option<i64>,
    ended: bool,
    /// The time of the record that was read last, in milliseconds since the epoch.
    last_ms: Option<i64>,
    /// The end of the partition was seen, and nothing since.
    at_tip: bool,
}

/// What was taken in one read.
#[derive(Default)]
struct Block {
    data: Vec<u8>,
    rows: Vec<KeyedRecord>,
    moved: bool,
}

impl PartitionReader {
    /// A reader of a topic's partition from `from` to `end`.
    ///
    /// # Errors
    /// `Conflict` while another reader of the same source has the partition.
    pub(super) fn open(
        shared: Arc<Shared>,
        (topic, number): (String, i32),
        from: Position,
        end: Option<i64>,
    ) -> Result<Self, PortError> {
        let next = i64::try_from(from.0).unwrap_or(i64::MAX);
        let ended = end.is_some_and(|end| next >= end);
        let mut reader = Self { shared, topic, number, queue: None, next, end, ended, last_ms: None, at_tip: false };
        if !ended {
            reader.assign()?;
        }
        Ok(reader)
    }

    fn place(&self) -> String {
        format!("{}: {}, partition {}", self.shared.place, self.topic, self.number)
    }

    fn list(&self) -> Result<TopicPartitionList, PortError> {
        let mut list = TopicPartitionList::new();
        let added = list.add_partition_offset(&self.topic, self.number, Offset::Offset(self.next));
        added.map(|()| list).map_err(|e| failed(&self.place(), &e))
    }

    /// Begins to fetch at the next offset. The queue is taken off the client's common one before anything can come.
    fn assign(&mut self) -> Result<(), PortError> {
        let queue = self.shared.consumer.split_partition_queue(&self.topic, self.number);
        let what = || PortError::new(Kind::Invalid, format!("{}: it has no queue", self.place()));
        let mut queue = queue.ok_or_else(what)?;
        let wakers = self.shared.wakers.clone();
        queue.set_nonempty_callback(move || wakers.wake());
        let assigned = self.shared.consumer.incremental_assign(&self.list()?);
        if let Err(error) = assigned {
            let told = failed(&self.place(), &error);
            let taken = matches!(&error, KafkaError::Subscription(name) if name.contains("CONFLICT"));
            return Err(if taken { PortError::new(Kind::Conflict, told.message) } else { told });
        }
        self.queue = Some(queue);
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), PortError> {
        if self.queue.take().is_none() {
            return Ok(());
        }
        let list = self.list()?;
        self.shared.consumer.incremental_unassign(&list).map_err(|e| failed(&self.place(), &e))
    }

    fn take(&mut self, bytes_max: usize) -> Result<Block, PortError> {
        let mut block = Block::default();
        while !self.ended && block.data.len() + block.rows.len() * ROW_BYTES < bytes_max.max(1) {
            let Some(queue) = &self.queue else { break };
            let fault = match queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    let offset = message.offset();
                    if self.end.is_some_and(|end| offset >= end) {
                        self.ended = true;
                        break;
                    }
                    block.push(&message, &self.shared);
                    self.last_ms = message.timestamp().to_millis().or(self.last_ms);
                    self.next = offset + 1;
                    self.at_tip = false;
                    self.ended = self.end.is_some_and(|end| self.next >= end);
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    // Where reading ends lay before the partition's end when it was found, and what is before the end of
                    // the partition was read: the last offsets may be a transaction's own marks.
                    self.at_tip = true;
                    self.ended = self.end.is_some();
                    continue;
                }
                Some(Err(error)) => error,
            };
            self.bear(&fault)?;
        }
        Ok(block)
    }

    /// What is to be done about an error of the partition: most pass by themselves, and stand in the log by now.
    fn bear(&mut self, error: &KafkaError) -> Result<(), PortError> {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
            return self.trimmed();
        }
        let told = failed(&self.place(), error);
        if is_final(error, told.kind) { Err(told) } else { Ok(()) }
    }

    /// The next record is not there any more, or never was.
    fn trimmed(&mut self) -> Result<(), PortError> {
        let (first, behind) = self.shared.finder().edges(&(self.topic.clone(), self.number))?;
        let what = format!("{}: there is no record at {}: it holds {first} to {behind}", self.place(), self.next);
        let go_on = match &self.shared.reset {
            Some(Place::Latest) => behind,
            Some(_) => first,
            None => {
                let hint = "records were deleted before they were read, or the topic was made anew; set \
                            'properties.auto.offset.reset' to 'earliest' to go on from the oldest without them, or begin \
                            without state";
                return Err(PortError::new(Kind::NotFound, format!("{what}; {hint}")));
            }
        };
        tracing::warn!(go_on, "{what}; going on as 'properties.auto.offset.reset' says");
        self.unassign()?;
        self.next = go_on;
        self.assign()
    }

    /// Hears what the client as a whole has to say.
    fn hear(&self) -> Result<(), PortError> {
        self.shared.failure.check(&self.shared.place)?;
        match self.shared.consumer.poll(Duration::ZERO) {
            None => Ok(()),
            Some(Err(error)) => {
                let told = failed(&self.shared.place, &error);
                if is_final(&error, told.kind) { Err(told) } else { Ok(()) }
            }
            Some(Ok(message)) => {
                let (topic, number, offset) = (message.topic(), message.partition(), message.offset());
                let what =
                    format!("{}: {topic}, partition {number}: record {offset} came past its queue", self.shared.place);
                Err(PortError::new(Kind::Internal, what))
            }
        }
    }
}

/// Whether waiting does not help.
fn is_final(error: &KafkaError, kind: Kind) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_)) || matches!(kind, Kind::Invalid | Kind::NotFound)
}

impl Block {
    /// Adds a record; one without a value is no row of a table that is only added to, as in Flink.
    fn push(&mut self, message: &BorrowedMessage<'_>, shared: &Shared) {
        self.moved = true;
        if message.payload().is_none() && !shared.upserts {
            return;
        }
        let key = message.key().filter(|_| shared.by_key).map(|key| self.add(key));
        let value = message.payload().map(|payload| self.add(payload));
        self.rows.push(KeyedRecord { key, value, position: position(message.offset()) });
    }

    /// Where a part of a record stands. A block is as large as was asked for and one record more, whose size a topic bounds
    /// far below 4 GiB.
    fn add(&mut self, part: &[u8]) -> Range<u32> {
        let start = self.data.len() as u32;
        self.data.extend_from_slice(part);
        start..self.data.len() as u32
    }

    /// What was read, up to `next`.
    fn read(self, by_key: bool, next: Position) -> SplitRead {
        let (data, next) = (Bytes::from(self.data), Cursor::from(next));
        if by_key {
            return SplitRead::Records(RecordBlock { data, rows: self.rows, next });
        }
        let first = self.rows.first().map_or(next.position, |row| row.position);
        let rows = self.rows.into_iter().filter_map(|row| row.value).collect();
        SplitRead::Payloads(PayloadBlock { data, rows, first, next })
    }
}

impl SplitReader for PartitionReader {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        let block = self.take(bytes_max)?;
        if block.moved {
            return Ok(block.read(self.shared.by_key, position(self.next)));
        }
        if self.ended {
            return Ok(SplitRead::End);
        }
        self.hear()?;
        Ok(SplitRead::Tip)
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        if self.at_tip {
            return Some(0);
        }
        let last_ms = u64::try_from(self.last_ms?).ok()?;
        Some(self.shared.env.now_ms().saturating_sub(last_ms))
    }

    fn next_read_in_ms(&self) -> Option<u64> {
        Some(LOOK_AGAIN_MS)
    }
}

impl Drop for PartitionReader {
    fn drop(&mut self) {
        if let Err(error) = self.unassign() {
            tracing::warn!("{}", error.message);
        }
    }
}
