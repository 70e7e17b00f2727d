//! The proleptic Gregorian calendar: dates and times as numbers and as text, in the forms that SQL casts use.

/// Milliseconds in a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// A point on a wall clock: milliseconds since 1970-01-01 00:00 and the nanoseconds below the millisecond (0..1e6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) ms: i64,
    pub(super) nanos: u32,
}

impl Moment {
    /// A moment at a whole millisecond.
    pub(super) fn of_ms(ms: i64) -> Self {
        Self { ms, nanos: 0 }
    }

    /// Reads a timestamp of `precision` from the integer that carries it.
    pub(super) fn from_carrier(value: i64, precision: u8) -> Self {
        match precision {
            0..=3 => Self::of_ms(value),
            4..=6 => Self { ms: value.div_euclid(1_000), nanos: value.rem_euclid(1_000) as u32 * 1_000 },
            _ => Self { ms: value.div_euclid(1_000_000), nanos: value.rem_euclid(1_000_000) as u32 },
        }
    }

    /// The integer that carries this moment as a timestamp of `precision`; `None` when it does not fit. What it cannot
    /// hold is cut as Flink cuts it: milliseconds toward 1970, what is below them downwards.
    pub(super) fn to_carrier(self, precision: u8) -> Option<i64> {
        match precision {
            0..=3 => {
                let unit = 10_i64.pow(3 - u32::from(precision));
                Some(self.ms / unit * unit)
            }
            4..=6 => {
                let nanos = self.floored(precision).nanos;
                self.ms.checked_mul(1_000)?.checked_add(i64::from(nanos / 1_000))
            }
            _ => self.ms.checked_mul(1_000_000)?.checked_add(i64::from(self.floored(precision).nanos)),
        }
    }

    /// This moment without what a precision cannot hold, cut downwards.
    pub(super) fn floored(self, precision: u8) -> Self {
        if precision > 3 {
            let unit = 10_u32.pow(9 - u32::from(precision.min(9)));
            return Self { nanos: self.nanos / unit * unit, ..self };
        }
        let unit = 10_i64.pow(3 - u32::from(precision));
        Self::of_ms(self.ms.div_euclid(unit) * unit)
    }

    /// The day that the moment falls on, counted from 1970-01-01.
    pub(super) fn day(self) -> i64 {
        self.ms.div_euclid(DAY_MS)
    }

    /// Milliseconds since midnight.
    pub(super) fn ms_of_day(self) -> i64 {
        self.ms.rem_euclid(DAY_MS)
    }
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// 1..=12
    pub(super) month: u32,
    /// 1..=31
    pub(super) day: u32,
}

impl Civil {
    /// The day `days` after 1970-01-01.
    pub(super) fn from_days(days: i64) -> Self {
        // Years are counted from March, so that the leap day is a year's last; 146,097 days make 400 years.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = (of_year - (153 * from_march + 2) / 5 + 1) as u32;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 } as u32;
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// Days since 1970-01-01.
    pub(super) fn to_days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let from_march = i64::from((self.month + 9) % 12);
        let of_year = (153 * from_march + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
    }

    /// The day, when there is such a day.
    pub(super) fn checked(year: i64, month: u32, day: u32) -> Option<Self> {
        let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        valid.then_some(Self { year, month, day })
    }

    /// The day `months` later; a day that the month lacks becomes its last.
    pub(super) fn plus_months(self, months: i64) -> Self {
        let total = self.year * 12 + i64::from(self.month) - 1 + months;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
        Self { year, month, day: self.day.min(days_in_month(year, month)) }
    }

    /// 1 for the first of January.
    pub(super) fn day_of_year(self) -> i64 {
        self.to_days() - Self { year: self.year, month: 1, day: 1 }.to_days() + 1
    }
}

/// Whole months from `from` to `to` as Flink counts them: by days first, where the last day of a shorter month completes
/// it; then, where both fall on the same day of their months, an earlier time of day takes one away, also backwards.
pub(super) fn months_between(from: Moment, to: Moment) -> i64 {
    let (a, b) = (from.day(), to.day());
    let months = if b < a { -months_forward(b, a) } else { months_forward(a, b) };
    let same_day = Civil::from_days(a).plus_months(months).to_days() == b;
    months - i64::from(same_day && to.ms_of_day() < from.ms_of_day())
}

/// The most months that can be added to day `a` without passing day `b`, which is not before it.
fn months_forward(a: i64, b: i64) -> i64 {
    let (from, to) = (Civil::from_days(a), Civil::from_days(b));
    let months = (to.year - from.year) * 12 + i64::from(to.month) - i64::from(from.month);
    months - i64::from(from.plus_months(months).to_days() > b)
}

/// 0 for Sunday.
pub(super) fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// The ISO-8601 week of a day: the year it belongs to, and its number.
pub(super) fn iso_week(days: i64) -> (i64, i64) {
    // A week belongs to the year that its Thursday is in.
    let thursday = days - (day_of_week(days) + 6) % 7 + 3;
    let civil = Civil::from_days(thursday);
    (civil.year, (civil.day_of_year() - 1) / 7 + 1)
}

/// Days of a month.
pub(super) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Reads `yyyy-M-d`, or a year, or a year and a month; what follows a blank is ignored, as Flink's cast does.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let text = text.split_once(' ').map_or(text, |(date, _)| date);
    let mut parts = text.splitn(3, '-').map(|p| digits(p.trim(), 9));
    let year = parts.next()??;
    let month = parts.next().unwrap_or(Some(1))?;
    let day = parts.next().unwrap_or(Some(1))?;
    // The year has at most four digits in every form that SQL writes.
    if year > 9_999 {
        return None;
    }
    Civil::checked(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?).map(Civil::to_days)
}

/// Reads `H[:m[:s[.fraction]]]` as milliseconds since midnight; digits after the third of the fraction are cut.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').map_or((text, ""), |(w, f)| (w, f));
    let mut parts = whole.splitn(3, ':').map(|p| digits(p.trim(), 2));
    let hour = parts.next()??;
    let minute = parts.next().unwrap_or(Some(0))?;
    let second = parts.next().unwrap_or(Some(0))?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let ms = if fraction.is_empty() { 0 } else { fraction_nanos(fraction)? / 1_000_000 };
    Some(((hour * 60 + minute) * 60 + second) * 1_000 + i64::from(ms))
}

/// Reads `yyyy-M-d[ H:m:s[.fraction]]`: four digits of the year, one or two of all others, up to nine of the fraction.
/// A day up to 31 that its month lacks is the month's last; 24:00:00 is the next midnight.
pub(super) fn parse_timestamp(text: &str) -> Option<Moment> {
    let (date, time) = text.split_once(' ').map_or((text, None), |(d, t)| (d, Some(t)));
    let mut parts = date.splitn(3, '-');
    let year = parts.next().filter(|y| y.len() == 4)?;
    let (year, month, day) = (digits(year, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let days = smart_date(year, month as u32, day as u32)?;
    let Some(time) = time else { return Some(Moment::of_ms(days * DAY_MS)) };
    let (whole, fraction) = time.split_once('.').map_or((time, None), |(w, f)| (w, Some(f)));
    let mut parts = whole.splitn(3, ':').map(|p| digits(p, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let midnight = (hour, minute, second) == (24, 0, 0) && fraction.is_none_or(|f| f.bytes().all(|b| b == b'0'));
    if (hour > 23 && !midnight) || minute > 59 || second > 59 {
        return None;
    }
    let nanos = fraction.map_or(Some(0), fraction_nanos)?;
    let ms = ((hour * 60 + minute) * 60 + second) * 1_000 + i64::from(nanos / 1_000_000);
    Some(Moment { ms: days * DAY_MS + ms, nanos: nanos % 1_000_000 })
}

/// Days since 1970 of a date whose day, up to 31, may be beyond its month: then it is the month's last.
pub(super) fn smart_date(year: i64, month: u32, day: u32) -> Option<i64> {
    let within = (1..=12).contains(&month) && (1..=31).contains(&day);
    within.then(|| Civil { year, month, day: day.min(days_in_month(year, month)) }.to_days())
}

/// One to `most` digits as a number.
fn digits(text: &str, most: usize) -> Option<i64> {
    let valid = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

/// The digits after the point of a second, up to nine, as nanoseconds.
fn fraction_nanos(text: &str) -> Option<u32> {
    if text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = if text.is_empty() { 0 } else { text.parse::<u32>().ok()? };
    Some(value * 10_u32.pow(9 - text.len() as u32))
}

/// Writes `yyyy-MM-dd`.
pub(super) fn write_date(out: &mut String, days: i64) {
    let Civil { year, month, day } = Civil::from_days(days);
    let sign = if year < 0 { "-" } else { "" };
    // Four digits of the year, as Flink writes it, whatever the year.
    push(out, format_args!("{sign}{:04}-{month:02}-{day:02}", year.abs() % 10_000));
}

/// Writes `HH:mm:ss` and, for a precision above 0, the fraction: at least one digit, at most `precision`, no zeros at
/// its end.
pub(super) fn write_time(out: &mut String, ms: i64, precision: u8) {
    // The end of a day is 24:00:00.
    let ms = if ms < 0 { ms.rem_euclid(DAY_MS) } else { ms };
    push(out, format_args!("{:02}:{:02}:{:02}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60));
    if precision > 0 {
        let mut fraction = format!("{:03}", ms % 1_000);
        fraction.truncate(usize::from(precision.min(3)));
        while fraction.len() > 1 && fraction.ends_with('0') {
            fraction.pop();
        }
        push(out, format_args!(".{fraction}"));
    }
}

/// Writes `yyyy-MM-dd HH:mm:ss` and the fraction with `precision` digits, or more where they are not zero.
pub(super) fn write_timestamp(out: &mut String, moment: Moment, precision: u8) {
    write_date(out, moment.day());
    out.push(' ');
    write_time(out, moment.ms_of_day(), 0);
    let mut fraction = format!("{:03}{:06}", moment.ms.rem_euclid(1_000), moment.nanos);
    while fraction.len() > usize::from(precision) && fraction.ends_with('0') {
        fraction.pop();
    }
    if !fraction.is_empty() {
        push(out, format_args!(".{fraction}"));
    }
}

/// Writes `+y-mm` for months.
pub(super) fn write_months(out: &mut String, months: i64) {
    let sign = if months < 0 { '-' } else { '+' };
    push(out, format_args!("{sign}{}-{:02}", months.abs() / 12, months.abs() % 12));
}

/// Writes `+d HH:mm:ss.fff` for milliseconds.
pub(super) fn write_span(out: &mut String, ms: i64) {
    let sign = if ms < 0 { '-' } else { '+' };
    let ms = ms.unsigned_abs();
    let (h, m, s) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1_000 % 60);
    push(out, format_args!("{sign}{} {h:02}:{m:02}:{s:02}.{:03}", ms / DAY_MS as u64, ms % 1_000));
}

/// Appends formatted text; writing into a string cannot fail.
pub(super) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = std::fmt::Write::write_fmt(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn days_and_dates_are_inverse(days in -1_000_000_i64..3_000_000) {
            let civil = Civil::from_days(days);
            prop_assert_eq!(civil.to_days(), days);
            prop_assert!(Civil::checked(civil.year, civil.month, civil.day).is_some());
            prop_assert!(Civil::from_days(days + 1) > civil);
        }

        #[test]
        fn a_timestamp_written_reads_back(ms in 0_i64..253_402_300_799_999, nanos in 0_u32..1_000_000) {
            let mut text = String::new();
            let moment = Moment { ms, nanos };
            write_timestamp(&mut text, moment, 9);
            prop_assert_eq!(parse_timestamp(&text), Some(moment));
        }
    }

    #[test]
    fn weeks_follow_iso_8601() {
        for (date, week) in [("2016-01-03", (2015, 53)), ("2016-01-04", (2016, 1)), ("2014-12-29", (2015, 1))] {
            assert_eq!(iso_week(parse_date(date).unwrap()), week, "{date}");
        }
    }

    #[test]
    fn months_are_whole() {
        let at = |t| parse_timestamp(t).unwrap();
        for (a, b, months) in [
            ("2016-01-31 00:00:00", "2016-02-29 00:00:00", 1),
            ("2016-01-31 12:00:00", "2016-02-29 11:59:59", 0),
            ("2016-01-06 08:00:00", "2016-01-06 07:00:00", -1),
            ("2016-03-31 00:00:00", "2016-02-29 00:00:00", -1),
            ("2016-02-29 00:00:00", "2015-02-28 00:00:00", -12),
            ("2016-01-15 00:00:00", "2016-02-14 23:00:00", 0),
        ] {
            assert_eq!(months_between(at(a), at(b)), months, "{a} to {b}");
        }
    }

    #[test]
    fn text_that_is_no_timestamp_is_refused() {
        for text in ["", "2016", "2016-13-01", "2016-02-32", "2016-01-01T00:00:00", "2016-01-01 24:00:01", "16-01-01"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(parse_timestamp("2016-02-30"), parse_timestamp("2016-02-29 00:00:00"));
        assert_eq!(parse_timestamp("2016-1-2 3:4:5.6"), Some(Moment::of_ms(1_451_703_845_600)));
    }
}
