//! Date arithmetic: `now-1h/h`, `2016-01-06||+1M/d`.

use super::calendar::{Civil, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use super::rounding::{CalendarUnit, Interval, Rounding};
use super::{DateFormat, Edge, Zone};

/// A text that is no date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// The date itself is not of its format.
    #[error("failed to parse date field [{text}] with format [{format}]")]
    Date {
        /// The text.
        text: String,
        /// The format that was asked for.
        format: String,
    },
    /// What follows the date is no arithmetic.
    #[error("{what} for date math [{text}]")]
    Math {
        /// The arithmetic.
        text: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Milliseconds since 1970 of a date with arithmetic. `edge` says which end of an incomplete or rounded date is meant.
///
/// # Errors
/// When the text is no date of this format, or its arithmetic is wrong.
pub fn resolve_date(text: &str, format: &DateFormat, edge: Edge, zone: Zone, now_ms: i64) -> Result<i64, DateError> {
    let (anchor, math) = if let Some(math) = text.strip_prefix("now") {
        (now_ms, math)
    } else {
        let (date, math) = text.split_once("||").unwrap_or((text, ""));
        // With arithmetic the anchor itself is its start: the rounding decides about the end.
        let edge = if math.is_empty() { edge } else { Edge::Start };
        let ms = format
            .parse(date, edge, zone)
            .ok_or_else(|| DateError::Date { text: date.to_owned(), format: format.text().to_owned() })?;
        (ms, math)
    };
    apply(anchor, math, edge, zone)
}

fn apply(mut ms: i64, math: &str, edge: Edge, zone: Zone) -> Result<i64, DateError> {
    let wrong = |what: &str| DateError::Math { text: math.to_owned(), what: what.to_owned() };
    let mut rest = math;
    while let Some(operator) = rest.chars().next() {
        rest = &rest[operator.len_utf8()..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = match (operator, digits) {
            ('/', 0) | ('+' | '-', 0) => 1,
            ('/', _) => return Err(wrong("rounding `/` can only be used on single unit types")),
            ('+' | '-', 1..=9) => rest[..digits].parse().map_err(|_| wrong("number too large"))?,
            ('+' | '-', _) => return Err(wrong("number too large")),
            _ => return Err(wrong("operator not supported")),
        };
        rest = &rest[digits..];
        let unit = rest.chars().next().ok_or_else(|| wrong("truncated"))?;
        rest = &rest[unit.len_utf8()..];
        ms = match operator {
            '/' => round(ms, unit, edge, zone),
            '+' => add(ms, count, unit, zone),
            _ => add(ms, -count, unit, zone),
        }
        .ok_or_else(|| wrong(&format!("unit [{unit}] not supported")))?;
    }
    Ok(ms)
}

fn add(ms: i64, count: i64, unit: char, zone: Zone) -> Option<i64> {
    let fixed = match unit {
        'h' | 'H' => HOUR_MS,
        'm' => MINUTE_MS,
        's' => SECOND_MS,
        _ => {
            let local = Civil::from_ms(zone.to_local(ms));
            let moved = match unit {
                'y' => local.plus_months(count.saturating_mul(12)).to_ms(),
                'M' => local.plus_months(count).to_ms(),
                'w' => local.to_ms().saturating_add(count.saturating_mul(7 * DAY_MS)),
                'd' => local.to_ms().saturating_add(count.saturating_mul(DAY_MS)),
                _ => return None,
            };
            return Some(zone.first_instant(moved));
        }
    };
    Some(ms.saturating_add(count.saturating_mul(fixed)))
}

fn round(ms: i64, unit: char, edge: Edge, zone: Zone) -> Option<i64> {
    let unit = match unit {
        'y' => CalendarUnit::Year,
        'M' => CalendarUnit::Month,
        'w' => CalendarUnit::Week,
        'd' => CalendarUnit::Day,
        'h' | 'H' => CalendarUnit::Hour,
        'm' => CalendarUnit::Minute,
        's' => CalendarUnit::Second,
        _ => return None,
    };
    let rounding = Rounding::new(Interval::Calendar(unit), zone, 0);
    let start = rounding.floor(ms);
    Some(if edge == Edge::Start { start } else { rounding.next(start) - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, edge: Edge, expected: Option<&str>) {
        let format = DateFormat::default();
        let now = format.parse("2016-01-06T07:08:09.123Z", Edge::Start, Zone::UTC).unwrap();
        let got = resolve_date(text, &format, edge, Zone::UTC, now).ok().map(|ms| format.print(ms, Zone::UTC));
        assert_eq!(got.as_deref(), expected, "{text}");
    }

    #[test]
    fn arithmetic_and_rounding() {
        check("now", Edge::Start, Some("2016-01-06T07:08:09.123Z"));
        check("now-1h/h", Edge::Start, Some("2016-01-06T06:00:00.000Z"));
        check("now/d", Edge::End, Some("2016-01-06T23:59:59.999Z"));
        check("now/w", Edge::Start, Some("2016-01-04T00:00:00.000Z"));
        check("2016-01-31||+1M", Edge::Start, Some("2016-02-29T00:00:00.000Z"));
        check("2016-01-06T10:00:00||-1d/d", Edge::End, Some("2016-01-05T23:59:59.999Z"));
        check("2016||/M", Edge::End, Some("2016-01-31T23:59:59.999Z"));
        for text in ["2016-01-06||+1x", "now+", "now*1d", "now/2d", "now+99999999999d", "tomorrow", "now+1é"] {
            check(text, Edge::Start, None);
        }
    }
}
