//! Durable append against the device's own rate (P5), reads from the log, and puts over HTTP; one line of JSON each.
//!
//! Medians of several runs. `--quick` takes small amounts and one run; so do the tests, which run it too.
//! `--dir PATH` chooses the disk; the default is the folder for temporary files.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails loudly and its output is its purpose")]

use bytes::Bytes;
use model::{Env, Position, PutRecord, SeededRandom};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use store::kinesis::client::KinesisClient;
use store::{CapacityMode, Counts, Limits, PutOutcome, ShardRead, Store, StoreConfig, kinesis};

const SHARDS: u32 = 8;
const WRITERS: usize = 16;
const RECORD_BYTES: usize = 450;
const RECORDS_IN_PUT: usize = 500;
const CONNECTIONS: usize = 4;
const READ_BYTES: usize = 512 * 1024;

struct Sizes {
    /// How long each run of a figure takes, in nanoseconds.
    run_ns: u64,
    runs: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = |wanted: &str| args.iter().any(|arg| arg == wanted);
    // `cargo bench` says `--bench`, `cargo test` does not.
    let quick = given("--quick") || !given("--bench");
    let sizes = if quick { Sizes { run_ns: 100_000_000, runs: 1 } } else { Sizes { run_ns: 1_500_000_000, runs: 5 } };
    let parent = args.iter().position(|arg| arg == "--dir").and_then(|at| args.get(at + 1)).map(PathBuf::from);
    let folder = parent.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(folder.path(), &sizes));
}

async fn run(folder: &Path, sizes: &Sizes) {
    let env = Env::system();
    let config = StoreConfig { limits: Limits::Unlimited, ..StoreConfig::new(folder.join("store"), env.clone()) };
    let config = StoreConfig { status_delay_ms: 0, ..config };
    let store = Store::open(config.clone()).unwrap();
    store.create_stream("bench", SHARDS, CapacityMode::Provisioned).await.unwrap();
    let (mut appended, mut device, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..sizes.runs {
        let before = store.stats("bench").unwrap().total;
        let ours = append(&store, &env, sizes.run_ns).await;
        let after = store.stats("bench").unwrap().total;
        let block =
            ((after.disk_bytes_written - before.disk_bytes_written) / (after.commits - before.commits)) as usize;
        // The device is given what suits it best: one file, or as many as the store has.
        let (folder, env, run_ns) = (folder.to_path_buf(), env.clone(), sizes.run_ns / 2);
        let rates = move || {
            (device_rate(&folder, &env, block, 1, run_ns), device_rate(&folder, &env, block, SHARDS as usize, run_ns))
        };
        let (one, many) = tokio::task::spawn_blocking(rates).await.unwrap();
        appended.push(ours);
        device.push(one.max(many));
        ratios.push(ours / one.max(many) * 100.0);
    }
    figure("store_append_durable", "MB/s", 1e6, &appended);
    figure("store_device_write_fdatasync", "MB/s", 1e6, &device);
    figure("store_append_of_device", "%", 1.0, &ratios);
    commits(&store.stats("bench").unwrap().total);

    let rates: Vec<(f64, f64)> = (0..sizes.runs).map(|_| read_all(&store, &env)).collect();
    figure("store_read_in_process", "MB/s", 1e6, &rates.iter().map(|rate| rate.0).collect::<Vec<_>>());
    figure("store_read_in_process_records", "records/s", 1.0, &rates.iter().map(|rate| rate.1).collect::<Vec<_>>());

    let mut rates = Vec::new();
    for _ in 0..sizes.runs {
        rates.push(put_over_http(&store, &env, sizes.run_ns).await);
    }
    figure("store_put_records_http", "records/s", 1.0, &rates);
    store.shutdown().await;
    reopen(&config).await;
}

/// How long opening takes with all that was written.
async fn reopen(config: &StoreConfig) {
    let store = Store::open(config.clone()).unwrap();
    let found = store.recovery();
    println!(
        r#"{{"figure":"store_open","value":{},"unit":"ms","better":"lower","segments":{},"bytes":{}}}"#,
        found.elapsed_us as f64 / 1e3,
        found.segments,
        found.bytes
    );
    store.shutdown().await;
}

fn figure(name: &str, unit: &str, scale: f64, runs: &[f64]) {
    let rounded: Vec<f64> = runs.iter().map(|run| (run / scale * 10.0).round() / 10.0).collect();
    let mut sorted = rounded.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let value = sorted[sorted.len() / 2];
    println!(r#"{{"figure":"{name}","value":{value},"unit":"{unit}","better":"higher","runs":{rounded:?}}}"#);
}

fn commits(counts: &Counts) {
    let mean_ms = counts.commit_ns_total as f64 / counts.commits as f64 / 1e6;
    let kib = counts.disk_bytes_written / counts.commits / 1024;
    println!(
        r#"{{"figure":"store_commit_mean","value":{mean_ms:.3},"unit":"ms","better":"lower","commits":{},"kib":{kib}}}"#,
        counts.commits
    );
}

/// A full put, with keys of its own.
fn batch(seed: u64) -> Vec<PutRecord> {
    let random = SeededRandom::new(seed);
    let data = Bytes::from(vec![b'x'; RECORD_BYTES * RECORDS_IN_PUT]);
    let record = |i: usize| PutRecord {
        partition_key: format!("{:016x}", model::Random::next_u64(&random)),
        explicit_hash_key: None,
        data: data.slice(i * RECORD_BYTES..(i + 1) * RECORD_BYTES),
    };
    (0..RECORDS_IN_PUT).map(record).collect()
}

/// Bytes a second that the store acknowledges as durable.
async fn append(store: &Store, env: &Env, run_ns: u64) -> f64 {
    let start_ns = env.monotonic_ns();
    let before = store.stats("bench").unwrap().total.disk_bytes_written;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, env, records) = (store.clone(), env.clone(), batch(writer as u64));
            tokio::spawn(async move {
                while env.monotonic_ns() - start_ns < run_ns {
                    let outcomes = store.put_records("bench", records.clone()).await.unwrap();
                    assert!(outcomes.iter().all(|outcome| matches!(outcome, PutOutcome::Accepted { .. })));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let written = store.stats("bench").unwrap().total.disk_bytes_written - before;
    written as f64 * 1e9 / (env.monotonic_ns() - start_ns) as f64
}

/// Bytes a second that the device takes from `files` threads, each of which writes blocks and syncs after each.
fn device_rate(folder: &Path, env: &Env, block: usize, files: usize, run_ns: u64) -> f64 {
    let start_ns = env.monotonic_ns();
    let bytes: u64 = std::thread::scope(|scope| {
        let write = |i: usize| {
            let path = folder.join(format!("device-{i}"));
            let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path).unwrap();
            let data = vec![b'x'; block];
            let mut at = 0;
            while env.monotonic_ns() - start_ns < run_ns {
                file.write_all_at(&data, at).unwrap();
                file.sync_data().unwrap();
                at += block as u64;
            }
            std::fs::remove_file(&path).unwrap();
            at
        };
        let threads: Vec<_> = (0..files).map(|i| scope.spawn(move || write(i))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    bytes as f64 * 1e9 / (env.monotonic_ns() - start_ns) as f64
}

/// Bytes and records a second that one thread reads from the log, which lies in the page cache.
fn read_all(store: &Store, env: &Env) -> (f64, f64) {
    let start_ns = env.monotonic_ns();
    let (mut bytes, mut records, mut check) = (0, 0, 0_u64);
    for shard in store.shards("bench").unwrap() {
        let mut reader = store.shard_reader("bench", shard.index, Position::ZERO).unwrap();
        while let ShardRead::Block(block) = reader.read(READ_BYTES).unwrap() {
            bytes += block.data.len();
            records += block.rows.len();
            check += block.rows.iter().map(|row| u64::from(block.payload(row)[0])).sum::<u64>();
        }
    }
    assert_eq!(check, records as u64 * u64::from(b'x'));
    let seconds = (env.monotonic_ns() - start_ns) as f64 / 1e9;
    (bytes as f64 / seconds, records as f64 / seconds)
}

/// Records a second that clients in the same process put through the door.
async fn put_over_http(store: &Store, env: &Env, run_ns: u64) -> f64 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, kinesis::router(store.clone())).into_future());
    let client = KinesisClient::new(&endpoint).unwrap();
    let start_ns = env.monotonic_ns();
    let writers: Vec<_> = (0..CONNECTIONS)
        .map(|writer| {
            let (client, env, records) = (client.clone(), env.clone(), batch(writer as u64));
            tokio::spawn(async move {
                let mut sent = 0;
                while env.monotonic_ns() - start_ns < run_ns {
                    let result = client.put_records("bench", &records).await.unwrap();
                    assert_eq!(result.refused(), 0);
                    sent += records.len();
                }
                sent
            })
        })
        .collect();
    let mut sent = 0;
    for writer in writers {
        sent += writer.await.unwrap();
    }
    let rate = sent as f64 * 1e9 / (env.monotonic_ns() - start_ns) as f64;
    server.abort();
    rate
}
