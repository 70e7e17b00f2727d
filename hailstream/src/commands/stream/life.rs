//! Streams come and go, are listed and described, and keep their records for longer or shorter.

use super::api::{Shard, Summary};
use super::args::{CreateArgs, DeleteArgs, RetentionArgs};
use super::{Failure, Session};
use crate::status::count;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};

pub(super) async fn create(session: &Session, args: &CreateArgs) -> Result<(), Failure> {
    let mut input = json!({ "StreamName": args.stream });
    if let Some(shards) = args.shards {
        input["ShardCount"] = shards.into();
    }
    if let Some(kib) = args.max_record_kib {
        input["MaxRecordSizeInKiB"] = kib.into();
    }
    if !args.tags.is_empty() {
        let tags: BTreeMap<&str, &str> = args.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
        input["Tags"] = json!(tags);
    }
    session.api.order("CreateStream", input).await?;
    let summary = session.api.settled(&args.stream, |_| {}).await?;
    session.tell(&stream_json(&summary), || {
        format!("Stream {} takes records on {} shards.", summary.stream_name, summary.open_shard_count)
    });
    Ok(())
}

pub(super) async fn list(session: &Session) -> Result<(), Failure> {
    let mut streams = Vec::new();
    for name in session.api.streams().await? {
        streams.push(session.api.summary(&name).await?);
    }
    let value = Value::Array(streams.iter().map(stream_json).collect());
    session.tell(&value, || {
        if streams.is_empty() {
            return "There are no streams. Make one: hailstream stream create NAME --shards 1".to_owned();
        }
        let width = streams.iter().map(|one| one.stream_name.chars().count()).max().unwrap_or(0);
        let line = |one: &Summary| {
            let (name, status) = (&one.stream_name, one.stream_status.to_lowercase());
            let hours = one.retention_period_hours;
            format!("{name:width$}  {status:8}  {:>6} shards  {hours:>5} h", one.open_shard_count)
        };
        streams.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

pub(super) async fn describe(session: &Session, stream: &str) -> Result<(), Failure> {
    let summary = session.api.summary(stream).await?;
    let shards = if summary.stream_status == "CREATING" { Vec::new() } else { session.api.shards(stream).await? };
    let mut value = stream_json(&summary);
    value["shards"] = shards.iter().map(shard_json).collect();
    session.tell(&value, || described(&summary, &shards));
    Ok(())
}

fn described(summary: &Summary, shards: &[Shard]) -> String {
    let mode = summary.stream_mode_details.stream_mode.to_lowercase().replace('_', "-");
    let mut lines = vec![
        format!("Stream      {} ({}, {mode})", summary.stream_name, summary.stream_status.to_lowercase()),
        format!("ARN         {}", summary.stream_arn),
        format!("Retention   {} h", summary.retention_period_hours),
        format!("Consumers   {}", summary.consumer_count),
        format!("Encryption  {}", summary.encryption_type.as_deref().unwrap_or("NONE").to_lowercase()),
        format!("Records     up to {} KiB", summary.max_record_size_in_kib.unwrap_or(1_024)),
        format!("Shards      {} open, {} in all", summary.open_shard_count, shards.len()),
    ];
    for shard in shards {
        let (start, end) = shard.hash_key_range.keys();
        let state = if shard.is_open() { "open" } else { "closed" };
        let parents: Vec<&str> = shard.parents().collect();
        let from = if parents.is_empty() { String::new() } else { format!("  from {}", parents.join(" and ")) };
        lines.push(format!("  {}  {state:6}  {start:032x}-{end:032x}{from}", shard.shard_id));
    }
    lines.join("\n")
}

fn stream_json(summary: &Summary) -> Value {
    json!({
        "name": summary.stream_name,
        "arn": summary.stream_arn,
        "status": summary.stream_status,
        "mode": summary.stream_mode_details.stream_mode,
        "open_shards": summary.open_shard_count,
        "consumers": summary.consumer_count,
        "retention_hours": summary.retention_period_hours,
        "created_s": summary.stream_creation_timestamp,
        "encryption": summary.encryption_type,
        "max_record_kib": summary.max_record_size_in_kib,
    })
}

fn shard_json(shard: &Shard) -> Value {
    let (start, end) = shard.hash_key_range.keys();
    json!({
        "shard": shard.shard_id,
        "open": shard.is_open(),
        "parents": shard.parents().collect::<Vec<_>>(),
        "first_key": start.to_string(),
        "last_key": end.to_string(),
    })
}

pub(super) async fn retention(session: &Session, args: &RetentionArgs) -> Result<(), Failure> {
    let now = session.api.summary(&args.stream).await?.retention_period_hours;
    let way = if args.hours >= now { "Increase" } else { "Decrease" };
    let input = json!({ "StreamName": args.stream, "RetentionPeriodHours": args.hours });
    session.api.order(&format!("{way}StreamRetentionPeriod"), input).await?;
    let value = json!({ "name": args.stream, "retention_hours": args.hours, "before": now });
    session.tell(&value, || format!("Records of {} are kept for {} h (before: {now} h).", args.stream, args.hours));
    Ok(())
}

pub(super) async fn delete(session: &Session, args: &DeleteArgs) -> Result<(), Failure> {
    let summary = session.api.summary(&args.stream).await?;
    if !args.yes && !confirmed(&summary)? {
        return Err("nothing was deleted".into());
    }
    session.api.order("DeleteStream", json!({ "StreamName": args.stream })).await?;
    session.api.gone(&args.stream).await?;
    session.tell(&json!({ "deleted": args.stream }), || format!("Stream {} is deleted.", args.stream));
    Ok(())
}

/// Asks a person; where there is none to ask, nothing is deleted.
fn confirmed(summary: &Summary) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err("a stream is deleted with all its records; say --yes where nobody can be asked".into());
    }
    let (name, shards) = (&summary.stream_name, count(f64::from(summary.open_shard_count)));
    write!(io::stderr().lock(), "Delete stream {name} ({shards} shards) with all its records? Type its name: ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == name)
}
