//! Figures of the index, one JSON line each: durable writes per second, and the latency of the aggregations of the map.
//!
//! `cargo bench -p index --bench index -- --quick` runs the same on a hundredth of the documents, `--large` on ten times as
//! many.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use index::time::{Interval, Zone};
use index::{
    Action, Aggregation, AggregationKind, DateHistogram, Field, FieldKind, Grid, Index, IndexConfig, IndexSettings,
    Mapping, Operation, Query, Refresh, SearchRequest, ValueSource,
};
use model::Env;
use std::io::{Read, Write};
use std::net::TcpStream;

const HOUR_MS: i64 = 3_600_000;
/// The hour of the first document: 1 January 2016.
const START_MS: i64 = 1_451_606_400_000;
const BATCH: usize = 5_000;
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

fn mapping() -> Mapping {
    let mut mapping = Mapping::default();
    mapping.add(Field::new("location", FieldKind::GeoPoint)).unwrap();
    mapping.add(Field::new("pickup_count", FieldKind::Long)).unwrap();
    mapping.add(Field::new("timestamp", FieldKind::Date)).unwrap();
    mapping
}

/// The documents of a batch: counts of pickups for some 20,000 cells around New York, hour after hour.
fn operations(env: &Env, first: usize, count: usize) -> Vec<Operation> {
    (first..first + count)
        .map(|n| {
            let random = env.random_u64();
            let digit = |at: u32| char::from(DIGITS[(random >> (5 * at) & 31) as usize]);
            let cell = format!("dr5r{}{}{}", ['u', 's', 'x', 'v'][(random >> 40 & 3) as usize], digit(0), digit(1));
            let hour = START_MS + (n / 2_000) as i64 * HOUR_MS;
            let source = format!(r#"{{"location":"{cell}","pickup_count":{},"timestamp":{hour}}}"#, random >> 32 & 63);
            let action = Action::Index { source: source.into_bytes().into() };
            Operation { index: "pickups".into(), id: Some(format!("{cell}_{hour}_{n}")), action }
        })
        .collect()
}

fn report(name: &str, unit: &str, value: f64, documents: usize) {
    println!(r#"{{"bench":"index","name":"{name}","value":{value:.3},"unit":"{unit}","documents":{documents}}}"#);
}

fn seconds(env: &Env, work: impl FnOnce()) -> f64 {
    let started = env.monotonic_ns();
    work();
    (env.monotonic_ns() - started) as f64 / 1e9
}

fn bulk(index: &Index, env: &Env, documents: usize, threads: usize) -> f64 {
    let batches: Vec<usize> = (0..documents / BATCH).collect();
    let prepared: Vec<Vec<Operation>> = batches.iter().map(|b| operations(env, b * BATCH, BATCH)).collect();
    seconds(env, || {
        std::thread::scope(|scope| {
            for part in prepared.chunks(prepared.len().div_ceil(threads)) {
                scope.spawn(move || {
                    for batch in part {
                        assert!(index.bulk(batch, Refresh::Later).iter().all(Result::is_ok));
                    }
                });
            }
        });
    })
}

/// Sends batches through the search door on `connections` connections; returns the seconds it took.
fn bulk_http(index: &Index, env: &Env, documents: usize, connections: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let router = index::elastic::router(index.clone());
    runtime.spawn(async move { axum::serve(listener, router).await });
    let bodies: Vec<Vec<u8>> = (0..documents / BATCH).map(|b| body(&operations(env, b * BATCH, BATCH))).collect();
    seconds(env, || {
        std::thread::scope(|scope| {
            for part in bodies.chunks(bodies.len().div_ceil(connections)) {
                scope.spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    part.iter().for_each(|body| post(&mut stream, body));
                });
            }
        });
    })
}

fn body(operations: &[Operation]) -> Vec<u8> {
    let mut body = Vec::new();
    for operation in operations {
        let Action::Index { source } = &operation.action else { continue };
        let id = operation.id.as_deref().unwrap();
        body.extend_from_slice(format!("{{\"index\":{{\"_index\":\"pickups\",\"_id\":\"{id}\"}}}}\n").as_bytes());
        body.extend_from_slice(source);
        body.push(b'\n');
    }
    body
}

/// Posts a bulk and reads its answer to the end.
fn post(stream: &mut TcpStream, body: &[u8]) {
    let head = format!(
        "POST /_bulk HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the door has closed the connection");
        answer.extend_from_slice(&buffer[..read]);
        let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse::<usize>().unwrap();
        if answer.len() >= end + 4 + length {
            let shown = String::from_utf8_lossy(&answer[end + 4..end + 60]);
            assert!(shown.contains("\"errors\":false"), "{shown}");
            return;
        }
    }
}

fn map_request() -> SearchRequest {
    let sum = || {
        let kind = AggregationKind::Sum(ValueSource::field("pickup_count"));
        vec![("pickups".to_owned(), Aggregation { kind, inner: Vec::new() })]
    };
    let hours = DateHistogram {
        source: ValueSource::field("timestamp"),
        interval: Interval::Fixed(HOUR_MS),
        zone: Zone::UTC,
        offset_ms: 0,
        min_doc_count: 0,
        extended_bounds: None,
        order: Vec::new(),
        keyed: false,
    };
    let cells = Grid { field: "location".into(), precision: 6, size: 10_000, bounds: None };
    SearchRequest {
        query: Query::ALL,
        size: 0,
        aggregations: vec![
            ("hours".to_owned(), Aggregation { kind: AggregationKind::DateHistogram(hours), inner: sum() }),
            ("cells".to_owned(), Aggregation { kind: AggregationKind::GeohashGrid(cells), inner: sum() }),
        ],
        ..SearchRequest::default()
    }
}

fn latencies(index: &Index, env: &Env, runs: usize) -> Vec<f64> {
    let request = map_request();
    let mut all: Vec<f64> =
        (0..runs).map(|_| seconds(env, || drop(index.search(&["pickups"], &request).unwrap())) * 1e3).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let large = std::env::args().any(|a| a == "--large");
    let documents = if quick {
        10_000
    } else if large {
        10_000_000
    } else {
        1_000_000
    };
    let env = Env::new(std::sync::Arc::new(Clock(Env::system())), std::sync::Arc::new(model::SeededRandom::new(7)));
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(IndexConfig::new(dir.path(), env.clone())).unwrap();
    index.create_index("pickups", IndexSettings::default(), mapping()).unwrap();
    let fresh = |index: &Index| {
        index.delete_index("pickups").unwrap();
        index.create_index("pickups", IndexSettings::default(), mapping()).unwrap();
    };
    for threads in [1, 2] {
        if threads == 2 {
            fresh(&index);
        }
        let spent = bulk(&index, &env, documents, threads);
        report(&format!("bulk_durable_{threads}_threads"), "documents/s", documents as f64 / spent, documents);
    }
    if !large {
        fresh(&index);
        let spent = bulk_http(&index, &env, documents, 2);
        report("bulk_durable_http_2_connections", "documents/s", documents as f64 / spent, documents);
    }
    index.refresh("pickups").unwrap();
    let all = latencies(&index, &env, if quick { 5 } else { 40 });
    report("map_aggregations_best", "ms", all[0], documents);
    report("map_aggregations_p50", "ms", all[all.len() / 2], documents);
    report("map_aggregations_p99", "ms", all[all.len() * 99 / 100], documents);
    let memory = index.info("pickups").unwrap().memory_bytes as f64 / documents as f64;
    report("memory_per_document", "bytes", memory, documents);
    index.shutdown().unwrap();
    drop(index);
    let spent = seconds(&env, || drop(Index::open(IndexConfig::new(dir.path(), env.clone())).unwrap()));
    report("open_after_shutdown", "ms", spent * 1e3, documents);
}

/// The machine's time beside seeded randomness.
struct Clock(Env);

impl model::Clock for Clock {
    fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    fn monotonic_ns(&self) -> u64 {
        self.0.monotonic_ns()
    }
}
