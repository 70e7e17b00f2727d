//! What applications and their operators did between two readings.

use control::{ApplicationView, SubtaskFigures};
use std::collections::BTreeMap;

/// What was counted of one application up to one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct ApplicationReading {
    records_in: u64,
    records_out: u64,
    operators: BTreeMap<String, Vec<SubtaskFigures>>,
}

/// What it did between two readings.
#[derive(Debug, Clone, Default)]
pub(super) struct ApplicationRates {
    /// Records read per second.
    pub(super) records_in: f64,
    /// Rows handed to sinks per second.
    pub(super) records_out: f64,
    pub(super) operators: BTreeMap<String, OperatorRates>,
}

/// What one operator did between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct OperatorRates {
    /// Rows taken per second.
    pub(super) records_in: f64,
    /// Rows given per second.
    pub(super) records_out: f64,
    /// The share of the time in which its subtasks computed, 0 to 1, on average.
    pub(super) busy: f64,
    /// The same of the busiest of them.
    pub(super) busy_most: f64,
    /// The share in which they waited for room downstream, on average.
    pub(super) backpressured: f64,
}

impl ApplicationReading {
    pub(super) fn of(view: &ApplicationView) -> Self {
        let Some(metrics) = &view.metrics else { return Self::default() };
        let operators = metrics.operators.iter().map(|o| (o.operator.clone(), o.subtasks.clone())).collect();
        Self { records_in: metrics.totals.records_in, records_out: metrics.totals.records_out, operators }
    }

    /// The rates since `before`; zero where a counter began anew.
    pub(super) fn since(&self, before: &Self, seconds: f64) -> ApplicationRates {
        let operator = |(name, now): (&String, &Vec<SubtaskFigures>)| {
            let then = before.operators.get(name).map_or(&[][..], Vec::as_slice);
            (name.clone(), OperatorRates::between(now, then, seconds))
        };
        ApplicationRates {
            records_in: per_second(self.records_in, before.records_in, seconds),
            records_out: per_second(self.records_out, before.records_out, seconds),
            operators: self.operators.iter().map(operator).collect(),
        }
    }
}

impl OperatorRates {
    fn between(now: &[SubtaskFigures], then: &[SubtaskFigures], seconds: f64) -> Self {
        // With another number of subtasks all of them count from nothing.
        let then = if then.len() == now.len() { then } else { &[] };
        let sum = |all: &[SubtaskFigures], figure: fn(&SubtaskFigures) -> u64| all.iter().map(figure).sum::<u64>();
        let rate = |figure: fn(&SubtaskFigures) -> u64| per_second(sum(now, figure), sum(then, figure), seconds);
        let share = |ms: f64| (ms / 1e3).clamp(0.0, 1.0);
        let none = SubtaskFigures::default();
        let busy = now
            .iter()
            .enumerate()
            .map(|(at, subtask)| share(per_second(subtask.busy_ms, then.get(at).unwrap_or(&none).busy_ms, seconds)));
        let subtasks = now.len().max(1) as f64;
        Self {
            records_in: rate(|s| s.records_in),
            records_out: rate(|s| s.records_out),
            busy: share(rate(|s| s.busy_ms) / subtasks),
            busy_most: busy.fold(0.0, f64::max),
            backpressured: share(rate(|s| s.backpressured_ms) / subtasks),
        }
    }
}

/// A counter's growth per second; nothing where it began anew.
pub(super) fn per_second(now: u64, then: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { now.saturating_sub(then) as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(busy_ms: [u64; 2], records: u64) -> ApplicationReading {
        let subtask = |busy_ms| SubtaskFigures {
            busy_ms,
            backpressured_ms: busy_ms / 2,
            records_in: records,
            ..SubtaskFigures::default()
        };
        let operators = BTreeMap::from([("source".to_owned(), busy_ms.map(subtask).to_vec())]);
        ApplicationReading { records_in: records, records_out: records, operators }
    }

    #[test]
    fn shares_are_those_of_the_time_between() {
        let rates = reading([600, 2_400], 900).since(&reading([200, 400], 100), 2.0);
        assert_eq!((rates.records_in, rates.records_out), (400.0, 400.0));
        let expected =
            OperatorRates { records_in: 800.0, records_out: 0.0, busy: 0.6, busy_most: 1.0, backpressured: 0.3 };
        assert_eq!(rates.operators["source"], expected);
    }

    #[test]
    fn counters_that_began_anew_and_a_clock_that_stands_give_nothing() {
        let anew = reading([5, 5], 50).since(&reading([200, 400], 100), 2.0);
        assert_eq!((anew.records_in, anew.operators["source"].busy), (0.0, 0.0));
        assert_eq!(
            reading([900, 900], 50).since(&reading([0, 0], 0), 0.0).operators["source"],
            OperatorRates::default()
        );
    }

    #[test]
    fn with_another_number_of_subtasks_all_count_from_nothing() {
        let mut before = reading([10_000, 10_000], 0);
        before.operators.get_mut("source").unwrap().truncate(1);
        let rates = reading([500, 500], 0).since(&before, 1.0);
        assert_eq!(rates.operators["source"].busy, 0.5);
    }
}
