//! What a replay tells about itself: counters, rates, lag, position, and the same as samples for metrics.

use crate::pace::Speed;
use crate::source::BadRow;
use model::{EventTime, Sample};

/// Most different refusal codes that are counted apart; the rest count as "other".
const CODES_MAX: usize = 16;
/// Width of one bucket of the rate, in nanoseconds.
const BUCKET_NS: u64 = 100_000_000;
/// Buckets of the rate: it looks back two seconds.
const BUCKETS: usize = 20;

/// What a replay is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Sending, or waiting for the next row to be due.
    #[default]
    Running,
    /// Waiting for `resume`.
    Paused,
    /// The source ended and every row is acknowledged.
    Finished,
    /// It was stopped before the end.
    Stopped,
    /// It cannot go on.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
}

impl State {
    /// Whether nothing more will happen.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Finished | Self::Stopped | Self::Failed { .. })
    }

    /// The state as one lower-case word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed { .. } => "failed",
        }
    }
}

/// A replay's account of itself at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    /// What it is doing.
    pub state: State,
    /// How fast it is meant to go.
    pub speed: Speed,
    /// Records acknowledged by the target.
    pub sent: u64,
    /// Bytes acknowledged, payloads and keys.
    pub sent_bytes: u64,
    /// Records acknowledged per second, over the last two seconds.
    pub events_per_s: f64,
    /// How far behind its schedule the oldest unacknowledged row is, in milliseconds of wall time: no more than the linger
    /// while it is on time, 0 without a speed limit.
    pub replay_lag_ms: u64,
    /// Refusals; one record may be refused many times.
    pub refused: u64,
    /// Refusals by the target's word for the reason, 16 words at most.
    pub refused_by_code: Vec<(String, u64)>,
    /// Records sent again after a refusal or a failed put.
    pub retries: u64,
    /// Puts sent, failed ones included.
    pub puts: u64,
    /// Puts that failed as a whole.
    pub put_errors: u64,
    /// What the last of them said; `None` again after a put that came through.
    pub last_error: Option<String>,
    /// Rows that were skipped because they cannot be understood or put.
    pub unparsable: u64,
    /// The first of them, 20 at most.
    pub bad_rows: Vec<BadRow>,
    /// Rows that came too late to be ordered within the reader's buffer; they were sent nevertheless.
    pub out_of_order: u64,
    /// Files of a folder that were not read, each with the reason; 100 at most.
    pub left_out: Vec<String>,
    /// Rows passed over to continue or to seek.
    pub skipped: u64,
    /// The largest event time acknowledged.
    pub event_time: Option<EventTime>,
    /// Rows from the source's start that are all done: where a later replay continues (`ReplayConfig::skip_rows`).
    pub position: u64,
    /// Rows acknowledged beyond the position, waiting for an older one that was refused.
    pub acknowledged_ahead: u64,
    /// Rows of the source in all, where that is known.
    pub rows_total: Option<u64>,
    /// The part of the source that was read, from 0 to 1, where that is known.
    pub fraction: Option<f64>,
}

impl Stats {
    /// Counts `n` refusals for `code`.
    pub(crate) fn count_refusals(&mut self, code: &str, n: u64) {
        self.refused += n;
        let known = self.refused_by_code.iter().position(|(c, _)| c == code);
        let full = self.refused_by_code.len() >= CODES_MAX;
        let slot = known.or_else(|| full.then_some(CODES_MAX - 1)).unwrap_or_else(|| {
            let last = self.refused_by_code.len() == CODES_MAX - 1;
            self.refused_by_code.push((if last { "other" } else { code }.to_owned(), 0));
            self.refused_by_code.len() - 1
        });
        self.refused_by_code[slot].1 += n;
    }

    /// The same numbers as samples.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = vec![
            Sample::new("replay_sent_records_total", self.sent as f64),
            Sample::new("replay_sent_bytes_total", self.sent_bytes as f64),
            Sample::new("replay_records_per_s", self.events_per_s),
            Sample::new("replay_lag_ms", self.replay_lag_ms as f64),
            Sample::new("replay_retries_total", self.retries as f64),
            Sample::new("replay_puts_total", self.puts as f64),
            Sample::new("replay_put_errors_total", self.put_errors as f64),
            Sample::new("replay_unparsable_total", self.unparsable as f64),
            Sample::new("replay_out_of_order_total", self.out_of_order as f64),
            Sample::new("replay_position_rows", self.position as f64),
            Sample::new("replay_running", f64::from(u8::from(self.state == State::Running))),
        ];
        samples.extend(self.speed.factor().map(|factor| Sample::new("replay_speedup", factor)));
        samples.extend(self.event_time.map(|time| Sample::new("replay_event_time_ms", time.0 as f64)));
        let refused = self.refused_by_code.iter();
        samples.extend(refused.map(|(c, n)| Sample::new("replay_refused_total", *n as f64).with("code", c.as_str())));
        if self.refused_by_code.is_empty() {
            samples.push(Sample::new("replay_refused_total", 0.0).with("code", "none"));
        }
        samples
    }
}

/// A rate over the last two seconds, in buckets of a tenth of a second.
#[derive(Debug, Clone, Default)]
pub(crate) struct RateMeter {
    buckets: [u64; BUCKETS],
    /// Number of the newest bucket since the clock's fixed point.
    newest: u64,
    first_ns: Option<u64>,
}

impl RateMeter {
    /// Counts `n` events at `now_ns`.
    pub(crate) fn add(&mut self, now_ns: u64, n: u64) {
        self.first_ns.get_or_insert(now_ns);
        self.forward(now_ns);
        self.buckets[(self.newest % BUCKETS as u64) as usize] += n;
    }

    /// Events per second at `now_ns`.
    pub(crate) fn per_s(&self, now_ns: u64) -> f64 {
        let Some(first_ns) = self.first_ns else { return 0.0 };
        let mut at = self.clone();
        at.forward(now_ns);
        let into_newest_ns = now_ns - at.newest * BUCKET_NS.min(now_ns);
        let window_ns = (BUCKETS as u64 - 1) * BUCKET_NS + into_newest_ns;
        let window_ns = window_ns.min(now_ns.saturating_sub(first_ns)).max(BUCKET_NS);
        at.buckets.iter().sum::<u64>() as f64 * 1e9 / window_ns as f64
    }

    fn forward(&mut self, now_ns: u64) {
        let bucket = now_ns / BUCKET_NS;
        if bucket.saturating_sub(self.newest) >= BUCKETS as u64 {
            self.buckets = [0; BUCKETS];
            self.newest = bucket;
        }
        while self.newest < bucket {
            self.newest += 1;
            self.buckets[(self.newest % BUCKETS as u64) as usize] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_steady_flow_has_its_rate_and_a_stopped_one_falls_to_zero() {
        let mut meter = RateMeter::default();
        assert_eq!(meter.per_s(5), 0.0);
        let start = 77_770_000_000;
        for i in 0..500 {
            meter.add(start + i * 10 * MS, 100);
        }
        let end = start + 5_000 * MS;
        let rate = meter.per_s(end);
        assert!((9_500.0..10_500.0).contains(&rate), "{rate}");
        assert!(meter.per_s(end + 1_000 * MS) < 6_000.0);
        assert_eq!(meter.per_s(end + 2_000 * MS), 0.0);
    }

    #[test]
    fn a_young_flow_is_not_underrated() {
        let mut meter = RateMeter::default();
        for i in 0..50 {
            meter.add(i * 10 * MS, 100);
        }
        let rate = meter.per_s(500 * MS);
        assert!((9_500.0..10_500.0).contains(&rate), "{rate}");
    }

    #[test]
    fn codes_are_counted_apart_up_to_a_bound() {
        let mut stats = Stats::default();
        for i in 0..40 {
            stats.count_refusals(&format!("code{i}"), 2);
        }
        stats.count_refusals("code3", 1);
        assert_eq!(stats.refused, 81);
        assert_eq!(stats.refused_by_code.len(), CODES_MAX);
        assert_eq!(stats.refused_by_code[3], ("code3".to_owned(), 3));
        assert_eq!(stats.refused_by_code[15], ("other".to_owned(), 50));
    }

    #[test]
    fn samples_carry_their_unit_and_labels() {
        let mut stats = Stats { sent: 3, ..Stats::default() };
        stats.count_refusals("Slow", 2);
        let samples = stats.samples();
        assert!(samples.contains(&Sample::new("replay_sent_records_total", 3.0)));
        assert!(samples.contains(&Sample::new("replay_refused_total", 2.0).with("code", "Slow")));
        assert!(samples.contains(&Sample::new("replay_running", 1.0)));
    }
}
