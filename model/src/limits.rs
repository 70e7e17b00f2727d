//! Every hard limit of the platform in one place, with the relations between them asserted at compile time.
//!
//! Stream limits are those of the real Kinesis Data Streams service. Units stand last in each name.

/// Bytes that one shard accepts per second (data and partition keys).
pub const SHARD_WRITE_BYTES_PER_S: u64 = 1024 * 1024;
/// Records that one shard accepts per second.
pub const SHARD_WRITE_RECORDS_PER_S: u64 = 1_000;
/// Bytes that one shard hands to polling readers per second.
pub const SHARD_READ_BYTES_PER_S: u64 = 2 * 1024 * 1024;
/// `GetRecords` calls that one shard answers per second.
pub const SHARD_READ_CALLS_PER_S: u64 = 5;

/// Largest payload plus partition key of one record, in bytes, where a stream has not been given a larger limit.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Largest record of a stream that was given the largest limit, in bytes.
pub const RECORD_BYTES_LARGE_MAX: usize = 10 * 1024 * 1024;
/// Longest partition key, in Unicode characters.
pub const PARTITION_KEY_CHARS_MAX: usize = 256;
/// Most records in one put.
pub const PUT_RECORDS_MAX: usize = 500;
/// Most bytes (data and partition keys) in one put.
pub const PUT_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Most bytes in one put into a stream of large records.
pub const PUT_BYTES_LARGE_MAX: usize = 10 * 1024 * 1024;
/// Most records in one answer to a reader.
pub const GET_RECORDS_MAX: usize = 10_000;
/// Most bytes in one answer to a reader.
pub const GET_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Levels of objects and arrays in a document of JSON that a door takes.
pub const JSON_DEPTH_MAX: usize = 64;

/// Calls per second of most operations that change a stream, for an account.
pub const CHANGE_CALLS_PER_S: u64 = 5;
/// Calls per second that ask for the account's limits.
pub const DESCRIBE_LIMITS_CALLS_PER_S: u64 = 1;
/// Calls per second that describe a stream with its shards, for an account.
pub const DESCRIBE_CALLS_PER_S: u64 = 10;
/// Calls per second that describe a stream without its shards, for an account.
pub const SUMMARY_CALLS_PER_S: u64 = 20;
/// Calls per second that list the shards of one stream.
pub const LIST_SHARDS_CALLS_PER_S: u64 = 100;
/// Calls per second that register, remove or list the consumers of one stream.
pub const CONSUMER_CALLS_PER_S: u64 = 5;
/// Calls per second that describe a consumer of one stream.
pub const DESCRIBE_CONSUMER_CALLS_PER_S: u64 = 20;
/// Iterators that one shard gives per second.
pub const ITERATOR_CALLS_PER_S: u64 = 5;

/// Bytes that a shard pushes to each registered consumer per second.
pub const FAN_OUT_BYTES_PER_S: u64 = 2 * 1024 * 1024;
/// How long a shard is pushed to a consumer before it has to subscribe again, in milliseconds.
pub const SUBSCRIPTION_AGE_MS_MAX: u64 = 5 * 60 * 1_000;
/// How long a subscription keeps a later one of the same consumer and shard away, in seconds.
pub const SUBSCRIPTION_HOLD_S: u64 = 5;

/// How long a shard iterator stays valid, in milliseconds.
pub const ITERATOR_AGE_MS_MAX: u64 = 5 * 60 * 1_000;
/// Shortest retention of a stream, in hours; also the default.
pub const RETENTION_HOURS_MIN: u32 = 24;
/// Longest retention of a stream, in hours.
pub const RETENTION_HOURS_MAX: u32 = 8_760;
/// Most open shards of one stream.
pub const SHARDS_PER_STREAM_MAX: u32 = 10_000;
/// Most streams that are being created at the same time.
pub const STREAMS_CREATING_MAX: usize = 5;
/// Changes of the shard count of a stream in a rolling day.
pub const RESIZES_PER_DAY_MAX: usize = 10;
/// Changes of a stream's mode in a rolling day.
pub const MODE_CHANGES_PER_DAY_MAX: usize = 2;
/// Beginnings and ends of a stream's encryption in a rolling day.
pub const ENCRYPTION_CHANGES_PER_DAY_MAX: usize = 25;
/// Most registered consumers of one stream.
pub const CONSUMERS_PER_STREAM_MAX: usize = 20;
/// Most consumers of one stream that are being registered at the same time.
pub const CONSUMERS_CREATING_MAX: usize = 5;
/// Least shards of a stream whose shards the platform counts: 4 MB/s.
pub const ON_DEMAND_SHARDS: u32 = 4;
/// Most streams of an account whose shards the platform counts.
pub const ON_DEMAND_STREAMS_MAX: u32 = 50;
/// Most tags of one stream or consumer.
pub const TAGS_MAX: usize = 50;
/// Longest name of a stream, in characters.
pub const STREAM_NAME_CHARS_MAX: usize = 128;

/// Longest name of a snapshot, in characters (`SnapshotName` of the Managed Service for Apache Flink API).
pub const SNAPSHOT_NAME_CHARS_MAX: usize = 256;
/// Most snapshots of one application.
pub const SNAPSHOTS_PER_APPLICATION_MAX: usize = 1_000;
/// Shortest time from one checkpoint of an application to the next, in milliseconds.
pub const CHECKPOINT_INTERVAL_MS_MIN: u64 = 100;
/// Longest such time, and longest pause between two, in milliseconds: a day.
pub const CHECKPOINT_INTERVAL_MS_MAX: u64 = 86_400_000;
/// Versions of one application that are kept; the oldest go first.
pub const VERSIONS_PER_APPLICATION_MAX: u32 = 1_000;
/// Operations of one application that are kept; the oldest go first.
pub const OPERATIONS_PER_APPLICATION_MAX: u32 = 500;
/// Lines told of one application that are kept; the oldest go first.
pub const LINES_PER_APPLICATION_MAX: u32 = 2_000;
/// Most applications of a platform.
pub const APPLICATIONS_MAX: usize = 500;
/// Largest number of parallel subtasks of one operator.
pub const PARALLELISM_MAX: u32 = 256;
/// Largest number of subtasks that share one KPU.
pub const PARALLELISM_PER_KPU_MAX: u32 = 8;
/// Largest number of KPUs of one application, unless raised.
pub const KPUS_MAX: u32 = 32;

/// Longest id of a document, in bytes.
pub const DOCUMENT_ID_BYTES_MAX: usize = 512;
/// Most buckets in one search answer.
pub const BUCKETS_MAX: usize = 65_535;
/// Deepest `from + size` of one search.
pub const RESULT_WINDOW_MAX: usize = 10_000;

const _: () = assert!(RECORD_BYTES_MAX <= PUT_BYTES_MAX, "one record must fit into a put");
const _: () = assert!(PUT_BYTES_MAX <= GET_BYTES_MAX, "what was put at once must be readable at once");
const _: () =
    assert!(SHARD_WRITE_BYTES_PER_S as usize >= RECORD_BYTES_MAX, "the largest record must pass the throttle");
const _: () = assert!(SHARD_READ_BYTES_PER_S >= SHARD_WRITE_BYTES_PER_S, "one reader must keep up with a full shard");
const _: () = assert!(RECORD_BYTES_LARGE_MAX <= PUT_BYTES_LARGE_MAX, "one large record must fit into a put");
const _: () = assert!(PUT_BYTES_LARGE_MAX <= GET_BYTES_MAX, "what was put at once must be readable at once");
const _: () = assert!(RETENTION_HOURS_MIN <= RETENTION_HOURS_MAX);
