//! What happens to a batch within one subtask: operators without a queue between them, down to the channels that leave.

use super::expand::Expander;
use crate::expr::Program;
use crate::plan::WindowSpec;
use crate::port::DeadLetter;
use crate::run::aggregate::{Aggregation, Partials, Rejected, Windows, owner_of, retype, slice_of};
use crate::run::channel::{Batch, Channel, Epoch, Message};
use crate::run::decode::JsonOptions;
use crate::run::encode::JsonEncoder;
use crate::run::error::JobError;
use crate::run::keyed::{RowCodec, spread_of};
use crate::run::meter::{Counter, Meter, Rejection};
use crate::run::time::Progress;
use crate::types::{DataType, Schema};
use arrow_array::builder::PrimitiveBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, TimestampMillisecondArray, UInt32Array,
};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::filter::{filter_record_batch, prep_null_mask_filter};
use arrow_select::take::take_record_batch;
use model::{Env, Watermark};
use std::sync::Arc;

/// Where a batch goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Op(usize),
    Output(usize),
}

/// One operator and who reads it.
pub(crate) struct Op {
    pub(crate) kind: OpKind,
    pub(crate) next: Vec<Target>,
    /// What to call it in messages.
    pub(crate) label: String,
}

/// What an operator does to a batch.
pub(crate) enum OpKind {
    /// Keeps the rows for which the one expression is true.
    Filter(Program),
    /// Computes new columns.
    Project(Program, SchemaRef),
    /// Joins each row to what a table function gives for it.
    Expand(Box<Expander>),
    /// Adds each row's windows.
    Assign(WindowAssigner),
    /// The first half of an aggregation: groups are kept here until the watermark passes them.
    PreAggregate(Box<PreAggregate>),
}

/// The first half of an aggregation.
pub(crate) struct PreAggregate {
    pub(crate) state: Aggregation,
    pub(crate) gauge: Arc<Counter>,
    pub(crate) rejects: Rejects,
    /// Bytes of groups at which all are handed on, at most.
    bytes_max: usize,
    /// Bytes at which they are now: less where rows hardly share groups, so that little waits here that must be handed on
    /// at a barrier.
    bytes_now: usize,
    /// Rows taken in since the last time.
    rows: u64,
    /// Nothing waits here: the moment at which it comes to the second half is its time.
    at_once: bool,
}

/// Bytes of groups below which it is not worth handing them on.
const HAND_ON_BYTES_MIN: usize = 512 * 1024;
/// Rows for each group from which on gathering more of them is worth it.
const ROWS_PER_GROUP: u64 = 2;

impl PreAggregate {
    /// A first half that holds `bytes_max` bytes of groups at most.
    pub(crate) fn new(state: Aggregation, gauge: Arc<Counter>, rejects: Rejects, bytes_max: usize) -> Self {
        let bytes_now = HAND_ON_BYTES_MIN.min(bytes_max);
        Self { state, gauge, rejects, bytes_max, bytes_now, rows: 0, at_once: false }
    }

    /// The same, where windows go by the clock.
    pub(crate) fn by_the_clock(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// Whether all groups are to be handed on now.
    fn is_full(&mut self) -> bool {
        if self.at_once {
            return true;
        }
        if self.state.bytes() < self.bytes_now {
            return false;
        }
        let shared = self.rows >= ROWS_PER_GROUP * self.state.groups() as u64;
        let wanted = if shared { self.bytes_now.saturating_mul(2) } else { self.bytes_now / 2 };
        self.bytes_now = wanted.max(HAND_ON_BYTES_MIN).min(self.bytes_max);
        self.rows = 0;
        true
    }
}

/// A channel to one subtask, or one to each subtask of the second half of an aggregation.
pub(crate) enum Output {
    Forward(Arc<Channel>),
    Exchange {
        channels: Vec<Arc<Channel>>,
        key_groups: u32,
    },
    /// Rows to the subtask that owns their key.
    Keyed {
        channels: Vec<Arc<Channel>>,
        key_groups: u32,
        keys: Vec<usize>,
        codec: RowCodec,
    },
}

impl Output {
    fn channels(&self) -> &[Arc<Channel>] {
        match self {
            Self::Forward(channel) => std::slice::from_ref(channel),
            Self::Exchange { channels, .. } | Self::Keyed { channels, .. } => channels,
        }
    }

    /// Sends rows to all who are to have them.
    fn send_rows(&self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let Self::Keyed { channels, key_groups, keys, codec } = self else {
            self.send_all(|| Message::Batch(Batch::Rows(batch.clone())));
            return Ok(());
        };
        let columns: Vec<ArrayRef> = keys.iter().map(|k| batch.column(*k).clone()).collect();
        let keys = codec.encode(&columns, batch.num_rows())?;
        let mut chosen: Vec<Vec<u32>> = vec![Vec::new(); channels.len()];
        for (row, key) in keys.iter().enumerate() {
            chosen[owner_of(spread_of(key.data()), *key_groups, channels.len())].push(row as u32);
        }
        for (channel, rows) in channels.iter().zip(chosen).filter(|(_, rows)| !rows.is_empty()) {
            let share = match rows.len() == batch.num_rows() {
                true => batch.clone(),
                false => take_record_batch(batch, &UInt32Array::from(rows))?,
            };
            channel.push(Message::Batch(Batch::Rows(share)));
        }
        Ok(())
    }

    fn send_all(&self, message: impl Fn() -> Message) {
        self.channels().iter().for_each(|c| c.push(message()));
    }
}

/// Counts rows that an aggregation does not take, and keeps the newest as samples.
pub(crate) struct Rejects {
    place: String,
    encoder: JsonEncoder,
    meter: Arc<Meter>,
    /// A row without time fails the job.
    strict: bool,
}

impl Rejects {
    pub(crate) fn new(place: &str, schema: &Schema, meter: Arc<Meter>, strict: bool) -> Self {
        Self { place: place.to_owned(), encoder: JsonEncoder::new(schema, JsonOptions::default()), meter, strict }
    }

    /// Gives `batch` to an aggregation and counts what it rejects.
    pub(crate) fn update(&self, state: &mut Aggregation, batch: &RecordBatch) -> Result<(), JobError> {
        let (mut timeless, mut kept) = (false, Ok(()));
        let taken = state.update(batch, &mut |why, rows| {
            timeless |= why == Rejected::Timeless;
            let counted = self.count(why, batch, rows);
            if kept.is_ok() {
                kept = counted;
            }
        });
        taken.map_err(JobError::arrow(&self.place))?;
        kept?;
        if timeless && self.strict {
            return Err(JobError::Timeless { place: self.place.clone() });
        }
        Ok(())
    }

    /// Counts rows without time.
    ///
    /// # Errors
    /// When they fail the job.
    pub(crate) fn refuse_timeless(&self, batch: &RecordBatch, rows: &[u32]) -> Result<(), JobError> {
        self.count(Rejected::Timeless, batch, rows)?;
        if self.strict { Err(JobError::Timeless { place: self.place.clone() }) } else { Ok(()) }
    }

    /// Counts rows, samples the newest, and keeps all of them where that is wanted.
    ///
    /// # Errors
    /// When they cannot be kept.
    pub(crate) fn count(&self, why: Rejected, batch: &RecordBatch, rows: &[u32]) -> Result<(), JobError> {
        let (counter, samples, reason) = match why {
            Rejected::Late(_) => (&self.meter.late, &self.meter.late_samples, "late: its last window has closed"),
            Rejected::Timeless => (&self.meter.bad, &self.meter.bad_samples, "its time is null"),
        };
        counter.add(rows.len() as u64);
        if let Rejected::Late(Some(end)) = why {
            self.meter.late_for(end, rows.len() as u64);
        }
        let bound = self.encoder.bind(batch).map_err(JobError::port(&self.place))?;
        let late = if let Rejected::Late(end) = why { Some(end) } else { None };
        for row in rows.iter().filter(|_| self.meter.keeps_letters()) {
            let mut payload = Vec::new();
            bound.write(*row as usize, &mut payload);
            let (place, split, reason) = (self.place.clone(), String::new(), reason.to_owned());
            self.meter.keep(DeadLetter { place, split, position: 0, reason, late, payload })?;
        }
        for row in rows.iter().rev().take(4) {
            let mut text = Vec::new();
            bound.write(*row as usize, &mut text);
            let text = String::from_utf8_lossy(&text).into_owned();
            let (place, split) = (self.place.clone(), String::new());
            samples.push(Rejection { place, split, position: 0, reason: reason.into(), text });
        }
        Ok(())
    }
}

/// Gives each row once for each window that it belongs to.
pub(crate) struct WindowAssigner {
    spec: WindowSpec,
    windows: Windows,
    slice_ms: i64,
    schema: SchemaRef,
    /// The types of the three columns that are added.
    types: Vec<DataType>,
    env: Env,
}

impl WindowAssigner {
    /// An assigner whose output has `schema`: the input's columns and the window's three.
    pub(crate) fn new(spec: WindowSpec, schema: &Schema, env: Env) -> Self {
        let windows = Windows::assigned(spec.clone());
        let slice_ms = match &windows {
            Windows::Assigned { slice_ms, .. } => *slice_ms,
            Windows::Attached { .. } => 1,
        };
        let types = schema.fields[schema.fields.len() - 3..].iter().map(|f| f.data_type).collect();
        Self { spec, windows, slice_ms, schema: schema.arrow(), types, env }
    }

    /// When each row happened; of processing time, now.
    fn times(&self, batch: &RecordBatch) -> TimestampMillisecondArray {
        let now = || {
            let now_ms = i64::try_from(self.env.now_ms()).unwrap_or(i64::MAX);
            TimestampMillisecondArray::from_value(now_ms, batch.num_rows())
        };
        let column = |c: usize| batch.column(c).as_primitive::<TimestampMillisecondType>().clone();
        self.spec.time.column().map_or_else(now, column)
    }

    /// The rows with their windows, and how many rows had no time.
    fn assign(&self, batch: &RecordBatch) -> Result<(RecordBatch, u64), arrow_schema::ArrowError> {
        let times = self.times(batch);
        let (mut rows, mut starts, mut ends, mut timeless) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for row in 0..batch.num_rows() {
            if times.is_null(row) {
                timeless += 1;
                continue;
            }
            let slice = slice_of(&self.spec, self.slice_ms, self.spec.zone.wall_ms(times.value(row)));
            for window in self.windows.windows_of(slice) {
                rows.push(row as u32);
                starts.push(window.start);
                ends.push(window.end);
            }
        }
        let taken = take_record_batch(batch, &UInt32Array::from(rows))?;
        let mut columns = taken.columns().to_vec();
        let last: Vec<i64> = ends.iter().map(|e| e - 1).collect();
        for (walls, data_type) in [starts, ends, last].into_iter().zip(&self.types) {
            let zoned = matches!(data_type, DataType::TimestampLtz(_));
            let mut builder = PrimitiveBuilder::<Int64Type>::with_capacity(walls.len());
            walls.iter().for_each(|w| builder.append_value(if zoned { self.spec.zone.epoch_ms(*w) } else { *w }));
            columns.push(retype(builder, *data_type)?);
        }
        Ok((RecordBatch::try_new(self.schema.clone(), columns)?, timeless))
    }
}

/// The operators of one subtask, below what feeds it.
pub(crate) struct Pipeline {
    pub(crate) ops: Vec<Op>,
    pub(crate) roots: Vec<Target>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) meter: Arc<Meter>,
    /// Bad rows fail the job.
    pub(crate) strict: bool,
    /// Where it is told how far the subtask is.
    pub(crate) progress: Arc<Progress>,
}

impl Pipeline {
    /// Whether every channel that leaves has room for what a step makes.
    pub(crate) fn has_room(&self) -> bool {
        self.outputs.iter().all(|o| o.channels().iter().all(|c| c.has_room()))
    }

    /// Hands rows to everyone who reads the head.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<(), JobError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.progress.gives_nothing(false);
        for index in 0..self.roots.len() {
            self.hand(self.roots[index], batch.clone())?;
        }
        Ok(())
    }

    /// Hands rows to those who read the head and are `chosen`.
    pub(crate) fn push_to(&mut self, batch: RecordBatch, chosen: &[bool]) -> Result<(), JobError> {
        for index in 0..self.roots.len() {
            if chosen.get(index) == Some(&true) {
                self.hand(self.roots[index], batch.clone())?;
            }
        }
        Ok(())
    }

    fn hand(&mut self, target: Target, batch: RecordBatch) -> Result<(), JobError> {
        let index = match target {
            Target::Output(output) => {
                self.progress.load.records_out.add(batch.num_rows() as u64);
                return self.outputs[output].send_rows(&batch).map_err(JobError::arrow("the exchange"));
            }
            Target::Op(index) => index,
        };
        if let OpKind::Expand(_) = &self.ops[index].kind {
            return self.expand(index, &batch);
        }
        let Some(result) = self.apply(index, batch)? else { return Ok(()) };
        if result.num_rows() > 0 {
            for at in 0..self.ops[index].next.len() {
                self.hand(self.ops[index].next[at], result.clone())?;
            }
        }
        Ok(())
    }

    /// Hands on what a table function gives, piece by piece.
    fn expand(&mut self, index: usize, batch: &RecordBatch) -> Result<(), JobError> {
        for piece in Expander::pieces(batch) {
            let OpKind::Expand(expander) = &self.ops[index].kind else { return Ok(()) };
            let result = expander.expand(&piece)?;
            for at in 0..self.ops[index].next.len() {
                if result.num_rows() > 0 {
                    self.hand(self.ops[index].next[at], result.clone())?;
                }
            }
        }
        Ok(())
    }

    /// What the operator makes of the batch; `None` when it keeps it.
    fn apply(&mut self, index: usize, batch: RecordBatch) -> Result<Option<RecordBatch>, JobError> {
        let Op { kind, label, .. } = &mut self.ops[index];
        match kind {
            OpKind::Expand(expander) => expander.expand(&batch).map(Some),
            OpKind::Filter(program) => filter(program, batch, label).map(Some),
            OpKind::Project(program, schema) => {
                let columns = program.evaluate(&batch).map_err(JobError::evaluate(label))?;
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options);
                rows.map(Some).map_err(JobError::arrow(label))
            }
            OpKind::Assign(assigner) => {
                let (rows, timeless) = assigner.assign(&batch).map_err(JobError::arrow(label))?;
                if timeless > 0 {
                    self.meter.bad.add(timeless);
                    if self.strict {
                        return Err(JobError::Timeless { place: label.clone() });
                    }
                }
                Ok(Some(rows))
            }
            OpKind::PreAggregate(pre) => {
                pre.rejects.update(&mut pre.state, &batch)?;
                pre.rows += batch.num_rows() as u64;
                pre.gauge.set(pre.state.bytes() as u64);
                if pre.is_full() {
                    self.flush(index, None);
                }
                Ok(None)
            }
        }
    }

    /// Hands on the groups of one first half: those that `watermark` passes, or all.
    fn flush(&mut self, index: usize, watermark: Option<Watermark>) {
        let Op { kind: OpKind::PreAggregate(pre), next, .. } = &mut self.ops[index] else { return };
        let partials = match watermark.filter(|_| !pre.at_once) {
            Some(watermark) => pre.state.take_passed(watermark),
            None => pre.state.take_all(),
        };
        pre.gauge.set(pre.state.bytes() as u64);
        let Some(Target::Output(output)) = next.first() else { return };
        let Output::Exchange { channels, key_groups } = &self.outputs[*output] else { return };
        let owner = |spread: u32| owner_of(spread, *key_groups, channels.len());
        let mut shares: Vec<Partials> = channels.iter().map(|_| Partials { parts: Vec::new() }).collect();
        for (slice, groups) in partials.parts {
            for (share, part) in shares.iter_mut().zip(groups.partition(channels.len(), owner)) {
                if part.len() > 0 {
                    share.parts.push((slice, part));
                }
            }
        }
        for (channel, share) in channels.iter().zip(shares).filter(|(_, share)| share.rows() > 0) {
            self.progress.load.records_out.add(share.rows() as u64);
            channel.push(Message::Batch(Batch::Partials(share)));
        }
    }

    fn flush_each(&mut self, watermark: Option<Watermark>) {
        (0..self.ops.len()).for_each(|index| self.flush(index, watermark));
    }

    fn send_all(&self, message: impl Fn() -> Message) {
        self.outputs.iter().for_each(|o| o.send_all(&message));
    }

    /// No row at or before `watermark` follows.
    pub(crate) fn watermark(&mut self, watermark: Watermark) {
        self.flush_each(Some(watermark));
        self.send_all(|| Message::Watermark(watermark));
        self.progress.gave(watermark);
    }

    /// The cut of an epoch: nothing that came before it stays behind here.
    pub(crate) fn barrier(&mut self, epoch: Epoch) {
        self.flush_each(None);
        self.send_all(|| Message::Barrier(epoch));
    }

    /// Nothing to say for now.
    pub(crate) fn idle(&mut self) {
        self.flush_each(None);
        self.send_all(|| Message::Idle);
        self.progress.gives_nothing(true);
    }

    /// Nothing follows.
    pub(crate) fn end(&mut self) {
        self.flush_each(None);
        self.send_all(|| Message::End);
    }
}

fn filter(program: &Program, batch: RecordBatch, label: &str) -> Result<RecordBatch, JobError> {
    let columns = program.evaluate(&batch).map_err(JobError::evaluate(label))?;
    let Some(mask) = columns.first().and_then(|c| c.as_boolean_opt()) else {
        return Err(JobError::internal(label, "a filter's condition is no BOOLEAN"));
    };
    let known: BooleanArray;
    let mask = if mask.null_count() > 0 {
        known = prep_null_mask_filter(mask);
        &known
    } else {
        mask
    };
    match mask.true_count() {
        count if count == batch.num_rows() => Ok(batch),
        0 => Ok(batch.slice(0, 0)),
        _ => filter_record_batch(&batch, mask).map_err(JobError::arrow(label)),
    }
}
