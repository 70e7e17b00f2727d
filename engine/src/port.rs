//! The ports of the engine: where bytes come from, where results go, and how a connector's name becomes either.
//!
//! Laws, checked by property tests of every implementation:
//! - reading a split twice from the same position gives the same payloads in the same order;
//! - a sink's `flush` returns only when everything written before is durable; writing a row with the same id again
//!   leaves the same result.

pub use crate::wakers::{Subscription, Wakers};

use crate::expr::Scalar;
use crate::plan::TableDef;
use crate::run::decode::JsonOptions;
use crate::types::Schema;
use arrow_array::{RecordBatch, StringArray};
use bytes::Bytes;
use model::{Classified, Kind, Position};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// One independently ordered part of a source (a shard, a file), numbered by its source and never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SplitId(pub u32);

/// Where a split is read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// How far that is: it grows as the split is read, and people are told it.
    pub position: Position,
    /// What the source goes by where a position does not say it (another system's own name of the place). Short; it is
    /// kept with a job's state as it is, and handed back when the split is opened.
    pub mark: Option<Arc<str>>,
}

impl From<Position> for Cursor {
    fn from(position: Position) -> Self {
        Self { position, mark: None }
    }
}

/// What a source says of one of its splits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitInfo {
    /// The split.
    pub id: SplitId,
    /// Its name as people know it (a shard id, a path).
    pub name: String,
    /// The splits that must be read to their end before this one.
    pub parents: Vec<SplitId>,
    /// Where a first read begins.
    pub start: Cursor,
}

/// Wakes a worker that waits for news of a source. Calling it more often than needed does no harm.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Where rows come from.
pub trait Source: Send + Sync {
    /// All splits known now, ended ones included as long as they can be read. Asked at the start, whenever a split
    /// ends, and from time to time.
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError>;

    /// A reader of `split` that begins at `from`.
    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError>;

    /// Told before anything is asked where a job goes on from its state, which knows these splits: others have appeared
    /// since, and are to be read from their beginning wherever a first read would begin.
    fn goes_on(&self, _known: &BTreeSet<SplitId>) {}

    /// Told that a checkpoint is durable that holds what was read of these splits up to these places: nothing before them is
    /// read again, unless somebody goes back to an older one. For those who tell others how far reading has come; the checkpoint is
    /// what counts. Called by the thread that writes checkpoints, which waits for nothing else meanwhile.
    fn checkpointed(&self, _cursors: &[(SplitId, Cursor)]) {}

    /// How its records become rows, where it gives [`SplitRead::Records`].
    fn layout(&self) -> Option<RecordLayout> {
        None
    }

    /// Whether every split ends by itself and no split can appear later.
    fn is_bounded(&self) -> bool;

    /// Asks to be woken when there is something new to read. Dropping the guard ends it. A source that never has
    /// news (a file) gives an empty guard.
    fn subscribe(&self, waker: Waker) -> Box<dyn Send>;
}

/// Reads one split in order.
pub trait SplitReader: Send {
    /// The next rows: about `bytes_max` at most, at least one where there is one. Never waits for new data.
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError>;

    /// How far behind the newest row of the split the reader is, in milliseconds of arrival time; 0 at the tip,
    /// `None` where the source cannot tell.
    fn millis_behind_latest(&self) -> Option<u64>;

    /// After a read that gave [`SplitRead::Tip`] or [`SplitRead::Later`]: in how many milliseconds to ask again, where the source knows that
    /// without waking anybody; `None` where it wakes its subscribers.
    fn next_read_in_ms(&self) -> Option<u64> {
        None
    }
}

/// What a read gave.
#[derive(Debug)]
pub enum SplitRead {
    /// Payloads to be decoded by the table's format.
    Payloads(PayloadBlock),
    /// Records to be decoded as [`Source::layout`] says, by key and value.
    Records(RecordBlock),
    /// Rows that need no decoding: all physical columns of the table in order.
    Rows {
        /// The rows.
        batch: RecordBatch,
        /// Where the next read begins.
        next: Cursor,
    },
    /// Nothing for now; more may come.
    Tip,
    /// Nothing yet, though there may be something: it is on its way, or who has it does not answer. The split is waited for.
    Later,
    /// Nothing will ever come again. New splits may have appeared in the place of this one.
    End,
}

/// Payloads that share one buffer.
#[derive(Debug, Clone)]
pub struct PayloadBlock {
    /// The buffer.
    pub data: Bytes,
    /// Where each payload stands in it.
    pub rows: Vec<Range<u32>>,
    /// The position of the first payload.
    pub first: Position,
    /// Where the next read begins.
    pub next: Cursor,
}

/// Records that share one buffer, each with a key and a value.
#[derive(Debug, Clone)]
pub struct RecordBlock {
    /// The buffer.
    pub data: Bytes,
    /// The records in their order.
    pub rows: Vec<KeyedRecord>,
    /// Where the next read begins.
    pub next: Cursor,
}

/// A record of a [`RecordBlock`], by the places of its parts in the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRecord {
    /// Its key, where it has one.
    pub key: Option<Range<u32>>,
    /// Its value. Without one it says that the row of its key goes away; where a table is only added to, it is no row.
    pub value: Option<Range<u32>>,
    /// Its position.
    pub position: Position,
}

/// How a record's key and value make a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLayout {
    /// How keys are written.
    pub key_format: KeyFormat,
    /// The table's columns that a key holds, each with its name there; one of text, where keys are raw. A record without a
    /// key cannot be read.
    pub key: Vec<(usize, String)>,
    /// The table's physical columns that a value holds, by the table's own format. A column that stands in both is read from
    /// the value where there is one.
    pub value: Vec<usize>,
}

/// How the key of a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// An object of its columns.
    Json(JsonOptions),
    /// The text of its one column.
    Raw,
}

/// What a sink is made for.
#[derive(Debug, Clone)]
pub struct SinkSpec {
    /// The job's name; ids of documents are a function of it.
    pub application: String,
    /// The table written to.
    pub table: Arc<TableDef>,
    /// The rows' columns.
    pub schema: Schema,
    /// Which of the parallel writers this is, from 0.
    pub subtask: u32,
    /// How many parallel writers there are.
    pub parallelism: u32,
    /// Given to the first writer of a job that keeps state: what an earlier run prepared and perhaps did not commit. It is
    /// part of the state that this run begins with, and is to be committed when the sink is opened; whatever else
    /// writers of this application have prepared for this table is to be thrown away.
    pub prepared: Option<Vec<Vec<u8>>>,
    /// Whether the job is to end, for a sink that waits for somebody.
    pub ending: Ending,
}

/// Whether a job is to end.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    stops: Arc<AtomicBool>,
    cancelled: Arc<AtomicBool>,
}

impl Ending {
    /// It is to stop: what was written is still to become durable, and whoever asked waits for that. What cannot be written
    /// is better told soon; the last checkpoint holds.
    pub fn stop(&self) {
        self.stops.store(true, Ordering::Release);
    }

    /// It ends at once: nothing that was written is waited for.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Whether it is to stop.
    pub fn stops(&self) -> bool {
        self.stops.load(Ordering::Acquire)
    }

    /// Whether it ends at once.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum RowKind {
    /// It is added.
    Insert = 0,
    /// It is taken back; what takes its place follows.
    UpdateBefore = 1,
    /// It takes the place of another one.
    UpdateAfter = 2,
    /// It is taken back.
    Delete = 3,
}

impl RowKind {
    /// What a column of changes says by a number; whatever is not known adds.
    pub(crate) fn of(number: i8) -> Self {
        match number {
            1 => Self::UpdateBefore,
            2 => Self::UpdateAfter,
            3 => Self::Delete,
            _ => Self::Insert,
        }
    }

    /// Whether the row is there afterwards.
    pub fn adds(self) -> bool {
        matches!(self, Self::Insert | Self::UpdateAfter)
    }

    /// Flink's sign for it.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }
}

/// What a table can take, or gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changelog {
    /// New rows only.
    Append,
    /// New rows, rows that replace others of the same id, and ids whose rows go away.
    Upsert,
    /// Every change, in its order.
    All,
}

/// Rows for a sink.
#[derive(Debug, Clone)]
pub struct SinkBatch {
    /// The rows.
    pub rows: RecordBatch,
    /// For each row the id under which it is written, a function of application, window and key; `None` where nothing
    /// names a row, so that each write adds one.
    pub ids: Option<StringArray>,
    /// What happens to each row; `None` where all are added. A sink that takes [`Changelog::Upsert`] gets no
    /// [`RowKind::UpdateBefore`], and no id twice in one batch.
    pub kinds: Option<Vec<RowKind>>,
}

impl SinkBatch {
    /// What happens to a row.
    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().and_then(|k| k.get(row)).copied().unwrap_or(RowKind::Insert)
    }
}

/// Rows that were not taken where a sink sends them, counted by the sink since it was opened and read by others meanwhile.
#[derive(Debug, Default)]
pub struct Refusals {
    refused: AtomicU64,
    retried: AtomicU64,
}

impl Refusals {
    /// So many rows were not taken.
    pub fn refused(&self, rows: u64) {
        self.refused.fetch_add(rows, Ordering::Relaxed);
    }

    /// So many rows that were not taken are offered again.
    pub fn retried(&self, rows: u64) {
        self.retried.fetch_add(rows, Ordering::Relaxed);
    }

    /// Rows that were not taken, each as often as it was not, and how many of them were offered again.
    pub fn counted(&self) -> (u64, u64) {
        (self.refused.load(Ordering::Relaxed), self.retried.load(Ordering::Relaxed))
    }
}

/// Where rows go. One writer per subtask; used by one thread at a time.
pub trait Sink: Send {
    /// Takes rows. It may keep them back up to a bound that it states, and waits when that bound is reached.
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError>;

    /// Returns when everything taken so far is durable.
    fn flush(&mut self) -> Result<(), PortError>;

    /// Makes everything taken so far durable. A sink whose rows would count twice if they were written again keeps them
    /// invisible and gives what is needed to make them visible later, even by another process; a sink that replaces
    /// rows by id, or cannot hold any back, gives nothing.
    fn prepare(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        self.flush()?;
        Ok(None)
    }

    /// Makes visible what was prepared: the checkpoint that holds `transaction` is durable. Doing so again changes
    /// nothing.
    fn commit(&mut self, transaction: &[u8]) -> Result<(), PortError> {
        let message = format!("a transaction of {} bytes that this sink has not prepared", transaction.len());
        Err(PortError::new(Kind::Internal, message))
    }

    /// Ends the sink when everything taken is durable and all that was prepared is committed.
    fn close(&mut self) -> Result<(), PortError>;

    /// How long rows that were written may wait for a flush while nothing more comes; `None`: as long as the job says.
    /// Checkpoints and the end flush in any case. Asked once.
    fn flush_interval(&self) -> Option<Duration> {
        None
    }

    /// Where it counts rows that are not taken; `None` where that cannot happen without a failure. Asked once.
    fn refusals(&self) -> Option<Arc<Refusals>> {
        None
    }
}

/// A record or row that a job could not use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The table, or the operator that did not take the row.
    pub place: String,
    /// The split that the record came from; empty for a row.
    pub split: String,
    /// Its position there; 0 for a row.
    pub position: u64,
    /// What was wrong.
    pub reason: String,
    /// Whether it came after its last window had closed: when that ended, in milliseconds on the clock of the windows, as
    /// far as it is known.
    pub late: Option<Option<i64>>,
    /// The record as it came; of a row its columns as JSON.
    pub payload: Vec<u8>,
}

/// Where records go that a job could not use, so that nothing that came is lost. Used by several threads at once.
pub trait DeadLetters: Send + Sync {
    /// Takes one; it may wait until there is room.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn keep(&self, letter: DeadLetter) -> Result<(), PortError>;

    /// Returns when everything taken is durable.
    ///
    /// # Errors
    /// When it is not.
    fn flush(&self) -> Result<(), PortError>;
}

/// What is looked up.
#[derive(Debug, Clone)]
pub struct LookupSpec {
    /// The table.
    pub table: Arc<TableDef>,
    /// Its columns that make up the key, ascending.
    pub keys: Vec<usize>,
}

/// The values of a key, in the order of [`LookupSpec::keys`]; none is null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LookupKey {
    /// The values, of the types of the key's columns.
    pub values: Arc<[Scalar]>,
}

/// Takes what was found: all columns of the table, a row for each row of the key, none where there is none.
pub type Answer = Box<dyn FnOnce(Result<RecordBatch, PortError>) + Send>;

/// A table that is asked by key, by several threads at once.
///
/// Failures of the kinds `Unavailable` and `Throttled` may be asked again.
pub trait Lookup: Send + Sync {
    /// Begins to look `key` up and returns at once. `answer` is called once, from any thread, maybe before this returns;
    /// the columns of its rows all admit null.
    fn start(&self, key: LookupKey, answer: Answer);
}

/// What a table is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To be read.
    Source,
    /// To be written.
    Sink,
    /// To be asked by key.
    Lookup,
}

/// Turns the `connector` option of a table into a source or a sink.
pub trait Connectors: Send + Sync {
    /// Checks the table's options for `role` without opening anything. Unknown connectors and options are refused by
    /// name.
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError>;

    /// What the table can take when it is written to. Where nothing else is said, new rows only.
    fn changelog(&self, _table: &TableDef) -> Changelog {
        Changelog::Append
    }

    /// What the table gives when it is read: new rows only, where nothing else is said, or rows that replace each other by the
    /// table's primary key and go away by it. Rows of one key come from one split, or one after the other.
    fn gives(&self, _table: &TableDef) -> Changelog {
        Changelog::Append
    }

    /// Opens the table for reading.
    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError>;

    /// Opens the table for writing.
    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError>;

    /// Opens the table to be asked by key. Where nothing else is said, no table can be.
    fn lookup(&self, spec: &LookupSpec) -> Result<Arc<dyn Lookup>, PortError> {
        let what = format!("table {}: its connector cannot be looked up", spec.table.name);
        Err(PortError::new(Kind::Invalid, what))
    }
}

/// Why a source or a sink could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct PortError {
    /// What the caller can do about it.
    pub kind: Kind,
    /// What was wrong, where, and what to do.
    pub message: String,
}

impl PortError {
    /// An error of `kind` that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl Classified for PortError {
    fn kind(&self) -> Kind {
        self.kind
    }
}
