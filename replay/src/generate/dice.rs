//! Random numbers of a generator: SplitMix64, and a few shapes made of plain arithmetic.

/// A stream of random numbers from a seed.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform over all of `u64`.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform over 0..1, without 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform over 0..`n`, without `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Bell-shaped with mean 0 and deviation 1, never beyond ±3.5: the sum of four uniform numbers out of one throw.
    pub(super) fn bell(&mut self) -> f64 {
        let bits = self.next();
        let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        (sum as f64 / 65_535.0 - 2.0) * 1.732_050_807_568_877_2
    }

    /// The index of one of `shares`, which are running sums from above 0 to 1.
    pub(super) fn pick(&mut self, shares: &[f64]) -> usize {
        let at = self.unit();
        shares.partition_point(|share| *share <= at).min(shares.len() - 1)
    }
}

/// Running sums of `weights`, scaled so that the last one is 1.
pub(super) fn shares(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    let mut shares: Vec<f64> = weights
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect();
    shares.iter_mut().for_each(|share| *share /= sum);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_their_means_and_bounds() {
        let mut dice = Dice::new(1);
        let n = 100_000;
        let bells: Vec<f64> = (0..n).map(|_| dice.bell()).collect();
        let mean = bells.iter().sum::<f64>() / f64::from(n);
        let variance = bells.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert!(bells.iter().all(|x| x.abs() < 3.5));
        assert!((0..n).all(|_| dice.below(3) < 3 && dice.unit() < 1.0));
    }

    #[test]
    fn picks_follow_their_weights() {
        let shares = shares([1.0, 0.0, 3.0].into_iter());
        assert_eq!(shares, [0.25, 0.25, 1.0]);
        let mut dice = Dice::new(2);
        let mut counts = [0; 3];
        (0..40_000).for_each(|_| counts[dice.pick(&shares)] += 1);
        assert!((9_500..10_500).contains(&counts[0]) && counts[1] == 0, "{counts:?}");
    }
}
