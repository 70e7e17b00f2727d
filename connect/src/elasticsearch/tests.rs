//! The sink against a small cluster that fails in every way that was seen.

use super::Elasticsearch;
use super::fake::{Does, Fake};
use arrow_array::{Int64Array, RecordBatch, StringArray};
use engine::plan::TableDef;
use engine::port::{Changelog, Connectors, Ending, PortError, Role, RowKind, Sink, SinkBatch, SinkSpec};
use engine::types::{DataType, Field, Schema};
use model::{Env, Kind};
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;

fn schema() -> Schema {
    let field = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
    Schema { fields: vec![field("city", DataType::STRING), field("n", DataType::BigInt)] }
}

fn table(hosts: &str, options: &[(&str, &str)]) -> TableDef {
    let usual = [("connector", "elasticsearch-7"), ("hosts", hosts), ("index", "docs")];
    // Tests are patient often and for a short time.
    let patient = [("sink.bulk-flush.backoff.delay", "1ms"), ("sink.bulk-flush.backoff.max-retries", "3")];
    let all = usual.iter().chain(&patient).chain(options);
    TableDef {
        name: "t".into(),
        schema: schema(),
        computed: vec![None, None],
        watermark: None,
        primary_key: vec![0],
        options: all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

fn connector() -> Elasticsearch {
    connector_at(Env::system())
}

fn connector_at(env: Env) -> Elasticsearch {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    Elasticsearch::new(RUNTIME.get_or_init(|| Runtime::new().unwrap()).handle().clone(), env)
}

fn open(hosts: &str, options: &[(&str, &str)]) -> Box<dyn Sink> {
    open_until(hosts, options, &Ending::default(), Env::system())
}

/// A sink of a job that ends when `ending` says so.
fn open_until(hosts: &str, options: &[(&str, &str)], ending: &Ending, env: Env) -> Box<dyn Sink> {
    let spec = SinkSpec {
        application: "app".to_owned(),
        table: Arc::new(table(hosts, options)),
        schema: schema(),
        subtask: 0,
        parallelism: 1,
        prepared: None,
        ending: ending.clone(),
    };
    connector_at(env).sink(&spec).unwrap()
}

fn rows(changes: &[(&str, i64, RowKind)], named: bool) -> SinkBatch {
    let cities = changes.iter().map(|c| Some(c.0)).collect::<StringArray>();
    let numbers = Int64Array::from_iter_values(changes.iter().map(|c| c.1));
    SinkBatch {
        rows: RecordBatch::try_new(schema().arrow(), vec![Arc::new(cities.clone()), Arc::new(numbers)]).unwrap(),
        ids: named.then_some(cities),
        kinds: Some(changes.iter().map(|c| c.2).collect()),
    }
}

fn added(names: &[&str]) -> SinkBatch {
    let changes: Vec<_> = names.iter().enumerate().map(|(n, name)| (*name, n as i64, RowKind::Insert)).collect();
    rows(&changes, true)
}

fn ids(fake: &Fake) -> Vec<String> {
    fake.documents("docs").into_iter().map(|document| document.0).collect()
}

/// What comes of three rows where the cluster does as planned.
fn written(plans: &[Does], options: &[(&str, &str)]) -> (Fake, Result<(), PortError>, (u64, u64)) {
    let fake = Fake::start(plans);
    let mut sink = open(&fake.address(), options);
    let done = sink.write(&added(&["a", "b", "c"])).and_then(|()| sink.flush());
    let counted = sink.refusals().unwrap().counted();
    (fake, done, counted)
}

#[test]
fn rows_become_documents_and_changes_arrive_in_their_order() {
    let fake = Fake::start(&[]);
    let options = [("username", "u"), ("password", "hush"), ("connection.path-prefix", "v1")];
    let mut sink = open(&fake.address(), &options);
    sink.write(&added(&["a", "b", "c"])).unwrap();
    sink.write(&rows(&[("a", 7, RowKind::UpdateAfter), ("b", 1, RowKind::Delete)], true)).unwrap();
    sink.flush().unwrap();
    sink.write(&rows(&[("c", 9, RowKind::UpdateAfter)], true)).unwrap();
    sink.close().unwrap();
    let documents = fake.documents("docs");
    let numbers: Vec<_> = documents.iter().map(|(id, d)| (id.as_str(), d["n"].as_i64().unwrap())).collect();
    assert_eq!(numbers, [("a", 7), ("c", 9)]);
    assert_eq!(fake.bulks().len(), 2);
    for (path, login) in fake.asked() {
        assert_eq!((path.as_str(), login.as_deref()), ("/v1/_bulk", Some("Basic dTpodXNo")));
    }
}

#[test]
fn bulks_leave_when_they_are_full() {
    let fake = Fake::start(&[]);
    let mut sink = open(&fake.address(), &[("sink.bulk-flush.max-actions", "2")]);
    sink.write(&added(&["a", "b", "c", "d", "e"])).unwrap();
    sink.flush().unwrap();
    assert_eq!(fake.bulks(), [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    let mut sink = open(&fake.address(), &[("sink.bulk-flush.max-size", "90b"), ("index", "small")]);
    sink.write(&added(&["a", "b", "c"])).unwrap();
    sink.flush().unwrap();
    assert_eq!(fake.bulks()[3..], [vec!["a", "b"], vec!["c"]]);
    assert_eq!(sink.flush_interval(), Some(Duration::from_secs(1)));
    let waits = open(&fake.address(), &[("sink.bulk-flush.interval", "0")]);
    assert_eq!(waits.flush_interval(), Some(Duration::MAX));
}

#[test]
fn rows_that_have_waited_leave_with_the_next_ones() {
    let fake = Fake::start(&[]);
    let mut sink = open(&fake.address(), &[("sink.bulk-flush.interval", "1ms")]);
    let mut written = 0_i64;
    while fake.bulks().is_empty() {
        sink.write(&rows(&[("a", written, RowKind::Insert)], true)).unwrap();
        written += 1;
    }
    sink.close().unwrap();
    assert_eq!(fake.documents("docs")[0].1["n"], written - 1);
}

#[test]
fn what_was_rejected_is_offered_again_and_nothing_else() {
    let plans = [Does::Refuses(429), Does::Answers(vec![200, 429, 503]), Does::Answers(vec![429])];
    let (fake, done, counted) = written(&plans, &[]);
    done.unwrap();
    assert_eq!(fake.bulks(), [vec!["a", "b", "c"], vec!["a", "b", "c"], vec!["b", "c"], vec!["b"]]);
    assert_eq!((ids(&fake), counted), (vec!["a".to_owned(), "b".into(), "c".into()], (6, 6)));
}

#[test]
fn a_lost_answer_changes_nothing() {
    let plans = [Does::TakesAndBreaks, Does::TakesAndBreaksInTheMiddle, Does::TakesAndIsSilent];
    let (fake, done, counted) = written(&plans, &[("socket.timeout", "300ms")]);
    done.unwrap();
    assert_eq!((fake.bulks().len(), counted), (4, (9, 9)));
    assert_eq!(ids(&fake), ["a", "b", "c"]);
}

#[test]
fn a_row_without_an_id_is_added_once_or_more_often() {
    let fake = Fake::start(&[Does::TakesAndBreaks]);
    let mut sink = open(&fake.address(), &[]);
    sink.write(&rows(&[("a", 1, RowKind::Insert), ("a", 1, RowKind::Insert)], false)).unwrap();
    sink.flush().unwrap();
    assert_eq!(ids(&fake).len(), 4, "both were written, and nobody could know");
    let error = sink.write(&rows(&[("a", 1, RowKind::Delete)], false)).unwrap_err();
    assert_eq!(error.kind, Kind::Internal);
}

#[test]
fn patience_ends_and_says_what_was_seen_last() {
    for (plan, kind, what) in [
        (Does::Refuses(429), Kind::Throttled, "so it is (429)"),
        (Does::Refuses(503), Kind::Unavailable, "so it is (503)"),
        (Does::Breaks, Kind::Unavailable, "the connection broke before the answer"),
        (Does::Answers(vec![429; 3]), Kind::Throttled, "index docs, id a: some_exception: so it is (429)"),
        (Does::Answers(vec![503, 429, 429]), Kind::Unavailable, "id a: some_exception"),
    ] {
        let (_, done, counted) = written(&vec![plan.clone(); 4], &[]);
        let error = done.unwrap_err();
        assert_eq!((error.kind, counted), (kind, (12, 9)), "{plan:?}: {error}");
        assert!(error.message.starts_with("table t: a bulk was not taken in 4 tries") && error.message.contains(what));
    }
}

#[test]
fn where_patience_is_disabled_the_first_failure_is_the_last() {
    let disabled = ("sink.bulk-flush.backoff.strategy", "DISABLED");
    let (_, done, counted) = written(&[Does::Answers(vec![429])], &[disabled]);
    assert_eq!((done.unwrap_err().kind, counted), (Kind::Throttled, (1, 0)));
    let handler = ("failure-handler", "retry-rejected");
    let (_, done, counted) = written(&[Does::Answers(vec![429]), Does::Refuses(429)], &[disabled, handler]);
    assert_eq!((done.is_ok(), counted), (true, (2, 2)));
    let (_, done, _) = written(&[Does::Refuses(503)], &[disabled, handler]);
    assert_eq!(done.unwrap_err().kind, Kind::Unavailable);
}

#[test]
fn a_refused_row_fails_the_job_or_is_left_out() {
    let plan = [Does::Answers(vec![200, 400, 429])];
    let (fake, done, counted) = written(&plan, &[]);
    let error = done.unwrap_err();
    assert_eq!((error.kind, counted), (Kind::Invalid, (2, 0)));
    assert!(error.message.contains(
        "table t: 1 rows of a bulk were refused, the first: index docs, id b: some_exception: so it is (400)"
    ));
    assert_eq!(ids(&fake), ["a"]);
    let (fake, done, counted) = written(&plan, &[("failure-handler", "ignore")]);
    assert_eq!((done.is_ok(), counted, ids(&fake)), (true, (2, 1), vec!["a".to_owned(), "c".into()]));
}

#[test]
fn after_a_failure_nothing_is_said_to_be_durable() {
    let fake = Fake::start(&[Does::Refuses(401)]);
    let mut sink = open(&fake.address(), &[("username", "u"), ("password", "hush")]);
    sink.write(&added(&["a"])).unwrap();
    let error = sink.flush().unwrap_err();
    assert!(error.message.contains("check 'username'") && !error.message.contains("hush"), "{error}");
    assert!(sink.flush().is_err() && sink.write(&added(&["b"])).is_err() && sink.close().is_err());
    assert_eq!(fake.bulks().len(), 1);
}

#[test]
fn what_is_no_cluster_is_told_at_once() {
    for (text, what) in [("<html>welcome</html>", "expected value"), ("{\"items\":[]}", "tells of 0 actions")] {
        let (fake, done, counted) = written(&[Does::Says(text)], &[]);
        let error = done.unwrap_err();
        assert_eq!((error.kind, fake.bulks().len(), counted), (Kind::Invalid, 1, (3, 0)));
        assert!(error.message.contains("no Elasticsearch") && error.message.contains(what), "{error}");
    }
}

#[test]
fn hosts_take_turns_and_one_that_is_away_is_passed_over() {
    let (one, other) = (Fake::start(&[]), Fake::start(&[Does::Refuses(503)]));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let hosts = format!("{};{away};{}", one.address(), other.address());
    let mut sink = open(&hosts, &[("sink.bulk-flush.backoff.strategy", "DISABLED")]);
    for name in ["a", "b", "c", "d"] {
        sink.write(&added(&[name])).unwrap();
        sink.flush().unwrap();
    }
    // b met the host that is away, the one without shards, and the first.
    assert_eq!(one.bulks(), [["a"], ["b"], ["d"]]);
    assert_eq!(other.bulks(), [["b"], ["c"]]);
    assert_eq!(sink.refusals().unwrap().counted(), (0, 0));
    let mut sink = open(&away, &[]);
    sink.write(&added(&["a"])).unwrap();
    let error = sink.flush().unwrap_err();
    assert!(error.kind == Kind::Unavailable && error.message.contains("no connection"), "{error}");
}

#[test]
fn the_index_is_made_of_values() {
    let fake = Fake::start(&[]);
    let mut sink = open(&fake.address(), &[("index", "docs-{city}")]);
    sink.write(&added(&["a", "b"])).unwrap();
    sink.close().unwrap();
    assert_eq!((fake.documents("docs-a").len(), fake.documents("docs-b").len()), (1, 1));
}

#[test]
fn a_writer_that_is_let_go_of_ends_what_is_on_its_way() {
    let fake = Fake::start(&[Does::TakesAndIsSilent]);
    let mut sink = open(&fake.address(), &[("sink.bulk-flush.max-actions", "1")]);
    sink.write(&added(&["a"])).unwrap();
    while fake.bulks().is_empty() {
        std::thread::yield_now();
    }
    drop(sink);
}

#[test]
fn a_job_that_ends_at_once_waits_for_no_answer() {
    let fake = Fake::start(&[Does::TakesAndIsSilent]);
    let ending = Ending::default();
    let mut sink = open_until(&fake.address(), &[], &ending, Env::system());
    sink.write(&added(&["a"])).unwrap();
    std::thread::scope(|scope| {
        let flushed = scope.spawn(|| sink.flush());
        while fake.bulks().is_empty() {
            std::thread::yield_now();
        }
        assert!(!flushed.is_finished());
        ending.cancel();
        assert_eq!(flushed.join().unwrap().unwrap_err().kind, Kind::Conflict);
    });
    assert!(sink.flush().is_err(), "nobody knows whether the row is there");
}

#[test]
fn a_job_that_is_to_stop_does_not_hope_for_long() {
    let fake = Fake::start(&vec![Does::Breaks; 100_000]);
    let ending = Ending::default();
    let options = [("sink.bulk-flush.backoff.strategy", "CONSTANT"), ("sink.bulk-flush.backoff.max-retries", "10000")];
    let (env, clock) = Env::manual(0, 1);
    let mut sink = open_until(&fake.address(), &options, &ending, env);
    sink.write(&added(&["a"])).unwrap();
    let tries = |more: usize| {
        let seen = fake.bulks().len();
        while fake.bulks().len() < seen + more {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        let flushed = scope.spawn(|| sink.flush());
        clock.advance_ms(1_000_000);
        tries(3);
        ending.stop();
        tries(3);
        clock.advance_ms(9_000);
        tries(3);
        assert!(!flushed.is_finished());
        clock.advance_ms(1_000);
        let error = flushed.join().unwrap().unwrap_err();
        assert!(error.kind == Kind::Unavailable && error.message.contains("is to stop"), "{error}");
    });
}

#[test]
fn a_table_is_only_written() {
    let connector = connector();
    let table = |options: &[(&str, &str)]| table("http://h:1", options);
    assert!(connector.check(&table(&[]), Role::Sink).is_ok());
    for role in [Role::Source, Role::Lookup] {
        assert_eq!(connector.check(&table(&[]), role).unwrap_err().kind, Kind::Invalid);
    }
    assert!(connector.source(&table(&[])).is_err());
    assert_eq!(connector.changelog(&table(&[])), Changelog::Upsert);
    let mut bytes = table(&[]);
    bytes.schema.fields[0].data_type = DataType::Bytes;
    assert!(connector.check(&bytes, Role::Sink).unwrap_err().message.contains("city is BYTES"));
}
