//! GetShardIterator and GetRecords.

use super::encryption::encryption_word;
use super::error::{ApiError, Code};
use super::sequence::{Sequence, parse_shard_id, shard_id};
use super::streams::HashKeys;
use super::time::{from_seconds, to_seconds, worded};
use super::token::ShardIterator;
use super::validate::Check;
use super::{Door, Operation, check_stream, parse, to_json};
use crate::read::{ReadAnswer, StartAt};
use crate::settings::StreamSettings;
use crate::stream::{ChildShard, Shard, Stream};
use crate::tallies::CallFigure;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use model::{Position, Record, limits};
use serde::{Deserialize, Serialize, Serializer};

const ITERATOR_TYPES: [&str; 5] =
    ["AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetShardIteratorInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    shard_id: Option<String>,
    shard_iterator_type: Option<String>,
    starting_sequence_number: Option<String>,
    timestamp: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetShardIteratorOutput {
    shard_iterator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecordsInput {
    shard_iterator: Option<String>,
    limit: Option<i64>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecordsOutput {
    records: Vec<RecordOutput>,
    next_shard_iterator: Option<String>,
    millis_behind_latest: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_shards: Option<Vec<ChildOutput>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecordOutput {
    sequence_number: String,
    approximate_arrival_timestamp: f64,
    #[serde(serialize_with = "base64")]
    data: bytes::Bytes,
    partition_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChildOutput {
    shard_id: String,
    parent_shards: Vec<String>,
    hash_key_range: HashKeys,
}

fn base64<S: Serializer>(data: &bytes::Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(data, &STANDARD))
}

impl ChildOutput {
    pub(super) fn new(child: ChildShard) -> Self {
        Self {
            shard_id: shard_id(child.index),
            parent_shards: child.parents.into_iter().map(shard_id).collect(),
            hash_key_range: HashKeys::new(child.range),
        }
    }
}

impl RecordOutput {
    pub(super) fn new(record: Record, shard: &Shard, settings: &StreamSettings) -> Self {
        let sequence = Sequence { birth_ms: shard.info.created_ms, shard: shard.info.index, position: record.position };
        Self {
            sequence_number: sequence.of_record(),
            approximate_arrival_timestamp: to_seconds(record.arrival_ms),
            data: record.data,
            partition_key: record.partition_key,
            encryption_type: encryption_word(settings, record.arrival_ms),
        }
    }
}

impl GetShardIteratorInput {
    fn check(&self) -> Result<(), ApiError> {
        let mut check = Check::default();
        check_stream(&mut check, self.stream_name.as_deref(), self.stream_arn.as_deref());
        check.stream_id(self.stream_id.as_deref());
        check.present("shardId", self.shard_id.as_ref());
        check.name("shardId", self.shard_id.as_deref());
        check.present("shardIteratorType", self.shard_iterator_type.as_ref());
        check.one_of("shardIteratorType", self.shard_iterator_type.as_deref(), &ITERATOR_TYPES);
        check.sequence("startingSequenceNumber", self.starting_sequence_number.as_deref());
        check.finish()
    }
}

impl Door {
    pub(super) fn shard(&self, stream: &Stream, name: &str) -> Result<Shard, ApiError> {
        let index = parse_shard_id(name).ok_or_else(|| {
            let message =
                format!("Could not find shard {name} in stream {} under account {}.", stream.name, self.account);
            ApiError::new(Code::ResourceNotFound, message)
        })?;
        stream.shard(index).map_err(|error| self.read_error(error))
    }

    pub(super) async fn get_shard_iterator(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: GetShardIteratorInput = parse(body)?;
        input.check()?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let stream = self.store.stream(name).ok_or_else(|| self.no_stream(name))?;
        let shard = self.shard(&stream, input.shard_id.as_deref().unwrap_or_default())?;
        self.admit_shard(Operation::GetShardIterator, name, shard.info.index)?;
        let (kind, number) = (input.shard_iterator_type.as_deref(), input.starting_sequence_number.as_deref());
        let kind = kind.unwrap_or_default();
        let at = self.start_at("GetShardIterator", kind, number, input.timestamp, (&stream, &shard))?;
        let located = self.store.locate(name, shard.info.index, at).await;
        let position = located.map_err(|error| self.read_error(error))?;
        to_json(&GetShardIteratorOutput { shard_iterator: self.iterator(&stream, &shard, position) })
    }

    fn iterator(&self, stream: &Stream, shard: &Shard, position: Position) -> String {
        let iterator = ShardIterator {
            stream: stream.name.clone(),
            stream_created_ms: stream.created_ms,
            shard: shard.info.index,
            position,
            issued_ms: self.store.config().env.now_ms(),
        };
        iterator.encode()
    }

    /// Where a request of this operation wants to begin reading a shard.
    pub(super) fn start_at(
        &self,
        operation: &str,
        kind: &str,
        number: Option<&str>,
        timestamp: Option<f64>,
        (stream, shard): (&Stream, &Shard),
    ) -> Result<StartAt, ApiError> {
        match kind {
            "TRIM_HORIZON" => Ok(StartAt::Oldest),
            "LATEST" => Ok(StartAt::Latest),
            "AT_TIMESTAMP" => {
                let missing =
                    || ApiError::invalid("Must specify timestamp parameter for iterator of type AT_TIMESTAMP.");
                let time_ms = from_seconds(timestamp.ok_or_else(missing)?)
                    .ok_or_else(|| ApiError::invalid("The timestamp is no time after 1970."))?;
                if time_ms > self.store.config().env.now_ms() {
                    let message =
                        "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis.";
                    return Err(ApiError::invalid(format!("{message} timestampInMillis: {time_ms}")));
                }
                Ok(StartAt::Time(time_ms))
            }
            _ => {
                let missing = || {
                    ApiError::invalid(format!(
                        "Must specify startingSequenceNumber parameter for iterator of type {kind}."
                    ))
                };
                let number = number.ok_or_else(missing)?;
                let own = (shard.info.created_ms, shard.info.index);
                if Sequence::is_before_first(number, own.0, own.1) {
                    return Ok(StartAt::Position(Position::ZERO));
                }
                let position = self.sequence_position(operation, number, stream, shard)?;
                let after = kind == "AFTER_SEQUENCE_NUMBER";
                Ok(StartAt::Position(if after { position.next() } else { position }))
            }
        }
    }

    fn sequence_position(
        &self,
        operation: &str,
        text: &str,
        stream: &Stream,
        shard: &Shard,
    ) -> Result<Position, ApiError> {
        let own = |s: &Sequence| s.shard == shard.info.index && s.birth_ms == shard.info.created_ms;
        let written = |s: &Sequence| s.position <= shard.handle.log.next();
        Sequence::parse(text).filter(own).filter(written).map(|s| s.position).ok_or_else(|| {
            let (id, name, account) = (shard_id(shard.info.index), &stream.name, &self.account);
            ApiError::invalid(format!(
                "StartingSequenceNumber {text} used in {operation} on shard {id} in stream {name} under account \
                 {account} is invalid."
            ))
        })
    }

    pub(super) async fn get_records(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: GetRecordsInput = parse(body)?;
        let mut check = Check::default();
        check.stream_id(input.stream_id.as_deref());
        check.present("shardIterator", input.shard_iterator.as_ref());
        if let Some(iterator) = &input.shard_iterator {
            check.length("shardIterator", iterator, 1, 512);
        }
        check.range("limit", input.limit, 1, limits::GET_RECORDS_MAX as i64);
        check.arn("streamARN", input.stream_arn.as_deref());
        check.finish()?;
        let iterator = self.open_iterator(input.shard_iterator.as_deref().unwrap_or_default())?;
        let records_max = input.limit.map_or(limits::GET_RECORDS_MAX, |limit| limit as usize);
        let started_ns = self.now_ns();
        let polled = self.store.poll_records(&iterator.stream, iterator.shard, iterator.position, records_max).await;
        self.tally_of(
            &iterator.stream,
            [
                (CallFigure::PollLatency, self.ms_since(started_ns)),
                (CallFigure::PollSuccess, f64::from(u8::from(polled.is_ok()))),
            ],
        );
        let answer = polled.map_err(|error| self.read_error(error))?;
        self.tally_of(
            &iterator.stream,
            [
                (CallFigure::PollBytes, answer.bytes() as f64),
                (CallFigure::PollRecords, answer.records.len() as f64),
                (CallFigure::PollAge, answer.behind_ms as f64),
            ],
        );
        self.records_output(&iterator, answer)
    }

    /// Takes an iterator apart; refuses one that is forged, expired or of an earlier stream of the same name.
    fn open_iterator(&self, text: &str) -> Result<ShardIterator, ApiError> {
        let iterator = ShardIterator::decode(text).ok_or_else(|| ApiError::invalid("Invalid ShardIterator."))?;
        let now_ms = self.store.config().env.now_ms();
        let (age_ms, max_ms) =
            (now_ms.saturating_sub(iterator.issued_ms), self.store.config().lifetime_ms(limits::ITERATOR_AGE_MS_MAX));
        if age_ms > max_ms {
            let (issued, now) = (worded(iterator.issued_ms), worded(now_ms));
            let message = format!(
                "Iterator expired. The iterator was created at time {issued} while right now it is {now} which is \
                 further in the future than the tolerated delay of {max_ms} milliseconds."
            );
            return Err(ApiError::new(Code::ExpiredIterator, message));
        }
        match self.store.stream(&iterator.stream) {
            Some(stream) if stream.created_ms == iterator.stream_created_ms => Ok(iterator),
            _ => Err(self.no_stream(&iterator.stream)),
        }
    }

    fn records_output(&self, iterator: &ShardIterator, answer: ReadAnswer) -> Result<Vec<u8>, ApiError> {
        let stream = self.store.stream(&iterator.stream).ok_or_else(|| self.no_stream(&iterator.stream))?;
        let shard = stream.shard(iterator.shard).map_err(|error| self.read_error(error))?;
        let ReadAnswer { records, next, behind_ms, ended } = answer;
        let settings = stream.view().settings.clone();
        let next_shard_iterator = if ended.is_some() { None } else { Some(self.iterator(&stream, &shard, next)) };
        to_json(&GetRecordsOutput {
            records: records.into_iter().map(|record| RecordOutput::new(record, &shard, &settings)).collect(),
            next_shard_iterator,
            millis_behind_latest: behind_ms,
            child_shards: ended.map(|children| children.into_iter().map(ChildOutput::new).collect()),
        })
    }
}
