//! Applications: in few words, and one of them with its operators.

use super::pipeline::{cut, finite};
use super::{ApplicationState, OPERATORS_SHOWN_MAX, PAGE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// What runs it: `embedded` or `flink`.
    pub runner: String,
    /// Where its runner shows its run on a page of its own, by http or https.
    pub page: Option<String>,
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
    /// Of a source, how far it is behind its newest record, in milliseconds; `None` where that is not known.
    pub behind_ms: Option<u64>,
    /// Of a source, bytes read per second.
    pub read_bytes_per_s: Option<f64>,
    /// Of a sink, how long a thousand rows take to be written and durable, in milliseconds; `None` when none were.
    pub write_ms: Option<f64>,
    /// Of a sink, rows per second that were not taken where it writes, each as often as it was not.
    pub refused_per_s: Option<f64>,
}

impl ApplicationView {
    /// The same with bounded lists and texts and finite numbers.
    pub(crate) fn bounded(mut self) -> Self {
        self.line = self.line.bounded();
        cut(&mut self.runner);
        let is_web = |page: &String| {
            page.len() <= PAGE_BYTES_MAX && (page.starts_with("http://") || page.starts_with("https://"))
        };
        self.page = self.page.filter(is_web);
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
            let told = [&mut operator.read_bytes_per_s, &mut operator.write_ms, &mut operator.refused_per_s];
            told.into_iter().flatten().for_each(|value| *value = finite(*value));
        }
        self
    }
}

/// What a move of an application to another runner means. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct MoveView {
    /// The runner that is left.
    pub from: String,
    /// The runner that goes on.
    pub to: String,
    /// Windows that close at or before this watermark are done; `None` where none is.
    pub closed_ms: Option<i64>,
    /// Whose open windows are made from records again, by operator, and when the earliest of these begins.
    pub windows: Vec<MovedWindows>,
    /// Where reading begins, by table.
    pub starts: Vec<MovedStart>,
    /// The tables that are written.
    pub sinks: Vec<String>,
    /// What there is to know before.
    pub hints: Vec<String>,
    /// The operation that carries it out; `None` where that was only told.
    pub operation: Option<String>,
}

/// An operator whose open windows another runner makes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedWindows {
    /// The operator.
    pub operator: String,
    /// When the earliest of them begins.
    pub begins_ms: i64,
}

/// Where another runner begins to read a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedStart {
    /// The table.
    pub table: String,
    /// At records that arrived at or after this moment; `None`: at the oldest.
    pub arrived_ms: Option<u64>,
}

/// Most operators and tables that are told of a move.
const MOVED_SHOWN_MAX: usize = 100;

impl MoveView {
    /// The same with lists and texts of a bounded length.
    pub(crate) fn bounded(mut self) -> Self {
        self.windows.truncate(MOVED_SHOWN_MAX);
        self.starts.truncate(MOVED_SHOWN_MAX);
        self.sinks.truncate(MOVED_SHOWN_MAX);
        let names =
            self.windows.iter_mut().map(|w| &mut w.operator).chain(self.starts.iter_mut().map(|s| &mut s.table));
        names.chain(&mut self.sinks).for_each(cut);
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

/// An application that is to be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewApplication {
    /// Its name.
    pub name: String,
    /// Its SQL script; one of script and program is given.
    pub script: Option<String>,
    /// A program whose jar was sent before, by the SHA-256 of its bytes in hexadecimal digits.
    pub program: Option<String>,
    /// Parallel subtasks of each operator.
    pub parallelism: u32,
    /// Subtasks that share one KPU.
    pub parallelism_per_kpu: u32,
    /// Properties in groups, by the name of the group.
    #[serde(default)]
    pub properties: Properties,
}

/// A program by what its bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgramLine {
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The class that its manifest names to be run.
    pub main_class: Option<String>,
    /// The bucket and the key that it was fetched from.
    pub from: Option<String>,
}

/// Properties in groups, by the name of the group.
pub type Properties = BTreeMap<String, BTreeMap<String, String>>;

/// What is to change of an application; what is not given stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationChange {
    /// The application; without one, the one that is shown.
    pub application: Option<String>,
    /// Its SQL script.
    pub script: Option<String>,
    /// A program whose jar was sent before, by its SHA-256.
    pub program: Option<String>,
    /// Parallel subtasks of each operator.
    pub parallelism: Option<u32>,
    /// Subtasks that share one KPU.
    pub parallelism_per_kpu: Option<u32>,
    /// All of its properties, in groups.
    pub properties: Option<Properties>,
    /// Whether a version that does not come up is taken back by itself.
    pub rollback: Option<bool>,
    /// State that the new script has no use for may be dropped.
    #[serde(default)]
    pub allow_dropped: bool,
    /// It begins without the state that is kept.
    #[serde(default)]
    pub anew: bool,
}

/// All that is to be known of an application.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ApplicationDetail {
    /// Its name.
    pub name: String,
    /// What it is doing, in the managed service's word: `RUNNING`.
    pub status: String,
    /// Its version.
    pub version: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it was last changed, likewise.
    pub updated_ms: u64,
    /// Parallel subtasks that it is set up with.
    pub parallelism: u32,
    /// Subtasks that share one KPU.
    pub parallelism_per_kpu: u32,
    /// Parallel subtasks that it has now.
    pub current_parallelism: u32,
    /// KPUs that it has now.
    pub kpus: u32,
    /// Whether rules may change its size.
    pub auto_scaling: bool,
    /// Whether a stop keeps a snapshot.
    pub snapshots: bool,
    /// Whether a version that does not come up is taken back by itself.
    pub rollback: bool,
    /// From one checkpoint to the next, in milliseconds; `None` where there are none.
    pub checkpoint_interval_ms: Option<u64>,
    /// What it is for, in words.
    pub description: String,
    /// Its properties, in groups.
    pub properties: Properties,
    /// Its SQL script, with places for properties; empty where it is a program.
    pub script: String,
    /// Its program, where it is one.
    pub program: Option<ProgramLine>,
    /// Tags by name.
    pub tags: BTreeMap<String, String>,
    /// How often it started anew after a failure.
    pub restarts: u64,
    /// The last failure.
    pub last_error: Option<String>,
}

/// Something that was done with an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationLine {
    /// Its name, which no other has.
    pub id: String,
    /// What was ordered, in the managed service's word: `UpdateApplication`.
    pub kind: String,
    /// How far it is: `IN_PROGRESS`, `SUCCESSFUL`, `FAILED` or `CANCELLED`.
    pub status: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// When it ended, likewise.
    pub end_ms: Option<u64>,
    /// The version before, and the version that was wanted.
    pub versions: Option<(u64, u64)>,
    /// Why it failed.
    pub failure: Option<String>,
}

impl OperationLine {
    /// The same with texts of a bounded length.
    pub(crate) fn bounded(mut self) -> Self {
        self.failure.iter_mut().for_each(cut);
        self
    }
}

/// A line that was told of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApplicationLog {
    /// Its number; later lines have greater ones.
    pub number: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How bad it is: `INFO`, `WARN` or `ERROR`.
    pub level: String,
    /// What happened.
    pub text: String,
}

impl ApplicationLog {
    /// The same with a text of a bounded length.
    pub(crate) fn bounded(mut self) -> Self {
        cut(&mut self.text);
        self
    }
}
