//! Subtasks: each is stepped by one worker thread, does a bounded piece of work in a step, and never waits inside one.

mod aggregate;
mod expand;
mod keyed;
mod lookup;
mod order;
mod pipeline;
mod records;
mod scan;
mod sink;
mod source;
mod union;

pub(crate) use aggregate::AggregateTask;
pub(crate) use expand::Expander;
pub(crate) use keyed::{KeyedTask, Side};
pub(crate) use lookup::{LookupTask, LookupTaskOptions};
pub(crate) use pipeline::{Op, OpKind, Output, Pipeline, PreAggregate, Rejects, Target, WindowAssigner};
pub(crate) use scan::{Reading, Scan};
pub(crate) use sink::{SinkTask, SinkTaskOptions, Writer};
pub(crate) use source::{SourceTask, SourceTaskOptions};
pub(crate) use union::UnionTask;

use super::error::JobError;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do at once.
    Again,
    /// Nothing to do until woken, or until this monotonic time in nanoseconds.
    Idle(Option<u64>),
    /// There is more to do, and this monotonic time in nanoseconds is waited for: the pace that is set allows no more now.
    Paced(u64),
    /// Nothing can be done until there is room downstream.
    Blocked,
    /// Nothing will ever be to do again.
    Done,
}

/// One subtask of one operator.
pub(crate) trait Task: Send {
    /// Does a bounded piece of work. `now_ns` is the monotonic time.
    fn step(&mut self, now_ns: u64) -> Result<Step, JobError>;

    /// What to call it when it fails.
    fn place(&self) -> &str;
}

/// Most events that a subtask takes from its inputs in one step.
const EVENTS_PER_STEP: usize = 16;
