//! Moves from one runner to another: the run of the one ends, what its open windows need is read again by the other.
//!
//! *Invariant:* until the other runner is told to begin, nothing of the former run is lost: a move that is broken off before, or
//! whose new run does not come up, goes on where it was.

use super::changes::expect_version;
use super::state::{Application, Told};
use super::work::{Former, Outcome, Work};
use super::{Applications, ControlError, Expected};
use crate::catalog::Version;
use crate::configuration::Configuration;
use crate::handover::{Handover, MovePlan, written_up_to};
use crate::operation::OperationKind;
use crate::restart::Failures;
use crate::runner::Begin;
use crate::timeline::Severity;
use crate::{ApplicationSpec, RunnerError, Running, Status};
use model::Kind;
use std::sync::Arc;

/// A move that was checked.
#[derive(Debug, Clone)]
pub(super) struct Moving {
    plan: MovePlan,
    configuration: Configuration,
}

impl Applications {
    /// What a move of an application to the runner of this name would do. Nothing is changed.
    ///
    /// # Errors
    /// When there is no such application, it does not run, it is there already, or it cannot be moved; every reason is told.
    pub fn plan_move(&self, name: &str, runner: &str) -> Result<MovePlan, ControlError> {
        Ok(self.planned(name, runner)?.1.plan)
    }

    /// Has the runner of this name go on with a running application: the present run ends, and the other one begins with the
    /// records that the windows need which are open then. Returns at once, with the plan and the id of the operation; where the new run does
    /// not come up, the former runner takes its place again.
    ///
    /// # Errors
    /// As [`Applications::plan_move`], also when the application is at another version; nothing has changed then.
    pub fn move_to(&self, name: &str, expected: Expected, runner: &str) -> Result<(MovePlan, String), ControlError> {
        let shared = &self.shared;
        let (version, moving) = self.planned(name, runner)?;
        let mut state = shared.state.lock();
        let application = state.get(name)?;
        expect_version(name, expected, application.version.version)?;
        expect_version(name, Expected::Version(version), application.version.version)?;
        application.expect(&[Status::Running], HINT)?;
        let operation = shared.operation(OperationKind::Move, Some((version, version + 1)));
        let id = operation.id.clone();
        let kept = application.kept.clone();
        shared.keep_change(application, kept, None, &[&operation])?;
        application.operation = Some(operation);
        application.become_(Status::Updating);
        state.seize(name)?;
        drop(state);
        let plan = moving.plan.clone();
        let text = format!("it moves from {} to {}", plan.from, plan.to);
        shared.tell(name, Told::new(Severity::Info, "move", text));
        shared.hand_over(name, Work::Move(Box::new(moving)));
        Ok((plan, id))
    }

    /// The version that is moved, and what is to be done with it.
    fn planned(&self, name: &str, runner: &str) -> Result<(u64, Moving), ControlError> {
        let view = self.view(name)?;
        let present = &view.version.configuration;
        if present.runner() == runner {
            let message = format!("application {name} runs on {runner} already");
            return Err(ControlError::Runner(RunnerError::new(Kind::Conflict, message)));
        }
        let Some(metrics) = view.metrics.filter(|_| view.status == Status::Running) else {
            return Err(ControlError::Status { name: name.to_owned(), status: view.status, hint: HINT });
        };
        let configuration = present.with_runner(runner);
        let to = ApplicationSpec { runner: runner.to_owned(), handover: None, ..view.spec.clone() };
        let plan = self.shared.runner.plan_move(&view.spec, &to, written_up_to(&view.spec, &metrics))?;
        Ok((view.version.version, Moving { plan, configuration }))
    }
}

const HINT: &str = "only a RUNNING application can be moved";

impl super::state::Shared {
    /// Ends the run, makes the version that the other runner has, and has that begin.
    pub(super) fn move_on(&self, name: &str, moving: Moving) -> Result<(), ControlError> {
        let Some(running) = self.state.lock().get(name)?.running.clone() else {
            // It has failed meanwhile: it is started again where it was.
            return self.stays(name, "its run had failed before it ended");
        };
        if let Err(error) = running.stop() {
            return self.stays(name, &format!("its run did not end cleanly: {error}"));
        }
        let former = {
            let mut state = self.state.lock();
            let application = state.get(name)?;
            application.running = None;
            if application.instead.is_some() {
                return Ok(());
            }
            let former = application.former(Some(application.version.version));
            self.keep_move(application, &moving, running.as_ref())?;
            former
        };
        self.arrive(name, &former)
    }

    /// Keeps that the other runner has the application from here on, and what that is told.
    fn keep_move(
        &self,
        application: &mut Application,
        moving: &Moving,
        running: &dyn Running,
    ) -> Result<(), ControlError> {
        let before = application.version.version;
        let mut kept = application.kept.clone();
        (kept.version, kept.updated_ms) = (before + 1, self.now_ms());
        kept.more.left = kept.more.handover.take();
        let closed_ms = written_up_to(&application.spec, &running.metrics()).max(moving.plan.handover.closed_ms);
        kept.more.handover = Some(Handover { closed_ms, ..moving.plan.handover.clone() });
        (kept.more.begin, kept.more.chosen) = (Begin::Nothing, Begin::Latest);
        let version = Version {
            version: kept.version,
            created_ms: kept.updated_ms,
            status: Status::Updating,
            updated_from: Some(before),
            rolled_back: None,
            configuration: Arc::new(moving.configuration.clone()),
        };
        self.keep_change(application, kept, Some(version), &[])
    }

    /// Has the runner begin that an application has moved to.
    pub(super) fn arrive(&self, name: &str, former: &Former) -> Result<(), ControlError> {
        // The former runner stands ready meanwhile: a run that reads nothing there is not taken for one that goes well.
        match self.come_up(name, self.options.come_up_ms_max)? {
            Outcome::GivenUp => Ok(()),
            Outcome::Up => self.is_up(name),
            Outcome::Down(cause) => self.came_down(name, former, cause),
        }
    }

    /// Whether a version runs elsewhere than the one before it.
    pub(super) fn has_moved(&self, name: &str, present: &Version, former: &Former) -> Result<bool, ControlError> {
        let Some(former) = former.version else { return Ok(false) };
        let before = self.catalog.version(name, former)?;
        Ok(before.is_some_and(|before| before.configuration.runner() != present.configuration.runner()))
    }

    /// The move is given up; the supervisor starts the application where it was.
    fn stays(&self, name: &str, why: &str) -> Result<(), ControlError> {
        let mut state = self.state.lock();
        let application = state.get(name)?;
        application.running = None;
        if application.instead.is_some() {
            return Ok(());
        }
        application.failures = Failures::default();
        application.retry_at_ms = 0;
        application.become_(Status::Starting);
        let kept = application.kept.clone();
        let text = format!("it is not moved: {why}; it goes on where it was");
        self.finish(application, kept, None, Err(text.clone()))?;
        drop(state);
        self.wake.notify_all();
        self.tell(name, Told::new(Severity::Warning, "move", text.clone()));
        Err(ControlError::Runner(RunnerError::new(Kind::Conflict, format!("application {name}: {text}"))))
    }
}

impl Application {
    /// Whether a version that is to take its place runs where it does: state does not move by itself.
    pub(super) fn stays_on_its_runner(&self, other: Option<Version>) -> Result<(), ControlError> {
        let (name, runner) = (&self.spec.name, self.version.configuration.runner());
        let Some(other) = other.filter(|other| other.configuration.runner() != runner) else { return Ok(()) };
        let (number, there) = (other.version, other.configuration.runner());
        let message = format!(
            "application {name} has moved from {there} since version {number}; hand it over with `hailstream app move {name} --runner {there}`"
        );
        Err(ControlError::Runner(RunnerError::new(Kind::Conflict, message)))
    }
}
