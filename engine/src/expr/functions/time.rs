//! Functions of dates and times.

use super::super::calendar::{Civil, DAY_MS, Moment, months_between};
use super::super::function::{CallSite, Kernel, ScalarFunction, Signature};
use super::super::value::{Value, long_values, narrowed, widened};
use super::super::{EvalError, Zone};
use super::kernels::Integers;
use super::{Expr, type_list};
use crate::types::DataType;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction { name: "TIMESTAMPDIFF", signature: timestampdiff_types, prepare: timestampdiff, can_fail: false },
    ScalarFunction { name: super::TIME_ADD, signature: time_add_types, prepare: time_add, can_fail: false },
];

/// A unit of time, of a fixed length or of months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Ms(i64),
    Months(i64),
}

fn span(unit: &str) -> Option<Span> {
    Some(match unit {
        "SECOND" => Span::Ms(1_000),
        "MINUTE" => Span::Ms(60_000),
        "HOUR" => Span::Ms(3_600_000),
        "DAY" => Span::Ms(86_400_000),
        "WEEK" => Span::Ms(7 * 86_400_000),
        "MONTH" => Span::Months(1),
        "QUARTER" => Span::Months(3),
        "YEAR" => Span::Months(12),
        _ => return None,
    })
}

fn timestampdiff_types(args: &[Expr]) -> Result<Signature, String> {
    let unit = args.first().and_then(|a| a.as_literal()).and_then(|v| v.as_text().map(str::to_owned));
    let Some(unit) = unit.filter(|u| span(u).is_some()) else {
        return Err("TIMESTAMPDIFF takes a unit (SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR) first".into());
    };
    let time = |e: &Expr| e.data_type.is_timestamp() || matches!(e.data_type, DataType::Date | DataType::Null);
    if args.len() != 3 || !args[1..].iter().all(time) {
        return Err(format!(
            "TIMESTAMPDIFF takes ({unit}, from, to) with two times, found ({})",
            type_list(&args[1..])
        ));
    }
    let zoned = |e: &Expr| matches!(e.data_type, DataType::TimestampLtz(_));
    let plain = |e: &Expr| matches!(e.data_type, DataType::Timestamp(_) | DataType::Date);
    if args[1..].iter().any(zoned) && args[1..].iter().any(plain) {
        return Err("TIMESTAMPDIFF of a TIMESTAMP_LTZ needs another one; CAST one side".to_owned());
    }
    let point = |e: &Expr| match e.data_type {
        DataType::Null => DataType::Timestamp(3),
        DataType::Date => DataType::Timestamp(0),
        other => other,
    };
    let kinds = vec![args[0].data_type, point(&args[1]), point(&args[2])];
    Ok(Signature { args: kinds, returns: DataType::Int, nullable: false })
}

fn timestampdiff(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let unit = site.constant_text(0).and_then(span).ok_or_else(|| EvalError::new("the unit is no constant"))?;
    let precision = |i| match site.arg_type(i) {
        DataType::Timestamp(p) | DataType::TimestampLtz(p) => p,
        _ => 0,
    };
    let (from, to) = (precision(1), precision(2));
    Ok(Box::new(move |args: &[Value], rows| match unit {
        Span::Ms(unit) if from <= 3 && to <= 3 => difference_ms(&args[1], &args[2], unit, rows),
        _ => {
            let (a, b) = (Integers::of(&args[1]), Integers::of(&args[2]));
            let row = |row| {
                let (Some(a), Some(b)) = (a.get(row)?, b.get(row)?) else { return Ok(None) };
                let (a, b) = (Moment::from_carrier(a, from), Moment::from_carrier(b, to));
                Ok(Some(match unit {
                    Span::Ms(unit) => (b.ms.wrapping_sub(a.ms) / unit) as i32,
                    Span::Months(unit) => (months_between(a, b) / unit) as i32,
                }))
            };
            let values = (0..rows).map(row).collect::<Result<PrimitiveArray<Int32Type>, EvalError>>()?;
            Ok(Arc::new(values) as ArrayRef)
        }
    }))
}

/// The difference of two columns of milliseconds in whole units, cut toward zero.
fn difference_ms(from: &Value, to: &Value, unit: i64, rows: usize) -> Result<ArrayRef, EvalError> {
    let longs = |v: &Value| {
        let values = long_values(&v.array).ok_or_else(|| EvalError::mismatch("times", v.array.data_type()))?;
        let nulls = v.array.nulls().filter(|n| n.null_count() > 0);
        Ok::<_, EvalError>((values.to_vec(), nulls.cloned()))
    };
    if from.scalar || to.scalar {
        let of = |v: Value| v.into_array(rows).map(Value::column);
        return difference_ms(&of(from.clone())?, &of(to.clone())?, unit, rows);
    }
    let ((a, a_nulls), (b, b_nulls)) = (longs(from)?, longs(to)?);
    let nulls = arrow_buffer::NullBuffer::union(a_nulls.as_ref(), b_nulls.as_ref());
    let values: Vec<i32> = a.iter().zip(&b).map(|(a, b)| (b.wrapping_sub(*a) / unit) as i32).collect();
    Ok(Arc::new(PrimitiveArray::<Int32Type>::new(values.into(), nulls)))
}

fn time_add_types(args: &[Expr]) -> Result<Signature, String> {
    let [time, interval] = args else { return Err("a time and an interval are wanted".into()) };
    match (time.data_type, interval.data_type) {
        (DataType::Time(_), DataType::IntervalYearMonth) => Err("a TIME cannot be moved by months".into()),
        (t, i) => Ok(Signature { args: vec![t, i], returns: t, nullable: false }),
    }
}

/// Carriers of one millisecond of a time type, as a multiple and a divisor.
fn per_ms(data_type: DataType) -> (i64, i64) {
    match data_type {
        DataType::Date => (1, DAY_MS),
        DataType::Timestamp(4..=6) | DataType::TimestampLtz(4..=6) => (1_000, 1),
        DataType::Timestamp(7..) | DataType::TimestampLtz(7..) => (1_000_000, 1),
        _ => (1, 1),
    }
}

fn time_add(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let (of, zone) = (site.returns, site.zone);
    let months = site.arg_type(1) == DataType::IntervalYearMonth;
    let (times, divided) = per_ms(of);
    let shift = move |t: i64, by: i64| -> i64 {
        if months {
            return add_months(t, by, of, zone);
        }
        let sum = t.wrapping_add((by / divided).wrapping_mul(times));
        if matches!(of, DataType::Time(_)) { sum.rem_euclid(DAY_MS) } else { sum }
    };
    Ok(Box::new(move |args: &[Value], rows| {
        let (t, by) = (widened(&args[0].array)?, widened(&args[1].array)?);
        let sums: PrimitiveArray<Int64Type> = match (args[0].scalar, args[1].scalar) {
            (false, true) if by.null_count() == 0 => t.unary(|t| shift(t, by.value(0))),
            _ => {
                let (a, b) = (Integers::of(&args[0]), Integers::of(&args[1]));
                let row = |row| Ok(a.get(row)?.zip(b.get(row)?).map(|(t, by)| shift(t, by)));
                (0..rows).map(row).collect::<Result<_, EvalError>>()?
            }
        };
        narrowed(sums, of).ok_or_else(|| EvalError::new("internal fault: a time that is no time"))
    }))
}

/// A time moved by months on the calendar of its wall clock.
fn add_months(carrier: i64, months: i64, of: DataType, zone: Zone) -> i64 {
    let precision = match of {
        DataType::Date => return Civil::from_days(carrier).plus_months(months).to_days(),
        DataType::Timestamp(p) | DataType::TimestampLtz(p) => p,
        _ => return carrier,
    };
    let at = Moment::from_carrier(carrier, precision);
    let local = matches!(of, DataType::TimestampLtz(_));
    let wall = Moment { ms: if local { zone.wall_ms(at.ms) } else { at.ms }, nanos: at.nanos };
    let days = Civil::from_days(wall.day()).plus_months(months).to_days();
    let ms = days * DAY_MS + wall.ms_of_day();
    let moved = Moment { ms: if local { zone.epoch_ms(ms) } else { ms }, nanos: at.nanos };
    moved.to_carrier(precision).unwrap_or(carrier)
}
