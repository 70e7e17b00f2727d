//! Writes cuts down on a thread of its own: parts that have not changed since an earlier checkpoint are named where they
//! stand, the others are encoded into one new file, and the manifest follows when that is durable.

use super::Checkpointing;
use super::cut::{Cut, OperatorCut};
use super::manifest::{
    Manifest, PART_MAGIC, SavedOperator, SavedPart, VERSION, manifest_name, number_of, snapshot_names, state_name,
};
use super::part::{Memory, Part};
use super::storage::CheckpointStorage;
use crate::port::PortError;
use crate::run::aggregate::Slice;
use crossbeam_channel::{Receiver, Sender, bounded};
use model::{Env, Kind};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Of a file's bytes at least one in so many must be of use, or what is of use is written anew.
const USEFUL_SHARE: u64 = 2;

/// A checkpoint that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointSummary {
    /// Which it is.
    pub number: u64,
    /// When it was cut, in milliseconds since the epoch.
    pub created_ms: u64,
    /// From its beginning until it was durable, in milliseconds.
    pub duration_ms: u64,
    /// Bytes of state in it.
    pub bytes: u64,
    /// Of these, bytes that were written for it; the others stood in earlier ones.
    pub written: u64,
    /// Groups in it.
    pub groups: u64,
}

/// What has become of a job's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckpointStats {
    /// How many are durable.
    pub completed: u64,
    /// How many could not be written or took too long.
    pub failed: u64,
    /// The newest durable one.
    pub last: Option<CheckpointSummary>,
    /// Why the last one that failed did.
    pub last_failure: Option<String>,
}

/// Most tasks that wait: a checkpoint, the one at the end, and a snapshot for each.
const TASKS_MAX: usize = 4;

/// What the thread is asked to do.
pub(crate) enum Task {
    /// Write a checkpoint; `done` hears whether it is durable.
    Checkpoint { cut: Cut, started_ns: u64, done: Box<dyn FnOnce(bool) + Send> },
    /// Write everything that a cut holds under a name.
    Snapshot { name: String, cut: Cut, done: Sender<Result<CheckpointSummary, PortError>> },
}

/// The thread that writes, and what it tells.
pub(crate) struct Writer {
    tasks: Mutex<Option<Sender<Task>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stats: Arc<Mutex<CheckpointStats>>,
}

impl Writer {
    /// Starts the thread; `None` where checkpoints are kept nowhere. `anew` removes those that are there.
    pub(crate) fn start(options: &Checkpointing, anew: bool, env: &Env, job: &str) -> Result<Option<Self>, PortError> {
        let Some((writer, work)) = Self::make(options, anew, env)? else { return Ok(None) };
        let thread = std::thread::Builder::new().name(format!("{job}-checkpoints")).spawn(move || work.run());
        let thread =
            thread.map_err(|e| PortError::new(Kind::Unavailable, format!("a thread cannot be started: {e}")))?;
        *writer.thread.lock() = Some(thread);
        Ok(Some(writer))
    }

    /// A writer whose work is done by whoever has it.
    pub(crate) fn make(
        options: &Checkpointing,
        anew: bool,
        env: &Env,
    ) -> Result<Option<(Self, WriterWork)>, PortError> {
        let Some(storage) = options.storage.clone() else { return Ok(None) };
        let stats = Arc::new(Mutex::new(CheckpointStats::default()));
        let known = storage.list()?;
        let next = known.iter().filter_map(|n| number_of(n)).max().unwrap_or(0) + 1;
        let mut kept = BTreeMap::new();
        for (name, number) in known.iter().filter_map(|n| n.ends_with(".manifest").then(|| Some((n, number_of(n)?)))?) {
            if anew {
                storage.remove(name)?;
            } else {
                kept.insert(number, files_of(storage.as_ref(), name)?);
            }
        }
        let (sender, tasks) = bounded(TASKS_MAX);
        let body = Body {
            storage,
            env: env.clone(),
            retained: options.retained.max(1),
            next,
            kept,
            saved: BTreeMap::new(),
            sizes: BTreeMap::new(),
            stats: stats.clone(),
        };
        let writer = Self { tasks: Mutex::new(Some(sender)), thread: Mutex::new(None), stats };
        Ok(Some((writer, WriterWork { tasks, body })))
    }

    /// Hands a task over; it comes back when the thread has ended.
    pub(crate) fn send(&self, task: Task) -> Result<(), Task> {
        let sender = self.tasks.lock().clone();
        match sender {
            Some(sender) => sender.send(task).map_err(|e| e.0),
            None => Err(task),
        }
    }

    pub(crate) fn stats(&self) -> CheckpointStats {
        self.stats.lock().clone()
    }

    /// Counts a checkpoint that was given up before it came here.
    pub(crate) fn failed(&self, why: String) {
        note_failure(&self.stats, why);
    }

    /// Ends the thread when it has done what it was asked.
    pub(crate) fn finish(&self) {
        self.tasks.lock().take();
        // The last one to let go of the writer may be its own thread, which then ends by itself.
        if let Some(thread) = self.thread.lock().take().filter(|t| t.thread().id() != std::thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes checkpoints had panicked");
        }
    }
}

fn note_failure(stats: &Mutex<CheckpointStats>, why: String) {
    tracing::error!(%why, "a checkpoint has failed; the one before it still holds");
    let mut stats = stats.lock();
    stats.failed += 1;
    stats.last_failure = Some(why);
}

/// Where a part of state was written, known by the memory that it stands in.
type Known = (Memory, SavedPart);

struct Body {
    storage: Arc<dyn CheckpointStorage>,
    env: Env,
    retained: usize,
    next: u64,
    /// Checkpoints whose manifests are there, with the files that they name; `None` where a manifest is damaged.
    kept: BTreeMap<u64, Option<BTreeSet<String>>>,
    /// By operator and slice the parts as they were last written.
    saved: BTreeMap<(String, Slice), Vec<Known>>,
    /// Bytes of the state files that this thread has written.
    sizes: BTreeMap<String, u64>,
    stats: Arc<Mutex<CheckpointStats>>,
}

/// The tasks of a writer, to be done one after the other.
pub(crate) struct WriterWork {
    tasks: Receiver<Task>,
    body: Body,
}

impl WriterWork {
    fn run(mut self) {
        while let Ok(task) = self.tasks.recv() {
            self.body.work_off(task);
        }
    }

    /// Does the next task; whether there was one.
    #[cfg(test)]
    pub(crate) fn step(&mut self) -> bool {
        let task = self.tasks.try_recv();
        task.map(|task| self.body.work_off(task)).is_ok()
    }
}

impl Body {
    fn work_off(&mut self, task: Task) {
        match task {
            Task::Checkpoint { cut, started_ns, done } => {
                let written = self.checkpoint(&cut, started_ns);
                drop(cut);
                let ok = written.is_ok();
                match written {
                    Ok(summary) => {
                        let mut stats = self.stats.lock();
                        stats.completed += 1;
                        stats.last = Some(summary);
                    }
                    Err(error) => note_failure(&self.stats, error.message),
                }
                done(ok);
            }
            Task::Snapshot { name, cut, done } => {
                // Who asked may have gone away; the snapshot stands all the same.
                let _ = done.send(self.snapshot(&name, &cut));
            }
        }
    }

    fn checkpoint(&mut self, cut: &Cut, started_ns: u64) -> Result<CheckpointSummary, PortError> {
        let number = self.next;
        self.next += 1;
        let mut file = StateFile::new(state_name(number));
        let mut operators = Vec::with_capacity(cut.operators.len());
        let mut saved = BTreeMap::new();
        let stale = self.stale_files();
        for (name, operator) in &cut.operators {
            let mut parts = Vec::with_capacity(operator.parts.len());
            for part in &operator.parts {
                let key = (name.clone(), part.slice());
                let known = self.saved.get(&key).and_then(|k| known_at(k, part)).filter(|p| !stale.contains(&p.file));
                let place = match known {
                    Some(place) => place.clone(),
                    None => file.append(part)?,
                };
                saved.entry(key).or_insert_with(Vec::new).push((part.memory(), place.clone()));
                parts.push(place);
            }
            operators.push(saved_operator(operator, parts));
        }
        let manifest = self.manifest(number, cut, operators);
        let written = file.bytes;
        self.store(&file, &manifest, &manifest_name(number))?;
        if written > 0 {
            self.sizes.insert(file.name, written);
        }
        self.saved = saved;
        self.kept.insert(number, Some(manifest.files().map(str::to_owned).collect()));
        if let Err(error) = self.retire() {
            tracing::warn!(%error, "an old checkpoint could not be removed; the new one stands");
        }
        Ok(self.summary(&manifest, written, started_ns))
    }

    /// Files of which most is of no use any more: what is still of use is written again, so that they can go.
    fn stale_files(&self) -> BTreeSet<String> {
        let mut used: BTreeMap<&str, u64> = BTreeMap::new();
        for (part, place) in self.saved.values().flatten() {
            if part.is_in_use() {
                *used.entry(&place.file).or_default() += place.length;
            }
        }
        let stale = |(file, used): &(&str, u64)| used * USEFUL_SHARE < self.sizes.get(*file).copied().unwrap_or(0);
        used.into_iter().filter(stale).map(|(file, _)| file.to_owned()).collect()
    }

    fn snapshot(&self, name: &str, cut: &Cut) -> Result<CheckpointSummary, PortError> {
        let started_ns = self.env.monotonic_ns();
        let (manifest_name, state_name) = snapshot_names(name);
        let mut file = StateFile::new(state_name);
        let mut operators = Vec::with_capacity(cut.operators.len());
        for operator in cut.operators.values() {
            let parts = operator.parts.iter().map(|part| file.append(part));
            operators.push(saved_operator(operator, parts.collect::<Result<_, _>>()?));
        }
        let manifest = self.manifest(self.next - 1, cut, operators);
        self.store(&file, &manifest, &manifest_name)?;
        Ok(self.summary(&manifest, file.bytes, started_ns))
    }

    fn manifest(&self, number: u64, cut: &Cut, operators: Vec<SavedOperator>) -> Manifest {
        let (sources, sinks) = (cut.sources.clone(), cut.sinks.clone());
        Manifest { number, created_ms: self.env.now_ms(), sources, operators, sinks }
    }

    /// The state first, the manifest when it is durable.
    fn store(&self, file: &StateFile, manifest: &Manifest, name: &str) -> Result<(), PortError> {
        if file.bytes > 0 {
            let parts: Vec<&[u8]> = file.parts.iter().map(Vec::as_slice).collect();
            self.storage.write(&file.name, &parts)?;
        }
        let bytes = manifest.write().map_err(|e| PortError::new(Kind::Internal, e))?;
        self.storage.write(name, &[&bytes])
    }

    /// Removes the manifests past the number that is kept, then the files that no kept one names.
    fn retire(&mut self) -> Result<(), PortError> {
        while self.kept.len() > self.retained
            && let Some((oldest, _)) = self.kept.pop_first()
        {
            self.storage.remove(&manifest_name(oldest))?;
        }
        // What a damaged manifest named is not known: nothing is removed until it is past its time.
        if self.kept.values().any(Option::is_none) {
            return Ok(());
        }
        let named: BTreeSet<&String> = self.kept.values().flatten().flatten().collect();
        let all: BTreeSet<String> = self.storage.list()?.into_iter().collect();
        for name in &all {
            // The state of a snapshot goes with it, or with the last checkpoint that was taken up from it.
            let snapshot = name.strip_suffix(".state").filter(|n| n.starts_with("snapshot-"));
            let orphan = snapshot.is_some_and(|n| !all.contains(&format!("{n}.manifest")));
            let own = name.ends_with(".state") && number_of(name).is_some();
            if (own || orphan) && !named.contains(name) {
                self.storage.remove(name)?;
                self.sizes.remove(name);
            }
        }
        Ok(())
    }

    fn summary(&self, manifest: &Manifest, written: u64, started_ns: u64) -> CheckpointSummary {
        let parts = || manifest.operators.iter().flat_map(|o| &o.parts);
        CheckpointSummary {
            number: manifest.number,
            created_ms: manifest.created_ms,
            duration_ms: self.env.monotonic_ns().saturating_sub(started_ns) / 1_000_000,
            bytes: parts().map(|p| p.length).sum(),
            written,
            groups: parts().map(|p| p.groups).sum(),
        }
    }
}

/// The files that a manifest names; `None` when it is damaged.
fn files_of(storage: &dyn CheckpointStorage, name: &str) -> Result<Option<BTreeSet<String>>, PortError> {
    let bytes = storage.read(name, 0, None)?;
    Ok(Manifest::read(&bytes).ok().map(|m| m.files().map(str::to_owned).collect()))
}

fn saved_operator(operator: &OperatorCut, parts: Vec<SavedPart>) -> SavedOperator {
    SavedOperator { layout: (*operator.layout).clone(), watermark: operator.watermark.0, parts }
}

/// Where the part was written, if it has not changed since: then it stands in the same memory.
fn known_at<'a>(known: &'a [Known], part: &Part) -> Option<&'a SavedPart> {
    known.iter().find(|(memory, _)| memory.is_of(part)).map(|(_, place)| place)
}

/// Sealed parts on their way into one file.
struct StateFile {
    name: String,
    parts: Vec<Vec<u8>>,
    bytes: u64,
}

impl StateFile {
    fn new(name: String) -> Self {
        Self { name, parts: Vec::new(), bytes: 0 }
    }

    fn append(&mut self, part: &Part) -> Result<SavedPart, PortError> {
        let wrong = |message: String| PortError::new(Kind::Internal, message);
        let payload = part.save().map_err(wrong)?;
        if u32::try_from(payload.len()).is_err() {
            return Err(wrong(format!("a part of state of {} bytes is larger than 4 GiB", payload.len())));
        }
        let sealed = model::seal(PART_MAGIC, VERSION, &payload);
        let (offset, length) = (self.bytes, sealed.len() as u64);
        self.bytes += length;
        self.parts.push(sealed);
        let Slice { start, end, from } = part.slice();
        Ok(SavedPart { start, end, from, groups: part.len() as u64, file: self.name.clone(), offset, length })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish();
    }
}
