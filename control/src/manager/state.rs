//! The applications in memory, each beside what is kept of it.

use super::ControlError;
use super::view::ApplicationView;
use super::work::{Former, Work};
use crate::catalog::{Catalog, Fact, Kept, Version};
use crate::operation::{Operation, OperationKind, OperationStatus};
use crate::restart::Failures;
use crate::runner::{Begin, Beginning};
use crate::timeline::{Event, Severity, Timeline};
use crate::{ApplicationSpec, Options, Programs, RestartPolicy, RunState, Runner, Running, Status};
use model::Env;
use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

pub(super) struct Shared {
    pub(super) env: Env,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) options: Options,
    pub(super) catalog: Catalog,
    pub(super) timeline: Timeline,
    /// The bytes of programs; the first that are given stay.
    pub(super) programs: OnceLock<Arc<Programs>>,
    /// The threads that carry out orders and take snapshots; as many as there are of these.
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    pub(super) state: Mutex<State>,
    /// Told whenever something has changed.
    pub(super) wake: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) applications: BTreeMap<String, Application>,
    /// Orders that are being carried out, and snapshots that are being taken.
    pub(super) workers: usize,
    /// Counts orders.
    pub(super) orders: u64,
    pub(super) closing: bool,
}

pub(super) struct Application {
    pub(super) kept: Kept,
    pub(super) version: Version,
    /// What the runner is given: the present version at the present size.
    pub(super) spec: ApplicationSpec,
    pub(super) status: Status,
    pub(super) running: Option<Arc<dyn Running>>,
    /// It is being started now, outside the lock.
    pub(super) launching: bool,
    /// The order that is being carried out, by its number; the supervisor leaves the application alone meanwhile.
    pub(super) order: Option<u64>,
    /// What comes in place of the order that is being carried out.
    pub(super) instead: Option<Work>,
    /// What is under way.
    pub(super) operation: Option<Operation>,
    /// What has ended, where that could not be kept: it is kept with the next change.
    pub(super) unkept: Option<Operation>,
    /// Snapshots that are being taken.
    pub(super) taking: BTreeSet<String>,
    pub(super) failures: Failures,
    pub(super) restarts: u64,
    pub(super) started_ms: u64,
    pub(super) retry_at_ms: u64,
    /// Failed checkpoints of this run that were told.
    pub(super) checkpoints_failed: u64,
    /// The version that its run is of.
    pub(super) runs: u64,
}

/// An application that is to be started, and what with.
pub(super) struct Launch {
    pub(super) spec: ApplicationSpec,
    pub(super) beginning: Beginning,
}

/// What there is to tell about an application.
pub(super) struct Told {
    pub(super) severity: Severity,
    pub(super) kind: &'static str,
    pub(super) text: String,
    pub(super) details: Value,
}

impl Told {
    pub(super) fn new(severity: Severity, kind: &'static str, text: impl Into<String>) -> Self {
        Self { severity, kind, text: text.into(), details: Value::Null }
    }
}

impl State {
    pub(super) fn get(&mut self, name: &str) -> Result<&mut Application, ControlError> {
        self.applications.get_mut(name).ok_or_else(|| ControlError::Unknown(name.to_owned()))
    }

    /// The application, with an order that is carried out from now on.
    pub(super) fn seize(&mut self, name: &str) -> Result<&mut Application, ControlError> {
        let application = self.applications.get_mut(name).ok_or_else(|| ControlError::Unknown(name.to_owned()))?;
        self.workers += 1;
        self.orders += 1;
        application.order = Some(self.orders);
        Ok(application)
    }
}

impl State {
    /// What an order that is done leaves to do: what came in its place. Where that is nothing, the application is free for the
    /// next order, which may be under way already.
    pub(super) fn let_go(&mut self, name: &str, order: Option<u64>) -> Option<Work> {
        let application = self.applications.get_mut(name).filter(|application| application.order == order)?;
        let next = application.instead.take();
        if next.is_none() {
            application.order = None;
        }
        next
    }
}

impl Shared {
    pub(super) fn now_ms(&self) -> u64 {
        self.env.now_ms()
    }

    /// An operation that begins now.
    pub(super) fn operation(&self, kind: OperationKind, versions: Option<(u64, u64)>) -> Operation {
        let id = format!("{:016x}{:016x}", self.env.random_u64(), self.env.random_u64());
        let (status, start_ms) = (OperationStatus::InProgress, self.now_ms());
        Operation { id, kind, status, start_ms, end_ms: None, versions, failure: None, rollback: None }
    }

    /// Keeps a change of an application; only then it is one in memory.
    pub(super) fn keep_change(
        &self,
        application: &mut Application,
        kept: Kept,
        version: Option<Version>,
        operations: &[&Operation],
    ) -> Result<(), ControlError> {
        let present = version.as_ref().unwrap_or(&application.version);
        let spec = resolved(&kept, present)?;
        let operations = application.unkept.iter().chain(operations.iter().copied());
        let mut facts: Vec<Fact<'_>> = operations.map(Fact::Operation).collect();
        if let Some(version) = &version {
            let last = if version.rolled_back.is_some() { Status::RolledBack } else { application.status };
            facts.push(Fact::VersionStatus(application.version.version, last));
            facts.push(Fact::Version(version));
        }
        self.catalog.write(&kept, &facts)?;
        drop(facts);
        (application.kept, application.spec) = (kept, spec);
        application.unkept = None;
        if let Some(version) = version {
            application.version = version;
        }
        Ok(())
    }

    /// Ends the operation of an application that is under way, and keeps that together with `kept`.
    pub(super) fn finish(
        &self,
        application: &mut Application,
        kept: Kept,
        version: Option<Version>,
        end: Result<(), String>,
    ) -> Result<(), ControlError> {
        let passes = matches!(
            application.status,
            Status::Updating
                | Status::Autoscaling
                | Status::Stopping
                | Status::ForceStopping
                | Status::RollingBack
                | Status::Deleting
        );
        if !passes && application.instead.is_none() {
            // Whoever sees the state that lasts may give the next order.
            application.order = None;
        }
        if let Some(operation) = application.operation.take() {
            application.unkept = Some(ended(operation, end, self.now_ms()));
        }
        self.keep_change(application, kept, version, &[])
    }

    /// The same where nobody waits who could be told that it could not be kept.
    pub(super) fn conclude(&self, application: &mut Application, kept: Kept, end: Result<(), String>) {
        if let Err(error) = self.finish(application, kept, None, end) {
            tracing::error!(application = application.spec.name, %error, "the end of an operation could not be kept");
        }
    }

    /// Tells of an application: in its lines, on the timeline, in the log.
    pub(super) fn tell(&self, name: &str, told: Told) {
        let Told { severity, kind, text, details } = told;
        let level = match severity {
            Severity::Info => "INFO",
            Severity::Warning => "WARN",
            Severity::Fault => "ERROR",
        };
        match severity {
            Severity::Info => tracing::info!(application = name, "{text}"),
            _ => tracing::warn!(application = name, "{text}"),
        }
        let at_ms = self.now_ms();
        if let Err(error) = self.catalog.tell(name, at_ms, level, &text) {
            tracing::error!(application = name, %error, "a line about an application could not be kept");
        }
        let subject = format!("application/{name}");
        self.timeline.tell(&Event { at_ms, severity, kind: kind.to_owned(), subject, text, details });
    }
}

/// The operation as it ended.
pub(super) fn ended(operation: Operation, end: Result<(), String>, now_ms: u64) -> Operation {
    let (status, failure) = match end {
        Ok(()) => (OperationStatus::Successful, None),
        Err(failure) => (OperationStatus::Failed, Some(failure)),
    };
    Operation { status, failure, end_ms: Some(now_ms), ..operation }
}

/// What the runner is given. The quota holds for what is ordered, not for what was.
pub(super) fn resolved(kept: &Kept, version: &Version) -> Result<ApplicationSpec, ControlError> {
    let spec = version.configuration.spec(&kept.name, kept.more.size, u32::MAX)?;
    Ok(ApplicationSpec { handover: kept.more.handover.clone(), ..spec })
}

impl Application {
    pub(super) fn of(kept: Kept, version: Version) -> Result<Self, ControlError> {
        let spec = resolved(&kept, &version)?;
        let runs = version.version;
        let elsewhere = !kept.more.run_by.is_empty() && kept.more.run_by != env!("CARGO_PKG_VERSION");
        let status = match (kept.wanted, kept.more.rolled_back) {
            (true, _) if elsewhere => Status::Maintenance,
            (true, _) => Status::Starting,
            (false, true) => Status::RolledBack,
            (false, false) => Status::Ready,
        };
        Ok(Self {
            kept,
            version,
            spec,
            status,
            running: None,
            launching: false,
            order: None,
            instead: None,
            operation: None,
            unkept: None,
            taking: BTreeSet::new(),
            failures: Failures::default(),
            restarts: 0,
            started_ms: 0,
            retry_at_ms: 0,
            checkpoints_failed: 0,
            runs,
        })
    }

    /// What is to be seen of it, and the run whose figures are missing there: they are asked for without the lock.
    pub(super) fn view(&self) -> (ApplicationView, Option<Arc<dyn Running>>) {
        let view = ApplicationView {
            spec: self.spec.clone(),
            status: self.status,
            metrics: None,
            page: None,
            restarts: self.restarts,
            last_error: self.failures.told(),
            created_ms: self.kept.created_ms,
            updated_ms: self.kept.updated_ms,
            version: self.version.clone(),
            tags: self.kept.more.tags.clone(),
            maintenance: self.kept.more.maintenance.clone(),
            beginning: Beginning { from: self.kept.more.chosen.clone(), allow_dropped: self.kept.more.allow_dropped },
            operation: self.operation.as_ref().map(|operation| operation.id.clone()),
        };
        (view, self.running.clone())
    }

    /// What it is now, to go back to; as `version` where that is to change.
    pub(super) fn former(&self, version: Option<u64>) -> Former {
        Former { version, size: self.kept.more.size, handover: self.kept.more.handover.clone() }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.order.is_some()
    }

    pub(super) fn become_(&mut self, next: Status) {
        debug_assert!(self.status == next || self.status.may_become(next), "{} may not become {next}", self.status);
        self.status = next;
    }

    pub(super) fn refused(&self, hint: &'static str) -> ControlError {
        ControlError::Status { name: self.spec.name.clone(), status: self.status, hint }
    }

    pub(super) fn expect(&self, statuses: &[Status], hint: &'static str) -> Result<(), ControlError> {
        if statuses.contains(&self.status) && !self.is_busy() { Ok(()) } else { Err(self.refused(hint)) }
    }

    /// Whether it waits to be started again, and could as well be started as something else.
    pub(super) fn is_failing(&self) -> bool {
        let starting = matches!(self.status, Status::Starting | Status::Maintenance);
        starting && !self.launching && !self.is_busy() && self.failures.count() > 0
    }

    pub(super) fn beginning(&self) -> Beginning {
        Beginning { from: self.kept.more.begin.clone(), allow_dropped: self.kept.more.allow_dropped }
    }

    /// One look at the application: what is due is given back to be started, what has happened to be told.
    pub(super) fn step(&mut self, now_ms: u64, policy: RestartPolicy) -> (Option<Launch>, Option<Told>) {
        match self.status {
            _ if self.is_busy() || self.launching => (None, None),
            Status::Starting | Status::Maintenance if now_ms >= self.retry_at_ms => {
                self.launching = true;
                (Some(Launch { spec: self.spec.clone(), beginning: self.beginning() }), None)
            }
            Status::Running => (None, self.look_after(now_ms, policy)),
            _ => (None, None),
        }
    }

    fn look_after(&mut self, now_ms: u64, policy: RestartPolicy) -> Option<Told> {
        match self.running.as_ref()?.state() {
            RunState::Running => None,
            RunState::Finished => {
                self.running = None;
                self.kept.wanted = false;
                self.become_(Status::Ready);
                Some(Told::new(Severity::Info, "stop", "its input has ended, and all results are out"))
            }
            RunState::Failed(cause) => {
                self.running = None;
                Some(self.failed(cause, now_ms, now_ms.saturating_sub(self.started_ms), policy))
            }
        }
    }

    /// Notes a failure; it is started again after a pause.
    pub(super) fn failed(&mut self, cause: String, now_ms: u64, ran_ms: u64, policy: RestartPolicy) -> Told {
        let pause_ms = self.failures.note(cause.clone(), ran_ms, policy);
        self.restarts += 1;
        self.retry_at_ms = now_ms + pause_ms;
        if self.status != Status::Maintenance {
            self.become_(Status::Starting);
        }
        let count = self.failures.count();
        let text = match self.failures.told() {
            Some(first) if count >= 3 => format!("it failed: {cause}; {first}; it is started again in {pause_ms} ms"),
            _ => format!("it failed: {cause}; it is started again in {pause_ms} ms"),
        };
        let details =
            json!({ "failures": count, "pause_ms": pause_ms, "cause": cause, "first": self.failures.first() });
        Told { severity: Severity::Fault, kind: "restart", text, details }
    }

    /// Its run has begun: from here on its own checkpoints hold.
    pub(super) fn begun(&mut self, running: Arc<dyn Running>, now_ms: u64) -> Kept {
        self.running = Some(running);
        self.started_ms = now_ms;
        self.checkpoints_failed = 0;
        self.runs = self.version.version;
        let mut kept = self.kept.clone();
        kept.more.begin = Begin::Latest;
        kept.more.rolled_back = false;
        env!("CARGO_PKG_VERSION").clone_into(&mut kept.more.run_by);
        kept
    }
}
