//! Single splits and merges, retention and tags of a stream: what is refused, what a restart keeps, what goes on after it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use model::{Env, HashKeyRange, Position, PutRecord, ShardIndex};
use std::collections::BTreeMap;
use std::path::Path;
use store::{
    CapacityMode, CreateError, Limits, NewStream, PutOutcome, ReshardError, RetentionChange, SettingError, ShardState,
    Store, StoreConfig, StreamError, StreamSettings, StreamStatus,
};

const MIDDLE: u128 = 1 << 127;

fn open(dir: &Path, status_delay_ms: u64) -> Store {
    let config = StoreConfig::new(dir, Env::system());
    Store::open(StoreConfig { limits: Limits::Unlimited, status_delay_ms, ..config }).unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn shard_of(store: &Store, key: u128) -> ShardIndex {
    let record = PutRecord { partition_key: "k".into(), explicit_hash_key: Some(key), data: Bytes::from_static(b"x") };
    match store.put_records("s", vec![record]).await.unwrap()[0] {
        PutOutcome::Accepted { shard, .. } => shard,
        ref refused => panic!("{refused:?}"),
    }
}

fn open_ranges(store: &Store) -> Vec<(u32, HashKeyRange)> {
    let shards = store.shards("s").unwrap().into_iter().filter(|shard| shard.state == ShardState::Open);
    shards.map(|shard| (shard.index.0, shard.range)).collect()
}

#[tokio::test]
async fn one_shard_is_split_where_asked_and_two_that_touch_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    store.create_stream("s", 2, CapacityMode::Provisioned).await.unwrap();
    let at = MIDDLE / 8;
    store.split_shard("s", ShardIndex(0), at).await.unwrap();
    let after = store.settled("s").await.unwrap();
    assert_eq!(after.open_shards(), 3);
    let range = |start, end| HashKeyRange::new(start, end).unwrap();
    let expected = [(1, range(MIDDLE, u128::MAX)), (2, range(0, at - 1)), (3, range(at, MIDDLE - 1))];
    assert_eq!(open_ranges(&store), expected);
    assert_eq!((shard_of(&store, at - 1).await.0, shard_of(&store, at).await.0), (2, 3));
    store.merge_shards("s", ShardIndex(1), ShardIndex(3)).await.unwrap();
    store.settled("s").await.unwrap();
    assert_eq!(open_ranges(&store), [(2, range(0, at - 1)), (4, range(at, u128::MAX))]);
    let child = store.shards("s").unwrap().into_iter().find(|shard| shard.index.0 == 4).unwrap();
    assert_eq!(child.parents, [ShardIndex(1), ShardIndex(3)]);
    assert_eq!(shard_of(&store, MIDDLE).await.0, 4);
    store.shutdown().await;
}

#[tokio::test]
async fn a_split_or_merge_that_cannot_be_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    store.create_stream("s", 4, CapacityMode::Provisioned).await.unwrap();
    store.create_stream("d", 4, CapacityMode::OnDemand).await.unwrap();
    store.split_shard("s", ShardIndex(0), 5).await.unwrap();
    store.settled("s").await.unwrap();
    let before = open_ranges(&store);
    let split = |shard, at| store.split_shard("s", ShardIndex(shard), at);
    let merge = |a, b| store.merge_shards("s", ShardIndex(a), ShardIndex(b));
    assert!(matches!(split(0, 3).await, Err(ReshardError::ShardClosed { .. })));
    assert!(matches!(split(9, 3).await, Err(ReshardError::NoShard { .. })));
    assert!(matches!(split(4, 0).await, Err(ReshardError::SplitKey { at: 0, .. })), "at its beginning");
    assert!(matches!(split(4, 5).await, Err(ReshardError::SplitKey { at: 5, .. })), "behind its end");
    assert!(matches!(merge(1, 3).await, Err(ReshardError::NotAdjacent { .. })));
    assert!(matches!(merge(1, 1).await, Err(ReshardError::NotAdjacent { .. })));
    assert!(matches!(merge(0, 1).await, Err(ReshardError::ShardClosed { .. })));
    assert!(matches!(merge(1, 9).await, Err(ReshardError::NoShard { .. })));
    let on_demand = store.split_shard("d", ShardIndex(0), 5).await;
    assert!(matches!(on_demand, Err(ReshardError::OnDemand(_))));
    let missing = store.merge_shards("none", ShardIndex(0), ShardIndex(1)).await;
    assert!(matches!(missing, Err(ReshardError::Stream(StreamError::NotFound(_)))));
    assert_eq!(open_ranges(&store), before);
    assert_eq!(store.describe_stream("s").unwrap().status, StreamStatus::Active);
    store.shutdown().await;
}

#[tokio::test]
async fn an_accepted_split_goes_on_after_a_restart_and_hinders_another_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 600_000);
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    store.shutdown().await;
    // It was created before; what was accepted and not begun is on disk.
    let store = open(dir.path(), 600_000);
    store.split_shard("s", ShardIndex(0), MIDDLE).await.unwrap();
    let again = store.split_shard("s", ShardIndex(0), MIDDLE).await;
    assert!(matches!(again, Err(ReshardError::Stream(StreamError::NotActive { .. }))));
    let longer = store.set_retention_hours("s", 48, RetentionChange::Increase).await;
    assert!(matches!(longer, Err(SettingError::Stream(StreamError::NotActive { .. }))));
    assert_eq!(store.describe_stream("s").unwrap().open_shards(), 1);
    store.shutdown().await;
    let store = open(dir.path(), 0);
    assert_eq!(store.settled("s").await.unwrap().open_shards(), 2);
    store.shutdown().await;
    let store = open(dir.path(), 0);
    let described = store.describe_stream("s").unwrap();
    assert_eq!((described.status, described.open_shards()), (StreamStatus::Active, 2), "and it is done once");
    store.shutdown().await;
}

#[tokio::test]
async fn retention_grows_and_shrinks_within_its_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let set = |hours, change| store.set_retention_hours("s", hours, change);
    use RetentionChange::{Decrease, Increase};
    set(8_760, Increase).await.unwrap();
    assert!(matches!(set(8_761, Increase).await, Err(SettingError::Retention(8_761))));
    assert!(matches!(set(23, Decrease).await, Err(SettingError::Retention(23))));
    assert!(matches!(set(48, Increase).await, Err(SettingError::Direction { current: 8_760, wanted: 48 })));
    set(48, Decrease).await.unwrap();
    set(48, Decrease).await.unwrap();
    assert!(matches!(set(49, Decrease).await, Err(SettingError::Direction { current: 48, wanted: 49 })));
    let missing = store.set_retention_hours("none", 48, Increase).await;
    assert!(matches!(missing, Err(SettingError::Stream(StreamError::NotFound(_)))));
    store.shutdown().await;
    let store = open(dir.path(), 0);
    assert_eq!(store.describe_stream("s").unwrap().settings.retention_hours, 48);
    store.shutdown().await;
}

#[tokio::test]
async fn a_shorter_retention_deletes_what_it_no_longer_covers() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000_000_000, 7);
    let config = StoreConfig { limits: Limits::Unlimited, status_delay_ms: 0, ..StoreConfig::new(dir.path(), env) };
    let store = Store::open(StoreConfig { segment_age_ms: 60_000, ..config }).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    store.set_retention_hours("s", 72, RetentionChange::Increase).await.unwrap();
    shard_of(&store, 1).await;
    clock.advance_ms(30 * 3_600_000);
    shard_of(&store, 1).await;
    store.enforce_retention().await.unwrap();
    assert_eq!(store.shards("s").unwrap()[0].first, Position::ZERO, "72 hours keep both");
    store.set_retention_hours("s", 24, RetentionChange::Decrease).await.unwrap();
    store.enforce_retention().await.unwrap();
    assert_eq!(store.shards("s").unwrap()[0].first, Position(1), "24 hours keep the later one");
    store.shutdown().await;
}

#[tokio::test]
async fn tags_are_written_replaced_removed_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    let settings = |tags| StreamSettings { tags, ..StreamSettings::new(CapacityMode::Provisioned) };
    let new = |tags| NewStream { shards: 1, settings: settings(tags) };
    store.create_stream_with("s", new(tags(&[("team", "day"), ("city", "New York")]))).await.unwrap();
    store.tag("s", tags(&[("team", "night"), ("empty", "")])).await.unwrap();
    store.untag("s", &["city".to_owned(), "none".to_owned()]).await.unwrap();
    let many: BTreeMap<String, String> = (0..49).map(|i| (format!("k{i}"), String::new())).collect();
    assert!(matches!(store.tag("s", many.clone()).await, Err(SettingError::Tags(51))));
    let more = many.into_iter().chain(tags(&[("a", ""), ("b", "")])).collect();
    assert!(matches!(store.create_stream_with("t", new(more)).await, Err(CreateError::Tags(51))));
    store.shutdown().await;
    let store = open(dir.path(), 0);
    assert_eq!(store.tags("s").unwrap(), tags(&[("empty", ""), ("team", "night")]));
    store.shutdown().await;
}
