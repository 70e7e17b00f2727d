//! The heaviest keys of a shard, in bounded memory, and where a split would halve its load.
//!
//! Keys are counted with the space-saving sketch (Metwally, Agrawal, El Abbadi, 2005): a key that carries more than one
//! part in `KEYS_MAX` of the load is never missed, and no count is too high by more than that part.

use model::HashKeyRange;
use std::collections::{BTreeSet, HashMap};

/// Keys that are counted at the same time.
const KEYS_MAX: usize = 1_024;
/// Parts of the key range whose load is told apart.
const PARTS: usize = 1_024;
/// A key that carries more than this part of the load leaves a shard hot however it is split.
const DOMINANT: f64 = 0.5;

/// Counts the load of one shard, key by key.
#[derive(Debug, Clone)]
pub struct HotKeys {
    range: HashKeyRange,
    /// The counted keys, at most `KEYS_MAX`, each in a place of its own.
    counts: Vec<Count>,
    places: HashMap<String, usize>,
    /// The places by their records, so that the rarest key is found at once.
    order: BTreeSet<(u64, usize)>,
    parts: Vec<u64>,
    records: u64,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct Count {
    key: String,
    records: u64,
    bytes: u64,
    /// How many of the records may belong to keys that were counted in this place before.
    over: u64,
}

/// One of the heaviest keys.
#[derive(Debug, Clone, PartialEq)]
pub struct HotKey {
    /// The key.
    pub key: String,
    /// Its records; too high by `over` at most.
    pub records: u64,
    /// Their bytes, as far as they were counted.
    pub bytes: u64,
    /// The error of `records`.
    pub over: u64,
    /// Its part of all records, 0 to 1.
    pub share: f64,
}

/// What to do about the load of a shard.
#[derive(Debug, Clone, PartialEq)]
pub enum SplitAdvice {
    /// Nothing was counted, or the range has one key only.
    Nothing,
    /// A split at this key leaves each side about half; `below` is the part of the first side, 0 to 1.
    At {
        /// The first key of the second shard.
        key: u128,
        /// The part of the load that stays in the first.
        below: f64,
    },
    /// One key carries most of the load: no split helps, its writers must spread it.
    OneKey(String),
}

impl Count {
    /// A key in the place of one that had so many records.
    fn of(key: &str, over: u64) -> Self {
        Self { key: key.to_owned(), records: over, bytes: 0, over }
    }
}

impl HotKeys {
    /// A count of nothing, for a shard of this range.
    pub fn new(range: HashKeyRange) -> Self {
        Self {
            range,
            counts: Vec::new(),
            places: HashMap::new(),
            order: BTreeSet::new(),
            parts: vec![0; PARTS],
            records: 0,
            bytes: 0,
        }
    }

    /// Counts a record: its key, the place of the key in the key space, and its size in bytes.
    pub fn add(&mut self, key: &str, place: u128, bytes: u64) {
        self.records += 1;
        self.bytes += bytes;
        if let Some(part) = self.part_of(place) {
            self.parts[part] += 1;
        }
        let slot = match self.places.get(key) {
            Some(&slot) => slot,
            None => self.new_place(key),
        };
        let count = &mut self.counts[slot];
        self.order.remove(&(count.records, slot));
        count.records += 1;
        count.bytes += bytes;
        self.order.insert((count.records, slot));
    }

    /// A place for a key that is not counted yet: a new one, or that of the rarest key, whose count it takes over, so that no
    /// heavy key is ever missed.
    fn new_place(&mut self, key: &str) -> usize {
        let rarest = self.order.first().copied().filter(|_| self.counts.len() >= KEYS_MAX);
        let slot = match rarest {
            Some((records, slot)) => {
                let old = std::mem::replace(&mut self.counts[slot], Count::of(key, records));
                self.places.remove(&old.key);
                slot
            }
            None => {
                self.counts.push(Count::of(key, 0));
                self.counts.len() - 1
            }
        };
        self.places.insert(key.to_owned(), slot);
        slot
    }

    fn part_of(&self, place: u128) -> Option<usize> {
        let width = (self.range.end() - self.range.start()) / PARTS as u128 + 1;
        let part = place.checked_sub(self.range.start()).filter(|_| place <= self.range.end())? / width;
        usize::try_from(part).ok().filter(|part| *part < PARTS)
    }

    /// How many records were counted, and their bytes.
    pub fn total(&self) -> (u64, u64) {
        (self.records, self.bytes)
    }

    /// The heaviest keys, the heaviest first.
    pub fn heaviest(&self, count: usize) -> Vec<HotKey> {
        let hot = |count: &Count| HotKey {
            key: count.key.clone(),
            records: count.records,
            bytes: count.bytes,
            over: count.over,
            share: count.records as f64 / self.records.max(1) as f64,
        };
        let mut keys: Vec<HotKey> = self.counts.iter().map(hot).collect();
        keys.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| a.key.cmp(&b.key)));
        keys.truncate(count);
        keys
    }

    /// Where a split would leave each side about half of the load.
    pub fn advice(&self) -> SplitAdvice {
        let Some(first) = self.heaviest(1).pop().filter(|_| self.range.start() < self.range.end()) else {
            return SplitAdvice::Nothing;
        };
        if (first.records - first.over) as f64 > DOMINANT * self.records as f64 {
            return SplitAdvice::OneKey(first.key);
        }
        let width = (self.range.end() - self.range.start()) / PARTS as u128 + 1;
        let total: u64 = self.parts.iter().sum();
        let mut below = 0;
        // Between two parts: behind each of them there is a place to split, except behind the last.
        let places = self.parts.iter().enumerate().map(|(i, load)| {
            below += load;
            (self.range.start().saturating_add((i as u128 + 1).saturating_mul(width)), below)
        });
        let fits = places.filter(|(key, _)| *key > self.range.start() && *key <= self.range.end());
        let best = fits.min_by_key(|(_, below)| (below * 2).abs_diff(total));
        best.map_or(SplitAdvice::Nothing, |(key, below)| SplitAdvice::At {
            key,
            below: below as f64 / total.max(1) as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_heaviest_keys_come_first_and_the_split_halves_the_load() {
        let mut keys = HotKeys::new(HashKeyRange::FULL);
        let quarter = u128::MAX / 4;
        for i in 0..1_000u64 {
            keys.add("low", quarter / 2, 10);
            keys.add(&format!("k{i}"), quarter / 2 + u128::from(i), 1);
            keys.add("high", quarter * 2, 5);
        }
        let heaviest = keys.heaviest(2);
        assert_eq!((heaviest[0].key.as_str(), heaviest[0].records, heaviest[0].bytes), ("high", 1_000, 5_000));
        assert_eq!((heaviest[1].key.as_str(), heaviest[1].over), ("low", 0));
        let SplitAdvice::At { key, below } = keys.advice() else { panic!("{:?}", keys.advice()) };
        // Three equal parts: one of them on either side is as near to a half as can be.
        assert!(
            key > 0 && key <= quarter * 2 && ((0.3..0.4).contains(&below) || (0.6..0.7).contains(&below)),
            "{key} {below}"
        );
    }

    #[test]
    fn one_key_cannot_be_split() {
        let mut keys = HotKeys::new(HashKeyRange::FULL);
        assert_eq!(keys.advice(), SplitAdvice::Nothing);
        (0..10).for_each(|_| keys.add("hot", 7, 1));
        (0..9).for_each(|i| keys.add(&format!("k{i}"), u128::MAX - i, 1));
        assert_eq!(keys.advice(), SplitAdvice::OneKey("hot".into()));
        let mut narrow = HotKeys::new(HashKeyRange::new(7, 7).unwrap());
        narrow.add("only", 7, 1);
        assert_eq!(narrow.advice(), SplitAdvice::Nothing);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_no_heavy_key_is_missed(seed: u64, heavy_every in 2u64..50) {
            let mut keys = HotKeys::new(HashKeyRange::FULL);
            let mut state = seed | 1;
            for i in 0..20_000u64 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let key = if i % heavy_every == 0 { "heavy".to_owned() } else { format!("{}", state >> 40) };
                keys.add(&key, u128::from(state) << 64, 1);
            }
            prop_assert!(keys.counts.len() <= KEYS_MAX);
            let heaviest = keys.heaviest(1).pop().unwrap();
            let exact = 20_000u64.div_ceil(heavy_every);
            prop_assert_eq!(&heaviest.key, "heavy");
            prop_assert!(heaviest.records - heaviest.over <= exact && exact <= heaviest.records);
        }

        #[test]
        fn a_split_lies_within_the_range(start: u128, len: u128, places in proptest::collection::vec(any::<u128>(), 1..50)) {
            let end = start.saturating_add(len);
            let mut keys = HotKeys::new(HashKeyRange::new(start, end).unwrap());
            for (i, place) in places.iter().enumerate() {
                keys.add(&format!("k{i}"), *place, 1);
            }
            if let SplitAdvice::At { key, .. } = keys.advice() {
                prop_assert!(key > start && key <= end);
            }
        }
    }
}
