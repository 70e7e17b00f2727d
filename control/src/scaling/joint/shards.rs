//! The number of shards: from what is offered, refused records included; only hot ranges are split where that is enough.

use super::demand::Demand;
use super::{JointMemory, Look, Reshaped};
use crate::scaling::verdict::{Cause, Refusal, Wish};
use crate::scaling::{ShardSeen, StreamSeen};
use model::limits::SHARD_WRITE_RECORDS_PER_S;
use serde_json::json;

/// What a shard shall have to take: a fifth less than it can.
const SHARD_BYTES: f64 = 0.8 * 1_000_000.0;
const SHARD_RECORDS: f64 = 0.8 * SHARD_WRITE_RECORDS_PER_S as f64;
/// Refused records in so many seconds one after the other are more than an uneven second.
const THROTTLED_S: u32 = 2;
/// A number that is changed ten times a day at most is changed by a quarter at least, and its last changes are for growth.
const COUNTED_PART: f64 = 1.25;
const RESERVED: u32 = 3;
/// Shards go when so many of them were enough for so long, in seconds; longer where changes are counted.
const SPARE_PART: f64 = 0.7;
const SPARE_S: (f64, f64) = (600.0, 3_600.0);
/// Most shards that are split by one decision.
const SPLITS_MAX: usize = 16;
/// No second change within so many milliseconds, and so many times what the last one took.
/// This is also the time in which producers get rid of what was refused, which would be counted twice.
const REARM_MS: u64 = 15_000;
const REARM_TIMES: u64 = 4;

impl Look<'_> {
    /// What the stream needs.
    pub(super) fn shards(&self, memory: &mut JointMemory) -> Wish {
        let Some(stream) = &self.seen.stream else { return Wish::default() };
        let offered = |demand: &Demand| demand.rate().max(demand.held());
        let (records, bytes) = (offered(&memory.offered), offered(&memory.offered_bytes));
        let wanted = (bytes / SHARD_BYTES).ceil().max((records / SHARD_RECORDS).ceil()).max(1.0) as u32;
        let now_ms = self.seen.now_ms;
        memory.wanted_shards.note(now_ms, wanted, (SPARE_S.1 * 1_000.0) as u64);
        // One full second may be an uneven one, and says too little of how many shards are needed.
        let is_first = memory.throttled_s > 0 && memory.throttled_s < THROTTLED_S;
        if stream.changing {
            memory.reshaped.iter_mut().for_each(|last| last.took_s += 1);
        }
        if stream.changing || is_first || rests(stream, now_ms, memory.reshaped) {
            return Wish::default();
        }
        let open = stream.open_shards();
        let now = |demand: &Demand| demand.short().max(demand.long());
        let used = (now(&memory.offered) / (f64::from(open) * SHARD_WRITE_RECORDS_PER_S as f64))
            .max(now(&memory.offered_bytes) / (f64::from(open) * SHARD_BYTES / 0.8));
        let refuses = memory.throttled_s >= THROTTLED_S;
        // What one change did not reach, the next one does; nothing is measured anew while refused records come again.
        let left = memory.reshaped.filter(|last| last.is_half_way(open)).map(|last| last.goal);
        let mut wish = if let Some(refusal) = one_key(stream).filter(|_| refuses) {
            Wish { refusal: Some(refusal), ..Wish::default() }
        } else if used > self.rule.trigger && wanted > open {
            Wish { shards: Some(left.unwrap_or_else(|| grown(stream, wanted))), ..Wish::default() }
        } else if refuses {
            hot(stream, self.rule.trigger)
        } else {
            self.spare(stream, memory)
        };
        if wish.is_empty() {
            return wish;
        }
        wish.reason = wish.refusal.as_ref().map_or_else(
            || format!("{records:.0} records and {:.2} MB a second are offered to {open} shards", bytes / 1e6),
            |refusal| refusal.text.clone(),
        );
        wish.formula = format!(
            "shards* = max(⌈{:.2} MB / 0.8 MB⌉, ⌈{records:.0} / 800⌉) = {wanted}{}",
            bytes / 1e6,
            if wish.split.is_empty() { String::new() } else { format!("; split {:?}", wish.split) },
        );
        wish.otherwise = format!("{:.0} records a second are refused", stream.throttled());
        wish.inputs = json!({ "stream": {
            "offered_records": records, "offered_bytes": bytes, "throttled": stream.throttled(), "open_shards": open,
            "resizes_left": stream.resizes_left,
        }});
        if wish.refusal.is_none() {
            let goal = wish.shards.unwrap_or(open);
            memory.reshaped = Some(Reshaped { at_ms: now_ms, took_s: 0, from: open, goal });
        }
        wish
    }

    fn spare(&self, stream: &StreamSeen, memory: &JointMemory) -> Wish {
        let counted = stream.resizes_left.is_some();
        let window_ms = (if counted { SPARE_S.1 } else { SPARE_S.0 } * 1_000.0) as u64;
        let now_ms = self.seen.now_ms;
        let calm_ms = memory.uneasy_ms.map_or(u64::MAX, |at| now_ms.saturating_sub(at));
        let highest = memory.wanted_shards.since(now_ms.saturating_sub(window_ms));
        let open = stream.open_shards();
        let enough = highest.filter(|highest| f64::from(*highest) <= SPARE_PART * f64::from(open));
        let left = stream.resizes_left.is_none_or(|left| left > RESERVED);
        match enough {
            Some(target) if calm_ms >= window_ms && left => Wish { shards: Some(target), ..Wish::default() },
            _ => Wish::default(),
        }
    }
}

impl Reshaped {
    /// It has brought some of the shards that were wanted, and so many are missing that another change is worth it.
    fn is_half_way(&self, open: u32) -> bool {
        open > self.from && f64::from(self.goal) >= COUNTED_PART * f64::from(open)
    }
}

/// The last change is too fresh to see what it has brought, unless it is known that it was not enough.
fn rests(stream: &StreamSeen, now_ms: u64, last: Option<Reshaped>) -> bool {
    last.is_some_and(|last| {
        !last.is_half_way(stream.open_shards())
            && now_ms.saturating_sub(last.at_ms) < REARM_MS + REARM_TIMES * 1_000 * last.took_s
    })
}

fn grown(stream: &StreamSeen, wanted: u32) -> u32 {
    let open = f64::from(stream.open_shards());
    if stream.resizes_left.is_some() { wanted.max((open * COUNTED_PART).ceil() as u32) } else { wanted }
}

/// A shard that one key alone fills.
fn one_key(stream: &StreamSeen) -> Option<Refusal> {
    let is_full = |shard: &&ShardSeen| shard.hot_key_share.is_some_and(|share| share * shard.use_of_limits() > 1.0);
    let shard = stream.shards.iter().find(is_full)?;
    let text = format!(
        "one key brings {:.0} % of what comes to shard {}, more than one shard takes; a split would not divide it: spread \
         the key",
        100.0 * shard.hot_key_share.unwrap_or(0.0),
        shard.number,
    );
    Some(Refusal { cause: Cause::HotShard, text })
}

/// The stream has room, and some of its shards have none: these are split.
fn hot(stream: &StreamSeen, trigger: f64) -> Wish {
    let is_hot = |shard: &&ShardSeen| shard.throttled > 0.0 && shard.use_of_limits() > trigger;
    let hot = stream.shards.iter().filter(is_hot).take(SPLITS_MAX);
    Wish { split: hot.map(|shard| shard.number).collect(), ..Wish::default() }
}
