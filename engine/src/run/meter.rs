//! Counting: what a job did, as read by metrics, decisions and people while it runs.

use super::error::JobError;
use super::lookup::{LookupMeter, LookupMetrics};
use super::time::WatermarkHold;
use crate::port::{DeadLetter, DeadLetters, SplitId};
use model::Env;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Most samples kept of each sort.
pub const SAMPLES_MAX: usize = 64;
/// Most bytes kept of a sampled record.
pub const SAMPLE_BYTES_MAX: usize = 200;

/// A counter that any thread may raise.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A record that could not be read, or a row that came too late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The table, or the operator for a late row.
    pub place: String,
    /// The split's name; empty for a late row.
    pub split: String,
    /// The record's position in its split; 0 for a late row.
    pub position: u64,
    /// What was wrong.
    pub reason: String,
    /// The record's first bytes, at most [`SAMPLE_BYTES_MAX`]; for a late row its columns as JSON.
    pub text: String,
}

/// The newest rejections, at most [`SAMPLES_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Samples(Mutex<VecDeque<Rejection>>);

impl Samples {
    pub(crate) fn push(&self, rejection: Rejection) {
        let mut samples = self.0.lock();
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(rejection);
    }

    pub(crate) fn newest(&self) -> Vec<Rejection> {
        self.0.lock().iter().cloned().collect()
    }
}

/// The counters of one job.
#[derive(Default)]
pub(crate) struct Meter {
    pub(crate) records_in: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) records_out: Counter,
    pub(crate) early: Counter,
    pub(crate) late: Counter,
    pub(crate) bad: Counter,
    pub(crate) bad_samples: Samples,
    pub(crate) late_samples: Samples,
    pub(crate) rate: Mutex<Rate>,
    /// What lookups do, by lookup and subtask.
    pub(crate) lookups: Mutex<Vec<Arc<LookupMeter>>>,
    /// Bytes of state, by subtask and aggregation.
    pub(crate) state: Mutex<Vec<Arc<Counter>>>,
    /// Late rows by the end of the last window that they belonged to, of the newest windows.
    pub(crate) late_windows: Mutex<BTreeMap<i64, u64>>,
    letters: Option<Arc<dyn DeadLetters>>,
    /// Letters were kept since the last flush.
    unflushed: AtomicBool,
}

/// Most windows whose late rows are counted one by one.
const LATE_WINDOWS_MAX: usize = 1_000;

/// Records per second, measured between two readings at least a second apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rate {
    at_ns: u64,
    records: u64,
    per_s: f64,
}

impl Rate {
    pub(crate) fn read(&mut self, env: &Env, records: u64) -> f64 {
        let now = env.monotonic_ns();
        let passed = now.saturating_sub(self.at_ns);
        if passed >= 1_000_000_000 || self.per_s == 0.0 {
            self.per_s = records.saturating_sub(self.records) as f64 * 1e9 / (passed.max(1) as f64);
            (self.at_ns, self.records) = (now, records);
        }
        self.per_s
    }

    pub(crate) fn start(env: &Env) -> Self {
        Self { at_ns: env.monotonic_ns(), ..Self::default() }
    }
}

impl Meter {
    /// The counters of a job, or those of a run that goes on from where an earlier one of the same job has ended.
    pub(crate) fn new(env: &Env, before: Option<&Self>, letters: Option<Arc<dyn DeadLetters>>) -> Self {
        let meter = Self { rate: Mutex::new(Rate::start(env)), letters, ..Self::default() };
        if let Some(before) = before {
            let pairs = [
                (&meter.records_in, &before.records_in),
                (&meter.bytes_in, &before.bytes_in),
                (&meter.records_out, &before.records_out),
                (&meter.early, &before.early),
                (&meter.late, &before.late),
                (&meter.bad, &before.bad),
            ];
            pairs.into_iter().for_each(|(now, then)| now.set(then.get()));
            before.bad_samples.newest().into_iter().for_each(|s| meter.bad_samples.push(s));
            before.late_samples.newest().into_iter().for_each(|s| meter.late_samples.push(s));
            *meter.rate.lock() = before.rate.lock().clone();
            meter.late_windows.lock().clone_from(&before.late_windows.lock());
        }
        meter
    }

    /// Whether records that cannot be used are kept.
    pub(crate) fn keeps_letters(&self) -> bool {
        self.letters.is_some()
    }

    /// Keeps a record that cannot be used.
    ///
    /// # Errors
    /// When it cannot be kept: going on would lose it.
    pub(crate) fn keep(&self, letter: DeadLetter) -> Result<(), JobError> {
        let Some(letters) = &self.letters else { return Ok(()) };
        self.unflushed.store(true, Ordering::Release);
        letters.keep(letter).map_err(JobError::port("dead letters"))
    }

    /// Returns when everything kept is durable, so that a checkpoint may pass.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn flush_letters(&self) -> Result<(), JobError> {
        match &self.letters {
            Some(letters) if self.unflushed.swap(false, Ordering::AcqRel) => {
                letters.flush().map_err(JobError::port("dead letters"))
            }
            _ => Ok(()),
        }
    }

    /// Counts late rows of the window that ends at `end`.
    pub(crate) fn late_for(&self, end: i64, rows: u64) {
        let mut windows = self.late_windows.lock();
        *windows.entry(end).or_default() += rows;
        if windows.len() > LATE_WINDOWS_MAX {
            windows.pop_first();
        }
    }

    /// The counters of one more lookup of `table`.
    pub(crate) fn lookup(&self, table: &str) -> Arc<LookupMeter> {
        let meter = Arc::new(LookupMeter { table: table.to_owned(), ..LookupMeter::default() });
        self.lookups.lock().push(meter.clone());
        meter
    }

    /// A new gauge of bytes of state.
    pub(crate) fn state_gauge(&self) -> Arc<Counter> {
        let gauge = Arc::new(Counter::default());
        self.state.lock().push(gauge.clone());
        gauge
    }
}

/// What a job has done until now.
#[derive(Debug, Clone, Default)]
pub struct JobMetrics {
    /// Rows read and decoded.
    pub records_in: u64,
    /// Bytes of the payloads read.
    pub bytes_in: u64,
    /// Rows read per second, over the last second or more.
    pub records_in_per_s: f64,
    /// Rows written to sinks.
    pub records_out: u64,
    /// Of these, results of windows still open.
    pub early: u64,
    /// Rows that came after their last window had closed.
    pub late: u64,
    /// Of the newest windows: when each ended, in milliseconds on the windows' clock, and how many rows came after that which
    /// belonged to no later one.
    pub late_windows: Vec<(i64, u64)>,
    /// Records that could not be read, and rows without the time that their window needs.
    pub bad: u64,
    /// The least watermark over the sources, in milliseconds since the epoch; `None` before the first one, `i64::MAX`
    /// at the end.
    pub watermark: Option<i64>,
    /// The split that this watermark waits for; `None` when all have ended or are set aside.
    pub watermark_hold: Option<WatermarkHold>,
    /// The most that a split is behind its newest record, in milliseconds; `None` where no source can tell.
    pub millis_behind_latest: Option<u64>,
    /// Bytes of memory that state takes, about.
    pub state_bytes: u64,
    /// Bytes of state on disk, for which memory has no room.
    pub spilled_bytes: u64,
    /// The lookups of each table.
    pub lookups: Vec<LookupMetrics>,
    /// Every split of every source.
    pub splits: Vec<SplitMetrics>,
}

/// How far the reading of one split has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMetrics {
    /// The table.
    pub table: String,
    /// The split.
    pub id: SplitId,
    /// Its name.
    pub name: String,
    /// Where the next read begins.
    pub position: u64,
    /// Its own watermark, in milliseconds since the epoch; `None` before the first one.
    pub watermark: Option<i64>,
    /// How far it is behind its newest record, in milliseconds; `None` where the source cannot tell.
    pub millis_behind_latest: Option<u64>,
    /// Set aside because nothing has come for the idle timeout.
    pub idle: bool,
    /// Read to its end.
    pub ended: bool,
    /// Which subtask reads it; `None` while it waits for its parents.
    pub subtask: Option<u32>,
}
