//! Data directories that earlier versions wrote are read, record by record, and written on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use model::{Env, Position, PutRecord};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use store::{CapacityMode, Limits, ShardRead, ShardState, Store, StoreConfig};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn open(dir: &Path) -> Store {
    let (env, _clock) = Env::manual(1_780_000_100_000, 8);
    let config = StoreConfig::new(dir, env);
    let store = Store::open(StoreConfig { limits: Limits::Unlimited, status_delay_ms: 0, ..config }).unwrap();
    assert!(store.recovery().torn.is_empty() && store.recovery().damage.is_empty(), "{:?}", store.recovery());
    store
}

/// The payloads of each shard, in order, with their keys.
fn all(store: &Store) -> BTreeMap<u32, Vec<(String, String)>> {
    let mut found = BTreeMap::new();
    for shard in store.shards("trips").unwrap() {
        let mut reader = store.shard_reader("trips", shard.index, Position::ZERO).unwrap();
        let records: &mut Vec<_> = found.entry(shard.index.0).or_default();
        while let ShardRead::Block(block) = reader.read(64 * 1024).unwrap() {
            let text = |row| String::from_utf8(block.payload(row).to_vec()).unwrap();
            records.extend(block.rows.iter().map(|row| (block.partition_key(row).into_owned(), text(row))));
        }
    }
    found
}

fn number(payload: &str) -> u32 {
    payload.split(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn directories_of_every_format_are_read_and_written_on() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut formats: Vec<_> = fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    formats.sort();
    assert!(!formats.is_empty());
    for format in formats {
        let dir = tempfile::tempdir().unwrap();
        copy(&format, dir.path());
        let store = open(dir.path());
        assert_eq!(store.list_streams(), ["empty", "trips"], "{}", format.display());
        let trips = store.describe_stream("trips").unwrap();
        let states: Vec<ShardState> = trips.shards.iter().map(|s| s.state).collect();
        assert_eq!(states, [ShardState::Closed, ShardState::Open, ShardState::Open, ShardState::Open]);
        assert_eq!(trips.shards[2].parents, [trips.shards[0].index]);
        assert_eq!((trips.settings.record_bytes_max, trips.consumers), (2 * 1024 * 1024, 1));
        assert_eq!(store.tags("trips").unwrap(), [("fleet".to_owned(), "yellow".to_owned())].into());
        assert_eq!(store.consumer("trips", "map").unwrap().name, "map");
        assert_eq!(store.describe_stream("empty").unwrap().settings.mode, CapacityMode::OnDemand);
        let records = all(&store);
        let mut numbers: Vec<u32> = records.values().flatten().map(|(_, payload)| number(payload)).collect();
        for records in records.values() {
            assert!(records.is_sorted_by_key(|(_, payload)| number(payload)));
            for (key, payload) in records {
                let n = number(payload);
                assert_eq!((key, payload), (&format!("key-{}", n % 7), &format!("{n}:{}", "x".repeat(n as usize))));
            }
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        let data = Bytes::from_static(b"100:new");
        let record = PutRecord { partition_key: "key-2".into(), explicit_hash_key: None, data };
        store.put_records("trips", vec![record]).await.unwrap();
        store.shutdown().await;
        let store = open(dir.path());
        assert_eq!(all(&store).values().map(Vec::len).sum::<usize>(), 101);
        store.shutdown().await;
    }
}
