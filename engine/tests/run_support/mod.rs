//! What the tests of running jobs share: a source in memory whose splits are fed by hand, and a sink that keeps documents
//! by id and can be slow or broken.
#![allow(dead_code, clippy::unwrap_used, missing_docs, reason = "for tests alone; each binary uses its part")]

pub(crate) mod blows;

use arrow_array::Array;
use bytes::Bytes;
use engine::plan::{JobPlan, TableDef};
use engine::port::{
    Changelog, Connectors, Cursor, Lookup, LookupSpec, PayloadBlock, PortError, Refusals, Role, Sink, SinkBatch,
    SinkSpec, Source, SplitId, SplitInfo, SplitRead, SplitReader, Waker,
};
use engine::run::decode::JsonOptions;
use engine::run::encode::JsonEncoder;
use engine::run::{CheckpointStorage, Checkpointing, Job, JobError, JobHandle, JobOptions, StateMemory};
use engine::sql::{Planned, Script, Session};
use model::{Env, Kind, Position};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Waits a little.
pub(crate) fn pause(ms: u64) {
    let (_keep, never) = channel::<()>();
    let _ = never.recv_timeout(Duration::from_millis(ms));
}

/// Waits until `holds`, at most ten seconds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        pause(5);
    }
    panic!("in vain waited for: {what}");
}

#[derive(Default)]
struct Split {
    parents: Vec<u32>,
    rows: Vec<String>,
    ended: bool,
}

/// A source whose splits are fed by hand.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    splits: Arc<Mutex<Vec<Split>>>,
    wakers: Arc<Mutex<BTreeMap<u64, Waker>>>,
    bounded: bool,
    pub(crate) bytes_read: Arc<AtomicU64>,
    /// The least position at which a split was opened, by split.
    pub(crate) opened: Arc<Mutex<BTreeMap<u32, u64>>>,
    /// What it was told of durable checkpoints: for each the position of each split.
    pub(crate) told: Arc<Mutex<Vec<BTreeMap<u32, u64>>>>,
}

impl Memory {
    pub(crate) fn unbounded(splits: usize) -> Self {
        let memory = Self::default();
        for _ in 0..splits {
            memory.add(&[]);
        }
        memory
    }

    /// A source of whole splits.
    pub(crate) fn bounded(splits: Vec<Vec<String>>) -> Self {
        let split = |rows| Split { rows, ended: true, ..Split::default() };
        let splits = Arc::new(Mutex::new(splits.into_iter().map(split).collect()));
        Self { splits, bounded: true, ..Self::default() }
    }

    fn wake(&self) {
        self.wakers.lock().unwrap().values().for_each(|w| w());
    }

    pub(crate) fn add(&self, parents: &[u32]) -> u32 {
        let mut splits = self.splits.lock().unwrap();
        splits.push(Split { parents: parents.to_vec(), ..Split::default() });
        splits.len() as u32 - 1
    }

    pub(crate) fn push(&self, split: u32, rows: impl IntoIterator<Item = String>) {
        self.splits.lock().unwrap()[split as usize].rows.extend(rows);
        self.wake();
    }

    pub(crate) fn end(&self, split: u32) {
        self.splits.lock().unwrap()[split as usize].ended = true;
        self.wake();
    }
}

impl Source for Memory {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let splits = self.splits.lock().unwrap();
        let info = |(i, s): (usize, &Split)| SplitInfo {
            id: SplitId(i as u32),
            name: format!("split-{i}"),
            parents: s.parents.iter().map(|p| SplitId(*p)).collect(),
            start: Position::ZERO.into(),
        };
        Ok(splits.iter().enumerate().map(info).collect())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let mut opened = self.opened.lock().unwrap();
        let at = opened.entry(split.0).or_insert(from.position.0);
        *at = (*at).max(from.position.0);
        Ok(Box::new(Reader { memory: self.clone(), split: split.0 as usize, next: from.position.0 as usize }))
    }

    fn checkpointed(&self, cursors: &[(SplitId, Cursor)]) {
        let told = cursors.iter().map(|(split, cursor)| (split.0, cursor.position.0)).collect();
        self.told.lock().unwrap().push(told);
    }

    fn is_bounded(&self) -> bool {
        self.bounded
    }

    fn subscribe(&self, waker: Waker) -> Box<dyn Send> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::SeqCst);
        self.wakers.lock().unwrap().insert(id, waker);
        Box::new(Subscription { id, wakers: self.wakers.clone() })
    }
}

struct Subscription {
    id: u64,
    wakers: Arc<Mutex<BTreeMap<u64, Waker>>>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.wakers.lock().unwrap().remove(&self.id);
    }
}

struct Reader {
    memory: Memory,
    split: usize,
    next: usize,
}

impl SplitReader for Reader {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        let splits = self.memory.splits.lock().unwrap();
        let split = &splits[self.split];
        let (mut data, mut rows, first) = (Vec::new(), Vec::new(), self.next);
        while let Some(row) = split.rows.get(self.next) {
            if !rows.is_empty() && data.len() + row.len() > bytes_max {
                break;
            }
            let start = data.len() as u32;
            data.extend_from_slice(row.as_bytes());
            rows.push(start..data.len() as u32);
            self.next += 1;
        }
        if rows.is_empty() {
            return Ok(if split.ended { SplitRead::End } else { SplitRead::Tip });
        }
        self.memory.bytes_read.fetch_add(data.len() as u64, Ordering::SeqCst);
        let (first, next) = (Position(first as u64), Position(self.next as u64));
        Ok(SplitRead::Payloads(PayloadBlock { data: Bytes::from(data), rows, first, next: next.into() }))
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        Some((self.memory.splits.lock().unwrap()[self.split].rows.len() - self.next) as u64)
    }
}

/// Documents by id, durable when flushed.
#[derive(Clone, Default)]
pub(crate) struct Index {
    pub(crate) documents: Arc<Mutex<BTreeMap<String, String>>>,
    pub(crate) writes: Arc<AtomicU64>,
    pub(crate) bytes: Arc<AtomicU64>,
    pub(crate) closed: Arc<AtomicU64>,
    /// How long a write takes, in milliseconds.
    pub(crate) slow_ms: Arc<AtomicU64>,
    /// Writes fail.
    pub(crate) broken: Arc<AtomicBool>,
    /// Writes panic.
    pub(crate) panics: Arc<AtomicBool>,
    /// Rows that it did not take at first.
    pub(crate) refusals: Arc<Refusals>,
    /// How long its rows may wait for a flush.
    pub(crate) flush_interval: Option<Duration>,
}

impl Index {
    pub(crate) fn rows(&self) -> Vec<String> {
        let mut rows: Vec<String> = self.documents.lock().unwrap().values().cloned().collect();
        rows.sort();
        rows
    }
}

struct IndexWriter {
    index: Index,
    spec: SinkSpec,
    encoder: JsonEncoder,
    pending: Vec<(String, Option<String>)>,
}

impl Sink for IndexWriter {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        assert!(!self.index.panics.load(Ordering::SeqCst), "the sink panics as it was told");
        if self.index.broken.load(Ordering::SeqCst) {
            return Err(PortError::new(Kind::Unavailable, "the index is on fire"));
        }
        let slow = self.index.slow_ms.load(Ordering::SeqCst);
        if slow > 0 {
            pause(slow);
        }
        let bound = self.encoder.bind(&batch.rows).unwrap();
        for row in 0..batch.rows.num_rows() {
            if !batch.kind(row).adds() {
                self.pending.push((batch.ids.as_ref().unwrap().value(row).to_owned(), None));
                continue;
            }
            let mut text = Vec::new();
            bound.write(row, &mut text);
            self.index.bytes.fetch_add(text.len() as u64, Ordering::SeqCst);
            let number = self.index.writes.fetch_add(1, Ordering::SeqCst);
            let id = match &batch.ids {
                Some(ids) => ids.value(row).to_owned(),
                None => format!("auto-{}-{number}", self.spec.subtask),
            };
            assert!(batch.ids.as_ref().is_none_or(|ids| ids.is_valid(row)));
            self.pending.push((id, Some(String::from_utf8(text).unwrap())));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        let mut documents = self.index.documents.lock().unwrap();
        for (id, row) in self.pending.drain(..) {
            match row {
                Some(row) => drop(documents.insert(id, row)),
                None => drop(documents.remove(&id)),
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), PortError> {
        assert!(self.pending.is_empty());
        self.index.closed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn flush_interval(&self) -> Option<Duration> {
        self.index.flush_interval
    }

    fn refusals(&self) -> Option<Arc<Refusals>> {
        Some(self.index.refusals.clone())
    }
}

/// Checkpoints in memory, which can be told to fail or be damaged.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// Writes fail.
    pub(crate) broken: Arc<AtomicBool>,
    pub(crate) bytes_written: Arc<AtomicU64>,
}

impl Kept {
    /// Checkpoints here, as often as `interval_ms`.
    pub(crate) fn every(&self, interval_ms: u64) -> Checkpointing {
        Checkpointing { storage: Some(Arc::new(self.clone())), interval_ms, ..Checkpointing::default() }
    }

    pub(crate) fn names(&self, ending: &str) -> Vec<String> {
        self.objects.lock().unwrap().keys().filter(|n| n.ends_with(ending)).cloned().collect()
    }
}

impl CheckpointStorage for Kept {
    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), PortError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(PortError::new(Kind::Unavailable, "the disk is full"));
        }
        let whole = parts.concat();
        self.bytes_written.fetch_add(whole.len() as u64, Ordering::SeqCst);
        self.objects.lock().unwrap().insert(name.to_owned(), whole);
        Ok(())
    }

    fn read(&self, name: &str, offset: u64, length: Option<u64>) -> Result<Bytes, PortError> {
        let objects = self.objects.lock().unwrap();
        let object = objects.get(name).ok_or_else(|| PortError::new(Kind::NotFound, format!("no {name}")))?;
        let end = length.map_or(object.len(), |l| (offset + l) as usize);
        let bytes = object.get(offset as usize..end);
        bytes.map(Bytes::copy_from_slice).ok_or_else(|| PortError::new(Kind::Corrupt, format!("{name} is cut off")))
    }

    fn list(&self) -> Result<Vec<String>, PortError> {
        Ok(self.objects.lock().unwrap().keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<(), PortError> {
        self.objects.lock().unwrap().remove(name);
        Ok(())
    }
}

/// Sources and indices by the name of their table.
#[derive(Clone, Default)]
pub(crate) struct Hands {
    sources: BTreeMap<String, Memory>,
    indices: BTreeMap<String, Index>,
    lookups: BTreeMap<String, Arc<dyn Lookup>>,
}

impl Hands {
    pub(crate) fn source(mut self, table: &str, memory: &Memory) -> Self {
        self.sources.insert(table.to_owned(), memory.clone());
        self
    }

    pub(crate) fn index(mut self, table: &str, index: &Index) -> Self {
        self.indices.insert(table.to_owned(), index.clone());
        self
    }

    pub(crate) fn lookup(mut self, table: &str, lookup: Arc<dyn Lookup>) -> Self {
        self.lookups.insert(table.to_owned(), lookup);
        self
    }

    pub(crate) fn plan(&self, script: &str) -> JobPlan {
        let script = Script::parse(script).unwrap_or_else(|e| panic!("{e}"));
        let planned = Session::new().plan(&script, self).unwrap_or_else(|e| panic!("{e}"));
        let plan = planned.into_iter().find_map(|p| match p {
            Planned::Job { plan, .. } => Some(plan),
            _ => None,
        });
        plan.unwrap()
    }

    pub(crate) fn options(&self) -> JobOptions {
        JobOptions {
            checkpointing: Checkpointing { interval_ms: 20, ..Checkpointing::default() },
            ..JobOptions::new("app", Env::system(), Arc::new(self.clone()))
        }
    }

    /// As [`Hands::options`], with so much memory for state for each KPU.
    pub(crate) fn with_memory(&self, bytes_per_kpu: Option<u64>) -> JobOptions {
        let memory = |bytes_per_kpu| StateMemory { bytes_per_kpu, spill_dir: std::env::temp_dir() };
        JobOptions { state_memory: bytes_per_kpu.map(memory), ..self.options() }
    }

    pub(crate) fn start(&self, script: &str, parallelism: u32) -> JobHandle {
        self.try_start(script, JobOptions { parallelism: Some(parallelism), ..self.options() }).unwrap()
    }

    pub(crate) fn try_start(&self, script: &str, options: JobOptions) -> Result<JobHandle, JobError> {
        Job::start(self.plan(script), options)
    }
}

impl Connectors for Hands {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        let known = match role {
            Role::Source => self.sources.contains_key(&table.name),
            Role::Sink => self.indices.contains_key(&table.name),
            Role::Lookup => self.lookups.contains_key(&table.name),
        };
        if known { Ok(()) } else { Err(PortError::new(Kind::NotFound, format!("no table {}", table.name))) }
    }

    fn changelog(&self, _table: &TableDef) -> Changelog {
        Changelog::Upsert
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Ok(Arc::new(self.sources[&table.name].clone()))
    }

    fn lookup(&self, spec: &LookupSpec) -> Result<Arc<dyn Lookup>, PortError> {
        Ok(self.lookups[&spec.table.name].clone())
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        let index = self.indices[&spec.table.name].clone();
        let encoder = JsonEncoder::new(&spec.schema, JsonOptions::default());
        Ok(Box::new(IndexWriter { index, spec: spec.clone(), encoder, pending: Vec::new() }))
    }
}

/// A table of events: a time in milliseconds, a key, a number; the watermark is a second behind.
pub(crate) const EVENTS: &str = "CREATE TABLE events (ts TIMESTAMP_LTZ(3), k STRING, v BIGINT, \
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) \
    WITH ('connector'='memory','format'='json','json.timestamp-format.standard'='ISO-8601');\n";

/// One event as JSON.
pub(crate) fn event(ms: i64, key: &str, value: i64) -> String {
    let ts = chrono::DateTime::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%M:%S%.3fZ");
    format!("{{\"ts\":\"{ts}\",\"k\":\"{key}\",\"v\":{value}}}")
}

/// `count`, a sink of counts and sums per key and ten seconds, and its query over `events`.
pub(crate) fn counts() -> String {
    format!(
        "{EVENTS}CREATE TABLE counts (k STRING, n BIGINT, s BIGINT, we TIMESTAMP(3)) WITH ('connector'='index');\n\
         INSERT INTO counts SELECT k, COUNT(*), SUM(v), window_end FROM \
         TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;"
    )
}

/// What `counts` must give, computed row by row.
pub(crate) fn expected_counts<'a>(rows: impl Iterator<Item = &'a (i64, String, i64)>) -> Vec<String> {
    let mut groups: BTreeMap<(i64, String), (i64, i64)> = BTreeMap::new();
    for (ms, key, value) in rows {
        let group = groups.entry((ms.div_euclid(10_000) * 10_000 + 10_000, key.clone())).or_default();
        *group = (group.0 + 1, group.1 + value);
    }
    let shown = |((end, key), (n, s)): (&(i64, String), &(i64, i64))| {
        let we = chrono::DateTime::from_timestamp_millis(*end).unwrap().format("%Y-%m-%d %H:%M:%S");
        format!("{{\"k\":\"{key}\",\"n\":{n},\"s\":{s},\"we\":\"{we}\"}}")
    };
    let mut rows: Vec<String> = groups.iter().map(shown).collect();
    rows.sort();
    rows
}
