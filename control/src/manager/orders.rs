//! Orders about the life of an application: that there is one, that it runs, ends, goes back, or is removed.

use super::changes::cancelled;
use super::state::{Application, Told};
use super::work::Work;
use super::{Applications, ControlError};
use crate::catalog::{Fact, Kept, More, Version};
use crate::configuration::{Configuration, LoggingOption, Parallelism, Setting};
use crate::operation::{Operation, OperationKind};
use crate::restart::Failures;
use crate::runner::{Begin, Beginning};
use crate::timeline::Severity;
use crate::{ApplicationSpec, SnapshotInfo, Status};
use model::limits::APPLICATIONS_MAX;
use model::{Classified, Kind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When maintenance may begin where nobody says when.
const MAINTENANCE: &str = "06:00";

/// An application that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// Its name.
    pub name: String,
    /// Its first version.
    pub configuration: Configuration,
    /// Tags by name.
    pub tags: BTreeMap<String, String>,
}

/// Who gives an application another size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScaledBy {
    /// Somebody.
    Person,
    /// A rule, for the reason that the text tells.
    Rule(String),
}

impl Applications {
    /// Whether an application of this name could be set up like this.
    ///
    /// # Errors
    /// When the configuration or its script is wrong.
    pub fn check(&self, name: &str, configuration: &Configuration) -> Result<(), ControlError> {
        let spec = configuration.spec(name, None, self.shared.options.kpus_max)?;
        Ok(self.shared.runner.check(&spec)?)
    }

    /// Adds an application as a stack declares it; it does not run yet.
    ///
    /// # Errors
    /// When the specification or its script is wrong, or the name is taken.
    pub fn create(&self, spec: ApplicationSpec) -> Result<(), ControlError> {
        let configuration = Configuration::of(&spec);
        self.make(New { name: spec.name, configuration, tags: BTreeMap::new() })
    }

    /// Adds an application; it does not run yet.
    ///
    /// # Errors
    /// When the configuration or its script is wrong, the name is taken, or there are too many.
    pub fn make(&self, new: New) -> Result<(), ControlError> {
        let shared = &self.shared;
        let spec = new.configuration.spec(&new.name, None, shared.options.kpus_max)?;
        shared.runner.check(&spec)?;
        let mut state = shared.state.lock();
        if state.applications.contains_key(&new.name) {
            return Err(ControlError::Exists(new.name));
        }
        if state.applications.len() >= APPLICATIONS_MAX {
            return Err(ControlError::Full);
        }
        let now_ms = shared.now_ms();
        let logging_count = new.configuration.logging.len() as u64;
        let version = Version {
            version: 1,
            created_ms: now_ms,
            status: Status::Ready,
            updated_from: None,
            rolled_back: None,
            configuration: Arc::new(new.configuration),
        };
        let more = More { tags: new.tags, maintenance: MAINTENANCE.to_owned(), logging_count, ..More::default() };
        let (created_ms, updated_ms, name) = (now_ms, now_ms, new.name);
        let kept =
            Kept { name: name.clone(), created_ms, updated_ms, version: 1, wanted: false, deleting: false, more };
        let application = Application::of(kept, version)?;
        shared.catalog.write(&application.kept, &[Fact::Version(&application.version)])?;
        state.applications.insert(name.clone(), application);
        drop(state);
        shared.tell(&name, Told::new(Severity::Info, "application", "it is created"));
        Ok(())
    }

    /// Wants the application to run, from what it has kept.
    ///
    /// # Errors
    /// When there is none of this name, or it is on its way already.
    pub fn start(&self, name: &str) -> Result<(), ControlError> {
        self.start_from(name, None).map(drop)
    }

    /// The same from something else, where that is given. Returns at once, with the id of the operation.
    ///
    /// # Errors
    /// As [`Applications::start`]; also when there is no such snapshot, or the script would lose state that is kept.
    pub fn start_from(&self, name: &str, beginning: Option<Beginning>) -> Result<String, ControlError> {
        const HINT: &str = "stop it first, or wait until it is READY";
        let shared = &self.shared;
        let (spec, meant) = {
            let mut state = shared.state.lock();
            let application = state.get(name)?;
            application.expect(&[Status::Ready, Status::RolledBack], HINT)?;
            (application.spec.clone(), beginning.clone().unwrap_or_else(|| application.beginning()))
        };
        if let Begin::Snapshot(snapshot) = &meant.from {
            shared.has_snapshot(name, snapshot)?;
        }
        match shared.check_state(&spec, Some(&meant)) {
            // Who keeps the state may answer by the time of the start, which is tried again.
            Err(ControlError::Runner(error)) if error.kind() != Kind::Invalid => {}
            checked => checked?,
        }
        let mut state = shared.state.lock();
        let application = state.get(name)?;
        application.expect(&[Status::Ready, Status::RolledBack], HINT)?;
        let mut kept = Kept { wanted: true, ..application.kept.clone() };
        if meant.from == Begin::Nothing {
            kept.more.handover = None;
        }
        (kept.more.begin, kept.more.allow_dropped) = (meant.from, meant.allow_dropped);
        if let Some(beginning) = beginning {
            kept.more.chosen = beginning.from;
        }
        let operation = shared.operation(OperationKind::Start, None);
        let id = operation.id.clone();
        shared.keep_change(application, kept, None, &[&operation])?;
        application.await_start(operation);
        shared.wake.notify_all();
        Ok(id)
    }

    /// Stops the application; its results are durable when this returns. What it has come to is kept as a snapshot first,
    /// whose name tells the time, unless the stop is `forced`, it takes no snapshots, or there is no run that goes well; the
    /// oldest snapshots of former stops and updates make room for it. A forced stop also ends what else is under way.
    ///
    /// # Errors
    /// When there is none of this name, it does not run, its snapshot could not be taken (then it goes on running), or its
    /// results could not be made durable.
    pub fn stop(&self, name: &str, forced: bool) -> Result<Option<SnapshotInfo>, ControlError> {
        match self.begin_stop(name, forced)?.1 {
            Some(work) => self.shared.carry_out(name, work),
            None => {
                // Whoever carries out another order sees to it.
                let mut state = self.shared.state.lock();
                while state.get(name)?.is_busy() {
                    self.shared.wake.wait(&mut state);
                }
                Ok(None)
            }
        }
    }

    /// The same, and returns at once with the id of the operation.
    ///
    /// # Errors
    /// When there is none of this name, or it does not run.
    pub fn order_stop(&self, name: &str, forced: bool) -> Result<String, ControlError> {
        let (id, work) = self.begin_stop(name, forced)?;
        work.into_iter().for_each(|work| self.shared.hand_over(name, work));
        Ok(id)
    }

    fn begin_stop(&self, name: &str, forced: bool) -> Result<(String, Option<Work>), ControlError> {
        let shared = &self.shared;
        let mut state = shared.state.lock();
        let application = state.get(name)?;
        let runs = matches!(application.status, Status::Running | Status::Starting | Status::Maintenance);
        let changes = matches!(
            application.status,
            Status::Updating | Status::Autoscaling | Status::Stopping | Status::RollingBack
        );
        if !((runs && !application.is_busy()) || (forced && (runs || changes) && application.instead.is_none())) {
            return Err(application.refused("only a RUNNING application can be stopped"));
        }
        let operation = shared.operation(OperationKind::Stop, None);
        let given_up = application.operation.clone().map(|former| cancelled(former, &operation, shared.now_ms()));
        let all: Vec<&Operation> = given_up.iter().chain([&operation]).collect();
        let kept = Kept { wanted: false, ..application.kept.clone() };
        shared.keep_change(application, kept, None, &all)?;
        let id = operation.id.clone();
        application.operation = Some(operation);
        application.become_(if forced { Status::ForceStopping } else { Status::Stopping });
        if application.is_busy() {
            application.instead = Some(Work::Stop { forced });
            shared.wake.notify_all();
            return Ok((id, None));
        }
        state.seize(name)?;
        Ok((id, Some(Work::Stop { forced })))
    }

    /// Lets an application go on from a snapshot, with another parallelism where one is given: a running one is stopped
    /// first, and what came after the snapshot is read again.
    ///
    /// # Errors
    /// When there is no such application or snapshot, the parallelism is out of bounds, or it neither runs nor is ready.
    pub fn restore(&self, name: &str, snapshot: &str, parallelism: Option<u32>) -> Result<(), ControlError> {
        let shared = &self.shared;
        let view = self.view(name)?;
        shared.has_snapshot(name, snapshot)?;
        let mut configuration = (*view.version.configuration).clone();
        if let Some(parallelism) = parallelism {
            let before = configuration.parallelism;
            configuration.parallelism = Parallelism { by: Setting::Custom, parallelism, ..before };
        }
        configuration.spec(name, None, shared.options.kpus_max)?;
        if !matches!(view.status, Status::Ready | Status::RolledBack) {
            // What it goes back to is there: what it leaves needs no name.
            self.stop(name, true)?;
        }
        if parallelism.is_some_and(|wanted| wanted != view.spec.parallelism) {
            let update = super::Update { configuration, resized: true, beginning: None };
            self.update(name, super::Expected::Any, update)?;
        }
        let from = Begin::Snapshot(snapshot.to_owned());
        self.start_from(name, Some(Beginning { from, allow_dropped: view.beginning.allow_dropped })).map(drop)
    }

    /// Removes an application that does not run, and all that its runs have kept.
    ///
    /// # Errors
    /// When there is none of this name, it runs, or some of what it has kept stays.
    pub fn delete(&self, name: &str) -> Result<(), ControlError> {
        let work = self.begin_delete(name, false)?;
        self.shared.carry_out(name, work).map(drop)
    }

    /// The same of one that may run: its run is ended first. Returns at once; the application is gone when that is done.
    ///
    /// # Errors
    /// When there is none of this name, or something else is under way.
    pub fn order_delete(&self, name: &str) -> Result<(), ControlError> {
        let work = self.begin_delete(name, true)?;
        self.shared.hand_over(name, work);
        Ok(())
    }

    fn begin_delete(&self, name: &str, running_too: bool) -> Result<Work, ControlError> {
        let shared = &self.shared;
        let mut state = shared.state.lock();
        let application = state.get(name)?;
        let all = [Status::Ready, Status::RolledBack, Status::Running];
        application.expect(&all[..if running_too { 3 } else { 2 }], "stop it first")?;
        let kept = Kept { wanted: false, deleting: true, ..application.kept.clone() };
        let operation = shared.operation(OperationKind::Delete, None);
        shared.keep_change(application, kept, None, &[&operation])?;
        application.operation = Some(operation);
        application.become_(Status::Deleting);
        state.seize(name)?;
        Ok(Work::Delete)
    }

    /// Changes the tags of an application. That makes no version.
    ///
    /// # Errors
    /// When there is none of this name, `change` refuses, or the change cannot be kept.
    pub fn change_tags<E: From<ControlError>>(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut state = self.shared.state.lock();
        let application = state.get(name)?;
        let mut kept = application.kept.clone();
        change(&mut kept.more.tags)?;
        Ok(self.shared.keep_change(application, kept, None, &[])?)
    }

    /// Says when an application may be maintained: hours and minutes of UTC, such as `06:00`. That makes no version.
    ///
    /// # Errors
    /// When there is none of this name, or the change cannot be kept.
    pub fn set_maintenance(&self, name: &str, at: &str) -> Result<(), ControlError> {
        let mut state = self.shared.state.lock();
        let application = state.get(name)?;
        let mut kept = application.kept.clone();
        at.clone_into(&mut kept.more.maintenance);
        self.shared.keep_change(application, kept, None, &[])
    }

    /// The next logging option of an application that names this stream of lines: its number was never given before.
    ///
    /// # Errors
    /// When there is none of this name, or the number cannot be kept.
    pub fn new_logging(&self, name: &str, log_stream_arn: &str) -> Result<LoggingOption, ControlError> {
        let mut state = self.shared.state.lock();
        let application = state.get(name)?;
        let mut kept = application.kept.clone();
        kept.more.logging_count += 1;
        let id = format!("{}.{}", application.version.version, kept.more.logging_count);
        self.shared.keep_change(application, kept, None, &[])?;
        Ok(LoggingOption { id, log_stream_arn: log_stream_arn.to_owned() })
    }
}

impl Application {
    /// The supervisor starts it at its next look.
    fn await_start(&mut self, operation: Operation) {
        self.operation = Some(operation);
        self.failures = Failures::default();
        self.become_(Status::Starting);
        self.retry_at_ms = 0;
    }
}
