//! An application in few words.

use super::ApplicationState;
use super::pipeline::cut;
use serde::Serialize;

/// What is to be known of an application that is being controlled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApplicationLine {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: ApplicationState,
    /// Parallel subtasks of each operator.
    pub parallelism: u32,
    /// KPUs it runs on.
    pub kpus: u32,
    /// How often it started anew after a failure.
    pub restarts: u64,
    /// The last failure.
    pub last_error: Option<String>,
}

/// What becomes of closed windows that had late rows. Times are in milliseconds on the windows' clock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Correction {
    /// Rows that came too late and were kept.
    pub late_rows: u64,
    /// Windows that are computed anew, the earliest of each operator first.
    pub corrected: Vec<CorrectedWindow>,
    /// Windows of which records are gone.
    pub lost: Vec<LostWindow>,
    /// Operators whose windows cannot be computed anew by themselves.
    pub refused: Vec<RefusedOperator>,
    /// Where reading begins, for each split.
    pub from: Vec<ReadFrom>,
    /// What was done; `None` where only that was told.
    pub work: Option<CorrectionWork>,
}

/// A window that is computed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CorrectedWindow {
    /// The operator, as late rows tell it.
    pub operator: String,
    /// The tables that its results go into.
    pub sinks: Vec<String>,
    /// Its first millisecond.
    pub start_ms: i64,
    /// The first one after it.
    pub end_ms: i64,
}

/// A window whose records are not all there any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostWindow {
    /// The operator.
    pub operator: String,
    /// Its first millisecond.
    pub start_ms: i64,
    /// The first one after it.
    pub end_ms: i64,
    /// What is missing.
    pub reason: String,
}

/// An operator whose windows stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedOperator {
    /// The operator.
    pub operator: String,
    /// Why.
    pub reason: String,
}

/// Where a split is read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadFrom {
    /// The split.
    pub split: String,
    /// Its oldest record that is still there.
    pub position: u64,
}

/// What a correction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CorrectionWork {
    /// Records read.
    pub records_in: u64,
    /// Rows written, each in the place of the one before.
    pub records_out: u64,
}

impl ApplicationLine {
    /// The same with texts of a bounded length.
    pub(crate) fn bounded(mut self) -> Self {
        cut(&mut self.name);
        self.last_error.iter_mut().for_each(cut);
        self
    }
}
