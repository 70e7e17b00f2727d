//! Places in a shard, in the words of the service; they stand so in checkpoints.

use engine::port::PortError;
use model::Kind;
use serde_json::{Value, json};
use std::fmt;

/// Where a shard is read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At its oldest record.
    Oldest,
    /// At the first record of this time or later, in milliseconds since the epoch.
    Time(u64),
    /// Behind the record of this number.
    After(String),
}

const OLDEST: &str = "TRIM_HORIZON";
const TIME: &str = "AT_TIMESTAMP";
const AFTER: &str = "AFTER_SEQUENCE_NUMBER";

impl Place {
    /// The fields of a call that asks for an iterator here.
    pub(super) fn iterator(&self) -> Value {
        match self {
            Self::Oldest => json!({ "ShardIteratorType": OLDEST }),
            Self::Time(ms) => json!({ "ShardIteratorType": TIME, "Timestamp": seconds(*ms) }),
            Self::After(number) => json!({ "ShardIteratorType": AFTER, "StartingSequenceNumber": number }),
        }
    }

    /// The position at which a subscription begins.
    pub(super) fn subscription(&self) -> Value {
        match self {
            Self::Oldest => json!({ "Type": OLDEST }),
            Self::Time(ms) => json!({ "Type": TIME, "Timestamp": seconds(*ms) }),
            Self::After(number) => json!({ "Type": AFTER, "SequenceNumber": number }),
        }
    }

    /// The place of a mark that was kept.
    ///
    /// # Errors
    /// `Corrupt` for what is none.
    pub(super) fn parse(mark: &str) -> Result<Self, PortError> {
        let parsed = match mark.split_once(' ') {
            None if mark == OLDEST => Some(Self::Oldest),
            Some((TIME, ms)) => ms.parse().ok().map(Self::Time),
            Some((AFTER, number)) if !number.is_empty() => Some(Self::After(number.to_owned())),
            _ => None,
        };
        parsed.ok_or_else(|| PortError::new(Kind::Corrupt, format!("{mark:?} is no place in a shard")))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oldest => f.write_str(OLDEST),
            Self::Time(ms) => write!(f, "{TIME} {ms}"),
            Self::After(number) => write!(f, "{AFTER} {number}"),
        }
    }
}

/// The protocol counts seconds, with a fraction.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept_as_words_and_read_back() {
        let number = "49590338271490256608559692538361571095921575989136588898".to_owned();
        for place in [Place::Oldest, Place::Time(1_452_063_600_123), Place::After(number)] {
            assert_eq!(Place::parse(&place.to_string()).unwrap(), place);
        }
        for mark in ["", "LATEST", "AT_TIMESTAMP", "AT_TIMESTAMP x", "AFTER_SEQUENCE_NUMBER ", "after 1"] {
            assert_eq!(Place::parse(mark).unwrap_err().kind, Kind::Corrupt, "{mark:?}");
        }
        assert_eq!(Place::Time(1_500).iterator(), json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1.5 }));
    }
}
