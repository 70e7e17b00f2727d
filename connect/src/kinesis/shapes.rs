//! What the service answers, as far as it is read.

use super::client::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShardList {
    #[serde(default)]
    pub(super) shards: Vec<ListedShard>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedShard {
    pub(super) shard_id: String,
    pub(super) parent_shard_id: Option<String>,
    pub(super) adjacent_parent_shard_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Iterator {
    pub(super) shard_iterator: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Records {
    #[serde(default)]
    pub(super) records: Vec<ReadRecord>,
    /// Missing at the end of a shard.
    pub(super) next_shard_iterator: Option<String>,
    pub(super) millis_behind_latest: Option<u64>,
    pub(super) child_shards: Option<Vec<ChildShard>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReadRecord {
    pub(super) sequence_number: String,
    #[serde(deserialize_with = "decoded")]
    pub(super) data: Vec<u8>,
}

/// What a reshard has put in the place of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChildShard {
    pub(super) shard_id: String,
    #[serde(default)]
    pub(super) parent_shards: Vec<String>,
}

/// What a subscription pushes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Event {
    #[serde(default)]
    pub(super) records: Vec<ReadRecord>,
    /// Missing at the end of a shard.
    pub(super) continuation_sequence_number: Option<String>,
    pub(super) millis_behind_latest: Option<u64>,
    pub(super) child_shards: Option<Vec<ChildShard>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Summary {
    pub(super) stream_description_summary: SummaryBody,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SummaryBody {
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Described {
    #[serde(alias = "Consumer")]
    pub(super) consumer_description: ConsumerBody,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConsumerBody {
    #[serde(rename = "ConsumerARN")]
    pub(super) consumer_arn: String,
    pub(super) consumer_status: String,
}

fn decoded<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text: String = Deserialize::deserialize(from)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// The number of a shard; its name is `shardId-` and that number.
pub(super) fn shard_number(name: &str) -> Result<u32, Failure> {
    let number = name.strip_prefix("shardId-").and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| {
        Failure::Refused(format!("{name:?} is no name of a shard: it is written as shardId-000000000000"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_decoded_and_bad_ones_told() {
        let read = |data: &str| {
            let text = format!(r#"{{"Records":[{{"SequenceNumber":"1","Data":"{data}","PartitionKey":"k"}}]}}"#);
            serde_json::from_str::<Records>(&text).map(|mut records| records.records.remove(0).data)
        };
        assert_eq!(read("aGVsbG8=").unwrap(), b"hello");
        assert!(read("%").unwrap_err().to_string().contains("Invalid symbol"));
        assert_eq!(shard_number("shardId-000000000017").unwrap(), 17);
        for bad in ["", "17", "shardId-", "shardId-x", "shardId-99999999999"] {
            assert!(shard_number(bad).is_err(), "{bad}");
        }
    }
}
