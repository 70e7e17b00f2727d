//! Clock and randomness. Whatever needs either takes it from an [`Env`], so that a test or a simulation owns both.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A source of time.
pub trait Clock: Send + Sync {
    /// Wall-clock time in milliseconds since the Unix epoch. It may jump, also backwards.
    fn now_ms(&self) -> u64;
    /// Nanoseconds since some fixed point. It never goes backwards.
    fn monotonic_ns(&self) -> u64;
}

/// A source of random numbers.
pub trait Random: Send + Sync {
    /// The next number, uniform over all of `u64`.
    fn next_u64(&self) -> u64;
}

/// The environment of one platform. Cheap to clone; clones share clock and randomness.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Env {
    /// The real clock of the machine, and randomness seeded by the operating system.
    pub fn system() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        Self { clock: Arc::new(SystemClock::new()), random: Arc::new(SeededRandom::new(seed)) }
    }

    /// An environment made of the given parts.
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random }
    }

    /// An environment that stands still at `now_ms` until its clock is moved, and the clock that moves it.
    pub fn manual(now_ms: u64, seed: u64) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(now_ms));
        (Self::new(clock.clone(), Arc::new(SeededRandom::new(seed))), clock)
    }

    /// Wall-clock time in milliseconds since the Unix epoch. It may jump, also backwards.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Nanoseconds since some fixed point. It never goes backwards.
    pub fn monotonic_ns(&self) -> u64 {
        self.clock.monotonic_ns()
    }

    /// The next random number, uniform over all of `u64`.
    pub fn random_u64(&self) -> u64 {
        self.random.next_u64()
    }

    /// A name that no other has, in the form of a random UUID (version 4 of RFC 9562).
    pub fn random_uuid(&self) -> String {
        let (a, b) = (self.random_u64(), self.random_u64());
        let (low, high) = ((a >> 16) & 0xffff, 0x4000 | (a & 0x0fff));
        format!("{:08x}-{low:04x}-{high:04x}-{:04x}-{:012x}", a >> 32, 0x8000 | (b >> 50), b & 0xffff_ffff_ffff)
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("now_ms", &self.now_ms()).finish_non_exhaustive()
    }
}

/// The machine's own clock: the one place where it is read.
struct SystemClock {
    start: Instant,
}

impl SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the machine's clock enters")]
    fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the machine's clock enters")]
    fn now_ms(&self) -> u64 {
        // A clock set before 1970 reads as the epoch itself: no arithmetic on it can then underflow.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
    }

    fn monotonic_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: AtomicU64,
    monotonic_ns: AtomicU64,
}

impl ManualClock {
    /// A clock that reads `now_ms` (milliseconds since the Unix epoch).
    pub fn new(now_ms: u64) -> Self {
        Self { now_ms: AtomicU64::new(now_ms), monotonic_ns: AtomicU64::new(0) }
    }

    /// Moves both readings forward by `ms` milliseconds.
    pub fn advance_ms(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
        self.monotonic_ns.fetch_add(ms * 1_000_000, Ordering::SeqCst);
    }

    /// Lets the wall clock jump to `now_ms`, as an operator or a time server may; the monotonic reading stays.
    pub fn jump_to_ms(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns.load(Ordering::SeqCst)
    }
}

/// Repeatable randomness: the same seed gives the same numbers. Not for secrets.
///
/// The generator is SplitMix64 (Steele, Lea, Flood 2014): one addition and a mix of its result.
#[derive(Debug)]
pub struct SeededRandom {
    state: AtomicU64,
}

impl SeededRandom {
    /// A generator started at `seed`; every seed is a good one.
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }
}

impl Random for SeededRandom {
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (a, b) = (SeededRandom::new(7), SeededRandom::new(7));
        let of = |r: &SeededRandom| (0..100).map(|_| r.next_u64()).collect::<Vec<_>>();
        assert_eq!(of(&a), of(&b));
        assert_ne!(of(&a), of(&SeededRandom::new(8)));
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let (env, clock) = Env::manual(1_000, 1);
        assert_eq!((env.now_ms(), env.monotonic_ns()), (1_000, 0));
        clock.advance_ms(5);
        assert_eq!((env.now_ms(), env.monotonic_ns()), (1_005, 5_000_000));
        clock.jump_to_ms(10);
        assert_eq!((env.now_ms(), env.monotonic_ns()), (10, 5_000_000));
    }

    #[test]
    fn a_random_uuid_says_that_it_is_one_of_version_4() {
        let (env, _) = Env::manual(0, 1);
        let (one, other) = (env.random_uuid(), env.random_uuid());
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(one.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()), "{one}");
        assert_eq!(&one[14..15], "4", "the version");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"), "the variant of {one}");
    }
}
