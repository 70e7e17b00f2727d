//! Someone who knows the day: the cheapest sizes that keep up in every second, where each change costs its pause.

use crate::scaling::Usl;

/// The slot-seconds of the cheapest plan for these rates: in each second the size takes the mean of the seconds until the SLO,
/// and a change costs its pause of the new size.
pub(super) fn slot_seconds(rates: &[f64], law: &Usl, slo_s: f64, pause_s: f64, most: u32) -> f64 {
    let works: Vec<f64> = (1..=most).map(|slots| law.at(slots)).collect();
    let needs = means(rates, slo_s).into_iter().map(|rate| 1 + works.partition_point(|works| *works < rate) as u32);
    plan(needs, most, |slots| pause_s * f64::from(slots))
}

/// The shard-seconds of the cheapest plan, of shards that take `shard_rate` each.
pub(super) fn shard_seconds(rates: &[f64], shard_rate: f64, slo_s: f64, reshard_s: f64, most: u32) -> f64 {
    let needs = means(rates, slo_s).into_iter().map(|rate| (rate / shard_rate).ceil().max(1.0) as u32);
    plan(needs, most, |shards| reshard_s * f64::from(shards))
}

/// For each second the mean of those from it until the SLO.
fn means(rates: &[f64], slo_s: f64) -> Vec<f64> {
    let window = (slo_s as usize).max(1);
    let mean = |at: usize| {
        let end = (at + window).min(rates.len());
        rates[at..end].iter().sum::<f64>() / (end - at) as f64
    };
    (0..rates.len()).map(mean).collect()
}

/// The least that sizes cost which are never below the need, over all plans.
fn plan(needs: impl Iterator<Item = u32>, most: u32, change: impl Fn(u32) -> f64) -> f64 {
    let mut costs = vec![0.0; most as usize + 1];
    for need in needs {
        let need = need.min(most) as usize;
        let least = costs.iter().skip(1).copied().fold(f64::INFINITY, f64::min);
        for (size, cost) in costs.iter_mut().enumerate().skip(1) {
            let kept = cost.min(least + change(size as u32));
            *cost = if size < need { f64::INFINITY } else { kept + size as f64 };
        }
    }
    costs.into_iter().skip(1).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: Usl = Usl { c: 100.0, sigma: 0.0, kappa: 0.0 };

    #[test]
    fn it_pays_for_what_is_needed_and_changes_only_where_that_pays() {
        let steady = vec![250.0; 100];
        assert_eq!(slot_seconds(&steady, &LINEAR, 1.0, 1.0, 10), 300.0);
        let mut spike = vec![100.0; 100];
        spike[50] = 500.0;
        assert_eq!(slot_seconds(&spike, &LINEAR, 1.0, 0.1, 10), 99.0 + 5.0 + 0.5 + 0.1);
        // A pause of 1000 s costs more than to stay large.
        assert_eq!(slot_seconds(&spike, &LINEAR, 1.0, 1_000.0, 10), 500.0);
    }

    #[test]
    fn a_spike_shorter_than_the_slo_is_spread() {
        let mut spike = vec![100.0; 100];
        spike[50] = 500.0;
        assert!(slot_seconds(&spike, &LINEAR, 5.0, 0.0, 10) < 99.0 + 5.0 + 5.0);
    }
}
