//! The end of a job: hands rows to a connector's writer on a thread of its own, flushes at every cut.

use super::{EVENTS_PER_STEP, Step, Task};
use crate::port::{Ending, PortError, RowKind, Sink, SinkBatch};
use crate::run::channel::{Batch, Epoch};
use crate::run::coordinator::{Coordinator, Report};
use crate::run::error::JobError;
use crate::run::ids::IdMaker;
use crate::run::inputs::{Event, Inputs};
use crate::run::load::Asked;
use crate::run::meter::Meter;
use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, UInt32Array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::take::take_record_batch;
use crossbeam_channel::{SendTimeoutError, Sender};
use model::{Env, Kind};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How often a writer that waits for the reader of a collected result looks whether the job is still wanted.
const COLLECT_WAIT: Duration = Duration::from_millis(50);

/// Who takes the rows.
pub(crate) enum Writer {
    /// A connector.
    Sink(Box<dyn Sink>),
    /// Whoever started the job.
    Collect(Sender<RecordBatch>),
}

/// What a sink's writer goes by.
pub(crate) struct SinkTaskOptions {
    pub(crate) place: String,
    /// For each column of the target the column of the input.
    pub(crate) columns: Vec<usize>,
    /// The column of the input that says what happens to a row.
    pub(crate) change: Option<usize>,
    /// Of several changes of one id in a batch only what they come to is handed on.
    pub(crate) collapses: bool,
    pub(crate) schema: SchemaRef,
    /// Names rows by columns of the input; `None` when nothing names them.
    pub(crate) ids: Option<IdMaker>,
    pub(crate) coordinator: Arc<Coordinator>,
    /// Where this writer reports from.
    pub(crate) seat: usize,
    pub(crate) meter: Arc<Meter>,
    /// How long written rows may wait for a flush while nothing more comes, in nanoseconds.
    pub(crate) flush_interval_ns: u64,
    pub(crate) ending: Ending,
    pub(crate) env: Env,
}

pub(crate) struct SinkTask {
    options: SinkTaskOptions,
    inputs: Inputs,
    writer: Writer,
    /// When the first row not yet flushed was written.
    unflushed_since_ns: Option<u64>,
    /// What was prepared at which epochs (`None`: at the end) and is not committed yet. At most one checkpoint is under
    /// way, and the end: two.
    prepared: VecDeque<(Option<Epoch>, Vec<u8>)>,
    ended: bool,
}

impl SinkTask {
    pub(crate) fn new(mut options: SinkTaskOptions, inputs: Inputs, writer: Writer) -> Self {
        if let Writer::Sink(sink) = &writer {
            if let Some(refusals) = sink.refusals() {
                inputs.load().sink.counts(refusals);
            }
            if let Some(interval) = sink.flush_interval() {
                options.flush_interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
            }
        }
        Self { options, inputs, writer, unflushed_since_ns: None, prepared: VecDeque::new(), ended: false }
    }

    /// Asks the connector's writer to do something, and counts how long that takes; `None` where there is no such writer.
    fn ask<T>(
        &mut self,
        asked: Asked,
        call: impl FnOnce(&mut dyn Sink) -> Result<T, PortError>,
    ) -> Result<Option<T>, JobError> {
        let Writer::Sink(sink) = &mut self.writer else { return Ok(None) };
        let load = &self.inputs.load().sink;
        load.begins(asked, self.options.env.monotonic_ns());
        let done = call(sink.as_mut());
        load.ended(self.options.env.monotonic_ns());
        done.map(Some).map_err(JobError::port(&self.options.place))
    }

    fn write(&mut self, input: &RecordBatch, now_ns: u64) -> Result<(), JobError> {
        let place = &self.options.place;
        let kinds = self.options.change.map(|c| kinds(input.column(c))).transpose().map_err(JobError::arrow(place))?;
        let ids = self.options.ids.as_ref().map(|m| m.ids(input)).transpose().map_err(JobError::port(place))?;
        let (input, ids, kinds) = match (ids, kinds) {
            (Some(ids), Some(kinds)) if self.options.collapses => {
                collapsed(input, &ids, &kinds).map_err(JobError::arrow(place))?
            }
            (ids, kinds) => (input.clone(), ids, kinds),
        };
        let mut columns: Vec<ArrayRef> = self.options.columns.iter().map(|c| input.column(*c).clone()).collect();
        if let (Writer::Collect(_), Some(kinds)) = (&self.writer, &kinds) {
            columns.insert(0, Arc::new(kinds.iter().map(|k| Some(k.sign())).collect::<StringArray>()));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(input.num_rows()));
        let rows = RecordBatch::try_new_with_options(self.options.schema.clone(), columns, &options);
        let rows = rows.map_err(JobError::arrow(place))?;
        let written = rows.num_rows() as u64;
        match &self.writer {
            Writer::Sink(_) => {
                let batch = SinkBatch { rows, ids, kinds };
                self.ask(Asked::Write, |sink| sink.write(&batch))?;
            }
            Writer::Collect(sender) => collect(sender, rows, &self.options.ending).map_err(JobError::port(place))?,
        }
        self.options.meter.records_out.add(written);
        self.inputs.load().records_out.add(written);
        self.unflushed_since_ns.get_or_insert(now_ns);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), JobError> {
        if self.unflushed_since_ns.take().is_some() {
            self.ask(Asked::Flush, |sink| sink.flush())?;
        }
        Ok(())
    }

    /// Makes durable what was written, visible or ready to be made so, and says that it is.
    fn prepare(&mut self, epoch: Option<Epoch>) -> Result<(), JobError> {
        self.unflushed_since_ns = None;
        let transaction = self.ask(Asked::Flush, |sink| sink.prepare())?.flatten();
        self.prepared.extend(transaction.map(|t| (epoch, t)));
        // What was prepared for an earlier checkpoint and is not visible yet must stand in this one too: the earlier one
        // may be gone when somebody goes on from here.
        let prepared = self.prepared.iter().map(|(_, t)| t.clone()).collect();
        self.options.coordinator.report(self.options.seat, epoch, Report::Sink { prepared });
        Ok(())
    }

    /// Makes visible what was prepared at checkpoints that are durable.
    fn commit(&mut self) -> Result<(), JobError> {
        while let Some((epoch, _)) = self.prepared.front()
            && self.options.coordinator.is_durable(*epoch)
            && let Some((_, transaction)) = self.prepared.pop_front()
        {
            // One that cannot be committed fails the job, whose last checkpoint has it still.
            self.ask(Asked::Flush, |sink| sink.commit(&transaction))?;
        }
        Ok(())
    }

    /// Ends when all that was prepared is visible.
    fn end(&mut self) -> Result<Step, JobError> {
        let port = JobError::port(&self.options.place);
        if !self.prepared.is_empty() {
            let why = "what was written last is not visible: the checkpoint at the end could not be written";
            let failed = self.options.coordinator.is_unwritten();
            return if failed { Err(port(PortError::new(Kind::Unavailable, why))) } else { Ok(Step::Idle(None)) };
        }
        if let Writer::Sink(sink) = &mut self.writer {
            sink.close().map_err(port)?;
        }
        Ok(Step::Done)
    }

    fn take(&mut self, event: Event, now_ns: u64) -> Result<bool, JobError> {
        match event {
            Event::Batch(Batch::Rows(rows)) => self.write(&rows, now_ns)?,
            Event::Batch(Batch::Partials(_)) => {
                return Err(JobError::internal(&self.options.place, "groups came where rows go"));
            }
            Event::Watermark(_) => {}
            Event::Barrier(epoch) if self.options.coordinator.keeps_state() => self.prepare(Some(epoch))?,
            Event::Barrier(epoch) => {
                self.flush()?;
                self.options.coordinator.report(self.options.seat, Some(epoch), Report::Sink { prepared: Vec::new() });
            }
            Event::Idle => self.flush()?,
            Event::End => {
                self.prepare(None)?;
                self.ended = true;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a column of changes says.
fn kinds(column: &ArrayRef) -> Result<Vec<RowKind>, ArrowError> {
    let column = column.as_primitive_opt::<Int8Type>();
    let column = column.ok_or_else(|| ArrowError::SchemaError("a column of changes is no TINYINT".into()))?;
    Ok(column.values().iter().map(|k| RowKind::of(*k)).collect())
}

type Changed = (RecordBatch, Option<StringArray>, Option<Vec<RowKind>>);

/// For each id the last change of a batch, which is what all of them come to: what takes a row back without another one in
/// its place deletes it.
fn collapsed(input: &RecordBatch, ids: &StringArray, kinds: &[RowKind]) -> Result<Changed, ArrowError> {
    let mut last: FxHashMap<&str, u32> = FxHashMap::default();
    for row in 0..ids.len() {
        last.insert(ids.value(row), row as u32);
    }
    let mut rows: Vec<u32> = last.into_values().collect();
    rows.sort_unstable();
    let kind = |row: &u32| if kinds[*row as usize].adds() { kinds[*row as usize] } else { RowKind::Delete };
    let kinds = rows.iter().map(kind).collect();
    let names = rows.iter().map(|row| Some(ids.value(*row as usize))).collect();
    Ok((take_record_batch(input, &UInt32Array::from(rows))?, Some(names), Some(kinds)))
}

/// Waits for whoever collects; that they have gone away ends the job.
fn collect(sender: &Sender<RecordBatch>, mut rows: RecordBatch, ending: &Ending) -> Result<(), PortError> {
    let gone = || PortError::new(Kind::Conflict, "nobody takes the collected rows any more");
    while !ending.is_cancelled() {
        match sender.send_timeout(rows, COLLECT_WAIT) {
            Ok(()) => return Ok(()),
            Err(SendTimeoutError::Timeout(back)) => rows = back,
            Err(SendTimeoutError::Disconnected(_)) => return Err(gone()),
        }
    }
    Err(gone())
}

impl Task for SinkTask {
    fn step(&mut self, now_ns: u64) -> Result<Step, JobError> {
        self.commit()?;
        if self.ended {
            return self.end();
        }
        for _ in 0..EVENTS_PER_STEP {
            match self.inputs.next() {
                Some(event) => {
                    if self.take(event, now_ns)? {
                        return Ok(Step::Again);
                    }
                }
                None => {
                    let due = self.unflushed_since_ns.map(|at| at.saturating_add(self.options.flush_interval_ns));
                    if due.is_none_or(|at| at > now_ns) {
                        return Ok(Step::Idle(due));
                    }
                    self.flush()?;
                }
            }
        }
        Ok(Step::Again)
    }

    fn place(&self) -> &str {
        &self.options.place
    }
}
