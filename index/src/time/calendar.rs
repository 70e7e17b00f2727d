//! The proleptic Gregorian calendar: days and milliseconds to year, month, day and back.

pub(crate) const SECOND_MS: i64 = 1_000;
pub(crate) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// A local date and time, each part in its usual range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1..=12
    pub(crate) month: u32,
    /// 1..=31
    pub(crate) day: u32,
    /// Milliseconds since midnight.
    pub(crate) ms_of_day: i64,
}

/// Days since 1970-01-01. Years are counted from March, so that the leap day comes last.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = (if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 }) as u32;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The number of days of a month.
pub(crate) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

impl Civil {
    /// The local date and time of milliseconds since 1970 in that local time.
    pub(crate) fn from_ms(ms: i64) -> Self {
        let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
        Self { year, month, day, ms_of_day: ms.rem_euclid(DAY_MS) }
    }

    /// Milliseconds since 1970 in that local time.
    pub(crate) fn to_ms(self) -> i64 {
        days_from_civil(self.year, self.month, self.day) * DAY_MS + self.ms_of_day
    }

    /// The same time of day `months` months later; the 31st becomes the last day of a shorter month.
    pub(crate) fn plus_months(self, months: i64) -> Self {
        let total = self.year.saturating_mul(12).saturating_add(i64::from(self.month) - 1).saturating_add(months);
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
        Self { year, month, day: self.day.min(days_in_month(year, month)), ..self }
    }

    /// Midnight at the beginning of this day.
    pub(crate) fn midnight(self) -> Self {
        Self { ms_of_day: 0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        for (ms, year, month, day) in
            [(0, 1970, 1, 1), (-1, 1969, 12, 31), (951_782_400_000, 2000, 2, 29), (1_452_056_400_000, 2016, 1, 6)]
        {
            let c = Civil::from_ms(ms);
            assert_eq!((c.year, c.month, c.day), (year, month, day));
        }
        assert_eq!(Civil::from_ms(1_454_198_400_000).plus_months(1).day, 29, "31 January + 1 month in a leap year");
    }

    proptest! {
        #[test]
        fn there_and_back(ms in -100_000_000_000_000i64..100_000_000_000_000) {
            prop_assert_eq!(Civil::from_ms(ms).to_ms(), ms);
        }
    }
}
