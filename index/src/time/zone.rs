//! Time zones: a fixed offset, or a named one with its history of changes.

use super::calendar::{DAY_MS, HOUR_MS, MINUTE_MS};
use chrono::{DateTime, Offset, TimeZone, Utc};
use std::str::FromStr;

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Always this many milliseconds ahead of UTC (negative: behind).
    Fixed(i64),
    /// A zone of the IANA database.
    Named(chrono_tz::Tz),
}

/// A text that names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{0}] is no time zone: give an offset such as -05:00 or a name such as America/New_York")]
pub struct ZoneError(pub String);

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        if matches!(text, "Z" | "UTC" | "GMT" | "UT") {
            return Ok(Self::UTC);
        }
        if text.starts_with(['+', '-']) {
            return parse_offset(text).map(Self::Fixed).ok_or_else(|| ZoneError(text.to_owned()));
        }
        chrono_tz::Tz::from_str(text).map(Self::Named).map_err(|_| ZoneError(text.to_owned()))
    }
}

/// Milliseconds of `±hh`, `±hhmm`, `±hh:mm` or `±hh:mm:ss`; at most 18 hours.
pub(crate) fn parse_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits: String = match rest.len() {
        1 => format!("0{rest}"),
        2 | 4 => rest.to_owned(),
        5 if rest.as_bytes()[2] == b':' => rest.replace(':', ""),
        8 if rest.as_bytes()[2] == b':' && rest.as_bytes()[5] == b':' => rest.replace(':', ""),
        _ => return None,
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |d| d.parse::<i64>().ok());
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    let ms = hours * HOUR_MS + minutes * MINUTE_MS + seconds * 1_000;
    (minutes < 60 && seconds < 60 && ms <= 18 * HOUR_MS).then_some(sign * ms)
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self::Fixed(0);

    /// How far local time is ahead of UTC at this instant, in milliseconds.
    pub fn offset_ms(self, utc_ms: i64) -> i64 {
        match self {
            Self::Fixed(ms) => ms,
            Self::Named(zone) => DateTime::<Utc>::from_timestamp_millis(utc_ms).map_or(0, |t| {
                i64::from(zone.offset_from_utc_datetime(&t.naive_utc()).fix().local_minus_utc()) * 1_000
            }),
        }
    }

    /// Local time, as milliseconds since 1970 in that local time.
    pub(crate) fn to_local(self, utc_ms: i64) -> i64 {
        utc_ms.saturating_add(self.offset_ms(utc_ms))
    }

    /// The instants (UTC) at which clocks show this local time: none in a gap, two in an overlap, else one; rising.
    pub(crate) fn instants(self, local_ms: i64) -> Vec<i64> {
        if let Self::Fixed(offset) = self {
            return vec![local_ms.saturating_sub(offset)];
        }
        // Offsets in force a day before and a day after are the only candidates: zones do not change twice in two days.
        let mut found: Vec<i64> = [local_ms.saturating_sub(DAY_MS), local_ms.saturating_add(DAY_MS)]
            .iter()
            .map(|near| local_ms.saturating_sub(self.offset_ms(*near)))
            .filter(|utc| self.to_local(*utc) == local_ms)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The first instant (UTC) at which clocks show this local time or, where that is skipped, the end of the gap.
    pub(crate) fn first_instant(self, local_ms: i64) -> i64 {
        self.instants(local_ms).first().copied().unwrap_or_else(|| self.end_of_gap(local_ms))
    }

    /// The instant of the change that skips this local time.
    fn end_of_gap(self, local_ms: i64) -> i64 {
        let (mut before, mut after) = (local_ms.saturating_sub(2 * DAY_MS), local_ms.saturating_add(2 * DAY_MS));
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.to_local(middle) < local_ms { before = middle } else { after = middle }
        }
        after
    }

    /// `Z` or `±hh:mm` as it is in force at this instant.
    pub(crate) fn suffix(self, utc_ms: i64) -> String {
        let minutes = self.offset_ms(utc_ms) / MINUTE_MS;
        if minutes == 0 {
            return "Z".to_owned();
        }
        format!("{}{:02}:{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_names() {
        for (text, ms) in
            [("Z", 0), ("+01:00", HOUR_MS), ("-05:00", -5 * HOUR_MS), ("+0530", 330 * MINUTE_MS), ("-3", -3 * HOUR_MS)]
        {
            assert_eq!(text.parse::<Zone>(), Ok(Zone::Fixed(ms)), "{text}");
        }
        for text in ["+25:00", "+01:60", "nowhere", "+1:1", "", "+é"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
        let zone: Zone = "America/New_York".parse().unwrap();
        assert_eq!(zone.offset_ms(1_452_056_400_000), -5 * HOUR_MS);
        assert_eq!(zone.suffix(1_467_331_200_000), "-04:00");
    }

    #[test]
    fn gaps_have_no_instant_and_overlaps_two() {
        let zone: Zone = "America/New_York".parse().unwrap();
        let local =
            |text: &str| super::super::DateFormat::default().parse(text, super::super::Edge::Start, Zone::UTC).unwrap();
        assert_eq!(zone.instants(local("2016-03-13T02:30:00")), Vec::<i64>::new());
        assert_eq!(zone.first_instant(local("2016-03-13T02:30:00")), local("2016-03-13T07:00:00"));
        let twice = zone.instants(local("2016-11-06T01:00:00"));
        assert_eq!(twice, [local("2016-11-06T05:00:00"), local("2016-11-06T06:00:00")]);
    }
}
