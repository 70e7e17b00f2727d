//! ListStreams and ListShards, page by page.

use super::error::{ApiError, status_word};
use super::sequence::parse_shard_id;
use super::streams::{ModeDetails, ShardOutput};
use super::time::{from_seconds, to_seconds};
use super::token::{decode_page, encode_page};
use super::validate::Check;
use super::{Door, Operation, check_stream, parse, to_json};
use crate::stream::{ShardDescription, ShardState, StreamDescription, StreamStatus};
use model::ShardIndex;
use serde::{Deserialize, Serialize};

const STREAMS_DEFAULT: usize = 100;
const SHARDS_DEFAULT: usize = 1_000;
const MS_PER_HOUR: u64 = 3_600_000;
const FILTER_TYPES: [&str; 6] =
    ["AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListStreamsInput {
    limit: Option<i64>,
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListStreamsOutput {
    stream_names: Vec<String>,
    has_more_streams: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    stream_summaries: Vec<StreamSummary>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamSummary {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: ModeDetails,
    stream_creation_timestamp: f64,
}

/// Where the next page of streams begins.
#[derive(Serialize, Deserialize)]
struct StreamsPage {
    after: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListShardsInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    next_token: Option<String>,
    exclusive_start_shard_id: Option<String>,
    max_results: Option<i64>,
    stream_creation_timestamp: Option<f64>,
    shard_filter: Option<ShardFilter>,
}

#[derive(Deserialize, Serialize, Clone)]
#[serde(rename_all = "PascalCase")]
struct ShardFilter {
    r#type: Option<String>,
    shard_id: Option<String>,
    timestamp: Option<f64>,
}

/// Where the next page of shards begins, and what the first one asked for.
#[derive(Serialize, Deserialize)]
struct ShardsPage {
    stream: String,
    created_ms: Option<u64>,
    after: Option<u32>,
    filter: Option<ShardFilter>,
    issued_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListShardsOutput {
    shards: Vec<ShardOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Which shards are wanted.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    All,
    After(ShardIndex),
    Open,
    /// Open at this time, in ms since the Unix epoch.
    OpenAt(u64),
    /// Open at this time or later.
    OpenFrom(u64),
}

impl Wanted {
    fn takes(self, shard: &ShardDescription) -> bool {
        let open_after = |time_ms: u64| shard.closed_ms.is_none_or(|closed_ms| closed_ms > time_ms);
        match self {
            Self::All => true,
            Self::After(index) => shard.index > index,
            Self::Open => shard.state == ShardState::Open,
            Self::OpenAt(time_ms) => shard.created_ms <= time_ms && open_after(time_ms),
            Self::OpenFrom(time_ms) => open_after(time_ms),
        }
    }
}

impl Door {
    pub(super) fn list_streams(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: ListStreamsInput = parse(body)?;
        let mut check = Check::default();
        check.range("limit", input.limit, 1, 10_000);
        check.name("exclusiveStartStreamName", input.exclusive_start_stream_name.as_deref());
        check.finish()?;
        let after = match input.next_token.as_deref() {
            Some(token) => Some(decode_page::<StreamsPage>(token).ok_or_else(bad_token)?.after),
            None => input.exclusive_start_stream_name,
        };
        let limit = input.limit.map_or(STREAMS_DEFAULT, |limit| limit as usize);
        let names = self.store.list_streams();
        let mut left = names.into_iter().filter(|name| after.as_ref().is_none_or(|after| name > after));
        let stream_names: Vec<String> = left.by_ref().take(limit).collect();
        let has_more_streams = left.next().is_some();
        let page = |name: &String| encode_page(&StreamsPage { after: name.clone() });
        let next_token = stream_names.last().filter(|_| has_more_streams).map(page);
        let stream_summaries = stream_names.iter().filter_map(|name| self.stream_summary(name)).collect();
        to_json(&ListStreamsOutput { stream_names, has_more_streams, next_token, stream_summaries })
    }

    fn stream_summary(&self, name: &str) -> Option<StreamSummary> {
        let stream = self.store.stream(name)?;
        Some(StreamSummary {
            stream_name: name.to_owned(),
            stream_arn: self.arn(name),
            stream_status: status_word(stream.view().status),
            stream_mode_details: ModeDetails::new(stream.view().settings.mode),
            stream_creation_timestamp: to_seconds(stream.created_ms),
        })
    }

    pub(super) fn list_shards(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: ListShardsInput = parse(body)?;
        check_shards_input(&input)?;
        let limit = input.max_results.map_or(SHARDS_DEFAULT, |limit| limit as usize);
        let mut page = self.shards_page(input)?;
        let description = self.listed_stream(&page)?;
        self.admit_stream(Operation::ListShards, &page.stream)?;
        let wanted = self.wanted(page.filter.as_ref(), &description)?;
        let is_left = |shard: &&ShardDescription| page.after.is_none_or(|after| shard.index.0 > after);
        let mut left = description.shards.iter().filter(is_left).filter(|shard| wanted.takes(shard)).peekable();
        let taken: Vec<&ShardDescription> = left.by_ref().take(limit).collect();
        let more = left.peek().is_some();
        let shards = taken.iter().map(|shard| ShardOutput::new(shard)).collect();
        let last = taken.last().map(|shard| shard.index.0);
        page.after = last;
        page.issued_ms = self.store.config().env.now_ms();
        to_json(&ListShardsOutput { shards, next_token: more.then(|| encode_page(&page)) })
    }

    /// The stream of a page, if it is there, the one that was meant, and in a state to be listed.
    fn listed_stream(&self, page: &ShardsPage) -> Result<StreamDescription, ApiError> {
        let description = self.store.describe_stream(&page.stream).map_err(|error| self.stream_error(error))?;
        if matches!(description.status, StreamStatus::Creating | StreamStatus::Deleting) {
            return Err(self.not_active(&page.stream, description.status));
        }
        // Clients send whole seconds.
        match page.created_ms {
            Some(created_ms) if created_ms / 1_000 != description.created_ms / 1_000 => {
                Err(self.no_stream(&page.stream))
            }
            _ => Ok(description),
        }
    }

    /// The page that is asked for: the next one of a token, or the first one of a stream.
    fn shards_page(&self, input: ListShardsInput) -> Result<ShardsPage, ApiError> {
        let now_ms = self.store.config().env.now_ms();
        if let Some(token) = &input.next_token {
            let page: ShardsPage = decode_page(token).ok_or_else(bad_token)?;
            self.check_token_age(page.issued_ms)?;
            return Ok(page);
        }
        let stream = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?.to_owned();
        let after = match input.exclusive_start_shard_id.as_deref() {
            Some(id) => Some(parse_shard_id(id).ok_or_else(|| self.no_shard(&stream, id))?.0),
            None => None,
        };
        let created_ms = input.stream_creation_timestamp.and_then(from_seconds);
        Ok(ShardsPage { stream, created_ms, after, filter: input.shard_filter, issued_ms: now_ms })
    }

    fn wanted(&self, filter: Option<&ShardFilter>, stream: &StreamDescription) -> Result<Wanted, ApiError> {
        let Some(filter) = filter else { return Ok(Wanted::All) };
        let kind = filter.r#type.as_deref().unwrap_or_default();
        // Nothing older than retention is left, and nothing is older than the stream.
        let kept_ms = u64::from(stream.settings.retention_hours) * MS_PER_HOUR;
        let horizon_ms = self.store.config().env.now_ms().saturating_sub(kept_ms).max(stream.created_ms);
        let required = |name: &str| ApiError::invalid(format!("{name} must be provided for shard filter type {kind}."));
        let time = || Ok(filter.timestamp.and_then(from_seconds).ok_or_else(|| required("Timestamp"))?.max(horizon_ms));
        match kind {
            "AFTER_SHARD_ID" => {
                let id = filter.shard_id.as_deref().ok_or_else(|| required("ShardId"))?;
                Ok(Wanted::After(parse_shard_id(id).ok_or_else(|| self.no_shard(&stream.name, id))?))
            }
            "AT_TRIM_HORIZON" => Ok(Wanted::OpenAt(horizon_ms)),
            "FROM_TRIM_HORIZON" => Ok(Wanted::OpenFrom(horizon_ms)),
            "AT_LATEST" => Ok(Wanted::Open),
            "AT_TIMESTAMP" => time().map(Wanted::OpenAt),
            _ => time().map(Wanted::OpenFrom),
        }
    }
}

fn bad_token() -> ApiError {
    ApiError::invalid("The NextToken is invalid.")
}

fn check_shards_input(input: &ListShardsInput) -> Result<(), ApiError> {
    let mut check = Check::default();
    check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
    check.stream_id(input.stream_id.as_deref());
    check.name("exclusiveStartShardId", input.exclusive_start_shard_id.as_deref());
    check.range("maxResults", input.max_results, 1, 10_000);
    if let Some(filter) = &input.shard_filter {
        check.present("shardFilter.type", filter.r#type.as_ref());
        check.one_of("shardFilter.type", filter.r#type.as_deref(), &FILTER_TYPES);
        check.name("shardFilter.shardId", filter.shard_id.as_deref());
    }
    check.finish()?;
    if input.next_token.is_some() {
        let others = [
            (input.stream_name.is_some(), "StreamName"),
            (input.exclusive_start_shard_id.is_some(), "ExclusiveStartShardId"),
            (input.stream_creation_timestamp.is_some(), "StreamCreationTimestamp"),
            (input.shard_filter.is_some(), "ShardFilter"),
        ];
        if let Some((_, name)) = others.iter().find(|(given, _)| *given) {
            return Err(ApiError::invalid(format!("NextToken and {name} cannot be provided together.")));
        }
    }
    Ok(())
}
