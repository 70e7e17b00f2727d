//! The periods in which points are kept, for how long, and how many of them stand together in one chunk.

/// One period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tier {
    /// Length of the period of one point, in seconds.
    pub(super) period_s: u64,
    /// How long points are kept, in seconds.
    pub(super) kept_s: u64,
    /// Time that one chunk spans, in seconds.
    pub(super) chunk_s: u64,
}

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;

/// From the finest to the coarsest. Each chunk is a whole number of the next coarser points, and lies within one chunk of
/// them, so that no point is ever made of two chunks.
pub(super) const TIERS: [Tier; 4] = [
    Tier { period_s: 1, kept_s: HOUR_S, chunk_s: 300 },
    Tier { period_s: 60, kept_s: 15 * DAY_S, chunk_s: HOUR_S },
    Tier { period_s: 300, kept_s: 63 * DAY_S, chunk_s: 8 * HOUR_S },
    Tier { period_s: HOUR_S, kept_s: 455 * DAY_S, chunk_s: 4 * DAY_S },
];

const _: () = {
    let mut i = 1;
    while i < TIERS.len() {
        let (finer, coarser) = (TIERS[i - 1], TIERS[i]);
        assert!(finer.chunk_s.is_multiple_of(coarser.period_s), "a chunk is a whole number of the coarser points");
        assert!(coarser.chunk_s.is_multiple_of(finer.chunk_s), "a chunk lies within one chunk of the coarser points");
        assert!(finer.kept_s >= coarser.chunk_s, "an open chunk can be computed again from the finer ones");
        i += 1;
    }
};

impl Tier {
    /// Where the chunk that holds `at_s` begins.
    pub(super) fn chunk_start(&self, at_s: u64) -> u64 {
        at_s - at_s % self.chunk_s
    }

    /// Most points of a series in one chunk.
    pub(super) fn slots(&self) -> u64 {
        self.chunk_s / self.period_s
    }
}

/// The coarsest tier of whose points a period is a whole number.
pub(super) fn tier_of_period(period_s: u64) -> Option<usize> {
    TIERS.iter().rposition(|tier| period_s >= tier.period_s && period_s.is_multiple_of(tier.period_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_answered_from_the_coarsest_points_that_fit() {
        let periods = [1, 5, 30, 60, 120, 300, 600, 900, 3_600, 86_400, 5_400];
        let tiers = [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 2];
        assert_eq!(periods.map(|period| tier_of_period(period).unwrap()), tiers);
        assert_eq!(tier_of_period(0), None);
    }
}
