//! What is refused, as the types that the SDK gives it.

use crate::check::{refused, Outcome};
use crate::{door, STREAM};
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;
use aws_sdk_kinesis::Client;

/// One refusal of each common kind, by its type and its words.
pub async fn typed(kinesis: &Client) -> Outcome<String> {
    let answer = kinesis.describe_stream_summary().stream_name("absent").send().await;
    refused(
        "a stream that is not there",
        answer,
        |e| e.is_resource_not_found_exception(),
        "Stream absent under account",
    )?;
    let ask = kinesis.get_shard_iterator().stream_name(STREAM).shard_id("shardId-000000000099");
    let answer = ask.shard_iterator_type(ShardIteratorType::Latest).send().await;
    refused("a shard that is not there", answer, |e| e.is_resource_not_found_exception(), "shardId-000000000099")?;
    let answer = kinesis.create_stream().stream_name(STREAM).shard_count(1).send().await;
    refused("a stream that is there", answer, |e| e.is_resource_in_use_exception(), "already exists")?;
    let answer = kinesis.create_stream().stream_name("huge").shard_count(10_001).send().await;
    refused("too many shards", answer, |e| e.is_limit_exceeded_exception(), "")?;
    arguments(kinesis).await?;
    validation(kinesis).await?;
    Ok("not found, in use, limit exceeded, invalid argument and validation, each as its own type".into())
}

async fn arguments(kinesis: &Client) -> Outcome<()> {
    let answer = kinesis.get_records().shard_iterator("nothing").send().await;
    refused("an iterator that nobody gave", answer, |e| e.is_invalid_argument_exception(), "ShardIterator")?;
    let put = kinesis.put_record().stream_name(STREAM).partition_key("k").data(Blob::new("x"));
    let answer = put.explicit_hash_key("340282366920938463463374607431768211456").send().await;
    refused("a hash key of 2^128", answer, |e| e.is_invalid_argument_exception(), "ExplicitHashKey")?;
    let ask = kinesis.merge_shards().stream_name(STREAM).shard_to_merge("shardId-000000000000");
    let answer = ask.adjacent_shard_to_merge("shardId-000000000000").send().await;
    refused("a merge of a shard with itself", answer, |e| e.is_invalid_argument_exception(), "")
}

async fn validation(kinesis: &Client) -> Outcome<()> {
    let told =
        "1 validation error detected: Value 'bad name' at 'streamName' failed to satisfy constraint: Member must \
        satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
    let answer = kinesis.create_stream().stream_name("bad name").shard_count(1).send().await;
    refused("a name with a blank", answer, |e| e.is_validation_exception(), told)?;
    // Not every operation has a type for it: then its code says what it is.
    let answer = kinesis.describe_stream_summary().stream_name("bad name").send().await;
    refused("a name with a blank", answer, |e| e.code() == Some("ValidationException"), told)?;
    let ask = kinesis.get_shard_iterator().stream_name(STREAM).shard_id("shardId-000000000000");
    let answer = ask.shard_iterator_type(ShardIteratorType::from("SIDEWAYS")).send().await;
    refused("an unknown type of iterator", answer, |e| e.code() == Some("ValidationException"), "enum value set")
}

/// Keys that the door does not know, and a known key with another secret.
pub async fn signatures(endpoint: &str, certificate: Option<&str>) -> Outcome<String> {
    let id = std::env::var("AWS_ACCESS_KEY_ID")?;
    for (id, code) in [("NOBODY", "UnrecognizedClientException"), (id.as_str(), "InvalidSignatureException")] {
        let kinesis = door::client(endpoint, certificate, Some((id, "another secret"))).await?;
        refused(code, kinesis.list_streams().send().await, |e| e.code() == Some(code), "")?;
    }
    Ok("an unknown key and a wrong secret are refused".into())
}
