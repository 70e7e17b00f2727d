//! From what was measured to sizes, prices and words.

use super::measure::Point;
use super::operators::{Fitted, capacity_of, fitted, full_first};
use control::scaling::{Capacity, Prices, Usl};
use model::limits::{KPUS_MAX, SHARD_WRITE_BYTES_PER_S, SHARD_WRITE_RECORDS_PER_S};
use serde::Serialize;

/// The part of what a size can do that a rate shall take.
const HEADROOM: f64 = 0.85;
/// State that a KPU has room for.
const KPU_STATE_BYTES: f64 = 0.8 * 4.0 * 1024.0 * 1024.0 * 1024.0;
/// Workers that computed for so much of their time are why it is not faster.
const BUSY: f64 = 0.8;
/// A sink that was busy for so much of a run is why it is not faster.
const SINK_BUSY: f64 = 0.8;
/// Subtasks of which the busiest has so many times its share are uneven.
const UNEVEN: f64 = 1.3;

/// What is known after measuring.
pub(super) struct Known {
    pub(super) points: Vec<Point>,
    /// Subtasks that share a KPU in what is recommended.
    pub(super) per_kpu: u32,
    pub(super) capacity: Capacity,
    pub(super) measured_kpus: u32,
    pub(super) record_bytes: f64,
    pub(super) sample_rows: u64,
    /// The largest part of the saturated rate at which records were read in time.
    pub(super) sustainable: f64,
    pub(super) prices: Prices,
    /// Tables whose results were written, and tables whose results were let go.
    pub(super) written: (Vec<String>, Vec<String>),
    /// Whether the sample was cut to have room in the time.
    pub(super) cut: bool,
}

/// The size for one rate.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Advice {
    pub(super) rate: f64,
    pub(super) shards: u32,
    pub(super) parallelism: u32,
    pub(super) per_kpu: u32,
    pub(super) kpus: u32,
    /// What the size can do, most likely and with confidence.
    pub(super) likely: f64,
    pub(super) sure: f64,
    /// The part of what it surely can do that is left.
    pub(super) headroom: f64,
    /// Whether so many KPUs were measured on this machine.
    pub(super) measured: bool,
    pub(super) state_mb: f64,
    pub(super) disk_gb_per_day: f64,
    pub(super) usd_per_hour_here: f64,
    pub(super) usd_per_hour_aws: f64,
}

/// The parallelism per KPU to recommend, of sizes of equally many KPUs: one subtask more on a thread is worth it only where
/// its slowest run is faster than the fastest with fewer.
fn best<'a>(points: impl Iterator<Item = &'a Point>) -> u32 {
    let mut best: Option<&Point> = None;
    for point in points {
        if best.is_none_or(|best| point.rates.first() > best.rates.last()) {
            best = Some(point);
        }
    }
    best.map_or(1, |point| point.per_kpu)
}

impl Known {
    /// From points to the law, on a machine of so many cores.
    pub(super) fn new(points: Vec<Point>, prices: Prices, cores: u32) -> Self {
        let free = |point: &&Point| !point.is_crowded(cores);
        let least = points.iter().map(|point| point.kpus).min().unwrap_or(1);
        let measured_kpus = points.iter().filter(free).map(|point| point.kpus).max().unwrap_or(least);
        let per_kpu = best(points.iter().filter(|point| point.kpus == measured_kpus));
        let own: Vec<&Point> =
            points.iter().filter(|point| point.per_kpu == per_kpu && point.kpus <= measured_kpus).collect();
        let mut capacity = capacity_of(&own);
        own.iter().for_each(|point| point.rates.iter().for_each(|rate| capacity.measured(point.kpus, *rate)));
        Self {
            points,
            per_kpu,
            capacity,
            measured_kpus,
            record_bytes: 0.0,
            sample_rows: 0,
            sustainable: 1.0,
            prices,
            written: Default::default(),
            cut: false,
        }
    }

    pub(super) fn law(&self) -> Option<Usl> {
        self.capacity.law()
    }

    /// What so many KPUs can do for long: most likely, and with confidence.
    pub(super) fn rate_of(&self, kpus: u32) -> (f64, f64) {
        let (likely, sure) = self.capacity.at(kpus).unwrap_or((0.0, 0.0));
        (likely * self.sustainable, sure * self.sustainable)
    }

    /// Shards that take a rate: by records and by bytes, whichever needs more.
    pub(super) fn shards(&self, rate: f64) -> u32 {
        let by_records = rate / SHARD_WRITE_RECORDS_PER_S as f64;
        let by_bytes = rate * self.record_bytes / SHARD_WRITE_BYTES_PER_S as f64;
        by_records.max(by_bytes).ceil().max(1.0) as u32
    }

    /// The size for a rate; `None` where the quota of KPUs is too few.
    pub(super) fn advice(&self, rate: f64) -> Option<Advice> {
        let state_bytes = self.points.iter().map(|point| point.state_bytes).max().unwrap_or(0) as f64;
        let for_state = (state_bytes / KPU_STATE_BYTES).ceil().max(1.0) as u32;
        let fits = |kpus: &u32| self.rate_of(*kpus).1 >= rate / HEADROOM && *kpus >= for_state;
        let kpus = (1..=KPUS_MAX).find(fits)?;
        let (likely, sure) = self.rate_of(kpus);
        let shards = self.shards(rate);
        let puts = self.prices.puts_per_hour(rate, self.record_bytes);
        Some(Advice {
            rate,
            shards,
            parallelism: kpus * self.per_kpu,
            per_kpu: self.per_kpu,
            kpus,
            likely,
            sure,
            headroom: 1.0 - rate / sure,
            measured: kpus <= self.measured_kpus,
            state_mb: state_bytes / 1e6,
            disk_gb_per_day: rate * (self.record_bytes + 32.0) * 86_400.0 / 1e9,
            usd_per_hour_here: f64::from(kpus) * self.prices.core_hour_here,
            usd_per_hour_aws: self.prices.size_per_hour(shards, kpus) + puts,
        })
    }

    /// What so many shards do at a rate, in words.
    pub(super) fn shards_told(&self, shards: u32, rate: f64) -> String {
        let each = (SHARD_WRITE_RECORDS_PER_S as f64).min(SHARD_WRITE_BYTES_PER_S as f64 / self.record_bytes.max(1.0));
        let taken = each * f64::from(shards);
        let part = 100.0 * rate / taken;
        if taken < rate {
            let late = 60.0 * (1.0 - taken / rate);
            format!(
                "{shards} shards take {taken:.0} records a second of {rate:.0}: a replay falls behind by {late:.0} s each minute"
            )
        } else {
            format!("{shards} shards take {taken:.0} records a second: {rate:.0} are {part:.0} % of that")
        }
    }

    /// What was measured with the parallelism per KPU that is recommended.
    fn own_points(&self) -> Vec<&Point> {
        let own = |point: &&Point| point.per_kpu == self.per_kpu && point.kpus <= self.measured_kpus;
        self.points.iter().filter(own).collect()
    }

    /// What is known of each operator on so many KPUs, in the order of the job.
    pub(super) fn operators(&self, kpus: u32) -> Vec<Fitted> {
        fitted(&self.own_points(), kpus)
    }

    /// Which threads are full first on so many KPUs, in words.
    pub(super) fn full_first_told(&self, kpus: u32) -> Option<String> {
        let operators = self.operators(kpus);
        let (first, rate) = full_first(&operators)?;
        let of = if kpus == 1 { "KPU" } else { "KPUs" };
        Some(match first.sink {
            true => format!("Full first on {kpus} {of}: {}, at {rate:.0} records a second", first.operator),
            false => format!(
                "Full first on {kpus} {of}: the workers, at {rate:.0} records a second; {} takes {:.0} % of their time",
                first.operator,
                100.0 * first.part
            ),
        })
    }

    /// How far the runs of one size are apart at most, as a part of their median.
    pub(super) fn spread(&self) -> f64 {
        self.points.iter().map(Point::spread).fold(0.0, f64::max)
    }

    /// What keeps it from being faster.
    pub(super) fn bottleneck(&self) -> String {
        let Some(point) = self.own_points().into_iter().max_by_key(|point| point.kpus) else {
            return "nothing was measured".to_owned();
        };
        let operators = self.operators(point.kpus);
        let workers = operators.iter().filter(|one| !one.sink).max_by(|a, b| a.part.total_cmp(&b.part));
        if let Some(heaviest) = workers.filter(|_| point.busy >= BUSY) {
            return format!(
                "processor: workers compute {:.0} % of the time, {:.0} % of it in {}",
                100.0 * point.busy,
                100.0 * heaviest.part,
                heaviest.operator
            );
        }
        let busy = |one: &Fitted| point.rate() * one.us_per_record / 1e6 / f64::from(point.kpus);
        if let Some(sink) = operators.iter().find(|one| one.sink && busy(one) >= SINK_BUSY) {
            return format!("{}: it writes {:.0} % of the time", sink.operator, 100.0 * busy(sink).min(1.0));
        }
        let uneven = point.costs.iter().filter(|cost| cost.uneven > UNEVEN && point.parallelism > 1);
        let felt = uneven.filter(|cost| operators.iter().any(|one| one.operator == cost.operator && one.part > 0.1));
        if let Some(cost) = felt.max_by(|a, b| a.median().total_cmp(&b.median())) {
            let (operator, times) = (&cost.operator, cost.uneven);
            return format!("skew: the busiest subtask of {operator} does {times:.1} times its share; spread its key");
        }
        if !point.lookups.is_empty() {
            return "lookups: workers wait for answers; raise their capacity".to_owned();
        }
        format!(
            "workers compute {:.0} % of the time only: memory, the disk, the machine's other work, or too small a sample",
            100.0 * point.busy
        )
    }

    /// What lookups need in flight at a rate, for each subtask.
    pub(super) fn lookups_told(&self, rate: f64, parallelism: u32) -> Vec<String> {
        let Some(point) = self.points.last() else { return Vec::new() };
        let told = |need: &super::measure::LookupNeed| {
            let in_flight = rate * need.per_record * need.p99_ms / 1_000.0 / f64::from(parallelism.max(1));
            format!(
                "lookup {}: {:.0} requests a second of up to {:.1} ms each (p99) need a capacity of {} for each subtask",
                need.table,
                rate * need.per_record,
                need.p99_ms,
                in_flight.ceil().max(1.0),
            )
        };
        point.lookups.iter().map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::operators::Cost;
    use super::*;

    fn point(kpus: u32, per_kpu: u32, rates: [f64; 3], us: f64) -> Point {
        let cost = Cost { operator: "source".into(), us_per_record: vec![us], uneven: 1.0 };
        Point { rates: rates.into(), costs: vec![cost], ..Point::sized(kpus * per_kpu, per_kpu) }
    }

    #[test]
    fn a_size_that_fills_all_cores_of_the_machine_does_not_tell_how_the_script_scales() {
        let one = point(1, 1, [38e3, 39e3, 40e3], 26.0);
        let two = point(2, 1, [50e3, 51e3, 52e3], 39.0);
        let crowded = Known::new(vec![one.clone(), two.clone()], Prices::default(), 2);
        assert_eq!(crowded.measured_kpus, 1);
        assert!(crowded.rate_of(2).0 > 70e3 && crowded.rate_of(1).0 < 40e3);
        let free = Known::new(vec![one, two], Prices::default(), 8);
        assert_eq!(free.measured_kpus, 2);
        assert!((free.rate_of(2).0 / 51e3 - 1.0).abs() < 0.05, "{:?}", free.rate_of(2));
    }

    #[test]
    fn more_subtasks_on_a_thread_must_be_faster_in_every_run() {
        let sizes = |faster: [f64; 3]| vec![point(1, 1, [30e3, 33e3, 36e3], 1.0), point(1, 4, faster, 1.0)];
        assert_eq!(Known::new(sizes([35e3, 40e3, 45e3]), Prices::default(), 2).per_kpu, 1);
        assert_eq!(Known::new(sizes([37e3, 40e3, 45e3]), Prices::default(), 2).per_kpu, 4);
    }
}
