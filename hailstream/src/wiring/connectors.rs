//! The connectors of the platform: its own streams and indices under the names that Flink gives their like, and beside
//! them the engine's own connectors.

use super::index_sink::IndexSink;
use super::rest_lookup::{REST_LOOKUP, RestLookups};
use super::stream_source::StreamSource;
use connect::{KafkaKind, KafkaTables};
use engine::plan::TableDef;
use engine::port::{Changelog, Connectors, Lookup, LookupSpec, PortError, Role, Sink, SinkSpec, Source};
use engine::run::connectors::{BuiltinConnectors, builtin_changelog};
use engine::run::decode::JsonOptions;
use index::Index;
use model::{Classified, Env, Kind};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use store::{StartAt, Store};
use tokio::runtime::Handle;

/// The connector whose tables are streams of the platform.
pub(super) const KINESIS: &str = "kinesis";
const ELASTICSEARCH: &str = "elasticsearch-7";

/// Options of Flink's stream connector that a stream of this process understands.
const STREAM_OPTIONS: [&str; 4] = ["connector", "stream", "scan.stream.initpos", "scan.stream.initpos-timestamp"];
/// Options that say how to reach and poll a remote service: they are let stand, so that one script serves both.
const REMOTE_STREAM_OPTIONS: [&str; 12] = [
    "aws.region",
    "aws.endpoint",
    "aws.credentials.provider",
    "aws.credentials.basic.accesskeyid",
    "aws.credentials.basic.secretkey",
    "aws.trust.all.certificates",
    "scan.stream.recordpublisher",
    "scan.stream.efo.consumername",
    "scan.stream.efo.registration",
    "scan.shard-assigner",
    "scan.shard.getrecords.intervalmillis",
    "scan.shard.getrecords.maxrecordcount",
];
/// Options of Flink's index connector that an index of this process understands.
const INDEX_OPTIONS: [&str; 4] = ["connector", "hosts", "index", "document-id.key-delimiter"];
/// Options that say how to reach and feed a remote service.
const REMOTE_INDEX_OPTIONS: [&str; 9] = [
    "username",
    "password",
    "failure-handler",
    "sink.flush-on-checkpoint",
    "sink.bulk-flush.max-actions",
    "sink.bulk-flush.max-size",
    "sink.bulk-flush.interval",
    "sink.bulk-flush.backoff.strategy",
    "connection.path-prefix",
];

/// All connectors of one platform.
pub struct PlatformConnectors {
    store: Store,
    index: Index,
    runtime: Handle,
    builtin: BuiltinConnectors,
}

impl PlatformConnectors {
    /// The connectors over `store` and `index`; relative paths of the `filesystem` connector begin at `base_dir`.
    pub fn new(store: Store, index: Index, runtime: Handle, base_dir: &Path, env: Env) -> Self {
        let lookups = Arc::new(RestLookups::new(runtime.clone()));
        let builtin = with_kafka(BuiltinConnectors::new(base_dir, env.clone()), &env).with(REST_LOOKUP, lookups);
        Self { store, index, runtime, builtin }
    }

    fn starts(
        &self,
        table: &TableDef,
        stream: &str,
    ) -> Result<BTreeMap<model::ShardIndex, model::Position>, PortError> {
        let at = match initial_position(table)? {
            StartAt::Oldest => return Ok(BTreeMap::new()),
            at => at,
        };
        let refused = |e: &dyn std::fmt::Display, kind| PortError::new(kind, format!("table {}: {e}", table.name));
        let shards = self.store.shards(stream).map_err(|e| refused(&e, e.kind()))?;
        let mut starts = BTreeMap::new();
        for shard in shards {
            let located = self.runtime.block_on(self.store.locate(stream, shard.index, at));
            starts.insert(shard.index, located.map_err(|e| refused(&e, e.kind()))?);
        }
        Ok(starts)
    }
}

impl Connectors for PlatformConnectors {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        match (connector(table), role) {
            (KINESIS, Role::Source) => {
                check_options(table, &[&STREAM_OPTIONS, &REMOTE_STREAM_OPTIONS, &JsonOptions::KEYS])?;
                required(table, "stream")?;
                initial_position(table)?;
                JsonOptions::parse(&table.options).map(|_| ())
            }
            (KINESIS, Role::Sink) => Err(wrong(table, "a stream cannot be written to from SQL yet; use an index")),
            (ELASTICSEARCH, Role::Sink) => {
                check_options(table, &[&INDEX_OPTIONS, &REMOTE_INDEX_OPTIONS, &JsonOptions::KEYS])?;
                required(table, "index")?;
                check_hosts(table)
            }
            (ELASTICSEARCH, Role::Source) => {
                Err(wrong(table, "the elasticsearch-7 connector only writes; search the index through its door"))
            }
            (KINESIS | ELASTICSEARCH, Role::Lookup) => {
                Err(wrong(table, "its connector cannot be looked up; 'filesystem' and 'rest-lookup' can"))
            }
            _ => self.builtin.check(table, role),
        }
    }

    fn changelog(&self, table: &TableDef) -> Changelog {
        changelog(table)
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        if connector(table) != KINESIS {
            return self.builtin.source(table);
        }
        let stream = required(table, "stream")?;
        if self.store.describe_stream(stream).is_err() {
            return Err(PortError::new(
                Kind::NotFound,
                format!("table {}: there is no stream {stream:?}; create it first", table.name),
            ));
        }
        let starts = self.starts(table, stream)?;
        Ok(Arc::new(StreamSource::new(self.store.clone(), stream.to_owned(), starts)))
    }

    fn lookup(&self, spec: &LookupSpec) -> Result<Arc<dyn Lookup>, PortError> {
        self.builtin.lookup(spec)
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        if connector(&spec.table) != ELASTICSEARCH {
            return self.builtin.sink(spec);
        }
        let index = required(&spec.table, "index")?.to_owned();
        Ok(Box::new(IndexSink::new(self.index.clone(), index, spec, self.runtime.clone())?))
    }
}

/// What a table of the platform can take when it is written to.
pub(super) fn changelog(table: &TableDef) -> Changelog {
    match connector(table) {
        ELASTICSEARCH => Changelog::Upsert,
        other => {
            let kafka = KafkaKind::ALL.into_iter().find(|kind| kind.name() == other);
            kafka.map_or_else(|| builtin_changelog(table), KafkaKind::changelog)
        }
    }
}

/// The engine's own connectors, and beside them topics of Kafka.
pub(crate) fn with_kafka(builtin: BuiltinConnectors, env: &Env) -> BuiltinConnectors {
    let add = |builtin: BuiltinConnectors, kind: KafkaKind| {
        builtin.with(kind.name(), Arc::new(KafkaTables::new(kind, env.clone())))
    };
    KafkaKind::ALL.into_iter().fold(builtin, add)
}

/// The stream that a table of the platform reads.
///
/// # Errors
/// When it is no such table.
pub(super) fn stream_of(table: &TableDef) -> Result<&str, PortError> {
    match connector(table) {
        KINESIS => required(table, "stream"),
        other => Err(wrong(table, &format!("its connector is '{other}', which reads no stream"))),
    }
}

/// The index that a table of the platform is written to; `None` where its connector is another.
pub(crate) fn index_of(table: &TableDef) -> Option<&str> {
    (connector(table) == ELASTICSEARCH).then(|| table.options.get("index").map_or("", String::as_str))
}

fn connector(table: &TableDef) -> &str {
    table.options.get("connector").map_or("", String::as_str)
}

fn wrong(table: &TableDef, message: &str) -> PortError {
    PortError::new(Kind::Invalid, format!("table {}: {message}", table.name))
}

fn required<'a>(table: &'a TableDef, option: &str) -> Result<&'a str, PortError> {
    let given = table.options.get(option).map(String::as_str).filter(|value| !value.is_empty());
    given.ok_or_else(|| wrong(table, &format!("the option '{option}' is missing")))
}

fn check_options(table: &TableDef, known: &[&[&str]]) -> Result<(), PortError> {
    let is_known = |key: &String| known.iter().any(|keys| keys.contains(&key.as_str()));
    match table.options.keys().find(|key| !is_known(key)) {
        None => Ok(()),
        Some(unknown) => {
            let known = known.iter().flat_map(|keys| keys.iter()).map(|k| format!("'{k}'")).collect::<Vec<_>>();
            Err(wrong(table, &format!("unknown option '{unknown}'; known are {}", known.join(", "))))
        }
    }
}

/// Where reading begins, by Flink's names; the newest record where nothing is said, as there.
fn initial_position(table: &TableDef) -> Result<StartAt, PortError> {
    match table.options.get("scan.stream.initpos").map_or("LATEST", String::as_str) {
        "LATEST" => Ok(StartAt::Latest),
        "TRIM_HORIZON" => Ok(StartAt::Oldest),
        "AT_TIMESTAMP" => {
            let text = required(table, "scan.stream.initpos-timestamp")?;
            let time = replay::parse_time(text).and_then(|t| u64::try_from(t.0).ok());
            let seconds = || text.parse::<f64>().ok().filter(|s| *s >= 0.0).map(|s| (s * 1_000.0) as u64);
            time.or_else(seconds).map(StartAt::Time).ok_or_else(|| {
                wrong(table, &format!("'scan.stream.initpos-timestamp' is {text:?}; write it as 2016-01-06T07:00:00Z"))
            })
        }
        other => Err(wrong(
            table,
            &format!("'scan.stream.initpos' is {other:?}; it is LATEST, TRIM_HORIZON or AT_TIMESTAMP"),
        )),
    }
}

/// The index of this process is on this machine: another host would be written to by nobody.
fn check_hosts(table: &TableDef) -> Result<(), PortError> {
    let hosts = required(table, "hosts")?;
    let local = |host: &str| {
        let host = host.trim().trim_start_matches("http://");
        ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .any(|name| host.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])))
    };
    if hosts.split(';').all(local) {
        Ok(())
    } else {
        Err(wrong(table, &format!("'hosts' is {hosts:?}, but results go to the platform's own index, on 127.0.0.1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::types::Schema;

    fn table(options: &[(&str, &str)]) -> TableDef {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (name, schema) = ("t".to_owned(), Schema::default());
        TableDef { name, schema, computed: vec![], watermark: None, primary_key: vec![], options }
    }

    #[test]
    fn initial_positions_have_flinks_names_and_default() {
        let of = |options: &[(&str, &str)]| initial_position(&table(options));
        assert_eq!(of(&[]).unwrap(), StartAt::Latest);
        assert_eq!(of(&[("scan.stream.initpos", "TRIM_HORIZON")]).unwrap(), StartAt::Oldest);
        let at = |text| of(&[("scan.stream.initpos", "AT_TIMESTAMP"), ("scan.stream.initpos-timestamp", text)]);
        assert_eq!(at("1970-01-01T00:00:01Z").unwrap(), StartAt::Time(1_000));
        assert_eq!(at("1.5").unwrap(), StartAt::Time(1_500));
        assert!(at("yesterday").unwrap_err().message.contains("yesterday"));
        assert!(of(&[("scan.stream.initpos", "AT_TIMESTAMP")]).unwrap_err().message.contains("missing"));
        assert!(of(&[("scan.stream.initpos", "EARLIEST")]).unwrap_err().message.contains("TRIM_HORIZON"));
    }

    #[test]
    fn only_this_machine_is_a_host() {
        let of = |hosts| check_hosts(&table(&[("hosts", hosts)]));
        for good in ["http://127.0.0.1:9200", "localhost", "http://localhost:9200;http://127.0.0.1:9201"] {
            assert!(of(good).is_ok(), "{good}");
        }
        for bad in
            ["http://10.0.0.1:9200", "http://127.0.0.100:9200", "https://localhost", "http://localhost.example:1"]
        {
            assert!(of(bad).unwrap_err().message.contains(bad), "{bad}");
        }
    }

    #[test]
    fn topics_of_kafka_are_tables_of_the_platform() {
        let (folder, env) = (tempfile::tempdir().unwrap(), Env::system());
        let connectors = with_kafka(BuiltinConnectors::new(folder.path(), env.clone()), &env);
        let of = |connector| {
            let servers = ("properties.bootstrap.servers", "127.0.0.1:1");
            table(&[("connector", connector), ("topic", "t"), servers, ("value.format", "json")])
        };
        connectors.check(&of("kafka"), Role::Source).unwrap();
        connectors.check(&of("kafka"), Role::Sink).unwrap();
        let error = connectors.check(&of("upsert-kafka"), Role::Sink).unwrap_err();
        assert!(error.message.contains("PRIMARY KEY"), "{error}");
        let error = connectors.check(&of("kafka-upsert"), Role::Sink).unwrap_err();
        assert!(error.message.contains("kafka, print") && error.message.contains("upsert-kafka"), "{error}");
        for (connector, expected) in [("kafka", Changelog::Append), ("upsert-kafka", Changelog::Upsert)] {
            assert_eq!((changelog(&of(connector)), connectors.changelog(&of(connector))), (expected, expected));
        }
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = check_options(&table(&[("strem", "x")]), &[&STREAM_OPTIONS]).unwrap_err().message;
        assert!(error.contains("'strem'") && error.contains("'stream'"), "{error}");
    }
}
