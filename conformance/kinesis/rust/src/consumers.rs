//! Enhanced fan-out: a registered consumer, and records that are pushed to it in event streams.

use crate::check::{holds, refused, same, there, wait_for, Failure, Outcome};
use crate::put::{self, Book};
use crate::{read, streams};
use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::types::{
    ConsumerStatus, Record, ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream,
};
use aws_sdk_kinesis::Client;
use std::time::Duration;

const CONSUMER: &str = "walker";
/// So long after a subscription the next one of the same consumer is refused, and a little more.
const BETWEEN: Duration = Duration::from_millis(5_500);

/// Registers the consumer and waits until it is active.
pub async fn register(kinesis: &Client) -> Outcome<String> {
    let stream = streams::arn(kinesis).await?;
    let made = kinesis.register_stream_consumer().stream_arn(&stream).consumer_name(CONSUMER).send().await?;
    same("ConsumerName", there("Consumer", made.consumer)?.consumer_name, CONSUMER.to_owned())?;
    wait_for("the consumer to be active", async || Ok(described(kinesis).await?.1 == ConsumerStatus::Active)).await?;
    let again = kinesis.register_stream_consumer().stream_arn(&stream).consumer_name(CONSUMER).send().await;
    refused("a consumer of the same name", again, |e| e.is_resource_in_use_exception(), CONSUMER)?;
    let listed = kinesis.list_stream_consumers().stream_arn(&stream).send().await?;
    same("the number of consumers", listed.consumers.unwrap_or_default().len(), 1)?;
    Ok("active, described and listed; a second one of its name is refused".into())
}

async fn described(kinesis: &Client) -> Outcome<(String, ConsumerStatus)> {
    let stream = streams::arn(kinesis).await?;
    let ask = kinesis.describe_stream_consumer().stream_arn(stream).consumer_name(CONSUMER);
    let consumer = there("ConsumerDescription", ask.send().await?.consumer_description)?;
    Ok((consumer.consumer_arn, consumer.consumer_status))
}

/// From the first record, or behind the given sequence number.
async fn subscription(kinesis: &Client, shard: &str, after: Option<&str>) -> Outcome<SubscribeToShardOutput> {
    let kind = after.map_or(ShardIteratorType::TrimHorizon, |_| ShardIteratorType::AfterSequenceNumber);
    let position = StartingPosition::builder().r#type(kind).set_sequence_number(after.map(Into::into)).build()?;
    let ask = kinesis.subscribe_to_shard().consumer_arn(described(kinesis).await?.0).shard_id(shard);
    Ok(ask.starting_position(position).send().await?)
}

async fn event(subscription: &mut SubscribeToShardOutput) -> Outcome<Option<SubscribeToShardEvent>> {
    let waited = tokio::time::timeout(Duration::from_secs(20), subscription.event_stream.recv()).await;
    match waited.map_err(|_| Failure::new("no event within 20 seconds"))?? {
        None => Ok(None),
        Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)) => Ok(Some(event)),
        Some(other) => Err(Failure::new(format!("an unknown event: {other:?}"))),
    }
}

/// So many records, and where to go on.
async fn pushed(subscription: &mut SubscribeToShardOutput, count: usize) -> Outcome<(Vec<Record>, String)> {
    let mut records = Vec::new();
    loop {
        let event = there("an event before the end", event(subscription).await?)?;
        records.extend(event.records);
        if records.len() >= count && event.millis_behind_latest == 0 {
            return Ok((records, event.continuation_sequence_number));
        }
    }
}

/// Both shards from their first records, then behind the continuation, which ends the older subscriptions.
pub async fn subscribe(kinesis: &Client, book: &mut Book) -> Outcome<String> {
    let mut subscriptions = Vec::new();
    for id in ["shardId-000000000000", "shardId-000000000001"] {
        let mut subscription = subscription(kinesis, id, None).await?;
        let (records, continuation) = pushed(&mut subscription, book.of_shard(id).len()).await?;
        read::in_shard(id, &records, book)?;
        subscriptions.push((id, subscription, continuation));
    }
    in_use(kinesis).await?;
    let before = book.0.len();
    put::many(kinesis, book, 100).await?;
    for (id, subscription, _) in &mut subscriptions {
        let new: Vec<usize> = book.of_shard(id).into_iter().filter(|n| *n >= before).collect();
        let (records, _) = pushed(subscription, new.len()).await?;
        same("the records that were put meanwhile", numbers(&records)?, new)?;
    }
    tokio::time::sleep(BETWEEN).await;
    for (id, old, continuation) in &mut subscriptions {
        let new: Vec<usize> = book.of_shard(id).into_iter().filter(|n| *n >= before).collect();
        let mut next = subscription(kinesis, id, Some(continuation)).await?;
        let (records, _) = pushed(&mut next, new.len()).await?;
        same("the records behind the continuation", numbers(&records)?, new)?;
        replaced(old).await?;
    }
    Ok(format!(
        "{} records pushed from 2 shards, then those behind the continuation; the older subscription is told",
        book.0.len()
    ))
}

fn numbers(records: &[Record]) -> Outcome<Vec<usize>> {
    records.iter().map(|record| put::number(record.data.as_ref())).collect()
}

/// A second subscription right behind the first is refused.
async fn in_use(kinesis: &Client) -> Outcome<()> {
    let position = StartingPosition::builder().r#type(ShardIteratorType::Latest).build()?;
    let ask = kinesis.subscribe_to_shard().consumer_arn(described(kinesis).await?.0).shard_id("shardId-000000000001");
    let answer = ask.starting_position(position).send().await;
    refused("a second subscription at once", answer, |e| e.is_resource_in_use_exception(), "")
}

/// A subscription whose place another one took ends with an error of its own type.
async fn replaced(subscription: &mut SubscribeToShardOutput) -> Outcome<()> {
    loop {
        let waited = tokio::time::timeout(Duration::from_secs(20), subscription.event_stream.recv()).await;
        match waited.map_err(|_| Failure::new("the older subscription goes on"))? {
            Ok(Some(_)) => {}
            Ok(None) => return Err(Failure::new("the older subscription ended without an error")),
            Err(error) => {
                let typed = error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception());
                return if typed { Ok(()) } else { Err(error.into()) };
            }
        }
    }
}

/// A closed shard is pushed to its end: its last event names its children, then the event stream ends.
pub async fn closed_shard(kinesis: &Client) -> Outcome<String> {
    let mut subscription = subscription(kinesis, "shardId-000000000000", None).await?;
    let (mut count, mut children) = (0, Vec::new());
    while let Some(event) = event(&mut subscription).await? {
        holds("events before the one with children", children.is_empty())?;
        count += event.records.len();
        children = event.child_shards.unwrap_or_default();
    }
    same("the number of children", children.len(), 2)?;
    Ok(format!("{count} records, then its 2 children and the end"))
}
