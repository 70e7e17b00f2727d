//! Lookups in flight: requests by key, retries and timeouts, a cache, and what protects the one who is asked. Nothing here
//! waits or knows a clock: the subtask tells the time and makes the calls.

mod cache;
mod flight;
mod guard;
mod latencies;
mod meter;

pub(crate) use flight::{Flight, Key, Left, Marker, Outcome};
pub(crate) use meter::LookupMeter;
pub use meter::LookupMetrics;
pub(crate) use meter::by_table;
