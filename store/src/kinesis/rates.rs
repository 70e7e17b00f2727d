//! How often each operation may be called: a token bucket for each operation and what it is counted for.

use super::error::{ApiError, Code};
use super::{Door, Operation};
use crate::throttle::TokenBucket;
use model::limits;
use parking_lot::Mutex;
use std::collections::HashMap;

/// What the calls of an operation are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Account,
    Stream,
    Shard,
}

/// Buckets that are kept; full ones are let go of before there are more.
const BUCKETS_MAX: usize = 20_000;

type Key = (Operation, String);

/// The buckets of a door.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<Key, TokenBucket>>);

impl Operation {
    /// Calls per second, and what they are counted for; `None` for operations that other limits bound.
    fn rate(self) -> Option<(u64, Scope)> {
        match self {
            Self::CreateStream
            | Self::DeleteStream
            | Self::SplitShard
            | Self::MergeShards
            | Self::AddTagsToStream
            | Self::RemoveTagsFromStream
            | Self::ListTagsForStream
            | Self::TagResource
            | Self::UntagResource
            | Self::ListTagsForResource
            | Self::ListStreams
            | Self::IncreaseStreamRetentionPeriod
            | Self::DecreaseStreamRetentionPeriod
            | Self::EnableEnhancedMonitoring
            | Self::DisableEnhancedMonitoring
            | Self::StartStreamEncryption
            | Self::StopStreamEncryption
            | Self::PutResourcePolicy
            | Self::GetResourcePolicy
            | Self::DeleteResourcePolicy
            | Self::UpdateAccountSettings
            | Self::DescribeAccountSettings => Some((limits::CHANGE_CALLS_PER_S, Scope::Account)),
            Self::DescribeLimits => Some((limits::DESCRIBE_LIMITS_CALLS_PER_S, Scope::Account)),
            Self::DescribeStream => Some((limits::DESCRIBE_CALLS_PER_S, Scope::Account)),
            Self::DescribeStreamSummary => Some((limits::SUMMARY_CALLS_PER_S, Scope::Account)),
            Self::ListShards => Some((limits::LIST_SHARDS_CALLS_PER_S, Scope::Stream)),
            Self::RegisterStreamConsumer | Self::DeregisterStreamConsumer | Self::ListStreamConsumers => {
                Some((limits::CONSUMER_CALLS_PER_S, Scope::Stream))
            }
            Self::DescribeStreamConsumer => Some((limits::DESCRIBE_CONSUMER_CALLS_PER_S, Scope::Stream)),
            Self::GetShardIterator => Some((limits::ITERATOR_CALLS_PER_S, Scope::Shard)),
            Self::UpdateShardCount
            | Self::UpdateStreamMode
            | Self::UpdateMaxRecordSize
            | Self::UpdateStreamWarmThroughput
            | Self::PutRecord
            | Self::PutRecords
            | Self::GetRecords
            | Self::SubscribeToShard => None,
        }
    }
}

impl Door {
    /// Takes one call of an operation that is counted for the account, or refuses it.
    pub(super) fn admit_account(&self, operation: Operation) -> Result<(), ApiError> {
        if !matches!(operation.rate(), Some((_, Scope::Account))) || self.admit(operation, "") {
            return Ok(());
        }
        let message = format!("Rate exceeded for account {}.", self.account);
        Err(ApiError::new(Code::LimitExceeded, message))
    }

    /// Takes one call of an operation that is counted for a stream, or refuses it. Streams without limits take any.
    pub(super) fn admit_stream(&self, operation: Operation, stream: &str) -> Result<(), ApiError> {
        if self.is_free(stream) || self.admit(operation, stream) {
            return Ok(());
        }
        let message = format!("Rate exceeded for stream {stream} under account {}.", self.account);
        Err(ApiError::new(Code::LimitExceeded, message))
    }

    /// Takes one call of an operation that is counted for a shard, or refuses it.
    pub(super) fn admit_shard(
        &self,
        operation: Operation,
        stream: &str,
        shard: model::ShardIndex,
    ) -> Result<(), ApiError> {
        if self.is_free(stream) || self.admit(operation, &format!("{stream}/{}", shard.0)) {
            return Ok(());
        }
        Err(ApiError::new(Code::ProvisionedThroughputExceeded, self.rate_exceeded(stream, shard)))
    }

    fn is_free(&self, stream: &str) -> bool {
        self.store.stream(stream).is_some_and(|stream| !stream.view().settings.limited())
    }

    fn admit(&self, operation: Operation, of: &str) -> bool {
        let config = self.store.config();
        let (Some((rate, _)), true) = (operation.rate(), self.store.inner.limited()) else { return true };
        let now_ns = config.env.monotonic_ns();
        let mut buckets = self.rates.0.lock();
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, bucket| !bucket.is_full(now_ns));
        }
        let new = || TokenBucket::new(rate, now_ns, config.limits_speedup);
        buckets.entry((operation, of.to_owned())).or_insert_with(new).admit_one(now_ns)
    }
}
