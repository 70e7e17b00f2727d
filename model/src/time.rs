//! Event time: when something happened, as told by the data, and how far it is known to be complete.

use std::fmt;

/// When an event happened, in milliseconds since the Unix epoch; negative before 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

/// A statement about a flow of events: none with a time at or before this one is to be expected any more.
///
/// *Invariant:* along one channel, watermarks never go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watermark(pub i64);

impl Watermark {
    /// Nothing is known yet.
    pub const MIN: Self = Self(i64::MIN);
    /// The flow has ended; every window may close.
    pub const MAX: Self = Self(i64::MAX);

    /// Whether an event of this time would be late.
    pub fn is_past(self, time: EventTime) -> bool {
        time.0 <= self.0
    }
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MIN => f.write_str("none"),
            Self::MAX => f.write_str("end"),
            Self(ms) => ms.fmt(f),
        }
    }
}
