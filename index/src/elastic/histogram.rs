//! `date_histogram`, from JSON: intervals, zones, bounds.

use super::aggregation::{required, shard_argument};
use super::body::{Body, literal};
use super::failure::Failure;
use crate::aggregate::{DateHistogram, ExtendedBounds, Selection, ValueSource};
use crate::json::{Member, Value};
use crate::time::{CalendarUnit, Interval, Zone};

impl Body {
    /// The parameters of a date histogram.
    pub(super) fn date_histogram(&self, name: &str, members: &[Member]) -> Result<DateHistogram, Failure> {
        const KIND: &str = "date_histogram";
        let mut interval_of = None;
        let (mut interval, mut histogram) = (
            None,
            DateHistogram {
                source: ValueSource::default(),
                interval: Interval::Fixed(1),
                zone: Zone::UTC,
                offset_ms: 0,
                min_doc_count: 0,
                extended_bounds: None,
                order: Vec::new(),
                keyed: false,
            },
        );
        for member in members {
            if self.source_member(KIND, member, &mut histogram.source)? {
                continue;
            }
            let text = || self.text(KIND, member);
            let fits = |found: Result<Interval, Failure>| found.map_err(|cause| self.failed(KIND, member, cause));
            if let (Some(first), true) = (interval_of, member.key.ends_with("interval")) {
                let reason = format!("Cannot use [{}] with [{first}] configuration option.", member.key);
                return Err(self.failed(KIND, member, Failure::argument(reason)));
            }
            if member.key.ends_with("interval") {
                interval_of = Some(member.key.as_str());
            }
            match member.key.as_str() {
                "fixed_interval" => interval = Some(fits(fixed_interval(&text()?, "fixedInterval"))?),
                "calendar_interval" => interval = Some(fits(calendar_interval(&text()?))?),
                "interval" => {
                    let text = text()?;
                    let either = calendar_interval(&text).or_else(|_| fixed_interval(&text, "interval"));
                    interval = Some(fits(either)?);
                }
                "time_zone" => histogram.zone = self.zone(member)?,
                "offset" => histogram.offset_ms = self.offset(member)?,
                "min_doc_count" => histogram.min_doc_count = self.min_doc_count(KIND, name, member)?,
                "keyed" => histogram.keyed = self.boolean(KIND, member)?,
                "order" => histogram.order = self.order(KIND, member)?,
                "extended_bounds" => histogram.extended_bounds = Some(self.bounds_of_time(member)?),
                "hard_bounds" => {
                    histogram.source.include = Some(Selection::Instants(self.bounds_of_time(member)?));
                }
                _ => return Err(self.unknown(KIND, member)),
            }
        }
        histogram.source = required(histogram.source)?;
        let missing = || shard_argument("Invalid interval specified, must be non-null and non-empty");
        histogram.interval = interval.ok_or_else(missing)?;
        if matches!(histogram.interval, Interval::Fixed(..=0)) {
            return Err(shard_argument("Zero or negative time interval not supported"));
        }
        Ok(histogram)
    }

    fn zone(&self, member: &Member) -> Result<Zone, Failure> {
        let text = match &member.node.value {
            // A number is an offset in hours.
            Value::Number(hours) if !hours.starts_with('-') => format!("+{hours}"),
            _ => self.text("date_histogram", member)?,
        };
        text.parse().map_err(|e: crate::time::ZoneError| {
            self.failed("date_histogram", member, Failure::new(400, "zone_rules_exception", e.to_string()))
        })
    }

    fn offset(&self, member: &Member) -> Result<i64, Failure> {
        let text = self.text("date_histogram", member)?;
        let (sign, plain) = match text.as_bytes().first() {
            Some(b'-') => (-1, &text[1..]),
            Some(b'+') => (1, &text[1..]),
            _ => (1, text.as_str()),
        };
        if let Ok(ms) = plain.parse::<i64>() {
            return Ok(sign * ms);
        }
        time_value(plain, "DateHistogramAggregationBuilder.parseOffset")
            .map(|ms| sign * ms)
            .map_err(|cause| self.failed("date_histogram", member, cause))
    }

    fn bounds_of_time(&self, member: &Member) -> Result<ExtendedBounds, Failure> {
        const KIND: &str = "bounds";
        let Some(members) = member.node.members() else { return Err(self.wrong_kind("date_histogram", member)) };
        let mut bounds = ExtendedBounds::default();
        for of in members {
            let value = literal(&of.node.value).ok_or_else(|| self.wrong_kind(KIND, of))?;
            match of.key.as_str() {
                "min" => bounds.min = Some(value),
                "max" => bounds.max = Some(value),
                _ => return Err(self.failed("date_histogram", member, self.unknown(KIND, of))),
            }
        }
        Ok(bounds)
    }
}

fn calendar_interval(text: &str) -> Result<Interval, Failure> {
    let unit = match text {
        "1s" | "second" => CalendarUnit::Second,
        "1m" | "minute" => CalendarUnit::Minute,
        "1h" | "hour" => CalendarUnit::Hour,
        "1d" | "day" => CalendarUnit::Day,
        "1w" | "week" => CalendarUnit::Week,
        "1M" | "month" => CalendarUnit::Month,
        "1q" | "quarter" => CalendarUnit::Quarter,
        "1y" | "year" => CalendarUnit::Year,
        _ => {
            let reason = format!("The supplied interval [{text}] could not be parsed as a calendar interval.");
            return Err(Failure::argument(reason));
        }
    };
    Ok(Interval::Calendar(unit))
}

fn fixed_interval(text: &str, setting: &str) -> Result<Interval, Failure> {
    time_value(text, &format!("date_histogram.{setting}")).map(Interval::Fixed)
}

/// Milliseconds of `30s`, `1h` and the like.
pub(super) fn time_value(text: &str, setting: &str) -> Result<i64, Failure> {
    let wrong = |what: &str| {
        Failure::argument(format!("failed to parse setting [{setting}] with value [{text}] as a time value: {what}"))
    };
    let lower = text.trim();
    let digits = lower.bytes().take_while(|b| b.is_ascii_digit() || *b == b'-').count();
    let unit_ms = match &lower[digits..] {
        "nanos" | "micros" => 0,
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" | "H" => 3_600_000,
        "d" => 86_400_000,
        "" if lower == "0" || lower == "-1" => 1,
        _ => return Err(wrong("unit is missing or unrecognized")),
    };
    let number: i64 = lower[..digits].parse().map_err(|_| wrong("no number"))?;
    number.checked_mul(unit_ms).ok_or_else(|| wrong("too large"))
}
