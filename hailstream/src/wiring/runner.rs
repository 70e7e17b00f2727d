//! Control's runner over the embedded engine.

use super::correcting::Corrector;
use super::dead_letters::LetterStreams;
use super::moving::{Mover, begin_at};
use super::state_place::StatePlace;
use control::{
    ApplicationSpec, BadRecord, Begin, Beginning, CheckpointFigures, Correction, LookupStats, MovePlan,
    OperatorFigures, RunMetrics, RunState, Runner, RunnerError, Running, RunningStats, SinkFigures, SnapshotInfo,
    SourceFigures, StateFate, SubtaskFigures,
};
use engine::plan::{JobPlan, TableDef};
use engine::port::{Changelog, Connectors, PortError, Role, Sink, SinkSpec, Source};
use engine::run::{
    CheckpointStorage, Checkpointing, Fate, Job, JobError, JobHandle, JobOptions, JobState, LookupMetrics,
    OperatorMetrics, Rejection, Restore, SplitMetrics, StateMemory, SubtaskMetrics, compare, inspect,
};
use engine::sql::{Planned, Script, Session, SqlError};
use model::{Classified, Env, Kind};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::Store;
use tokio::runtime::Handle;

/// The interval of checkpoints where there are to be none but at a clean end: a year, in milliseconds.
const NEVER_MS: u64 = 365 * 86_400_000;

/// Runs applications on the engine of this process.
pub struct EmbeddedRunner {
    connectors: Arc<dyn Connectors>,
    /// Where letters go: the store of the platform, and the runtime that it lives on.
    letters: (Store, Handle),
    env: Env,
    state: StatePlace,
    memory: Option<StateMemory>,
    records_per_kpu_s: Option<u64>,
    corrector: Corrector,
}

impl EmbeddedRunner {
    /// A runner whose applications read and write through `connectors`, keep their state in folders of `state`, and what they
    /// cannot use in streams of `store`, which lives on `runtime`.
    pub fn new(
        connectors: Arc<dyn Connectors>,
        store: Store,
        runtime: Handle,
        env: Env,
        state: impl Into<StatePlace>,
    ) -> Self {
        let corrector = Corrector::new(connectors.clone(), store.clone(), env.clone());
        Self {
            connectors,
            letters: (store, runtime),
            env,
            state: state.into(),
            memory: None,
            records_per_kpu_s: None,
            corrector,
        }
    }

    /// The same, with a bound of the memory that the state of an application takes.
    pub fn with_state_memory(self, memory: StateMemory) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// The same, with a bound of the records that each KPU reads in a second.
    pub fn with_records_per_kpu_s(self, records_per_kpu_s: Option<u64>) -> Self {
        Self { records_per_kpu_s, ..self }
    }

    fn state(&self, name: &str) -> Result<Arc<dyn CheckpointStorage>, RunnerError> {
        self.state.of(name).map_err(|e| port_error(name, &e))
    }

    fn plan(&self, spec: &ApplicationSpec) -> Result<JobPlan, RunnerError> {
        let mut plan = plan_of(spec, self.connectors.as_ref())?;
        if let Some(handover) = &spec.handover {
            begin_at(&mut plan, &handover.starts);
        }
        Ok(plan)
    }

    /// What it would take to have the runner of `to` go on with what this plan computes, whoever runs it now.
    pub(super) fn plan_move(
        &self,
        from: &ApplicationSpec,
        to: &ApplicationSpec,
        closed_ms: Option<i64>,
    ) -> Result<MovePlan, RunnerError> {
        let plan = plan_of(from, self.connectors.as_ref())?;
        let mover = Mover { connectors: &self.connectors, store: &self.letters.0, env: &self.env };
        mover.plan(from, to, &plan, closed_ms, |table| self.corrector.whole_from(from, table))
    }
}

/// The one job of an application's script.
pub(crate) fn plan_of(spec: &ApplicationSpec, connectors: &dyn Connectors) -> Result<JobPlan, RunnerError> {
    if spec.program.is_some() {
        let message =
            format!("application {} is a program, which runs on a Flink cluster: it has no script to plan", spec.name);
        return Err(RunnerError::new(Kind::Invalid, message));
    }
    let wrong = |e: SqlError| RunnerError::new(Kind::Invalid, format!("application {}: {e}", spec.name));
    let script = Script::parse(&spec.script).map_err(wrong)?;
    let planned = Session::new().plan(&script, connectors).map_err(wrong)?;
    let mut jobs = planned.into_iter().filter_map(|step| match step {
        Planned::Job { plan, .. } => Some(plan),
        _ => None,
    });
    match (jobs.next(), jobs.next()) {
        (Some(job), None) => Ok(job),
        (found, _) => Err(RunnerError::new(
            Kind::Invalid,
            format!(
                "application {}: its script has {} jobs; an application runs one: put all INSERT statements into \
                 EXECUTE STATEMENT SET BEGIN … END",
                spec.name,
                if found.is_some() { "several" } else { "no" },
            ),
        )),
    }
}

/// Tables as a script describes them, to plan it where nothing is read or written.
pub(crate) struct DescribedTables;

impl Connectors for DescribedTables {
    fn check(&self, _table: &TableDef, _role: Role) -> Result<(), PortError> {
        Ok(())
    }

    fn changelog(&self, table: &TableDef) -> Changelog {
        super::connectors::changelog(table)
    }

    fn gives(&self, table: &TableDef) -> Changelog {
        super::connectors::gives(table)
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Err(only_described(table))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        Err(only_described(&spec.table))
    }
}

fn only_described(table: &TableDef) -> PortError {
    PortError::new(Kind::Internal, format!("table {} was described and is not to be opened", table.name))
}

impl Runner for EmbeddedRunner {
    fn check(&self, spec: &ApplicationSpec) -> Result<(), RunnerError> {
        self.plan(spec).map(|_| ())
    }

    fn explain(&self, spec: &ApplicationSpec) -> Result<String, RunnerError> {
        Ok(engine::sql::explain(&self.plan(spec)?))
    }

    fn compare(&self, spec: &ApplicationSpec, from: &Begin) -> Result<Vec<StateFate>, RunnerError> {
        let failed = |e: PortError| port_error(&spec.name, &e);
        let report = compare(self.state(&spec.name)?.as_ref(), &restore(from), &self.plan(spec)?).map_err(failed)?;
        let report = report.unwrap_or_default();
        let sources = report.sources.iter().map(|(name, fate)| (format!("source {name}"), fate));
        let operators = report.operators.iter().map(|(name, fate)| (format!("operator {name}"), fate));
        let fate = |(of, fate): (String, &Fate)| StateFate {
            of,
            fate: fate.to_string(),
            lost: matches!(fate, Fate::Dropped | Fate::Refused(_)),
        };
        Ok(sources.chain(operators).map(fate).collect())
    }

    fn start(&self, spec: &ApplicationSpec, beginning: &Beginning) -> Result<Arc<dyn Running>, RunnerError> {
        let plan = self.plan(spec)?;
        let state = self.state(&spec.name)?;
        let (store, runtime) = self.letters.clone();
        let letters = LetterStreams::new(store, runtime, &spec.name);
        let options = JobOptions {
            parallelism: Some(spec.parallelism),
            parallelism_per_kpu: spec.parallelism_per_kpu,
            dead_letters: Some(Arc::new(letters)),
            restore: restore(&beginning.from),
            closed_elsewhere: spec.handover.as_ref().and_then(|handover| handover.closed_ms),
            allow_dropped_state: beginning.allow_dropped,
            checkpointing: checkpointing(spec, state),
            state_memory: self.memory.clone(),
            records_per_kpu_s: self.records_per_kpu_s,
            ..JobOptions::new(&*spec.name, self.env.clone(), self.connectors.clone())
        };
        let job = Job::start(plan, options).map_err(|e| job_error(&e))?;
        Ok(Arc::new(EmbeddedJob { job, bytes_per_kpu: self.memory.as_ref().map(|memory| memory.bytes_per_kpu) }))
    }

    fn snapshots(&self, name: &str) -> Result<Vec<SnapshotInfo>, RunnerError> {
        let state = self.state(name)?;
        let mut found = Vec::new();
        for snapshot in engine::run::snapshots(state.as_ref()).map_err(|e| port_error(name, &e))? {
            let view =
                inspect(state.as_ref(), &Restore::Snapshot(snapshot.clone())).map_err(|e| port_error(name, &e))?;
            found.extend(view.map(|view| SnapshotInfo {
                name: snapshot,
                created_ms: view.created_ms,
                bytes: view.operators.iter().flat_map(|o| &o.slices).map(|s| s.bytes).sum(),
            }));
        }
        found.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.created_ms));
        Ok(found)
    }

    fn snapshot_names(&self, name: &str) -> Result<Vec<String>, RunnerError> {
        engine::run::snapshots(self.state(name)?.as_ref()).map_err(|e| port_error(name, &e))
    }

    fn remove_snapshot(&self, name: &str, snapshot: &str) -> Result<(), RunnerError> {
        if !self.snapshot_names(name)?.iter().any(|known| known == snapshot) {
            let message = format!("application {name} has no snapshot {snapshot:?}");
            return Err(RunnerError::new(Kind::NotFound, message));
        }
        engine::run::remove_snapshot(self.state(name)?.as_ref(), snapshot).map_err(|e| port_error(name, &e))
    }

    fn correct(&self, spec: &ApplicationSpec, only_plan: bool) -> Result<Correction, RunnerError> {
        self.corrector.correct(spec, &self.plan(spec)?, only_plan)
    }

    fn close(&self) {
        self.corrector.close();
    }

    fn forget(&self, name: &str) -> Result<(), RunnerError> {
        self.state
            .remove(name)
            .map_err(|e| RunnerError::new(e.kind, format!("application {name}: its state cannot be removed: {e}")))
    }
}

fn restore(from: &Begin) -> Restore {
    match from {
        Begin::Latest => Restore::Latest,
        Begin::Snapshot(name) => Restore::Snapshot(name.clone()),
        Begin::Nothing => Restore::Nothing,
    }
}

/// How often state is kept: as the application says, else as the engine does by itself.
fn checkpointing(spec: &ApplicationSpec, state: Arc<dyn CheckpointStorage>) -> Checkpointing {
    let own = Checkpointing { storage: Some(state), ..Checkpointing::default() };
    match spec.checkpoints {
        None => own,
        Some(set) if !set.enabled => Checkpointing { interval_ms: NEVER_MS, ..own },
        Some(set) => Checkpointing { interval_ms: set.interval_ms, min_pause_ms: set.min_pause_ms, ..own },
    }
}

struct EmbeddedJob {
    job: JobHandle,
    bytes_per_kpu: Option<u64>,
}

impl Running for EmbeddedJob {
    fn state(&self) -> RunState {
        match self.job.state() {
            JobState::Running | JobState::Stopping => RunState::Running,
            JobState::Finished | JobState::Stopped => RunState::Finished,
            JobState::Failed(error) => RunState::Failed(error.to_string()),
        }
    }

    fn metrics(&self) -> RunMetrics {
        let metrics = self.job.metrics();
        let bad = |sample: Rejection| BadRecord {
            place: format!("{}, position {}", sample.split, sample.position),
            reason: sample.reason,
            text: sample.text,
        };
        let kpus = self.job.kpus();
        RunMetrics {
            totals: RunningStats {
                records_in: metrics.records_in,
                records_out: metrics.records_out,
                late: metrics.late,
                bad: metrics.bad,
            },
            watermark_ms: metrics.watermark.and_then(before_the_end),
            watermark_hold: metrics.watermark_hold.filter(|h| h.is_worth_telling()).map(|hold| hold.to_string()),
            operators: operator_figures(self.job.operators(), &metrics.splits),
            millis_behind_latest: metrics.millis_behind_latest,
            lookups: metrics.lookups.into_iter().map(lookup_stats).collect(),
            late_windows: metrics.late_windows,
            bad_samples: self.job.bad_samples().into_iter().map(bad).collect(),
            parallelism: self.job.parallelism(),
            kpus,
            state_bytes: metrics.state_bytes,
            state_budget_bytes: self.bytes_per_kpu.map(|bytes| bytes * u64::from(kpus)),
            spilled_bytes: metrics.spilled_bytes,
            checkpoints: self.checkpoints(),
            rescale_pause_ms: self.job.rescaled().map(|r| r.pause_us as f64 / 1e3),
        }
    }

    fn checkpoints(&self) -> CheckpointFigures {
        let stats = self.job.checkpoints();
        CheckpointFigures {
            completed: stats.completed,
            failed: stats.failed,
            last_duration_ms: stats.last.as_ref().map_or(0, |c| c.duration_ms),
            last_size_bytes: stats.last.as_ref().map_or(0, |c| c.bytes),
        }
    }

    fn rescale(&self, parallelism: u32) -> Result<(), RunnerError> {
        let done = self.job.rescale(parallelism).map_err(|e| job_error(&e))?;
        tracing::info!(from = done.from, to = done.to, pause_us = done.pause_us, "the application was rescaled");
        Ok(())
    }

    fn snapshot(&self, snapshot: &str) -> Result<SnapshotInfo, RunnerError> {
        let summary = self.job.snapshot(snapshot).map_err(|e| job_error(&e))?;
        Ok(SnapshotInfo { name: snapshot.to_owned(), created_ms: summary.created_ms, bytes: summary.bytes })
    }

    fn stop(&self) -> Result<(), RunnerError> {
        self.job.stop();
        self.job.wait().map(|_| ()).map_err(|e| job_error(&e))
    }
}

/// A watermark; none once there is no more to wait for.
fn before_the_end(ms: i64) -> Option<i64> {
    (ms != i64::MAX).then_some(ms)
}

fn operator_figures(operators: Vec<OperatorMetrics>, splits: &[SplitMetrics]) -> Vec<OperatorFigures> {
    let read: BTreeSet<String> = operators.iter().flat_map(|operator| operator.inputs.iter().cloned()).collect();
    let figures = |operator: OperatorMetrics| OperatorFigures {
        hold: operator.why(),
        source: operator.inputs.is_empty().then(|| source_figures(&operator, splits)),
        sink: (!read.contains(&operator.operator)).then(|| sink_figures(&operator.subtasks)),
        inputs: operator.inputs,
        subtasks: operator.subtasks.into_iter().map(subtask_figures).collect(),
        input_ms: operator.input.and_then(before_the_end),
        output_ms: operator.watermark.and_then(before_the_end),
        operator: operator.operator,
    };
    operators.into_iter().map(figures).collect()
}

fn source_figures(source: &OperatorMetrics, splits: &[SplitMetrics]) -> SourceFigures {
    let own = splits.iter().filter(|split| source.operator.strip_prefix("source ") == Some(split.table.as_str()));
    let sum = |figure: fn(&SubtaskMetrics) -> u64| source.subtasks.iter().map(figure).sum();
    SourceFigures {
        millis_behind_latest: own.filter_map(|split| split.millis_behind_latest).max(),
        bytes: sum(|subtask| subtask.reads.bytes),
        reads: sum(|subtask| subtask.reads.reads),
        requested_bytes: sum(|subtask| subtask.reads.requested_bytes),
    }
}

fn sink_figures(subtasks: &[SubtaskMetrics]) -> SinkFigures {
    let sum = |figure: fn(&SubtaskMetrics) -> u64| subtasks.iter().map(figure).sum();
    SinkFigures {
        write_us: sum(|subtask| subtask.sink.write_us),
        flush_us: sum(|subtask| subtask.sink.flush_us),
        flushes: sum(|subtask| subtask.sink.flushes),
        refused: sum(|subtask| subtask.sink.refused),
        retried: sum(|subtask| subtask.sink.retried),
    }
}

fn subtask_figures(subtask: SubtaskMetrics) -> SubtaskFigures {
    SubtaskFigures {
        records_in: subtask.records_in,
        records_out: subtask.records_out,
        busy_ms: subtask.busy_us / 1_000,
        idle_ms: subtask.idle_ms,
        backpressured_ms: subtask.backpressured_ms,
    }
}

fn lookup_stats(lookup: LookupMetrics) -> LookupStats {
    LookupStats {
        table: lookup.table,
        in_flight: lookup.in_flight,
        requests: lookup.requests,
        retries: lookup.retries,
        cache_hits: lookup.cache_hits,
        dead: lookup.dead,
        latency_ms: lookup.latency_ms,
    }
}

fn port_error(name: &str, error: &PortError) -> RunnerError {
    RunnerError::new(error.kind, format!("application {name}: {error}"))
}

pub(super) fn job_error(error: &JobError) -> RunnerError {
    RunnerError::new(error.kind(), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::PlatformConnectors;
    use super::*;
    use index::{Index, IndexConfig};
    use std::path::Path;
    use store::StoreConfig;
    use tokio::runtime::Runtime;

    /// More keys than the memory below has room for.
    const SCRIPT: &str = "
        CREATE TABLE events (k BIGINT, v STRING) WITH ('connector'='datagen','rows-per-second'='200000',
            'fields.k.min'='1','fields.k.max'='1000000000','fields.v.length'='40');
        CREATE TABLE latest (k BIGINT, n BIGINT, v STRING) WITH ('connector'='blackhole');
        INSERT INTO latest SELECT k, COUNT(*), MAX(v) FROM events GROUP BY k;";

    #[test]
    fn state_past_the_memory_of_its_kpus_goes_to_disk_and_the_figures_say_so() {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        let (env, handle) = (Env::system(), runtime.handle().clone());
        let config = StoreConfig::new(dir.path().join("store"), env.clone());
        let store = runtime.block_on(async { Store::open(config) }).unwrap();
        let index = Index::open(IndexConfig::new(dir.path().join("index"), env.clone())).unwrap();
        let connectors = PlatformConnectors::new(store.clone(), index, handle.clone(), Path::new("."), env.clone());
        let memory = StateMemory { bytes_per_kpu: 2 << 20, spill_dir: dir.path().to_owned() };
        let runner = EmbeddedRunner::new(Arc::new(connectors), store, handle, env, dir.path().join("state"))
            .with_state_memory(memory);
        let spec = ApplicationSpec {
            name: "app".into(),
            runner: control::EMBEDDED.into(),
            script: SCRIPT.into(),
            program: None,
            parallelism: 3,
            parallelism_per_kpu: 2,
            checkpoints: None,
            handover: None,
        };
        let running = runner.start(&spec, &Beginning::default()).unwrap();
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let mut left = 6_000;
        let figures = loop {
            let figures = running.metrics();
            left -= 1;
            if figures.spilled_bytes > 0 || left == 0 || running.state() != RunState::Running {
                break figures;
            }
            let _elapsed = never.recv_timeout(std::time::Duration::from_millis(5));
        };
        assert!(figures.spilled_bytes > 0, "{:?}: {figures:?}", running.state());
        assert_eq!((figures.kpus, figures.state_budget_bytes), (2, Some(4 << 20)));
        let named: Vec<_> = figures.operators.iter().map(|o| (o.operator.as_str(), o.subtasks.len())).collect();
        assert_eq!((named[0], named.last().unwrap()), (("source events", 3), &("sink latest", 2)));
        assert_eq!(figures.operators[1].inputs, ["source events"]);
        let shapes = figures.operators.iter().map(|o| (o.source.is_some(), o.sink.is_some()));
        assert_eq!(shapes.collect::<Vec<_>>(), [(true, false), (false, false), (false, true)]);
        let source = figures.operators[0].source.unwrap();
        assert!(source.bytes > 0 && source.reads > 0 && source.requested_bytes > source.reads, "{source:?}");
        assert_eq!(source.millis_behind_latest, figures.millis_behind_latest, "it is the only source");
        let taken = |at: usize| figures.operators[at].subtasks.iter().map(|s| s.records_in).sum::<u64>();
        assert!(taken(0) >= taken(1) && taken(1) > 0, "{figures:?}");
        assert!(figures.operators[1].subtasks.iter().any(|s| s.busy_ms > 0), "{figures:?}");
        running.stop().unwrap();
    }
}
