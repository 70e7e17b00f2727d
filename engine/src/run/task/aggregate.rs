//! The second half of an aggregation (or all of it, at parallelism 1): holds the groups, gives results when windows close.

use super::pipeline::{Pipeline, Rejects};
use super::{EVENTS_PER_STEP, Step, Task};
use crate::run::aggregate::{Aggregation, Emission};
use crate::run::channel::{Batch, Epoch};
use crate::run::checkpoint::Part;
use crate::run::coordinator::{Coordinator, Report};
use crate::run::error::JobError;
use crate::run::inputs::{Event, Inputs};
use crate::run::meter::{Counter, Meter};
use crate::run::time::ProcessingTime;
use model::Watermark;
use std::sync::Arc;

pub(crate) struct AggregateTask {
    pub(crate) place: String,
    pub(crate) inputs: Inputs,
    pub(crate) state: Aggregation,
    pub(crate) rejects: Rejects,
    pub(crate) pipeline: Pipeline,
    /// The clock, where it takes the place of the input's watermark.
    pub(crate) clock: Option<ProcessingTime>,
    pub(crate) gauge: Arc<Counter>,
    pub(crate) meter: Arc<Meter>,
    /// For each reader whether results of open windows may be given when the input rests: every sink below it then
    /// replaces them by id.
    pub(crate) early: Vec<bool>,
    /// Results on their way out, and what follows them.
    pub(crate) leaving: Option<(Emission, After)>,
    pub(crate) coordinator: Arc<Coordinator>,
    /// Where it reports from.
    pub(crate) seat: usize,
}

/// What is sent when all results have left.
#[derive(Debug, Clone, Copy)]
pub(crate) enum After {
    Watermark(Watermark),
    Idle,
}

impl AggregateTask {
    /// Gives the next results; whether all have been given.
    fn leave(&mut self) -> Result<bool, JobError> {
        let Some((emission, after)) = &mut self.leaving else { return Ok(true) };
        if let Some(batch) = self.state.next_batch(emission).map_err(JobError::arrow(&self.place))? {
            match after {
                After::Watermark(_) => self.pipeline.push(batch)?,
                After::Idle => {
                    self.meter.early.add(batch.num_rows() as u64);
                    self.pipeline.push_to(batch, &self.early)?;
                }
            }
            return Ok(false);
        }
        match *after {
            After::Watermark(watermark) => self.pipeline.watermark(watermark),
            After::Idle => self.pipeline.idle(),
        }
        self.leaving = None;
        self.state.settle().map_err(JobError::arrow(&self.place))?;
        self.gauge.set(self.state.bytes() as u64);
        Ok(true)
    }

    /// Lets the clock close windows; whether it has been looked at.
    fn tick(&mut self) -> bool {
        let Some(clock) = &mut self.clock else { return false };
        let Some(watermark) = clock.due(None) else { return false };
        self.state.tell(clock.now_ms());
        clock.rest_until(self.state.next_end_ms());
        // Who reads several subtasks hears from each how far it is, whether it has groups or not.
        self.leaving = Some((self.state.advance(watermark), After::Watermark(watermark)));
        true
    }

    fn report(&self, epoch: Option<Epoch>) -> Result<(), JobError> {
        self.meter.flush_letters()?;
        let wanted = epoch.is_none() || self.coordinator.keeps_state();
        let (watermark, parts) = if wanted { self.state.freeze() } else { (i64::MIN, Vec::new()) };
        let parts = parts.into_iter().map(|(slice, part)| Part::Groups(slice, part)).collect();
        self.coordinator.report(self.seat, epoch, Report::Operator { watermark, parts });
        Ok(())
    }

    /// Takes one event; whether it was the last.
    fn take(&mut self, event: Event) -> Result<bool, JobError> {
        if let Some(clock) = &mut self.clock {
            self.state.tell(clock.now_ms());
        }
        match event {
            Event::Watermark(_) | Event::Idle if self.clock.is_some() => {}
            Event::Batch(Batch::Rows(rows)) => {
                self.rejects.update(&mut self.state, &rows)?;
                self.gauge.set(self.state.bytes() as u64);
            }
            Event::Batch(Batch::Partials(partials)) => {
                self.state.merge(&partials).map_err(JobError::arrow(&self.place))?;
                self.gauge.set(self.state.bytes() as u64);
            }
            Event::Watermark(watermark) => {
                let emission = self.state.advance(watermark);
                if emission.is_empty() {
                    self.pipeline.watermark(watermark);
                } else {
                    self.leaving = Some((emission, After::Watermark(watermark)));
                }
            }
            Event::Barrier(epoch) => {
                self.report(Some(epoch))?;
                self.pipeline.barrier(epoch);
            }
            Event::Idle if self.early.contains(&true) => self.leaving = Some((self.state.early(), After::Idle)),
            Event::Idle => self.pipeline.idle(),
            Event::End => {
                self.report(None)?;
                self.pipeline.end();
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Task for AggregateTask {
    fn step(&mut self, now_ns: u64) -> Result<Step, JobError> {
        for _ in 0..EVENTS_PER_STEP {
            if !self.pipeline.has_room() {
                return Ok(Step::Blocked);
            }
            if !self.leave()? || self.tick() {
                continue;
            }
            let Some(event) = self.inputs.next() else {
                return Ok(Step::Idle(self.clock.as_mut().map(|clock| clock.look_at_ns(None, now_ns))));
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
