//! Token buckets: how much a shard takes and gives per second, with one second's worth of burst.

use model::limits;

const NS_PER_S: i64 = 1_000_000_000;

/// Fills at a fixed rate up to one second's worth. Amounts up to 9 GB/s.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    rate_per_s: i64,
    /// How much faster than the machine's clock the bucket's own runs.
    speedup: u32,
    /// Tokens times 10⁹, so that no time is lost to rounding. Negative while a debt is paid off.
    balance: i64,
    refilled_ns: u64,
}

impl TokenBucket {
    /// A full bucket, whose clock runs `speedup` times as fast as the machine's.
    pub(crate) fn new(rate_per_s: u64, now_ns: u64, speedup: u32) -> Self {
        let rate_per_s = i64::try_from(rate_per_s).unwrap_or(i64::MAX / NS_PER_S);
        Self { rate_per_s, speedup, balance: rate_per_s * NS_PER_S, refilled_ns: now_ns }
    }

    fn refill(&mut self, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.refilled_ns);
        let gained = i128::from(elapsed_ns) * i128::from(self.speedup) * i128::from(self.rate_per_s);
        let full = i128::from(self.rate_per_s) * i128::from(NS_PER_S);
        self.balance = (i128::from(self.balance) + gained).min(full) as i64;
        self.refilled_ns = self.refilled_ns.max(now_ns);
    }

    /// Takes one token if it is there.
    pub(crate) fn admit_one(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        let admitted = self.has(1);
        if admitted {
            self.take(1);
        }
        admitted
    }

    /// Whether there is anything to take.
    pub(crate) fn has_any(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        self.has(1)
    }

    /// Takes what was given, which may leave a debt.
    pub(crate) fn charge(&mut self, amount: u64) {
        self.take(amount);
    }

    /// Whether nothing was taken lately.
    pub(crate) fn is_full(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        self.balance >= self.rate_per_s * NS_PER_S
    }

    /// Whether `amount` is there. What is larger than the bucket may go when the bucket is full.
    fn has(&self, amount: u64) -> bool {
        let amount = i64::try_from(amount).unwrap_or(i64::MAX).min(self.rate_per_s);
        self.balance >= amount * NS_PER_S
    }

    fn take(&mut self, amount: u64) {
        let cost = i64::try_from(amount).unwrap_or(i64::MAX).saturating_mul(NS_PER_S);
        self.balance = self.balance.saturating_sub(cost);
    }
}

/// What one shard takes.
#[derive(Debug)]
pub(crate) struct WriteThrottle {
    records: TokenBucket,
    bytes: TokenBucket,
}

impl WriteThrottle {
    pub(crate) fn new(now_ns: u64, speedup: u32) -> Self {
        Self {
            records: TokenBucket::new(limits::SHARD_WRITE_RECORDS_PER_S, now_ns, speedup),
            bytes: TokenBucket::new(limits::SHARD_WRITE_BYTES_PER_S, now_ns, speedup),
        }
    }

    /// Takes one record of `bytes` bytes, or nothing.
    pub(crate) fn admit(&mut self, now_ns: u64, bytes: u64) -> bool {
        self.records.refill(now_ns);
        self.bytes.refill(now_ns);
        let admitted = self.records.has(1) && self.bytes.has(bytes);
        if admitted {
            self.records.take(1);
            self.bytes.take(bytes);
        }
        admitted
    }
}

/// After an answer of the largest size, a shard gives nothing for so long on the clock of the limits.
const PAUSE_AFTER_LARGEST_NS: u64 = 5 * NS_PER_S as u64;

/// What one shard gives to all who poll it.
#[derive(Debug)]
pub(crate) struct ReadThrottle {
    calls: TokenBucket,
    bytes: TokenBucket,
    pause_ns: u64,
    paused_until_ns: u64,
}

impl ReadThrottle {
    pub(crate) fn new(now_ns: u64, speedup: u32) -> Self {
        Self {
            calls: TokenBucket::new(limits::SHARD_READ_CALLS_PER_S, now_ns, speedup),
            bytes: TokenBucket::new(limits::SHARD_READ_BYTES_PER_S, now_ns, speedup),
            pause_ns: PAUSE_AFTER_LARGEST_NS / u64::from(speedup),
            paused_until_ns: 0,
        }
    }

    /// Takes one call, or nothing. What the call gives is charged afterwards: its size is not known before.
    pub(crate) fn admit(&mut self, now_ns: u64) -> bool {
        self.calls.refill(now_ns);
        self.bytes.refill(now_ns);
        let admitted = now_ns >= self.paused_until_ns && self.bytes.has(1) && self.calls.has(1);
        if admitted {
            self.calls.take(1);
        }
        admitted
    }

    /// Charges what a call gave.
    pub(crate) fn charge(&mut self, now_ns: u64, bytes: u64) {
        self.bytes.take(bytes);
        // Answers hold whole records, so the largest ones end just below the limit.
        if bytes + limits::RECORD_BYTES_MAX as u64 > limits::GET_BYTES_MAX as u64 {
            self.paused_until_ns = now_ns + self.pause_ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = NS_PER_S as u64;

    fn admitted(throttle: &mut WriteThrottle, now_ns: u64, bytes: u64, tries: usize) -> usize {
        (0..tries).filter(|_| throttle.admit(now_ns, bytes)).count()
    }

    #[test]
    fn a_thousand_records_a_second_pass() {
        let mut throttle = WriteThrottle::new(0, 1);
        assert_eq!(admitted(&mut throttle, 0, 10, 2_000), 1_000);
        assert_eq!(admitted(&mut throttle, S / 10, 10, 2_000), 100);
        assert_eq!(admitted(&mut throttle, 100 * S, 10, 2_000), 1_000, "no more than one second is saved up");
    }

    #[test]
    fn a_megabyte_a_second_passes() {
        let mut throttle = WriteThrottle::new(0, 1);
        assert_eq!(admitted(&mut throttle, 0, 100 * 1024, 2_000), 10);
        assert_eq!(admitted(&mut throttle, S, 100 * 1024, 2_000), 10);
        assert_eq!(admitted(&mut throttle, 2 * S, 1024 * 1024, 5), 1);
    }

    #[test]
    fn a_record_larger_than_a_second_passes_once_and_is_paid_off() {
        let mut throttle = WriteThrottle::new(0, 1);
        assert!(throttle.admit(0, 10 * 1024 * 1024));
        assert!(!throttle.admit(5 * S, 1));
        assert!(throttle.admit(10 * S, 1));
    }

    #[test]
    fn a_faster_clock_takes_the_same_in_less_time() {
        let mut throttle = WriteThrottle::new(0, 60);
        assert_eq!(admitted(&mut throttle, 0, 10, 2_000), 1_000);
        assert_eq!(
            admitted(&mut throttle, S / 60, 10, 2_000),
            999,
            "a second of the limits' clock, all but a nanosecond"
        );
        let mut throttle = ReadThrottle::new(0, 5);
        assert!(throttle.admit(0));
        throttle.charge(0, limits::GET_BYTES_MAX as u64);
        assert!(!throttle.admit(S - 1));
        assert!(throttle.admit(S));
    }

    #[test]
    fn time_that_goes_back_gives_nothing() {
        let mut throttle = WriteThrottle::new(10 * S, 1);
        assert_eq!(admitted(&mut throttle, 10 * S, 1, 2_000), 1_000);
        assert_eq!(admitted(&mut throttle, 9 * S, 1, 2_000), 0);
        assert_eq!(admitted(&mut throttle, 10 * S, 1, 2_000), 0);
    }

    #[test]
    fn five_reads_and_two_megabytes_a_second_pass() {
        let mut throttle = ReadThrottle::new(0, 1);
        assert_eq!((0..9).filter(|_| throttle.admit(0)).count(), 5);
        assert!(throttle.admit(S / 5));
        throttle.charge(S / 5, 4 * 1024 * 1024);
        assert!(!throttle.admit(S), "two megabytes of debt");
        assert!(throttle.admit(2 * S));
    }

    #[test]
    fn the_largest_answer_pauses_for_five_seconds() {
        let mut throttle = ReadThrottle::new(0, 1);
        assert!(throttle.admit(0));
        throttle.charge(0, limits::GET_BYTES_MAX as u64);
        assert!(!throttle.admit(5 * S - 1));
        assert!(throttle.admit(5 * S));
    }
}
