//! Having a shard's records pushed: the consumer that they are pushed to, and its subscriptions, of five minutes each.

use super::client::{Failure, KinesisClient, about, classified, lost};
use super::options::{Consumer, StreamName};
use super::pauses::Pauses;
use super::place::Place;
use super::queue::Fetched;
use super::shapes::{ConsumerBody, Described, Event, Summary};
use super::shard::Feed;
use bytes::BytesMut;
use reqwest::Response;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use wire::event_stream::{Frame, decode};

const SUBSCRIBE: &str = "SubscribeToShard";
/// A shard takes one subscription a second from a consumer.
const SUBSCRIBE_EVERY: Duration = Duration::from_secs(1);
/// The service says something each five seconds, if only that there is nothing.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often it is looked whether a consumer has become active, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS_MAX: usize = 120;

/// The ARN of the consumer that is meant, which is active then; registered where that is wanted and it is not there. It
/// stays registered: positions do not depend on it, and the next start need not wait for it.
///
/// # Errors
/// When it is not there, or does not become active.
pub(super) async fn consumer(
    client: &KinesisClient,
    stream: &StreamName,
    consumer: &Consumer,
) -> Result<String, Failure> {
    let (name, registers) = match consumer {
        Consumer::Arn(arn) => return Ok(arn.clone()),
        Consumer::Registered(name) => (name, true),
        Consumer::There(name) => (name, false),
    };
    let arn = match &stream.arn {
        Some(arn) => arn.clone(),
        None => {
            let summary: Summary = client.call("DescribeStreamSummary", &about(stream, json!({}))).await?.body;
            summary.stream_description_summary.stream_arn
        }
    };
    let input = json!({ "StreamARN": arn, "ConsumerName": name });
    for _ in 0..LOOKS_MAX {
        let found: Result<ConsumerBody, Failure> = described(client, "DescribeStreamConsumer", &input).await;
        let found = match found {
            Err(Failure::Missing(_)) if registers => described(client, "RegisterStreamConsumer", &input).await,
            found => found,
        };
        match found {
            Ok(body) if body.consumer_status == "ACTIVE" => return Ok(body.consumer_arn),
            // Somebody else is registering it, or it is being removed.
            Ok(_) | Err(Failure::Busy(_)) => tokio::time::sleep(LOOK_EVERY).await,
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Away(format!("consumer {name:?} of {} has not become active in time", stream.name)))
}

async fn described(client: &KinesisClient, operation: &str, input: &Value) -> Result<ConsumerBody, Failure> {
    let described = client.call::<Described>(operation, input).await?;
    Ok(described.body.consumer_description)
}

/// Fetches a shard from `place` to its end, or until something stands against it for good.
pub(super) async fn run(feed: Feed, place: Place, consumer: &str) {
    let pauses = Pauses::new(feed.place(), feed.shared.env.clone());
    let mut subscriptions = Subscriptions { feed, place };
    if let Err(failure) = subscriptions.until_the_end(pauses, consumer).await {
        let place = subscriptions.feed.place();
        subscriptions.feed.queue.fail(failure.error(&place));
    }
}

struct Subscriptions {
    feed: Feed,
    /// Where the next one begins.
    place: Place,
}

impl Subscriptions {
    async fn until_the_end(&mut self, mut pauses: Pauses, consumer: &str) -> Result<(), Failure> {
        let mut ticks = tokio::time::interval(SUBSCRIBE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.feed.queue.room().await;
            ticks.tick().await;
            match self.one(consumer, &mut pauses).await {
                Ok(true) => return Ok(()),
                // Its time was over.
                Ok(false) => {}
                Err(failure) if failure.passes() => {
                    self.feed.queue.is_cut_off();
                    pauses.wait(&failure).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// One subscription, until it is over. Whether the shard has ended.
    async fn one(&mut self, consumer: &str, pauses: &mut Pauses) -> Result<bool, Failure> {
        let shared = self.feed.shared.clone();
        let input = json!({
            "ConsumerARN": consumer, "ShardId": self.feed.shard, "StartingPosition": self.place.subscription(),
        });
        let begun = tokio::time::timeout(SILENCE_MAX, shared.client.begin(SUBSCRIBE, &input)).await;
        let response = begun.map_err(|_| silent())??;
        let mut frames = Frames { response, bytes: BytesMut::new() };
        while let Some(frame) = frames.next().await? {
            let Some(event) = event(&frame)? else { continue };
            pauses.over();
            if self.take(event).await? {
                return Ok(true);
            }
            // While there is no room nothing is read, and the service waits, or breaks it off.
            self.feed.queue.room().await;
        }
        Ok(false)
    }

    /// Takes an event in. Whether the shard has ended.
    async fn take(&mut self, event: Event) -> Result<bool, Failure> {
        let ended = event.continuation_sequence_number.is_none();
        if ended {
            // Before anybody hears of the end, the shards that follow are known.
            self.feed.shared.learn(&self.feed.shard, event.child_shards.unwrap_or_default()).await?;
        }
        let records: VecDeque<Fetched> = event.records.into_iter().map(Fetched::from).collect();
        let last = event.continuation_sequence_number.or_else(|| records.back().map(|last| last.number.clone()));
        if let Some(number) = last {
            self.place = Place::After(number);
        }
        self.feed.queue.push(records, event.millis_behind_latest);
        if ended {
            self.feed.queue.end();
        }
        Ok(ended)
    }
}

fn silent() -> Failure {
    Failure::Away(format!("{SUBSCRIBE}: nothing came for {} s", SILENCE_MAX.as_secs()))
}

/// The frames of an answer. What has come of the next one is held, at most the largest frame and a piece of the network's.
struct Frames {
    response: Response,
    bytes: BytesMut,
}

impl Frames {
    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Result<Option<Frame>, Failure> {
        loop {
            let decoded = decode(&self.bytes);
            let decoded =
                decoded.map_err(|error| Failure::Away(format!("{SUBSCRIBE}: the events are broken: {error}")))?;
            if let Some((frame, length)) = decoded {
                bytes::Buf::advance(&mut self.bytes, length);
                return Ok(Some(frame));
            }
            let chunk = tokio::time::timeout(SILENCE_MAX, self.response.chunk()).await.map_err(|_| silent())?;
            match chunk.map_err(|error| lost(SUBSCRIBE, &error))? {
                Some(chunk) => self.bytes.extend_from_slice(&chunk),
                None if self.bytes.is_empty() => return Ok(None),
                None => return Err(Failure::Away(format!("{SUBSCRIBE}: the events ended within one"))),
            }
        }
    }
}

/// The event that a frame carries; `None` for one that carries none.
fn event(frame: &Frame) -> Result<Option<Event>, Failure> {
    let message = || {
        let body: Option<Value> = serde_json::from_slice(&frame.payload).ok();
        body.and_then(|body| body.get("message").and_then(Value::as_str).map(str::to_owned)).unwrap_or_default()
    };
    match frame.header(":message-type") {
        Some("exception") => {
            Err(classified(SUBSCRIBE, frame.header(":exception-type").unwrap_or_default(), 400, &message()))
        }
        Some("error") => {
            let (code, text) = (frame.header(":error-code"), frame.header(":error-message"));
            Err(classified(SUBSCRIBE, code.unwrap_or_default(), 500, text.unwrap_or_default()))
        }
        _ if frame.header(":event-type") == Some("SubscribeToShardEvent") => {
            let event = serde_json::from_slice(&frame.payload);
            event.map(Some).map_err(|error| Failure::Away(format!("{SUBSCRIBE}: an event cannot be read: {error}")))
        }
        _ => Ok(None),
    }
}
