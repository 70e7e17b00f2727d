//! Streams come and go, are listed and described, and keep their records for longer or shorter.

use super::args::{CreateArgs, DeleteArgs, RetentionArgs};
use super::{Failure, Session};
use crate::status::count;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};
use store::kinesis::admin::{ShardInfo, StreamInfo};

pub(super) async fn create(session: &Session, args: &CreateArgs) -> Result<(), Failure> {
    let tags: BTreeMap<&str, &str> = args.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
    session.admin.create(&args.stream, args.shards, &tags, args.max_record_kib).await?;
    let summary = session.admin.settled(&args.stream, |_| {}).await?;
    session.tell(&stream_json(&summary), || {
        format!("Stream {} takes records on {} shards.", summary.name, summary.open_shards)
    });
    Ok(())
}

pub(super) async fn list(session: &Session) -> Result<(), Failure> {
    let mut streams = Vec::new();
    for name in session.admin.streams().await? {
        streams.push(session.admin.stream(&name).await?);
    }
    let value = Value::Array(streams.iter().map(stream_json).collect());
    session.tell(&value, || {
        if streams.is_empty() {
            return "There are no streams. Make one: hailstream stream create NAME --shards 1".to_owned();
        }
        let width = streams.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
        let line = |one: &StreamInfo| {
            let (name, status) = (&one.name, one.status.to_lowercase());
            let hours = one.retention_hours;
            format!("{name:width$}  {status:8}  {:>6} shards  {hours:>5} h", one.open_shards)
        };
        streams.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

pub(super) async fn describe(session: &Session, stream: &str) -> Result<(), Failure> {
    let summary = session.admin.stream(stream).await?;
    let shards = if summary.is_creating() { Vec::new() } else { session.admin.shards(stream).await? };
    let mut value = stream_json(&summary);
    value["shards"] = shards.iter().map(shard_json).collect();
    session.tell(&value, || described(&summary, &shards));
    Ok(())
}

fn described(summary: &StreamInfo, shards: &[ShardInfo]) -> String {
    let mode = mode(summary);
    let mut lines = vec![
        format!("Stream      {} ({}, {mode})", summary.name, summary.status.to_lowercase()),
        format!("ARN         {}", summary.arn),
        format!("Retention   {} h", summary.retention_hours),
        format!("Consumers   {}", summary.consumers),
        format!("Encryption  {}", summary.encryption.as_deref().unwrap_or("NONE").to_lowercase()),
        format!("Records     up to {} KiB", summary.record_kib_max.unwrap_or(1_024)),
        format!("Shards      {} open, {} in all", summary.open_shards, shards.len()),
    ];
    for shard in shards {
        let (start, end) = shard.keys();
        let state = if shard.is_open() { "open" } else { "closed" };
        let parents: Vec<&str> = shard.parents().collect();
        let from = if parents.is_empty() { String::new() } else { format!("  from {}", parents.join(" and ")) };
        lines.push(format!("  {}  {state:6}  {start:032x}-{end:032x}{from}", shard.name));
    }
    lines.join("\n")
}

fn mode(summary: &StreamInfo) -> &'static str {
    if summary.is_on_demand() { "on-demand" } else { "provisioned" }
}

fn stream_json(summary: &StreamInfo) -> Value {
    json!({
        "name": summary.name,
        "arn": summary.arn,
        "status": summary.status,
        "mode": mode(summary),
        "open_shards": summary.open_shards,
        "consumers": summary.consumers,
        "retention_hours": summary.retention_hours,
        "created_s": summary.created_s,
        "encryption": summary.encryption,
        "max_record_kib": summary.record_kib_max,
    })
}

fn shard_json(shard: &ShardInfo) -> Value {
    let (start, end) = shard.keys();
    json!({
        "shard": shard.name,
        "open": shard.is_open(),
        "parents": shard.parents().collect::<Vec<_>>(),
        "first_key": start.to_string(),
        "last_key": end.to_string(),
    })
}

pub(super) async fn retention(session: &Session, args: &RetentionArgs) -> Result<(), Failure> {
    let now = session.admin.stream(&args.stream).await?.retention_hours;
    session.admin.set_retention(&args.stream, now, args.hours).await?;
    let value = json!({ "name": args.stream, "retention_hours": args.hours, "before": now });
    session.tell(&value, || format!("Records of {} are kept for {} h (before: {now} h).", args.stream, args.hours));
    Ok(())
}

pub(super) async fn delete(session: &Session, args: &DeleteArgs) -> Result<(), Failure> {
    let summary = session.admin.stream(&args.stream).await?;
    if !args.yes && !confirmed(&summary)? {
        return Err("nothing was deleted".into());
    }
    session.admin.delete(&args.stream).await?;
    session.tell(&json!({ "deleted": args.stream }), || format!("Stream {} is deleted.", args.stream));
    Ok(())
}

/// Asks a person; where there is none to ask, nothing is deleted.
fn confirmed(summary: &StreamInfo) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err("a stream is deleted with all its records; say --yes where nobody can be asked".into());
    }
    let (name, shards) = (&summary.name, count(f64::from(summary.open_shards)));
    write!(io::stderr().lock(), "Delete stream {name} ({shards} shards) with all its records? Type its name: ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == name)
}
