//! The words that AWS has for what the platform measures and controls, and the services that speak them.

mod autoscaling;
mod door;
mod metric_names;
mod service;

pub use autoscaling::AutoScaling;
pub use door::Door;
pub use metric_names::{StreamMetric, Unit, stream_series};
pub use service::{Service, ServiceError};
