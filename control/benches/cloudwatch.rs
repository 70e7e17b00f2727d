//! What a question about many metrics costs: a day of points of one minute of 100 metrics through `GetMetricData`, whose
//! answer takes two pages, on a store whose chunks are files. One line of JSON for each figure; medians of several runs.
//! `--quick`, and `cargo test`, take few.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails loudly and its output is its purpose")]

use control::Database;
use control::alarms::{Actions, Alarms, NotPerformed, Occurrence};
use control::aws::{CloudWatch, Service};
use control::metrics::{Entry, MetricStore, SeriesKey, StatisticSet, Unit};
use model::Env;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const METRICS: usize = 100;
const DAY_MIN: u64 = 1_440;
const START_MS: u64 = 1_700_006_400_000;

struct Nobody;

impl Actions for Nobody {
    fn check(&self, _action: &str) -> Result<(), String> {
        Ok(())
    }

    fn repeats(&self, _action: &str) -> bool {
        false
    }

    fn perform(&self, _action: &str, _occurrence: &Occurrence) -> Result<String, NotPerformed> {
        Ok(String::new())
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = |wanted: &str| args.iter().any(|arg| arg == wanted);
    let quick = given("--quick") || !given("--bench");
    let (minutes, runs) = if quick { (120, 1) } else { (DAY_MIN, 9) };
    let dir = tempfile::tempdir().unwrap();
    let service = filled(dir.path(), minutes);
    let clock = Env::system();
    let (mut asked, mut points) = (Vec::new(), 0);
    for _ in 0..runs {
        let started_ns = clock.monotonic_ns();
        points = ask(&service, minutes);
        asked.push((clock.monotonic_ns() - started_ns) as f64 / 1e6);
    }
    assert_eq!(points as u64, METRICS as u64 * minutes);
    asked.sort_by(f64::total_cmp);
    let ms = asked[asked.len() / 2];
    println!("{}", json!({ "name": "cloudwatch_get_metric_data_day", "value": ms, "unit": "ms", "points": points }));
}

/// A service over metrics that had a value every ten seconds.
fn filled(dir: &Path, minutes: u64) -> CloudWatch {
    let (env, clock) = Env::manual(START_MS, 1);
    let metrics = Arc::new(MetricStore::open(&dir.join("metrics"), env.clone()).unwrap());
    let keys: Vec<Arc<SeriesKey>> = (0..METRICS).map(|n| Arc::new(key(n))).collect();
    for step in 0..minutes * 6 {
        let entry = |(n, key): (usize, &Arc<SeriesKey>)| Entry {
            key: Arc::clone(key),
            at_ms: None,
            summary: StatisticSet::of((n as u64 * 7 + step) as f64).into(),
            unit: Unit::Count,
        };
        metrics.record_entries(&keys.iter().enumerate().map(entry).collect::<Vec<_>>()).unwrap();
        clock.advance_ms(10_000);
    }
    let database = Arc::new(Database::open(&dir.join("control.db")).unwrap());
    let alarms = Alarms::open(env.clone(), database.clone(), metrics.clone(), Arc::new(Nobody)).unwrap();
    CloudWatch::open(env, metrics, Arc::new(alarms), database).unwrap()
}

fn key(n: usize) -> SeriesKey {
    SeriesKey::new("Bench", "Value", [("Of", n.to_string().as_str())]).unwrap()
}

/// Asks for all pages; returns how many points there were.
fn ask(service: &CloudWatch, minutes: u64) -> usize {
    let query = |n: usize| {
        let dimensions = json!([{ "Name": "Of", "Value": n.to_string() }]);
        let metric = json!({ "Namespace": "Bench", "MetricName": "Value", "Dimensions": dimensions });
        json!({ "Id": format!("m{n}"), "MetricStat": { "Metric": metric, "Period": 60, "Stat": "Average" } })
    };
    let queries: Vec<Value> = (0..METRICS).map(query).collect();
    let (start, end) = (START_MS / 1_000, START_MS / 1_000 + minutes * 60);
    let mut input = json!({ "MetricDataQueries": queries, "StartTime": start, "EndTime": end });
    let mut points = 0;
    loop {
        let output = service.call("GetMetricData", &input).unwrap();
        let results = output["MetricDataResults"].as_array().unwrap();
        points += results.iter().map(|result| result["Values"].as_array().unwrap().len()).sum::<usize>();
        match output.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => return points,
        }
    }
}
