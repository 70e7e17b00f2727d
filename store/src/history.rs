//! Changes that are allowed a few times a day: when they were made, and whether one more is allowed now.

use model::limits;
use serde::{Deserialize, Serialize};

/// A change that is counted over a rolling day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RareChange {
    /// To another count of shards.
    Resize,
    /// Between counted by the owner and by the platform.
    Mode,
    /// Encryption begun or ended.
    Encryption,
}

/// A counted change, and when it was accepted, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PastChange {
    kind: RareChange,
    at_ms: u64,
}

impl RareChange {
    /// How many are allowed in a rolling day.
    pub fn per_day_max(self) -> usize {
        match self {
            Self::Resize => limits::RESIZES_PER_DAY_MAX,
            Self::Mode => limits::MODE_CHANGES_PER_DAY_MAX,
            Self::Encryption => limits::ENCRYPTION_CHANGES_PER_DAY_MAX,
        }
    }
}

/// The counted changes of one stream, at most one day's worth of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct History(Vec<PastChange>);

impl History {
    /// Whether one more is allowed, where a day lasts `day_ms`.
    pub(crate) fn allows(&self, kind: RareChange, now_ms: u64, day_ms: u64) -> bool {
        self.left(kind, now_ms, day_ms) > 0
    }

    /// How many more are allowed now.
    pub(crate) fn left(&self, kind: RareChange, now_ms: u64, day_ms: u64) -> usize {
        let recent = |past: &&PastChange| past.kind == kind && now_ms.saturating_sub(past.at_ms) < day_ms;
        kind.per_day_max().saturating_sub(self.0.iter().filter(recent).count())
    }

    /// Notes a change, and forgets those that count no longer: of each kind there are never more than are allowed.
    pub(crate) fn note(&mut self, kind: RareChange, now_ms: u64) {
        self.0.push(PastChange { kind, at_ms: now_ms });
        let mut left = kind.per_day_max();
        let mut kept = Vec::with_capacity(self.0.len());
        for past in self.0.drain(..).rev() {
            let counts = past.kind != kind || left > 0;
            left -= usize::from(past.kind == kind && left > 0);
            if counts {
                kept.push(past);
            }
        }
        kept.reverse();
        self.0 = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn a_day_takes_so_many_and_frees_them_one_by_one() {
        let mut history = History::default();
        for i in 0..10 {
            assert!(history.allows(RareChange::Resize, i, DAY_MS), "{i}");
            assert_eq!(history.left(RareChange::Resize, i, DAY_MS), 10 - i as usize);
            history.note(RareChange::Resize, i);
        }
        assert!(!history.allows(RareChange::Resize, DAY_MS - 1, DAY_MS));
        assert!(history.allows(RareChange::Mode, DAY_MS - 1, DAY_MS), "each kind by itself");
        assert!(history.allows(RareChange::Resize, DAY_MS, DAY_MS), "the first one is a day old");
        history.note(RareChange::Resize, DAY_MS);
        assert!(!history.allows(RareChange::Resize, DAY_MS, DAY_MS));
    }

    #[test]
    fn no_more_is_kept_than_counts() {
        let mut history = History::default();
        history.note(RareChange::Encryption, 0);
        for i in 0..1_000 {
            history.note(RareChange::Mode, i);
        }
        assert_eq!(history.0.len(), 3);
        assert_eq!(history.0[0], PastChange { kind: RareChange::Encryption, at_ms: 0 });
        assert_eq!(history.0[2], PastChange { kind: RareChange::Mode, at_ms: 999 });
    }
}
