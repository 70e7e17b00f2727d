//! How much a parallelism can work off: the Universal Scalability Law, learned from seconds in which all of it was used.
//!
//! X(p) = c·p / (1 + σ(p−1) + κ·p(p−1)) makes p/X(p) linear in (1/c, σ/c, κ/c), so that a Bayesian regression with a prior
//! gives the law and how sure it is, at any parallelism. Old seconds fade, so that a change of the load is learned too.

use serde::{Deserialize, Serialize};

/// Spread of one measured second, and of one hint, as a part of the value.
const MEASURED_SPREAD: f64 = 0.05;
const HINT_SPREAD: f64 = 0.3;
/// What a second counts after the next one.
const FADE: f64 = 0.998;
/// A measurement that is below the hints by more shows that these are too good.
const HINTS_OFF: f64 = 0.85;
/// Prior: contention and coherence, and the spreads of (1, σ, κ).
const PRIOR: [f64; 3] = [1.0, 0.01, 0.000_01];
const PRIOR_SPREAD: [f64; 3] = [0.5, 0.01, 0.000_05];
/// The same where sizes are measured on purpose: what was measured outweighs what is usual.
const VAGUE_COHERENCE_SPREAD: f64 = 0.001;
/// Spread of a calibrated law's terms, as a part of them.
const CALIBRATED_SPREAD: f64 = 0.1;
/// Standard deviations that the lower bound lies below the mean: 9 of 10 values are above.
const BOUND_DEVIATIONS: f64 = 1.28;

/// A law of scalability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usl {
    /// What parallelism 1 works off, in records a second.
    pub c: f64,
    /// Contention: the part that cannot be done in parallel.
    pub sigma: f64,
    /// Coherence: what each pair costs.
    pub kappa: f64,
}

impl Usl {
    /// What a parallelism can work off, in records a second.
    pub fn at(&self, parallelism: u32) -> f64 {
        let p = f64::from(parallelism);
        self.c * p / (1.0 + self.sigma * (p - 1.0) + self.kappa * p * (p - 1.0))
    }

    pub(super) fn problem(&self) -> Option<&'static str> {
        let right = self.c > 0.0 && self.c.is_finite() && self.sigma >= 0.0 && self.kappa >= 0.0;
        (!right).then_some("the law of capacity needs c above 0, and sigma and kappa of 0 or more")
    }
}

type Vector = [f64; 3];
type Matrix = [[f64; 3]; 3];

/// What is known of the capacity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capacity {
    /// Records a second that everything is measured in; 0 before anything is known.
    unit: f64,
    prior: (Vector, Vector),
    measured: Evidence,
    hints: Evidence,
    hints_off: bool,
    /// Spread of what is believed of contention beforehand; 0 for the usual one.
    vague: f64,
}

/// Seconds that were seen, as the regression needs them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Evidence {
    precision: Matrix,
    weighted: Vector,
    seconds: f64,
}

impl Evidence {
    fn note(&mut self, parallelism: u32, value: f64, spread: f64) {
        let terms = terms(parallelism);
        let weight = 1.0 / (spread * value).powi(2);
        for (row, term) in terms.iter().enumerate() {
            for (column, other) in terms.iter().enumerate() {
                self.precision[row][column] = self.precision[row][column] * FADE + weight * term * other;
            }
            self.weighted[row] = self.weighted[row] * FADE + weight * value * term;
        }
        self.seconds = self.seconds * FADE + 1.0;
    }
}

fn terms(parallelism: u32) -> Vector {
    let p = f64::from(parallelism);
    [1.0, p - 1.0, p * (p - 1.0)]
}

/// The law as it is believed now, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Belief {
    unit: f64,
    mean: Vector,
    covariance: Matrix,
}

impl Belief {
    fn value(&self, parallelism: u32, deviations: f64) -> f64 {
        let terms = terms(parallelism);
        let mean: f64 = (0..3).map(|at| terms[at] * self.mean[at]).sum();
        let variance: f64 =
            (0..3).map(|row| (0..3).map(|col| terms[row] * self.covariance[row][col] * terms[col]).sum::<f64>()).sum();
        let slowness = (mean + deviations * variance.max(0.0).sqrt()).max(1e-6);
        f64::from(parallelism) * self.unit / slowness
    }

    /// X(p): what it most likely works off.
    pub(super) fn likely(&self, parallelism: u32) -> f64 {
        self.value(parallelism, 0.0)
    }

    /// X⁻(p): what it works off with confidence.
    pub(super) fn sure(&self, parallelism: u32) -> f64 {
        self.value(parallelism, BOUND_DEVIATIONS)
    }

    /// The law in its usual form.
    pub(super) fn law(&self) -> Usl {
        let [a, b, d] = self.mean;
        Usl { c: self.unit / a.max(1e-6), sigma: (b / a).max(0.0), kappa: (d / a).max(0.0) }
    }
}

impl Capacity {
    /// A capacity of which little is believed before it is measured, for sizes that are measured on purpose: contention
    /// is small, give or take `spread` (0.3 for almost anything).
    pub fn vague(spread: f64) -> Self {
        Self { vague: spread, ..Self::default() }
    }

    /// Begins with what calibration has found.
    pub(super) fn start(&mut self, law: Option<Usl>) {
        if let Some(law) = law.filter(|_| self.unit == 0.0) {
            self.unit = law.c;
            // What was measured on purpose is not outdone by hints; full seconds are.
            self.hints_off = true;
            let spread = [CALIBRATED_SPREAD, (law.sigma * 0.3).max(0.002), (law.kappa * 0.3).max(0.000_005)];
            self.prior = ([1.0, law.sigma, law.kappa], spread);
        }
    }

    fn started(&mut self, parallelism: u32, rate: f64) -> Option<f64> {
        if !(rate > 0.0 && rate.is_finite()) {
            return None;
        }
        if self.unit == 0.0 {
            self.unit = rate / f64::from(parallelism.max(1));
            self.prior = (
                PRIOR,
                if self.vague > 0.0 { [PRIOR_SPREAD[0], self.vague, VAGUE_COHERENCE_SPREAD] } else { PRIOR_SPREAD },
            );
        }
        Some(f64::from(parallelism) * self.unit / rate)
    }

    /// A second in which this parallelism worked off as much as it can.
    pub fn measured(&mut self, parallelism: u32, rate: f64) {
        // Without hints there is nothing to hold against them, and no belief to be worked out each second.
        let hinted = if self.hints.seconds > 0.0 { self.belief() } else { None };
        let hinted = hinted.map(|belief| belief.likely(parallelism));
        let Some(slowness) = self.started(parallelism, rate) else { return };
        if hinted.is_some_and(|hinted| rate < hinted * HINTS_OFF) {
            (self.hints, self.hints_off) = (Evidence::default(), true);
        }
        self.measured.note(parallelism, slowness, MEASURED_SPREAD);
    }

    /// A second whose busy time says that this parallelism could work off so much.
    pub(super) fn hinted(&mut self, parallelism: u32, rate: f64) {
        if self.hints_off {
            return;
        }
        let Some(slowness) = self.started(parallelism, rate) else { return };
        self.hints.note(parallelism, slowness, HINT_SPREAD);
    }

    /// Seconds that were measured, the faded ones counted less.
    pub fn seconds(&self) -> f64 {
        self.measured.seconds
    }

    /// The law that is most likely now, and the rate of a parallelism by its lower bound; `None` before anything is known.
    pub fn law(&self) -> Option<Usl> {
        self.belief().map(|belief| belief.law())
    }

    /// What a parallelism works off: most likely, and with confidence; `None` before anything is known.
    pub fn at(&self, parallelism: u32) -> Option<(f64, f64)> {
        self.belief().map(|belief| (belief.likely(parallelism), belief.sure(parallelism)))
    }

    pub(super) fn belief(&self) -> Option<Belief> {
        if self.unit == 0.0 {
            return None;
        }
        let mut free = [true; 3];
        // Contention and coherence are never below 0: where the seconds say so, the term is left out.
        loop {
            let (mean, covariance) = self.solved(free)?;
            match (1..3).find(|at| free[*at] && mean[*at] < 0.0) {
                Some(at) => free[at] = false,
                None => return Some(Belief { unit: self.unit, mean, covariance }),
            }
        }
    }

    fn solved(&self, free: [bool; 3]) -> Option<(Vector, Matrix)> {
        let (prior, spread) = self.prior;
        let (mut precision, mut weighted) = (Matrix::default(), Vector::default());
        for row in 0..3 {
            let (measured, hints) = (self.measured.precision[row], self.hints.precision[row]);
            precision[row] = std::array::from_fn(|column| measured[column] + hints[column]);
            let own = spread[row].powi(-2);
            precision[row][row] += own;
            weighted[row] = self.measured.weighted[row] + self.hints.weighted[row] + own * prior[row];
            if !free[row] {
                // A term that is held at 0 is as sure as can be.
                precision[row][row] += 1e18;
                weighted[row] = 0.0;
            }
        }
        let covariance = inverse(&precision)?;
        let mean = std::array::from_fn(|row| (0..3).map(|col| covariance[row][col] * weighted[col]).sum());
        Some((mean, covariance))
    }
}

/// The inverse of a symmetric positive matrix, scaled first so that its very different terms lose nothing.
fn inverse(matrix: &Matrix) -> Option<Matrix> {
    let scale: Vector = std::array::from_fn(|at| matrix[at][at].sqrt());
    let m: Matrix = std::array::from_fn(|r| std::array::from_fn(|c| matrix[r][c] / (scale[r] * scale[c])));
    let minor = |r: usize, c: usize| {
        let (r1, r2) = ((r + 1) % 3, (r + 2) % 3);
        let (c1, c2) = ((c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    if !(determinant.is_finite() && determinant > 0.0) {
        return None;
    }
    Some(std::array::from_fn(|r| std::array::from_fn(|c| minor(c, r) / (determinant * scale[r] * scale[c]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn learned(law: Usl, sizes: &[u32], noise: f64) -> Capacity {
        let mut capacity = Capacity::default();
        for round in 0..20 {
            for size in sizes {
                let wobble = if round % 2 == 0 { 1.0 + noise } else { 1.0 - noise };
                capacity.measured(*size, law.at(*size) * wobble);
            }
        }
        capacity
    }

    #[test]
    fn a_law_is_found_from_full_seconds_and_the_bound_is_below_it() {
        let law = Usl { c: 2_000.0, sigma: 0.03, kappa: 0.000_1 };
        let capacity = learned(law, &[1, 2, 4, 8], 0.02);
        for size in [1, 4, 8, 16, 32] {
            let (likely, sure) = capacity.at(size).unwrap();
            assert!((likely / law.at(size) - 1.0).abs() < 0.1, "{size}: {likely} for {}", law.at(size));
            assert!(sure < likely, "{size}");
        }
    }

    #[test]
    fn sizes_that_are_measured_on_purpose_are_believed_however_badly_they_scale() {
        let mut capacity = Capacity::vague(0.3);
        for _ in 0..3 {
            capacity.measured(1, 38_000.0);
            capacity.measured(2, 50_000.0);
        }
        for (size, rate) in [(1, 38_000.0), (2, 50_000.0)] {
            let (likely, sure) = capacity.at(size).unwrap();
            assert!((likely / rate - 1.0).abs() < 0.04 && sure < likely, "{size}: {likely} for {rate}");
        }
        assert!(capacity.at(8).unwrap().0 < 110_000.0);
    }

    #[test]
    fn what_was_never_measured_is_less_sure_than_what_was() {
        let capacity = learned(Usl { c: 1_000.0, sigma: 0.02, kappa: 0.0 }, &[2, 4], 0.02);
        let doubt = |size: u32| capacity.at(size).map(|(likely, sure)| 1.0 - sure / likely).unwrap();
        assert!(doubt(4) < 0.03 && doubt(64) > 3.0 * doubt(4), "{} {}", doubt(4), doubt(64));
    }

    #[test]
    fn busy_time_is_not_believed_any_more_once_a_full_second_was_slower() {
        let mut capacity = Capacity::default();
        // Operators that are busy for a third of the time, since their reader is slow.
        (0..300).for_each(|_| capacity.hinted(4, 9_000.0));
        (0..3).for_each(|_| capacity.measured(4, 3_000.0));
        let (likely, _) = capacity.at(4).unwrap();
        assert!((likely / 3_000.0 - 1.0).abs() < 0.05, "{likely}");
        capacity.hinted(4, 9_000.0);
        assert!(capacity.at(4).unwrap().0 < 3_200.0);
    }

    #[test]
    fn a_calibrated_law_holds_until_seconds_say_otherwise() {
        let law = Usl { c: 500.0, sigma: 0.05, kappa: 0.001 };
        let mut capacity = Capacity::default();
        capacity.start(Some(law));
        assert!((capacity.at(16).unwrap().0 / law.at(16) - 1.0).abs() < 0.01);
        (0..200).for_each(|_| capacity.hinted(4, 9_000.0));
        assert!((capacity.at(16).unwrap().0 / law.at(16) - 1.0).abs() < 0.01);
        (0..200).for_each(|_| capacity.measured(4, 1_000.0));
        assert!((capacity.at(4).unwrap().0 / 1_000.0 - 1.0).abs() < 0.02);
    }

    proptest! {
        #[test]
        fn the_law_is_never_better_than_linear_and_the_bound_never_above_it(
            c in 1.0..1e6_f64, sigma in 0.0..0.3_f64, kappa in 0.0..0.01_f64, size in 1..256_u32, noise in 0.0..0.2_f64
        ) {
            let capacity = learned(Usl { c, sigma, kappa }, &[1, 3, 7], noise);
            let (likely, sure) = capacity.at(size).unwrap();
            let one = capacity.at(1).unwrap().0;
            prop_assert!(sure <= likely && likely <= one * f64::from(size) * (1.0 + 1e-6));
            prop_assert!(sure > 0.0);
        }
    }
}
