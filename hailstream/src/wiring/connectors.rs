//! The connectors of the platform: its own streams and indices under the names that Flink gives their like, and beside
//! them the engine's own connectors.

use super::index_place::{OutsideIndices, PLACE, is_index, is_own};
use super::index_sink::IndexSink;
use super::rest_lookup::{REST_LOOKUP, RestLookups};
use super::stream_place::{self, OutsideStreams, is_stream, name_of};
use super::stream_source::StreamSource;
use connect::{BucketFiles, Elasticsearch, KafkaKind, KafkaTables, KinesisStreams};
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
pub(super) const KINESIS: &str = KinesisStreams::CONNECTOR;

/// All connectors of one platform.
pub struct PlatformConnectors {
    store: Store,
    index: Index,
    runtime: Handle,
    builtin: BuiltinConnectors,
    outside: OutsideIndices,
    streams: OutsideStreams,
}

impl PlatformConnectors {
    /// The connectors over `store` and `index`; relative paths of the `filesystem` connector begin at `base_dir`.
    pub fn new(store: Store, index: Index, runtime: Handle, base_dir: &Path, env: Env) -> Self {
        let lookups = Arc::new(RestLookups::new(runtime.clone()));
        let outside = OutsideIndices::new(runtime.clone(), env.clone());
        let streams = OutsideStreams::new(runtime.clone(), env.clone());
        let builtin = with_kafka(BuiltinConnectors::new(base_dir, env.clone()), &env).with(REST_LOOKUP, lookups);
        Self { store, index, runtime, builtin, outside, streams }
    }

    /// The same, whose tables may also name files in these buckets.
    #[must_use]
    pub fn with_buckets(self, files: BucketFiles) -> Self {
        Self { builtin: with_buckets(self.builtin, files), ..self }
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

impl PlatformConnectors {
    fn check_index(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        match role {
            Role::Sink if !is_own(table)? => self.outside.check(table, role),
            Role::Sink => {
                // Options that say how to reach and feed a remote service are let stand, so that one script serves both.
                check_options(table, &[&Elasticsearch::OPTIONS, &[PLACE], &JsonOptions::KEYS])?;
                let index = required(table, "index")?;
                match index.contains('{') {
                    true => {
                        Err(wrong(table, &format!("'index' is {index:?}, but only a cluster's name is made of values")))
                    }
                    false => Ok(()),
                }
            }
            Role::Source => Err(wrong(table, "its connector only writes; search the index through its door")),
            Role::Lookup => Err(wrong(table, "its connector cannot be looked up; 'filesystem' and 'rest-lookup' can")),
        }
    }
}

impl PlatformConnectors {
    fn check_stream(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        if !stream_place::is_own(table)? {
            return self.streams.check(table, role);
        }
        match role {
            Role::Source => {
                // Options that say how to reach and read a remote service are let stand, so that one script serves both.
                check_options(table, &[&[stream_place::PLACE], &KinesisStreams::OPTIONS, &JsonOptions::KEYS])?;
                name_of(table)?;
                initial_position(table)?;
                JsonOptions::parse(&table.options).map(|_| ())
            }
            Role::Sink => Err(wrong(table, "a stream cannot be written to from SQL yet; use an index")),
            Role::Lookup => Err(wrong(table, "its connector cannot be looked up; 'filesystem' and 'rest-lookup' can")),
        }
    }

    fn own_stream(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        let stream = name_of(table)?;
        if self.store.describe_stream(stream).is_err() {
            return Err(PortError::new(
                Kind::NotFound,
                format!(
                    "table {}: there is no stream {stream:?}; create it first, or say by 'aws.endpoint' or '{}' = \
                     'outside' that it is elsewhere",
                    table.name,
                    stream_place::PLACE
                ),
            ));
        }
        let starts = self.starts(table, stream)?;
        Ok(Arc::new(StreamSource::new(self.store.clone(), stream.to_owned(), starts)))
    }
}

impl Connectors for PlatformConnectors {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        match (connector(table), role) {
            (KINESIS, role) => self.check_stream(table, role),
            _ if is_index(table) => self.check_index(table, role),
            _ => self.builtin.check(table, role),
        }
    }

    fn changelog(&self, table: &TableDef) -> Changelog {
        changelog(table)
    }

    fn gives(&self, table: &TableDef) -> Changelog {
        gives(table)
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        match is_stream(table) {
            false => self.builtin.source(table),
            true if stream_place::is_own(table)? => self.own_stream(table),
            true => self.streams.source(table),
        }
    }

    fn lookup(&self, spec: &LookupSpec) -> Result<Arc<dyn Lookup>, PortError> {
        self.builtin.lookup(spec)
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        if !is_index(&spec.table) {
            return self.builtin.sink(spec);
        }
        if !is_own(&spec.table)? {
            return self.outside.sink(spec);
        }
        let index = required(&spec.table, "index")?.to_owned();
        Ok(Box::new(IndexSink::new(self.index.clone(), index, spec, self.runtime.clone())?))
    }
}

/// What a table of the platform can take when it is written to.
pub(super) fn changelog(table: &TableDef) -> Changelog {
    if is_index(table) {
        return Changelog::Upsert;
    }
    let kafka = KafkaKind::ALL.into_iter().find(|kind| kind.name() == connector(table));
    kafka.map_or_else(|| builtin_changelog(table), KafkaKind::changelog)
}

/// What a table of the platform gives when it is read.
pub(super) fn gives(table: &TableDef) -> Changelog {
    let kafka = KafkaKind::ALL.into_iter().find(|kind| kind.name() == connector(table));
    kafka.map_or(Changelog::Append, KafkaKind::changelog)
}

/// The engine's own connectors, and beside them topics of Kafka.
pub(crate) fn with_kafka(builtin: BuiltinConnectors, env: &Env) -> BuiltinConnectors {
    let add = |builtin: BuiltinConnectors, kind: KafkaKind| {
        builtin.with(kind.name(), Arc::new(KafkaTables::new(kind, env.clone())))
    };
    KafkaKind::ALL.into_iter().fold(builtin, add)
}

/// The engine's own connectors, whose files may also stand in buckets.
pub(crate) fn with_buckets(builtin: BuiltinConnectors, files: BucketFiles) -> BuiltinConnectors {
    let files = Arc::new(files);
    BucketFiles::SCHEMES.into_iter().fold(builtin, |builtin, scheme| builtin.with_files(scheme, files.clone()))
}

/// The stream of the platform that a table reads.
///
/// # Errors
/// When it is no such table.
pub(super) fn stream_of(table: &TableDef) -> Result<&str, PortError> {
    match connector(table) {
        KINESIS if stream_place::is_own(table)? => name_of(table),
        KINESIS => Err(wrong(table, "it reads a stream elsewhere")),
        other => Err(wrong(table, &format!("its connector is '{other}', which reads no stream"))),
    }
}

/// The index of the platform that a table is written to; `None` where its connector is another, or its cluster.
pub(crate) fn index_of(table: &TableDef) -> Option<&str> {
    let is_ours = is_index(table) && is_own(table).unwrap_or(false);
    is_ours.then(|| table.options.get("index").map_or("", String::as_str))
}

fn connector(table: &TableDef) -> &str {
    table.options.get("connector").map_or("", String::as_str)
}

pub(super) fn wrong(table: &TableDef, message: &str) -> PortError {
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
    let either =
        |older: &str, newer: &str| table.options.get(older).or_else(|| table.options.get(newer)).map(String::as_str);
    match either("scan.stream.initpos", "source.init.position").unwrap_or("LATEST") {
        "LATEST" => Ok(StartAt::Latest),
        "TRIM_HORIZON" => Ok(StartAt::Oldest),
        "AT_TIMESTAMP" => {
            let text = either("scan.stream.initpos-timestamp", "source.init.timestamp");
            let text = text.ok_or_else(|| wrong(table, "the option 'scan.stream.initpos-timestamp' is missing"))?;
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

    /// The connectors of a platform in a folder, which must outlive them.
    fn platform(dir: &Path, runtime: &Handle) -> PlatformConnectors {
        let env = Env::system();
        let config = store::StoreConfig::new(dir.join("store"), env.clone());
        let store = runtime.block_on(async { Store::open(config) }).unwrap();
        let index = Index::open(index::IndexConfig::new(dir.join("index"), env.clone())).unwrap();
        PlatformConnectors::new(store, index, runtime.clone(), dir, env)
    }

    #[test]
    fn hosts_say_whose_index_a_table_is() {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), tokio::runtime::Runtime::new().unwrap());
        let platform = platform(dir.path(), runtime.handle());
        let of = |options: &[(&str, &str)]| {
            let mut all = vec![("connector", "elasticsearch-7"), ("hosts", "http://localhost:9200"), ("index", "docs")];
            all.extend(options);
            let table = table(&all);
            platform.check(&table, Role::Sink).map(|()| index_of(&table).map(str::to_owned))
        };
        let (far, opensearch) = (("hosts", "http://search:9200"), ("connector", "opensearch"));
        assert_eq!(of(&[]).unwrap().as_deref(), Some("docs"));
        assert_eq!(of(&[opensearch, ("sink.bulk-flush.backoff.max-retries", "3")]).unwrap().as_deref(), Some("docs"));
        assert_eq!(of(&[far, (PLACE, "own")]).unwrap().as_deref(), Some("docs"));
        for outside in [&[far][..], &[opensearch, far], &[(PLACE, "outside")]] {
            assert_eq!(of(outside).unwrap(), None, "{outside:?}");
        }
        for (options, what) in [
            (&[("index", "docs-{x}")][..], "only a cluster's name is made of values"),
            (&[far, ("index", "docs-{x}")], "{x} names no column"),
            (&[("hots", "x")], "unknown option 'hots'"),
            (&[far, ("hots", "x")], "unknown option 'hots'"),
            (&[("hosts", "http://localhost:9200;http://search:9200")], "'hailstream.index' = 'outside'"),
        ] {
            assert!(of(options).unwrap_err().message.contains(what), "{options:?}");
        }
        for connector in ["elasticsearch-7", "opensearch"] {
            let table = table(&[("connector", connector), far, ("index", "docs")]);
            assert_eq!(platform.changelog(&table), Changelog::Upsert);
            for role in [Role::Source, Role::Lookup] {
                assert_eq!(platform.check(&table, role).unwrap_err().kind, Kind::Invalid);
            }
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
            assert_eq!((gives(&of(connector)), connectors.gives(&of(connector))), (expected, expected));
        }
    }

    #[test]
    fn an_endpoint_says_whose_stream_a_table_is() {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), tokio::runtime::Runtime::new().unwrap());
        let platform = platform(dir.path(), runtime.handle());
        let of = |options: &[(&str, &str)]| {
            let mut all = vec![("connector", KINESIS), ("stream", "trips"), ("format", "json")];
            all.extend(options);
            let table = table(&all);
            platform.check(&table, Role::Source).map(|()| stream_of(&table).ok().map(str::to_owned))
        };
        let far = ("aws.endpoint", "http://10.0.0.1:4566");
        for own in [
            &[][..],
            &[("aws.region", "eu-west-1"), ("scan.stream.recordpublisher", "EFO")],
            &[far, (stream_place::PLACE, "own")],
        ] {
            assert_eq!(of(own).unwrap().as_deref(), Some("trips"), "{own:?}");
        }
        assert_eq!(of(&[far]).unwrap(), None);
        for (options, what) in [
            (&[("strem", "x")][..], "unknown option 'strem'; known are 'hailstream.stream', 'connector', 'stream'"),
            (&[far, ("strem", "x")], "unknown option 'strem'"),
            (&[far, ("aws.credentials.provider", "PROFILE")], "BASIC, ENV_VAR and AUTO"),
            (&[(stream_place::PLACE, "here")], "own or outside"),
        ] {
            assert!(of(options).unwrap_err().message.contains(what), "{options:?}");
        }
        let missing = platform.source(&table(&[("connector", KINESIS), ("stream", "none")])).map(drop).unwrap_err();
        assert!(missing.kind == Kind::NotFound && missing.message.contains("'hailstream.stream' = 'outside'"));
    }

    /// The examples of SQL in a page, each with the line that it begins behind.
    fn examples(page: &str) -> Vec<(usize, String)> {
        let (mut found, mut open) = (Vec::new(), None);
        for (number, line) in page.lines().enumerate() {
            match (&mut open, line) {
                (None, "```sql") => open = Some((number + 1, String::new())),
                (Some(_), "```") => found.extend(open.take()),
                (Some((_, text)), line) => text.extend([line, "\n"]),
                (None, _) => {}
            }
        }
        found
    }

    #[test]
    fn examples_in_the_documentation_can_be_planned() {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), tokio::runtime::Runtime::new().unwrap());
        let files = BucketFiles::new(Ok(<_>::default()), runtime.handle().clone());
        let platform = platform(dir.path(), runtime.handle()).with_buckets(files);
        let mut planned = 0;
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            for (line, text) in examples(&std::fs::read_to_string(&path).unwrap()) {
                let script = engine::sql::Script::parse(&text).map_err(|error| error.to_string());
                let plan = script.and_then(|script| {
                    engine::sql::Session::new().plan(&script, &platform).map_err(|error| error.to_string())
                });
                assert!(plan.is_ok(), "{}, behind line {line}: {}", path.display(), plan.err().unwrap());
                planned += 1;
            }
        }
        assert!(planned > 4, "{planned}");
    }
}
