//! Rounding instants down to intervals, by a fixed length or by the calendar, in a time zone.

use super::Zone;
use super::calendar::{Civil, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarUnit {
    /// One second.
    Second,
    /// One minute.
    Minute,
    /// One hour.
    Hour,
    /// From midnight to midnight, 23 to 25 hours.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first to the last day.
    Month,
    /// Three months, from January on.
    Quarter,
    /// Twelve months, from January on.
    Year,
}

/// The length of a bucket of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Always this many milliseconds (≥ 1).
    Fixed(i64),
    /// A unit of the calendar.
    Calendar(CalendarUnit),
}

/// A way to round instants down.
#[derive(Debug, Clone, Copy)]
pub struct Rounding {
    interval: Interval,
    zone: Zone,
    offset_ms: i64,
}

impl Rounding {
    /// Rounds to `interval` as clocks in `zone` show it, with the beginnings moved by `offset_ms`.
    pub fn new(interval: Interval, zone: Zone, offset_ms: i64) -> Self {
        // Units below a day are plain lengths where the zone never changes: the cheap way is the exact one.
        let interval = match (interval, zone) {
            (Interval::Calendar(unit), Zone::Fixed(_)) if unit != CalendarUnit::Week => {
                unit_ms(unit).map_or(interval, Interval::Fixed)
            }
            _ => interval,
        };
        Self { interval, zone, offset_ms }
    }

    /// The beginning of the interval that holds this instant.
    pub fn floor(&self, utc_ms: i64) -> i64 {
        self.floor_plain(utc_ms.saturating_sub(self.offset_ms)).saturating_add(self.offset_ms)
    }

    /// The beginning of the interval after the one that begins at `key`.
    pub fn next(&self, key: i64) -> i64 {
        let key = key.saturating_sub(self.offset_ms);
        let mut next = self.next_plain(key);
        // Where clocks go back, the same local time begins two intervals: the second one must not be jumped over.
        loop {
            let last = self.floor_plain(next - 1);
            if last <= key {
                return next.saturating_add(self.offset_ms);
            }
            next = last;
        }
    }

    fn floor_plain(&self, utc_ms: i64) -> i64 {
        let local = self.zone.to_local(utc_ms);
        let floored = match self.interval {
            Interval::Fixed(length) => local.div_euclid(length).saturating_mul(length),
            Interval::Calendar(unit) => floor_local(local, unit),
        };
        if let Zone::Fixed(offset) = self.zone {
            return floored.saturating_sub(offset);
        }
        let instants = self.zone.instants(floored);
        match self.interval {
            Interval::Calendar(
                CalendarUnit::Day
                | CalendarUnit::Week
                | CalendarUnit::Month
                | CalendarUnit::Quarter
                | CalendarUnit::Year,
            ) => instants.first().copied(),
            _ => instants.iter().rev().find(|i| **i <= utc_ms).copied(),
        }
        .unwrap_or_else(|| self.zone.first_instant(floored).min(utc_ms))
    }

    fn next_plain(&self, key: i64) -> i64 {
        let local = self.zone.to_local(key);
        let next_local = match self.interval {
            Interval::Fixed(length) => local.saturating_add(length),
            Interval::Calendar(unit) => match (unit_ms(unit), unit) {
                (Some(length), _) => local.saturating_add(length),
                (None, CalendarUnit::Month) => Civil::from_ms(local).plus_months(1).to_ms(),
                (None, CalendarUnit::Quarter) => Civil::from_ms(local).plus_months(3).to_ms(),
                (None, _) => Civil::from_ms(local).plus_months(12).to_ms(),
            },
        };
        // Where clocks were set back, what the local time shows the second time comes after `key`. A local time that is
        // skipped begins where the gap ends; one before `key` would not be a step forward.
        let later = self.zone.instants(next_local).iter().copied().find(|instant| *instant > key);
        later.unwrap_or_else(|| self.zone.first_instant(next_local).max(key.saturating_add(1)))
    }
}

/// The length of the units that have the same number of hours wherever clocks do not change.
fn unit_ms(unit: CalendarUnit) -> Option<i64> {
    match unit {
        CalendarUnit::Second => Some(SECOND_MS),
        CalendarUnit::Minute => Some(MINUTE_MS),
        CalendarUnit::Hour => Some(HOUR_MS),
        CalendarUnit::Day => Some(DAY_MS),
        CalendarUnit::Week => Some(7 * DAY_MS),
        CalendarUnit::Month | CalendarUnit::Quarter | CalendarUnit::Year => None,
    }
}

fn floor_local(local: i64, unit: CalendarUnit) -> i64 {
    let date = Civil::from_ms(local).midnight();
    match unit {
        CalendarUnit::Second => local.div_euclid(SECOND_MS) * SECOND_MS,
        CalendarUnit::Minute => local.div_euclid(MINUTE_MS) * MINUTE_MS,
        CalendarUnit::Hour => local.div_euclid(HOUR_MS) * HOUR_MS,
        CalendarUnit::Day => date.to_ms(),
        CalendarUnit::Week => {
            // 1 January 1970 was a Thursday, three days after a Monday.
            let days = local.div_euclid(DAY_MS);
            (days - (days + 3).rem_euclid(7)) * DAY_MS
        }
        CalendarUnit::Month => Civil { day: 1, ..date }.to_ms(),
        CalendarUnit::Quarter => Civil { month: (date.month - 1) / 3 * 3 + 1, day: 1, ..date }.to_ms(),
        CalendarUnit::Year => Civil { month: 1, day: 1, ..date }.to_ms(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DateFormat, Edge};
    use super::*;
    use proptest::prelude::*;

    fn ms(text: &str) -> i64 {
        DateFormat::default().parse(text, Edge::Start, Zone::UTC).unwrap()
    }

    fn check(unit: CalendarUnit, zone: &str, at: &str, floor: &str, next: &str) {
        let rounding = Rounding::new(Interval::Calendar(unit), zone.parse().unwrap(), 0);
        assert_eq!(rounding.floor(ms(at)), ms(floor), "floor of {at} to {unit:?} in {zone}");
        assert_eq!(rounding.next(ms(floor)), ms(next), "after {floor} by {unit:?} in {zone}");
    }

    #[test]
    fn calendar_units() {
        use CalendarUnit::{Day, Hour, Month, Quarter, Week, Year};
        check(Week, "UTC", "2016-01-06T05:00:00Z", "2016-01-04", "2016-01-11");
        check(Month, "UTC", "2016-02-29T05:00:00Z", "2016-02-01", "2016-03-01");
        check(Quarter, "UTC", "2016-05-29T05:00:00Z", "2016-04-01", "2016-07-01");
        check(Year, "UTC", "1969-12-31T23:59:59.999Z", "1969-01-01", "1970-01-01");
        check(Day, "-05:00", "2016-01-06T04:00:00Z", "2016-01-05T05:00:00Z", "2016-01-06T05:00:00Z");
        let ny = "America/New_York";
        check(Day, ny, "2016-03-13T12:00:00Z", "2016-03-13T05:00:00Z", "2016-03-14T04:00:00Z");
        check(Hour, ny, "2016-11-06T05:30:00Z", "2016-11-06T05:00:00Z", "2016-11-06T06:00:00Z");
        check(Hour, ny, "2016-11-06T06:30:00Z", "2016-11-06T06:00:00Z", "2016-11-06T07:00:00Z");
        check(Hour, ny, "2016-03-13T07:30:00Z", "2016-03-13T07:00:00Z", "2016-03-13T08:00:00Z");
    }

    #[test]
    fn intervals_go_on_in_the_hour_that_comes_twice() {
        use CalendarUnit::{Minute, Second};
        let zone = "Europe/Berlin";
        // From 01:00 UTC on, clocks show 02:00 to 03:00 for the second time.
        check(Second, zone, "2014-10-26T01:59:58.300Z", "2014-10-26T01:59:58Z", "2014-10-26T01:59:59Z");
        check(Second, zone, "2014-10-26T00:59:58.300Z", "2014-10-26T00:59:58Z", "2014-10-26T00:59:59Z");
        check(Minute, zone, "2014-10-26T00:59:58.300Z", "2014-10-26T00:59:00Z", "2014-10-26T01:00:00Z");
        check(Minute, zone, "2014-10-26T01:30:58.300Z", "2014-10-26T01:30:00Z", "2014-10-26T01:31:00Z");
    }

    #[test]
    fn a_fixed_day_in_a_zone_follows_its_clocks() {
        let rounding = Rounding::new(Interval::Fixed(DAY_MS), "America/New_York".parse().unwrap(), 0);
        assert_eq!(rounding.floor(ms("2016-03-13T12:00:00Z")), ms("2016-03-13T05:00:00Z"));
        assert_eq!(rounding.next(ms("2016-03-13T05:00:00Z")), ms("2016-03-14T04:00:00Z"));
    }

    proptest! {
        #[test]
        fn intervals_tile_the_time(at in 1_400_000_000_000i64..1_500_000_000_000, fixed in 1i64..200_000_000,
                                   which in 0usize..9, zone in 0usize..4, offset in -7_200_000i64..7_200_000) {
            let units = [CalendarUnit::Second, CalendarUnit::Minute, CalendarUnit::Hour, CalendarUnit::Day,
                CalendarUnit::Week, CalendarUnit::Month, CalendarUnit::Quarter, CalendarUnit::Year];
            let interval = units.get(which).map_or(Interval::Fixed(fixed), |u| Interval::Calendar(*u));
            let zone: Zone = ["UTC", "-05:30", "America/New_York", "Europe/Berlin"][zone].parse().unwrap();
            let rounding = Rounding::new(interval, zone, offset);
            let floor = rounding.floor(at);
            let next = rounding.next(floor);
            prop_assert!(floor <= at && at < next, "{floor} {at} {next}");
            prop_assert_eq!(rounding.floor(floor), floor);
            prop_assert_eq!(rounding.floor(next - 1), floor);
            prop_assert_eq!(rounding.floor(next), next);
        }
    }
}
