//! The Kinesis Scaling Utility's rule behind the one seam: it looks as often as its configuration says.

use crate::scaling::StreamSeen;
use crate::scaling::utility::{Memory, Observation, Policy, decide};
use crate::scaling::verdict::Wish;
use model::limits::SHARDS_PER_STREAM_MAX;
use serde_json::json;

/// What it remembers: its own memory, and what was seen since its last look.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::scaling) struct UtilityMemory {
    memory: Memory,
    looked_ms: Option<u64>,
    put_pct: f64,
    get_pct: f64,
    seconds: u32,
}

pub(in crate::scaling) fn by_utility(
    policy: &Policy,
    now_ms: u64,
    seen: &StreamSeen,
    memory: &mut UtilityMemory,
) -> Wish {
    memory.put_pct += seen.put_pct();
    memory.get_pct += seen.get_pct();
    memory.seconds += 1;
    let due_ms = memory.looked_ms.map_or(0, |looked| looked + policy.check_interval * 1_000);
    if now_ms < due_ms {
        return Wish::default();
    }
    let mean = |sum: f64| sum / f64::from(memory.seconds);
    let (put_pct, get_pct) = (mean(memory.put_pct), mean(memory.get_pct));
    let open_shards = seen.open_shards();
    let look = Observation { now_ms, open_shards, changing: seen.changing, put_pct, get_pct };
    let decision = decide(policy, look, memory.memory, SHARDS_PER_STREAM_MAX);
    *memory = UtilityMemory { memory: decision.memory, looked_ms: Some(now_ms), ..UtilityMemory::default() };
    let Some(target) = decision.target else { return Wish::default() };
    Wish {
        shards: Some(target),
        formula: format!("{open_shards} → {target}"),
        reason: decision.reason,
        inputs: json!({ "put_pct": put_pct, "get_pct": get_pct, "open_shards": open_shards }),
        otherwise: "the shards stay".to_owned(),
        ..Wish::default()
    }
}
