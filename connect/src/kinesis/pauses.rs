//! How long to wait after a failure, and what the log tells of it.

use super::client::Failure;
use model::Env;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);
/// What lasts is told again so often.
const TELL_EVERY_NS: u64 = 60_000_000_000;

/// Pauses that grow, until a call goes well again.
pub(super) struct Pauses {
    place: String,
    env: Env,
    failures: u32,
    told_ns: u64,
}

impl Pauses {
    /// Pauses of what stands at `place`.
    pub(super) fn new(place: String, env: Env) -> Self {
        Self { place, env, failures: 0, told_ns: 0 }
    }

    /// Waits after a failure.
    pub(super) async fn wait(&mut self, failure: &Failure) {
        let pause = self.next(failure);
        tokio::time::sleep(pause).await;
    }

    fn next(&mut self, failure: &Failure) -> Duration {
        let now_ns = self.env.monotonic_ns();
        // A throttle or two are everyday: what others read counts too.
        let is_news = self.failures == 0 && !matches!(failure, Failure::Throttled(_));
        if is_news || (self.failures > 0 && now_ns.saturating_sub(self.told_ns) >= TELL_EVERY_NS) {
            let (kind, reason) = failure.told();
            tracing::warn!(place = self.place, ?kind, reason, "a call failed and is made again");
            self.told_ns = now_ns;
        } else if self.failures == 0 {
            self.told_ns = now_ns;
        }
        let grown = FIRST.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Readers of many shards do not come back at once.
        grown.mul_f64(0.5 + (self.env.random_u64() % 512) as f64 / 1_024.0)
    }

    /// A call went well.
    pub(super) fn over(&mut self) {
        if self.failures > 1 {
            tracing::info!(place = self.place, failures = self.failures, "calls go well again");
        }
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew() {
        let (env, _) = Env::manual(0, 7);
        let mut pauses = Pauses::new("t".into(), env);
        let failure = Failure::Away("gone".into());
        for (low, high) in [(100, 200), (200, 400), (400, 800), (800, 1_600), (1_600, 3_200), (2_500, 5_000)] {
            let pause = pauses.next(&failure).as_millis();
            assert!((low..=high).contains(&pause), "{pause} is not in {low} to {high}");
        }
        (0..40).for_each(|_| assert!(pauses.next(&failure) <= LONGEST));
        pauses.over();
        assert!(pauses.next(&failure) <= FIRST);
    }
}
