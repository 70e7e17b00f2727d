//! Processing time as one subtask of an operator sees it: the clock, which never goes back here.

use model::{Env, Watermark};

/// Longest time between two looks at the clock, in milliseconds: it may have been set meanwhile.
const LOOK_MS: i64 = 1_000;

/// The clock of a subtask, and when it is to be looked at next.
pub(crate) struct ProcessingTime {
    env: Env,
    now_ms: i64,
    due_ms: i64,
}

impl ProcessingTime {
    /// The clock of `env` for a subtask that has closed everything up to `watermark`: what was closed before a restart stays
    /// so on a machine whose clock is behind. Something is due at once.
    pub(crate) fn new(env: Env, watermark: Watermark) -> Self {
        Self { env, now_ms: watermark.0.saturating_add(1), due_ms: i64::MIN }
    }

    /// The moment, in milliseconds since the epoch; never before one that was told.
    pub(crate) fn now_ms(&mut self) -> i64 {
        self.now_ms = self.now_ms.max(i64::try_from(self.env.now_ms()).unwrap_or(i64::MAX));
        self.now_ms
    }

    /// How far the clock has come, when something is due at `sooner_ms` or as told last: a row that comes now is after it.
    pub(crate) fn due(&mut self, sooner_ms: Option<i64>) -> Option<Watermark> {
        let now_ms = self.now_ms();
        (now_ms >= sooner_ms.map_or(self.due_ms, |at| at.min(self.due_ms))).then(|| Watermark(now_ms - 1))
    }

    /// Nothing is due before `at_ms`.
    pub(crate) fn rest_until(&mut self, at_ms: i64) {
        self.due_ms = at_ms.max(self.now_ms.saturating_add(1));
    }

    /// When to look again, on the monotonic clock that reads `now_ns`.
    pub(crate) fn look_at_ns(&mut self, sooner_ms: Option<i64>, now_ns: u64) -> u64 {
        let due_ms = sooner_ms.map_or(self.due_ms, |at| at.min(self.due_ms));
        let left_ms = due_ms.saturating_sub(self.now_ms()).clamp(0, LOOK_MS);
        now_ns.saturating_add(left_ms.unsigned_abs() * 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let (env, clock) = Env::manual(1_000, 1);
        let mut time = ProcessingTime::new(env.clone(), Watermark::MIN);
        assert_eq!(time.due(None), Some(Watermark(999)), "what may be left of an earlier run");
        time.rest_until(1_500);
        assert_eq!((time.due(None), time.look_at_ns(None, 7)), (None, 500_000_007));
        assert_eq!((time.due(Some(1_000)), time.look_at_ns(Some(1_100), 7)), (Some(Watermark(999)), 100_000_007));
        clock.jump_to_ms(1_600);
        assert_eq!(time.due(None), Some(Watermark(1_599)));
        clock.jump_to_ms(10);
        assert_eq!(time.now_ms(), 1_600);
        time.rest_until(1_000);
        assert_eq!(time.due(None), None, "something is due once for each moment");
        // A run that goes on from one which has closed more than this clock shows.
        let mut later = ProcessingTime::new(env, Watermark(5_000));
        assert_eq!(later.now_ms(), 5_001);
        later.rest_until(100_000);
        assert_eq!(later.look_at_ns(None, 0), 1_000_000_000, "the clock may be set meanwhile");
    }
}
