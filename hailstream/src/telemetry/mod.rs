//! Metrics sent to a collector by the OpenTelemetry protocol (OTLP over HTTP, protobuf): the readings of `/metrics`, every few
//! seconds.

mod message;
mod post;
mod sender;
mod series;
mod settings;

pub(crate) use sender::{Counts, Sender};
pub(crate) use settings::{INTERVAL_S_DEFAULT, INTERVAL_S_MAX, OtlpError, OtlpSettings};
