//! Orders as they are carried out, each by one thread, outside the lock wherever something takes its time.

use super::ControlError;
use super::moving::Moving;
use super::state::{Shared, State, Told, ended};
use crate::catalog::{Kept, Version};
use crate::configuration::Size;
use crate::operation::{Operation, OperationKind};
use crate::runner::Begin;
use crate::snapshots::{name_of_stop, name_of_update};
use crate::timeline::Severity;
use crate::{ApplicationSpec, Handover, RunState, Running, SnapshotInfo, Status};
use model::{Classified, Kind};
use parking_lot::MutexGuard;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a run that is to come up is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What is to be done with an application that is seized.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Stop {
        forced: bool,
    },
    /// Its run gets another parallelism.
    Rescale(u32, Former),
    /// Its run ends, and another one begins as what the application is now.
    Renew(Former),
    /// The same, with nothing to go back to.
    Rollback,
    /// Its run ends, and another runner goes on.
    Move(Box<Moving>),
    /// The other runner is to go on: the former run has ended.
    Arrive(Former),
    Delete,
}

/// What an application was before a change.
#[derive(Debug, Clone)]
pub(super) struct Former {
    /// The version to go back to; `None` where the version has not changed.
    pub(super) version: Option<u64>,
    pub(super) size: Option<Size>,
    pub(super) handover: Option<Handover>,
}

/// What has become of a run that was to come up.
pub(super) enum Outcome {
    Up,
    Down(String),
    /// Something else comes in its place, or the platform closes.
    GivenUp,
}

impl Shared {
    /// Has a seized application worked on by a thread of its own.
    pub(super) fn hand_over(self: &Arc<Self>, name: &str, work: Work) {
        let (shared, of, what) = (self.clone(), name.to_owned(), work.clone());
        let body = move || {
            if let Err(error) = shared.carry_out(&of, what) {
                shared.tell(&of, Told::new(Severity::Warning, "application", error.to_string()));
            }
        };
        match std::thread::Builder::new().name(format!("order-{name}")).spawn(body) {
            Ok(thread) => self.remember(thread),
            Err(error) => {
                tracing::warn!(application = name, %error, "no thread could be started; the caller carries out the order");
                if let Err(error) = self.carry_out(name, work) {
                    self.tell(name, Told::new(Severity::Warning, "application", error.to_string()));
                }
            }
        }
    }

    /// Has a thread waited for when the platform ends.
    pub(super) fn remember(&self, thread: JoinHandle<()>) {
        let mut threads = self.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }

    /// Waits until no thread carries out an order any more: nobody uses the database then.
    pub(super) fn await_threads(&self) {
        loop {
            let Some(thread) = self.threads.lock().pop() else { return };
            if thread.join().is_err() {
                tracing::error!("an order to an application has panicked");
            }
        }
    }

    /// Works on a seized application, then on what came meanwhile, and lets go of it.
    pub(super) fn carry_out(&self, name: &str, work: Work) -> Result<Option<SnapshotInfo>, ControlError> {
        let order = self.state.lock().get(name)?.order;
        let _release = Release { shared: self, name, order };
        let mut answer = self.work(name, work);
        loop {
            let Some(next) = self.state.lock().let_go(name, order) else { return answer };
            let status = if matches!(next, Work::Rollback) { Status::RollingBack } else { Status::ForceStopping };
            let given_up = ControlError::GivenUp { name: name.to_owned(), status };
            let done = self.work(name, next);
            answer = answer.and(Err(given_up));
            if let Err(error) = done {
                self.tell(name, Told::new(Severity::Warning, "application", error.to_string()));
            }
        }
    }

    fn work(&self, name: &str, work: Work) -> Result<Option<SnapshotInfo>, ControlError> {
        match work {
            Work::Stop { forced } => self.stop_run(name, forced),
            Work::Rescale(parallelism, former) => self.rescale(name, parallelism, &former).map(|()| None),
            Work::Renew(former) => self.renew(name, &former).map(|()| None),
            Work::Rollback => self.roll_back(name).map(|()| None),
            Work::Move(moving) => self.move_on(name, *moving).map(|()| None),
            Work::Arrive(former) => self.arrive(name, &former).map(|()| None),
            Work::Delete => self.remove(name).map(|()| None),
        }
    }

    fn stop_run(&self, name: &str, forced: bool) -> Result<Option<SnapshotInfo>, ControlError> {
        let (running, snapshots) = {
            let mut state = self.state.lock();
            while state.get(name)?.launching {
                self.wake.wait(&mut state);
            }
            let application = state.get(name)?;
            (application.running.clone(), application.version.configuration.snapshots_enabled)
        };
        let kept = match &running {
            Some(running) if !forced && snapshots => {
                self.keep_before(name, running.as_ref(), &name_of_stop(self.now_ms()))
            }
            _ => Ok(None),
        };
        let cause = match kept {
            Ok(snapshot) => return self.end_run(name).map(|()| snapshot),
            Err(error) => error,
        };
        let mut state = self.state.lock();
        let application = state.get(name)?;
        let error = ControlError::StopSnapshot { name: name.to_owned(), cause: Box::new(cause) };
        if application.instead.is_none() {
            // The supervisor looks after it again, and sees what has happened meanwhile.
            application.become_(Status::Running);
            let kept = Kept { wanted: true, ..application.kept.clone() };
            self.finish(application, kept, None, Err(error.to_string()))?;
        }
        Err(error)
    }

    /// The snapshot before a stop; `None` where the run has ended and has nothing more to give.
    fn keep_before(
        &self,
        name: &str,
        running: &dyn Running,
        snapshot: &str,
    ) -> Result<Option<SnapshotInfo>, ControlError> {
        if running.state() != RunState::Running {
            return Ok(None);
        }
        match self.keep_snapshot(name, running, snapshot) {
            // What broke or ended on the way is stopped all the same.
            Err(_) if running.state() != RunState::Running => Ok(None),
            kept => kept.map(Some),
        }
    }

    /// Ends the run of an application that is being stopped.
    fn end_run(&self, name: &str) -> Result<(), ControlError> {
        let running = self.state.lock().get(name)?.running.take();
        let stopped = running.map_or(Ok(()), |running| running.stop());
        let mut state = self.state.lock();
        let application = state.get(name)?;
        application.become_(Status::Ready);
        // A forced stop that came meanwhile has what it was given for.
        application.instead = None;
        let kept = application.kept.clone();
        let end = stopped.clone().map_err(|error| error.to_string());
        self.finish(application, kept, None, end)?;
        drop(state);
        self.tell(name, Told::new(Severity::Info, "stop", "it is stopped"));
        stopped.map_err(ControlError::from)
    }

    fn rescale(&self, name: &str, parallelism: u32, former: &Former) -> Result<(), ControlError> {
        let running = self.state.lock().get(name)?.running.clone();
        let rescaled = running.map_or(Ok(()), |running| running.rescale(parallelism));
        let mut state = self.state.lock();
        let application = state.get(name)?;
        if application.instead.is_some() {
            return Ok(());
        }
        // If the run has failed on the way, the supervisor sees that next and starts it again.
        application.become_(Status::Running);
        let kept = application.kept.clone();
        let told = match &rescaled {
            Ok(()) => {
                self.finish(application, kept, None, Ok(()))?;
                Told::new(Severity::Info, "scaling", format!("it has parallelism {parallelism}"))
            }
            Err(error) => {
                let text = format!("it keeps its parallelism: {error}");
                let (kept, version) = self.taken_back(name, &kept, &application.version, former)?;
                self.finish(application, kept, version, Err(error.to_string()))?;
                Told::new(Severity::Warning, "scaling", text)
            }
        };
        drop(state);
        self.tell(name, told);
        rescaled.map_err(ControlError::from)
    }

    /// What the application is when a change is taken back: the former version's content under a number of its own.
    pub(super) fn taken_back(
        &self,
        name: &str,
        kept: &Kept,
        present: &Version,
        former: &Former,
    ) -> Result<(Kept, Option<Version>), ControlError> {
        let mut kept = Kept { updated_ms: self.now_ms(), ..kept.clone() };
        kept.more.size = former.size;
        kept.more.handover = former.handover.clone();
        kept.more.left = None;
        let Some(number) = former.version else { return Ok((kept, None)) };
        let Some(before) = self.catalog.version(name, number)? else {
            return Err(ControlError::NoFormer(name.to_owned()));
        };
        kept.version = present.version + 1;
        let version = Version {
            version: kept.version,
            created_ms: kept.updated_ms,
            status: Status::RollingBack,
            updated_from: None,
            rolled_back: Some((present.version, number)),
            configuration: before.configuration,
        };
        Ok((kept, Some(version)))
    }

    fn renew(&self, name: &str, former: &Former) -> Result<(), ControlError> {
        let (running, snapshots) = {
            let mut state = self.state.lock();
            let application = state.get(name)?;
            (application.running.clone(), application.version.configuration.snapshots_enabled)
        };
        if let Some(running) = running {
            // After a crash there is no run, and its checkpoints are what there is.
            if snapshots && let Err(cause) = self.keep_before(name, running.as_ref(), &name_of_update(self.now_ms())) {
                return self.not_renewed(name, former, cause);
            }
            self.state.lock().get(name)?.running = None;
            if let Err(error) = running.stop() {
                let text = format!("its former run did not end cleanly, and its last checkpoint holds: {error}");
                self.tell(name, Told::new(Severity::Warning, "application", text));
            }
        }
        match self.come_up(name, self.options.settled_ms)? {
            Outcome::GivenUp => Ok(()),
            Outcome::Up => self.is_up(name),
            Outcome::Down(cause) => self.came_down(name, former, cause),
        }
    }

    /// The snapshot before an update has failed: the former run goes on.
    fn not_renewed(&self, name: &str, former: &Former, cause: ControlError) -> Result<(), ControlError> {
        let error = ControlError::StopSnapshot { name: name.to_owned(), cause: Box::new(cause) };
        let mut state = self.state.lock();
        let application = state.get(name)?;
        if application.instead.is_none() {
            application.become_(Status::Running);
            let (mut kept, version) = self.taken_back(name, &application.kept, &application.version, former)?;
            kept.more.begin = Begin::Latest;
            self.finish(application, kept, version, Err(error.to_string()))?;
        }
        Err(error)
    }

    /// Starts what the application is now, and waits until it runs well: until it has kept its state once, or has run for
    /// `settled_ms`.
    pub(super) fn come_up(&self, name: &str, settled_ms: u64) -> Result<Outcome, ControlError> {
        let until_ns = self.env.monotonic_ns().saturating_add(self.options.come_up_ms_max.saturating_mul(1_000_000));
        let (spec, beginning) = {
            let mut state = self.state.lock();
            let application = state.get(name)?;
            (application.spec.clone(), application.beginning())
        };
        loop {
            if self.is_given_up(&mut self.state.lock(), name) {
                return Ok(Outcome::GivenUp);
            }
            match self.runner.start(&spec, &beginning) {
                Ok(running) => {
                    let now_ms = self.now_ms();
                    let mut state = self.state.lock();
                    let application = state.get(name)?;
                    let kept = application.begun(running.clone(), now_ms);
                    if let Err(error) = self.keep_change(application, kept.clone(), None, &[]) {
                        // It runs; what is kept next holds this too.
                        tracing::error!(application = name, %error, "that a run has begun could not be kept");
                        application.kept = kept;
                    }
                    return self.settle(&mut state, name, running.as_ref(), settled_ms);
                }
                // Waiting helps only where something is away for the moment.
                Err(error) if !matches!(error.kind(), Kind::Unavailable | Kind::Throttled) => {
                    return Ok(Outcome::Down(error.message));
                }
                Err(error) if self.env.monotonic_ns() >= until_ns => return Ok(Outcome::Down(error.message)),
                Err(_) => {
                    let pause = Duration::from_millis(self.options.restarts.pause_ms_min);
                    self.wake.wait_for(&mut self.state.lock(), pause);
                }
            }
        }
    }

    fn settle(
        &self,
        state: &mut MutexGuard<'_, State>,
        name: &str,
        running: &dyn Running,
        settled_ms: u64,
    ) -> Result<Outcome, ControlError> {
        let until_ns = self.env.monotonic_ns().saturating_add(settled_ms.saturating_mul(1_000_000));
        loop {
            match MutexGuard::unlocked(state, || (running.state(), running.checkpoints().completed)) {
                (RunState::Failed(cause), _) => {
                    state.get(name)?.running = None;
                    return Ok(Outcome::Down(cause));
                }
                (RunState::Finished, _) => return Ok(Outcome::Up),
                (RunState::Running, completed) if completed > 0 || self.env.monotonic_ns() >= until_ns => {
                    return Ok(Outcome::Up);
                }
                (RunState::Running, _) => {}
            }
            if self.is_given_up(state, name) {
                return Ok(Outcome::GivenUp);
            }
            self.wake.wait_for(state, LOOK);
        }
    }

    fn is_given_up(&self, state: &mut State, name: &str) -> bool {
        state.closing || state.get(name).map_or(true, |application| application.instead.is_some())
    }

    pub(super) fn is_up(&self, name: &str) -> Result<(), ControlError> {
        let mut state = self.state.lock();
        let application = state.get(name)?;
        if application.instead.is_some() {
            return Ok(());
        }
        application.failures = crate::restart::Failures::default();
        application.become_(Status::Running);
        let (mut kept, version) = (application.kept.clone(), application.version.version);
        kept.more.left = None;
        self.finish(application, kept, None, Ok(()))?;
        let ApplicationSpec { runner, parallelism, .. } = &application.spec;
        let told = format!("it runs as version {version} on {runner}, with parallelism {parallelism}");
        drop(state);
        self.wake.notify_all();
        self.tell(name, Told::new(Severity::Info, "update", told));
        Ok(())
    }

    /// A new version does not come up: it is taken back where that is set, or else tried again until somebody does something.
    pub(super) fn came_down(&self, name: &str, former: &Former, cause: String) -> Result<(), ControlError> {
        let mut state = self.state.lock();
        let application = state.get(name)?;
        if application.instead.is_some() {
            return Ok(());
        }
        let number = application.version.version;
        let moved = self.has_moved(name, &application.version, former)?;
        let taken_back = (moved || application.version.configuration.rollback_enabled) && former.version.is_some();
        let then = if taken_back {
            "the former version takes its place"
        } else {
            "it is tried again; roll it back, or update it"
        };
        let error = ControlError::Update { name: name.to_owned(), version: number, cause: cause.clone(), then };
        let pause = application.failed(cause, self.now_ms(), 0, self.options.restarts);
        if !taken_back {
            let kept = application.kept.clone();
            self.finish(application, kept, None, Err(error.to_string()))?;
            drop(state);
            self.tell(name, pause);
            return Err(error);
        }
        // Until that is kept the new version is tried again.
        let rollback = self.operation(OperationKind::Rollback, Some((number, number + 1)));
        let update = application.operation.clone().map(|update| {
            let update = Operation { rollback: Some(rollback.id.clone()), ..update };
            ended(update, Err(error.to_string()), self.now_ms())
        });
        let (mut kept, version) = self.taken_back(name, &application.kept, &application.version, former)?;
        // What is left by a move has kept all that it had come to.
        kept.more.begin = if moved { Begin::Latest } else { self.newest_snapshot_of(name, former.version)? };
        let all: Vec<&Operation> = update.iter().chain([&rollback]).collect();
        self.keep_change(application, kept, version, &all)?;
        application.operation = Some(rollback);
        application.become_(Status::RollingBack);
        drop(state);
        self.tell(name, Told::new(Severity::Fault, "rollback", error.to_string()));
        self.roll_back(name)?;
        Err(error)
    }

    /// The newest snapshot that was taken of a version; the newest checkpoint where there is none.
    pub(super) fn newest_snapshot_of(&self, name: &str, version: Option<u64>) -> Result<Begin, ControlError> {
        let rows = self.catalog.snapshots(name)?;
        let newest = rows.into_iter().find(|row| row.status == "READY" && Some(row.version) == version);
        Ok(newest.map_or(Begin::Latest, |row| Begin::Snapshot(row.snapshot)))
    }

    /// Starts the version that has taken its former place, in the place of what runs.
    fn roll_back(&self, name: &str) -> Result<(), ControlError> {
        let running = {
            let mut state = self.state.lock();
            let application = state.get(name)?;
            application.become_(Status::RollingBack);
            application.running.take()
        };
        if let Some(Err(error)) = running.map(|running| running.stop()) {
            let text = format!("what is taken back did not end cleanly: {error}");
            self.tell(name, Told::new(Severity::Warning, "rollback", text));
        }
        let cause = match self.come_up(name, self.options.settled_ms)? {
            Outcome::GivenUp => return Ok(()),
            Outcome::Up => return self.is_up(name),
            Outcome::Down(cause) => cause,
        };
        let mut state = self.state.lock();
        let application = state.get(name)?;
        if application.instead.is_some() {
            return Ok(());
        }
        let version = application.version.version;
        application.become_(Status::RolledBack);
        let then = "it waits to be updated, or started again";
        let error = ControlError::Update { name: name.to_owned(), version, cause, then };
        let mut kept = Kept { wanted: false, ..application.kept.clone() };
        kept.more.rolled_back = true;
        self.finish(application, kept, None, Err(error.to_string()))?;
        drop(state);
        self.tell(name, Told::new(Severity::Fault, "rollback", error.to_string()));
        Err(error)
    }

    fn remove(&self, name: &str) -> Result<(), ControlError> {
        let running = self.state.lock().get(name)?.running.take();
        if let Some(Err(error)) = running.map(|running| running.stop()) {
            tracing::warn!(application = name, %error, "an application that is removed did not end cleanly");
        }
        // First its state: another application of the same name must not go on from it. Who keeps it may be far away.
        let removed = self.runner.forget(name).map_err(ControlError::from);
        let removed = removed.and_then(|()| Ok(self.catalog.remove(name)?));
        let mut state = self.state.lock();
        match removed {
            Ok(()) => {
                state.applications.remove(name);
                drop(state);
                self.sweep_programs();
                self.timeline.tell(&crate::timeline::Event {
                    at_ms: self.now_ms(),
                    severity: Severity::Info,
                    kind: "application".to_owned(),
                    subject: format!("application/{name}"),
                    text: "it is deleted".to_owned(),
                    details: serde_json::Value::Null,
                });
                Ok(())
            }
            Err(error) => {
                // It is still in the catalogue, so it still exists.
                let application = state.get(name)?;
                application.become_(Status::Ready);
                let kept = Kept { deleting: false, ..application.kept.clone() };
                self.finish(application, kept, None, Err(error.to_string()))?;
                Err(error)
            }
        }
    }
}

/// Lets go of an application, however the order has ended.
struct Release<'a> {
    shared: &'a Shared,
    name: &'a str,
    order: Option<u64>,
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.workers -= 1;
        // Also where the order has panicked.
        if let Some(application) = state.applications.get_mut(self.name).filter(|a| a.order == self.order) {
            application.order = None;
        }
        drop(state);
        self.shared.wake.notify_all();
    }
}
