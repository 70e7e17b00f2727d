//! A subtask of an operator that keeps rows by key: hands it rows and time, and hands its changes on.

use super::pipeline::{Pipeline, Rejects};
use super::{EVENTS_PER_STEP, Step, Task};
use crate::run::aggregate::Rejected;
use crate::run::channel::{Batch, Epoch};
use crate::run::checkpoint::Part;
use crate::run::coordinator::{Coordinator, Report};
use crate::run::error::JobError;
use crate::run::inputs::{Event, Inputs};
use crate::run::keyed::{Changes, Input, KeyedState, Operator, RowCodec, Work};
use crate::run::meter::{Counter, Meter};
use crate::run::time::ProcessingTime;
use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use model::Watermark;
use std::sync::Arc;

/// How often an operator that goes by the clock says how far that is, in milliseconds: whoever reads several subtasks waits
/// for the last one.
const TICK_MS: i64 = 100;
/// Changes that leave as one batch; a key that makes more lets them all leave together.
const BATCH_ROWS: usize = 4_096;

/// How the rows of one input become bytes.
pub(crate) struct Side {
    pub(crate) keys: (Vec<usize>, RowCodec),
    /// All columns but that of the changes.
    pub(crate) rows: (Vec<usize>, Arc<RowCodec>),
    pub(crate) change: Option<usize>,
    /// Counts rows that came too late or have no time.
    pub(crate) rejects: Rejects,
}

pub(crate) struct KeyedTask {
    pub(crate) place: String,
    pub(crate) inputs: Inputs,
    /// For each input channel which side it belongs to.
    pub(crate) side_of: Vec<usize>,
    pub(crate) sides: Vec<Side>,
    pub(crate) operator: Box<dyn Operator>,
    /// How far the watermark that it gives is behind the one that it takes, in milliseconds.
    pub(crate) delay_ms: i64,
    pub(crate) state: KeyedState,
    pub(crate) changes: Changes,
    pub(crate) pipeline: Pipeline,
    pub(crate) gauge: Arc<Counter>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) watermark: Watermark,
    /// The clock, where it takes the place of the input's watermark.
    pub(crate) clock: Option<ProcessingTime>,
    /// A watermark that has come and whose keys have not all been woken.
    pub(crate) rising: Option<Watermark>,
    pub(crate) coordinator: Arc<Coordinator>,
    /// Where it reports from.
    pub(crate) seat: usize,
}

fn columns(batch: &RecordBatch, chosen: &[usize]) -> Vec<ArrayRef> {
    chosen.iter().map(|c| batch.column(*c).clone()).collect()
}

impl KeyedTask {
    fn update(&mut self, batch: &RecordBatch) -> Result<(), JobError> {
        let index = self.side_of.get(self.inputs.from()).copied().unwrap_or(0);
        let (late, timeless) = self.change(index, batch).map_err(JobError::arrow(&self.place))?;
        if !late.is_empty() {
            self.sides[index].rejects.count(Rejected::Late(None), batch, &late)?;
        }
        if !timeless.is_empty() {
            self.sides[index].rejects.refuse_timeless(batch, &timeless)?;
        }
        self.gauge.set(self.state.bytes() as u64);
        self.leave(false)
    }

    fn change(&mut self, index: usize, batch: &RecordBatch) -> Result<(Vec<u32>, Vec<u32>), ArrowError> {
        let side = &self.sides[index];
        let keys = side.keys.1.encode(&columns(batch, &side.keys.0), batch.num_rows())?;
        let rows = side.rows.1.encode(&columns(batch, &side.rows.0), batch.num_rows())?;
        let kinds = side.change.and_then(|c| batch.column(c).as_primitive_opt::<Int8Type>());
        let input = Input { side: index, batch, keys: &keys, rows: &rows, kinds };
        let mut work = Work {
            state: &mut self.state,
            out: &mut self.changes,
            watermark: self.watermark.0,
            now_ms: self.clock.as_mut().map_or(0, ProcessingTime::now_ms),
            late: Vec::new(),
            timeless: Vec::new(),
        };
        self.operator.update(&input, &mut work)?;
        let (late, timeless) = (work.late, work.timeless);
        self.check_state()?;
        Ok((late, timeless))
    }

    /// Nothing that was made of state that could not be read may leave.
    fn check_state(&self) -> Result<(), ArrowError> {
        let failure = self.state.failure();
        failure.map_or(Ok(()), |failure| Err(ArrowError::ExternalError(failure.to_owned().into())))
    }

    /// Hands changes on when there are enough of them, or all.
    fn leave(&mut self, all: bool) -> Result<(), JobError> {
        if self.changes.len() == 0 || !(all || self.changes.len() >= BATCH_ROWS) {
            return Ok(());
        }
        let batch = self.changes.take().map_err(JobError::arrow(&self.place))?;
        self.pipeline.push(batch)
    }

    /// Wakes the next keys that the watermark has reached; whether all have been.
    fn rise(&mut self) -> Result<bool, JobError> {
        let Some(watermark) = self.rising else { return Ok(true) };
        self.watermark = watermark;
        while self.changes.len() < BATCH_ROWS {
            let Some((at, key)) = self.state.due(watermark.0) else {
                self.state.settle();
                self.check_state().map_err(JobError::arrow(&self.place))?;
                self.leave(true)?;
                self.rising = None;
                self.gauge.set(self.state.bytes() as u64);
                let behind = if watermark == Watermark::MAX { 0 } else { self.delay_ms };
                self.pipeline.watermark(Watermark(watermark.0.saturating_sub(behind)));
                return Ok(true);
            };
            let (late, timeless) = (Vec::new(), Vec::new());
            let (state, out, now_ms) = (&mut self.state, &mut self.changes, 0);
            let mut work = Work { state, out, watermark: watermark.0, now_ms, late, timeless };
            let fired = self.operator.fire(&key, at, &mut work).and_then(|()| self.check_state());
            fired.map_err(JobError::arrow(&self.place))?;
        }
        self.leave(true)?;
        Ok(false)
    }

    /// Lets the clock wake keys; whether it does now.
    fn tick(&mut self) -> Result<bool, JobError> {
        let Some(clock) = &mut self.clock else { return Ok(false) };
        let timer = self.state.next_due().map(|at| at.saturating_add(1));
        let Some(watermark) = clock.due(timer) else { return Ok(false) };
        clock.rest_until(watermark.0.saturating_add(1 + TICK_MS));
        self.leave(true)?;
        self.rising = Some(watermark);
        Ok(true)
    }

    /// When there is something to do if nothing comes.
    fn wakes_at(&mut self, now_ns: u64) -> Option<u64> {
        let timer = self.state.next_due().map(|at| at.saturating_add(1));
        self.clock.as_mut().map(|clock| clock.look_at_ns(timer, now_ns))
    }

    fn report(&self, epoch: Option<Epoch>) -> Result<(), JobError> {
        self.meter.flush_letters()?;
        let wanted = epoch.is_none() || self.coordinator.keeps_state();
        let parts = if wanted { self.state.freeze() } else { Vec::new() };
        let parts = parts.into_iter().map(Part::Rows).collect();
        self.coordinator.report(self.seat, epoch, Report::Operator { watermark: self.watermark.0, parts });
        Ok(())
    }

    /// Takes one event; whether it was the last.
    fn take(&mut self, event: Event) -> Result<bool, JobError> {
        match event {
            Event::Batch(Batch::Rows(rows)) => self.update(&rows)?,
            Event::Batch(Batch::Partials(_)) => {
                return Err(JobError::internal(&self.place, "groups came where rows go"));
            }
            Event::Watermark(_) | Event::Idle if self.clock.is_some() => {}
            Event::Watermark(watermark) => {
                self.leave(true)?;
                self.rising = Some(watermark);
            }
            Event::Barrier(epoch) => {
                self.leave(true)?;
                self.report(Some(epoch))?;
                self.pipeline.barrier(epoch);
            }
            Event::Idle => {
                self.leave(true)?;
                self.pipeline.idle();
            }
            Event::End => {
                self.leave(true)?;
                self.report(None)?;
                self.pipeline.end();
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Task for KeyedTask {
    fn step(&mut self, now_ns: u64) -> Result<Step, JobError> {
        for _ in 0..EVENTS_PER_STEP {
            if !self.pipeline.has_room() {
                return Ok(Step::Blocked);
            }
            if !self.rise()? || self.tick()? {
                continue;
            }
            let Some(event) = self.inputs.next() else {
                self.leave(true)?;
                return Ok(Step::Idle(self.wakes_at(now_ns)));
            };
            if self.take(event)? {
                return Ok(Step::Done);
            }
        }
        Ok(Step::Again)
    }

    fn place(&self) -> &str {
        &self.place
    }
}
