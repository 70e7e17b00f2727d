//! The life of a stream: made, described, its shards listed, tagged, removed.

use crate::check::{holds, refused, same, there, wait_for, Outcome};
use crate::STREAM;
use aws_sdk_kinesis::types::{Shard, StreamStatus};
use aws_sdk_kinesis::Client;
use std::collections::{BTreeMap, HashMap};

/// Makes the stream and waits until it is active.
pub async fn create(kinesis: &Client) -> Outcome<String> {
    kinesis.create_stream().stream_name(STREAM).shard_count(2).send().await?;
    active(kinesis).await?;
    let answer = kinesis.describe_stream_summary().stream_name(STREAM).send().await?;
    let summary = there("StreamDescriptionSummary", answer.stream_description_summary)?;
    same("OpenShardCount", summary.open_shard_count, 2)?;
    same("RetentionPeriodHours", summary.retention_period_hours, 24)?;
    holds("the ARN names the stream", summary.stream_arn.ends_with(&format!(":stream/{STREAM}")))?;
    let listed = kinesis.list_streams().send().await?;
    holds("ListStreams names the stream", listed.stream_names.iter().any(|name| name == STREAM))?;
    Ok("2 shards, active, described and listed".into())
}

/// Waits until the stream is ACTIVE.
pub async fn active(kinesis: &Client) -> Outcome<()> {
    wait_for("the stream to be active", async || {
        let answer = kinesis.describe_stream_summary().stream_name(STREAM).send().await?;
        let status = answer.stream_description_summary.map(|summary| summary.stream_status);
        Ok(status == Some(StreamStatus::Active))
    })
    .await
}

/// The ARN of the stream.
pub async fn arn(kinesis: &Client) -> Outcome<String> {
    let answer = kinesis.describe_stream_summary().stream_name(STREAM).send().await?;
    Ok(there("StreamDescriptionSummary", answer.stream_description_summary)?.stream_arn)
}

/// All shards of the stream, closed ones too.
pub async fn shards(kinesis: &Client) -> Outcome<Vec<Shard>> {
    Ok(kinesis.list_shards().stream_name(STREAM).send().await?.shards.unwrap_or_default())
}

/// The open shards, by the start of their hash keys.
pub async fn open_shards(kinesis: &Client) -> Outcome<Vec<Shard>> {
    let mut open = shards(kinesis).await?;
    open.retain(|shard| shard.sequence_number_range.as_ref().is_some_and(|r| r.ending_sequence_number.is_none()));
    open.sort_by_key(|shard| hash_keys(shard).map_or(0, |(first, _)| first));
    Ok(open)
}

/// First and last hash key.
pub fn hash_keys(shard: &Shard) -> Outcome<(u128, u128)> {
    let range = there("HashKeyRange", shard.hash_key_range.as_ref())?;
    Ok((range.starting_hash_key.parse()?, range.ending_hash_key.parse()?))
}

/// Together the open shards hold each hash key once.
pub fn covers(open: &[Shard]) -> Outcome<()> {
    let mut next = Some(0);
    for shard in open {
        let (first, last) = hash_keys(shard)?;
        same(&format!("the first hash key of {}", shard.shard_id), Some(first), next)?;
        next = last.checked_add(1);
    }
    same("what stands behind the last hash key", next, None)
}

/// The shards in one page and in two.
pub async fn list_shards(kinesis: &Client) -> Outcome<String> {
    let open = open_shards(kinesis).await?;
    covers(&open)?;
    let first = kinesis.list_shards().stream_name(STREAM).max_results(1).send().await?;
    let token = there("NextToken", first.next_token)?;
    let second = kinesis.list_shards().next_token(token).max_results(1).send().await?;
    same("NextToken of the last page", second.next_token, None)?;
    let pages = first.shards.into_iter().chain(second.shards).flatten();
    let ids: Vec<String> = pages.map(|shard| shard.shard_id).collect();
    same("the shards in two pages", ids, vec!["shardId-000000000000".into(), "shardId-000000000001".into()])?;
    Ok("2 shards hold all hash keys; listed in one page and in two".into())
}

/// Tags come and go, by the stream's name and by its ARN.
pub async fn tags(kinesis: &Client) -> Outcome<String> {
    kinesis.add_tags_to_stream().stream_name(STREAM).tags("team", "taxi").tags("stage", "test").send().await?;
    same("the tags", listed(kinesis).await?, pairs(&[("stage", "test"), ("team", "taxi")]))?;
    kinesis.remove_tags_from_stream().stream_name(STREAM).tag_keys("stage").send().await?;
    let arn = arn(kinesis).await?;
    let more = HashMap::from([("owner".to_owned(), "ä + ö".to_owned())]);
    kinesis.tag_resource().resource_arn(&arn).set_tags(Some(more)).send().await?;
    same("the tags", listed(kinesis).await?, pairs(&[("owner", "ä + ö"), ("team", "taxi")]))?;
    let by_arn = kinesis.list_tags_for_resource().resource_arn(&arn).send().await?.tags.unwrap_or_default();
    same("the number of tags by the ARN", by_arn.len(), 2)?;
    Ok("added, listed, removed, by name and by ARN".into())
}

async fn listed(kinesis: &Client) -> Outcome<BTreeMap<String, String>> {
    let answer = kinesis.list_tags_for_stream().stream_name(STREAM).send().await?;
    same("HasMoreTags", answer.has_more_tags, false)?;
    Ok(answer.tags.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())).collect())
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Removes the stream and waits until it is gone.
pub async fn delete(kinesis: &Client) -> Outcome<String> {
    let answer = kinesis.delete_stream().stream_name(STREAM).send().await;
    refused("to delete consumers unasked", answer, |e| e.is_resource_in_use_exception(), "registered consumers")?;
    kinesis.delete_stream().stream_name(STREAM).enforce_consumer_deletion(true).send().await?;
    wait_for("the stream to be gone", async || {
        match kinesis.describe_stream_summary().stream_name(STREAM).send().await {
            Ok(_) => Ok(false),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => Ok(true),
            Err(error) => Err(error.into()),
        }
    })
    .await?;
    Ok("removed with its consumer".into())
}
