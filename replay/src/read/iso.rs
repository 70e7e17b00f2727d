//! Event times as they stand in rows: ISO-8601 text or milliseconds since 1970.

use model::EventTime;

const MS_PER_DAY: i64 = 86_400_000;

/// Reads a raw JSON value (text with its quotes, or a whole number of milliseconds) as milliseconds since 1970.
pub(super) fn event_time(value: &[u8]) -> Option<i64> {
    match value {
        [b'"', text @ .., b'"'] => iso(text),
        digits => std::str::from_utf8(digits).ok()?.parse().ok(),
    }
}

/// The event time that an ISO-8601 text such as `2016-01-06T07:00:00Z` names; `None` when it names none.
pub fn parse_time(text: &str) -> Option<EventTime> {
    iso(text.as_bytes()).map(EventTime)
}

/// `YYYY-MM-DDTHH:MM:SS`, up to nine digits of fraction (cut to milliseconds), and `Z`, `+HH:MM` or `-HH:MM`.
fn iso(text: &[u8]) -> Option<i64> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let [y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T' | b' ', h1, h2, b':', mi1, mi2, b':', s1, s2] = *date_time
    else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4])?;
    let (month, day) = (number(&[mo1, mo2])?, number(&[d1, d2])?);
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[mi1, mi2])?, number(&[s1, s2])?);
    if hour > 23 || minute > 59 || second > 59 || !(1..=12).contains(&month) || day < 1 || day > month_days(year, month)
    {
        return None;
    }
    let (fraction_ms, zone) = fraction(rest)?;
    let offset_minutes = offset(zone)?;
    let of_day_ms = ((hour * 60 + minute - offset_minutes) * 60 + second) * 1_000 + fraction_ms;
    Some(days_from_1970(year, month, day) * MS_PER_DAY + of_day_ms)
}

/// The milliseconds of `.fff…`, and what follows it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', digits @ ..] = rest else { return Some((0, rest)) };
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, zone) = digits.split_at(length);
    if !(1..=9).contains(&length) {
        return None;
    }
    let weights = [100, 10, 1];
    let ms = digits.iter().zip(weights).map(|(digit, weight)| i64::from(digit - b'0') * weight).sum();
    Some((ms, zone))
}

/// Minutes east of Greenwich.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = number(&[h1, h2]).filter(|h| *h < 24)? * 60 + number(&[m1, m2]).filter(|m| *m < 60)?;
            Some(if sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

fn month_days(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1 January 1970 in the Gregorian calendar. The year is counted from March, so that the leap day is its last.
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    let from_march = (month + 9) % 12;
    let year = year - i64::from(month < 3);
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 1 March of the year 0 and 1 January 1970.
    year * 365 + leap_days + (from_march * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let check = |text: &str, ms: i64| assert_eq!(event_time(text.as_bytes()), Some(ms), "{text}");
        check(r#""1970-01-01T00:00:00Z""#, 0);
        check(r#""1969-12-31T23:59:59.999Z""#, -1);
        check(r#""2016-01-06T00:00:00.000Z""#, 1_452_038_400_000);
        check(r#""2016-02-29T12:34:56.789Z""#, 1_456_749_296_789);
        check(r#""2000-03-01T00:00:00Z""#, 951_868_800_000);
        check(r#""2016-01-06T00:00:00.5Z""#, 1_452_038_400_500);
        check(r#""2016-01-06T00:00:00.123456789Z""#, 1_452_038_400_123);
        check(r#""2016-01-06 00:00:00+05:30""#, 1_452_018_600_000);
        check(r#""2016-01-06T00:00:00-05:00""#, 1_452_056_400_000);
        check("1452038400000", 1_452_038_400_000);
        check("-5", -5);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "null",
            "true",
            "1.5",
            "1e3",
            r#""""#,
            r#""2016""#,
            r#""2016-01-06""#,
            r#""2016-01-06T00:00:00""#,
            r#""2016-13-06T00:00:00Z""#,
            r#""2016-00-06T00:00:00Z""#,
            r#""2015-02-29T00:00:00Z""#,
            r#""2016-01-32T00:00:00Z""#,
            r#""2016-01-06T24:00:00Z""#,
            r#""2016-01-06T00:60:00Z""#,
            r#""2016-01-06T00:00:60Z""#,
            r#""2016-01-06T00:00:00.Z""#,
            r#""2016-01-06T00:00:00+5:00""#,
            r#""2016-01-06T00:00:00+25:00""#,
            r#""2016-01-06T00:00:00ZZ""#,
            r#""2016-0a-06T00:00:00Z""#,
            r#""2016-01-06T00:00:00.0123456789Z""#,
            "99999999999999999999",
        ] {
            assert_eq!(event_time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn days_follow_each_other_through_the_centuries() {
        let mut expected = days_from_1970(1890, 1, 1);
        for year in 1890..2110 {
            for month in 1..=12 {
                for day in 1..=month_days(year, month) {
                    assert_eq!(days_from_1970(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
    }
}
