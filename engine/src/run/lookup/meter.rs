//! Counting what lookups do.

use super::latencies::{Latencies, quantile_ms};
use crate::run::meter::Counter;

/// The counters of one lookup in one subtask.
#[derive(Debug, Default)]
pub(crate) struct LookupMeter {
    pub(crate) table: String,
    pub(crate) in_flight: Counter,
    pub(crate) requests: Counter,
    pub(crate) retries: Counter,
    pub(crate) answers: Counter,
    pub(crate) latency_ns: Counter,
    pub(crate) latencies: Latencies,
    pub(crate) hits: Counter,
    pub(crate) dead: Counter,
    pub(crate) opened: Counter,
}

/// What the lookups of one table have done until now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LookupMetrics {
    /// The table that is looked up.
    pub table: String,
    /// Requests that wait for an answer or a retry now.
    pub in_flight: u64,
    /// Calls made, retries included.
    pub requests: u64,
    /// Calls after the first one of a request.
    pub retries: u64,
    /// Calls that were answered.
    pub answers: u64,
    /// How long an answer took on average, in milliseconds.
    pub latency_ms: f64,
    /// Within which time 99 of 100 answers came, in milliseconds; at most 9 % too long, 0 before the first answer.
    pub latency_p99_ms: f64,
    /// Rows answered from the cache.
    pub cache_hits: u64,
    /// Rows that left the flow because their request failed for good.
    pub dead: u64,
    /// How often the circuit was opened.
    pub circuit_opened: u64,
}

/// The metrics of each table over its subtasks.
pub(crate) fn by_table(meters: &[std::sync::Arc<LookupMeter>]) -> Vec<LookupMetrics> {
    let mut found: Vec<(LookupMetrics, u64)> = Vec::new();
    for meter in meters {
        let at = found.iter().position(|(m, _)| m.table == meter.table).unwrap_or_else(|| {
            found.push((LookupMetrics { table: meter.table.clone(), ..LookupMetrics::default() }, 0));
            found.len() - 1
        });
        let (sum, latency_ns) = &mut found[at];
        sum.in_flight += meter.in_flight.get();
        sum.requests += meter.requests.get();
        sum.retries += meter.retries.get();
        sum.answers += meter.answers.get();
        sum.cache_hits += meter.hits.get();
        sum.dead += meter.dead.get();
        sum.circuit_opened += meter.opened.get();
        *latency_ns += meter.latency_ns.get();
    }
    let timed = |(m, ns): (LookupMetrics, u64)| {
        let own = meters.iter().filter(|meter| meter.table == m.table).map(|meter| &meter.latencies);
        let latency_p99_ms = quantile_ms(own, 0.99);
        LookupMetrics { latency_ms: ns as f64 / 1e6 / m.answers.max(1) as f64, latency_p99_ms, ..m }
    };
    found.into_iter().map(timed).collect()
}
