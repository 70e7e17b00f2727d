//! The Kinesis door over TCP with the crate's own client, and a process that is killed while it puts.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking; the killed process reports on its output"
)]

use bytes::Bytes;
use model::{Classified, Env, Kind, Position, PutRecord};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use store::kinesis::client::{ClientError, KinesisClient, RecordResult};
use store::{CallFigure, CapacityMode, Limits, PutOutcome, ShardRead, Store, StoreConfig, Tally, kinesis};

fn open(dir: &Path, limits: Limits) -> Store {
    let config = StoreConfig { limits, status_delay_ms: 0, ..StoreConfig::new(dir, Env::system()) };
    Store::open(config).unwrap()
}

fn record(key: &str, text: String) -> PutRecord {
    PutRecord { partition_key: key.to_owned(), explicit_hash_key: None, data: Bytes::from(text) }
}

async fn serve(store: &Store) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, kinesis::router(store.clone())).into_future());
    endpoint
}

#[tokio::test]
async fn the_client_puts_through_the_door() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Limits::Enforced);
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let client = KinesisClient::new(&serve(&store).await).unwrap();
    let summary = client.describe_stream_summary("s").await.unwrap();
    assert_eq!((summary.status.as_str(), summary.open_shards, summary.retention_hours), ("ACTIVE", 1, 24));
    let mut odd = record("key with \" and \\ and ö", "payload".into());
    odd.explicit_hash_key = Some(u128::MAX);
    let result = client.put_records("s", &[odd.clone(), record("k", String::new())]).await.unwrap();
    assert_eq!(result.refused(), 0);
    let answer = store.read_records("s", model::ShardIndex(0), Position::ZERO, 10, 1 << 20).await.unwrap();
    assert_eq!((&answer.records[0].partition_key, &answer.records[0].data), (&odd.partition_key, &odd.data));
    let many: Vec<PutRecord> = (0..500).map(|i| record("k", format!("{i}"))).collect();
    let mut refused = 0;
    for _ in 0..3 {
        let result = client.put_records("s", &many).await.unwrap();
        for one in &result.records {
            if let RecordResult::Refused { code, message } = one {
                assert_eq!(code, "ProvisionedThroughputExceededException");
                assert!(message.starts_with("Rate exceeded for shard shardId-000000000000 in stream s"));
            }
        }
        refused += result.refused();
    }
    assert!(refused > 0);
    let tallies = store.take_tallies("s").unwrap();
    let sum = |figure| tallies.get(&figure).map_or(0.0, |tally: &Tally| tally.sum);
    assert_eq!((sum(CallFigure::PutRecords), sum(CallFigure::PutThrottled)), (1_502.0, refused as f64));
    assert_eq!(sum(CallFigure::PutAccepted) + sum(CallFigure::PutThrottled), 1_502.0);
    assert_eq!((tallies[&CallFigure::PutLatency].count, sum(CallFigure::PollSuccess)), (4, 0.0));
    assert!(store.take_tallies("s").unwrap().is_empty(), "they are taken once");
    store.shutdown().await;
}

#[tokio::test]
async fn the_client_tells_what_failed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Limits::Unlimited);
    let client = KinesisClient::new(&serve(&store).await).unwrap();
    let error = client.put_records("none", &[record("k", String::new())]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(error.to_string(), "ResourceNotFoundException: Stream none under account 000000000000 not found.");
    store.shutdown().await;
    let error = KinesisClient::new("http://127.0.0.1:1").unwrap().describe_stream_summary("s").await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    for bad in ["", "127.0.0.1:4566", "https://127.0.0.1:4566", "http://h/path", "http://"] {
        assert!(matches!(KinesisClient::new(bad), Err(ClientError::Endpoint(_))), "{bad}");
    }
}

const CHILD_DIR: &str = "STORE_TEST_KILLED_DIR";

/// Not a test of its own: what the process does that is killed. It says what was acknowledged, line by line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_process() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let store = open(Path::new(&dir), Limits::Unlimited);
    if store.list_streams().is_empty() {
        store.create_stream("s", 4, CapacityMode::Provisioned).await.unwrap();
    }
    for round in 0.. {
        let records = (0..50).map(|i| record(&format!("{}", i % 10), format!("{round}"))).collect();
        let outcomes = store.put_records("s", records).await.unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, PutOutcome::Accepted { .. })));
        println!("acknowledged {round}");
        if round == 20 {
            store.update_shard_count("s", 6).await.unwrap();
        }
    }
}

/// Starts the process, kills it without warning after so many acknowledged puts, and returns how many there were.
fn run_and_kill(dir: &Path, puts: usize) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_process", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_acknowledged = |line: &String| line.contains("acknowledged");
    let mut seen = lines.by_ref().map_while(Result::ok).filter(is_acknowledged).take(puts).count();
    child.kill().unwrap();
    // What it said before the signal reached it counts too.
    seen += lines.map_while(Result::ok).filter(is_acknowledged).count();
    child.wait().unwrap();
    seen
}

#[tokio::test]
async fn kill_9_loses_nothing_that_was_acknowledged_and_keeps_order() {
    for puts in [3, 25, 60] {
        let dir = tempfile::tempdir().unwrap();
        let acknowledged = run_and_kill(dir.path(), puts);
        assert!(acknowledged >= puts);
        let store = open(dir.path(), Limits::Unlimited);
        store.settled("s").await.unwrap();
        let mut keys: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        // Numbers of shards grow from parents to children, so that this is an order in which they may be read.
        for shard in store.shards("s").unwrap() {
            let mut reader = store.shard_reader("s", shard.index, Position::ZERO).unwrap();
            while let ShardRead::Block(block) = reader.read(1 << 20).unwrap() {
                for row in &block.rows {
                    let number = std::str::from_utf8(block.payload(row)).unwrap().parse().unwrap();
                    keys.entry(block.partition_key(row).into_owned()).or_default().push(number);
                }
            }
        }
        assert_eq!(keys.len(), 10);
        for numbers in keys.values() {
            assert!(numbers.len() >= acknowledged * 5, "{} of {acknowledged} puts", numbers.len() / 5);
            assert!(numbers.iter().enumerate().all(|(i, &number)| number == i / 5), "out of order: {numbers:?}");
        }
        store.shutdown().await;
    }
}
