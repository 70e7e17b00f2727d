//! Tables of an Elasticsearch or OpenSearch cluster under the names and options of Flink's connectors: rows become documents,
//! written in bulks, again and again until the cluster has them.

mod bulk;
mod cluster;
#[cfg(test)]
mod fake;
mod index_name;
mod options;
mod sending;
mod sink;
#[cfg(test)]
mod tests;

use engine::plan::TableDef;
use engine::port::{Changelog, Connectors, PortError, Role, Sink, SinkSpec, Source};
use engine::types::DataType;
use model::{Env, Kind};
use options::Options;
use sink::ElasticsearchSink;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The connectors of tables that are indices of a cluster.
#[derive(Clone)]
pub struct Elasticsearch {
    runtime: Handle,
    env: Env,
}

impl Elasticsearch {
    /// The values of a table's option `connector` that are meant.
    pub const CONNECTORS: [&'static str; 2] = ["elasticsearch-7", "opensearch"];
    /// The options of a table, beside those of its format.
    pub const OPTIONS: [&'static str; 21] = options::KNOWN;

    /// Sinks that call their clusters on `runtime`.
    pub fn new(runtime: Handle, env: Env) -> Self {
        Self { runtime, env }
    }
}

impl Connectors for Elasticsearch {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        match role {
            Role::Sink => {}
            Role::Source => return Err(wrong(table, "its connector only writes; search the index in its cluster")),
            Role::Lookup => return Err(wrong(table, "its connector cannot be looked up")),
        }
        let named = |key: &&usize| table.schema.fields[**key].data_type == DataType::Bytes;
        if let Some(key) = table.primary_key.iter().find(named) {
            let name = &table.schema.fields[*key].name;
            return Err(wrong(table, &format!("{name} is BYTES, which cannot be a part of a document's id")));
        }
        Options::parse(table).map(drop)
    }

    fn changelog(&self, _table: &TableDef) -> Changelog {
        Changelog::Upsert
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        self.check(table, Role::Source)?;
        Err(wrong(table, "its connector only writes"))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        self.check(&spec.table, Role::Sink)?;
        let options = Options::parse(&spec.table)?;
        Ok(Box::new(ElasticsearchSink::open(spec, options, self.runtime.clone(), self.env.clone())?))
    }
}

fn wrong(table: &TableDef, message: &str) -> PortError {
    PortError::new(Kind::Invalid, format!("table {}: {message}", table.name))
}
