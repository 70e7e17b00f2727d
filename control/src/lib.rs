//! Applications: what is wanted of them, what they are doing, and the steps that bring the second to the first; and
//! [`metrics`], numbers over time, and [`alarms`] about them.
//!
//! *Invariant:* nothing here knows how a job runs: that is a [`Runner`]'s business, and there may be several kinds.

pub mod alarms;
mod application;
pub mod aws;
mod catalog;
mod configuration;
mod correction;
mod database;
mod former;
mod handover;
mod jar;
mod manager;
pub mod metrics;
mod operation;
mod program;
mod programs;
mod properties;
mod restart;
mod runner;
pub mod scaling;
mod snapshots;
mod status;
pub mod timeline;
pub mod watcher;

pub use application::{ApplicationSpec, Checkpoints, SpecError};
pub use catalog::{LogLine, Version};
pub use configuration::{
    CheckpointSetting, Configuration, ConfigurationError, EMBEDDED, FLINK, LoggingOption, Monitoring, PLATFORM_GROUP,
    Parallelism, RUNNER_PROPERTY, Setting, Size,
};
pub use correction::{CorrectedWindows, Correction, CorrectionWork, LostWindow, ReadFrom, RefusedOperator};
pub use database::{Database, DatabaseError};
pub use handover::{Handover, MovePlan, StartAt, written_up_to};
pub use manager::{ApplicationView, Applications, ControlError, Expected, New, ScaledBy, SnapshotView, Update};
pub use operation::{Operation, OperationKind, OperationStatus};
pub use program::{
    ARGUMENTS_PROPERTY, Code, ENTRY_CLASS_PROPERTY, ObjectPlace, PROGRAM_BYTES_MAX, Program, ProgramRun,
};
pub use programs::{Objects, ProgramError, Programs};
pub use properties::{FIRST_GROUP, PropertyError, PropertyGroups};
pub use restart::{Options, RestartPolicy};
pub use runner::{
    BadRecord, Begin, Beginning, CheckpointFigures, LookupStats, OperatorFigures, RunMetrics, RunState, Runner,
    RunnerError, Running, RunningStats, SinkFigures, SnapshotInfo, SourceFigures, StateFate, SubtaskFigures,
};
pub use status::Status;

/// The name of the database's file in the folder of applications.
pub const DATABASE_FILE: &str = "control.db";
