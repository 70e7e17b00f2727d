//! Runs applications on an Apache Flink cluster: statements through its SQL gateway, programs and jobs through the JobManager's
//! REST API.
//! For `control` it is one more [`Runner`](control::Runner), so that the same script, snapshots, figures and rules serve both.
//!
//! *Invariant:* nothing is started twice. The id of a job is drawn and kept before the job is submitted, and the cluster takes
//! no second job of the same id; whoever starts an application whose kept job runs takes that job over.
//!
//! *Invariant:* what a cluster calls things, and how it answers, stays in here.

mod book;
mod client;
mod connectors;
mod doctor;
mod figures;
mod gateway;
mod handover;
mod job;
mod jobs;
mod plan;
mod program;
mod runner;
mod script;
mod submit;
mod uploads;

pub use client::Addresses;
pub use connectors::Doors;
pub use doctor::{Finding, Health, examine};
pub use runner::{FlinkOptions, FlinkRunner};
