//! How many trips end in each hour of the week, and how fast traffic is.

/// About the most trips that end in one hour.
pub const TRIPS_PER_HOUR_MAX: u32 = 13_000;

const S_PER_HOUR: i64 = 3_600;

/// Trips of each hour in percent of the busiest one. The hours of the morning belong to the night before.
const WORKDAY: [u8; 24] =
    [38, 25, 18, 14, 13, 16, 34, 58, 74, 76, 70, 69, 73, 72, 75, 73, 67, 78, 95, 100, 96, 94, 84, 62];
const FRIDAY: [u8; 24] =
    [46, 32, 23, 17, 15, 17, 33, 56, 72, 75, 70, 70, 74, 73, 76, 74, 68, 80, 96, 100, 98, 95, 93, 88];
const SATURDAY: [u8; 24] =
    [80, 69, 58, 46, 31, 16, 17, 25, 36, 48, 59, 66, 72, 73, 74, 74, 69, 77, 91, 98, 92, 89, 92, 94];
const SUNDAY: [u8; 24] =
    [88, 79, 68, 56, 38, 18, 15, 20, 29, 42, 56, 64, 70, 72, 73, 71, 68, 68, 70, 67, 60, 54, 48, 40];

/// Minutes a mile takes in the streets, and on the highways beyond the first miles, by hour, on working days.
const STREET_MINUTES: [f64; 24] = [
    3.8, 3.6, 3.5, 3.4, 3.3, 3.4, 3.8, 4.8, 5.8, 6.1, 6.1, 6.2, 6.3, 6.2, 6.2, 6.3, 6.3, 6.4, 6.2, 5.5, 4.9, 4.6, 4.4,
    4.1,
];
const HIGHWAY_MINUTES: [f64; 24] = [
    1.4, 1.3, 1.2, 1.2, 1.2, 1.3, 1.6, 2.2, 2.4, 2.1, 1.9, 1.8, 1.9, 2.1, 2.5, 2.9, 3.1, 3.0, 2.6, 2.1, 1.8, 1.6, 1.5,
    1.4,
];
/// How much faster traffic is at the weekend by day.
const WEEKEND_EASE: f64 = 0.85;

/// The day of the week, 0 for Monday, of a second since 1970.
pub(super) fn weekday(at_s: i64) -> usize {
    // 1 January 1970 was a Thursday.
    (at_s.div_euclid(86_400) + 3).rem_euclid(7) as usize
}

/// The hour of the day, 0–23.
pub(super) fn hour(at_s: i64) -> usize {
    at_s.div_euclid(S_PER_HOUR).rem_euclid(24) as usize
}

/// Whether this is Saturday or Sunday.
pub(super) fn is_weekend(at_s: i64) -> bool {
    weekday(at_s) >= 5
}

/// Trips per second at a moment: between the middles of two hours the rate passes evenly from one to the other.
pub(super) fn trips_per_s(at_s: i64) -> f64 {
    let from_middle_s = at_s - S_PER_HOUR / 2;
    let (before, after) = (percent(from_middle_s), percent(from_middle_s + S_PER_HOUR));
    let part = from_middle_s.rem_euclid(S_PER_HOUR) as f64 / S_PER_HOUR as f64;
    let percent = before + (after - before) * part;
    percent / 100.0 * f64::from(TRIPS_PER_HOUR_MAX) / S_PER_HOUR as f64
}

fn percent(at_s: i64) -> f64 {
    let of_day = match weekday(at_s) {
        4 => &FRIDAY,
        5 => &SATURDAY,
        6 => &SUNDAY,
        _ => &WORKDAY,
    };
    f64::from(of_day[hour(at_s)])
}

/// Minutes that a mile takes in the streets, and on the highways.
pub(super) fn mile_minutes(at_s: i64) -> (f64, f64) {
    let ease = if is_weekend(at_s) { WEEKEND_EASE } else { 1.0 };
    (STREET_MINUTES[hour(at_s)] * ease, HIGHWAY_MINUTES[hour(at_s)] * ease)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_right() {
        let wednesday_6_january_2016_s = 1_452_038_400;
        assert_eq!(weekday(wednesday_6_january_2016_s), 2);
        assert_eq!(hour(wednesday_6_january_2016_s + 3_600 * 13 + 59), 13);
        assert_eq!(weekday(-1), 2, "31 December 1969");
        assert_eq!(hour(-1), 23);
    }

    #[test]
    fn no_moment_is_busier_than_the_bound_and_none_is_empty() {
        let week = (0..7 * 24 * 60).map(|minute| trips_per_s(minute * 60) * 3_600.0);
        for rate in week {
            assert!((1_000.0..=f64::from(TRIPS_PER_HOUR_MAX)).contains(&rate), "{rate}");
        }
    }
}
