//! The words that AWS has for what the platform measures and controls, and the services that speak them.

mod cloudwatch;
mod door;
mod metric_names;
mod protocol;
mod service;

pub use cloudwatch::{CloudWatch, alarm_document};
pub use door::Door;
pub use metric_names::{StreamMetric, Unit, stream_series};
pub use protocol::operation;
pub use service::{Form, Service, ServiceError};
