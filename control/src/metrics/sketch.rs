//! Sketches: how the values of a period are spread, in bins whose width is a stated part of their values.
//!
//! A value v above 0 falls into the bin i with `GAMMA^(i-1) < v <= GAMMA^i`; values below 0 have bins of their own, and 0
//! has one. When the values of a period fall into more than [`BINS_MAX`] bins, pairs of neighbours become one, which
//! doubles the error. Which bins there are in the end depends on the values alone: merging is associative and commutative.

use super::bytes::{Reader, put_varint};

/// Largest relative error of a value that is told, as long as no bins were paired. Each pairing about doubles it.
pub const SKETCH_ERROR: f64 = 0.01;
/// Most bins of one sketch; each takes 16 bytes in memory.
pub(super) const BINS_MAX: usize = 160;
/// Most pairings: then all numbers above 0 that there are fit into few bins.
const LEVEL_MAX: u8 = 20;
/// What keeps the numbers of bins of values above 0 above 0.
const OFFSET: i32 = 100_000;
/// Larger than the number of any bin can be.
const BIN_MAX: i32 = 2 * OFFSET;

/// Values with how often each occurred, told within a stated error.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sketch {
    /// How often bins were paired.
    level: u8,
    /// Bins in the order of their values, each with how many values it holds.
    bins: Vec<(i32, f64)>,
}

fn gamma() -> f64 {
    (1.0 + SKETCH_ERROR) / (1.0 - SKETCH_ERROR)
}

fn bin_of(value: f64) -> i32 {
    if value == 0.0 {
        return 0;
    }
    let place = (value.abs().ln() / gamma().ln()).ceil() as i32 + OFFSET;
    if value > 0.0 { place } else { -place }
}

/// The bin of the next level that holds this one.
fn paired(bin: i32) -> i32 {
    if bin == 0 {
        return 0;
    }
    let half = (bin.abs() - OFFSET + 1).div_euclid(2) + OFFSET;
    if bin > 0 { half } else { -half }
}

impl Sketch {
    /// The sketch of one value that occurred `count` times.
    pub(super) fn of(value: f64, count: f64) -> Self {
        Self { level: 0, bins: vec![(bin_of(value), count)] }
    }

    /// Adds the values of another sketch.
    pub(super) fn merge(&mut self, other: &Self) {
        while self.level < other.level {
            self.pair();
        }
        let mut level = other.level;
        let mut theirs = other.bins.clone();
        while level < self.level {
            theirs = pair_bins(&theirs);
            level += 1;
        }
        for (bin, count) in theirs {
            match self.bins.binary_search_by_key(&bin, |(held, _)| *held) {
                Ok(at) => self.bins[at].1 += count,
                Err(at) => self.bins.insert(at, (bin, count)),
            }
        }
        while self.bins.len() > BINS_MAX && self.level < LEVEL_MAX {
            self.pair();
        }
    }

    fn pair(&mut self) {
        self.bins = pair_bins(&self.bins);
        self.level += 1;
    }

    /// How many bins there are.
    pub(super) fn len(&self) -> usize {
        self.bins.len()
    }

    /// The values in ascending order, each with how often it occurred.
    pub(super) fn values(&self) -> impl Iterator<Item = (f64, f64)> {
        let gamma = gamma().powi(1 << self.level);
        self.bins.iter().map(move |(bin, count)| {
            let size = if *bin == 0 { 0.0 } else { 2.0 * gamma.powi(bin.abs() - OFFSET) / (gamma + 1.0) };
            (if *bin < 0 { -size } else { size }, *count)
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.level);
        put_varint(out, self.bins.len() as u64);
        let mut before = -BIN_MAX;
        for (bin, count) in &self.bins {
            put_varint(out, (bin - before) as u64);
            before = *bin;
            // Counts are whole but for those of clients that weigh their values.
            if count.fract() == 0.0 && *count < 1e15 {
                put_varint(out, (*count as u64) << 1);
            } else {
                put_varint(out, 1);
                out.extend_from_slice(&count.to_bits().to_be_bytes());
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let level = reader.byte().filter(|level| *level <= LEVEL_MAX)?;
        let count = usize::try_from(reader.varint()?).ok().filter(|count| (1..=BINS_MAX).contains(count))?;
        let mut bins = Vec::with_capacity(count);
        let mut before = i64::from(-BIN_MAX);
        for nth in 0..count {
            let step = i64::try_from(reader.varint()?).ok().filter(|step| nth == 0 || *step > 0)?;
            before = before.checked_add(step).filter(|bin| *bin <= i64::from(BIN_MAX))?;
            let count = match reader.varint()? {
                1 => reader.f64()?,
                whole => (whole >> 1) as f64,
            };
            bins.push((i32::try_from(before).ok()?, Some(count).filter(|count| count.is_finite() && *count > 0.0)?));
        }
        Some(Self { level, bins })
    }
}

fn pair_bins(bins: &[(i32, f64)]) -> Vec<(i32, f64)> {
    let mut out: Vec<(i32, f64)> = Vec::with_capacity(bins.len());
    for (bin, count) in bins {
        let bin = paired(*bin);
        match out.last_mut() {
            Some(last) if last.0 == bin => last.1 += count,
            _ => out.push((bin, *count)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(values: &[f64]) -> Sketch {
        let mut all = Sketch::default();
        values.iter().for_each(|value| all.merge(&Sketch::of(*value, 1.0)));
        all
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![-1e9_f64..1e9, 0.001_f64..100.0, Just(0.0), Just(-1.0)]
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_commutative(
            a in proptest::collection::vec(value(), 0..300), b in proptest::collection::vec(value(), 0..300),
            c in proptest::collection::vec(value(), 1..300),
        ) {
            let (one, two, three) = (sketch(&a), sketch(&b), sketch(&c));
            let mut left = one.clone();
            left.merge(&two);
            left.merge(&three);
            let mut right = three.clone();
            let mut inner = two.clone();
            inner.merge(&one);
            right.merge(&inner);
            prop_assert_eq!(&left, &right);
            let whole: Vec<f64> = a.iter().chain(&b).chain(&c).copied().collect();
            prop_assert_eq!(&left, &sketch(&whole));
            prop_assert!(left.len() <= BINS_MAX);
        }

        #[test]
        fn a_value_is_told_within_the_stated_error(value in prop_oneof![1e-9_f64..1e12, -1e12_f64..-1e-9]) {
            let told = Sketch::of(value, 1.0).values().next().unwrap().0;
            prop_assert!((told - value).abs() <= value.abs() * SKETCH_ERROR * 1.000_001, "{} {}", told, value);
        }

        #[test]
        fn a_sketch_is_read_as_it_was_written(values in proptest::collection::vec(value(), 1..300)) {
            let whole = sketch(&values);
            let mut bytes = Vec::new();
            whole.encode(&mut bytes);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(Sketch::decode(&mut reader), Some(whole));
            prop_assert!(reader.0.is_empty());
            prop_assert!((0..bytes.len()).all(|cut| Sketch::decode(&mut Reader(&bytes[..cut])).is_none()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            if let Some(sketch) = Sketch::decode(&mut Reader(&bytes)) {
                let mut again = sketch.clone();
                again.merge(&sketch);
                prop_assert!(again.values().count() <= BINS_MAX);
            }
        }
    }
}
