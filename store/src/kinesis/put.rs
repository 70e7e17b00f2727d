//! PutRecord and PutRecords.

use super::encryption::encryption_word;
use super::error::ApiError;
use super::error::Code;
use super::sequence::{Sequence, shard_id};
use super::validate::Check;
use super::{Door, check_stream, give_way, parse, to_json};
use crate::error::Refusal;
use crate::put::PutOutcome;
use crate::stream::StreamView;
use crate::tallies::CallFigure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::{Position, PutRecord, ShardIndex, limits};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecordInput<'a> {
    #[serde(borrow)]
    stream_name: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partition_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sequence_number_for_ordering: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecordsInput<'a> {
    #[serde(borrow)]
    stream_name: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    records: Option<Vec<Entry<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partition_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Accepted {
    sequence_number: String,
    shard_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecordOutput {
    #[serde(flatten)]
    accepted: Accepted,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum EntryResult {
    Accepted(Accepted),
    #[serde(rename_all = "PascalCase")]
    Refused {
        error_code: &'static str,
        error_message: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecordsOutput {
    failed_record_count: usize,
    records: Vec<EntryResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<&'static str>,
}

impl Entry<'_> {
    fn check(&self, check: &mut Check, prefix: &str) {
        check.present(format_args!("{prefix}data"), self.data.as_ref());
        check.present(format_args!("{prefix}partitionKey"), self.partition_key.as_ref());
        if let Some(key) = self.partition_key.as_deref() {
            check.length(format_args!("{prefix}partitionKey"), key, 1, limits::PARTITION_KEY_CHARS_MAX);
        }
        let path = format_args!("{prefix}explicitHashKey").to_string();
        check.hash_key(path.as_str(), self.explicit_hash_key.as_deref());
    }
}

/// Turns checked entries into records. All payloads share one buffer.
fn to_records(entries: Vec<Entry<'_>>) -> Result<Vec<PutRecord>, ApiError> {
    let text = |entry: &Entry<'_>| entry.data.as_ref().map_or(0, |data| data.len());
    // Four characters make three bytes at most.
    let mut buffer = vec![0; entries.iter().map(|entry| text(entry) / 4 * 3 + 3).sum()];
    let mut ends = Vec::with_capacity(entries.len());
    let mut end = 0;
    for entry in &entries {
        let data = entry.data.as_deref().unwrap_or_default();
        end += STANDARD
            .decode_slice(data, &mut buffer[end..])
            .map_err(|error| ApiError::new(Code::Serialization, format!("Data is not valid Base64: {error}")))?;
        ends.push(end);
    }
    buffer.truncate(end);
    let buffer = Bytes::from(buffer);
    let mut start = 0;
    let record = |(entry, end): (Entry<'_>, usize)| {
        let data = buffer.slice(start..end);
        start = end;
        Ok(PutRecord {
            partition_key: entry.partition_key.map(Cow::into_owned).unwrap_or_default(),
            explicit_hash_key: entry.explicit_hash_key.as_deref().map(parse_hash_key).transpose()?,
            data,
        })
    };
    entries.into_iter().zip(ends).map(record).collect()
}

fn parse_hash_key(text: &str) -> Result<u128, ApiError> {
    text.parse().map_err(|_| {
        ApiError::invalid(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"
        ))
    })
}

/// What a put weighs: payloads and partition keys, in bytes.
fn put_bytes(records: &[PutRecord]) -> f64 {
    records.iter().map(PutRecord::size).sum::<usize>() as f64
}

/// Checks the sizes that are known once payloads are decoded.
fn check_sizes(records: &[PutRecord], max: usize, path: impl Fn(usize) -> String) -> Result<(), ApiError> {
    let mut check = Check::default();
    for (i, record) in records.iter().enumerate() {
        check.payload(path(i), record.data.len(), max);
    }
    check.finish()
}

fn accepted(view: &StreamView, shard: ShardIndex, position: Position) -> Accepted {
    let birth_ms = view.shard(shard).map_or(0, |shard| shard.info.created_ms);
    let sequence = Sequence { birth_ms, shard, position };
    Accepted { sequence_number: sequence.of_record(), shard_id: shard_id(shard) }
}

impl Door {
    /// The view from which the births of shards are taken; to be taken after the put, when all its shards are in it.
    fn view(&self, stream: &str) -> Result<Arc<StreamView>, ApiError> {
        self.store.stream(stream).map(|stream| stream.view()).ok_or_else(|| self.no_stream(stream))
    }

    /// The largest payload that a stream takes; where there is no such stream, the put tells it.
    fn record_bytes_max(&self, stream: &str) -> usize {
        self.store.stream(stream).map_or(limits::RECORD_BYTES_LARGE_MAX, |found| found.view().settings.record_bytes_max)
    }

    pub(super) async fn put_record(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: PutRecordInput<'_> = parse(body)?;
        let mut check = Check::default();
        check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.sequence("sequenceNumberForOrdering", input.sequence_number_for_ordering.as_deref());
        let (data, partition_key, explicit_hash_key) = (input.data, input.partition_key, input.explicit_hash_key);
        let entry = Entry { data, partition_key, explicit_hash_key };
        entry.check(&mut check, "");
        check.finish()?;
        let stream = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let records = to_records(vec![entry])?;
        check_sizes(&records, self.record_bytes_max(stream), |_| "data".to_owned())?;
        let (bytes, started_ns) = (put_bytes(&records), self.now_ns());
        let outcomes = self.store.put_records(stream, records).await.map_err(|error| self.put_error(error))?;
        let success = matches!(outcomes.first(), Some(PutOutcome::Accepted { .. }));
        self.tally_of(
            stream,
            [
                (CallFigure::SinglePutBytes, bytes),
                (CallFigure::SinglePutLatency, self.ms_since(started_ns)),
                (CallFigure::SinglePutSuccess, f64::from(u8::from(success))),
            ],
        );
        match outcomes.first() {
            Some(&PutOutcome::Accepted { shard, position }) => {
                let view = self.view(stream)?;
                let encryption_type = encryption_word(&view.settings, u64::MAX);
                to_json(&PutRecordOutput { accepted: accepted(&view, shard, position), encryption_type })
            }
            Some(&PutOutcome::Refused { shard, reason }) => Err(self.refusal(stream, shard, reason)),
            None => Err(ApiError::new(Code::InternalFailure, "The record has no outcome.")),
        }
    }

    pub(super) async fn put_records(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: PutRecordsInput<'_> = parse(body)?;
        give_way(body).await;
        check_entries(&input)?;
        let stream = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let records = to_records(input.records.unwrap_or_default())?;
        give_way(body).await;
        check_sizes(&records, self.record_bytes_max(stream), |i| format!("records.{}.member.data", i + 1))?;
        let (bytes, started_ns) = (put_bytes(&records), self.now_ns());
        let outcomes = self.store.put_records(stream, records).await.map_err(|error| self.put_error(error))?;
        self.tally_put(stream, &outcomes, bytes, self.ms_since(started_ns));
        give_way(body).await;
        let view = self.view(stream)?;
        let records: Vec<EntryResult> =
            outcomes.into_iter().map(|outcome| self.entry_result(stream, &view, outcome)).collect();
        let refused = |result: &&EntryResult| matches!(result, EntryResult::Refused { .. });
        let failed_record_count = records.iter().filter(refused).count();
        let encryption_type = encryption_word(&view.settings, u64::MAX);
        to_json(&PutRecordsOutput { failed_record_count, records, encryption_type })
    }

    fn tally_put(&self, stream: &str, outcomes: &[PutOutcome], bytes: f64, latency_ms: f64) {
        let is_throttled =
            |outcome: &&PutOutcome| matches!(outcome, PutOutcome::Refused { reason: Refusal::Throttled, .. });
        let accepted = outcomes.iter().filter(|outcome| matches!(outcome, PutOutcome::Accepted { .. })).count();
        let throttled = outcomes.iter().filter(is_throttled).count();
        self.tally_of(
            stream,
            [
                (CallFigure::PutBytes, bytes),
                (CallFigure::PutLatency, latency_ms),
                (CallFigure::PutSuccess, f64::from(u8::from(accepted > 0))),
                (CallFigure::PutRecords, outcomes.len() as f64),
                (CallFigure::PutAccepted, accepted as f64),
                (CallFigure::PutFailed, (outcomes.len() - accepted - throttled) as f64),
                (CallFigure::PutThrottled, throttled as f64),
            ],
        );
    }

    fn entry_result(&self, stream: &str, view: &StreamView, outcome: PutOutcome) -> EntryResult {
        match outcome {
            PutOutcome::Accepted { shard, position } => EntryResult::Accepted(accepted(view, shard, position)),
            PutOutcome::Refused { shard, reason } => {
                let error = self.refusal(stream, shard, reason);
                EntryResult::Refused { error_code: error.code.name(), error_message: error.message }
            }
        }
    }
}

fn check_entries(input: &PutRecordsInput<'_>) -> Result<(), ApiError> {
    let mut check = Check::default();
    check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
    check.stream_id(input.stream_id.as_deref());
    check.present("records", input.records.as_ref());
    if let Some(records) = &input.records {
        check.count("records", records.len(), 1, limits::PUT_RECORDS_MAX);
        for (i, entry) in records.iter().enumerate().take(limits::PUT_RECORDS_MAX) {
            let complete = entry.data.is_some() && entry.explicit_hash_key.is_none();
            let short = entry
                .partition_key
                .as_ref()
                .is_some_and(|key| (1..=limits::PARTITION_KEY_CHARS_MAX).contains(&key.len()));
            // Most entries are plain and need no path.
            if !(complete && short) {
                entry.check(&mut check, &format!("records.{}.member.", i + 1));
            }
        }
    }
    check.finish()
}
