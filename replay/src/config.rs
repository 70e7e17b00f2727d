//! What a replay is told before it starts, and the bounds of each option.

use crate::batch::PutLimits;
use crate::pace::Speed;
use model::{Classified, EventTime, Kind};

/// Longest linger, in milliseconds.
const LINGER_MS_MAX: u64 = 1_000;
/// Longest back-off, in milliseconds.
const BACKOFF_MS_MAX: u64 = 60_000;

/// What a replay is told before it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayConfig {
    /// How fast history is replayed. Default 6,480 times.
    pub speed: Speed,
    /// Rows of the source that were acknowledged before and are passed over. Default 0.
    pub skip_rows: u64,
    /// Rows before this event time are passed over; they count as rows of the source. Default none.
    pub seek: Option<EventTime>,
    /// Whether the replay waits for `resume` before its first row. Default no.
    pub paused: bool,
    /// How long a put that is not full waits for more rows while the replay is on schedule, in milliseconds: 0–1,000,
    /// default 10. More means fuller puts and later results.
    pub linger_ms: u64,
    /// What one put may hold.
    pub limits: PutLimits,
    /// First wait after a put of which everything was refused, in milliseconds; it doubles each time. 1–60,000, default
    /// 10. A put of which a part was refused waits for that part of it. More means fewer vain puts and slower recovery.
    pub backoff_ms_min: u64,
    /// Longest wait after refusals, in milliseconds: at least `backoff_ms_min`, at most 60,000, default 200.
    pub backoff_ms_max: u64,
    /// Longest wait after a put that failed as a whole, in milliseconds: bounds as `backoff_ms_max`, default 5,000.
    pub error_backoff_ms_max: u64,
    /// How long a stop goes on sending what was refused, so that the position is exact, in milliseconds: 0–60,000,
    /// default 3,000. What is refused even then holds the position back: a replay that continues there sends again the
    /// rows that were accepted beyond it (`Stats::acknowledged_ahead`).
    pub stop_grace_ms: u64,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            speed: Speed::default(),
            skip_rows: 0,
            seek: None,
            paused: false,
            linger_ms: 10,
            limits: PutLimits::default(),
            backoff_ms_min: 10,
            backoff_ms_max: 200,
            error_backoff_ms_max: 5_000,
            stop_grace_ms: 3_000,
        }
    }
}

impl ReplayConfig {
    /// Checks every option against its bounds.
    ///
    /// # Errors
    /// The first option that is out of bounds.
    pub fn check(&self) -> Result<(), ConfigError> {
        let within = |option, given, min, max| match (min..=max).contains(&given) {
            true => Ok(()),
            false => Err(ConfigError::OutOfBounds { option, given, min, max }),
        };
        within("linger_ms", self.linger_ms, 0, LINGER_MS_MAX)?;
        within("backoff_ms_min", self.backoff_ms_min, 1, BACKOFF_MS_MAX)?;
        within("backoff_ms_max", self.backoff_ms_max, self.backoff_ms_min, BACKOFF_MS_MAX)?;
        within("error_backoff_ms_max", self.error_backoff_ms_max, self.backoff_ms_min, BACKOFF_MS_MAX)?;
        within("stop_grace_ms", self.stop_grace_ms, 0, BACKOFF_MS_MAX)?;
        let PutLimits { records_max, bytes_max, record_bytes_max } = self.limits;
        within("limits.records_max", records_max as u64, 1, model::limits::PUT_RECORDS_MAX as u64)?;
        within("limits.record_bytes_max", record_bytes_max as u64, 1, PutLimits::LARGE_BYTES_MAX as u64)?;
        within("limits.bytes_max", bytes_max as u64, record_bytes_max as u64, PutLimits::LARGE_BYTES_MAX as u64)
    }
}

/// An option that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A speed-up that is no number or out of bounds.
    #[error("the speed-up {given} is not a number from {min} to {max}")]
    Speedup {
        /// What was given.
        given: f64,
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// Another option out of its bounds.
    #[error("{option} is {given}; it must be from {min} to {max}")]
    OutOfBounds {
        /// Its name.
        option: &'static str,
        /// What was given.
        given: u64,
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
}

impl Classified for ConfigError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_bounds() {
        assert_eq!(ReplayConfig::default().check(), Ok(()));
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let check = |change: fn(&mut ReplayConfig), option: &str| {
            let mut config = ReplayConfig::default();
            change(&mut config);
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
        };
        check(|c| c.linger_ms = 1_001, "linger_ms is 1001");
        check(|c| c.backoff_ms_min = 0, "backoff_ms_min");
        check(|c| c.backoff_ms_max = 9, "backoff_ms_max is 9; it must be from 10");
        check(|c| c.error_backoff_ms_max = 60_001, "error_backoff_ms_max");
        check(|c| c.stop_grace_ms = 60_001, "stop_grace_ms");
        check(|c| c.limits.records_max = 501, "limits.records_max");
        check(|c| c.limits.bytes_max = 10, "limits.bytes_max is 10; it must be from 1048576");
        check(|c| c.limits.record_bytes_max = 0, "limits.record_bytes_max");
    }
}
