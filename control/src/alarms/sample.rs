//! The values that an alarm is judged by, read from the metric store.

use super::spec::{LowSamples, Watch};
use crate::metrics::math::{Line, Worth};
use crate::metrics::{Answers, MetricStore};

/// What was read of the periods that an alarm looks at, the oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Sample {
    /// Where each period begins, in milliseconds since the Unix epoch, and its value.
    pub(super) points: Vec<(u64, Option<f64>)>,
    /// Whether a percentile has too few values to say anything, and the alarm asks for that to be heeded.
    pub(super) too_few: bool,
}

/// Fewest values that say something about a percentile.
fn enough(part: f64) -> f64 {
    10.0 / if part >= 0.5 { 1.0 - part } else { part }
}

/// All values of what an alarm watches within a time (milliseconds since the Unix epoch), in periods that end with it.
pub(super) struct Reading {
    line: Line,
    counts: Vec<(u64, f64)>,
    period_ms: u64,
}

impl Reading {
    /// Reads them.
    ///
    /// # Errors
    /// When they cannot be read, or an expression is worth no single series; in words.
    pub(super) fn of(store: &MetricStore, watch: &Watch, from_ms: u64, to_ms: u64) -> Result<Self, String> {
        let phase_s = (to_ms / 1_000) % watch.period_s().max(1);
        let answers = Answers::read(store, &watch.questions, from_ms..to_ms, phase_s).map_err(|e| e.to_string())?;
        let returned = watch.returned().ok_or("nothing of it returns data")?;
        let line = match answers.of(&returned.id).map_err(|error| error.to_string())? {
            Worth::Line(line) => line,
            Worth::Lines(mut lines) if lines.len() == 1 => lines.swap_remove(0),
            Worth::Lines(lines) if lines.is_empty() => Line::default(),
            Worth::Lines(lines) => {
                return Err(format!("the expression is worth {} series, and must be worth one", lines.len()));
            }
            Worth::Number(_) => return Err("the expression is worth a number, and must be worth a series".to_owned()),
        };
        let counts =
            answers.summaries(&returned.id).iter().map(|(at_ms, summary)| (*at_ms, summary.set.count)).collect();
        Ok(Self { line, counts, period_ms: watch.period_s() * 1_000 })
    }

    /// The latest periods before a time, as many as the alarm looks at. The time must be one at which a period ends.
    pub(super) fn before(&self, watch: &Watch, at_ms: u64) -> Sample {
        let begins =
            (1..=watch.rule().range() as u64).rev().filter_map(|back| at_ms.checked_sub(back * self.period_ms));
        let value = |begin_ms: u64| {
            let found = self.line.points.binary_search_by_key(&begin_ms, |(at, _)| *at);
            (begin_ms, found.ok().map(|place| self.line.points[place].1))
        };
        let points: Vec<_> = begins.map(value).collect();
        let heeded = watch.low_samples == Some(LowSamples::Ignore);
        let part = watch.series().and_then(|wanted| wanted.asked.percentile()).filter(|_| heeded);
        let from_ms = at_ms.saturating_sub(u64::from(watch.evaluation_periods) * self.period_ms);
        let counts = self.counts.iter().filter(|(at, _)| (from_ms..at_ms).contains(at)).map(|(_, count)| count);
        let count: f64 = counts.sum();
        let too_few = part.is_some_and(|part| count > 0.0 && count < enough(part));
        Sample { points, too_few }
    }
}

/// The values that decide at a time.
///
/// # Errors
/// As [`Reading::of`].
pub(super) fn sample(store: &MetricStore, watch: &Watch, at_ms: u64) -> Result<Sample, String> {
    let span_ms = watch.rule().range() as u64 * watch.period_s() * 1_000;
    Ok(Reading::of(store, watch, at_ms.saturating_sub(span_ms), at_ms)?.before(watch, at_ms))
}
