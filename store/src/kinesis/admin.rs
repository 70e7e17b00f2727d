//! What people do with streams from outside: make, change, scale and read them through any endpoint of the service, with the
//! answers in plain words. Calls that are refused because there were too many are made again after a pause.

use super::client::{ClientError, KinesisClient, PutResult};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Classified, Kind, PutRecord};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A call that was refused because there were too many is made again so many times.
const TRIES_MAX: u32 = 20;
/// The pause before it, in milliseconds; longer each time, up to ten times this.
const PAUSE_MS: u64 = 100;
/// How often a stream that is being changed is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Streams that are asked for at once.
const PAGE: u32 = 1_000;

/// Streams behind one endpoint.
#[derive(Debug, Clone)]
pub struct Admin {
    client: KinesisClient,
}

/// A stream, as its service tells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamInfo {
    /// Its name.
    #[serde(rename = "StreamName")]
    pub name: String,
    /// Its ARN.
    #[serde(rename = "StreamARN")]
    pub arn: String,
    /// `CREATING`, `ACTIVE`, `UPDATING` or `DELETING`.
    #[serde(rename = "StreamStatus")]
    pub status: String,
    #[serde(rename = "StreamModeDetails")]
    mode: ModeInfo,
    /// How long records are kept, in hours.
    #[serde(rename = "RetentionPeriodHours")]
    pub retention_hours: u32,
    /// When it was made, in seconds since the Unix epoch.
    #[serde(rename = "StreamCreationTimestamp")]
    pub created_s: f64,
    /// `NONE` or `KMS`, where the service tells it.
    #[serde(default, rename = "EncryptionType")]
    pub encryption: Option<String>,
    /// How many shards take records.
    #[serde(rename = "OpenShardCount")]
    pub open_shards: u32,
    /// How many consumers are registered.
    #[serde(default, rename = "ConsumerCount")]
    pub consumers: u32,
    /// Largest record in KiB, where the service tells it.
    #[serde(default, rename = "MaxRecordSizeInKiB")]
    pub record_kib_max: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ModeInfo {
    stream_mode: String,
}

/// A shard, as its service tells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShardInfo {
    /// Its name.
    #[serde(rename = "ShardId")]
    pub name: String,
    parent_shard_id: Option<String>,
    adjacent_parent_shard_id: Option<String>,
    hash_key_range: KeysInfo,
    sequence_number_range: NumbersInfo,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeysInfo {
    starting_hash_key: String,
    ending_hash_key: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NumbersInfo {
    ending_sequence_number: Option<String>,
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadRecord {
    /// Its number in the shard.
    pub sequence_number: String,
    /// When it arrived, in seconds since the Unix epoch.
    pub arrival_s: f64,
    /// Its partition key.
    pub key: String,
    /// Its payload.
    pub data: Vec<u8>,
}

/// What a read found.
#[derive(Debug, Clone)]
pub struct ReadPage {
    /// Records, in order.
    pub records: Vec<ReadRecord>,
    /// Where to read on; nothing at the end of the shard.
    pub next: Option<Cursor>,
    /// The age of the next record in milliseconds, 0 at the tip.
    pub behind_ms: u64,
    /// At the end of a shard those that go on with its keys, each with all its parents.
    pub children: Vec<(String, Vec<String>)>,
}

/// Where reading a shard stands. It is good for five minutes.
#[derive(Debug, Clone)]
pub struct Cursor(String);

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// With the oldest record.
    Oldest,
    /// With the next record that is put.
    Latest,
    /// With the first record of this time or later, in milliseconds since the Unix epoch.
    Time(u64),
}

impl StreamInfo {
    /// Whether the platform counts its shards.
    pub fn is_on_demand(&self) -> bool {
        self.mode.stream_mode == "ON_DEMAND"
    }

    /// Whether it is neither being made nor changed nor deleted.
    pub fn is_active(&self) -> bool {
        self.status == "ACTIVE"
    }

    /// Whether it is being made.
    pub fn is_creating(&self) -> bool {
        self.status == "CREATING"
    }
}

impl ShardInfo {
    /// Its first and last key. What is no number is taken for the end of the key space that it stands at.
    pub fn keys(&self) -> (u128, u128) {
        let range = &self.hash_key_range;
        (range.starting_hash_key.parse().unwrap_or(0), range.ending_hash_key.parse().unwrap_or(u128::MAX))
    }

    /// Whether it takes records.
    pub fn is_open(&self) -> bool {
        self.sequence_number_range.ending_sequence_number.is_none()
    }

    /// Those whose keys it took over; they may have expired.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        self.parent_shard_id.iter().chain(&self.adjacent_parent_shard_id).map(String::as_str)
    }
}

impl ReadFrom {
    fn input(self, stream: &str, shard: &str) -> Value {
        let kind = match self {
            Self::Oldest => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::Time(_) => "AT_TIMESTAMP",
        };
        let mut input = json!({ "StreamName": stream, "ShardId": shard, "ShardIteratorType": kind });
        if let Self::Time(ms) = self {
            input["Timestamp"] = (ms as f64 / 1_000.0).into();
        }
        input
    }
}

impl Admin {
    /// The streams that this client reaches.
    pub fn new(client: KinesisClient) -> Self {
        Self { client }
    }

    async fn call<O: for<'de> Deserialize<'de>>(&self, name: &str, input: Value) -> Result<O, ClientError> {
        let mut tries = 1;
        loop {
            match self.client.call(name, &input).await {
                Err(error) if error.kind() == Kind::Throttled && tries < TRIES_MAX => pause(tries).await,
                answer => return answer,
            }
            tries += 1;
        }
    }

    /// Calls an operation whose answer is of no interest.
    async fn order(&self, name: &str, input: Value) -> Result<(), ClientError> {
        self.call::<Option<Value>>(name, input).await.map(drop)
    }

    /// Makes a stream; without a count of shards the platform counts them. Returns before it takes records.
    ///
    /// # Errors
    /// When the service refuses or does not answer, as for all calls here.
    pub async fn create(
        &self,
        stream: &str,
        shards: Option<u32>,
        tags: &BTreeMap<&str, &str>,
        record_kib_max: Option<u32>,
    ) -> Result<(), ClientError> {
        let mut input = json!({ "StreamName": stream });
        if let Some(shards) = shards {
            input["ShardCount"] = shards.into();
        }
        if let Some(kib) = record_kib_max {
            input["MaxRecordSizeInKiB"] = kib.into();
        }
        if !tags.is_empty() {
            input["Tags"] = json!(tags);
        }
        self.order("CreateStream", input).await
    }

    /// Deletes a stream with all its records and consumers, and waits until it is gone.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn delete(&self, stream: &str) -> Result<(), ClientError> {
        self.order("DeleteStream", json!({ "StreamName": stream, "EnforceConsumerDeletion": true })).await?;
        loop {
            match self.stream(stream).await {
                Ok(_) => tokio::time::sleep(LOOK).await,
                Err(error) if error.kind() == Kind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps records for `hours` in place of `now` hours.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn set_retention(&self, stream: &str, now: u32, hours: u32) -> Result<(), ClientError> {
        let way = if hours >= now { "Increase" } else { "Decrease" };
        let input = json!({ "StreamName": stream, "RetentionPeriodHours": hours });
        self.order(&format!("{way}StreamRetentionPeriod"), input).await
    }

    /// Begins to change a stream to so many shards of equal size.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn resize(&self, stream: &str, shards: u32) -> Result<(), ClientError> {
        let input = json!({ "StreamName": stream, "TargetShardCount": shards, "ScalingType": "UNIFORM_SCALING" });
        self.order("UpdateShardCount", input).await
    }

    /// Begins to split a shard, the second part beginning at `at`.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn split(&self, stream: &str, shard: &str, at: u128) -> Result<(), ClientError> {
        let input = json!({ "StreamName": stream, "ShardToSplit": shard, "NewStartingHashKey": at.to_string() });
        self.order("SplitShard", input).await
    }

    /// Begins to merge two shards.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn merge(&self, stream: &str, shard: &str, other: &str) -> Result<(), ClientError> {
        let input = json!({ "StreamName": stream, "ShardToMerge": shard, "AdjacentShardToMerge": other });
        self.order("MergeShards", input).await
    }

    /// How a stream is.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn stream(&self, stream: &str) -> Result<StreamInfo, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            stream_description_summary: StreamInfo,
        }
        let answer: Answer = self.call("DescribeStreamSummary", json!({ "StreamName": stream })).await?;
        Ok(answer.stream_description_summary)
    }

    /// Waits until a stream is neither being made nor changed; `shown` is told how it is meanwhile.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn settled(&self, stream: &str, mut shown: impl FnMut(&StreamInfo)) -> Result<StreamInfo, ClientError> {
        loop {
            let info = self.stream(stream).await?;
            if info.is_active() {
                return Ok(info);
            }
            shown(&info);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// All shards of a stream that have not expired.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn shards(&self, stream: &str) -> Result<Vec<ShardInfo>, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            shards: Vec<ShardInfo>,
            next_token: Option<String>,
        }
        let mut shards = Vec::new();
        let mut input = json!({ "StreamName": stream });
        loop {
            let page: Answer = self.call("ListShards", input).await?;
            shards.extend(page.shards);
            let Some(token) = page.next_token else { return Ok(shards) };
            input = json!({ "NextToken": token });
        }
    }

    /// The names of all streams.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn streams(&self) -> Result<Vec<String>, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            stream_names: Vec<String>,
            next_token: Option<String>,
        }
        let mut names = Vec::new();
        let mut input = json!({ "Limit": PAGE });
        loop {
            let page: Answer = self.call("ListStreams", input).await?;
            names.extend(page.stream_names);
            let Some(token) = page.next_token else { return Ok(names) };
            input = json!({ "Limit": PAGE, "NextToken": token });
        }
    }

    /// Puts records, once. An answer tells of each whether it was accepted.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn put(&self, stream: &str, records: &[PutRecord]) -> Result<PutResult, ClientError> {
        self.client.put_records(stream, records).await
    }

    /// Begins to read a shard.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn read_from(&self, stream: &str, shard: &str, from: ReadFrom) -> Result<Cursor, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            shard_iterator: String,
        }
        let answer: Answer = self.call("GetShardIterator", from.input(stream, shard)).await?;
        Ok(Cursor(answer.shard_iterator))
    }

    /// Reads on.
    ///
    /// # Errors
    /// As for [`Admin::create`].
    pub async fn read(&self, at: &Cursor) -> Result<ReadPage, ClientError> {
        let answer: ReadAnswer = self.call("GetRecords", json!({ "ShardIterator": at.0, "Limit": 10_000 })).await?;
        let record = |record: RecordInfo| {
            let data = STANDARD.decode(&record.data).map_err(|error| self.client.odd_answer(error.to_string()))?;
            let (sequence_number, key) = (record.sequence_number, record.partition_key);
            Ok(ReadRecord { sequence_number, arrival_s: record.approximate_arrival_timestamp, key, data })
        };
        Ok(ReadPage {
            records: answer.records.into_iter().map(record).collect::<Result<_, ClientError>>()?,
            next: answer.next_shard_iterator.map(Cursor),
            behind_ms: answer.millis_behind_latest.unwrap_or(0),
            children: answer.child_shards.into_iter().map(|child| (child.shard_id, child.parent_shards)).collect(),
        })
    }
}

async fn pause(tries: u32) {
    tokio::time::sleep(Duration::from_millis(PAUSE_MS * u64::from(tries.min(10)))).await;
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReadAnswer {
    records: Vec<RecordInfo>,
    next_shard_iterator: Option<String>,
    millis_behind_latest: Option<u64>,
    #[serde(default)]
    child_shards: Vec<ChildInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordInfo {
    sequence_number: String,
    approximate_arrival_timestamp: f64,
    data: String,
    partition_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChildInfo {
    shard_id: String,
    parent_shards: Vec<String>,
}
