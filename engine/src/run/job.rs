//! Jobs: started from a plan, watched and stopped through a handle.

use super::error::JobError;
use super::graph::{Graph, build};
use super::meter::{JobMetrics, Meter, Rejection, SubtaskMetrics};
use super::resume::{Coordinator, ResumePoint};
use super::worker::{Shared, run};
use crate::functions::Functions;
use crate::plan::JobPlan;
use crate::port::Connectors;
use crate::types::Schema;
use arrow_array::RecordBatch;
use crossbeam_channel::Receiver;
use model::Env;
use model::limits::PARALLELISM_MAX;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The setting that names the parallelism of a job.
const PARALLELISM: &str = "parallelism.default";
/// The setting that says after how long without rows a split is set aside.
const IDLE_TIMEOUT: &str = "table.exec.source.idle-timeout";
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
    /// Where to begin again; `None`: at the start.
    pub resume: Option<ResumePoint>,
    /// As in Flink, a record that cannot be read and a row without the time that a window needs fail the job, where the
    /// table does not say otherwise. Without it they are counted and sampled.
    pub strict: bool,
    /// How often a resume point is made, in milliseconds; each one flushes the sinks.
    pub resume_interval_ms: u64,
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
            resume: None,
            strict: false,
            resume_interval_ms: 1_000,
            sink_flush_interval_ms: 100,
            alignment_ms: 3_600_000,
            read_bytes: 512 * 1024,
            channel_bytes: 4 * 1024 * 1024,
            pre_aggregate_bytes_max: 16 * 1024 * 1024,
        }
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
        if !(1..=PARALLELISM_MAX).contains(&parallelism) {
            return Err(JobError::Plan(format!("a parallelism is 1 to {PARALLELISM_MAX}, not {parallelism}")));
        }
        Ok(parallelism as usize)
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

/// A duration as Flink writes them: a number and a unit, milliseconds without one.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
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

/// Where a job stands.
#[derive(Debug, Clone)]
pub enum JobState {
    /// It runs.
    Running,
    /// It was asked to stop and is flushing its sinks.
    Stopping,
    /// It has read its bounded sources to their end and given all results.
    Finished,
    /// It was stopped; its sinks are flushed and the resume point is complete.
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
        let parallelism = options.parallelism(&plan.settings)?;
        let Graph { threads, shared, coordinator, meter, collected } = build(&plan, &options, parallelism)?;
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
        let env = options.env.clone();
        let handle = JobHandle { shared, coordinator, meter, env, threads: running, collected };
        match failed {
            Some(error) => Err(error),
            None => Ok(handle),
        }
    }
}

/// A job that was started. Dropping it ends the job at once, without flushing its sinks.
pub struct JobHandle {
    shared: Arc<Shared>,
    coordinator: Arc<Coordinator>,
    meter: Arc<Meter>,
    env: Env,
    threads: Vec<JoinHandle<()>>,
    collected: Option<(Schema, Receiver<RecordBatch>)>,
}

impl JobHandle {
    /// Asks the job to stop: sources end where they stand, sinks are flushed and closed. Returns at once; see
    /// [`JobHandle::wait`].
    pub fn stop(&self) {
        self.coordinator.stop();
    }

    /// Ends the job at once, as a crash would: what is in flight is dropped and sinks are not flushed.
    pub fn cancel(&self) {
        self.shared.cancel();
    }

    /// Waits for the job to end. Collected rows must be taken meanwhile.
    ///
    /// # Errors
    /// The first failure.
    pub fn wait(&self) -> Result<JobState, JobError> {
        match self.shared.wait(None).1 {
            Some(error) => Err(error),
            None => Ok(self.state()),
        }
    }

    /// Waits for the job to end, at most `limit`; whether it has.
    pub fn wait_for(&self, limit: Duration) -> bool {
        self.shared.wait(Some(limit)).0
    }

    /// Where the job stands.
    pub fn state(&self) -> JobState {
        let (running, failure) = self.shared.status();
        let stopping = self.coordinator.is_stopping();
        let cancelled = self.shared.cancelled.load(std::sync::atomic::Ordering::Acquire);
        match (failure, running) {
            (Some(error), _) => JobState::Failed(error),
            (None, true) if stopping || cancelled => JobState::Stopping,
            (None, true) => JobState::Running,
            (None, false) if stopping || cancelled => JobState::Stopped,
            (None, false) => JobState::Finished,
        }
    }

    /// The newest point at which the job can begin again; after a stop, the one where it stopped.
    pub fn resume_point(&self) -> ResumePoint {
        self.coordinator.point()
    }

    /// The columns of collected rows, and where they come; `None` when the job collects nothing.
    pub fn collected(&self) -> Option<(&Schema, &Receiver<RecordBatch>)> {
        self.collected.as_ref().map(|(schema, receiver)| (schema, receiver))
    }

    /// What the job has done until now.
    pub fn metrics(&self) -> JobMetrics {
        let meter = &self.meter;
        let splits: Vec<_> = self.coordinator.trackers().flat_map(|t| t.metrics()).collect();
        let watermark = self.coordinator.trackers().map(|t| t.watermark().0).min().filter(|w| *w != i64::MIN);
        let records_in = meter.records_in.get();
        let per_subtask = |(index, times): (usize, &Arc<super::meter::Times>)| SubtaskMetrics {
            index: index as u32,
            busy_ms: times.busy.get() / 1_000_000,
            idle_ms: times.idle.get() / 1_000_000,
            backpressured_ms: times.blocked.get() / 1_000_000,
        };
        JobMetrics {
            records_in,
            bytes_in: meter.bytes_in.get(),
            records_in_per_s: meter.rate.lock().read(&self.env, records_in),
            records_out: meter.records_out.get(),
            early: meter.early.get(),
            late: meter.late.get(),
            replayed: meter.replayed.get(),
            bad: meter.bad.get(),
            watermark,
            millis_behind_latest: splits.iter().filter_map(|s| s.millis_behind_latest).max(),
            state_bytes: meter.state.lock().iter().map(|g| g.get()).sum(),
            lookups: super::lookup::by_table(&meter.lookups.lock()),
            splits,
            subtasks: meter.times.iter().enumerate().map(per_subtask).collect(),
        }
    }

    /// The newest records that could not be read, or had no time where a window needs one.
    pub fn bad_samples(&self) -> Vec<Rejection> {
        self.meter.bad_samples.newest()
    }

    /// The newest rows that came after their last window had closed.
    pub fn late_samples(&self) -> Vec<Rejection> {
        self.meter.late_samples.newest()
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.shared.cancel();
        self.collected = None;
        for thread in self.threads.drain(..) {
            // A thread ends by itself; a panic in it has been recorded as the job's failure.
            let _ = thread.join();
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
