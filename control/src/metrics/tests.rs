//! Tests of the metric store as a whole: exact merging, restarts at any moment, damage, bounds and expiry.

use super::{Datum, MetricStore, MetricsError, SeriesKey, StatisticSet, Value};
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
fn questions_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = opened(dir.path());
    assert!(matches!(store.query(&[key("a")], 0, 0..1), Err(MetricsError::Period(0))));
    assert!(matches!(store.query(&[key("a")], 60, 5..5), Err(MetricsError::Range { .. })));
    let many = vec![key("a"); 300];
    assert!(matches!(store.query(&many, 1, 0..u64::MAX), Err(MetricsError::TooManyPoints { .. })));
}
