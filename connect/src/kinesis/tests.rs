//! Reading a stream of a service that fails in every way it can.

use super::KinesisStreams;
use super::fake::{Does, Fake, Then, number};
use engine::plan::TableDef;
use engine::port::{Connectors, Cursor, PortError, Role, Source, SplitId, SplitRead, SplitReader};
use engine::types::Schema;
use model::{Env, Kind, Position};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::runtime::Runtime;

const OLDEST: (&str, &str) = ("scan.stream.initpos", "TRIM_HORIZON");
const OFTEN: (&str, &str) = ("scan.shard.getrecords.intervalmillis", "5");
const PUSHED: [(&str, &str); 2] = [("scan.stream.recordpublisher", "EFO"), ("scan.stream.efo.consumername", "c")];

fn table(fake: &Fake, options: &[(&str, &str)]) -> TableDef {
    let endpoint = fake.endpoint();
    let mut all: BTreeMap<String, String> = [
        ("connector", "kinesis"),
        ("stream", "trips"),
        ("format", "json"),
        ("aws.endpoint", &endpoint),
        ("aws.credentials.basic.accesskeyid", "good"),
        ("aws.credentials.basic.secretkey", "secret"),
        OFTEN,
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    all.extend(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    let (name, schema) = ("t".to_owned(), Schema::default());
    TableDef { name, schema, computed: vec![], watermark: None, primary_key: vec![], options: all }
}

fn source(runtime: &Runtime, fake: &Fake, options: &[(&str, &str)]) -> Result<Arc<dyn Source>, PortError> {
    KinesisStreams::new(runtime.handle().clone(), Env::system()).source(&table(fake, options))
}

/// Reads as the engine does: a split when its parents have ended, until there is nothing to do but to wait.
struct Job {
    source: Arc<dyn Source>,
    open: BTreeMap<SplitId, Box<dyn SplitReader>>,
    /// Where each split is read on.
    cursors: BTreeMap<SplitId, Cursor>,
    ended: BTreeSet<SplitId>,
    rows: Vec<(u32, String)>,
    news: Receiver<()>,
    _subscription: Box<dyn Send>,
}

impl Job {
    fn new(source: Arc<dyn Source>, cursors: BTreeMap<SplitId, Cursor>, ended: BTreeSet<SplitId>) -> Self {
        let (sender, news) = channel();
        let _subscription = source.subscribe(Arc::new(move || {
            // A job that is gone hears no news.
            let _gone = sender.send(());
        }));
        if !cursors.is_empty() {
            source.goes_on(&cursors.keys().copied().collect());
        }
        Self { source, open: BTreeMap::new(), cursors, ended, rows: Vec::new(), news, _subscription }
    }

    fn start(runtime: &Runtime, fake: &Fake, options: &[(&str, &str)]) -> Self {
        Self::new(source(runtime, fake, options).unwrap(), BTreeMap::new(), BTreeSet::new())
    }

    /// Reads what there is, and what follows a split's end. Whether it is all.
    fn step(&mut self) -> Result<bool, PortError> {
        loop {
            let ended = self.ended.len();
            let at_tips = self.pass()?;
            if self.ended.len() == ended {
                return Ok(at_tips);
            }
        }
    }

    fn pass(&mut self) -> Result<bool, PortError> {
        let splits = self.source.splits()?;
        for split in &splits {
            let ready = split.parents.iter().all(|parent| self.ended.contains(parent));
            if ready && !self.ended.contains(&split.id) && !self.open.contains_key(&split.id) {
                let from = self.cursors.entry(split.id).or_insert_with(|| split.start.clone()).clone();
                self.open.insert(split.id, self.source.open(split.id, from)?);
            }
        }
        let (mut at_tips, ids) = (true, self.open.keys().copied().collect::<Vec<_>>());
        for id in ids {
            loop {
                match self.open.get_mut(&id).unwrap().read(64)? {
                    SplitRead::Payloads(block) => {
                        let texts = block.rows.iter().map(|r| block.data[r.start as usize..r.end as usize].to_vec());
                        let texts = texts.map(|text| String::from_utf8(text).unwrap());
                        self.rows.extend(texts.map(|text| (id.0, text)));
                        assert!(block.next.position.0 > block.first.0);
                        self.cursors.insert(id, block.next);
                    }
                    SplitRead::Tip => break,
                    SplitRead::Later => {
                        at_tips = false;
                        break;
                    }
                    SplitRead::End => {
                        self.ended.insert(id);
                        self.open.remove(&id);
                        break;
                    }
                    SplitRead::Records(_) | SplitRead::Rows { .. } => panic!("a stream holds payloads"),
                }
            }
        }
        Ok(at_tips)
    }

    /// Reads until so many rows have come and nothing more is there.
    fn read(&mut self, rows: usize) -> Vec<(u32, String)> {
        while !(self.step().unwrap() && self.rows.len() >= rows) {
            // Without an end to the waiting a test that fails would hang.
            self.news.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("only {:?}", self.rows));
        }
        self.rows.clone()
    }

    fn fails(&mut self) -> PortError {
        loop {
            if let Err(error) = self.step() {
                return error;
            }
            self.news.recv_timeout(Duration::from_secs(20)).expect("it fails in time");
        }
    }
}

fn rows(expected: &[(u32, &str)]) -> Vec<(u32, String)> {
    expected.iter().map(|(shard, text)| (*shard, (*text).to_owned())).collect()
}

fn sorted(mut rows: Vec<(u32, String)>) -> Vec<(u32, String)> {
    rows.sort();
    rows
}

#[test]
fn records_of_all_shards_are_read_in_order_and_news_as_they_come() {
    for more in [&[][..], &PUSHED] {
        let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(3));
        fake.put(0, &["a", "b", "c", "d", "e"]);
        fake.put(2, &["z"]);
        let mut job = Job::start(&runtime, &fake, &[&[OLDEST], more].concat());
        let all = [(0, "a"), (0, "b"), (0, "c"), (0, "d"), (0, "e"), (2, "z")];
        assert_eq!(sorted(job.read(6)), rows(&all));
        fake.put(1, &["m"]);
        assert_eq!(job.read(7).last().unwrap(), &(1, "m".to_owned()));
        let mark = job.cursors[&SplitId(0)].mark.clone().unwrap();
        assert_eq!(*mark, *format!("AFTER_SEQUENCE_NUMBER {}", number(0, 4)));
        assert_eq!(job.cursors[&SplitId(0)].position, Position(5));
        assert!(fake.calls("ListShards").len() >= 2, "pages are followed");
    }
}

#[test]
fn a_job_goes_on_behind_what_it_has_read() {
    for more in [&[][..], &PUSHED] {
        let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(1));
        fake.put(0, &["a", "b"]);
        let options = [&[OLDEST], more].concat();
        let mut job = Job::start(&runtime, &fake, &options);
        job.read(2);
        let (cursors, ended) = (job.cursors.clone(), job.ended.clone());
        drop(job);
        fake.put(0, &["c"]);
        let mut job = Job::new(source(&runtime, &fake, &options).unwrap(), cursors, ended);
        assert_eq!(job.read(1), rows(&[(0, "c")]));
        assert_eq!(job.cursors[&SplitId(0)].position, Position(3));
    }
}

#[test]
fn reshards_are_followed_parents_first() {
    for (more, tells) in [(&[][..], true), (&[], false), (&PUSHED, true), (&PUSHED, false)] {
        let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(1));
        if !tells {
            fake.hides_children();
        }
        fake.put(0, &["a"]);
        let mut job = Job::start(&runtime, &fake, &[&[OLDEST], more].concat());
        job.read(1);
        fake.put(0, &["b"]);
        fake.reshard(&[0], &[1, 2]);
        fake.put(1, &["c"]);
        fake.put(2, &["d"]);
        fake.reshard(&[1, 2], &[3]);
        fake.put(3, &["e"]);
        let read = job.read(5);
        assert_eq!((&read[..2], read.last().unwrap()), (&rows(&[(0, "a"), (0, "b")])[..], &(3, "e".to_owned())));
        assert_eq!(sorted(read).len(), 5);
        assert_eq!(job.ended, BTreeSet::from([SplitId(0), SplitId(1), SplitId(2)]));
    }
}

#[test]
fn what_was_split_off_while_a_job_stood_still_is_read_whole() {
    let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(1));
    let mut job = Job::start(&runtime, &fake, &[]);
    job.read(0);
    let (cursors, ended) = (job.cursors.clone(), job.ended.clone());
    // Newest records are those from the service's own time on, to the second.
    assert_eq!(cursors[&SplitId(0)].mark.as_deref(), Some("AT_TIMESTAMP 1452063600000"));
    drop(job);
    fake.reshard(&[0], &[1, 2]);
    fake.put(1, &["a"]);
    let source = source(&runtime, &fake, &[]).unwrap();
    let job = Job::new(source.clone(), cursors, ended);
    let starts: Vec<_> = source.splits().unwrap().into_iter().map(|split| split.start.mark.unwrap()).collect();
    assert_eq!(starts.iter().map(|s| &**s).collect::<Vec<_>>()[1..], ["TRIM_HORIZON", "TRIM_HORIZON"]);
    let mut job = job;
    assert_eq!(job.read(1), rows(&[(1, "a")]));
}

#[test]
fn what_passes_is_waited_for_and_nothing_is_lost_or_doubled() {
    let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(1));
    fake.plan("ListShards", &[Does::Breaks, Does::Refuses(500, "InternalFailure")]);
    fake.plan("GetShardIterator", &[Does::Refuses(400, "ProvisionedThroughputExceededException")]);
    fake.plan(
        "GetRecords",
        &[
            Does::Refuses(400, "ProvisionedThroughputExceededException"),
            Does::BreaksInTheMiddle,
            Does::Refuses(503, "ServiceUnavailable"),
            Does::Breaks,
            Does::Refuses(400, "ExpiredIteratorException"),
        ],
    );
    fake.put(0, &["a", "b"]);
    let mut job = Job::start(&runtime, &fake, &[OLDEST, ("scan.shard.getrecords.maxrecordcount", "1")]);
    assert_eq!(job.read(2), rows(&[(0, "a"), (0, "b")]));
    fake.expire();
    fake.put(0, &["c"]);
    assert_eq!(job.read(3), rows(&[(0, "a"), (0, "b"), (0, "c")]));
    let renewed = fake.calls("GetShardIterator").pop().unwrap();
    assert_eq!(renewed["StartingSequenceNumber"], number(0, 1), "an iterator is renewed behind the last record");
}

#[test]
fn subscriptions_that_break_go_on_where_they_were() {
    let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(1));
    fake.plan("RegisterStreamConsumer", &[Does::Refuses(400, "ResourceInUseException")]);
    fake.plan(
        "SubscribeToShard",
        &[
            Does::Refuses(400, "ResourceInUseException"),
            Does::PushesThen(Then::Ends),
            Does::PushesThen(Then::Breaks),
            Does::PushesThen(Then::Flips),
            Does::PushesThen(Then::Excepts("InternalFailureException")),
        ],
    );
    let texts: Vec<String> = (0..20).map(|n| format!("r{n}")).collect();
    fake.put(0, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut job = Job::start(&runtime, &fake, &[&[OLDEST], &PUSHED[..]].concat());
    let expected: Vec<(u32, String)> = texts.into_iter().map(|text| (0, text)).collect();
    assert_eq!(job.read(20), expected);
    let subscriptions = fake.calls("SubscribeToShard");
    assert_eq!(subscriptions[2]["StartingPosition"]["SequenceNumber"], number(0, 2));
    assert!(subscriptions.iter().all(|input| input["ConsumerARN"] == "arn:c"));
    assert_eq!(fake.calls("RegisterStreamConsumer").len(), 2);
}

#[test]
fn user_records_of_an_aggregate_are_rows_at_one_place() {
    use model::{HashKeyRange, PutRecord};
    let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(1));
    let mut aggregator = wire::aggregator::Aggregator::new(HashKeyRange::FULL, 1_000);
    for text in ["a", "b"] {
        let data = bytes::Bytes::copy_from_slice(text.as_bytes());
        assert!(aggregator.add(&PutRecord { partition_key: "k".into(), explicit_hash_key: None, data }));
    }
    fake.put_bytes(0, aggregator.finish().unwrap().data.to_vec());
    fake.put(0, &["c"]);
    let mut job = Job::start(&runtime, &fake, &[OLDEST]);
    assert_eq!(job.read(3), rows(&[(0, "a"), (0, "b"), (0, "c")]));
    assert_eq!(job.cursors[&SplitId(0)].position, Position(2), "an aggregate is one record");
}

#[test]
fn what_does_not_pass_is_told_at_once() {
    let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(1));
    let opened = |options: &[(&str, &str)]| source(&runtime, &fake, options).map(drop).unwrap_err();
    let told = opened(&[("stream", "none")]);
    assert_eq!(told.kind, Kind::NotFound);
    assert!(told.message.starts_with("table t: stream none: ListShards: ResourceNotFoundException"), "{told}");
    let told = opened(&[("aws.credentials.basic.accesskeyid", "bad")]);
    assert!(told.kind == Kind::Invalid && told.message.contains("check the key, its secret"), "{told}");
    let there = [&PUSHED[..], &[("scan.stream.efo.registration", "NONE")]].concat();
    let told = opened(&there);
    assert!(told.kind == Kind::NotFound && told.message.contains("DescribeStreamConsumer"), "{told}");

    // A stream that goes away while it is read.
    fake.put(0, &["a"]);
    let mut job = Job::start(&runtime, &fake, &[OLDEST]);
    job.read(1);
    fake.plan("GetRecords", &[Does::Refuses(400, "ResourceNotFoundException")]);
    let told = job.fails();
    assert_eq!(told.kind, Kind::NotFound);
    assert!(told.message.starts_with("table t: stream trips, shardId-000000000000: GetRecords: "), "{told}");
}

#[test]
fn a_place_that_is_none_is_refused() {
    let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(1));
    let source = source(&runtime, &fake, &[OLDEST]).unwrap();
    let open = |split, mark: Option<&str>| {
        let from = Cursor { position: Position::ZERO, mark: mark.map(Arc::from) };
        source.open(SplitId(split), from).map(drop).unwrap_err()
    };
    assert_eq!(open(7, Some("TRIM_HORIZON")).kind, Kind::NotFound);
    assert_eq!(open(0, Some("somewhere")).kind, Kind::Corrupt);
    assert!(open(0, None).message.contains("does not tell where"));
}

#[test]
fn streams_are_read_only() {
    let (runtime, fake) = (Runtime::new().unwrap(), Fake::start(1));
    let connector = KinesisStreams::new(runtime.handle().clone(), Env::system());
    connector.check(&table(&fake, &[]), Role::Source).unwrap();
    for role in [Role::Sink, Role::Lookup] {
        assert_eq!(connector.check(&table(&fake, &[]), role).unwrap_err().kind, Kind::Invalid);
    }
}
