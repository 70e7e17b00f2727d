//! The thread that looks after all runs.

use super::ControlError;
use super::state::{Application, Launch, Shared, State, Told};
use crate::timeline::Severity;
use crate::{RunnerError, Running, Status};
use parking_lot::MutexGuard;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How often the supervisor looks, in milliseconds.
const TICK_MS: u64 = 100;
/// How often it looks at checkpoints, in looks.
const CHECKPOINT_TICKS: u64 = 10;
/// After so many failures in a row a start counts as failed, although it is tried again.
const FAILURES_OF_A_START: u32 = 3;

impl Shared {
    pub(super) fn supervise(&self) {
        let mut state = self.state.lock();
        let mut ticks = 0_u64;
        while !state.closing {
            let (due, told) = self.look(&mut state, ticks.is_multiple_of(CHECKPOINT_TICKS));
            self.tell_all(&mut state, told);
            for launch in due {
                // State may be read from far away: whoever looks at applications meanwhile does not wait for it.
                let started = MutexGuard::unlocked(&mut state, || self.runner.start(&launch.spec, &launch.beginning));
                let told = self.launched(&mut state, &launch, started);
                self.wake.notify_all();
                self.tell_all(&mut state, told.map(|told| (launch.spec.name, told)));
            }
            self.wake.wait_for(&mut state, Duration::from_millis(TICK_MS));
            ticks += 1;
        }
    }

    /// Tells without the lock: each line is on disk before the next.
    fn tell_all(&self, state: &mut MutexGuard<'_, State>, told: impl IntoIterator<Item = (String, Told)>) {
        MutexGuard::unlocked(state, || told.into_iter().for_each(|(name, told)| self.tell(&name, told)));
    }

    /// One look at all of them; gives back what is to be started, and what is to be told of whom.
    fn look(&self, state: &mut State, at_checkpoints: bool) -> (Vec<Launch>, Vec<(String, Told)>) {
        let (now_ms, policy) = (self.now_ms(), self.options.restarts);
        let (mut due, mut tell) = (Vec::new(), Vec::new());
        for (name, application) in &mut state.applications {
            let before = application.status;
            let (launch, told) = application.step(now_ms, policy);
            due.extend(launch);
            if application.status == Status::Ready && before != Status::Ready {
                let kept = application.kept.clone();
                self.conclude(application, kept, Ok(()));
            }
            if at_checkpoints && application.unkept.is_some() {
                let kept = application.kept.clone();
                self.conclude(application, kept, Ok(()));
            }
            let checkpoints = at_checkpoints.then(|| application.failed_checkpoints()).flatten();
            tell.extend(told.into_iter().chain(checkpoints).map(|told| (name.clone(), told)));
        }
        (due, tell)
    }

    /// Notes how a start has gone; gives back what is to be told of it.
    fn launched(
        &self,
        state: &mut State,
        launch: &Launch,
        started: Result<Arc<dyn Running>, RunnerError>,
    ) -> Option<Told> {
        let now_ms = self.now_ms();
        // Nothing removes an application that is being started.
        let application = state.get(&launch.spec.name).ok()?;
        application.launching = false;
        let goes_on = matches!(application.status, Status::Starting | Status::Maintenance) && !application.is_busy();
        Some(match started {
            Ok(running) => {
                let kept = application.begun(running, now_ms);
                if goes_on {
                    application.become_(Status::Running);
                    self.conclude(application, kept, Ok(()));
                } else {
                    application.kept = kept;
                }
                Told::new(Severity::Info, "start", format!("it runs, with parallelism {}", launch.spec.parallelism))
            }
            Err(error) => {
                let told = application.failed_to_start(error.message.clone(), now_ms, self, goes_on);
                if application.failures.count() >= FAILURES_OF_A_START && application.operation.is_some() && goes_on {
                    let first = application.failures.first().unwrap_or_default().to_owned();
                    let kept = application.kept.clone();
                    self.conclude(application, kept, Err(format!("{first}; it is tried again")));
                }
                told
            }
        })
    }

    /// Ends all runs: the platform closes. Orders that are carried out are waited for: they see that themselves.
    pub(super) fn stop_all(&self) -> Result<(), ControlError> {
        let mut first_error = None;
        let mut state = self.state.lock();
        while state.workers > 0 {
            self.wake.wait(&mut state);
        }
        for application in state.applications.values_mut() {
            let Some(running) = application.running.take() else { continue };
            if let Err(error) = running.stop() {
                first_error = first_error.or(Some(error));
            }
        }
        first_error.map_or(Ok(()), |e| Err(e.into()))
    }
}

impl Application {
    fn failed_to_start(&mut self, cause: String, now_ms: u64, shared: &Shared, goes_on: bool) -> Told {
        if goes_on {
            return self.failed(cause, now_ms, 0, shared.options.restarts);
        }
        Told::new(Severity::Warning, "restart", format!("it did not start, and is not to any more: {cause}"))
    }

    /// Checkpoints that have failed since that was last told.
    fn failed_checkpoints(&mut self) -> Option<Told> {
        let checkpoints = self.running.as_ref()?.checkpoints();
        let fresh = checkpoints.failed.saturating_sub(self.checkpoints_failed);
        self.checkpoints_failed = checkpoints.failed;
        let details = json!({ "failed": checkpoints.failed, "completed": checkpoints.completed });
        let text = format!("{fresh} checkpoints failed; what was kept before still holds");
        (fresh > 0).then_some(Told { severity: Severity::Warning, kind: "checkpoint", text, details })
    }
}
