//! Alarms: what is watched, when that is a trouble, and what is done about it.
//!
//! [`judge`](judge()) decides, and knows neither clock nor disk, so that what runs live runs on recorded numbers too
//! ([`backtest`](backtest())). [`Alarms`] keeps alarms, their states and their history in the database, evaluates what is
//! due once a second, and hands actions to a thread of their own, which performs them through the port [`Actions`].
//!
//! *Invariant:* a state is on disk before anybody is told of it.

mod actions;
mod backtest;
mod board;
mod doubts;
mod judge;
mod reasons;
mod records;
mod rule;
mod sample;
mod spec;
#[cfg(test)]
mod tests;
mod verdict;

pub use actions::{Actions, NotPerformed, Occurrence};
pub use backtest::{BACKTEST_S_MAX, Backtest, Change, backtest};
pub use board::{AlarmError, Alarms, Filter, Kept};
pub use doubts::doubt;
pub use judge::{Judgement, Rule, judge};
pub use records::{HistoryFilter, HistoryItem, HistoryKind, Status};
pub use rule::{Composite, RuleError};
pub use spec::{ALARM_NAME_CHARS_MAX, Alarm, Comparison, LowSamples, Missing, SpecError, State, Watch, Watches};
