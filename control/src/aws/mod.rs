//! The words that AWS has for what the platform measures and controls, and the services that speak them.

mod access;
mod door;
mod metric_names;
mod service;

pub use access::{Called, signing_name, subject};
pub use door::Door;
pub use metric_names::{StreamMetric, Unit, stream_series};
pub use service::{Service, ServiceError};
