//! How many records wait for an application: no counter tells it, but what came, what was worked off, and how old the oldest is.

use std::collections::VecDeque;

/// Longest time that is looked back, in seconds.
const BACK_S: usize = 3_600;
/// What is no older waits for no longer than a look takes.
const FRESH_MS: u64 = 500;

/// The records that wait for one application.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// What came in each of the last seconds, `BACK_S` at most.
    came: VecDeque<f64>,
    waiting: Option<f64>,
}

impl Waiting {
    /// One second in which so many came and so many were worked off, after which the slowest split was so far behind.
    pub(super) fn pass(&mut self, came: f64, done: f64, behind_ms: Option<u64>) -> f64 {
        self.came.push_back(came);
        if self.came.len() > BACK_S {
            self.came.pop_front();
        }
        let Some(behind_ms) = behind_ms.filter(|behind_ms| *behind_ms > FRESH_MS) else {
            self.waiting = Some(0.0);
            return 0.0;
        };
        // All that came since the oldest one that waits: more than waits, where other splits are ahead of the slowest.
        let seconds = behind_ms as f64 / 1_000.0;
        let whole = (seconds as usize).min(self.came.len());
        let mut since: f64 = self.came.iter().rev().take(whole).sum();
        since += self.came.iter().rev().nth(whole).map_or(0.0, |part| part * seconds.fract());
        let counted = self.waiting.map(|waiting| (waiting + came - done).max(0.0));
        let waiting = counted.map_or(since, |counted| counted.min(since));
        self.waiting = Some(waiting);
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_is_not_worked_off_waits() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.pass(1_000.0, 1_000.0, Some(20)), 0.0);
        assert_eq!(waiting.pass(1_000.0, 600.0, Some(900)), 400.0);
        assert_eq!(waiting.pass(1_000.0, 600.0, Some(1_200)), 800.0);
        assert_eq!(waiting.pass(0.0, 600.0, Some(1_500)), 200.0);
        assert_eq!(waiting.pass(0.0, 600.0, Some(0)), 0.0);
    }

    #[test]
    fn a_backlog_that_was_there_before_is_as_large_as_what_came_since_its_oldest() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.pass(500.0, 100.0, Some(60_000)), 500.0);
        let mut quiet = Waiting::default();
        for _ in 0..10 {
            assert_eq!(quiet.pass(100.0, 100.0, None), 0.0);
        }
        assert_eq!(quiet.pass(100.0, 0.0, Some(5_500)), 100.0);
    }
}
