//! The whole platform: the taxi SQL from the durable log into the index (P1), and how long a start takes (P13). One line
//! of JSON for each figure; medians of several runs. `--quick`, and `cargo test`, take few trips and one run.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails loudly and its output is its purpose")]

use control::{ApplicationSpec, Beginning, Runner};
use hailstream::wiring::{EmbeddedRunner, PlatformConnectors, StoreTarget};
use index::{Index, IndexConfig, Query};
use model::{Env, PutRecord};
use replay::{Generator, PutTarget, PutVerdict, Source};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use store::{CapacityMode, Limits, Store, StoreConfig};
use tokio::runtime::Handle;

const SHARDS: u32 = 8;
const SCRIPT: &str = include_str!("../../examples/taxi/taxi.sql");
/// Wednesday 6 January 2016, in milliseconds since the Unix epoch.
const DAY_MS: i64 = 1_452_038_400_000;
/// Length of a tick of the kernel's account of CPU time: 100 a second on every Linux of today.
const TICKS_PER_S: f64 = 100.0;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = |wanted: &str| args.iter().any(|arg| arg == wanted);
    let quick = given("--quick") || !given("--bench");
    let (trips, runs) = if quick { (20_000, 1) } else { (1_000_000, 5) };
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(taxi(folder.path(), trips, runs));
    runtime.block_on(visible(&folder.path().join("visible"), if quick { 5 } else { 300 }));
    recovers(folder.path(), if quick { 1 } else { 5 }, if quick { 200 } else { 3_000 });
    starts(folder.path(), runs);
}

/// P1: events per second and core, from the log's first record to the last durable document.
async fn taxi(folder: &Path, trips: u64, runs: usize) {
    let env = Env::system();
    let config = StoreConfig { limits: Limits::Unlimited, ..StoreConfig::new(folder.join("stream"), env.clone()) };
    let store = Store::open(StoreConfig { status_delay_ms: 0, ..config }).unwrap();
    store.create_stream("trips", SHARDS, CapacityMode::Provisioned).await.unwrap();
    store.settled("trips").await.unwrap();
    let (filling, handle) = (store.clone(), Handle::current());
    tokio::task::spawn_blocking(move || fill(StoreTarget::new(filling, "trips", handle), trips)).await.unwrap();
    for parallelism in [1, 2] {
        let (mut per_core, mut per_second) = (Vec::new(), Vec::new());
        for run in 0..runs {
            let index = folder.join(format!("index-{parallelism}-{run}"));
            let (store, env, handle) = (store.clone(), env.clone(), Handle::current());
            let ran = move || run_taxi(store, &index, &env, handle, parallelism, trips);
            let (cpu_s, wall_s) = tokio::task::spawn_blocking(ran).await.unwrap();
            per_core.push(trips as f64 / cpu_s);
            per_second.push(trips as f64 / wall_s);
        }
        figure(&format!("p1_taxi_events_per_core_parallelism_{parallelism}"), "events/s", "higher", &per_core);
        figure(&format!("p1_taxi_events_parallelism_{parallelism}"), "events/s", "higher", &per_second);
    }
    store.shutdown().await;
}

fn fill(mut target: StoreTarget, trips: u64) {
    let mut source = Generator::new(1, trips, DAY_MS);
    let mut batch = Vec::new();
    loop {
        let row = source.next_row().unwrap();
        let ended = row.is_none();
        batch.extend(row.map(|r| PutRecord { partition_key: r.key, explicit_hash_key: None, data: r.data }));
        if batch.len() == 500 || (ended && !batch.is_empty()) {
            assert!(target.put(&batch).unwrap().iter().all(|verdict| *verdict == PutVerdict::Accepted));
            batch.clear();
        }
        if ended {
            return;
        }
    }
}

fn run_taxi(store: Store, dir: &Path, env: &Env, handle: Handle, parallelism: u32, trips: u64) -> (f64, f64) {
    let index = Index::open(IndexConfig::new(dir, env.clone())).unwrap();
    let connectors = PlatformConnectors::new(store.clone(), index.clone(), handle.clone(), Path::new("."), env.clone());
    let runner = EmbeddedRunner::new(Arc::new(connectors), store, handle, env.clone(), dir.join("state"));
    let name = "taxi".to_owned();
    let spec = ApplicationSpec {
        name,
        runner: control::EMBEDDED.into(),
        script: SCRIPT.to_owned(),
        program: None,
        parallelism,
        parallelism_per_kpu: 1,
        checkpoints: None,
        handover: None,
    };
    let (cpu_s, started_ns) = (cpu_seconds(), env.monotonic_ns());
    let running = runner.start(&spec, &Beginning::default()).unwrap();
    let (_keep, pause) = std::sync::mpsc::channel::<()>();
    while running.metrics().totals.records_in < trips {
        let _elapsed = pause.recv_timeout(Duration::from_millis(1));
    }
    running.stop().unwrap();
    let spent = (cpu_seconds() - cpu_s, (env.monotonic_ns() - started_ns) as f64 / 1e9);
    index.refresh("pickup_count").unwrap();
    assert!(index.info("pickup_count").unwrap().documents > 0, "results must be in the index");
    index.shutdown().unwrap();
    spent
}

const WINDOWS: &str = "
CREATE TABLE events (ts TIMESTAMP_LTZ(3), k STRING, WATERMARK FOR ts AS ts) WITH ('connector' = 'kinesis',
  'stream' = 'events', 'aws.region' = 'us-east-1', 'scan.stream.initpos' = 'TRIM_HORIZON', 'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601');
CREATE TABLE seen (k STRING, n BIGINT, we TIMESTAMP_LTZ(3)) WITH ('connector' = 'elasticsearch-7',
  'hosts' = 'http://127.0.0.1:9200', 'index' = 'seen', 'format' = 'json');
INSERT INTO seen SELECT k, COUNT(*), window_end FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND))
  GROUP BY window_start, window_end, k;";

/// P8: from the put of the event that closes a window until the window's result is found by a search, with checkpoints
/// each second.
async fn visible(dir: &Path, windows: i64) {
    let env = Env::system();
    let config = StoreConfig { limits: Limits::Unlimited, ..StoreConfig::new(dir.join("stream"), env.clone()) };
    let store = Store::open(StoreConfig { status_delay_ms: 0, ..config }).unwrap();
    store.create_stream("events", 1, CapacityMode::Provisioned).await.unwrap();
    store.settled("events").await.unwrap();
    let (dir, handle) = (dir.to_path_buf(), Handle::current());
    let watched = move || {
        let index = Index::open(IndexConfig::new(dir.join("index"), env.clone())).unwrap();
        let connectors =
            PlatformConnectors::new(store.clone(), index.clone(), handle.clone(), Path::new("."), env.clone());
        let runner =
            EmbeddedRunner::new(Arc::new(connectors), store.clone(), handle.clone(), env.clone(), dir.join("state"));
        let (name, script) = ("windows".to_owned(), WINDOWS.to_owned());
        let running = runner
            .start(
                &ApplicationSpec {
                    name,
                    runner: control::EMBEDDED.into(),
                    script,
                    program: None,
                    parallelism: 1,
                    parallelism_per_kpu: 1,
                    checkpoints: None,
                    handover: None,
                },
                &Beginning::default(),
            )
            .unwrap();
        let mut target = StoreTarget::new(store.clone(), "events", handle);
        let (_keep, pause) = std::sync::mpsc::channel::<()>();
        let mut took_ms = Vec::new();
        for window in 0..=windows {
            // Results come at any phase of the clocks of flushes and refreshes.
            let _elapsed = pause.recv_timeout(Duration::from_millis(env.random_u64() % 40));
            let ts = chrono::DateTime::from_timestamp_millis(DAY_MS + window * 1_000).unwrap();
            let data = format!(r#"{{"ts":"{}","k":"a"}}"#, ts.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
            let record = PutRecord { partition_key: "a".into(), explicit_hash_key: None, data: data.into() };
            let started_ns = env.monotonic_ns();
            assert_eq!(target.put(&[record]).unwrap(), [PutVerdict::Accepted]);
            while index.count(&["seen"], &Query::All { boost: 1.0 }).unwrap_or(0) < window as u64 {
                let _elapsed = pause.recv_timeout(Duration::from_micros(100));
            }
            if window > 0 {
                took_ms.push((env.monotonic_ns() - started_ns) as f64 / 1e6);
            }
        }
        running.stop().unwrap();
        took_ms.sort_unstable_by(f64::total_cmp);
        figure("p8_closing_event_to_searchable_p50", "ms", "lower", &[took_ms[took_ms.len() / 2]]);
        figure("p8_closing_event_to_searchable_p99", "ms", "lower", &[took_ms[took_ms.len() * 99 / 100]]);
    };
    tokio::task::spawn_blocking(watched).await.unwrap();
}

/// P10: from a kill at full load until the started platform shows its first new result.
fn recovers(folder: &Path, runs: usize, load_ms: u64) {
    let env = Env::system();
    let (_keep, pause) = std::sync::mpsc::channel::<()>();
    let dir = folder.join("recovers");
    let mut took = Vec::new();
    let mut running = demo(&dir);
    for _ in 0..runs {
        let _elapsed = pause.recv_timeout(Duration::from_millis(load_ms));
        while documents(&dir) == 0 {
            let _elapsed = pause.recv_timeout(Duration::from_millis(5));
        }
        let before = documents(&dir);
        let killed_ns = env.monotonic_ns();
        drop(running);
        running = demo(&dir);
        while documents(&dir) <= before {
            let _elapsed = pause.recv_timeout(Duration::from_millis(1));
        }
        took.push((env.monotonic_ns() - killed_ns) as f64 / 1e6);
    }
    figure("p10_kill_to_first_new_result", "ms", "lower", &took);
}

/// The demo at full speed on a directory that it may have been killed on.
fn demo(dir: &Path) -> Killed {
    fs::create_dir_all(dir).unwrap();
    let addresses = dir.join("addresses.json");
    let _none_yet = fs::remove_file(&addresses);
    let mut command = Command::new(env!("CARGO_BIN_EXE_hailstream"));
    command.args(["demo", "--headless", "--unlimited", "--speedup", "max", "--count", "200000000"]);
    command.arg("--data-dir").arg(dir.join("data")).arg("--addresses-file").arg(&addresses);
    command.args(["--aws-port", "0", "--search-port", "0", "--console-port", "0"]);
    let child = Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    while !addresses.exists() {
        std::hint::spin_loop();
    }
    child
}

/// How many documents a search finds.
fn documents(dir: &Path) -> u64 {
    let text = fs::read_to_string(dir.join("addresses.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let address = found["search"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /pickup_count/_count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.rsplit("\r\n\r\n").next().unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    value["count"].as_u64().unwrap_or(0)
}

/// CPU time of this process, all threads, user and system.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The second field is the program's name in parentheses, which may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS_PER_S
}

/// P13: from the start of the binary until all three doors take connections, and from a statement to its row.
fn starts(folder: &Path, runs: usize) {
    let env = Env::system();
    let (mut doors, mut rows) = (Vec::new(), Vec::new());
    for run in 0..runs.max(3) {
        let started_ns = env.monotonic_ns();
        let child = serve(&folder.join(format!("start-{run}")));
        doors.push((env.monotonic_ns() - started_ns) as f64 / 1e6);
        drop(child);
        let started_ns = env.monotonic_ns();
        let binary = env!("CARGO_BIN_EXE_hailstream");
        let output = Command::new(binary).args(["sql", "-e", "SELECT 1 AS first_row"]).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("{\"first_row\":1}"), "{output:?}");
        rows.push((env.monotonic_ns() - started_ns) as f64 / 1e6);
    }
    figure("p13_start_to_doors", "ms", "lower", &doors);
    figure("p13_sql_text_to_first_row", "ms", "lower", &rows);
}

/// A platform that is killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn serve(dir: &Path) -> Killed {
    fs::create_dir_all(dir).unwrap();
    let addresses = dir.join("addresses.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hailstream"));
    command.arg("serve").arg("--data-dir").arg(dir.join("data")).arg("--addresses-file").arg(&addresses);
    command.args(["--aws-port", "0", "--search-port", "0", "--console-port", "0"]);
    let child = Killed(command.stdout(Stdio::null()).spawn().unwrap());
    while !addresses.exists() {
        std::hint::spin_loop();
    }
    let text = fs::read_to_string(&addresses).unwrap();
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    for door in ["aws", "search", "console"] {
        let address = found[door].as_str().unwrap().trim_start_matches("http://");
        drop(TcpStream::connect(address).unwrap());
    }
    child
}

fn figure(name: &str, unit: &str, better: &str, runs: &[f64]) {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let value = sorted[sorted.len() / 2];
    let runs: Vec<f64> = runs.iter().map(|run| (run * 10.0).round() / 10.0).collect();
    println!(r#"{{"figure":"{name}","value":{value:.1},"unit":"{unit}","better":"{better}","runs":{runs:?}}}"#);
}
