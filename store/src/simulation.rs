//! Random histories of puts, changes of shards, expiry, faults and power failures from a seed, held against what was
//! acknowledged; and damage to every kind of file.

use crate::log::memory::{Faults, MemoryFiles};
use crate::{CapacityMode, Limits, PutOutcome, ReadError, ShardRead, Store, StoreConfig, StreamStatus};
use bytes::Bytes;
use model::{Env, ManualClock, Position, PutRecord, ShardIndex};
use parking_lot::Mutex;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Histories of each run; more of them with `HAILSTREAM_SEEDS`, a single one with `HAILSTREAM_SEED`.
const SEEDS: u64 = 60;
const STEPS: usize = 30;
const KEYS: u64 = 7;
const HOUR_MS: u64 = 3_600_000;

/// A generator that the seed alone decides (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// What writers know of their records.
#[derive(Default)]
struct Ledger {
    next: BTreeMap<u64, u64>,
    /// Acknowledged and not expired: each record with the time of its arrival.
    kept: BTreeMap<(u64, u64), u64>,
    /// Those of which nobody knows whether they are stored.
    unknown: BTreeSet<(u64, u64)>,
}

struct World {
    dice: Dice,
    files: MemoryFiles,
    env: Env,
    clock: Arc<ManualClock>,
    store: Store,
    ledger: Ledger,
    /// What happened, told when it ends badly.
    log: Arc<Mutex<Vec<String>>>,
}

/// The cache of what was written last is so small that reads come from it and from files in turn.
fn config(files: &MemoryFiles, env: &Env) -> StoreConfig {
    StoreConfig {
        tail_cache_bytes: 2 * 1024,
        limits: Limits::Unlimited,
        status_delay_ms: 0,
        commit_threads: 2,
        read_threads: 1,
        retention_check_ms: 0,
        segment_bytes: 4 * 1024,
        segment_age_ms: HOUR_MS,
        files: Arc::new(files.clone()),
        ..StoreConfig::new("/data", env.clone())
    }
}

impl World {
    async fn new(seed: u64, log: Arc<Mutex<Vec<String>>>) -> Self {
        let (files, (env, clock)) = (MemoryFiles::default(), Env::manual(1_000_000_000_000, seed));
        let store = Store::open(config(&files, &env)).unwrap();
        store.create_stream("s", 8, CapacityMode::Provisioned).await.unwrap();
        Self { dice: Dice(seed), files, env, clock, store, ledger: Ledger::default(), log }
    }

    async fn step(&mut self) {
        match self.dice.roll(20) {
            0..=9 => self.put().await,
            10..=12 => self.reshard().await,
            13 => self.sync_fails().await,
            14 => self.disk_is_full().await,
            15 => self.time_passes().await,
            16..=18 => self.power_fails().await,
            _ => self.restart().await,
        }
    }

    async fn put(&mut self) {
        let count = 1 + self.dice.roll(60);
        let mut records = Vec::new();
        let mut names = Vec::new();
        for _ in 0..count {
            let key = self.dice.roll(KEYS);
            let number = self.ledger.next.entry(key).or_insert(0);
            let padding = 1 + self.dice.roll(90) as usize;
            let data = Bytes::from(format!("{key} {number} {}", "x".repeat(padding)));
            names.push((key, *number));
            *number += 1;
            records.push(PutRecord { partition_key: format!("key {key}"), explicit_hash_key: None, data });
        }
        let now_ms = self.env.now_ms();
        let outcomes = self.store.put_records("s", records).await.unwrap();
        let stored = outcomes.iter().filter(|outcome| matches!(outcome, PutOutcome::Accepted { .. })).count();
        self.log.lock().push(format!("put {count}, stored {stored}"));
        for (name, outcome) in names.into_iter().zip(outcomes) {
            match outcome {
                PutOutcome::Accepted { .. } => drop(self.ledger.kept.insert(name, now_ms)),
                PutOutcome::Refused { .. } => drop(self.ledger.unknown.insert(name)),
            }
        }
    }

    async fn reshard(&mut self) {
        let target = [16, 7, 13, 8, 1, 3][self.dice.roll(6) as usize];
        let begun = self.store.update_shard_count("s", target).await;
        self.log.lock().push(format!("to {target} shards: {}", begun.is_ok()));
        // Half of the changes are met by what comes next while they are under way.
        if self.dice.roll(2) == 0 {
            self.store.settled("s").await.unwrap();
        }
    }

    async fn sync_fails(&mut self) {
        self.files.set_faults(Faults { sync: Some(ErrorKind::Other), ..Faults::default() });
        self.put().await;
        self.files.set_faults(Faults::default());
        self.log.lock().push("syncs failed".into());
    }

    async fn disk_is_full(&mut self) {
        let full = Some(ErrorKind::StorageFull);
        let written_before_error = self.dice.roll(300) as usize;
        self.files.set_faults(Faults { write: full, create: full, written_before_error, ..Faults::default() });
        self.put().await;
        self.files.set_faults(Faults::default());
        self.log.lock().push("the disk was full".into());
    }

    async fn time_passes(&mut self) {
        self.clock.advance_ms((1 + self.dice.roll(15)) * HOUR_MS);
        self.store.enforce_retention().await.unwrap();
        self.log.lock().push("time passed".into());
    }

    async fn power_fails(&mut self) {
        let dice = &mut self.dice;
        // What is left of a store on a machine that has lost its power does nothing to the disk any more.
        let files = self.files.fork_durable();
        files.crash_by(&mut || dice.roll(2) == 0);
        let old = std::mem::replace(&mut self.store, Store::open(config(&files, &self.env)).unwrap());
        self.files = files;
        self.log.lock().push("the power failed".into());
        drop(old);
    }

    async fn restart(&mut self) {
        self.store.shutdown().await;
        self.store = Store::open(config(&self.files, &self.env)).unwrap();
        self.log.lock().push("restarted".into());
    }

    /// Reads everything, parents before children, and holds it against the ledger.
    async fn check(&mut self) {
        let settled = tokio::time::timeout(std::time::Duration::from_secs(20), self.store.settled("s")).await;
        assert_eq!(settled.expect("a change comes to its end").unwrap().status, StreamStatus::Active);
        let read = read_all(&self.store);
        let cutoff_ms = self.env.now_ms().saturating_sub(24 * HOUR_MS);
        for (key, numbers) in &read {
            assert!(
                numbers.windows(2).all(|pair| pair[0] < pair[1]),
                "key {key} is out of order or repeats: {numbers:?}"
            );
            for number in numbers {
                let name = (*key, *number);
                assert!(
                    self.ledger.kept.contains_key(&name) || self.ledger.unknown.contains(&name),
                    "{name:?} was never put"
                );
            }
        }
        for ((key, number), at_ms) in &self.ledger.kept {
            let found = read.get(key).is_some_and(|numbers| numbers.binary_search(number).is_ok());
            assert!(found || *at_ms <= cutoff_ms, "{key} {number} is lost");
        }
    }
}

/// The numbers of each key in the order in which they are read. Shards whose parents are gone are read as they are.
fn read_all(store: &Store) -> BTreeMap<u64, Vec<u64>> {
    let shards = store.shards("s").unwrap();
    let mut read: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    // Numbers of shards grow with their births, so parents come first.
    for shard in shards {
        let mut reader = store.shard_reader("s", shard.index, Position::ZERO).unwrap();
        let mut last = None;
        loop {
            match reader.read(8 * 1024).unwrap() {
                ShardRead::Block(block) => {
                    for row in &block.rows {
                        assert!(last.is_none_or(|last| row.position > last), "positions grow");
                        last = Some(row.position);
                        let text = std::str::from_utf8(block.payload(row)).unwrap();
                        let mut parts = text.split(' ').map(|part| part.parse::<u64>().ok());
                        let (key, number) = (parts.next().flatten().unwrap(), parts.next().flatten().unwrap());
                        read.entry(key).or_default().push(number);
                    }
                }
                ShardRead::Trimmed { first } => reader.seek(first),
                ShardRead::Tip | ShardRead::End { .. } => break,
            }
        }
    }
    read
}

async fn live(seed: u64, log: Arc<Mutex<Vec<String>>>) {
    let mut world = World::new(seed, log).await;
    for _ in 0..STEPS {
        world.step().await;
        if world.dice.roll(4) == 0 {
            world.check().await;
        }
    }
    world.check().await;
    world.store.shutdown().await;
}

#[test]
fn whatever_happens_nothing_acknowledged_is_lost_repeated_or_out_of_order() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("HAILSTREAM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HAILSTREAM_SEEDS").unwrap_or(SEEDS),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for seed in seeds {
        let log = Arc::<Mutex<Vec<String>>>::default();
        let history = std::panic::AssertUnwindSafe(|| runtime.block_on(live(seed, log.clone())));
        let lived = std::panic::catch_unwind(history);
        assert!(lived.is_ok(), "HAILSTREAM_SEED={seed} ends badly: {:#?}", log.lock());
    }
}

/// The numbers that each key was acknowledged with, and the next one.
type Acknowledged = Arc<Mutex<BTreeMap<u64, (Vec<u64>, u64)>>>;

/// Puts records of one key without a pause until told to stop; a number is used once, whatever becomes of it.
async fn write(store: Store, key: u64, ledger: Acknowledged, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let first = {
            let mut ledger = ledger.lock();
            let entry = ledger.entry(key).or_default();
            entry.1 += 20;
            entry.1 - 20
        };
        let record = |number: u64| PutRecord {
            partition_key: format!("key {key}"),
            explicit_hash_key: None,
            data: Bytes::from(format!("{key} {number} x")),
        };
        let Ok(outcomes) = store.put_records("s", (first..first + 20).map(record).collect()).await else { return };
        let stored = outcomes.iter().filter(|outcome| matches!(outcome, PutOutcome::Accepted { .. })).count() as u64;
        // Behind a refused record nothing of the same put is taken.
        ledger.lock().entry(key).or_default().0.extend(first..first + stored);
    }
}

/// Writers go on through 8 → 16 → 7 → 13 shards, and the power fails in the middle of each change.
/// Gives how many records were there in the end.
async fn crash_while_resharding(seed: u64) -> usize {
    let mut dice = Dice(seed);
    let (mut files, env) = (MemoryFiles::default(), Env::manual(1_000_000_000_000, seed).0);
    let mut store = Store::open(config(&files, &env)).unwrap();
    store.create_stream("s", 8, CapacityMode::Provisioned).await.unwrap();
    let ledger = Acknowledged::default();
    for target in [16, 7, 13] {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> =
            (0..12).map(|key| tokio::spawn(write(store.clone(), key, ledger.clone(), stop.clone()))).collect();
        tokio::time::sleep(std::time::Duration::from_millis(dice.roll(4))).await;
        store.update_shard_count("s", target).await.unwrap();
        for _ in 0..dice.roll(60) {
            tokio::task::yield_now().await;
        }
        // What was acknowledged before the power fails; what is on its way then may be there or not.
        let before = ledger.lock().clone();
        let disk = files.fork_durable();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        store.shutdown().await;
        disk.crash_by(&mut || dice.roll(2) == 0);
        files = disk;
        store = Store::open(config(&files, &env)).unwrap();
        assert_eq!(store.settled("s").await.unwrap().open_shards(), target as usize, "the change comes to its end");
        let read = read_all(&store);
        for (key, (acknowledged, _)) in &before {
            let numbers = read.get(key).cloned().unwrap_or_default();
            assert!(
                numbers.windows(2).all(|pair| pair[0] < pair[1]),
                "key {key} is out of order or repeats: {numbers:?}"
            );
            let lost = acknowledged.iter().find(|number| numbers.binary_search(number).is_err());
            assert_eq!(lost, None, "of key {key}, on the way to {target} shards");
        }
        // What the power failure took is not acknowledged any more for the next round.
        let mut ledger = ledger.lock();
        for (key, entry) in ledger.iter_mut() {
            entry.0 = before.get(key).map(|(acknowledged, _)| acknowledged.clone()).unwrap_or_default();
        }
    }
    let records = read_all(&store).values().map(Vec::len).sum();
    store.shutdown().await;
    records
}

#[test]
fn writers_lose_repeat_and_disorder_nothing_through_reshards_with_crashes_in_the_middle() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let records: usize = (0..8).map(|seed| runtime.block_on(crash_while_resharding(seed))).sum();
    assert!(records > 1_000, "the writers were at work: {records}");
}

/// What stands on a disk after a proper close.
struct Quiet {
    files: MemoryFiles,
    /// For each key the numbers of its records.
    whole: BTreeMap<u64, Vec<u64>>,
    /// Files and the lengths that they had between two puts: a log that is cut there looks as if it had not been written
    /// on.
    between: BTreeSet<(PathBuf, usize)>,
}

/// A store with a few shards, segments and consumers, closed properly.
fn quiet_disk(runtime: &tokio::runtime::Runtime, env: &Env) -> Quiet {
    runtime.block_on(async {
        let (files, mut between) = (MemoryFiles::default(), BTreeSet::new());
        let store = Store::open(config(&files, env)).unwrap();
        store.create_stream("s", 2, CapacityMode::Provisioned).await.unwrap();
        for round in 0..20_u64 {
            between.extend(files.paths().into_iter().map(|path| (path.clone(), files.bytes(&path).len())));
            let record = |key: u64| PutRecord {
                partition_key: format!("key {key}"),
                explicit_hash_key: None,
                data: Bytes::from(format!("{key} {round} {}", "x".repeat(60))),
            };
            store.put_records("s", (0..KEYS).map(record).collect()).await.unwrap();
            if round == 10 {
                store.update_shard_count("s", 3).await.unwrap();
                store.settled("s").await.unwrap();
            }
        }
        let whole = read_all(&store);
        store.shutdown().await;
        Quiet { files, whole, between }
    })
}

/// Opens a disk that was damaged: refused with a reason, or every read gives what was written or names the damage.
fn check_damaged(
    runtime: &tokio::runtime::Runtime,
    files: &MemoryFiles,
    env: &Env,
    whole: &BTreeMap<u64, Vec<u64>>,
) -> bool {
    runtime.block_on(async {
        let store = match Store::open(config(files, env)) {
            Ok(store) => store,
            Err(error) => return !error.to_string().is_empty(),
        };
        let mut noticed = !store.recovery().torn.is_empty() || !store.recovery().damage.is_empty();
        for shard in store.shards("s").unwrap() {
            noticed |= check_shard(&store, shard.index, whole);
        }
        store.shutdown().await;
        noticed
    })
}

fn check_shard(store: &Store, shard: ShardIndex, whole: &BTreeMap<u64, Vec<u64>>) -> bool {
    let mut reader = store.shard_reader("s", shard, Position::ZERO).unwrap();
    loop {
        match reader.read(8 * 1024) {
            Ok(ShardRead::Block(block)) => {
                for row in &block.rows {
                    let text = std::str::from_utf8(block.payload(row)).expect("what was handed out was checked");
                    let (key, rest) = text.split_once(' ').unwrap();
                    let (number, padding) = rest.split_once(' ').unwrap();
                    let written = whole[&key.parse().unwrap()].contains(&number.parse().unwrap());
                    assert!(written && padding == "x".repeat(60), "{text:?} was never written");
                }
            }
            Ok(ShardRead::Trimmed { first }) => reader.seek(first),
            Ok(ShardRead::Tip | ShardRead::End { .. }) => return false,
            Err(ReadError::Corrupt { .. } | ReadError::Storage { .. }) => return true,
            Err(other) => panic!("{other}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_flipped_bit_a_cut_or_zeroed_end_and_a_write_at_the_wrong_place_are_noticed(
        file: prop::sample::Index, at: prop::sample::Index, kind in 0..4,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let env = Env::manual(1_000_000_000_000, 3).0;
        let Quiet { files, whole, between } = quiet_disk(&runtime, &env);
        let paths: Vec<_> = files.paths().into_iter().filter(|path| !files.bytes(path).is_empty()).collect();
        let path = &paths[file.index(paths.len())];
        let mut bytes = files.bytes(path);
        let at = at.index(bytes.len());
        match kind {
            0 => bytes[at] ^= 1 << (at % 8),
            1 => bytes.truncate(at),
            2 => bytes[at..].fill(0),
            _ => {
                // What belongs elsewhere in the file stands here.
                let from = (at + bytes.len() / 2) % bytes.len();
                let len = 64.min(bytes.len() - at).min(bytes.len() - from);
                let moved = bytes[from..from + len].to_vec();
                bytes[at..at + len].copy_from_slice(&moved);
            }
        }
        let changed = bytes != files.bytes(path);
        files.put(path, bytes);
        let noticed = check_damaged(&runtime, &files, &env, &whole);
        let unseen = kind == 1 && between.contains(&(path.clone(), at));
        prop_assert!(noticed || !changed || unseen, "{path:?} was damaged at {at} ({kind}) and nobody noticed");
    }
}

#[tokio::test]
async fn an_unreadable_disk_is_told_to_readers_and_to_nobody_else() {
    let (files, env) = (MemoryFiles::default(), Env::manual(1_000_000_000_000, 7).0);
    let store = Store::open(StoreConfig { tail_cache_bytes: 0, ..config(&files, &env) }).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    let record =
        || PutRecord { partition_key: "k".into(), explicit_hash_key: None, data: Bytes::from_static(b"0 0 x") };
    store.put_records("s", vec![record()]).await.unwrap();
    files.set_faults(Faults { read: Some(ErrorKind::Other), ..Faults::default() });
    let read = store.read_records("s", ShardIndex(0), Position::ZERO, 10, 1_000).await;
    assert!(matches!(read, Err(ReadError::Storage { .. })), "{read:?}");
    assert!(matches!(store.put_records("s", vec![record()]).await.unwrap()[0], PutOutcome::Accepted { .. }));
    files.set_faults(Faults::default());
    let read = store.read_records("s", ShardIndex(0), Position::ZERO, 10, 1_000).await.unwrap();
    assert_eq!(read.records.len(), 2);
    store.shutdown().await;
}
