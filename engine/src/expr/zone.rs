//! Time zones: the wall clock of a point in time, and back, as Java's `ZoneId` counts them.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use std::fmt;

/// A time zone: a fixed offset from UTC or a named region with its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// Seconds east of UTC.
    Fixed(i32),
    Region(Tz),
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(Kind::Fixed(0));

    /// Reads a zone's name: a region (`America/New_York`), `UTC`, `GMT`, `Z`, or an offset (`+08:00`, `GMT-05:00`,
    /// `UTC+3`). `None` when it is none of these. Upper and lower case matter, as in Flink.
    pub fn parse(name: &str) -> Option<Self> {
        if matches!(name, "UTC" | "GMT" | "UT" | "Z") {
            return Some(Self::UTC);
        }
        let offset = name.strip_prefix("UTC").or_else(|| name.strip_prefix("GMT")).unwrap_or(name);
        if let Some(seconds) = parse_offset(offset) {
            return Some(Self(Kind::Fixed(seconds)));
        }
        name.parse::<Tz>().ok().map(|tz| Self(Kind::Region(tz)))
    }

    /// Whether wall clock and UTC are always the same.
    pub fn is_utc(self) -> bool {
        self == Self::UTC
    }

    /// What the zone's wall clock reads at `epoch_ms` (milliseconds since the epoch), as milliseconds since
    /// 1970-01-01 00:00 on that clock.
    pub fn wall_ms(self, epoch_ms: i64) -> i64 {
        epoch_ms.saturating_add(self.offset_at(epoch_ms) * 1_000)
    }

    /// The point in time, in milliseconds since the epoch, at which the zone's wall clock reads `wall_ms`. A reading
    /// that occurs twice means the first time; one that is skipped means as much after the skip began.
    pub fn epoch_ms(self, wall_ms: i64) -> i64 {
        let offset = match self.0 {
            Kind::Fixed(seconds) => i64::from(seconds),
            Kind::Region(tz) => {
                let local = naive(wall_ms);
                let found =
                    local.map(|l| tz.offset_from_local_datetime(&l).map(|o| i64::from(o.fix().local_minus_utc())));
                // In a gap the offset in force before it counts; no zone changes twice within a day.
                found.and_then(|f| f.earliest()).unwrap_or_else(|| self.offset_at(wall_ms.saturating_sub(86_400_000)))
            }
        };
        wall_ms.saturating_sub(offset * 1_000)
    }

    /// Seconds east of UTC at a point in time; 0 outside the years that the calendar knows.
    fn offset_at(self, epoch_ms: i64) -> i64 {
        match self.0 {
            Kind::Fixed(seconds) => i64::from(seconds),
            Kind::Region(tz) => {
                naive(epoch_ms).map_or(0, |t| i64::from(tz.offset_from_utc_datetime(&t).fix().local_minus_utc()))
            }
        }
    }
}

/// The calendar's view of milliseconds since 1970; `None` outside the years that a zone's rules can be asked about.
fn naive(ms: i64) -> Option<NaiveDateTime> {
    let at = DateTime::from_timestamp_millis(ms)?.naive_utc();
    // Near the ends of the calendar adding an offset would leave it.
    at.checked_add_signed(TimeDelta::days(2))?;
    at.checked_sub_signed(TimeDelta::days(2))?;
    Some(at)
}

/// `+h`, `+hh`, `+hh:mm` or `+hh:mm:ss` in seconds; at most 18 hours either way.
fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let mut seconds = 0;
    let mut scale = 3_600;
    for part in digits.split(':') {
        if scale == 0 || part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        seconds += part.parse::<i32>().ok()? * scale;
        scale /= 60;
    }
    (seconds <= 18 * 3_600).then_some(sign * seconds)
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Fixed(0) => f.write_str("UTC"),
            Kind::Fixed(s) => {
                write!(f, "{}{:02}:{:02}", if s < 0 { '-' } else { '+' }, s.abs() / 3_600, s.abs() / 60 % 60)
            }
            Kind::Region(tz) => f.write_str(tz.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn names_are_read_as_java_reads_them() {
        for (name, shown) in [
            ("UTC", "UTC"),
            ("GMT", "UTC"),
            ("+08:00", "+08:00"),
            ("GMT-05:30", "-05:30"),
            ("UTC+3", "+03:00"),
            ("Asia/Shanghai", "Asia/Shanghai"),
        ] {
            assert_eq!(Zone::parse(name).map(|z| z.to_string()).as_deref(), Some(shown), "{name}");
        }
        for name in ["", "Mars/Phobos", "+19:00", "+1:2:3:4", "utc", "+a"] {
            assert_eq!(Zone::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_skipped_reading_moves_on_and_a_doubled_one_is_the_first() {
        let new_york = Zone::parse("America/New_York").unwrap();
        // 2016-03-13 02:30 does not exist: clocks went from 02:00 EST to 03:00 EDT at 07:00 UTC.
        let gap = 1_457_836_200_000; // 2016-03-13T02:30 read as UTC
        assert_eq!(new_york.epoch_ms(gap), gap + 5 * HOUR);
        assert_eq!(new_york.wall_ms(gap + 5 * HOUR), gap + HOUR);
        // 2016-11-06 01:30 occurs twice; the first is EDT.
        let twice = 1_478_395_800_000; // 2016-11-06T01:30 read as UTC
        assert_eq!(new_york.epoch_ms(twice), twice + 4 * HOUR);
    }

    #[test]
    fn far_ends_do_not_overflow() {
        let zone = Zone::parse("Asia/Kolkata").unwrap();
        for ms in [i64::MIN, i64::MAX, 0] {
            let _ = (zone.wall_ms(ms), zone.epoch_ms(ms));
        }
    }
}
