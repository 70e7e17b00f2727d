//! Jobs: started from a plan, watched and stopped through a handle.

use super::checkpoint::{
    CheckpointStats, CheckpointSummary, Checkpointing, Cut, Restore, Room, Writer as CheckpointWriter, adopt, restore,
};
use super::coordinator::Coordinator;
use super::error::JobError;
use super::graph::{Graph, Inherited, build, shapes};
use super::meter::{JobMetrics, Meter, Rejection};
use super::spill::SpillStore;
use super::time::{OperatorMetrics, Operators, Tracker};
use super::worker::{Shared, run};
use crate::functions::Functions;
use crate::plan::JobPlan;
use crate::port::{Connectors, DeadLetters};
use crate::types::Schema;
use arrow_array::RecordBatch;
use crossbeam_channel::Receiver;
use model::Env;
use model::limits::{PARALLELISM_MAX, SNAPSHOT_NAME_CHARS_MAX};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The setting that names the parallelism of a job.
const PARALLELISM: &str = "parallelism.default";
/// The setting that says after how long without rows a split is set aside.
const IDLE_TIMEOUT: &str = "table.exec.source.idle-timeout";
/// The setting that says how many key groups the state of a job has.
const MAX_PARALLELISM: &str = "pipeline.max-parallelism";
/// Key groups where nothing is set.
const KEY_GROUPS: u32 = 1_024;
/// Most key groups.
const KEY_GROUPS_MAX: u32 = 32_768;
/// That time for unbounded sources where nothing is set, in milliseconds.
const IDLE_TIMEOUT_MS: u64 = 5_000;

/// How a job is run.
#[derive(Clone)]
pub struct JobOptions {
    /// The application's name; ids of documents are a function of it.
    pub name: String,
    /// Parallel subtasks of every operator, 1 to 256; `None`: the setting `parallelism.default`, else 1.
    pub parallelism: Option<u32>,
    /// Subtasks that share one worker thread, 1 to 8.
    pub parallelism_per_kpu: u32,
    /// Clock and randomness.
    pub env: Env,
    /// The functions that scripts may call beside the engine's own.
    pub functions: Functions,
    /// What the tables' connectors are.
    pub connectors: Arc<dyn Connectors>,
    /// How state is kept.
    pub checkpointing: Checkpointing,
    /// What the job begins with.
    pub restore: Restore,
    /// Windows that close at or before this watermark, in milliseconds since the epoch, are left alone: whoever ran the
    /// application before has written their results.
    pub closed_elsewhere: Option<i64>,
    /// Begin although the script drops or cannot use some of the state that is restored; that state is lost.
    pub allow_dropped_state: bool,
    /// How many groups keys are put into, by which they are shared out to subtasks; at least the greatest parallelism
    /// that the job will have. The setting `pipeline.max-parallelism` comes first.
    pub key_groups: u32,
    /// As in Flink, a record that cannot be read and a row without the time that a window needs fail the job, where the
    /// table does not say otherwise. Without it they are counted and sampled.
    pub strict: bool,
    /// Where records and rows go that cannot be used; `None`: they are counted and sampled.
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    /// How long written rows may wait for a flush while nothing more comes, in milliseconds.
    pub sink_flush_interval_ms: u64,
    /// How far in event time one split may be read ahead of the slowest that has something to read, in milliseconds.
    pub alignment_ms: i64,
    /// Bytes of one read of a split.
    pub read_bytes: usize,
    /// Bytes at which the channels from one subtask to the next operator are full.
    pub channel_bytes: usize,
    /// Bytes of groups that the first half of an aggregation holds before it hands them on.
    pub pre_aggregate_bytes_max: usize,
    /// How much memory state may take, and where it goes that has no room; `None`: as much as there is.
    pub state_memory: Option<StateMemory>,
    /// Records that each KPU reads in a second at most, so that an application takes as many KPUs as on a slower engine;
    /// `None`: as many as it can. While it keeps to that a source counts as busy.
    pub records_per_kpu_s: Option<u64>,
}

/// The memory of a job's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMemory {
    /// Bytes for each KPU, that is, for each thread that steps subtasks. Rows on their way and results that wait for their
    /// checkpoint are beside it.
    pub bytes_per_kpu: u64,
    /// The folder of the file that takes what is past them. The file has no name and is gone with the process.
    pub spill_dir: PathBuf,
}

impl JobOptions {
    /// The defaults for a job of this name.
    pub fn new(name: impl Into<String>, env: Env, connectors: Arc<dyn Connectors>) -> Self {
        Self {
            name: name.into(),
            parallelism: None,
            parallelism_per_kpu: 1,
            env,
            functions: Functions::new(),
            connectors,
            checkpointing: Checkpointing::default(),
            restore: Restore::default(),
            closed_elsewhere: None,
            allow_dropped_state: false,
            key_groups: KEY_GROUPS,
            strict: false,
            dead_letters: None,
            sink_flush_interval_ms: 10,
            alignment_ms: 3_600_000,
            read_bytes: 512 * 1024,
            channel_bytes: 4 * 1024 * 1024,
            pre_aggregate_bytes_max: 16 * 1024 * 1024,
            state_memory: None,
            records_per_kpu_s: None,
        }
    }

    /// The threads that step subtasks at a parallelism.
    pub(crate) fn kpus(&self, parallelism: usize) -> usize {
        parallelism.div_ceil((self.parallelism_per_kpu.max(1) as usize).min(parallelism))
    }

    fn parallelism(&self, settings: &BTreeMap<String, String>) -> Result<usize, JobError> {
        let parallelism = match (self.parallelism, settings.get(PARALLELISM)) {
            (Some(parallelism), _) => parallelism,
            (None, None) => 1,
            (None, Some(text)) => {
                let wrong = |_| JobError::Plan(format!("'{PARALLELISM}' is a whole number, not '{text}'"));
                // As in Flink, -1 means that nothing is set.
                if text.trim() == "-1" { 1 } else { text.trim().parse().map_err(wrong)? }
            }
        };
        in_bounds(parallelism, self.key_groups)
    }

    /// These options with what the script sets.
    fn with_settings(mut self, settings: &BTreeMap<String, String>) -> Result<Self, JobError> {
        let checkpointing = &mut self.checkpointing;
        let durations = [
            ("execution.checkpointing.interval", &mut checkpointing.interval_ms),
            ("execution.checkpointing.min-pause", &mut checkpointing.min_pause_ms),
            ("execution.checkpointing.timeout", &mut checkpointing.timeout_ms),
        ];
        for (key, place) in durations {
            let Some(text) = settings.get(key) else { continue };
            *place = duration_ms(text)
                .ok_or_else(|| JobError::Plan(format!("'{key}' is a duration such as '10 s', not '{text}'")))?;
        }
        let retained = "execution.checkpointing.num-retained";
        if let Some(text) = settings.get(retained) {
            let number = text.trim().parse().ok().filter(|n| *n > 0);
            checkpointing.retained =
                number.ok_or_else(|| JobError::Plan(format!("'{retained}' is a whole number from 1, not '{text}'")))?;
        }
        if let Some(text) = settings.get(MAX_PARALLELISM) {
            let number = text.trim().parse().ok().filter(|n| (1..=KEY_GROUPS_MAX).contains(n));
            self.key_groups = number.ok_or_else(|| {
                JobError::Plan(format!(
                    "'{MAX_PARALLELISM}' is a whole number from 1 to {KEY_GROUPS_MAX}, not '{text}'"
                ))
            })?;
        }
        Ok(self)
    }

    /// After how long without rows a split is set aside, in nanoseconds; 0: never.
    pub(crate) fn idle_timeout_ns(&self, settings: &BTreeMap<String, String>, bounded: bool) -> Result<u64, JobError> {
        let ms = match settings.get(IDLE_TIMEOUT) {
            None if bounded => 0,
            None => IDLE_TIMEOUT_MS,
            Some(text) => duration_ms(text)
                .ok_or_else(|| JobError::Plan(format!("'{IDLE_TIMEOUT}' is a duration such as '5 s', not '{text}'")))?,
        };
        Ok(ms.saturating_mul(1_000_000))
    }
}

fn in_bounds(parallelism: u32, key_groups: u32) -> Result<usize, JobError> {
    let most = PARALLELISM_MAX.min(key_groups);
    if (1..=most).contains(&parallelism) {
        return Ok(parallelism as usize);
    }
    Err(JobError::Plan(format!("a parallelism is 1 to {most}, not {parallelism}")))
}

/// A duration as Flink writes them: a number and a unit, milliseconds without one.
pub fn duration_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let scale = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(scale)
}

/// A size as Flink writes them, in bytes: a number and a unit of 1,024, bytes without one; `None` when it is none.
pub fn memory_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let scale = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" | "kibibytes" => 1 << 10,
        "m" | "mb" | "mebibytes" => 1 << 20,
        "g" | "gb" | "gibibytes" => 1 << 30,
        "t" | "tb" | "tebibytes" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(scale)
}

/// Where a job stands.
#[derive(Debug, Clone)]
pub enum JobState {
    /// It runs.
    Running,
    /// It was asked to stop and is flushing its sinks.
    Stopping,
    /// It has read its bounded sources to their end and given all results.
    Finished,
    /// It was stopped; its sinks are flushed and its last checkpoint is complete.
    Stopped,
    /// It has failed, for the first reason seen.
    Failed(JobError),
}

/// Starting jobs.
pub struct Job;

impl Job {
    /// Starts a job.
    ///
    /// # Errors
    /// When the plan, an option or a connector does not allow it; then nothing was started.
    pub fn start(plan: JobPlan, options: JobOptions) -> Result<JobHandle, JobError> {
        let options = options.with_settings(&plan.settings)?;
        let parallelism = options.parallelism(&plan.settings)?;
        let spill = options.state_memory.as_ref().map(|memory| SpillStore::new(memory.spill_dir.clone()));
        let room = options.state_memory.as_ref().zip(spill.clone()).map(|(memory, store)| {
            let bytes = memory.bytes_per_kpu.saturating_mul(options.kpus(parallelism) as u64);
            Room { bytes: usize::try_from(bytes).unwrap_or(usize::MAX), store }
        });
        let allowed = options.allow_dropped_state;
        let cut = restore(&options.checkpointing, &options.restore, allowed, &plan, &shapes(&plan)?, room)?;
        if let (Restore::Snapshot(name), Some(storage)) = (&options.restore, &options.checkpointing.storage) {
            adopt(storage.as_ref(), name).map_err(JobError::port("the job's state"))?;
        }
        let anew = options.restore == Restore::Nothing;
        let writer = CheckpointWriter::start(&options.checkpointing, anew, &options.env, &options.name)
            .map_err(JobError::port("the job's state"))?
            .map(Arc::new);
        let inherited =
            Inherited { cut: cut.unwrap_or_default(), meter: None, writer: writer.clone(), spill: spill.clone() };
        let (run, collected) = Run::start(&plan, &options, parallelism, inherited)?;
        Ok(JobHandle {
            plan,
            options,
            run: RwLock::new(Arc::new(run)),
            writer,
            spill,
            collected,
            stop_wanted: AtomicBool::new(false),
            cancel_wanted: AtomicBool::new(false),
            rescaling: AtomicBool::new(false),
            rescaled: Mutex::new(None),
        })
    }
}

/// The threads of a job at one parallelism.
struct Run {
    parallelism: usize,
    shared: Arc<Shared>,
    coordinator: Arc<Coordinator>,
    meter: Arc<Meter>,
    trackers: Vec<Arc<Tracker>>,
    operators: Operators,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

type Rows = (Schema, Receiver<RecordBatch>);

impl Run {
    /// Sources end where they stand, and what was read is worked off.
    fn stop(&self) {
        self.shared.ending.stop();
        self.coordinator.stop();
    }

    fn start(
        plan: &JobPlan,
        options: &JobOptions,
        parallelism: usize,
        inherited: Inherited,
    ) -> Result<(Self, Option<Rows>), JobError> {
        let graph = build(plan, options, parallelism, inherited)?;
        let Graph { threads, shared, coordinator, meter, trackers, operators, collected } = graph;
        let mut running = Vec::with_capacity(threads.len());
        let mut failed = None;
        for (name, parker, seats) in threads {
            let state = shared.clone();
            let body = move || {
                run(seats, &parker, &state);
                state.thread_ended();
            };
            match std::thread::Builder::new().name(format!("{}-{name}", options.name)).spawn(body) {
                Ok(thread) => running.push(thread),
                Err(error) => {
                    shared.thread_ended();
                    failed = Some(JobError::internal("the job", format!("a thread could not be started: {error}")));
                    shared.cancel();
                }
            }
        }
        let run = Self { parallelism, shared, coordinator, meter, trackers, operators, threads: Mutex::new(running) };
        failed.map_or(Ok((run, collected)), Err)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.shared.cancel();
        for thread in self.threads.get_mut().drain(..) {
            // A thread ends by itself; a panic in it has been recorded as the job's failure.
            let _ = thread.join();
        }
    }
}

/// What a change of parallelism came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rescaled {
    /// The parallelism before.
    pub from: u32,
    /// The parallelism now.
    pub to: u32,
    /// How long no row was read, in microseconds.
    pub pause_us: u64,
}

/// A job that was started. Dropping it ends the job at once, without flushing its sinks.
pub struct JobHandle {
    plan: JobPlan,
    options: JobOptions,
    run: RwLock<Arc<Run>>,
    writer: Option<Arc<CheckpointWriter>>,
    spill: Option<Arc<SpillStore>>,
    collected: Option<Rows>,
    stop_wanted: AtomicBool,
    cancel_wanted: AtomicBool,
    rescaling: AtomicBool,
    /// Held while the parallelism changes.
    rescaled: Mutex<Option<Rescaled>>,
}

impl JobHandle {
    fn run(&self) -> Arc<Run> {
        self.run.read().clone()
    }

    /// Asks the job to stop: sources end where they stand, sinks are flushed and closed, and a last checkpoint is
    /// written. Returns at once; see [`JobHandle::wait`].
    pub fn stop(&self) {
        self.stop_wanted.store(true, Ordering::Release);
        self.run().stop();
    }

    /// Ends the job at once, as a crash would: what is in flight is dropped and sinks are not flushed.
    pub fn cancel(&self) {
        self.cancel_wanted.store(true, Ordering::Release);
        self.run().shared.cancel();
    }

    /// Waits for the job to end, its last checkpoint durable. Collected rows must be taken meanwhile.
    ///
    /// # Errors
    /// The first failure.
    pub fn wait(&self) -> Result<JobState, JobError> {
        loop {
            let run = self.run();
            let (_, failure) = run.shared.wait(None);
            // A rescale puts another run in its place before it lets go.
            let _settled = self.rescaled.lock();
            if !Arc::ptr_eq(&run, &self.run()) {
                continue;
            }
            if let Some(writer) = &self.writer {
                writer.finish();
            }
            return failure.map_or_else(|| Ok(self.state()), Err);
        }
    }

    /// Waits for the job to end, at most `limit`; whether it has.
    pub fn wait_for(&self, limit: Duration) -> bool {
        self.run().shared.wait(Some(limit)).0 && !self.rescaling.load(Ordering::Acquire)
    }

    /// Where the job stands.
    pub fn state(&self) -> JobState {
        let run = self.run();
        let (running, failure) = run.shared.status();
        let asked = self.stop_wanted.load(Ordering::Acquire) || self.cancel_wanted.load(Ordering::Acquire);
        let running = running || self.rescaling.load(Ordering::Acquire);
        match (failure, running) {
            (Some(error), _) => JobState::Failed(error),
            (None, true) if asked => JobState::Stopping,
            (None, true) => JobState::Running,
            (None, false) if asked => JobState::Stopped,
            (None, false) => JobState::Finished,
        }
    }

    /// Gives the running job another parallelism. Sources pause, what is under way is worked off, groups are handed to
    /// their new owners in memory, and reading goes on; nothing is read twice and nothing is written down.
    ///
    /// # Errors
    /// When the parallelism is out of bounds or the job does not run; then nothing has changed. When the new subtasks
    /// cannot be started, the job has failed.
    pub fn rescale(&self, parallelism: u32) -> Result<Rescaled, JobError> {
        let parallelism = in_bounds(parallelism, self.options.key_groups)?;
        if self.collected.is_some() {
            return Err(JobError::Plan("a job whose rows are collected keeps its parallelism".into()));
        }
        let mut rescaled = self.rescaled.lock();
        if !matches!(self.state(), JobState::Running) {
            return Err(JobError::Plan("only a running job can be rescaled".into()));
        }
        let run = self.run();
        let began_ns = self.options.env.monotonic_ns();
        self.rescaling.store(true, Ordering::Release);
        let next = self.succeed(&run, parallelism);
        if let Ok(next) = &next {
            *self.run.write() = next.clone();
        }
        self.rescaling.store(false, Ordering::Release);
        let next = next?;
        if self.stop_wanted.load(Ordering::Acquire) {
            next.stop();
        }
        if self.cancel_wanted.load(Ordering::Acquire) {
            next.shared.cancel();
        }
        let pause_us = self.options.env.monotonic_ns().saturating_sub(began_ns) / 1_000;
        let done = Rescaled { from: run.parallelism as u32, to: parallelism as u32, pause_us };
        *rescaled = Some(done);
        Ok(done)
    }

    /// Ends `run` and starts another one from what it kept.
    fn succeed(&self, run: &Arc<Run>, parallelism: usize) -> Result<Arc<Run>, JobError> {
        run.coordinator.hand_over();
        let (_, failure) = run.shared.wait(None);
        if let Some(error) = failure {
            return Err(error);
        }
        let Some(cut) = run.coordinator.take_last() else {
            return Err(JobError::Plan("the job was cancelled while it was rescaled".into()));
        };
        let (meter, writer, spill) = (&run.meter, &self.writer, &self.spill);
        let inherit = |cut: Cut| {
            let (meter, writer, spill) = (Some(meter.clone()), writer.clone(), spill.clone());
            Inherited { cut, meter, writer, spill }
        };
        let next = Run::start(&self.plan, &self.options, parallelism, inherit(cut));
        match next {
            Ok((next, _)) => Ok(Arc::new(next)),
            Err(error) => {
                run.shared.fail(error.clone());
                Err(error)
            }
        }
    }

    /// The last change of parallelism.
    pub fn rescaled(&self) -> Option<Rescaled> {
        self.rescaled.try_lock().and_then(|r| *r)
    }

    /// The parallelism that the job has now.
    pub fn parallelism(&self) -> u32 {
        self.run().parallelism as u32
    }

    /// The threads that compute: one for each KPU.
    pub fn kpus(&self) -> u32 {
        self.options.kpus(self.run().parallelism) as u32
    }

    /// Writes everything that the job keeps under a name, beside its checkpoints, and goes on. Returns when the snapshot
    /// is durable.
    ///
    /// # Errors
    /// When the job keeps no checkpoints or has ended, the name is not made of letters, digits, `.`, `_` and `-`, or the
    /// snapshot cannot be written.
    pub fn snapshot(&self, name: &str) -> Result<CheckpointSummary, JobError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > SNAPSHOT_NAME_CHARS_MAX || !name.chars().all(legal) {
            return Err(JobError::Plan(format!(
                "a snapshot's name is 1 to {SNAPSHOT_NAME_CHARS_MAX} letters, digits, '.', '_' and '-', not {name:?}"
            )));
        }
        let port = JobError::port("the snapshot");
        let waiting = self.run().coordinator.snapshot(name).map_err(&port)?;
        let gone = |_| JobError::Plan(format!("the job has ended before snapshot {name} was complete"));
        waiting.recv().map_err(gone)?.map_err(&port)
    }

    /// What has become of the job's checkpoints since it was started.
    pub fn checkpoints(&self) -> CheckpointStats {
        self.writer.as_ref().map(|w| w.stats()).unwrap_or_default()
    }

    /// The columns of collected rows, and where they come; `None` when the job collects nothing.
    pub fn collected(&self) -> Option<(&Schema, &Receiver<RecordBatch>)> {
        self.collected.as_ref().map(|(schema, receiver)| (schema, receiver))
    }

    /// What the job has done until now.
    pub fn metrics(&self) -> JobMetrics {
        let run = self.run();
        let meter = &run.meter;
        let splits: Vec<_> = run.trackers.iter().flat_map(|t| t.metrics()).collect();
        let watermark = run.trackers.iter().map(|t| t.watermark().0).min().filter(|w| *w != i64::MIN);
        let (records_in, now_ns) = (meter.records_in.get(), self.options.env.monotonic_ns());
        JobMetrics {
            records_in,
            bytes_in: meter.bytes_in.get(),
            records_in_per_s: meter.rate.lock().read(&self.options.env, records_in),
            records_out: meter.records_out.get(),
            early: meter.early.get(),
            late: meter.late.get(),
            late_windows: meter.late_windows.lock().iter().map(|(end, rows)| (*end, *rows)).collect(),
            bad: meter.bad.get(),
            watermark,
            watermark_hold: run.trackers.iter().min_by_key(|t| t.watermark()).and_then(|t| t.hold(now_ns)),
            millis_behind_latest: splits.iter().filter_map(|s| s.millis_behind_latest).max(),
            spilled_bytes: self.spill.as_ref().map_or(0, |s| s.bytes()),
            state_bytes: meter.state.lock().iter().map(|g| g.get()).sum(),
            lookups: super::lookup::by_table(&meter.lookups.lock()),
            splits,
        }
    }

    /// How far each operator is in event time, which split its watermark waits for, and what its subtasks do: sources,
    /// whatever keeps rows or groups, unions, lookups and sinks, each behind its inputs.
    pub fn operators(&self) -> Vec<OperatorMetrics> {
        self.run().operators.metrics(self.options.env.monotonic_ns())
    }

    /// The newest records that could not be read, or had no time where a window needs one.
    pub fn bad_samples(&self) -> Vec<Rejection> {
        self.run().meter.bad_samples.newest()
    }

    /// The newest rows that came after their last window had closed.
    pub fn late_samples(&self) -> Vec<Rejection> {
        self.run().meter.late_samples.newest()
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        let run = self.run();
        run.shared.cancel();
        // Whoever waits for room among the collected rows is let go.
        self.collected = None;
        run.shared.wait(None);
        // Whoever goes on from the state that is kept must find nobody writing there.
        if let Some(writer) = &self.writer {
            writer.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_flink_reads_them() {
        for (text, ms) in [
            ("5 s", Some(5_000)),
            ("100ms", Some(100)),
            ("2 min", Some(120_000)),
            ("7", Some(7)),
            ("0 s", Some(0)),
            ("s", None),
            ("5 lightyears", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
    }
}
