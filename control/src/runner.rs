//! The seam to whatever runs an application: the embedded engine, or a Flink cluster.

use crate::{ApplicationSpec, Correction, MovePlan};
use model::{Classified, Kind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Starts applications.
pub trait Runner: Send + Sync {
    /// Checks a specification without starting anything: the script is parsed and bound, its connectors asked.
    ///
    /// # Errors
    /// Says where the script is wrong.
    fn check(&self, spec: &ApplicationSpec) -> Result<(), RunnerError>;

    /// What the script's operators are, as text for a person.
    ///
    /// # Errors
    /// Says where the script is wrong.
    fn explain(&self, spec: &ApplicationSpec) -> Result<String, RunnerError>;

    /// What a start with this specification would make of what is kept; nothing where nothing is kept.
    ///
    /// # Errors
    /// When the script is wrong, or what is kept cannot be read.
    fn compare(&self, spec: &ApplicationSpec, from: &Begin) -> Result<Vec<StateFate>, RunnerError>;

    /// Starts the application, from the state that its last run has kept, from a snapshot, or anew; it then goes on from
    /// there, whatever was kept after it.
    ///
    /// # Errors
    /// When it cannot be started; nothing of it runs then.
    fn start(&self, spec: &ApplicationSpec, beginning: &Beginning) -> Result<Arc<dyn Running>, RunnerError>;

    /// The snapshots of an application, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn snapshots(&self, name: &str) -> Result<Vec<SnapshotInfo>, RunnerError>;

    /// The names of the snapshots alone, in any order: that takes one look, however many there are.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn snapshot_names(&self, name: &str) -> Result<Vec<String>, RunnerError>;

    /// Removes a snapshot.
    ///
    /// # Errors
    /// When there is none of this name, or some of it stays.
    fn remove_snapshot(&self, name: &str, snapshot: &str) -> Result<(), RunnerError>;

    /// Computes windows anew that have closed before all of their rows had come, from what the sources still hold; a run of
    /// the application goes on meanwhile. With `only_plan` it tells what would be done.
    ///
    /// # Errors
    /// When another correction is under way, the script is wrong, or something cannot be read or written.
    fn correct(&self, spec: &ApplicationSpec, only_plan: bool) -> Result<Correction, RunnerError>;

    /// What it would take to have the runner that `to` names go on with a run of `from` whose results are written up to the watermark
    /// `closed_ms`, in milliseconds since the Unix epoch. Nothing is changed.
    ///
    /// # Errors
    /// Why that cannot be: something that the script keeps is in no record, records that are needed are gone, or the other runner
    /// does not take the script.
    fn plan_move(
        &self,
        from: &ApplicationSpec,
        to: &ApplicationSpec,
        closed_ms: Option<i64>,
    ) -> Result<MovePlan, RunnerError> {
        let _ = closed_ms;
        let message = format!(
            "application {}: {} runs it, and there is no {} beside it that could go on",
            from.name, from.runner, to.runner
        );
        Err(RunnerError::new(Kind::Invalid, message))
    }

    /// Breaks off what is done beside runs: the platform ends.
    fn close(&self);

    /// Removes everything that runs of the application have kept; none runs now.
    ///
    /// # Errors
    /// When some of it stays.
    fn forget(&self, name: &str) -> Result<(), RunnerError>;
}

/// An application that was started.
pub trait Running: Send + Sync {
    /// What has become of it.
    fn state(&self) -> RunState;

    /// Its figures.
    fn metrics(&self) -> RunMetrics;

    /// Its figures of checkpoints alone, which are asked for often.
    fn checkpoints(&self) -> CheckpointFigures;

    /// Where whoever runs it shows it on a page of its own.
    fn page(&self) -> Option<String> {
        None
    }

    /// Gives it another parallelism while it runs.
    ///
    /// # Errors
    /// When it keeps the old one, or has failed; [`Running::state`] tells which.
    fn rescale(&self, parallelism: u32) -> Result<(), RunnerError>;

    /// Keeps everything that it has come to, at one moment, under a name. Returns when that is durable.
    ///
    /// # Errors
    /// When the name is taken or wrong, the run has ended, or it cannot be written.
    fn snapshot(&self, snapshot: &str) -> Result<SnapshotInfo, RunnerError>;

    /// Ends it: what it has read is worked off, results and state are durable when this returns.
    ///
    /// # Errors
    /// When its results could not be made durable; what was kept before then still holds.
    fn stop(&self) -> Result<(), RunnerError>;
}

/// Which of the things that are kept a start begins with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Begin {
    /// What the last run has kept last.
    #[default]
    Latest,
    /// A snapshot, by its name.
    Snapshot(String),
    /// Nothing of it.
    Nothing,
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beginning {
    /// From what.
    pub from: Begin,
    /// State that the script has no use for may be dropped.
    pub allow_dropped: bool,
}

/// What becomes of one piece of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFate {
    /// Whose it is: `operator pickup_count`.
    pub of: String,
    /// What becomes of it, in words.
    pub fate: String,
    /// It would be lost.
    pub lost: bool,
}

/// What is kept under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its name.
    pub name: String,
    /// When it was taken, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// What it takes, in bytes.
    pub bytes: u64,
}

/// What has become of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// It goes on.
    Running,
    /// Its input ended and all of it was worked off.
    Finished,
    /// It broke; the text is the first cause.
    Failed(String),
}

/// The figures of a run, under the managed service's names where it has one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunMetrics {
    /// Totals since the run began.
    pub totals: RunningStats,
    /// The watermark in milliseconds since the Unix epoch; `None` before the first.
    pub watermark_ms: Option<i64>,
    /// Which split this watermark waits for, and why, in words; `None` when it waits for none for long.
    pub watermark_hold: Option<String>,
    /// What each of its operators does and how far it is in event time, each behind those whose rows it reads.
    pub operators: Vec<OperatorFigures>,
    /// How far the slowest split is behind the newest record, in milliseconds; `None` where no source can tell.
    pub millis_behind_latest: Option<u64>,
    /// What the lookups of each table have done.
    pub lookups: Vec<LookupStats>,
    /// Of the newest windows: when each ended, in milliseconds on the windows' clock, and how many rows came too late for it.
    pub late_windows: Vec<(i64, u64)>,
    /// The latest bad records, newest first: a bounded sample.
    pub bad_samples: Vec<BadRecord>,
    /// The parallelism that it has now.
    pub parallelism: u32,
    /// Threads that it computes on: one for each KPU.
    pub kpus: u32,
    /// Bytes of state in memory.
    pub state_bytes: u64,
    /// Bytes that state may take in memory; `None` where it has no bound.
    pub state_budget_bytes: Option<u64>,
    /// Bytes of state on disk, for which memory has no room.
    pub spilled_bytes: u64,
    /// What has become of its checkpoints.
    pub checkpoints: CheckpointFigures,
    /// How long no record was read during the last change of parallelism, in milliseconds; `None` before the first.
    pub rescale_pause_ms: Option<f64>,
}

/// One operator of a run: what it does, and how far it is in event time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorFigures {
    /// What it is called; no two of a run are called the same.
    pub operator: String,
    /// The operators whose rows it reads.
    pub inputs: Vec<String>,
    /// What each of its subtasks has done; a sink has one for each KPU.
    pub subtasks: Vec<SubtaskFigures>,
    /// The watermark that has come to it, in milliseconds since the Unix epoch; `None` before the first and after the last.
    pub input_ms: Option<i64>,
    /// The watermark that it has handed on, likewise.
    pub output_ms: Option<i64>,
    /// Which split this watermark waits for, and what else keeps it, in words; `None` when it waits for none.
    pub hold: Option<String>,
    /// What it reads, where it is a source.
    pub source: Option<SourceFigures>,
    /// How its writing goes, where it is a sink.
    pub sink: Option<SinkFigures>,
}

impl OperatorFigures {
    /// What all its subtasks have done together.
    pub fn total(&self) -> SubtaskFigures {
        self.subtasks.iter().fold(SubtaskFigures::default(), |all, one| SubtaskFigures {
            records_in: all.records_in + one.records_in,
            records_out: all.records_out + one.records_out,
            busy_ms: all.busy_ms + one.busy_ms,
            idle_ms: all.idle_ms + one.idle_ms,
            backpressured_ms: all.backpressured_ms + one.backpressured_ms,
        })
    }
}

/// What a source has read since the run began or its parallelism last changed, all subtasks together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceFigures {
    /// How far its slowest split is behind its newest record, in milliseconds; `None` where it cannot tell.
    pub millis_behind_latest: Option<u64>,
    /// Bytes read.
    pub bytes: u64,
    /// Reads, those that found nothing included.
    pub reads: u64,
    /// Bytes that these reads asked for at most.
    pub requested_bytes: u64,
}

/// How the writing of a sink goes since the run began or its parallelism last changed, all subtasks together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinkFigures {
    /// Microseconds spent writing rows, what is under way included.
    pub write_us: u64,
    /// Microseconds spent making them durable or visible, likewise.
    pub flush_us: u64,
    /// How often that was done.
    pub flushes: u64,
    /// Rows that were not taken, each as often as it was not.
    pub refused: u64,
    /// Of these, rows that were offered again.
    pub retried: u64,
}

/// What one subtask of an operator has done since the run began or its parallelism last changed. At each moment it
/// computes, waits for input or waits for room downstream: the three times grow by one second a second together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubtaskFigures {
    /// Rows taken; of a source those that were read.
    pub records_in: u64,
    /// Rows given; of a sink those that were written.
    pub records_out: u64,
    /// Milliseconds spent computing.
    pub busy_ms: u64,
    /// Milliseconds spent waiting for input.
    pub idle_ms: u64,
    /// Milliseconds spent waiting for room downstream.
    pub backpressured_ms: u64,
}

/// The checkpoints of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckpointFigures {
    /// Durable ones since the run began.
    pub completed: u64,
    /// Those that failed since then.
    pub failed: u64,
    /// How long the last durable one took, in milliseconds.
    pub last_duration_ms: u64,
    /// Its size in bytes.
    pub last_size_bytes: u64,
}

/// The lookups of one table since the run began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LookupStats {
    /// The table that is asked.
    pub table: String,
    /// Requests that wait for an answer now.
    pub in_flight: u64,
    /// Calls made, retries included.
    pub requests: u64,
    /// Calls after the first one of a request.
    pub retries: u64,
    /// Rows answered from the cache.
    pub cache_hits: u64,
    /// Rows given up because their request failed for good.
    pub dead: u64,
    /// How long an answer took on average, in milliseconds.
    pub latency_ms: f64,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Where it stands: its split and its position there.
    pub place: String,
    /// Why it could not be read.
    pub reason: String,
    /// The beginning of its content.
    pub text: String,
}

/// Counters of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunningStats {
    /// Records read.
    pub records_in: u64,
    /// Rows handed to sinks.
    pub records_out: u64,
    /// Records that came after their window had closed.
    pub late: u64,
    /// Records that could not be read.
    pub bad: u64,
}

/// Why a runner could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunnerError {
    /// What the caller can do about it.
    pub kind: Kind,
    /// What was wrong, where, and what to do.
    pub message: String,
}

impl RunnerError {
    /// An error of `kind` that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl Classified for RunnerError {
    fn kind(&self) -> Kind {
        self.kind
    }
}
