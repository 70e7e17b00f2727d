//! Dates, times and timestamps from text, strictly as Flink's JSON format reads them.

/// How timestamps are written: `json.timestamp-format.standard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampFormat {
    /// `2016-01-01 00:00:00.123`, a point in time with `Z` at its end.
    #[default]
    Sql,
    /// `2016-01-01T00:00:00.123`, a point in time with `Z` at its end.
    Iso8601,
}

/// A reading of a clock: days since 1970-01-01, and the time within the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) days: i64,
    pub(super) seconds: u32,
    pub(super) nanos: u32,
}

impl Moment {
    /// Milliseconds since 1970-01-01T00:00.
    pub(super) fn millis(self) -> i64 {
        (self.days * 86_400 + i64::from(self.seconds)) * 1_000 + i64::from(self.nanos / 1_000_000)
    }

    /// Microseconds since 1970-01-01T00:00; `None` past the range.
    pub(super) fn micros(self) -> Option<i64> {
        let seconds = self.days * 86_400 + i64::from(self.seconds);
        seconds.checked_mul(1_000_000)?.checked_add(i64::from(self.nanos / 1_000))
    }

    /// Nanoseconds since 1970-01-01T00:00; `None` past the range.
    pub(super) fn nanos(self) -> Option<i64> {
        let seconds = self.days * 86_400 + i64::from(self.seconds);
        seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(self.nanos))
    }
}

/// Reads dates; remembers the last one, which nearly always is the next one too.
#[derive(Default)]
pub(super) struct MomentReader {
    last: [u8; 10],
    last_days: i64,
}

impl MomentReader {
    /// `yyyy-MM-dd`, all of `text`.
    pub(super) fn date(&mut self, text: &[u8]) -> Option<i64> {
        let (days, rest) = self.date_prefix(text)?;
        rest.is_empty().then_some(days)
    }

    /// A timestamp; with `zoned` it ends with `Z`, which is then required.
    pub(super) fn timestamp(&mut self, text: &[u8], format: TimestampFormat, zoned: bool) -> Option<Moment> {
        let (days, rest) = self.date_prefix(text)?;
        let separator = if format == TimestampFormat::Iso8601 { b'T' } else { b' ' };
        let (&first, mut rest) = rest.split_first()?;
        if first != separator {
            return None;
        }
        if zoned {
            rest = rest.strip_suffix(b"Z")?;
        }
        let (seconds, nanos) = time(rest, format == TimestampFormat::Iso8601)?;
        Some(Moment { days, seconds, nanos })
    }

    #[inline]
    fn date_prefix<'a>(&mut self, text: &'a [u8]) -> Option<(i64, &'a [u8])> {
        if let Some((head, rest)) = text.split_first_chunk::<10>() {
            if *head == self.last {
                return Some((self.last_days, rest));
            }
            if head[0].is_ascii_digit() {
                let days = civil(number(&head[..4])?, &head[4..])?;
                (self.last, self.last_days) = (*head, days);
                return Some((days, rest));
            }
        }
        signed_date(text)
    }
}

/// A year outside 0..=9999, with the sign that it then must have.
fn signed_date(text: &[u8]) -> Option<(i64, &[u8])> {
    let (sign, digits) = match text.split_first()? {
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let length = digits.iter().position(|c| *c == b'-')?;
    if !(4..=6).contains(&length) || digits.len() < length + 6 {
        return None;
    }
    let year = i64::from(number(&digits[..length])?) * sign;
    Some((civil(u32::try_from(year).ok()?, &digits[length..length + 6])?, &digits[length + 6..]))
}

/// Days since 1970-01-01 of a year and `-MM-dd`; `None` for a day that does not exist.
fn civil(year: u32, rest: &[u8]) -> Option<i64> {
    if rest.first() != Some(&b'-') || rest.get(3) != Some(&b'-') {
        return None;
    }
    let (month, day) = (number(rest.get(1..3)?)?, number(rest.get(4..6)?)?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let y = i64::from(year) - i64::from(month <= 2);
    let day_of_year = (153 * (i64::from(month) + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    Some(y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + day_of_year - 719_468)
}

/// `HH:mm:ss` with up to nine digits after a point; with `seconds_optional` `HH:mm` too. Gives the second of the day
/// and the nanoseconds within it.
pub(super) fn time(text: &[u8], seconds_optional: bool) -> Option<(u32, u32)> {
    let (hour, minute) = (number(text.get(..2)?)?, number(text.get(3..5)?)?);
    if text.get(2) != Some(&b':') || hour > 23 || minute > 59 {
        return None;
    }
    if text.len() == 5 {
        return seconds_optional.then_some((hour * 3_600 + minute * 60, 0));
    }
    let second = number(text.get(6..8)?)?;
    if text.get(5) != Some(&b':') || second > 59 {
        return None;
    }
    let nanos = match text.get(8..) {
        None | Some([]) => 0,
        Some([b'.', digits @ ..]) if (1..=9).contains(&digits.len()) => {
            number(digits)? * 10_u32.pow(9 - digits.len() as u32)
        }
        Some(_) => return None,
    };
    Some((hour * 3_600 + minute * 60 + second, nanos))
}

/// At most nine decimal digits.
#[inline]
fn number(digits: &[u8]) -> Option<u32> {
    let mut n = 0_u32;
    for d in digits {
        if !d.is_ascii_digit() {
            return None;
        }
        n = n * 10 + u32::from(d - b'0');
    }
    Some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str, format: TimestampFormat, zoned: bool) -> Option<i64> {
        MomentReader::default().timestamp(text.as_bytes(), format, zoned).map(Moment::millis)
    }

    #[test]
    fn timestamps_are_read_strictly() {
        use TimestampFormat::{Iso8601, Sql};
        for (text, format, zoned, expected) in [
            ("2016-01-01T00:01:48.000Z", Iso8601, true, Some(1_451_606_508_000)),
            ("2016-01-01T00:01:48", Iso8601, false, Some(1_451_606_508_000)),
            ("2016-01-01T00:01", Iso8601, false, Some(1_451_606_460_000)),
            ("2016-01-01 00:01", Sql, false, None),
            ("2016-01-01 00:01:48.5", Sql, false, Some(1_451_606_508_500)),
            ("2016-01-01 00:01:48.5Z", Sql, true, Some(1_451_606_508_500)),
            ("2016-01-01 00:01:48", Sql, true, None),
            ("2016-01-01T00:01:48Z", Sql, true, None),
            ("2016-01-01T00:01:48Z", Iso8601, false, None),
            ("2016-02-30T00:00:00", Iso8601, false, None),
            ("2016-02-29T23:59:59.999999999", Iso8601, false, Some(1_456_790_399_999)),
            ("1900-02-29T00:00:00", Iso8601, false, None),
            ("1969-12-31T23:59:59.999", Iso8601, false, Some(-1)),
            ("2016-01-01T24:00:00", Iso8601, false, None),
            ("2016-01-01T00:00:00.", Iso8601, false, None),
            ("2016-1-1T00:00:00", Iso8601, false, None),
            ("", Iso8601, false, None),
        ] {
            assert_eq!(ms(text, format, zoned), expected, "{text}");
        }
    }

    #[test]
    fn days_agree_with_a_calendar() {
        let mut reader = MomentReader::default();
        let mut day = chrono::NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
        let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        while day < chrono::NaiveDate::from_ymd_opt(9990, 1, 1).unwrap() {
            assert_eq!(reader.date(day.to_string().as_bytes()), Some((day - epoch).num_days()), "{day}");
            day += chrono::TimeDelta::days(97);
        }
    }
}
