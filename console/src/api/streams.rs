//! Streams: questions about their shards, lineage and past, and the changes of their shards.

use super::Shared;
use super::controls::{Body, TAKEN, Taken};
use super::results::{Parameters, read};
use crate::Failure;
use crate::views::{STREAMS_SHOWN_MAX, ShardChange, ShardKeys, StreamHistory, StreamLine, StreamView};
use axum::Json;
use axum::extract::State;
use model::limits::{SHARDS_PER_STREAM_MAX, STREAM_NAME_CHARS_MAX};
use serde::{Deserialize, Serialize};

/// The times that can be looked back on, in seconds.
const SPANS_S: [u64; 3] = [900, 3_600, 86_400];

/// The answer about all streams.
#[derive(Serialize)]
pub(super) struct Streams {
    streams: Vec<StreamLine>,
    /// Whether streams were left out.
    truncated: bool,
}

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Streams>, Failure> {
    let mut streams = shared.ask(|platform| Ok(platform.streams())).await?;
    let truncated = streams.len() > STREAMS_SHOWN_MAX;
    streams.truncate(STREAMS_SHOWN_MAX);
    Ok(Json(Streams { streams: streams.into_iter().map(StreamLine::bounded).collect(), truncated }))
}

fn check_name(name: &str) -> Result<(), Failure> {
    let chars = name.chars().take(STREAM_NAME_CHARS_MAX + 1).count();
    if (1..=STREAM_NAME_CHARS_MAX).contains(&chars) {
        return Ok(());
    }
    Err(Failure::invalid(format!("the name of a stream has 1 to {STREAM_NAME_CHARS_MAX} characters")))
}

#[derive(Deserialize)]
pub(super) struct Named {
    name: String,
}

pub(super) async fn view(
    State(shared): State<Shared>,
    parameters: Parameters<Named>,
) -> Result<Json<StreamView>, Failure> {
    let Named { name } = read(parameters)?;
    check_name(&name)?;
    let view = shared.ask(move |platform| platform.stream_view(&name)).await?;
    Ok(Json(view.bounded()))
}

#[derive(Deserialize)]
pub(super) struct Past {
    name: String,
    seconds: u64,
}

pub(super) async fn history(
    State(shared): State<Shared>,
    parameters: Parameters<Past>,
) -> Result<Json<StreamHistory>, Failure> {
    let Past { name, seconds } = read(parameters)?;
    check_name(&name)?;
    if !SPANS_S.contains(&seconds) {
        return Err(Failure::invalid(format!("the past of {seconds} s is none of {SPANS_S:?}")));
    }
    shared.ask(move |platform| platform.stream_history(&name, seconds)).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Count {
    stream: String,
    count: u32,
}

pub(super) async fn set_count(
    State(shared): State<Shared>,
    Body(Count { stream, count }): Body<Count>,
) -> Result<Json<Taken>, Failure> {
    if !(1..=SHARDS_PER_STREAM_MAX).contains(&count) {
        return Err(Failure::invalid(format!("{count} shards are not within 1..={SHARDS_PER_STREAM_MAX}")));
    }
    change(shared, stream, ShardChange::Count(count)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Split {
    stream: String,
    shard: u32,
    /// The hash key to split at, in decimal; in the middle where nothing is said.
    at: Option<String>,
}

pub(super) async fn split(
    State(shared): State<Shared>,
    Body(Split { stream, shard, at }): Body<Split>,
) -> Result<Json<Taken>, Failure> {
    let key = |text: String| {
        text.parse::<u128>().map_err(|_| Failure::invalid("the hash key to split at is a number from 0 to 2^128 - 1"))
    };
    let at = at.map(key).transpose()?;
    change(shared, stream, ShardChange::Split(shard, at)).await
}

#[derive(Deserialize)]
pub(super) struct KeysOf {
    name: String,
    shard: u32,
}

pub(super) async fn keys(
    State(shared): State<Shared>,
    parameters: Parameters<KeysOf>,
) -> Result<Json<ShardKeys>, Failure> {
    let KeysOf { name, shard } = read(parameters)?;
    check_name(&name)?;
    let keys = shared.ask(move |platform| platform.shard_keys(&name, shard)).await?;
    Ok(Json(keys.bounded()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Merge {
    stream: String,
    shard: u32,
}

pub(super) async fn merge(
    State(shared): State<Shared>,
    Body(Merge { stream, shard }): Body<Merge>,
) -> Result<Json<Taken>, Failure> {
    change(shared, stream, ShardChange::Merge(shard)).await
}

async fn change(shared: Shared, stream: String, change: ShardChange) -> Result<Json<Taken>, Failure> {
    check_name(&stream)?;
    shared.ask(move |platform| platform.change_shards(&stream, change)).await.map(|()| TAKEN)
}
