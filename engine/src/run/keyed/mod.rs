//! Operators that keep rows by key: ranks, joins, sessions, aggregates without windows.
//!
//! All of them keep what they have in one ordered map of bytes ([`KeyedState`]), so that checkpoints, restores and
//! rescales know one form of state, whatever the operator.

mod changes;
mod group;
mod interval;
mod join;
mod last;
mod latest;
mod normalize;
mod over;
mod pages;
mod pairs;
mod rank;
mod rows;
mod session;
mod state;
pub(crate) mod tally;
mod window_join;

pub(crate) use changes::Changes;
pub(crate) use group::Group;
pub(crate) use interval::IntervalJoin;
pub(crate) use join::RegularJoin;
pub(crate) use last::Final;
pub(crate) use latest::Latest;
pub(crate) use normalize::Normalize;
pub(crate) use over::Over;
pub(crate) use pages::{RowsPart, StoredRows};
pub(crate) use pairs::{Pairs, Sides};
pub(crate) use rank::{Rank, RankOptions};
pub(crate) use rows::{RowCodec, spread_of};
pub(crate) use session::Session;
pub(crate) use state::{Key, KeyedPart, KeyedState};
pub(crate) use window_join::WindowJoin;

use crate::port::RowKind;
use arrow_array::types::Int8Type;
use arrow_array::{PrimitiveArray, RecordBatch};
use arrow_row::Rows;
use arrow_schema::ArrowError;

/// Rows of one side on their way into an operator.
pub(crate) struct Input<'a> {
    /// 0, or 1 for the right side of a join.
    pub(crate) side: usize,
    /// All columns, that of the changes (the last one, where there is one) included.
    pub(crate) batch: &'a RecordBatch,
    /// The keys, one for each row.
    pub(crate) keys: &'a Rows,
    /// The rows without the column of changes.
    pub(crate) rows: &'a Rows,
    /// What happens to each row; `None` where all are added.
    pub(crate) kinds: Option<&'a PrimitiveArray<Int8Type>>,
}

impl Input<'_> {
    /// What happens to a row.
    pub(crate) fn kind(&self, row: usize) -> RowKind {
        self.kinds.map_or(RowKind::Insert, |k| RowKind::of(k.value(row)))
    }

    /// A row's key.
    pub(crate) fn key(&self, row: usize) -> Key {
        Key::new(self.keys.row(row).as_ref())
    }

    /// A row as bytes.
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        self.rows.row(row).data()
    }
}

/// What an operator works with beside its input.
pub(crate) struct Work<'a> {
    pub(crate) state: &'a mut KeyedState,
    pub(crate) out: &'a mut Changes,
    /// No row at or before this time is to be expected, in milliseconds since the epoch.
    pub(crate) watermark: i64,
    /// The moment at which the rows come, where the operator goes by the clock, in milliseconds since the epoch.
    pub(crate) now_ms: i64,
    /// Rows of the input that came too late, by their place in the batch.
    pub(crate) late: Vec<u32>,
    /// Rows of the input without a time.
    pub(crate) timeless: Vec<u32>,
}

/// One kind of operator over keyed state. It keeps nothing outside of the state that a restart would miss.
pub(crate) trait Operator: Send {
    /// Takes rows in.
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError>;

    /// The watermark has passed a time that the operator set for this key.
    fn fire(&mut self, key: &Key, at: i64, work: &mut Work<'_>) -> Result<(), ArrowError>;
}
