//! The formula of the Flink Kubernetes operator's autoscaler, with its options under their meaning there.

use crate::scaling::ApplicationSeen;
use crate::scaling::verdict::Wish;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::VecDeque;

/// Longest window of figures, in seconds.
const WINDOW_S_MAX: u32 = 3_600;

/// The operator's rule. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperatorRule {
    /// The part of its true rate that an operator shall have to work off, above 0, 1 at most.
    pub utilisation: f64,
    /// How far the use may be from that before anything is changed.
    pub boundary: f64,
    /// The time over which figures are averaged, 1–3600.
    pub window_s: u32,
    /// How long nothing is changed after a change.
    pub stabilization_s: u32,
    /// How long it waits after a change before it goes down.
    pub down_after_s: u32,
    /// The time in which a backlog shall be gone; 0 leaves it out.
    pub catch_up_s: f64,
    /// The time that a change is expected to take.
    pub restart_s: f64,
    /// The largest part of the parallelism that one step takes away, 0–1.
    pub down_factor_max: f64,
}

impl Default for OperatorRule {
    fn default() -> Self {
        Self {
            utilisation: 0.7,
            boundary: 0.3,
            window_s: 900,
            stabilization_s: 300,
            down_after_s: 3_600,
            catch_up_s: 1_800.0,
            restart_s: 300.0,
            down_factor_max: 0.6,
        }
    }
}

impl OperatorRule {
    /// The same with short windows, as for a job that is rescaled in seconds.
    pub fn tuned() -> Self {
        Self {
            window_s: 60,
            stabilization_s: 60,
            down_after_s: 300,
            catch_up_s: 60.0,
            restart_s: 20.0,
            ..Self::default()
        }
    }

    pub(in crate::scaling) fn problem(&self) -> Option<&'static str> {
        if !(self.utilisation > 0.0 && self.utilisation <= 1.0) {
            Some("utilisation must be above 0 and 1 at most")
        } else if !(1..=WINDOW_S_MAX).contains(&self.window_s) {
            Some("window_s must be 1 to 3600")
        } else if !(0.0..=1.0).contains(&self.down_factor_max) || !(0.0..1.0).contains(&self.boundary) {
            Some("down_factor_max and boundary must be 0 to 1")
        } else if !(self.catch_up_s >= 0.0 && self.restart_s >= 0.0) {
            Some("catch_up_s and restart_s must be 0 or more")
        } else {
            None
        }
    }
}

/// What it remembers: seconds of input, work and busy time; `WINDOW_S_MAX` at most.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::scaling) struct OperatorMemory {
    seconds: VecDeque<[f64; 3]>,
    sums: [f64; 3],
    backlog: f64,
    changed_ms: Option<u64>,
}

pub(in crate::scaling) fn operator(
    rule: &OperatorRule,
    now_ms: u64,
    seen: &ApplicationSeen,
    memory: &mut OperatorMemory,
) -> Wish {
    if seen.changing {
        // Figures from before a change say nothing of what comes after it.
        *memory = OperatorMemory { changed_ms: memory.changed_ms, ..OperatorMemory::default() };
        return Wish::default();
    }
    // What came is what was worked off and what is left of it.
    let arrived = (seen.records_in + seen.backlog - memory.backlog).max(0.0);
    memory.backlog = seen.backlog;
    memory.note([arrived, seen.records_in, seen.busy], rule.window_s as usize);
    let since_ms = memory.changed_ms.map_or(u64::MAX, |at| now_ms.saturating_sub(at));
    if memory.seconds.len() < rule.window_s as usize || since_ms < u64::from(rule.stabilization_s) * 1_000 {
        return Wish::default();
    }
    let wish = rule.wanted(seen, memory, since_ms);
    if !wish.is_empty() {
        memory.changed_ms = Some(now_ms);
    }
    wish
}

impl OperatorMemory {
    fn note(&mut self, second: [f64; 3], window: usize) {
        self.seconds.push_back(second);
        let gone = if self.seconds.len() > window { self.seconds.pop_front() } else { None };
        for (at, sum) in self.sums.iter_mut().enumerate() {
            *sum += second[at] - gone.map_or(0.0, |gone| gone[at]);
        }
    }
}

impl OperatorRule {
    fn wanted(&self, seen: &ApplicationSeen, memory: &OperatorMemory, since_ms: u64) -> Wish {
        let count = memory.seconds.len() as f64;
        let [arrived, worked, busy] = memory.sums.map(|sum| sum / count);
        let true_rate = worked / busy.max(0.001);
        if true_rate <= 0.0 {
            return Wish::default();
        }
        let catching_up = if self.catch_up_s > 0.0 {
            seen.backlog / self.catch_up_s + arrived * self.restart_s / self.catch_up_s
        } else {
            0.0
        };
        let target = catching_up + arrived / self.utilisation;
        let low = catching_up + arrived / (self.utilisation + self.boundary).min(1.0);
        let high = catching_up + arrived / (self.utilisation - self.boundary).max(0.05);
        if (low..=high).contains(&true_rate) {
            return Wish::default();
        }
        let ideal = (f64::from(seen.parallelism) * target / true_rate).ceil().max(1.0) as u32;
        let fewest = (f64::from(seen.parallelism) * (1.0 - self.down_factor_max)).ceil() as u32;
        let parallelism = ideal.max(fewest).max(1);
        let too_soon = parallelism < seen.parallelism && since_ms < u64::from(self.down_after_s) * 1_000;
        if parallelism == seen.parallelism || too_soon {
            return Wish::default();
        }
        Wish {
            size: Some((parallelism, seen.per_kpu)),
            reason: format!("the true rate {true_rate:.0}/s is outside {low:.0} to {high:.0}/s"),
            formula: format!("ceil({} · {target:.0} / {true_rate:.0}) = {ideal}", seen.parallelism),
            inputs: json!({ "arrived": arrived, "worked": worked, "busy": busy, "backlog": seen.backlog }),
            otherwise: "the parallelism stays".to_owned(),
            expected_rate: Some(true_rate * f64::from(parallelism) / f64::from(seen.parallelism)),
            ..Wish::default()
        }
    }
}
