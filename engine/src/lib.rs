//! Flink SQL on event time: a script becomes a plan ([`sql`], [`plan`]), a plan becomes a running job ([`run`]).
//!
//! Bytes come in through [`port::Source`], results leave through [`port::Sink`]; which connector stands behind either is
//! decided by the [`port::Connectors`] handed in.
//!
//! *Invariant:* this crate knows no stream store, no index and no network protocol; connectors are names to it.

pub mod expr;
pub mod functions;
pub mod plan;
pub mod port;
pub mod run;
pub mod sql;
pub mod types;
mod wakers;
