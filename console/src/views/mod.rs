//! View models: what the page shows, free of any protocol. They are serialised to the page as they stand here.

mod alarms;
mod applications;
mod audit;
mod pipeline;
mod results;
mod scaling;
mod stacks;
mod streams;
mod timeline;
mod trial;

pub use alarms::{AlarmChange, AlarmLine, AlarmState, AlarmView};
pub use applications::{
    ApplicationChange, ApplicationDetail, ApplicationLine, ApplicationLog, ApplicationView, Checkpoints,
    CorrectedWindow, Correction, CorrectionWork, LostWindow, MoveView, MovedStart, MovedWindows, NewApplication,
    OperationLine, OperatorUse, ProgramLine, Properties, ReadFrom, RefusedOperator,
};
pub use audit::{AuditEntry, AuditPage};
pub use pipeline::{
    Application, ApplicationState, BadSample, Index, IndexName, LateWindow, Operator, Pipeline, Replay, ReplayState,
    Shard, Snapshot, Stream, StreamStatus,
};
pub use results::{AirportHour, AirportLine, Bbox, Cell, CellsRequest, HourCount, TimeRange, Totals};
pub use scaling::{Decision, Outcome, PolicyLine, Scaling, ScalingMode, ScalingPoint};
pub use stacks::{StackRequest, StackStep};
pub use streams::{
    Band, HistoryPoint, KEYS_SHOWN_MAX, KeyAdvice, KeyShare, ShardChange, ShardKeys, ShardUse, StreamHistory,
    StreamLine, StreamView,
};
pub use timeline::{Happening, Severity};
pub use trial::{AlarmItem, AlarmTrial, MetricLine, MetricQuestion, TrialChange};

/// Most cells in one answer; the largest are kept.
pub const CELLS_MAX: usize = 16_384;
/// Most areas in a list of top areas.
pub const TOP_CELLS_MAX: usize = 50;
/// Finest precision of a cell, in geohash characters: that of the results themselves.
pub const PRECISION_MAX: u8 = 7;
/// Most shards of which single readings travel to the page; the count of open shards is always the true one.
pub const SHARDS_SHOWN_MAX: usize = 512;
/// Most bands of a lineage that travel to the page; beyond, neighbours of the same time are drawn as one.
pub const BANDS_MAX: usize = 2_048;
/// Most streams that are listed.
pub const STREAMS_SHOWN_MAX: usize = 200;
/// Most alarms that are listed.
pub const ALARMS_SHOWN_MAX: usize = 500;
/// Most changes of an alarm that are told, and most of its actions.
pub const ALARM_CHANGES_SHOWN_MAX: usize = 100;
/// Most changes that the trial of an alarm tells.
pub const TRIAL_CHANGES_SHOWN_MAX: usize = 500;
/// Most points of a line over time.
pub const POINTS_SHOWN_MAX: usize = 1_500;
/// Most decisions of scaling that are told, and most rules.
pub const DECISIONS_SHOWN_MAX: usize = 200;
/// Most happenings that travel to the page at once; the latest do.
pub const HAPPENINGS_SHOWN_MAX: usize = 500;
/// Longest document about something that happened to an alarm, in bytes.
pub const ALARM_DATA_BYTES_MAX: usize = 64 * 1024;
/// Longest address of a page elsewhere, in bytes.
pub const PAGE_BYTES_MAX: usize = 2_000;
/// Most applications that are listed.
pub const APPLICATIONS_SHOWN_MAX: usize = 200;
/// Most windows whose late rows are told one by one.
pub const LATE_WINDOWS_SHOWN_MAX: usize = 50;
/// Most operators of an application that are told one by one.
pub const OPERATORS_SHOWN_MAX: usize = 200;
/// Most samples of bad records that travel to the page.
pub const BAD_SAMPLES_MAX: usize = 20;
/// Most snapshots that are listed; the newest are.
pub const SNAPSHOTS_SHOWN_MAX: usize = 1_000;
/// Most indices that are listed one by one.
pub const INDICES_SHOWN_MAX: usize = 50;
/// Longest text from data or errors that travels to the page, in characters; the rest is cut off with an ellipsis.
pub const TEXT_CHARS_MAX: usize = 1_000;
