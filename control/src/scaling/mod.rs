//! Rules that change the size of what runs: shards of streams, parallelism and KPUs of applications.
//!
//! [`decide`] is pure: the same code runs live, in the [simulator](simulate) and on recorded observations. A rule wants, the
//! bounds of its policy hold, and what is done or refused comes with an account of why.

mod autoscaler;
mod bounds;
mod decisions;
mod firing;
mod joint;
mod memory;
mod observation;
mod policies;
mod policy;
mod prices;
mod rules;
pub mod simulate;
mod subject;
pub mod utility;
mod verdict;

pub use autoscaler::{Autoscaler, Seen, Steps};
pub use decisions::{DECISIONS_MAX, Decision, DecisionState};
pub use firing::{Armed, Policies};
pub use joint::{Capacity, JointRule, Usl};
pub use memory::Memory;
pub use observation::{ApplicationSeen, Observation, ShardSeen, SinkSeen, StreamSeen};
pub use policies::{KeptPolicy, POLICIES_MAX, PolicyError};
pub use policy::{Bounds, Policy, Rule, WrongPolicy};
pub use prices::Prices;
pub use rules::{
    Adjustment, AdjustmentKind, Aggregation, Figure, ManagedRule, OperatorRule, StepRule, TrackingRule, adjusted,
};
pub use subject::Subject;
pub use verdict::{Account, Cause, Refusal, Step, Verdict};

use memory::of;
use verdict::Wish;

/// What to do about what was seen in one second, and what to remember: no clock, no disk, no randomness.
pub fn decide(seen: &Observation, policy: &Policy, mut memory: Memory) -> (Verdict, Memory) {
    let mut wish = wished(seen, policy, &mut memory);
    if policy.dry_run {
        memory.untried();
    }
    if wish.is_empty() {
        wish = bounds::broken(seen, policy);
    }
    if wish.is_empty() {
        return (Verdict::stay(), memory);
    }
    (bounds::hold(seen, policy, wish), memory)
}

fn wished(seen: &Observation, policy: &Policy, memory: &mut Memory) -> Wish {
    let now_ms = seen.now_ms;
    let application = seen.application.as_ref();
    match &policy.rule {
        Rule::Joint(rule) => joint::joint(rule, (&policy.bounds, &policy.prices), seen, of(memory)),
        Rule::Managed(rule) => application.map(|a| rules::managed(rule, now_ms, a, of(memory))).unwrap_or_default(),
        Rule::Operator(rule) => application.map(|a| rules::operator(rule, now_ms, a, of(memory))).unwrap_or_default(),
        Rule::Tracking(rule) => rules::track(rule, seen, of(memory)),
        Rule::Steps(rule) => rules::by_steps(rule, seen, of(memory)),
        Rule::Utility(policy) => {
            seen.stream.as_ref().map(|s| rules::by_utility(policy, now_ms, s, of(memory))).unwrap_or_default()
        }
    }
}

/// A size that something else than a rule wants, within the bounds of a policy.
fn ordered(seen: &Observation, policy: &Policy, subject: &Subject, wanted: u32, reason: &str) -> Verdict {
    let now = match subject {
        Subject::Application(_) => seen.application.as_ref().map_or(0, |application| application.parallelism),
        Subject::Stream(_) => seen.stream.as_ref().map_or(0, StreamSeen::open_shards),
    };
    let per_kpu = seen.application.as_ref().map_or(1, |application| application.per_kpu);
    let wish = Wish {
        shards: matches!(subject, Subject::Stream(_)).then_some(wanted),
        size: matches!(subject, Subject::Application(_)).then_some((wanted, per_kpu)),
        reason: reason.to_owned(),
        formula: format!("{now} → {wanted}"),
        inputs: serde_json::json!({ "capacity": now }),
        otherwise: "the capacity stays".to_owned(),
        ..Wish::default()
    };
    bounds::hold(seen, policy, wish)
}
