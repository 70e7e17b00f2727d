//! Keeps every application in the state that is wanted of it: starts, stops, rescales, updates, restarts after failures.
//!
//! One supervisor thread looks at all runs several times a second; an order that takes its time is carried out by whoever
//! waits for it, or by a thread of its own, one at a time for each application. Requests, orders and supervisor share one
//! lock, which is never held while someone waits for a client, or for whoever keeps the state of applications.
//!
//! *Invariant:* what is wanted is in the database before it is acted upon, so that a crash at any moment is made up for by
//! [`Applications::open`].

mod changes;
mod error;
mod moving;
mod orders;
mod programs;
mod recover;
mod snapshotting;
mod state;
mod supervise;
mod view;
mod work;

use crate::catalog::{Catalog, LogLine, Version, look};
use crate::database::Database;
use crate::operation::Operation;
use crate::runner::StateFate;
use crate::timeline::Timeline;
use crate::{ApplicationSpec, Begin, Correction, Options, Runner, Running, former};
use model::Env;
use parking_lot::{Condvar, Mutex};
use state::{Application, Shared, State, resolved};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

pub use changes::{Expected, Update};
pub use error::ControlError;
pub use orders::{New, ScaledBy};
pub use view::{ApplicationView, SnapshotView};

/// All applications of the platform.
pub struct Applications {
    shared: Arc<Shared>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

impl Applications {
    /// Opens the applications kept in `database`, carries on what was under way, and starts those that shall run. What `dir`
    /// holds of a former version of the platform is taken over.
    ///
    /// # Errors
    /// When what is kept cannot be read.
    pub fn open(
        database: Arc<Database>,
        dir: &Path,
        env: Env,
        runner: Arc<dyn Runner>,
        options: Options,
    ) -> Result<Self, ControlError> {
        let timeline = Timeline::open(database.clone())?;
        let catalog = Catalog::open(database)?;
        recover::take_over(&catalog, dir, env.now_ms())?;
        let mut state = State::default();
        for (kept, version) in catalog.all()? {
            state.applications.insert(kept.name.clone(), Application::of(kept, version)?);
        }
        let state = Mutex::new(state);
        let shared = Arc::new(Shared {
            env,
            runner,
            options,
            catalog,
            timeline,
            state,
            wake: Condvar::new(),
            threads: Mutex::default(),
            programs: OnceLock::new(),
        });
        recover::carry_on(&shared)?;
        let supervised = shared.clone();
        let thread = std::thread::Builder::new().name("applications".into()).spawn(move || supervised.supervise())?;
        Ok(Self { shared, supervisor: Mutex::new(Some(thread)) })
    }

    /// What is kept of applications in `dir`, whether a platform has them open or not.
    ///
    /// # Errors
    /// When what is kept in `dir` cannot be read.
    pub fn read(dir: &Path) -> Result<Vec<ApplicationSpec>, ControlError> {
        let kept = Database::look(&dir.join(crate::DATABASE_FILE), look)?.unwrap_or_default();
        let mut specs = kept.iter().map(|(kept, version)| resolved(kept, version)).collect::<Result<Vec<_>, _>>()?;
        let former = former::read(dir)?.into_iter().map(|entry| entry.spec);
        let unknown = former.filter(|spec| !kept.iter().any(|(kept, _)| kept.name == spec.name)).collect::<Vec<_>>();
        specs.extend(unknown);
        Ok(specs)
    }

    /// Every application, by name.
    pub fn views(&self) -> Vec<ApplicationView> {
        let seen: Vec<_> = self.shared.state.lock().applications.values().map(Application::view).collect();
        seen.into_iter().map(with_figures).collect()
    }

    /// One application.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn view(&self, name: &str) -> Result<ApplicationView, ControlError> {
        let seen = self.shared.state.lock().get(name)?.view();
        Ok(with_figures(seen))
    }

    /// KPUs of one application, at most.
    pub fn kpus_max(&self) -> u32 {
        self.shared.options.kpus_max
    }

    /// The versions of an application, the newest first, with numbers below `before`, `limit` of them at most.
    ///
    /// # Errors
    /// When there is no such application, or they cannot be read.
    pub fn versions(&self, name: &str, before: u64, limit: u32) -> Result<Vec<Version>, ControlError> {
        self.shared.state.lock().get(name)?;
        Ok(self.shared.catalog.versions(name, before, limit)?)
    }

    /// One version of an application; `None` where it is not kept.
    ///
    /// # Errors
    /// When there is no such application, or it cannot be read.
    pub fn version(&self, name: &str, number: u64) -> Result<Option<Version>, ControlError> {
        self.shared.state.lock().get(name)?;
        Ok(self.shared.catalog.version(name, number)?)
    }

    /// What was done with an application, the newest first, each with its number; with numbers below `before`, `limit` of
    /// them at most, of one kind and one status where these are given by name.
    ///
    /// # Errors
    /// When there is no such application, or it cannot be read.
    pub fn operations(
        &self,
        name: &str,
        of: (Option<&str>, Option<&str>),
        before: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Operation)>, ControlError> {
        self.shared.state.lock().get(name)?;
        Ok(self.shared.catalog.operations(name, of, before, limit)?)
    }

    /// One operation; `None` where it is not known.
    ///
    /// # Errors
    /// When there is no such application, or it cannot be read.
    pub fn operation(&self, name: &str, id: &str) -> Result<Option<Operation>, ControlError> {
        self.shared.state.lock().get(name)?;
        Ok(self.shared.catalog.operation(name, id)?)
    }

    /// The lines told of an application with numbers above `after`, the oldest first; of more than `limit` the latest.
    ///
    /// # Errors
    /// When there is no such application, or they cannot be read.
    pub fn lines(&self, name: &str, after: u64, limit: u32) -> Result<Vec<LogLine>, ControlError> {
        self.shared.state.lock().get(name)?;
        Ok(self.shared.catalog.lines(name, after, limit)?)
    }

    /// The operators of an application, as text.
    ///
    /// # Errors
    /// When there is no such application, or its script is wrong by now.
    pub fn explain(&self, name: &str) -> Result<String, ControlError> {
        let spec = self.shared.state.lock().get(name)?.spec.clone();
        Ok(self.shared.runner.explain(&spec)?)
    }

    /// What becomes of the state that an application keeps when it goes on with another script.
    ///
    /// # Errors
    /// When there is no such application, the script is wrong, or what is kept cannot be read.
    pub fn compare(&self, name: &str, script: &str) -> Result<Vec<StateFate>, ControlError> {
        let view = self.view(name)?;
        let mut configuration = (*view.version.configuration).clone();
        if configuration.code.program().is_some() {
            return Err(programs::no_script(name));
        }
        configuration.code = script.into();
        let spec = configuration.spec(name, None, self.kpus_max())?;
        Ok(self.shared.runner.compare(&spec, &Begin::Latest)?)
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
        let stopped = self.shared.stop_all();
        self.shared.await_threads();
        stopped
    }
}

/// A view with the figures of the run.
fn with_figures((view, running): (ApplicationView, Option<Arc<dyn Running>>)) -> ApplicationView {
    let Some(running) = running else { return view };
    ApplicationView { metrics: Some(running.metrics()), page: running.page(), ..view }
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
