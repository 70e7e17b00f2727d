//! Applications: what is wanted of them, what they are doing, and the steps that bring the second to the first; and
//! [`metrics`], numbers over time.
//!
//! *Invariant:* nothing here knows how a job runs: that is a [`Runner`]'s business, and there may be several kinds.

mod application;
pub mod aws;
mod catalog;
mod correction;
mod database;
mod manager;
pub mod metrics;
mod restart;
mod runner;
pub mod scaling;
mod snapshots;
mod status;
pub mod timeline;

pub use application::{ApplicationSpec, SpecError};
pub use correction::{CorrectedWindows, Correction, CorrectionWork, LostWindow, ReadFrom, RefusedOperator};
pub use database::{Database, DatabaseError};
pub use manager::{ApplicationView, Applications, ControlError};
pub use restart::RestartPolicy;
pub use runner::{
    BadRecord, CheckpointFigures, LookupStats, OperatorFigures, RunMetrics, RunState, Runner, RunnerError, Running,
    RunningStats, SnapshotInfo, SubtaskFigures,
};
pub use status::Status;
