//! Times in the protocol: seconds with a fraction in JSON, and a worded form in messages.

/// Milliseconds since the Unix epoch as seconds with a fraction.
pub(super) fn to_seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// Seconds with a fraction as milliseconds since the Unix epoch; `None` for what is no time after 1970.
pub(super) fn from_seconds(seconds: f64) -> Option<u64> {
    let ms = (seconds * 1_000.0).round();
    (ms.is_finite() && ms >= 0.0 && ms < u64::MAX as f64).then_some(ms as u64)
}

/// A time as messages tell it: `Tue Nov 14 22:13:20 UTC 2023`.
pub(super) fn worded(ms: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = ms / 1_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let (weekday, month) = (DAYS[(days % 7) as usize], MONTHS[month]);
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

/// Year, month from 0 and day from 1 of a day since 1970-01-01.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    // Whole cycles of 400 years are alike and 146,097 days long.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_worded() {
        assert_eq!(worded(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(worded(951_782_400_000), "Tue Feb 29 00:00:00 UTC 2000");
        assert_eq!(worded(1_700_000_000_999), "Tue Nov 14 22:13:20 UTC 2023");
        assert_eq!(worded(4_102_444_799_000), "Thu Dec 31 23:59:59 UTC 2099");
        let _ = worded(u64::MAX);
    }

    #[test]
    fn seconds_read_back() {
        for ms in [0, 1, 999, 1_700_000_000_123] {
            assert_eq!(from_seconds(to_seconds(ms)), Some(ms));
        }
        assert_eq!(from_seconds(-1.0), None);
        assert_eq!(from_seconds(f64::NAN), None);
        assert_eq!(from_seconds(f64::INFINITY), None);
    }
}
