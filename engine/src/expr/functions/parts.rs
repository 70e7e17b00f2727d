//! Parts of times (EXTRACT and the functions named after units), and times cut to a unit (FLOOR and CEIL … TO).

use super::super::calendar::{Civil, DAY_MS, Moment, day_of_week, iso_week};
use super::super::function::{CallSite, Kernel, ScalarFunction, Signature};
use super::super::value::Value;
use super::super::{EvalError, Zone};
use super::kernels::{Integers, build_numbers};
use super::{Expr, math, type_list};
use crate::types::DataType;
use arrow_array::types::Int64Type;

macro_rules! named_after_unit {
    ($name:literal, $unit:literal) => {
        ScalarFunction {
            name: $name,
            signature: |args| unit_types($name, $unit, args),
            prepare: |site| part($unit, site.arg_type(0), site.zone, 0),
            can_fail: false,
        }
    };
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction { name: "EXTRACT", signature: extract_types, prepare: extract, can_fail: false },
    named_after_unit!("YEAR", "YEAR"),
    named_after_unit!("QUARTER", "QUARTER"),
    named_after_unit!("MONTH", "MONTH"),
    named_after_unit!("WEEK", "WEEK"),
    named_after_unit!("DAYOFYEAR", "DOY"),
    named_after_unit!("DAYOFMONTH", "DAY"),
    named_after_unit!("DAYOFWEEK", "DOW"),
    named_after_unit!("HOUR", "HOUR"),
    named_after_unit!("MINUTE", "MINUTE"),
    named_after_unit!("SECOND", "SECOND"),
    ScalarFunction {
        name: "FLOOR",
        signature: |a| round_types("FLOOR", a),
        prepare: |s| round(s, false),
        can_fail: false,
    },
    ScalarFunction {
        name: "CEIL",
        signature: |a| round_types("CEIL", a),
        prepare: |s| round(s, true),
        can_fail: false,
    },
];

/// Units that a date has.
const OF_DATE: [&str; 14] = [
    "YEAR",
    "QUARTER",
    "MONTH",
    "WEEK",
    "DAY",
    "DOY",
    "DOW",
    "ISODOW",
    "ISOYEAR",
    "DECADE",
    "CENTURY",
    "MILLENNIUM",
    "EPOCH",
    "DAYOFWEEK",
];
/// Units that a time of day has.
const OF_TIME: [&str; 6] = ["HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND"];

fn unit_types(name: &str, unit: &str, args: &[Expr]) -> Result<Signature, String> {
    let [time] = args else { return Err(format!("{name} takes one time, found ({})", type_list(args))) };
    let taken = match time.data_type {
        DataType::Null => DataType::Timestamp(3),
        t if t.is_timestamp() => t,
        DataType::Date if OF_DATE.contains(&unit) => DataType::Date,
        t @ DataType::Time(_) if OF_TIME.contains(&unit) => t,
        // A date has no hours: they are those of its midnight.
        DataType::Date if OF_TIME.contains(&unit) => DataType::Timestamp(0),
        t => return Err(format!("{unit} cannot be taken from {t}")),
    };
    Ok(Signature { args: vec![taken], returns: DataType::BigInt, nullable: false })
}

fn extract_types(args: &[Expr]) -> Result<Signature, String> {
    let unit = args.first().and_then(|a| a.as_literal()).and_then(|v| v.as_text()).unwrap_or_default();
    if !OF_DATE.contains(&unit) && !OF_TIME.contains(&unit) {
        return Err(format!("EXTRACT does not know the unit {unit}"));
    }
    let of_time = unit_types("EXTRACT", unit, &args[1..])?;
    Ok(Signature { args: [&[args[0].data_type], of_time.args.as_slice()].concat(), ..of_time })
}

fn extract(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let unit = site.constant_text(0).unwrap_or_default();
    let unit = OF_DATE.iter().chain(&OF_TIME).find(|u| **u == unit);
    part(unit.copied().unwrap_or_default(), site.arg_type(1), site.zone, 1)
}

/// The wall clock at a value.
fn wall(carrier: i64, of: DataType, zone: Zone) -> Moment {
    match of {
        DataType::Date => Moment::of_ms(carrier * DAY_MS),
        DataType::Timestamp(p) => Moment::from_carrier(carrier, p),
        DataType::TimestampLtz(p) => {
            let at = Moment::from_carrier(carrier, p);
            Moment { ms: zone.wall_ms(at.ms), nanos: at.nanos }
        }
        _ => Moment::of_ms(carrier),
    }
}

fn part(unit: &'static str, of: DataType, zone: Zone, index: usize) -> Result<Kernel, EvalError> {
    let take = by_unit(unit).ok_or_else(|| EvalError::new(format!("the unit {unit} is not known")))?;
    Ok(Box::new(move |args: &[Value], rows| {
        let times = Integers::of(&args[index]);
        build_numbers::<Int64Type>(rows, |row| Ok(times.get(row)?.map(|t| take(wall(t, of, zone)))))
    }))
}

/// Flink divides toward zero here, so that before 1970 days begin at the wrong end and hours are negative.
fn by_unit(unit: &str) -> Option<fn(Moment) -> i64> {
    fn days(at: Moment) -> i64 {
        at.ms / DAY_MS
    }
    fn civil(at: Moment) -> Civil {
        Civil::from_days(days(at))
    }
    fn of_day(at: Moment) -> i64 {
        at.ms % DAY_MS
    }
    Some(match unit {
        "YEAR" => |t| civil(t).year,
        "QUARTER" => |t| i64::from(civil(t).month.div_ceil(3)),
        "MONTH" => |t| i64::from(civil(t).month),
        "WEEK" => |t| iso_week(days(t)).1,
        "ISOYEAR" => |t| iso_week(days(t)).0,
        "DAY" => |t| i64::from(civil(t).day),
        "DOY" => |t| civil(t).day_of_year(),
        "DOW" | "DAYOFWEEK" => |t| day_of_week(days(t)) + 1,
        "ISODOW" => |t| (day_of_week(days(t)) + 6) % 7 + 1,
        "DECADE" => |t| civil(t).year / 10,
        "CENTURY" => |t| {
            let year = civil(t).year;
            if year > 0 { (year + 99) / 100 } else { (year - 99) / 100 }
        },
        "MILLENNIUM" => |t| {
            let year = civil(t).year;
            if year > 0 { (year + 999) / 1_000 } else { (year - 999) / 1_000 }
        },
        "EPOCH" => |t| t.ms / 1_000,
        "HOUR" => |t| of_day(t) / 3_600_000,
        "MINUTE" => |t| of_day(t) / 60_000 % 60,
        "SECOND" => |t| of_day(t) / 1_000 % 60,
        "MILLISECOND" => |t| of_day(t) % 1_000,
        "MICROSECOND" => |t| of_day(t) % 1_000 * 1_000 + i64::from(t.nanos / 1_000),
        "NANOSECOND" => |t| of_day(t) % 1_000 * 1_000_000 + i64::from(t.nanos),
        _ => return None,
    })
}

/// Units that a time can be cut to.
const CUTS: [&str; 12] = [
    "MILLISECOND",
    "SECOND",
    "MINUTE",
    "HOUR",
    "DAY",
    "WEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "DECADE",
    "CENTURY",
    "MILLENNIUM",
];

fn round_types(name: &str, args: &[Expr]) -> Result<Signature, String> {
    match args {
        [number] => math::whole_types(name, number),
        [time, unit] => {
            let unit_name = unit.as_literal().and_then(|v| v.as_text()).unwrap_or_default();
            let of = time.data_type;
            let possible = of.is_timestamp() || matches!(of, DataType::Date | DataType::Time(_));
            if !possible || !CUTS.contains(&unit_name) {
                return Err(format!("{name}({of} TO {unit_name}) is not supported"));
            }
            Ok(Signature { args: vec![of, unit.data_type], returns: of, nullable: false })
        }
        _ => Err(format!("{name} takes a number, or a time TO a unit, found ({})", type_list(args))),
    }
}

fn round(site: &CallSite<'_>, up: bool) -> Result<Kernel, EvalError> {
    let Some(unit) = site.constant_text(1) else { return if up { math::CEIL(site) } else { math::FLOOR(site) } };
    let unit = CUTS.iter().find(|u| **u == unit).copied().unwrap_or("SECOND");
    let (of, zone) = (site.arg_type(0), site.zone);
    Ok(Box::new(move |args: &[Value], rows| {
        let times = Integers::of(&args[0]);
        let cut = |t: i64| {
            let at = wall(t, of, zone);
            let floor = cut_to(at, unit);
            // What is below the millisecond counts for milliseconds alone.
            let exact = match unit {
                "MILLISECOND" => at.nanos == 0,
                // The begin of a decade has the next one as its ceiling.
                "DECADE" | "CENTURY" | "MILLENNIUM" => false,
                _ => floor == at.ms,
            };
            let ms = if up && !exact { next(floor, unit) } else { floor };
            match of {
                DataType::Date => ms / DAY_MS,
                // A time of day has nothing above the hour.
                DataType::Time(_) if !matches!(unit, "SECOND" | "MINUTE" | "HOUR") => t,
                DataType::Time(_) => ms,
                DataType::TimestampLtz(p) => Moment::of_ms(zone.epoch_ms(ms)).to_carrier(p).unwrap_or(t),
                DataType::Timestamp(p) => Moment::of_ms(ms).to_carrier(p).unwrap_or(t),
                _ => t,
            }
        };
        let values = (0..rows).map(|row| Ok(times.get(row)?.map(cut)));
        let values = values.collect::<Result<arrow_array::PrimitiveArray<Int64Type>, EvalError>>()?;
        super::super::value::narrowed(values, of).ok_or_else(|| EvalError::new("internal fault: a time of no type"))
    }))
}

/// The begin of the unit that a moment is in, in milliseconds. Weeks begin on Sunday.
fn cut_to(at: Moment, unit: &str) -> i64 {
    let civil = Civil::from_days(at.day());
    let first = |month: u32| Civil { month, day: 1, ..civil }.to_days() * DAY_MS;
    let year = |year: i64| Civil { year, month: 1, day: 1 }.to_days() * DAY_MS;
    match unit {
        "MILLISECOND" => at.ms,
        "SECOND" => at.ms.div_euclid(1_000) * 1_000,
        "MINUTE" => at.ms.div_euclid(60_000) * 60_000,
        "HOUR" => at.ms.div_euclid(3_600_000) * 3_600_000,
        "DAY" => at.day() * DAY_MS,
        "WEEK" => (at.day() - day_of_week(at.day())) * DAY_MS,
        "MONTH" => first(civil.month),
        "QUARTER" => first((civil.month - 1) / 3 * 3 + 1),
        "YEAR" => first(1),
        // Decades begin in years that end with 0, centuries and millennia in those that end with 1.
        "DECADE" => year(civil.year.div_euclid(10) * 10),
        "CENTURY" => year((civil.year - 1).div_euclid(100) * 100 + 1),
        _ => year((civil.year - 1).div_euclid(1_000) * 1_000 + 1),
    }
}

/// The begin of the next unit.
fn next(floor: i64, unit: &str) -> i64 {
    let months = |count| Civil::from_days(floor.div_euclid(DAY_MS)).plus_months(count).to_days() * DAY_MS;
    match unit {
        "MILLISECOND" => floor + 1,
        "SECOND" => floor + 1_000,
        "MINUTE" => floor + 60_000,
        "HOUR" => floor + 3_600_000,
        "DAY" => floor + DAY_MS,
        "WEEK" => floor + 7 * DAY_MS,
        "MONTH" => months(1),
        "QUARTER" => months(3),
        "YEAR" => months(12),
        "DECADE" => months(120),
        "CENTURY" => months(1_200),
        _ => months(12_000),
    }
}
