//! Begins checkpoints, gathers what each subtask has at the cut, and hands the whole to whoever writes it down.
//!
//! Every subtask that reads, keeps or writes something has a place here. It reports when the barrier of an epoch passes
//! it, and once more when it ends. A cut is complete when all have reported for its epoch; those that have ended before
//! the barrier came stand in it as of their end.

use super::channel::Epoch;
use super::checkpoint::{CheckpointSummary, Checkpointing, Cut, Parts, SplitCut, StateLayout, Writer, WriterTask};
use super::wake::Wake;
use crate::port::{Cursor, PortError, Source, SplitId};
use crossbeam_channel::{Receiver, Sender, bounded};
use model::{Env, Kind, Watermark};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a subtask has at a cut.
#[derive(Clone)]
pub(crate) enum Report {
    /// Where the subtask of a source stands, which is told when that is durable.
    Source { source: Arc<dyn Source>, watermark: Watermark, splits: Vec<(u32, SplitCut)> },
    /// What the subtask of an operator keeps.
    Operator { watermark: i64, parts: Parts },
    /// What a writer has prepared, now or before, and not committed yet; all else that it was given is durable.
    Sink { prepared: Vec<Vec<u8>> },
}

/// Who reports.
#[derive(Debug, Clone)]
pub(crate) enum Member {
    /// A subtask of the source of this name.
    Source(String),
    /// A subtask of an operator with state.
    Operator(Arc<StateLayout>),
    /// A writer of this table.
    Sink(String),
}

struct Place {
    member: Member,
    /// What it said at the barrier of the epoch that is being gathered.
    at: Option<Report>,
    /// What it had when it ended.
    end: Option<Report>,
}

/// Where the gathering of a cut stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// None is under way.
    Resting,
    /// Barriers are on their way.
    Gathering {
        /// It has taken too long: what it comes to is not used.
        expired: bool,
    },
    /// A complete cut is being written.
    Writing,
    /// Everything has ended.
    Ended,
}

type SnapshotReply = Sender<Result<CheckpointSummary, PortError>>;

struct State {
    phase: Phase,
    next_at_ns: u64,
    started_ns: u64,
    places: Vec<Place>,
    snapshot: Option<(String, SnapshotReply)>,
    last: Option<Cut>,
}

/// What all subtasks of a run share of its checkpoints.
pub(crate) struct Coordinator {
    env: Env,
    options: Checkpointing,
    writer: Option<Arc<Writer>>,
    wakes: Vec<Arc<Wake>>,
    epoch: AtomicU64,
    /// The newest epoch whose checkpoint is durable.
    durable: AtomicU64,
    stopping: AtomicBool,
    /// The run ends so that another one takes over what it keeps.
    handing_over: AtomicBool,
    /// What everything kept at its end could not be written.
    unwritten: AtomicBool,
    state: Mutex<State>,
}

/// Stands for the end of all epochs.
const ENDED: u64 = u64::MAX;

impl Coordinator {
    /// A coordinator that wakes `wakes` (of sources and writers) when there is news for them.
    pub(crate) fn new(env: Env, options: Checkpointing, writer: Option<Arc<Writer>>, wakes: Vec<Arc<Wake>>) -> Self {
        let (places, snapshot, last) = (Vec::new(), None, None);
        let state = State { phase: Phase::Resting, next_at_ns: 0, started_ns: 0, places, snapshot, last };
        Self {
            env,
            options,
            writer,
            wakes,
            epoch: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            handing_over: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// A place to report from. All are taken before the first subtask runs.
    pub(crate) fn join(&self, member: Member) -> usize {
        let mut state = self.state.lock();
        state.places.push(Place { member, at: None, end: None });
        state.places.len() - 1
    }

    /// The epoch whose barrier every source is to send.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Whether what was prepared at `epoch` (`None`: at the end) may be made visible.
    pub(crate) fn is_durable(&self, epoch: Option<Epoch>) -> bool {
        self.durable.load(Ordering::Acquire) >= epoch.map_or(ENDED, |e| e.0)
    }

    /// Whether what was prepared at the end will never be made visible.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.unwritten.load(Ordering::Acquire)
    }

    /// Whether cuts are kept, so that a barrier needs to say what is kept.
    pub(crate) fn keeps_state(&self) -> bool {
        self.writer.is_some()
    }

    /// Begins a cut when it is time. Gives when to ask again, in monotonic nanoseconds.
    pub(crate) fn tick(&self, now_ns: u64) -> u64 {
        let mut state = self.state.lock();
        if state.next_at_ns == 0 {
            state.next_at_ns = now_ns.saturating_add(nanos(self.options.interval_ms.max(1)));
        }
        match state.phase {
            Phase::Resting if now_ns >= state.next_at_ns || state.snapshot.is_some() => {
                self.begin(&mut state, now_ns);
                now_ns.saturating_add(nanos(self.options.timeout_ms))
            }
            Phase::Resting => state.next_at_ns,
            Phase::Gathering { expired: false } => self.look_at_time(&mut state, now_ns),
            Phase::Gathering { expired: true } | Phase::Writing | Phase::Ended => u64::MAX,
        }
    }

    fn begin(&self, state: &mut State, now_ns: u64) {
        (state.phase, state.started_ns) = (Phase::Gathering { expired: false }, now_ns);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    fn look_at_time(&self, state: &mut State, now_ns: u64) -> u64 {
        let due = state.started_ns.saturating_add(nanos(self.options.timeout_ms));
        if now_ns < due {
            return due;
        }
        state.phase = Phase::Gathering { expired: true };
        let why = format!("it was not complete after {} ms", self.options.timeout_ms);
        if let Some((_, reply)) = state.snapshot.take() {
            let _gone = reply.send(Err(PortError::new(Kind::Unavailable, why.clone())));
        }
        if let Some(writer) = &self.writer {
            writer.failed(why);
        }
        u64::MAX
    }

    fn wake(&self) {
        self.wakes.iter().for_each(|w| w.wake());
    }

    /// Asks all sources to end as they stand.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// Asks all sources to end as they stand, so that [`Coordinator::take_last`] can be taken over by another run.
    pub(crate) fn hand_over(&self) {
        self.handing_over.store(true, Ordering::Release);
        self.stop();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Takes out what everything kept when it ended, so that nothing else holds it; `None` before.
    pub(crate) fn take_last(&self) -> Option<Cut> {
        self.state.lock().last.take()
    }

    /// Has everything written under a name at the next cut, which begins at once.
    ///
    /// # Errors
    /// When nothing is kept, the job has ended, or another snapshot is under way.
    pub(crate) fn snapshot(&self, name: &str) -> Result<Receiver<Result<CheckpointSummary, PortError>>, PortError> {
        let refused = |why: &str| Err(PortError::new(Kind::Conflict, why));
        let mut state = self.state.lock();
        if !self.keeps_state() {
            return refused("the job keeps no checkpoints, so that it has nowhere to put a snapshot");
        }
        if state.phase == Phase::Ended {
            return refused("the job has ended");
        }
        if state.snapshot.is_some() {
            return refused("a snapshot is under way; ask again when it is complete");
        }
        let (reply, receiver) = bounded(1);
        state.snapshot = Some((name.to_owned(), reply));
        drop(state);
        self.wake();
        Ok(receiver)
    }

    /// What the subtask at `place` has at the barrier of `epoch`, or (`None`) at its end.
    pub(crate) fn report(self: &Arc<Self>, place: usize, epoch: Option<Epoch>, report: Report) {
        let mut state = self.state.lock();
        debug_assert!(state.phase != Phase::Ended, "nobody reports after the last one has ended");
        match epoch {
            Some(_) => state.places[place].at = Some(report),
            None => state.places[place].end = Some(report),
        }
        if state.places.iter().all(|p| p.end.is_some()) {
            self.complete_end(&mut state);
        } else if let Phase::Gathering { expired } = state.phase
            && state.places.iter().all(|p| p.at.is_some() || p.end.is_some())
        {
            self.complete(&mut state, expired);
        }
    }

    fn complete(self: &Arc<Self>, state: &mut State, expired: bool) {
        let reports = state.places.iter_mut().map(|p| (p.member.clone(), p.at.take().or_else(|| p.end.clone())));
        let gathered = gather(reports);
        if expired || !self.keeps_state() {
            self.rest(state, self.epoch().0);
            return;
        }
        state.phase = Phase::Writing;
        self.write(state, gathered, self.epoch().0);
    }

    fn complete_end(self: &Arc<Self>, state: &mut State) {
        let gathered = gather(state.places.iter_mut().map(|p| (p.member.clone(), p.end.take())));
        state.places.iter_mut().for_each(|p| (p.at, p.end) = (None, None));
        state.phase = Phase::Ended;
        let handed_over = self.handing_over.load(Ordering::Acquire);
        let last = handed_over.then(|| gathered.cut.clone());
        if (handed_over && gathered.cut.sinks.is_empty()) || !self.keeps_state() {
            self.durable.store(ENDED, Ordering::Release);
            self.wake();
        } else {
            self.write(state, gathered, ENDED);
        }
        state.last = last;
    }

    fn write(self: &Arc<Self>, state: &mut State, gathered: Gathered, epoch: u64) {
        let Some(writer) = &self.writer else { return };
        let Gathered { cut, sources } = gathered;
        if let Some((name, done)) = state.snapshot.take() {
            let task = WriterTask::Snapshot { name, cut: cut.clone(), done };
            if writer.send(task).is_err() {
                tracing::error!("a snapshot could not be written: the thread that writes has ended");
            }
        }
        let coordinator = self.clone();
        let read: Vec<ReadTo> = sources.into_iter().map(|(name, source)| (source, cursors(&cut, &name))).collect();
        let done = Box::new(move |ok| {
            coordinator.written(epoch, ok);
            read.iter().filter(|_| ok).for_each(|(source, cursors)| source.checkpointed(cursors));
        });
        let task = WriterTask::Checkpoint { cut, started_ns: state.started_ns, done };
        if writer.send(task).is_err() {
            writer.failed("the thread that writes has ended".to_owned());
            self.unwritten.fetch_or(epoch == ENDED, Ordering::AcqRel);
            self.wake();
        }
    }

    fn written(&self, epoch: u64, ok: bool) {
        let mut state = self.state.lock();
        if ok {
            self.durable.fetch_max(epoch, Ordering::AcqRel);
        }
        if state.phase == Phase::Writing {
            let durable = self.durable.load(Ordering::Acquire);
            self.rest(&mut state, durable);
        } else {
            self.unwritten.fetch_or(!ok && epoch == ENDED, Ordering::AcqRel);
            drop(state);
            self.wake();
        }
    }

    /// Goes back to rest; the next cut begins after interval and pause.
    fn rest(&self, state: &mut State, durable: u64) {
        state.phase = Phase::Resting;
        let now_ns = self.env.monotonic_ns();
        let by_interval = state.started_ns.saturating_add(nanos(self.options.interval_ms.max(1)));
        state.next_at_ns = by_interval.max(now_ns.saturating_add(nanos(self.options.min_pause_ms)));
        self.durable.fetch_max(durable, Ordering::AcqRel);
        self.wake();
    }
}

fn nanos(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

/// What the reports of all subtasks come to.
#[derive(Default)]
struct Gathered {
    cut: Cut,
    /// The sources by the names that they have in the cut.
    sources: BTreeMap<String, Arc<dyn Source>>,
}

/// A source, and how far it has been read.
type ReadTo = (Arc<dyn Source>, Vec<(SplitId, Cursor)>);

/// How far the source of this name was read at a cut.
fn cursors(cut: &Cut, name: &str) -> Vec<(SplitId, Cursor)> {
    let splits = cut.sources.get(name).into_iter().flat_map(|source| &source.splits);
    splits.map(|(id, split)| (SplitId(*id), split.cursor())).collect()
}

fn gather(reports: impl Iterator<Item = (Member, Option<Report>)>) -> Gathered {
    let mut gathered = Gathered::default();
    let cut = &mut gathered.cut;
    for (member, report) in reports {
        match (member, report) {
            (Member::Source(name), Some(Report::Source { source, watermark, splits })) => {
                cut.add_source(&name, watermark, &splits);
                gathered.sources.insert(name, source);
            }
            (Member::Operator(layout), Some(Report::Operator { watermark, parts })) => {
                cut.add_operator(&layout, watermark, &parts);
            }
            (Member::Sink(table), Some(Report::Sink { prepared })) => cut.add_sink(&table, prepared),
            _ => {}
        }
    }
    gathered
}
