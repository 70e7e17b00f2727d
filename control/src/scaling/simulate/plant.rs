//! A model of a stream and the application that reads it: what waits where, how old it is, and how long a change takes.

use super::trace::{Dice, Trace, Trouble};
use crate::scaling::{ApplicationSeen, Observation, ShardSeen, SinkSeen, Step, StreamSeen, Usl};
use model::SeededRandom;
use model::limits::{RESIZES_PER_DAY_MAX, SHARD_WRITE_RECORDS_PER_S};
use std::collections::VecDeque;

const DAY_MS: u64 = 86_400_000;
const RECORD_BYTES: f64 = 460.0;
/// What producers send again in a second, of what they send anew, at most.
const RESENT_PART: f64 = 0.5;
/// What a sink or reader that is at its end lets through.
const STUCK_RATE: f64 = 6_000.0;
/// The part of records that the heaviest key has where one is hot.
const HOT_SHARE: f64 = 0.5;
const RESTART_EVERY_S: u64 = 20;
const RESTART_TAKES_S: f64 = 1.0;

/// What a simulation runs on.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantOptions {
    /// The seed of the trace and of all noise.
    pub seed: u64,
    /// How long it is, in seconds.
    pub seconds: usize,
    /// How long a change of parallelism stops the application, in seconds.
    pub pause_s: f64,
    /// How long a change of shards takes, in seconds; the stream goes on meanwhile.
    pub reshard_s: f64,
    /// The age that no record shall reach, in seconds.
    pub slo_s: f64,
    /// What slots really work off; policies do not see it.
    pub law: Usl,
    /// Changes of the number of shards are counted: ten a day.
    pub counted: bool,
}

impl Default for PlantOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            seconds: 86_400,
            pause_s: 0.1,
            reshard_s: 2.0,
            slo_s: 5.0,
            law: Usl { c: 2_000.0, sigma: 0.005, kappa: 0.0 },
            counted: false,
        }
    }
}

/// Records in the order in which they came: the second, and how many.
#[derive(Default)]
struct Queue(VecDeque<(f64, f64)>);

impl Queue {
    fn push(&mut self, second: f64, records: f64) {
        if records > 1e-9 {
            self.0.push_back((second, records));
        }
    }

    fn len(&self) -> f64 {
        self.0.iter().map(|(_, records)| records).sum()
    }

    fn oldest(&self) -> Option<f64> {
        self.0.front().map(|(second, _)| *second)
    }

    /// Takes so many, the oldest first, into `other`, or away.
    fn take(&mut self, mut records: f64, mut other: Option<&mut Self>) {
        while records > 1e-9 {
            let Some((second, there)) = self.0.front_mut() else { break };
            let taken = there.min(records);
            records -= taken;
            if let Some(other) = &mut other {
                other.push(*second, taken);
            }
            if *there - taken > 1e-9 {
                *there -= taken;
            } else {
                self.0.pop_front();
            }
        }
    }
}

/// The model.
pub(super) struct Plant {
    options: PlantOptions,
    trouble: Option<Trouble>,
    dice: Dice,
    second: u64,
    /// What the application has been given; what it is while a change pauses is nothing.
    pub(super) parallelism: u32,
    per_kpu: u32,
    paused_s: f64,
    shards: Vec<(u32, f64)>,
    next_shard: u32,
    reshape: Option<(f64, Vec<(u32, f64)>)>,
    resized: VecDeque<u64>,
    at_producers: Queue,
    waiting: Queue,
    restarts: u64,
    failed_checkpoints: u64,
    completed_checkpoints: u64,
    governs_shards: bool,
    governs_slots: bool,
}

impl Plant {
    pub(super) fn new(trace: Trace, options: &PlantOptions, first_rate: f64, governs: (bool, bool)) -> Self {
        let (governs_slots, governs_shards) = governs;
        let shards = match trace {
            Trace::Doubling | Trace::Incurable(_) => 8,
            _ => (first_rate / (0.8 * SHARD_WRITE_RECORDS_PER_S as f64)).ceil() as u32,
        };
        Self {
            trouble: trace.trouble(),
            dice: Dice(SeededRandom::new(options.seed ^ 0x5ca1_ab1e)),
            second: 0,
            parallelism: trace.first_slots(first_rate, options.law.c),
            per_kpu: 1,
            paused_s: 0.0,
            shards: even(0, shards),
            next_shard: shards,
            reshape: None,
            resized: VecDeque::new(),
            at_producers: Queue::default(),
            waiting: Queue::default(),
            restarts: 0,
            failed_checkpoints: 0,
            completed_checkpoints: 0,
            governs_shards,
            governs_slots,
            options: options.clone(),
        }
    }

    pub(super) fn open_shards(&self) -> u32 {
        self.shards.len() as u32
    }

    /// The age of the oldest record that waits anywhere, in seconds.
    pub(super) fn age_s(&self) -> f64 {
        let oldest = [self.at_producers.oldest(), self.waiting.oldest()].into_iter().flatten().reduce(f64::min);
        oldest.map_or(0.0, |second| self.second as f64 - second)
    }

    fn now_ms(&self) -> u64 {
        DAY_MS + self.second * 1_000
    }

    /// One second in which so many records come; what was seen of it.
    pub(super) fn pass(&mut self, rate: f64) -> Observation {
        let now = self.second as f64;
        self.second += 1;
        let fresh = rate;
        let before = self.at_producers.len();
        self.at_producers.push(now, fresh);
        let offered = fresh + before.min(RESENT_PART * fresh);
        let stream = self.stream(offered);
        let application = self.application();
        Observation {
            now_ms: self.now_ms(),
            stream: self.governs_shards.then_some(stream),
            application: self.governs_slots.then_some(application),
        }
    }

    fn stream(&mut self, offered: f64) -> StreamSeen {
        let hot = self.trouble == Some(Trouble::HotShard);
        let limit = if self.governs_shards { SHARD_WRITE_RECORDS_PER_S as f64 } else { f64::INFINITY };
        let seen: Vec<ShardSeen> = self
            .shards
            .iter()
            .enumerate()
            .map(|(at, (number, width))| {
                let own = if hot { (1.0 - HOT_SHARE) * width } else { *width };
                let own = if hot && at == 0 { own + HOT_SHARE } else { own };
                let come = offered * own;
                let records = come.min(limit);
                let hot_key_share = (hot && at == 0).then_some(HOT_SHARE / own);
                let throttled = come - records;
                ShardSeen {
                    number: *number,
                    records,
                    bytes: records * RECORD_BYTES,
                    throttled,
                    age_ms: 0.0,
                    hot_key_share,
                }
            })
            .collect();
        let taken: f64 = seen.iter().map(|shard| shard.records).sum();
        self.at_producers.take(taken, Some(&mut self.waiting));
        if let Some((left, next)) = self.reshape.take() {
            if left > 1.0 {
                self.reshape = Some((left - 1.0, next));
            } else {
                self.shards = next;
            }
        }
        let now_ms = self.now_ms();
        self.resized.retain(|at| at + DAY_MS > now_ms);
        let left = RESIZES_PER_DAY_MAX.saturating_sub(self.resized.len()) as u32;
        let stuck = self.trouble == Some(Trouble::ReadLimit);
        StreamSeen {
            changing: self.reshape.is_some(),
            resizes_left: self.options.counted.then_some(left),
            read_bytes: taken * RECORD_BYTES,
            throttled_reads: if stuck { 20.0 } else { 0.0 },
            shards: seen,
        }
    }

    fn application(&mut self) -> ApplicationSeen {
        self.fail();
        let full = self.options.law.at(self.parallelism) * (1.0 + 0.02 * self.dice.both());
        let (possible, stuck) = self.possible(full);
        let works = 1.0 - self.paused_s.min(1.0);
        let is_paused = self.paused_s > 0.5;
        self.paused_s = (self.paused_s - 1.0).max(0.0);
        let there = self.waiting.len();
        // Without an application to scale there is one that is always large enough.
        let done = if self.governs_slots { there.min(possible * works) } else { there };
        self.waiting.take(done, None);
        let backlog = there - done;
        let busy = (done / full).min(1.0);
        let waited = if stuck && backlog > 1.0 { 1.0 - busy } else { 0.0 };
        let sink_stuck = self.trouble == Some(Trouble::SlowSink);
        let refuses = self.trouble == Some(Trouble::RefusingSink);
        ApplicationSeen {
            parallelism: self.parallelism,
            per_kpu: self.per_kpu,
            changing: is_paused || self.paused_s > 0.0,
            records_in: done,
            backlog,
            age_ms: self.waiting.oldest().map_or(0.0, |second| (self.second as f64 - second) * 1_000.0),
            busy,
            backpressured: waited,
            cpu: busy,
            state_bytes: 50e6,
            sink: SinkSeen {
                latency_ms: if sink_stuck { 900.0 } else { 12.0 },
                waited: if sink_stuck { 0.9 } else { 0.05 },
                refused: if refuses { 40.0 } else { 0.0 },
            },
            hot_key_share: (self.trouble == Some(Trouble::HotKey)).then_some(HOT_SHARE),
            restarts: self.restarts,
            failed_checkpoints: self.failed_checkpoints,
            completed_checkpoints: self.completed_checkpoints,
            rescale_pause_ms: Some(self.options.pause_s * 1_000.0),
        }
    }

    /// What could be worked off in a whole second, and whether something else than slots is why it is not more.
    fn possible(&self, full: f64) -> (f64, bool) {
        match self.trouble {
            Some(Trouble::HotKey) => (full.min(self.options.law.c / HOT_SHARE), false),
            Some(Trouble::SlowSink | Trouble::RefusingSink) => (full.min(STUCK_RATE), true),
            Some(Trouble::ReadLimit | Trouble::Unknown) => (full.min(STUCK_RATE), false),
            _ => (full, false),
        }
    }

    fn fail(&mut self) {
        let due = self.second.is_multiple_of(RESTART_EVERY_S);
        match self.trouble {
            Some(Trouble::RestartLoop) if due => {
                self.restarts += 1;
                self.paused_s = RESTART_TAKES_S;
            }
            Some(Trouble::FailingCheckpoints) if due => self.failed_checkpoints += 1,
            None if due => self.completed_checkpoints += 1,
            _ => {}
        }
    }

    /// Takes a step.
    pub(super) fn step(&mut self, step: &Step) {
        match step {
            Step::Scale { parallelism, per_kpu } => {
                (self.parallelism, self.per_kpu) = (*parallelism, *per_kpu);
                self.paused_s = self.options.pause_s;
            }
            Step::Shards(target) => {
                self.resized.push_back(self.now_ms());
                let next = even(self.next_shard, *target);
                self.next_shard += target;
                self.reshape = Some((self.options.reshard_s, next));
            }
            Step::Split(numbers) => {
                let mut next = Vec::new();
                for (number, width) in &self.shards {
                    if numbers.contains(number) {
                        next.extend([(self.next_shard, width / 2.0), (self.next_shard + 1, width / 2.0)]);
                        self.next_shard += 2;
                    } else {
                        next.push((*number, *width));
                    }
                }
                self.reshape = Some((self.options.reshard_s, next));
            }
        }
    }
}

fn even(first: u32, count: u32) -> Vec<(u32, f64)> {
    (first..first + count).map(|number| (number, 1.0 / f64::from(count))).collect()
}
