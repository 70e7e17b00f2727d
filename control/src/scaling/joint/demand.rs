//! What has to be worked off: a short mean, a longer one, and a forecast as long as it has proved right.

use std::collections::VecDeque;

/// Seconds of the short mean.
const SHORT_S: usize = 3;
/// Seconds that the trend is taken from: as many as it is to look ahead, within these.
const TREND_S: (usize, usize) = (6, 30);
/// Part of a new second in the mean over 15 s: 1 − e^(−1/15).
const LONG_PART: f64 = 0.064_493;
/// Part of a new error in the forecast's error.
const ERROR_PART: f64 = 0.2;
/// A forecast with a larger error is not used.
const ERROR_MAX: f64 = 0.2;
/// A surge: so many seconds of about even growth, by so much together; it is taken to go on for so long, and to end at four
/// times of what comes now at most.
const SURGE_S: usize = 3;
const SURGE_EVEN: f64 = 0.5;
const SURGE_GROWTH: f64 = 1.3;
const SURGE_AHEAD_S: f64 = 8.0;
const SURGE_MOST: f64 = 4.0;
/// The forecast looks so many seconds ahead, more where a change pauses longer.
const AHEAD_S: (usize, usize) = (3, 30);

/// The demand on something, second by second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Demand {
    /// The last seconds, 30 at most.
    last: VecDeque<f64>,
    long: Option<f64>,
    /// Seconds one after the other in which it surges.
    surged_s: u32,
    /// Forecasts whose time has not come, 30 at most.
    forecasts: VecDeque<f64>,
    /// The mean error of forecasts, and the one of the last.
    error: Option<(f64, f64)>,
}

impl Demand {
    /// Adds a second; a change pauses for `pause_s`, so that a forecast is needed so far ahead.
    pub(super) fn note(&mut self, rate: f64, pause_s: f64) {
        self.last.push_back(rate);
        if self.last.len() > TREND_S.1 {
            self.last.pop_front();
        }
        self.surged_s = if self.growth().is_some() { self.surged_s + 1 } else { 0 };
        self.long = Some(self.long.map_or(rate, |long| long + LONG_PART * (rate - long)));
        let ahead = (pause_s.ceil() as usize).clamp(AHEAD_S.0, AHEAD_S.1);
        while self.forecasts.len() >= ahead {
            let Some(forecast) = self.forecasts.pop_front() else { break };
            let error = (forecast - rate).abs() / rate.max(1.0);
            let mean = self.error.map_or(error, |(known, _)| known + ERROR_PART * (error - known));
            self.error = Some((mean, error));
        }
        self.forecasts.push_back(self.trend(ahead));
    }

    /// Where the trend of the last seconds leads, `ahead` seconds from now.
    fn trend(&self, ahead: usize) -> f64 {
        let skipped = self.last.len().saturating_sub(ahead.clamp(TREND_S.0, TREND_S.1));
        let n = (self.last.len() - skipped) as f64;
        let mean_x = (n - 1.0) / 2.0;
        let mean_y = self.last.iter().skip(skipped).sum::<f64>() / n.max(1.0);
        let (mut over, mut under) = (0.0, 0.0);
        for (x, y) in self.last.iter().skip(skipped).enumerate() {
            let x = x as f64 - mean_x;
            over += x * (y - mean_y);
            under += x * x;
        }
        let slope = if under > 0.0 { over / under } else { 0.0 };
        (mean_y + slope * (n - 1.0 - mean_x + ahead as f64)).max(0.0)
    }

    /// What came in both of the last two seconds.
    pub(super) fn held(&self) -> f64 {
        self.last.iter().rev().take(2).copied().reduce(f64::min).unwrap_or(0.0)
    }

    /// The mean over 3 s.
    pub(super) fn short(&self) -> f64 {
        let taken = self.last.len().min(SHORT_S);
        self.last.iter().rev().take(SHORT_S).sum::<f64>() / (taken.max(1) as f64)
    }

    /// The mean over about 15 s.
    pub(super) fn long(&self) -> f64 {
        self.long.unwrap_or(0.0)
    }

    /// The forecast, less its own error; `None` where that is too large.
    pub(super) fn forecast(&self) -> Option<f64> {
        // A jump shows in the last error first, and a trend through it leads far beyond.
        let error = self.error.map(|(mean, last)| mean.max(last)).filter(|error| *error < ERROR_MAX)?;
        self.forecasts.back().map(|forecast| forecast * (1.0 - error))
    }

    /// Where a surge leads: growth that a mean lags behind, and that no forecast has had the time to prove right on. A jump
    /// is none, since nothing grows after it.
    pub(super) fn surge(&self) -> Option<f64> {
        // The longer it has lasted, the sooner it is over.
        let ahead_s = (SURGE_AHEAD_S + 1.0 - f64::from(self.surged_s)).max(0.0);
        let last = self.last.back()?;
        self.growth().map(|each| (last + each * ahead_s).min(SURGE_MOST * last))
    }

    /// What comes more each second; `None` where that is little or uneven.
    fn growth(&self) -> Option<f64> {
        let recent: Vec<f64> = self.last.iter().rev().take(SURGE_S + 1).copied().collect();
        if recent.len() <= SURGE_S {
            return None;
        }
        let growths: Vec<f64> = recent.windows(2).map(|pair| pair[0] - pair[1]).collect();
        let (least, most) = growths.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), g| (a.min(*g), b.max(*g)));
        let grows = least > 0.0 && least >= SURGE_EVEN * most && recent[0] > SURGE_GROWTH * recent[SURGE_S];
        grows.then(|| (recent[0] - recent[SURGE_S]) / SURGE_S as f64)
    }

    /// The largest of the three, and of a surge.
    pub(super) fn rate(&self) -> f64 {
        let foreseen = self.forecast().unwrap_or(0.0).max(self.surge().unwrap_or(0.0));
        self.short().max(self.long()).max(foreseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(rates: impl IntoIterator<Item = f64>) -> Demand {
        let mut demand = Demand::default();
        rates.into_iter().for_each(|rate| demand.note(rate, 0.1));
        demand
    }

    #[test]
    fn a_steady_demand_is_its_mean() {
        let demand = after(std::iter::repeat_n(100.0, 60));
        for value in [demand.short(), demand.long(), demand.rate()] {
            assert!((value - 100.0).abs() < 1e-6, "{value}");
        }
    }

    #[test]
    fn a_ramp_is_forecast_once_forecasts_have_proved_right() {
        let ramp = after((0..60).map(|s| 1_000.0 + 100.0 * f64::from(s)));
        let last = 1_000.0 + 5_900.0;
        assert!(ramp.forecast().is_some_and(|forecast| forecast > last), "{ramp:?}");
        assert!(ramp.rate() > last && ramp.rate() < last + 400.0);
    }

    #[test]
    fn a_surge_is_followed_to_its_end_and_a_jump_is_none() {
        let surge = after([100.0, 100.0, 100.0, 190.0, 280.0, 370.0]);
        assert_eq!(surge.surge(), Some(370.0 + 8.0 * 90.0));
        assert_eq!(after([100.0, 100.0, 100.0, 400.0, 400.0, 400.0]).surge(), None);
        assert_eq!(after([100.0, 100.0, 100.0, 400.0]).surge(), None);
    }

    #[test]
    fn a_demand_that_nobody_can_foresee_has_no_forecast() {
        let wild = after((0..60).map(|s| if s % 3 == 0 { 3_000.0 } else { 10.0 }));
        assert_eq!(wild.forecast(), None);
    }
}
