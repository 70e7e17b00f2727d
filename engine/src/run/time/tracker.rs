//! The splits of one source, seen by all its subtasks: who reads which, how far each is in event time, and the one
//! watermark that all of them emit.
//!
//! *Invariants:* the watermark never goes back; a split that is assigned but not yet read holds it; the children of a
//! split are registered under the same lock as its end, at its watermark, so that no moment exists in which neither
//! holds it.

use crate::port::{Cursor, SplitId, SplitInfo};
use crate::run::checkpoint::SplitCut;
use crate::run::meter::SplitMetrics;
use crate::run::wake::Wake;
use model::Watermark;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// How a source is tracked.
#[derive(Debug, Clone)]
pub(crate) struct TrackerOptions {
    /// The table's name.
    pub(crate) table: String,
    /// It declares a watermark.
    pub(crate) timed: bool,
    /// No split can appear later, and each ends by itself.
    pub(crate) bounded: bool,
    /// How far in event time a split may be read ahead of the slowest one that has something to read, in milliseconds.
    pub(crate) drift_ms: i64,
    /// Where the watermark begins.
    pub(crate) floor: Watermark,
    /// Where splits stood when the job was cut.
    pub(crate) splits: BTreeMap<u32, SplitCut>,
}

/// A split to be read by the subtask that took it.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) id: SplitId,
    pub(crate) name: String,
    pub(crate) from: Cursor,
    pub(crate) watermark: Watermark,
}

/// What all subtasks of a source go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// To be emitted.
    pub(crate) watermark: Watermark,
    /// Every split that has not ended is set aside.
    pub(crate) idle: bool,
    /// The source is bounded and has been read to its end.
    pub(crate) ended: bool,
    /// Splits further than this are not to be read now.
    pub(crate) limit: i64,
}

/// The split that a watermark waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatermarkHold {
    /// The table.
    pub table: String,
    /// The split's name.
    pub split: String,
    /// The split's own watermark in milliseconds since the epoch; `None` before the first one.
    pub watermark: Option<i64>,
    /// Why it is where it is.
    pub reason: HoldReason,
}

/// Why a split is behind all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReason {
    /// It is being read; so far is it behind its newest record, in milliseconds, where the source can tell.
    Reading {
        /// In milliseconds of arrival.
        behind_ms: Option<u64>,
    },
    /// Its table declares no watermark, so that none comes before its end.
    NoWatermark,
    /// It is to be read and has not been yet.
    NotRead,
    /// The splits that it came from have not been read to their ends.
    WaitsForParents,
    /// Nothing has come in it.
    AtTip {
        /// For so long, in milliseconds.
        for_ms: u64,
        /// After so long it holds the watermark no more, in milliseconds; `None`: never.
        set_aside_after_ms: Option<u64>,
    },
}

impl WatermarkHold {
    /// Whether it has lasted, or will not pass by itself: some split is always the earliest.
    pub fn is_worth_telling(&self) -> bool {
        const TELLING_MS: u64 = 1_000;
        match self.reason {
            HoldReason::Reading { behind_ms } => behind_ms.is_some_and(|ms| ms >= TELLING_MS),
            HoldReason::AtTip { for_ms, .. } => for_ms >= TELLING_MS,
            HoldReason::NotRead | HoldReason::WaitsForParents => true,
            HoldReason::NoWatermark => false,
        }
    }
}

impl fmt::Display for WatermarkHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: ", self.table, self.split)?;
        let s = |ms: u64| ms as f64 / 1e3;
        match self.reason {
            HoldReason::Reading { behind_ms: Some(ms) } if ms > 0 => {
                write!(f, "it is read, {:.1} s behind its end", s(ms))
            }
            HoldReason::Reading { .. } => f.write_str("it is read, and its events are the earliest"),
            HoldReason::NoWatermark => f.write_str("the table declares no watermark"),
            HoldReason::NotRead => f.write_str("it has not been read yet"),
            HoldReason::WaitsForParents => f.write_str("what it was split or merged from is not read to its end"),
            HoldReason::AtTip { for_ms, set_aside_after_ms: None } => {
                write!(f, "nothing has come for {:.1} s, and idle splits are never set aside", s(for_ms))
            }
            HoldReason::AtTip { for_ms, set_aside_after_ms: Some(after) } => {
                write!(f, "nothing has come for {:.1} s; it is set aside after {:.1} s", s(for_ms), s(after))
            }
        }
    }
}

pub(crate) struct Tracker {
    options: TrackerOptions,
    state: Mutex<State>,
    subtasks: Vec<Arc<Wake>>,
}

#[derive(Default)]
struct State {
    splits: BTreeMap<SplitId, Split>,
    watermark: i64,
    idle: bool,
    /// After how long at its tip a split is set aside, in nanoseconds; 0: never.
    timeout_ns: u64,
    /// Subtasks that wait for slower splits.
    aligning: BTreeSet<usize>,
    base: Option<i64>,
}

impl State {
    /// Where the ended parents of a split hold it: at the least of their watermarks. It may have been heard of by the end
    /// of a split that is none of them and is further. `None` while none of them has ended, or none is known.
    fn hold_of(&self, split: &Split) -> Option<i64> {
        let known = split.parents.iter().filter_map(|p| self.splits.get(p));
        known.filter(|p| p.phase == Phase::Ended).map(|p| p.watermark).min()
    }
}

struct Split {
    name: String,
    parents: Vec<SplitId>,
    from: Cursor,
    phase: Phase,
    owner: Option<usize>,
    watermark: i64,
    next: Cursor,
    behind_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A parent has not been read to its end.
    Waiting,
    /// Given to a subtask that has not taken it yet.
    Assigned,
    /// Has or may have something to read.
    Reading,
    /// Had nothing to read since this monotonic time in nanoseconds.
    Tip(u64),
    /// Set aside.
    Idle,
    /// Read to its end.
    Ended,
}

impl Tracker {
    /// A tracker of `splits`, handed out evenly to `subtasks`.
    pub(crate) fn new(options: TrackerOptions, splits: Vec<SplitInfo>, subtasks: Vec<Arc<Wake>>) -> Self {
        let state = State { watermark: options.floor.0, ..State::default() };
        let tracker = Self { options, state: Mutex::new(state), subtasks };
        {
            let mut state = tracker.state.lock();
            tracker.register(&mut state, splits, tracker.options.floor.0);
            tracker.refresh(&mut state);
        }
        tracker
    }

    pub(crate) fn options(&self) -> &TrackerOptions {
        &self.options
    }

    pub(crate) fn view(&self) -> View {
        let state = self.state.lock();
        self.view_of(&state)
    }

    fn view_of(&self, state: &State) -> View {
        let ended = self.options.bounded && state.splits.values().all(|s| s.phase == Phase::Ended);
        let limit = state.base.map_or(i64::MAX, |base| base.saturating_add(self.options.drift_ms));
        View { watermark: Watermark(state.watermark), idle: state.idle, ended, limit }
    }

    /// The splits newly given to `subtask`.
    pub(crate) fn take_assigned(&self, subtask: usize) -> Vec<Assignment> {
        let mut state = self.state.lock();
        let mut taken = Vec::new();
        for (id, split) in &mut state.splits {
            if split.owner == Some(subtask) && split.phase == Phase::Assigned {
                split.phase = Phase::Reading;
                let watermark = Watermark(split.watermark);
                taken.push(Assignment { id: *id, name: split.name.clone(), from: split.from.clone(), watermark });
            }
        }
        taken
    }

    /// Rows of a split have been handed on. `next` says that all of one read have: it is where the next one begins.
    pub(crate) fn progress(
        &self,
        id: SplitId,
        next: Option<Cursor>,
        watermark: Watermark,
        behind_ms: Option<u64>,
        now_ns: u64,
    ) -> View {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.idle {
            // What comes after a pause is read without any split being ahead of another.
            for split in state.splits.values_mut().filter(|s| s.phase == Phase::Idle) {
                split.phase = Phase::Tip(now_ns);
            }
        }
        if let Some(split) = state.splits.get_mut(&id) {
            split.phase = Phase::Reading;
            split.watermark = split.watermark.max(watermark.0);
            split.behind_ms = behind_ms;
            if let Some(next) = next {
                split.next = next;
            }
        }
        self.refresh(state);
        self.view_of(state)
    }

    /// A split had nothing to read. Gives when it may be set aside, at the earliest, or `None` when it is already.
    pub(crate) fn tip(&self, id: SplitId, now_ns: u64, timeout_ns: u64) -> Option<u64> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.timeout_ns = timeout_ns;
        let split = state.splits.get_mut(&id)?;
        split.behind_ms = split.behind_ms.map(|_| 0);
        let since = match split.phase {
            Phase::Idle | Phase::Ended => return None,
            Phase::Tip(since) => since,
            _ => now_ns,
        };
        split.phase =
            if timeout_ns > 0 && now_ns.saturating_sub(since) >= timeout_ns { Phase::Idle } else { Phase::Tip(since) };
        let deadline = (split.phase != Phase::Idle && timeout_ns > 0).then(|| since.saturating_add(timeout_ns));
        self.refresh(state);
        deadline
    }

    /// A split has nothing yet, and is not at its tip: all others wait for it.
    pub(crate) fn waits(&self, id: SplitId, behind_ms: Option<u64>) {
        let mut state = self.state.lock();
        if let Some(split) = state.splits.get_mut(&id).filter(|split| split.phase != Phase::Ended) {
            (split.phase, split.behind_ms) = (Phase::Reading, behind_ms);
        }
        self.refresh(&mut state);
    }

    /// A split has been read to its end; `known` are all splits that the source has now.
    pub(crate) fn end(&self, id: SplitId, known: Vec<SplitInfo>) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let watermark = state.watermark;
        if let Some(split) = state.splits.get_mut(&id) {
            split.phase = Phase::Ended;
            split.behind_ms = split.behind_ms.map(|_| 0);
        }
        self.register(state, known, watermark);
        self.refresh(state);
    }

    /// All splits that the source has now.
    pub(crate) fn discover(&self, known: Vec<SplitInfo>) {
        let mut state = self.state.lock();
        let watermark = state.watermark;
        self.register(&mut state, known, watermark);
        self.refresh(&mut state);
    }

    /// Lets `subtask` be woken when slower splits have caught up, which they may have done by now: see the view.
    pub(crate) fn wait_for_others(&self, subtask: usize) -> View {
        let mut state = self.state.lock();
        state.aligning.insert(subtask);
        self.view_of(&state)
    }

    /// Where the splits of `subtask` stand, as far as they have been handed on. The first subtask speaks for those that
    /// nobody reads.
    pub(crate) fn cut(&self, subtask: usize) -> Vec<(u32, SplitCut)> {
        let state = self.state.lock();
        let speaks = |s: &Split| s.owner == Some(subtask) || (subtask == 0 && s.owner.is_none());
        let of = |(id, s): (&SplitId, &Split)| {
            let Cursor { position, mark } = s.next.clone();
            let (name, mark) = (s.name.clone(), mark.map(|mark| mark.to_string()));
            let ended = s.phase == Phase::Ended;
            (id.0, SplitCut { name, position: position.0, mark, watermark: s.watermark, ended })
        };
        state.splits.iter().filter(|(_, s)| speaks(s)).map(of).collect()
    }

    /// The split that the watermark waits for, and why it does; `None` when all have ended or are set aside.
    pub(crate) fn hold(&self, now_ns: u64) -> Option<WatermarkHold> {
        let state = self.state.lock();
        let counts = |s: &&Split| match s.phase {
            Phase::Ended | Phase::Idle => false,
            Phase::Waiting => state.hold_of(s).is_some(),
            Phase::Assigned | Phase::Reading | Phase::Tip(_) => true,
        };
        let at = |s: &Split| state.hold_of(s).filter(|_| s.phase == Phase::Waiting).unwrap_or(s.watermark);
        let split = state.splits.values().filter(counts).min_by_key(|s| at(s))?;
        let ms = |ns: u64| ns / 1_000_000;
        let reason = match split.phase {
            _ if !self.options.timed => HoldReason::NoWatermark,
            Phase::Waiting => HoldReason::WaitsForParents,
            Phase::Assigned => HoldReason::NotRead,
            Phase::Tip(since) => HoldReason::AtTip {
                for_ms: ms(now_ns.saturating_sub(since)),
                set_aside_after_ms: (state.timeout_ns > 0).then(|| ms(state.timeout_ns)),
            },
            Phase::Reading | Phase::Idle | Phase::Ended => HoldReason::Reading { behind_ms: split.behind_ms },
        };
        let (table, name) = (self.options.table.clone(), split.name.clone());
        let watermark = Some(at(split)).filter(|w| *w != i64::MIN);
        Some(WatermarkHold { table, split: name, watermark, reason })
    }

    pub(crate) fn watermark(&self) -> Watermark {
        let state = self.state.lock();
        if self.view_of(&state).ended { Watermark::MAX } else { Watermark(state.watermark) }
    }

    pub(crate) fn metrics(&self) -> Vec<SplitMetrics> {
        let state = self.state.lock();
        let of = |(id, split): (&SplitId, &Split)| SplitMetrics {
            table: self.options.table.clone(),
            id: *id,
            name: split.name.clone(),
            position: split.next.position.0,
            watermark: (split.watermark != i64::MIN).then_some(split.watermark),
            millis_behind_latest: split.behind_ms,
            idle: split.phase == Phase::Idle,
            ended: split.phase == Phase::Ended,
            subtask: split.owner.map(|o| o as u32),
        };
        state.splits.iter().map(of).collect()
    }

    fn register(&self, state: &mut State, known: Vec<SplitInfo>, watermark: i64) {
        for info in known {
            state.splits.entry(info.id).or_insert_with(|| {
                let cut = self.options.splits.get(&info.id.0);
                let from = cut.map_or(info.start, SplitCut::cursor);
                let ended = cut.is_some_and(|c| c.ended);
                Split {
                    name: info.name,
                    parents: info.parents,
                    from: from.clone(),
                    phase: if ended { Phase::Ended } else { Phase::Waiting },
                    owner: None,
                    watermark: cut.map_or(watermark, |c| c.watermark),
                    next: from,
                    behind_ms: None,
                }
            });
        }
        self.assign(state);
    }

    /// Gives every waiting split whose parents have ended (or are not known any more) to the subtask with the fewest.
    fn assign(&self, state: &mut State) {
        let ended = |parent: &SplitId| state.splits.get(parent).is_none_or(|p| p.phase == Phase::Ended);
        let waiting = state.splits.iter().filter(|(_, s)| s.phase == Phase::Waiting);
        let ready: Vec<SplitId> = waiting.filter(|(_, s)| s.parents.iter().all(ended)).map(|(id, _)| *id).collect();
        let mut loads = vec![0_usize; self.subtasks.len()];
        for split in state.splits.values().filter(|s| s.phase != Phase::Ended) {
            split.owner.into_iter().for_each(|o| loads[o] += 1);
        }
        for id in ready {
            let Some(owner) = (0..loads.len()).min_by_key(|s| loads[*s]) else { return };
            loads[owner] += 1;
            let hold = state.splits.get(&id).and_then(|s| state.hold_of(s));
            let restored = self.options.splits.get(&id.0).map(|c| c.watermark);
            if let Some(split) = state.splits.get_mut(&id) {
                split.watermark = restored.or(hold).unwrap_or(split.watermark);
                (split.phase, split.owner) = (Phase::Assigned, Some(owner));
            }
            self.subtasks[owner].wake();
        }
    }

    /// Computes what is common to all splits anew, and wakes whom it concerns.
    fn refresh(&self, state: &mut State) {
        let (mut least, mut base, mut open, mut resting) = (i64::MAX, i64::MAX, 0_usize, 0_usize);
        for split in state.splits.values() {
            match split.phase {
                Phase::Ended => continue,
                Phase::Idle => resting += 1,
                // Its parents speak for it until one of them has ended.
                Phase::Waiting => least = least.min(state.hold_of(split).unwrap_or(i64::MAX)),
                Phase::Assigned | Phase::Reading | Phase::Tip(_) => least = least.min(split.watermark),
            }
            if matches!(split.phase, Phase::Assigned | Phase::Reading) && split.watermark != i64::MIN {
                base = base.min(split.watermark);
            }
            open += 1;
        }
        let before = (state.watermark, state.idle);
        if least != i64::MAX {
            state.watermark = state.watermark.max(least);
        }
        state.idle = open == resting && !(self.options.bounded && open == 0);
        let base = (base != i64::MAX).then_some(base);
        let moved = state.base != base;
        state.base = base;
        let ended = self.options.bounded && open == 0;
        if before != (state.watermark, state.idle) || ended {
            self.subtasks.iter().for_each(|s| s.wake());
        } else if moved {
            state.aligning.iter().for_each(|s| self.subtasks[*s].wake());
        }
        if moved {
            state.aligning.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::wake::Parker;
    use model::Position;

    fn info(id: u32, parents: &[u32]) -> SplitInfo {
        let parents = parents.iter().map(|p| SplitId(*p)).collect();
        SplitInfo { id: SplitId(id), name: format!("s{id}"), parents, start: Position::ZERO.into() }
    }

    fn tracker(bounded: bool, splits: Vec<SplitInfo>, subtasks: usize) -> Tracker {
        let options = TrackerOptions {
            table: "t".into(),
            timed: true,
            bounded,
            drift_ms: 100,
            floor: Watermark::MIN,
            splits: BTreeMap::new(),
        };
        let wakes = (0..subtasks).map(|_| Wake::new(Arc::new(Parker::default()))).collect();
        let tracker = Tracker::new(options, splits, wakes);
        (0..subtasks).for_each(|s| drop(tracker.take_assigned(s)));
        tracker
    }

    fn progress(tracker: &Tracker, split: u32, watermark: i64) -> View {
        tracker.progress(SplitId(split), Some(Position(1).into()), Watermark(watermark), None, 0)
    }

    #[test]
    fn the_least_split_decides_and_unread_ones_hold() {
        let tracker = tracker(false, vec![info(0, &[]), info(1, &[])], 2);
        assert_eq!(progress(&tracker, 0, 10).watermark, Watermark::MIN);
        let view = progress(&tracker, 1, 5);
        assert_eq!((view.watermark, view.limit), (Watermark(5), 105));
        assert_eq!(progress(&tracker, 1, 20).watermark, Watermark(10));
        assert_eq!(progress(&tracker, 0, 7).watermark, Watermark(10), "it never goes back");
    }

    #[test]
    fn children_hold_where_their_parents_ended() {
        let tracker = tracker(false, vec![info(0, &[]), info(1, &[])], 1);
        progress(&tracker, 0, 50);
        progress(&tracker, 1, 80);
        // 0 and 1 are merged into 2: it waits for both, at the watermark of the one that ended first.
        let all = || vec![info(0, &[]), info(1, &[]), info(2, &[0, 1])];
        tracker.end(SplitId(0), all());
        assert!(tracker.take_assigned(0).is_empty());
        assert_eq!(progress(&tracker, 1, 90).watermark, Watermark(50));
        tracker.end(SplitId(1), all());
        assert_eq!(tracker.take_assigned(0).len(), 1);
        assert_eq!(tracker.view().watermark, Watermark(50));
        assert_eq!(progress(&tracker, 2, 95).watermark, Watermark(95));
    }

    #[test]
    fn children_heard_of_by_another_end_hold_where_their_own_parent_ended() {
        let tracker = tracker(false, vec![info(0, &[]), info(1, &[])], 2);
        let all = || vec![info(0, &[]), info(1, &[]), info(2, &[0]), info(3, &[1])];
        progress(&tracker, 1, 900);
        // 1 is far ahead and ends first; what is known then includes the child of 0, which has not been read at all.
        tracker.end(SplitId(1), all());
        progress(&tracker, 0, 100);
        tracker.end(SplitId(0), all());
        let given: Vec<_> = (0..2).flat_map(|s| tracker.take_assigned(s)).collect();
        let hold = |id: u32| given.iter().find(|a| a.id == SplitId(id)).map(|a| a.watermark);
        assert_eq!((hold(2), hold(3)), (Some(Watermark(100)), Some(Watermark(900))));
        assert_eq!(progress(&tracker, 3, 950).watermark, Watermark(100));
        assert_eq!(progress(&tracker, 2, 930).watermark, Watermark(930));
    }

    #[test]
    fn idle_splits_are_set_aside_and_come_back_together() {
        let tracker = tracker(false, vec![info(0, &[]), info(1, &[])], 1);
        progress(&tracker, 0, 50);
        progress(&tracker, 1, 80);
        assert_eq!(tracker.tip(SplitId(0), 0, 100), Some(100));
        assert_eq!(tracker.tip(SplitId(0), 100, 100), None);
        assert_eq!((tracker.view().watermark, tracker.view().idle), (Watermark(80), false));
        tracker.tip(SplitId(1), 0, 100);
        tracker.tip(SplitId(1), 100, 100);
        assert_eq!((tracker.view().watermark, tracker.view().idle), (Watermark(80), true));
        // New rows in one: the other one holds the watermark again until it has rested once more.
        assert_eq!(progress(&tracker, 1, 200).watermark, Watermark(80));
        assert!(!tracker.view().idle);
        assert_eq!(progress(&tracker, 0, 150).watermark, Watermark(150));
    }

    #[test]
    fn a_split_whose_records_are_on_their_way_is_never_set_aside() {
        let tracker = tracker(false, vec![info(0, &[]), info(1, &[])], 1);
        progress(&tracker, 0, 50);
        progress(&tracker, 1, 80);
        tracker.tip(SplitId(0), 0, 100);
        tracker.waits(SplitId(0), Some(7_000));
        assert_eq!(tracker.view().watermark, Watermark(50));
        assert_eq!(tracker.hold(1_000).unwrap().reason, HoldReason::Reading { behind_ms: Some(7_000) });
        // One that has been set aside comes back, and holds the watermark where it is.
        tracker.tip(SplitId(0), 1_000, 100);
        tracker.tip(SplitId(0), 2_000, 100);
        assert_eq!(tracker.view().watermark, Watermark(80));
        tracker.waits(SplitId(0), None);
        assert_eq!((progress(&tracker, 1, 90).watermark, tracker.view().limit), (Watermark(80), 150));
        // One that has ended stays so.
        tracker.end(SplitId(0), Vec::new());
        tracker.waits(SplitId(0), None);
        assert_eq!(progress(&tracker, 1, 95).watermark, Watermark(95));
    }

    #[test]
    fn a_bounded_source_ends_with_its_last_split() {
        let tracker = tracker(true, vec![info(0, &[]), info(1, &[])], 3);
        tracker.end(SplitId(0), Vec::new());
        assert!(!tracker.view().ended);
        tracker.end(SplitId(1), Vec::new());
        assert!(tracker.view().ended);
        assert!(super::tests::tracker(true, Vec::new(), 1).view().ended);
        assert!(super::tests::tracker(false, Vec::new(), 1).view().idle);
    }

    #[test]
    fn what_holds_the_watermark_is_named() {
        let tracker = tracker(false, vec![info(0, &[]), info(1, &[]), info(2, &[0])], 1);
        let told = |now_ns: u64| tracker.hold(now_ns).map(|h| h.to_string()).unwrap_or_default();
        let options = tracker.options().table.clone();
        assert_eq!(told(0), format!("{options}, s0: it is read, and its events are the earliest"));
        progress(&tracker, 0, 50);
        tracker.progress(SplitId(1), None, Watermark(20), Some(2_500), 0);
        assert_eq!(told(0), "t, s1: it is read, 2.5 s behind its end");
        tracker.tip(SplitId(1), 0, 5_000_000_000);
        assert_eq!(told(3_100_000_000), "t, s1: nothing has come for 3.1 s; it is set aside after 5.0 s");
        tracker.tip(SplitId(1), 5_000_000_000, 5_000_000_000);
        assert_eq!(told(0), "t, s0: it is read, and its events are the earliest");
        tracker.end(SplitId(0), vec![info(0, &[]), info(1, &[]), info(2, &[0])]);
        assert_eq!(told(0), "t, s2: it has not been read yet");
        tracker.take_assigned(0);
        tracker.end(SplitId(2), Vec::new());
        assert_eq!(tracker.hold(0), None, "all others are set aside");
    }

    #[test]
    fn splits_are_spread_evenly() {
        let tracker = tracker(true, (0..8).map(|i| info(i, &[])).collect(), 3);
        let mut counts = [0; 3];
        tracker.metrics().iter().for_each(|s| counts[s.subtask.unwrap() as usize] += 1);
        assert_eq!(counts, [3, 3, 2]);
    }
}
