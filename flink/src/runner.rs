//! The runner: starts, adopts, and knows what is kept.

use crate::book::{Book, Run, unkept};
use crate::client::{Addresses, Client, Of, Refusal};
use crate::connectors::Doors;
use crate::figures;
use crate::job::{FlinkJob, Look};
use crate::jobs::{self, JobStatus};
use crate::program::{self, ProgramSubmitter};
use crate::submit::{Start, Submitter};
use crate::uploads::Uploads;
use control::{
    ApplicationSpec, Begin, Beginning, Correction, Database, Programs, Runner, RunnerError, Running, SnapshotInfo,
    StateFate,
};
use model::{Env, Kind};
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Handle;

/// Which cluster, and how it reaches the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlinkOptions {
    /// Where the cluster is asked.
    pub addresses: Addresses,
    /// How the cluster reaches the platform's doors.
    pub doors: Doors,
    /// The jar with the platform's functions, as the SQL gateway sees it.
    pub functions: Option<String>,
    /// Where savepoints are written, as the cluster sees it; `None`: where the cluster's own setting says.
    pub savepoints: Option<String>,
}

/// Runs applications on one Flink cluster.
pub struct FlinkRunner {
    cluster: Arc<Cluster>,
}

/// The cluster, and what is kept of its jobs.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) book: Book,
    pub(crate) env: Env,
    pub(crate) folder: Option<String>,
    doors: Doors,
    functions: Option<String>,
    programs: ProgramSubmitter,
    closing: AtomicBool,
}

/// What has become of the job that is kept of an application.
enum Found {
    /// It runs as it is to.
    Runs(String),
    /// The cluster knows none of this id; it may be on its way there, so that no other one must come beside it.
    Unknown(String),
    /// None runs.
    Nothing,
}

/// How the names of savepoints' folders begin.
const SAVEPOINT: &str = "savepoint-";

impl FlinkRunner {
    /// A runner for a cluster, which need not answer yet. What it has to know of its jobs is kept in `database`, the bytes of
    /// programs come from `programs`; its calls run on `runtime`.
    ///
    /// # Errors
    /// When an address makes no sense, or the database cannot be used.
    pub fn open(
        options: FlinkOptions,
        database: Arc<Database>,
        programs: Arc<Programs>,
        env: Env,
        runtime: Handle,
    ) -> Result<Self, RunnerError> {
        let cluster = Cluster {
            client: Client::new(options.addresses, runtime)?,
            programs: ProgramSubmitter::new(programs, Uploads::open(database.clone()).map_err(unkept)?),
            book: Book::open(database).map_err(unkept)?,
            env,
            folder: options.savepoints,
            doors: options.doors,
            functions: options.functions,
            closing: AtomicBool::new(false),
        };
        Ok(Self { cluster: Arc::new(cluster) })
    }

    /// Whether this runner keeps anything of an application.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn knows(&self, name: &str) -> Result<bool, RunnerError> {
        Ok(self.cluster.book.run(name)?.is_some())
    }
}

impl Runner for FlinkRunner {
    fn check(&self, spec: &ApplicationSpec) -> Result<(), RunnerError> {
        match &spec.program {
            Some(run) => self.cluster.programs.check(spec, run),
            None => self.cluster.submitter().explain(spec).map(drop),
        }
    }

    fn explain(&self, spec: &ApplicationSpec) -> Result<String, RunnerError> {
        match &spec.program {
            Some(run) => self.cluster.programs.explain(&self.cluster.client, spec, run),
            None => self.cluster.submitter().explain(spec),
        }
    }

    fn compare(&self, spec: &ApplicationSpec, from: &Begin) -> Result<Vec<StateFate>, RunnerError> {
        let kept = self.cluster.book.run(&spec.name)?;
        let same = kept.as_ref().is_none_or(|run| run.script == fingerprint(spec) || run.latest().is_none());
        if same || *from == Begin::Nothing {
            return Ok(Vec::new());
        }
        let fate = "goes to the operators that the cluster finds again in the changed code; a start that would drop some is refused by it";
        Ok(vec![StateFate { of: "the kept state".to_owned(), fate: fate.to_owned(), lost: false }])
    }

    fn start(&self, spec: &ApplicationSpec, beginning: &Beginning) -> Result<Arc<dyn Running>, RunnerError> {
        let job = match self.cluster.found(spec, beginning)? {
            Found::Runs(job) => job,
            Found::Unknown(job) => self.cluster.begin_as(spec, beginning, job)?,
            Found::Nothing => self.cluster.begin(spec, beginning)?,
        };
        Ok(FlinkJob::watched(self.cluster.clone(), spec.clone(), job))
    }

    fn snapshots(&self, name: &str) -> Result<Vec<SnapshotInfo>, RunnerError> {
        let all = self.cluster.book.savepoints(name)?.into_iter();
        Ok(all
            .map(|kept| SnapshotInfo { name: kept.snapshot, created_ms: kept.created_ms, bytes: kept.bytes })
            .collect())
    }

    fn snapshot_names(&self, name: &str) -> Result<Vec<String>, RunnerError> {
        Ok(self.cluster.book.savepoints(name)?.into_iter().map(|kept| kept.snapshot).collect())
    }

    fn remove_snapshot(&self, name: &str, snapshot: &str) -> Result<(), RunnerError> {
        let kept = self.cluster.savepoint(name, snapshot)?;
        jobs::dispose(&self.cluster.client, &kept)?;
        self.cluster.book.remove_savepoint(name, snapshot)
    }

    fn correct(&self, spec: &ApplicationSpec, _only_plan: bool) -> Result<Correction, RunnerError> {
        let message = format!(
            "application {}: rows that came too late are dropped on a Flink cluster; only the embedded engine keeps them to \
             compute their windows anew",
            spec.name
        );
        Err(RunnerError::new(Kind::Invalid, message))
    }

    fn close(&self) {
        self.cluster.closing.store(true, Ordering::Release);
    }

    fn forget(&self, name: &str) -> Result<(), RunnerError> {
        self.cluster.programs.forget(&self.cluster.client, name)?;
        let Some(run) = self.cluster.book.run(name)? else { return Ok(()) };
        if let Some(job) = &run.job {
            jobs::cancel(&self.cluster.client, job)?;
        }
        for kept in self.cluster.book.savepoints(name)? {
            self.cluster.dispose(name, &kept.path);
        }
        if let Some(former) = &run.former {
            self.cluster.dispose(name, former);
        }
        self.cluster.book.remove(name)
    }
}

impl Cluster {
    fn submitter(&self) -> Submitter<'_> {
        Submitter { client: &self.client, doors: &self.doors, functions: self.functions.as_deref() }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn savepoint(&self, name: &str, snapshot: &str) -> Result<String, RunnerError> {
        let kept = self.book.savepoint(name, snapshot)?.map(|kept| kept.path);
        let missing = || RunnerError::new(Kind::NotFound, format!("application {name} has no snapshot {snapshot:?}"));
        kept.ok_or_else(missing)
    }

    /// Removes a savepoint that nobody can name any more. Where that fails it takes room on the cluster's disk and does no harm.
    fn dispose(&self, name: &str, path: &str) {
        if let Err(refusal) = jobs::dispose(&self.client, path) {
            tracing::warn!(
                application = name,
                path,
                reason = refusal.message,
                "a savepoint could not be removed; remove it by hand"
            );
        }
    }

    /// What has become of the job of the application: one that runs otherwise than it is to is ended.
    fn found(&self, spec: &ApplicationSpec, beginning: &Beginning) -> Result<Found, RunnerError> {
        let Some(run) = self.book.run(&spec.name)? else { return Ok(Found::Nothing) };
        let Some(job) = run.job.clone() else { return Ok(Found::Nothing) };
        match jobs::status(&self.client, &job)? {
            Some(status) if status.is_alive() => {}
            Some(JobStatus::Finished) if beginning.from == Begin::Latest && run.script == fingerprint(spec) => {
                return Ok(Found::Runs(job));
            }
            Some(_) => {
                let newest = self.checkpoints(&job)?;
                self.ended(&spec.name, &job, newest)?;
                return Ok(Found::Nothing);
            }
            None => return Ok(Found::Unknown(job)),
        }
        let as_wanted = run.script == fingerprint(spec)
            && run.parallelism == spec.parallelism
            && (beginning.from == Begin::Latest || run.began == began(&beginning.from));
        if as_wanted {
            tracing::info!(application = spec.name, job, "its job runs on the cluster, and is taken over");
            return Ok(Found::Runs(job));
        }
        self.end(&spec.name, &job)?;
        Ok(Found::Nothing)
    }

    /// Starts a job; its id.
    pub(crate) fn begin(&self, spec: &ApplicationSpec, beginning: &Beginning) -> Result<String, RunnerError> {
        self.begin_as(spec, beginning, format!("{:016x}{:016x}", self.env.random_u64(), self.env.random_u64()))
    }

    /// The same under an id, which is kept before the cluster has it.
    fn begin_as(&self, spec: &ApplicationSpec, beginning: &Beginning, job: String) -> Result<String, RunnerError> {
        self.has_room(spec)?;
        let before = self.book.run(&spec.name)?.unwrap_or_default();
        let restore = match &beginning.from {
            Begin::Latest => before.latest().map(str::to_owned),
            Begin::Snapshot(snapshot) => Some(self.savepoint(&spec.name, snapshot)?),
            Begin::Nothing => None,
        };
        let run = Run {
            job: Some(job.clone()),
            script: fingerprint(spec),
            parallelism: spec.parallelism,
            began: began(&beginning.from),
            checkpoint: None,
            former: restore.clone(),
        };
        self.book.put_run(&spec.name, &run)?;
        let start = Start { job: job.clone(), restore, allow_dropped: beginning.allow_dropped };
        let started = match &spec.program {
            Some(run) => self.programs.start(&self.client, spec, run, &start),
            None => self.submitter().start(spec, &start),
        };
        let Err(error) = started else { return Ok(job) };
        match jobs::status(&self.client, &job) {
            Ok(Some(status)) if status.is_alive() => {
                tracing::warn!(application = spec.name, %error, "its job runs although its start was not answered");
                Ok(job)
            }
            // The cluster has refused it.
            Ok(_) if error.kind != Kind::Unavailable => {
                self.book.put_run(&spec.name, &before)?;
                Err(error)
            }
            // It may come to the cluster yet: the next start asks for it, and takes its id again.
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// A job that its cluster has no place for would wait there, and look as if it ran.
    fn has_room(&self, spec: &ApplicationSpec) -> Result<(), RunnerError> {
        let client = self.client.clone();
        let (all, _) = self.client.wait(async move { jobs::slots(&client).await })?;
        if u64::from(spec.parallelism) <= all {
            return Ok(());
        }
        let message = format!(
            "application {}: parallelism {} needs as many slots, and the Flink cluster has {all}; add TaskManagers, or lower it",
            spec.name, spec.parallelism
        );
        Err(RunnerError::new(Kind::Unavailable, message))
    }

    /// Ends a job with a savepoint, which the next run goes on from. One that does not run well is ended without: its
    /// checkpoints are there.
    pub(crate) fn end(&self, name: &str, job: &str) -> Result<(), RunnerError> {
        let status = jobs::status(&self.client, job)?;
        if status != Some(JobStatus::Running) {
            let newest = if status.is_some() { self.checkpoints(job)? } else { None };
            jobs::cancel(&self.client, job)?;
            return self.ended(name, job, newest);
        }
        match jobs::savepoint(&self.client, job, self.folder.as_deref(), true) {
            Ok(savepoint) => self.ended(name, job, Some(savepoint.path)),
            Err(refusal) => {
                let newest = self.checkpoints(job)?;
                jobs::cancel(&self.client, job)?;
                self.ended(name, job, newest)?;
                let what = format!(
                    "its last savepoint was not taken, and its job was cancelled; it goes on from its last checkpoint: {}",
                    refusal.message
                );
                Err(RunnerError::new(refusal.kind, what))
            }
        }
    }

    fn checkpoints(&self, job: &str) -> Result<Option<String>, Refusal> {
        match self.client.get(Of::Jobs, &format!("/jobs/{job}/checkpoints")) {
            Ok(checkpoints) => Ok(figures::newest_checkpoint(&checkpoints).map(str::to_owned)),
            Err(refusal) if refusal.is_missing() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Notes that a job has ended, and what the next one goes on from: `state`, or what is known already.
    pub(crate) fn ended(&self, name: &str, job: &str, state: Option<String>) -> Result<(), RunnerError> {
        let Some(run) = self.book.run(name)?.filter(|run| run.job.as_deref() == Some(job)) else { return Ok(()) };
        let former = state.or_else(|| run.latest().map(str::to_owned));
        let before = run.former.clone().filter(|before| Some(before) != former.as_ref());
        self.book.put_run(name, &Run { job: None, checkpoint: None, former, ..run })?;
        if let Some(before) = before {
            self.forget_unnamed(name, &before)?;
        }
        Ok(())
    }

    /// The savepoint of a stop is of no use any more once the run after it has ended with one of its own.
    fn forget_unnamed(&self, name: &str, path: &str) -> Result<(), RunnerError> {
        let is_savepoint =
            path.rsplit('/').find(|part| !part.is_empty()).is_some_and(|part| part.starts_with(SAVEPOINT));
        if is_savepoint && self.book.savepoints(name)?.iter().all(|kept| kept.path != path) {
            self.dispose(name, path);
        }
        Ok(())
    }

    pub(crate) fn resized(&self, name: &str, parallelism: u32) -> Result<(), RunnerError> {
        let Some(run) = self.book.run(name)? else { return Ok(()) };
        self.book.put_run(name, &Run { parallelism, ..run })
    }

    /// All that is to be seen of a job.
    pub(crate) async fn look(&self, job: &str) -> Result<Look, Refusal> {
        let (status, detail) = jobs::detail(&self.client, job).await?;
        let path = format!("/jobs/{job}/checkpoints");
        let checkpoints = match self.client.answer(Of::Jobs, Method::GET, &path, None).await {
            Ok(checkpoints) => checkpoints,
            // A bounded job that computes in batches has none.
            Err(refusal) if refusal.is_missing() => Value::Null,
            Err(refusal) => return Err(refusal),
        };
        let failure = match status {
            JobStatus::Failed => jobs::exception(&self.client, job).await?,
            _ => String::new(),
        };
        let parts = match status {
            JobStatus::Running => match figures::ask(&self.client, job, &detail).await {
                Ok(parts) => Some(parts),
                // A part has ended meanwhile, or one of a bounded job is only planned: what was last seen of them stands.
                Err(refusal) if refusal.is_missing() => None,
                Err(refusal) => return Err(refusal),
            },
            _ => None,
        };
        Ok(Look { status, failure, checkpoints, parts })
    }
}

/// Tells what a job is made of from what another one is.
fn fingerprint(spec: &ApplicationSpec) -> String {
    let handover = spec.handover.as_ref().map(|handover| format!("{handover:?}\n")).unwrap_or_default();
    let code = spec.program.as_ref().map_or_else(|| spec.script.clone(), program::identity);
    let digest = Sha256::digest(format!("{handover}{:?}\n{code}", spec.checkpoints).as_bytes());
    program::hex(&digest)
}

fn began(from: &Begin) -> String {
    match from {
        Begin::Latest => "latest".to_owned(),
        Begin::Snapshot(snapshot) => format!("snapshot {snapshot}"),
        Begin::Nothing => "nothing".to_owned(),
    }
}
