//! Alarms: a line for each, and for one of them its past.

use super::pipeline::{cut, finite};
use super::{ALARM_CHANGES_SHOWN_MAX, POINTS_SHOWN_MAX};
use serde::Serialize;

/// What an alarm says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// All is well.
    Ok,
    /// What it watches is past its threshold.
    Alarm,
    /// It has too little to go by.
    InsufficientData,
}

/// One alarm in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmLine {
    /// Its name.
    pub name: String,
    /// What it says.
    pub state: AlarmState,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Why.
    pub reason: String,
    /// What it watches, in words.
    pub watches: String,
    /// What it is for.
    pub description: String,
    /// Whether anything is done when its state changes.
    pub actions_enabled: bool,
    /// What is done then, for each state.
    pub actions: Vec<String>,
}

/// One alarm with its past.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmView {
    /// What the list says of it.
    pub line: AlarmLine,
    /// What its numbers are compared with; `None` for one that goes by other alarms.
    pub threshold: Option<f64>,
    /// How long each of its points is, in seconds.
    pub period_s: u64,
    /// The numbers it went by, the oldest first: when each period began, in milliseconds since the Unix epoch, and the number.
    pub points: Vec<(u64, f64)>,
    /// What became of it, the newest first.
    pub changes: Vec<AlarmChange>,
}

/// Something that became of an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmChange {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What, as a sentence.
    pub text: String,
}

impl AlarmLine {
    /// The same with texts of a bounded length.
    pub(crate) fn bounded(mut self) -> Self {
        self.actions.truncate(ALARM_CHANGES_SHOWN_MAX);
        let texts = [&mut self.name, &mut self.reason, &mut self.watches, &mut self.description];
        texts.into_iter().chain(&mut self.actions).for_each(cut);
        self
    }
}

impl AlarmView {
    /// The same with bounded lists and texts and finite numbers.
    pub(crate) fn bounded(mut self) -> Self {
        self.line = self.line.bounded();
        self.threshold = self.threshold.filter(|threshold| threshold.is_finite());
        self.points.drain(..self.points.len().saturating_sub(POINTS_SHOWN_MAX));
        self.points.iter_mut().for_each(|(_, value)| *value = finite(*value));
        self.changes.truncate(ALARM_CHANGES_SHOWN_MAX);
        self.changes.iter_mut().for_each(|change| cut(&mut change.text));
        self
    }
}
