//! Control's runner over the embedded engine.

use control::{
    ApplicationSpec, BadRecord, LookupStats, Resume, RunMetrics, RunState, Runner, RunnerError, Running, RunningStats,
};
use engine::plan::JobPlan;
use engine::port::Connectors;
use engine::run::{Job, JobError, JobHandle, JobOptions, JobState, LookupMetrics, Rejection, ResumePoint};
use engine::sql::{Planned, Script, Session, SqlError};
use model::{Classified, Env, Kind};
use std::sync::Arc;

/// Runs applications on the engine of this process.
pub struct EmbeddedRunner {
    connectors: Arc<dyn Connectors>,
    env: Env,
}

impl EmbeddedRunner {
    /// A runner whose applications read and write through `connectors`.
    pub fn new(connectors: Arc<dyn Connectors>, env: Env) -> Self {
        Self { connectors, env }
    }

    fn plan(&self, spec: &ApplicationSpec) -> Result<JobPlan, RunnerError> {
        let wrong = |e: SqlError| RunnerError::new(Kind::Invalid, format!("application {}: {e}", spec.name));
        let script = Script::parse(&spec.script).map_err(wrong)?;
        let planned = Session::new().plan(&script, self.connectors.as_ref()).map_err(wrong)?;
        let mut jobs = planned.into_iter().filter_map(|step| match step {
            Planned::Job { plan, .. } => Some(plan),
            _ => None,
        });
        match (jobs.next(), jobs.next()) {
            (Some(job), None) => Ok(job),
            (found, _) => Err(RunnerError::new(
                Kind::Invalid,
                format!(
                    "application {}: its script has {} jobs; an application runs one: put all INSERT statements into \
                     EXECUTE STATEMENT SET BEGIN … END",
                    spec.name,
                    if found.is_some() { "several" } else { "no" },
                ),
            )),
        }
    }
}

impl Runner for EmbeddedRunner {
    fn check(&self, spec: &ApplicationSpec) -> Result<(), RunnerError> {
        self.plan(spec).map(|_| ())
    }

    fn start(&self, spec: &ApplicationSpec, resume: Option<&Resume>) -> Result<Box<dyn Running>, RunnerError> {
        let unreadable = |e: serde_json::Error| {
            RunnerError::new(Kind::Corrupt, format!("application {}: its resume point cannot be read: {e}", spec.name))
        };
        let resume: Option<ResumePoint> = resume.map(|r| serde_json::from_slice(r)).transpose().map_err(unreadable)?;
        let options = JobOptions {
            parallelism: Some(spec.parallelism),
            parallelism_per_kpu: spec.parallelism_per_kpu,
            resume,
            ..JobOptions::new(&*spec.name, self.env.clone(), self.connectors.clone())
        };
        let job = Job::start(self.plan(spec)?, options).map_err(|e| job_error(&e))?;
        Ok(Box::new(EmbeddedJob { job }))
    }
}

struct EmbeddedJob {
    job: JobHandle,
}

impl Running for EmbeddedJob {
    fn state(&self) -> RunState {
        match self.job.state() {
            JobState::Running | JobState::Stopping => RunState::Running,
            JobState::Finished | JobState::Stopped => RunState::Finished,
            JobState::Failed(error) => RunState::Failed(error.to_string()),
        }
    }

    fn metrics(&self) -> RunMetrics {
        let metrics = self.job.metrics();
        let bad = |sample: Rejection| BadRecord {
            place: format!("{}, position {}", sample.split, sample.position),
            reason: sample.reason,
            text: sample.text,
        };
        RunMetrics {
            totals: RunningStats {
                records_in: metrics.records_in,
                records_out: metrics.records_out,
                late: metrics.late,
                bad: metrics.bad,
            },
            watermark_ms: metrics.watermark.filter(|ms| *ms != i64::MAX),
            millis_behind_latest: metrics.millis_behind_latest,
            lookups: metrics.lookups.into_iter().map(lookup_stats).collect(),
            bad_samples: self.job.bad_samples().into_iter().map(bad).collect(),
        }
    }

    fn resume(&self) -> Option<Resume> {
        serialised(&self.job.resume_point())
    }

    fn stop(self: Box<Self>) -> Result<Option<Resume>, RunnerError> {
        self.job.stop();
        self.job.wait().map_err(|e| job_error(&e))?;
        Ok(serialised(&self.job.resume_point()))
    }
}

fn lookup_stats(lookup: LookupMetrics) -> LookupStats {
    LookupStats {
        table: lookup.table,
        in_flight: lookup.in_flight,
        requests: lookup.requests,
        retries: lookup.retries,
        cache_hits: lookup.cache_hits,
        dead: lookup.dead,
        latency_ms: lookup.latency_ms,
    }
}

fn serialised(point: &ResumePoint) -> Option<Resume> {
    match serde_json::to_vec(point) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            tracing::error!(%error, "a resume point cannot be written; the one before it still holds");
            None
        }
    }
}

fn job_error(error: &JobError) -> RunnerError {
    RunnerError::new(error.kind(), error.to_string())
}
