//! How long answers take, counted by size, so that a percentile can be told.

use crate::run::meter::Counter;

/// Sizes for each doubling of the time: a percentile is told at most 9 % too long.
const STEPS: f64 = 8.0;
/// From 1 µs to more than an hour.
const SIZES: usize = 256;

/// Answers by how long they took.
#[derive(Debug)]
pub(crate) struct Latencies([Counter; SIZES]);

impl Default for Latencies {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Latencies {
    pub(crate) fn add(&self, took_ns: u64) {
        let size = ((took_ns as f64 / 1_000.0).max(1.0).log2() * STEPS) as usize;
        self.0[size.min(SIZES - 1)].add(1);
    }
}

/// The time, in milliseconds, within which this part of all answers came; 0 without answers.
pub(crate) fn quantile_ms<'a>(of: impl Iterator<Item = &'a Latencies>, part: f64) -> f64 {
    let mut counts = [0_u64; SIZES];
    of.for_each(|one| counts.iter_mut().zip(&one.0).for_each(|(sum, counter)| *sum += counter.get()));
    let wanted = (counts.iter().sum::<u64>() as f64 * part).ceil() as u64;
    let mut passed = 0;
    let reached = |count: &u64| {
        passed += count;
        passed >= wanted
    };
    match counts.iter().position(reached) {
        Some(size) if wanted > 0 => ((size + 1) as f64 / STEPS).exp2() / 1_000.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_answers_there_is_no_time() {
        assert_eq!(quantile_ms([Latencies::default()].iter(), 0.99), 0.0);
    }

    proptest! {
        #[test]
        fn a_percentile_is_at_most_a_size_too_long(
            times in prop::collection::vec(1_000_u64..3_000_000_000_000, 1..200), part in 0.01..=1.0_f64
        ) {
            // Two subtasks are told as one.
            let both = [Latencies::default(), Latencies::default()];
            times.iter().enumerate().for_each(|(at, ns)| both[at % 2].add(*ns));
            let told = quantile_ms(both.iter(), part);
            let mut sorted = times;
            sorted.sort_unstable();
            let rank = (sorted.len() as f64 * part).ceil() as usize;
            let exact = sorted[rank - 1] as f64 / 1e6;
            prop_assert!(told >= exact * 0.999_999 && told <= exact * 1.091, "{told} for {exact}");
        }
    }
}
