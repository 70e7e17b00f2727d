//! All rows of several inputs; its watermark is the least of theirs.

use super::pipeline::Pipeline;
use super::{EVENTS_PER_STEP, Step, Task};
use crate::run::channel::Batch;
use crate::run::error::JobError;
use crate::run::inputs::{Event, Inputs};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

pub(crate) struct UnionTask {
    pub(crate) place: String,
    pub(crate) inputs: Inputs,
    pub(crate) pipeline: Pipeline,
    /// Columns have the names of the first input.
    pub(crate) schema: SchemaRef,
}

impl Task for UnionTask {
    fn step(&mut self, _now_ns: u64) -> Result<Step, JobError> {
        for _ in 0..EVENTS_PER_STEP {
            if !self.pipeline.has_room() {
                return Ok(Step::Blocked);
            }
            match self.inputs.next() {
                None => return Ok(Step::Idle(None)),
                Some(Event::Batch(Batch::Rows(rows))) => {
                    let renamed = RecordBatch::try_new(self.schema.clone(), rows.columns().to_vec());
                    self.pipeline.push(renamed.map_err(JobError::arrow(&self.place))?)?;
                }
                Some(Event::Batch(Batch::Partials(_))) => {
                    return Err(JobError::internal(&self.place, "groups came where rows go"));
                }
                Some(Event::Watermark(watermark)) => self.pipeline.watermark(watermark),
                Some(Event::Barrier(epoch)) => self.pipeline.barrier(epoch),
                Some(Event::Idle) => self.pipeline.idle(),
                Some(Event::End) => {
                    self.pipeline.end();
                    return Ok(Step::Done);
                }
            }
        }
        Ok(Step::Again)
    }

    fn place(&self) -> &str {
        &self.place
    }
}
