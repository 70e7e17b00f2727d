//! What the commands ask the AWS door, with the answers in the form in which they use them.

use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use store::kinesis::client::{ClientError, KinesisClient};

/// A call that was refused because there were too many is tried again so many times.
const TRIES_MAX: u32 = 20;
/// The pause before it, in milliseconds; longer each time, up to ten times this.
const PAUSE_MS: u64 = 100;
/// How often a stream that is being changed is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A connection to the door.
pub(super) struct Api {
    client: KinesisClient,
}

/// A stream.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Summary {
    pub(super) stream_name: String,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: String,
    pub(super) stream_status: String,
    pub(super) stream_mode_details: Mode,
    pub(super) retention_period_hours: u32,
    pub(super) stream_creation_timestamp: f64,
    #[serde(default)]
    pub(super) encryption_type: Option<String>,
    pub(super) open_shard_count: u32,
    #[serde(default)]
    pub(super) consumer_count: u32,
    #[serde(default, rename = "MaxRecordSizeInKiB")]
    pub(super) max_record_size_in_kib: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Mode {
    pub(super) stream_mode: String,
}

/// A shard.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Shard {
    pub(super) shard_id: String,
    pub(super) parent_shard_id: Option<String>,
    pub(super) adjacent_parent_shard_id: Option<String>,
    pub(super) hash_key_range: Range,
    pub(super) sequence_number_range: Sequences,
}

/// A part of the key space.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Range {
    starting_hash_key: String,
    ending_hash_key: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Sequences {
    pub(super) ending_sequence_number: Option<String>,
}

/// A record as it is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record {
    pub(super) sequence_number: String,
    pub(super) approximate_arrival_timestamp: f64,
    pub(super) data: String,
    pub(super) partition_key: String,
}

/// The answer to a read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Read {
    pub(super) records: Vec<Record>,
    pub(super) next_shard_iterator: Option<String>,
    pub(super) millis_behind_latest: Option<u64>,
    #[serde(default)]
    pub(super) child_shards: Vec<Child>,
}

/// A shard that goes on with the keys of one that has ended.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Child {
    pub(super) shard_id: String,
    pub(super) parent_shards: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Shards {
    shards: Vec<Shard>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Streams {
    stream_names: Vec<String>,
    next_token: Option<String>,
}

impl Range {
    /// First and last key; what is no number is taken for the end of the key space that it stands at.
    pub(super) fn keys(&self) -> (u128, u128) {
        (self.starting_hash_key.parse().unwrap_or(0), self.ending_hash_key.parse().unwrap_or(u128::MAX))
    }
}

impl Shard {
    pub(super) fn is_open(&self) -> bool {
        self.sequence_number_range.ending_sequence_number.is_none()
    }

    pub(super) fn parents(&self) -> impl Iterator<Item = &str> {
        self.parent_shard_id.iter().chain(&self.adjacent_parent_shard_id).map(String::as_str)
    }
}

/// Whether the same call may be answered in a moment.
pub(super) fn is_throttled(error: &ClientError) -> bool {
    model::Classified::kind(error) == model::Kind::Throttled
}

impl Api {
    pub(super) fn new(client: KinesisClient) -> Self {
        Self { client }
    }

    /// Calls an operation; where there were too many calls, again after a pause.
    pub(super) async fn call<O: for<'de> Deserialize<'de>>(&self, name: &str, input: Value) -> Result<O, ClientError> {
        let mut tries = 1;
        loop {
            match self.client.call(name, &input).await {
                Err(error) if is_throttled(&error) && tries < TRIES_MAX => {
                    tokio::time::sleep(Duration::from_millis(PAUSE_MS * u64::from(tries.min(10)))).await;
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Calls an operation whose answer has no body.
    pub(super) async fn order(&self, name: &str, input: Value) -> Result<(), ClientError> {
        self.call::<Option<Value>>(name, input).await.map(drop)
    }

    pub(super) async fn summary(&self, stream: &str) -> Result<Summary, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            stream_description_summary: Summary,
        }
        let answer: Answer = self.call("DescribeStreamSummary", json!({ "StreamName": stream })).await?;
        Ok(answer.stream_description_summary)
    }

    /// All shards of a stream that have not expired, page by page.
    pub(super) async fn shards(&self, stream: &str) -> Result<Vec<Shard>, ClientError> {
        let mut page: Shards = self.call("ListShards", json!({ "StreamName": stream })).await?;
        let mut shards = std::mem::take(&mut page.shards);
        while let Some(token) = page.next_token {
            page = self.call("ListShards", json!({ "NextToken": token })).await?;
            shards.append(&mut page.shards);
        }
        Ok(shards)
    }

    /// The names of all streams, page by page.
    pub(super) async fn streams(&self) -> Result<Vec<String>, ClientError> {
        let mut page: Streams = self.call("ListStreams", json!({ "Limit": 1_000 })).await?;
        let mut names = std::mem::take(&mut page.stream_names);
        while let Some(token) = page.next_token {
            page = self.call("ListStreams", json!({ "Limit": 1_000, "NextToken": token })).await?;
            names.append(&mut page.stream_names);
        }
        Ok(names)
    }

    /// Where reading a shard begins.
    pub(super) async fn iterator(&self, stream: &str, shard: &str, at: &Value) -> Result<String, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            shard_iterator: String,
        }
        let mut input = at.clone();
        input["StreamName"] = stream.into();
        input["ShardId"] = shard.into();
        let answer: Answer = self.call("GetShardIterator", input).await?;
        Ok(answer.shard_iterator)
    }

    pub(super) async fn read(&self, iterator: &str) -> Result<Read, ClientError> {
        self.call("GetRecords", json!({ "ShardIterator": iterator, "Limit": 10_000 })).await
    }

    /// Waits until a stream that is being deleted is there no more.
    pub(super) async fn gone(&self, stream: &str) -> Result<(), ClientError> {
        loop {
            match self.summary(stream).await {
                Ok(_) => tokio::time::sleep(LOOK).await,
                Err(error) if model::Classified::kind(&error) == model::Kind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until a stream is neither being made nor changed; `shown` is told how it is meanwhile.
    pub(super) async fn settled(&self, stream: &str, mut shown: impl FnMut(&Summary)) -> Result<Summary, ClientError> {
        loop {
            let summary = self.summary(stream).await?;
            if summary.stream_status == "ACTIVE" {
                return Ok(summary);
            }
            shown(&summary);
            tokio::time::sleep(LOOK).await;
        }
    }
}
