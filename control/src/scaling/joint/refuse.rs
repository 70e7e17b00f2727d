//! What more shards or KPUs cannot cure.

use super::{JointMemory, Look};
use crate::scaling::ApplicationSeen;
use crate::scaling::verdict::{Cause, Refusal};
use std::collections::VecDeque;

/// A subtask that has so many times its fair share is why no more of them help.
pub(super) const HOT_SHARE: f64 = 1.3;
/// So many failures within `TROUBLE_MS` are a loop.
const FAILURES: usize = 3;
const TROUBLE_MS: u64 = 10 * 60 * 1_000;
/// A refusal is told again when its cause was away for so long.
const FORGOTTEN_MS: u64 = 60 * 1_000;
/// How long a step that did not gain holds further ones back: twice as long each time, until one gains.
const NO_GAIN_MS: (u64, u64) = (10 * 60 * 1_000, 24 * 60 * 60 * 1_000);
/// A sink is slow when subtasks wait for it so much of their time, and a write takes so long or so much longer than usual.
const SINK_WAITED: f64 = 0.5;
const SINK_LATENCY_MS: f64 = 250.0;
const SINK_SLOWER: f64 = 3.0;
/// Seconds in which rows were refused before this is more than a hiccup.
const SINK_REFUSED_S: u32 = 3;
/// Operators that are less busy while records wait, and reads are refused, wait for the shards.
const READ_BUSY: f64 = 0.9;

/// Failures and refusals of the last minutes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Troubles {
    restarts: Option<u64>,
    failed: Option<u64>,
    completed: u64,
    /// When restarts and failed checkpoints were seen; `FAILURES` at most each.
    restarted_ms: VecDeque<u64>,
    failed_ms: VecDeque<u64>,
    refused_s: u32,
    usual_latency_ms: Option<f64>,
    told_ms: Option<u64>,
    /// Until when nothing is tried again after a step without gain.
    no_gain_until_ms: u64,
    no_gain_ms: u64,
}

impl Troubles {
    pub(super) fn note(&mut self, now_ms: u64, seen: &ApplicationSeen) {
        let grown = |known: &mut Option<u64>, value: u64| value > known.replace(value).unwrap_or(value);
        if grown(&mut self.restarts, seen.restarts) {
            push(&mut self.restarted_ms, now_ms);
        }
        if grown(&mut self.failed, seen.failed_checkpoints) {
            push(&mut self.failed_ms, now_ms);
        }
        if seen.completed_checkpoints > self.completed {
            self.failed_ms.clear();
        }
        self.completed = seen.completed_checkpoints;
        self.refused_s = if seen.sink.refused > 0.0 { self.refused_s.saturating_add(1) } else { 0 };
        if seen.sink.waited < SINK_WAITED / 2.0 && seen.sink.latency_ms > 0.0 {
            let usual = self.usual_latency_ms.unwrap_or(seen.sink.latency_ms);
            self.usual_latency_ms = Some(usual + 0.05 * (seen.sink.latency_ms - usual));
        }
    }

    fn is_loop(times: &VecDeque<u64>, now_ms: u64) -> bool {
        times.len() >= FAILURES && times.front().is_some_and(|first| now_ms.saturating_sub(*first) <= TROUBLE_MS)
    }

    pub(super) fn told(&mut self, now_ms: u64) {
        self.told_ms = Some(now_ms);
    }

    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.told_ms.is_none_or(|told| now_ms.saturating_sub(told) > FORGOTTEN_MS)
    }

    pub(super) fn no_gain(&mut self, now_ms: u64) {
        self.no_gain_ms = (self.no_gain_ms * 2).clamp(NO_GAIN_MS.0, NO_GAIN_MS.1);
        self.no_gain_until_ms = now_ms + self.no_gain_ms;
    }

    pub(super) fn gained(&mut self) {
        (self.no_gain_ms, self.no_gain_until_ms) = (0, 0);
    }
}

fn push(times: &mut VecDeque<u64>, now_ms: u64) {
    times.push_back(now_ms);
    while times.len() > FAILURES {
        times.pop_front();
    }
}

impl Look<'_> {
    /// Why more slots would not help; `None` where they would. Beyond a parallelism of `useful` they do nothing for the
    /// heaviest key.
    pub(super) fn refusal(&self, seen: &ApplicationSeen, useful: u32, memory: &JointMemory) -> Option<Refusal> {
        let now_ms = self.seen.now_ms;
        let troubles = &memory.troubles;
        let refuse = |cause, text: String| Some(Refusal { cause, text });
        if Troubles::is_loop(&troubles.restarted_ms, now_ms) {
            let text = "it was restarted 3 times within 10 minutes; more KPUs would fail as well: see its last error";
            return refuse(Cause::RestartLoop, text.to_owned());
        }
        if Troubles::is_loop(&troubles.failed_ms, now_ms) {
            let text = "3 checkpoints in a row failed; a change of size needs none that is lost: see its last error";
            return refuse(Cause::FailingCheckpoints, text.to_owned());
        }
        if troubles.refused_s >= SINK_REFUSED_S {
            let text =
                format!("a sink refuses {:.0} rows a second; more KPUs would send more of them", seen.sink.refused);
            return refuse(Cause::RefusingSink, text);
        }
        let usual_ms = troubles.usual_latency_ms.unwrap_or(SINK_LATENCY_MS);
        if seen.sink.waited >= SINK_WAITED && seen.sink.latency_ms > SINK_LATENCY_MS.min(usual_ms * SINK_SLOWER) {
            let text = format!(
                "subtasks wait {:.0} % of their time for a sink whose writes take {:.0} ms (usually {usual_ms:.0} ms); \
                 make the sink faster",
                seen.sink.waited * 100.0,
                seen.sink.latency_ms,
            );
            return refuse(Cause::SlowSink, text);
        }
        self.key_or_reader(seen, useful, memory)
    }

    fn key_or_reader(&self, seen: &ApplicationSeen, useful: u32, memory: &JointMemory) -> Option<Refusal> {
        let share = seen.hot_key_share.unwrap_or(0.0);
        if useful <= seen.parallelism {
            let text = format!(
                "one key has {:.0} % of the records, so that one of {} subtasks has {:.1} times its share; \
                 spread the key, or count in two steps",
                share * 100.0,
                seen.parallelism,
                share * f64::from(seen.parallelism),
            );
            return Some(Refusal { cause: Cause::HotKey, text });
        }
        let reads = self.seen.stream.as_ref().map_or(0.0, |stream| stream.throttled_reads);
        if reads > 0.0 && seen.busy < READ_BUSY && memory.backlogged_s > 0 {
            let text = format!(
                "operators are busy for {:.0} % of the time while shards refuse {reads:.0} reads a second; give readers \
                 throughput of their own (a registered consumer)",
                seen.busy * 100.0,
            );
            return Some(Refusal { cause: Cause::ReadLimit, text });
        }
        (self.seen.now_ms < memory.troubles.no_gain_until_ms).then(|| Refusal {
            cause: Cause::NoGain,
            text: format!(
                "the last step up gained less than 30 % of what it should have; it is not tried again for {} minutes",
                memory.troubles.no_gain_ms / 60_000,
            ),
        })
    }
}
