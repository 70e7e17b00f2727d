//! Runs a policy over a trace and tells how it did.

use super::oracle::{shard_seconds, slot_seconds};
use super::plant::{Plant, PlantOptions};
use super::trace::Trace;
use crate::scaling::{
    Bounds, Cause, Figure, JointRule, ManagedRule, Memory, OperatorRule, Policy, Prices, Rule, Step, TrackingRule,
    decide, utility,
};
use model::limits::SHARD_WRITE_RECORDS_PER_S;
use serde::Serialize;

/// Most slots and shards of a simulation.
const SLOTS_MAX: u32 = 64;
const SHARDS_MAX: u32 = 128;
/// A change of demand is over with the last step within so many seconds.
const SETTLE_S: usize = 300;
/// The configuration of the utility that its authors print as an example, for a stream of any name.
const UTILITY: &str = r#"{"streamName": "trips", "scaleOnOperation": "PUT", "minShards": 1, "maxShards": 128,
    "checkInterval": 60, "scaleUp": {"scaleThresholdPct": 75, "scaleAfterMins": 1, "scalePct": 100, "coolOffMins": 5},
    "scaleDown": {"scaleThresholdPct": 25, "scaleAfterMins": 10, "scalePct": 25, "coolOffMins": 10}}"#;

/// What a policy changes; the rest is always large enough, and costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Governs {
    /// Both, where the trace has a stream with limits; else slots.
    All,
    /// Slots alone.
    Slots,
    /// Shards alone.
    Shards,
}

/// A policy with its name.
#[derive(Debug, Clone)]
pub struct Contender {
    /// Its name in the report.
    pub name: &'static str,
    /// What it changes.
    pub governs: Governs,
    /// The policy.
    pub policy: Policy,
}

/// The policies that are compared: ours first.
pub fn contenders(options: &PlantOptions) -> Vec<Contender> {
    let slo_ms = options.slo_s * 1_000.0;
    let joint = JointRule { slo_ms, pause_ms: options.pause_s * 1_000.0, ..JointRule::default() };
    let lag = TrackingRule {
        figure: Figure::BehindLatest,
        target: slo_ms,
        out_cooldown_s: 60,
        in_cooldown_s: 300,
        disable_in: false,
    };
    let busy = TrackingRule { figure: Figure::Busy, target: 70.0, ..lag.clone() };
    let managed = ManagedRule { configured_parallelism: 4 };
    let contender = |name, governs, rule| {
        let bounds = Bounds { kpus_max: SLOTS_MAX, shards_max: SHARDS_MAX, ..Bounds::default() };
        Contender { name, governs, policy: Policy { rule, bounds, ..Policy::default() } }
    };
    let mut all = vec![
        contender("joint", Governs::All, Rule::Joint(joint)),
        contender("managed", Governs::Slots, Rule::Managed(managed)),
        contender("operator", Governs::Slots, Rule::Operator(OperatorRule::default())),
        contender("operator-tuned", Governs::Slots, Rule::Operator(OperatorRule::tuned())),
        contender("tracking-lag", Governs::Slots, Rule::Tracking(lag)),
        contender("tracking-busy", Governs::Slots, Rule::Tracking(busy)),
    ];
    // The text is ours and right; a contender that could not be read would be missing from the tests' list.
    if let Ok(policies) = utility::Policy::read(UTILITY) {
        all.extend(policies.into_iter().map(|policy| contender("utility", Governs::Shards, Rule::Utility(policy))));
    }
    all
}

/// How a policy did on a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The trace.
    pub trace: &'static str,
    /// The policy.
    pub policy: &'static str,
    /// Part of the seconds in which something older than the SLO waited, in per cent.
    pub violated_pct: f64,
    /// What its sizes cost, as a multiple of what the oracle's cost; `None` where no size helps.
    pub cost: Option<f64>,
    /// Changes of slots and shards.
    pub steps: usize,
    /// Most decisions to grow after one change of the demand at once; `None` where it never changes at once.
    pub settled_steps: Option<usize>,
    /// The longest time from such a change until nothing was too old and nothing grew any more, in seconds.
    pub settled_s: Option<usize>,
    /// The largest number of slots and of shards.
    pub largest: (u32, u32),
    /// Slots and shards at the end.
    pub last: (u32, u32),
    /// What was refused, each once.
    pub refused: Vec<Cause>,
    /// The greatest age of a record, in seconds.
    pub age_s_max: f64,
}

/// Runs a policy over a trace.
pub fn run(trace: Trace, contender: &Contender, options: &PlantOptions) -> Report {
    let rates = trace.rates(options.seed, options.seconds);
    let slots = contender.governs != Governs::Shards;
    let shards = contender.governs == Governs::Shards || (contender.governs == Governs::All && trace.has_stream());
    let mut plant = Plant::new(trace, options, rates.first().copied().unwrap_or(1.0), (slots, shards));
    let mut memory = Memory::default();
    let mut course = Course::default();
    for rate in &rates {
        let seen = plant.pass(*rate);
        let (verdict, next) = decide(&seen, &contender.policy, memory);
        memory = next;
        let (slots, shards) = (plant.parallelism, plant.open_shards());
        let grows = |step: &&Step| match step {
            Step::Scale { parallelism, .. } => *parallelism > slots,
            Step::Shards(target) => *target > shards,
            Step::Split(_) => true,
        };
        let grown = usize::from(verdict.steps.iter().any(|step| grows(&step)));
        course.note(&plant, options.slo_s, (verdict.steps.len(), grown));
        course.refused.extend(verdict.refusal.map(|refusal| refusal.cause));
        verdict.steps.iter().for_each(|step: &Step| plant.step(step));
    }
    let prices = Prices::default();
    let price = |slot_seconds: f64, shard_seconds: f64| {
        let slots = if slots { slot_seconds * prices.kpu_hour } else { 0.0 };
        slots + if shards { shard_seconds * prices.shard_hour } else { 0.0 }
    };
    let cheapest = || {
        let slot_seconds = slot_seconds(&rates, &options.law, options.slo_s, options.pause_s, SLOTS_MAX);
        let shard_rate = SHARD_WRITE_RECORDS_PER_S as f64;
        price(slot_seconds, shard_seconds(&rates, shard_rate, options.slo_s, options.reshard_s, SHARDS_MAX))
    };
    let cost = trace.trouble().is_none().then(|| price(course.slot_seconds, course.shard_seconds) / cheapest());
    course.report(trace, contender.name, (cost, plant.parallelism, plant.open_shards()), options.seconds)
}

/// What happened, second by second.
#[derive(Default)]
struct Course {
    seconds: usize,
    violated: Vec<usize>,
    steps: usize,
    /// When something grew: shards and slots that grow together are one step.
    grown: Vec<usize>,
    slot_seconds: f64,
    shard_seconds: f64,
    largest: (u32, u32),
    refused: Vec<Cause>,
    age_s_max: f64,
}

impl Course {
    fn note(&mut self, plant: &Plant, slo_s: f64, (steps, grown): (usize, usize)) {
        let age_s = plant.age_s();
        self.age_s_max = self.age_s_max.max(age_s);
        if age_s > slo_s {
            self.violated.push(self.seconds);
        }
        self.steps += steps;
        self.grown.extend(std::iter::repeat_n(self.seconds, grown));
        self.slot_seconds += f64::from(plant.parallelism);
        self.shard_seconds += f64::from(plant.open_shards());
        self.largest = (self.largest.0.max(plant.parallelism), self.largest.1.max(plant.open_shards()));
        self.seconds += 1;
    }

    fn report(
        mut self,
        trace: Trace,
        policy: &'static str,
        (cost, slots, shards): (Option<f64>, u32, u32),
        seconds: usize,
    ) -> Report {
        let marks = trace.marks(seconds);
        let within = |seconds: &[usize], mark: usize| {
            seconds.iter().copied().filter(|at| (mark..mark + SETTLE_S).contains(at)).collect::<Vec<usize>>()
        };
        let settled = |mark: &usize| {
            let (stepped, violated) = (within(&self.grown, *mark), within(&self.violated, *mark));
            let last = stepped.iter().chain(&violated).max().map_or(0, |last| last - mark);
            (stepped.len(), last)
        };
        let settled: Vec<(usize, usize)> = marks.iter().map(settled).collect();
        let mut refused = Vec::new();
        for cause in self.refused.drain(..) {
            if !refused.contains(&cause) {
                refused.push(cause);
            }
        }
        Report {
            trace: trace.name(),
            policy,
            violated_pct: 100.0 * self.violated.len() as f64 / self.seconds.max(1) as f64,
            cost,
            steps: self.steps,
            settled_steps: settled.iter().map(|(steps, _)| *steps).max(),
            settled_s: settled.iter().map(|(_, seconds)| *seconds).max(),
            largest: self.largest,
            last: (slots, shards),
            refused,
            age_s_max: self.age_s_max,
        }
    }
}
