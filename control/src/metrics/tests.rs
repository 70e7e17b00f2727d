//! Tests of the metric store as a whole: exact merging, restarts at any moment, damage, bounds and expiry.

use super::{Datum, Entry, MetricStore, MetricsError, SeriesKey, Spread, StatisticSet, Summary, Unit, Value};
use model::{Env, ManualClock};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const START_MS: u64 = 1_700_000_000_000;

fn key(name: &str) -> SeriesKey {
    SeriesKey::new("Test", name, [("of", "x")]).unwrap()
}

fn datum(name: &str, value: f64) -> Datum {
    Datum { key: Arc::new(key(name)), set: StatisticSet::of(value) }
}

fn opened(dir: &Path) -> (MetricStore, Env, Arc<ManualClock>) {
    let (env, clock) = Env::manual(START_MS, 1);
    (MetricStore::open(dir, env.clone()).unwrap(), env, clock)
}

fn ask(store: &MetricStore, period_s: u64, range: std::ops::Range<u64>) -> Vec<Vec<Value>> {
    store.query(&[key("a"), key("b")], period_s, range).unwrap()
}

/// What was recorded, merged in the stated steps, from finest to coarsest.
fn merged(raw: &BTreeMap<u64, StatisticSet>, steps: &[u64]) -> Vec<Value> {
    let mut points = raw.clone();
    for step in steps {
        let mut next: BTreeMap<u64, StatisticSet> = BTreeMap::new();
        for (at_s, set) in points {
            next.entry(at_s - at_s % step).and_modify(|held| *held = held.merge(set)).or_insert(set);
        }
        points = next;
    }
    points.into_iter().map(|(at_s, set)| Value { at_ms: at_s * 1_000, set }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_period_is_the_merge_of_what_was_recorded_and_a_restart_changes_nothing(
        steps in proptest::collection::vec((1_u64..40_000, -1e6_f64..1e6, any::<bool>()), 1..60),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, env, clock) = opened(dir.path());
        let mut raw: BTreeMap<u64, StatisticSet> = BTreeMap::new();
        for (step_s, value, restart) in steps {
            // Most steps are short, so that points meet in minutes; some skip whole chunks.
            clock.advance_ms(if step_s > 39_000 { step_s } else { step_s % 90 } * 1_000);
            store.record(&[datum("a", value), datum("b", -value)]).unwrap();
            let set = StatisticSet::of(value);
            raw.entry(env.now_ms() / 1_000).and_modify(|held| *held = held.merge(set)).or_insert(set);
            if restart {
                drop(store);
                store = MetricStore::open(dir.path(), env.clone()).unwrap();
            }
        }
        let all = 0..env.now_ms() + 1;
        prop_assert_eq!(&ask(&store, 60, all.clone())[0], &merged(&raw, &[60]));
        prop_assert_eq!(&ask(&store, 300, all.clone())[0], &merged(&raw, &[60, 300]));
        prop_assert_eq!(&ask(&store, 3_600, all.clone())[0], &merged(&raw, &[60, 300, 3_600]));
        prop_assert_eq!(&ask(&store, 7_200, all.clone())[0], &merged(&raw, &[60, 300, 3_600, 7_200]));
        let hour = env.now_ms() - 3_500_000..env.now_ms() + 1;
        let recent: BTreeMap<_, _> = raw.range(hour.start.div_ceil(1_000)..).map(|(at, set)| (*at, *set)).collect();
        let seconds: Vec<Value> = ask(&store, 1, hour.start.div_ceil(1_000) * 1_000..hour.end).swap_remove(0);
        prop_assert_eq!(seconds, merged(&recent, &[1]));
    }
}

#[test]
fn what_was_recorded_is_in_answers_at_once_and_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    store.record(&[datum("a", 2.0), datum("a", 4.0)]).unwrap();
    clock.advance_ms(1_000);
    store.record(&[datum("b", 1.5)]).unwrap();
    let check = |store: &MetricStore| {
        let answer = ask(store, 60, START_MS..START_MS + 60_000);
        assert_eq!(answer[0][0].set, StatisticSet { sum: 6.0, count: 2.0, min: 2.0, max: 4.0 });
        assert_eq!(answer[1][0].set, StatisticSet::of(1.5));
    };
    check(&store);
    // Not closed in any way: the journal holds it.
    std::mem::forget(store);
    check(&MetricStore::open(dir.path(), env).unwrap());
}

#[test]
fn a_damaged_file_costs_what_it_held_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    for minute in 0..180 {
        store.record(&[datum("a", f64::from(minute))]).unwrap();
        clock.advance_ms(60_000);
    }
    let whole = ask(&store, 60, 0..env.now_ms())[0].len();
    let hours: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let hours: Vec<_> =
        hours.iter().filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("60s-")).collect();
    let bytes = fs::read(hours[0]).unwrap();
    for cut in [0, 10, 40, bytes.len() - 1] {
        fs::write(hours[0], &bytes[..cut]).unwrap();
        let left = ask(&store, 60, 0..env.now_ms())[0].len();
        assert!(left < whole && left >= whole - 60, "{left} of {whole}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs::write(hours[0], &flipped).unwrap();
        assert!(ask(&store, 60, 0..env.now_ms())[0].len() < whole, "byte {at}");
    }
    drop(store);
    let again = MetricStore::open(dir.path(), env.clone()).unwrap();
    assert!(ask(&again, 60, 0..env.now_ms())[0].len() < whole);
}

#[test]
fn series_beyond_the_bound_and_values_that_are_none_are_refused_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(START_MS, 1);
    let store = MetricStore::open_with(dir.path(), env, 2).unwrap();
    let recorded = store.record(&[datum("a", 1.0), datum("b", 1.0), datum("c", 1.0), datum("a", f64::NAN)]).unwrap();
    assert_eq!((recorded.taken, recorded.refused), (2, 2));
    clock.jump_to_ms(START_MS - 600_000);
    assert_eq!(store.record(&[datum("a", 1.0)]).unwrap().refused, 1, "the clock was set back by minutes");
    let refused = store.samples().into_iter().find(|sample| sample.name == "metrics_refused_total").unwrap();
    assert_eq!(refused.value, 3.0);
}

#[test]
fn nobody_waits_for_the_register_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _, _) = opened(dir.path());
    let names: Vec<String> = (0..500).map(|n| format!("{n:0200}")).collect();
    let data: Vec<Datum> = names.iter().map(|name| datum(name, 1.0)).collect();
    store.record(&data).unwrap();
    // Whoever writes into a pipe waits for its reader, as for a slow disk.
    let pipe = dir.path().join("register.next");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| store.sync());
        let mut reader = fs::File::open(&pipe).unwrap();
        let (told, listed) = std::sync::mpsc::channel();
        let asking = scope.spawn(|| {
            let told = told;
            let listed = (store.listed(0), store.unit(&key("a")));
            told.send(listed.0.into_iter().map(|one| one.key.name().to_owned()).collect::<Vec<_>>()).unwrap();
        });
        let listed = listed.recv_timeout(std::time::Duration::from_secs(20));
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        asking.join().unwrap();
        assert_eq!(listed.unwrap(), names, "all of them, in order");
        // A pipe cannot be made durable.
        assert!(matches!(writing.join().unwrap(), Err(MetricsError::Register(_))));
    });
    fs::remove_file(&pipe).unwrap();
    store.sync().unwrap();
    drop(store);
    assert_eq!(opened(dir.path()).0.listed(0).len(), names.len(), "what was not written is written later");
}

#[test]
fn seconds_are_forgotten_after_their_hour_and_files_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    for _ in 0..17 * 24 {
        store.record(&[datum("a", 1.0)]).unwrap();
        clock.advance_ms(3_600_000);
    }
    let all = 0..env.now_ms();
    assert!(ask(&store, 1, all.clone())[0].len() <= 2);
    let minutes = ask(&store, 60, all.clone())[0].len();
    assert!((15 * 24..=15 * 24 + 2).contains(&minutes), "{minutes}");
    assert_eq!(ask(&store, 3_600, all)[0].iter().map(|value| value.set.sum).sum::<f64>(), (17 * 24) as f64);
    assert!(fs::read_dir(dir.path()).unwrap().count() < 3 + 362 + 52 + 5);
}

#[test]
fn a_disk_that_takes_nothing_is_told_and_costs_nothing_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    store.record(&[datum("a", 1.0)]).unwrap();
    let moved = dir.path().with_extension("away");
    fs::rename(dir.path(), &moved).unwrap();
    clock.advance_ms(300_000);
    assert!(matches!(store.record(&[datum("a", 2.0)]), Err(MetricsError::Io { .. })));
    assert_eq!(ask(&store, 60, 0..env.now_ms() + 1)[0].len(), 2);
    fs::rename(&moved, dir.path()).unwrap();
    clock.advance_ms(300_000);
    store.record(&[datum("a", 3.0)]).unwrap();
    drop(store);
    let again = MetricStore::open(dir.path(), env.clone()).unwrap();
    assert_eq!(ask(&again, 60, 0..env.now_ms() + 1)[0].len(), 3);
}

#[test]
fn a_key_that_is_asked_for_twice_has_what_waits_for_the_disk_too() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    store.record(&[datum("a", 1.0), datum("b", 5.0)]).unwrap();
    let moved = dir.path().with_extension("away");
    fs::rename(dir.path(), &moved).unwrap();
    clock.advance_ms(300_000);
    assert!(store.record(&[datum("a", 2.0)]).is_err());
    let asked = [key("a"), key("c"), key("b"), key("a")];
    let found = store.query(&asked, 1, 0..env.now_ms() + 1).unwrap();
    let sums: Vec<Vec<f64>> = found.iter().map(|values| values.iter().map(|value| value.set.sum).collect()).collect();
    assert_eq!(sums, [vec![1.0, 2.0], vec![], vec![5.0], vec![1.0, 2.0]]);
    fs::rename(&moved, dir.path()).unwrap();
}

#[test]
fn a_journal_that_cannot_be_begun_is_begun_as_soon_as_the_disk_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    let moved = dir.path().with_extension("away");
    fs::rename(dir.path(), &moved).unwrap();
    clock.advance_ms(300_000);
    for value in [1.0, 2.0] {
        assert!(store.record(&[datum("a", value)]).is_err(), "also in the seconds after the first");
        clock.advance_ms(1_000);
    }
    fs::rename(&moved, dir.path()).unwrap();
    store.record(&[datum("b", 3.0)]).unwrap();
    drop(store);
    let again = MetricStore::open(dir.path(), env.clone()).unwrap();
    let sums: Vec<f64> = ask(&again, 60, 0..env.now_ms() + 1).iter().flatten().map(|value| value.set.sum).collect();
    assert_eq!(sums, [3.0, 3.0], "what was in memory meanwhile is there too");
}

#[test]
fn no_value_comes_under_the_name_of_another_series_behind_a_write_that_failed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    store.break_journal();
    assert!(store.record(&[datum("a", 1.0)]).is_err());
    assert!(store.record(&[datum("a", 2.0)]).unwrap_err().to_string().contains(".journal"), "told again, at once");
    clock.advance_ms(1_000);
    store.record(&[datum("b", 4.0)]).unwrap();
    store.record(&[datum("a", 8.0)]).unwrap();
    drop(store);
    let again = MetricStore::open(dir.path(), env.clone()).unwrap();
    let sums: Vec<Vec<f64>> = ask(&again, 1, 0..env.now_ms() + 1)
        .iter()
        .map(|values| values.iter().map(|value| value.set.sum).collect())
        .collect();
    assert_eq!(sums, [vec![3.0, 8.0], vec![4.0]]);
    again.break_journal();
    clock.advance_ms(1_000);
    assert!(again.record(&[datum("a", 16.0)]).is_err());
    again.sync().unwrap();
    drop(again);
    let last = MetricStore::open(dir.path(), env.clone()).unwrap();
    assert_eq!(ask(&last, 3_600, 0..env.now_ms() + 1)[0][0].set.sum, 27.0);
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = opened(dir.path());
    assert!(matches!(store.query(&[key("a")], 0, 0..1), Err(MetricsError::Period(0))));
    assert!(matches!(store.query(&[key("a")], 60, 5..5), Err(MetricsError::Range { .. })));
    let many = vec![key("a"); 300];
    assert!(matches!(store.query(&many, 1, 0..u64::MAX), Err(MetricsError::TooManyPoints { .. })));
}

fn entry(name: &str, at_ms: u64, value: f64) -> Entry {
    Entry {
        key: Arc::new(key(name)),
        at_ms: Some(at_ms),
        summary: StatisticSet::of(value).into(),
        unit: Unit::MILLISECONDS,
    }
}

#[test]
fn what_version_1_has_written_is_read() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics-1");
    let dir = tempfile::tempdir().unwrap();
    for file in fs::read_dir(fixture).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let (env, _clock) = Env::manual(START_MS + 20 * 30_000, 1);
    let store = MetricStore::open(dir.path(), env.clone()).unwrap();
    for _ in 0..2 {
        let found = ask(&store, 1, START_MS..env.now_ms());
        let values: Vec<f64> = found[0].iter().map(|value| value.set.sum).collect();
        assert_eq!(values, (0..20).map(f64::from).collect::<Vec<_>>());
        assert!(found[1].iter().all(|value| value.set == StatisticSet { sum: 3.0, count: 2.0, min: 0.5, max: 2.5 }));
        assert_eq!(ask(&store, 300, START_MS - 300_000..env.now_ms())[0].iter().map(|v| v.set.sum).sum::<f64>(), 190.0);
    }
    // A journal that an earlier version began goes on.
    store.record(&[datum("a", 7.0), datum("a", 9.0)]).unwrap();
    drop(store);
    let again = MetricStore::open(dir.path(), env.clone()).unwrap();
    assert_eq!(ask(&again, 1, env.now_ms()..env.now_ms() + 1)[0][0].set.sum, 16.0);
}

#[test]
fn percentiles_hold_over_tiers_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    for nth in 0..1_000_u32 {
        store.record(&[datum("a", f64::from(nth % 100 + 1))]).unwrap();
        clock.advance_ms(10_000);
    }
    let tell = |store: &MetricStore| {
        let found = store.summaries(&[key("a")], 10_800, 0, 0..env.now_ms()).unwrap().swap_remove(0);
        let all: Summary = found.into_iter().map(|(_, summary)| summary).reduce(|a, b| a.merge(&b)).unwrap();
        (all.set.count, [0.5, 0.9, 0.99].map(|part| all.spread_of(Spread::Percentile(part)).unwrap()))
    };
    let (count, told) = tell(&store);
    assert_eq!(count, 1_000.0);
    for (told, expected) in told.into_iter().zip([50.0, 90.0, 99.0]) {
        assert!((told - expected).abs() <= expected * 0.02, "{told} is not {expected}");
    }
    drop(store);
    assert_eq!(tell(&MetricStore::open(dir.path(), env.clone()).unwrap()), (count, told));
}

#[test]
fn values_of_the_past_are_in_every_tier_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    store.record(&[datum("a", 1.0)]).unwrap();
    clock.advance_ms(7_200_000);
    store.record(&[datum("a", 2.0)]).unwrap();
    let now_ms = env.now_ms();
    let ages_ms = [2_000, 400_000, 3_000_000, 7_200_000, 86_400_000, 14 * 86_400_000];
    let entries: Vec<Entry> = ages_ms.iter().map(|age_ms| entry("a", now_ms - age_ms, 10.0)).collect();
    assert_eq!(store.record_entries(&entries).unwrap().taken, entries.len());
    let check = |store: &MetricStore| {
        for (period_s, ages) in [(60, 6), (300, 6), (3_600, 6), (86_400, 6)] {
            let found = ask(store, period_s, 0..now_ms + 1).swap_remove(0);
            let sum: f64 = found.iter().map(|value| value.set.sum).sum();
            assert_eq!(sum, 3.0 + f64::from(ages) * 10.0, "{period_s}");
        }
        let seconds = ask(store, 1, now_ms - 3_500_000..now_ms + 1).swap_remove(0);
        assert_eq!(seconds.iter().map(|value| value.set.sum).sum::<f64>(), 32.0);
    };
    check(&store);
    drop(store);
    check(&MetricStore::open(dir.path(), env.clone()).unwrap());
}

#[test]
fn times_and_units_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, _clock) = opened(dir.path());
    let taken = |entry: Entry| store.record_entries(&[entry]).unwrap().taken == 1;
    assert!(taken(entry("a", env.now_ms(), 1.0)));
    assert!(taken(entry("a", env.now_ms() + 59_000, 1.0)));
    assert!(!taken(entry("a", env.now_ms() + 61_000, 1.0)));
    assert!(!taken(entry("a", env.now_ms() - 15 * 86_400_000, 1.0)));
    assert!(taken(Entry { unit: Unit::Time(2), ..entry("a", env.now_ms(), 2.0) }));
    assert!(!taken(Entry { unit: Unit::Count, ..entry("a", env.now_ms(), 2.0) }));
    assert_eq!(store.unit(&key("a")), Some(Unit::MILLISECONDS));
    let sum: f64 = ask(&store, 60, 0..env.now_ms() + 120_000)[0].iter().map(|value| value.set.sum).sum();
    assert_eq!(sum, 2_002.0, "seconds were turned into milliseconds");
    let listed = store.listed(0);
    assert_eq!((listed.len(), listed[0].unit), (1, Unit::MILLISECONDS));
}

#[test]
fn periods_may_begin_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env, clock) = opened(dir.path());
    for _ in 0..600 {
        store.record(&[datum("a", 1.0)]).unwrap();
        clock.advance_ms(1_000);
    }
    let phase_s = env.now_ms() / 1_000 % 300;
    assert_ne!(phase_s, 0);
    let found = store.summaries(&[key("a")], 300, phase_s, env.now_ms() - 600_000..env.now_ms()).unwrap();
    let sums: Vec<(u64, f64)> = found[0].iter().map(|(at_ms, summary)| (*at_ms, summary.set.sum)).collect();
    assert_eq!(sums, [(env.now_ms() - 600_000, 300.0), (env.now_ms() - 300_000, 300.0)]);
}
