//! Streams of a stack: their shards, and how long they keep records.

use super::{Change, Doing, Extent, StackFailure, Step};
use crate::stack::StreamDecl;
use crate::wiring::Parts;
use model::Kind;
use model::limits::{RETENTION_HOURS_MAX, RETENTION_HOURS_MIN, SHARDS_PER_STREAM_MAX};
use store::{CapacityMode, NewStream, RetentionChange, StreamSettings};

pub(super) fn plan(
    parts: &Parts,
    declared: &StreamDecl,
    extent: Extent,
    steps: &mut Vec<Step>,
) -> Result<(), StackFailure> {
    let subject = format!("stream {}", declared.name);
    check(&subject, declared)?;
    let Ok(stream) = parts.store().describe_stream(&declared.name) else {
        let words = format!("with {} shards", declared.shards);
        steps.push(Step::new(&subject, Change::Create, words, Doing::MakeStream(declared.clone())));
        return Ok(());
    };
    let before = steps.len();
    let (shards, hours) = (stream.open_shards() as u32, stream.settings.retention_hours);
    if extent == Extent::All && shards != declared.shards && stream.settings.mode == CapacityMode::Provisioned {
        let words = format!("from {shards} to {} shards", declared.shards);
        steps.push(Step::new(&subject, Change::Update, words, Doing::Reshard(stream.name.clone(), declared.shards)));
    }
    if let Some(wanted) = declared.retention_hours.filter(|wanted| extent == Extent::All && *wanted != hours) {
        let words = format!("records are kept for {wanted} hours (before: {hours})");
        steps.push(Step::new(&subject, Change::Update, words, Doing::Keep(stream.name.clone(), wanted)));
    }
    if steps.len() == before {
        steps.push(Step::keep(subject));
    }
    Ok(())
}

fn check(subject: &str, declared: &StreamDecl) -> Result<(), StackFailure> {
    let wrong = |message: String| Err(StackFailure::new(subject, Kind::Invalid, message));
    if !(1..=SHARDS_PER_STREAM_MAX).contains(&declared.shards) {
        return wrong(format!("{} shards are not within 1 to {SHARDS_PER_STREAM_MAX}", declared.shards));
    }
    match declared.retention_hours {
        Some(hours) if !(RETENTION_HOURS_MIN..=RETENTION_HOURS_MAX).contains(&hours) => {
            wrong(format!("retention_hours of {hours} is not within {RETENTION_HOURS_MIN} to {RETENTION_HOURS_MAX}"))
        }
        _ => Ok(()),
    }
}

pub(super) async fn make(parts: &Parts, subject: &str, declared: &StreamDecl) -> Result<(), StackFailure> {
    let mut settings = StreamSettings::new(CapacityMode::Provisioned);
    settings.retention_hours = declared.retention_hours.unwrap_or(settings.retention_hours);
    let new = NewStream { shards: declared.shards, settings };
    let failed = |error: store::CreateError| StackFailure::of(subject, &error);
    parts.store().create_stream_with(&declared.name, new).await.map_err(failed)?;
    // A stream that is being made takes no records yet.
    settled(parts, subject, &declared.name).await.map(drop)
}

/// Changes the number of shards in as many steps as it takes: each at most doubles or halves it.
pub(super) async fn reshard(parts: &Parts, subject: &str, name: &str, target: u32) -> Result<(), StackFailure> {
    loop {
        let shards = settled(parts, subject, name).await?;
        if shards == target {
            return Ok(());
        }
        let next = target.clamp(shards.div_ceil(2), shards.saturating_mul(2));
        let changed = parts.store().update_shard_count(name, next).await;
        changed.map_err(|error| StackFailure::of(subject, &error))?;
    }
}

pub(super) async fn keep(parts: &Parts, subject: &str, name: &str, hours: u32) -> Result<(), StackFailure> {
    let stream = parts.store().describe_stream(name).map_err(|error| StackFailure::of(subject, &error))?;
    let longer = hours >= stream.settings.retention_hours;
    let change = if longer { RetentionChange::Increase } else { RetentionChange::Decrease };
    settled(parts, subject, name).await?;
    let set = parts.store().set_retention_hours(name, hours, change).await;
    set.map_err(|error| StackFailure::of(subject, &error))
}

/// Waits until no change of the stream is under way; its open shards.
async fn settled(parts: &Parts, subject: &str, name: &str) -> Result<u32, StackFailure> {
    let stream = parts.store().settled(name).await.map_err(|error| StackFailure::of(subject, &error))?;
    Ok(stream.open_shards() as u32)
}
