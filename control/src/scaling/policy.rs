//! Policies: a rule, and bounds that hold whatever the rule says.

use super::joint::JointRule;
use super::prices::Prices;
use super::rules::{ManagedRule, OperatorRule, StepRule, TrackingRule};
use super::utility;
use model::limits::{KPUS_MAX, PARALLELISM_MAX, SHARDS_PER_STREAM_MAX};
use serde::{Deserialize, Serialize};

/// What decides about sizes, and within which bounds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// How it is decided.
    pub rule: Rule,
    /// What holds always.
    pub bounds: Bounds,
    /// What sizes cost, for the cap and for what decisions tell.
    pub prices: Prices,
    /// Decisions are told and not acted upon.
    pub dry_run: bool,
}

/// How it is decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Ours: shards and KPUs together, from demand and a model of capacity.
    Joint(JointRule),
    /// The managed service's: processor time, twice and half.
    Managed(ManagedRule),
    /// The Flink Kubernetes operator's formula.
    Operator(OperatorRule),
    /// A figure is kept at a target (Application Auto Scaling).
    Tracking(TrackingRule),
    /// Steps by how far a figure is beyond its threshold (Application Auto Scaling).
    Steps(StepRule),
    /// The Kinesis Scaling Utility's, on shards alone.
    Utility(utility::Policy),
}

impl Default for Rule {
    fn default() -> Self {
        Self::Joint(JointRule::default())
    }
}

impl Rule {
    /// Its name on the command line and in decisions.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Joint(_) => "joint",
            Self::Managed(_) => "managed",
            Self::Operator(_) => "operator",
            Self::Tracking(_) => "tracking",
            Self::Steps(_) => "steps",
            Self::Utility(_) => "utility",
        }
    }
}

/// What holds whatever the rule says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Never a lower parallelism, 1–256.
    pub parallelism_min: u32,
    /// Never a higher one, 1–256.
    pub parallelism_max: u32,
    /// Never more KPUs.
    pub kpus_max: u32,
    /// Never fewer shards.
    pub shards_min: u32,
    /// Never more shards.
    pub shards_max: u32,
    /// Never a size that costs more than so many USD an hour; no cap where it is missing.
    pub cost_per_hour_max: Option<f64>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            parallelism_min: 1,
            parallelism_max: PARALLELISM_MAX,
            kpus_max: KPUS_MAX,
            shards_min: 1,
            shards_max: SHARDS_PER_STREAM_MAX,
            cost_per_hour_max: None,
        }
    }
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy is wrong: {0}")]
pub struct WrongPolicy(pub String);

impl model::Classified for WrongPolicy {
    fn kind(&self) -> model::Kind {
        model::Kind::Invalid
    }
}

impl Policy {
    /// Reads a policy from JSON; what is missing has its default.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn read(text: &str) -> Result<Self, WrongPolicy> {
        let policy: Self = serde_json::from_str(text).map_err(|error| WrongPolicy(error.to_string()))?;
        policy.check()?;
        Ok(policy)
    }

    /// Whether all figures are within their bounds.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check(&self) -> Result<(), WrongPolicy> {
        let bounds = &self.bounds;
        let within = |min: u32, max: u32, most: u32| (1..=max).contains(&min) && max <= most;
        let problem = if !within(bounds.parallelism_min, bounds.parallelism_max, PARALLELISM_MAX) {
            Some("parallelism_min and parallelism_max must be 1 to 256, and the first not above the second")
        } else if bounds.kpus_max == 0 {
            Some("kpus_max must be 1 at least")
        } else if !within(bounds.shards_min, bounds.shards_max, SHARDS_PER_STREAM_MAX) {
            Some("shards_min and shards_max must be 1 to 10000, and the first not above the second")
        } else if bounds.cost_per_hour_max.is_some_and(|cost| !cost.is_finite() || cost <= 0.0) {
            Some("cost_per_hour_max must be above 0")
        } else {
            self.prices.problem().or_else(|| self.rule_problem())
        };
        problem.map_or(Ok(()), |problem| Err(WrongPolicy(problem.to_owned())))
    }

    fn rule_problem(&self) -> Option<&'static str> {
        match &self.rule {
            Rule::Joint(rule) => rule.problem(),
            Rule::Managed(_) => None,
            Rule::Operator(rule) => rule.problem(),
            Rule::Tracking(rule) => rule.problem(),
            Rule::Steps(rule) => rule.problem(),
            Rule::Utility(policy) => policy.problem(),
        }
    }
}
