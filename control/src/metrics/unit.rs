//! What the numbers of a series count, and which units can be told in one another.

use serde::{Deserialize, Serialize};

/// A unit, under the name that the metric service that people know has for it. Of units of one kind 0 is the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Unit {
    /// Nobody has said.
    #[default]
    None,
    /// Things.
    Count,
    /// Hundredths.
    Percent,
    /// Time, in so many microseconds each.
    Time(u8),
    /// Bytes, by a power of 1,024.
    Bytes(u8),
    /// Bits, by a power of 1,024.
    Bits(u8),
    /// Bytes a second.
    BytesPerSecond(u8),
    /// Bits a second.
    BitsPerSecond(u8),
    /// Things a second.
    CountPerSecond,
}

/// Every name and its unit.
const NAMES: [(&str, Unit); 27] = [
    ("Seconds", Unit::Time(2)),
    ("Microseconds", Unit::Time(0)),
    ("Milliseconds", Unit::Time(1)),
    ("Bytes", Unit::Bytes(0)),
    ("Kilobytes", Unit::Bytes(1)),
    ("Megabytes", Unit::Bytes(2)),
    ("Gigabytes", Unit::Bytes(3)),
    ("Terabytes", Unit::Bytes(4)),
    ("Bits", Unit::Bits(0)),
    ("Kilobits", Unit::Bits(1)),
    ("Megabits", Unit::Bits(2)),
    ("Gigabits", Unit::Bits(3)),
    ("Terabits", Unit::Bits(4)),
    ("Percent", Unit::Percent),
    ("Count", Unit::Count),
    ("Bytes/Second", Unit::BytesPerSecond(0)),
    ("Kilobytes/Second", Unit::BytesPerSecond(1)),
    ("Megabytes/Second", Unit::BytesPerSecond(2)),
    ("Gigabytes/Second", Unit::BytesPerSecond(3)),
    ("Terabytes/Second", Unit::BytesPerSecond(4)),
    ("Bits/Second", Unit::BitsPerSecond(0)),
    ("Kilobits/Second", Unit::BitsPerSecond(1)),
    ("Megabits/Second", Unit::BitsPerSecond(2)),
    ("Gigabits/Second", Unit::BitsPerSecond(3)),
    ("Terabits/Second", Unit::BitsPerSecond(4)),
    ("Count/Second", Unit::CountPerSecond),
    ("None", Unit::None),
];

impl From<Unit> for String {
    fn from(unit: Unit) -> Self {
        unit.name().to_owned()
    }
}

impl TryFrom<String> for Unit {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| format!("{name:?} is no unit"))
    }
}

impl Unit {
    /// Milliseconds.
    pub const MILLISECONDS: Self = Self::Time(1);
    /// Bytes.
    pub const BYTES: Self = Self::Bytes(0);

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, unit)| *unit == self).map_or("None", |(name, _)| name)
    }

    /// The unit of this name; `None` where there is none.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit)
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// By what a number of this unit is multiplied to be one of `other`; `None` where it can be none.
    pub fn factor_to(self, other: Self) -> Option<f64> {
        let (base, from, to) = match (self, other) {
            (Self::Time(from), Self::Time(to)) => (1_000.0, from, to),
            (Self::Bytes(from), Self::Bytes(to))
            | (Self::Bits(from), Self::Bits(to))
            | (Self::BytesPerSecond(from), Self::BytesPerSecond(to))
            | (Self::BitsPerSecond(from), Self::BitsPerSecond(to)) => (1_024.0, from, to),
            (same, other) if same == other => return Some(1.0),
            _ => return None,
        };
        Some(f64::powi(base, i32::from(from) - i32::from(to)))
    }

    /// Whether its numbers are readings of a moment or a rate, of which a sum over time means nothing.
    pub fn is_rate(self) -> bool {
        matches!(self, Self::Percent | Self::BytesPerSecond(_) | Self::BitsPerSecond(_) | Self::CountPerSecond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_of_one_unit() {
        for (name, unit) in NAMES {
            assert_eq!((unit.name(), Unit::named(name)), (name, Some(unit)));
        }
        assert_eq!(Unit::named("Furlongs"), None);
    }

    #[test]
    fn a_number_can_be_told_in_another_unit_of_its_kind() {
        let factor = |from, to| Unit::named(from).unwrap().factor_to(Unit::named(to).unwrap());
        for (from, to, expected) in [
            ("Seconds", "Milliseconds", Some(1_000.0)),
            ("Microseconds", "Seconds", Some(1e-6)),
            ("Megabytes", "Bytes", Some(1_048_576.0)),
            ("Count", "Count", Some(1.0)),
            ("Bytes", "Bits", None),
            ("Bytes", "Bytes/Second", None),
            ("Count", "None", None),
        ] {
            let got = factor(from, to);
            assert!(got.is_some() == expected.is_some(), "{from} {to}");
            assert!((got.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-12, "{from} {to}: {got:?}");
        }
    }
}
