//! The names, dimensions and units under which the measurements of streams are known.

use crate::metrics::{KeyError, SeriesKey, Unit};
use model::ShardIndex;

const NAMESPACE: &str = "AWS/Kinesis";
const STREAM: &str = "StreamName";
const SHARD: &str = "ShardId";

/// What is measured of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamMetric {
    /// Bytes that were put.
    IncomingBytes,
    /// Records that were put.
    IncomingRecords,
    /// Bytes that were read, in any way.
    OutgoingBytes,
    /// Records that were read, in any way.
    OutgoingRecords,
    /// Records that were refused because of a limit.
    WriteThrottles,
    /// Reads that were refused because of a limit.
    ReadThrottles,
    /// Age of the records that polling readers were behind.
    IteratorAge,
    /// Bytes of single puts.
    PutRecordBytes,
    /// How long single puts took.
    PutRecordLatency,
    /// Single puts that were taken: 1 for each, 0 for each that was not.
    PutRecordSuccess,
    /// Bytes of puts of many records.
    PutRecordsBytes,
    /// How long they took.
    PutRecordsLatency,
    /// Puts of which at least one record was taken: 1 for each, 0 for each other.
    PutRecordsSuccess,
    /// Records in them.
    PutRecordsTotal,
    /// Records of them that were taken.
    PutRecordsSuccessful,
    /// Records of them that failed inside.
    PutRecordsFailed,
    /// Records of them that were refused because of a limit.
    PutRecordsThrottled,
    /// Bytes that polling readers were given.
    GetRecordsBytes,
    /// Records that they were given.
    GetRecordsRecords,
    /// How long their reads took.
    GetRecordsLatency,
    /// Their reads that were answered: 1 for each, 0 for each other.
    GetRecordsSuccess,
    /// Bytes that were pushed to registered consumers.
    PushedBytes,
    /// Records that were pushed.
    PushedRecords,
    /// Pushes that arrived: 1 for each.
    PushSuccess,
    /// Age of the records that pushes were behind.
    PushAge,
}

impl StreamMetric {
    /// All of them.
    pub const ALL: [Self; 25] = {
        use StreamMetric::*;
        [
            IncomingBytes,
            IncomingRecords,
            OutgoingBytes,
            OutgoingRecords,
            WriteThrottles,
            ReadThrottles,
            IteratorAge,
            PutRecordBytes,
            PutRecordLatency,
            PutRecordSuccess,
            PutRecordsBytes,
            PutRecordsLatency,
            PutRecordsSuccess,
            PutRecordsTotal,
            PutRecordsSuccessful,
            PutRecordsFailed,
            PutRecordsThrottled,
            GetRecordsBytes,
            GetRecordsRecords,
            GetRecordsLatency,
            GetRecordsSuccess,
            PushedBytes,
            PushedRecords,
            PushSuccess,
            PushAge,
        ]
    };

    /// The name for a whole stream.
    pub fn name(self) -> &'static str {
        match self {
            Self::IncomingBytes => "IncomingBytes",
            Self::IncomingRecords => "IncomingRecords",
            Self::OutgoingBytes => "OutgoingBytes",
            Self::OutgoingRecords => "OutgoingRecords",
            Self::WriteThrottles => "WriteProvisionedThroughputExceeded",
            Self::ReadThrottles => "ReadProvisionedThroughputExceeded",
            Self::IteratorAge => "GetRecords.IteratorAgeMilliseconds",
            Self::PutRecordBytes => "PutRecord.Bytes",
            Self::PutRecordLatency => "PutRecord.Latency",
            Self::PutRecordSuccess => "PutRecord.Success",
            Self::PutRecordsBytes => "PutRecords.Bytes",
            Self::PutRecordsLatency => "PutRecords.Latency",
            Self::PutRecordsSuccess => "PutRecords.Success",
            Self::PutRecordsTotal => "PutRecords.TotalRecords",
            Self::PutRecordsSuccessful => "PutRecords.SuccessfulRecords",
            Self::PutRecordsFailed => "PutRecords.FailedRecords",
            Self::PutRecordsThrottled => "PutRecords.ThrottledRecords",
            Self::GetRecordsBytes => "GetRecords.Bytes",
            Self::GetRecordsRecords => "GetRecords.Records",
            Self::GetRecordsLatency => "GetRecords.Latency",
            Self::GetRecordsSuccess => "GetRecords.Success",
            Self::PushedBytes => "SubscribeToShardEvent.Bytes",
            Self::PushedRecords => "SubscribeToShardEvent.Records",
            Self::PushSuccess => "SubscribeToShardEvent.Success",
            Self::PushAge => "SubscribeToShardEvent.MillisBehindLatest",
        }
    }

    /// The name for one shard; some measurements have another one there.
    fn shard_name(self) -> &'static str {
        match self {
            Self::IteratorAge => "IteratorAgeMilliseconds",
            other => other.name(),
        }
    }

    /// What its numbers count.
    pub fn unit(self) -> Unit {
        match self {
            Self::IncomingBytes
            | Self::OutgoingBytes
            | Self::PutRecordBytes
            | Self::PutRecordsBytes
            | Self::GetRecordsBytes
            | Self::PushedBytes => Unit::BYTES,
            Self::IteratorAge
            | Self::PutRecordLatency
            | Self::PutRecordsLatency
            | Self::GetRecordsLatency
            | Self::PushAge => Unit::MILLISECONDS,
            _ => Unit::Count,
        }
    }
}

/// The series of a measurement of a stream, or of one of its shards.
///
/// # Errors
/// When the stream's name can be no value of a dimension.
pub fn stream_series(stream: &str, shard: Option<ShardIndex>, metric: StreamMetric) -> Result<SeriesKey, KeyError> {
    let name = if shard.is_some() { metric.shard_name() } else { metric.name() };
    let id = shard.map(|index| format!("shardId-{:012}", index.0));
    SeriesKey::new(NAMESPACE, name, [(STREAM, stream)].into_iter().chain(id.iter().map(|id| (SHARD, id.as_str()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_measurement_has_a_name_of_its_own() {
        let names: BTreeSet<_> = StreamMetric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), StreamMetric::ALL.len());
    }

    #[test]
    fn a_shard_has_both_dimensions_and_its_own_name_of_the_age() {
        let key = stream_series("trips", Some(ShardIndex(3)), StreamMetric::IteratorAge).unwrap();
        assert_eq!((key.namespace(), key.name()), ("AWS/Kinesis", "IteratorAgeMilliseconds"));
        let dimensions: Vec<_> = key.dimensions().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(dimensions, [("ShardId", "shardId-000000000003"), ("StreamName", "trips")]);
        assert_eq!(StreamMetric::IteratorAge.unit(), Unit::MILLISECONDS);
    }
}
