//! CreateStream, DeleteStream, DescribeStream and DescribeStreamSummary.

use super::error::{ApiError, status_word};
use super::sequence::{Sequence, parse_shard_id, shard_id};
use super::tags::{check_letters, check_tags};
use super::time::to_seconds;
use super::validate::Check;
use super::{Door, check_stream, parse, to_json};
use crate::catalog::CapacityMode;
use crate::stream::{ShardDescription, StreamDescription, StreamStatus};
use crate::streams::NewStream;
use model::{HashKeyRange, Position};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Shards of a new stream whose owner does not count them.
const ON_DEMAND_SHARDS: u32 = 4;
const DESCRIBE_SHARDS_DEFAULT: usize = 100;
const MODES: [&str; 2] = ["PROVISIONED", "ON_DEMAND"];

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ModeDetails {
    stream_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateStreamInput {
    stream_name: Option<String>,
    shard_count: Option<i64>,
    stream_mode_details: Option<ModeDetails>,
    tags: Option<BTreeMap<String, String>>,
    warm_throughput_mi_bps: Option<i64>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    limit: Option<i64>,
    exclusive_start_shard_id: Option<String>,
}

/// A part of the key space in decimal.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HashKeys {
    starting_hash_key: String,
    ending_hash_key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumbers {
    starting_sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_sequence_number: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShardOutput {
    shard_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjacent_parent_shard_id: Option<String>,
    hash_key_range: HashKeys,
    sequence_number_range: SequenceNumbers,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EnhancedMetrics {
    shard_level_metrics: [&'static str; 0],
}

/// What the two descriptions of a stream have in common.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamOutput {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: ModeDetails,
    retention_period_hours: u32,
    stream_creation_timestamp: f64,
    enhanced_monitoring: [EnhancedMetrics; 1],
    encryption_type: &'static str,
    #[serde(flatten)]
    more: MoreOutput,
}

#[derive(Serialize)]
#[serde(untagged)]
enum MoreOutput {
    #[serde(rename_all = "PascalCase")]
    Shards { shards: Vec<ShardOutput>, has_more_shards: bool },
    #[serde(rename_all = "PascalCase")]
    Counts { open_shard_count: usize, consumer_count: usize },
}

impl HashKeys {
    pub(super) fn new(range: HashKeyRange) -> Self {
        Self { starting_hash_key: range.start().to_string(), ending_hash_key: range.end().to_string() }
    }
}

impl ShardOutput {
    pub(super) fn new(shard: &ShardDescription) -> Self {
        let at = |position| Sequence { birth_ms: shard.created_ms, shard: shard.index, position };
        Self {
            shard_id: shard_id(shard.index),
            parent_shard_id: shard.parents.first().copied().map(shard_id),
            adjacent_parent_shard_id: shard.parents.get(1).copied().map(shard_id),
            hash_key_range: HashKeys::new(shard.range),
            sequence_number_range: SequenceNumbers {
                starting_sequence_number: at(Position::ZERO).of_record(),
                ending_sequence_number: shard.ending.map(|end| at(end).of_end()),
            },
        }
    }
}

impl ModeDetails {
    pub(super) fn new(mode: CapacityMode) -> Self {
        let word = match mode {
            CapacityMode::Provisioned => MODES[0],
            CapacityMode::OnDemand => MODES[1],
        };
        Self { stream_mode: Some(word.to_owned()) }
    }
}

impl CreateStreamInput {
    fn check(&self) -> Result<(), ApiError> {
        let mut check = Check::default();
        check.present("streamName", self.stream_name.as_ref());
        check.name("streamName", self.stream_name.as_deref());
        check.range("shardCount", self.shard_count, 1, i64::from(i32::MAX));
        if let Some(details) = &self.stream_mode_details {
            check.present("streamModeDetails.streamMode", details.stream_mode.as_ref());
            check.one_of("streamModeDetails.streamMode", details.stream_mode.as_deref(), &MODES);
        }
        check.range("maxRecordSizeInKiB", self.max_record_size_in_kib, 1_024, 10_240);
        if let Some(tags) = self.tags.as_ref().filter(|tags| !tags.is_empty()) {
            check_tags(&mut check, Some(tags));
        }
        check.finish()?;
        check_letters(self.tags.as_ref())?;
        let larger = self.max_record_size_in_kib.is_some_and(|kib| kib != 1_024);
        let warm = self.warm_throughput_mi_bps.is_some_and(|rate| rate != 0);
        let named = [(larger, "MaxRecordSizeInKiB"), (warm, "WarmThroughputMiBps")];
        match named.iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(ApiError::invalid(format!("{name} is not supported by this endpoint."))),
            None => Ok(()),
        }
    }

    /// How many shards, and who counts them from then on.
    fn capacity(&self) -> Result<(u32, CapacityMode), ApiError> {
        let mode = self.stream_mode_details.as_ref().and_then(|details| details.stream_mode.as_deref());
        match (mode, self.shard_count) {
            (Some("ON_DEMAND"), Some(_)) => {
                Err(ApiError::invalid("ShardCount must not be provided for a stream in ON_DEMAND mode."))
            }
            (Some("PROVISIONED"), None) => {
                Err(ApiError::invalid("ShardCount must be provided for a stream in PROVISIONED mode."))
            }
            (_, Some(count)) => Ok((u32::try_from(count).unwrap_or(u32::MAX), CapacityMode::Provisioned)),
            (_, None) => Ok((ON_DEMAND_SHARDS, CapacityMode::OnDemand)),
        }
    }
}

impl StreamInput {
    fn check(&self) -> Result<(), ApiError> {
        let mut check = Check::default();
        check_stream(&mut check, self.stream_name.as_deref(), self.stream_arn.as_deref());
        check.range("limit", self.limit, 1, 10_000);
        check.name("exclusiveStartShardId", self.exclusive_start_shard_id.as_deref());
        check.finish()
    }
}

impl Door {
    pub(super) async fn create_stream(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: CreateStreamInput = parse(body)?;
        input.check()?;
        let (shards, mode) = input.capacity()?;
        let name = input.stream_name.as_deref().unwrap_or_default();
        let new = NewStream { shards, mode, tags: input.tags.clone().unwrap_or_default() };
        let created = self.store.create_stream_with(name, new).await;
        created.map(|()| Vec::new()).map_err(|error| self.create_error(name, error))
    }

    pub(super) async fn delete_stream(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: StreamInput = parse(body)?;
        input.check()?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let deleted = self.store.delete_stream(name).await;
        deleted.map(|()| Vec::new()).map_err(|error| self.stream_error(error))
    }

    pub(super) fn describe_stream(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: StreamInput = parse(body)?;
        input.check()?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let description = self.store.describe_stream(name).map_err(|error| self.stream_error(error))?;
        let limit = input.limit.map_or(DESCRIBE_SHARDS_DEFAULT, |limit| limit as usize);
        let after = match input.exclusive_start_shard_id.as_deref() {
            Some(id) => Some(parse_shard_id(id).ok_or_else(|| self.no_shard(name, id))?),
            None => None,
        };
        // A stream that is being created shows no shards yet.
        let visible = description.status != StreamStatus::Creating;
        let mut left =
            description.shards.iter().filter(|shard| visible && after.is_none_or(|after| shard.index > after));
        let shards = left.by_ref().take(limit).map(ShardOutput::new).collect();
        let more = MoreOutput::Shards { shards, has_more_shards: left.next().is_some() };
        to_json(&serde_json::json!({ "StreamDescription": self.stream_output(&description, more) }))
    }

    pub(super) fn describe_stream_summary(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: StreamInput = parse(body)?;
        input.check()?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let description = self.store.describe_stream(name).map_err(|error| self.stream_error(error))?;
        let visible = description.status != StreamStatus::Creating;
        let open_shard_count = if visible { description.open_shards() } else { 0 };
        let more = MoreOutput::Counts { open_shard_count, consumer_count: 0 };
        to_json(&serde_json::json!({ "StreamDescriptionSummary": self.stream_output(&description, more) }))
    }

    fn stream_output(&self, description: &StreamDescription, more: MoreOutput) -> StreamOutput {
        StreamOutput {
            stream_name: description.name.clone(),
            stream_arn: self.arn(&description.name),
            stream_status: status_word(description.status),
            stream_mode_details: ModeDetails::new(description.mode),
            retention_period_hours: description.retention_hours,
            stream_creation_timestamp: to_seconds(description.created_ms),
            enhanced_monitoring: [EnhancedMetrics { shard_level_metrics: [] }],
            encryption_type: "NONE",
            more,
        }
    }
}
