//! What was counted in the last second, handed to the metric store under the names that people know.

use super::Parts;
use super::observe::{Counted, Rates, StreamRates};
use control::aws::{StreamMetric, stream_series};
use control::metrics::{Datum, StatisticSet};
use model::ShardIndex;
use std::sync::Arc;
use store::{ShardMetric, StreamDescription};

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

/// The measurements of one second.
pub(super) fn measure(parts: &Parts, rates: &Rates) -> Vec<Datum> {
    let mut data = Vec::new();
    for (name, stream) in &rates.streams {
        for (metric, _, count) in MEASURED {
            push(&mut data, name, None, metric, count(&stream.total.counted));
        }
        // A stream that was deleted since the reading has no shards to tell of.
        let Ok(description) = parts.store().describe_stream(name) else { continue };
        if !description.settings.shard_metrics.is_empty() {
            measure_shards(&mut data, &description, stream);
        }
    }
    data
}

fn measure_shards(data: &mut Vec<Datum>, stream: &StreamDescription, rates: &StreamRates) {
    for (index, shard) in &rates.shards {
        for (metric, wanted, count) in MEASURED {
            if stream.settings.shard_metrics.contains(&wanted) {
                push(data, &stream.name, Some(ShardIndex(*index)), metric, count(&shard.counted));
            }
        }
    }
}

fn push(data: &mut Vec<Datum>, stream: &str, shard: Option<ShardIndex>, metric: StreamMetric, count: u64) {
    match stream_series(stream, shard, metric) {
        Ok(key) => data.push(Datum { key: Arc::new(key), set: StatisticSet::of(count as f64) }),
        // Names of streams are shorter than values of dimensions may be, so this tells of a fault of the platform.
        Err(error) => tracing::error!(%error, stream, "a stream cannot be measured"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::observe::ShardRates;
    use std::collections::{BTreeMap, BTreeSet};
    use store::{CapacityMode, StreamSettings, StreamStatus};

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
            data.iter().map(|datum| (datum.key.name(), datum.key.dimensions().len(), datum.set.sum)).collect();
        assert_eq!(told, [("IncomingBytes", 2, 42.0), ("ReadProvisionedThroughputExceeded", 2, 7.0)]);
    }
}
