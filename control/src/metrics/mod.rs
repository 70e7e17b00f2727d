//! The metric store: numbers over time, kept for 455 days in ever coarser periods, on disk and within stated bounds.
//!
//! A series is one metric of one thing: a namespace, a name and dimensions. What is recorded in one second is kept as one
//! [`StatisticSet`]; seconds are merged into minutes, minutes into five minutes, these into hours. See decision 10.
//!
//! *Invariant:* a coarser point is the merge of the finer ones in the order of time, so that a restart, which computes the
//! open ones anew, changes no bit of any answer. Sketches that were given up for want of memory may be there again.

mod asked;
mod bytes;
mod chunk;
mod error;
mod files;
mod journal;
mod key;
pub mod math;
mod open;
mod past;
mod point;
mod questions;
mod register;
mod search;
mod sketch;
mod store;
mod summary;
#[cfg(test)]
mod tests;
mod tier;
mod unit;

pub use asked::{Asked, NoStatistic};
pub use error::MetricsError;
pub use key::{KeyError, SeriesKey};
pub use point::{Statistic, StatisticSet};
pub use questions::{Answers, Question, Wanted, What};
pub use register::Listed;
pub use sketch::SKETCH_ERROR;
pub use store::{Datum, Entry, MetricStore, Recorded, Value};
pub use summary::{Spread, Summary};
pub use unit::Unit;
