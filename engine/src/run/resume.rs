//! Epochs and resume points: barriers cut the job, sinks flush at the cut, and what lies before it need not be read again.

use super::channel::Epoch;
use super::time::Tracker;
use super::wake::Wake;
use crate::port::SplitId;
use model::{Position, Watermark};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where a job can begin again without losing or doubling anything, given sinks that replace rows by id.
///
/// Every record before the positions belongs only to windows whose final results are flushed; those windows close at or
/// before the watermark and are not computed again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResumePoint {
    /// For each source (a table's name; a second scan of the same table is `name#1`, and so on) where it begins again.
    pub sources: BTreeMap<String, SourcePoint>,
}

/// Where one source begins again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourcePoint {
    /// Results of windows that close at or before it (milliseconds since the epoch) are final and flushed.
    pub watermark: i64,
    /// For each split, by number, the position at which reading begins.
    pub splits: BTreeMap<u32, u64>,
}

/// A source as the coordinator sees it.
pub(crate) struct SourceEntry {
    pub(crate) name: String,
    pub(crate) tracker: Arc<Tracker>,
    /// Sources with the same number meet in an aggregation: their windows close by the least of their watermarks.
    pub(crate) group: usize,
}

/// Starts epochs and finds out what is durable when they end.
pub(crate) struct Coordinator {
    interval_ns: u64,
    sources: Vec<SourceEntry>,
    wakes: Vec<Arc<Wake>>,
    parallelism: usize,
    epoch: AtomicU64,
    stopping: AtomicBool,
    state: Mutex<State>,
}

struct State {
    next_at_ns: u64,
    /// For each source and subtask the last epoch it has passed, and where it was then.
    reports: Vec<Vec<Report>>,
    /// For each source and subtask where it was when it ended. Kept apart: an epoch that it passed before it ended is
    /// complete as of then, whatever it has read and said since.
    ends: Vec<Vec<Option<Report>>>,
    /// For each sink writer the last epoch that it has flushed.
    flushed: Vec<u64>,
    point: ResumePoint,
    /// The newest epoch that is complete.
    completed: u64,
}

impl State {
    /// Where the subtasks of a source were at the cut of `epoch`: at its barrier, or at their end where they ended before
    /// it came; at their ends once everything has ended.
    fn cut(&self, source: usize, epoch: u64, all_ended: bool) -> Vec<Report> {
        let of = |(report, end): (&Report, &Option<Report>)| match end {
            Some(end) if all_ended || report.epoch < epoch => end.clone(),
            _ => report.clone(),
        };
        self.reports[source].iter().zip(&self.ends[source]).map(of).collect()
    }
}

#[derive(Clone)]
struct Report {
    epoch: u64,
    watermark: Watermark,
    positions: Vec<(SplitId, Position)>,
}

/// What an ended subtask has passed: every epoch.
const ENDED: u64 = u64::MAX;

impl Coordinator {
    /// A coordinator of `sources` with `parallelism` subtasks each and `sinks` sink writers. `start` is the point that
    /// the job begins at.
    pub(crate) fn new(
        interval_ns: u64,
        sources: Vec<SourceEntry>,
        wakes: Vec<Arc<Wake>>,
        parallelism: usize,
        sinks: usize,
        start: ResumePoint,
    ) -> Self {
        let report = Report { epoch: 0, watermark: Watermark::MIN, positions: Vec::new() };
        let state = State {
            next_at_ns: 0,
            reports: vec![vec![report; parallelism]; sources.len()],
            ends: vec![vec![None; parallelism]; sources.len()],
            flushed: vec![0; sinks],
            point: start,
            completed: 0,
        };
        let (epoch, stopping) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { interval_ns, sources, wakes, parallelism, epoch, stopping, state: Mutex::new(state) }
    }

    /// The newest durable point.
    pub(crate) fn point(&self) -> ResumePoint {
        self.state.lock().point.clone()
    }

    pub(crate) fn trackers(&self) -> impl Iterator<Item = &Arc<Tracker>> {
        self.sources.iter().map(|s| &s.tracker)
    }

    /// The epoch whose barrier every source is to send.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Begins an epoch when it is time and the last one is complete. Gives when to ask again.
    pub(crate) fn tick(&self, now_ns: u64) -> u64 {
        let mut state = self.state.lock();
        if state.next_at_ns == 0 {
            state.next_at_ns = now_ns.saturating_add(self.interval_ns);
        }
        if now_ns >= state.next_at_ns {
            state.next_at_ns = now_ns.saturating_add(self.interval_ns);
            let epoch = self.epoch.load(Ordering::Acquire);
            if state.completed == epoch {
                self.epoch.store(epoch + 1, Ordering::Release);
                self.wakes.iter().for_each(|w| w.wake());
            }
        }
        state.next_at_ns
    }

    /// Asks all sources to end as they stand.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wakes.iter().for_each(|w| w.wake());
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A subtask of a source has sent the barrier of `epoch` (`None`: it has ended) after this watermark.
    pub(crate) fn source_passed(&self, source: usize, subtask: usize, epoch: Option<Epoch>, watermark: Watermark) {
        let positions = self.sources[source].tracker.positions(subtask);
        let mut state = self.state.lock();
        match epoch {
            Some(Epoch(epoch)) => state.reports[source][subtask] = Report { epoch, watermark, positions },
            None => state.ends[source][subtask] = Some(Report { epoch: ENDED, watermark, positions }),
        }
        self.complete(&mut state);
    }

    /// A sink writer has flushed everything before the barrier of `epoch` (`None`: it is closed).
    pub(crate) fn sink_flushed(&self, writer: usize, epoch: Option<Epoch>) {
        let mut state = self.state.lock();
        state.flushed[writer] = epoch.map_or(ENDED, |e| e.0);
        self.complete(&mut state);
    }

    fn complete(&self, state: &mut State) {
        let epoch = self.epoch.load(Ordering::Acquire);
        let flushed = state.flushed.iter().copied().min().unwrap_or(ENDED);
        let all_ended = flushed == ENDED && state.ends.iter().flatten().all(Option::is_some);
        let cuts: Vec<Vec<Report>> = (0..self.sources.len()).map(|s| state.cut(s, epoch, all_ended)).collect();
        let reported = cuts.iter().flatten().map(|r| r.epoch).min().unwrap_or(ENDED);
        if !all_ended && (flushed < epoch || reported < epoch || state.completed == epoch) {
            return;
        }
        state.completed = epoch;
        debug_assert_eq!(cuts.first().map_or(self.parallelism, Vec::len), self.parallelism);
        let least = |source: usize| {
            let group = self.sources[source].group;
            let same = self.sources.iter().enumerate().filter(|(_, s)| s.group == group);
            same.flat_map(|(i, _)| cuts[i].iter().map(|r| r.watermark)).min().unwrap_or(Watermark::MIN)
        };
        let watermarks: Vec<Watermark> = (0..self.sources.len()).map(least).collect();
        for (index, source) in self.sources.iter().enumerate() {
            let point = self.source_point(index, watermarks[index], &cuts[index]);
            state.point.sources.insert(source.name.clone(), point);
        }
    }

    fn source_point(&self, source: usize, watermark: Watermark, reports: &[Report]) -> SourcePoint {
        let tracker = &self.sources[source].tracker;
        let release = &tracker.options().release;
        let safe = tracker.safe_positions(watermark);
        let read: BTreeMap<SplitId, Position> = reports.iter().flat_map(|r| r.positions.iter().copied()).collect();
        let mut splits = BTreeMap::new();
        for (id, (safe, from)) in safe {
            // A split that no report knows was given to nobody before the cut: it begins where it would have begun.
            let read = read.get(&id).copied().unwrap_or(from);
            let position = if release.is_windowed() { safe.min(read) } else { read };
            splits.insert(id.0, position.0);
        }
        SourcePoint { watermark: watermark.0, splits }
    }
}
