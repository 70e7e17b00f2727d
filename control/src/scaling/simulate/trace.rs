//! Days: the records that come in each second, made from a seed, and what else is wrong.

use model::{Random, SeededRandom};
use std::f64::consts::TAU;

/// The size that days begin with is made for this part of their first second.
const FIRST_USE: f64 = 0.7;
/// Slots that a day begins with whose trouble slots cannot cure.
pub const SLOTS_FOR_NOTHING: u32 = 4;
const DAY_S: usize = 86_400;
const HOUR_S: usize = 3_600;

/// What is wrong with an application or its stream that no size cures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// One key has half of the records.
    HotKey,
    /// One key has half of what comes to a stream.
    HotShard,
    /// The sink takes so much and no more.
    SlowSink,
    /// The sink refuses rows.
    RefusingSink,
    /// The application fails every 20 s.
    RestartLoop,
    /// No checkpoint becomes durable.
    FailingCheckpoints,
    /// Shards give readers no more.
    ReadLimit,
    /// It works off no more whatever its size, and nothing tells why.
    Unknown,
}

/// A day, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// The reference: twice as many records at once, for which 8 shards are too few and 16 enough.
    Doubling,
    /// A taxi day with rush hours and three events at which three times as many come.
    TaxiDay,
    /// Ten times as many within ten seconds, for ten minutes, every two hours.
    Flash,
    /// Four times as many every other ten minutes.
    Square,
    /// Bursts whose sizes have a heavy tail.
    Pareto,
    /// Twenty times as many by and by, then at once as few as before.
    Cliff,
    /// Always the same, give or take 5 %.
    Steady,
    /// More comes than is worked off, and no size cures it.
    Incurable(Trouble),
}

impl Trace {
    /// Every trace, those that must be refused last.
    pub const ALL: [Self; 15] = [
        Self::Doubling,
        Self::TaxiDay,
        Self::Flash,
        Self::Square,
        Self::Pareto,
        Self::Cliff,
        Self::Steady,
        Self::Incurable(Trouble::HotKey),
        Self::Incurable(Trouble::HotShard),
        Self::Incurable(Trouble::SlowSink),
        Self::Incurable(Trouble::RefusingSink),
        Self::Incurable(Trouble::RestartLoop),
        Self::Incurable(Trouble::FailingCheckpoints),
        Self::Incurable(Trouble::ReadLimit),
        Self::Incurable(Trouble::Unknown),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Doubling => "doubling",
            Self::TaxiDay => "taxi-day",
            Self::Flash => "flash",
            Self::Square => "square",
            Self::Pareto => "pareto",
            Self::Cliff => "cliff",
            Self::Steady => "steady",
            Self::Incurable(Trouble::HotKey) => "hot-key",
            Self::Incurable(Trouble::HotShard) => "hot-shard",
            Self::Incurable(Trouble::SlowSink) => "slow-sink",
            Self::Incurable(Trouble::RefusingSink) => "refusing-sink",
            Self::Incurable(Trouble::RestartLoop) => "restart-loop",
            Self::Incurable(Trouble::FailingCheckpoints) => "failing-checkpoints",
            Self::Incurable(Trouble::ReadLimit) => "read-limit",
            Self::Incurable(Trouble::Unknown) => "no-gain",
        }
    }

    /// What is wrong that no size cures.
    pub fn trouble(self) -> Option<Trouble> {
        match self {
            Self::Incurable(trouble) => Some(trouble),
            _ => None,
        }
    }

    /// Whether its stream has limits that are scaled with the application.
    pub fn has_stream(self) -> bool {
        matches!(self, Self::Doubling | Self::Incurable(Trouble::HotShard | Trouble::ReadLimit))
    }

    /// The records that come in each of so many seconds.
    pub fn rates(self, seed: u64, seconds: usize) -> Vec<f64> {
        let mut dice = Dice(SeededRandom::new(seed));
        if self == Self::Pareto {
            return pareto(&mut dice, seconds);
        }
        (0..seconds).map(|second| self.level(second) * (1.0 + self.noise() * dice.both())).collect()
    }

    /// The seconds at which something changes at once.
    pub fn marks(self, seconds: usize) -> Vec<usize> {
        let every = |first: usize, step: usize| (first..seconds).step_by(step).collect();
        match self {
            Self::Doubling => every(HOUR_S / 2, DAY_S),
            Self::Flash => every(HOUR_S / 2, 2 * HOUR_S),
            Self::Square => every(600, 1_200),
            _ => Vec::new(),
        }
    }

    /// Slots that are enough at the beginning, of a parallelism 1 that works off `slot_rate`.
    pub(super) fn first_slots(self, first_rate: f64, slot_rate: f64) -> u32 {
        match self {
            Self::Incurable(_) => SLOTS_FOR_NOTHING,
            _ => (first_rate / (slot_rate * FIRST_USE)).ceil().max(1.0) as u32,
        }
    }

    fn noise(self) -> f64 {
        if self == Self::Steady { 0.05 } else { 0.02 }
    }

    fn level(self, second: usize) -> f64 {
        match self {
            Self::Doubling => {
                if second < HOUR_S / 2 {
                    6_500.0
                } else {
                    13_000.0
                }
            }
            Self::TaxiDay => taxi(second % DAY_S),
            Self::Flash => 3_000.0 * flash(second % (2 * HOUR_S)),
            Self::Square => {
                if (second / 600).is_multiple_of(2) {
                    5_000.0
                } else {
                    20_000.0
                }
            }
            Self::Cliff => 2_000.0 * ramp(second % (4 * HOUR_S)),
            Self::Pareto | Self::Steady => 11_000.0,
            // Troubles are there before there is too much to do.
            Self::Incurable(_) if second < 120 => 5_500.0,
            Self::Incurable(Trouble::HotShard) => 6_000.0,
            Self::Incurable(Trouble::ReadLimit) => 7_000.0,
            Self::Incurable(_) => 9_500.0,
        }
    }
}

/// Few at night, two rushes, and three hours' events.
fn taxi(second: usize) -> f64 {
    let hour = second as f64 / HOUR_S as f64;
    let rush = |at: f64, width: f64| (-((hour - at) / width).powi(2)).exp();
    let usual = 5_000.0 * (1.0 - 0.7 * (TAU * (hour - 16.0) / 24.0 + TAU / 2.0).cos())
        + 6_000.0 * (rush(8.5, 1.2) + rush(18.5, 1.8));
    // Events come within two minutes and are over within five.
    let event = |at: f64| ((hour - at) * 30.0).clamp(0.0, 1.0) * ((at + 0.75 - hour) * 12.0).clamp(0.0, 1.0);
    usual * (1.0 + 2.0 * (event(11.0) + event(15.25) + event(21.5)))
}

fn flash(second: usize) -> f64 {
    let since = second as f64 - HOUR_S as f64 / 2.0;
    if since < 0.0 || since > 630.0 {
        1.0
    } else if since < 10.0 {
        1.0 + 0.9 * since
    } else if since < 600.0 {
        10.0
    } else {
        10.0 - 0.3 * (since - 600.0)
    }
}

fn ramp(second: usize) -> f64 {
    let part = second as f64 / HOUR_S as f64;
    if part < 3.0 { 1.0 + 19.0 * part / 3.0 } else { 1.0 }
}

/// Bursts of a few seconds to minutes on a steady ground; the size of one in a hundred is ten times the usual one.
fn pareto(dice: &mut Dice, seconds: usize) -> Vec<f64> {
    let mut rates = Vec::with_capacity(seconds);
    let (mut burst, mut left) = (0.0, 0_usize);
    for _ in 0..seconds {
        if left == 0 {
            burst = 0.0;
            if dice.one() < 1.0 / 240.0 {
                burst = (1_500.0 * dice.one().max(1e-6).powf(-1.0 / 1.5)).min(40_000.0);
                left = (20.0 + 100.0 * dice.one()) as usize;
            }
        }
        left = left.saturating_sub(1);
        rates.push((6_000.0 + burst) * (1.0 + 0.02 * dice.both()));
    }
    rates
}

/// Random parts.
pub(super) struct Dice(pub(super) SeededRandom);

impl Dice {
    /// 0 to 1.
    pub(super) fn one(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// −1 to 1.
    pub(super) fn both(&mut self) -> f64 {
        2.0 * self.one() - 1.0
    }
}
