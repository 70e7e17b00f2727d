//! Streams on a real disk: order through reshards with concurrent writers, restarts, throttles, readers at the tip.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use model::{Env, Position, PutRecord, ShardIndex};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use store::{
    CapacityMode, CreateError, Limits, OpenError, PutError, PutOutcome, ReadError, Refusal, ReshardError, ShardRead,
    Store, StoreConfig, StreamError,
};

fn config(dir: &Path, env: Env) -> StoreConfig {
    let segment_bytes = 64 * 1024;
    StoreConfig { limits: Limits::Unlimited, status_delay_ms: 0, segment_bytes, ..StoreConfig::new(dir, env) }
}

fn record(key: &str, text: &str) -> PutRecord {
    PutRecord { partition_key: key.to_owned(), explicit_hash_key: None, data: Bytes::copy_from_slice(text.as_bytes()) }
}

/// Reads all shards, parents before children, and gives the payloads of each key in the order in which they are read.
fn read_in_order(store: &Store, stream: &str) -> BTreeMap<String, Vec<u64>> {
    let mut keys: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let shards = store.shards(stream).unwrap();
    let mut waiting: BTreeSet<ShardIndex> =
        shards.iter().filter(|shard| shard.parents.is_empty()).map(|shard| shard.index).collect();
    while let Some(index) = waiting.pop_first() {
        let mut reader = store.shard_reader(stream, index, Position::ZERO).unwrap();
        let mut due = Position::ZERO;
        loop {
            match reader.read(32 * 1024).unwrap() {
                ShardRead::Block(block) => {
                    for row in &block.rows {
                        assert_eq!(row.position, due);
                        due = due.next();
                        let number = std::str::from_utf8(block.payload(row)).unwrap().parse().unwrap();
                        keys.entry(block.partition_key(row).into_owned()).or_default().push(number);
                    }
                    assert_eq!(block.next, due);
                }
                ShardRead::Tip => break,
                ShardRead::Trimmed { first } => panic!("nothing expires here, yet the shard begins at {first}"),
                ShardRead::End { children } => {
                    ended.insert(index);
                    let ready = |parents: &[ShardIndex]| parents.iter().all(|parent| ended.contains(parent));
                    waiting.extend(children.iter().filter(|child| ready(&child.parents)).map(|child| child.index));
                    break;
                }
            }
        }
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_splits_and_merges_nothing_is_lost_repeated_or_out_of_order() {
    const WRITERS: usize = 4;
    const KEYS: u64 = 25;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(config(dir.path(), Env::system())).unwrap();
    store.create_stream("s", 8, CapacityMode::Provisioned).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::spawn(async move {
                let mut next = vec![0_u64; KEYS as usize];
                while !stop.load(Ordering::Relaxed) {
                    let numbered = (0..100_u64).map(|i| {
                        let key = (i % KEYS) as usize;
                        next[key] += 1;
                        record(&format!("{writer}/{key}"), &format!("{}", next[key] - 1))
                    });
                    let outcomes = store.put_records("s", numbered.collect()).await.unwrap();
                    assert!(outcomes.iter().all(|o| matches!(o, PutOutcome::Accepted { .. })), "{outcomes:?}");
                }
                next
            })
        })
        .collect();
    for target in [16, 7, 13, 8] {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        store.update_shard_count("s", target).await.unwrap();
        assert_eq!(store.settled("s").await.unwrap().open_shards(), target as usize);
    }
    stop.store(true, Ordering::Relaxed);
    let mut expected = BTreeMap::new();
    for (writer, handle) in writers.into_iter().enumerate() {
        for (key, count) in handle.await.unwrap().into_iter().enumerate() {
            expected.insert(format!("{writer}/{key}"), (0..count).collect::<Vec<_>>());
        }
    }
    assert_eq!(read_in_order(&store, "s"), expected);
    store.shutdown().await;
    let store = Store::open(config(dir.path(), Env::system())).unwrap();
    assert!(store.recovery().torn.is_empty() && store.recovery().damage.is_empty());
    assert_eq!(read_in_order(&store, "s"), expected, "the same after a restart");
    store.shutdown().await;
}

#[tokio::test]
async fn shards_tell_their_lineage() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(config(dir.path(), Env::system())).unwrap();
    store.create_stream("s", 2, CapacityMode::Provisioned).await.unwrap();
    for target in [4, 2] {
        store.update_shard_count("s", target).await.unwrap();
        store.settled("s").await.unwrap();
    }
    let parents: Vec<Vec<u32>> =
        store.shards("s").unwrap().iter().map(|shard| shard.parents.iter().map(|p| p.0).collect()).collect();
    assert_eq!(parents, [vec![], vec![], vec![0], vec![0], vec![1], vec![1], vec![2, 3], vec![4, 5]]);
    let mut reader = store.shard_reader("s", ShardIndex(3), Position::ZERO).unwrap();
    let ShardRead::End { children } = reader.read(1).unwrap() else { panic!("it is closed and empty") };
    assert_eq!(children[0].parents, [ShardIndex(2), ShardIndex(3)]);
    store.shutdown().await;
}

#[tokio::test]
async fn a_thousand_records_a_second_pass_and_later_ones_of_the_put_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000, 3);
    let limited = StoreConfig { limits: Limits::Enforced, ..config(dir.path(), env) };
    let store = Store::open(limited).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let put = |count: usize, size: usize| {
        let records = vec![record("k", &"x".repeat(size)); count];
        let store = store.clone();
        async move {
            let outcomes = store.put_records("s", records).await.unwrap();
            let accepted = outcomes.iter().take_while(|o| matches!(o, PutOutcome::Accepted { .. })).count();
            let rest = &outcomes[accepted..];
            assert!(rest.iter().all(|o| matches!(o, PutOutcome::Refused { reason: Refusal::Throttled, .. })));
            accepted
        }
    };
    assert_eq!([put(400, 10).await, put(400, 10).await, put(400, 10).await, put(1, 1).await], [400, 400, 200, 0]);
    clock.advance_ms(100);
    assert_eq!(put(500, 10).await, 100);
    clock.advance_ms(10_000);
    assert_eq!(put(11, 100 * 1024 - 1).await, 10);
    // A small record would fit behind the refused large one, but order comes first.
    clock.advance_ms(10_000);
    let mixed = vec![record("k", &"x".repeat(900 * 1024)), record("k", &"x".repeat(900 * 1024)), record("k", "small")];
    let outcomes = store.put_records("s", mixed).await.unwrap();
    assert!(matches!(outcomes[0], PutOutcome::Accepted { .. }));
    assert!(outcomes[1..].iter().all(|o| matches!(o, PutOutcome::Refused { .. })));
    let counts = store.stats("s").unwrap().total;
    assert_eq!((counts.incoming_records, counts.throttled_records), (1_111, 604));
    store.shutdown().await;
}

#[tokio::test]
async fn polling_readers_share_what_a_shard_gives() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000, 3);
    let limited = StoreConfig { limits: Limits::Enforced, ..config(dir.path(), env) };
    let store = Store::open(limited).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let poll = || store.poll_records("s", ShardIndex(0), Position::ZERO, 10);
    for _ in 0..5 {
        poll().await.unwrap();
    }
    assert!(matches!(poll().await, Err(ReadError::Throttled { .. })));
    clock.advance_ms(200);
    poll().await.unwrap();
    assert!(matches!(poll().await, Err(ReadError::Throttled { .. })));
    store.shutdown().await;
}

#[tokio::test]
async fn counts_change_by_two_at_most_where_limits_are_on() {
    let dir = tempfile::tempdir().unwrap();
    let limited = StoreConfig { limits: Limits::Enforced, ..config(dir.path(), Env::system()) };
    let store = Store::open(limited).unwrap();
    store.create_stream("s", 5, CapacityMode::Provisioned).await.unwrap();
    store.create_stream("d", 4, CapacityMode::OnDemand).await.unwrap();
    let try_count = |count| store.update_shard_count("s", count);
    assert!(matches!(try_count(11).await, Err(ReshardError::AboveDouble { current: 5, target: 11 })));
    assert!(matches!(try_count(2).await, Err(ReshardError::BelowHalf { current: 5, target: 2 })));
    assert!(matches!(try_count(0).await, Err(ReshardError::Shards(0))));
    assert!(matches!(store.update_shard_count("d", 5).await, Err(ReshardError::OnDemand(_))));
    let missing = store.update_shard_count("none", 5).await;
    assert!(matches!(missing, Err(ReshardError::Stream(StreamError::NotFound(_)))));
    assert_eq!(try_count(10).await.unwrap(), 5);
    assert_eq!(store.settled("s").await.unwrap().open_shards(), 10);
    store.shutdown().await;
}

#[tokio::test]
async fn streams_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(config(dir.path(), Env::system())).unwrap();
    let create = |name: &'static str, shards| store.create_stream(name, shards, CapacityMode::Provisioned);
    create("a", 1).await.unwrap();
    assert!(matches!(create("a", 1).await, Err(CreateError::Exists(_))));
    assert!(matches!(create("", 1).await, Err(CreateError::Name(_))));
    assert!(matches!(create("a/b", 1).await, Err(CreateError::Name(_))));
    assert!(matches!(create("b", 0).await, Err(CreateError::Shards(0))));
    store.put_records("a", vec![record("k", "old")]).await.unwrap();
    let mut reader = store.shard_reader("a", ShardIndex(0), Position::ZERO).unwrap();
    store.delete_stream("a").await.unwrap();
    assert!(matches!(store.put_records("a", vec![record("k", "x")]).await, Err(PutError::NotFound(_))));
    assert!(matches!(store.delete_stream("a").await, Err(StreamError::NotFound(_))));
    create("a", 1).await.unwrap();
    while let Ok(ShardRead::Block(_)) = reader.read(1_000) {}
    assert!(reader.read(1_000).is_err(), "a reader of the deleted stream does not see the new one");
    let mut reader = store.shard_reader("a", ShardIndex(0), Position::ZERO).unwrap();
    assert!(matches!(reader.read(1_000).unwrap(), ShardRead::Tip));
    assert_eq!(store.list_streams(), ["a"]);
    store.shutdown().await;
    assert!(matches!(store.put_records("a", vec![record("k", "x")]).await, Err(PutError::Closed)));
    let store = Store::open(config(dir.path(), Env::system())).unwrap();
    assert_eq!(store.list_streams(), ["a"]);
    store.shutdown().await;
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(config(dir.path(), Env::system())).unwrap();
    assert!(matches!(Store::open(config(dir.path(), Env::system())), Err(OpenError::Locked { .. })));
    store.shutdown().await;
    Store::open(config(dir.path(), Env::system())).unwrap().shutdown().await;
    let odd = StoreConfig { segment_bytes: 1, ..config(dir.path(), Env::system()) };
    assert!(matches!(Store::open(odd), Err(OpenError::Setting(_))));
}

#[tokio::test]
async fn sizes_are_checked_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(config(dir.path(), Env::system())).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let put = |records| store.put_records("s", records);
    let big = "x".repeat(1024 * 1024);
    assert!(matches!(put(vec![]).await, Err(PutError::Count(0))));
    assert!(matches!(put(vec![record("k", ""); 501]).await, Err(PutError::Count(501))));
    assert!(matches!(put(vec![record("k", &big)]).await, Err(PutError::RecordBytes { index: 0, .. })));
    assert!(matches!(put(vec![record("k", &big[2..]); 6]).await, Err(PutError::Bytes { .. })));
    assert!(matches!(put(vec![record("", "")]).await, Err(PutError::PartitionKey { index: 0 })));
    assert!(matches!(put(vec![record(&"ö".repeat(257), "")]).await, Err(PutError::PartitionKey { index: 0 })));
    assert_eq!(store.shards("s").unwrap()[0].next, Position::ZERO);
    put(vec![record(&"ö".repeat(256), &big[512..])]).await.unwrap();
    let answer = store.read_records("s", ShardIndex(0), Position::ZERO, 10, 10).await.unwrap();
    assert_eq!((answer.records.len(), answer.records[0].partition_key.len()), (1, 512));
    store.shutdown().await;
}

#[tokio::test]
async fn idle_readers_are_woken_and_know_their_lag() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000, 3);
    let store = Store::open(config(dir.path(), env)).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let woken = Arc::new(AtomicUsize::new(0));
    let seen = woken.clone();
    let waker = move || {
        seen.fetch_add(1, Ordering::SeqCst);
    };
    let subscription = store.subscribe("s", Arc::new(waker)).unwrap();
    let mut reader = store.shard_reader("s", ShardIndex(0), Position::ZERO).unwrap();
    assert_eq!(reader.millis_behind_latest().unwrap(), 0);
    store.put_records("s", vec![record("k", "1")]).await.unwrap();
    clock.advance_ms(300);
    store.put_records("s", vec![record("k", "2")]).await.unwrap();
    clock.advance_ms(200);
    assert_eq!(woken.load(Ordering::SeqCst), 2);
    assert_eq!(reader.millis_behind_latest().unwrap(), 500);
    let time = store.locate("s", ShardIndex(0), store::StartAt::Time(1_000_001)).await.unwrap();
    assert_eq!(time, Position(1));
    reader.seek(time);
    assert_eq!(reader.millis_behind_latest().unwrap(), 200);
    assert!(matches!(reader.read(1 << 20).unwrap(), ShardRead::Block(block) if block.rows.len() == 1));
    assert_eq!(reader.millis_behind_latest().unwrap(), 0);
    drop(subscription);
    store.put_records("s", vec![record("k", "3")]).await.unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 2);
    let samples = store.samples();
    let read = samples.iter().find(|s| s.name == "store_outgoing_records_total").unwrap();
    assert_eq!((read.value, read.labels.len()), (1.0, 2));
    store.shutdown().await;
}
