//! Applications: in few words, and one of them with its operators.

use super::pipeline::{cut, finite};
use super::{ApplicationState, OPERATORS_SHOWN_MAX};
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

/// One application at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApplicationView {
    /// What the list says of it.
    pub line: ApplicationLine,
    /// Subtasks that share a KPU.
    pub parallelism_per_kpu: u32,
    /// Records read per second.
    pub records_in_per_s: f64,
    /// Rows handed to sinks per second.
    pub records_out_per_s: f64,
    /// The watermark in milliseconds since the Unix epoch; `None` before the first.
    pub watermark_ms: Option<i64>,
    /// How far its slowest source is behind the newest record, in milliseconds; `None` where none can tell.
    pub millis_behind_latest: Option<u64>,
    /// Bytes of state in memory.
    pub state_bytes: u64,
    /// Bytes that state may take in memory; `None` where it has no bound.
    pub state_budget_bytes: Option<u64>,
    /// Bytes of state on disk, for which memory has no room.
    pub spilled_bytes: u64,
    /// How long no record was read during the last change of parallelism, in milliseconds; `None` before the first.
    pub rescale_pause_ms: Option<f64>,
    /// What has become of its checkpoints.
    pub checkpoints: Checkpoints,
    /// Its operators, each behind those whose rows it reads.
    pub operators: Vec<OperatorUse>,
}

/// The checkpoints of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checkpoints {
    /// Durable ones since the run began.
    pub completed: u64,
    /// Those that failed since then.
    pub failed: u64,
    /// How long the last durable one took, in milliseconds.
    pub last_duration_ms: u64,
    /// Its size in bytes.
    pub last_size_bytes: u64,
}

/// What an operator does. Shares are of the time of the last second, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperatorUse {
    /// What it is called; no two of an application are called the same.
    pub name: String,
    /// The operators whose rows it reads, by their places in the list.
    pub inputs: Vec<usize>,
    /// How many subtasks it has.
    pub subtasks: u32,
    /// Rows taken per second.
    pub records_in_per_s: f64,
    /// Rows given per second.
    pub records_out_per_s: f64,
    /// The share in which its subtasks computed, on average.
    pub busy: f64,
    /// The same of the busiest of them.
    pub busy_most: f64,
    /// The share in which they waited for room downstream, on average.
    pub backpressured: f64,
    /// The watermark that it has handed on, in milliseconds since the Unix epoch; `None` before the first and after the last.
    pub watermark_ms: Option<i64>,
    /// What this watermark waits for, in words; `None` when it waits for nothing.
    pub hold: Option<String>,
}

impl ApplicationView {
    /// The same with bounded lists and texts and finite numbers.
    pub(crate) fn bounded(mut self) -> Self {
        self.line = self.line.bounded();
        self.operators.truncate(OPERATORS_SHOWN_MAX);
        for rate in [&mut self.records_in_per_s, &mut self.records_out_per_s] {
            *rate = finite(*rate);
        }
        for operator in &mut self.operators {
            cut(&mut operator.name);
            operator.hold.iter_mut().for_each(cut);
            operator.inputs.retain(|input| *input < OPERATORS_SHOWN_MAX);
            let shares = [&mut operator.busy, &mut operator.busy_most, &mut operator.backpressured];
            let rates = [&mut operator.records_in_per_s, &mut operator.records_out_per_s];
            shares.into_iter().chain(rates).for_each(|value| *value = finite(*value));
        }
        self
    }
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
