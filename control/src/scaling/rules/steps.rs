//! Step scaling as Application Auto Scaling defines it: the further a figure is beyond its threshold, the larger the step.

use super::figure::{Figure, Gathered};
use crate::scaling::Observation;
use crate::scaling::verdict::Wish;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Longest period of a figure, in seconds, and most periods that must break the threshold.
const PERIOD_S_MAX: u32 = 86_400;
const PERIODS_MAX: u32 = 1_440;

/// How the amount of a step is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdjustmentKind {
    /// So many more, or fewer.
    ChangeInCapacity,
    /// So many per cent more, or fewer.
    PercentChangeInCapacity,
    /// So many.
    ExactCapacity,
}

/// How a period's values become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aggregation {
    /// Their mean.
    #[default]
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
}

/// One step: it holds where the figure is `lower` to `upper` beyond the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adjustment {
    /// From here, included where it is above the threshold; without bound where missing.
    #[serde(default)]
    pub lower: Option<f64>,
    /// Up to here, included where it is below the threshold; without bound where missing.
    #[serde(default)]
    pub upper: Option<f64>,
    /// The amount.
    pub amount: i32,
}

impl Adjustment {
    /// Whether it holds for a figure that is `beyond` its threshold, below 0 where it is under it.
    fn holds(&self, beyond: f64) -> bool {
        let (lower, upper) = (self.lower.unwrap_or(f64::NEG_INFINITY), self.upper.unwrap_or(f64::INFINITY));
        if beyond >= 0.0 { lower <= beyond && beyond < upper } else { lower < beyond && beyond <= upper }
    }
}

/// The capacity after the step for a figure that is `beyond` its threshold; `None` where no step holds.
pub fn adjusted(
    capacity: u32,
    beyond: f64,
    kind: AdjustmentKind,
    steps: &[Adjustment],
    magnitude_min: Option<u32>,
) -> Option<u32> {
    let amount = f64::from(steps.iter().find(|step| step.holds(beyond))?.amount);
    let now = f64::from(capacity);
    let wanted = match kind {
        AdjustmentKind::ExactCapacity => amount,
        AdjustmentKind::ChangeInCapacity => now + amount,
        AdjustmentKind::PercentChangeInCapacity => {
            let change = now * amount / 100.0;
            // Between nothing and one it is one; beyond that what is broken is left out.
            let whole = if change == 0.0 { 0.0 } else { change.signum() * change.abs().trunc().max(1.0) };
            let least = if amount == 0.0 { 0.0 } else { f64::from(magnitude_min.unwrap_or(0)) };
            now + whole.signum() * whole.abs().max(least)
        }
    };
    Some(wanted.clamp(0.0, f64::from(u32::MAX)) as u32)
}

/// Step scaling on one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRule {
    /// What is looked at.
    pub figure: Figure,
    /// The threshold of the figure.
    pub threshold: f64,
    /// Whether the threshold is broken from above; from below otherwise.
    pub above: bool,
    /// The period, in seconds, 1–86400.
    pub period_s: u32,
    /// Periods one after the other that must break the threshold, 1–1440.
    pub periods: u32,
    /// How a period's values become one.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// How the amounts are meant.
    pub kind: AdjustmentKind,
    /// The steps.
    pub steps: Vec<Adjustment>,
    /// The smallest change of a step in per cent.
    #[serde(default)]
    pub magnitude_min: Option<u32>,
    /// How long a step holds later ones back, in seconds.
    #[serde(default)]
    pub cooldown_s: u32,
}

impl StepRule {
    pub(in crate::scaling) fn problem(&self) -> Option<&'static str> {
        if !self.threshold.is_finite() {
            Some("the threshold must be a number")
        } else if !(1..=PERIOD_S_MAX).contains(&self.period_s) || !(1..=PERIODS_MAX).contains(&self.periods) {
            Some("period_s must be 1 to 86400, and periods 1 to 1440")
        } else if self.steps.is_empty() {
            Some("it has no steps")
        } else {
            None
        }
    }
}

/// What it remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::scaling) struct StepsMemory {
    period: Gathered,
    broken: u32,
    /// The last step: when, and by how much it changed the capacity.
    last: Option<(u64, i64)>,
}

pub(in crate::scaling) fn by_steps(rule: &StepRule, seen: &Observation, memory: &mut StepsMemory) -> Wish {
    let Some((value, capacity)) = rule.figure.of(seen) else { return Wish::default() };
    let period_ms = u64::from(rule.period_s) * 1_000;
    let Some(period) = memory.period.add(seen.now_ms, period_ms, value) else { return Wish::default() };
    let value = match rule.aggregation {
        Aggregation::Average => period.mean(),
        Aggregation::Minimum => period.min,
        Aggregation::Maximum => period.max,
    };
    let broken = if rule.above { value > rule.threshold } else { value < rule.threshold };
    memory.broken = if broken { (memory.broken + 1).min(rule.periods) } else { 0 };
    if memory.broken < rule.periods {
        return Wish::default();
    }
    let beyond = value - rule.threshold;
    let Some(wanted) = adjusted(capacity, beyond, rule.kind, &rule.steps, rule.magnitude_min) else {
        return Wish::default();
    };
    let wanted = held_back(rule, capacity, wanted, seen.now_ms, memory);
    if wanted == capacity {
        return Wish::default();
    }
    memory.last = Some((seen.now_ms, i64::from(wanted) - i64::from(capacity)));
    Wish {
        reason: format!("{} is {value:.1}, {beyond:+.1} beyond {}", rule.figure.name(), rule.threshold),
        formula: format!("{capacity} → {wanted}"),
        inputs: json!({ "value": value, "threshold": rule.threshold, "capacity": capacity }),
        otherwise: "the capacity stays".to_owned(),
        ..rule.figure.wish(seen, wanted)
    }
}

/// During a cooldown a larger step out takes what it has more than the last one; a step in waits.
fn held_back(rule: &StepRule, capacity: u32, wanted: u32, now_ms: u64, memory: &StepsMemory) -> u32 {
    let Some((at_ms, by)) = memory.last else { return wanted };
    if now_ms.saturating_sub(at_ms) >= u64::from(rule.cooldown_s) * 1_000 {
        return wanted;
    }
    let change = i64::from(wanted) - i64::from(capacity);
    if change > 0 && by > 0 {
        let more = u32::try_from(change.saturating_sub(by)).unwrap_or(0);
        return capacity.saturating_add(more);
    }
    // A step out ends the cooldown of a step in; a step in waits for every cooldown.
    if change > 0 { wanted } else { capacity }
}
