//! Lookup joins in running jobs: a lookup that is answered by hand or by script, files that are looked up, and what is
//! refused when a script is planned.
#![allow(missing_docs, clippy::unwrap_used, reason = "for tests alone")]

mod run_support;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use engine::expr::Scalar;
use engine::port::{Answer, Lookup, LookupKey, PortError};
use engine::run::connectors::BuiltinConnectors;
use engine::run::{Job, JobError, JobOptions};
use engine::sql::{Planned, Script, Session};
use model::{Env, Kind};
use parking_lot::Mutex;
use run_support::{Hands, Index, Kept, Memory, event, pause, until};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const TABLES: &str = "CREATE TABLE events (ts TIMESTAMP_LTZ(3), k STRING, v BIGINT, p AS PROCTIME(), \
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) \
    WITH ('connector'='memory','format'='json','json.timestamp-format.standard'='ISO-8601');\n\
    CREATE TABLE places (k STRING, name STRING, size BIGINT) WITH ('connector'='known');\n\
    CREATE TABLE results (k STRING, name STRING, size BIGINT) WITH ('connector'='index');\n";

fn insert(hint: &str, rest: &str) -> String {
    format!(
        "{TABLES}INSERT INTO results SELECT {hint} e.k, w.name, w.size FROM events AS e \
         {rest} places FOR SYSTEM_TIME AS OF e.p AS w ON w.k = e.k"
    )
}

/// Answers at once or when told to; a key `none` has no row, `two` has two, `bad` fails, `gone` is never answered.
#[derive(Default)]
struct Scripted {
    held: Mutex<Vec<(String, Answer)>>,
    hold: bool,
    asked: AtomicU64,
}

impl Scripted {
    fn rows(key: &str) -> Result<RecordBatch, PortError> {
        let names: Vec<&str> = match key {
            "none" => vec![],
            "two" => vec!["one", "other"],
            "bad" => return Err(PortError::new(Kind::Invalid, "no such place")),
            _ => vec!["name"],
        };
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let schema = Schema::new(vec![
            field("k", DataType::Utf8),
            field("name", DataType::Utf8),
            field("size", DataType::Int64),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![key; names.len()])),
            Arc::new(StringArray::from(names.clone())),
            Arc::new(Int64Array::from(vec![7; names.len()])),
        ];
        Ok(RecordBatch::try_new(Arc::new(schema), columns).unwrap())
    }

    /// Answers the calls that wait, the newest first.
    fn release(&self) {
        let held: Vec<_> = self.held.lock().drain(..).rev().collect();
        held.into_iter().for_each(|(key, answer)| answer(Self::rows(&key)));
    }
}

impl Lookup for Scripted {
    fn start(&self, key: LookupKey, answer: Answer) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let Scalar::Text(text) = &key.values[0] else { panic!("{key:?}") };
        match (self.hold, &**text) {
            (_, "gone") => self.held.lock().push(("gone".into(), answer)),
            (true, text) => self.held.lock().push((text.to_owned(), answer)),
            (false, text) => answer(Self::rows(text)),
        }
    }
}

fn hands(memory: &Memory, index: &Index, lookup: &Arc<Scripted>) -> Hands {
    Hands::default().source("events", memory).index("results", index).lookup("places", lookup.clone())
}

/// What is written for events of these keys, and how many dead letters there are.
fn run(script: &str, keys: &[&str], parallelism: u32) -> Result<(Vec<String>, u64), JobError> {
    let split = |at: usize| keys.iter().skip(at).step_by(2).map(|k| event(10, k, 1)).collect();
    let (memory, index) = (Memory::bounded(vec![split(0), split(1)]), Index::default());
    let lookup = Arc::new(Scripted::default());
    let hands = hands(&memory, &index, &lookup);
    let options = JobOptions { parallelism: Some(parallelism), ..hands.options() };
    let job = hands.try_start(script, options)?;
    job.wait()?;
    let dead = job.metrics().lookups.iter().map(|l| l.dead).sum();
    assert_eq!(dead, job.metrics().bad);
    assert!(dead == 0 || job.bad_samples().iter().any(|s| s.place == "places" && s.reason.contains("lookup:")));
    Ok((index.rows(), dead))
}

#[test]
fn rows_are_joined_to_what_is_found() {
    let keys = ["a", "none", "two", "bad"];
    let a = r#"{"k":"a","name":"name","size":7}"#;
    let two = [r#"{"k":"two","name":"one","size":7}"#, r#"{"k":"two","name":"other","size":7}"#];
    for parallelism in [1, 2] {
        for hint in ["", "/*+ LOOKUP('table'='places','output-mode'='allow_unordered','capacity'='2') */"] {
            let (rows, dead) = run(&insert(hint, "JOIN"), &keys, parallelism).unwrap();
            assert_eq!((rows, dead), (vec![a.to_owned(), two[0].to_owned(), two[1].to_owned()], 1));
            let (rows, dead) = run(&insert(hint, "LEFT JOIN"), &keys, parallelism).unwrap();
            let none = r#"{"k":"none","name":null,"size":null}"#;
            assert_eq!((rows, dead), (vec![a.into(), none.to_owned(), two[0].into(), two[1].into()], 1));
        }
    }
    let more = format!("{} AND w.name <> 'one' AND w.size > e.v", insert("", "JOIN"));
    assert_eq!(run(&more, &["two"], 1).unwrap().0, [two[1]]);
}

#[test]
fn many_rows_pass_a_small_capacity_in_either_order() {
    let names: Vec<String> = (0..20_000).map(|i| format!("k{}", i % 7_000)).collect();
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    for mode in ["ordered", "allow_unordered"] {
        let hint = format!("/*+ LOOKUP('table'='w','output-mode'='{mode}','capacity'='3') */");
        assert_eq!(run(&insert(&hint, "JOIN"), &keys, 2).unwrap().0.len(), 20_000);
    }
}

#[test]
fn a_barrier_waits_for_what_is_in_flight_before_it() {
    let (memory, index) = (Memory::unbounded(1), Index::default());
    let lookup = Arc::new(Scripted { hold: true, ..Scripted::default() });
    let hint = "/*+ LOOKUP('table'='w','output-mode'='allow_unordered') */";
    let (hands, kept) = (hands(&memory, &index, &lookup), Kept::default());
    let options = JobOptions { checkpointing: kept.every(20), ..hands.options() };
    let job = hands.try_start(&insert(hint, "JOIN"), options).unwrap();
    memory.push(0, ["a", "b"].map(|k| event(10, k, 1)));
    until("two calls", || lookup.held.lock().len() == 2);
    assert_eq!(job.metrics().lookups[0].in_flight, 2);
    pause(100);
    let completed = job.checkpoints().completed;
    pause(100);
    assert!(job.checkpoints().completed <= completed + 1, "no checkpoint passes rows that are in flight");
    assert!(index.rows().is_empty());
    lookup.release();
    until("the rows", || index.rows().len() == 2);
    until("checkpoints behind them", || job.checkpoints().completed > completed + 2);
    job.stop();
    job.wait().unwrap();
}

#[test]
fn windows_behind_a_lookup_miss_no_row_however_answers_come() {
    let counts = "CREATE TABLE counts (name STRING, n BIGINT, we TIMESTAMP(3)) WITH ('connector'='index');\n";
    for mode in ["ordered", "allow_unordered"] {
        let script = format!(
            "{TABLES}{counts}CREATE VIEW joined AS SELECT /*+ LOOKUP('table'='w','output-mode'='{mode}','capacity'='8') */ \
             e.ts, w.name FROM events AS e JOIN places FOR SYSTEM_TIME AS OF e.p AS w ON w.k = e.k;\n\
             INSERT INTO counts SELECT name, COUNT(*), window_end FROM \
             TABLE(TUMBLE(TABLE joined, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, name"
        );
        // Times ascend within a split, so that nothing is late but by a row that a watermark has overtaken.
        let split = |at: i64| (0..600).map(|i| event(i * 250 + at, &format!("k{}", i % 97), 1)).collect();
        let (memory, index) = (Memory::bounded(vec![split(0), split(1)]), Index::default());
        let lookup = Arc::new(Scripted { hold: true, ..Scripted::default() });
        let hands = hands(&memory, &index, &lookup).index("counts", &index);
        let job = hands.start(&script, 2);
        while !job.wait_for(std::time::Duration::from_millis(1)) {
            lookup.release();
        }
        job.wait().unwrap();
        assert_eq!((job.metrics().late, job.metrics().bad), (0, 0));
        let expected: Vec<String> = (1..=15)
            .map(|w| format!("{{\"name\":\"name\",\"n\":80,\"we\":\"1970-01-01 00:{:02}:{:02}\"}}", w / 6, w % 6 * 10))
            .collect();
        assert_eq!(index.rows(), expected, "{mode}");
    }
}

#[test]
fn what_is_never_answered_is_a_dead_letter_or_fails_a_strict_job() {
    let script = insert("/*+ LOOKUP('table'='w','timeout'='50 ms') */", "LEFT JOIN");
    let (rows, dead) = run(&script, &["gone", "a"], 1).unwrap();
    assert_eq!((rows.len(), dead), (1, 1));
    let (memory, index) = (Memory::bounded(vec![vec![event(10, "gone", 1)]]), Index::default());
    let hands = hands(&memory, &index, &Arc::default());
    let options = JobOptions { strict: true, ..hands.options() };
    let error = hands.try_start(&script, options).unwrap().wait().unwrap_err().to_string();
    assert!(error.contains("places") && error.contains("no answer within 50 ms"), "{error}");
}

#[test]
fn wrong_lookups_are_refused_by_name() {
    let hands = hands(&Memory::unbounded(1), &Index::default(), &Arc::default());
    let lookup = |hint: &str| insert(&format!("/*+ LOOKUP({hint}) */"), "JOIN");
    for (script, what) in [
        (lookup("'table'='x'"), "no table 'x' is looked up here"),
        (lookup("'capacity'='5'"), "the hint LOOKUP lacks 'table'"),
        (lookup("'table'='w','capasity'='5'"), "did you mean \"capacity\"?"),
        (lookup("'table'='w','capacity'='0'"), "'capacity' of a lookup is a whole number from 1 to 10000"),
        (lookup("'table'='w','timeout'='soon'"), "'timeout' of a lookup is a duration"),
        (lookup("'table'='w','output-mode'='random'"), "ordered or allow_unordered"),
        (lookup("'table'='w','retry-predicate'='lookup_miss'"), "lacks 'retry-strategy'"),
        (insert("", "CROSS JOIN").replace(" ON w.k = e.k", ""), "a lookup needs a key"),
        (insert("", "JOIN").replace("w.k = e.k", "w.size > e.v"), "no column of w equals"),
        (insert("", "JOIN").replace("OF e.p", "OF e.ts"), "as of event time is not supported yet"),
        (insert("", "JOIN").replace("OF e.p", "OF e.k"), "a processing-time column is wanted here"),
        (insert("", "LEFT JOIN") + " AND w.size > 1", "a condition beside the keys"),
        (format!("{TABLES}SELECT p FROM events"), "the value of a processing-time column"),
    ] {
        let parsed = Script::parse(&script);
        let error = parsed.and_then(|s| Session::new().plan(&s, &hands)).unwrap_err().to_string();
        assert!(error.starts_with("line ") && error.contains(what), "{script}\n{error}");
    }
    let retry = "'table'='w','async'='true','retry-predicate'='lookup_miss','retry-strategy'='fixed_delay',\
        'fixed-delay'='10 ms','max-attempts'='3'";
    hands.plan(&lookup(retry));
}

#[test]
fn plans_say_how_a_table_is_asked() {
    let hands = hands(&Memory::unbounded(1), &Index::default(), &Arc::default());
    let explained = |set: &str, hint: &str, join: &str| {
        let script = insert(hint, join).replace("INSERT INTO", &format!("{set} EXPLAIN INSERT INTO"));
        let planned = Session::new().plan(&Script::parse(&script).unwrap(), &hands).unwrap();
        let text = planned.into_iter().find_map(|p| match p {
            Planned::Explain(text) => Some(text),
            _ => None,
        });
        let text = text.unwrap();
        text.lines().find(|l| l.contains("Lookup(")).unwrap().trim_start_matches([' ', '+', '-', ':']).to_owned()
    };
    let capacity = "SET 'table.exec.async-lookup.buffer-capacity' = '7';";
    let hint = "/*+ LOOKUP('table'='w','timeout'='5 s','output-mode'='allow_unordered') */";
    for (set, hint, join, how) in [
        ("", "", "JOIN", "how=[ordered, capacity 100, timeout 3 min])"),
        (capacity, hint, "LEFT JOIN", "how=[unordered, capacity 7, timeout 5 s], join=[left])"),
        (capacity, "/*+ LOOKUP('table'='w','capacity'='9') */", "JOIN", "how=[ordered, capacity 9, timeout 3 min])"),
        ("", "/*+ LOOKUP('table'='w','async'='false') */", "JOIN", "how=[ordered, capacity 1, timeout 3 min])"),
    ] {
        assert_eq!(explained(set, hint, join), format!("Lookup(table=[places], keys=[k=k], {how}"));
    }
}

#[test]
fn a_view_may_mark_processing_time() {
    let script = insert("", "JOIN")
        .replace(
            "INSERT INTO",
            "CREATE VIEW marked AS SELECT k, v, PROCTIME() AS p FROM events WHERE v > 0; INSERT INTO",
        )
        .replace("FROM events AS e", "FROM marked AS e");
    assert_eq!(run(&script, &["a", "two"], 1).unwrap().0.len(), 3);
}

#[test]
fn a_file_is_looked_up_and_loaded_anew() {
    let folder = tempfile::tempdir().unwrap();
    let places = folder.path().join("places.ndjson");
    std::fs::write(&places, "{\"k\":\"a\",\"size\":1}\n{\"k\":\"b\",\"size\":2}\n{\"k\":\"a\",\"size\":3}\n").unwrap();
    std::fs::write(folder.path().join("events.ndjson"), "{\"k\":\"a\"}\n{\"k\":\"b\"}\n{\"k\":\"c\"}\n{}\n").unwrap();
    let script = "CREATE TABLE events (k STRING, p AS PROCTIME()) \
        WITH ('connector'='filesystem','path'='events.ndjson','format'='json');\n\
        CREATE TABLE places (k STRING, size BIGINT) WITH ('connector'='filesystem','path'='places.ndjson',\
        'format'='json','lookup.cache'='FULL','lookup.full-cache.periodic-reload.interval'='1 ms');\n\
        SELECT e.k, w.size FROM events AS e LEFT JOIN places FOR SYSTEM_TIME AS OF e.p AS w ON e.k = w.k";
    let connectors = Arc::new(BuiltinConnectors::new(folder.path(), Env::system()));
    let counts = || {
        let planned = Session::new().plan(&Script::parse(script).unwrap(), connectors.as_ref()).unwrap();
        let Some(Planned::Job { plan, .. }) = planned.into_iter().next() else { panic!("no job") };
        let job = Job::start(plan, JobOptions::new("app", Env::system(), connectors.clone())).unwrap();
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let (_, receiver) = job.collected().unwrap();
        for batch in receiver.iter() {
            for row in 0..batch.num_rows() {
                let value = |c: usize, t| format!("{:?}", Scalar::from_array(batch.column(c), row, t));
                let (k, size) = (engine::types::DataType::STRING, engine::types::DataType::BigInt);
                *found.entry(format!("{} {}", value(0, k), value(1, size))).or_default() += 1;
            }
        }
        job.wait().unwrap();
        found.into_keys().collect::<Vec<_>>()
    };
    let expected =
        ["Null Null", "Text(\"a\") Integer(1)", "Text(\"a\") Integer(3)", "Text(\"b\") Integer(2)", "Text(\"c\") Null"];
    assert_eq!(counts(), expected);
    std::fs::write(&places, "{\"k\":\"a\",\"size\":\"many\"}\n").unwrap();
    let planned = Session::new().plan(&Script::parse(script).unwrap(), connectors.as_ref()).unwrap();
    let Some(Planned::Job { plan, .. }) = planned.into_iter().next() else { panic!("no job") };
    let error = Job::start(plan, JobOptions::new("app", Env::system(), connectors)).err().unwrap().to_string();
    assert!(error.contains("places.ndjson, line 1: column size"), "{error}");
}
