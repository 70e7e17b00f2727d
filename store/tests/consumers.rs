//! Registered consumers of a stream: their life, their number, and what a restart keeps.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use model::Env;
use std::collections::BTreeMap;
use std::path::Path;
use store::{CapacityMode, ConsumerError, ConsumerStatus, Resource, SettingError, Store, StoreConfig, StreamError};

fn open(dir: &Path, status_delay_ms: u64) -> Store {
    Store::open(StoreConfig { status_delay_ms, ..StoreConfig::new(dir, Env::system()) }).unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_consumer_is_registered_tagged_kept_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let made = store.register_consumer("s", "map", tags(&[("team", "day")])).await.unwrap();
    assert_eq!(
        (made.status, store.consumer("s", "map").unwrap().status),
        (ConsumerStatus::Creating, ConsumerStatus::Active)
    );
    let again = store.register_consumer("s", "map", BTreeMap::new()).await;
    assert!(matches!(again, Err(ConsumerError::Exists { .. })));
    let map = Resource { stream: "s", consumer: Some("map") };
    store.tag(map, tags(&[("team", "night")])).await.unwrap();
    store.set_policy(map, Some("{}".into())).await.unwrap();
    let other = Resource { stream: "s", consumer: Some("other") };
    assert!(matches!(store.tag(other, tags(&[("a", "b")])).await, Err(SettingError::NoConsumer { .. })));
    assert_eq!(store.tags("s").unwrap(), BTreeMap::new(), "the tags of a consumer are its own");
    store.shutdown().await;

    let store = open(dir.path(), 0);
    let kept = store.consumer("s", "map").unwrap();
    assert_eq!((kept.created_ms, kept.status), (made.created_ms, ConsumerStatus::Active));
    assert_eq!((kept.tags, kept.policy), (tags(&[("team", "night")]), Some("{}".into())));
    store.deregister_consumer("s", "map").await.unwrap();
    assert!(matches!(store.consumer("s", "map"), Err(ConsumerError::NotFound { .. })));
    assert!(matches!(store.deregister_consumer("s", "map").await, Err(ConsumerError::NotFound { .. })));
    let missing = store.register_consumer("none", "map", BTreeMap::new()).await;
    assert!(matches!(missing, Err(ConsumerError::Stream(StreamError::NotFound(_)))));
    store.shutdown().await;
    let store = open(dir.path(), 0);
    assert!(store.consumers("s").unwrap().is_empty());
    store.shutdown().await;
}

#[tokio::test]
async fn a_stream_has_twenty_consumers_and_registers_five_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    for i in 0..20 {
        store.register_consumer("s", &format!("c{i:02}"), BTreeMap::new()).await.unwrap();
    }
    assert!(matches!(store.register_consumer("s", "one-more", BTreeMap::new()).await, Err(ConsumerError::TooMany(20))));
    let names: Vec<String> = store.consumers("s").unwrap().into_iter().map(|consumer| consumer.name).collect();
    assert_eq!((names.len(), names[7].as_str()), (20, "c07"));
    store.shutdown().await;

    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 60_000);
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let early = store.register_consumer("s", "early", BTreeMap::new()).await;
    assert!(matches!(early, Err(ConsumerError::Stream(StreamError::NotActive { .. }))));
    store.shutdown().await;
    let store = open(dir.path(), 60_000);
    for i in 0..5 {
        store.register_consumer("s", &format!("c{i}"), BTreeMap::new()).await.unwrap();
    }
    let sixth = store.register_consumer("s", "c5", BTreeMap::new()).await;
    assert!(matches!(sixth, Err(ConsumerError::TooManyCreating(5))));
    store.deregister_consumer("s", "c0").await.unwrap();
    assert_eq!(store.consumer("s", "c0").unwrap().status, ConsumerStatus::Deleting);
    assert!(matches!(store.deregister_consumer("s", "c0").await, Err(ConsumerError::Deleting { .. })));
    store.shutdown().await;
}
