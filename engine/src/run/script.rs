//! Running a whole script over bounded inputs, statement by statement, to its end.

use super::error::JobError;
use super::job::{Job, JobHandle, JobOptions, JobState};
use super::meter::{JobMetrics, Rejection};
use crate::plan::JobPlan;
use crate::sql::{Planned, Script, Session, SqlError};
use crate::types::Schema;
use arrow_array::RecordBatch;
use crossbeam_channel::RecvTimeoutError;
use model::{Classified, Kind};
use std::ops::ControlFlow;
use std::time::Duration;

/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(200);

/// What happens while a script runs.
#[derive(Debug)]
pub enum ScriptEvent<'a> {
    /// A job has been started.
    Started {
        /// What it does.
        description: &'a str,
    },
    /// A job is running; told several times a second.
    Progress {
        /// What it does.
        description: &'a str,
        /// What it has done until now.
        metrics: &'a JobMetrics,
    },
    /// Rows of a `SELECT`.
    Rows {
        /// Their columns.
        schema: &'a Schema,
        /// The rows.
        rows: &'a RecordBatch,
    },
    /// A plan, as text.
    Explain(&'a str),
    /// A small table.
    Table {
        /// The names of the columns.
        columns: &'a [String],
        /// The rows.
        rows: &'a [Vec<String>],
    },
    /// A line of text.
    Message(&'a str),
}

/// What a script came to.
#[derive(Debug, Clone, Default)]
pub struct ScriptReport {
    /// Each job in order.
    pub jobs: Vec<JobReport>,
    /// The caller ended the script before its end.
    pub interrupted: bool,
}

/// What one job of a script came to.
#[derive(Debug, Clone)]
pub struct JobReport {
    /// What it did.
    pub description: String,
    /// Its counts at the end.
    pub metrics: JobMetrics,
    /// The newest records that could not be read.
    pub bad: Vec<Rejection>,
    /// The newest rows that came too late.
    pub late: Vec<Rejection>,
    /// How long it ran, in milliseconds.
    pub took_ms: u64,
}

/// Why a script ended early.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScriptError {
    /// It was refused before anything started.
    #[error("{0}")]
    Refused(SqlError),
    /// A job could not be started, or has failed.
    #[error("{description}: {error}")]
    Failed {
        /// What the job does.
        description: String,
        /// Why.
        error: JobError,
    },
}

impl Classified for ScriptError {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused(error) => error.kind(),
            Self::Failed { error, .. } => error.kind(),
        }
    }
}

/// Checks the whole script, then runs its statements one after the other, each to its end. `on_event` hears what
/// happens; when it breaks off, the running job is stopped and no other one is started.
///
/// # Errors
/// When the script is refused (then nothing was started) or a job fails.
pub fn run_script(
    text: &str,
    options: &JobOptions,
    on_event: &mut dyn FnMut(ScriptEvent<'_>) -> ControlFlow<()>,
) -> Result<ScriptReport, ScriptError> {
    let script = Script::parse(text).map_err(ScriptError::Refused)?;
    let planned = Session::with_functions(options.functions.clone())
        .plan(&script, options.connectors.as_ref())
        .map_err(ScriptError::Refused)?;
    let mut report = ScriptReport::default();
    for step in planned {
        let flow = match &step {
            Planned::Job { plan, description } => {
                let failed = |error| ScriptError::Failed { description: description.clone(), error };
                let (job, flow) = run_job(plan.clone(), description, options, on_event).map_err(failed)?;
                report.jobs.push(job);
                flow
            }
            Planned::Explain(text) => on_event(ScriptEvent::Explain(text)),
            Planned::Rows { columns, rows } => on_event(ScriptEvent::Table { columns, rows }),
            Planned::Message(text) => on_event(ScriptEvent::Message(text)),
        };
        if flow.is_break() {
            report.interrupted = true;
            break;
        }
    }
    Ok(report)
}

fn run_job(
    plan: JobPlan,
    description: &str,
    options: &JobOptions,
    on_event: &mut dyn FnMut(ScriptEvent<'_>) -> ControlFlow<()>,
) -> Result<(JobReport, ControlFlow<()>), JobError> {
    let start_ns = options.env.monotonic_ns();
    let handle = Job::start(plan, options.clone())?;
    let mut flow = on_event(ScriptEvent::Started { description });
    loop {
        if flow.is_break() {
            handle.stop();
        }
        let ended = match collect(&handle, on_event) {
            Some(told) => {
                flow = if told.is_break() { told } else { flow };
                matches!(handle.state(), JobState::Finished | JobState::Stopped | JobState::Failed(_))
                    && handle.collected().is_none_or(|(_, rows)| rows.is_empty())
            }
            None => handle.wait_for(PROGRESS),
        };
        if ended {
            break;
        }
        let told = on_event(ScriptEvent::Progress { description, metrics: &handle.metrics() });
        flow = if told.is_break() { told } else { flow };
    }
    handle.wait()?;
    let took_ms = options.env.monotonic_ns().saturating_sub(start_ns) / 1_000_000;
    let (bad, late) = (handle.bad_samples(), handle.late_samples());
    let job = JobReport { description: description.to_owned(), metrics: handle.metrics(), bad, late, took_ms };
    Ok((job, flow))
}

/// Hands on collected rows for about as long as progress is not told; `None` when the job collects nothing.
fn collect(
    handle: &JobHandle,
    on_event: &mut dyn FnMut(ScriptEvent<'_>) -> ControlFlow<()>,
) -> Option<ControlFlow<()>> {
    let (schema, receiver) = handle.collected()?;
    loop {
        match receiver.recv_timeout(PROGRESS) {
            Ok(rows) => {
                if on_event(ScriptEvent::Rows { schema, rows: &rows }).is_break() {
                    return Some(ControlFlow::Break(()));
                }
            }
            Err(RecvTimeoutError::Timeout) => return Some(ControlFlow::Continue(())),
            // The writers have ended, or are about to say why.
            Err(RecvTimeoutError::Disconnected) => {
                handle.wait_for(PROGRESS);
                return Some(ControlFlow::Continue(()));
            }
        }
    }
}
