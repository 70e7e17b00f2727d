//! What can go wrong: one enum for each family of operations, each with its kind.

use crate::catalog::CatalogError;
use crate::consumers::Consumer;
use crate::history::RareChange;
use crate::log::{AppendError, LogOpenError, LogReadError};
use crate::settings::LIMITS_TAG;
use crate::stream::StreamStatus;
use model::{Classified, Kind, Position, ShardIndex, limits};
use std::io;
use std::path::PathBuf;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option is out of its bounds.
    #[error("the store's settings are wrong: {0}")]
    Setting(&'static str),
    /// There is no tokio runtime around the call.
    #[error("the store must be opened within a tokio runtime")]
    NoRuntime,
    /// Another process uses the data directory.
    #[error("the data directory {dir} is in use by another process; stop it or choose another directory")]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// The data directory cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The data is not what was written, or was written by a newer program.
    #[error("{0}")]
    Corrupt(String),
}

/// Why a stream was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A stream of that name exists.
    #[error("stream {0} exists already")]
    Exists(String),
    /// The name is empty, too long or has other characters than letters, digits, `_`, `.` and `-`.
    #[error("{0:?} is no name for a stream: it takes 1 to 128 letters, digits, '_', '.' and '-'")]
    Name(String),
    /// The shard count is 0 or too large.
    #[error("a stream has 1 to {max} shards, not {0}", max = limits::SHARDS_PER_STREAM_MAX)]
    Shards(u32),
    /// Too many tags.
    #[error("a stream bears {max} tags at most, not {0}", max = limits::TAGS_MAX)]
    Tags(usize),
    /// Records would be larger than any stream takes, or smaller than every stream takes.
    #[error("a stream takes records of {min} to {max} bytes, not {0}", min = limits::RECORD_BYTES_MAX,
        max = limits::RECORD_BYTES_LARGE_MAX)]
    RecordBytes(usize),
    /// Too many streams are being created.
    #[error("{0} streams are being created; wait until one of them is active")]
    TooManyCreating(usize),
    /// The disk refused.
    #[error("the stream could not be stored: {0}")]
    Storage(String),
    /// The store is being shut down.
    #[error("the store is being shut down")]
    Closed,
}

/// Why a stream was not found, or is not in a state for what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// There is no such stream.
    #[error("stream {0} does not exist")]
    NotFound(String),
    /// The stream is being created, changed or deleted.
    #[error("stream {stream} is {status}; wait until it is active")]
    NotActive {
        /// The stream's name.
        stream: String,
        /// What it is instead of active.
        status: StreamStatus,
    },
    /// It would take its registered consumers with it.
    #[error("stream {stream} has {consumers} registered consumers; remove them first, or delete them with it")]
    HasConsumers {
        /// The stream's name.
        stream: String,
        /// How many there are.
        consumers: usize,
    },
    /// The disk refused.
    #[error("the change could not be stored: {0}")]
    Storage(String),
    /// The store is being shut down.
    #[error("the store is being shut down")]
    Closed,
}

/// Why a whole put was refused. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There is no such stream.
    #[error("stream {0} does not exist")]
    NotFound(String),
    /// The stream is being created or deleted.
    #[error("stream {stream} is {status} and takes no records")]
    NotActive {
        /// The stream's name.
        stream: String,
        /// What it is instead of active.
        status: StreamStatus,
    },
    /// Too many records, or none.
    #[error("a put holds 1 to {max} records, not {0}", max = limits::PUT_RECORDS_MAX)]
    Count(usize),
    /// The records are too large together.
    #[error("a put into this stream holds {max} bytes at most, not {bytes}")]
    Bytes {
        /// Their sizes together.
        bytes: usize,
        /// What the stream takes at once.
        max: usize,
    },
    /// One record is too large.
    #[error("a record of this stream holds {max} bytes at most, not {bytes} (record {index} of the put)")]
    RecordBytes {
        /// Which record of the put, from 0.
        index: usize,
        /// Its size with its partition key.
        bytes: usize,
        /// What the stream takes.
        max: usize,
    },
    /// A partition key is empty or too long.
    #[error("a partition key has 1 to {} characters (record {index} of the put)", limits::PARTITION_KEY_CHARS_MAX)]
    PartitionKey {
        /// Which record of the put, from 0.
        index: usize,
    },
    /// The store is being shut down.
    #[error("the store is being shut down")]
    Closed,
}

/// Why one record of a put was refused. It was not written; send it again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The shard takes no more this second, or refused an earlier record of the same put.
    #[error("the shard takes no more for the moment")]
    Throttled,
    /// The disk is full.
    #[error("the disk is full")]
    StorageFull,
    /// The disk failed. Whether the record is written is unknown until the store is opened again.
    #[error("the disk failed")]
    StorageFailed,
    /// The stream's shards are being changed and the change does not come to an end.
    #[error("the stream's shards are being changed")]
    Resharding,
}

/// Why a stream's shards are not changed.
#[derive(Debug, thiserror::Error)]
pub enum ReshardError {
    /// The stream cannot be changed now.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The platform decides the shard count of this stream.
    #[error("the shards of stream {0} are counted by the platform (on-demand mode)")]
    OnDemand(String),
    /// More than twice the present count.
    #[error("the shard count can be doubled at most: {current} open shards, {target} wanted")]
    AboveDouble {
        /// Open shards now.
        current: u32,
        /// Shards wanted.
        target: u32,
    },
    /// Less than half the present count.
    #[error("the shard count can be halved at most: {current} open shards, {target} wanted")]
    BelowHalf {
        /// Open shards now.
        current: u32,
        /// Shards wanted.
        target: u32,
    },
    /// 0 or too many.
    #[error("a stream has 1 to {max} shards, not {0}", max = limits::SHARDS_PER_STREAM_MAX)]
    Shards(u32),
    /// It was changed too often today.
    #[error("the shard count of stream {0} was changed {max} times within a day", max = limits::RESIZES_PER_DAY_MAX)]
    TooOften(String),
    /// There is no such shard.
    #[error("stream {stream} has no shard {}", .shard.0)]
    NoShard {
        /// The stream's name.
        stream: String,
        /// The shard asked for.
        shard: ShardIndex,
    },
    /// The shard takes no records any more.
    #[error("shard {} of stream {stream} is closed already", .shard.0)]
    ShardClosed {
        /// The stream's name.
        stream: String,
        /// The shard asked for.
        shard: ShardIndex,
    },
    /// A split there would leave one part without a key.
    #[error("shard {} cannot be split at {at}: the key must lie within the shard, and not at its beginning", .shard.0)]
    SplitKey {
        /// The shard.
        shard: ShardIndex,
        /// The key that the second part would begin with.
        at: u128,
    },
    /// The shards do not touch.
    #[error("shards {} and {} cannot be merged: their keys do not touch", .a.0, .b.0)]
    NotAdjacent {
        /// One shard.
        a: ShardIndex,
        /// The other.
        b: ShardIndex,
    },
}

/// Why a setting of a stream was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The stream cannot be changed now.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The retention is out of its bounds.
    #[error(
        "records are kept for {min} to {max} hours, not {0}",
        min = limits::RETENTION_HOURS_MIN,
        max = limits::RETENTION_HOURS_MAX
    )]
    Retention(u32),
    /// The retention would not change in the wanted direction.
    #[error("records are kept for {current} hours already, and {wanted} was asked for")]
    Direction {
        /// How long they are kept now, in hours.
        current: u32,
        /// How long they were to be kept, in hours.
        wanted: u32,
    },
    /// There would be too many tags.
    #[error("a stream bears {max} tags at most, not {0}", max = limits::TAGS_MAX)]
    Tags(usize),
    /// The tag that lifts the limits has another value.
    #[error("the tag {tag} takes the value {value:?} only, not {0:?}", tag = LIMITS_TAG.0, value = LIMITS_TAG.1)]
    LimitsTag(String),
    /// Records would be larger than any stream takes, or smaller than every stream takes.
    #[error("a stream takes records of {min} to {max} bytes, not {0}", min = limits::RECORD_BYTES_MAX,
        max = limits::RECORD_BYTES_LARGE_MAX)]
    RecordBytes(usize),
    /// More throughput than a stream can have.
    #[error("a stream can be kept warm for {max} MiB/s at most, not {0}", max = limits::SHARDS_PER_STREAM_MAX)]
    Warm(u32),
    /// The stream is in that mode already.
    #[error("stream {0} is in that mode already")]
    Unchanged(String),
    /// The owner of the stream counts its shards.
    #[error("the shards of stream {0} are counted by its owner (provisioned mode)")]
    NotOnDemand(String),
    /// The stream is not encrypted.
    #[error("stream {0} is not encrypted")]
    NotEncrypted(String),
    /// There were too many such changes today.
    #[error("this was changed {max} times within a day", max = .0.per_day_max())]
    TooOften(RareChange),
    /// There is no such consumer.
    #[error("stream {stream} has no consumer {consumer}")]
    NoConsumer {
        /// The stream's name.
        stream: String,
        /// The consumer asked for.
        consumer: String,
    },
}

/// Why a consumer was not registered, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The stream cannot be changed now.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// There is no such consumer.
    #[error("stream {stream} has no consumer {consumer}")]
    NotFound {
        /// The stream's name.
        stream: String,
        /// The consumer asked for.
        consumer: String,
    },
    /// The name is taken.
    #[error("stream {stream} has a consumer {consumer} already")]
    Exists {
        /// The stream's name.
        stream: String,
        /// The consumer's name.
        consumer: String,
    },
    /// It is being removed already.
    #[error("consumer {consumer} of stream {stream} is being removed")]
    Deleting {
        /// The stream's name.
        stream: String,
        /// The consumer's name.
        consumer: String,
    },
    /// The stream has as many as it may have.
    #[error("a stream has {0} consumers at most")]
    TooMany(usize),
    /// Too many are being registered.
    #[error("{0} consumers are being registered; wait until one of them is active")]
    TooManyCreating(usize),
    /// There would be too many tags.
    #[error("a consumer bears {max} tags at most, not {0}", max = limits::TAGS_MAX)]
    Tags(usize),
}

/// Why records are not pushed to a consumer.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// There is no such stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// There is no such consumer.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// There is no such shard, or where to begin cannot be found.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The consumer is being registered or removed.
    #[error("consumer {} is not active", .0.name)]
    ConsumerNotActive(Box<Consumer>),
    /// It began a subscription to the shard a few seconds ago, which goes on.
    #[error("the consumer is subscribed to the shard already")]
    InUse,
    /// It began a subscription to the shard within the last second, or was refused one.
    #[error("a consumer may subscribe to a shard once a second")]
    TooOften,
}

/// Why the records of a shard are pushed no further.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The stream is being deleted.
    #[error("stream {0} is being deleted")]
    StreamGone(String),
    /// The consumer was removed.
    #[error("consumer {0} was removed")]
    ConsumerGone(String),
    /// A later subscription of the consumer took its place.
    #[error("a later subscription of the same consumer took the place of this one")]
    Replaced,
    /// The shard cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store is being shut down.
    #[error("the store is being shut down")]
    Closed,
}

/// Why a setting of the account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// It is so already.
    #[error("the commitment has {0} already")]
    Unchanged(&'static str),
    /// The disk refused.
    #[error("the change could not be stored: {0}")]
    Storage(String),
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such stream, or it was deleted meanwhile.
    #[error("stream {0} does not exist")]
    NotFound(String),
    /// There is no such shard, or all its records have expired.
    #[error("stream {stream} has no shard {}", .shard.0)]
    ShardNotFound {
        /// The stream's name.
        stream: String,
        /// The shard asked for.
        shard: ShardIndex,
    },
    /// The stored bytes are not what was written. Read on behind them, or restore the file from a copy.
    #[error("record {position} of shard {} of stream {stream} is damaged: {reason}", .shard.0)]
    Corrupt {
        /// The stream's name.
        stream: String,
        /// The shard.
        shard: ShardIndex,
        /// The record that was due.
        position: Position,
        /// What is wrong, and where.
        reason: String,
    },
    /// The disk failed.
    #[error("cannot read shard {} of stream {stream}: {reason}", .shard.0)]
    Storage {
        /// The stream's name.
        stream: String,
        /// The shard.
        shard: ShardIndex,
        /// What the operating system says, and where.
        reason: String,
    },
    /// The shard gives no more to polling readers for the moment.
    #[error("shard {} of stream {stream} gives no more for the moment", .shard.0)]
    Throttled {
        /// The stream's name.
        stream: String,
        /// The shard.
        shard: ShardIndex,
    },
    /// The store is being shut down.
    #[error("the store is being shut down")]
    Closed,
}

impl ReadError {
    pub(crate) fn from_log(stream: &str, shard: ShardIndex, error: LogReadError) -> Self {
        let reason = error.to_string();
        let stream = stream.to_owned();
        match error {
            LogReadError::Damaged { position, .. } => Self::Corrupt { stream, shard, position, reason },
            LogReadError::Io { .. } => Self::Storage { stream, shard, reason },
        }
    }
}

impl From<&AppendError> for Refusal {
    fn from(error: &AppendError) -> Self {
        if error.is_full() { Self::StorageFull } else { Self::StorageFailed }
    }
}

impl From<CatalogError> for OpenError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Io { path, source } => Self::Io { path, source },
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl From<LogOpenError> for OpenError {
    fn from(error: LogOpenError) -> Self {
        match error {
            LogOpenError::Io { path, source } => Self::Io { path, source },
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl From<AppendError> for OpenError {
    fn from(error: AppendError) -> Self {
        Self::Io { path: error.path, source: error.source }
    }
}

impl Classified for OpenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Setting(_) => Kind::Invalid,
            Self::NoRuntime => Kind::Internal,
            Self::Locked { .. } => Kind::Conflict,
            Self::Io { .. } => Kind::Unavailable,
            Self::Corrupt(_) => Kind::Corrupt,
        }
    }
}

impl Classified for CreateError {
    fn kind(&self) -> Kind {
        match self {
            Self::Exists(_) => Kind::Conflict,
            Self::Name(_) | Self::Shards(_) | Self::Tags(_) | Self::RecordBytes(_) => Kind::Invalid,
            Self::TooManyCreating(_) => Kind::Throttled,
            Self::Storage(_) | Self::Closed => Kind::Unavailable,
        }
    }
}

impl Classified for StreamError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) => Kind::NotFound,
            Self::NotActive { .. } | Self::HasConsumers { .. } => Kind::Conflict,
            Self::Storage(_) | Self::Closed => Kind::Unavailable,
        }
    }
}

impl Classified for PutError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) => Kind::NotFound,
            Self::NotActive { .. } => Kind::Conflict,
            Self::Count(_) | Self::Bytes { .. } | Self::RecordBytes { .. } | Self::PartitionKey { .. } => Kind::Invalid,
            Self::Closed => Kind::Unavailable,
        }
    }
}

impl Classified for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Throttled => Kind::Throttled,
            Self::StorageFull | Self::StorageFailed | Self::Resharding => Kind::Unavailable,
        }
    }
}

impl Classified for ReshardError {
    fn kind(&self) -> Kind {
        match self {
            Self::Stream(error) => error.kind(),
            Self::NoShard { .. } => Kind::NotFound,
            Self::TooOften(_) => Kind::Throttled,
            Self::OnDemand(_)
            | Self::AboveDouble { .. }
            | Self::BelowHalf { .. }
            | Self::Shards(_)
            | Self::ShardClosed { .. }
            | Self::SplitKey { .. }
            | Self::NotAdjacent { .. } => Kind::Invalid,
        }
    }
}

impl Classified for SettingError {
    fn kind(&self) -> Kind {
        match self {
            Self::Stream(error) => error.kind(),
            Self::NoConsumer { .. } => Kind::NotFound,
            Self::TooOften(_) => Kind::Throttled,
            Self::Retention(_)
            | Self::Direction { .. }
            | Self::Tags(_)
            | Self::LimitsTag(_)
            | Self::RecordBytes(_)
            | Self::Warm(_)
            | Self::Unchanged(_)
            | Self::NotOnDemand(_)
            | Self::NotEncrypted(_) => Kind::Invalid,
        }
    }
}

impl Classified for ConsumerError {
    fn kind(&self) -> Kind {
        match self {
            Self::Stream(error) => error.kind(),
            Self::NotFound { .. } => Kind::NotFound,
            Self::Exists { .. } | Self::Deleting { .. } => Kind::Conflict,
            Self::TooMany(_) | Self::TooManyCreating(_) => Kind::Throttled,
            Self::Tags(_) => Kind::Invalid,
        }
    }
}

impl Classified for SubscribeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Stream(error) => error.kind(),
            Self::Consumer(error) => error.kind(),
            Self::Read(error) => error.kind(),
            Self::ConsumerNotActive(_) | Self::InUse => Kind::Conflict,
            Self::TooOften => Kind::Throttled,
        }
    }
}

impl Classified for PushError {
    fn kind(&self) -> Kind {
        match self {
            Self::StreamGone(_) | Self::ConsumerGone(_) => Kind::NotFound,
            Self::Replaced => Kind::Conflict,
            Self::Read(error) => error.kind(),
            Self::Closed => Kind::Unavailable,
        }
    }
}

impl Classified for AccountError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unchanged(_) => Kind::Invalid,
            Self::Storage(_) => Kind::Unavailable,
        }
    }
}

impl Classified for ReadError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) | Self::ShardNotFound { .. } => Kind::NotFound,
            Self::Corrupt { .. } => Kind::Corrupt,
            Self::Throttled { .. } => Kind::Throttled,
            Self::Storage { .. } | Self::Closed => Kind::Unavailable,
        }
    }
}
