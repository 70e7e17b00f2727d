//! What is in memory: for each series the points of the open chunk of each tier, and the chunks that are being written.

use super::chunk::{Chunk, ChunkId};
use super::journal::{Block, Replayed};
use super::key::SeriesKey;
use super::point::Point;
use super::summary::Summary;
use super::tier::TIERS;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// Points of a chunk at their times in seconds since the Unix epoch.
pub(super) type Timed = Vec<(u64, Summary)>;

/// Most bins of the sketches of open chunks, 16 bytes each. A sketch beyond is given up, and its point keeps its statistic
/// set alone, until chunks are sealed.
const BINS_IN_MEMORY_MAX: usize = 8 * 1024 * 1024;

/// One series in memory.
#[derive(Debug, Default)]
struct Series {
    /// The points of each tier's open chunk that come from sealed chunks of the finer tier; the finest holds what was
    /// recorded.
    points: [Vec<Point>; TIERS.len()],
    /// Its number in the journal of the open chunk, once it was named there.
    number: Option<u32>,
}

/// All that is in memory. One series takes at most 552 points of 48 bytes beside its key and the bins of its sketches.
#[derive(Debug)]
pub(super) struct Open {
    starts: [u64; TIERS.len()],
    series: HashMap<Arc<SeriesKey>, Series>,
    /// How many series the journal has named.
    named: u32,
    series_max: usize,
    bins: Bins,
    /// Chunks that are complete, and not in a file yet.
    pub(super) pending: Vec<Arc<Chunk>>,
    /// Chunks that are in files.
    pub(super) files: BTreeSet<ChunkId>,
}

/// The bins of all sketches of open chunks.
#[derive(Debug)]
struct Bins {
    held: usize,
    max: usize,
}

impl Bins {
    /// Adds values to the point of a slot, as [`add`] does. False when its sketch would be beyond the bound and was given
    /// up.
    fn add(&mut self, points: &mut Vec<Point>, slot: u32, summary: &Summary) -> bool {
        let (at, before) = add(points, slot, summary);
        let summary = &mut points[at].summary;
        self.held = self.held - before + summary.bins();
        let fits = self.held <= self.max;
        if !fits {
            self.held -= summary.bins();
            summary.sketch = None;
        }
        fits
    }
}

/// What a question needs: chunks in files, then chunks and points in memory, all disjoint.
pub(super) struct Snapshot {
    pub(super) files: Vec<ChunkId>,
    pub(super) pending: Vec<Arc<Chunk>>,
    /// For each asked series.
    pub(super) open: Vec<Timed>,
}

impl Open {
    /// Nothing, as of `now_s`.
    pub(super) fn new(now_s: u64, series_max: usize) -> Self {
        Self {
            starts: TIERS.map(|tier| tier.chunk_start(now_s)),
            series: HashMap::new(),
            named: 0,
            series_max,
            bins: Bins { held: 0, max: BINS_IN_MEMORY_MAX },
            pending: Vec::new(),
            files: BTreeSet::new(),
        }
    }

    /// Where the open chunk of a tier begins, in seconds since the Unix epoch.
    pub(super) fn start_s(&self, tier: usize) -> u64 {
        self.starts[tier]
    }

    /// How many series are in memory.
    pub(super) fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Their keys, in no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<SeriesKey>> {
        self.series.keys()
    }

    /// Whether a series has a place, be it that it is there already.
    pub(super) fn has_place(&self, key: &Arc<SeriesKey>) -> bool {
        self.series.len() < self.series_max || self.series.contains_key(key)
    }

    /// Adds values to a second of the open chunk. False when there are too many series already, or the second is not of
    /// the open chunk, which must not grow backwards.
    pub(super) fn record(&mut self, at_s: u64, key: &Arc<SeriesKey>, summary: &Summary, block: &mut Block) -> bool {
        let slots = self.starts[0]..self.starts[0] + TIERS[0].chunk_s;
        if !slots.contains(&at_s) || !self.has_place(key) {
            return false;
        }
        let series = self.series.entry(Arc::clone(key)).or_default();
        let number = *series.number.get_or_insert_with(|| {
            block.name(key);
            self.named += 1;
            self.named - 1
        });
        let slot = (at_s - self.starts[0]) as u32;
        let is_whole = self.bins.add(&mut series.points[0], slot, summary);
        block.push(number, slot, if is_whole { summary.clone() } else { summary.set.into() });
        true
    }

    /// Adds values to the open chunk of a tier, which the finer tiers have sealed already.
    pub(super) fn add_at(&mut self, tier: usize, at_s: u64, key: &Arc<SeriesKey>, summary: &Summary) {
        let slot = ((at_s - self.starts[tier]) / TIERS[tier].period_s) as u32;
        self.bins.add(&mut self.series.entry(Arc::clone(key)).or_default().points[tier], slot, summary);
    }

    /// Takes over a journal of the open chunk of seconds.
    pub(super) fn take_journal(&mut self, replayed: Replayed) {
        self.named = replayed.keys.len() as u32;
        for (number, key) in replayed.keys.iter().enumerate() {
            self.series.entry(Arc::clone(key)).or_default().number = Some(number as u32);
        }
        for (number, slot, summary) in replayed.points {
            let key = &replayed.keys[number as usize];
            self.bins.add(&mut self.series.entry(Arc::clone(key)).or_default().points[0], slot, &summary);
        }
    }

    /// Numbers the series of the open chunk of seconds anew, for a journal that names them in this order.
    pub(super) fn renumber(&mut self) -> Vec<Arc<SeriesKey>> {
        let mut keys = Vec::new();
        for (key, series) in &mut self.series {
            let is_there = !series.points[0].is_empty();
            series.number = is_there.then_some(keys.len() as u32);
            keys.extend(is_there.then(|| Arc::clone(key)));
        }
        self.named = keys.len() as u32;
        keys
    }

    /// The block that names these series, which were numbered one after the other, and holds all their points of seconds.
    pub(super) fn block_of(&self, keys: &[Arc<SeriesKey>]) -> Block {
        let mut block = Block::default();
        for key in keys {
            block.name(key);
            let Some((number, points)) = self.series.get(key).and_then(|s| Some((s.number?, &s.points[0]))) else {
                continue;
            };
            points.iter().for_each(|point| block.push(number, point.slot, point.summary.clone()));
        }
        block
    }

    /// Lets time pass: chunks whose end has come are sealed, from the finest on, and put among the pending ones. True
    /// when the chunk of seconds was one of them, so that a new journal begins.
    pub(super) fn advance(&mut self, now_s: u64) -> bool {
        let mut began = false;
        for (tier, spans) in TIERS.iter().enumerate() {
            if now_s >= self.starts[tier] + spans.chunk_s {
                self.seal(tier);
                self.starts[tier] = spans.chunk_start(now_s);
                began |= tier == 0;
            }
        }
        if began {
            self.series.retain(|_, series| series.points.iter().any(|points| !points.is_empty()));
            self.series.values_mut().for_each(|series| series.number = None);
            self.named = 0;
        }
        began
    }

    fn seal(&mut self, tier: usize) {
        let id = ChunkId { tier, start_s: self.starts[tier] };
        let mut series = Vec::new();
        for (key, one) in &mut self.series {
            let points = std::mem::take(&mut one.points[tier]);
            self.bins.held -= points.iter().map(|point| point.summary.bins()).sum::<usize>();
            if !points.is_empty() {
                series.push((Arc::clone(key), points));
            }
        }
        series.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let chunk = Arc::new(Chunk { id, series });
        self.fold_in(&chunk);
        if !chunk.series.is_empty() {
            self.pending.push(chunk);
        }
    }

    /// Merges a sealed chunk into the open chunk of the next coarser tier.
    pub(super) fn fold_in(&mut self, chunk: &Chunk) {
        let coarser = chunk.id.tier + 1;
        if coarser == TIERS.len() {
            return;
        }
        for (key, points) in &chunk.series {
            let open = &mut self.series.entry(Arc::clone(key)).or_default().points[coarser];
            let into = |slot, summary: &Summary| {
                self.bins.add(open, slot, summary);
            };
            fold(timed(chunk.id, points), coarser, self.starts[coarser], into);
        }
    }

    /// What is there of these series within a range of seconds, in points of a tier.
    pub(super) fn snapshot(&self, keys: &[SeriesKey], tier: usize, range: &Range<u64>) -> Snapshot {
        let wanted = |id: &ChunkId| id.tier == tier && id.start_s < range.end && id.end_s() > range.start;
        let files = self.files.range(ChunkId { tier, start_s: 0 }..ChunkId { tier: tier + 1, start_s: 0 });
        // What is open begins where the last chunk of the tier ends: the past has nothing of it.
        let is_open = range.end > self.starts[tier];
        let points = |key| self.series.get(key).map(|series| self.open_points(series, tier));
        let open = |key| Some(key).filter(|_| is_open).and_then(points).unwrap_or_default();
        Snapshot {
            files: files.copied().filter(wanted).collect(),
            pending: self.pending.iter().filter(|chunk| wanted(&chunk.id)).cloned().collect(),
            open: keys.iter().map(open).collect(),
        }
    }

    /// The points of a series that are in no chunk of this tier yet: those of the open chunk, and those that the open
    /// chunks of the finer tiers will become.
    fn open_points(&self, series: &Series, tier: usize) -> Timed {
        let mut points = series.points[tier].clone();
        if tier > 0 {
            let into = |slot, summary: &Summary| {
                add(&mut points, slot, summary);
            };
            fold(self.open_points(series, tier - 1), tier, self.starts[tier], into);
        }
        timed(ChunkId { tier, start_s: self.starts[tier] }, &points).collect()
    }
}

pub(super) fn timed(id: ChunkId, points: &[Point]) -> impl Iterator<Item = (u64, Summary)> {
    let at_s = move |slot: u32| id.start_s + u64::from(slot) * TIERS[id.tier].period_s;
    points.iter().map(move |point| (at_s(point.slot), point.summary.clone()))
}

/// Merges points into those of a coarser tier's chunk that starts at `start_s`: tells each with its slot there.
fn fold(
    points: impl IntoIterator<Item = (u64, Summary)>,
    tier: usize,
    start_s: u64,
    mut into: impl FnMut(u32, &Summary),
) {
    for (at_s, summary) in points {
        // What lies before the chunk cannot be: chunks of the finer tier lie within it.
        if let Some(seconds) = at_s.checked_sub(start_s) {
            into((seconds / TIERS[tier].period_s) as u32, &summary);
        }
    }
}

/// Adds values to the point of a slot. Slots come in ascending order, but for values of the past. Tells the point's place,
/// and how many bins it had.
pub(super) fn add(points: &mut Vec<Point>, slot: u32, summary: &Summary) -> (usize, usize) {
    match points.binary_search_by_key(&slot, |point| point.slot) {
        Ok(at) => {
            let held = std::mem::replace(&mut points[at].summary, summary.set.into());
            let before = held.bins();
            points[at].summary = held.merge(summary);
            (at, before)
        }
        Err(at) => {
            points.insert(at, Point { slot, summary: summary.clone() });
            (at, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_S: u64 = 1_700_006_400;

    fn bins(open: &Open) -> usize {
        let points = open.series.values().flat_map(|series| series.points.iter().flatten());
        points.map(|point| point.summary.bins()).sum()
    }

    #[test]
    fn sketches_stay_within_their_bound_whatever_is_added() {
        let mut open = Open::new(START_S, 10);
        open.bins.max = 20;
        let key = Arc::new(SeriesKey::new("N", "a", [("of", "x")]).unwrap());
        let two = Summary::of([(1.0, 1.0), (50.0, 1.0)]).unwrap();
        let mut most = 0;
        for second in 0..4 * 3_600_u64 {
            let at_s = START_S + second;
            open.advance(at_s);
            // Values that come alone make a sketch too, where they meet in one point.
            let one = Summary::from(super::super::StatisticSet::of(second as f64));
            for summary in [&two, &one] {
                assert!(open.record(at_s, &key, summary, &mut Block::default()));
                open.add_at(3, at_s, &key, summary);
            }
            assert_eq!(open.bins.held, bins(&open), "second {second}");
            assert!(open.bins.held <= 20, "{} bins at second {second}", open.bins.held);
            most = most.max(open.bins.held);
        }
        assert!(most > 15, "what there is room for is kept: {most}");
        let held = &open.snapshot(&[key.as_ref().clone()], 0, &(START_S..START_S + 4 * 3_600)).open[0];
        assert!(held.iter().all(|(_, summary)| summary.set.count == 3.0), "no value is lost with a sketch");
    }

    #[test]
    fn a_question_about_the_past_folds_nothing_that_is_open() {
        let mut open = Open::new(START_S, 10);
        let key = Arc::new(SeriesKey::new("N", "a", [("of", "x")]).unwrap());
        let one = Summary::from(super::super::StatisticSet::of(1.0));
        assert!(open.record(START_S, &key, &one, &mut Block::default()));
        for (tier, spans) in TIERS.iter().enumerate() {
            let start_s = spans.chunk_start(START_S);
            let asked = |range| open.snapshot(&[key.as_ref().clone()], tier, &range).open[0].len();
            assert_eq!((asked(0..start_s), asked(0..start_s + 1)), (0, 1), "tier {tier}");
        }
    }
}
