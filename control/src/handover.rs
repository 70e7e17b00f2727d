//! How an application goes on with another runner: from which records on, and which of its windows are done.

use crate::{ApplicationSpec, RunMetrics};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a runner has to know that goes on with an application of another one. It reads again what the open windows need, and
/// leaves those alone that were closed before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Handover {
    /// The watermark that the former runner had come to, in milliseconds since the Unix epoch: windows that close at or before it
    /// are its own. `None`: none had closed.
    pub closed_ms: Option<i64>,
    /// Whether windows follow a wall clock that is not UTC.
    pub zoned: bool,
    /// For each table that is read the place where reading begins.
    pub starts: BTreeMap<String, StartAt>,
}

/// Where reading a table begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartAt {
    /// At the oldest record that is there.
    Oldest,
    /// At the records that arrived at or after this moment, in milliseconds since the Unix epoch.
    Arrived(u64),
}

/// What a move to another runner would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MovePlan {
    /// The runner that is left.
    pub from: String,
    /// The runner that goes on.
    pub to: String,
    /// What it is told, as it would be now.
    pub handover: Handover,
    /// The aggregations whose open windows are made from records again, each with the moment at which the earliest of these
    /// begins, in milliseconds since the Unix epoch.
    pub windows: Vec<(String, i64)>,
    /// The tables that are written.
    pub sinks: Vec<String>,
    /// What there is to know before it is done.
    pub hints: Vec<String>,
}

/// The watermark that all results of an application have come to, in milliseconds since the Unix epoch, its run having these
/// figures: each window that closes at or before it has been written. `None` before the first.
pub fn written_up_to(spec: &ApplicationSpec, metrics: &RunMetrics) -> Option<i64> {
    let below = metrics.operators.iter().filter(|operator| operator.source.is_none());
    let own = below.map(|operator| operator.input_ms).min().flatten();
    // A run that has closed none yet stands where the one before it did.
    own.max(spec.handover.as_ref().and_then(|handover| handover.closed_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OperatorFigures, SourceFigures};

    #[test]
    fn results_are_written_up_to_the_watermark_that_has_come_to_all_operators() {
        let of = |inputs: &[Option<i64>], closed_ms: Option<i64>| {
            let source = OperatorFigures { source: Some(SourceFigures::default()), ..OperatorFigures::default() };
            let below = inputs.iter().map(|input| OperatorFigures { input_ms: *input, ..OperatorFigures::default() });
            let operators = std::iter::once(source).chain(below).collect();
            let mut spec = crate::Configuration::new("FLINK-1_20", "", "").spec("a", None, 32).unwrap();
            spec.handover = closed_ms.map(|ms| Handover { closed_ms: Some(ms), ..Handover::default() });
            written_up_to(&spec, &RunMetrics { operators, ..RunMetrics::default() })
        };
        assert_eq!(of(&[Some(7), Some(5), Some(9)], Some(3)), Some(5));
        assert_eq!(of(&[Some(7), None], None), None);
        assert_eq!(of(&[], None), None);
        assert_eq!(of(&[Some(7), None], Some(6)), Some(6), "what the former runner has closed");
    }
}
