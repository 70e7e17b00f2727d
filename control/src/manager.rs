//! Keeps every application in the state that is wanted of it: starts, stops, rescales, restarts after failures.
//!
//! One supervisor thread looks at all runs several times a second; requests and supervisor share one lock, which is
//! never held while someone waits for a client, or for whoever keeps the state of applications.

use crate::catalog::{Catalog, Entry};
use crate::restart::Failures;
use crate::snapshots::{has_room, name_of_stop, too_many};
use crate::{
    ApplicationSpec, Correction, RestartPolicy, RunMetrics, RunState, Runner, RunnerError, Running, SnapshotInfo,
    SpecError, Status,
};
use model::limits::SNAPSHOTS_PER_APPLICATION_MAX;
use model::{Classified, Env, Kind, SealedError};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the supervisor looks, in milliseconds.
const TICK_MS: u64 = 100;

/// All applications of the platform.
pub struct Applications {
    shared: Arc<Shared>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    env: Env,
    runner: Arc<dyn Runner>,
    policy: RestartPolicy,
    catalog: Catalog,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    applications: BTreeMap<String, Application>,
    closing: bool,
}

struct Application {
    spec: ApplicationSpec,
    wanted: bool,
    /// What it begins with at its next start, in place of what its last run has kept.
    snapshot: Option<String>,
    status: Status,
    running: Option<Arc<dyn Running>>,
    /// It is being started now, outside the lock.
    launching: bool,
    failures: Failures,
    restarts: u64,
    started_ms: u64,
    retry_at_ms: u64,
}

/// An application that is to be started, and what with.
struct Launch {
    spec: ApplicationSpec,
    snapshot: Option<String>,
}

/// What is to be seen of one application.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationView {
    /// Its specification.
    pub spec: ApplicationSpec,
    /// What it is doing.
    pub status: Status,
    /// Its figures; `None` while it does not run.
    pub metrics: Option<RunMetrics>,
    /// Restarts after failures since the platform started.
    pub restarts: u64,
    /// Why it last failed.
    pub last_error: Option<String>,
}

/// Why something could not be done with an application.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The specification is out of bounds.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// No application has this name.
    #[error("there is no application {0:?}")]
    Unknown(String),
    /// An application of this name exists already.
    #[error("an application {0:?} exists already")]
    Exists(String),
    /// The application has no snapshot of this name.
    #[error("application {name} has no snapshot {snapshot:?}")]
    Snapshot {
        /// The application.
        name: String,
        /// The name that was asked for.
        snapshot: String,
    },
    /// The application has a snapshot of this name already.
    #[error("application {name} has a snapshot {snapshot:?} already")]
    SnapshotTaken {
        /// The application.
        name: String,
        /// The name that was wanted.
        snapshot: String,
    },
    /// The application has as many snapshots as it may, and somebody has named each of them.
    #[error("application {0} has {SNAPSHOTS_PER_APPLICATION_MAX} snapshots, which is the most; remove one first")]
    SnapshotsFull(String),
    /// The snapshot that comes before a stop could not be taken; the application goes on running.
    #[error(
        "application {name} goes on running: the snapshot before its stop failed: {cause}; a forced stop takes none"
    )]
    StopSnapshot {
        /// The application.
        name: String,
        /// Why there is no snapshot.
        cause: Box<ControlError>,
    },
    /// What was asked does not go with what the application is doing.
    #[error("application {name} is {status}; {hint}")]
    Status {
        /// The application.
        name: String,
        /// What it is doing.
        status: Status,
        /// What to do about it.
        hint: &'static str,
    },
    /// The runner refused.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// The catalog could not be read or written.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The catalog's content makes no sense.
    #[error("the application catalog cannot be understood: {0}")]
    Catalog(String),
    /// The supervisor thread could not be started.
    #[error("the application supervisor cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl Classified for ControlError {
    fn kind(&self) -> Kind {
        match self {
            Self::Spec(e) => e.kind(),
            Self::Unknown(_) | Self::Snapshot { .. } => Kind::NotFound,
            Self::Exists(_) | Self::SnapshotTaken { .. } | Self::SnapshotsFull(_) | Self::Status { .. } => {
                Kind::Conflict
            }
            Self::StopSnapshot { cause, .. } => cause.kind(),
            Self::Runner(e) => e.kind(),
            Self::Sealed(e) => e.kind(),
            Self::Catalog(_) => Kind::Corrupt,
            Self::Thread(_) => Kind::Unavailable,
        }
    }
}

impl Applications {
    /// Opens the applications kept in `dir` and starts those that shall run.
    ///
    /// # Errors
    /// When the catalog in `dir` cannot be read.
    pub fn open(dir: &Path, env: Env, runner: Arc<dyn Runner>, policy: RestartPolicy) -> Result<Self, ControlError> {
        let catalog = Catalog::open(dir);
        let applications = catalog.read()?.into_iter().map(|e| (e.spec.name.clone(), Application::of(e))).collect();
        let state = Mutex::new(State { applications, closing: false });
        let shared = Arc::new(Shared { env, runner, policy, catalog, state, wake: Condvar::new() });
        let supervised = shared.clone();
        let thread = std::thread::Builder::new().name("applications".into()).spawn(move || supervised.supervise())?;
        Ok(Self { shared, supervisor: Mutex::new(Some(thread)) })
    }

    /// What is kept of applications in `dir`, whether a platform has them open or not.
    ///
    /// # Errors
    /// When the catalog in `dir` cannot be read.
    pub fn read(dir: &Path) -> Result<Vec<ApplicationSpec>, ControlError> {
        Ok(Catalog::open(dir).read()?.into_iter().map(|entry| entry.spec).collect())
    }

    /// Adds an application; it does not run yet.
    ///
    /// # Errors
    /// When the specification or its script is wrong, or the name is taken.
    pub fn create(&self, spec: ApplicationSpec) -> Result<(), ControlError> {
        spec.check()?;
        self.shared.runner.check(&spec)?;
        let mut state = self.shared.state.lock();
        if state.applications.contains_key(&spec.name) {
            return Err(ControlError::Exists(spec.name));
        }
        let name = spec.name.clone();
        state.applications.insert(name.clone(), Application::of(Entry { spec, wanted: false, snapshot: None }));
        let saved = self.shared.save(&state);
        if saved.is_err() {
            state.applications.remove(&name);
        }
        saved
    }

    /// Wants the application to run.
    ///
    /// # Errors
    /// When there is none of this name, or it is on its way already.
    pub fn start(&self, name: &str) -> Result<(), ControlError> {
        let mut state = self.shared.state.lock();
        let application = state.get(name)?;
        application.expect(Status::Ready, "stop it first, or wait until it is READY")?;
        application.wanted = true;
        application.failures = Failures::default();
        application.become_(Status::Starting);
        application.retry_at_ms = 0;
        self.shared.save(&state)?;
        self.shared.wake.notify_all();
        Ok(())
    }

    /// Stops the application; its results are durable when this returns. What it has come to is kept as a snapshot first,
    /// whose name tells the time, unless the stop is `forced` or there is no run that goes well; the oldest snapshots of
    /// former stops make room for it.
    ///
    /// # Errors
    /// When there is none of this name, it does not run, its snapshot could not be taken (then it goes on running), or its
    /// results could not be made durable.
    pub fn stop(&self, name: &str, forced: bool) -> Result<Option<SnapshotInfo>, ControlError> {
        let running = {
            let mut state = self.shared.state.lock();
            while state.get(name)?.launching {
                self.shared.wake.wait(&mut state);
            }
            let application = state.get(name)?;
            if !matches!(application.status, Status::Running | Status::Starting) {
                return Err(application.refused("only a RUNNING application can be stopped"));
            }
            application.become_(Status::Stopping);
            application.running.clone()
        };
        let kept = match &running {
            Some(running) if !forced => self.keep_before_stop(name, running.as_ref()),
            _ => Ok(None),
        };
        match kept {
            Ok(snapshot) => self.end_run(name).map(|()| snapshot),
            Err(error) => {
                // The supervisor looks after it again, and sees what has happened meanwhile.
                self.shared.state.lock().get(name)?.become_(Status::Running);
                self.shared.wake.notify_all();
                Err(ControlError::StopSnapshot { name: name.to_owned(), cause: Box::new(error) })
            }
        }
    }

    /// The snapshot before a stop; `None` where the run has ended and has nothing more to give.
    fn keep_before_stop(&self, name: &str, running: &dyn Running) -> Result<Option<SnapshotInfo>, ControlError> {
        if running.state() != RunState::Running {
            return Ok(None);
        }
        match self.keep(name, running, &name_of_stop(self.shared.env.now_ms())) {
            // What broke or ended on the way is stopped all the same.
            Err(_) if running.state() != RunState::Running => Ok(None),
            kept => kept.map(Some),
        }
    }

    /// Ends the run of an application that is being stopped.
    fn end_run(&self, name: &str) -> Result<(), ControlError> {
        let running = {
            let mut state = self.shared.state.lock();
            let application = state.get(name)?;
            application.wanted = false;
            application.running.take()
        };
        let stopped = running.map_or(Ok(()), |running| running.stop());
        let mut state = self.shared.state.lock();
        let application = state.get(name)?;
        application.become_(Status::Ready);
        self.shared.save(&state)?;
        stopped.map_err(ControlError::from)
    }

    /// Gives a running application another parallelism. It goes on running.
    ///
    /// # Errors
    /// When the parallelism is out of bounds, the application does not run, or the runner refuses; then it keeps the
    /// one that it has.
    pub fn set_parallelism(&self, name: &str, parallelism: u32) -> Result<(), ControlError> {
        let (running, changed) = {
            let mut state = self.shared.state.lock();
            let application = state.get(name)?;
            let changed = ApplicationSpec { parallelism, ..application.spec.clone() };
            changed.check()?;
            application.expect(Status::Running, "only a RUNNING application can be rescaled")?;
            application.become_(Status::Updating);
            (application.running.clone(), changed)
        };
        let rescaled = running.map_or(Ok(()), |running| running.rescale(parallelism));
        let mut state = self.shared.state.lock();
        let application = state.get(name)?;
        // If the run has failed on the way, the supervisor sees that next and starts it again.
        application.become_(Status::Running);
        if rescaled.is_ok() {
            application.spec = changed;
            self.shared.save(&state)?;
        }
        self.shared.wake.notify_all();
        rescaled.map_err(ControlError::from)
    }

    /// Keeps what a running application has come to under a name. It goes on running.
    ///
    /// # Errors
    /// When it does not run, or the runner refuses.
    pub fn snapshot(&self, name: &str, snapshot: &str) -> Result<SnapshotInfo, ControlError> {
        let running = {
            let mut state = self.shared.state.lock();
            let application = state.get(name)?;
            application.expect(Status::Running, "a snapshot is taken of a RUNNING application")?;
            application.running.clone()
        };
        let running = running.ok_or_else(|| ControlError::Unknown(name.to_owned()))?;
        self.keep(name, running.as_ref(), snapshot)
    }

    /// Takes a snapshot where there is room for it, and removes the automatic ones that are too many then.
    fn keep(&self, name: &str, running: &dyn Running, snapshot: &str) -> Result<SnapshotInfo, ControlError> {
        let mut names = self.shared.runner.snapshot_names(name)?;
        if names.iter().any(|known| known == snapshot) {
            return Err(ControlError::SnapshotTaken { name: name.to_owned(), snapshot: snapshot.to_owned() });
        }
        if !has_room(&names) {
            return Err(ControlError::SnapshotsFull(name.to_owned()));
        }
        let taken = running.snapshot(snapshot)?;
        names.push(snapshot.to_owned());
        for old in too_many(&names) {
            if let Err(error) = self.shared.runner.remove_snapshot(name, old) {
                tracing::warn!(application = name, snapshot = old, %error, "an old snapshot could not be removed");
            }
        }
        Ok(taken)
    }

    /// The snapshots of an application, the newest first.
    ///
    /// # Errors
    /// When there is no such application, or they cannot be read.
    pub fn snapshots(&self, name: &str) -> Result<Vec<SnapshotInfo>, ControlError> {
        self.shared.state.lock().get(name)?;
        Ok(self.shared.runner.snapshots(name)?)
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// When there is no such application or snapshot, or some of it stays.
    pub fn remove_snapshot(&self, name: &str, snapshot: &str) -> Result<(), ControlError> {
        self.shared.state.lock().get(name)?;
        Ok(self.shared.runner.remove_snapshot(name, snapshot)?)
    }

    /// Lets an application go on from a snapshot, with another parallelism where one is given: a running one is stopped
    /// first, and what came after the snapshot is read again.
    ///
    /// # Errors
    /// When there is no such application or snapshot, the parallelism is out of bounds, or it neither runs nor is ready.
    pub fn restore(&self, name: &str, snapshot: &str, parallelism: Option<u32>) -> Result<(), ControlError> {
        self.shared.state.lock().get(name)?;
        if !self.shared.runner.snapshot_names(name)?.iter().any(|known| known == snapshot) {
            return Err(ControlError::Snapshot { name: name.to_owned(), snapshot: snapshot.to_owned() });
        }
        let spec = {
            let mut state = self.shared.state.lock();
            let application = state.get(name)?;
            let parallelism = parallelism.unwrap_or(application.spec.parallelism);
            let spec = ApplicationSpec { parallelism, ..application.spec.clone() };
            spec.check()?;
            spec
        };
        if self.view(name)?.status != Status::Ready {
            // What it goes back to is there: what it leaves needs no name.
            self.stop(name, true)?;
        }
        let mut state = self.shared.state.lock();
        let application = state.get(name)?;
        application.expect(Status::Ready, "wait until it is READY")?;
        application.spec = spec;
        application.snapshot = Some(snapshot.to_owned());
        application.wanted = true;
        application.failures = Failures::default();
        application.become_(Status::Starting);
        application.retry_at_ms = 0;
        self.shared.save(&state)?;
        self.shared.wake.notify_all();
        Ok(())
    }

    /// Computes the windows of an application anew that have closed before all of their rows had come, or (`only_plan`) tells
    /// which could be. Returns when the results are durable; the application may run meanwhile.
    ///
    /// # Errors
    /// When there is no such application, or the runner refuses.
    pub fn correct(&self, name: &str, only_plan: bool) -> Result<Correction, ControlError> {
        let spec = self.shared.state.lock().get(name)?.spec.clone();
        Ok(self.shared.runner.correct(&spec, only_plan)?)
    }

    /// Removes an application that does not run, and all that its runs have kept.
    ///
    /// # Errors
    /// When there is none of this name, or it runs.
    pub fn delete(&self, name: &str) -> Result<(), ControlError> {
        let mut state = self.shared.state.lock();
        let application = state.get(name)?;
        application.expect(Status::Ready, "stop it first")?;
        application.become_(Status::Deleting);
        // First its state: another application of the same name must not go on from it. Who keeps it may be far away.
        let forgotten = MutexGuard::unlocked(&mut state, || self.shared.runner.forget(name));
        if let Err(error) = forgotten {
            state.get(name)?.status = Status::Ready;
            return Err(error.into());
        }
        let removed = state.applications.remove(name);
        let saved = self.shared.save(&state);
        if let (Err(_), Some(mut application)) = (&saved, removed) {
            // It is still in the catalog on disk, so it still exists.
            application.status = Status::Ready;
            state.applications.insert(name.to_owned(), application);
        }
        saved
    }

    /// Every application, by name.
    pub fn views(&self) -> Vec<ApplicationView> {
        self.shared.state.lock().applications.values().map(Application::view).collect()
    }

    /// One application.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn view(&self, name: &str) -> Result<ApplicationView, ControlError> {
        Ok(self.shared.state.lock().get(name)?.view())
    }

    /// Ends all runs, their results durable, and the supervisor; what shall run starts again at the next open.
    ///
    /// # Errors
    /// The first run that could not be ended cleanly; the others are ended all the same.
    pub fn close(&self) -> Result<(), ControlError> {
        self.shared.state.lock().closing = true;
        self.shared.runner.close();
        self.shared.wake.notify_all();
        if let Some(thread) = self.supervisor.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the application supervisor had panicked");
        }
        self.shared.stop_all()
    }
}

impl Drop for Applications {
    fn drop(&mut self) {
        if self.supervisor.lock().is_some()
            && let Err(error) = self.close()
        {
            tracing::error!(%error, "an application did not end cleanly");
        }
    }
}

impl State {
    fn get(&mut self, name: &str) -> Result<&mut Application, ControlError> {
        self.applications.get_mut(name).ok_or_else(|| ControlError::Unknown(name.to_owned()))
    }
}

impl Shared {
    fn supervise(&self) {
        let mut state = self.state.lock();
        while !state.closing {
            let now_ms = self.env.now_ms();
            let policy = self.policy;
            let due: Vec<Launch> = state.applications.values_mut().filter_map(|a| a.step(now_ms, policy)).collect();
            for launch in due {
                // State may be read from far away: whoever looks at applications meanwhile does not wait for it.
                let started =
                    MutexGuard::unlocked(&mut state, || self.runner.start(&launch.spec, launch.snapshot.as_deref()));
                self.launched(&mut state, &launch, started);
            }
            self.wake.wait_for(&mut state, Duration::from_millis(TICK_MS));
        }
    }

    fn launched(&self, state: &mut State, launch: &Launch, started: Result<Arc<dyn Running>, RunnerError>) {
        let now_ms = self.env.now_ms();
        // Nothing removes an application that is being started.
        let Ok(application) = state.get(&launch.spec.name) else { return };
        let has_begun = started.is_ok();
        application.launched(started, now_ms, self.policy);
        if has_begun
            && launch.snapshot.is_some()
            && let Err(error) = self.save(state)
        {
            tracing::error!(%error, "it cannot be noted that an application has begun with its snapshot");
        }
        self.wake.notify_all();
    }

    fn save(&self, state: &State) -> Result<(), ControlError> {
        let entries: Vec<Entry> = state.applications.values().map(Application::entry).collect();
        self.catalog.write(&entries)
    }

    fn stop_all(&self) -> Result<(), ControlError> {
        let mut first_error = None;
        let mut state = self.state.lock();
        for application in state.applications.values_mut() {
            let Some(running) = application.running.take() else { continue };
            if let Err(error) = running.stop() {
                first_error = first_error.or(Some(error));
            }
        }
        self.save(&state)?;
        first_error.map_or(Ok(()), |e| Err(e.into()))
    }
}

impl Application {
    fn of(entry: Entry) -> Self {
        Self {
            spec: entry.spec,
            wanted: entry.wanted,
            snapshot: entry.snapshot,
            status: if entry.wanted { Status::Starting } else { Status::Ready },
            running: None,
            launching: false,
            failures: Failures::default(),
            restarts: 0,
            started_ms: 0,
            retry_at_ms: 0,
        }
    }

    fn entry(&self) -> Entry {
        Entry { spec: self.spec.clone(), wanted: self.wanted, snapshot: self.snapshot.clone() }
    }

    fn view(&self) -> ApplicationView {
        ApplicationView {
            spec: self.spec.clone(),
            status: self.status,
            metrics: self.running.as_ref().map(|r| r.metrics()),
            restarts: self.restarts,
            last_error: self.failures.told(),
        }
    }

    fn become_(&mut self, next: Status) {
        debug_assert!(self.status.may_become(next), "{} may not become {next}", self.status);
        self.status = next;
    }

    fn expect(&self, status: Status, hint: &'static str) -> Result<(), ControlError> {
        if self.status == status { Ok(()) } else { Err(self.refused(hint)) }
    }

    fn refused(&self, hint: &'static str) -> ControlError {
        ControlError::Status { name: self.spec.name.clone(), status: self.status, hint }
    }

    /// One look at the application: what is due is done, or given back to be started.
    fn step(&mut self, now_ms: u64, policy: RestartPolicy) -> Option<Launch> {
        match self.status {
            Status::Starting if now_ms >= self.retry_at_ms => {
                self.launching = true;
                return Some(Launch { spec: self.spec.clone(), snapshot: self.snapshot.clone() });
            }
            Status::Running => self.look_after(now_ms, policy),
            _ => {}
        }
        None
    }

    fn launched(&mut self, started: Result<Arc<dyn Running>, RunnerError>, now_ms: u64, policy: RestartPolicy) {
        self.launching = false;
        match started {
            Ok(running) => {
                // From here on its own checkpoints hold.
                self.snapshot = None;
                self.running = Some(running);
                self.started_ms = now_ms;
                self.become_(Status::Running);
            }
            Err(error) => self.failed(error.message, now_ms, 0, policy),
        }
    }

    fn look_after(&mut self, now_ms: u64, policy: RestartPolicy) {
        let Some(running) = &self.running else { return };
        match running.state() {
            RunState::Running => {}
            RunState::Finished => {
                self.running = None;
                self.wanted = false;
                self.become_(Status::Ready);
            }
            RunState::Failed(cause) => {
                self.running = None;
                self.failed(cause, now_ms, now_ms.saturating_sub(self.started_ms), policy);
            }
        }
    }

    fn failed(&mut self, cause: String, now_ms: u64, ran_ms: u64, policy: RestartPolicy) {
        let pause_ms = self.failures.note(cause.clone(), ran_ms, policy);
        tracing::warn!(application = self.spec.name, %cause, pause_ms, "the application failed; it is started again");
        self.restarts += 1;
        self.retry_at_ms = now_ms + pause_ms;
        self.become_(Status::Starting);
    }
}
