//! How far each operator of a running job is in event time, and which split it waits for.
#![allow(missing_docs, clippy::unwrap_used, reason = "for tests alone")]

mod run_support;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use engine::port::{Answer, Lookup, LookupKey};
use engine::run::{HoldReason, JobHandle, OperatorMetrics};
use parking_lot::Mutex;
use run_support::{Hands, Index, Memory, event, until};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn table(name: &str) -> String {
    format!(
        "CREATE TABLE {name} (ts TIMESTAMP_LTZ(3), k STRING, v BIGINT, p AS PROCTIME(), \
         WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) \
         WITH ('connector'='memory','format'='json','json.timestamp-format.standard'='ISO-8601');\n"
    )
}

fn idle_after(text: &str) -> String {
    format!("SET 'table.exec.source.idle-timeout' = '{text}';\n")
}

const SINK: &str = "CREATE TABLE results (k STRING, n BIGINT) WITH ('connector'='index');\n";

/// The operator whose name begins so.
fn of(job: &JobHandle, name: &str) -> OperatorMetrics {
    let all = job.operators();
    let found = all.iter().find(|o| o.operator.starts_with(name));
    found.unwrap_or_else(|| panic!("no {name} in {all:?}")).clone()
}

fn held_by(operator: &OperatorMetrics, table: &str, split: &str) -> bool {
    operator.hold.as_ref().is_some_and(|h| h.table == table && h.split == split) && operator.lag.is_none()
}

/// Two sources of two splits, where one of `b` stands still at 5 s while everything else is at a minute.
fn two_sources() -> (Memory, Memory) {
    let (a, b) = (Memory::unbounded(2), Memory::unbounded(2));
    for split in 0..2 {
        a.push(split, [event(60_000, "a", 1)]);
    }
    b.push(0, [event(60_000, "a", 2)]);
    b.push(1, [event(5_000, "a", 3)]);
    (a, b)
}

fn stop(job: &JobHandle) {
    job.stop();
    job.wait().unwrap();
}

#[test]
fn a_join_names_the_split_that_it_waits_for() {
    for parallelism in [1, 3] {
        let ((a, b), index) = (two_sources(), Index::default());
        let hands = Hands::default().source("a", &a).source("b", &b).index("results", &index);
        let script = format!(
            "{}{}{}{SINK}INSERT INTO results SELECT a.k, b.v FROM a JOIN b ON a.k = b.k \
             AND a.ts BETWEEN b.ts - INTERVAL '10' SECOND AND b.ts + INTERVAL '20' SECOND;",
            idle_after("10 min"),
            table("a"),
            table("b"),
        );
        let job = hands.start(&script, parallelism);
        until("the join waits for the one split", || held_by(&of(&job, "join"), "b", "split-1"));
        until("and so does the sink", || held_by(&of(&job, "sink results"), "b", "split-1"));
        let join = of(&job, "join");
        assert_eq!((join.input, join.watermark), (Some(4_000), Some(-16_000)), "it gives 20 s less than it takes");
        assert_eq!(of(&job, "sink").watermark, Some(-16_000));
        assert_eq!((of(&job, "source a").watermark, of(&job, "source b").watermark), (Some(59_000), Some(4_000)));
        assert_eq!(of(&job, "source a").hold.unwrap().table, "a");
        let why = join.why().unwrap();
        assert!(why.starts_with("b, split-1: nothing has come for "), "{why}");
        // What stood still goes on: another one is the last.
        b.push(1, [event(200_000, "a", 4)]);
        until("b waits for its other split", || held_by(&of(&job, "source b"), "b", "split-0"));
        until("the join has the rest", || of(&job, "join").input == Some(59_000));
        stop(&job);
    }
}

#[test]
fn unions_and_aggregates_name_theirs_until_it_is_set_aside() {
    let ((a, b), index) = (two_sources(), Index::default());
    let hands = Hands::default().source("a", &a).source("b", &b).index("results", &index);
    let script = format!(
        "{}{}{}{SINK}INSERT INTO results SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE everything, DESCRIPTOR(ts), \
         INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;",
        idle_after("500 ms"),
        table("a"),
        table("b"),
    );
    let view = "CREATE VIEW everything AS SELECT ts, k FROM a UNION ALL SELECT ts, k FROM b;\nINSERT";
    let job = hands.start(&script.replacen("INSERT", view, 1), 2);
    for name in ["union", "window aggregate", "sink results"] {
        until("the split that stands still is named", || held_by(&of(&job, name), "b", "split-1"));
        assert_eq!(of(&job, name).watermark, Some(4_000), "{name}");
    }
    let named = |operator: &OperatorMetrics| {
        matches!(
            operator.hold.as_ref().map(|h| h.reason),
            Some(HoldReason::AtTip { set_aside_after_ms: Some(500), .. })
        )
    };
    assert!(named(&of(&job, "union")), "{:?}", of(&job, "union"));
    // Rows come in all others, one after the other, so that only this one rests.
    let mut at = 60_000;
    until("it is set aside", || {
        at += 1_000;
        a.push(0, [event(at, "a", 1)]);
        a.push(1, [event(at, "a", 1)]);
        b.push(0, [event(at, "a", 1)]);
        let operator = of(&job, "window aggregate");
        operator.watermark > Some(60_000)
            && operator.hold.as_ref().is_some_and(|h| h.split != "split-1" || h.table == "a")
    });
    until("all rest", || job.operators().iter().all(|o| o.hold.is_none() && o.lag.is_none()));
    stop(&job);
}

/// A lookup that answers when told to.
#[derive(Default)]
struct Slow(Mutex<Vec<Answer>>);

impl Lookup for Slow {
    fn start(&self, _key: LookupKey, answer: Answer) {
        self.0.lock().push(answer);
    }
}

fn place() -> RecordBatch {
    let schema = Schema::new(vec![Field::new("k", DataType::Utf8, true)]);
    let column: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap()
}

#[test]
fn whoever_waits_for_a_lookup_says_so() {
    let (memory, index, slow) = (Memory::unbounded(1), Index::default(), Arc::new(Slow::default()));
    let hands = Hands::default().source("a", &memory).index("results", &index).lookup("places", slow.clone());
    let script = format!(
        "{}{}{SINK}CREATE TABLE places (k STRING) WITH ('connector'='known');\n\
         INSERT INTO results SELECT a.k, a.v FROM a JOIN places FOR SYSTEM_TIME AS OF a.p AS w ON w.k = a.k;",
        idle_after("10 min"),
        table("a"),
    );
    let job = hands.start(&script, 1);
    memory.push(0, [event(5_000, "a", 1)]);
    until("the row is asked for", || slow.0.lock().len() == 1);
    until("the lookup has the watermark", || of(&job, "lookup places").input == Some(4_000));
    let lookup = of(&job, "lookup places");
    assert_eq!((lookup.watermark, &lookup.lag.as_ref().unwrap().operator), (None, &lookup.operator));
    assert!(lookup.why().unwrap().starts_with("lookup places waits for rows before it; a, split-0: "));
    let sink = of(&job, "sink results");
    assert_eq!((sink.watermark, &sink.lag.unwrap().operator), (None, &lookup.operator), "the sink names the lookup");
    slow.0.lock().drain(..).for_each(|answer| answer(Ok(place())));
    until("the answer lets it go", || held_by(&of(&job, "sink results"), "a", "split-0"));
    memory.push(0, [event(9_000, "b", 1)]);
    until("the next row is asked for", || of(&job, "lookup places").input == Some(8_000));
    until("it is told how far it is behind", || {
        of(&job, "lookup places").why().unwrap().starts_with("lookup places waits for rows before it, 4.0 s behind")
    });
    slow.0.lock().drain(..).for_each(|answer| answer(Ok(place())));
    until("the answer lets it go", || of(&job, "sink results").watermark == Some(8_000));
    stop(&job);
}

#[test]
fn a_slow_sink_is_named_and_twins_have_names_of_their_own() {
    let (memory, index) = (Memory::unbounded(1), Index::default());
    index.slow_ms.store(100, Ordering::SeqCst);
    let hands = Hands::default().source("a", &memory).index("results", &index);
    let insert = "INSERT INTO results SELECT k, v FROM a;\n";
    let script =
        format!("{}{}{SINK}EXECUTE STATEMENT SET BEGIN {insert}{insert} END;", idle_after("10 min"), table("a"));
    let job = hands.start(&script, 2);
    let names: Vec<String> = job.operators().into_iter().map(|o| o.operator).collect();
    assert_eq!(names.len(), names.iter().collect::<std::collections::BTreeSet<_>>().len(), "{names:?}");
    let mut at = 0;
    until("the sink is behind the source", || {
        at += 1_000;
        memory.push(0, [event(at, "a", 1)]);
        of(&job, "sink results").lag.is_some_and(|lag| lag.operator.starts_with("sink results"))
    });
    index.slow_ms.store(0, Ordering::SeqCst);
    until("it is let go", || held_by(&of(&job, "sink results"), "a", "split-0"));
    job.rescale(1).unwrap();
    until("it is told after a rescale", || of(&job, "sink results").watermark == Some(at - 1_000));
    stop(&job);
}

#[test]
fn a_source_without_watermarks_says_so() {
    let (memory, index) = (Memory::unbounded(1), Index::default());
    let hands = Hands::default().source("a", &memory).index("results", &index);
    let script = format!(
        "CREATE TABLE a (k STRING, v BIGINT) WITH ('connector'='memory','format'='json');\n{SINK}\
         INSERT INTO results SELECT k, v FROM a;"
    );
    let job = hands.start(&script, 1);
    let why = of(&job, "sink results").why();
    assert_eq!(why.as_deref(), Some("a, split-0: the table declares no watermark"));
    stop(&job);
}
