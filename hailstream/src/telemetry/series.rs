//! Readings as metrics of the protocol: which count, since when, and in which units.

use super::message::{CUMULATIVE, Gauge, KeyValue, Metric, NumberPoint, Sum};
use model::Sample;
use std::collections::BTreeMap;

/// What names begin with, as on `/metrics`.
const PREFIX: &str = "hailstream_";
/// Ends of names, and the units (UCUM) that they tell.
const UNITS: [(&str, &str); 5] =
    [("_per_s", "1/s"), ("_bytes", "By"), ("_ms", "ms"), ("_seconds", "s"), ("_seconds_max", "s")];

/// A series: the name of its metric and its labels.
type Series = (&'static str, Vec<(&'static str, String)>);

/// Remembers of each counter since when it counts. Bound: the series of the last readings.
pub(super) struct Counters {
    began_ns: u64,
    before_ns: Option<u64>,
    known: BTreeMap<Series, Counter>,
}

#[derive(Clone, Copy)]
struct Counter {
    since_ns: u64,
    value: f64,
}

impl Counters {
    /// Counters that have counted since `began_ns` (nanoseconds since the Unix epoch) when they are seen first.
    pub(super) fn new(began_ns: u64) -> Self {
        Self { began_ns, before_ns: None, known: BTreeMap::new() }
    }

    /// The metrics of readings taken at `now_ns`, in the order of their names. Of equal series the last one stands, as on
    /// `/metrics`.
    pub(super) fn metrics(
        &mut self,
        samples: Vec<Sample>,
        now_ns: u64,
        help: impl Fn(&str) -> Option<&'static str>,
    ) -> Vec<Metric> {
        let mut values: BTreeMap<Series, f64> = BTreeMap::new();
        values.extend(samples.into_iter().map(|sample| ((sample.name, sample.labels), sample.value)));
        let before = std::mem::take(&mut self.known);
        let mut families: BTreeMap<&str, Vec<NumberPoint>> = BTreeMap::new();
        for (series, value) in values {
            let mut point = point(&series, value, now_ns);
            let name = series.0;
            if counts(name) {
                let since_ns = self.since(before.get(&series), value, now_ns);
                point.start_ns = since_ns;
                self.known.insert(series, Counter { since_ns, value });
            }
            families.entry(name).or_default().push(point);
        }
        self.before_ns = Some(now_ns);
        families.into_iter().map(|(name, points)| metric(name, points, help(name).unwrap_or_default())).collect()
    }

    /// Since when a counter counts. One that went back, or that was not there before, has begun since the last readings.
    fn since(&self, before: Option<&Counter>, value: f64, now_ns: u64) -> u64 {
        let since_ns = match before {
            Some(counter) if value >= counter.value => counter.since_ns,
            _ => self.before_ns.unwrap_or(self.began_ns),
        };
        // The clock may have been set back.
        since_ns.min(now_ns)
    }
}

fn counts(name: &str) -> bool {
    name.ends_with("_total")
}

fn point((_, labels): &Series, value: f64, at_ns: u64) -> NumberPoint {
    let attributes = labels.iter().map(|(name, value)| KeyValue::new(name, value)).collect();
    NumberPoint { start_ns: 0, at_ns, value: Some(value), attributes }
}

fn metric(name: &str, points: Vec<NumberPoint>, description: &str) -> Metric {
    let (gauge, sum) = if counts(name) {
        (None, Some(Sum { points, temporality: CUMULATIVE, monotonic: true }))
    } else {
        (Some(Gauge { points }), None)
    };
    let unit = unit(name).to_owned();
    Metric { name: format!("{PREFIX}{name}"), description: description.to_owned(), unit, gauge, sum }
}

/// The unit of a reading; nothing where it counts things.
fn unit(name: &str) -> &'static str {
    let bare = name.strip_suffix("_total").unwrap_or(name);
    UNITS.iter().find(|(end, _)| bare.ends_with(end)).map_or("", |(_, unit)| unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &'static str, shard: &str, value: f64) -> Sample {
        Sample::new(name, value).with("shard", shard)
    }

    fn points(metric: &Metric) -> &[NumberPoint] {
        match (&metric.gauge, &metric.sum) {
            (Some(gauge), None) => &gauge.points,
            (None, Some(sum)) => &sum.points,
            both => panic!("{both:?}"),
        }
    }

    #[test]
    fn units_are_told_by_the_ends_of_names() {
        for (name, expected) in [
            ("process_memory_bytes", "By"),
            ("store_incoming_bytes_total", "By"),
            ("replay_lag_ms", "ms"),
            ("process_cpu_seconds_total", "s"),
            ("store_commit_seconds_max", "s"),
            ("replay_records_per_s", "1/s"),
            ("store_streams", ""),
        ] {
            assert_eq!(unit(name), expected, "{name}");
        }
    }

    #[test]
    fn readings_of_one_name_are_one_metric_and_the_last_of_equal_ones_stands() {
        let mut counters = Counters::new(5);
        let samples = vec![
            reading("replay_lag_ms", "0", 1.0),
            reading("a_total", "1", 2.0),
            reading("replay_lag_ms", "0", 3.0),
            reading("replay_lag_ms", "1", 4.0),
        ];
        let metrics = counters.metrics(samples, 20, |name| (name == "a_total").then_some("Help."));
        let [counter, gauge] = &metrics[..] else { panic!("{metrics:?}") };
        assert_eq!((counter.name.as_str(), counter.description.as_str()), ("hailstream_a_total", "Help."));
        let sum = counter.sum.as_ref().unwrap();
        assert!(sum.monotonic && sum.temporality == CUMULATIVE);
        assert_eq!((sum.points[0].start_ns, sum.points[0].at_ns, sum.points[0].value), (5, 20, Some(2.0)));
        assert_eq!(gauge.unit, "ms");
        assert_eq!(points(gauge).iter().map(|p| p.value.unwrap()).collect::<Vec<_>>(), [3.0, 4.0]);
        assert_eq!(points(gauge)[1].attributes, [KeyValue::new("shard", "1")]);
    }

    #[test]
    fn a_counter_begins_again_when_it_goes_back_or_comes_new() {
        let mut counters = Counters::new(5);
        let mut since = |samples: Vec<Sample>, now_ns| -> Vec<u64> {
            let metrics = counters.metrics(samples, now_ns, |_| None);
            metrics.iter().flat_map(points).map(|point| point.start_ns).collect()
        };
        let counter = |shard, value| reading("a_total", shard, value);
        assert_eq!(since(vec![counter("0", 7.0)], 10), [5]);
        assert_eq!(since(vec![counter("0", 7.0), counter("1", 1.0)], 20), [5, 10], "the second has come since");
        assert_eq!(since(vec![counter("0", 3.0), counter("1", 2.0)], 30), [20, 10], "the first has begun again");
        assert_eq!(since(vec![counter("1", 3.0)], 40), [10]);
        assert_eq!(counters.known.len(), 1, "what is gone is forgotten");
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_counter_that_begins_in_the_future() {
        let mut counters = Counters::new(50);
        let metrics = counters.metrics(vec![reading("a_total", "0", 1.0)], 10, |_| None);
        assert_eq!(points(&metrics[0])[0].start_ns, 10);
    }
}
