//! A runner whose jobs do as the test says, and applications on it.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]

use control::{
    ApplicationSpec, Applications, Begin, Beginning, CheckpointFigures, Configuration, Correction, CorrectionWork,
    Database, Handover, MovePlan, New, Options, RestartPolicy, RunMetrics, RunState, Runner, RunnerError, Running,
    SnapshotInfo, StartAt, StateFate, Status,
};
use model::{Env, Kind};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// What the jobs of the runner are told to do, and what they were asked.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) fail_next_starts: u32,
    pub(crate) state: Option<RunState>,
    /// With which parallelism.
    pub(crate) started: Vec<u32>,
    /// With which script and parallelism per KPU.
    pub(crate) started_as: Vec<(String, u32)>,
    pub(crate) rescaled: Vec<u32>,
    pub(crate) refuse_rescale: bool,
    pub(crate) stopped: u32,
    pub(crate) closed: u32,
    pub(crate) forgotten: Vec<String>,
    pub(crate) fail_forget: bool,
    pub(crate) snapshots: Vec<String>,
    pub(crate) fail_snapshots: bool,
    /// A start waits until this is taken away.
    pub(crate) slow_start: Option<Receiver<()>>,
    /// A snapshot likewise.
    pub(crate) slow_snapshot: Option<Receiver<()>>,
    /// What each start began with.
    pub(crate) began_with: Vec<Beginning>,
    /// What becomes of state.
    pub(crate) fates: Vec<StateFate>,
    pub(crate) checkpoints: CheckpointFigures,
    /// The watermark that has come to its operators.
    pub(crate) watermark: Option<i64>,
    /// Where each start was, and what it took over.
    pub(crate) started_at: Vec<(String, Option<Handover>)>,
    /// What the cluster does with a start: "never" or "dies".
    pub(crate) cluster: &'static str,
    pub(crate) fail_stop: bool,
    /// An end waits until this is taken away.
    pub(crate) slow_stop: Option<Receiver<()>>,
}

#[derive(Clone, Default)]
pub(crate) struct Puppet(pub(crate) Arc<Mutex<Script>>);

impl Runner for Puppet {
    fn check(&self, spec: &ApplicationSpec) -> Result<(), RunnerError> {
        if spec.script == "wrong" { Err(RunnerError::new(Kind::Invalid, "line 1: wrong")) } else { Ok(()) }
    }

    fn explain(&self, spec: &ApplicationSpec) -> Result<String, RunnerError> {
        Ok(format!("the plan of {}", spec.script))
    }

    fn compare(&self, _spec: &ApplicationSpec, _from: &Begin) -> Result<Vec<StateFate>, RunnerError> {
        Ok(self.0.lock().fates.clone())
    }

    /// A script that has "dies" in it is started and fails at once; one with "never" cannot be started.
    fn start(&self, spec: &ApplicationSpec, beginning: &Beginning) -> Result<Arc<dyn Running>, RunnerError> {
        let slow = self.0.lock().slow_start.take();
        let _over = slow.map(|over| over.recv());
        let mut script = self.0.lock();
        if script.fail_next_starts > 0 {
            script.fail_next_starts -= 1;
            return Err(RunnerError::new(Kind::Unavailable, format!("no start, {} to go", script.fail_next_starts)));
        }
        let elsewhere = if spec.runner == control::FLINK { script.cluster } else { "" };
        if spec.script.contains("never") || elsewhere == "never" {
            return Err(RunnerError::new(Kind::Invalid, "it never starts"));
        }
        let dies = spec.script.contains("dies") || elsewhere == "dies";
        script.started_at.push((spec.runner.clone(), spec.handover.clone()));
        script.state = Some(if dies { RunState::Failed("it died".into()) } else { RunState::Running });
        script.started.push(spec.parallelism);
        script.started_as.push((spec.script.clone(), spec.parallelism_per_kpu));
        script.began_with.push(beginning.clone());
        Ok(Arc::new(self.clone()))
    }

    fn snapshots(&self, _name: &str) -> Result<Vec<SnapshotInfo>, RunnerError> {
        Ok(self.0.lock().snapshots.iter().map(|name| info(name)).collect())
    }

    fn snapshot_names(&self, _name: &str) -> Result<Vec<String>, RunnerError> {
        Ok(self.0.lock().snapshots.clone())
    }

    fn remove_snapshot(&self, _name: &str, snapshot: &str) -> Result<(), RunnerError> {
        self.0.lock().snapshots.retain(|known| known != snapshot);
        Ok(())
    }

    fn correct(&self, spec: &ApplicationSpec, only_plan: bool) -> Result<Correction, RunnerError> {
        let late_rows = if spec.script == "late" { 7 } else { 0 };
        let work = (!only_plan).then_some(CorrectionWork { records_in: 9, records_out: 3 });
        Ok(Correction { late_rows, work, ..Correction::default() })
    }

    fn plan_move(
        &self,
        from: &ApplicationSpec,
        to: &ApplicationSpec,
        closed_ms: Option<i64>,
    ) -> Result<MovePlan, RunnerError> {
        if from.script == "unmovable" {
            return Err(RunnerError::new(Kind::Invalid, "it keeps rows without an end in time"));
        }
        let starts = [("trips".to_owned(), StartAt::Arrived(7))].into();
        let handover = Handover { closed_ms, zoned: false, starts };
        Ok(MovePlan { from: from.runner.clone(), to: to.runner.clone(), handover, ..MovePlan::default() })
    }

    fn close(&self) {
        self.0.lock().closed += 1;
    }

    fn forget(&self, name: &str) -> Result<(), RunnerError> {
        if self.0.lock().fail_forget {
            return Err(RunnerError::new(Kind::Unavailable, "the disk is gone"));
        }
        self.0.lock().forgotten.push(name.to_owned());
        Ok(())
    }
}

impl Running for Puppet {
    fn state(&self) -> RunState {
        self.0.lock().state.clone().unwrap()
    }
    fn metrics(&self) -> RunMetrics {
        let input_ms = self.0.lock().watermark;
        let operators = vec![control::OperatorFigures { input_ms, ..control::OperatorFigures::default() }];
        RunMetrics { checkpoints: self.checkpoints(), operators, ..RunMetrics::default() }
    }
    fn checkpoints(&self) -> CheckpointFigures {
        self.0.lock().checkpoints
    }
    fn rescale(&self, parallelism: u32) -> Result<(), RunnerError> {
        let mut script = self.0.lock();
        if script.refuse_rescale {
            return Err(RunnerError::new(Kind::Unavailable, "not now"));
        }
        script.rescaled.push(parallelism);
        Ok(())
    }
    fn snapshot(&self, snapshot: &str) -> Result<SnapshotInfo, RunnerError> {
        let slow = self.0.lock().slow_snapshot.take();
        let _over = slow.map(|over| over.recv());
        let mut script = self.0.lock();
        if script.fail_snapshots {
            return Err(RunnerError::new(Kind::Unavailable, "the disk is full"));
        }
        script.snapshots.push(snapshot.to_owned());
        Ok(info(snapshot))
    }
    fn stop(&self) -> Result<(), RunnerError> {
        let slow = self.0.lock().slow_stop.take();
        let _over = slow.map(|over| over.recv());
        let mut script = self.0.lock();
        script.stopped += 1;
        // What was worked off at the end counts.
        script.watermark = script.watermark.map(|ms| ms + 1);
        if script.fail_stop { Err(RunnerError::new(Kind::Unavailable, "the disk is full")) } else { Ok(()) }
    }
}

pub(crate) fn info(name: &str) -> SnapshotInfo {
    SnapshotInfo { name: name.to_owned(), created_ms: 1, bytes: 2 }
}

pub(crate) fn spec(script: &str) -> ApplicationSpec {
    let (name, script) = ("taxi".into(), script.into());
    ApplicationSpec {
        name,
        runner: control::EMBEDDED.into(),
        script,
        program: None,
        parallelism: 2,
        parallelism_per_kpu: 1,
        checkpoints: None,
        handover: None,
    }
}

/// An application of the managed service, with a script that has a place for a property.
pub(crate) fn new(script: &str) -> New {
    let mut configuration = Configuration::new("FLINK-1_20", "arn:aws:iam::000000000000:role/taxi", script);
    configuration.parallelism.parallelism = 2;
    New { name: "taxi".into(), configuration, tags: BTreeMap::new() }
}

pub(crate) const QUICK: RestartPolicy = RestartPolicy { pause_ms_min: 1, pause_ms_max: 5, stable_ms: 60_000 };

pub(crate) fn database(dir: &Path) -> Arc<Database> {
    Arc::new(Database::open(&dir.join(control::DATABASE_FILE)).unwrap())
}

pub(crate) fn open_with(dir: &Path, puppet: &Puppet, restarts: RestartPolicy) -> Applications {
    open_on(database(dir), dir, puppet, restarts)
}

pub(crate) fn open_on(database: Arc<Database>, dir: &Path, puppet: &Puppet, restarts: RestartPolicy) -> Applications {
    let options = Options { restarts, come_up_ms_max: 2_000, settled_ms: 60, ..Options::default() };
    Applications::open(database, dir, Env::system(), Arc::new(puppet.clone()), options).unwrap()
}

pub(crate) fn open(dir: &Path, puppet: &Puppet) -> Applications {
    open_with(dir, puppet, QUICK)
}

/// Waits until something is so: the supervisor looks ten times a second.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let (_keep, waiting) = std::sync::mpsc::channel::<()>();
    for _ in 0..1_000 {
        if so() {
            return;
        }
        let _elapsed = waiting.recv_timeout(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

/// Waits until the application is in `status`.
pub(crate) fn wait_for(applications: &Applications, status: Status) {
    wait_until(status.name(), || applications.view("taxi").unwrap().status == status);
}

/// Waits until an operation has ended; gives back how, and why.
pub(crate) fn ended(applications: &Applications, id: &str) -> (control::OperationStatus, String) {
    let look = || applications.operation("taxi", id).unwrap().unwrap();
    wait_until("the end of an operation", || look().end_ms.is_some());
    let operation = look();
    (operation.status, operation.failure.unwrap_or_default())
}

/// What is on disk at this moment, as a crash would leave it.
pub(crate) fn crashed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with("-shm") {
            // Memory that processes share: it does not outlive them.
            continue;
        }
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}
