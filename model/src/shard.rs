//! Shards: which part of the key space they own, and positions in their order.

use std::fmt;

/// The number of a shard in its stream, given in order of creation and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardIndex(pub u32);

/// A record's place in the order of its shard: 0 for the first record ever, growing by one for each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

impl Position {
    /// The first position of every shard.
    pub const ZERO: Self = Self(0);

    /// The position after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part of the key space, both ends included. Keys are MD5 hashes read as 128-bit big-endian numbers.
///
/// *Invariant:* `start <= end`; the open shards of a stream cover 0..=2^128−1 without gap or overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashKeyRange {
    start: u128,
    end: u128,
}

impl HashKeyRange {
    /// The whole key space.
    pub const FULL: Self = Self { start: 0, end: u128::MAX };

    /// The range from `start` to `end`, both included; `None` when it would be empty.
    pub fn new(start: u128, end: u128) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// The smallest key of the range.
    pub fn start(self) -> u128 {
        self.start
    }

    /// The largest key of the range.
    pub fn end(self) -> u128 {
        self.end
    }

    /// The key at which its upper half begins, as a split in the middle needs it.
    pub fn middle(self) -> u128 {
        // Beyond the end where the range is the last key alone, which no split takes.
        (self.start + (self.end - self.start) / 2).saturating_add(1)
    }

    /// Whether `key` belongs to this range.
    pub fn contains(self, key: u128) -> bool {
        self.start <= key && key <= self.end
    }

    /// The whole key space in `count` ranges of equal size (the last takes what division leaves over).
    ///
    /// # Panics
    /// When `count` is 0.
    pub fn partition(count: u32) -> Vec<Self> {
        assert!(count > 0, "a stream has at least one shard");
        if count == 1 {
            return vec![Self::FULL];
        }
        let n = u128::from(count);
        // 2^128 / n, which itself does not fit into 128 bits for n = 1 alone.
        let width = u128::MAX / n + u128::from(u128::MAX % n == n - 1);
        (0..n)
            .map(|i| Self { start: i * width, end: if i == n - 1 { u128::MAX } else { (i + 1) * width - 1 } })
            .collect()
    }

    /// The two ranges that a split at `start_of_right` makes; `None` when one of them would be empty.
    pub fn split_at(self, start_of_right: u128) -> Option<(Self, Self)> {
        (self.start < start_of_right && start_of_right <= self.end)
            .then(|| (Self { end: start_of_right - 1, ..self }, Self { start: start_of_right, ..self }))
    }

    /// The range that covers exactly this one and `other`; `None` when they do not touch.
    pub fn merge(self, other: Self) -> Option<Self> {
        let (left, right) = if self.start < other.start { (self, other) } else { (other, self) };
        (left.end.checked_add(1) == Some(right.start)).then_some(Self { start: left.start, end: right.end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_covers_the_key_space_without_gap_or_overlap() {
        for count in [1, 2, 3, 7, 8, 100, 9_999] {
            let ranges = HashKeyRange::partition(count);
            assert_eq!(ranges.len(), count as usize);
            assert_eq!((ranges[0].start(), ranges[ranges.len() - 1].end()), (0, u128::MAX));
            assert!(ranges.windows(2).all(|w| w[0].end() + 1 == w[1].start()), "gap or overlap among {count} ranges");
        }
    }

    #[test]
    fn three_shards_stand_where_the_real_service_puts_them() {
        let starts: Vec<u128> = HashKeyRange::partition(3).iter().map(|r| r.start()).collect();
        assert_eq!(starts[1..], [113427455640312821154458202477256070485, 226854911280625642308916404954512140970]);
    }

    #[test]
    fn a_split_is_undone_by_a_merge() {
        let range = HashKeyRange::new(10, 20).unwrap();
        let (left, right) = range.split_at(15).unwrap();
        assert_eq!((left.end(), right.start()), (14, 15));
        assert_eq!(left.merge(right), Some(range));
        assert_eq!(right.merge(left), Some(range));
        assert_eq!(range.split_at(range.middle()).map(|(left, _)| left.end()), Some(15));
        assert_eq!(HashKeyRange::FULL.middle(), 1 << 127);
        assert_eq!(HashKeyRange::new(u128::MAX, u128::MAX).unwrap().middle(), u128::MAX, "which no split takes");
        assert_eq!(range.split_at(10), None, "the left part would be empty");
        assert_eq!(range.split_at(21), None, "the right part would be empty");
        assert_eq!(left.merge(HashKeyRange::new(16, 20).unwrap()), None, "they do not touch");
    }
}
