//! What a look comes to: steps, refusals, and why.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The stream shall have so many shards; at most twice and at least half of what it has.
    Shards(u32),
    /// These shards shall be split in their middle, one after the other.
    Split(Vec<u32>),
    /// The application shall have another size.
    Scale {
        /// Its parallelism.
        parallelism: u32,
        /// Subtasks that share one KPU.
        per_kpu: u32,
    },
}

/// Why more shards or KPUs would not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// One key has so much of the records that one subtask has to do it.
    HotKey,
    /// One key alone brings more than one shard takes.
    HotShard,
    /// A sink is slow.
    SlowSink,
    /// A sink refuses rows.
    RefusingSink,
    /// The application fails again and again.
    RestartLoop,
    /// Its checkpoints fail.
    FailingCheckpoints,
    /// Shards give readers no more.
    ReadLimit,
    /// The last step brought far less than it should have.
    NoGain,
}

impl Cause {
    /// Its name in decisions.
    pub fn name(self) -> &'static str {
        match self {
            Self::HotKey => "hot-key",
            Self::HotShard => "hot-shard",
            Self::SlowSink => "slow-sink",
            Self::RefusingSink => "refusing-sink",
            Self::RestartLoop => "restart-loop",
            Self::FailingCheckpoints => "failing-checkpoints",
            Self::ReadLimit => "read-limit",
            Self::NoGain => "no-gain",
        }
    }
}

/// A step that is not taken because it would not help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What stands in the way.
    pub cause: Cause,
    /// The same in words, with its figures and what to do.
    pub text: String,
}

/// What one look comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What is to be done, within all bounds; nothing for most looks.
    pub steps: Vec<Step>,
    /// What is not done, and why; told once for as long as it lasts.
    pub refusal: Option<Refusal>,
    /// The account of what is done or refused; `None` where there is neither.
    pub account: Option<Account>,
}

/// Why something is done or refused, to be kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// In a sentence.
    pub reason: String,
    /// The formula with its figures.
    pub formula: String,
    /// What it was computed from.
    pub inputs: Value,
    /// What happens if nothing is done, by the same model.
    pub otherwise: String,
    /// Which bounds changed the rule's wish; empty for none.
    pub bounded: Vec<String>,
    /// What the size costs before and after, in USD an hour.
    pub price_per_hour: (f64, f64),
    /// What the rule expects to be able to work off afterwards, in records a second; `None` where it has no model.
    pub expected_rate: Option<f64>,
}

impl Verdict {
    /// Nothing is done.
    pub(super) fn stay() -> Self {
        Self { steps: Vec::new(), refusal: None, account: None }
    }
}

/// What a rule wants, before bounds.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// The number of shards.
    pub(super) shards: Option<u32>,
    /// Shards to be split, in place of a number.
    pub(super) split: Vec<u32>,
    /// Parallelism and parallelism per KPU.
    pub(super) size: Option<(u32, u32)>,
    /// What it refuses.
    pub(super) refusal: Option<Refusal>,
    /// Why; empty where nothing is wanted.
    pub(super) reason: String,
    pub(super) formula: String,
    pub(super) inputs: Value,
    pub(super) otherwise: String,
    pub(super) expected_rate: Option<f64>,
}

impl Wish {
    pub(super) fn is_empty(&self) -> bool {
        self.shards.is_none() && self.split.is_empty() && self.size.is_none() && self.refusal.is_none()
    }
}
