//! `stream scale`, `split` and `merge`: other shards, with progress while the change is made.

use super::args::{MergeArgs, ScaleArgs, SplitArgs};
use super::{Failure, Session};
use crate::commands::say_error;
use crate::status::StatusLine;
use serde_json::json;
use std::io::{self, IsTerminal};
use store::kinesis::admin::{ShardInfo, StreamInfo};

pub(super) async fn scale(session: &Session, args: &ScaleArgs) -> Result<(), Failure> {
    if let Some(shard) = &args.shard {
        return scale_one(session, args, shard).await;
    }
    let before = session.admin.stream(&args.stream).await?.open_shards;
    let target = target(before, args);
    let steps = steps(before, target);
    if steps.len() > 1 {
        let shown: Vec<String> = steps.iter().map(u32::to_string).collect();
        say_error(&format!("From {before} to {target} shards in {} steps: {}.", steps.len(), shown.join(", ")));
    }
    for step in steps {
        resize(session, &args.stream, step).await?;
    }
    told(session, &args.stream, before).await
}

/// The wanted count: within what was said, and within what a stream may have.
fn target(before: u32, args: &ScaleArgs) -> u32 {
    let before = i64::from(before);
    let wanted = match (args.amount.to, args.amount.by, args.amount.percent) {
        (Some(to), ..) => i64::from(to),
        (_, Some(by), _) => before + by,
        (.., Some(percent)) => {
            let more = (before * percent.abs() + 99) / 100;
            if percent < 0 { before - more } else { before + more }
        }
        _ => before,
    };
    let (min, max) = (i64::from(args.min), i64::from(args.max.max(args.min)));
    u32::try_from(wanted.clamp(min, max)).unwrap_or(1)
}

/// The counts on the way: each at most twice and at least half the one before.
fn steps(before: u32, target: u32) -> Vec<u32> {
    let (mut now, mut steps) = (before.max(1), Vec::new());
    while now != target {
        now = target.clamp(now.div_ceil(2), now.saturating_mul(2));
        steps.push(now);
    }
    steps
}

pub(super) async fn resize(session: &Session, stream: &str, target: u32) -> Result<StreamInfo, Failure> {
    session.admin.resize(stream, target).await?;
    settled(session, stream, &format!("to {target} shards")).await
}

/// Waits for the end of a change and shows meanwhile how far it is: on a terminal in one line, elsewhere line by line.
async fn settled(session: &Session, stream: &str, what: &str) -> Result<StreamInfo, Failure> {
    let line = io::stderr().is_terminal().then(StatusLine::new);
    let mut last = 0;
    let shown = |summary: &StreamInfo| {
        let text = format!("{stream}: {} open shards, {what}", summary.open_shards);
        match &line {
            Some(line) => line.show(&text),
            None if summary.open_shards != last => say_error(&text),
            None => {}
        }
        last = summary.open_shards;
    };
    Ok(session.admin.settled(stream, shown).await?)
}

async fn told(session: &Session, stream: &str, before: u32) -> Result<(), Failure> {
    let now = session.admin.stream(stream).await?.open_shards;
    let value = json!({ "name": stream, "open_shards": now, "before": before });
    session.tell(&value, || match now == before {
        true => format!("Stream {stream} has {now} shards, as before."),
        false => format!("Stream {stream} has {now} shards (before: {before})."),
    });
    Ok(())
}

/// Splits one shard into parts of equal size, the largest part first each time.
async fn scale_one(session: &Session, args: &ScaleArgs, shard: &str) -> Result<(), Failure> {
    let parts = target(1, args);
    let before = session.admin.stream(&args.stream).await?.open_shards;
    let mut todo = vec![(open_shard(session, &args.stream, shard).await?, parts)];
    while let Some((shard, parts)) = todo.pop() {
        if parts < 2 {
            continue;
        }
        let (start, end) = shard.keys();
        let left = parts / 2;
        let at = start + (end - start) / u128::from(parts) * u128::from(left) + 1;
        split_at(session, &args.stream, &shard.name, at).await?;
        let children = session.admin.shards(&args.stream).await?.into_iter();
        let children = children.filter(|child| child.parents().any(|parent| parent == shard.name));
        for child in children {
            let is_left = child.keys().0 == start;
            todo.push((child, if is_left { left } else { parts - left }));
        }
    }
    told(session, &args.stream, before).await
}

async fn open_shard(session: &Session, stream: &str, shard: &str) -> Result<ShardInfo, Failure> {
    let shards = session.admin.shards(stream).await?;
    let found = shards.into_iter().find(|found| found.name == shard);
    match found {
        None => Err(format!("stream {stream} has no shard {shard}; see: hailstream stream describe {stream}").into()),
        Some(found) if !found.is_open() => Err(format!("shard {shard} of stream {stream} is closed already").into()),
        Some(found) => Ok(found),
    }
}

async fn split_at(session: &Session, stream: &str, shard: &str, at: u128) -> Result<(), Failure> {
    session.admin.split(stream, shard, at).await?;
    settled(session, stream, &format!("splitting {shard}")).await.map(drop)
}

pub(super) async fn split(session: &Session, args: &SplitArgs) -> Result<(), Failure> {
    let before = session.admin.stream(&args.stream).await?.open_shards;
    let (start, end) = open_shard(session, &args.stream, &args.shard).await?.keys();
    let at = args.at.unwrap_or(start + (end - start) / 2 + 1);
    split_at(session, &args.stream, &args.shard, at).await?;
    told(session, &args.stream, before).await
}

pub(super) async fn merge(session: &Session, args: &MergeArgs) -> Result<(), Failure> {
    let before = session.admin.stream(&args.stream).await?.open_shards;
    session.admin.merge(&args.stream, &args.shard, &args.other).await?;
    settled(session, &args.stream, &format!("merging {} and {}", args.shard, args.other)).await?;
    told(session, &args.stream, before).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::stream::args::Amount;

    fn args(to: Option<u32>, by: Option<i64>, percent: Option<i64>, (min, max): (u32, u32)) -> ScaleArgs {
        ScaleArgs { stream: "s".into(), amount: Amount { to, by, percent }, min, max, shard: None }
    }

    #[test]
    fn counts_are_rounded_up_and_kept_within_bounds() {
        let all = (1, 10_000);
        for (before, args, expected) in [
            (8, args(Some(16), None, None, all), 16),
            (8, args(None, Some(-3), None, all), 5),
            (8, args(None, Some(-30), None, all), 1),
            (75, args(None, None, Some(150), all), 188),
            (75, args(None, None, Some(-25), all), 56),
            (75, args(None, None, Some(150), (1, 100)), 100),
            (4, args(None, None, Some(-99), (3, 8)), 3),
        ] {
            assert_eq!(target(before, &args), expected, "{before} {args:?}");
        }
    }

    #[test]
    fn no_step_is_larger_than_the_service_takes() {
        assert!(steps(8, 8).is_empty());
        assert_eq!(steps(8, 16), [16]);
        assert_eq!(steps(1, 13), [2, 4, 8, 13]);
        assert_eq!(steps(13, 2), [7, 4, 2]);
    }
}
