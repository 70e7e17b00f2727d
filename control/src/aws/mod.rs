//! The words that AWS has for what the platform measures and controls, and the services that speak them.

mod access;
mod advised;
pub mod analytics;
mod application_names;
mod autoscaling;
mod cloudwatch;
mod door;
mod metric_names;
mod protocol;
mod service;

pub use access::{Called, is_named_in_body, signing_name, subject};
pub use advised::{advised_alarms, reference_alarm};
pub use application_names::{ApplicationMetric, Measured, application_series};
pub use autoscaling::AutoScaling;
pub use cloudwatch::{CloudWatch, alarm_document, alarm_of, question_of};
pub use door::Door;
pub use metric_names::{StreamMetric, stream_series};
pub use service::{Form, Service, ServiceError};
