//! A lookup join in one subtask: rows wait in a [`Flight`] for what is known of their keys.

use super::pipeline::Pipeline;
use super::{EVENTS_PER_STEP, Step, Task};
use crate::expr::{Program, Scalar};
use crate::port::{DeadLetter, Lookup, LookupKey, PortError};
use crate::run::channel::Batch;
use crate::run::encode::JsonEncoder;
use crate::run::error::JobError;
use crate::run::inputs::{Event, Inputs};
use crate::run::lookup::{Flight, Key, Left, Marker, Outcome};
use crate::run::meter::{Meter, Rejection};
use crate::run::wake::Wake;
use crate::types::DataType;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave;
use parking_lot::Mutex;
use std::sync::Arc;

/// Most samples of dead letters that one piece of output leaves.
const SAMPLES_PER_BATCH: usize = 4;

/// What a lookup goes by.
pub(crate) struct LookupTaskOptions {
    /// The table that is looked up.
    pub(crate) place: String,
    /// The key's values over the input.
    pub(crate) keys: Program,
    pub(crate) key_types: Vec<DataType>,
    pub(crate) lookup: Arc<dyn Lookup>,
    /// A row without an answer is kept, with nulls (`LEFT JOIN`).
    pub(crate) outer: bool,
    pub(crate) schema: SchemaRef,
    /// The looked-up table's columns.
    pub(crate) right: SchemaRef,
    pub(crate) encoder: JsonEncoder,
    pub(crate) meter: Arc<Meter>,
    /// A dead letter fails the job.
    pub(crate) strict: bool,
}

/// Answers that have come and were not looked at yet; as many as requests are out at most.
type Inbox = Arc<Mutex<Vec<(u64, Result<RecordBatch, PortError>)>>>;

/// Rows on their way into the flight.
struct Current {
    batch: Arc<RecordBatch>,
    keys: Vec<ArrayRef>,
    next: usize,
}

pub(crate) struct LookupTask {
    options: LookupTaskOptions,
    inputs: Inputs,
    pipeline: Pipeline,
    flight: Flight,
    inbox: Inbox,
    wake: Arc<Wake>,
    current: Option<Current>,
    nothing: RecordBatch,
}

impl LookupTask {
    pub(crate) fn new(
        options: LookupTaskOptions,
        inputs: Inputs,
        pipeline: Pipeline,
        flight: Flight,
        wake: Arc<Wake>,
    ) -> Self {
        let nothing = RecordBatch::new_empty(options.right.clone());
        Self { options, inputs, pipeline, flight, inbox: Inbox::default(), wake, current: None, nothing }
    }

    /// Answers first, then what is due, then what may leave; whether the end has left.
    fn turn(&mut self, now_ns: u64) -> Result<bool, JobError> {
        for (id, answer) in std::mem::take(&mut *self.inbox.lock()) {
            let fits = |rows: &RecordBatch| rows.schema().fields() == self.options.right.fields();
            let answer = answer.and_then(|rows| match fits(&rows) {
                true => Ok(rows),
                false => Err(PortError::new(model::Kind::Internal, "the answer has other columns than the table")),
            });
            self.flight.answer(id, answer, now_ns);
        }
        self.flight.tick(now_ns);
        self.call();
        while self.pipeline.has_room() {
            let (rows, marker) = self.flight.take();
            let done = rows.is_empty() && marker.is_none();
            self.give(&rows)?;
            match marker {
                Some(Marker::Watermark(watermark)) => self.pipeline.watermark(watermark),
                Some(Marker::Barrier(epoch)) => {
                    self.options.meter.flush_letters()?;
                    self.pipeline.barrier(epoch);
                }
                Some(Marker::Idle) => self.pipeline.idle(),
                Some(Marker::End) => {
                    self.options.meter.flush_letters()?;
                    self.pipeline.end();
                    return Ok(true);
                }
                None => {}
            }
            if done {
                break;
            }
        }
        Ok(false)
    }

    fn call(&mut self) {
        for (id, key) in self.flight.calls() {
            let (inbox, wake) = (self.inbox.clone(), self.wake.clone());
            let answer = Box::new(move |answer| {
                inbox.lock().push((id, answer));
                wake.wake();
            });
            self.options.lookup.start(LookupKey { values: key }, answer);
        }
    }

    /// Lets rows of the current batch in; whether all are in.
    fn let_in(&mut self, now_ns: u64) -> bool {
        let Some(current) = &mut self.current else { return true };
        while current.next < current.batch.num_rows() {
            let row = current.next;
            let values = current.keys.iter().zip(&self.options.key_types);
            let values: Vec<Scalar> = values.map(|(k, t)| Scalar::from_array(k, row, *t)).collect();
            let key: Option<Key> = (!values.iter().any(Scalar::is_null)).then(|| values.into());
            let left = Left { batch: current.batch.clone(), row: row as u32 };
            if !self.flight.row(left, key, &self.nothing, now_ns) {
                return false;
            }
            current.next += 1;
        }
        self.current = None;
        true
    }

    fn take(&mut self, event: Event) -> Result<(), JobError> {
        match event {
            Event::Batch(Batch::Rows(rows)) => {
                let keys = self.options.keys.evaluate(&rows).map_err(JobError::evaluate(&self.options.place))?;
                self.current = Some(Current { batch: Arc::new(rows), keys, next: 0 });
            }
            Event::Batch(Batch::Partials(_)) => {
                return Err(JobError::internal(&self.options.place, "groups came where rows go"));
            }
            Event::Watermark(watermark) => self.flight.marker(Marker::Watermark(watermark)),
            Event::Barrier(epoch) => self.flight.marker(Marker::Barrier(epoch)),
            Event::Idle => self.flight.marker(Marker::Idle),
            Event::End => self.flight.marker(Marker::End),
        }
        Ok(())
    }

    fn give(&mut self, rows: &[(Left, Outcome)]) -> Result<(), JobError> {
        let mut joined = Joined::new(&self.options.right, self.options.outer);
        let mut dead = Vec::new();
        for (left, outcome) in rows {
            match outcome {
                Outcome::Found(found) => joined.add(left, found),
                Outcome::Dead(error) => dead.push((left, error)),
            }
        }
        if let Some((_, error)) = dead.first()
            && self.options.strict
        {
            return Err(JobError::Port { place: self.options.place.clone(), error: (*error).clone() });
        }
        self.options.meter.bad.add(dead.len() as u64);
        for (index, (left, error)) in dead.iter().enumerate() {
            let is_new = index + SAMPLES_PER_BATCH >= dead.len();
            if is_new || self.options.meter.keeps_letters() {
                self.refuse(left, error, is_new)?;
            }
        }
        let batch = joined.batch(&self.options.schema).map_err(JobError::arrow(&self.options.place))?;
        batch.map_or(Ok(()), |batch| self.pipeline.push(batch))
    }

    /// Keeps a row whose key could not be looked up, and samples it where it `is_new`.
    fn refuse(&self, left: &Left, error: &PortError, is_new: bool) -> Result<(), JobError> {
        let bound = self.options.encoder.bind(&left.batch).map_err(JobError::port(&self.options.place))?;
        let mut payload = Vec::new();
        bound.write(left.row as usize, &mut payload);
        let (place, split, reason) = (self.options.place.clone(), String::new(), format!("lookup: {error}"));
        if is_new {
            let text = String::from_utf8_lossy(&payload).into_owned();
            let (place, split, reason) = (place.clone(), split.clone(), reason.clone());
            self.options.meter.bad_samples.push(Rejection { place, split, position: 0, reason, text });
        }
        self.options.meter.keep(DeadLetter { place, split, position: 0, reason, late: None, payload })
    }
}

/// Rows of both sides, before they are put together.
struct Joined<'a> {
    lefts: Vec<&'a Arc<RecordBatch>>,
    rights: Vec<RecordBatch>,
    /// For each row of the output where it stands on either side.
    left: Vec<(usize, usize)>,
    right: Vec<(usize, usize)>,
    outer: bool,
}

impl<'a> Joined<'a> {
    fn new(right: &SchemaRef, outer: bool) -> Self {
        let columns = right.fields().iter().map(|f| arrow_array::new_null_array(f.data_type(), 1)).collect();
        // The first stands for no answer; its fields admit null.
        let nulls =
            RecordBatch::try_new(right.clone(), columns).unwrap_or_else(|_| RecordBatch::new_empty(right.clone()));
        Self { lefts: Vec::new(), rights: vec![nulls], left: Vec::new(), right: Vec::new(), outer }
    }

    fn add(&mut self, left: &'a Left, found: &RecordBatch) {
        if self.lefts.last().is_none_or(|last| !Arc::ptr_eq(last, &left.batch)) {
            self.lefts.push(&left.batch);
        }
        let at = (self.lefts.len() - 1, left.row as usize);
        if found.num_rows() == 0 && self.outer {
            self.left.push(at);
            self.right.push((0, 0));
        }
        if found.num_rows() > 0 {
            self.rights.push(found.clone());
        }
        for row in 0..found.num_rows() {
            self.left.push(at);
            self.right.push((self.rights.len() - 1, row));
        }
    }

    fn batch(&self, schema: &SchemaRef) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(first) = self.lefts.first().filter(|_| !self.left.is_empty()) else { return Ok(None) };
        let mut columns = Vec::with_capacity(schema.fields().len());
        for column in 0..first.num_columns() {
            let arrays: Vec<&dyn Array> = self.lefts.iter().map(|b| b.column(column).as_ref()).collect();
            columns.push(interleave(&arrays, &self.left)?);
        }
        for column in 0..self.rights[0].num_columns() {
            let arrays: Vec<&dyn Array> = self.rights.iter().map(|b| b.column(column).as_ref()).collect();
            columns.push(interleave(&arrays, &self.right)?);
        }
        RecordBatch::try_new(schema.clone(), columns).map(Some)
    }
}

impl Task for LookupTask {
    fn step(&mut self, now_ns: u64) -> Result<Step, JobError> {
        for _ in 0..EVENTS_PER_STEP {
            if self.turn(now_ns)? {
                return Ok(Step::Done);
            }
            if !self.pipeline.has_room() {
                return Ok(Step::Blocked);
            }
            let before = self.current.as_ref().map(|c| c.next);
            if !self.let_in(now_ns) {
                // Rows that are done make room for others.
                if self.current.as_ref().map(|c| c.next) != before {
                    continue;
                }
                // What is out wakes this subtask when it is answered.
                return Ok(Step::Idle(self.flight.next_due(true, now_ns)));
            }
            self.call();
            match self.inputs.next() {
                Some(event) => self.take(event)?,
                None => {
                    return match self.turn(now_ns)? {
                        true => Ok(Step::Done),
                        false => Ok(Step::Idle(self.flight.next_due(false, now_ns))),
                    };
                }
            }
        }
        Ok(Step::Again)
    }

    fn place(&self) -> &str {
        &self.options.place
    }
}
