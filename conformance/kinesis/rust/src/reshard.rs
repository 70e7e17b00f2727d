//! Shards change in number: all at once, one split, one merge; readers go on through the children.

use crate::check::{same, Outcome};
use crate::put::{self, Book};
use crate::STREAM;
use crate::{read, streams};
use aws_sdk_kinesis::types::ScalingType;
use aws_sdk_kinesis::Client;

/// All shards at once, from 2 to 4.
pub async fn double(kinesis: &Client, book: &mut Book) -> Outcome<String> {
    let ask = kinesis.update_shard_count().stream_name(STREAM).target_shard_count(4);
    let answer = ask.scaling_type(ScalingType::UniformScaling).send().await?;
    same("CurrentShardCount", answer.current_shard_count, Some(2))?;
    same("TargetShardCount", answer.target_shard_count, Some(4))?;
    let read = go_on(kinesis, book, 4).await?;
    Ok(format!("from 2 shards to 4; {read}"))
}

/// One split and one merge, with the parents that the children name.
pub async fn single_steps(kinesis: &Client, book: &mut Book) -> Outcome<String> {
    let open = streams::open_shards(kinesis).await?;
    let (first, last) = streams::hash_keys(&open[0])?;
    let middle = first + (last - first) / 3;
    let ask = kinesis.split_shard().stream_name(STREAM).shard_to_split(&open[0].shard_id);
    ask.new_starting_hash_key(middle.to_string()).send().await?;
    streams::active(kinesis).await?;
    let ask = kinesis.merge_shards().stream_name(STREAM).shard_to_merge(&open[2].shard_id);
    ask.adjacent_shard_to_merge(&open[3].shard_id).send().await?;
    let read = go_on(kinesis, book, 4).await?;
    let open_now = streams::open_shards(kinesis).await?;
    let parents =
        |at: usize| (open_now[at].parent_shard_id.as_deref(), open_now[at].adjacent_parent_shard_id.as_deref());
    same("the parents of the first half", parents(0), (Some(open[0].shard_id.as_str()), None))?;
    same("the parents of the second half", parents(1), (Some(open[0].shard_id.as_str()), None))?;
    let merged = (Some(open[2].shard_id.as_str()), Some(open[3].shard_id.as_str()));
    same("the parents of the merged shard", parents(3), merged)?;
    same("where the second half begins", streams::hash_keys(&open_now[1])?.0, middle)?;
    Ok(format!("one split, one merge; {read}"))
}

/// Once the stream has settled: puts more, and reads all of it.
async fn go_on(kinesis: &Client, book: &mut Book, open: usize) -> Outcome<String> {
    streams::active(kinesis).await?;
    let now = streams::open_shards(kinesis).await?;
    same("the number of open shards", now.len(), open)?;
    streams::covers(&now)?;
    put::many(kinesis, book, 500).await?;
    read::everything(kinesis, book).await
}
