//! Event time of a source: one watermark for each split, and the minimum over them.

mod tracker;

pub use tracker::{HoldReason, WatermarkHold};
pub(crate) use tracker::{Tracker, TrackerOptions};
