//! Scaling: load, lag and size over time, what was decided and why, and by which rules.

use super::pipeline::{cut, finite};
use super::{DECISIONS_SHOWN_MAX, POINTS_SHOWN_MAX};
use serde::Serialize;

/// Load, lag and size over time, with the decisions of that time and the rules that stand now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaling {
    /// How long each point is, in seconds.
    pub period_s: u64,
    /// The oldest first, gaps left out.
    pub points: Vec<ScalingPoint>,
    /// The newest first.
    pub decisions: Vec<Decision>,
    /// What is scaled by rules.
    pub policies: Vec<PolicyLine>,
}

/// One period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScalingPoint {
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Records per second that the stream took.
    pub accepted_per_s: f64,
    /// Records per second that it refused.
    pub throttled_per_s: f64,
    /// Records per second that the application read.
    pub read_per_s: f64,
    /// How far the application was behind the newest record, in milliseconds; `None` where it could not tell.
    pub lag_ms: Option<f64>,
    /// Open shards; `None` where they were not measured.
    pub shards: Option<f64>,
    /// KPUs; `None` where they were not measured.
    pub kpus: Option<f64>,
}

/// What has become of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is being done.
    UnderWay,
    /// It was done.
    Done,
    /// It could not be done.
    Failed,
    /// It was only told: the rule runs dry.
    DryRun,
    /// Nothing was done, for it would not have helped.
    Refused,
}

/// One decision, kept with all it was made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What it is about, such as `stream/trips`.
    pub subject: String,
    /// The rule that made it.
    pub policy: String,
    /// What was decided, such as `from 8 to 16 shards`.
    pub what: String,
    /// Why, as a sentence.
    pub reason: String,
    /// How the numbers led to it.
    pub formula: String,
    /// The numbers that went into it, by name.
    pub inputs: Vec<(String, String)>,
    /// What the new size costs more in USD per hour; less where it is negative; `None` where nothing changes.
    pub price_per_hour: Option<f64>,
    /// What has become of it.
    pub outcome: Outcome,
    /// What was measured afterwards, or why it failed; empty until then.
    pub outcome_text: String,
}

/// A rule and what it scales.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyLine {
    /// What it scales, such as `application/taxi`.
    pub subject: String,
    /// The rule's name.
    pub policy: String,
    /// Its bounds, in words.
    pub bounds: String,
    /// What it may do.
    pub mode: ScalingMode,
}

/// What a rule may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingMode {
    /// Nothing.
    Off,
    /// Tell what it would do.
    DryRun,
    /// Do it.
    On,
}

impl Scaling {
    /// The same with bounded lists and texts and finite numbers.
    pub(crate) fn bounded(mut self) -> Self {
        self.points.drain(..self.points.len().saturating_sub(POINTS_SHOWN_MAX));
        for point in &mut self.points {
            for rate in [&mut point.accepted_per_s, &mut point.throttled_per_s, &mut point.read_per_s] {
                *rate = finite(*rate);
            }
            for number in [&mut point.lag_ms, &mut point.shards, &mut point.kpus] {
                *number = number.filter(|n| n.is_finite());
            }
        }
        self.decisions.truncate(DECISIONS_SHOWN_MAX);
        self.decisions = self.decisions.into_iter().map(Decision::bounded).collect();
        self.policies.truncate(DECISIONS_SHOWN_MAX);
        for line in &mut self.policies {
            [&mut line.subject, &mut line.policy, &mut line.bounds].into_iter().for_each(cut);
        }
        self
    }
}

impl Decision {
    fn bounded(mut self) -> Self {
        /// Most inputs of a decision that travel to the page.
        const INPUTS_SHOWN_MAX: usize = 100;
        let texts = [&mut self.subject, &mut self.policy, &mut self.what, &mut self.reason, &mut self.formula];
        texts.into_iter().chain([&mut self.outcome_text]).for_each(cut);
        self.inputs.truncate(INPUTS_SHOWN_MAX);
        self.inputs.iter_mut().for_each(|(name, value)| [name, value].into_iter().for_each(cut));
        self.price_per_hour = self.price_per_hour.filter(|price| price.is_finite());
        self
    }
}
