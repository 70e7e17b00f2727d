//! RegisterStreamConsumer, DeregisterStreamConsumer, DescribeStreamConsumer and ListStreamConsumers.

use super::error::{ApiError, Code};
use super::time::{from_seconds, to_seconds};
use super::token::{decode_page, encode_page};
use super::validate::{Check, arn_consumer, arn_stream};
use super::{Door, Operation, parse, to_json};
use crate::consumers::{Consumer, ConsumerStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const LIST_DEFAULT: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RegisterInput {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    consumer_name: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConsumerInput {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    consumer_name: Option<String>,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
    stream_creation_timestamp: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConsumerOutput {
    consumer_name: String,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: String,
    consumer_status: &'static str,
    consumer_creation_timestamp: f64,
    #[serde(rename = "StreamARN", skip_serializing_if = "Option::is_none")]
    stream_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListOutput {
    consumers: Vec<ConsumerOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Where the next page of consumers begins.
#[derive(Serialize, Deserialize)]
struct ConsumersPage {
    stream: String,
    after: String,
    issued_ms: u64,
}

/// The word of the protocol for a consumer's status.
fn consumer_word(status: ConsumerStatus) -> &'static str {
    match status {
        ConsumerStatus::Creating => "CREATING",
        ConsumerStatus::Active => "ACTIVE",
        ConsumerStatus::Deleting => "DELETING",
    }
}

impl Door {
    pub(super) fn consumer_arn(&self, stream: &str, consumer: &Consumer) -> String {
        format!("{}/consumer/{}:{}", self.arn(stream), consumer.name, consumer.created_ms / 1_000)
    }

    /// The consumer that an ARN names: the one of that name that was registered in that second.
    pub(super) fn consumer_of(&self, arn: &str) -> Result<(String, Consumer), ApiError> {
        let missing = || ApiError::new(Code::ResourceNotFound, format!("Consumer {arn} not found."));
        let (stream, name, created_s) = arn_consumer(arn).ok_or_else(missing)?;
        let consumer = self.store.consumer(stream, name).map_err(|error| self.consumer_error(error))?;
        if consumer.created_ms / 1_000 != created_s {
            return Err(missing());
        }
        Ok((stream.to_owned(), consumer))
    }

    fn consumer_output(&self, stream: &str, consumer: &Consumer, with_stream: bool) -> ConsumerOutput {
        ConsumerOutput {
            consumer_name: consumer.name.clone(),
            consumer_arn: self.consumer_arn(stream, consumer),
            consumer_status: consumer_word(consumer.status),
            consumer_creation_timestamp: to_seconds(consumer.created_ms),
            stream_arn: with_stream.then(|| self.arn(stream)),
        }
    }

    pub(super) async fn register_stream_consumer(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: RegisterInput = parse(body)?;
        let mut check = Check::default();
        check.present("streamARN", input.stream_arn.as_ref());
        check.arn("streamARN", input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.present("consumerName", input.consumer_name.as_ref());
        check.name("consumerName", input.consumer_name.as_deref());
        check.tags(input.tags.as_ref());
        check.finish()?;
        super::tags::check_letters(input.tags.as_ref())?;
        let stream = self.stream_name(None, input.stream_arn.as_deref())?;
        let name = input.consumer_name.as_deref().unwrap_or_default();
        self.admit_stream(Operation::RegisterStreamConsumer, stream)?;
        let registered = self.store.register_consumer(stream, name, input.tags.unwrap_or_default()).await;
        let consumer = registered.map_err(|error| self.consumer_error(error))?;
        to_json(&serde_json::json!({ "Consumer": self.consumer_output(stream, &consumer, false) }))
    }

    /// The consumer that a request names, by its ARN or by its name and its stream's ARN.
    fn named_consumer(&self, body: &[u8]) -> Result<(String, Consumer), ApiError> {
        let input: ConsumerInput = parse(body)?;
        let mut check = Check::default();
        check.arn("streamARN", input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.name("consumerName", input.consumer_name.as_deref());
        check.consumer_arn("consumerARN", input.consumer_arn.as_deref());
        check.finish()?;
        match (input.consumer_arn, input.stream_arn.as_deref().and_then(arn_stream), input.consumer_name) {
            (Some(arn), stream, name) => {
                let (found, consumer) = self.consumer_of(&arn)?;
                let other =
                    stream.is_some_and(|stream| stream != found) || name.is_some_and(|name| name != consumer.name);
                if other {
                    let message = "StreamARN and ConsumerName must name the consumer that ConsumerARN names.";
                    return Err(ApiError::invalid(message));
                }
                Ok((found, consumer))
            }
            (None, Some(stream), Some(name)) => {
                let consumer = self.store.consumer(stream, &name).map_err(|error| self.consumer_error(error))?;
                Ok((stream.to_owned(), consumer))
            }
            (None, ..) => {
                Err(ApiError::invalid("Either ConsumerARN or both StreamARN and ConsumerName must be provided."))
            }
        }
    }

    pub(super) async fn deregister_stream_consumer(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let (stream, consumer) = self.named_consumer(body)?;
        self.admit_stream(Operation::DeregisterStreamConsumer, &stream)?;
        let removed = self.store.deregister_consumer(&stream, &consumer.name).await;
        removed.map(|()| Vec::new()).map_err(|error| self.consumer_error(error))
    }

    pub(super) fn describe_stream_consumer(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let (stream, consumer) = self.named_consumer(body)?;
        self.admit_stream(Operation::DescribeStreamConsumer, &stream)?;
        to_json(&serde_json::json!({ "ConsumerDescription": self.consumer_output(&stream, &consumer, true) }))
    }

    pub(super) fn list_stream_consumers(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: ListInput = parse(body)?;
        let mut check = Check::default();
        check.present("streamARN", input.stream_arn.as_ref());
        check.arn("streamARN", input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.range("maxResults", input.max_results, 1, 10_000);
        check.finish()?;
        let stream = self.stream_name(None, input.stream_arn.as_deref())?;
        let description = self.store.describe_stream(stream).map_err(|error| self.stream_error(error))?;
        self.admit_stream(Operation::ListStreamConsumers, stream)?;
        let meant_s = input.stream_creation_timestamp.and_then(from_seconds).map(|ms| ms / 1_000);
        if meant_s.is_some_and(|meant_s| meant_s != description.created_ms / 1_000) {
            return Err(self.no_stream(stream));
        }
        let after = self.consumers_after(stream, input.next_token.as_deref())?;
        let all = self.store.consumers(stream).map_err(|error| self.stream_error(error))?;
        let mut left = all.iter().filter(|one| after.as_ref().is_none_or(|after| one.name > *after)).peekable();
        let limit = input.max_results.map_or(LIST_DEFAULT, |limit| limit as usize);
        let consumers: Vec<_> = left.by_ref().take(limit).map(|one| self.consumer_output(stream, one, false)).collect();
        let issued_ms = self.store.config().env.now_ms();
        let page = |last: &ConsumerOutput| ConsumersPage {
            stream: stream.into(),
            after: last.consumer_name.clone(),
            issued_ms,
        };
        let next = consumers.last().filter(|_| left.peek().is_some()).map(page);
        to_json(&ListOutput { next_token: next.as_ref().map(encode_page), consumers })
    }

    fn consumers_after(&self, stream: &str, token: Option<&str>) -> Result<Option<String>, ApiError> {
        let Some(token) = token else { return Ok(None) };
        let page: Option<ConsumersPage> = decode_page(token).filter(|page: &ConsumersPage| page.stream == stream);
        let page = page.ok_or_else(|| ApiError::invalid("The NextToken is invalid."))?;
        self.check_token_age(page.issued_ms)?;
        Ok(Some(page.after))
    }
}
