//! Which shards a stream has, who descends from whom, and which one takes a key.

use model::{HashKeyRange, Position, ShardIndex};

/// A shard in the catalogue of its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardInfo {
    /// Its number in the stream.
    pub(crate) index: ShardIndex,
    /// None for a shard that was there from the beginning, one after a split, two after a merge.
    pub(crate) parents: Vec<ShardIndex>,
    /// The part of the key space that it takes or took.
    pub(crate) range: HashKeyRange,
    /// When it was opened, in milliseconds since the Unix epoch; later than the same of its parents.
    pub(crate) created_ms: u64,
    /// How it ended; `None` while it is open.
    pub(crate) closed: Option<ShardEnd>,
}

/// How a shard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardEnd {
    /// When, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// The position after its last record.
    pub(crate) position: Position,
}

impl ShardInfo {
    /// Whether it takes records.
    pub(crate) fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}

/// Finds the open shard of a key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes {
    /// The last key and the number of each open shard, in the order of keys.
    ends: Vec<(u128, ShardIndex)>,
}

impl Routes {
    pub(crate) fn new<'a>(shards: impl IntoIterator<Item = &'a ShardInfo>) -> Self {
        let open = shards.into_iter().filter(|shard| shard.is_open());
        let mut ends: Vec<_> = open.map(|shard| (shard.range.end(), shard.index)).collect();
        ends.sort_unstable();
        Self { ends }
    }

    /// The shard that takes `key`. Open shards cover the whole key space, so there is one, unless there is no shard.
    pub(crate) fn find(&self, key: u128) -> Option<ShardIndex> {
        let at = self.ends.partition_point(|(end, _)| *end < key);
        self.ends.get(at).map(|(_, index)| *index)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

/// One change of a stream's shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The shard becomes two; the second begins at this key.
    Split(ShardIndex, u128),
    /// Two shards that touch become one.
    Merge(ShardIndex, ShardIndex),
}

/// Steps taken at the same time: bounds how long writers of a large stream are held up.
const STEPS_AT_ONCE_MAX: usize = 128;

/// A border between shards that is so close to the ideal one, in parts of a wanted shard, is left where it is: borders
/// of different counts are rounded differently, and nobody wants a shard with one key.
const TOLERANCE_SHIFT: u32 = 16;

/// The next steps from the `open` shards towards `target` shards of equal size; empty when they are reached.
///
/// Shards across a border of the wanted ones are split there; then pieces within one wanted shard are merged in pairs.
/// No shard takes part in two steps, so that all may be taken at once.
pub(crate) fn next_steps(open: &[(ShardIndex, HashKeyRange)], target: u32) -> Vec<Step> {
    let mut open = open.to_vec();
    open.sort_unstable_by_key(|(_, range)| range.start());
    let wanted = wanted_starts(&open, target);
    let place = |key: u128| wanted.partition_point(|start| *start <= key);
    let mut steps = Vec::new();
    let mut i = 0;
    while i < open.len() && steps.len() < STEPS_AT_ONCE_MAX {
        let (index, range) = open[i];
        i += 1;
        let inside = &wanted[place(range.start())..place(range.end())];
        if let Some(start) = inside.get(inside.len() / 2) {
            steps.push(Step::Split(index, *start));
            continue;
        }
        let Some(&(other, next)) = open.get(i) else { break };
        if place(range.start()) == place(next.end()) {
            steps.push(Step::Merge(index, other));
            i += 1;
        }
    }
    steps
}

/// Where the wanted shards begin: at an open shard's own beginning where that is close enough.
fn wanted_starts(open: &[(ShardIndex, HashKeyRange)], target: u32) -> Vec<u128> {
    let tolerance = (u128::MAX / u128::from(target)) >> TOLERANCE_SHIFT;
    let snap = |ideal: u128| {
        let after = open.partition_point(|(_, range)| range.start() < ideal);
        let around = open[after.saturating_sub(1)..].iter().take(2).map(|(_, range)| range.start());
        let nearest = around.min_by_key(|start| start.abs_diff(ideal));
        nearest.filter(|start| start.abs_diff(ideal) <= tolerance).unwrap_or(ideal)
    };
    HashKeyRange::partition(target).iter().map(|range| snap(range.start())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Open = Vec<(ShardIndex, HashKeyRange)>;

    fn start(count: u32) -> Open {
        HashKeyRange::partition(count).into_iter().enumerate().map(|(i, r)| (ShardIndex(i as u32), r)).collect()
    }

    fn apply(open: &mut Open, step: Step, next: &mut u32) {
        let mut take = |index| {
            let at = open.iter().position(|(i, _)| *i == index).expect("each shard takes part in one step");
            open.remove(at).1
        };
        let children = match step {
            Step::Split(index, at) => {
                let (left, right) = take(index).split_at(at).expect("neither part is empty");
                vec![left, right]
            }
            Step::Merge(a, b) => vec![take(a).merge(take(b)).expect("they touch")],
        };
        for range in children {
            open.push((ShardIndex(*next), range));
            *next += 1;
        }
    }

    fn check_covers(open: &Open) {
        let mut ranges: Vec<_> = open.iter().map(|(_, r)| *r).collect();
        ranges.sort_unstable_by_key(|r| r.start());
        assert_eq!((ranges[0].start(), ranges[ranges.len() - 1].end()), (0, u128::MAX));
        assert!(ranges.windows(2).all(|w| w[0].end() + 1 == w[1].start()));
    }

    fn scale(open: &mut Open, target: u32, next: &mut u32) -> usize {
        for round in 0.. {
            let steps = next_steps(open, target);
            if steps.is_empty() {
                return round;
            }
            assert!(round < 64, "it comes to an end");
            for step in steps {
                apply(open, step, next);
                check_covers(open);
            }
        }
        unreachable!()
    }

    fn check(from: u32, to: u32) -> usize {
        let (mut open, mut next) = (start(from), from);
        let rounds = scale(&mut open, to, &mut next);
        let mut ranges: Vec<_> = open.into_iter().map(|(_, r)| r).collect();
        ranges.sort_unstable_by_key(|r| r.start());
        let ideal = HashKeyRange::partition(to);
        assert_eq!(ranges.len(), ideal.len());
        let tolerance = ideal[0].end() >> TOLERANCE_SHIFT;
        assert!(ranges.iter().zip(&ideal).all(|(a, b)| a.start().abs_diff(b.start()) <= tolerance));
        rounds
    }

    #[test]
    fn doubling_and_halving_take_one_round() {
        assert_eq!(check(8, 16), 1);
        assert_eq!(check(16, 8), 1);
        assert_eq!(check(1, 2), 1);
        assert_eq!(check(3, 6), 1, "though no border of six shards is exactly one of three");
        assert_eq!(check(7, 14), 1);
        assert_eq!(check(5, 5), 0);
    }

    #[test]
    fn a_key_goes_to_the_shard_that_covers_it() {
        let shards: Vec<_> = start(7)
            .into_iter()
            .map(|(index, range)| ShardInfo { index, parents: vec![], range, created_ms: 0, closed: None })
            .collect();
        let routes = Routes::new(&shards);
        for shard in &shards {
            assert_eq!(routes.find(shard.range.start()), Some(shard.index));
            assert_eq!(routes.find(shard.range.end()), Some(shard.index));
        }
        assert_eq!(Routes::default().find(0), None);
    }

    proptest! {
        #[test]
        fn any_count_is_reached_from_any_other(counts in proptest::collection::vec(1u32..60, 2..6)) {
            let (mut open, mut next) = (start(counts[0]), counts[0]);
            for &target in &counts[1..] {
                scale(&mut open, target, &mut next);
                prop_assert_eq!(open.len(), target as usize);
            }
        }
    }
}
