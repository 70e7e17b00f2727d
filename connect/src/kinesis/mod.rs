//! `kinesis`: streams of Amazon Kinesis, or of any endpoint that speaks its API, behind the engine's ports, under the options of
//! Flink's connector. `docs/kinesis.md` lists them; `docs/decisions/0019-kinesis-outside.md` says why it is made so.

mod client;
#[cfg(test)]
mod fake;
mod fan_out;
mod options;
mod pauses;
mod place;
mod polling;
mod queue;
mod shapes;
mod shard;
mod source;
#[cfg(test)]
mod tests;

use engine::plan::TableDef;
use engine::port::{Connectors, PortError, Role, Sink, SinkSpec, Source};
use model::Env;
use options::{SourceOptions, wrong};
use source::KinesisSource;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The connector of tables that are streams elsewhere.
#[derive(Clone)]
pub struct KinesisStreams {
    runtime: Handle,
    env: Env,
}

impl KinesisStreams {
    /// The value of a table's option `connector` that is meant.
    pub const CONNECTOR: &'static str = "kinesis";
    /// The options of a table, beside those of its format.
    pub const OPTIONS: [&'static str; 29] = options::KNOWN;

    /// Sources that call their endpoints on `runtime`.
    pub fn new(runtime: Handle, env: Env) -> Self {
        Self { runtime, env }
    }
}

impl Connectors for KinesisStreams {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        match role {
            Role::Source => SourceOptions::parse(table).map(drop),
            Role::Sink => Err(wrong(table, "a stream cannot be written to from SQL yet; use an index or a topic")),
            Role::Lookup => Err(wrong(table, "its connector cannot be looked up; 'filesystem' and 'rest-lookup' can")),
        }
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        let options = SourceOptions::parse(table)?;
        Ok(Arc::new(KinesisSource::open(&table.name, options, &self.runtime, &self.env)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        self.check(&spec.table, Role::Sink)?;
        Err(wrong(&spec.table, "its connector only reads"))
    }
}
