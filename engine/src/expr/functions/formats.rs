//! Times as text and text as times, by Java's patterns.

use super::super::calendar::{Moment, parse_date, parse_timestamp};
use super::super::function::{CallSite, Kernel, ScalarFunction, Signature};
use super::super::java_time::{Family, Pattern};
use super::super::value::{Value, narrowed};
use super::super::{EvalError, Zone};
use super::kernels::{Integers, Want, build_numbers, build_text, or_null, texts, wanting};
use super::{Expr, type_list};
use crate::types::DataType;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, PrimitiveArray};
use std::cell::RefCell;

use Want::{Integer, Text};

/// The pattern of times where none is given.
const STANDARD: &str = "yyyy-MM-dd HH:mm:ss";

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction { name: "DATE_FORMAT", signature: date_format_types, prepare: date_format, can_fail: true },
    ScalarFunction { name: "TO_TIMESTAMP", signature: to_timestamp_types, prepare: to_timestamp, can_fail: true },
    ScalarFunction { name: "TO_DATE", signature: to_date_types, prepare: to_date, can_fail: true },
    ScalarFunction { name: "TO_TIMESTAMP_LTZ", signature: ltz_types, prepare: to_timestamp_ltz, can_fail: true },
    ScalarFunction { name: "UNIX_TIMESTAMP", signature: unix_types, prepare: unix_timestamp, can_fail: true },
    ScalarFunction { name: "FROM_UNIXTIME", signature: from_unix_types, prepare: from_unixtime, can_fail: true },
    ScalarFunction { name: "CONVERT_TZ", signature: convert_types, prepare: convert_tz, can_fail: true },
];

/// Fails for a constant pattern that cannot be used, so that the script is refused and not the job failed.
fn check_pattern(args: &[Expr], index: usize, family: Family) -> Result<(), String> {
    match args.get(index).and_then(|a| a.as_literal()).and_then(|v| v.as_text()) {
        Some(pattern) => Pattern::new(pattern, family).map(|_| ()),
        None => Ok(()),
    }
}

/// The pattern of each row.
struct Patterns {
    family: Family,
    constant: Option<Pattern>,
}

impl Patterns {
    fn new(site: &CallSite<'_>, index: usize, family: Family) -> Result<Self, EvalError> {
        let constant = if index < site.args.len() { site.constant_text(index) } else { Some(STANDARD) };
        let constant = constant.map(|p| Pattern::new(p, family)).transpose().map_err(EvalError::new)?;
        Ok(Self { family, constant })
    }

    /// Calls `f` with the pattern of a row; `None` where that is null.
    fn with<T>(
        &self,
        args: &[Value],
        index: usize,
        row: usize,
        last: &RefCell<Option<(String, Pattern)>>,
        f: impl FnOnce(&Pattern) -> T,
    ) -> Result<Option<T>, EvalError> {
        if let Some(pattern) = &self.constant {
            return Ok(Some(f(pattern)));
        }
        let all = texts(&args[index])?;
        let Some(text) = all.get(row) else { return Ok(None) };
        let mut last = last.borrow_mut();
        if last.as_ref().is_none_or(|(known, _)| known != text) {
            let made = Pattern::new(text, self.family).map_err(EvalError::new)?;
            *last = Some((text.to_owned(), made));
        }
        Ok(last.as_ref().map(|(_, pattern)| f(pattern)))
    }
}

fn date_format_types(args: &[Expr]) -> Result<Signature, String> {
    let wrong = || Err(format!("DATE_FORMAT takes (time, pattern), found ({})", type_list(args)));
    let [time, pattern] = args else { return wrong() };
    if !(pattern.data_type.is_text() || pattern.data_type == DataType::Null) {
        return wrong();
    }
    let (taken, family) = match time.data_type {
        t if t.is_timestamp() => (t, Family::Strict),
        DataType::Date => return Err("DATE_FORMAT takes a TIMESTAMP: CAST the DATE AS TIMESTAMP(3)".to_owned()),
        DataType::Null => (DataType::Timestamp(3), Family::Strict),
        t if t.is_text() => (t, Family::Lenient),
        _ => return wrong(),
    };
    check_pattern(args, 1, family)?;
    Ok(Signature { args: vec![taken, DataType::STRING], returns: DataType::STRING, nullable: taken.is_text() })
}

fn date_format(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let (of, zone) = (site.arg_type(0), site.zone);
    if of.is_text() {
        return reformat(site);
    }
    let patterns = Patterns::new(site, 1, Family::Strict)?;
    Ok(Box::new(move |args: &[Value], rows| {
        let (times, last) = (Integers::of(&args[0]), RefCell::new(None));
        build_text(rows, |row, out| {
            let Some(time) = times.get(row)? else { return Ok(false) };
            let at = match of {
                DataType::TimestampLtz(p) => {
                    let at = Moment::from_carrier(time, p);
                    Moment { ms: zone.wall_ms(at.ms), nanos: at.nanos }
                }
                DataType::Timestamp(p) => Moment::from_carrier(time, p),
                _ => Moment::of_ms(time),
            };
            Ok(patterns.with(args, 1, row, &last, |p| p.write(out, at))?.is_some())
        })
    }))
}

/// `DATE_FORMAT` of text: read by the standard pattern, written by the one given.
fn reformat(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let patterns = Patterns::new(site, 1, Family::Lenient)?;
    let standard = Pattern::new(STANDARD, Family::Lenient).map_err(EvalError::new)?;
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, last) = (texts(&args[0])?, RefCell::new(None));
        build_text(rows, |row, out| {
            let Some(at) = text.get(row).and_then(|s| standard.read(s)) else { return Ok(false) };
            Ok(patterns.with(args, 1, row, &last, |p| p.write(out, at))?.is_some())
        })
    }))
}

fn to_timestamp_types(args: &[Expr]) -> Result<Signature, String> {
    check_pattern(args, 1, Family::Strict)?;
    or_null(wanting("TO_TIMESTAMP", args, &[Text, Text], 1, DataType::Timestamp(3)))
}

/// Text as a `TIMESTAMP(3)`; null where it is none.
fn to_timestamp(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let given = site.args.len() > 1;
    let patterns = Patterns::new(site, 1, Family::Strict)?;
    let returns = site.returns;
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, last) = (texts(&args[0])?, RefCell::new(None));
        let row = |row| {
            let Some(s) = text.get(row) else { return Ok(None) };
            if !given {
                return Ok(parse_timestamp(s).map(|at| at.ms));
            }
            // What the pattern does not fit may still be a time in the standard form.
            let read = |p: &Pattern| p.read(s).or_else(|| parse_timestamp(s.trim()));
            Ok(patterns.with(args, 1, row, &last, read)?.flatten().map(|at| at.ms))
        };
        timed(rows, row, returns)
    }))
}

/// A column of times from the integers that carry them.
fn timed(
    rows: usize,
    f: impl FnMut(usize) -> Result<Option<i64>, EvalError>,
    of: DataType,
) -> Result<ArrayRef, EvalError> {
    let values = (0..rows).map(f).collect::<Result<PrimitiveArray<Int64Type>, EvalError>>()?;
    narrowed(values, of).ok_or_else(|| EvalError::new("internal fault: a time of no type"))
}

fn to_date_types(args: &[Expr]) -> Result<Signature, String> {
    check_pattern(args, 1, Family::Lenient)?;
    or_null(wanting("TO_DATE", args, &[Text, Text], 1, DataType::Date))
}

/// Text as a `DATE`; null where it is none.
fn to_date(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let given = site.args.len() > 1;
    let patterns = Patterns::new(site, 1, Family::Lenient)?;
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, last) = (texts(&args[0])?, RefCell::new(None));
        let row = |row| {
            let Some(s) = text.get(row) else { return Ok(None) };
            if !given {
                return Ok(parse_date(s));
            }
            Ok(patterns.with(args, 1, row, &last, |p| p.read(s))?.flatten().map(Moment::day))
        };
        timed(rows, row, DataType::Date)
    }))
}

fn ltz_types(args: &[Expr]) -> Result<Signature, String> {
    let takes = "TO_TIMESTAMP_LTZ takes (number, 0 or 3) or (text, [pattern], [zone])";
    let wrong = || Err(format!("{takes}, found ({})", type_list(args)));
    let signature =
        |types: Vec<DataType>| Ok(Signature { args: types, returns: DataType::TimestampLtz(3), nullable: true });
    match args {
        [number] | [number, _] if number.data_type.is_numeric() => {
            if let [_, precision] = args
                && !matches!(precision.as_literal().and_then(|v| v.as_integer()), Some(0 | 3))
            {
                return Err("TO_TIMESTAMP_LTZ takes the precision 0 (seconds) or 3 (milliseconds)".to_owned());
            }
            let of = if number.data_type.is_integer() { DataType::BigInt } else { number.data_type };
            let of = if of == DataType::Float { DataType::Double } else { of };
            signature([of].into_iter().chain(args[1..].iter().map(|a| a.data_type)).collect())
        }
        [_, ..] if args.len() <= 3 && args.iter().all(|a| a.data_type.is_text() || a.data_type == DataType::Null) => {
            check_pattern(args, 1, Family::Strict)?;
            signature(vec![DataType::STRING; args.len()])
        }
        _ => wrong(),
    }
}

/// The first and the last millisecond that a point in time may be at: the years 0 to 9999.
const EPOCH_MS: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

fn to_timestamp_ltz(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let seconds = site.constant_integer(1) == Some(0);
    match site.arg_type(0) {
        DataType::BigInt => Ok(Box::new(move |args: &[Value], rows| {
            let numbers = Integers::of(&args[0]);
            let ms = |n: i64| if seconds { n.checked_mul(1_000) } else { Some(n) };
            let row = |row| Ok(numbers.get(row)?.and_then(ms).filter(|ms| EPOCH_MS.contains(ms)));
            timed(rows, row, DataType::TimestampLtz(3))
        })),
        DataType::Double => Ok(Box::new(move |args: &[Value], rows| {
            let numbers = args[0].rows::<Float64Array>()?;
            let ms = |n: f64| (if seconds { n * 1_000.0 } else { n }) as i64;
            let row = |row| Ok(numbers.get(row).map(ms).filter(|ms| EPOCH_MS.contains(ms)));
            timed(rows, row, DataType::TimestampLtz(3))
        })),
        DataType::Decimal(_, scale) => Ok(Box::new(move |args: &[Value], rows| {
            let numbers = args[0].rows::<PrimitiveArray<Decimal128Type>>()?;
            let unit = super::super::decimal::power_of_ten(scale);
            let whole = |n: i128| i64::try_from(n / unit).ok();
            let ms = |n: i64| if seconds { n.checked_mul(1_000) } else { Some(n) };
            let row = |row| Ok(numbers.get(row).and_then(whole).and_then(ms).filter(|ms| EPOCH_MS.contains(ms)));
            timed(rows, row, DataType::TimestampLtz(3))
        })),
        _ => ltz_from_text(site),
    }
}

/// Text as a point in time, on the clock of a zone given, else UTC.
fn ltz_from_text(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let patterns = Patterns::new(site, 1, Family::Strict)?;
    let given = site.args.len() > 1;
    let zoned = site.args.len() > 2;
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, last) = (texts(&args[0])?, RefCell::new(None));
        let zones = args.get(2).map(texts).transpose()?;
        let row = |row| {
            let Some(s) = text.get(row) else { return Ok(None) };
            let zone = match (&zones, zoned) {
                (Some(zones), true) => match zones.get(row) {
                    None => return Ok(None),
                    Some(name) => {
                        Zone::parse(name).ok_or_else(|| EvalError::new(format!("'{name}' is no time zone")))?
                    }
                },
                _ => Zone::UTC,
            };
            let at = match given {
                false => parse_timestamp(s),
                true => patterns.with(args, 1, row, &last, |p| p.read(s))?.flatten(),
            };
            Ok(at.map(|at| zone.epoch_ms(at.ms)))
        };
        timed(rows, row, DataType::TimestampLtz(3))
    }))
}

fn unix_types(args: &[Expr]) -> Result<Signature, String> {
    if args.is_empty() {
        return Err("UNIX_TIMESTAMP without a text reads the clock, which is not supported yet".to_owned());
    }
    check_pattern(args, 1, Family::Lenient)?;
    wanting("UNIX_TIMESTAMP", args, &[Text, Text], 1, DataType::BigInt)
}

/// Seconds since 1970 of text on the session's clock.
fn unix_timestamp(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    /// What Flink gives for text that is no time.
    const NO_TIME: i64 = i64::MIN;
    let patterns = Patterns::new(site, 1, Family::Lenient)?;
    let zone = site.zone;
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, last) = (texts(&args[0])?, RefCell::new(None));
        build_numbers::<Int64Type>(rows, |row| {
            let Some(s) = text.get(row) else { return Ok(None) };
            let read = patterns.with(args, 1, row, &last, |p| p.read(s))?;
            Ok(read.map(|at| at.map_or(NO_TIME, |at| zone.epoch_ms(at.ms) / 1_000)))
        })
    }))
}

fn from_unix_types(args: &[Expr]) -> Result<Signature, String> {
    check_pattern(args, 1, Family::Lenient)?;
    wanting("FROM_UNIXTIME", args, &[Integer, Text], 1, DataType::STRING)
}

/// Seconds since 1970 as text on the session's clock.
fn from_unixtime(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let patterns = Patterns::new(site, 1, Family::Lenient)?;
    let zone = site.zone;
    Ok(Box::new(move |args: &[Value], rows| {
        let (seconds, last) = (Integers::of(&args[0]), RefCell::new(None));
        build_text(rows, |row, out| {
            let Some(seconds) = seconds.get(row)? else { return Ok(false) };
            let at = Moment::of_ms(zone.wall_ms(seconds.wrapping_mul(1_000)));
            Ok(patterns.with(args, 1, row, &last, |p| p.write(out, at))?.is_some())
        })
    }))
}

fn convert_types(args: &[Expr]) -> Result<Signature, String> {
    for zone in args.iter().skip(1) {
        if let Some(name) = zone.as_literal().and_then(|v| v.as_text())
            && Zone::parse(name).is_none()
        {
            return Err(format!("'{name}' is no time zone"));
        }
    }
    or_null(wanting("CONVERT_TZ", args, &[Text, Text, Text], 0, DataType::STRING))
}

/// Text on one clock as text on another.
fn convert_tz(_: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let standard = Pattern::new(STANDARD, Family::Lenient).map_err(EvalError::new)?;
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, from, to) = (texts(&args[0])?, texts(&args[1])?, texts(&args[2])?);
        let zone = |name: &str| Zone::parse(name).ok_or_else(|| EvalError::new(format!("'{name}' is no time zone")));
        build_text(rows, |row, out| {
            let (Some(s), Some(from), Some(to)) = (text.get(row), from.get(row), to.get(row)) else { return Ok(false) };
            let Some(at) = standard.read(s) else { return Ok(false) };
            let ms = zone(to)?.wall_ms(zone(from)?.epoch_ms(at.ms));
            standard.write(out, Moment::of_ms(ms));
            Ok(true)
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_pattern_is_seen_when_the_script_is_read() {
        let args = [Expr::null(DataType::Timestamp(3)), Expr::text("yyyy Z")];
        assert!(date_format_types(&args).is_err());
        let args = [Expr::text("2016"), Expr::text("UTC"), Expr::text("Mars/Phobos")];
        assert_eq!(convert_types(&args).unwrap_err(), "'Mars/Phobos' is no time zone");
    }
}
