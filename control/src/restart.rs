//! When a failed application is started again: exponential pauses with a cap, and the first cause kept.

/// The pauses between a failure and the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Pause after the first failure, in milliseconds.
    pub pause_ms_min: u64,
    /// Longest pause, in milliseconds.
    pub pause_ms_max: u64,
    /// A run of at least this many milliseconds counts as recovered: the next failure is a first one again.
    pub stable_ms: u64,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { pause_ms_min: 250, pause_ms_max: 30_000, stable_ms: 60_000 }
    }
}

/// How applications are kept running, and within which bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When a failed one is started again.
    pub restarts: RestartPolicy,
    /// KPUs of one application, at most.
    pub kpus_max: u32,
    /// How long a new version may take to start before it is given up, in milliseconds.
    pub come_up_ms_max: u64,
    /// A new version that has run for this many milliseconds, or completed a checkpoint, has come up.
    pub settled_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        let kpus_max = model::limits::KPUS_MAX;
        Self { restarts: RestartPolicy::default(), kpus_max, come_up_ms_max: 60_000, settled_ms: 3_000 }
    }
}

/// The failures of one application since it last ran well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// How many in a row.
    pub(crate) count: u32,
    /// What the first of them said: what follows is often only its echo.
    pub(crate) first: Option<String>,
    /// What the last of them said.
    pub(crate) last: Option<String>,
}

impl Failures {
    /// Notes a failure after a run of `ran_ms`; returns the pause before the next start, in milliseconds.
    pub(crate) fn note(&mut self, cause: String, ran_ms: u64, policy: RestartPolicy) -> u64 {
        if ran_ms >= policy.stable_ms {
            *self = Self::default();
        }
        let doublings = self.count.min(32);
        self.count += 1;
        self.first.get_or_insert_with(|| cause.clone());
        self.last = Some(cause);
        policy.pause_ms_min.saturating_mul(1 << doublings).min(policy.pause_ms_max)
    }

    /// Failures in a row.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// What the first of them said.
    pub(crate) fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// What a person should read: the last cause, and from the third failure in a row on also the first.
    pub(crate) fn told(&self) -> Option<String> {
        let last = self.last.as_ref()?;
        match &self.first {
            Some(first) if self.count >= 3 => Some(format!("{} failures in a row; the first: {first}", self.count)),
            _ => Some(last.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_begin_anew_after_a_stable_run() {
        let policy = RestartPolicy { pause_ms_min: 100, pause_ms_max: 1_000, stable_ms: 5_000 };
        let mut failures = Failures::default();
        let pauses: Vec<u64> = (0..6).map(|i| failures.note(format!("cause {i}"), 10, policy)).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(failures.told().unwrap(), "6 failures in a row; the first: cause 0");
        assert_eq!(failures.note("later".into(), 5_000, policy), 100);
        assert_eq!(failures.told().unwrap(), "later");
    }

    #[test]
    fn the_pause_never_overflows() {
        let policy = RestartPolicy { pause_ms_min: u64::MAX / 2, pause_ms_max: u64::MAX, stable_ms: 1 };
        let mut failures = Failures { count: u32::MAX - 1, ..Failures::default() };
        assert_eq!(failures.note("x".into(), 0, policy), u64::MAX);
    }
}
