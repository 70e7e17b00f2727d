//! What was counted in the last second, handed to the metric store under the names that people know.

use super::Parts;
use super::observe::{Counted, Rates, StreamRates};
use control::aws::{StreamMetric, stream_series};
use control::metrics::{Entry, StatisticSet, Summary};
use model::ShardIndex;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{CallFigure, ShardMetric, StreamDescription, Tally};

/// The number of one measurement.
type Count = fn(&Counted) -> u64;

/// What is measured of every stream, and of a shard where its owner asked for it.
const MEASURED: [(StreamMetric, ShardMetric, Count); 6] = [
    (StreamMetric::IncomingRecords, ShardMetric::IncomingRecords, |counted| counted.records),
    (StreamMetric::IncomingBytes, ShardMetric::IncomingBytes, |counted| counted.bytes),
    (StreamMetric::OutgoingRecords, ShardMetric::OutgoingRecords, |counted| counted.read_records),
    (StreamMetric::OutgoingBytes, ShardMetric::OutgoingBytes, |counted| counted.read_bytes),
    (StreamMetric::WriteThrottles, ShardMetric::WriteThrottles, |counted| counted.throttled),
    (StreamMetric::ReadThrottles, ShardMetric::ReadThrottles, |counted| counted.throttled_reads),
];

/// What the door tells of calls, and what it is called.
const CALLED: [(StreamMetric, CallFigure); 19] = [
    (StreamMetric::PutRecordBytes, CallFigure::SinglePutBytes),
    (StreamMetric::PutRecordLatency, CallFigure::SinglePutLatency),
    (StreamMetric::PutRecordSuccess, CallFigure::SinglePutSuccess),
    (StreamMetric::PutRecordsBytes, CallFigure::PutBytes),
    (StreamMetric::PutRecordsLatency, CallFigure::PutLatency),
    (StreamMetric::PutRecordsSuccess, CallFigure::PutSuccess),
    (StreamMetric::PutRecordsTotal, CallFigure::PutRecords),
    (StreamMetric::PutRecordsSuccessful, CallFigure::PutAccepted),
    (StreamMetric::PutRecordsFailed, CallFigure::PutFailed),
    (StreamMetric::PutRecordsThrottled, CallFigure::PutThrottled),
    (StreamMetric::GetRecordsBytes, CallFigure::PollBytes),
    (StreamMetric::GetRecordsRecords, CallFigure::PollRecords),
    (StreamMetric::GetRecordsLatency, CallFigure::PollLatency),
    (StreamMetric::GetRecordsSuccess, CallFigure::PollSuccess),
    (StreamMetric::IteratorAge, CallFigure::PollAge),
    (StreamMetric::PushedBytes, CallFigure::PushedBytes),
    (StreamMetric::PushedRecords, CallFigure::PushedRecords),
    (StreamMetric::PushSuccess, CallFigure::PushSuccess),
    (StreamMetric::PushAge, CallFigure::PushAge),
];

/// The measurements of one second.
pub(super) fn measure(parts: &Parts, rates: &Rates) -> Vec<Entry> {
    let mut data = Vec::new();
    for (name, stream) in &rates.streams {
        for (metric, _, count) in MEASURED {
            push(&mut data, name, None, metric, count(&stream.total.counted));
        }
        // A stream that was deleted since the reading has no calls and no shards to tell of.
        let Ok(calls) = parts.store().take_tallies(name) else { continue };
        measure_calls(&mut data, name, &calls);
        let Ok(description) = parts.store().describe_stream(name) else { continue };
        if !description.settings.shard_metrics.is_empty() {
            measure_shards(&mut data, &description, stream);
        }
    }
    data
}

fn measure_calls(data: &mut Vec<Entry>, stream: &str, calls: &BTreeMap<CallFigure, Tally>) {
    for (metric, figure) in CALLED {
        if let Some(tally) = calls.get(&figure) {
            let set = StatisticSet { sum: tally.sum, count: tally.count as f64, min: tally.min, max: tally.max };
            let values = tally.values().map(|(value, count)| (value, count as f64));
            push_summary(data, stream, None, metric, Summary::told(set, values));
        }
    }
}

fn measure_shards(data: &mut Vec<Entry>, stream: &StreamDescription, rates: &StreamRates) {
    for (index, shard) in &rates.shards {
        for (metric, wanted, count) in MEASURED {
            if stream.settings.shard_metrics.contains(&wanted) {
                push(data, &stream.name, Some(ShardIndex(*index)), metric, count(&shard.counted));
            }
        }
        if let Some(age_ms) = shard.read_age_ms
            && stream.settings.shard_metrics.contains(&ShardMetric::IteratorAge)
        {
            push(data, &stream.name, Some(ShardIndex(*index)), StreamMetric::IteratorAge, age_ms);
        }
    }
}

fn push(data: &mut Vec<Entry>, stream: &str, shard: Option<ShardIndex>, metric: StreamMetric, count: u64) {
    push_summary(data, stream, shard, metric, StatisticSet::of(count as f64).into());
}

fn push_summary(
    data: &mut Vec<Entry>,
    stream: &str,
    shard: Option<ShardIndex>,
    metric: StreamMetric,
    summary: Summary,
) {
    match stream_series(stream, shard, metric) {
        Ok(key) => data.push(Entry { key: Arc::new(key), at_ms: None, summary, unit: metric.unit() }),
        // Names of streams are shorter than values of dimensions may be, so this tells of a fault of the platform.
        Err(error) => tracing::error!(%error, stream, "a stream cannot be measured"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::observe::ShardRates;
    use control::metrics::Spread;
    use std::collections::BTreeSet;
    use store::{CapacityMode, StreamSettings, StreamStatus};

    #[test]
    fn calls_are_measured_as_they_were_told() {
        let mut tally = Tally::default();
        (1..=100).for_each(|age| tally.add(f64::from(age)));
        let mut data = Vec::new();
        measure_calls(&mut data, "trips", &BTreeMap::from([(CallFigure::PollAge, tally)]));
        let told: Vec<_> =
            data.iter().map(|datum| (datum.key.name(), datum.summary.set.count, datum.summary.set.max)).collect();
        assert_eq!(told, [("GetRecords.IteratorAgeMilliseconds", 100.0, 100.0)]);
        let p90 = data[0].summary.spread_of(Spread::Percentile(0.9)).unwrap();
        assert!((p90 - 90.0).abs() < 2.0, "{p90}");
    }

    #[test]
    fn a_shard_is_measured_as_far_as_its_owner_asked() {
        let mut settings = StreamSettings::new(CapacityMode::Provisioned);
        settings.shard_metrics = BTreeSet::from([ShardMetric::IncomingBytes, ShardMetric::ReadThrottles]);
        let stream = StreamDescription {
            name: "trips".into(),
            status: StreamStatus::Active,
            created_ms: 0,
            settings: Arc::new(settings),
            consumers: 0,
            shards: vec![],
        };
        let counted = Counted { bytes: 42, throttled_reads: 7, records: 1, ..Counted::default() };
        let shards = BTreeMap::from([(3, ShardRates { counted, ..ShardRates::default() })]);
        let mut data = Vec::new();
        measure_shards(&mut data, &stream, &StreamRates { shards, ..StreamRates::default() });
        let told: Vec<_> =
            data.iter().map(|datum| (datum.key.name(), datum.key.dimensions().len(), datum.summary.set.sum)).collect();
        assert_eq!(told, [("IncomingBytes", 2, 42.0), ("ReadProvisionedThroughputExceeded", 2, 7.0)]);
    }
}
