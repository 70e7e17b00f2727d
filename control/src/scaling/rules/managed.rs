//! The managed service's rule: twice after a quarter of an hour of a busy processor, half after six idle hours.

use super::figure::Gathered;
use crate::scaling::ApplicationSeen;
use crate::scaling::verdict::Wish;
use serde::{Deserialize, Serialize};
use serde_json::json;

const UP_CPU_PCT: f64 = 75.0;
const UP_POINTS: u32 = 15;
const DOWN_CPU_PCT: f64 = 10.0;
const DOWN_POINTS: u32 = 360;
const POINT_MS: u64 = 60_000;

/// The managed service's rule; it has no figures to set but the parallelism that it never goes below.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ManagedRule {
    /// The parallelism that the application was configured with; never less.
    pub configured_parallelism: u32,
}

/// What it remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::scaling) struct ManagedMemory {
    minute: Gathered,
    above: u32,
    below: u32,
}

pub(in crate::scaling) fn managed(
    rule: &ManagedRule,
    now_ms: u64,
    seen: &ApplicationSeen,
    memory: &mut ManagedMemory,
) -> Wish {
    if seen.changing {
        *memory = ManagedMemory::default();
        return Wish::default();
    }
    let Some(minute) = memory.minute.add(now_ms, POINT_MS, seen.cpu * 100.0) else { return Wish::default() };
    let cpu = minute.max;
    memory.above = if cpu >= UP_CPU_PCT { memory.above + 1 } else { 0 };
    memory.below = if cpu < DOWN_CPU_PCT { memory.below + 1 } else { 0 };
    let floor = rule.configured_parallelism.max(1);
    let (parallelism, points, what) = if memory.above >= UP_POINTS {
        (seen.parallelism.saturating_mul(2), UP_POINTS, "at or above 75 %")
    } else if memory.below >= DOWN_POINTS && seen.parallelism > floor {
        ((seen.parallelism / 2).max(floor), DOWN_POINTS, "below 10 %")
    } else {
        return Wish::default();
    };
    (memory.above, memory.below) = (0, 0);
    Wish {
        size: Some((parallelism, seen.per_kpu)),
        reason: format!("the processor was {what} in {points} minutes one after the other"),
        formula: format!("{} → {parallelism}", seen.parallelism),
        inputs: json!({ "cpu_max_pct": cpu, "parallelism": seen.parallelism }),
        otherwise: "the parallelism stays".to_owned(),
        ..Wish::default()
    }
}
