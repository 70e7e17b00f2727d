//! CreateStream, DeleteStream, DescribeStream and DescribeStreamSummary.

use super::capacity::{RECORD_KIB_MAX, RECORD_KIB_MIN, warm_mib_per_s};
use super::encryption::TYPES as ENCRYPTION_TYPES;
use super::error::{ApiError, status_word};
use super::monitoring::metric_words;
use super::sequence::{Sequence, parse_shard_id, shard_id};
use super::tags::check_letters;
use super::time::to_seconds;
use super::validate::Check;
use super::{Door, check_stream, parse, to_json};
use crate::catalog::CapacityMode;
use crate::settings::StreamSettings;
use crate::stream::{ShardDescription, StreamDescription, StreamStatus};
use crate::streams::NewStream;
use model::{HashKeyRange, Position, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const STRATEGIES: [&str; 2] = ["AUTO", "USER_PARTITION_KEY"];
const DESCRIBE_SHARDS_DEFAULT: usize = 100;
pub(super) const MODES: [&str; 2] = ["PROVISIONED", "ON_DEMAND"];

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
    record_distribution_strategy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    limit: Option<i64>,
    exclusive_start_shard_id: Option<String>,
    enforce_consumer_deletion: Option<bool>,
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
    shard_level_metrics: Vec<&'static str>,
}

/// What a stream in on-demand mode takes at once: as wanted, and now.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WarmThroughput {
    target_mi_bps: u32,
    current_mi_bps: u32,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(flatten)]
    more: MoreOutput,
}

#[derive(Serialize)]
#[serde(untagged)]
enum MoreOutput {
    #[serde(rename_all = "PascalCase")]
    Shards { shards: Vec<ShardOutput>, has_more_shards: bool },
    #[serde(rename_all = "PascalCase")]
    Counts {
        open_shard_count: usize,
        consumer_count: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        warm_throughput: Option<WarmThroughput>,
        #[serde(rename = "MaxRecordSizeInKiB")]
        max_record_size_in_kib: usize,
    },
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
    /// The word that a request gives.
    pub(super) fn mode(&self) -> Option<&str> {
        self.stream_mode.as_deref()
    }

    pub(super) fn new(mode: CapacityMode) -> Self {
        let word = match mode {
            CapacityMode::Provisioned => MODES[0],
            CapacityMode::OnDemand => MODES[1],
        };
        Self { stream_mode: Some(word.to_owned()) }
    }
}

impl WarmThroughput {
    /// What a stream is kept warm for, if anything.
    pub(super) fn of(stream: &StreamDescription) -> Option<Self> {
        let target_mi_bps = stream.settings.warm_mib_per_s;
        let current_mi_bps = target_mi_bps.min(stream.open_shards() as u32);
        (target_mi_bps > 0).then_some(Self { target_mi_bps, current_mi_bps })
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
        check.range("warmThroughputMiBps", self.warm_throughput_mi_bps, 0, i64::from(i32::MAX));
        check.range("maxRecordSizeInKiB", self.max_record_size_in_kib, RECORD_KIB_MIN, RECORD_KIB_MAX);
        check.one_of("recordDistributionStrategy", self.record_distribution_strategy.as_deref(), &STRATEGIES);
        check.tags(self.tags.as_ref());
        check.finish()?;
        check_letters(self.tags.as_ref())?;
        if self.record_distribution_strategy.as_deref() == Some("AUTO") {
            let message = "RecordDistributionStrategy AUTO is not supported by this endpoint; use USER_PARTITION_KEY.";
            return Err(ApiError::invalid(message));
        }
        Ok(())
    }

    /// What the new stream is like.
    fn new_stream(&self) -> Result<NewStream, ApiError> {
        let (shards, mode) = self.capacity()?;
        let warm_mib_per_s = warm_mib_per_s(self.warm_throughput_mi_bps);
        if warm_mib_per_s > 0 && mode == CapacityMode::Provisioned {
            return Err(ApiError::validation("WarmThroughputMiBps is for streams in ON_DEMAND mode."));
        }
        let settings = StreamSettings {
            tags: self.tags.clone().unwrap_or_default(),
            record_bytes_max: self.max_record_size_in_kib.unwrap_or(RECORD_KIB_MIN) as usize * 1_024,
            warm_mib_per_s,
            ..StreamSettings::new(mode)
        };
        Ok(NewStream { shards, settings })
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
            (_, None) => {
                let warm = warm_mib_per_s(self.warm_throughput_mi_bps);
                Ok((warm.max(limits::ON_DEMAND_SHARDS), CapacityMode::OnDemand))
            }
        }
    }
}

impl StreamInput {
    fn check(&self) -> Result<(), ApiError> {
        let mut check = Check::default();
        check_stream(&mut check, self.stream_name.as_deref(), self.stream_arn.as_deref());
        check.stream_id(self.stream_id.as_deref());
        check.range("limit", self.limit, 1, 10_000);
        check.name("exclusiveStartShardId", self.exclusive_start_shard_id.as_deref());
        check.finish()
    }
}

impl Door {
    pub(super) async fn create_stream(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: CreateStreamInput = parse(body)?;
        input.check()?;
        let new = input.new_stream()?;
        self.check_warm(new.settings.warm_mib_per_s).await?;
        let name = input.stream_name.as_deref().unwrap_or_default();
        let created = self.store.create_stream_with(name, new).await;
        created.map(|()| Vec::new()).map_err(|error| self.create_error(name, error))
    }

    pub(super) async fn delete_stream(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: StreamInput = parse(body)?;
        input.check()?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let deleted = match input.enforce_consumer_deletion {
            Some(true) => self.store.delete_stream(name).await,
            _ => self.store.delete_stream_without_consumers(name).await,
        };
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
        let more = MoreOutput::Counts {
            open_shard_count,
            consumer_count: description.consumers,
            warm_throughput: WarmThroughput::of(&description),
            max_record_size_in_kib: description.settings.record_bytes_max / 1_024,
        };
        to_json(&serde_json::json!({ "StreamDescriptionSummary": self.stream_output(&description, more) }))
    }

    fn stream_output(&self, description: &StreamDescription, more: MoreOutput) -> StreamOutput {
        let settings = &description.settings;
        StreamOutput {
            stream_name: description.name.clone(),
            stream_arn: self.arn(&description.name),
            stream_status: status_word(description.status),
            stream_mode_details: ModeDetails::new(settings.mode),
            retention_period_hours: settings.retention_hours,
            stream_creation_timestamp: to_seconds(description.created_ms),
            enhanced_monitoring: [EnhancedMetrics { shard_level_metrics: metric_words(&settings.shard_metrics) }],
            encryption_type: ENCRYPTION_TYPES[usize::from(settings.encryption.is_some())],
            key_id: settings.encryption.as_ref().map(|encryption| encryption.key.clone()),
            more,
        }
    }
}
