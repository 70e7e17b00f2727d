//! `kafka` and `upsert-kafka`: topics of an Apache Kafka behind the engine's ports, under the options of Flink's connectors
//! of these names. `docs/kafka.md` lists them; `docs/decisions/0017-kafka.md` says why it is made so.

mod client;
mod group;
mod options;
mod places;
mod properties;
mod records;
mod sink;
mod source;
mod split;
mod transaction;
mod transactional;

use engine::plan::TableDef;
use engine::port::{Changelog, Connectors, PortError, Role, Sink, SinkSpec, Source};
use model::Env;
use options::{Guarantee, SinkOptions, SourceOptions, wrong};
use std::sync::Arc;

/// Which of the connectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaKind {
    /// `kafka`: records are rows that are added.
    Plain,
    /// `upsert-kafka`: a record replaces the earlier one of its key, one without a value removes it.
    Upsert,
}

impl KafkaKind {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Upsert];

    /// Its name in a table's `connector` option.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "kafka",
            Self::Upsert => "upsert-kafka",
        }
    }

    /// What a table of it can take when it is written to, and what it gives when it is read.
    pub fn changelog(self) -> Changelog {
        match self {
            Self::Plain => Changelog::Append,
            Self::Upsert => Changelog::Upsert,
        }
    }
}

/// Tables whose rows stand in topics.
#[derive(Debug, Clone)]
pub struct KafkaTables {
    kind: KafkaKind,
    env: Env,
}

impl KafkaTables {
    /// The connector of this kind.
    pub fn new(kind: KafkaKind, env: Env) -> Self {
        Self { kind, env }
    }

    fn read(&self, table: &TableDef) -> Result<SourceOptions, PortError> {
        let options = SourceOptions::parse(table, self.kind)?;
        client::check(&client::consumer(&options.properties, &table.name), &format!("table {}", table.name))?;
        Ok(options)
    }

    fn written(&self, table: &TableDef) -> Result<SinkOptions, PortError> {
        let options = SinkOptions::parse(table, self.kind)?;
        client::check(&client::producer(&options.properties), &format!("table {}", table.name))?;
        Ok(options)
    }
}

impl Connectors for KafkaTables {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        match role {
            Role::Source => self.read(table).map(drop),
            Role::Sink => self.written(table).map(drop),
            Role::Lookup => {
                Err(wrong(table, format!("connector '{}' cannot be looked up: topics have no index", self.kind.name())))
            }
        }
    }

    fn changelog(&self, _table: &TableDef) -> Changelog {
        self.kind.changelog()
    }

    fn gives(&self, _table: &TableDef) -> Changelog {
        self.kind.changelog()
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Ok(Arc::new(source::KafkaSource::open(&table.name, self.read(table)?, self.env.clone())?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        let options = self.written(&spec.table)?;
        match options.guarantee {
            Guarantee::ExactlyOnce(_) => Ok(Box::new(transactional::TransactionalSink::open(spec, options)?)),
            Guarantee::None | Guarantee::AtLeastOnce => {
                // What changes come to is prepared by the engine itself, in its own form.
                if self.kind == KafkaKind::Plain {
                    transactional::commit_prepared(spec, &options.properties)?;
                }
                Ok(Box::new(sink::KafkaSink::open(spec, options)?))
            }
        }
    }
}
