//! The reference script over real trips: every row of the expected files, no more, no fewer, at several parallelisms.
//!
//! The trips are not part of the repository: where `../shared` is absent the tests say plainly that they were left out.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "for tests alone")]

use engine::run::connectors::BuiltinConnectors;
use engine::run::{JobOptions, run_script};
use model::Env;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The shared folder beside the repository, if there is one.
fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    path.join("reference/taxi.sql").exists().then_some(path)
}

fn lines_of(folder: &Path) -> Vec<serde_json::Value> {
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        rows.extend(text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()));
    }
    rows
}

fn text(row: &serde_json::Value, key: &str) -> String {
    match &row[key] {
        serde_json::Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

fn millis(row: &serde_json::Value) -> String {
    let ts = text(row, "ts");
    chrono::NaiveDateTime::parse_from_str(&ts, "%Y-%m-%dT%H:%M:%SZ").unwrap().and_utc().timestamp_millis().to_string()
}

/// The first columns of an expected file, joined.
fn expected(path: &Path, columns: usize) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|l| l.split(',').take(columns).collect::<Vec<_>>().join(",")).collect()
}

fn check(set: &str, parallelism: u32) {
    let Some(shared) = shared() else {
        eprintln!("LEFT OUT: the real trips of ../shared are absent");
        return;
    };
    let data = shared.join("data").join(set);
    let out = tempfile::tempdir().unwrap();
    let trips = data.join("trips.ndjson.zst").canonicalize().unwrap();
    let script = std::fs::read_to_string(shared.join("reference/taxi.sql")).unwrap();
    let script = script.replace("'trips.ndjson'", &format!("'{}'", trips.display()));
    let env = Env::system();
    let connectors = Arc::new(BuiltinConnectors::new(out.path(), env.clone()));
    let options = JobOptions { parallelism: Some(parallelism), ..JobOptions::new("taxi", env, connectors) };
    let report = run_script(&script, &options, &mut |_| ControlFlow::Continue(())).unwrap();
    let metrics = &report.jobs[0].metrics;
    assert_eq!((metrics.late, metrics.bad), (0, 0), "{:?} {:?}", report.jobs[0].late, report.jobs[0].bad);

    let counts = lines_of(&out.path().join("out/pickup_count"));
    let of = |r: &serde_json::Value| [millis(r), text(r, "location"), text(r, "pickup_count")].join(",");
    let found: BTreeSet<String> = counts.iter().map(of).collect();
    assert_eq!(counts.len(), found.len(), "a row came twice");
    assert_same(&found, &expected(&data.join("expected_pickup_count.csv"), 3));

    let durations = lines_of(&out.path().join("out/trip_duration"));
    let of = |r: &serde_json::Value| {
        [millis(r), text(r, "location"), text(r, "airport_code"), text(r, "trip_count"), text(r, "sum_trip_duration")]
            .join(",")
    };
    let found: BTreeSet<String> = durations.iter().map(of).collect();
    assert_eq!(durations.len(), found.len(), "a row came twice");
    assert_same(&found, &expected(&data.join("expected_trip_duration.csv"), 5));
}

fn assert_same(found: &BTreeSet<String>, expected: &BTreeSet<String>) {
    let missing: Vec<_> = expected.difference(found).take(5).collect();
    let extra: Vec<_> = found.difference(expected).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}, too many {extra:?}");
}

#[test]
fn a_month_of_thin_trips() {
    for parallelism in [1, 2, 4] {
        check("taxi", parallelism);
    }
}

#[test]
fn a_day_of_dense_trips() {
    for parallelism in [1, 2, 4] {
        check("taxi-day", parallelism);
    }
}
