//! Runs of the script over the sample: as fast as it goes, and at a rate.

use super::Failure;
use super::sample::{Pace, Sample, SampleConnectors};
use engine::plan::{JobPlan, NodeKind};
use engine::run::{Job, JobOptions};
use engine::sql::{Planned, Script, Session};
use model::Env;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often a run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Most runs of one size.
const RUNS_MAX: usize = 7;

/// What is run, and on what.
pub(super) struct Bench {
    pub(super) script: String,
    pub(super) sample: Arc<Sample>,
    pub(super) env: Env,
    pub(super) runtime: tokio::runtime::Handle,
}

/// What one size did.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    pub(super) parallelism: u32,
    pub(super) per_kpu: u32,
    pub(super) kpus: u32,
    /// Records a second of each run, ascending.
    pub(super) rates: Vec<f64>,
    /// The part of the time that its threads computed.
    pub(super) busy: f64,
    /// The operator that computed the most, its part of all that was computed, and how uneven its subtasks are (1 is even).
    pub(super) heaviest: (String, f64, f64),
    pub(super) state_bytes: u64,
    pub(super) lookups: Vec<LookupNeed>,
}

/// What lookups need: by Little's law as many are in flight as come in the time that one takes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LookupNeed {
    pub(super) table: String,
    pub(super) latency_ms: f64,
    /// Requests for each record that is read.
    pub(super) per_record: f64,
}

impl Point {
    pub(super) fn rate(&self) -> f64 {
        self.rates[self.rates.len() / 2]
    }

    /// How far runs are apart, as a part of the median.
    pub(super) fn spread(&self) -> f64 {
        (self.rates[self.rates.len() - 1] - self.rates[0]) / 2.0 / self.rate()
    }
}

/// What a run at a rate did.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Paced {
    pub(super) rate: f64,
    pub(super) seconds: f64,
    /// How long rows had been due when they were read, in milliseconds.
    pub(super) p99_wait_ms: f64,
    pub(super) last_wait_ms: f64,
    pub(super) keeps_up: bool,
}

impl Bench {
    fn plan(&self, connectors: &SampleConnectors) -> Result<JobPlan, Failure> {
        let script = Script::parse(&self.script)?;
        let planned = Session::new().plan(&script, connectors)?;
        let mut jobs = planned.into_iter().filter_map(|step| match step {
            Planned::Job { plan, .. } => Some(plan),
            _ => None,
        });
        let (Some(mut plan), None) = (jobs.next(), jobs.next()) else {
            return Err("the script must have one job: put all INSERT statements into one EXECUTE STATEMENT SET".into());
        };
        let read: BTreeSet<&str> = plan
            .nodes
            .iter()
            .filter_map(|node| match &node.kind {
                NodeKind::Scan { table, .. } => Some(table.name.as_str()),
                _ => None,
            })
            .collect();
        if read.len() != 1 {
            return Err(format!("the script reads {} tables ({read:?}); a sample stands for one", read.len()).into());
        }
        // The size is what is looked for.
        plan.settings.remove("parallelism.default");
        Ok(plan)
    }

    fn pace(&self, rate: Option<f64>) -> Pace {
        Pace { env: self.env.clone(), started_ns: self.env.monotonic_ns(), rate, waits: Arc::default() }
    }

    fn start(&self, (parallelism, per_kpu): (u32, u32), pace: Pace) -> Result<engine::run::JobHandle, Failure> {
        let connectors = Arc::new(SampleConnectors::new(self.sample.clone(), pace, &self.runtime));
        let plan = self.plan(&connectors)?;
        let options = JobOptions {
            parallelism: Some(parallelism),
            parallelism_per_kpu: per_kpu,
            ..JobOptions::new("calibrate", self.env.clone(), connectors)
        };
        Ok(Job::start(plan, options)?)
    }

    /// Runs a size again and again for so long, once at least.
    pub(super) fn saturated(&self, size: (u32, u32), budget: Duration) -> Result<Point, Failure> {
        let begun_ns = self.env.monotonic_ns();
        let mut point = self.run_once(size)?;
        while point.rates.len() < RUNS_MAX && self.passed(begun_ns) < budget {
            let next = self.run_once(size)?;
            point.rates.extend(next.rates);
            point.state_bytes = point.state_bytes.max(next.state_bytes);
        }
        point.rates.sort_by(f64::total_cmp);
        Ok(point)
    }

    fn passed(&self, since_ns: u64) -> Duration {
        Duration::from_nanos(self.env.monotonic_ns().saturating_sub(since_ns))
    }

    fn run_once(&self, size: (u32, u32)) -> Result<Point, Failure> {
        let started_ns = self.env.monotonic_ns();
        let job = self.start(size, self.pace(None))?;
        let mut state_bytes = 0;
        while !job.wait_for(LOOK_EVERY) {
            state_bytes = state_bytes.max(job.metrics().state_bytes);
        }
        job.wait()?;
        let took = self.passed(started_ns);
        let metrics = job.metrics();
        let kpus = size.0.div_ceil(size.1);
        let operators = job.operators();
        let busy =
            |operator: &engine::run::OperatorMetrics| operator.subtasks.iter().map(|s| s.busy_ms).sum::<u64>() as f64;
        let computed: f64 = operators.iter().map(busy).sum();
        let heaviest = operators.iter().max_by(|a, b| busy(a).total_cmp(&busy(b)));
        let heaviest = heaviest.map_or_else(Default::default, |operator| {
            let most = operator.subtasks.iter().map(|s| s.busy_ms).max().unwrap_or(0) as f64;
            let uneven = most * operator.subtasks.len() as f64 / busy(operator).max(1.0);
            (operator.operator.clone(), busy(operator) / computed.max(1.0), uneven)
        });
        let records = metrics.records_in.max(1) as f64;
        let lookup = |lookup: &engine::run::LookupMetrics| LookupNeed {
            table: lookup.table.clone(),
            latency_ms: lookup.latency_ms,
            per_record: lookup.requests as f64 / records,
        };
        Ok(Point {
            parallelism: size.0,
            per_kpu: size.1,
            kpus,
            rates: vec![metrics.records_in as f64 / took.as_secs_f64()],
            busy: (computed / 1_000.0 / f64::from(kpus) / took.as_secs_f64()).min(1.0),
            heaviest,
            state_bytes,
            lookups: metrics.lookups.iter().map(lookup).collect(),
        })
    }

    /// Runs a size at a rate, and tells whether it keeps up: the last rows wait no longer than the SLO, nor does one of a
    /// hundred.
    pub(super) fn paced(&self, size: (u32, u32), rate: f64, slo_ms: f64) -> Result<Paced, Failure> {
        let pace = self.pace(Some(rate));
        let (waits, started_ns) = (pace.waits.clone(), pace.started_ns);
        let job = self.start(size, pace)?;
        job.wait()?;
        let seconds = self.passed(started_ns).as_secs_f64();
        let mut waits = std::mem::take(&mut *waits.lock());
        let tail = waits.len().saturating_sub(waits.len() / 20 + 1);
        let last_wait_ms = waits[tail.min(waits.len())..].iter().copied().fold(0.0, f64::max);
        waits.sort_by(f64::total_cmp);
        let p99_wait_ms = waits.get(waits.len() * 99 / 100).copied().unwrap_or(0.0);
        // A short sample ends before a backlog is as old as the SLO: growth shows in the time that all of it took.
        let due_s = self.sample.rows as f64 / rate;
        let keeps_up = p99_wait_ms <= slo_ms && seconds <= due_s * 1.03 + 0.15;
        Ok(Paced { rate, seconds, p99_wait_ms, last_wait_ms, keeps_up })
    }
}
