//! Tests of the store as a whole over a file system that fails and forgets: crashes, full disks, torn reshards.

use crate::log::memory::{Faults, MemoryFiles};
use crate::{CapacityMode, Limits, PutOutcome, Refusal, ShardRead, Store, StoreConfig, StreamStatus};
use bytes::Bytes;
use model::{Env, Position, PutRecord, ShardIndex};
use std::io::ErrorKind;
use std::sync::Arc;

fn config(files: &MemoryFiles, env: &Env) -> StoreConfig {
    StoreConfig {
        limits: Limits::Unlimited,
        status_delay_ms: 0,
        commit_threads: 2,
        read_threads: 1,
        retention_check_ms: 0,
        files: Arc::new(files.clone()),
        ..StoreConfig::new("/data", env.clone())
    }
}

fn record(text: String) -> PutRecord {
    PutRecord { partition_key: text.clone(), explicit_hash_key: None, data: Bytes::from(text) }
}

async fn put(store: &Store, from: usize, count: usize) -> Vec<PutOutcome> {
    store.put_records("s", (from..from + count).map(|i| record(format!("{i}"))).collect()).await.unwrap()
}

fn accepted(outcomes: &[PutOutcome]) -> usize {
    outcomes.iter().filter(|outcome| matches!(outcome, PutOutcome::Accepted { .. })).count()
}

/// Every record of every shard that is a number, sorted.
fn everything(store: &Store) -> Vec<usize> {
    let mut all = Vec::new();
    for shard in store.shards("s").unwrap() {
        let mut reader = store.shard_reader("s", shard.index, Position::ZERO).unwrap();
        loop {
            match reader.read(1 << 16).unwrap() {
                ShardRead::Block(block) => {
                    let number = |row| std::str::from_utf8(block.payload(row)).unwrap().parse::<usize>().ok();
                    all.extend(block.rows.iter().filter_map(number));
                }
                ShardRead::Trimmed { first } => reader.seek(first),
                ShardRead::Tip | ShardRead::End { .. } => break,
            }
        }
    }
    all.sort_unstable();
    all
}

fn check_topology(store: &Store) -> usize {
    let shards = store.shards("s").unwrap();
    let mut open: Vec<_> = shards.iter().filter(|s| s.ending.is_none()).map(|s| s.range).collect();
    open.sort_unstable_by_key(|range| range.start());
    assert_eq!((open[0].start(), open[open.len() - 1].end()), (0, u128::MAX));
    assert!(open.windows(2).all(|w| w[0].end() + 1 == w[1].start()), "gap or overlap");
    for shard in &shards {
        assert_eq!(shard.ending, shard.closed_ms.map(|_| shard.next));
        for parent in &shard.parents {
            let parent = shards.iter().find(|s| s.index == *parent).unwrap();
            assert!(parent.closed_ms.unwrap() <= shard.created_ms);
        }
    }
    open.len()
}

#[tokio::test]
async fn a_power_failure_loses_nothing_that_was_acknowledged() {
    for kept in [0, 10, 70, 200, 100_000] {
        let (files, (env, _)) = (MemoryFiles::default(), Env::manual(1_000, 7));
        let store = Store::open(config(&files, &env)).unwrap();
        store.create_stream("s", 3, CapacityMode::Provisioned).await.unwrap();
        assert_eq!(accepted(&put(&store, 0, 200).await), 200);
        files.set_faults(Faults { sync: Some(ErrorKind::Other), ..Faults::default() });
        let lost = put(&store, 200, 50).await;
        assert!(lost.iter().all(|o| matches!(o, PutOutcome::Refused { reason: Refusal::StorageFailed, .. })));
        files.set_faults(Faults::default());
        files.crash(kept);
        drop(store);
        let store = Store::open(config(&files, &env)).unwrap();
        assert_eq!(everything(&store), (0..200).collect::<Vec<_>>());
        assert_eq!(accepted(&put(&store, 200, 10).await), 10);
        assert_eq!(everything(&store), (0..210).collect::<Vec<_>>());
    }
}

/// A disk that is full, one whose quota is used up, one that has become read-only, and one whose process has too many files.
#[tokio::test]
async fn a_disk_that_takes_nothing_refuses_puts_and_serves_reads() {
    let (full, quota) = (Some(ErrorKind::StorageFull), Some(ErrorKind::QuotaExceeded));
    let (read_only, files) = (Some(ErrorKind::ReadOnlyFilesystem), Some(ErrorKind::Other));
    let refuses = |write, create, rename| Faults { write, create, rename, ..Faults::default() };
    takes_nothing(refuses(full, full, None), Refusal::StorageFull).await;
    takes_nothing(refuses(quota, quota, None), Refusal::StorageFull).await;
    takes_nothing(refuses(read_only, read_only, read_only), Refusal::StorageFailed).await;
    takes_nothing(Faults { sync: read_only, ..refuses(None, files, None) }, Refusal::StorageFailed).await;
}

async fn takes_nothing(faults: Faults, wanted: Refusal) {
    let (files, (env, _)) = (MemoryFiles::default(), Env::manual(1_000, 7));
    let store = Store::open(config(&files, &env)).unwrap();
    store.create_stream("s", 2, CapacityMode::Provisioned).await.unwrap();
    put(&store, 0, 100).await;
    files.set_faults(faults);
    for _ in 0..3 {
        let refused = put(&store, 100, 10).await;
        assert!(refused.iter().all(|o| matches!(o, PutOutcome::Refused { reason, .. } if *reason == wanted)));
        assert_eq!(everything(&store), (0..100).collect::<Vec<_>>());
    }
    assert!(store.create_stream("t", 1, CapacityMode::Provisioned).await.is_err());
    assert!(store.update_shard_count("s", 4).await.is_err());
    files.set_faults(Faults::default());
    assert_eq!(accepted(&put(&store, 100, 10).await), 10);
    store.create_stream("t", 1, CapacityMode::Provisioned).await.unwrap();
    let counts = store.stats("s").unwrap().total;
    assert_eq!((counts.incoming_records, counts.failed_records), (110, 30));
    store.shutdown().await;
    assert_eq!(everything(&Store::open(config(&files, &env)).unwrap()), (0..110).collect::<Vec<_>>());
}

/// A disk that is a hundred times slower than one of ours: what is put waits in bounded memory and is acknowledged in the end,
/// reads of what is durable do not wait, and a small put does not wait for all the large ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_lets_puts_wait_and_reads_go_on() {
    const PUTS: usize = 24;
    let (files, env) = (MemoryFiles::default(), Env::system());
    let slow = StoreConfig { pending_bytes_max: 16 * 1024 * 1024, ..config(&files, &env) };
    let store = Store::open(slow).unwrap();
    store.create_stream("s", 4, CapacityMode::Provisioned).await.unwrap();
    put(&store, 0, 10).await;
    files.set_faults(Faults { sync_ms: 30, ..Faults::default() });
    let large = |i: usize| PutRecord { data: vec![b'x'; 900_000].into(), ..record(format!("large {i}")) };
    let puts: Vec<_> = (0..PUTS)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move { store.put_records("s", vec![large(2 * i), large(2 * i + 1)]).await.unwrap() })
        })
        .collect();
    while store.pending_bytes() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(everything(&store).starts_with(&(0..10).collect::<Vec<_>>()));
    assert!((1..=16 * 1024 * 1024).contains(&store.pending_bytes()), "they still wait, and only so many");
    for put in puts {
        assert_eq!(accepted(&put.await.unwrap()), 2);
    }
    assert_eq!(store.pending_bytes(), 0);
    files.set_faults(Faults::default());
    store.shutdown().await;
    let again = Store::open(config(&files, &env)).unwrap();
    let records: u64 = again.shards("s").unwrap().iter().map(|shard| shard.next.0).sum();
    assert_eq!(records, 10 + 2 * PUTS as u64);
}

/// The disk dies at the n-th sync of a change of shards, for every n, and the power fails.
#[tokio::test]
async fn a_crash_at_any_step_of_a_reshard_leaves_a_whole_topology_and_goes_on() {
    for step in 0..40 {
        let (files, (env, _)) = (MemoryFiles::default(), Env::manual(1_000, 7));
        let store = Store::open(config(&files, &env)).unwrap();
        store.create_stream("s", 2, CapacityMode::Provisioned).await.unwrap();
        put(&store, 0, 100).await;
        files.fail_after_syncs(step);
        let accepted_change = store.update_shard_count("s", 3).await.is_ok();
        for _ in 0..200 {
            tokio::task::yield_now().await;
            if files.has_failed() || store.describe_stream("s").unwrap().status == StreamStatus::Active {
                break;
            }
            // The change runs on disk threads: give them the processor.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        files.crash(17);
        let after = files.fork();
        let store = Store::open(config(&after, &env)).unwrap();
        let settled = store.settled("s").await.unwrap();
        assert!(store.recovery().damage.is_empty() && store.recovery().unknown.is_empty());
        let open = check_topology(&store);
        assert_eq!(open, settled.open_shards());
        assert!(open == 3 || (!accepted_change && open == 2), "step {step}: {open} open shards");
        assert_eq!(everything(&store), (0..100).collect::<Vec<_>>(), "step {step}");
        assert_eq!(accepted(&put(&store, 100, 50).await), 50);
        assert_eq!(everything(&store), (0..150).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_reshard_that_cannot_be_stored_lets_writers_go_on_and_is_tried_again() {
    let (files, (env, _)) = (MemoryFiles::default(), Env::manual(1_000, 7));
    let delayed = StoreConfig { status_delay_ms: 50, ..config(&files, &env) };
    let store = Store::open(delayed).unwrap();
    store.create_stream("s", 2, CapacityMode::Provisioned).await.unwrap();
    store.settled("s").await.unwrap();
    store.update_shard_count("s", 4).await.unwrap();
    // Children cannot be made, the open shards can be written.
    files.set_faults(Faults { create: Some(ErrorKind::StorageFull), ..Faults::default() });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(store.describe_stream("s").unwrap().status, StreamStatus::Updating);
    assert_eq!(accepted(&put(&store, 0, 20).await), 20);
    files.set_faults(Faults::default());
    assert_eq!(store.settled("s").await.unwrap().open_shards(), 4);
    assert_eq!(check_topology(&store), 4);
    assert_eq!(accepted(&put(&store, 20, 20).await), 20);
    assert_eq!(everything(&store), (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_unfinished_changes_left_is_removed_and_what_is_unknown_is_kept() {
    let (files, (env, _)) = (MemoryFiles::default(), Env::manual(1_000, 7));
    let store = Store::open(config(&files, &env)).unwrap();
    for name in ["s", "gone"] {
        store.create_stream(name, 1, CapacityMode::Provisioned).await.unwrap();
    }
    put(&store, 0, 5).await;
    store.shutdown().await;
    let path = |stream: u32, shard: u32| {
        std::path::PathBuf::from(format!("/data/streams/{stream:010}/{shard:010}/{:020}.seg", 0))
    };
    let bytes = files.bytes(&path(0, 0));
    files.put(&path(0, 9), bytes[..64].to_vec());
    files.put(&path(7, 0), bytes[..64].to_vec());
    files.put(&path(8, 0), bytes.clone());
    let store = Store::open(config(&files, &env)).unwrap();
    assert_eq!(store.recovery().removed.len(), 2);
    assert_eq!(store.recovery().unknown, [std::path::PathBuf::from("/data/streams/0000000008")]);
    assert_eq!(files.bytes(&path(8, 0)), bytes);
}

#[tokio::test]
async fn expired_shards_are_forgotten_and_their_readers_told() {
    let (files, (env, clock)) = (MemoryFiles::default(), Env::manual(1_000_000, 7));
    let store = Store::open(config(&files, &env)).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    put(&store, 0, 10).await;
    store.update_shard_count("s", 2).await.unwrap();
    store.settled("s").await.unwrap();
    put(&store, 10, 10).await;
    let mut reader = store.shard_reader("s", ShardIndex(0), Position::ZERO).unwrap();
    clock.advance_ms(24 * 3_600_000);
    store.enforce_retention().await.unwrap();
    assert_eq!(everything(&store), (0..20).collect::<Vec<_>>(), "not a millisecond too early");
    clock.advance_ms(2);
    store.enforce_retention().await.unwrap();
    assert_eq!(store.shards("s").unwrap().len(), 2);
    assert!(matches!(reader.read(1_000).unwrap(), ShardRead::Trimmed { first: Position(10) }));
    reader.seek(Position(10));
    let ShardRead::End { children } = reader.read(1_000).unwrap() else { panic!("the shard has ended") };
    assert_eq!(children.iter().map(|child| child.index).collect::<Vec<_>>(), [ShardIndex(1), ShardIndex(2)]);
    assert_eq!(everything(&store), Vec::<usize>::new(), "the segment that was being written has expired too");
    assert_eq!(store.stats("s").unwrap().total.incoming_records, 20, "sums outlive the shards");
    put(&store, 20, 5).await;
    store.shutdown().await;
    let store = Store::open(config(&files, &env)).unwrap();
    assert_eq!(everything(&store), (20..25).collect::<Vec<_>>());
    assert!(store.shards("s").unwrap().iter().all(|shard| shard.first.0 > 0 || shard.next == Position::ZERO));
}
