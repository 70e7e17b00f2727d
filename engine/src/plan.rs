//! What is to be run: a checked, typed graph of operators over tables, made by [`crate::sql`], run by [`crate::run`].
//!
//! *Invariant:* a node's inputs stand before it, every column index is within its input, every expression is typed;
//! whoever holds a [`JobPlan`] need not check any of it again.

use crate::expr::{Expr, Zone};
use crate::functions::{AggregateRef, TableRef};
use crate::types::Schema;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A table as declared by `CREATE TABLE`.
#[derive(Debug, Clone)]
pub struct TableDef {
    /// The table's name.
    pub name: String,
    /// All columns in order, computed ones included.
    pub schema: Schema,
    /// For each column the expression that computes it (over the physical columns, by their index in `schema`);
    /// `None` for a physical column.
    pub computed: Vec<Option<Expr>>,
    /// The declared watermark, if any.
    pub watermark: Option<WatermarkDef>,
    /// The columns of `PRIMARY KEY (…) NOT ENFORCED`, by index; empty without one.
    pub primary_key: Vec<usize>,
    /// The `WITH` options, keys as written by the user.
    pub options: BTreeMap<String, String>,
}

/// `WATERMARK FOR column AS expression`.
#[derive(Debug, Clone)]
pub struct WatermarkDef {
    /// The rowtime column, by its index in the table's schema; `TIMESTAMP(p)` or `TIMESTAMP_LTZ(p)` with p ≤ 3.
    pub column: usize,
    /// The watermark that a row implies, over the table's schema; null where the row implies none.
    pub expr: Expr,
}

/// A node's place in [`JobPlan::nodes`].
pub type NodeId = usize;

/// One job: everything from its tables to its sinks.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// The operators, inputs before those that read them. A node read by several others is computed once.
    pub nodes: Vec<Node>,
    /// The settings in force (`SET 'key' = 'value'`).
    pub settings: BTreeMap<String, String>,
}

/// One operator.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it does.
    pub kind: NodeKind,
    /// Whose rows it reads.
    pub inputs: Vec<NodeId>,
    /// The rows that it gives; of a sink, the columns that it writes, with the names that they are written under.
    pub schema: Schema,
    /// The column of `schema` that says what happens to a row (a `TINYINT`, the number of a
    /// [`RowKind`](crate::port::RowKind)); `None` where rows are only added. Of a sink: that of its input.
    pub change: Option<usize>,
}

/// What an operator does.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Reads a table. Gives the `columns` of the table (indices into its schema, computed ones allowed), ascending;
    /// only what these and the watermark need is decoded. Emits the table's watermarks. Where the node has a column of
    /// changes, rows replace each other by the table's primary key and go away by it: of a row that goes away only the key's
    /// columns say something.
    Scan {
        /// The table.
        table: Arc<TableDef>,
        /// Which of its columns are given.
        columns: Vec<usize>,
    },
    /// Gives constant rows.
    Values {
        /// One expression without columns for each field of each row.
        rows: Vec<Vec<Expr>>,
    },
    /// Keeps the rows for which the predicate is true.
    Filter {
        /// A `BOOLEAN` over the input.
        predicate: Expr,
    },
    /// Computes each field of the output from the input.
    Project {
        /// One expression for each output field.
        exprs: Vec<Expr>,
    },
    /// Joins each input row to the rows that a registered table function gives for it; the function's columns stand
    /// behind those of the input.
    TableFunction {
        /// The function.
        function: TableRef,
        /// Its arguments over the input, in the types that it takes.
        args: Vec<Expr>,
        /// Whether a row for which the function gives nothing is kept, with nulls.
        outer: bool,
    },
    /// Joins each input row to what a table says of its key; the table's columns stand behind those of the input.
    Lookup {
        /// The table.
        table: Arc<TableDef>,
        /// The columns of the table that make up the key, ascending, and the value of each over the input.
        keys: Vec<(usize, Expr)>,
        /// How it is asked.
        options: LookupOptions,
        /// Whether a row whose key the table does not have is kept, with nulls.
        outer: bool,
    },
    /// All rows of all inputs; the watermark is the minimum over them.
    Union,
    /// Gives each input row once for each window that it belongs to, with `window_start`, `window_end` and
    /// `window_time` as three more columns at the end. Late rows pass, as in Flink.
    WindowAssign {
        /// The windows.
        window: WindowSpec,
    },
    /// Groups by window and key and gives, when the watermark passes a window's end, one row for each group:
    /// the keys, the aggregates, then `window_start`, `window_end`, `window_time`.
    WindowAggregate {
        /// The windows.
        window: WindowSource,
        /// The grouping columns of the input.
        keys: Vec<usize>,
        /// The aggregates, in order.
        aggregates: Vec<Aggregate>,
    },
    /// Keeps rows by key. Rows of one key meet in one subtask.
    Keyed {
        /// For each input the columns that make up the key, of the same types.
        keys: Vec<Vec<usize>>,
        /// What is done with them.
        operator: KeyedOperator,
    },
    /// Hands the rows to a table's connector.
    Sink {
        /// Where the rows go.
        target: SinkTarget,
        /// For each column of the target (its computed ones aside) the column of the input.
        columns: Vec<usize>,
        /// The columns of the input whose values name a row, so that writing it again replaces it: the declared
        /// primary key, else window and grouping key where the query has them. Empty when nothing names a row.
        key: Vec<usize>,
    },
}

/// What is done with the rows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyedOperator {
    /// Gives the first rows in some order.
    Rank(Ranking),
    /// Gives the row that came last.
    Latest,
    /// Gives what changes of the one row that is there, of rows that replace each other and go away.
    Normalize,
    /// Gives, at the end of all inputs, each row as often as it is there then.
    Final,
    /// Gives each row with the session that it is in, as `window_start`, `window_end` and `window_time` at the end, when
    /// the watermark passes the session's end. Late rows are left out.
    Session {
        /// What says when a row happened.
        time: WindowTime,
        /// Rows that are not further apart share a session, in milliseconds, > 0.
        gap_ms: i64,
        /// On whose clock start and end are told, as in [`WindowSpec::zone`].
        zone: Zone,
    },
    /// Gives the rows of the left input beside those of the right one that have their key.
    Join(Joining),
    /// Gives one row for each key: its columns, then the aggregates; again whenever it changes.
    Group {
        /// The aggregates, in order.
        aggregates: Vec<Aggregate>,
    },
    /// Gives each row and aggregates over the rows around it, when the watermark passes its time.
    Over {
        /// The rowtime column.
        time_column: usize,
        /// Which rows.
        frame: OverFrame,
        /// The aggregates, in order.
        aggregates: Vec<Aggregate>,
    },
}

impl NodeKind {
    /// Whether it puts rows into windows, or closes them, by the clock: what it gives is no event time any more.
    pub(crate) fn goes_by_the_clock(&self) -> bool {
        let time = match self {
            Self::WindowAggregate { window: WindowSource::Assigned(spec), .. } => spec.time,
            Self::Keyed { operator: KeyedOperator::Session { time, .. }, .. } => *time,
            _ => return false,
        };
        time == WindowTime::Processing
    }
}

impl KeyedOperator {
    /// How far the watermark that it gives is behind the one that it takes, in milliseconds.
    pub(crate) fn delay_ms(&self) -> i64 {
        if let Self::Join(join) = self { join.time.delay_ms() } else { 0 }
    }

    /// What it is called.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Rank(_) => "rank",
            Self::Latest => "latest rows",
            Self::Normalize => "normalized changes",
            Self::Final => "final rows",
            Self::Session { .. } => "session",
            Self::Join(_) => "join",
            Self::Group { .. } => "group aggregate",
            Self::Over { .. } => "over aggregate",
        }
    }
}

/// Which rows of a key come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// The columns that rows are ordered by; none where they are ordered as they come.
    pub order: Vec<OrderBy>,
    /// The first rank that is given, ≥ 1.
    pub from: u64,
    /// The last one; `None` where no limit was found, which cannot be run.
    pub to: Option<u64>,
    /// Whether the rank stands behind the columns of the input, as a `BIGINT`.
    pub numbered: bool,
    /// Of rows that are equal in the order the one that came last goes first.
    pub newest_first: bool,
    /// The key holds a window: ranks are given once, when it ends. The column of its end, and on whose clock that is.
    pub window: Option<(usize, Zone)>,
}

/// One column of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderBy {
    /// The column.
    pub column: usize,
    /// Greater values first.
    pub descending: bool,
    /// Nulls before all values.
    pub nulls_first: bool,
}

/// How two inputs are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// A `BOOLEAN` over the columns of the left input and then the right one (their columns of changes left out), beside
    /// the equality of the keys.
    pub condition: Option<Expr>,
    /// Rows of the left input without a partner are kept, with nulls.
    pub keeps_left: bool,
    /// Likewise of the right one.
    pub keeps_right: bool,
    /// How long a partner may take.
    pub time: JoinTime,
}

/// How long rows of a join wait for a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinTime {
    /// For ever.
    Unbounded,
    /// As long as a partner's time may be within the bounds.
    Interval {
        /// The rowtime column of each input.
        times: [usize; 2],
        /// Least difference of the left time and the right one, in milliseconds.
        lower_ms: i64,
        /// Greatest one.
        upper_ms: i64,
    },
    /// Until their window ends, which is a part of the key.
    Window {
        /// The column of each input that says when.
        ends: [usize; 2],
        /// On whose clock.
        zone: Zone,
    },
}

impl JoinTime {
    /// How far the watermark below the join is behind the one above it, in milliseconds: rows without a partner are given
    /// when none can come any more, with the times that they have.
    fn delay_ms(&self) -> i64 {
        match self {
            Self::Interval { lower_ms, upper_ms, .. } => (*upper_ms).max(lower_ms.saturating_neg()).max(0),
            Self::Unbounded | Self::Window { .. } => 0,
        }
    }
}

/// Which rows an `OVER` window has beside the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverFrame {
    /// All before it.
    Unbounded {
        /// Rows of the same time too (`RANGE`), and not only those that came before it (`ROWS`).
        peers: bool,
    },
    /// So many before it.
    Rows {
        /// How many.
        preceding: u64,
    },
    /// Those of its time, and of so much time before it.
    Range {
        /// In milliseconds, ≥ 0.
        preceding_ms: i64,
    },
}

/// Where the rows of a sink go.
#[derive(Debug, Clone)]
pub enum SinkTarget {
    /// Into a table.
    Table(Arc<TableDef>),
    /// To whoever started the job (the rows of a bare `SELECT`).
    Collect,
}

/// How a table is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupOptions {
    /// Whether rows leave in the order in which they came.
    pub ordered: bool,
    /// Most requests of a subtask in flight, 1 to [`LookupOptions::CAPACITY_MAX`].
    pub capacity: usize,
    /// How long a request may take from its first call to its result, retries included, in milliseconds, > 0.
    pub timeout_ms: u64,
    /// What follows an answer without rows.
    pub retry: Option<LookupRetry>,
    /// What is kept of answers.
    pub cache: Option<LookupCache>,
}

impl LookupOptions {
    /// The greatest capacity.
    pub const CAPACITY_MAX: usize = 10_000;
}

impl Default for LookupOptions {
    /// Flink's defaults.
    fn default() -> Self {
        Self { ordered: true, capacity: 100, timeout_ms: 180_000, retry: None, cache: None }
    }
}

/// Retries of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupRetry {
    /// How long after an answer the next call is made, in milliseconds.
    pub delay_ms: u64,
    /// Most calls after the first one.
    pub attempts: u32,
}

/// The cache of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupCache {
    /// Most keys, 1 to [`LookupCache::KEYS_MAX`].
    pub keys_max: usize,
    /// How long an answer is kept, in milliseconds, > 0.
    pub ttl_ms: u64,
    /// Whether answers without rows are kept.
    pub misses: bool,
}

impl LookupCache {
    /// The options of a table that say what is kept: kind, keys, time to live, misses.
    pub const KEYS: [&str; 4] = [
        "lookup.cache",
        "lookup.partial-cache.max-rows",
        "lookup.partial-cache.expire-after-write",
        "lookup.partial-cache.cache-missing-key",
    ];
    /// Most keys of a cache.
    pub const KEYS_MAX: usize = 1_000_000;
    /// Keys of a cache where nothing is said.
    pub const KEYS_DEFAULT: usize = 10_000;
}

/// How windows of one size follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// `TUMBLE` and `HOP`: all windows have the size; each begins a slide after the one before.
    Sliding,
    /// `CUMULATE`: windows begin a size apart; from each start there is one window for every multiple of the slide up
    /// to the size, which is such a multiple itself.
    Cumulative,
}

/// What says which window a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowTime {
    /// The event time in a rowtime column of the input; windows close by the watermark.
    Row(usize),
    /// The clock, at the moment when the row comes to the operator; windows close by the clock, which no row is late for.
    /// Behind the operator it takes the place of the watermark. What is open when the input ends is not given.
    Processing,
}

impl WindowTime {
    /// The column that tells it.
    pub fn column(self) -> Option<usize> {
        if let Self::Row(column) = self { Some(column) } else { None }
    }

    /// The same over columns that stand elsewhere.
    #[must_use]
    pub(crate) fn moved(self, to: impl Fn(usize) -> usize) -> Self {
        if let Self::Row(column) = self { Self::Row(to(column)) } else { self }
    }
}

/// Windows over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowSpec {
    /// What says when a row happened.
    pub time: WindowTime,
    /// How the windows follow each other.
    pub kind: WindowKind,
    /// Length of a window (of the longest ones, where they accumulate) in milliseconds, > 0.
    pub size_ms: i64,
    /// Distance between the starts of two windows in milliseconds, > 0; equal to `size_ms` for `TUMBLE`. Where windows
    /// accumulate, the distance between their ends.
    pub slide_ms: i64,
    /// Shift of all window starts from the epoch in milliseconds, 0 ≤ offset < slide (< size where they accumulate).
    pub offset_ms: i64,
    /// The zone whose wall clock the windows follow: a row's time is read on it ([`Zone::wall_ms`]) before it is put
    /// into windows, `window_start` and `window_end` are its readings, and a window closes when the watermark passes
    /// [`Zone::epoch_ms`] of its end. [`Zone::UTC`] for a `TIMESTAMP` rowtime; the session's zone for `TIMESTAMP_LTZ` and
    /// for processing time.
    pub zone: Zone,
}

/// Where the windows of an aggregate come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowSource {
    /// Rows are put into windows by their rowtime.
    Assigned(WindowSpec),
    /// The input's rows carry their window already (an aggregate of an aggregate): columns of `window_start` and
    /// `window_end`.
    Attached {
        /// Column of the window's start.
        start_column: usize,
        /// Column of the window's end.
        end_column: usize,
        /// The zone whose wall clock start and end are readings of, as in [`WindowSpec::zone`].
        zone: Zone,
    },
}

/// One aggregate of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// What is computed.
    pub function: AggregateFunction,
    /// The column of the input that it is computed over; `None` for `COUNT(*)`.
    pub argument: Option<usize>,
    /// Each value counts once in its group (`COUNT(DISTINCT x)`); there is an argument then.
    pub distinct: bool,
    /// A `BOOLEAN` column of the input: only rows where it is true count.
    pub filter: Option<usize>,
}

/// The aggregate functions. The type of the result stands in the node's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregateFunction {
    /// Rows (`COUNT(*)`) or values that are not null.
    Count,
    /// Sum; integers wrap around in silence, as in Flink.
    Sum,
    /// Mean; of integers it is an integer, cut toward zero.
    Avg,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// A registered function.
    Registered(AggregateRef),
}
