//! Topics behind the engine's ports, against the cluster in one process that the client library brings for tests.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use arrow_array::{Float64Array, Int64Array, RecordBatch, StringArray};
use connect::{KafkaKind, KafkaTables};
use engine::plan::TableDef;
use engine::port::{Connectors, PortError, RowKind, Sink, SinkBatch, SinkSpec, Source, SplitId, SplitRead};
use engine::types::{DataType, Field, Schema};
use model::{Env, Kind, Position};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// How long something that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

struct Cluster {
    mock: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
}

impl Cluster {
    fn new(topics: &[(&str, i32)]) -> Self {
        let mock = MockCluster::new(1).unwrap();
        topics.iter().for_each(|(topic, partitions)| mock.create_topic(topic, *partitions, 1).unwrap());
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", mock.bootstrap_servers()).set("linger.ms", "0");
        Self { mock, producer: config.create().unwrap() }
    }

    fn send(&self, topic: &str, partition: i32, payload: Option<&str>, ms: i64) {
        let record = BaseRecord::<[u8], str> { payload, ..BaseRecord::to(topic) };
        self.producer.send(record.partition(partition).timestamp(ms)).map_err(|(e, _)| e).unwrap();
    }

    fn put(&self, topic: &str, partition: i32, payload: Option<&str>, ms: i64) {
        self.send(topic, partition, payload, ms);
        self.producer.flush(PATIENCE).unwrap();
    }

    fn put_numbers(&self, topic: &str, partition: i32, numbers: std::ops::Range<i64>) {
        numbers.for_each(|n| self.send(topic, partition, Some(&n.to_string()), 1_000 + n));
        self.producer.flush(PATIENCE).unwrap();
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.mock.bootstrap_servers()).set("group.id", group);
        config.set("enable.partition.eof", "true").set("auto.offset.reset", "earliest").create().unwrap()
    }

    fn commit(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).unwrap();
        }
        self.consumer(group).commit(&list, CommitMode::Sync).unwrap();
    }

    /// All records of a topic: partition, key and value.
    fn records(&self, topic: &str, partitions: i32) -> Vec<(i32, Option<String>, Option<String>)> {
        let consumer = self.consumer("reader");
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut found, mut ended) = (Vec::new(), 0);
        let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8(b.to_vec()).unwrap());
        while ended < partitions {
            match consumer.poll(PATIENCE).unwrap() {
                Ok(m) => found.push((m.partition(), text(m.key()), text(m.payload()))),
                Err(_) => ended += 1,
            }
        }
        found
    }

    fn table(&self, kind: KafkaKind, more: &[(&str, &str)]) -> TableDef {
        let column = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
        let fields = vec![
            column("id", DataType::BigInt),
            column("name", DataType::Varchar(u32::MAX)),
            column("amount", DataType::Double),
        ];
        let mut options: BTreeMap<String, String> = [
            ("connector", kind.name()),
            ("topic", "t"),
            ("value.format", "json"),
            ("properties.bootstrap.servers", &self.mock.bootstrap_servers()),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        options.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let schema = Schema { fields };
        TableDef {
            name: "rows".into(),
            schema,
            computed: vec![None; 3],
            watermark: None,
            primary_key: vec![1],
            options,
        }
    }

    fn try_source(&self, more: &[(&str, &str)]) -> Result<Arc<dyn Source>, PortError> {
        KafkaTables::new(KafkaKind::Plain, Env::system()).source(&self.table(KafkaKind::Plain, more))
    }

    fn source(&self, more: &[(&str, &str)]) -> Arc<dyn Source> {
        self.try_source(more).unwrap()
    }

    fn try_sink(
        &self,
        kind: KafkaKind,
        more: &[(&str, &str)],
        prepared: Option<Vec<Vec<u8>>>,
    ) -> Result<Box<dyn Sink>, PortError> {
        let table = self.table(kind, more);
        let schema = table.schema.clone();
        let spec = SinkSpec {
            application: "app".into(),
            table: Arc::new(table),
            schema,
            subtask: 0,
            parallelism: 1,
            prepared,
            ending: <_>::default(),
        };
        KafkaTables::new(kind, Env::system()).sink(&spec)
    }

    fn sink(&self, kind: KafkaKind, more: &[(&str, &str)]) -> Box<dyn Sink> {
        self.try_sink(kind, more, None).unwrap()
    }
}

const EARLIEST: (&str, &str) = ("scan.startup.mode", "earliest-offset");
const TO_LATEST: (&str, &str) = ("scan.bounded.mode", "latest-offset");

/// Waits for news of a source, until so much time has passed that none will come.
struct News {
    news: Receiver<()>,
    env: Env,
    deadline_ns: u64,
    _subscription: Box<dyn Send>,
}

impl News {
    fn of(source: &dyn Source) -> Self {
        let (sender, news) = mpsc::channel();
        let subscription = source.subscribe(Arc::new(move || sender.send(()).unwrap_or_default()));
        let env = Env::system();
        let deadline_ns = env.monotonic_ns() + PATIENCE.as_nanos() as u64;
        Self { news, env, deadline_ns, _subscription: subscription }
    }

    fn wait(&self) {
        assert!(self.env.monotonic_ns() < self.deadline_ns, "nothing has come");
        // What a reader sees besides records, such as an error, wakes nobody.
        let _none = self.news.recv_timeout(Duration::from_millis(20));
    }
}

/// Reads a split from a position until so many payloads have come, or to its end.
fn read(source: &dyn Source, split: u32, from: u64, count: usize, bytes_max: usize) -> Vec<String> {
    let news = News::of(source);
    let mut reader = source.open(SplitId(split), Position(from).into()).unwrap();
    let (mut found, mut at) = (Vec::new(), from);
    while found.len() < count {
        match reader.read(bytes_max).unwrap() {
            SplitRead::Payloads(block) => {
                assert!(block.first.0 >= at && block.next.position.0 > at, "positions go on: {block:?}");
                at = block.next.position.0;
                let text = |row: &std::ops::Range<u32>| block.data[row.start as usize..row.end as usize].to_vec();
                found.extend(block.rows.iter().map(|row| String::from_utf8(text(row)).unwrap()));
            }
            SplitRead::Tip | SplitRead::Later => news.wait(),
            SplitRead::End => break,
            SplitRead::Records(_) | SplitRead::Rows { .. } => panic!("keys say nothing here"),
        }
    }
    found
}

fn numbers(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

fn starts(source: &dyn Source) -> Vec<u64> {
    source.splits().unwrap().iter().map(|s| s.start.position.0).collect()
}

#[test]
fn a_partition_read_twice_gives_the_same_whatever_is_read_at_once() {
    let cluster = Cluster::new(&[("t", 2)]);
    cluster.put_numbers("t", 0, 0..50);
    cluster.put_numbers("t", 1, 100..103);
    let source = cluster.source(&[EARLIEST]);
    let names: Vec<String> = source.splits().unwrap().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["t, partition 0", "t, partition 1"]);
    assert_eq!(starts(source.as_ref()), [0, 0]);
    for (from, bytes_max) in [(0, 1 << 20), (0, 1), (17, 40), (17, 1 << 20), (49, 1)] {
        let expected = numbers(from as i64..50);
        assert_eq!(read(source.as_ref(), 0, from, expected.len(), bytes_max), expected, "from {from}, {bytes_max}");
    }
    assert_eq!(read(source.as_ref(), 1, 0, 3, 1 << 20), numbers(100..103));
}

#[test]
fn two_readers_of_one_partition_are_refused_and_two_partitions_do_not_mix() {
    let cluster = Cluster::new(&[("t", 2)]);
    let source = cluster.source(&[EARLIEST]);
    let (first, second) =
        (source.open(SplitId(0), Position(0).into()).unwrap(), source.open(SplitId(1), Position(0).into()).unwrap());
    let error = source.open(SplitId(0), Position(0).into()).err().unwrap();
    assert_eq!(error.kind, Kind::Conflict, "{error}");
    drop((first, second));
    cluster.put_numbers("t", 0, 0..20);
    cluster.put_numbers("t", 1, 20..40);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| read(source.as_ref(), 1, 0, 20, 64));
        assert_eq!(read(source.as_ref(), 0, 0, 20, 64), numbers(0..20));
        assert_eq!(other.join().unwrap(), numbers(20..40));
    });
}

#[test]
fn reading_begins_where_it_is_said() {
    let cluster = Cluster::new(&[("t", 2)]);
    cluster.put_numbers("t", 0, 0..10);
    cluster.commit("g", "t", &[(0, 4)]);
    let with = |more: &[(&str, &str)]| starts(cluster.source(more).as_ref());
    let group = ("properties.group.id", "g");
    assert_eq!(with(&[("scan.startup.mode", "latest-offset")]), [10, 0]);
    assert_eq!(with(&[group, ("properties.auto.offset.reset", "latest")]), [4, 0]);
    let given = [("scan.startup.mode", "specific-offsets"), ("scan.startup.specific-offsets", "partition:1,offset:7")];
    assert_eq!(with(&given), [0, 7]);
    assert_eq!(with(&[given[0], given[1], group]), [4, 7]);
    // Who goes on from a state of its own needs no offset of the group.
    let source = cluster.source(&[group]);
    assert_eq!(read(source.as_ref(), 0, 8, 2, 100), numbers(8..10));
    let nowhere = source.splits().unwrap()[1].start.clone();
    let error = source.open(SplitId(1), nowhere).err().unwrap();
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.message.contains("t, partition 1") && error.message.contains("'scan.startup.mode'"), "{error}");
}

#[test]
fn a_partition_that_appeared_while_a_job_stood_still_is_read_whole() {
    let cluster = Cluster::new(&[("t", 3)]);
    (0..3).for_each(|partition| cluster.put_numbers("t", partition, 0..10));
    let known = |splits: &[u32]| splits.iter().map(|split| SplitId(*split)).collect();
    for mode in ["latest-offset", "group-offsets"] {
        let source = cluster.source(&[("scan.startup.mode", mode)]);
        source.goes_on(&known(&[0, 2]));
        // Those that are known are read from where the job's state says, whatever is found here.
        assert_eq!(starts(source.as_ref())[1], 0, "{mode}");
        assert_eq!(read(source.as_ref(), 1, 0, 10, 1 << 20), numbers(0..10));
    }
    let source = cluster.source(&[("scan.startup.mode", "latest-offset")]);
    source.goes_on(&known(&[0, 1, 2]));
    assert_eq!(starts(source.as_ref()), [10, 10, 10]);
    // A partition whose oldest records are gone begins with the oldest that is there.
    let large = "x".repeat(500_000);
    (0..24).for_each(|n| cluster.put("t", 1, Some(&large), n));
    let source = cluster.source(&[("scan.startup.mode", "latest-offset")]);
    source.goes_on(&known(&[0, 2]));
    let first = starts(source.as_ref())[1];
    assert!((10..34).contains(&first), "{first}");
    assert_eq!(read(source.as_ref(), 1, first, 1, 1), [large]);
}

/// What a group has committed in the partitions of a topic.
fn committed(cluster: &Cluster, group: &str, partitions: i32) -> Vec<Option<i64>> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition("t", partition);
    }
    let found = cluster.consumer(group).committed_offsets(list, PATIENCE).unwrap();
    let offset = |e: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| e.offset().to_raw().filter(|o| *o >= 0);
    found.elements().into_iter().map(offset).collect()
}

#[test]
fn a_durable_checkpoint_is_told_to_the_group_that_the_table_names() {
    let cluster = Cluster::new(&[("t", 3)]);
    cluster.put_numbers("t", 0, 0..10);
    cluster.commit("g", "t", &[(2, 77)]);
    let at = |split: u32, offset: u64| (SplitId(split), engine::port::Cursor::from(Position(offset)));
    let with = |more: &[(&str, &str)], cursors: &[(SplitId, engine::port::Cursor)]| {
        let source = cluster.source(&[&[EARLIEST], more].concat());
        let reader = source.open(SplitId(0), Position(0).into()).unwrap();
        source.checkpointed(cursors);
        // What is on its way when a job ends is still committed.
        drop((reader, source));
    };
    let group = ("properties.group.id", "g");
    with(&[group, ("properties.commit.offsets.on.checkpoint", "false")], &[at(0, 3)]);
    assert_eq!(committed(&cluster, "g", 3), [None, None, Some(77)]);
    with(&[], &[at(0, 3)]);
    assert_eq!(committed(&cluster, "KafkaSource-rows", 3), [None, None, None]);
    // A split of which nothing is known yet has no offset; of partitions that are not read nothing is said.
    with(&[group], &[at(0, 4), at(1, u64::MAX), at(9, 5)]);
    assert_eq!(committed(&cluster, "g", 3), [Some(4), None, Some(77)]);
    with(&[group, ("properties.commit.offsets.on.checkpoint", "TRUE")], &[at(0, 10), at(1, 0)]);
    assert_eq!(committed(&cluster, "g", 3), [Some(10), Some(0), Some(77)]);
    // Who begins anew with the group's offsets goes on there.
    let source = cluster.source(&[group]);
    assert_eq!(starts(source.as_ref()), [10, 0, 77]);
}

#[test]
fn a_cluster_that_is_away_holds_up_nobody_who_tells_of_a_checkpoint() {
    let cluster = Cluster::new(&[("t", 1)]);
    cluster.put_numbers("t", 0, 0..3);
    let source = cluster.source(&[EARLIEST, ("properties.group.id", "g")]);
    assert_eq!(read(source.as_ref(), 0, 0, 3, 100), numbers(0..3));
    cluster.mock.broker_down(-1).unwrap();
    let cursor = [(SplitId(0), engine::port::Cursor::from(Position(3)))];
    let env = Env::system();
    let began_ns = env.monotonic_ns();
    (0..50).for_each(|_| source.checkpointed(&cursor));
    let passed = Duration::from_nanos(env.monotonic_ns() - began_ns);
    assert!(passed < Duration::from_secs(1), "{passed:?}");
    // Reading is none the worse for it.
    cluster.mock.broker_up(-1).unwrap();
    cluster.put_numbers("t", 0, 3..5);
    assert_eq!(read(source.as_ref(), 0, 3, 2, 100), numbers(3..5));
}

#[test]
fn a_bounded_read_ends_where_the_topic_ended_when_it_began() {
    let cluster = Cluster::new(&[("t", 2)]);
    cluster.put_numbers("t", 0, 0..10);
    let source = cluster.source(&[EARLIEST, TO_LATEST]);
    assert!(source.is_bounded());
    cluster.put_numbers("t", 0, 10..20);
    cluster.put_numbers("t", 1, 0..5);
    assert_eq!(read(source.as_ref(), 0, 0, usize::MAX, 25), numbers(0..10));
    assert_eq!(read(source.as_ref(), 1, 0, usize::MAX, 25), numbers(0..0));
    let given = [
        EARLIEST,
        ("scan.bounded.mode", "specific-offsets"),
        ("scan.bounded.specific-offsets", "partition:0,offset:3"),
    ];
    let source = cluster.source(&given);
    assert_eq!(read(source.as_ref(), 0, 1, usize::MAX, 25), numbers(1..3));
    assert_eq!(read(source.as_ref(), 1, 0, usize::MAX, 25), numbers(0..0));
}

#[test]
fn news_wakes_who_waits_and_the_lag_is_told() {
    let cluster = Cluster::new(&[("t", 1)]);
    let source = cluster.source(&[EARLIEST]);
    let mut reader = source.open(SplitId(0), Position(0).into()).unwrap();
    assert_eq!(reader.millis_behind_latest(), None);
    let news = News::of(source.as_ref());
    let mut until = |behind: &dyn Fn(&SplitRead, Option<u64>) -> bool| {
        while !behind(&reader.read(1_000).unwrap(), reader.millis_behind_latest()) {
            news.wait();
        }
    };
    until(&|read, behind| matches!(read, SplitRead::Tip) && behind == Some(0));
    while news.news.try_recv().is_ok() {}
    cluster.put("t", 0, Some("1"), 1_000);
    news.news.recv_timeout(PATIENCE).unwrap();
    until(&|read, behind| matches!(read, SplitRead::Payloads(_)) && behind.is_some_and(|ms| ms > 1_000_000));
    until(&|read, behind| matches!(read, SplitRead::Tip) && behind == Some(0));
}

#[test]
fn records_without_a_value_are_no_rows() {
    let cluster = Cluster::new(&[("t", 1)]);
    cluster.put("t", 0, None, 1);
    cluster.put("t", 0, Some("1"), 2);
    cluster.put("t", 0, None, 3);
    let source = cluster.source(&[EARLIEST, TO_LATEST]);
    assert_eq!(read(source.as_ref(), 0, 0, usize::MAX, 1), numbers(1..2));
}

#[test]
fn records_come_with_their_keys_where_these_say_something() {
    let cluster = Cluster::new(&[("t", 1)]);
    let mut sink = cluster.sink(KafkaKind::Upsert, &[("key.format", "json")]);
    sink.write(&batch(&[(1, Some("a"), 0.5, INSERT), (1, Some("b"), 0.5, INSERT)])).unwrap();
    sink.write(&batch(&[(2, Some("a"), 0.5, RowKind::Delete)])).unwrap();
    sink.close().unwrap();
    cluster.put("t", 0, Some("{}"), 1);
    cluster.put("t", 0, None, 1);
    let read = |kind: KafkaKind, more: &[(&str, &str)]| {
        let table = cluster.table(kind, &[more, &[("key.format", "json"), TO_LATEST]].concat());
        let source = KafkaTables::new(kind, Env::system()).source(&table).unwrap();
        let news = News::of(source.as_ref());
        let mut reader = source.open(SplitId(0), Position(0).into()).unwrap();
        let mut found = Vec::new();
        loop {
            match reader.read(1).unwrap() {
                SplitRead::Records(block) => {
                    let text = |part: &Option<std::ops::Range<u32>>| {
                        let part = part.as_ref().map(|r| block.data[r.start as usize..r.end as usize].to_vec());
                        part.map(|part| String::from_utf8(part).unwrap())
                    };
                    found.extend(block.rows.iter().map(|r| (r.position.0, text(&r.key), text(&r.value))));
                }
                SplitRead::Tip | SplitRead::Later => news.wait(),
                SplitRead::End => return found,
                SplitRead::Payloads(_) | SplitRead::Rows { .. } => panic!("they have keys"),
            }
        }
    };
    let row = |at: u64, key: Option<&str>, value: Option<&str>| (at, key.map(str::to_owned), value.map(str::to_owned));
    let (a, b) = (Some(r#"{"name":"a"}"#), Some(r#"{"name":"b"}"#));
    let expected = [
        row(0, a, Some(r#"{"id":1,"name":"a","amount":0.5}"#)),
        row(1, b, Some(r#"{"id":1,"name":"b","amount":0.5}"#)),
        row(2, a, None),
        row(3, None, Some("{}")),
        row(4, None, None),
    ];
    assert_eq!(read(KafkaKind::Upsert, &[]), expected);
    // Where rows are only added, a record without a value is none.
    let except = [EARLIEST, ("key.fields", "name"), ("value.fields-include", "EXCEPT_KEY")];
    assert_eq!(read(KafkaKind::Plain, &except), [&expected[..2], &expected[3..4]].concat());
}

#[test]
fn several_topics_are_numbered_in_their_order() {
    let cluster = Cluster::new(&[("b", 1), ("a", 2)]);
    cluster.put_numbers("a", 1, 5..7);
    let source = cluster.source(&[("topic", "b;a"), EARLIEST]);
    let splits: Vec<(u32, String)> = source.splits().unwrap().into_iter().map(|s| (s.id.0, s.name)).collect();
    let expected = [(0, "b, partition 0"), (1 << 20, "a, partition 0"), ((1 << 20) + 1, "a, partition 1")];
    assert_eq!(splits, expected.map(|(id, name)| (id, name.to_owned())));
    assert_eq!(read(source.as_ref(), (1 << 20) + 1, 0, 2, 100), numbers(5..7));
}

#[test]
fn what_was_deleted_before_it_was_read_is_told_or_passed_over_where_that_is_wanted() {
    let cluster = Cluster::new(&[("t", 1)]);
    // This cluster keeps 5 MiB of a partition, or a little more.
    let large = "x".repeat(500_000);
    (0..24).for_each(|n| cluster.put("t", 0, Some(&format!("{n}{large}")), n));
    let source = cluster.source(&[EARLIEST]);
    let first = starts(source.as_ref())[0];
    assert!(first > 0, "nothing was deleted");
    let news = News::of(source.as_ref());
    let mut reader = source.open(SplitId(0), Position(0).into()).unwrap();
    let error = loop {
        match reader.read(1_000) {
            Err(error) => break error,
            Ok(read) => assert!(matches!(read, SplitRead::Tip), "{read:?}"),
        }
        news.wait();
    };
    assert_eq!(error.kind, Kind::NotFound, "{error}");
    for words in
        ["t, partition 0", "no record at 0", &format!("it holds {first} to 24"), "'properties.auto.offset.reset'"]
    {
        assert!(error.message.contains(words), "{error}");
    }
    let source = cluster.source(&[EARLIEST, ("properties.auto.offset.reset", "earliest")]);
    let found = read(source.as_ref(), 0, 0, 24 - first as usize, 1_000_000);
    assert!(found[0].starts_with(&format!("{first}x")) && found.len() == 24 - first as usize);
}

#[test]
fn what_is_not_there_is_said_before_anything_runs() {
    let cluster = Cluster::new(&[]);
    cluster.mock.topic_error("t", rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let error = cluster.try_source(&[EARLIEST]).err().unwrap();
    assert_eq!(error.kind, Kind::NotFound, "{error}");
    let error = cluster.try_sink(KafkaKind::Plain, &[], None).err().unwrap();
    assert_eq!(error.kind, Kind::NotFound, "{error}");
    assert!(error.message.contains("table rows: topic t") && error.message.contains("create the topic"), "{error}");
}

fn batch(rows: &[(i64, Option<&str>, f64, RowKind)]) -> SinkBatch {
    let ids = Int64Array::from_iter_values(rows.iter().map(|r| r.0));
    let names: StringArray = rows.iter().map(|r| r.1).collect();
    let amounts = Float64Array::from_iter_values(rows.iter().map(|r| r.2));
    let fields = ["id", "name", "amount"].into_iter();
    let columns: [arrow_array::ArrayRef; 3] = [Arc::new(ids), Arc::new(names), Arc::new(amounts)];
    let kinds = Some(rows.iter().map(|r| r.3).collect());
    SinkBatch { rows: RecordBatch::try_from_iter(fields.zip(columns)).unwrap(), ids: None, kinds }
}

const INSERT: RowKind = RowKind::Insert;

#[test]
fn rows_are_there_when_a_flush_returns() {
    let cluster = Cluster::new(&[("t", 1)]);
    let mut sink = cluster.sink(KafkaKind::Plain, &[]);
    sink.write(&batch(&[(1, Some("a"), 0.5, INSERT), (2, None, 1.0, INSERT)])).unwrap();
    sink.flush().unwrap();
    let value = |text: &str| (0, None, Some(text.to_owned()));
    let expected = [value(r#"{"id":1,"name":"a","amount":0.5}"#), value(r#"{"id":2,"name":null,"amount":1.0}"#)];
    assert_eq!(cluster.records("t", 1), expected);
    assert_eq!(sink.prepare().unwrap(), None, "nothing can be held back");
    sink.close().unwrap();
}

#[test]
fn keys_choose_the_partition_as_javas_clients_do() {
    let cluster = Cluster::new(&[("t", 3)]);
    let key = [("key.format", "raw"), ("key.fields", "name"), ("value.fields-include", "EXCEPT_KEY")];
    let mut sink = cluster.sink(KafkaKind::Plain, &key);
    sink.write(&batch(&[(1, Some("21"), 0.0, INSERT), (2, Some("foobar"), 0.0, INSERT)])).unwrap();
    sink.close().unwrap();
    let mut found = cluster.records("t", 3);
    found.sort_by(|a, b| a.2.cmp(&b.2));
    // Murmur2 of "21" is -973932308, of "foobar" -790332482, as the tests of Java's client have it.
    let partition = |hash: i32| (hash & i32::MAX) % 3;
    let row = |hash, key: &str, value: &str| (partition(hash), Some(key.to_owned()), Some(value.to_owned()));
    let expected =
        [row(-973_932_308, "21", r#"{"id":1,"amount":0.0}"#), row(-790_332_482, "foobar", r#"{"id":2,"amount":0.0}"#)];
    assert_eq!(found, expected);
}

#[test]
fn a_key_has_its_columns_without_their_prefix() {
    let cluster = Cluster::new(&[("t", 1)]);
    let key = [("key.format", "json"), ("key.fields", "name"), ("key.fields-prefix", "na")];
    let except = ("value.fields-include", "EXCEPT_KEY");
    let mut sink = cluster.sink(KafkaKind::Plain, &[key[0], key[1], key[2], except, ("sink.partitioner", "fixed")]);
    sink.write(&batch(&[(1, Some("a"), 0.5, INSERT)])).unwrap();
    sink.close().unwrap();
    let expected = (0, Some(r#"{"me":"a"}"#.to_owned()), Some(r#"{"id":1,"amount":0.5}"#.to_owned()));
    assert_eq!(cluster.records("t", 1), [expected]);
}

#[test]
fn rows_that_go_away_leave_a_key_without_a_value() {
    let cluster = Cluster::new(&[("t", 1)]);
    let mut sink = cluster.sink(KafkaKind::Upsert, &[("key.format", "json")]);
    sink.write(&batch(&[(1, Some("a"), 0.5, INSERT), (1, Some("b"), 0.5, INSERT)])).unwrap();
    sink.write(&batch(&[(2, Some("a"), 1.5, RowKind::UpdateAfter), (1, Some("b"), 0.5, RowKind::Delete)])).unwrap();
    sink.flush().unwrap();
    let row = |key: &str, value: Option<&str>| (0, Some(key.to_owned()), value.map(str::to_owned));
    let expected = [
        row(r#"{"name":"a"}"#, Some(r#"{"id":1,"name":"a","amount":0.5}"#)),
        row(r#"{"name":"b"}"#, Some(r#"{"id":1,"name":"b","amount":0.5}"#)),
        row(r#"{"name":"a"}"#, Some(r#"{"id":2,"name":"a","amount":1.5}"#)),
        row(r#"{"name":"b"}"#, None),
    ];
    assert_eq!(cluster.records("t", 1), expected);
}

#[test]
fn a_record_that_is_not_written_fails_the_flush() {
    let cluster = Cluster::new(&[("t", 1)]);
    let more = [("properties.delivery.timeout.ms", "1000"), ("properties.enable.idempotence", "false")];
    let mut sink = cluster.sink(KafkaKind::Plain, &more);
    cluster.mock.broker_down(-1).unwrap();
    sink.write(&batch(&[(1, None, 0.0, INSERT)])).unwrap();
    let error = sink.flush().unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
    assert!(error.message.starts_with("table rows: ") && error.message.contains("reachable?"), "{error}");
    assert!(sink.write(&batch(&[(2, None, 0.0, INSERT)])).is_err(), "it was lost, and later writes say so");
}

#[test]
fn a_broker_that_comes_back_gets_what_waited() {
    let cluster = Cluster::new(&[("t", 1)]);
    let mut sink = cluster.sink(KafkaKind::Plain, &[]);
    cluster.mock.broker_down(-1).unwrap();
    sink.write(&batch(&[(1, None, 0.0, INSERT)])).unwrap();
    let (sender, flushed) = mpsc::channel();
    let flushing = std::thread::spawn(move || sender.send(sink.flush()).unwrap());
    assert!(flushed.recv_timeout(Duration::from_millis(300)).is_err(), "it waits");
    cluster.mock.broker_up(-1).unwrap();
    flushed.recv_timeout(PATIENCE).unwrap().unwrap();
    flushing.join().unwrap();
    assert_eq!(cluster.records("t", 1).len(), 1);
}

const ONCE: [(&str, &str); 2] = [("sink.delivery-guarantee", "exactly-once"), ("sink.transactional-id-prefix", "app")];

#[test]
fn rows_that_are_written_once_wait_for_their_checkpoint() {
    let cluster = Cluster::new(&[("t", 1)]);
    let mut sink = cluster.sink(KafkaKind::Plain, &ONCE);
    assert_eq!(sink.prepare().unwrap(), None, "no row since");
    sink.write(&batch(&[(1, Some("a"), 0.5, INSERT)])).unwrap();
    sink.flush().unwrap();
    let first = sink.prepare().unwrap().unwrap();
    sink.write(&batch(&[(2, Some("b"), 0.5, INSERT)])).unwrap();
    let second = sink.prepare().unwrap().unwrap();
    assert!(cluster.records("t", 1).is_empty());
    for transaction in [&first, &first, &second, &first, &second] {
        sink.commit(transaction).unwrap();
    }
    let ids: Vec<String> = cluster.records("t", 1).into_iter().map(|r| r.2.unwrap()[..7].to_owned()).collect();
    assert_eq!(ids, [r#"{"id":1"#, r#"{"id":2"#]);
    assert_eq!(sink.commit(b"HSKTwhat").unwrap_err().kind, Kind::Corrupt);
    sink.close().unwrap();
}

#[test]
fn what_an_earlier_run_prepared_is_committed_unless_its_number_is_recorded() {
    let cluster = Cluster::new(&[("t", 1)]);
    let mut sink = cluster.sink(KafkaKind::Plain, &ONCE);
    sink.write(&batch(&[(1, Some("a"), 0.5, INSERT)])).unwrap();
    let prepared = sink.prepare().unwrap().unwrap();
    drop(sink);
    // Whatever the next run promises, what was prepared becomes visible.
    drop(cluster.try_sink(KafkaKind::Plain, &[], Some(vec![prepared.clone()])).unwrap());
    assert_eq!(cluster.records("t", 1).len(), 1);
    // This cluster keeps no offsets of transactions, so that the test records the number in its place.
    cluster.commit("app-rows-0", "t", &[(0, 1)]);
    let mut sink = cluster.try_sink(KafkaKind::Plain, &ONCE, Some(vec![prepared.clone()])).unwrap();
    assert_eq!(cluster.records("t", 1).len(), 1);
    sink.write(&batch(&[(2, Some("b"), 0.5, INSERT)])).unwrap();
    let next = sink.prepare().unwrap().unwrap();
    sink.commit(&next).unwrap();
    assert_eq!(cluster.records("t", 1).len(), 2, "a new transaction has a new number");
}
