//! What each operator costs, what it could do were it alone, and which of them is full first.
//!
//! Operators of a job share its worker threads; each sink has a thread for each worker, of its own. So the workers are
//! full together, at the sum of what their operators take, and a sink is full by itself.

use super::measure::Point;
use control::scaling::Capacity;
use serde::Serialize;

/// Spread of what is believed of contention where several numbers of KPUs were measured, and where one was.
const SEVERAL_SPREAD: f64 = 0.3;
const ONE_SPREAD: f64 = 0.05;

/// What one operator does in one run, as the engine has counted it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Cost {
    pub(super) operator: String,
    /// Microseconds of computing for each record that the script reads, one figure for each run.
    pub(super) us_per_record: Vec<f64>,
    /// What its busiest subtask did, as a multiple of its share.
    pub(super) uneven: f64,
}

impl Cost {
    /// Whether it writes on threads of its own.
    pub(super) fn is_sink(&self) -> bool {
        self.operator.starts_with("sink ")
    }

    /// The median, in microseconds.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.us_per_record.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
    }

    /// How far runs are apart, as a part of the median.
    pub(super) fn spread(&self) -> f64 {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for us in &self.us_per_record {
            (least, most) = (least.min(*us), most.max(*us));
        }
        if self.median() > 0.0 { (most - least) / 2.0 / self.median() } else { 0.0 }
    }
}

/// What is known of one operator, or of all that share the workers.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fitted {
    pub(super) operator: String,
    pub(super) sink: bool,
    /// Microseconds of computing for each record, the median at most KPUs.
    pub(super) us_per_record: f64,
    /// How far runs are apart, as a part of that.
    pub(super) spread: f64,
    /// Its part of what the threads compute that it runs on.
    pub(super) part: f64,
    /// Records a second at which its threads compute all the time on so many KPUs, were it alone on them: most likely, and
    /// with confidence (nine of ten are above).
    pub(super) alone: (f64, f64),
}

/// What is believed before measuring: where several numbers of KPUs were measured, these tell how it scales; where it was
/// one, it scales about as well as such jobs do.
pub(super) fn capacity_of(points: &[&Point]) -> Capacity {
    let least = points.iter().map(|point| point.kpus).min();
    let several = points.iter().any(|point| Some(point.kpus) != least);
    Capacity::vague(if several { SEVERAL_SPREAD } else { ONE_SPREAD })
}

/// What is known of all operators, in the order of the job, on so many KPUs.
pub(super) fn fitted(points: &[&Point], kpus: u32) -> Vec<Fitted> {
    let Some(most) = points.iter().max_by_key(|point| point.kpus) else { return Vec::new() };
    let workers: f64 = most.costs.iter().filter(|cost| !cost.is_sink()).map(Cost::median).sum();
    let one = |cost: &Cost| {
        let mut capacity = capacity_of(points);
        for point in points {
            let own = point.costs.iter().filter(|other| other.operator == cost.operator);
            let measured = own.flat_map(|own| &own.us_per_record).filter(|us| **us > 0.0);
            measured.for_each(|us| capacity.measured(point.kpus, f64::from(point.kpus) * 1e6 / us));
        }
        let median = cost.median();
        Fitted {
            operator: cost.operator.clone(),
            sink: cost.is_sink(),
            us_per_record: median,
            spread: cost.spread(),
            part: if cost.is_sink() || workers <= 0.0 { 1.0 } else { median / workers },
            alone: capacity.at(kpus).unwrap_or((f64::INFINITY, f64::INFINITY)),
        }
    };
    most.costs.iter().map(one).collect()
}

/// Which threads are full first: those of the workers, told by their costliest operator, or those of a sink; with the rate
/// that they do on so many KPUs.
pub(super) fn full_first(fitted: &[Fitted]) -> Option<(&Fitted, f64)> {
    // Operators that share threads take their times one after the other.
    let shared: f64 = fitted.iter().filter(|one| !one.sink).map(|one| 1.0 / one.alone.0).sum();
    let costliest = fitted.iter().filter(|one| !one.sink).max_by(|a, b| a.part.total_cmp(&b.part));
    let workers = costliest.filter(|_| shared > 0.0).map(|one| (one, 1.0 / shared));
    let sinks = fitted.iter().filter(|one| one.sink && one.alone.0.is_finite()).map(|one| (one, one.alone.0));
    workers.into_iter().chain(sinks).min_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(kpus: u32, costs: &[(&str, [f64; 3])]) -> Point {
        let cost = |(operator, us): &(&str, [f64; 3])| Cost {
            operator: (*operator).to_owned(),
            us_per_record: us.to_vec(),
            uneven: 1.0,
        };
        Point { costs: costs.iter().map(cost).collect(), ..Point::sized(kpus, 1) }
    }

    #[test]
    fn operators_that_share_threads_are_full_together_and_a_sink_by_itself() {
        let one = point(1, &[("source", [6.0, 6.1, 5.9]), ("window", [2.0, 2.0, 2.0]), ("sink a", [5.0, 5.0, 5.0])]);
        let two = point(2, &[("source", [6.0, 6.1, 5.9]), ("window", [2.0, 2.0, 2.0]), ("sink a", [5.0, 5.0, 5.0])]);
        let fitted = fitted(&[&one, &two], 1);
        assert_eq!(fitted.len(), 3);
        assert!((fitted[0].part - 0.75).abs() < 1e-9 && fitted[2].part == 1.0, "{fitted:?}");
        assert!((fitted[0].alone.0 / (1e6 / 6.0) - 1.0).abs() < 0.03, "{fitted:?}");
        assert!(fitted.iter().all(|one| one.alone.1 < one.alone.0), "{fitted:?}");
        assert!((fitted[0].spread - 0.1 / 6.0).abs() < 1e-9, "{fitted:?}");
        let (first, rate) = full_first(&fitted).unwrap();
        // 8 µs on the workers beside 5 µs of the sink.
        assert_eq!(first.operator, "source");
        assert!((rate / 125_000.0 - 1.0).abs() < 0.03, "{rate}");
    }

    #[test]
    fn a_slow_sink_is_full_first() {
        let one = point(1, &[("source", [2.0; 3]), ("sink a", [3.0; 3]), ("sink b", [9.0; 3])]);
        let fitted = fitted(&[&one], 1);
        assert_eq!(full_first(&fitted).unwrap().0.operator, "sink b");
    }

    #[test]
    fn an_operator_whose_cost_grows_with_kpus_is_told_so_beyond_what_was_measured() {
        let points: Vec<Point> = [1, 2, 4].map(|n| point(n, &[("window", [2.0 + 0.05 * f64::from(n - 1); 3])])).into();
        let points: Vec<&Point> = points.iter().collect();
        let alone = |kpus: u32| fitted(&points, kpus)[0].alone;
        assert!(alone(16).0 < 0.85 * 16.0 * alone(1).0, "{:?} {:?}", alone(16), alone(1));
        let doubt = |(likely, sure): (f64, f64)| 1.0 - sure / likely;
        assert!(doubt(alone(32)) > doubt(alone(2)));
    }
}
