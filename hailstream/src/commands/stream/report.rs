//! `stream report`: how the key space is shared out among the shards, and which of them are too large or too small.

use super::{Failure, Session};
use serde_json::{Value, json};
use store::kinesis::admin::ShardInfo;

/// A shard whose part is farther than this from an equal one is told.
const UNEVEN: f64 = 1.5;

/// A shard that takes records, and its part of the key space.
struct Part<'a> {
    shard: &'a ShardInfo,
    share: f64,
    /// How many times as large as an equal part.
    factor: f64,
}

pub(super) async fn report(session: &Session, stream: &str) -> Result<(), Failure> {
    let shards = session.admin.shards(stream).await?;
    let mut open: Vec<&ShardInfo> = shards.iter().filter(|shard| shard.is_open()).collect();
    open.sort_by_key(|shard| shard.keys().0);
    let parts: Vec<Part<'_>> = open.iter().map(|shard| part(shard, open.len())).collect();
    let uneven: Vec<&Part<'_>> = parts.iter().filter(|part| part.is_uneven()).collect();
    let value = json!({
        "name": stream,
        "open_shards": open.len(),
        "closed_shards": shards.len() - open.len(),
        "shards": parts.iter().map(Part::json).collect::<Vec<_>>(),
        "uneven": uneven.iter().map(|part| part.shard.name.as_str()).collect::<Vec<_>>(),
    });
    session.tell(&value, || {
        let mut lines = vec![format!("{stream}: {} open shards, {} closed", open.len(), shards.len() - open.len())];
        lines.extend(parts.iter().map(Part::line));
        lines.push(advice(stream, &uneven, open.len()));
        lines.join("\n")
    });
    Ok(())
}

fn part(shard: &ShardInfo, count: usize) -> Part<'_> {
    let (start, end) = shard.keys();
    let share = ((end - start) as f64 + 1.0) / (u128::MAX as f64 + 1.0);
    Part { shard, share, factor: share * count as f64 }
}

impl Part<'_> {
    fn is_uneven(&self) -> bool {
        self.factor > UNEVEN || self.factor < 1.0 / UNEVEN
    }

    fn json(&self) -> Value {
        let (start, end) = self.shard.keys();
        json!({
            "shard": self.shard.name,
            "first_key": start.to_string(),
            "last_key": end.to_string(),
            "share": self.share,
        })
    }

    fn line(&self) -> String {
        let (start, end) = self.shard.keys();
        let (bar, share) = ("█".repeat((self.factor * 10.0).round().clamp(1.0, 40.0) as usize), self.share * 100.0);
        let mark = if self.is_uneven() { format!("  {:.2}× an equal part", self.factor) } else { String::new() };
        format!("  {}  {start:032x}-{end:032x}  {share:6.2} %  {bar}{mark}", self.shard.name)
    }
}

fn advice(stream: &str, uneven: &[&Part<'_>], count: usize) -> String {
    if uneven.is_empty() {
        return "The key space is shared out evenly.".to_owned();
    }
    format!("{} shards are uneven. To make all alike: hailstream stream scale {stream} --to {count}", uneven.len())
}
