//! The readings of replay, index, store and process as metrics, by a table: which reading becomes which metric.

use control::metrics::{Entry, SeriesKey, StatisticSet, Unit};
use model::Sample;
use std::collections::HashMap;
use std::sync::Arc;

/// How a reading becomes the value of a second.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// As it is.
    AsIs,
    /// What it has grown by since the reading before.
    Growth,
    /// What it has grown by over what another one has grown by, times a factor: a mean.
    Per(&'static str, f64),
    /// Hundredths of another one.
    Part(&'static str),
}

/// Readings, the namespace and the name of their metric, its unit, and how the one becomes the other.
const TABLE: [(&str, &str, &str, Unit, How); 27] = [
    ("replay_sent_records_total", "Hailstream/Replay", "EventsSent", Unit::Count, How::Growth),
    ("replay_sent_bytes_total", "Hailstream/Replay", "BytesSent", Unit::BYTES, How::Growth),
    ("replay_records_per_s", "Hailstream/Replay", "EventsPerSecond", Unit::CountPerSecond, How::AsIs),
    ("replay_lag_ms", "Hailstream/Replay", "ReplayLag", Unit::MILLISECONDS, How::AsIs),
    ("replay_retries_total", "Hailstream/Replay", "Retries", Unit::Count, How::Growth),
    ("replay_refused_total", "Hailstream/Replay", "Refused", Unit::Count, How::Growth),
    ("replay_put_errors_total", "Hailstream/Replay", "PutErrors", Unit::Count, How::Growth),
    ("replay_unparsable_total", "Hailstream/Replay", "Unparsable", Unit::Count, How::Growth),
    ("index_documents", "Hailstream/Index", "Documents", Unit::Count, How::AsIs),
    ("index_memory_bytes", "Hailstream/Index", "Memory", Unit::BYTES, How::AsIs),
    ("index_written_documents_total", "Hailstream/Index", "DocumentsWritten", Unit::Count, How::Growth),
    ("index_refused_documents_total", "Hailstream/Index", "DocumentsRefused", Unit::Count, How::Growth),
    ("index_searches_total", "Hailstream/Index", "Searches", Unit::Count, How::Growth),
    (
        "index_search_seconds_total",
        "Hailstream/Index",
        "SearchLatency",
        Unit::MILLISECONDS,
        How::Per("index_searches_total", 1_000.0),
    ),
    ("index_log_bytes_total", "Hailstream/Index", "LogBytes", Unit::BYTES, How::Growth),
    ("index_log_syncs_total", "Hailstream/Index", "LogSyncs", Unit::Count, How::Growth),
    ("index_checkpoint_failures_total", "Hailstream/Index", "CheckpointFailures", Unit::Count, How::Growth),
    ("process_memory_bytes", "Hailstream/Platform", "Memory", Unit::BYTES, How::AsIs),
    ("process_cpu_seconds_total", "Hailstream/Platform", "CPUTime", Unit::Time(2), How::Growth),
    ("disk_free_bytes", "Hailstream/Platform", "DiskFree", Unit::BYTES, How::AsIs),
    ("disk_bytes", "Hailstream/Platform", "DiskFreePart", Unit::Percent, How::Part("disk_free_bytes")),
    ("store_commits_total", "Hailstream/Platform", "Commits", Unit::Count, How::Growth),
    (
        "store_commit_seconds_total",
        "Hailstream/Platform",
        "CommitLatency",
        Unit::MILLISECONDS,
        How::Per("store_commits_total", 1_000.0),
    ),
    ("store_disk_written_bytes_total", "Hailstream/Platform", "DiskWritten", Unit::BYTES, How::Growth),
    ("store_failed_records_total", "Hailstream/Platform", "FailedRecords", Unit::Count, How::Growth),
    ("metrics_series", "Hailstream/Platform", "Metrics", Unit::Count, How::AsIs),
    ("metrics_refused_total", "Hailstream/Platform", "MetricsRefused", Unit::Count, How::Growth),
];

/// Labels of readings and the dimensions that they become.
const LABELS: [(&str, &str); 2] = [("index", "Index"), ("stream", "StreamName")];

type Place = (&'static str, Vec<(&'static str, String)>);

/// Remembers totals, from which growth is told.
#[derive(Debug, Default)]
pub(super) struct Signals {
    before: HashMap<Place, f64>,
}

impl Signals {
    /// The metrics of a second, from the readings of its end.
    pub(super) fn measure(&mut self, samples: &[Sample]) -> Vec<Entry> {
        let known =
            |sample: &&Sample| TABLE.iter().any(|row| row.0 == sample.name || row.4.other() == Some(sample.name));
        let mut now: HashMap<Place, f64> = HashMap::new();
        for sample in samples.iter().filter(known) {
            let labels = sample.labels.iter().filter(|(label, _)| LABELS.iter().any(|(known, _)| known == label));
            // What stands for shards is summed up for their stream.
            *now.entry((sample.name, labels.cloned().collect())).or_default() += sample.value;
        }
        let mut entries = Vec::new();
        for (name, namespace, metric, unit, how) in TABLE {
            for (place, value) in now.iter().filter(|(place, _)| place.0 == name) {
                if let Some(value) = self.value(place, *value, how, &now) {
                    entries.extend(entry(namespace, metric, &place.1, unit, value));
                }
            }
        }
        self.before = now;
        entries
    }

    fn value(&self, place: &Place, value: f64, how: How, now: &HashMap<Place, f64>) -> Option<f64> {
        let grown = |place: &Place, value: f64| {
            // A total that is less than before began anew.
            self.before.get(place).map(|before| value - before).filter(|growth| *growth >= 0.0)
        };
        let beside = |other: &'static str| -> Place { (other, place.1.clone()) };
        match how {
            How::AsIs => Some(value),
            How::Growth => grown(place, value),
            How::Part(other) => now.get(&beside(other)).filter(|_| value > 0.0).map(|part| 100.0 * part / value),
            How::Per(other, factor) => {
                let other = beside(other);
                let count = grown(&other, *now.get(&other)?).filter(|count| *count > 0.0)?;
                Some(grown(place, value)? / count * factor)
            }
        }
    }
}

impl How {
    fn other(self) -> Option<&'static str> {
        match self {
            Self::Per(other, _) | Self::Part(other) => Some(other),
            Self::AsIs | Self::Growth => None,
        }
    }
}

fn entry(namespace: &str, metric: &str, labels: &[(&str, String)], unit: Unit, value: f64) -> Option<Entry> {
    let dimension = |(label, value): &(&str, String)| {
        let known = LABELS.iter().find(|(known, _)| known == label);
        known.map(|(_, dimension)| (*dimension, value.clone()))
    };
    let dimensions: Vec<(&str, String)> = labels.iter().filter_map(dimension).collect();
    let key = SeriesKey::new(namespace, metric, dimensions.iter().map(|(name, value)| (*name, value.as_str()))).ok()?;
    Some(Entry { key: Arc::new(key), at_ms: None, summary: StatisticSet::of(value).into(), unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(entries: &[Entry]) -> Vec<(String, f64)> {
        let mut told: Vec<_> =
            entries.iter().map(|entry| (entry.key.name().to_owned(), entry.summary.set.sum)).collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    }

    #[test]
    fn readings_become_metrics_as_the_table_says() {
        let reading = |searches: f64, seconds: f64, lag: f64| {
            vec![
                Sample::new("index_searches_total", searches),
                Sample::new("index_search_seconds_total", seconds),
                Sample::new("replay_lag_ms", lag),
                Sample::new("disk_bytes", 200.0),
                Sample::new("disk_free_bytes", 50.0),
                Sample::new("index_documents", 3.0).with("index", "a"),
                Sample::new("index_documents", 4.0).with("index", "b"),
                Sample::new("other", 1.0),
            ]
        };
        let mut signals = Signals::default();
        let first = told(&signals.measure(&reading(10.0, 1.0, 5.0)));
        let expected =
            [("DiskFree", 50.0), ("DiskFreePart", 25.0), ("Documents", 3.0), ("Documents", 4.0), ("ReplayLag", 5.0)];
        assert_eq!(first.len(), expected.len(), "{first:?}");
        let second = told(&signals.measure(&reading(14.0, 1.2, 5.0)));
        let of = |name: &str| second.iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!(of("Searches"), 4.0);
        assert!((of("SearchLatency") - 50.0).abs() < 1e-6);
        let third = told(&signals.measure(&reading(1.0, 0.1, 5.0)));
        assert!(third.iter().all(|(name, _)| name != "Searches" && name != "SearchLatency"), "the totals began anew");
    }

    #[test]
    fn every_metric_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = TABLE.iter().map(|row| (row.1, row.2)).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}
