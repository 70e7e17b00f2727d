//! Reads: a synchronous reader of one shard for threads of the engine, and single bounded reads for the doors.

use crate::error::ReadError;
use crate::log::{LogRead, LogReader, Row};
use crate::stats::add;
use crate::store::Store;
use crate::stream::{ChildShard, Shard, Stream};
use bytes::Bytes;
use model::{Env, Position, Record, ShardIndex, limits};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What a read of a shard found.
#[derive(Debug, Clone)]
pub enum ShardRead {
    /// Records.
    Block(RecordBlock),
    /// Nothing new for the moment.
    Tip,
    /// The shard is closed and read to its end; these shards go on with its keys.
    End {
        /// One child or more. One after a merge has two parents: it is to be read after both.
        children: Vec<ChildShard>,
    },
    /// Retention deleted the wanted record. Go on with [`ShardReader::seek`], knowing what was missed.
    Trimmed {
        /// The first record that is left.
        first: Position,
    },
}

/// Records in the order of their shard, in one shared buffer, as they stand on disk.
#[derive(Debug, Clone)]
pub struct RecordBlock {
    /// The bytes that the rows point into. Also holds headers, and perhaps records before the first row.
    pub data: Bytes,
    /// The records; never empty.
    pub rows: Vec<Row>,
    /// The position after the last of them.
    pub next: Position,
}

impl RecordBlock {
    /// The payload of a row of this block.
    pub fn payload(&self, row: &Row) -> &[u8] {
        &self.data[row.data_start as usize..row.data_end as usize]
    }

    /// The partition key of a row of this block. Keys go in as UTF-8, so nothing is replaced.
    pub fn partition_key(&self, row: &Row) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.data[row.key_start as usize..row.data_start as usize])
    }

    /// A row of this block as a record that shares the block's buffer.
    pub fn record(&self, row: &Row) -> Record {
        Record {
            position: row.position,
            arrival_ms: row.arrival_ms,
            partition_key: self.partition_key(row).into_owned(),
            data: self.data.slice(row.data_start as usize..row.data_end as usize),
        }
    }
}

/// Reads one shard in order, straight from its log. Blocks the calling thread on the disk, never on a writer.
pub struct ShardReader {
    env: Env,
    stream: Arc<Stream>,
    shard: Shard,
    log: LogReader,
}

impl fmt::Debug for ShardReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardReader")
            .field("stream", &self.stream.name)
            .field("shard", &self.shard.info.index)
            .field("next", &self.log.position())
            .finish_non_exhaustive()
    }
}

impl ShardReader {
    /// The shard that is read.
    pub fn shard(&self) -> ShardIndex {
        self.shard.info.index
    }

    /// The position of the record that the next read begins with.
    pub fn next_position(&self) -> Position {
        self.log.position()
    }

    /// Goes to another record, before or after.
    pub fn seek(&mut self, position: Position) {
        self.log.seek(position);
    }

    /// Reads on: about `max_bytes` in one read of the disk, but at least one group commit, which may be larger (a few
    /// MiB). 256 KiB to 1 MiB are good values. Every byte handed out was checked against its checksum.
    ///
    /// # Errors
    /// When the disk fails, the bytes are damaged (the reader then stays before them) or the stream is gone.
    pub fn read(&mut self, max_bytes: usize) -> Result<ShardRead, ReadError> {
        let (stream, shard) = (&self.stream.name, self.shard.info.index);
        match self.log.read(max_bytes).map_err(|error| ReadError::from_log(stream, shard, error))? {
            LogRead::Rows { data, rows } => {
                let counters = &self.shard.handle.counters;
                add(&counters.outgoing_records, rows.len() as u64);
                add(&counters.outgoing_bytes, rows.iter().map(|row| u64::from(row.data_end - row.key_start)).sum());
                Ok(ShardRead::Block(RecordBlock { data, rows, next: self.log.position() }))
            }
            LogRead::Trimmed(first) => Ok(ShardRead::Trimmed { first }),
            LogRead::Tip => self.at_tip(),
        }
    }

    fn at_tip(&self) -> Result<ShardRead, ReadError> {
        let view = self.stream.view();
        let index = self.shard.info.index;
        // A shard that is no longer in the view has expired: it was closed.
        let end = match view.shard(index) {
            Some(shard) => shard.info.closed.map(|end| end.position),
            None => Some(self.log.position()),
        };
        if view.shards.is_empty() {
            return Err(ReadError::NotFound(self.stream.name.clone()));
        }
        Ok(match end {
            Some(end) if self.log.position() >= end => ShardRead::End { children: view.children_of(index) },
            _ => ShardRead::Tip,
        })
    }

    /// The age of the next record in milliseconds; 0 when there is none.
    ///
    /// # Errors
    /// As for [`ShardReader::read`].
    pub fn millis_behind_latest(&mut self) -> Result<u64, ReadError> {
        let (stream, shard) = (&self.stream.name, self.shard.info.index);
        let arrival = self.log.next_arrival_ms().map_err(|error| ReadError::from_log(stream, shard, error))?;
        let age_ms = arrival.map_or(0, |arrival_ms| self.env.now_ms().saturating_sub(arrival_ms));
        self.shard.handle.counters.read_left(age_ms);
        Ok(age_ms)
    }
}

/// The answer to a single read.
#[derive(Debug, Clone)]
pub struct ReadAnswer {
    /// Records in order; none at the tip and at the end.
    pub records: Vec<Record>,
    /// Where to read on.
    pub next: Position,
    /// The age of the record at `next` in milliseconds; 0 when there is none.
    pub behind_ms: u64,
    /// The shards that go on with the keys, when the shard is closed and read to its end.
    pub ended: Option<Vec<ChildShard>>,
}

impl ReadAnswer {
    /// The payloads and partition keys of its records, in bytes.
    pub fn bytes(&self) -> u64 {
        self.records.iter().map(|record| (record.data.len() + record.partition_key.len()) as u64).sum()
    }
}

/// Where to begin reading a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// The oldest record that is left.
    Oldest,
    /// The next record that is put.
    Latest,
    /// This record.
    Position(Position),
    /// The first record that arrived at this time or later, in milliseconds since the Unix epoch.
    Time(u64),
}

/// How much of the log is read at once while a single read is answered.
const STEP_BYTES: usize = 256 * 1024;

impl Store {
    /// A reader of a shard that begins with the record at `from`. Blocks on nothing; its reads do.
    ///
    /// # Errors
    /// When there is no such stream or shard.
    pub fn shard_reader(&self, stream: &str, shard: ShardIndex, from: Position) -> Result<ShardReader, ReadError> {
        let stream = self.stream(stream).ok_or_else(|| ReadError::NotFound(stream.to_owned()))?;
        let shard = stream.shard(shard)?;
        let log = LogReader::new(shard.handle.log.clone(), from);
        Ok(ShardReader { env: self.inner.config.env.clone(), stream, shard, log })
    }

    /// The position at which reading from `at` begins.
    ///
    /// # Errors
    /// When there is no such stream or shard, or the log cannot be read.
    pub async fn locate(&self, stream: &str, shard: ShardIndex, at: StartAt) -> Result<Position, ReadError> {
        let mut reader = self.shard_reader(stream, shard, Position::ZERO)?;
        let view = reader.shard.handle.log.clone();
        match at {
            StartAt::Oldest => Ok(view.first()),
            StartAt::Latest => Ok(view.next()),
            StartAt::Position(position) => Ok(position),
            StartAt::Time(time_ms) => {
                let job = move || reader.find_time(time_ms);
                self.inner.read_pool.run(job).await.map_err(|_| ReadError::Closed)?
            }
        }
    }

    /// Reads at most `records_max` records and `bytes_max` bytes (but one record at least), on a thread of the store.
    /// Where retention deleted the wanted record, the answer begins with the oldest one left.
    ///
    /// # Errors
    /// As for [`ShardReader::read`].
    pub async fn read_records(
        &self,
        stream: &str,
        shard: ShardIndex,
        from: Position,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<ReadAnswer, ReadError> {
        let mut reader = self.shard_reader(stream, shard, from)?;
        let job = move || reader.answer(records_max, bytes_max);
        self.inner.read_pool.run(job).await.map_err(|_| ReadError::Closed)?
    }

    /// Like [`Store::read_records`], but within the limits of a shard for all who poll it, where limits are on.
    ///
    /// # Errors
    /// As for [`ShardReader::read`], and when the shard gives no more for the moment.
    pub async fn poll_records(
        &self,
        stream: &str,
        shard: ShardIndex,
        from: Position,
        records_max: usize,
    ) -> Result<ReadAnswer, ReadError> {
        let found = self.stream(stream).ok_or_else(|| ReadError::NotFound(stream.to_owned()))?;
        let handle = found.shard(shard)?.handle;
        let env = &self.inner.config.env;
        let limited = self.inner.limits_hold(&found.view());
        if limited && !handle.read_throttle.lock().admit(env.monotonic_ns()) {
            add(&handle.counters.throttled_reads, 1);
            return Err(ReadError::Throttled { stream: stream.to_owned(), shard });
        }
        let answer = self.read_records(stream, shard, from, records_max, limits::GET_BYTES_MAX).await?;
        if limited {
            handle.read_throttle.lock().charge(env.monotonic_ns(), answer.bytes());
        }
        Ok(answer)
    }
}

impl ShardReader {
    /// The first record that arrived at `time_ms` or later; where the clock jumped, those after it may be older.
    fn find_time(&mut self, time_ms: u64) -> Result<Position, ReadError> {
        let (stream, shard) = (&self.stream.name, self.shard.info.index);
        let from = self.shard.handle.log.before_time(time_ms);
        self.log.seek(from.map_err(|error| ReadError::from_log(stream, shard, error))?);
        loop {
            let before = self.log.position();
            match self.log.read(STEP_BYTES).map_err(|e| ReadError::from_log(&self.stream.name, shard, e))? {
                LogRead::Rows { rows, .. } => {
                    if let Some(row) = rows.iter().find(|row| row.arrival_ms >= time_ms) {
                        return Ok(row.position);
                    }
                }
                LogRead::Trimmed(first) => self.log.seek(first),
                LogRead::Tip => return Ok(before),
            }
        }
    }

    fn answer(&mut self, records_max: usize, bytes_max: usize) -> Result<ReadAnswer, ReadError> {
        let mut records: Vec<Record> = Vec::new();
        let mut bytes = 0;
        let mut ended = None;
        'full: while records.len() < records_max && ended.is_none() {
            match self.read(STEP_BYTES) {
                Ok(ShardRead::Block(block)) => {
                    for row in &block.rows {
                        bytes += (row.data_end - row.key_start) as usize;
                        if !records.is_empty() && (records.len() == records_max || bytes > bytes_max) {
                            self.seek(row.position);
                            break 'full;
                        }
                        records.push(block.record(row));
                    }
                }
                Ok(ShardRead::Tip) => break,
                Ok(ShardRead::End { children }) => ended = Some(children),
                Ok(ShardRead::Trimmed { first }) => self.seek(first),
                // What was read before the damage is given first; the next read tells of it.
                Err(error) if records.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        // The end is told with the last records, so that no reader asks once more for nothing.
        if ended.is_none()
            && let Ok(ShardRead::End { children }) = self.at_tip()
        {
            ended = Some(children);
        }
        let behind_ms = if ended.is_some() { 0 } else { self.millis_behind_latest()? };
        Ok(ReadAnswer { records, next: self.next_position(), behind_ms, ended })
    }
}
