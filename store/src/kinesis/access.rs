//! Whether a caller may do what it asks: what its role allows, and what the policies of the resources say.

use super::error::{ApiError, Code};
use super::policy::{Policy, Verdict};
use super::token::{ShardIterator, decode_page};
use super::validate::{arn_consumer, arn_stream};
use super::{Codec, Door, Operation, TARGET_PREFIX, parse};
use crate::setting::Resource;
use axum::http::HeaderMap;
use model::Access;
use serde::Deserialize;

/// Who makes a request, as a guard before the door has found out; it stands among the request's extensions. Without one
/// nobody is known, and everybody may do everything.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its ARN, such as `arn:aws:iam::000000000000:user/map`.
    pub arn: String,
    /// Whether the caller's role allows the operation that is asked for.
    pub allowed: bool,
}

/// The members by which requests name streams and consumers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    consumer_name: Option<String>,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: Option<String>,
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    shard_iterator: Option<String>,
    next_token: Option<String>,
}

/// What is told of any page's token.
#[derive(Deserialize)]
struct Page {
    stream: String,
}

/// What a request to this door does, by its headers, and the name of its operation; `None` where they name no operation.
pub fn access(headers: &HeaderMap) -> Option<(Access, &str)> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok())?;
    let name = target.strip_prefix(TARGET_PREFIX)?;
    Operation::parse(name).map(|operation| (operation.access(), name))
}

/// What a request is about: the stream that it names, or the stream and the consumer as `stream/consumer`. `None` where it
/// names neither, or its body cannot be read.
pub fn subject(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let body = Codec::of(headers).ok()?.read(body).ok()?;
    let target = parse::<Named>(&body).ok()?.targets().into_iter().next()?;
    Some(match target.consumer {
        Some(consumer) => format!("{}/{consumer}", target.stream),
        None => target.stream,
    })
}

/// A stream, or a consumer of it.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    stream: String,
    consumer: Option<String>,
}

impl Operation {
    /// What it does, which decides whose role allows it. Without a line here the door does not compile.
    fn access(self) -> Access {
        match self {
            Self::DescribeAccountSettings
            | Self::DescribeLimits
            | Self::DescribeStream
            | Self::DescribeStreamConsumer
            | Self::DescribeStreamSummary
            | Self::GetResourcePolicy
            | Self::ListShards
            | Self::ListStreamConsumers
            | Self::ListStreams
            | Self::ListTagsForResource
            | Self::ListTagsForStream => Access::Look,
            Self::GetRecords | Self::GetShardIterator | Self::SubscribeToShard => Access::Read,
            Self::DeregisterStreamConsumer | Self::RegisterStreamConsumer => Access::Register,
            Self::PutRecord | Self::PutRecords => Access::Write,
            Self::AddTagsToStream
            | Self::CreateStream
            | Self::DecreaseStreamRetentionPeriod
            | Self::DeleteStream
            | Self::DisableEnhancedMonitoring
            | Self::EnableEnhancedMonitoring
            | Self::IncreaseStreamRetentionPeriod
            | Self::MergeShards
            | Self::RemoveTagsFromStream
            | Self::SplitShard
            | Self::StartStreamEncryption
            | Self::StopStreamEncryption
            | Self::TagResource
            | Self::UntagResource
            | Self::UpdateMaxRecordSize
            | Self::UpdateShardCount
            | Self::UpdateStreamMode
            | Self::UpdateStreamWarmThroughput => Access::Control,
            Self::DeleteResourcePolicy | Self::PutResourcePolicy | Self::UpdateAccountSettings => Access::Govern,
        }
    }

    /// Whether policies may allow it to those whose role does not: what the real service lets policies share.
    fn can_be_shared(self) -> bool {
        matches!(
            self,
            Self::DescribeStreamConsumer
                | Self::DescribeStreamSummary
                | Self::GetRecords
                | Self::GetShardIterator
                | Self::ListShards
                | Self::PutRecord
                | Self::PutRecords
                | Self::SubscribeToShard
        )
    }

    /// Whether it is about policies themselves: no policy decides on those, so that none can lock its owner out.
    fn governs(self) -> bool {
        matches!(self, Self::DeleteResourcePolicy | Self::GetResourcePolicy | Self::PutResourcePolicy)
    }
}

impl Named {
    /// All that the request names, be it more than one: the operation decides whether that is right.
    fn targets(&self) -> Vec<Target> {
        let iterator = self.shard_iterator.as_deref().and_then(ShardIterator::decode).map(|iterator| iterator.stream);
        let page = self.next_token.as_deref().and_then(decode_page::<Page>).map(|page| page.stream);
        let of_arn = |arn: &Option<String>| arn.as_deref().and_then(arn_stream).map(str::to_owned);
        let streams = [self.stream_name.clone(), of_arn(&self.stream_arn), iterator, page];
        let mut targets: Vec<Target> = streams
            .into_iter()
            .flatten()
            .map(|stream| Target { stream, consumer: self.consumer_name.clone() })
            .collect();
        for arn in [&self.consumer_arn, &self.resource_arn].into_iter().flatten() {
            targets.extend(match (arn_consumer(arn), arn_stream(arn)) {
                (Some((stream, name, _)), _) => {
                    Some(Target { stream: stream.to_owned(), consumer: Some(name.to_owned()) })
                }
                (None, Some(stream)) => Some(Target { stream: stream.to_owned(), consumer: None }),
                (None, None) => None,
            });
        }
        targets.dedup();
        targets
    }
}

impl Door {
    /// Refuses what neither role nor policy allows, and what a policy denies.
    pub(super) fn authorize(&self, caller: &Caller, operation: Operation, body: &[u8]) -> Result<(), ApiError> {
        // Most streams have no policy, and most requests are large: only where it matters is a body read for its names.
        if caller.allowed && (operation.governs() || !self.store.any_policy()) {
            return Ok(());
        }
        let targets = parse::<Named>(body)?.targets();
        if targets.is_empty() {
            return if caller.allowed { Ok(()) } else { Err(unallowed(caller, operation, "*")) };
        }
        targets.iter().try_for_each(|target| self.authorize_on(caller, operation, target))
    }

    fn authorize_on(&self, caller: &Caller, operation: Operation, target: &Target) -> Result<(), ApiError> {
        let resource = self.target_arn(target);
        let (stream, consumer) = (target.stream.as_str(), target.consumer.as_deref());
        let mut verdict = Verdict::Silent;
        // A consumer belongs to its stream, so that both have a say.
        let owners = [Some(Resource::from(stream)), consumer.map(|name| Resource { stream, consumer: Some(name) })];
        for owner in owners.into_iter().flatten().filter(|_| !operation.governs()) {
            // What is not there has no policy; the operation says that it is not there.
            let Ok(Some(text)) = self.store.policy(owner) else { continue };
            let said = match Policy::parse(&text) {
                Ok(policy) => policy.verdict(&caller.arn, &action(operation), &resource),
                Err(problem) => {
                    tracing::error!(stream, problem, "a policy cannot be read and denies everything");
                    Verdict::Denied
                }
            };
            verdict = verdict.max(said);
        }
        match verdict {
            Verdict::Denied => {
                Err(denied(caller, operation, &resource, "with an explicit deny in a resource-based policy"))
            }
            Verdict::Allowed if operation.can_be_shared() => Ok(()),
            _ if caller.allowed => Ok(()),
            _ => Err(unallowed(caller, operation, &resource)),
        }
    }

    /// The ARN of a target; a consumer that is not there is spoken of as its stream.
    fn target_arn(&self, target: &Target) -> String {
        let consumer = target.consumer.as_deref().and_then(|name| self.store.consumer(&target.stream, name).ok());
        match consumer {
            Some(consumer) => self.consumer_arn(&target.stream, &consumer),
            None => self.arn(&target.stream),
        }
    }
}

fn action(operation: Operation) -> String {
    // The variants bear the names of the operations.
    format!("kinesis:{operation:?}")
}

fn unallowed(caller: &Caller, operation: Operation, resource: &str) -> ApiError {
    let why = format!("because no identity-based policy allows the {} action", action(operation));
    denied(caller, operation, resource, &why)
}

fn denied(caller: &Caller, operation: Operation, resource: &str, why: &str) -> ApiError {
    let (user, action) = (&caller.arn, action(operation));
    let message = format!("User: {user} is not authorized to perform: {action} on resource: {resource} {why}");
    ApiError::new(Code::AccessDenied, message)
}
