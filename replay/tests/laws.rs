//! Laws of a whole replay on a clock that the test moves: order, exactly once, pacing, lag, waits, commands.
#![allow(clippy::unwrap_used, missing_docs)]

mod stand;

use model::{Env, EventTime, ManualClock};
use proptest::prelude::*;
use replay::{PutError, PutLimits, Replay, ReplayConfig, ReplayHandle, Speed, State, Step};
use stand::{Answer, Rows, Script, Target};
use std::sync::Arc;

/// A replay with its clock; waits move the clock, so that nothing takes time.
struct Run {
    replay: Replay,
    handle: ReplayHandle,
    clock: Arc<ManualClock>,
    env: Env,
    waits_ns: Vec<u64>,
}

impl Run {
    fn new(config: ReplayConfig, rows: Rows, target: Target) -> Self {
        let (env, clock) = Env::manual(1_000_000, 42);
        let (replay, handle) = Replay::prepare(config, Box::new(rows), Box::new(target), env.clone()).unwrap();
        Self { replay, handle, clock, env, waits_ns: Vec::new() }
    }

    /// Steps until the end, or until the clock reads `until_ms` since the start.
    fn until(&mut self, until_ms: u64) -> bool {
        for _ in 0..2_000_000 {
            if self.env.monotonic_ns() >= until_ms * 1_000_000 {
                return false;
            }
            match self.replay.step() {
                Step::Again => {}
                Step::WaitUntil(at_ns) => {
                    let wait_ns = at_ns - self.env.monotonic_ns();
                    self.waits_ns.push(wait_ns);
                    self.clock.advance_ms(wait_ns.div_ceil(1_000_000));
                }
                Step::WaitForCommand => self.clock.advance_ms(100),
                Step::Ended => return true,
            }
        }
        panic!("the replay spins: {:?}", self.handle.stats());
    }

    fn finish(&mut self) {
        assert!(self.until(u64::MAX / 1_000_000), "{:?}", self.handle.stats());
    }
}

fn fast() -> ReplayConfig {
    ReplayConfig { speed: Speed::UNLIMITED, ..ReplayConfig::default() }
}

fn at(factor: f64) -> ReplayConfig {
    ReplayConfig { speed: Speed::times(factor).unwrap(), ..ReplayConfig::default() }
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => any::<u64>().prop_map(Answer::RefuseFromSomewhereInShards),
        2 => Just(Answer::AcceptAll),
        1 => Just(Answer::RefuseAll),
        1 => Just(Answer::Fail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_row_exactly_once_and_in_order_within_its_key(
        rows in 0u64..3_000, keys in 1u64..40, shards in 1u64..9, records_max in 1usize..=500,
        script in proptest::collection::vec(answers(), 0..60),
    ) {
        let (target, log) = Target::new(Script::Answers(script), shards);
        let limits = PutLimits { records_max, ..PutLimits::default() };
        let mut run = Run::new(ReplayConfig { limits, ..fast() }, Rows::new(rows, keys, 10), target);
        run.finish();
        let log = log.lock();
        prop_assert!(log.longest_put <= records_max);
        let mut all: Vec<u64> = log.accepted.iter().map(|(_, row)| *row).collect();
        let by_key = log.accepted_by_key();
        prop_assert!(by_key.values().all(|rows| rows.is_sorted_by(|a, b| a < b)), "order within a key");
        all.sort_unstable();
        prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
        let stats = run.handle.stats();
        prop_assert_eq!((stats.state, stats.sent, stats.position), (State::Finished, rows, rows));
    }

    #[test]
    fn what_was_stopped_continues_without_gap_or_double(
        rows in 1u64..3_000, keys in 1u64..40, stop_at_step in 1usize..200,
        script in proptest::collection::vec(answers(), 0..40),
    ) {
        let (target, log) = Target::new(Script::Answers(script), 4);
        let mut first = Run::new(fast(), Rows::new(rows, keys, 10), target);
        for _ in 0..stop_at_step {
            match first.replay.step() {
                Step::WaitUntil(at_ns) => first.clock.advance_ms((at_ns - first.env.monotonic_ns()).div_ceil(1_000_000)),
                Step::Ended => break,
                Step::Again | Step::WaitForCommand => {}
            }
        }
        first.handle.request_stop();
        first.finish();
        let stats = first.handle.stats();
        prop_assume!(stats.acknowledged_ahead == 0);
        let (target, second_log) = Target::new(Script::Answers(vec![]), 4);
        let config = ReplayConfig { skip_rows: first.handle.position(), ..fast() };
        let mut second = Run::new(config, Rows::new(rows, keys, 10), target);
        second.finish();
        let mut all: Vec<u64> = log.lock().accepted.iter().map(|(_, row)| *row).collect();
        all.extend(second_log.lock().accepted.iter().map(|(_, row)| *row));
        all.sort_unstable();
        prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
    }
}

#[test]
fn rows_are_sent_when_they_are_due_and_no_later_than_the_linger() {
    // A row each 100 ms of event time, ten times as fast: a row each 10 ms.
    let (target, log) = Target::new(Script::Answers(vec![]), 1);
    let mut run = Run::new(at(10.0), Rows::new(500, 7, 100), target);
    log.lock().env = Some(run.env.clone());
    run.finish();
    let elapsed_ms = run.env.monotonic_ns() / 1_000_000;
    assert!((4_990..=5_010).contains(&elapsed_ms), "{elapsed_ms}");
    for (at_ms, row) in &log.lock().accepted {
        let due_ms = row * 10;
        assert!((due_ms..=due_ms + 11).contains(at_ms), "row {row} at {at_ms}");
    }
    assert_eq!(run.handle.stats().replay_lag_ms, 0);
}

#[test]
fn a_replay_that_is_behind_fills_its_puts() {
    let (target, log) = Target::new(Script::Answers(vec![]), 1);
    let mut run = Run::new(at(1_000.0), Rows::new(10_000, 7, 1), target);
    // The first put takes ten seconds, so that everything is overdue after it.
    log.lock().slow_first_put = Some((run.clock.clone(), 10_000));
    run.finish();
    assert!(run.handle.stats().puts <= 10_000 / 500 + 2, "{}", run.handle.stats().puts);
    assert_eq!(log.lock().longest_put, 500);
}

#[test]
fn lag_grows_while_the_stream_is_too_small_and_falls_when_it_is_not() {
    // 2,000 rows are due each second, and two shards take 250 each.
    let (target, log) = Target::new(Script::Limited { per_shard_per_s: 250.0 }, 2);
    let mut run = Run::new(at(1.0), Rows::evenly(1_000_000, 400, 2_000), target);
    log.lock().env = Some(run.env.clone());
    let mut lags = Vec::new();
    for second in 1..=10 {
        run.until(second * 1_000);
        lags.push(run.handle.stats().replay_lag_ms);
    }
    assert!(lags.windows(2).all(|pair| pair[0] + 500 < pair[1]), "{lags:?}");
    let stats = run.handle.stats();
    let rate = stats.sent as f64 / 10.0;
    assert!((470.0..=560.0).contains(&rate), "{rate} of 500 records/s");
    assert!((450.0..=550.0).contains(&stats.events_per_s), "{}", stats.events_per_s);
    assert!(
        stats.refused > 0 && stats.retries > 0 && stats.refused_by_code == [("Throttled".to_owned(), stats.refused)]
    );

    // Twice the shards take twice as much.
    log.lock().shards = 4;
    let before = stats.sent;
    run.until(20_000);
    let rate = (run.handle.stats().sent - before) as f64 / 10.0;
    assert!((940.0..=1_080.0).contains(&rate), "{rate} of 1,000 records/s");

    log.lock().shards = 40;
    run.until(40_000);
    assert!(run.handle.stats().replay_lag_ms <= 11, "no more than the linger: {:?}", run.handle.stats());
}

#[test]
fn a_target_that_refuses_everything_is_not_asked_in_a_busy_loop() {
    let (target, _log) = Target::new(Script::Always(Answer::RefuseAll), 1);
    let mut run = Run::new(fast(), Rows::new(10_000, 1, 1), target);
    assert!(!run.until(60_000));
    let stats = run.handle.stats();
    assert!((250..=700).contains(&stats.puts), "{} puts in a minute", stats.puts);
    assert_eq!((stats.sent, stats.position), (0, 0));
}

#[test]
fn a_target_that_is_away_is_tried_again_ever_more_rarely() {
    let (target, _log) = Target::new(Script::Always(Answer::Fail), 1);
    let mut run = Run::new(fast(), Rows::new(10, 1, 1), target);
    assert!(!run.until(600_000));
    let stats = run.handle.stats();
    assert!((100..=300).contains(&stats.puts), "{} puts in ten minutes", stats.puts);
    assert_eq!(stats.last_error.as_deref(), Some("away"));
    assert_eq!(stats.state, State::Running);
}

#[test]
fn a_fatal_answer_ends_the_replay_with_its_reason() {
    let target = stand::Fixed(Some(Err(PutError::Fatal("stream trips does not exist".into()))));
    let (env, _) = Env::manual(0, 1);
    let (mut replay, handle) = Replay::prepare(fast(), Box::new(Rows::new(5, 1, 1)), Box::new(target), env).unwrap();
    while replay.step() != Step::Ended {}
    assert_eq!(handle.stats().state, State::Failed { reason: "stream trips does not exist".into() });
    assert_eq!(handle.position(), 0);
}

#[test]
fn an_answer_of_the_wrong_length_ends_the_replay() {
    let target = stand::Fixed(Some(Ok(vec![])));
    let (env, _) = Env::manual(0, 1);
    let (mut replay, handle) = Replay::prepare(fast(), Box::new(Rows::new(5, 1, 1)), Box::new(target), env).unwrap();
    while replay.step() != Step::Ended {}
    let reason = "the target gave 0 verdicts for 5 records".to_owned();
    assert_eq!(handle.stats().state, State::Failed { reason });
}

#[test]
fn a_pause_stops_the_flow_and_adds_no_lag() {
    let (target, log) = Target::new(Script::Answers(vec![]), 1);
    let mut run = Run::new(at(1.0), Rows::new(100, 3, 100), target);
    log.lock().env = Some(run.env.clone());
    run.until(2_000);
    run.handle.pause();
    assert_eq!(run.handle.stats().state, State::Paused, "whoever told it sees it, before it is heard");
    run.until(10_000);
    let stats = run.handle.stats();
    assert_eq!((stats.state, stats.replay_lag_ms), (State::Paused, 0));
    assert!((19..=21).contains(&stats.sent), "{}", stats.sent);
    run.handle.resume();
    assert_eq!(run.handle.stats().state, State::Running);
    run.finish();
    let elapsed_ms = run.env.monotonic_ns() / 1_000_000;
    assert!((17_800..=18_200).contains(&elapsed_ms), "{elapsed_ms}");
}

#[test]
fn a_new_speed_holds_from_now_on() {
    let (target, _log) = Target::new(Script::Answers(vec![]), 1);
    let mut run = Run::new(at(1.0), Rows::new(1_000, 3, 100), target);
    run.until(10_000);
    run.handle.set_speedup(10.0).unwrap();
    assert!(run.handle.set_speedup(-1.0).is_err());
    run.finish();
    let elapsed_ms = run.env.monotonic_ns() / 1_000_000;
    assert!((18_900..=19_200).contains(&elapsed_ms), "{elapsed_ms}");
    assert_eq!(run.handle.stats().speed, Speed::times(10.0).unwrap());
}

#[test]
fn a_seek_passes_over_what_is_older_and_the_schedule_begins_there() {
    let (target, log) = Target::new(Script::Answers(vec![]), 1);
    let config = ReplayConfig { seek: Some(EventTime(50_000 * 100)), ..at(1.0) };
    let mut run = Run::new(config, Rows::new(50_010, 3, 100), target);
    run.finish();
    assert!(run.env.monotonic_ns() < 1_100_000_000);
    let stats = run.handle.stats();
    assert_eq!((stats.sent, stats.skipped, stats.position), (10, 50_000, 50_010));
    assert_eq!(log.lock().accepted[0].1, 50_000);
}

#[test]
fn a_row_too_large_for_any_put_is_counted_and_passed_over() {
    let (target, _log) = Target::new(Script::Answers(vec![]), 1);
    let limits = PutLimits { record_bytes_max: 12, ..PutLimits::default() };
    let mut run = Run::new(ReplayConfig { limits, ..fast() }, Rows::new(1_001, 1, 1), target);
    run.finish();
    let stats = run.handle.stats();
    // Rows are their own number as text, with a key of nine characters: four digits are too many.
    assert_eq!((stats.sent, stats.unparsable, stats.position), (1_000, 1, 1_001));
    assert_eq!(stats.bad_rows[0].place, "row 1001");
}

#[test]
fn a_stop_ends_within_its_grace_whatever_the_target_says() {
    let (target, _log) = Target::new(Script::Always(Answer::RefuseAll), 1);
    let mut run = Run::new(fast(), Rows::new(10_000, 1, 1), target);
    run.until(5_000);
    run.handle.request_stop();
    run.finish();
    assert!(run.env.monotonic_ns() < 8_300_000_000);
    assert_eq!(run.handle.stats().state, State::Stopped);
}

#[test]
fn every_wait_is_bounded_by_what_was_asked_for() {
    let (target, _log) = Target::new(Script::Always(Answer::RefuseAll), 1);
    let mut run = Run::new(fast(), Rows::new(1_000, 1, 1), target);
    run.until(30_000);
    assert!(run.waits_ns.iter().all(|wait| (500_000..=200_000_000).contains(wait)), "{:?}", run.waits_ns);
}
