//! What a size costs, by a sheet of prices that anyone can change.

use serde::{Deserialize, Serialize};

const HOURS_PER_SECOND: f64 = 1.0 / 3_600.0;
/// Bytes of one unit of payload that a put is billed by.
const PUT_UNIT_BYTES: f64 = 25.0 * 1024.0;

/// A sheet of prices, in USD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// An hour of a KPU.
    pub kpu_hour: f64,
    /// KPUs that an application has beside those that compute.
    pub orchestration_kpus: u32,
    /// An hour of a shard.
    pub shard_hour: f64,
    /// A million units of 25 KB that are put.
    pub million_put_units: f64,
    /// An hour of one registered consumer on one shard.
    pub fan_out_shard_hour: f64,
    /// A gigabyte that is pushed to a registered consumer.
    pub fan_out_gb: f64,
    /// An hour of one processor core here, with its memory.
    pub core_hour_here: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            kpu_hour: 0.11,
            orchestration_kpus: 1,
            shard_hour: 0.015,
            million_put_units: 0.014,
            fan_out_shard_hour: 0.015,
            fan_out_gb: 0.013,
            core_hour_here: 0.02,
        }
    }
}

impl Prices {
    /// What so many shards and KPUs cost in an hour, whatever is put.
    pub fn size_per_hour(&self, shards: u32, kpus: u32) -> f64 {
        let orchestration = if kpus > 0 { self.orchestration_kpus } else { 0 };
        f64::from(shards) * self.shard_hour + f64::from(kpus + orchestration) * self.kpu_hour
    }

    /// What putting `records` a second of `record_bytes` each costs in an hour, one record a unit or more.
    pub fn puts_per_hour(&self, records: f64, record_bytes: f64) -> f64 {
        let units = (record_bytes / PUT_UNIT_BYTES).ceil().max(1.0);
        records * units / HOURS_PER_SECOND / 1e6 * self.million_put_units
    }

    /// The first figure that is no price, in words.
    pub fn problem(&self) -> Option<&'static str> {
        let figures = [
            self.kpu_hour,
            self.shard_hour,
            self.million_put_units,
            self.fan_out_shard_hour,
            self.fan_out_gb,
            self.core_hour_here,
        ];
        let wrong = figures.iter().any(|price| !price.is_finite() || *price < 0.0);
        wrong.then_some("a price must be a number, 0 or more")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_costs_what_the_service_asks_for_it() {
        let prices = Prices::default();
        let whole = prices.size_per_hour(16, 3) + prices.puts_per_hour(13_000.0, 460.0);
        assert!((whole - 1.34).abs() < 0.01, "{whole}");
        assert!((whole / (13_000.0 * 3_600.0 / 1e6) - 0.03).abs() < 0.002);
        assert_eq!(prices.size_per_hour(0, 0), 0.0);
        assert_eq!(Prices { kpu_hour: -1.0, ..prices }.problem(), Some("a price must be a number, 0 or more"));
    }
}
