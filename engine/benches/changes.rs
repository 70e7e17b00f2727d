//! Operators that keep rows by key: rows a second through each, at parallelism 1, from batches in memory into a sink that takes
//! every change and forgets it.
//!
//! Prints one JSON line for each figure, the median of five runs. `--quick` runs small.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program that prints its figures")]

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use engine::plan::TableDef;
use engine::port::{
    Changelog, Connectors, Cursor, PortError, Role, Sink, SinkBatch, SinkSpec, Source, SplitId, SplitInfo, SplitRead,
    SplitReader, Waker,
};
use engine::run::{Job, JobOptions};
use engine::sql::{Planned, Script, Session};
use model::{Env, Position};
use std::sync::Arc;

const BATCH_ROWS: usize = 4_096;

const TABLES: &str = "
CREATE TABLE events (ts TIMESTAMP_LTZ(3), k BIGINT, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector'='made');
CREATE TABLE out_ (a BIGINT, b BIGINT, c BIGINT) WITH ('connector'='none');
INSERT INTO out_ ";

/// What is measured, and its query. There are 100,000 keys; a row comes each millisecond.
const QUERIES: [(&str, &str); 9] = [
    ("group", "SELECT k, COUNT(*), SUM(v) FROM events GROUP BY k"),
    ("group_distinct", "SELECT MOD(k, 1000), COUNT(DISTINCT v), MAX(v) FROM events GROUP BY MOD(k, 1000)"),
    (
        "newest",
        "SELECT k, v, 0 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM events) WHERE rn = 1",
    ),
    (
        "top_ten",
        "SELECT g, v, rn FROM (SELECT g, v, ROW_NUMBER() OVER (PARTITION BY g ORDER BY v DESC) AS rn FROM \
         (SELECT MOD(k, 1000) AS g, v FROM events)) WHERE rn <= 10",
    ),
    (
        "window_top_ten",
        "SELECT k, v, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v DESC) AS rn \
         FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE rn <= 10",
    ),
    (
        "session",
        "SELECT k, COUNT(*), SUM(v) FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '20' SECOND)) \
         GROUP BY window_start, window_end, k",
    ),
    (
        "over",
        "SELECT k, COUNT(*) OVER w, SUM(v) OVER w FROM events \
         WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW)",
    ),
    (
        "interval_join",
        "SELECT a.k, a.v, b.v FROM events AS a JOIN events AS b ON a.k = b.k AND a.ts BETWEEN b.ts AND b.ts + INTERVAL '1' SECOND",
    ),
    (
        "regular_join",
        "SELECT a.k, a.n, b.v FROM (SELECT k, COUNT(*) AS n FROM events WHERE MOD(v, 10) = 0 GROUP BY k) AS a \
         JOIN (SELECT k, v FROM events WHERE MOD(v, 10) = 1) AS b ON a.k = b.k",
    ),
];

/// Rows that are made before anything is measured.
#[derive(Clone)]
struct Made(Arc<Vec<RecordBatch>>);

fn made(rows: usize) -> Made {
    let batch = |from: usize| {
        let range = from..rows.min(from + BATCH_ROWS);
        let number = |i: usize| (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let times = range.clone().map(|i| 1_452_038_400_000 + i as i64);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("ts", Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))),
            ("k", Arc::new(Int64Array::from_iter_values(range.clone().map(|i| (number(i) % 100_000) as i64)))),
            ("v", Arc::new(Int64Array::from_iter_values(range.map(|i| (number(i * 7 + 1) % 10_000) as i64)))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    Made(Arc::new((0..rows).step_by(BATCH_ROWS).map(batch).collect()))
}

impl Source for Made {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        Ok(vec![SplitInfo { id: SplitId(0), name: "one".into(), parents: vec![], start: Position::ZERO.into() }])
    }

    fn open(&self, _split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        Ok(Box::new(Reader { made: self.clone(), next: from.position.0 as usize }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn subscribe(&self, _waker: Waker) -> Box<dyn Send> {
        Box::new(())
    }
}

struct Reader {
    made: Made,
    next: usize,
}

impl SplitReader for Reader {
    fn read(&mut self, _bytes_max: usize) -> Result<SplitRead, PortError> {
        let Some(batch) = self.made.0.get(self.next) else { return Ok(SplitRead::End) };
        self.next += 1;
        Ok(SplitRead::Rows { batch: batch.clone(), next: Position(self.next as u64).into() })
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        None
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _batch: &SinkBatch) -> Result<(), PortError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

impl Connectors for Made {
    fn check(&self, _table: &TableDef, _role: Role) -> Result<(), PortError> {
        Ok(())
    }

    fn changelog(&self, _table: &TableDef) -> Changelog {
        Changelog::All
    }

    fn source(&self, _table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Ok(Arc::new(self.clone()))
    }

    fn sink(&self, _spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        Ok(Box::new(Nowhere))
    }
}

/// Rows a second of one run.
fn run(made: &Made, rows: usize, query: &str, env: &Env) -> f64 {
    let script = Script::parse(&format!("{TABLES}{query};")).unwrap_or_else(|e| panic!("{e}"));
    let planned = Session::new().plan(&script, made).unwrap_or_else(|e| panic!("{e}"));
    let plan = planned.into_iter().find_map(|p| if let Planned::Job { plan, .. } = p { Some(plan) } else { None });
    let options = JobOptions::new("bench", env.clone(), Arc::new(made.clone()));
    let started_ns = env.monotonic_ns();
    let job = Job::start(plan.unwrap(), options).unwrap();
    job.wait().unwrap();
    rows as f64 * 1e9 / (env.monotonic_ns() - started_ns) as f64
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = args.iter().any(|a| a == "--quick") || !args.iter().any(|a| a == "--bench");
    let (rows, runs) = if quick { (20_000, 1) } else { (1_000_000, 5) };
    let only: Vec<&String> = args.iter().filter(|a| !a.starts_with("--")).collect();
    let (made, env) = (made(rows), Env::system());
    for (name, query) in QUERIES.iter().filter(|(name, _)| only.is_empty() || only.iter().any(|o| o == name)) {
        let mut all: Vec<f64> = (0..runs).map(|_| run(&made, rows, query, &env)).collect();
        all.sort_by(f64::total_cmp);
        let shown: Vec<String> = all.iter().map(|r| format!("{r:.0}")).collect();
        println!(
            "{{\"figure\":\"keyed_{name}\",\"value\":{:.0},\"unit\":\"rows/s\",\"better\":\"higher\",\"runs\":[{}]}}",
            all[all.len() / 2],
            shown.join(",")
        );
    }
}
