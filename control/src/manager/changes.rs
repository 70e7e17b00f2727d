//! Changes of what an application is: updates, sizes, and taking a change back.

use super::orders::ScaledBy;
use super::state::{Application, Shared, Told, ended};
use super::work::Work;
use super::{Applications, ControlError};
use crate::catalog::{Kept, Version};
use crate::configuration::{Configuration, Parallelism, Setting, Size};
use crate::operation::{Operation, OperationKind, OperationStatus};
use crate::runner::{Begin, Beginning};
use crate::timeline::Severity;
use crate::{ApplicationSpec, RunnerError, Status};
use model::Kind;
use std::sync::Arc;

/// What a change is to be made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// To this version alone: who looked at another one is told.
    Version(u64),
    /// To whatever there is.
    Any,
}

/// What an application is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// All that the new version holds.
    pub configuration: Configuration,
    /// Its size holds, whatever a rule has made of the one before.
    pub resized: bool,
    /// What the new version begins with, if it has to be started; `None`: with what the former one has come to.
    pub beginning: Option<Beginning>,
}

/// How a change is brought about.
enum Way {
    /// By itself: nothing runs that knows of what has changed.
    AtOnce,
    By(Work),
}

impl Applications {
    /// Makes another version of an application. Where it runs, that takes its time: this returns at once, with the id of the
    /// operation. A parallelism is changed live; anything else that a run is started with means a snapshot, an end and
    /// another start; if that does not come up, the former version takes its place where the configuration says so.
    ///
    /// # Errors
    /// When the configuration or its script is wrong, the application is at another version or neither runs nor is ready, or
    /// the new version could not go on from the state that is kept; nothing has changed then.
    pub fn update(&self, name: &str, expected: Expected, update: Update) -> Result<String, ControlError> {
        let (id, work) = self.begin_update(name, expected, update)?;
        self.shared.sweep_programs();
        work.into_iter().for_each(|work| self.shared.hand_over(name, work));
        Ok(id)
    }

    /// Gives a running application another parallelism. It goes on running. Returns when it has it.
    ///
    /// # Errors
    /// When the parallelism is out of bounds, the application does not run, or the runner refuses; then it keeps the
    /// one that it has.
    pub fn set_parallelism(&self, name: &str, parallelism: u32) -> Result<(), ControlError> {
        self.scale(name, parallelism, None, &ScaledBy::Person)
    }

    /// Gives a running application another size: so many subtasks of each operator, so many of them for each KPU (`None`: as
    /// before). The parallelism changes live, another number of threads means a restart from a snapshot. What a person
    /// orders is a new version; what a rule orders is a size beside the version, shown as `AUTOSCALING` meanwhile, and
    /// holds until somebody sets the parallelism. Returns when it has that size.
    ///
    /// # Errors
    /// When the size is out of bounds, the application does not run, or the runner refuses; then it keeps the one that it
    /// has.
    pub fn scale(&self, name: &str, parallelism: u32, per_kpu: Option<u32>, by: &ScaledBy) -> Result<(), ControlError> {
        let work = match by {
            ScaledBy::Person => self.begin_scale(name, parallelism, per_kpu)?,
            ScaledBy::Rule(reason) => self.begin_rule(name, parallelism, per_kpu, reason)?,
        };
        work.map_or(Ok(()), |work| self.shared.carry_out(name, work).map(drop))
    }

    fn begin_scale(&self, name: &str, parallelism: u32, per_kpu: Option<u32>) -> Result<Option<Work>, ControlError> {
        let view = self.view(name)?;
        let mut configuration = (*view.version.configuration).clone();
        let before = configuration.parallelism;
        let per_kpu = per_kpu.unwrap_or(view.spec.parallelism_per_kpu);
        configuration.parallelism = Parallelism { by: Setting::Custom, parallelism, per_kpu, ..before };
        configuration.spec(name, None, self.kpus_max())?;
        if view.status != Status::Running {
            let hint = "only a RUNNING application can be rescaled";
            return Err(ControlError::Status { name: name.to_owned(), status: view.status, hint });
        }
        let update = Update { configuration, resized: true, beginning: None };
        let expected = Expected::Version(view.version.version);
        Ok(self.begin_update(name, expected, update)?.1)
    }

    /// A rule's change: the version stays, and with it what a person has set.
    fn begin_rule(
        &self,
        name: &str,
        parallelism: u32,
        per_kpu: Option<u32>,
        reason: &str,
    ) -> Result<Option<Work>, ControlError> {
        let shared = &self.shared;
        let mut state = shared.state.lock();
        let application = state.get(name)?;
        let size = Size { parallelism, per_kpu: per_kpu.unwrap_or(application.spec.parallelism_per_kpu) };
        application.version.configuration.spec(name, Some(size), shared.options.kpus_max)?;
        application.expect(&[Status::Running], "only a RUNNING application can be rescaled")?;
        let former = application.former(None);
        let before = application.spec.clone();
        if (before.parallelism, before.parallelism_per_kpu) == (parallelism, size.per_kpu) {
            return Ok(None);
        }
        let mut kept = application.kept.clone();
        kept.more.size = Some(size);
        let operation = shared.operation(OperationKind::AutoScale, None);
        shared.keep_change(application, kept, None, &[&operation])?;
        application.operation = Some(operation);
        application.become_(Status::Autoscaling);
        state.seize(name)?;
        drop(state);
        let text = format!("a rule changes its parallelism from {} to {parallelism}: {reason}", before.parallelism);
        shared.tell(name, Told::new(Severity::Info, "scaling", text));
        let live = before.parallelism_per_kpu == size.per_kpu;
        Ok(Some(if live { Work::Rescale(parallelism, former) } else { Work::Renew(former) }))
    }

    /// Checks an update and keeps it; what there is to do is given back.
    pub(super) fn begin_update(
        &self,
        name: &str,
        expected: Expected,
        update: Update,
    ) -> Result<(String, Option<Work>), ControlError> {
        let shared = &self.shared;
        let view = self.view(name)?;
        expect_version(name, expected, view.version.version)?;
        let (runner, wanted) = (view.version.configuration.runner(), update.configuration.runner());
        if runner != wanted {
            let message = format!(
                "application {name} runs on {runner}, and its state is there: hand it over with `hailstream app move {name} --runner {wanted}`"
            );
            return Err(ControlError::Runner(RunnerError::new(Kind::Conflict, message)));
        }
        let spec = update.configuration.spec(name, None, shared.options.kpus_max)?;
        let same_script = update.configuration.reads_as(&view.version.configuration);
        if !same_script {
            shared.runner.check(&spec)?;
        }
        if !same_script && view.metrics.is_some() {
            shared.check_state(&spec, update.beginning.as_ref())?;
        }
        if let Some(Beginning { from: Begin::Snapshot(snapshot), .. }) = &update.beginning {
            shared.has_snapshot(name, snapshot)?;
        }
        let mut state = shared.state.lock();
        let application = state.get(name)?;
        // What was checked above is what is changed below.
        expect_version(name, Expected::Version(view.version.version), application.version.version)?;
        let way = application.way_to(&update)?;
        let (kept, version) = application.updated(update, shared.now_ms(), matches!(way, Way::AtOnce));
        kept_within(&kept, &version, shared.options.kpus_max)?;
        let versions = (application.version.version, version.version);
        let operation = shared.operation(OperationKind::Update, Some(versions));
        let id = operation.id.clone();
        match way {
            Way::AtOnce => {
                let done = ended(operation, Ok(()), shared.now_ms());
                shared.keep_change(application, kept, Some(version), &[&done])?;
                application.runs = versions.1;
                if application.is_failing() {
                    (application.failures, application.retry_at_ms) = (crate::restart::Failures::default(), 0);
                    shared.wake.notify_all();
                }
                drop(state);
                shared.tell(name, Told::new(Severity::Info, "update", format!("it is version {} now", versions.1)));
                Ok((id, None))
            }
            Way::By(work) => {
                shared.keep_change(application, kept, Some(version), &[&operation])?;
                application.operation = Some(operation);
                application.become_(Status::Updating);
                if matches!(work, Work::Rescale(..)) {
                    application.runs = versions.1;
                }
                state.seize(name)?;
                drop(state);
                let text = format!("it is updated from version {} to {}", versions.0, versions.1);
                shared.tell(name, Told::new(Severity::Info, "update", text));
                Ok((id, Some(work)))
            }
        }
    }

    /// Lets the version before the present one take its place again, from the newest snapshot that was taken of it. Also an
    /// update that is under way is given up for it. Returns at once, with the id of the operation.
    ///
    /// # Errors
    /// When the application is at another version, does not run and is not to, or there is no version before.
    pub fn rollback(&self, name: &str, expected: Expected) -> Result<String, ControlError> {
        let shared = &self.shared;
        let mut state = shared.state.lock();
        let application = state.get(name)?;
        let present = application.version.version;
        expect_version(name, expected, present)?;
        let changing =
            matches!(application.status, Status::Updating | Status::Autoscaling) && application.instead.is_none();
        let settled = application.status == Status::Running && !application.is_busy();
        if !(changing || settled || application.is_failing()) {
            return Err(application.refused("only a RUNNING or UPDATING application can be rolled back"));
        }
        let target = application.version.updated_from.ok_or_else(|| ControlError::NoFormer(name.to_owned()))?;
        application.stays_on_its_runner(shared.catalog.version(name, target)?)?;
        let former = application.former(Some(target));
        let (mut kept, version) = shared.taken_back(name, &application.kept, &application.version, &former)?;
        kept.more.begin = shared.newest_snapshot_of(name, Some(target))?;
        kept.wanted = true;
        let operation = shared.operation(OperationKind::Rollback, Some((present, present + 1)));
        let given_up = application.operation.clone().map(|former| cancelled(former, &operation, shared.now_ms()));
        let all: Vec<&Operation> = given_up.iter().chain([&operation]).collect();
        shared.keep_change(application, kept, version, &all)?;
        let id = operation.id.clone();
        application.operation = Some(operation);
        let busy = application.is_busy();
        if busy {
            application.instead = Some(Work::Rollback);
        } else {
            application.become_(Status::RollingBack);
            state.seize(name)?;
        }
        drop(state);
        shared.wake.notify_all();
        let text = format!("version {present} is taken back; version {target} takes its place");
        shared.tell(name, Told::new(Severity::Warning, "rollback", text));
        if !busy {
            shared.hand_over(name, Work::Rollback);
        }
        Ok(id)
    }
}

impl Shared {
    /// Whether a run of `spec` can go on from what is kept.
    pub(super) fn check_state(
        &self,
        spec: &ApplicationSpec,
        beginning: Option<&Beginning>,
    ) -> Result<(), ControlError> {
        let beginning = beginning.cloned().unwrap_or_default();
        if beginning.from == Begin::Nothing || beginning.allow_dropped {
            return Ok(());
        }
        let fates = self.runner.compare(spec, &beginning.from)?;
        if fates.iter().any(|fate| fate.lost) {
            return Err(ControlError::State { name: spec.name.clone(), fates });
        }
        Ok(())
    }

    pub(super) fn has_snapshot(&self, name: &str, snapshot: &str) -> Result<(), ControlError> {
        if self.runner.snapshot_names(name)?.iter().any(|known| known == snapshot) {
            return self.is_of_this_runner(name, snapshot);
        }
        Err(ControlError::Snapshot { name: name.to_owned(), snapshot: snapshot.to_owned() })
    }
}

impl Shared {
    /// A snapshot can be read by the runner alone that has taken it.
    fn is_of_this_runner(&self, name: &str, snapshot: &str) -> Result<(), ControlError> {
        let taken_of = self.catalog.snapshots(name)?.into_iter().find(|row| row.snapshot == snapshot);
        let version = taken_of.map(|row| self.catalog.version(name, row.version)).transpose()?.flatten();
        let mut state = self.state.lock();
        let present = state.get(name)?.version.configuration.clone();
        let Some(other) = version.filter(|taken| taken.configuration.runner() != present.runner()) else {
            return Ok(());
        };
        let (there, here) = (other.configuration.runner(), present.runner());
        let message = format!(
            "application {name}: snapshot {snapshot:?} was taken by {there}, and {here}, which runs it now, cannot read it"
        );
        Err(ControlError::Runner(RunnerError::new(Kind::Conflict, message)))
    }
}

impl Application {
    /// How an update is brought about now.
    fn way_to(&self, update: &Update) -> Result<Way, ControlError> {
        let lasting = matches!(self.status, Status::Ready | Status::RolledBack) && !self.is_busy();
        if lasting || self.is_failing() {
            return Ok(Way::AtOnce);
        }
        self.expect(&[Status::Running], "wait until it is READY or RUNNING")?;
        let size = if update.resized { None } else { self.kept.more.size };
        let former = self.former(Some(self.version.version));
        let elsewhere = update.beginning.as_ref().is_some_and(|beginning| beginning.from != Begin::Latest);
        let wanted = size.map_or(update.configuration.parallelism.parallelism, |size| size.parallelism);
        let per_kpu = size.map_or(update.configuration.parallelism.per_kpu, |size| size.per_kpu);
        Ok(
            if elsewhere
                || !self.version.configuration.runs_as(&update.configuration)
                || per_kpu != self.spec.parallelism_per_kpu
            {
                Way::By(Work::Renew(former))
            } else if wanted != self.spec.parallelism {
                Way::By(Work::Rescale(wanted, former))
            } else {
                Way::AtOnce
            },
        )
    }

    fn updated(&self, update: Update, now_ms: u64, at_once: bool) -> (Kept, Version) {
        let number = self.version.version + 1;
        let mut kept = Kept { version: number, updated_ms: now_ms, ..self.kept.clone() };
        if update.resized {
            kept.more.size = None;
        }
        match update.beginning {
            Some(beginning) => {
                if beginning.from == Begin::Nothing {
                    kept.more.handover = None;
                }
                kept.more.chosen = beginning.from.clone();
                kept.more.begin = beginning.from;
                kept.more.allow_dropped = beginning.allow_dropped;
            }
            None if !at_once => kept.more.begin = Begin::Latest,
            None => {}
        }
        let version = Version {
            version: number,
            created_ms: now_ms,
            status: self.status,
            updated_from: Some(self.version.version),
            rolled_back: None,
            configuration: Arc::new(update.configuration),
        };
        (kept, version)
    }
}

/// Also at the size that a rule has given it, the application must keep to its quota.
fn kept_within(kept: &Kept, version: &Version, kpus_max: u32) -> Result<(), ControlError> {
    version.configuration.spec(&kept.name, kept.more.size, kpus_max)?;
    Ok(())
}

pub(super) fn expect_version(name: &str, expected: Expected, found: u64) -> Result<(), ControlError> {
    match expected {
        Expected::Version(expected) if expected != found => {
            Err(ControlError::Version { name: name.to_owned(), expected, found })
        }
        _ => Ok(()),
    }
}

/// An operation that another one came in place of.
pub(super) fn cancelled(operation: Operation, by: &Operation, now_ms: u64) -> Operation {
    let failure = Some(format!("{} came before it was done", by.kind.name()));
    let rollback = (by.kind == OperationKind::Rollback).then(|| by.id.clone());
    Operation { status: OperationStatus::Cancelled, end_ms: Some(now_ms), failure, rollback, ..operation }
}
