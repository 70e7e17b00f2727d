//! When is a row due? A schedule maps event time to wall time by a speed-up that may change while the replay runs.

use crate::config::ConfigError;
use model::EventTime;

/// The default speed-up: 1.8 hours of history each second.
pub const SPEEDUP_DEFAULT: f64 = 6_480.0;
/// The largest speed-up; beyond it, say "as fast as possible".
pub const SPEEDUP_MAX: f64 = 1e9;
/// The smallest speed-up: a thousandth of real time.
const SPEEDUP_MIN: f64 = 1e-3;

const NS_PER_MS: f64 = 1e6;

/// How fast history is replayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(Option<f64>);

impl Speed {
    /// As fast as the target takes it: every row is due at once, and there is no lag.
    pub const UNLIMITED: Self = Self(None);

    /// `factor` milliseconds of history in each millisecond.
    ///
    /// # Errors
    /// When `factor` is not a number from 0.001 to 1,000,000,000.
    pub fn times(factor: f64) -> Result<Self, ConfigError> {
        if (SPEEDUP_MIN..=SPEEDUP_MAX).contains(&factor) {
            Ok(Self(Some(factor)))
        } else {
            Err(ConfigError::Speedup { given: factor, min: SPEEDUP_MIN, max: SPEEDUP_MAX })
        }
    }

    /// The factor, or `None` when unlimited.
    pub fn factor(self) -> Option<f64> {
        self.0
    }
}

impl Default for Speed {
    fn default() -> Self {
        Self(Some(SPEEDUP_DEFAULT))
    }
}

/// The line that maps event time to wall time, through an anchor, at a speed. Wall times are monotonic nanoseconds.
///
/// A change of speed keeps the event time that is due at that moment: lag that had grown is not forgiven. A pause moves the
/// whole line to the right, so that it adds no lag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    speed: Speed,
    anchor_ns: u64,
    anchor_event_ms: f64,
    paused_at_ns: Option<u64>,
}

impl Schedule {
    /// A schedule on which `first` is due at `now_ns`.
    pub fn new(speed: Speed, first: EventTime, now_ns: u64) -> Self {
        Self { speed, anchor_ns: now_ns, anchor_event_ms: first.0 as f64, paused_at_ns: None }
    }

    /// When a row of this event time is due; 0, which is always past, without a speed limit.
    pub fn due_ns(&self, event: EventTime) -> u64 {
        let Some(factor) = self.speed.factor() else { return 0 };
        let after_ns = (event.0 as f64 - self.anchor_event_ms) * NS_PER_MS / factor;
        // A float cast saturates, so that no event time, however odd, wraps around.
        if after_ns >= 0.0 {
            self.anchor_ns.saturating_add(after_ns as u64)
        } else {
            self.anchor_ns.saturating_sub(-after_ns as u64)
        }
    }

    /// Whether a row of this event time may be sent at `now_ns`.
    pub fn is_due(&self, event: EventTime, now_ns: u64) -> bool {
        self.due_ns(event) <= now_ns
    }

    /// How far behind the schedule a replay is whose oldest unacknowledged row has this event time, in milliseconds.
    pub fn lag_ms(&self, oldest: EventTime, now_ns: u64) -> u64 {
        if self.speed.factor().is_none() {
            return 0;
        }
        self.line_ns(now_ns).saturating_sub(self.due_ns(oldest)) / 1_000_000
    }

    /// Changes the speed at `now_ns`. From an unlimited speed, which has no schedule, the new one starts at `position`,
    /// the event time of the next row; otherwise at the event time that the old schedule had reached.
    pub fn set_speed(&mut self, speed: Speed, position: EventTime, now_ns: u64) {
        let now_ns = self.line_ns(now_ns);
        self.anchor_event_ms = match self.speed.factor() {
            Some(factor) => {
                let run_ms = (now_ns as f64 - self.anchor_ns as f64) / NS_PER_MS;
                self.anchor_event_ms + run_ms * factor
            }
            None => position.0 as f64,
        };
        self.anchor_ns = now_ns;
        self.speed = speed;
    }

    /// Stops the schedule's clock. Nothing happens when it stands already.
    pub fn pause(&mut self, now_ns: u64) {
        self.paused_at_ns.get_or_insert(now_ns);
    }

    /// Lets the schedule's clock go on. Nothing happens when it runs already.
    pub fn resume(&mut self, now_ns: u64) {
        if let Some(paused_at_ns) = self.paused_at_ns.take() {
            self.anchor_ns = self.anchor_ns.saturating_add(now_ns.saturating_sub(paused_at_ns));
        }
    }

    /// The present speed.
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// The moment at which the schedule's clock stands: now, or when it was paused.
    fn line_ns(&self, now_ns: u64) -> u64 {
        self.paused_at_ns.unwrap_or(now_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    fn at(factor: f64, first_ms: i64, now_ns: u64) -> Schedule {
        Schedule::new(Speed::times(factor).unwrap(), EventTime(first_ms), now_ns)
    }

    #[test]
    fn an_hour_is_due_after_a_second_at_3600() {
        let schedule = at(3_600.0, 1_000, 5 * S);
        assert_eq!(schedule.due_ns(EventTime(1_000)), 5 * S);
        assert_eq!(schedule.due_ns(EventTime(1_000 + 3_600_000)), 6 * S);
        assert!(schedule.is_due(EventTime(0), 5 * S), "what is older than the first row is due at once");
    }

    #[test]
    fn lag_is_wall_time_behind_the_schedule() {
        let schedule = at(3_600.0, 0, 0);
        assert_eq!(schedule.lag_ms(EventTime(0), 10 * S), 10_000);
        assert_eq!(schedule.lag_ms(EventTime(3_600_000 * 20), 10 * S), 0, "ahead is not behind");
        assert_eq!(Schedule::new(Speed::UNLIMITED, EventTime(0), 0).lag_ms(EventTime(0), 10 * S), 0);
    }

    #[test]
    fn a_change_of_speed_keeps_what_is_due() {
        let mut schedule = at(1_000.0, 0, 0);
        schedule.set_speed(Speed::times(10.0).unwrap(), EventTime(0), 2 * S);
        assert_eq!(schedule.due_ns(EventTime(2_000_000)), 2 * S);
        assert_eq!(schedule.due_ns(EventTime(2_010_000)), 3 * S);
        assert_eq!(schedule.lag_ms(EventTime(1_990_000), 2 * S), 1_000, "the backlog counts at the new speed");
    }

    #[test]
    fn from_unlimited_the_schedule_starts_where_the_replay_stands() {
        let mut schedule = Schedule::new(Speed::UNLIMITED, EventTime(0), 0);
        assert!(schedule.is_due(EventTime(i64::MAX), 0));
        schedule.set_speed(Speed::times(1.0).unwrap(), EventTime(77_000), 4 * S);
        assert_eq!(schedule.due_ns(EventTime(78_000)), 5 * S);
    }

    #[test]
    fn a_pause_adds_no_lag() {
        let mut schedule = at(1.0, 0, 0);
        schedule.pause(2 * S);
        schedule.pause(3 * S);
        assert_eq!(schedule.lag_ms(EventTime(1_000), 50 * S), 1_000);
        schedule.resume(10 * S);
        schedule.resume(11 * S);
        assert_eq!(schedule.due_ns(EventTime(2_000)), 10 * S);
        assert_eq!(schedule.lag_ms(EventTime(1_000), 10 * S), 1_000);
    }

    #[test]
    fn a_speed_may_change_while_paused() {
        let mut schedule = at(1.0, 0, 0);
        schedule.pause(2 * S);
        schedule.set_speed(Speed::times(2.0).unwrap(), EventTime(0), 7 * S);
        schedule.resume(10 * S);
        assert_eq!(schedule.due_ns(EventTime(2_000)), 10 * S);
        assert_eq!(schedule.due_ns(EventTime(4_000)), 11 * S);
    }

    #[test]
    fn a_speed_outside_the_bounds_is_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e10] {
            assert!(Speed::times(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn due_times_grow_with_event_times(
            factor in 0.001f64..1e9, first in -1_000_000_000_000i64..4_000_000_000_000, a in any::<i64>(), b in any::<i64>(), now in 0..u64::MAX / 2,
        ) {
            let schedule = at(factor, first, now);
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(schedule.due_ns(EventTime(a)) <= schedule.due_ns(EventTime(b)));
        }

        #[test]
        fn lag_never_shrinks_while_nothing_is_acknowledged(
            factor in 0.01f64..1e6, oldest in 0i64..1_000_000_000, a in 0..1_000 * S, b in 0..1_000 * S,
        ) {
            let schedule = at(factor, 0, 0);
            prop_assert!(schedule.lag_ms(EventTime(oldest), a.min(b)) <= schedule.lag_ms(EventTime(oldest), a.max(b)));
        }

        #[test]
        fn a_change_of_speed_never_moves_the_present(
            from in 0.01f64..1e5, to in 0.01f64..1e5, now in 0..10_000 * S,
        ) {
            let mut schedule = at(from, 0, 0);
            let present = EventTime((now as f64 / 1e6 * from) as i64);
            schedule.set_speed(Speed::times(to).unwrap(), EventTime(0), now);
            let moved_ms = schedule.due_ns(present).abs_diff(now) / 1_000_000;
            prop_assert!(moved_ms as f64 <= 2.0 + 2.0 / to, "{moved_ms}");
        }
    }
}
