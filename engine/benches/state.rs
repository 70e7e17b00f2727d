//! State: what checkpoints cost, how long a change of parallelism holds the stream up, and how much memory counted keys take.
//!
//! Prints one JSON line for each figure. `--quick` runs small; `memory`, `checkpoints` or `rescales` runs one.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program that prints its figures")]

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use engine::plan::{JobPlan, TableDef};
use engine::port::{
    Connectors, Cursor, PortError, Role, Sink, SinkBatch, SinkSpec, Source, SplitId, SplitInfo, SplitRead, SplitReader,
    Waker,
};
use engine::run::{Checkpointing, Folder, Job, JobHandle, JobOptions};
use engine::sql::{Planned, Script, Session};
use model::{Env, Position};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SPLITS: u64 = 8;
const BATCH_ROWS: u64 = 1_024;

const SCRIPT: &str = "
CREATE TABLE events (ts TIMESTAMP_LTZ(3), k BIGINT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector'='made');
CREATE TABLE counts (k BIGINT, n BIGINT, we TIMESTAMP_LTZ(3)) WITH ('connector'='none');
INSERT INTO counts SELECT k, COUNT(*), window_end
  FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, k;";

/// Rows made as they are read: so many keys, all in one window. With a rate, each is due at its time.
#[derive(Clone)]
struct Made {
    env: Env,
    keys: u64,
    /// Rows a second of all splits together; 0: as fast as they are read.
    rate: Arc<AtomicU64>,
    /// When the rate began to hold, and how many rows of each split had been read then.
    since: Arc<Mutex<(u64, [u64; SPLITS as usize])>>,
    read: Arc<[AtomicU64; SPLITS as usize]>,
    /// How late rows were read, in microseconds, since somebody looked.
    late_us: Arc<Mutex<Vec<u32>>>,
}

impl Made {
    fn new(env: &Env, keys: u64) -> Self {
        Self {
            env: env.clone(),
            keys,
            rate: Arc::default(),
            since: Arc::default(),
            read: Arc::default(),
            late_us: Arc::default(),
        }
    }

    /// From now on rows come at this rate.
    fn pace(&self, rate: u64) {
        let mut since = self.since.lock().unwrap();
        *since = (self.env.monotonic_ns(), std::array::from_fn(|i| self.read[i].load(Ordering::SeqCst)));
        self.rate.store(rate, Ordering::SeqCst);
    }

    fn total(&self) -> u64 {
        self.read.iter().map(|r| r.load(Ordering::SeqCst)).sum()
    }
}

impl Source for Made {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let info = |id| SplitInfo {
            id: SplitId(id as u32),
            name: format!("split-{id}"),
            parents: vec![],
            start: Position::ZERO.into(),
        };
        Ok((0..SPLITS).map(info).collect())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        Ok(Box::new(Reader { made: self.clone(), split: u64::from(split.0), next: from.position.0 }))
    }

    fn is_bounded(&self) -> bool {
        false
    }

    fn subscribe(&self, _waker: Waker) -> Box<dyn Send> {
        Box::new(())
    }
}

struct Reader {
    made: Made,
    split: u64,
    next: u64,
}

impl SplitReader for Reader {
    fn read(&mut self, _bytes_max: usize) -> Result<SplitRead, PortError> {
        let mut rows = BATCH_ROWS;
        let rate = self.made.rate.load(Ordering::Relaxed) / SPLITS;
        if rate > 0 {
            let (since_ns, before) = *self.made.since.lock().unwrap();
            let before = before[self.split as usize];
            let passed_ns = self.made.env.monotonic_ns().saturating_sub(since_ns);
            let due = before + (u128::from(passed_ns) * u128::from(rate) / 1_000_000_000) as u64;
            rows = rows.min(due.saturating_sub(self.next));
            if rows == 0 {
                return Ok(SplitRead::Tip);
            }
            let first_due_ns = u128::from(self.next.saturating_sub(before)) * 1_000_000_000 / u128::from(rate);
            let late_us = (u128::from(passed_ns).saturating_sub(first_due_ns) / 1_000) as u32;
            self.made.late_us.lock().unwrap().push(late_us);
        }
        let number = |i: u64| (i * SPLITS + self.split).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let keys =
            Int64Array::from_iter_values((self.next..self.next + rows).map(|i| (number(i) % self.made.keys) as i64));
        let times = (self.next..self.next + rows).map(|i| 1_452_038_400_000 + (i / 1_000) as i64);
        let times = TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC");
        let columns: Vec<(&str, ArrayRef)> = vec![("ts", Arc::new(times)), ("k", Arc::new(keys))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        self.next += rows;
        self.made.read[self.split as usize].store(self.next, Ordering::SeqCst);
        Ok(SplitRead::Rows { batch, next: Position(self.next).into() })
    }

    fn next_read_in_ms(&self) -> Option<u64> {
        Some(1)
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        None
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _batch: &SinkBatch) -> Result<(), PortError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

impl Connectors for Made {
    fn check(&self, _table: &TableDef, _role: Role) -> Result<(), PortError> {
        Ok(())
    }

    fn source(&self, _table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Ok(Arc::new(self.clone()))
    }

    fn sink(&self, _spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        Ok(Box::new(Nowhere))
    }
}

fn plan(made: &Made) -> JobPlan {
    let planned = Session::new().plan(&Script::parse(SCRIPT).unwrap(), made).unwrap();
    planned.into_iter().find_map(|p| if let Planned::Job { plan, .. } = p { Some(plan) } else { None }).unwrap()
}

fn start(made: &Made, parallelism: u32, checkpointing: Checkpointing) -> JobHandle {
    let options = JobOptions {
        parallelism: Some(parallelism),
        checkpointing,
        ..JobOptions::new("state", made.env.clone(), Arc::new(made.clone()))
    };
    Job::start(plan(made), options).unwrap()
}

fn pause(ms: u64) {
    let (_keep, never) = channel::<()>();
    let _elapsed = never.recv_timeout(Duration::from_millis(ms));
}

/// Waits until every key has most likely been counted.
fn fill(made: &Made, job: &JobHandle) {
    while job.metrics().records_in < made.keys * 12 {
        pause(5);
    }
}

fn figure(name: &str, unit: &str, better: &str, values: &mut [f64]) {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    let median = values[values.len() / 2];
    println!(
        "{{\"name\":\"{name}\",\"unit\":\"{unit}\",\"better\":\"{better}\",\"value\":{median:.3},\"min\":{least:.3},\
         \"max\":{most:.3},\"runs\":{}}}",
        values.len()
    );
}

fn main() {
    let quick = std::env::args().any(|a| a == "--quick" || a == "--test");
    let (keys, span_ms, runs) = if quick { (20_000, 100, 1) } else { (1_000_000, 4_000, 5) };
    // Any other argument is the one measurement that is wanted.
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|w| w == name);
    if is_wanted("memory") {
        memory(keys);
    }
    for keys in [keys / 50, keys] {
        if is_wanted("checkpoints") {
            checkpoints(keys, span_ms, runs);
        }
    }
    if is_wanted("rescales") {
        rescales(keys, span_ms, runs);
    }
}

/// P12: bytes of state for a million counted keys.
fn memory(keys: u64) {
    let env = Env::system();
    let mut bytes = Vec::new();
    for parallelism in [1, 2] {
        let made = Made::new(&env, keys);
        let job = start(&made, parallelism, Checkpointing::default());
        fill(&made, &job);
        bytes.push(job.metrics().state_bytes as f64 / keys as f64);
        job.cancel();
    }
    figure("p12_bytes_per_counted_key", "bytes", "lower", &mut bytes);
}

/// P11: rows a second with a checkpoint each second against without, turn by turn in one job's life each.
fn checkpoints(keys: u64, span_ms: u64, runs: usize) {
    let env = Env::system();
    let (mut losses, mut durations, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    let mut stalls = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        let mut rates = [0.0; 2];
        for with in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let storage = with.then(|| Arc::new(Folder::open(folder.path()).unwrap()) as Arc<_>);
            let made = Made::new(&env, keys);
            let job = start(&made, 1, Checkpointing { storage, ..Checkpointing::default() });
            fill(&made, &job);
            let (began_ns, began) = (env.monotonic_ns(), made.total());
            pause(span_ms);
            let passed_s = (env.monotonic_ns() - began_ns) as f64 / 1e9;
            rates[usize::from(with)] = (made.total() - began) as f64 / passed_s;
            // At half of that speed: how late rows are read.
            made.pace((rates[0] / 2.0) as u64);
            pause(span_ms / 2);
            let mut late = std::mem::take(&mut *made.late_us.lock().unwrap());
            late.sort_unstable();
            stalls[usize::from(with)].push(f64::from(late[late.len() * 99 / 100]) / 1e3);
            if let Some(last) = job.checkpoints().last {
                durations.push(last.duration_ms as f64);
                sizes.push(last.bytes as f64 / 1e6);
            }
            assert_eq!(job.checkpoints().failed, 0);
            job.cancel();
        }
        losses.push((1.0 - rates[1] / rates[0]) * 100.0);
    }
    figure(&format!("p11_checkpoint_each_second_loss_{keys}_keys"), "%", "lower", &mut losses);
    let [without, with] = &mut stalls;
    figure(&format!("p11_read_late_p99_without_{keys}_keys"), "ms", "lower", without);
    figure(&format!("p11_read_late_p99_with_{keys}_keys"), "ms", "lower", with);
    if !durations.is_empty() {
        figure(&format!("p11_checkpoint_duration_{keys}_keys"), "ms", "lower", &mut durations);
        figure(&format!("p11_checkpoint_size_{keys}_keys"), "MB", "lower", &mut sizes);
    }
}

/// P9: a change of parallelism 2 → 8 → 2 at 80 % of what the slower of both reads: how much later than before rows are read at
/// the worst.
fn rescales(keys: u64, span_ms: u64, runs: usize) {
    let env = Env::system();
    let made = Made::new(&env, keys);
    let job = start(&made, 2, Checkpointing::default());
    fill(&made, &job);
    let capacity = || {
        let (began_ns, began) = (env.monotonic_ns(), made.total());
        pause(span_ms / 2);
        (made.total() - began) as f64 * 1e9 / (env.monotonic_ns() - began_ns) as f64
    };
    let of_two = capacity();
    job.rescale(8).unwrap();
    let of_eight = capacity();
    job.rescale(2).unwrap();
    figure("p9_rows_per_s_of_2_subtasks", "1/s", "higher", &mut [of_two]);
    figure("p9_rows_per_s_of_8_subtasks", "1/s", "higher", &mut [of_eight]);
    let rate = of_two.min(of_eight);
    let (mut pauses, mut extra) = (Vec::new(), [Vec::new(), Vec::new()]);
    for _ in 0..runs {
        for (place, to) in [8, 2].into_iter().enumerate() {
            made.pace((rate * 0.8) as u64);
            made.late_us.lock().unwrap().clear();
            pause(span_ms / 4);
            let before = made.late_us.lock().unwrap().drain(..).max().unwrap_or(0);
            pauses.push(job.rescale(to).unwrap().pause_us as f64 / 1e3);
            pause(span_ms / 4);
            let after = made.late_us.lock().unwrap().drain(..).max().unwrap_or(0);
            extra[place].push(f64::from(after.saturating_sub(before)) / 1e3);
        }
    }
    assert_eq!(job.metrics().late, 0);
    job.cancel();
    figure("p9_rescale_pause", "ms", "lower", &mut pauses);
    let [up, down] = &mut extra;
    figure("p9_rescale_2_to_8_worst_extra_latency", "ms", "lower", up);
    figure("p9_rescale_8_to_2_worst_extra_latency", "ms", "lower", down);
}
