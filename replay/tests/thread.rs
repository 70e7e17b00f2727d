//! A replay on its own thread, with the machine's clock: commands are heard at once, ends are told.
#![allow(clippy::unwrap_used, missing_docs)]

mod stand;

use model::Env;
use replay::{Replay, ReplayConfig, ReplayHandle, Speed, StartError, State};
use stand::{Rows, Script, Target};

fn start(config: ReplayConfig, rows: Rows, target: Target) -> ReplayHandle {
    Replay::start(config, Box::new(rows), Box::new(target), Env::system()).unwrap()
}

fn slow() -> ReplayConfig {
    // A row each hour: whoever waits for the next one waits longer than a test may take.
    ReplayConfig { speed: Speed::times(1.0).unwrap(), ..ReplayConfig::default() }
}

const HOUR_MS: u64 = 3_600_000;

#[test]
fn it_runs_to_the_end() {
    let (target, log) = Target::new(Script::Answers(vec![]), 4);
    let config = ReplayConfig { speed: Speed::UNLIMITED, ..ReplayConfig::default() };
    let handle = start(config, Rows::new(20_000, 9, 1), target);
    let stats = handle.wait(60_000);
    assert_eq!((stats.state, stats.sent, stats.fraction), (State::Finished, 20_000, Some(1.0)));
    assert_eq!(log.lock().accepted.len(), 20_000);
    assert_eq!(handle.stop().state, State::Finished, "a stop after the end changes nothing");
}

#[test]
fn a_stop_wakes_a_replay_that_waits_for_the_next_row() {
    let (target, _log) = Target::new(Script::Answers(vec![]), 1);
    let handle = start(slow(), Rows::new(10, 1, HOUR_MS), target);
    while handle.stats().sent == 0 {
        std::thread::yield_now();
    }
    let stats = handle.stop();
    assert_eq!((stats.state, stats.sent, stats.position), (State::Stopped, 1, 1));
}

#[test]
fn a_new_speed_wakes_a_replay_that_waits_for_the_next_row() {
    let (target, _log) = Target::new(Script::Answers(vec![]), 1);
    let handle = start(slow(), Rows::new(10, 1, HOUR_MS), target);
    while handle.stats().sent == 0 {
        std::thread::yield_now();
    }
    handle.set_speed(Speed::UNLIMITED);
    assert_eq!(handle.wait(60_000).state, State::Finished);
}

#[test]
fn a_paused_replay_waits_for_its_resume() {
    let (target, log) = Target::new(Script::Answers(vec![]), 1);
    let config = ReplayConfig { speed: Speed::UNLIMITED, paused: true, ..ReplayConfig::default() };
    let handle = start(config, Rows::new(10, 1, 1), target);
    assert!(!handle.wait(50).state.is_ended());
    assert_eq!((handle.stats().state, log.lock().accepted.len()), (State::Paused, 0));
    handle.resume();
    assert_eq!(handle.wait(60_000).state, State::Finished);
}

#[test]
fn a_fault_of_the_target_is_told_as_a_failure() {
    let target = stand::Fixed(None);
    let handle = Replay::start(slow(), Box::new(Rows::new(5, 1, 1)), Box::new(target), Env::system()).unwrap();
    assert!(matches!(handle.wait(60_000).state, State::Failed { .. }));
    assert!(matches!(handle.stop().state, State::Failed { .. }));
}

#[test]
fn a_wrong_option_is_refused_before_anything_starts() {
    let (target, _log) = Target::new(Script::Answers(vec![]), 1);
    let config = ReplayConfig { linger_ms: 5_000, ..ReplayConfig::default() };
    let error = Replay::start(config, Box::new(Rows::new(5, 1, 1)), Box::new(target), Env::system()).unwrap_err();
    assert!(matches!(error, StartError::Config(_)));
    assert_eq!(error.to_string(), "linger_ms is 5000; it must be from 0 to 1000");
}
