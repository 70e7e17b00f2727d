//! Readings of the whole platform, one a second, and the rates between two of them.

use super::Parts;
use super::application_rates::{ApplicationRates, ApplicationReading, per_second};
use control::ApplicationView;
use std::collections::BTreeMap;
use store::Counts;

/// What was counted up to one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// When, in monotonic nanoseconds.
    at_ns: u64,
    streams: BTreeMap<String, StreamReading>,
    applications: BTreeMap<String, ApplicationReading>,
    documents_written: u64,
}

/// What was counted of one stream.
#[derive(Debug, Clone, Default)]
struct StreamReading {
    total: Counts,
    shards: BTreeMap<u32, Counts>,
    /// Of the shards that were read since the reading before the age of what was left to be read, in milliseconds.
    ages: BTreeMap<u32, u64>,
}

/// One second of the platform: what was counted in it, and the applications at its end.
#[derive(Debug, Default)]
pub(crate) struct Second {
    pub(super) rates: Rates,
    pub(super) views: Vec<ApplicationView>,
}

/// What was counted between the last two readings.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates {
    pub(super) streams: BTreeMap<String, StreamRates>,
    pub(super) applications: BTreeMap<String, ApplicationRates>,
    pub(super) documents_written: f64,
}

/// The same of one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamRates {
    pub(super) total: ShardRates,
    pub(super) shards: BTreeMap<u32, ShardRates>,
}

/// Rates per second of one shard or of a whole stream, and what they were computed from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShardRates {
    pub(super) records: f64,
    pub(super) bytes: f64,
    pub(super) throttled: f64,
    pub(super) read_bytes: f64,
    pub(super) throttled_reads: f64,
    /// The greatest age of what readers left to be read, in milliseconds; `None` when nobody read.
    pub(super) read_age_ms: Option<u64>,
    /// What was counted since the reading before.
    pub(super) counted: Counted,
}

/// What was counted between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) throttled: u64,
    pub(super) read_records: u64,
    pub(super) read_bytes: u64,
    pub(super) throttled_reads: u64,
}

impl Counted {
    /// What `now` has beyond `then`; nothing where a counter began anew.
    fn between(now: &Counts, then: &Counts) -> Self {
        Self {
            records: now.incoming_records.saturating_sub(then.incoming_records),
            bytes: now.incoming_bytes.saturating_sub(then.incoming_bytes),
            throttled: now.throttled_records.saturating_sub(then.throttled_records),
            read_records: now.outgoing_records.saturating_sub(then.outgoing_records),
            read_bytes: now.outgoing_bytes.saturating_sub(then.outgoing_bytes),
            throttled_reads: now.throttled_reads.saturating_sub(then.throttled_reads),
        }
    }

    fn over(self, seconds: f64) -> ShardRates {
        let rate = |count: u64| per_second(count, 0, seconds);
        ShardRates {
            records: rate(self.records),
            bytes: rate(self.bytes),
            throttled: rate(self.throttled),
            read_bytes: rate(self.read_bytes),
            throttled_reads: rate(self.throttled_reads),
            read_age_ms: None,
            counted: self,
        }
    }
}

impl StreamReading {
    fn of(parts: &Parts, name: &str) -> Option<Self> {
        // A stream that was deleted between the list and the question has nothing to read.
        let stats = parts.store().stats(name).ok()?;
        let shards = stats.shards.iter().map(|shard| (shard.shard.0, shard.counts)).collect();
        let ages = parts.store().take_read_ages(name).ok()?.into_iter().map(|(shard, age)| (shard.0, age)).collect();
        Some(Self { total: stats.total, shards, ages })
    }

    fn since(&self, before: &Self, seconds: f64) -> StreamRates {
        let none = Counts::default();
        let shard = |(index, now): (&u32, &Counts)| {
            let then = before.shards.get(index).unwrap_or(&none);
            let read_age_ms = self.ages.get(index).copied();
            (*index, ShardRates { read_age_ms, ..Counted::between(now, then).over(seconds) })
        };
        let read_age_ms = self.ages.values().copied().max();
        StreamRates {
            total: ShardRates { read_age_ms, ..Counted::between(&self.total, &before.total).over(seconds) },
            shards: self.shards.iter().map(shard).collect(),
        }
    }
}

impl Reading {
    /// Reads everything now, of applications what these views tell.
    pub(super) fn of(parts: &Parts, views: &[ApplicationView]) -> Self {
        let names = parts.store().list_streams().into_iter();
        Self {
            at_ns: parts.env().monotonic_ns(),
            streams: names.filter_map(|name| StreamReading::of(parts, &name).map(|reading| (name, reading))).collect(),
            applications: views.iter().map(|v| (v.spec.name.clone(), ApplicationReading::of(v))).collect(),
            documents_written: parts.index().written(),
        }
    }

    /// The rates since `before`; zero where a counter began anew.
    pub(super) fn since(&self, before: &Self) -> Rates {
        let seconds = self.at_ns.saturating_sub(before.at_ns) as f64 / 1e9;
        let none = StreamReading::default();
        let stream = |(name, now): (&String, &StreamReading)| {
            (name.clone(), now.since(before.streams.get(name).unwrap_or(&none), seconds))
        };
        let still = ApplicationReading::default();
        let application = |(name, now): (&String, &ApplicationReading)| {
            (name.clone(), now.since(before.applications.get(name).unwrap_or(&still), seconds))
        };
        Rates {
            streams: self.streams.iter().map(stream).collect(),
            applications: self.applications.iter().map(application).collect(),
            documents_written: per_second(self.documents_written, before.documents_written, seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_s: u64, records: u64) -> Reading {
        let counts = Counts { incoming_records: records, outgoing_bytes: records, ..Counts::default() };
        let stream = StreamReading { total: counts, shards: BTreeMap::from([(0, counts)]), ages: [(0, 7)].into() };
        Reading {
            at_ns: at_s * 1_000_000_000,
            streams: BTreeMap::from([("trips".to_owned(), stream)]),
            applications: BTreeMap::new(),
            documents_written: records,
        }
    }

    #[test]
    fn a_rate_is_what_was_counted_over_the_time_between() {
        let rates = reading(12, 500).since(&reading(10, 100));
        let stream = &rates.streams["trips"];
        assert_eq!((stream.total.records, stream.shards[&0].records), (200.0, 200.0));
        assert_eq!((stream.total.counted.records, stream.total.read_bytes), (400, 200.0));
        assert_eq!((stream.total.read_age_ms, stream.shards[&0].read_age_ms), (Some(7), Some(7)));
        assert_eq!(rates.documents_written, 200.0);
    }

    #[test]
    fn a_counter_that_began_anew_and_a_clock_that_stands_give_no_rate() {
        assert_eq!(reading(12, 5).since(&reading(10, 100)).documents_written, 0.0);
        assert_eq!(reading(12, 5).since(&reading(10, 100)).streams["trips"].total.records, 0.0);
        assert_eq!(reading(10, 500).since(&reading(10, 100)).documents_written, 0.0);
    }
}
