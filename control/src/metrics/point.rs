//! Statistic sets: what is kept of all values of one period, how they are merged, and how points are written.

use super::bytes::{Reader, put_varint};
use super::sketch::Sketch;
use super::summary::Summary;
use std::sync::Arc;

/// What is known of the values of one period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatisticSet {
    /// Their sum.
    pub sum: f64,
    /// How many they are.
    pub count: f64,
    /// The smallest of them.
    pub min: f64,
    /// The largest of them.
    pub max: f64,
}

/// What can be asked of the values of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Their sum.
    Sum,
    /// Their sum over their number.
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// How many they are.
    SampleCount,
}

impl StatisticSet {
    /// The set of one value.
    pub fn of(value: f64) -> Self {
        Self { sum: value, count: 1.0, min: value, max: value }
    }

    /// The set of the values of both; `self` holds the earlier ones.
    #[must_use]
    pub fn merge(self, later: Self) -> Self {
        Self {
            sum: self.sum + later.sum,
            count: self.count + later.count,
            min: self.min.min(later.min),
            max: self.max.max(later.max),
        }
    }

    /// One statistic.
    pub fn get(self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Sum => self.sum,
            Statistic::Average => self.sum / self.count,
            Statistic::Minimum => self.min,
            Statistic::Maximum => self.max,
            Statistic::SampleCount => self.count,
        }
    }

    /// Whether there can be values of which this is true.
    pub(super) fn is_sound(self) -> bool {
        [self.sum, self.count, self.min, self.max].iter().all(|value| value.is_finite())
            && self.count > 0.0
            && self.min <= self.max
    }

    fn is_of_one_value(self) -> bool {
        let same = |value: f64| value.to_bits() == self.sum.to_bits();
        self.count == 1.0 && same(self.min) && same(self.max)
    }
}

/// The values of one period of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// The period's place in its chunk.
    pub(super) slot: u32,
    pub(super) summary: Summary,
}

/// How a summary is written: as one small whole number, as one number, as all four of a set, or as these with a sketch
/// behind them, which version 1 did not know.
const WHOLE: u8 = 0;
const SINGLE: u8 = 1;
const FULL: u8 = 2;
const SKETCHED: u8 = 3;
/// Whole numbers below this are exact.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(super) fn put_summary(out: &mut Vec<u8>, summary: &Summary) {
    let set = summary.set;
    let value = set.sum;
    let whole = value.fract() == 0.0 && value.abs() < WHOLE_MAX && value.to_bits() != (-0.0_f64).to_bits();
    if !set.is_of_one_value() {
        out.push(if summary.sketch.is_some() { SKETCHED } else { FULL });
        for part in [set.sum, set.count, set.min, set.max] {
            out.extend_from_slice(&part.to_bits().to_be_bytes());
        }
        if let Some(sketch) = &summary.sketch {
            sketch.encode(out);
        }
    } else if whole {
        out.push(WHOLE);
        put_varint(out, zigzag(value as i64));
    } else {
        out.push(SINGLE);
        out.extend_from_slice(&value.to_bits().to_be_bytes());
    }
}

pub(super) fn read_summary(reader: &mut Reader<'_>) -> Option<Summary> {
    let four = |reader: &mut Reader<'_>| {
        Some(StatisticSet { sum: reader.f64()?, count: reader.f64()?, min: reader.f64()?, max: reader.f64()? })
    };
    let summary = match reader.byte()? {
        WHOLE => StatisticSet::of(unzigzag(reader.varint()?) as f64).into(),
        SINGLE => StatisticSet::of(reader.f64()?).into(),
        FULL => four(reader)?.into(),
        SKETCHED => Summary { set: four(reader)?, sketch: Some(Arc::new(Sketch::decode(reader)?)) },
        _ => return None,
    };
    Some(summary).filter(|summary| summary.set.is_sound())
}

/// Writes the points of one series in one chunk, which are in ascending order.
pub(super) fn encode_points(points: &[Point]) -> Vec<u8> {
    let mut out = Vec::with_capacity(points.len() * 4 + 4);
    put_varint(&mut out, points.len() as u64);
    let mut before = 0;
    for point in points {
        put_varint(&mut out, u64::from(point.slot - before));
        before = point.slot;
        put_summary(&mut out, &point.summary);
    }
    out
}

/// The points that these bytes are, with slots below `slots` in ascending order; `None` when they are not.
pub(super) fn decode_points(bytes: &[u8], slots: u64) -> Option<Vec<Point>> {
    let mut reader = Reader(bytes);
    let count = usize::try_from(reader.varint()?).ok().filter(|count| *count as u64 <= slots)?;
    let mut points: Vec<Point> = Vec::with_capacity(count);
    let mut slot = 0_u64;
    for nth in 0..count {
        let step = reader.varint()?;
        slot = slot.checked_add(step).filter(|slot| *slot < slots && (nth == 0 || step > 0))?;
        points.push(Point { slot: u32::try_from(slot).ok()?, summary: read_summary(&mut reader)? });
    }
    reader.0.is_empty().then_some(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn summary() -> impl Strategy<Value = Summary> {
        let number = prop_oneof![
            (-1_000_000_i64..1_000_000).prop_map(|n| n as f64),
            -1e12_f64..1e12,
            Just(-0.0),
            Just(0.1),
            Just(WHOLE_MAX),
        ];
        prop_oneof![
            number.clone().prop_map(|value| StatisticSet::of(value).into()),
            (proptest::collection::vec(number, 2..5), any::<bool>()).prop_map(|(values, known)| {
                let summary = Summary::of(values.into_iter().map(|value| (value, 1.0))).unwrap();
                if known { summary } else { summary.set.into() }
            }),
        ]
    }

    proptest! {
        #[test]
        fn points_are_read_as_they_were_written(sets in proptest::collection::btree_map(0_u32..300, summary(), 0..40)) {
            let points: Vec<Point> = sets.into_iter().map(|(slot, summary)| Point { slot, summary }).collect();
            let bytes = encode_points(&points);
            let read = decode_points(&bytes, 300).unwrap();
            prop_assert_eq!(&read, &points);
            let bits = |points: &[Point]| points.iter().map(|p| p.summary.set.sum.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&read), bits(&points), "a negative zero stays one");
            prop_assert!((0..bytes.len()).all(|length| decode_points(&bytes[..length], 300).is_none()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            if let Some(points) = decode_points(&bytes, 300) {
                prop_assert!(points.windows(2).all(|pair| pair[0].slot < pair[1].slot));
            }
        }
    }

    #[test]
    fn every_statistic_is_that_of_the_values() {
        let set = [4.0, 1.0, 7.0].map(StatisticSet::of).into_iter().reduce(StatisticSet::merge).unwrap();
        let all = [Statistic::Sum, Statistic::Average, Statistic::Minimum, Statistic::Maximum, Statistic::SampleCount];
        assert_eq!(all.map(|statistic| set.get(statistic)), [12.0, 4.0, 1.0, 7.0, 3.0]);
    }

    #[test]
    fn what_can_be_no_statistic_is_not_sound() {
        let sound = StatisticSet::of(1.0);
        assert!(sound.is_sound());
        assert!(!StatisticSet { sum: f64::NAN, ..sound }.is_sound());
        assert!(!StatisticSet { max: f64::INFINITY, ..sound }.is_sound());
        assert!(!StatisticSet { count: 0.0, ..sound }.is_sound());
        assert!(!StatisticSet { min: 2.0, ..sound }.is_sound());
    }
}
