//! The size of an application: up at once, down with patience, back where a step has brought nothing.

use super::capacity::Belief;
use super::refuse::HOT_SHARE;
use super::{JointMemory, Look, Trial};
use crate::scaling::ApplicationSeen;
use crate::scaling::observation::kpus;
use crate::scaling::verdict::{Cause, Refusal, Wish};
use model::limits::SHARD_WRITE_RECORDS_PER_S;
use serde_json::json;

/// It is not changed again before so many seconds, or so many pauses, have passed.
const REARM: (f64, f64) = (2.0, 3.0);
/// The part of the SLO that the predicted age may reach.
const AGE_PART: f64 = 0.3;
/// Seconds from a look to the effect of its step, beside the pause.
const REACTION_S: f64 = 2.0;
/// One jump goes so many times as high at most: beyond that, what is known of capacity is a guess.
const JUMP_MOST: u32 = 8;
/// A step up shall bring so many times as much at least, by what has been learned.
const WORTH_IT: f64 = 1.05;
/// Full seconds after which the gain of a step is known.
const TRIAL_S: u32 = 3;
/// A step that gains a smaller part of what it should is taken back.
const GAIN_PART: f64 = 0.3;
/// Until a step up has been tried for so long, there is no further one but for so many times what came.
const TRIAL_MS: u64 = 10_000;
const TRIAL_GROWTH: f64 = 1.2;
/// Longest trial; what was not full within it, has enough.
const TRIAL_MS_MAX: u64 = 60_000;
/// What a later change costs: so many pauses, or seconds, of the whole size.
const LATER_PAUSES: f64 = 30.0;
const LATER_S: f64 = 15.0;

/// The figures of one look at an application.
struct Figures {
    rate: f64,
    demand: f64,
    likely: f64,
    age_s: f64,
    wanted: u32,
}

impl Look<'_> {
    /// Adds what the application needs to the wish.
    pub(super) fn size(&self, wish: &mut Wish, memory: &mut JointMemory) {
        let Some(seen) = &self.seen.application else { return };
        let Some(belief) = memory.capacity.belief() else { return };
        let figures = self.figures(seen, &belief, wish, memory);
        let longest_ms = (self.rule.patience_s.1 * 1_000.0) as u64;
        memory.wanted.note(self.seen.now_ms, figures.wanted, longest_ms);
        if seen.changing || !self.is_armed(memory) {
            return;
        }
        if self.taken_back(seen, memory, wish) {
            return;
        }
        let breaks = figures.rate > self.rule.trigger * figures.likely
            || figures.age_s > AGE_PART * self.rule.slo_ms / 1_000.0
            || self.memory_need(seen) > seen.parallelism;
        if breaks && figures.wanted > seen.parallelism {
            if self.is_on_trial(&figures, memory) {
                return;
            }
            self.up(seen, &belief, &figures, memory, wish);
        } else if wish.refusal.is_none() {
            self.down(seen, &belief, &figures, memory, wish);
        }
    }

    fn is_armed(&self, memory: &JointMemory) -> bool {
        let rearm_ms = (REARM.0.max(REARM.1 * self.pause_s) * 1_000.0) as u64;
        memory.stepped_ms.is_none_or(|at| self.seen.now_ms.saturating_sub(at) >= rearm_ms)
    }

    /// The last step up has not shown yet what it brings, and nothing more has come since.
    fn is_on_trial(&self, figures: &Figures, memory: &JointMemory) -> bool {
        memory.trial.is_some_and(|trial| {
            let passed_ms = self.seen.now_ms.saturating_sub(trial.at_ms);
            passed_ms < TRIAL_MS && figures.rate < trial.demand * TRIAL_GROWTH
        })
    }

    fn figures(&self, seen: &ApplicationSeen, belief: &Belief, wish: &Wish, memory: &JointMemory) -> Figures {
        let rate = self.rate(wish.shards, memory);
        let demand = rate / self.rule.headroom + (seen.backlog + rate * self.pause_s).max(0.0) / self.catch_up_s;
        let likely = belief.likely(seen.parallelism);
        let late = seen.backlog + (rate - likely).max(0.0) * (self.pause_s + REACTION_S);
        let wanted = self.smallest(belief, demand).max(self.memory_need(seen));
        Figures { rate, demand, likely, age_s: late / likely.max(1.0), wanted }
    }

    /// What comes, and with more shards to be also what the stream refuses now, as far as those take it.
    fn rate(&self, shards: Option<u32>, memory: &JointMemory) -> f64 {
        let come = memory.demand.rate();
        let Some((shards, stream)) = shards.zip(self.seen.stream.as_ref()) else { return come };
        let to_be = shards.min(stream.open_shards().saturating_mul(2));
        come.max(memory.offered.rate().min(f64::from(to_be) * SHARD_WRITE_RECORDS_PER_S as f64))
    }

    /// The least parallelism that works the demand off for sure; where none does, the best one.
    fn smallest(&self, belief: &Belief, demand: f64) -> u32 {
        let most = self.bounds.parallelism_max;
        let mut best = (1, 0.0);
        for parallelism in 1..=most {
            let sure = belief.sure(parallelism);
            if sure >= demand {
                return parallelism;
            }
            if sure > best.1 {
                best = (parallelism, sure);
            }
        }
        best.0
    }

    fn memory_need(&self, seen: &ApplicationSeen) -> u32 {
        let kpus = (seen.state_bytes / self.rule.kpu_state_bytes).ceil();
        let subtasks = (kpus - 1.0).max(0.0) * f64::from(seen.per_kpu) + 1.0;
        if kpus > 1.0 { subtasks as u32 } else { 1 }
    }

    fn up(
        &self,
        seen: &ApplicationSeen,
        belief: &Belief,
        figures: &Figures,
        memory: &mut JointMemory,
        wish: &mut Wish,
    ) {
        let useful = seen.hot_key_share.filter(|share| *share > 0.0).map(|share| (HOT_SHARE / share).floor() as u32);
        let useful = useful.unwrap_or(u32::MAX);
        if let Some(refusal) = self.refusal(seen, useful, memory) {
            self.tell(seen, figures, memory, wish, refusal.text.clone());
            wish.refusal = Some(refusal);
            return;
        }
        let target = figures.wanted.min(useful).min(seen.parallelism.saturating_mul(JUMP_MOST));
        if belief.likely(target) < figures.likely * WORTH_IT && self.memory_need(seen) <= seen.parallelism {
            let refusal = no_size_helps(seen.parallelism, target, figures.likely);
            self.tell(seen, figures, memory, wish, refusal.text.clone());
            wish.refusal = Some(refusal);
            return;
        }
        let reason = format!(
            "{:.0} records a second come, {:.0} % of what parallelism {} works off; {:.0} wait, and the oldest would be \
             {:.1} s old",
            figures.rate,
            100.0 * figures.rate / figures.likely.max(1.0),
            seen.parallelism,
            seen.backlog,
            figures.age_s,
        );
        self.tell(seen, figures, memory, wish, reason);
        wish.size = Some((target, seen.per_kpu));
        wish.expected_rate = Some(belief.likely(target));
        memory.stepped_ms = Some(self.seen.now_ms);
        // A step on top of one whose gain is not known is tried together with it.
        let first = memory.trial.map_or((seen.parallelism, seen.records_in), |trial| (trial.from, trial.rate_before));
        memory.trial = Some(Trial {
            at_ms: self.seen.now_ms,
            from: first.0,
            demand: figures.rate,
            rate_before: first.1,
            expected_gain: belief.likely(target) - figures.likely,
            rate: 0.0,
            seconds: 0,
        });
    }

    /// Takes the last step up back where it has gained too little.
    fn taken_back(&self, seen: &ApplicationSeen, memory: &mut JointMemory, wish: &mut Wish) -> bool {
        let Some(trial) = memory.trial else { return false };
        let now_ms = self.seen.now_ms;
        if trial.seconds < TRIAL_S {
            if now_ms.saturating_sub(trial.at_ms) > TRIAL_MS_MAX {
                memory.trial = None;
            }
            return false;
        }
        memory.trial = None;
        let rate = trial.rate / f64::from(trial.seconds);
        let gained = rate - trial.rate_before;
        if gained >= GAIN_PART * trial.expected_gain || seen.parallelism <= trial.from {
            memory.troubles.gained();
            return false;
        }
        memory.troubles.no_gain(now_ms);
        memory.stepped_ms = Some(now_ms);
        wish.size = Some((trial.from, seen.per_kpu));
        wish.reason = format!(
            "the last step gained {gained:.0} records a second of the {:.0} that it should have: it is taken back",
            trial.expected_gain,
        );
        wish.formula = format!("{gained:.0} < {GAIN_PART} · {:.0}", trial.expected_gain);
        wish.inputs = json!({ "rate": rate, "rate_before": trial.rate_before, "parallelism": seen.parallelism });
        wish.otherwise = format!("parallelism {} costs more and works off no more", seen.parallelism);
        true
    }

    fn down(
        &self,
        seen: &ApplicationSeen,
        belief: &Belief,
        figures: &Figures,
        memory: &mut JointMemory,
        wish: &mut Wish,
    ) {
        if figures.wanted >= seen.parallelism || seen.parallelism <= 1 {
            return;
        }
        let patience_ms = |spare: u32| {
            let later = f64::from(seen.parallelism) * (LATER_PAUSES * self.pause_s + LATER_S);
            let (shortest, longest) = self.rule.patience_s;
            ((later / f64::from(spare)).clamp(shortest, longest) * 1_000.0) as u64
        };
        let now_ms = self.seen.now_ms;
        let window_ms = patience_ms(seen.parallelism - figures.wanted);
        let Some(highest) = memory.wanted.since(now_ms.saturating_sub(window_ms)) else { return };
        let calm_ms = memory.uneasy_ms.map_or(u64::MAX, |at| now_ms.saturating_sub(at));
        let window_ms = patience_ms(seen.parallelism.saturating_sub(highest).max(1));
        let Some(highest) = memory.wanted.since(now_ms.saturating_sub(window_ms)) else { return };
        let since_step_ms = memory.stepped_ms.map_or(u64::MAX, |at| now_ms.saturating_sub(at));
        if highest >= seen.parallelism || calm_ms < window_ms || since_step_ms < window_ms {
            return;
        }
        let reason = format!(
            "for {:.0} s nothing waited and nothing was refused, and parallelism {highest} would have been enough",
            window_ms as f64 / 1_000.0,
        );
        self.tell(seen, figures, memory, wish, reason);
        wish.otherwise = format!("{} slots stay idle", seen.parallelism - highest);
        wish.size = Some((highest, seen.per_kpu));
        wish.expected_rate = Some(belief.likely(highest));
        memory.stepped_ms = Some(now_ms);
        memory.trial = None;
    }

    /// Fills in why, from which figures, and what happens if nothing is done.
    fn tell(&self, seen: &ApplicationSeen, figures: &Figures, memory: &JointMemory, wish: &mut Wish, reason: String) {
        let law = memory.capacity.law();
        let joined = |before: &str, more: String| if before.is_empty() { more } else { format!("{before}; {more}") };
        wish.reason = joined(&wish.reason, reason);
        let formula = format!(
            "D = {:.0}/{} + ({:.0} + {:.0}·{:.2})/{:.1} = {:.0}; p* = min p: X⁻(p) ≥ D = {}",
            figures.rate,
            self.rule.headroom,
            seen.backlog,
            figures.rate,
            self.pause_s,
            self.catch_up_s,
            figures.demand,
            figures.wanted,
        );
        wish.formula = joined(&wish.formula, formula);
        let inputs = json!({
            "mean_3_s": memory.demand.short(), "mean_15_s": memory.demand.long(), "forecast": memory.demand.forecast(),
            "offered": memory.offered.rate(), "backlog": seen.backlog, "age_ms": seen.age_ms, "busy": seen.busy,
            "parallelism": seen.parallelism, "kpus": kpus(seen.parallelism, seen.per_kpu), "pause_s": self.pause_s,
            "law": law, "measured_seconds": memory.capacity.seconds(),
            "kpu_hour": self.prices.kpu_hour,
        });
        match wish.inputs.as_object_mut() {
            Some(before) => {
                before.insert("application".to_owned(), inputs);
            }
            None => wish.inputs = json!({ "application": inputs }),
        }
        let short = figures.rate - figures.likely;
        let otherwise = if short > 0.0 {
            format!("parallelism {} falls behind by {:.1} s each minute", seen.parallelism, 60.0 * short / figures.rate)
        } else {
            let rest = (figures.likely - figures.rate).max(1.0);
            format!("what waits is worked off in {:.0} s", seen.backlog / rest)
        };
        wish.otherwise = joined(&wish.otherwise, otherwise);
    }
}

fn no_size_helps(now: u32, target: u32, rate: f64) -> Refusal {
    let text = format!(
        "parallelism {now} works off {rate:.0} records a second, and by what was measured {target} would hardly do more: \
         look for what its subtasks wait for",
    );
    Refusal { cause: Cause::NoGain, text }
}
