//! What is kept of the values of one period: their statistic set, and how they are spread where that is known.

use super::point::{Statistic, StatisticSet};
use super::sketch::Sketch;
use std::sync::Arc;

/// The values of one period.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Sum, number, smallest and largest.
    pub set: StatisticSet,
    /// How they are spread. Where they are all equal that needs no sketch; where they differ and there is none, nobody knows.
    pub(super) sketch: Option<Arc<Sketch>>,
}

/// What can be asked of the values of a period beyond their statistic set. Bounds are parts of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spread {
    /// The value below which this part of them lies.
    Percentile(f64),
    /// The mean of those between two percentiles.
    TrimmedMean(f64, f64),
    /// The number of those between two percentiles.
    TrimmedCount(f64, f64),
    /// The sum of those between two percentiles.
    TrimmedSum(f64, f64),
    /// The mean, those beyond two percentiles counted as if they stood there.
    WinsorizedMean(f64, f64),
    /// Which part of them, in hundredths, lies above the first and up to the second value.
    Rank(f64, f64),
}

impl From<StatisticSet> for Summary {
    fn from(set: StatisticSet) -> Self {
        Self { set, sketch: None }
    }
}

impl Summary {
    /// That of a list of values with how often each occurred. `None` where there are none.
    pub fn of(values: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let one =
            |(value, count): (f64, f64)| Self::from(StatisticSet { sum: value * count, count, min: value, max: value });
        values.into_iter().map(one).reduce(|all, next| all.merge(&next))
    }

    /// A statistic set of values that are told one by one as well, if only about: each with how often it occurred.
    pub fn told(set: StatisticSet, values: impl IntoIterator<Item = (f64, f64)>) -> Self {
        if set.min == set.max {
            return set.into();
        }
        let mut all = Sketch::default();
        values.into_iter().for_each(|(value, count)| all.merge(&Sketch::of(value, count)));
        // Without any value nobody knows the spread.
        Self { set, sketch: (all.len() > 0).then(|| Arc::new(all)) }
    }

    /// The values of both; `self` holds the earlier ones.
    #[must_use]
    pub fn merge(mut self, later: &Self) -> Self {
        let set = self.set.merge(later.set);
        if set.min == set.max {
            return Self { set, sketch: None };
        }
        let (Some(mut mine), Some(theirs)) = (self.spread(), later.spread()) else { return Self { set, sketch: None } };
        // The only holder of a sketch changes it in place.
        self.sketch = None;
        Arc::make_mut(&mut mine).merge(&theirs);
        Self { set, sketch: Some(mine) }
    }

    fn spread(&self) -> Option<Arc<Sketch>> {
        match &self.sketch {
            Some(sketch) => Some(Arc::clone(sketch)),
            None if self.set.min == self.set.max => Some(Arc::new(Sketch::of(self.set.min, self.set.count))),
            None => None,
        }
    }

    /// Every number multiplied by a positive factor: another unit.
    #[must_use]
    pub(super) fn scaled(&self, factor: f64) -> Self {
        let StatisticSet { sum, count, min, max } = self.set;
        let set = StatisticSet { sum: sum * factor, count, min: min * factor, max: max * factor };
        let sketch = self.sketch.as_ref().map(|sketch| {
            let mut all = Sketch::default();
            sketch.values().for_each(|(value, count)| all.merge(&Sketch::of(value * factor, count)));
            Arc::new(all)
        });
        Self { set, sketch }
    }

    /// How many bins its sketch has, where it has one.
    pub(super) fn bins(&self) -> usize {
        self.sketch.as_ref().map_or(0, |sketch| sketch.len())
    }

    /// One statistic.
    pub fn get(&self, statistic: Statistic) -> f64 {
        self.set.get(statistic)
    }

    /// What is asked of how the values are spread; `None` where that is not known, or there are none between the bounds.
    pub fn spread_of(&self, asked: Spread) -> Option<f64> {
        let sketch = self.spread()?;
        let told = |value: f64| value.clamp(self.set.min, self.set.max);
        let values: Vec<(f64, f64)> = sketch.values().map(|(value, count)| (told(value), count)).collect();
        let total: f64 = values.iter().map(|(_, count)| count).sum();
        let percentile = |part: f64| match part {
            part if part <= 0.0 => self.set.min,
            part if part >= 1.0 => self.set.max,
            part => at_rank(&values, part * total),
        };
        let between = |low: f64, high: f64| {
            let (mut sum, mut count, mut before) = (0.0, 0.0, 0.0);
            for (value, held) in &values {
                let taken = (before + held).min(high * total) - f64::max(before, low * total);
                before += held;
                if taken > 0.0 {
                    sum += value * taken;
                    count += taken;
                }
            }
            (sum, count)
        };
        match asked {
            Spread::Percentile(part) => Some(percentile(part)),
            Spread::TrimmedMean(low, high) => Some(between(low, high)).filter(|(_, n)| *n > 0.0).map(|(s, n)| s / n),
            Spread::TrimmedCount(low, high) => Some(between(low, high).1),
            Spread::TrimmedSum(low, high) => Some(between(low, high).0),
            Spread::WinsorizedMean(low, high) => {
                let (from, to) = (percentile(low), percentile(high));
                Some(
                    values.iter().map(|(value, count)| value.clamp(from, f64::max(from, to)) * count).sum::<f64>()
                        / total,
                )
            }
            Spread::Rank(above, to) => {
                let held = values.iter().filter(|(value, _)| *value > above && *value <= to).map(|(_, count)| count);
                Some(100.0 * held.sum::<f64>() / total)
            }
        }
    }
}

/// The value at which so many have been passed.
fn at_rank(values: &[(f64, f64)], rank: f64) -> f64 {
    let mut passed = 0.0;
    for (value, count) in values {
        passed += count;
        // A rank that is whole but for rounding is that of the value itself.
        if passed + 1e-9 >= rank {
            return *value;
        }
    }
    values.last().map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: Option<f64>, expected: f64) {
        let got = got.unwrap();
        assert!((got - expected).abs() <= expected.abs() * 0.021 + 1e-9, "{got} is not {expected}");
    }

    #[test]
    fn what_is_asked_of_the_spread_is_that_of_the_values() {
        let all = Summary::of((1..=100).map(|n| (f64::from(n), 1.0))).unwrap();
        for (part, expected) in [(0.0, 1.0), (0.5, 50.0), (0.9, 90.0), (0.99, 99.0), (1.0, 100.0)] {
            near(all.spread_of(Spread::Percentile(part)), expected);
        }
        near(all.spread_of(Spread::TrimmedMean(0.0, 0.9)), 45.5);
        near(all.spread_of(Spread::TrimmedCount(0.1, 0.9)), 80.0);
        near(all.spread_of(Spread::TrimmedSum(0.0, 0.1)), 55.0);
        near(all.spread_of(Spread::WinsorizedMean(0.1, 0.9)), 50.45);
        near(all.spread_of(Spread::Rank(f64::NEG_INFINITY, 50.2)), 50.0);
    }

    #[test]
    fn a_sum_of_which_nobody_knows_the_values_has_no_percentiles() {
        let set = StatisticSet { sum: 30.0, count: 3.0, min: 5.0, max: 15.0 };
        assert_eq!(Summary::from(set).spread_of(Spread::Percentile(0.5)), None);
        let equal = Summary::from(StatisticSet { sum: 30.0, count: 3.0, min: 10.0, max: 10.0 });
        near(equal.spread_of(Spread::Percentile(0.5)), 10.0);
        assert_eq!(equal.merge(&Summary::from(set)).spread_of(Spread::Percentile(0.5)), None);
    }

    #[test]
    fn a_set_keeps_its_numbers_and_takes_the_spread_that_is_told() {
        let set = StatisticSet { sum: 112.5, count: 100.0, min: 1.0, max: 10.0 };
        let summary = Summary::told(set, [(1.01, 98.0), (9.9, 2.0)]);
        assert_eq!(summary.set, set);
        near(summary.spread_of(Spread::Percentile(0.5)), 1.0);
        near(summary.spread_of(Spread::Percentile(0.99)), 9.9);
        assert_eq!(Summary::told(set, []).spread_of(Spread::Percentile(0.5)), None);
        let equal = StatisticSet { sum: 4.0, count: 2.0, min: 2.0, max: 2.0 };
        assert_eq!(Summary::told(equal, [(2.01, 2.0)]), equal.into());
    }

    #[test]
    fn another_unit_multiplies_everything() {
        let seconds = Summary::of([(1.0, 2.0), (3.0, 1.0)]).unwrap().scaled(1_000.0);
        assert_eq!(seconds.set, StatisticSet { sum: 5_000.0, count: 3.0, min: 1_000.0, max: 3_000.0 });
        near(seconds.spread_of(Spread::Percentile(0.5)), 1_000.0);
    }
}
