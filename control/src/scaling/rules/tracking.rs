//! Target tracking as Application Auto Scaling defines it: out after three minutes above, in after a quarter of an hour
//! well below.

use super::figure::{Figure, Gathered};
use crate::scaling::Observation;
use crate::scaling::verdict::Wish;
use serde::{Deserialize, Serialize};
use serde_json::json;

const POINT_MS: u64 = 60_000;
const OUT_POINTS: u32 = 3;
const IN_POINTS: u32 = 15;
/// It goes in only where the figure is below this part of the target.
const IN_PART: f64 = 0.9;

/// A figure is kept at a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingRule {
    /// What is looked at.
    pub figure: Figure,
    /// Its target, above 0.
    pub target: f64,
    /// How long a step out holds later ones out back, in seconds.
    #[serde(default)]
    pub out_cooldown_s: u32,
    /// How long a step holds steps in back, in seconds.
    #[serde(default)]
    pub in_cooldown_s: u32,
    /// Never in.
    #[serde(default)]
    pub disable_in: bool,
}

impl TrackingRule {
    pub(in crate::scaling) fn problem(&self) -> Option<&'static str> {
        (!(self.target > 0.0 && self.target.is_finite())).then_some("the target must be above 0")
    }
}

/// What it remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::scaling) struct TrackingMemory {
    minute: Gathered,
    above: u32,
    below: u32,
    out_ms: Option<u64>,
    in_ms: Option<u64>,
}

pub(in crate::scaling) fn track(rule: &TrackingRule, seen: &Observation, memory: &mut TrackingMemory) -> Wish {
    let Some((value, capacity)) = rule.figure.of(seen) else { return Wish::default() };
    let Some(minute) = memory.minute.add(seen.now_ms, POINT_MS, value) else { return Wish::default() };
    let value = minute.mean();
    memory.above = if value > rule.target { memory.above + 1 } else { 0 };
    memory.below = if value < rule.target * IN_PART { memory.below + 1 } else { 0 };
    let wanted = (f64::from(capacity) * value / rule.target).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
    let passed = |since: Option<u64>, cooldown_s: u32| {
        since.is_none_or(|at| seen.now_ms.saturating_sub(at) >= u64::from(cooldown_s) * 1_000)
    };
    let out = memory.above >= OUT_POINTS && wanted > capacity && passed(memory.out_ms, rule.out_cooldown_s);
    let may_go_in = !rule.disable_in && passed(memory.in_ms.max(memory.out_ms), rule.in_cooldown_s);
    let goes_in = memory.below >= IN_POINTS && wanted < capacity && may_go_in;
    if out {
        memory.out_ms = Some(seen.now_ms);
    } else if goes_in {
        memory.in_ms = Some(seen.now_ms);
    } else {
        return Wish::default();
    }
    (memory.above, memory.below) = (0, 0);
    Wish {
        reason: format!("{} is {value:.1} where {} is the target", rule.figure.name(), rule.target),
        formula: format!("ceil({capacity} · {value:.1} / {}) = {wanted}", rule.target),
        inputs: json!({ "value": value, "target": rule.target, "capacity": capacity }),
        otherwise: "the capacity stays".to_owned(),
        ..rule.figure.wish(seen, wanted)
    }
}
