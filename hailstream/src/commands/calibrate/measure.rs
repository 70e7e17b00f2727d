//! Runs of the script over the sample: as fast as it goes, and at a rate.

use super::Failure;
use super::operators::Cost;
use super::outputs::Outputs;
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
/// A machine is full when so much of its cores computes.
const CROWDED: f64 = 0.9;
/// Fewest and most runs of one size: a figure is the median of three at least.
const RUNS_MIN: usize = 3;
const RUNS_MAX: usize = 7;

/// What is run, and on what.
pub(super) struct Bench {
    pub(super) script: String,
    /// What is run at once, cut so that it has room in the time.
    pub(super) sample: Arc<Sample>,
    /// All of the sample, for runs at a rate.
    pub(super) whole: Arc<Sample>,
    pub(super) outputs: Outputs,
    pub(super) env: Env,
    pub(super) runtime: tokio::runtime::Handle,
}

/// What one size did.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Point {
    pub(super) parallelism: u32,
    pub(super) per_kpu: u32,
    pub(super) kpus: u32,
    /// Records a second of each run, ascending.
    pub(super) rates: Vec<f64>,
    /// The part of the time that its workers computed.
    pub(super) busy: f64,
    /// What each operator cost, in the order of the job.
    pub(super) costs: Vec<Cost>,
    pub(super) state_bytes: u64,
    pub(super) lookups: Vec<LookupNeed>,
}

/// What lookups need: by Little's law as many are in flight as come in the time that one takes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LookupNeed {
    pub(super) table: String,
    /// Within which time 99 of 100 answers came.
    pub(super) p99_ms: f64,
    /// Requests for each record that is read.
    pub(super) per_record: f64,
}

impl Point {
    /// Nothing yet of a size.
    pub(super) fn sized(parallelism: u32, per_kpu: u32) -> Self {
        Self { parallelism, per_kpu, kpus: parallelism.div_ceil(per_kpu), ..Self::default() }
    }

    /// Takes in one more run of the same size.
    fn join(&mut self, next: Self) {
        self.rates.extend(next.rates);
        self.rates.sort_by(f64::total_cmp);
        self.state_bytes = self.state_bytes.max(next.state_bytes);
        self.busy = self.busy.max(next.busy);
        self.lookups = next.lookups;
        for cost in next.costs {
            match self.costs.iter_mut().find(|own| own.operator == cost.operator) {
                Some(own) => {
                    own.us_per_record.extend(cost.us_per_record);
                    own.uneven = own.uneven.min(cost.uneven);
                }
                None => self.costs.push(cost),
            }
        }
    }

    pub(super) fn rate(&self) -> f64 {
        self.rates[self.rates.len() / 2]
    }

    /// Whether workers and sinks together took about all cores of the machine: then it is the machine that is full.
    pub(super) fn is_crowded(&self, cores: u32) -> bool {
        let us: f64 = self.costs.iter().map(Cost::median).sum();
        self.rate() * us / 1e6 > CROWDED * f64::from(cores)
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
    pub(super) fn plan(&self) -> Result<JobPlan, Failure> {
        let connectors = self.connectors(self.pace(None));
        let script = Script::parse(&self.script)?;
        let planned = Session::new().plan(&script, &connectors)?;
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

    fn connectors(&self, pace: Pace) -> SampleConnectors {
        SampleConnectors::new(self.sample.clone(), pace, self.outputs.handle(), &self.runtime)
    }

    fn start(
        &self,
        (parallelism, per_kpu): (u32, u32),
        connectors: Arc<SampleConnectors>,
    ) -> Result<engine::run::JobHandle, Failure> {
        let plan = self.plan()?;
        let options = JobOptions {
            parallelism: Some(parallelism),
            parallelism_per_kpu: per_kpu,
            ..JobOptions::new("calibrate", self.env.clone(), connectors)
        };
        Ok(Job::start(plan, options)?)
    }

    /// Cuts the sample so that three runs of one size on one thread have room in this time; tells whether it was cut.
    pub(super) fn fit(&mut self, budget: Duration) -> Result<bool, Failure> {
        let begun_ns = self.env.monotonic_ns();
        self.run_once((1, 1))?;
        let room = budget.as_secs_f64() / RUNS_MIN as f64;
        let part = room / self.passed(begun_ns).as_secs_f64();
        if part < 1.0 {
            self.sample = Arc::new(self.sample.first(part));
        }
        Ok(part < 1.0)
    }

    /// Runs all sizes in turn, again and again for so long, three times at least: what else the machine does meanwhile
    /// comes to all of them alike. Tells of each round.
    pub(super) fn saturated(
        &self,
        sizes: &[(u32, u32)],
        budget: Duration,
        told: impl Fn(usize),
    ) -> Result<Vec<Point>, Failure> {
        let begun_ns = self.env.monotonic_ns();
        let mut points: Vec<Point> = sizes.iter().map(|size| Point::sized(size.0, size.1)).collect();
        for round in 0..RUNS_MAX {
            if round >= RUNS_MIN && self.passed(begun_ns) >= budget {
                break;
            }
            told(round + 1);
            for (point, size) in points.iter_mut().zip(sizes) {
                point.join(self.run_once(*size)?);
            }
        }
        Ok(points)
    }

    fn passed(&self, since_ns: u64) -> Duration {
        Duration::from_nanos(self.env.monotonic_ns().saturating_sub(since_ns))
    }

    fn run_once(&self, size: (u32, u32)) -> Result<Point, Failure> {
        self.outputs.renew()?;
        let started_ns = self.env.monotonic_ns();
        let job = self.start(size, Arc::new(self.connectors(self.pace(None))))?;
        let mut point = Point::sized(size.0, size.1);
        while !job.wait_for(LOOK_EVERY) {
            point.state_bytes = point.state_bytes.max(job.metrics().state_bytes);
        }
        job.wait()?;
        let took_s = self.passed(started_ns).as_secs_f64();
        let metrics = job.metrics();
        let records = metrics.records_in.max(1) as f64;
        point.costs = job.operators().into_iter().map(|operator| cost(operator, records)).collect();
        let computed_us: f64 = point.costs.iter().filter(|cost| !cost.is_sink()).map(Cost::median).sum();
        point.busy = (computed_us * records / 1e6 / f64::from(point.kpus) / took_s).min(1.0);
        point.rates = vec![metrics.records_in as f64 / took_s];
        let lookup = |lookup: engine::run::LookupMetrics| LookupNeed {
            table: lookup.table,
            p99_ms: lookup.latency_p99_ms,
            per_record: lookup.requests as f64 / records,
        };
        point.lookups = metrics.lookups.into_iter().map(lookup).collect();
        Ok(point)
    }

    /// As many rows of the sample as come in this time at a rate.
    fn shortened(&self, rate: f64, seconds: f64) -> Arc<Sample> {
        let part = rate * seconds / self.whole.rows as f64;
        if part < 1.0 { Arc::new(self.whole.first(part)) } else { self.whole.clone() }
    }

    /// Runs a size at a rate for so many seconds, or as long as the sample lasts, and tells whether it keeps up: one of a
    /// hundred waits for longer than the SLO at most, and the end is not late.
    pub(super) fn paced(&self, size: (u32, u32), rate: f64, slo_ms: f64, seconds: f64) -> Result<Paced, Failure> {
        self.outputs.renew()?;
        let sample = self.shortened(rate, seconds);
        let rows = sample.rows as f64;
        let pace = self.pace(Some(rate));
        let (waits, started_ns) = (pace.waits.clone(), pace.started_ns);
        let connectors = SampleConnectors::new(sample, pace, self.outputs.handle(), &self.runtime);
        let job = self.start(size, Arc::new(connectors))?;
        job.wait()?;
        let seconds = self.passed(started_ns).as_secs_f64();
        let mut waits = std::mem::take(&mut *waits.lock());
        let tail = waits.len().saturating_sub(waits.len() / 20 + 1);
        let last_wait_ms = waits[tail.min(waits.len())..].iter().copied().fold(0.0, f64::max);
        waits.sort_by(f64::total_cmp);
        let p99_wait_ms = waits.get(waits.len() * 99 / 100).copied().unwrap_or(0.0);
        // A short sample ends before a backlog is as old as the SLO: growth shows in how long the last rows had been due.
        // Closing the last windows is no part of that.
        let due_ms = rows / rate * 1_000.0;
        let keeps_up = p99_wait_ms <= slo_ms && last_wait_ms <= due_ms * 0.03 + 150.0;
        Ok(Paced { rate, seconds, p99_wait_ms, last_wait_ms, keeps_up })
    }
}

/// What an operator has cost over so many records.
fn cost(operator: engine::run::OperatorMetrics, records: f64) -> Cost {
    let busy_us: u64 = operator.subtasks.iter().map(|subtask| subtask.busy_us).sum();
    let most = operator.subtasks.iter().map(|subtask| subtask.busy_us).max().unwrap_or(0) as f64;
    Cost {
        us_per_record: vec![busy_us as f64 / records],
        uneven: most * operator.subtasks.len() as f64 / (busy_us as f64).max(1.0),
        operator: operator.operator,
    }
}
