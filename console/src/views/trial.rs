//! What an alarm would have said, what happened to alarms, and the points of a metric.

use super::pipeline::cut;
use serde::Serialize;

/// Something that happened to an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmItem {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// To which alarm.
    pub alarm: String,
    /// What sort of thing: `ConfigurationUpdate`, `StateUpdate` or `Action`.
    pub kind: String,
    /// In one sentence.
    pub summary: String,
    /// In full: a document in JSON.
    pub data: String,
}

impl AlarmItem {
    /// The same with texts of a bounded length; the document is whole or not there.
    pub(crate) fn bounded(mut self) -> Self {
        [&mut self.alarm, &mut self.summary].into_iter().for_each(cut);
        if self.data.len() > super::ALARM_DATA_BYTES_MAX {
            self.data = "{}".to_owned();
        }
        self
    }
}

/// What an alarm would have said about recorded numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmTrial {
    /// The time that was looked at, in milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
    /// How often it would have come to ALARM.
    pub alarms: u64,
    /// How long it would have been in ALARM, in seconds.
    pub alarm_s: u64,
    /// How often it would have been evaluated.
    pub evaluations: u64,
    /// At how many of these the latest period had a value.
    pub with_values: u64,
    /// The state at the end.
    pub state: Option<String>,
    /// Why it could never say what it is meant to, where something speaks against it.
    pub doubt: Option<String>,
    /// When its state would have changed, the oldest first: [`super::TRIAL_CHANGES_SHOWN_MAX`] at most.
    pub changes: Vec<TrialChange>,
}

impl AlarmTrial {
    /// The same with bounded lists and texts.
    pub(crate) fn bounded(mut self) -> Self {
        self.doubt.iter_mut().for_each(cut);
        self.changes.truncate(super::TRIAL_CHANGES_SHOWN_MAX);
        self.changes.iter_mut().for_each(|change| cut(&mut change.reason));
        self
    }
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialChange {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// To which state.
    pub state: String,
    /// Why.
    pub reason: String,
}

/// One series of the points of a metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricLine {
    /// What it is called.
    pub label: String,
    /// What its numbers count; none where that is not known.
    pub unit: Option<String>,
    /// Length of its periods, in seconds.
    pub period_s: u64,
    /// Where each period begins, in milliseconds since the Unix epoch, and its number.
    pub points: Vec<(u64, f64)>,
}

/// Which points are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricQuestion {
    /// The namespace.
    pub namespace: String,
    /// The name of the metric.
    pub name: String,
    /// Dimensions and their values.
    pub dimensions: Vec<(String, String)>,
    /// The statistic, in the words of the metric service.
    pub statistic: String,
    /// How far back, in seconds.
    pub seconds: u64,
    /// Length of the periods, in seconds; `None` takes one that gives about 180 points.
    pub period_s: Option<u64>,
}
