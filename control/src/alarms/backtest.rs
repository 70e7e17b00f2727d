//! What an alarm would have said about recorded numbers, before it is saved.

use super::sample::Reading;
use super::spec::{State, Watch};
use super::verdict::Verdict;
use crate::metrics::MetricStore;
use std::collections::BTreeMap;

/// Longest time that a back-test looks at, in seconds.
pub const BACKTEST_S_MAX: u64 = 7 * 86_400;
/// Most changes of state that are told; the later ones are counted.
const CHANGES_TOLD: usize = 500;

/// What an alarm would have said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backtest {
    /// When its state would have changed, the oldest first: 500 at most.
    pub changes: Vec<Change>,
    /// How often it would have come to ALARM.
    pub alarms: u64,
    /// How long it would have been in ALARM, in seconds.
    pub alarm_s: u64,
    /// How often it would have been evaluated.
    pub evaluations: u64,
    /// How many of the periods that were looked at had a value.
    pub periods_with_values: u64,
    /// The state at the end; `None` when nobody could ever tell.
    pub state: Option<State>,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// To which state.
    pub state: State,
    /// Why.
    pub reason: String,
}

/// Evaluates a watch on recorded numbers, as it would have been every 10 s or every minute within a time (milliseconds since
/// the Unix epoch).
///
/// # Errors
/// When the numbers cannot be read, the expression is wrong, or the time is empty or too long; in words.
pub fn backtest(store: &MetricStore, watch: &Watch, from_ms: u64, to_ms: u64) -> Result<Backtest, String> {
    if from_ms >= to_ms || to_ms - from_ms > BACKTEST_S_MAX * 1_000 {
        let days = BACKTEST_S_MAX / 86_400;
        return Err(format!("the time from {from_ms} to {to_ms} is not above 0 and at most {days} days"));
    }
    let (every_ms, period_ms) = (watch.every_s() * 1_000, watch.period_s() * 1_000);
    let span_ms = watch.rule().range() as u64 * period_ms;
    let mut readings: BTreeMap<u64, Reading> = BTreeMap::new();
    let (mut told, mut state) = (Backtest::default(), State::InsufficientData);
    let mut at_ms = from_ms.next_multiple_of(every_ms);
    while at_ms <= to_ms {
        // Evaluations at the same place within a period look at the same periods.
        let place_ms = at_ms % period_ms;
        let last_ms = to_ms - (to_ms - at_ms) % period_ms;
        let reading = match readings.entry(place_ms) {
            std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(Reading::of(store, watch, at_ms.saturating_sub(span_ms), last_ms)?)
            }
        };
        let verdict = Verdict::of(watch, reading.before(watch, at_ms), state);
        told.evaluations += 1;
        told.periods_with_values += u64::from(verdict.is_measured());
        if verdict.state != state {
            state = verdict.state;
            told.alarms += u64::from(state == State::Alarm);
            if told.changes.len() < CHANGES_TOLD {
                told.changes.push(Change { at_ms, state, reason: verdict.words(watch) });
            }
        }
        told.alarm_s += if state == State::Alarm { every_ms / 1_000 } else { 0 };
        at_ms += every_ms;
    }
    told.state = Some(state).filter(|_| told.evaluations > 0);
    Ok(told)
}
