//! `stream hot-keys`: which keys weigh most in a shard, and where a split would halve its load.

use super::args::HotKeysArgs;
use super::payload::unpack;
use super::{Failure, Session};
use md5::{Digest, Md5};
use model::{Env, HashKeyRange};
use serde_json::{Value, json};
use store::kinesis::admin::{ReadFrom, ShardInfo};
use store::{HotKey, HotKeys, SplitAdvice};

pub(super) async fn hot_keys(session: &Session, args: &HotKeysArgs) -> Result<(), Failure> {
    let shards = session.admin.shards(&args.stream).await?;
    let wanted = |shard: &&ShardInfo| args.shard.as_ref().map_or(shard.is_open(), |wanted| shard.name == *wanted);
    let shards: Vec<&ShardInfo> = shards.iter().filter(wanted).collect();
    if let (true, Some(wanted)) = (shards.is_empty(), &args.shard) {
        let stream = &args.stream;
        return Err(format!("stream {stream} has no shard {wanted}; see: hailstream stream describe {stream}").into());
    }
    let mut counted = Vec::new();
    for shard in shards {
        counted.push((shard, count(session, args, shard).await?));
    }
    let value = Value::Array(counted.iter().map(|(shard, keys)| keys_json(shard, keys, args.top)).collect());
    session.tell(&value, || {
        let shown = |(shard, keys): &(&ShardInfo, HotKeys)| keys_text(&args.stream, shard, keys, args.top);
        counted.iter().map(shown).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

async fn count(session: &Session, args: &HotKeysArgs, shard: &ShardInfo) -> Result<HotKeys, Failure> {
    let (start, end) = shard.keys();
    let range = HashKeyRange::new(start, end).ok_or("the service tells of a shard without keys")?;
    let mut keys = HotKeys::new(range);
    let from_ms = Env::system().now_ms().saturating_sub(args.seconds * 1_000);
    let mut next = Some(session.admin.read_from(&args.stream, &shard.name, ReadFrom::Time(from_ms)).await?);
    while let Some(iterator) = next.filter(|_| keys.total().0 < args.records) {
        let answer = session.admin.read(&iterator).await?;
        for record in &answer.records {
            for user_record in unpack(record) {
                let place = u128::from_be_bytes(Md5::digest(user_record.key.as_bytes()).into());
                keys.add(&user_record.key, place, (user_record.data.len() + user_record.key.len()) as u64);
            }
        }
        let at_tip = answer.records.is_empty() && answer.behind_ms == 0;
        next = answer.next.filter(|_| !at_tip);
    }
    Ok(keys)
}

fn keys_json(shard: &ShardInfo, keys: &HotKeys, top: usize) -> Value {
    let key = |key: &HotKey| json!({ "key": key.key, "records": key.records, "error": key.over, "share": key.share });
    let (records, bytes) = keys.total();
    let advice = match keys.advice() {
        SplitAdvice::Nothing => Value::Null,
        SplitAdvice::At { key, below } => json!({ "split_at": key.to_string(), "share_below": below }),
        SplitAdvice::OneKey(key) => json!({ "one_key": key }),
    };
    let heaviest: Vec<Value> = keys.heaviest(top).iter().map(key).collect();
    json!({ "shard": shard.name, "records": records, "bytes": bytes, "keys": heaviest, "advice": advice })
}

fn keys_text(stream: &str, shard: &ShardInfo, keys: &HotKeys, top: usize) -> String {
    let (records, bytes) = keys.total();
    let name = &shard.name;
    let mut lines = vec![format!("{name}: {records} records, {bytes} bytes")];
    for key in keys.heaviest(top) {
        let over = if key.over > 0 { format!(" (at most {} too many)", key.over) } else { String::new() };
        let shown = super::payload::shown(key.key.as_bytes());
        lines.push(format!("  {:6.2} %  {:>10}  {shown}{over}", key.share * 100.0, key.records));
    }
    match keys.advice() {
        SplitAdvice::Nothing => {}
        SplitAdvice::At { key, below } => lines.push(format!(
            "  A split leaves {:.0} % on one side: hailstream stream split {stream} {name} --at {key}",
            below * 100.0
        )),
        SplitAdvice::OneKey(key) => lines.push(format!(
            "  The key {} alone carries most of it: no split helps, its writers must spread it over several keys.",
            super::payload::shown(key.as_bytes())
        )),
    }
    lines.join("\n")
}
