//! Many shards and many records: opening a store of 10,000 shards, the memory that it takes, and one shard's million records
//! read back in the process. One line of JSON for each figure. `--quick`, and `cargo test`, take few.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails loudly and its output is its purpose")]

use bytes::Bytes;
use model::{Env, Position, PutRecord, ShardIndex};
use std::fs;
use std::path::Path;
use store::{CapacityMode, Limits, ShardRead, Store, StoreConfig};

const RECORD_BYTES: usize = 450;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = |wanted: &str| args.iter().any(|arg| arg == wanted);
    let quick = given("--quick") || !given("--bench");
    let (shards, records, runs) = if quick { (200, 20_000, 1) } else { (10_000, 1_000_000, 5) };
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(many_shards(&folder.path().join("shards"), shards, runs));
    runtime.block_on(many_records(&folder.path().join("records"), records, runs));
    for (name, bytes) in [("store_tip_read_from_memory", 64 << 20), ("store_tip_read_from_files", 0)] {
        runtime.block_on(tip_reads(name, &folder.path().join(name), bytes, records / 500, runs));
    }
}

fn open(dir: &Path, env: &Env) -> Store {
    let config = StoreConfig::new(dir, env.clone());
    Store::open(StoreConfig { limits: Limits::Unlimited, status_delay_ms: 0, ..config }).unwrap()
}

fn record(key: usize) -> PutRecord {
    let explicit_hash_key = Some(key as u128);
    PutRecord { partition_key: format!("k{key}"), explicit_hash_key, data: Bytes::from(vec![b'x'; RECORD_BYTES]) }
}

async fn many_shards(dir: &Path, shards: u32, runs: usize) {
    let env = Env::system();
    let store = open(dir, &env);
    store.create_stream("s", shards, CapacityMode::Provisioned).await.unwrap();
    let part = u128::MAX / u128::from(shards);
    for first in (0..u128::from(shards)).step_by(500) {
        let places = (first..u128::from(shards)).take(500);
        let put = places.map(|i| PutRecord { explicit_hash_key: Some(part * i + part / 2), ..record(0) }).collect();
        store.put_records("s", put).await.unwrap();
    }
    store.shutdown().await;
    drop(store);
    let (mut opened, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let before = resident_bytes();
        let started_ns = env.monotonic_ns();
        let store = open(dir, &env);
        opened.push((env.monotonic_ns() - started_ns) as f64 / 1e6);
        memory.push(resident_bytes().saturating_sub(before) as f64 / 1e6);
        assert_eq!(store.describe_stream("s").unwrap().open_shards(), shards as usize);
        store.shutdown().await;
    }
    figure(&format!("store_open_{shards}_shards"), "ms", "lower", &opened);
    // The first opening is the one that takes memory; later ones use what it gave back.
    figure(&format!("store_memory_{shards}_shards"), "MB", "lower", &memory[..1]);
}

async fn many_records(dir: &Path, records: usize, runs: usize) {
    let env = Env::system();
    let store = open(dir, &env);
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let before = resident_bytes();
    for first in (0..records).step_by(500) {
        store.put_records("s", (first..first + 500).map(record).collect()).await.unwrap();
    }
    let retained = resident_bytes().saturating_sub(before) as f64 / 1e6;
    let mut read = Vec::new();
    for _ in 0..runs {
        let reading = store.clone();
        let seconds = tokio::task::spawn_blocking(move || read_back(&reading, records)).await.unwrap();
        read.push(records as f64 / seconds);
    }
    figure("store_read_back", "records/s", "higher", &read);
    figure("store_memory_of_retained_records", "MB", "lower", &[retained]);
    store.shutdown().await;
}

/// Reads of each put right after it, by a reader that goes on and by one that begins anew as polls do.
async fn tip_reads(name: &str, dir: &Path, tail_cache_bytes: usize, puts: usize, runs: usize) {
    let env = Env::system();
    let config = StoreConfig { limits: Limits::Unlimited, status_delay_ms: 0, ..StoreConfig::new(dir, env.clone()) };
    let store = Store::open(StoreConfig { tail_cache_bytes, ..config }).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let mut reader = store.shard_reader("s", ShardIndex(0), Position::ZERO).unwrap();
    let (mut going_on, mut anew) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (mut going_on_ns, mut anew_ns) = (0, 0);
        for put in 0..puts {
            store.put_records("s", (put * 500..(put + 1) * 500).map(record).collect()).await.unwrap();
            let from = reader.next_position();
            let started_ns = env.monotonic_ns();
            assert!(matches!(reader.read(1024 * 1024).unwrap(), ShardRead::Block(block) if block.rows.len() == 500));
            let read_ns = env.monotonic_ns();
            let mut other = store.shard_reader("s", ShardIndex(0), from).unwrap();
            assert!(matches!(other.read(1024 * 1024).unwrap(), ShardRead::Block(block) if block.rows.len() == 500));
            going_on_ns += read_ns - started_ns;
            anew_ns += env.monotonic_ns() - read_ns;
        }
        going_on.push(going_on_ns as f64 / puts as f64 / 1e3);
        anew.push(anew_ns as f64 / puts as f64 / 1e3);
    }
    figure(name, "us", "lower", &going_on);
    figure(&format!("{name}_anew"), "us", "lower", &anew);
    store.shutdown().await;
}

fn read_back(store: &Store, records: usize) -> f64 {
    let env = Env::system();
    let started_ns = env.monotonic_ns();
    let mut reader = store.shard_reader("s", ShardIndex(0), Position::ZERO).unwrap();
    let mut seen = 0;
    while let ShardRead::Block(block) = reader.read(1024 * 1024).unwrap() {
        seen += block.rows.iter().filter(|row| block.payload(row).len() == RECORD_BYTES).count();
    }
    assert_eq!(seen, records);
    (env.monotonic_ns() - started_ns) as f64 / 1e9
}

fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

fn figure(name: &str, unit: &str, better: &str, runs: &[f64]) {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let value = sorted[sorted.len() / 2];
    let runs: Vec<f64> = runs.iter().map(|run| (run * 10.0).round() / 10.0).collect();
    println!(r#"{{"figure":"{name}","value":{value:.1},"unit":"{unit}","better":"{better}","runs":{runs:?}}}"#);
}
