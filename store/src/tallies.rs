//! What the doors tell of each call: values that are added up until somebody takes them, once a second.

use crate::error::StreamError;
use crate::store::Store;
use crate::stream::Stream;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// What a value tells of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallFigure {
    /// Bytes of a put of one record.
    SinglePutBytes,
    /// How long it took, in milliseconds.
    SinglePutLatency,
    /// 1 when it was taken, else 0.
    SinglePutSuccess,
    /// Bytes of a put of many records.
    PutBytes,
    /// How long it took, in milliseconds.
    PutLatency,
    /// 1 when one of its records at least was taken, else 0.
    PutSuccess,
    /// How many records it held.
    PutRecords,
    /// How many of them were taken.
    PutAccepted,
    /// How many of them failed inside.
    PutFailed,
    /// How many of them were refused because of a limit.
    PutThrottled,
    /// Bytes of the answer to a poll.
    PollBytes,
    /// Records in it.
    PollRecords,
    /// How long it took, in milliseconds.
    PollLatency,
    /// 1 when it was answered, else 0.
    PollSuccess,
    /// The age of what the poll left to be read, in milliseconds.
    PollAge,
    /// Bytes that were pushed at once.
    PushedBytes,
    /// Records that were pushed at once.
    PushedRecords,
    /// 1 for each push.
    PushSuccess,
    /// The age of what the push left to be pushed, in milliseconds.
    PushAge,
}

/// Most bins of one tally; when values fall into more, neighbours become one, which doubles the error of a told value.
pub const TALLY_BINS_MAX: usize = 512;
/// How finely a value is told at first: so many bits behind its highest one, which is within 0.4 % of it.
const FINE_BITS: u32 = 7;

/// Values that were added up, and how they are spread. None is below 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// So many of the lowest bits of a value are not told.
    dropped_bits: u32,
    /// The leading bits of values in ascending order, each with how many values have them: [`TALLY_BINS_MAX`] at most.
    bins: Vec<(u64, u64)>,
}

/// The tallies of one stream: never more than there are figures.
#[derive(Debug, Default)]
pub(crate) struct Tallies(Mutex<BTreeMap<CallFigure, Tally>>);

impl Default for Tally {
    fn default() -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { count: 0, sum: 0.0, min, max, dropped_bits: f64::MANTISSA_DIGITS - 1 - FINE_BITS, bins: Vec::new() }
    }
}

impl Tally {
    /// Adds a value; one below 0 counts as 0.
    pub fn add(&mut self, value: f64) {
        // The bits of numbers from 0 on stand in the order of the numbers.
        let value = value.max(0.0) + 0.0;
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let bin = value.to_bits() >> self.dropped_bits;
        match self.bins.binary_search_by_key(&bin, |(held, _)| *held) {
            Ok(at) => self.bins[at].1 += 1,
            Err(at) => self.bins.insert(at, (bin, 1)),
        }
        while self.bins.len() > TALLY_BINS_MAX {
            self.pair();
        }
    }

    /// Tells values with one bit less.
    fn pair(&mut self) {
        self.dropped_bits += 1;
        self.bins.iter_mut().for_each(|(bin, _)| *bin >>= 1);
        self.bins.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            kept.1 += if same { later.1 } else { 0 };
            same
        });
    }

    /// The values in ascending order, each with how often it occurred: within 0.4 % of what they were, as long as they had
    /// [`TALLY_BINS_MAX`] bins at most; the smallest and the largest are never passed.
    pub fn values(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bins.iter().map(|(bin, count)| {
            let from = f64::from_bits(bin << self.dropped_bits);
            let to = f64::from_bits((bin + 1) << self.dropped_bits);
            // The lowest bin is that of nothing at all, as good as.
            let middle = if *bin == 0 { 0.0 } else { (from + to) / 2.0 };
            (middle.clamp(self.min, self.max), *count)
        })
    }
}

impl Stream {
    /// Adds what is told of one call.
    pub(crate) fn tally<const N: usize>(&self, values: [(CallFigure, f64); N]) {
        let mut tallies = self.tallies.0.lock();
        for (figure, value) in values {
            tallies.entry(figure).or_default().add(value);
        }
    }
}

impl Store {
    /// Takes what was told of the calls to a stream since it was taken last; nothing of figures of which nothing was told.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn take_tallies(&self, stream: &str) -> Result<BTreeMap<CallFigure, Tally>, StreamError> {
        Ok(std::mem::take(&mut *self.stream_or(stream)?.tallies.0.lock()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(values: &[f64]) -> Tally {
        let mut all = Tally::default();
        values.iter().for_each(|value| all.add(*value));
        all
    }

    fn at_rank(tally: &Tally, rank: u64) -> f64 {
        let mut passed = 0;
        tally
            .values()
            .find(|(_, count)| {
                passed += count;
                passed > rank
            })
            .unwrap()
            .0
    }

    proptest! {
        #[test]
        fn every_value_is_told_within_the_stated_error(
            values in proptest::collection::vec(prop_oneof![Just(0.0), 1e-6_f64..1e9, (0_u32..3).prop_map(f64::from)], 1..400),
        ) {
            let told = tally(&values);
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!((told.min, told.max), (sorted[0], sorted[sorted.len() - 1]));
            prop_assert_eq!(told.values().map(|(_, count)| count).sum::<u64>(), values.len() as u64);
            for (rank, value) in sorted.iter().enumerate() {
                let near = at_rank(&told, rank as u64);
                prop_assert!((near - value).abs() <= value * 0.004, "{} is not {}", near, value);
            }
        }

        #[test]
        fn many_different_values_take_no_more_room(values in proptest::collection::vec(0.0_f64..1e300, 600..1_500)) {
            let told = tally(&values);
            prop_assert!(told.bins.len() <= TALLY_BINS_MAX);
            prop_assert_eq!(told.values().map(|(_, count)| count).sum::<u64>(), values.len() as u64);
            let ascending: Vec<f64> = told.values().map(|(value, _)| value).collect();
            prop_assert!(ascending.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }

    #[test]
    fn powers_of_two_over_the_whole_range_are_paired_without_an_end() {
        let values: Vec<f64> = (-1_000..1_000).map(|power| 2_f64.powi(power)).collect();
        let told = tally(&values);
        assert!(told.bins.len() <= TALLY_BINS_MAX, "{}", told.bins.len());
        assert_eq!((told.count, told.values().last().unwrap().0 <= told.max), (2_000, true));
    }

    #[test]
    fn what_cannot_be_below_nothing_counts_as_nothing() {
        assert_eq!(tally(&[-1.0, -0.0]).values().collect::<Vec<_>>(), [(0.0, 2)]);
    }
}
