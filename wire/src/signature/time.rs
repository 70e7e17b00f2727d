//! The times that signatures carry: `20150830T123600Z`.

use chrono::{DateTime, NaiveDateTime};

/// Seconds since the Unix epoch of such a time; `None` where it is none.
pub fn seconds_of(date: &str) -> Option<i64> {
    // The parser passes over blanks and signs; what is signed has none.
    let fits = |(i, byte): (usize, u8)| match i {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    if date.len() != 16 || !date.bytes().enumerate().all(fits) {
        return None;
    }
    Some(NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").ok()?.and_utc().timestamp())
}

/// A number of seconds since the Unix epoch as such a time.
pub fn stamp(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().format("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_exactly_sixteen_characters() {
        for (given, expected) in [
            ("20150830T123600Z", Some(1_440_938_160)),
            ("20150830T1236Z", None),
            ("2015-08-30T12:36:00Z", None),
            ("20150830T123600+", None),
            ("20151330T123600Z", None),
            ("+2015830T123600Z", None),
            (" 2015083T123600Z", None),
            ("20150830T12360 Z", None),
            ("201508\u{2003}3T1236Z", None),
            ("2015\u{2003}8\u{2003}3T1Z", None),
            ("", None),
        ] {
            assert_eq!(seconds_of(given), expected, "{given}");
        }
        assert_eq!(stamp(1_440_938_160), "20150830T123600Z");
    }
}
