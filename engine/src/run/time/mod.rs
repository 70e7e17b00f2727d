//! Event time of a source: one watermark for each split, and the minimum over them; and how far it has come in each
//! operator. And processing time, which has the one clock.

mod clock;
mod operators;
mod tracker;

pub(crate) use clock::ProcessingTime;
pub use operators::{OperatorMetrics, WatermarkLag};
pub(crate) use operators::{Operators, Progress, Subtasks, subtasks};
pub use tracker::{HoldReason, WatermarkHold};
pub(crate) use tracker::{Tracker, TrackerOptions};
