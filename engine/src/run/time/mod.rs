//! Event time of a source: one watermark for each split, the minimum over them, and where reading may resume.

mod history;
mod tracker;

pub(crate) use history::Release;
pub(crate) use tracker::{Tracker, TrackerOptions};
