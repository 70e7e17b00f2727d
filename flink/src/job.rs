//! A job of a cluster as control looks after it: what was last seen of it, and orders.

use crate::book::Kept;
use crate::client::{Of, Refusal};
use crate::figures::{checkpoint_figures, figures, newest_checkpoint, savepoint_bytes};
use crate::jobs::{self, JobStatus};
use crate::runner::Cluster;
use control::{
    ApplicationSpec, Begin, Beginning, CheckpointFigures, RunMetrics, RunState, RunnerError, Running, SnapshotInfo,
};
use model::{Env, Kind};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often a job is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often while its parallelism changes.
const LOOK_CLOSELY: Duration = Duration::from_millis(20);
/// How long a change of parallelism in place may take.
const RESCALE_MS_MAX: u64 = 120_000;
/// After so many looks in vain it is told that a cluster does not answer.
const IN_VAIN_TOLD: u32 = 5;

/// An application that runs on a cluster.
pub(crate) struct FlinkJob {
    cluster: Arc<Cluster>,
    spec: Mutex<ApplicationSpec>,
    /// The job that it is now: a change of parallelism may make another one.
    job: Mutex<String>,
    seen: Mutex<Seen>,
}

struct Seen {
    state: RunState,
    metrics: RunMetrics,
    rescale_pause_ms: Option<f64>,
    checkpoint: Option<String>,
    in_vain: u32,
}

impl FlinkJob {
    /// The run of an application that is this job; it is looked at from now on.
    pub(crate) fn watched(cluster: Arc<Cluster>, spec: ApplicationSpec, job: String) -> Arc<Self> {
        let seen = Seen {
            state: RunState::Running,
            metrics: RunMetrics { parallelism: spec.parallelism, kpus: spec.kpus(), ..RunMetrics::default() },
            rescale_pause_ms: None,
            checkpoint: None,
            in_vain: 0,
        };
        let runtime = cluster.client.runtime().clone();
        let (spec, job, seen) = (Mutex::new(spec), Mutex::new(job), Mutex::new(seen));
        let own = Arc::new(Self { cluster, spec, job, seen });
        runtime.spawn(watch(Arc::downgrade(&own)));
        own
    }

    fn job(&self) -> String {
        self.job.lock().clone()
    }

    fn name(&self) -> String {
        self.spec.lock().name.clone()
    }

    /// One look; `false` once there is nothing more to see.
    async fn look(self: &Arc<Self>) -> bool {
        let job = self.job();
        let looked = self.cluster.look(&job).await;
        if self.job() != job {
            // It is another job by now.
            return true;
        }
        match looked {
            Ok(look) => self.note(&job, look).await,
            Err(refusal) if refusal.is_missing() => {
                let what = format!(
                    "the Flink cluster knows no job {job} any more; it was started anew, or somebody has removed the job"
                );
                self.seen.lock().state = RunState::Failed(what);
                false
            }
            Err(refusal) => {
                let mut seen = self.seen.lock();
                seen.in_vain += 1;
                if seen.in_vain == IN_VAIN_TOLD {
                    tracing::warn!(
                        application = self.spec.lock().name,
                        reason = refusal.message,
                        "its cluster does not answer; what was last seen is shown"
                    );
                }
                true
            }
        }
    }

    async fn note(self: &Arc<Self>, job: &str, look: Look) -> bool {
        let fresh = {
            let mut seen = self.seen.lock();
            let pause = seen.rescale_pause_ms;
            seen.in_vain = 0;
            if let Some(parts) = &look.parts {
                seen.metrics = figures(parts, &look.checkpoints, self.spec.lock().parallelism_per_kpu);
                seen.metrics.rescale_pause_ms = pause;
            }
            seen.metrics.checkpoints = checkpoint_figures(&look.checkpoints);
            let newest = newest_checkpoint(&look.checkpoints).map(str::to_owned);
            let fresh = newest.filter(|newest| seen.checkpoint.as_ref() != Some(newest));
            if fresh.is_some() {
                seen.checkpoint.clone_from(&fresh);
            }
            fresh
        };
        let (own, job, ends) = (self.clone(), job.to_owned(), !look.status.is_alive());
        let is_finished = look.status == JobStatus::Finished;
        let kept = tokio::task::spawn_blocking(move || own.keep(&job, fresh.as_deref(), is_finished)).await;
        if let Ok(Err(error)) = kept {
            tracing::error!(application = self.name(), %error, "where its checkpoint lies could not be kept");
        }
        self.seen.lock().state = match look.status {
            JobStatus::Running | JobStatus::Coming => RunState::Running,
            JobStatus::Finished => RunState::Finished,
            JobStatus::Canceled => RunState::Failed("somebody has cancelled its job on the Flink cluster".to_owned()),
            JobStatus::Failed => RunState::Failed(look.failure),
        };
        !ends
    }

    fn keep(&self, job: &str, checkpoint: Option<&str>, is_finished: bool) -> Result<(), RunnerError> {
        let name = self.name();
        if let Some(path) = checkpoint {
            self.cluster.book.put_checkpoint(&name, job, path)?;
        }
        // What has ended by itself goes on from its end.
        if is_finished {
            self.cluster.ended(&name, job, None)?;
        }
        Ok(())
    }

    /// Gives the job another parallelism in place. `None`: the cluster does not do that.
    fn rescale_in_place(&self, job: &str, parallelism: u32) -> Result<Option<f64>, RunnerError> {
        let client = &self.cluster.client;
        match jobs::require(client, job, parallelism) {
            Ok(()) => {}
            Err(refusal) if matches!(refusal.kind, Kind::NotFound | Kind::Invalid) => return Ok(None),
            Err(refusal) => return Err(refusal.into()),
        }
        let env = self.cluster.env.clone();
        let (own, of, until_ns) = (client.clone(), job.to_owned(), env.monotonic_ns() + RESCALE_MS_MAX * 1_000_000);
        let changed = client.wait(async move { has_parallelism(&own, &of, parallelism, &env, until_ns).await });
        changed.map(Some).map_err(|refusal| {
            let before = self.spec.lock().parallelism;
            if let Err(again) = jobs::require(client, job, before) {
                tracing::warn!(
                    job,
                    reason = again.message,
                    "the parallelism that a job had could not be asked for again"
                );
            }
            refusal.into()
        })
    }
}

/// What one look has shown.
pub(crate) struct Look {
    pub(crate) status: JobStatus,
    pub(crate) failure: String,
    pub(crate) checkpoints: Value,
    pub(crate) parts: Option<Vec<crate::figures::Part>>,
}

async fn watch(job: Weak<FlinkJob>) {
    while let Some(own) = job.upgrade() {
        if !own.look().await {
            return;
        }
        drop(own);
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until all parts of a job run at a parallelism; for how many milliseconds they did not run meanwhile.
async fn has_parallelism(
    client: &crate::client::Client,
    job: &str,
    parallelism: u32,
    env: &Env,
    until_ns: u64,
) -> Result<f64, Refusal> {
    let mut rested_ns = 0;
    let mut before_ns = env.monotonic_ns();
    loop {
        let (status, detail) = jobs::detail(client, job).await?;
        let now_ns = env.monotonic_ns();
        let runs = status == JobStatus::Running && all_run(&detail);
        if !runs {
            rested_ns += now_ns - before_ns;
        }
        before_ns = now_ns;
        if runs && has(&detail, parallelism) {
            return Ok(rested_ns as f64 / 1e6);
        }
        if !status.is_alive() {
            return Err(Refusal::new(Kind::Unavailable, "the job ended while its parallelism was changed"));
        }
        if now_ns > until_ns {
            let (all, free) = jobs::slots(client).await?;
            let what = format!(
                "the Flink cluster has not given it parallelism {parallelism}: {free} of its {all} slots are free; add TaskManagers"
            );
            return Err(Refusal::new(Kind::Unavailable, what));
        }
        tokio::time::sleep(LOOK_CLOSELY).await;
    }
}

fn all_run(detail: &Value) -> bool {
    detail["vertices"]
        .as_array()
        .into_iter()
        .flatten()
        .all(|vertex| matches!(vertex["status"].as_str(), Some("RUNNING" | "FINISHED")))
}

fn has(detail: &Value, parallelism: u32) -> bool {
    detail["vertices"].as_array().into_iter().flatten().all(|vertex| vertex["parallelism"] == parallelism)
}

impl Running for FlinkJob {
    fn state(&self) -> RunState {
        self.seen.lock().state.clone()
    }

    fn metrics(&self) -> RunMetrics {
        self.seen.lock().metrics.clone()
    }

    fn checkpoints(&self) -> CheckpointFigures {
        self.seen.lock().metrics.checkpoints
    }

    fn page(&self) -> Option<String> {
        Some(format!("{}/#/job/{}/overview", self.cluster.client.addresses().rest, self.job()))
    }

    fn rescale(&self, parallelism: u32) -> Result<(), RunnerError> {
        let job = self.job();
        let pause = match self.rescale_in_place(&job, parallelism)? {
            Some(pause) => {
                self.cluster.resized(&self.name(), parallelism)?;
                pause
            }
            None => {
                let env = &self.cluster.env;
                let from_ns = env.monotonic_ns();
                let mut spec = self.spec.lock().clone();
                spec.parallelism = parallelism;
                self.cluster.end(&spec.name, &job)?;
                let latest = Beginning { from: Begin::Latest, allow_dropped: false };
                *self.job.lock() = self.cluster.begin(&spec, &latest)?;
                (env.monotonic_ns() - from_ns) as f64 / 1e6
            }
        };
        let (name, kpus) = {
            let mut spec = self.spec.lock();
            spec.parallelism = parallelism;
            (spec.name.clone(), spec.kpus())
        };
        {
            let mut seen = self.seen.lock();
            seen.rescale_pause_ms = Some(pause);
            let metrics = &mut seen.metrics;
            (metrics.parallelism, metrics.kpus, metrics.rescale_pause_ms) = (parallelism, kpus, Some(pause));
        }
        tracing::info!(
            application = name,
            parallelism,
            pause_ms = pause,
            "the application was rescaled on its cluster"
        );
        Ok(())
    }

    fn snapshot(&self, snapshot: &str) -> Result<SnapshotInfo, RunnerError> {
        let (cluster, job, name) = (&self.cluster, self.job(), self.name());
        if cluster.book.savepoint(&name, snapshot)?.is_some() {
            let message = format!("application {name} has a snapshot {snapshot:?} already");
            return Err(RunnerError::new(Kind::Conflict, message));
        }
        let savepoint = jobs::savepoint(&cluster.client, &job, cluster.folder.as_deref(), false)?;
        let checkpoints = cluster.client.get(Of::Jobs, &format!("/jobs/{job}/checkpoints"))?;
        let bytes = savepoint_bytes(&checkpoints, &savepoint.path);
        let kept =
            Kept { snapshot: snapshot.to_owned(), path: savepoint.path, created_ms: cluster.env.now_ms(), bytes };
        cluster.book.put_savepoint(&name, &kept)?;
        Ok(SnapshotInfo { name: kept.snapshot, created_ms: kept.created_ms, bytes })
    }

    fn stop(&self) -> Result<(), RunnerError> {
        if self.cluster.is_closing() {
            // The job goes on without the platform, which takes it over when it is back.
            return Ok(());
        }
        self.cluster.end(&self.name(), &self.job())
    }
}
