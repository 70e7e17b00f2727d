//! What applications and their operators did between two readings.

use control::{ApplicationView, OperatorFigures, SinkFigures, SourceFigures, SubtaskFigures};
use std::collections::BTreeMap;

/// What was counted of one application up to one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct ApplicationReading {
    records_in: u64,
    records_out: u64,
    operators: BTreeMap<String, OperatorReading>,
}

/// What was counted of one operator.
#[derive(Debug, Clone, Default)]
struct OperatorReading {
    subtasks: Vec<SubtaskFigures>,
    source: Option<SourceFigures>,
    sink: Option<SinkFigures>,
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
    /// Bytes read per second, where it is a source.
    pub(super) bytes: Option<f64>,
    /// How its writing went, where it is a sink.
    pub(super) sink: Option<SinkRates>,
}

/// How the writing of a sink went between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SinkRates {
    /// How long it took to write a thousand rows and make them durable, in milliseconds; `None` when nothing was written.
    pub(super) latency_ms: Option<f64>,
    /// Rows per second that were not taken, each as often as it was not.
    pub(super) refused: f64,
    /// The same, counted between the two readings.
    pub(super) refused_rows: u64,
}

impl ApplicationRates {
    /// Rows that the targets of all its sinks did not take.
    pub(super) fn refused_rows(&self) -> u64 {
        self.operators.values().filter_map(|own| own.sink).map(|sink| sink.refused_rows).sum()
    }
}

/// A sink that was asked for more than this part of the time and has written nothing is as slow as if it had written one row.
const STUCK: f64 = 0.5;

impl SinkRates {
    fn between(now: &SinkFigures, then: &SinkFigures, rows_per_s: f64, subtasks: f64, seconds: f64) -> Self {
        let spent = |figures: &SinkFigures| figures.write_us + figures.flush_us;
        let ms_per_s = per_second(spent(now), spent(then), seconds) / 1e3;
        let is_stuck = ms_per_s > 1e3 * STUCK * subtasks;
        let rows_per_s = if is_stuck { rows_per_s.max(1.0 / seconds) } else { rows_per_s };
        Self {
            latency_ms: (rows_per_s > 0.0).then(|| 1e3 * ms_per_s / rows_per_s),
            refused: per_second(now.refused, then.refused, seconds),
            refused_rows: now.refused.saturating_sub(then.refused),
        }
    }
}

impl ApplicationReading {
    pub(super) fn of(view: &ApplicationView) -> Self {
        let Some(metrics) = &view.metrics else { return Self::default() };
        let operators = metrics.operators.iter().map(|o| (o.operator.clone(), OperatorReading::of(o))).collect();
        Self { records_in: metrics.totals.records_in, records_out: metrics.totals.records_out, operators }
    }

    /// The rates since `before`; zero where a counter began anew.
    pub(super) fn since(&self, before: &Self, seconds: f64) -> ApplicationRates {
        let none = OperatorReading::default();
        let operator = |(name, now): (&String, &OperatorReading)| {
            let then = before.operators.get(name).unwrap_or(&none);
            (name.clone(), OperatorRates::between(now, then, seconds))
        };
        ApplicationRates {
            records_in: per_second(self.records_in, before.records_in, seconds),
            records_out: per_second(self.records_out, before.records_out, seconds),
            operators: self.operators.iter().map(operator).collect(),
        }
    }
}

impl OperatorReading {
    fn of(operator: &OperatorFigures) -> Self {
        Self { subtasks: operator.subtasks.clone(), source: operator.source, sink: operator.sink }
    }
}

impl OperatorRates {
    fn between(reading: &OperatorReading, before: &OperatorReading, seconds: f64) -> Self {
        // With another number of subtasks all of them count from nothing.
        let none = OperatorReading::default();
        let before = if before.subtasks.len() == reading.subtasks.len() { before } else { &none };
        let (now, then) = (reading.subtasks.as_slice(), before.subtasks.as_slice());
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
            bytes: reading
                .source
                .map(|source| per_second(source.bytes, before.source.unwrap_or_default().bytes, seconds)),
            sink: reading.sink.filter(|_| seconds > 0.0).map(|sink| {
                let rows = rate(|s| s.records_out);
                SinkRates::between(&sink, &before.sink.unwrap_or_default(), rows, subtasks, seconds)
            }),
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
        let source = OperatorReading { subtasks: busy_ms.map(subtask).to_vec(), ..OperatorReading::default() };
        let operators = BTreeMap::from([("source".to_owned(), source)]);
        ApplicationReading { records_in: records, records_out: records, operators }
    }

    #[test]
    fn shares_are_those_of_the_time_between() {
        let rates = reading([600, 2_400], 900).since(&reading([200, 400], 100), 2.0);
        assert_eq!((rates.records_in, rates.records_out), (400.0, 400.0));
        let expected = OperatorRates {
            records_in: 800.0,
            busy: 0.6,
            busy_most: 1.0,
            backpressured: 0.3,
            ..OperatorRates::default()
        };
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
        before.operators.get_mut("source").unwrap().subtasks.truncate(1);
        let rates = reading([500, 500], 0).since(&before, 1.0);
        assert_eq!(rates.operators["source"].busy, 0.5);
    }

    /// A sink of two subtasks that has written so many rows.
    fn sink(rows: u64, spent_us: u64, refused: u64) -> OperatorReading {
        let subtask = SubtaskFigures { records_out: rows / 2, ..SubtaskFigures::default() };
        let (write_us, flush_us) = (spent_us / 4, spent_us - spent_us / 4);
        let sink = SinkFigures { write_us, flush_us, refused, ..SinkFigures::default() };
        OperatorReading { subtasks: vec![subtask; 2], sink: Some(sink), source: None }
    }

    #[test]
    fn a_sink_is_as_slow_as_its_calls_and_its_refusals_are_counted() {
        let between = |now: &OperatorReading, then: &OperatorReading| {
            let told = OperatorRates::between(now, then, 2.0).sink.unwrap();
            (told.latency_ms, told.refused)
        };
        let before = sink(1_000, 50_000, 10);
        assert_eq!(between(&sink(5_000, 450_000, 10), &before), (Some(100.0), 0.0), "400 ms for 4,000 rows");
        assert_eq!(between(&sink(1_000, 50_000, 40), &before), (None, 15.0), "nothing was written");
        assert_eq!(
            between(&sink(1_000, 60_000, 10), &before).0,
            None,
            "a flush of what was written before tells nothing"
        );
        let stuck = between(&sink(1_000, 3_050_000, 10), &before).0;
        assert_eq!(stuck, Some(3_000_000.0), "three of four seconds, and not one row");
        let anew = OperatorReading { subtasks: Vec::new(), ..sink(0, 0, 0) };
        assert_eq!(between(&sink(4_000, 400_000, 6), &anew), (Some(100.0), 3.0));
        assert_eq!(OperatorRates::between(&before, &before, 0.0).sink, None);
    }
}
