//! The words that AWS has for what the platform measures and controls.

mod metric_names;

pub use metric_names::{StreamMetric, Unit, stream_series};
