//! Readings of the whole platform, one a second, and the rates between two of them.

use super::Parts;
use std::collections::BTreeMap;
use store::Counts;

/// What was counted up to one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// When, in monotonic nanoseconds.
    at_ns: u64,
    stream: Counts,
    shards: BTreeMap<u32, Counts>,
    records_in: u64,
    documents_written: u64,
}

/// Rates per second between the last two readings.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates {
    pub(super) stream: ShardRates,
    pub(super) shards: BTreeMap<u32, ShardRates>,
    pub(super) records_in: f64,
    pub(super) documents_written: f64,
}

/// Rates per second of one shard or of a whole stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShardRates {
    pub(super) records: f64,
    pub(super) bytes: f64,
    pub(super) throttled: f64,
}

impl Reading {
    /// Reads everything now.
    pub(super) fn of(parts: &Parts) -> Self {
        let stats = parts.stream().and_then(|stream| parts.store().stats(&stream).ok());
        let shards = stats.iter().flat_map(|s| &s.shards).map(|s| (s.shard.0, s.counts)).collect();
        Self {
            at_ns: parts.env().monotonic_ns(),
            stream: stats.map(|s| s.total).unwrap_or_default(),
            shards,
            records_in: parts.application().and_then(|a| a.metrics).map_or(0, |m| m.totals.records_in),
            documents_written: parts.index().written(),
        }
    }

    /// The rates since `before`; zero where a counter began anew.
    pub(super) fn since(&self, before: &Self) -> Rates {
        let seconds = self.at_ns.saturating_sub(before.at_ns) as f64 / 1e9;
        let rate = |now: u64, then: u64| if seconds > 0.0 { now.saturating_sub(then) as f64 / seconds } else { 0.0 };
        let of = |now: &Counts, then: &Counts| ShardRates {
            records: rate(now.incoming_records, then.incoming_records),
            bytes: rate(now.incoming_bytes, then.incoming_bytes),
            throttled: rate(now.throttled_records, then.throttled_records),
        };
        let none = Counts::default();
        let shard = |(index, now): (&u32, &Counts)| (*index, of(now, before.shards.get(index).unwrap_or(&none)));
        Rates {
            stream: of(&self.stream, &before.stream),
            shards: self.shards.iter().map(shard).collect(),
            records_in: rate(self.records_in, before.records_in),
            documents_written: rate(self.documents_written, before.documents_written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_s: u64, records: u64) -> Reading {
        let counts = Counts { incoming_records: records, ..Counts::default() };
        Reading {
            at_ns: at_s * 1_000_000_000,
            stream: counts,
            shards: BTreeMap::from([(0, counts)]),
            records_in: records,
            documents_written: records,
        }
    }

    #[test]
    fn a_rate_is_what_was_counted_over_the_time_between() {
        let rates = reading(12, 500).since(&reading(10, 100));
        assert_eq!((rates.stream.records, rates.shards[&0].records), (200.0, 200.0));
        assert_eq!((rates.records_in, rates.documents_written), (200.0, 200.0));
    }

    #[test]
    fn a_counter_that_began_anew_and_a_clock_that_stands_give_no_rate() {
        assert_eq!(reading(12, 5).since(&reading(10, 100)).records_in, 0.0);
        assert_eq!(reading(10, 500).since(&reading(10, 100)).records_in, 0.0);
    }
}
