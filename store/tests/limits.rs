//! Limits that hold over time, modes and record sizes: what is refused, when it is allowed again, and what a restart keeps.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use model::{Env, PutRecord, ShardIndex};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use store::{
    CapacityMode, LIMITS_TAG, Limits, PutError, PutOutcome, RareChange, ReshardError, SettingError, Store, StoreConfig,
    StreamStatus,
};

const MIB: usize = 1024 * 1024;
const HOUR_MS: u64 = 3_600_000;

fn config(dir: &Path, env: &Env) -> StoreConfig {
    StoreConfig { status_delay_ms: 0, ..StoreConfig::new(dir, env.clone()) }
}

fn records(count: usize, bytes: usize) -> Vec<PutRecord> {
    let data = Bytes::from(vec![b'x'; bytes]);
    (0..count)
        .map(|_| PutRecord { partition_key: "k".into(), explicit_hash_key: Some(0), data: data.clone() })
        .collect()
}

async fn accepted(store: &Store, stream: &str, records: Vec<PutRecord>) -> usize {
    let outcomes = store.put_records(stream, records).await.unwrap();
    outcomes.iter().filter(|outcome| matches!(outcome, PutOutcome::Accepted { .. })).count()
}

#[tokio::test]
async fn shards_are_counted_anew_ten_times_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000_000_000, 7);
    let store = Store::open(config(dir.path(), &env)).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    for i in 0..10 {
        store.update_shard_count("s", 1 + (i + 1) % 2).await.unwrap();
        store.settled("s").await.unwrap();
        clock.advance_ms(HOUR_MS);
    }
    assert!(matches!(store.update_shard_count("s", 2).await, Err(ReshardError::TooOften(_))));
    store.shutdown().await;
    let store = Store::open(config(dir.path(), &env)).unwrap();
    assert!(
        matches!(store.update_shard_count("s", 2).await, Err(ReshardError::TooOften(_))),
        "a restart forgets nothing"
    );
    store.split_shard("s", ShardIndex(store.shards("s").unwrap().last().unwrap().index.0), 1 << 100).await.unwrap();
    store.settled("s").await.unwrap();
    clock.advance_ms(14 * HOUR_MS);
    store.update_shard_count("s", 4).await.unwrap();
    store.settled("s").await.unwrap();
    assert!(matches!(store.update_shard_count("s", 2).await, Err(ReshardError::TooOften(_))));
    store.shutdown().await;
}

#[tokio::test]
async fn a_faster_clock_shortens_the_day_and_fills_the_shards_sooner() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000_000_000, 7);
    let store = Store::open(StoreConfig { limits_speedup: 3_600, ..config(dir.path(), &env) }).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    for mode in [CapacityMode::OnDemand, CapacityMode::Provisioned] {
        store.set_mode("s", mode, 0).await.unwrap();
    }
    let third = store.set_mode("s", CapacityMode::OnDemand, 0).await;
    assert!(matches!(third, Err(SettingError::TooOften(RareChange::Mode))));
    clock.advance_ms(24_000);
    store.set_mode("s", CapacityMode::OnDemand, 0).await.unwrap();
    store.create_stream("t", 1, CapacityMode::Provisioned).await.unwrap();
    assert_eq!(
        (accepted(&store, "t", records(500, 9)).await, accepted(&store, "t", records(500, 9)).await),
        (500, 500)
    );
    assert_eq!(accepted(&store, "t", records(500, 9)).await, 0);
    clock.advance_ms(1);
    assert_eq!(accepted(&store, "t", records(500, 9)).await, 500, "3.6 seconds have passed for the limits");
    store.shutdown().await;
}

#[tokio::test]
async fn a_tag_lifts_the_limits_of_one_stream() {
    let dir = tempfile::tempdir().unwrap();
    let (env, _clock) = Env::manual(1_000_000_000_000, 7);
    let store = Store::open(config(dir.path(), &env)).unwrap();
    for name in ["free", "bound"] {
        store.create_stream(name, 1, CapacityMode::Provisioned).await.unwrap();
    }
    let tag = |value: &str| BTreeMap::from([(LIMITS_TAG.0.to_owned(), value.to_owned())]);
    assert!(matches!(store.tag("free", tag("off")).await, Err(SettingError::LimitsTag(value)) if value == "off"));
    store.tag("free", tag(LIMITS_TAG.1)).await.unwrap();
    for _ in 0..4 {
        assert_eq!(accepted(&store, "free", records(500, 9)).await, 500);
    }
    assert_eq!(
        accepted(&store, "bound", records(500, 9)).await + accepted(&store, "bound", records(500, 9)).await,
        1_000
    );
    assert_eq!(accepted(&store, "bound", records(500, 9)).await, 0);
    store.update_shard_count("free", 9).await.unwrap();
    store.settled("free").await.unwrap();
    assert!(matches!(store.update_shard_count("bound", 9).await, Err(ReshardError::AboveDouble { .. })));
    store.untag("free", &[LIMITS_TAG.0.to_owned()]).await.unwrap();
    assert_eq!(
        accepted(&store, "free", records(500, 9)).await + accepted(&store, "free", records(500, 9)).await,
        1_000
    );
    assert_eq!(accepted(&store, "free", records(500, 9)).await, 0, "the limits hold again");
    store.shutdown().await;
}

#[tokio::test]
async fn a_stream_is_given_larger_records() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::system();
    let unlimited = || StoreConfig { limits: Limits::Unlimited, ..config(dir.path(), &env) };
    let store = Store::open(unlimited()).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let refused = store.put_records("s", records(1, MIB)).await;
    assert!(matches!(refused, Err(PutError::RecordBytes { index: 0, max: MIB, .. })));
    for wrong in [MIB - 1, 10 * MIB + 1] {
        assert!(matches!(store.set_record_bytes_max("s", wrong).await, Err(SettingError::RecordBytes(_))));
    }
    store.set_record_bytes_max("s", 10 * MIB).await.unwrap();
    assert_eq!(accepted(&store, "s", records(1, 10 * MIB - 1)).await, 1);
    assert_eq!(accepted(&store, "s", records(2, 5 * MIB - 1)).await, 2);
    assert!(matches!(store.put_records("s", records(2, 5 * MIB)).await, Err(PutError::Bytes { .. })));
    store.shutdown().await;
    let store = Store::open(unlimited()).unwrap();
    assert_eq!(store.describe_stream("s").unwrap().settings.record_bytes_max, 10 * MIB);
    let read = store.read_records("s", ShardIndex(0), model::Position::ZERO, 10, 10 * MIB).await.unwrap();
    assert_eq!((read.records.len(), read.records[0].data.len()), (1, 10 * MIB - 1));
    store.shutdown().await;
}

#[tokio::test]
async fn encryption_and_modes_are_seen_being_changed_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::system();
    let store = Store::open(StoreConfig { status_delay_ms: 50, ..config(dir.path(), &env) }).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    store.settled("s").await.unwrap();
    store.start_encryption("s", "alias/taxi").await.unwrap();
    assert_eq!(store.describe_stream("s").unwrap().status, StreamStatus::Updating);
    let busy = store.set_mode("s", CapacityMode::OnDemand, 0).await;
    assert!(matches!(busy, Err(SettingError::Stream(_))));
    assert_eq!(store.settled("s").await.unwrap().settings.encryption.as_ref().unwrap().key, "alias/taxi");
    let same = store.set_mode("s", CapacityMode::Provisioned, 0).await;
    assert!(matches!(same, Err(SettingError::Unchanged(_))));
    assert!(matches!(store.set_warm_throughput("s", 9).await, Err(SettingError::NotOnDemand(_))));
    store.set_mode("s", CapacityMode::OnDemand, 0).await.unwrap();
    store.settled("s").await.unwrap();
    assert!(matches!(store.update_shard_count("s", 2).await, Err(ReshardError::OnDemand(_))));
    store.shutdown().await;
    let store = Store::open(config(dir.path(), &env)).unwrap();
    let settings = store.describe_stream("s").unwrap().settings;
    assert_eq!((settings.mode, settings.encryption.is_some()), (CapacityMode::OnDemand, true));
    store.stop_encryption("s").await.unwrap();
    assert!(matches!(store.stop_encryption("s").await, Err(SettingError::NotEncrypted(_))));
    store.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_the_platform_counts_grows_with_its_load_and_splits_hot_shards() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000_000_000, 7);
    let limits = StoreConfig { limits: Limits::Unlimited, limits_speedup: 600, ..config(dir.path(), &env) };
    let store = Store::open(limits).unwrap();
    store.create_stream("s", 4, CapacityMode::OnDemand).await.unwrap();
    let hot = store.shards("s").unwrap()[0].range;
    // Each round is 0.6 seconds for the limits: 833 records a second for one shard.
    for _ in 0..500 {
        assert_eq!(accepted(&store, "s", records(500, 9)).await, 500);
        clock.advance_ms(1);
        tokio::time::sleep(Duration::from_millis(10)).await;
        let split =
            |shard: &store::ShardDescription| shard.parents.contains(&ShardIndex(0)) && shard.range.end() < hot.end();
        if store.shards("s").unwrap().iter().any(split) {
            store.shutdown().await;
            return;
        }
    }
    panic!("the hot shard was not split: {:?}", store.shards("s").unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_kept_warm_is_given_its_shards() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { limits_speedup: 600, ..config(dir.path(), &Env::system()) };
    let store = Store::open(config).unwrap();
    store.create_stream("s", 4, CapacityMode::OnDemand).await.unwrap();
    store.set_warm_throughput("s", 10).await.unwrap();
    for _ in 0..500 {
        if store.settled("s").await.unwrap().open_shards() == 10 {
            store.shutdown().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} shards", store.describe_stream("s").unwrap().open_shards());
}

#[tokio::test]
async fn the_commitment_holds_for_a_day_at_least() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000_000_000, 7);
    let store = Store::open(config(dir.path(), &env)).unwrap();
    assert!(store.set_commitment(false).await.is_err(), "there is none");
    let (account, earliest) = store.set_commitment(true).await.unwrap();
    assert!(account.committed(env.now_ms()));
    assert!(store.set_commitment(true).await.is_err());
    clock.advance_ms(HOUR_MS);
    let (account, _) = store.set_commitment(false).await.unwrap();
    assert_eq!(account.ended_ms, earliest);
    assert!(account.committed(env.now_ms()));
    store.shutdown().await;
    let store = Store::open(config(dir.path(), &env)).unwrap();
    clock.advance_ms(24 * HOUR_MS);
    assert!(!store.account().await.0.committed(env.now_ms()));
    store.shutdown().await;
}
