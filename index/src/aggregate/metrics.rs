//! Metrics: what is remembered of the values of each bucket.

use rustc_hash::FxHashSet;

/// Values that wait before they are counted into runs.
const PENDING_MAX: usize = 4_096;

/// A sum that loses nothing to rounding along the way (Neumaier's variant of Kahan's).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    /// A sum that is known.
    pub(super) fn of(sum: f64) -> Self {
        Self { sum, lost: 0.0 }
    }

    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.add(other.sum);
        self.add(other.lost);
    }

    pub(super) fn value(self) -> f64 {
        // What was lost of an infinite sum is no number.
        if self.lost.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

/// Number, sum, least and greatest of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(super) count: u64,
    pub(super) sum: Sum,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Default for Summary {
    fn default() -> Self {
        Self { count: 0, sum: Sum::default(), min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Summary {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum.add(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum.merge(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// All values, equal ones counted together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Distribution {
    runs: Vec<(f64, u64)>,
    pending: Vec<f64>,
}

impl Distribution {
    pub(super) fn add(&mut self, value: f64) {
        self.pending.push(value);
        if self.pending.len() >= PENDING_MAX.max(self.runs.len() / 4) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.pending.sort_unstable_by(f64::total_cmp);
        let pending = std::mem::take(&mut self.pending);
        let new = pending.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect();
        self.runs = join(std::mem::take(&mut self.runs), new);
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        other.settle();
        self.settle();
        self.runs = join(std::mem::take(&mut self.runs), other.runs);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.runs.capacity() * 16 + self.pending.capacity() * 8
    }

    /// The value at each percent: the rank of fraction q among n values is q·n − 0.5; between ranks it is interpolated,
    /// beyond the first and the last it is these.
    pub(super) fn percentiles(mut self, percents: &[f64]) -> Vec<Option<f64>> {
        self.settle();
        let total: u64 = self.runs.iter().map(|(_, n)| n).sum();
        if total == 0 {
            return vec![None; percents.len()];
        }
        percents
            .iter()
            .map(|percent| {
                let rank = (percent / 100.0 * total as f64 - 0.5).clamp(0.0, (total - 1) as f64);
                let (low, high) = (self.at(rank.floor() as u64), self.at(rank.ceil() as u64));
                Some(low + (high - low) * rank.fract())
            })
            .collect()
    }

    fn at(&self, rank: u64) -> f64 {
        let mut before = 0;
        for (value, count) in &self.runs {
            before += count;
            if rank < before {
                return *value;
            }
        }
        self.runs.last().map_or(f64::NAN, |(value, _)| *value)
    }
}

/// Two rising sequences of runs as one.
fn join(a: Vec<(f64, u64)>, b: Vec<(f64, u64)>) -> Vec<(f64, u64)> {
    if a.is_empty() || b.is_empty() {
        return if a.is_empty() { b } else { a };
    }
    let mut joined: Vec<(f64, u64)> = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    loop {
        let from_a = match (a.peek(), b.peek()) {
            (None, None) => return joined,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some((x, _)), Some((y, _))) => x.total_cmp(y).is_le(),
        };
        let Some((value, count)) = (if from_a { a.next() } else { b.next() }) else { return joined };
        match joined.last_mut() {
            Some((last, n)) if *last == value => *n += count,
            _ => joined.push((value, count)),
        }
    }
}

/// What is remembered for each parent bucket.
#[derive(Debug, Clone)]
pub(super) enum Metric {
    /// Numbers of whole values and their exact sums.
    Wholes(Vec<(u64, i128)>),
    /// Numbers of values and their sums, where least and greatest are not asked for.
    Sums(Vec<(u64, Sum)>),
    Summaries(Vec<Summary>),
    Distributions(Vec<Distribution>),
    Distinct(Vec<FxHashSet<i64>>),
    Weighted(Vec<(Sum, Sum)>),
}

/// Makes room for a parent's number.
pub(super) fn grow<T: Default>(of: &mut Vec<T>, parents: &[u32]) {
    if let Some(most) = parents.iter().max()
        && of.len() <= *most as usize
    {
        of.resize_with(*most as usize + 1, T::default);
    }
}

impl Metric {
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Wholes(all) => all.capacity() * 32,
            Self::Sums(all) => all.capacity() * 24,
            Self::Summaries(all) => all.capacity() * size_of::<Summary>(),
            Self::Distributions(all) => all.iter().map(Distribution::memory_bytes).sum(),
            Self::Distinct(all) => all.iter().map(|set| set.capacity() * 10).sum(),
            Self::Weighted(all) => all.capacity() * 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_are_those_of_the_real_service() {
        let mut d = Distribution::default();
        [1.0, 5.0, 7.0, 7.0].into_iter().for_each(|v| d.add(v));
        let percentiles = d.percentiles(&[1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0]);
        assert_eq!(percentiles, [1.0, 1.0, 3.0, 6.0, 7.0, 7.0, 7.0].map(Some));
        assert_eq!(Distribution::default().percentiles(&[50.0]), [None]);
    }

    #[test]
    fn sums_lose_nothing() {
        let mut sum = Sum::default();
        for _ in 0..10 {
            sum.add(0.1);
        }
        [1e100, 1.0, -1e100].into_iter().for_each(|v| sum.add(v));
        assert_eq!(sum.value(), 2.0);
        sum.add(f64::MAX);
        sum.add(f64::MAX);
        assert_eq!(sum.value(), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn a_distribution_is_its_sorted_values(values in proptest::collection::vec(-20i32..20, 1..200), split in 0usize..200) {
            let (mut a, mut b) = (Distribution::default(), Distribution::default());
            for (i, v) in values.iter().enumerate() {
                if i < split { a.add(f64::from(*v)) } else { b.add(f64::from(*v)) }
            }
            a.merge(b);
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let (min, max) = (f64::from(sorted[0]), f64::from(sorted[sorted.len() - 1]));
            let at = |i: usize| (i as f64 + 0.5) / sorted.len() as f64 * 100.0;
            let percents: Vec<f64> = (0..sorted.len()).map(at).chain([0.0, 100.0]).collect();
            let got = a.percentiles(&percents);
            for (i, v) in sorted.iter().enumerate() {
                prop_assert!((got[i].unwrap() - f64::from(*v)).abs() < 1e-6);
            }
            prop_assert_eq!((got[sorted.len()], got[sorted.len() + 1]), (Some(min), Some(max)));
        }
    }
}
