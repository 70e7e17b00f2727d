//! SplitShard, MergeShards and UpdateShardCount.

use super::error::ApiError;
use super::sequence::parse_shard_id;
use super::validate::Check;
use super::{Door, check_stream, parse, to_json};
use model::ShardIndex;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SplitShardInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    shard_to_split: Option<String>,
    new_starting_hash_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MergeShardsInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    shard_to_merge: Option<String>,
    adjacent_shard_to_merge: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateShardCountInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    target_shard_count: Option<i64>,
    scaling_type: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateShardCountOutput<'a> {
    stream_name: &'a str,
    current_shard_count: u32,
    target_shard_count: u32,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
}

impl Door {
    /// The shard of a name that was checked, if the stream could have one of that name.
    fn shard_named(&self, stream: &str, name: Option<&str>) -> Result<ShardIndex, ApiError> {
        let name = name.unwrap_or_default();
        parse_shard_id(name).ok_or_else(|| self.no_shard(stream, name))
    }

    pub(super) async fn split_shard(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: SplitShardInput = parse(body)?;
        let mut check = Check::default();
        check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.present("shardToSplit", input.shard_to_split.as_ref());
        check.name("shardToSplit", input.shard_to_split.as_deref());
        check.present("newStartingHashKey", input.new_starting_hash_key.as_ref());
        check.hash_key("newStartingHashKey", input.new_starting_hash_key.as_deref());
        check.finish()?;
        let stream = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let shard = self.shard_named(stream, input.shard_to_split.as_deref())?;
        let key = input.new_starting_hash_key.as_deref().unwrap_or_default();
        let at: u128 = key
            .parse()
            .map_err(|_| ApiError::invalid(format!("NewStartingHashKey {key} is not in the range: [0, 2^128-1].")))?;
        let begun = self.store.split_shard(stream, shard, at).await;
        begun.map(|()| Vec::new()).map_err(|error| self.reshard_error(error))
    }

    pub(super) async fn merge_shards(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: MergeShardsInput = parse(body)?;
        let mut check = Check::default();
        check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        for (path, name) in
            [("shardToMerge", &input.shard_to_merge), ("adjacentShardToMerge", &input.adjacent_shard_to_merge)]
        {
            check.present(path, name.as_ref());
            check.name(path, name.as_deref());
        }
        check.finish()?;
        let stream = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let shard = self.shard_named(stream, input.shard_to_merge.as_deref())?;
        let other = self.shard_named(stream, input.adjacent_shard_to_merge.as_deref())?;
        let begun = self.store.merge_shards(stream, shard, other).await;
        begun.map(|()| Vec::new()).map_err(|error| self.reshard_error(error))
    }

    pub(super) async fn update_shard_count(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: UpdateShardCountInput = parse(body)?;
        let mut check = Check::default();
        check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.present("targetShardCount", input.target_shard_count.as_ref());
        check.range("targetShardCount", input.target_shard_count, 1, i64::from(i32::MAX));
        check.present("scalingType", input.scaling_type.as_ref());
        check.one_of("scalingType", input.scaling_type.as_deref(), &["UNIFORM_SCALING"]);
        check.finish()?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let target = input.target_shard_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX);
        let started = self.store.update_shard_count(name, target).await;
        let current_shard_count = started.map_err(|error| self.reshard_error(error))?;
        let stream_arn = self.arn(name);
        to_json(&UpdateShardCountOutput {
            stream_name: name,
            current_shard_count,
            target_shard_count: target,
            stream_arn,
        })
    }
}
