//! How much a KPU reads in a second, where that is bounded: an engine as fast as the one whose sizes are to be tried out.

use model::Env;
use parking_lot::Mutex;
use std::sync::Arc;

/// The part of a second for which reading may catch up after a rest.
const BURST_S: f64 = 0.1;

/// What the sources of one thread may read: an allowance that grows as time passes.
#[derive(Debug)]
pub(crate) struct Pace {
    records_per_s: f64,
    state: Mutex<Allowance>,
}

#[derive(Debug)]
struct Allowance {
    /// Records that may be read now; below 0 after a read of more than there was.
    records: f64,
    /// When that was so, in monotonic nanoseconds.
    at_ns: u64,
}

impl Pace {
    /// A pace of so many records per second, 1 at least.
    pub(crate) fn new(records_per_s: u64, now_ns: u64) -> Self {
        let records_per_s = records_per_s.max(1) as f64;
        let state = Mutex::new(Allowance { records: records_per_s * BURST_S, at_ns: now_ns });
        Self { records_per_s, state }
    }

    /// One for each of so many threads, where a pace is set.
    pub(crate) fn of_threads(records_per_s: Option<u64>, threads: usize, env: &Env) -> Vec<Arc<Self>> {
        let pace = |records_per_s| (0..threads).map(move |_| Arc::new(Self::new(records_per_s, env.monotonic_ns())));
        records_per_s.into_iter().flat_map(pace).collect()
    }

    /// When reading may go on, in monotonic nanoseconds; `None`: at once.
    pub(crate) fn wait(&self, now_ns: u64) -> Option<u64> {
        let mut state = self.state.lock();
        let passed_s = now_ns.saturating_sub(state.at_ns) as f64 / 1e9;
        state.records = (state.records + passed_s * self.records_per_s).min(self.records_per_s * BURST_S);
        state.at_ns = state.at_ns.max(now_ns);
        let missing_s = -state.records / self.records_per_s;
        (missing_s > 0.0).then(|| now_ns.saturating_add((missing_s * 1e9).ceil() as u64))
    }

    /// So many were read.
    pub(crate) fn spend(&self, records: u64) {
        self.state.lock().records -= records as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_large_read_is_paid_for_before_the_next_one() {
        let pace = Pace::new(1_000, 5 * S);
        assert_eq!(pace.wait(5 * S), None);
        pace.spend(600);
        assert_eq!(pace.wait(5 * S), Some(5 * S + S / 2));
        assert!(pace.wait(5 * S + S / 4).is_some());
        assert_eq!(pace.wait(6 * S), None);
        pace.spend(100);
        assert_eq!(pace.wait(6 * S), None, "a rest is made up for by a tenth of a second");
        pace.spend(1);
        assert!(pace.wait(6 * S).is_some());
    }

    proptest! {
        #[test]
        fn over_time_no_more_is_read_than_the_pace_allows(
            per_s in 1_u64..100_000,
            reads in prop::collection::vec((1_u64..5_000, 0_u64..S), 1..50),
        ) {
            let pace = Pace::new(per_s, 0);
            let (mut now_ns, mut read, mut last) = (0, 0, 0);
            for (records, rest_ns) in reads {
                now_ns += rest_ns;
                now_ns = pace.wait(now_ns).unwrap_or(now_ns);
                // The bound holds whenever it is said that reading may go on: the last read may still be owed.
                let allowed = per_s as f64 * (now_ns as f64 / 1e9 + BURST_S);
                prop_assert!((read - last) as f64 <= allowed + 1.0, "{read} in {now_ns} ns");
                prop_assert!(read as f64 <= allowed + 1.0 + last as f64);
                pace.spend(records);
                (read, last) = (read + records, records);
            }
        }
    }
}
