//! Dates, times and timestamps as text.

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};

/// How the time of day of a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeStyle {
    /// Flink's JSON: seconds always, the fraction without zeros at its end.
    Json,
    /// Java's `LocalDateTime.toString`: seconds only if not zero, the fraction in 3, 6 or 9 digits.
    Java,
    /// Java's `Instant.toString`, without its `Z`: seconds always, the fraction in 3, 6 or 9 digits.
    Instant,
}

/// Appends `date<separator>time` of a reading given in nanoseconds and seconds since 1970.
pub(crate) fn write_timestamp(seconds: i64, nanos: u32, separator: u8, style: TimeStyle, out: &mut Vec<u8>) {
    match DateTime::from_timestamp(seconds, nanos) {
        Some(at) => {
            let at: NaiveDateTime = at.naive_utc();
            write_civil(at.year(), at.month(), at.day(), out);
            out.push(separator);
            write_time(at.num_seconds_from_midnight(), nanos, style, out);
        }
        // Past the calendar: the number itself is better than a made-up date.
        None => super::number::write_i64(seconds, out),
    }
}

/// Appends a date given in days since 1970-01-01.
pub(crate) fn write_date(days: i32, out: &mut Vec<u8>) {
    match DateTime::from_timestamp(i64::from(days) * 86_400, 0) {
        Some(at) => write_civil(at.year(), at.month(), at.day(), out),
        None => super::number::write_i64(i64::from(days), out),
    }
}

fn write_civil(year: i32, month: u32, day: u32, out: &mut Vec<u8>) {
    if year < 0 {
        out.push(b'-');
    } else if year > 9_999 {
        out.push(b'+');
    }
    let year = year.unsigned_abs();
    if year > 9_999 {
        super::number::write_i64(i64::from(year), out);
    } else {
        two(year / 100, out);
        two(year % 100, out);
    }
    out.push(b'-');
    two(month, out);
    out.push(b'-');
    two(day, out);
}

/// Appends a time of day.
pub(crate) fn write_time(second_of_day: u32, nanos: u32, style: TimeStyle, out: &mut Vec<u8>) {
    two(second_of_day / 3_600, out);
    out.push(b':');
    two(second_of_day / 60 % 60, out);
    if style == TimeStyle::Java && second_of_day.is_multiple_of(60) && nanos == 0 {
        return;
    }
    out.push(b':');
    two(second_of_day % 60, out);
    if nanos > 0 {
        out.push(b'.');
        let digits = format!("{nanos:09}");
        let needed = digits.trim_end_matches('0').len();
        let length = if style == TimeStyle::Json { needed } else { needed.div_ceil(3) * 3 };
        out.extend_from_slice(&digits.as_bytes()[..length]);
    }
}

fn two(number: u32, out: &mut Vec<u8>) {
    out.push(b'0' + (number / 10 % 10) as u8);
    out.push(b'0' + (number % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles() {
        for (seconds, nanos, json, java) in [
            (1_451_606_400, 0, "2016-01-01T00:00:00", "2016-01-01T00:00"),
            (1_451_606_401, 500_000_000, "2016-01-01T00:00:01.5", "2016-01-01T00:00:01.500"),
            (-1, 1_000, "1969-12-31T23:59:59.000001", "1969-12-31T23:59:59.000001"),
            (253_402_300_800, 0, "+10000-01-01T00:00:00", "+10000-01-01T00:00"),
        ] {
            for (style, text) in [(TimeStyle::Json, json), (TimeStyle::Java, java)] {
                let mut out = Vec::new();
                write_timestamp(seconds, nanos, b'T', style, &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), text);
            }
        }
    }
}
