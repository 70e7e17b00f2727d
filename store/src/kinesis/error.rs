//! The errors of the protocol, and the one place where the store's own become them.

use crate::error::{
    AccountError, ConsumerError, CreateError, PutError, ReadError, Refusal, ReshardError, SettingError, StreamError,
    SubscribeError,
};
use crate::stream::StreamStatus;
use axum::http::StatusCode;
use model::{ShardIndex, limits};

use super::Door;
use super::sequence::shard_id;

/// An error as clients know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) code: Code,
    pub(super) message: String,
}

/// The names of errors in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    AccessDenied,
    DryRunOperation,
    ExpiredIterator,
    ExpiredNextToken,
    InternalFailure,
    InvalidArgument,
    LimitExceeded,
    ProvisionedThroughputExceeded,
    RequestTooLarge,
    ResourceInUse,
    ResourceNotFound,
    Serialization,
    ServiceUnavailable,
    UnknownOperation,
    Validation,
}

impl Code {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::DryRunOperation => "DryRunOperationException",
            Self::ExpiredIterator => "ExpiredIteratorException",
            Self::ExpiredNextToken => "ExpiredNextTokenException",
            Self::InternalFailure => "InternalFailure",
            Self::InvalidArgument => "InvalidArgumentException",
            Self::LimitExceeded => "LimitExceededException",
            Self::ProvisionedThroughputExceeded => "ProvisionedThroughputExceededException",
            Self::RequestTooLarge => "RequestEntityTooLargeException",
            Self::ResourceInUse => "ResourceInUseException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Serialization => "SerializationException",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::UnknownOperation => "UnknownOperationException",
            Self::Validation => "ValidationException",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::InternalFailure => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl ApiError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(Code::Validation, message)
    }
}

/// The word of the protocol for a stream's status.
pub(super) fn status_word(status: StreamStatus) -> &'static str {
    match status {
        StreamStatus::Creating => "CREATING",
        StreamStatus::Active => "ACTIVE",
        StreamStatus::Updating => "UPDATING",
        StreamStatus::Deleting => "DELETING",
    }
}

fn closing() -> ApiError {
    ApiError::new(Code::ServiceUnavailable, "The service is shutting down.")
}

fn storage(message: String) -> ApiError {
    ApiError::new(Code::InternalFailure, message)
}

impl Door {
    pub(super) fn no_stream(&self, name: &str) -> ApiError {
        let account = &self.account;
        ApiError::new(Code::ResourceNotFound, format!("Stream {name} under account {account} not found."))
    }

    pub(super) fn not_active(&self, name: &str, status: StreamStatus) -> ApiError {
        let (account, state) = (&self.account, status_word(status));
        let message = format!("Stream {name} under account {account} not ACTIVE, instead in state {state}");
        ApiError::new(Code::ResourceInUse, message)
    }

    pub(super) fn no_shard(&self, stream: &str, shard: &str) -> ApiError {
        let message = format!("Shard {shard} in stream {stream} under account {} does not exist", self.account);
        ApiError::new(Code::ResourceNotFound, message)
    }

    pub(super) fn rate_exceeded(&self, stream: &str, shard: ShardIndex) -> String {
        let (shard, account) = (shard_id(shard), &self.account);
        format!("Rate exceeded for shard {shard} in stream {stream} under account {account}.")
    }

    pub(super) fn create_error(&self, name: &str, error: CreateError) -> ApiError {
        match error {
            CreateError::Exists(name) => {
                let account = &self.account;
                ApiError::new(Code::ResourceInUse, format!("Stream {name} under account {account} already exists."))
            }
            CreateError::Name(_) => ApiError::invalid(format!("Invalid stream name {name}")),
            CreateError::Shards(count) => {
                let (account, max) = (&self.account, limits::SHARDS_PER_STREAM_MAX);
                let message = format!(
                    "This request would exceed the shard limit for the account {account}: {max} shards in a stream, \
                     {count} requested."
                );
                ApiError::new(Code::LimitExceeded, message)
            }
            CreateError::Tags(count) => self.setting_error(SettingError::Tags(count)),
            CreateError::RecordBytes(bytes) => self.setting_error(SettingError::RecordBytes(bytes)),
            CreateError::TooManyCreating(count) => {
                let account = &self.account;
                let message = format!(
                    "Limit for streams being created exceeded for account {account}: {count} are in state CREATING."
                );
                ApiError::new(Code::LimitExceeded, message)
            }
            CreateError::Storage(message) => storage(message),
            CreateError::Closed => closing(),
        }
    }

    pub(super) fn stream_error(&self, error: StreamError) -> ApiError {
        match error {
            StreamError::NotFound(name) => self.no_stream(&name),
            StreamError::NotActive { stream, status } => self.not_active(&stream, status),
            StreamError::HasConsumers { stream, consumers } => {
                let account = &self.account;
                let text = format!(
                    "Stream {stream} under account {account} has {consumers} registered consumers: deregister them first, or \
                    set EnforceConsumerDeletion to true."
                );
                ApiError::new(Code::ResourceInUse, text)
            }
            StreamError::Storage(message) => storage(message),
            StreamError::Closed => closing(),
        }
    }

    pub(super) fn put_error(&self, error: PutError) -> ApiError {
        match error {
            // The real service has no other word for a stream that takes no records yet, or no more.
            PutError::NotFound(stream) | PutError::NotActive { stream, .. } => self.no_stream(&stream),
            PutError::Bytes { max, .. } => {
                let max = max / (1024 * 1024);
                ApiError::invalid(format!("Records size exceeds {max} MB limit"))
            }
            PutError::Count(_) | PutError::RecordBytes { .. } | PutError::PartitionKey { .. } => {
                ApiError::invalid(error.to_string())
            }
            PutError::Closed => closing(),
        }
    }

    /// The code and message of one refused record.
    pub(super) fn refusal(&self, stream: &str, shard: ShardIndex, reason: Refusal) -> ApiError {
        match reason {
            Refusal::Throttled => ApiError::new(Code::ProvisionedThroughputExceeded, self.rate_exceeded(stream, shard)),
            Refusal::StorageFull => ApiError::new(Code::InternalFailure, "Internal service failure: the disk is full."),
            Refusal::StorageFailed => ApiError::new(Code::InternalFailure, "Internal service failure."),
            Refusal::Resharding => {
                ApiError::new(Code::InternalFailure, "Internal service failure: the shards are being changed.")
            }
        }
    }

    pub(super) fn reshard_error(&self, error: ReshardError) -> ApiError {
        match error {
            ReshardError::Stream(error) => self.stream_error(error),
            ReshardError::OnDemand(name) => {
                let message = format!(
                    "Stream {name} under account {} is in ON_DEMAND mode. UpdateShardCount is supported for streams in \
                     PROVISIONED mode only.",
                    self.account
                );
                ApiError::new(Code::Validation, message)
            }
            ReshardError::TooOften(name) => {
                let (account, max) = (&self.account, limits::RESIZES_PER_DAY_MAX);
                let message = format!(
                    "Stream {name} under account {account} was scaled {max} times within a rolling 24-hour period; \
                     UpdateShardCount is allowed no more often."
                );
                ApiError::new(Code::LimitExceeded, message)
            }
            ReshardError::AboveDouble { current, target } => ApiError::invalid(format!(
                "UpdateShardCount cannot scale over double your current open shard count. Current open shard count: \
                 {current} Target shard count: {target}"
            )),
            ReshardError::BelowHalf { current, target } => ApiError::invalid(format!(
                "UpdateShardCount cannot scale below half your current open shard count. Current open shard count: \
                 {current} Target shard count: {target}"
            )),
            ReshardError::Shards(_) => ApiError::new(Code::LimitExceeded, error.to_string()),
            ReshardError::NoShard { stream, shard } => {
                let (shard, account) = (shard_id(shard), &self.account);
                let message = format!("Could not find shard {shard} in stream {stream} under account {account}.");
                ApiError::new(Code::ResourceNotFound, message)
            }
            ReshardError::ShardClosed { stream, shard } => {
                let (shard, account) = (shard_id(shard), &self.account);
                ApiError::invalid(format!(
                    "Shard {shard} in stream {stream} under account {account} has already been merged or split, and \
                     thus is not eligible for merging or splitting."
                ))
            }
            ReshardError::SplitKey { shard, at } => ApiError::invalid(format!(
                "NewStartingHashKey {at} used in SplitShard() on shard {} is not both greater than one plus the shard's \
                 StartingHashKey and less than the shard's EndingHashKey.",
                shard_id(shard)
            )),
            ReshardError::NotAdjacent { a, b } => ApiError::invalid(format!(
                "Shards {} and {} are not an adjacent pair of shards eligible for merging",
                shard_id(a),
                shard_id(b)
            )),
        }
    }

    pub(super) fn setting_error(&self, error: SettingError) -> ApiError {
        match error {
            SettingError::Stream(error) => self.stream_error(error),
            SettingError::Retention(hours) => {
                let (min, max) = (limits::RETENTION_HOURS_MIN, limits::RETENTION_HOURS_MAX);
                let bound = if hours < min {
                    format!("Minimum allowed retention period is {min} hours.")
                } else {
                    format!("Maximum allowed retention period is {max} hours.")
                };
                ApiError::invalid(format!("{bound} Requested retention period ({hours} hours) is out of bounds."))
            }
            SettingError::Direction { current, wanted } => {
                let side = if wanted < current { "shorter" } else { "longer" };
                ApiError::invalid(format!(
                    "Requested retention period ({wanted} hours) for the stream can not be {side} than existing \
                     retention period ({current} hours)."
                ))
            }
            SettingError::NoConsumer { stream, consumer } => self.no_consumer(&stream, &consumer),
            SettingError::TooOften(_) => {
                let message = format!("Limit exceeded for account {}: {error} (24 hours, rolling).", self.account);
                ApiError::new(Code::LimitExceeded, message)
            }
            SettingError::Unchanged(_) | SettingError::NotOnDemand(_) => ApiError::validation(error.to_string()),
            SettingError::LimitsTag(_)
            | SettingError::RecordBytes(_)
            | SettingError::Warm(_)
            | SettingError::NotEncrypted(_) => ApiError::invalid(error.to_string()),
            SettingError::Tags(_) => {
                let max = limits::TAGS_MAX;
                ApiError::invalid(format!(
                    "Failed to add tags to the stream under account {}: a given resource cannot have more than {max} \
                     tags associated with it.",
                    self.account
                ))
            }
        }
    }

    fn no_consumer(&self, stream: &str, consumer: &str) -> ApiError {
        let arn = self.arn(stream);
        ApiError::new(Code::ResourceNotFound, format!("Consumer {consumer} under stream {arn} not found."))
    }

    pub(super) fn consumer_error(&self, error: ConsumerError) -> ApiError {
        let account = &self.account;
        match error {
            ConsumerError::Stream(error) => self.stream_error(error),
            ConsumerError::NotFound { stream, consumer } => self.no_consumer(&stream, &consumer),
            ConsumerError::Exists { stream, consumer } => {
                let message =
                    format!("Consumer {consumer} under stream {stream} and account {account} already exists.");
                ApiError::new(Code::ResourceInUse, message)
            }
            ConsumerError::Deleting { stream, consumer } => {
                let message =
                    format!("Consumer {consumer} under stream {stream} and account {account} is in DELETING status.");
                ApiError::new(Code::ResourceInUse, message)
            }
            ConsumerError::TooMany(_) | ConsumerError::TooManyCreating(_) => {
                ApiError::new(Code::LimitExceeded, format!("Consumer limit exceeded under account {account}: {error}."))
            }
            ConsumerError::Tags(count) => self.setting_error(SettingError::Tags(count)),
        }
    }

    pub(super) fn subscribe_error(
        &self,
        stream: &str,
        consumer: &str,
        shard: ShardIndex,
        error: SubscribeError,
    ) -> ApiError {
        let account = &self.account;
        match error {
            SubscribeError::Stream(error) => self.stream_error(error),
            SubscribeError::Consumer(error) => self.consumer_error(error),
            SubscribeError::Read(error) => self.read_error(error),
            SubscribeError::ConsumerNotActive(consumer) => {
                let (name, created_s) = (consumer.name, consumer.created_ms / 1_000);
                let message = format!(
                    "Consumer {name} with creation timestamp {created_s} under stream: {stream} , account {account} is \
                     not in ACTIVE status."
                );
                ApiError::new(Code::ResourceInUse, message)
            }
            SubscribeError::InUse => {
                let shard = shard_id(shard);
                let message = format!(
                    "Another active subscription exists for this consumer: {account}:{stream}:{shard}:{consumer}"
                );
                ApiError::new(Code::ResourceInUse, message)
            }
            SubscribeError::TooOften => {
                let shard = shard_id(shard);
                let message = format!(
                    "Rate exceeded for consumer {consumer} and shard {shard} in stream {stream} under account {account}."
                );
                ApiError::new(Code::LimitExceeded, message)
            }
        }
    }

    pub(super) fn account_error(&self, error: AccountError) -> ApiError {
        match error {
            AccountError::Unchanged(_) => ApiError::validation(error.to_string()),
            AccountError::Storage(message) => storage(message),
        }
    }

    pub(super) fn read_error(&self, error: ReadError) -> ApiError {
        match error {
            ReadError::NotFound(stream) => self.no_stream(&stream),
            ReadError::ShardNotFound { stream, shard } => self.no_shard(&stream, &shard_id(shard)),
            ReadError::Corrupt { .. } | ReadError::Storage { .. } => storage(error.to_string()),
            ReadError::Throttled { stream, shard } => {
                ApiError::new(Code::ProvisionedThroughputExceeded, self.rate_exceeded(&stream, shard))
            }
            ReadError::Closed => closing(),
        }
    }
}
