//! Metric math: expressions over series of numbers, as the metric service that people know has them.
//!
//! *Invariant:* it knows no clock, no disk and no randomness: what an expression names is asked of a [`Source`].
//!
//! *Invariant:* what an expression makes is bounded by a [`Budget`], however much time is asked about.
//!
//! A series and a number are combined point by point; two series where both have a point; a list of series one by one.

mod budget;
mod functions;
mod lines;
mod parse;
mod run;

pub use budget::Budget;
pub use parse::{Expr, parse};
pub use run::evaluate;

use std::ops::Range;

/// One series of numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    /// What it is called.
    pub label: String,
    /// Length of its periods, in seconds.
    pub period_s: u64,
    /// Where each period begins, in milliseconds since the Unix epoch, and its number; in ascending order.
    pub points: Vec<(u64, f64)>,
}

/// What an expression is worth.
#[derive(Debug, Clone, PartialEq)]
pub enum Worth {
    /// A number, at every time.
    Number(f64),
    /// One series.
    Line(Line),
    /// A list of series.
    Lines(Vec<Line>),
}

/// What expressions are about.
pub trait Source {
    /// What is known under a name.
    ///
    /// # Errors
    /// When it is worth nothing itself, in words.
    fn named(&self, name: &str) -> Result<Worth, MathError>;

    /// All series that were asked for by themselves whose names hold this text.
    ///
    /// # Errors
    /// When they cannot be read.
    fn metrics(&self, part: &str) -> Result<Vec<Line>, MathError>;

    /// The series that a search finds.
    ///
    /// # Errors
    /// When the search is none, or they cannot be read.
    fn search(&self, search: &str, statistic: &str, period_s: Option<u64>) -> Result<Vec<Line>, MathError>;

    /// The time that is asked about, in milliseconds since the Unix epoch.
    fn range(&self) -> Range<u64>;

    /// Length of the periods of the expression, in seconds, where nothing in it has one.
    fn period_s(&self) -> u64;

    /// What the expression may make on its way.
    fn budget(&self) -> &Budget;
}

/// Why an expression is worth nothing: what was wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MathError(pub String);

impl MathError {
    /// An error of these words.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

#[cfg(test)]
mod tests;
