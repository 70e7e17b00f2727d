//! One subtask of a source: reads its splits, the one furthest behind in event time first, and emits the source's watermark.

use super::order::Order;
use super::pipeline::Pipeline;
use super::scan::{Scan, Scanned};
use super::{Step, Task};
use crate::plan::WindowSpec;
use crate::port::{Cursor, DeadLetter, PayloadBlock, RecordBlock, Source, SplitId, SplitRead, SplitReader};
use crate::run::channel::Epoch;
use crate::run::coordinator::{Coordinator, Member, Report};
use crate::run::decode::OnParseError;
use crate::run::error::JobError;
use crate::run::meter::{Meter, Rejection, SAMPLE_BYTES_MAX};
use crate::run::pace::Pace;
use crate::run::time::Tracker;
use model::Watermark;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often an unbounded source is asked for new splits, in nanoseconds.
const DISCOVERY_NS: u64 = 10_000_000_000;

/// What a source's subtasks share.
#[derive(Clone)]
pub(crate) struct SourceTaskOptions {
    pub(crate) table: String,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) meter: Arc<Meter>,
    /// The windows that its rows go into first.
    pub(crate) windows: Vec<WindowSpec>,
    /// Bytes of one read.
    pub(crate) read_bytes: usize,
    /// After how long at its tip a split is set aside, in nanoseconds; 0: never.
    pub(crate) idle_timeout_ns: u64,
    pub(crate) on_parse_error: OnParseError,
    /// How much the sources of its thread may read; `None`: as much as they can.
    pub(crate) pace: Option<Arc<Pace>>,
}

pub(crate) struct SourceTask {
    options: SourceTaskOptions,
    subtask: usize,
    /// Where it reports from.
    seat: usize,
    scan: Scan,
    order: Order,
    pipeline: Pipeline,
    splits: Vec<Open>,
    /// Set when the source has news: splits at their tip are read again.
    news: Arc<AtomicBool>,
    watermark: Watermark,
    epoch: Epoch,
    said_idle: bool,
    discover_at_ns: u64,
    _subscription: Box<dyn Send>,
}

/// A split that is being read.
struct Open {
    id: SplitId,
    name: String,
    reader: Box<dyn SplitReader>,
    watermark: Watermark,
    /// At its tip; read again when there is news, or at this time.
    tip: Option<u64>,
}

impl SourceTask {
    pub(crate) fn new(
        options: SourceTaskOptions,
        subtask: usize,
        scan: Scan,
        pipeline: Pipeline,
        news: Arc<AtomicBool>,
        subscription: Box<dyn Send>,
    ) -> Self {
        let watermark = options.tracker.options().floor;
        pipeline.progress.begin(watermark);
        let order = Order::new(options.windows.iter().cloned());
        let seat = options.coordinator.join(Member::Source(options.table.clone()));
        Self {
            options,
            subtask,
            seat,
            scan,
            order,
            pipeline,
            splits: Vec::new(),
            news,
            watermark,
            epoch: Epoch::default(),
            said_idle: false,
            discover_at_ns: 0,
            _subscription: subscription,
        }
    }

    fn port<T>(&self, result: Result<T, crate::port::PortError>) -> Result<T, JobError> {
        result.map_err(JobError::port(&self.options.table))
    }

    /// Emits what is common to all subtasks: the watermark, idleness, the end. Whether the end has come.
    fn announce(&mut self) -> Result<bool, JobError> {
        let view = self.options.tracker.view();
        if self.options.coordinator.is_stopping() {
            self.finish()?;
            return Ok(true);
        }
        if view.ended {
            self.watermark = Watermark::MAX;
            self.pipeline.watermark(Watermark::MAX);
            self.finish()?;
            return Ok(true);
        }
        self.emit(view.watermark);
        if view.idle && !self.said_idle {
            self.pipeline.idle();
        } else if self.said_idle && !view.idle {
            // Splits that were set aside count again: each must show anew that it has nothing to read.
            self.splits.iter_mut().for_each(|o| o.tip = None);
        }
        self.said_idle = view.idle;
        let epoch = self.options.coordinator.epoch();
        if epoch > self.epoch {
            self.epoch = epoch;
            self.pipeline.barrier(epoch);
            self.report(Some(epoch))?;
        }
        Ok(false)
    }

    fn emit(&mut self, watermark: Watermark) {
        if watermark > self.watermark {
            self.watermark = watermark;
            self.pipeline.watermark(watermark);
        }
    }

    fn finish(&mut self) -> Result<(), JobError> {
        self.pipeline.end();
        self.splits.clear();
        self.report(None)
    }

    fn report(&self, epoch: Option<Epoch>) -> Result<(), JobError> {
        self.options.meter.flush_letters()?;
        let (source, splits) = (self.options.source.clone(), self.options.tracker.cut(self.subtask));
        let report = Report::Source { source, watermark: self.watermark, splits };
        self.options.coordinator.report(self.seat, epoch, report);
        Ok(())
    }

    fn open_assigned(&mut self) -> Result<(), JobError> {
        for given in self.options.tracker.take_assigned(self.subtask) {
            let reader = self.port(self.options.source.open(given.id, given.from))?;
            let (id, name, watermark) = (given.id, given.name, given.watermark);
            self.splits.push(Open { id, name, reader, watermark, tip: None });
        }
        Ok(())
    }

    fn discover(&mut self, now_ns: u64) -> Result<(), JobError> {
        if self.subtask != 0 || self.options.tracker.options().bounded || now_ns < self.discover_at_ns {
            return Ok(());
        }
        if self.discover_at_ns > 0 {
            let known = self.port(self.options.source.splits())?;
            self.options.tracker.discover(known);
        }
        self.discover_at_ns = now_ns.saturating_add(DISCOVERY_NS);
        Ok(())
    }

    /// The split to be read: the one furthest behind among those that may have something and are not too far ahead.
    fn choose(&self, now_ns: u64) -> Option<usize> {
        let readable = |open: &Open| open.tip.is_none_or(|at| at <= now_ns);
        let candidates = self.splits.iter().enumerate().filter(|(_, o)| readable(o));
        let (index, open) = candidates.min_by_key(|(_, o)| o.watermark)?;
        let allowed = |limit: i64| open.watermark.0 <= limit;
        let tracker = &self.options.tracker;
        (allowed(tracker.view().limit) || allowed(tracker.wait_for_others(self.subtask).limit)).then_some(index)
    }

    fn read(&mut self, index: usize, now_ns: u64) -> Result<(), JobError> {
        self.pipeline.progress.load.reads.asks(self.options.read_bytes);
        let read = self.splits[index].reader.read(self.options.read_bytes);
        match self.port(read)? {
            SplitRead::Payloads(block) => {
                let scanned = self.decode(index, &block)?;
                self.hand_on(index, scanned, block.next, now_ns)
            }
            SplitRead::Records(block) => {
                let scanned = self.decode_records(index, &block)?;
                self.hand_on(index, scanned, block.next, now_ns)
            }
            SplitRead::Rows { batch, next } => {
                self.count_bytes(batch.get_array_memory_size() as u64);
                let scanned = self.scan.rows(&batch)?;
                self.hand_on(index, vec![scanned], next, now_ns)
            }
            SplitRead::Tip => {
                let open = &mut self.splits[index];
                let hint = open.reader.next_read_in_ms().map(|ms| now_ns.saturating_add(ms * 1_000_000));
                let idle_at = self.options.tracker.tip(open.id, now_ns, self.options.idle_timeout_ns);
                open.tip = Some(hint.unwrap_or(u64::MAX).min(idle_at.unwrap_or(u64::MAX)));
                Ok(())
            }
            SplitRead::Later => {
                let open = &mut self.splits[index];
                let hint = open.reader.next_read_in_ms().map(|ms| now_ns.saturating_add(ms * 1_000_000));
                open.tip = Some(hint.unwrap_or(u64::MAX));
                self.options.tracker.waits(open.id, open.reader.millis_behind_latest());
                Ok(())
            }
            SplitRead::End => {
                let known = self.port(self.options.source.splits())?;
                let open = self.splits.swap_remove(index);
                self.options.tracker.end(open.id, known);
                Ok(())
            }
        }
    }

    fn decode(&mut self, index: usize, block: &PayloadBlock) -> Result<Vec<Scanned>, JobError> {
        let mut refused = Refused::of(&self.options, &self.splits[index].name);
        let scanned = self.scan.decode(block, &mut |row, reason| {
            refused.add(block.first.0 + row as u64, part(&block.data, &block.rows[row]), reason);
        })?;
        let bytes: u64 = block.rows.iter().map(length).sum();
        self.count_bytes(bytes);
        refused.checked(scanned)
    }

    fn decode_records(&mut self, index: usize, block: &RecordBlock) -> Result<Vec<Scanned>, JobError> {
        let mut refused = Refused::of(&self.options, &self.splits[index].name);
        let scanned = self.scan.decode_records(block, &mut |row, reason| {
            let record = &block.rows[row];
            let shown = record.key.as_ref().map(|key| {
                let key = part(&block.data, key);
                format!(" (key: {})", String::from_utf8_lossy(&key[..key.len().min(SAMPLE_BYTES_MAX)]))
            });
            let value = record.value.as_ref().map(|value| part(&block.data, value)).unwrap_or_default();
            refused.add(record.position.0, value, reason + &shown.unwrap_or_default());
        })?;
        let parts = block.rows.iter().flat_map(|record| record.key.iter().chain(&record.value));
        self.count_bytes(parts.map(length).sum());
        refused.checked(scanned)
    }

    fn count_bytes(&self, bytes: u64) {
        self.options.meter.bytes_in.add(bytes);
        self.pipeline.progress.load.reads.gave(bytes);
    }

    /// Hands the rows of one read on; `next` is where the next one begins.
    fn hand_on(&mut self, index: usize, all: Vec<Scanned>, next: Cursor, now_ns: u64) -> Result<(), JobError> {
        let mut watermark = i64::MIN;
        for scanned in all {
            self.options.meter.records_in.add(scanned.rows.num_rows() as u64);
            self.pipeline.progress.load.records_in.add(scanned.rows.num_rows() as u64);
            self.options.pace.iter().for_each(|pace| pace.spend(scanned.rows.num_rows() as u64));
            let before = self.splits[index].watermark.0.max(watermark);
            watermark = watermark.max(scanned.watermark);
            self.push_in_order(index, scanned, before, now_ns)?;
        }
        let open = &mut self.splits[index];
        open.tip = None;
        open.watermark = open.watermark.max(Watermark(watermark));
        let behind = open.reader.millis_behind_latest();
        let view = self.options.tracker.progress(open.id, Some(next), open.watermark, behind, now_ns);
        self.emit(view.watermark);
        Ok(())
    }

    /// Hands rows on, cut where the watermark of earlier rows would make a later one late. `before` is the split's
    /// watermark before them.
    fn push_in_order(&mut self, index: usize, scanned: Scanned, before: i64, now_ns: u64) -> Result<(), JobError> {
        let cuts = match &scanned.timing {
            Some(timing) => self.order.cuts(timing, before, self.watermark.0),
            None => Vec::new(),
        };
        let mut from = 0;
        for (row, watermark) in cuts {
            self.pipeline.push(scanned.rows.slice(from, row - from))?;
            from = row;
            let open = &self.splits[index];
            let behind = open.reader.millis_behind_latest();
            let view = self.options.tracker.progress(open.id, None, Watermark(watermark), behind, now_ns);
            self.emit(view.watermark);
        }
        self.pipeline.push(scanned.rows.slice(from, scanned.rows.num_rows() - from))
    }
}

/// The bytes of a part of a block.
fn part<'a>(data: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    data.get(range.start as usize..range.end as usize).unwrap_or_default()
}

fn length(range: &Range<u32>) -> u64 {
    u64::from(range.end - range.start)
}

/// Records of a split that cannot be read, on their way to where they are counted and kept.
struct Refused<'a> {
    options: &'a SourceTaskOptions,
    split: &'a str,
    first: Option<Rejection>,
    kept: Result<(), JobError>,
}

impl<'a> Refused<'a> {
    fn of(options: &'a SourceTaskOptions, split: &'a str) -> Self {
        Self { options, split, first: None, kept: Ok(()) }
    }

    fn add(&mut self, position: u64, payload: &[u8], reason: String) {
        let meter = &self.options.meter;
        meter.bad.add(1);
        let start = &payload[..payload.len().min(SAMPLE_BYTES_MAX)];
        let (place, split) = (self.options.table.clone(), self.split.to_owned());
        let text = String::from_utf8_lossy(start).into_owned();
        let rejection = Rejection { place, split, position, reason, text };
        self.first.get_or_insert_with(|| rejection.clone());
        if meter.keeps_letters() && self.kept.is_ok() {
            let Rejection { place, split, position, reason, .. } = rejection.clone();
            let letter = DeadLetter { place, split, position, reason, late: None, payload: payload.to_vec() };
            self.kept = meter.keep(letter);
        }
        meter.bad_samples.push(rejection);
    }

    /// What was read beside them, unless the job fails by them.
    fn checked(self, scanned: Vec<Scanned>) -> Result<Vec<Scanned>, JobError> {
        self.kept?;
        match self.first.filter(|_| self.options.on_parse_error == OnParseError::Fail) {
            Some(Rejection { place: table, split, position, reason, .. }) => {
                Err(JobError::BadRecord { table, split, position, reason })
            }
            None => Ok(scanned),
        }
    }
}

impl Task for SourceTask {
    fn step(&mut self, now_ns: u64) -> Result<Step, JobError> {
        if !self.pipeline.has_room() {
            return Ok(Step::Blocked);
        }
        let tick_at = self.options.coordinator.tick(now_ns);
        if self.announce()? {
            return Ok(Step::Done);
        }
        self.open_assigned()?;
        self.discover(now_ns)?;
        if self.news.swap(false, Ordering::AcqRel) {
            self.splits.iter_mut().for_each(|o| o.tip = None);
        }
        if let Some(index) = self.choose(now_ns) {
            if let Some(at_ns) = self.options.pace.as_ref().and_then(|pace| pace.wait(now_ns)) {
                return Ok(Step::Paced(at_ns.min(tick_at)));
            }
            self.read(index, now_ns)?;
            return Ok(Step::Again);
        }
        // A watermark may have risen by what others read since.
        if self.options.tracker.view().watermark > self.watermark {
            return Ok(Step::Again);
        }
        let tips = self.splits.iter().filter_map(|o| o.tip).filter(|at| *at > now_ns);
        let discovery = (self.subtask == 0 && !self.options.tracker.options().bounded).then_some(self.discover_at_ns);
        Ok(Step::Idle(tips.chain(discovery).chain([tick_at]).min()))
    }

    fn place(&self) -> &str {
        &self.options.table
    }
}
