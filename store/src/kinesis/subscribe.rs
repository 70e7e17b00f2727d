//! SubscribeToShard: the records of a shard as a stream of events, until five minutes are over or the shard has ended.

use super::codec::Codec;
use super::error::{ApiError, Code};
use super::get::{ChildOutput, RecordOutput};
use super::sequence::Sequence;
use super::validate::Check;
use super::{Door, parse, to_json};
use crate::error::PushError;
use crate::fan_out::Push;
use crate::read::ReadAnswer;
use crate::tallies::CallFigure;
use axum::body::{Body, Bytes};
use futures_util::stream;
use model::Position;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use wire::event_stream::encode;

const POSITION_TYPES: [&str; 5] =
    ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SubscribeInput {
    #[serde(rename = "ConsumerARN")]
    consumer_arn: Option<String>,
    stream_id: Option<String>,
    shard_id: Option<String>,
    starting_position: Option<StartingPosition>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartingPosition {
    r#type: Option<String>,
    sequence_number: Option<String>,
    timestamp: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventOutput {
    records: Vec<RecordOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continuation_sequence_number: Option<String>,
    millis_behind_latest: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_shards: Option<Vec<ChildOutput>>,
}

impl SubscribeInput {
    fn check(&self) -> Result<(), ApiError> {
        let mut check = Check::default();
        check.present("consumerARN", self.consumer_arn.as_ref());
        check.consumer_arn("consumerARN", self.consumer_arn.as_deref());
        check.stream_id(self.stream_id.as_deref());
        check.present("shardId", self.shard_id.as_ref());
        check.name("shardId", self.shard_id.as_deref());
        check.present("startingPosition", self.starting_position.as_ref());
        if let Some(position) = &self.starting_position {
            check.present("startingPosition.type", position.r#type.as_ref());
            check.one_of("startingPosition.type", position.r#type.as_deref(), &POSITION_TYPES);
            check.sequence("startingPosition.sequenceNumber", position.sequence_number.as_deref());
        }
        check.finish()
    }
}

/// What is left of a subscription: the answer's first frame, then its events.
struct Events {
    door: Arc<Door>,
    codec: Codec,
    push: Push,
    begun: bool,
    over: bool,
}

impl Door {
    /// Checks a subscription and begins it; its events are the body of the answer.
    pub(super) async fn subscribe_to_shard(self: Arc<Self>, codec: Codec, body: &[u8]) -> Result<Body, ApiError> {
        let input: SubscribeInput = parse(body)?;
        input.check()?;
        let (name, consumer) = self.consumer_of(input.consumer_arn.as_deref().unwrap_or_default())?;
        let stream = self.store.stream(&name).ok_or_else(|| self.no_stream(&name))?;
        let shard = self.shard(&stream, input.shard_id.as_deref().unwrap_or_default())?;
        let at = input.starting_position.as_ref();
        let kind = at.and_then(|at| at.r#type.as_deref()).unwrap_or_default();
        let number = at.and_then(|at| at.sequence_number.as_deref());
        let at = self.start_at("SubscribeToShard", kind, number, at.and_then(|at| at.timestamp), (&stream, &shard))?;
        if input.dry_run == Some(true) {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(ApiError::new(Code::DryRunOperation, message));
        }
        let index = shard.info.index;
        let begun = self.store.push(&name, &consumer.name, index, at).await;
        let push = begun.map_err(|error| self.subscribe_error(&name, &consumer.name, index, error))?;
        let events = Events { door: self, codec, push, begun: false, over: false };
        Ok(Body::from_stream(stream::unfold(events, |mut events| async move {
            let frame = events.next_frame().await?;
            Some((Ok::<_, Infallible>(Bytes::from(frame)), events))
        })))
    }
}

impl Events {
    async fn next_frame(&mut self) -> Option<Vec<u8>> {
        if self.over {
            return None;
        }
        if !self.begun {
            self.begun = true;
            return self.frame("initial-response", b"{}".to_vec());
        }
        let event = match self.push.next().await? {
            Ok(answer) => self.event(answer),
            Err(error) => Err(self.door.push_error(error)),
        };
        match event.and_then(|event| self.codec.write(event)) {
            Ok(payload) => self.frame("SubscribeToShardEvent", payload),
            Err(error) => {
                self.over = true;
                exception(&error)
            }
        }
    }

    fn frame(&self, event: &str, payload: Vec<u8>) -> Option<Vec<u8>> {
        let headers = [(":event-type", event), (":content-type", self.codec.name()), (":message-type", "event")];
        encode(&headers, &payload)
    }

    fn event(&self, answer: ReadAnswer) -> Result<Vec<u8>, ApiError> {
        let (name, index) = self.push.source();
        let stream = self.door.store.stream(name).ok_or_else(|| self.door.no_stream(name))?;
        let shard = stream.shard(index).map_err(|error| self.door.read_error(error))?;
        stream.tally([
            (CallFigure::PushedBytes, answer.bytes() as f64),
            (CallFigure::PushedRecords, answer.records.len() as f64),
            (CallFigure::PushSuccess, 1.0),
            (CallFigure::PushAge, answer.behind_ms as f64),
        ]);
        let settings = stream.view().settings.clone();
        let ReadAnswer { records, next, behind_ms, ended } = answer;
        let continuation = continuation(next, shard.info.created_ms, index);
        to_json(&EventOutput {
            records: records.into_iter().map(|record| RecordOutput::new(record, &shard, &settings)).collect(),
            continuation_sequence_number: ended.is_none().then_some(continuation),
            millis_behind_latest: behind_ms,
            child_shards: ended.map(|children| children.into_iter().map(ChildOutput::new).collect()),
        })
    }
}

/// The number after which a later subscription goes on: that of the record before, or one that stands before the first.
fn continuation(next: Position, birth_ms: u64, shard: model::ShardIndex) -> String {
    match next.0.checked_sub(1) {
        Some(last) => Sequence { birth_ms, shard, position: Position(last) }.of_record(),
        None => Sequence { birth_ms, shard, position: Position::ZERO }.before_first(),
    }
}

fn exception(error: &ApiError) -> Option<Vec<u8>> {
    let payload = serde_json::json!({ "message": error.message }).to_string();
    // The real service has this word for what went wrong on its side.
    let name = if error.code == Code::InternalFailure { "InternalFailureException" } else { error.code.name() };
    let headers = [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")];
    encode(&headers, payload.as_bytes())
}

impl Door {
    fn push_error(&self, error: PushError) -> ApiError {
        match error {
            PushError::StreamGone(name) => self.no_stream(&name),
            PushError::ConsumerGone(name) => {
                ApiError::new(Code::ResourceNotFound, format!("Consumer {name} is not registered any more."))
            }
            PushError::Replaced => {
                ApiError::new(Code::ResourceInUse, "Another subscription of this consumer took the place of this one.")
            }
            PushError::Read(error) => self.read_error(error),
            PushError::Closed => ApiError::new(Code::InternalFailure, "The service is shutting down."),
        }
    }
}
