//! Our rule: shards and KPUs together, from demand and a model of capacity that learns.
//!
//! Up at once and in one jump; down when the spare slots have cost as much as a later change would; never for what more
//! slots cannot cure.

mod capacity;
mod demand;
mod refuse;
mod shards;
mod size;
#[cfg(test)]
mod tests;
mod window;

pub use capacity::{Capacity, Usl};
use demand::Demand;
use refuse::Troubles;
use serde::{Deserialize, Serialize};
use window::Highest;

use super::verdict::{Refusal, Wish};
use super::{Bounds, Observation, Prices};

/// Our rule. Times are in seconds where the name says nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JointRule {
    /// The age that no record shall reach before it is worked off, in milliseconds, 100–3600000.
    pub slo_ms: f64,
    /// The part of the capacity that demand shall take, above 0 and below 1; what is left absorbs noise.
    pub headroom: f64,
    /// The part of the capacity above which it goes up at once, above `headroom`, 1 at most.
    pub trigger: f64,
    /// The pause of a change of parallelism that is expected before one was measured, in milliseconds.
    pub pause_ms: f64,
    /// Bytes of state that one KPU holds.
    pub kpu_state_bytes: f64,
    /// What calibration found; without it the model starts from what is seen.
    pub capacity: Option<Usl>,
    /// Shortest and longest time without need of a slot before it is given back.
    pub patience_s: (f64, f64),
}

impl Default for JointRule {
    fn default() -> Self {
        Self {
            slo_ms: 5_000.0,
            headroom: 0.85,
            trigger: 0.92,
            pause_ms: 100.0,
            kpu_state_bytes: 4.0 * 1024.0 * 1024.0 * 1024.0 * 0.8,
            capacity: None,
            patience_s: (60.0, 7_200.0),
        }
    }
}

impl JointRule {
    pub(super) fn problem(&self) -> Option<&'static str> {
        if !(100.0..=3_600_000.0).contains(&self.slo_ms) {
            Some("slo_ms must be 100 to 3600000")
        } else if !(self.headroom > 0.0 && self.headroom < self.trigger && self.trigger <= 1.0) {
            Some("headroom must be above 0 and below trigger, and trigger 1 at most")
        } else if !(self.pause_ms >= 0.0 && self.kpu_state_bytes >= 1.0) {
            Some("pause_ms must be 0 or more, and kpu_state_bytes above 0")
        } else if !(self.patience_s.0 > 0.0 && self.patience_s.0 <= self.patience_s.1) {
            Some("patience_s must be two times above 0, the shorter one first")
        } else {
            self.capacity.as_ref().and_then(Usl::problem)
        }
    }

    /// The pause of a change in seconds: measured where there is a measurement.
    fn pause_s(&self, seen: &Observation) -> f64 {
        let measured = seen.application.as_ref().and_then(|application| application.rescale_pause_ms);
        measured.unwrap_or(self.pause_ms) / 1_000.0
    }
}

/// What it remembers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct JointMemory {
    demand: Demand,
    offered: Demand,
    offered_bytes: Demand,
    capacity: Capacity,
    /// Records that waited at the end of the second before.
    backlog: f64,
    /// Seconds one after the other in which records waited.
    backlogged_s: u32,
    wanted: Highest,
    wanted_shards: Highest,
    /// The last second with a backlog or a throttle, and the first that was seen.
    uneasy_ms: Option<u64>,
    throttled_s: u32,
    stepped_ms: Option<u64>,
    reshaped: Option<Reshaped>,
    trial: Option<Trial>,
    troubles: Troubles,
    /// What was refused and told.
    refused: Option<Refusal>,
}

/// The last change of shards.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reshaped {
    at_ms: u64,
    /// Seconds in which it was seen under way.
    took_s: u64,
    /// Open shards before it, and the number that was wanted, which one change may not have reached.
    from: u32,
    goal: u32,
}

/// A step up whose gain is not known yet.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Trial {
    at_ms: u64,
    from: u32,
    /// What came when it was taken.
    demand: f64,
    rate_before: f64,
    expected_gain: f64,
    rate: f64,
    seconds: u32,
}

impl JointMemory {
    /// The model of capacity, to be kept and shown.
    pub(super) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// The last step up is only told, so that nothing is to be gained by it.
    pub(super) fn untried(&mut self) {
        self.trial = None;
    }
}

/// What the rule works with in one look.
struct Look<'a> {
    rule: &'a JointRule,
    bounds: &'a Bounds,
    prices: &'a Prices,
    seen: &'a Observation,
    pause_s: f64,
    /// The time in which a backlog shall be gone.
    catch_up_s: f64,
}

pub(super) fn joint(
    rule: &JointRule,
    (bounds, prices): (&Bounds, &Prices),
    seen: &Observation,
    memory: &mut JointMemory,
) -> Wish {
    let pause_s = rule.pause_s(seen);
    let catch_up_s = (rule.slo_ms / 2_000.0).max(3.0 * pause_s);
    let look = Look { rule, bounds, prices, seen, pause_s, catch_up_s };
    look.note(memory);
    let mut wish = look.shards(memory);
    look.size(&mut wish, memory);
    look.told_once(wish, memory)
}

impl Look<'_> {
    /// Takes what was seen into memory.
    fn note(&self, memory: &mut JointMemory) {
        let now_ms = self.seen.now_ms;
        let mut uneasy = false;
        if let Some(stream) = &self.seen.stream {
            memory.offered.note(stream.offered_records(), self.pause_s);
            memory.offered_bytes.note(stream.offered_bytes(), self.pause_s);
            uneasy |= stream.throttled() > 0.0 || stream.changing;
            memory.throttled_s = if stream.throttled() > 0.0 { memory.throttled_s + 1 } else { 0 };
        }
        if let Some(application) = &self.seen.application {
            let arrived = match &self.seen.stream {
                Some(stream) => stream.records(),
                None => (application.records_in + application.backlog - memory.backlog).max(0.0),
            };
            memory.demand.note(arrived, self.pause_s);
            let waiting = application.backlog > arrived.max(1.0) * 0.5;
            memory.backlogged_s = if waiting && !application.changing { memory.backlogged_s + 1 } else { 0 };
            uneasy |= waiting || application.changing;
            self.learn(application, memory);
            memory.backlog = application.backlog;
            memory.troubles.note(now_ms, application);
        }
        if uneasy || memory.uneasy_ms.is_none() {
            memory.uneasy_ms = Some(now_ms);
        }
    }

    /// A second in which records waited from its beginning to its end tells what this size can do; any other one gives a
    /// hint at most, by the busy time, which is too good where readers are slow.
    fn learn(&self, seen: &super::ApplicationSeen, memory: &mut JointMemory) {
        memory.capacity.start(self.rule.capacity);
        if seen.changing {
            return;
        }
        if memory.backlogged_s >= 2 {
            memory.capacity.measured(seen.parallelism, seen.records_in);
            if let Some(trial) = &mut memory.trial {
                trial.rate += seen.records_in;
                trial.seconds += 1;
            }
        } else if seen.busy > 0.1 {
            memory.capacity.hinted(seen.parallelism, seen.records_in / seen.busy.min(1.0));
        }
    }

    /// A refusal is told when it begins, and not again while it lasts.
    fn told_once(&self, mut wish: Wish, memory: &mut JointMemory) -> Wish {
        match &wish.refusal {
            None => {
                if memory.troubles.is_over(self.seen.now_ms) {
                    memory.refused = None;
                }
            }
            Some(refusal) => {
                memory.troubles.told(self.seen.now_ms);
                let known = memory.refused.as_ref().is_some_and(|known| known.cause == refusal.cause);
                if known {
                    wish.refusal = None;
                } else {
                    memory.refused.clone_from(&wish.refusal);
                }
            }
        }
        wish
    }
}
