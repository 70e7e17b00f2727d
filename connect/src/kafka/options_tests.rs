//! What the options say, and what is refused.

use super::super::{KafkaKind, KafkaTables};
use super::*;
use engine::port::{Changelog, Connectors, Role};
use engine::types::{Field, Schema};
use model::Env;

const SERVERS: (&str, &str) = ("properties.bootstrap.servers", "127.0.0.1:1");

/// A table of `id BIGINT, k_name STRING, amount DOUBLE`, whose key is `k_name`.
pub(crate) fn table(options: &[(&str, &str)]) -> TableDef {
    let column = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
    let fields = vec![
        column("id", DataType::BigInt),
        column("k_name", DataType::Varchar(u32::MAX)),
        column("amount", DataType::Double),
    ];
    let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    TableDef {
        name: "t".into(),
        schema: Schema { fields },
        computed: vec![None, None, None],
        watermark: None,
        primary_key: vec![1],
        options,
    }
}

fn plain(more: &[(&str, &str)]) -> TableDef {
    let base = [("connector", "kafka"), ("topic", "a"), ("format", "json"), SERVERS];
    table(&[&base, more].concat())
}

fn upsert(more: &[(&str, &str)]) -> TableDef {
    let base =
        [("connector", "upsert-kafka"), ("topic", "a"), ("key.format", "json"), ("value.format", "json"), SERVERS];
    table(&[&base, more].concat())
}

#[test]
fn what_is_not_said_is_as_in_flink() {
    let source = SourceOptions::parse(&plain(&[]), KafkaKind::Plain).unwrap();
    assert_eq!((source.start, source.bound, source.reset), (Place::Group, None, None));
    assert_eq!((source.topics, source.discovery_ms), (vec!["a".to_owned()], 300_000));
    let sink = SinkOptions::parse(&plain(&[]), KafkaKind::Plain).unwrap();
    assert_eq!((sink.guarantee, sink.fixed), (Guarantee::AtLeastOnce, false));
    assert!(sink.layout.key.is_none());
    assert_eq!(sink.layout.value, [0, 1, 2]);
}

#[test]
fn places_have_flinks_names() {
    let start = |options: &[(&str, &str)]| SourceOptions::parse(&plain(options), KafkaKind::Plain).map(|o| o.start);
    for (mode, place) in
        [("earliest-offset", Place::Earliest), ("latest-offset", Place::Latest), ("group-offsets", Place::Group)]
    {
        assert_eq!(start(&[(START, mode)]).unwrap(), place);
    }
    assert_eq!(start(&[(START, "timestamp"), (START_TIME, "1500")]).unwrap(), Place::Time(1_500));
    let given = [(START, "specific-offsets"), (START_OFFSETS, "partition:0,offset:42;partition:1,offset:300")];
    assert_eq!(start(&given).unwrap(), Place::Offsets(BTreeMap::from([(0, 42), (1, 300)])));
    let bound = |options: &[(&str, &str)]| SourceOptions::parse(&plain(options), KafkaKind::Plain).map(|o| o.bound);
    assert_eq!(bound(&[(BOUND, "unbounded")]).unwrap(), None);
    assert_eq!(bound(&[(BOUND, "latest-offset")]).unwrap(), Some(Place::Latest));
    let topics = SourceOptions::parse(&plain(&[("topic", "b; a"), (DISCOVERY, "0")]), KafkaKind::Plain).unwrap();
    assert_eq!((topics.topics, topics.discovery_ms), (vec!["b".to_owned(), "a".to_owned()], 0));
}

#[test]
fn what_a_source_cannot_do_is_refused_by_name() {
    for (options, word) in [
        (&[("topic", "")][..], "'topic' is missing"),
        (&[("topic", "a;a")], "each once"),
        (&[("topic-pattern", "a.*")], "'topic-pattern'"),
        (&[(START, "newest")], "earliest-offset"),
        (&[(START, "timestamp")], "'scan.startup.timestamp-millis' is missing"),
        (&[(START, "timestamp"), (START_TIME, "yesterday")], "yesterday"),
        (&[(START, "specific-offsets"), (START_OFFSETS, "0:42")], "partition:0,offset:42"),
        (&[(START, "specific-offsets"), (START_OFFSETS, "partition:0,offset:-3")], "offset:-3"),
        (&[(START, "specific-offsets"), (START_OFFSETS, "partition:0,offset:1;partition:0,offset:2")], "partition:0"),
        (&[("topic", "a;b"), (START, "specific-offsets"), (START_OFFSETS, "partition:0,offset:1")], "one topic"),
        (&[(BOUND, "earliest-offset")], "reads nothing"),
        (&[(DISCOVERY, "soon")], "soon"),
        (&[("properties.bootstrap.servers", " ")], "properties.bootstrap.servers"),
        (&[("properties.transactional.id", "x")], "set by the connector itself"),
        (&[("properties.enable.auto.commit", "true")], "set by the connector itself"),
        (&[("properties.auto.offset.reset", "smallest")], "none, earliest or latest"),
        (&[("properties.commit.offsets.on.checkpoint", "often")], "true or false, not 'often'"),
        (&[("properties.sasl.jaas.config", "x")], "sasl.username"),
        (&[("properties.no.such", "x")], "properties.no.such"),
        (&[("value.format", "json")], "say the same"),
        (&[("format", "avro")], "avro"),
        (&[("json.ignore-parse-errors", "maybe")], "maybe"),
        (&[("key.format", "json")], "'key.format' needs 'key.fields'"),
        (&[("key.format", "json"), ("key.fields", "k_name"), (KEY_PREFIX, "k_")], "EXCEPT_KEY"),
        (&[("sink.buffer-flush.interval", "1s")], "has no option"),
    ] {
        let tables = KafkaTables::new(KafkaKind::Plain, Env::system());
        let error = tables.check(&plain(options), Role::Source).unwrap_err();
        assert_eq!(error.kind, Kind::Invalid, "{error}");
        assert!(error.message.starts_with("table t: ") && error.message.contains(word), "{options:?}: {error}");
    }
}

#[test]
fn what_a_sink_cannot_do_is_refused_by_name() {
    for (options, word) in [
        (&[("topic", "a;b")][..], "one topic"),
        (&[(GUARANTEE, "always")], "exactly-once"),
        (&[(GUARANTEE, "exactly-once")], "'sink.transactional-id-prefix' is missing"),
        (&[(PARTITIONER, "round-robin")], "round-robin"),
        (&[("key.fields", "k_name")], "needs 'key.format'"),
        (&[("key.format", "json"), ("key.fields", "name")], "no column"),
        (&[("key.format", "avro"), ("key.fields", "k_name")], "avro"),
        (&[("key.format", "raw"), ("key.fields", "id")], "STRING"),
        (&[("key.format", "json"), ("key.fields", "k_name"), (KEY_PREFIX, "x_")], "does not begin so"),
        (&[("key.format", "json"), ("key.fields", "k_name"), (KEY_PREFIX, "k_")], "EXCEPT_KEY"),
        (&[(INCLUDE, "SOME")], "EXCEPT_KEY"),
        (&[("sink.parallelism", "2")], "sink.parallelism"),
    ] {
        let tables = KafkaTables::new(KafkaKind::Plain, Env::system());
        let error = tables.check(&plain(options), Role::Sink).unwrap_err();
        assert_eq!(error.kind, Kind::Invalid, "{error}");
        assert!(error.message.contains(word), "{options:?}: {error}");
    }
}

#[test]
fn a_key_is_made_of_columns_without_their_prefix() {
    let options = [("key.format", "json"), ("key.fields", "k_name"), (KEY_PREFIX, "k_"), (INCLUDE, "EXCEPT_KEY")];
    let layout = SinkOptions::parse(&plain(&options), KafkaKind::Plain).unwrap().layout;
    let key = layout.key.unwrap();
    assert_eq!((key.columns, key.prefix.as_str(), key.format), (vec![1], "k_", KeyFormat::Json));
    assert_eq!(layout.value, [0, 2]);
}

#[test]
fn an_upserted_topic_has_a_primary_key_and_is_read_from_its_beginning() {
    let tables = KafkaTables::new(KafkaKind::Upsert, Env::system());
    tables.check(&upsert(&[("sink.buffer-flush.max-rows", "100")]), Role::Sink).unwrap();
    assert_eq!((tables.changelog(&upsert(&[])), tables.gives(&upsert(&[]))), (Changelog::Upsert, Changelog::Upsert));
    let layout = SinkOptions::parse(&upsert(&[]), KafkaKind::Upsert).unwrap().layout;
    assert_eq!(layout.key.unwrap().columns, [1]);
    let group = ("properties.group.id", "g");
    let bounded = [(BOUND, "latest-offset"), ("sink.buffer-flush.max-rows", "100"), group];
    let source = SourceOptions::parse(&upsert(&bounded), KafkaKind::Upsert).unwrap();
    assert_eq!((source.start, source.bound, source.upserts), (Place::Earliest, Some(Place::Latest), true));
    assert!(source.commits);
    let keyless = TableDef { primary_key: vec![], ..upsert(&[]) };
    for (table, role, word) in [
        (keyless.clone(), Role::Sink, "PRIMARY KEY"),
        (keyless, Role::Source, "PRIMARY KEY"),
        (upsert(&[]), Role::Lookup, "looked up"),
        (upsert(&[("key.fields", "k_name")]), Role::Sink, "has no option 'key.fields'"),
        (upsert(&[(GUARANTEE, "exactly-once")]), Role::Sink, "has no option"),
        (upsert(&[(START, "latest-offset")]), Role::Source, "has no option 'scan.startup.mode'"),
        (upsert(&[("key.format", "avro")]), Role::Source, "avro"),
        (upsert(&[(KEY_PREFIX, "k_")]), Role::Source, "EXCEPT_KEY"),
        (upsert(&[(BOUND, "earliest-offset")]), Role::Source, "reads nothing"),
    ] {
        let error = tables.check(&table, role).unwrap_err();
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn keys_are_read_where_they_say_something_beside_the_value() {
    let layout = |table: &TableDef, kind| SourceOptions::parse(table, kind).unwrap().layout;
    let key = [("key.format", "json"), ("key.fields", "k_name")];
    assert_eq!(layout(&plain(&[]), KafkaKind::Plain), None);
    assert_eq!(layout(&plain(&key), KafkaKind::Plain), None, "the value has all columns");
    let except = [key[0], key[1], (INCLUDE, "EXCEPT_KEY"), (KEY_PREFIX, "k_")];
    let json = engine::port::KeyFormat::Json(JsonOptions::default());
    let expected = RecordLayout { key_format: json, key: vec![(1, "name".to_owned())], value: vec![0, 2] };
    assert_eq!(layout(&plain(&except), KafkaKind::Plain), Some(expected.clone()));
    assert_eq!(layout(&upsert(&except[2..]), KafkaKind::Upsert), Some(expected.clone()));
    let both = RecordLayout { key: vec![(1, "k_name".to_owned())], value: vec![0, 1, 2], ..expected };
    assert_eq!(layout(&upsert(&[]), KafkaKind::Upsert), Some(both.clone()));
    let raw = RecordLayout { key_format: engine::port::KeyFormat::Raw, ..both };
    assert_eq!(layout(&upsert(&[("key.format", "raw")]), KafkaKind::Upsert), Some(raw));
    assert!(!SourceOptions::parse(&plain(&except), KafkaKind::Plain).unwrap().upserts);
}

#[test]
fn offsets_are_committed_to_a_group_that_is_named() {
    let (group, commit) = (("properties.group.id", "g"), "properties.commit.offsets.on.checkpoint");
    for (options, commits) in [
        (&[][..], false),
        (&[group], true),
        (&[group, (commit, "true")], true),
        (&[group, (commit, "FALSE")], false),
        (&[(commit, "true")], false),
    ] {
        let parsed = SourceOptions::parse(&plain(options), KafkaKind::Plain).unwrap();
        assert_eq!(parsed.commits, commits, "{options:?}");
        assert!(!parsed.properties.contains_key("commit.offsets.on.checkpoint"));
    }
}

#[test]
fn a_login_of_javas_client_is_understood() {
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"me\" password=\"a;b'c\";";
    let options = SourceOptions::parse(&plain(&[("properties.sasl.jaas.config", module)]), KafkaKind::Plain).unwrap();
    let given = |key: &str| options.properties.get(key).map(String::as_str);
    assert_eq!((given("sasl.username"), given("sasl.password")), (Some("me"), Some("a;b'c")));
    assert_eq!(given("sasl.jaas.config"), None);
    let error =
        SourceOptions::parse(&plain(&[("properties.sasl.jaas.config", "password=\"secret\"")]), KafkaKind::Plain)
            .unwrap_err();
    assert!(!error.message.contains("secret"), "{error}");
}

#[test]
fn properties_of_java_that_say_nothing_here_are_passed_over() {
    let options = [
        ("properties.key.deserializer", "x"),
        ("properties.enable.auto.commit", "false"),
        ("properties.auto.offset.reset", "earliest"),
        ("properties.client.id", "me"),
    ];
    let options = SourceOptions::parse(&plain(&options), KafkaKind::Plain).unwrap();
    assert_eq!(options.reset, Some(Place::Earliest));
    assert_eq!(options.properties.keys().collect::<Vec<_>>(), ["bootstrap.servers", "client.id"]);
}
