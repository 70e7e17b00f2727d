//! Records pushed to consumers: in order and without a gap through reshards and new subscriptions, within their rate and time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use model::{Env, Position, PutRecord, ShardIndex};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use store::{
    CapacityMode, ConsumerError, Limits, Push, PushError, ReadAnswer, StartAt, Store, StoreConfig, SubscribeError,
};

fn config(dir: &Path, env: &Env) -> StoreConfig {
    StoreConfig { status_delay_ms: 0, limits: Limits::Unlimited, ..StoreConfig::new(dir, env.clone()) }
}

async fn store_with_consumer(config: StoreConfig, shards: u32) -> Store {
    let store = Store::open(config).unwrap();
    store.create_stream("s", shards, CapacityMode::Provisioned).await.unwrap();
    store.register_consumer("s", "map", BTreeMap::new()).await.unwrap();
    store
}

async fn put(store: &Store, numbers: std::ops::Range<usize>, padding: usize) {
    let numbers: Vec<usize> = numbers.collect();
    for numbers in numbers.chunks(100) {
        let record = |number: &usize| PutRecord {
            partition_key: format!("k{}", number % 7),
            explicit_hash_key: None,
            data: Bytes::from(format!("{number:0padding$}")),
        };
        store.put_records("s", numbers.iter().map(record).collect()).await.unwrap();
    }
}

fn numbers(answer: &ReadAnswer) -> Vec<usize> {
    answer.records.iter().map(|record| std::str::from_utf8(&record.data).unwrap().parse().unwrap()).collect()
}

async fn next(push: &mut Push) -> ReadAnswer {
    tokio::time::timeout(Duration::from_secs(60), push.next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_pushed_as_they_come_and_children_follow_their_parents() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_consumer(config(dir.path(), &Env::system()), 1).await;
    let mut first = store.push("s", "map", ShardIndex(0), StartAt::Oldest).await.unwrap();
    let opened = next(&mut first).await;
    assert_eq!((opened.records.len(), opened.next), (0, Position::ZERO), "the first answer comes at once");
    put(&store, 0..50, 0).await;
    let mut seen = Vec::new();
    while seen.len() < 50 {
        seen.extend(numbers(&next(&mut first).await));
    }
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
    store.update_shard_count("s", 2).await.unwrap();
    store.settled("s").await.unwrap();
    put(&store, 50..500, 0).await;
    let end = next(&mut first).await;
    let children = end.ended.unwrap();
    assert!(first.next().await.is_none(), "nothing follows the end");
    let mut keys: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for child in children {
        let mut push = store.push("s", "map", child.index, StartAt::Oldest).await.unwrap();
        loop {
            let answer = next(&mut push).await;
            numbers(&answer).into_iter().for_each(|number| keys.entry(number % 7).or_default().push(number));
            if answer.behind_ms == 0 && answer.next == store.shards("s").unwrap()[child.index.0 as usize].next {
                break;
            }
        }
    }
    let all: BTreeSet<usize> = keys.values().flatten().copied().collect();
    assert_eq!(all, (50..500).collect());
    assert!(keys.values().all(|numbers| numbers.is_sorted()));
    store.shutdown().await;
}

#[tokio::test]
async fn a_subscription_gives_way_to_a_later_one_but_not_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000_000_000, 7);
    let store = store_with_consumer(config(dir.path(), &env), 1).await;
    let subscribe = || store.push("s", "map", ShardIndex(0), StartAt::Oldest);
    let mut first = subscribe().await.unwrap();
    next(&mut first).await;
    assert!(matches!(subscribe().await, Err(SubscribeError::InUse)));
    clock.advance_ms(999);
    assert!(matches!(subscribe().await, Err(SubscribeError::TooOften)));
    clock.advance_ms(1_000);
    assert!(matches!(subscribe().await, Err(SubscribeError::InUse)));
    clock.advance_ms(3_001);
    let second = subscribe().await.unwrap();
    assert!(matches!(first.next().await, Some(Err(PushError::Replaced))));
    assert!(first.next().await.is_none());
    drop(second);
    assert!(matches!(subscribe().await, Err(SubscribeError::TooOften)));
    clock.advance_ms(1_000);
    let mut third = subscribe().await.unwrap();
    next(&mut third).await;
    store.deregister_consumer("s", "map").await.unwrap();
    assert!(matches!(third.next().await, Some(Err(PushError::ConsumerGone(_)))));
    let gone = subscribe().await;
    assert!(matches!(gone, Err(SubscribeError::Consumer(ConsumerError::NotFound { .. }))));
    store.shutdown().await;
}

#[tokio::test]
async fn a_subscription_ends_with_its_time_and_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000_000_000, 7);
    let store = store_with_consumer(config(dir.path(), &env), 1).await;
    put(&store, 0..10, 0).await;
    let mut first = store.push("s", "map", ShardIndex(0), StartAt::Oldest).await.unwrap();
    assert_eq!(numbers(&next(&mut first).await), (0..10).collect::<Vec<_>>());
    clock.advance_ms(5 * 60 * 1_000);
    assert!(first.next().await.is_none());
    put(&store, 10..20, 0).await;
    let from = StartAt::Position(first.position());
    let mut second = store.push("s", "map", ShardIndex(0), from).await.unwrap();
    assert_eq!(numbers(&next(&mut second).await), (10..20).collect::<Vec<_>>());
    store.delete_stream("s").await.unwrap();
    assert!(matches!(second.next().await, Some(Err(PushError::StreamGone(_)))));
    store.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_is_given_two_megabytes_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000_000_000, 7);
    let store = store_with_consumer(config(dir.path(), &env), 1).await;
    put(&store, 0..700, 10_000).await;
    store.shutdown().await;
    let limited = StoreConfig { limits: Limits::Enforced, ..config(dir.path(), &env) };
    let store = Store::open(limited).unwrap();
    let mut push = store.push("s", "map", ShardIndex(0), StartAt::Oldest).await.unwrap();
    let mut given = 0;
    while let Ok(answer) = tokio::time::timeout(Duration::from_millis(300), push.next()).await {
        given += answer.unwrap().unwrap().records.len();
    }
    assert!((200..=320).contains(&given), "{given} records of 10 kB, with nothing more until the clock moves");
    clock.advance_ms(1_000);
    let more = next(&mut push).await.records.len();
    assert!(more > 0);
    store.shutdown().await;
}

#[tokio::test]
async fn where_nothing_comes_the_reader_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_consumer(config(dir.path(), &Env::system()), 1).await;
    let mut push = store.push("s", "map", ShardIndex(0), StartAt::Latest).await.unwrap();
    next(&mut push).await;
    let idle = next(&mut push).await;
    assert_eq!((idle.records.len(), idle.behind_ms, idle.ended), (0, 0, None));
    store.shutdown().await;
}
