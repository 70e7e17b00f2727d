//! Running a plan: subtasks, exchange, event time, windows, connectors of the engine itself.
//!
//! [`Job::start`] turns a plan into subtasks on worker threads and gives a [`JobHandle`]. Everything that travels
//! between subtasks is one closed set of messages; `docs/decisions/0003-sql-engine.md` tells how watermarks and barriers
//! work, `docs/decisions/0011-state-and-checkpoints.md` what is kept and how a job goes on from it.

mod aggregate;
mod analysis;
mod channel;
mod checkpoint;
pub mod connectors;
mod coordinator;
mod correction;
pub mod decode;
pub mod encode;
mod error;
mod graph;
mod handover;
mod ids;
mod inputs;
mod job;
mod keyed;
mod keyed_parts;
mod load;
mod lookup;
mod meter;
mod pace;
mod script;
#[cfg(test)]
mod simulation;
mod spill;
mod task;
mod time;
mod wake;
mod worker;

pub use checkpoint::{
    CheckpointStats, CheckpointStorage, CheckpointSummary, Checkpointing, Fate, Folder, GroupRows, OperatorState,
    Restore, SliceState, SourceState, SplitState, StateReport, StateView, compare, groups, inspect, remove_snapshot,
    snapshots,
};
pub use correction::{CORRECTED_WINDOWS_MAX, CorrectedOperator, CorrectedWindow, Correction, earlier_than};
pub use error::JobError;
pub use handover::Movable;
pub use job::{Job, JobHandle, JobOptions, JobState, Rescaled, StateMemory, duration_ms, memory_bytes};
pub use load::{ReadMetrics, SinkMetrics, SubtaskMetrics};
pub use lookup::LookupMetrics;
pub use meter::{JobMetrics, Rejection, SAMPLE_BYTES_MAX, SAMPLES_MAX, SplitMetrics};
pub use script::{JobReport, ScriptError, ScriptEvent, ScriptReport, run_script};
pub use time::{HoldReason, OperatorMetrics, WatermarkHold, WatermarkLag};

use crate::types::Field;

/// A field that admits null: what a plan says of nulls is a promise about results, not about what a record may lack.
fn nullable_field(field: &Field) -> Field {
    Field { nullable: true, ..field.clone() }
}
