//! Makes the data directory that `store/tests/fixture.rs` reads: `data_directory DIR`. Run it once for each version of the
//! format, into `store/tests/fixtures/format-N`, and never again: the directory is what that version wrote.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use bytes::Bytes;
use model::{Env, PutRecord, ShardIndex};
use std::process::ExitCode;
use store::{CapacityMode, Limits, Store, StoreConfig};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let Some(dir) = std::env::args().nth(1) else {
        println!("usage: data_directory DIR");
        return Ok(ExitCode::from(2));
    };
    // The clock stands: the directory is the same whenever it is made, and nothing in it expires while it is read.
    let (env, _clock) = Env::manual(1_780_000_000_000, 7);
    let config = StoreConfig {
        limits: Limits::Unlimited,
        status_delay_ms: 0,
        segment_bytes: 4_096,
        ..StoreConfig::new(dir, env)
    };
    let store = Store::open(config)?;
    store.create_stream("trips", 2, CapacityMode::Provisioned).await?;
    put(&store, 0..60).await?;
    store.settled("trips").await?;
    store.split_shard("trips", ShardIndex(0), u128::MAX / 4).await?;
    store.settled("trips").await?;
    put(&store, 60..100).await?;
    store.register_consumer("trips", "map", std::collections::BTreeMap::new()).await?;
    store.tag("trips", [("fleet".to_owned(), "yellow".to_owned())].into()).await?;
    store.set_record_bytes_max("trips", 2 * 1024 * 1024).await?;
    store.create_stream("empty", 1, CapacityMode::OnDemand).await?;
    store.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Record `n` has the key `key-(n mod 7)`, and its number and as many letters as payload.
async fn put(store: &Store, numbers: std::ops::Range<u32>) -> Result<(), Failure> {
    for n in numbers {
        let data = Bytes::from(format!("{n}:{}", "x".repeat(n as usize)));
        let record = PutRecord { partition_key: format!("key-{}", n % 7), explicit_hash_key: None, data };
        store.put_records("trips", vec![record]).await?;
    }
    Ok(())
}
