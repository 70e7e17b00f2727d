//! Schedules: `at(2026-01-31T10:00:00)`, `rate(5 minutes)` and `cron(0 10 * * ? *)`, in UTC.

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};

const MINUTE_MS: u64 = 60_000;
/// How long after its time something that is due once is still tried: what stood in its way, or a platform that was away.
const LATE_MS_MAX: u64 = 10 * MINUTE_MS;

/// When something is due.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Schedule {
    /// Once, in milliseconds since the Unix epoch.
    At(u64),
    /// Every so many milliseconds.
    Rate(u64),
    /// In the minutes that fit.
    Cron(Box<Cron>),
}

/// The minutes, hours, days, months, weekdays and years that fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cron {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Option<Vec<u32>>,
    months: Vec<u32>,
    /// 1 is Sunday.
    weekdays: Option<Vec<u32>>,
    years: Vec<u32>,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Schedule {
    /// Reads a schedule; `None` where it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('(')?;
        let inner = rest.strip_suffix(')')?;
        match kind {
            "at" => {
                let at = NaiveDateTime::parse_from_str(inner, "%Y-%m-%dT%H:%M:%S").ok()?;
                u64::try_from(at.and_utc().timestamp_millis()).ok().map(Self::At)
            }
            "rate" => {
                let (count, unit) = inner.split_once(' ')?;
                let count: u64 = count.parse().ok().filter(|count| *count > 0)?;
                let unit_ms = match unit {
                    "minute" | "minutes" => MINUTE_MS,
                    "hour" | "hours" => 60 * MINUTE_MS,
                    "day" | "days" => 24 * 60 * MINUTE_MS,
                    _ => return None,
                };
                count.checked_mul(unit_ms).map(Self::Rate)
            }
            "cron" => Cron::read(inner).map(|cron| Self::Cron(Box::new(cron))),
            _ => None,
        }
    }

    /// Whether it was due after `since_ms` and not after `now_ms`; `began_ms` is when it was made.
    pub(super) fn was_due(&self, began_ms: u64, since_ms: u64, now_ms: u64) -> bool {
        match self {
            Self::At(at_ms) => since_ms < *at_ms && *at_ms <= now_ms,
            Self::Rate(every_ms) => {
                let passed = |at_ms: u64| at_ms.saturating_sub(began_ms) / every_ms;
                passed(now_ms) > passed(since_ms)
            }
            Self::Cron(cron) => {
                let (first, last) = (since_ms / MINUTE_MS + 1, now_ms / MINUTE_MS);
                // A platform that was away for long looks at one day: what was due before then is over.
                (first.max(last.saturating_sub(24 * 60))..=last).any(|minute| cron.fits(minute * MINUTE_MS))
            }
        }
    }

    /// Whether what is due once may still be done although its time is over. What was made after its time never is.
    pub(super) fn is_wanted(&self, began_ms: u64, now_ms: u64) -> bool {
        matches!(self, Self::At(at_ms) if *at_ms > began_ms && now_ms < at_ms + LATE_MS_MAX)
    }

    /// Whether it is time to try once more what should have been done once: with each new minute.
    pub(super) fn is_tried(&self, began_ms: u64, since_ms: u64, now_ms: u64) -> bool {
        let is_late = matches!(self, Self::At(at_ms) if *at_ms <= now_ms) && self.is_wanted(began_ms, now_ms);
        is_late && now_ms / MINUTE_MS > since_ms / MINUTE_MS
    }
}

impl Cron {
    fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else { return None };
        if (*days == "?") == (*weekdays == "?") {
            return None;
        }
        let open = |field: &str, range, names: &[&str]| match field {
            "?" => Some(None),
            field => values(field, range, names).map(Some),
        };
        Some(Self {
            minutes: values(minutes, (0, 59), &[])?,
            hours: values(hours, (0, 23), &[])?,
            days: open(days, (1, 31), &[])?,
            months: values(months, (1, 12), &MONTHS)?,
            weekdays: open(weekdays, (1, 7), &WEEKDAYS)?,
            years: values(years, (1970, 2199), &[])?,
        })
    }

    fn fits(&self, at_ms: u64) -> bool {
        let Some(at) = i64::try_from(at_ms).ok().and_then(DateTime::from_timestamp_millis) else { return false };
        let weekday = at.weekday().num_days_from_sunday() + 1;
        self.minutes.contains(&at.minute())
            && self.hours.contains(&at.hour())
            && self.days.as_ref().is_none_or(|days| days.contains(&at.day()))
            && self.months.contains(&at.month())
            && self.weekdays.as_ref().is_none_or(|weekdays| weekdays.contains(&weekday))
            && u32::try_from(at.year()).is_ok_and(|year| self.years.contains(&year))
    }
}

/// The values of one field: `*`, numbers or names, ranges, steps, and lists of these.
fn values(field: &str, (min, max): (u32, u32), names: &[&str]) -> Option<Vec<u32>> {
    let one = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|at| at as u32 + 1);
        named.or_else(|| text.parse().ok()).filter(|value| (min..=max).contains(value))
    };
    let mut all = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((from, to)) => (one(from)?, one(to)?),
            None if part.contains('/') => (one(range)?, max),
            None => (one(range)?, one(range)?),
        };
        if from > to {
            return None;
        }
        all.extend((from..=to).step_by(step as usize));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").unwrap().and_utc().timestamp_millis() as u64
    }

    #[test]
    fn schedules_are_due_when_they_say() {
        for (schedule, since, now, due) in [
            ("at(2026-01-31T10:00:00)", "2026-01-31T09:59:59", "2026-01-31T10:00:00", true),
            ("at(2026-01-31T10:00:00)", "2026-01-31T10:00:00", "2026-01-31T10:00:01", false),
            ("rate(5 minutes)", "2026-01-01T00:04:59", "2026-01-01T00:05:00", true),
            ("rate(5 minutes)", "2026-01-01T00:05:00", "2026-01-01T00:09:59", false),
            ("cron(0 10 * * ? *)", "2026-03-01T09:59:59", "2026-03-01T10:00:00", true),
            ("cron(0 10 * * ? *)", "2026-03-01T10:00:00", "2026-03-01T10:59:00", false),
            ("cron(*/15 8-17 ? * MON-FRI *)", "2026-11-30T08:14:59", "2026-11-30T08:15:00", true),
            ("cron(*/15 8-17 ? * MON-FRI *)", "2026-11-29T08:14:59", "2026-11-29T08:15:00", false),
            ("cron(0 0 1 JAN,JUL ? 2027)", "2027-06-30T23:59:59", "2027-07-01T00:00:00", true),
        ] {
            let read = Schedule::read(schedule).unwrap();
            assert_eq!(read.was_due(at("2026-01-01T00:00:00"), at(since), at(now)), due, "{schedule} {now}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "at(tomorrow)",
            "rate(0 minutes)",
            "rate(5 weeks)",
            "cron(* * * * * *)",
            "cron(60 * * * ? *)",
            "cron(1 2 3)",
        ] {
            assert_eq!(Schedule::read(text), None, "{text}");
        }
    }
}
