//! Casts to text and from text, in Flink's formats.

use super::super::value::{Value, integer_at, narrowed};
use super::super::{EvalError, Zone, calendar, decimal, java_number};
use super::time::{carrier_of, wall};
use super::{CastMode, collect, retyped};
use crate::types::DataType;
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use std::sync::Arc;

/// Writes values as text, cut or padded to the target's length.
pub(super) fn write(value: &Value, from: DataType, to: DataType, zone: Zone) -> Result<ArrayRef, EvalError> {
    let array = &value.array;
    if let (DataType::Char(a) | DataType::Varchar(a), DataType::Varchar(b)) = (from, to)
        && a <= b
    {
        return Ok(retyped(array));
    }
    let mut out = StringBuilder::with_capacity(array.len(), array.len() * 8);
    let mut buffer = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            out.append_null();
            continue;
        }
        buffer.clear();
        write_row(&mut buffer, array, row, from, zone)?;
        fit(&mut buffer, to);
        out.append_value(&buffer);
    }
    Ok(Arc::new(out.finish()))
}

fn write_row(out: &mut String, array: &ArrayRef, row: usize, from: DataType, zone: Zone) -> Result<(), EvalError> {
    match from {
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "TRUE" } else { "FALSE" }),
        DataType::Float => java_number::write_float(out, array.as_primitive::<Float32Type>().value(row)),
        DataType::Double => java_number::write_double(out, array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal(_, s) => decimal::write(out, array.as_primitive::<Decimal128Type>().value(row), s),
        DataType::Char(_) | DataType::Varchar(_) => out.push_str(array.as_string::<i32>().value(row)),
        DataType::Bytes => out.push_str(&String::from_utf8_lossy(array.as_binary::<i32>().value(row))),
        _ => {
            let carrier = integer_at(array, row).ok_or_else(|| EvalError::mismatch("values", array.data_type()))?;
            write_carried(out, carrier, from, zone);
        }
    }
    Ok(())
}

fn write_carried(out: &mut String, carrier: i64, from: DataType, zone: Zone) {
    match from {
        DataType::Date => calendar::write_date(out, carrier),
        DataType::Time(p) => calendar::write_time(out, carrier, p),
        DataType::Timestamp(p) | DataType::TimestampLtz(p) => {
            calendar::write_timestamp(out, wall(carrier, from, zone), p);
        }
        DataType::IntervalYearMonth => calendar::write_months(out, carrier),
        DataType::IntervalDayTime => calendar::write_span(out, carrier),
        _ => {
            calendar::push(out, format_args!("{carrier}"));
        }
    }
}

/// Cuts text to the length of its type, and pads it for `CHAR`.
fn fit(text: &mut String, to: DataType) {
    let (DataType::Char(length) | DataType::Varchar(length)) = to else { return };
    let length = length as usize;
    if text.len() > length
        && let Some((end, _)) = text.char_indices().nth(length)
    {
        text.truncate(end);
    }
    if let DataType::Char(_) = to {
        let present = text.chars().count();
        text.extend(std::iter::repeat_n(' ', length.saturating_sub(present)));
    }
}

/// Reads text as a value of `to`.
pub(super) fn read(value: &Value, to: DataType, mode: CastMode, zone: Zone) -> Result<ArrayRef, EvalError> {
    let texts = value.array.as_string::<i32>();
    Ok(match to {
        DataType::Boolean => {
            let rows = texts.iter().map(|t| t.map_or(Ok(None), |t| or_fail(read_boolean(t), t, to, mode)));
            Arc::new(rows.collect::<Result<BooleanArray, _>>()?)
        }
        DataType::Float => Arc::new(read_with::<Float32Type>(texts, to, mode, |t| read_double(t).map(|v| v as f32))?),
        DataType::Double => Arc::new(read_with::<Float64Type>(texts, to, mode, read_double)?),
        DataType::Decimal(p, s) => Arc::new(read_decimals(texts, (p, s), mode)?),
        DataType::Bytes => {
            let mut out = BinaryBuilder::new();
            texts.iter().for_each(|t| out.append_option(t));
            Arc::new(out.finish())
        }
        _ => {
            let values = read_with::<Int64Type>(texts, to, mode, |t| read_carried(t, to, zone))?;
            narrowed(values, to).ok_or_else(|| EvalError::new(format!("internal fault: no cast to {to}")))?
        }
    })
}

fn or_fail<T>(read: Option<T>, text: &str, to: DataType, mode: CastMode) -> Result<Option<T>, EvalError> {
    match read {
        Some(value) => Ok(Some(value)),
        None => mode.failed(|| format!("'{text}' cannot be read as {to}")),
    }
}

fn read_with<T: ArrowPrimitiveType>(
    texts: &StringArray,
    to: DataType,
    mode: CastMode,
    read: impl Fn(&str) -> Option<T::Native>,
) -> Result<arrow_array::PrimitiveArray<T>, EvalError> {
    collect::<T>(texts.len(), |row| {
        if texts.is_null(row) {
            return Ok(None);
        }
        or_fail(read(texts.value(row)), texts.value(row), to, mode)
    })
}

fn read_decimals(
    texts: &StringArray,
    (precision, scale): (u8, u8),
    mode: CastMode,
) -> Result<arrow_array::PrimitiveArray<Decimal128Type>, EvalError> {
    let to = DataType::Decimal(precision, scale);
    let values = collect::<Decimal128Type>(texts.len(), |row| {
        if texts.is_null(row) {
            return Ok(None);
        }
        let text = texts.value(row);
        or_fail(decimal::parse(text.trim(), (precision, scale)), text, to, mode)
    })?;
    Ok(values.with_data_type(to.arrow()))
}

fn read_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Reads what Java reads as a double: no bare `inf`, but `NaN`, `Infinity` and a suffix `d` or `f`.
fn read_double(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "Infinity" || unsigned == "NaN" {
        return text.parse().ok();
    }
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    // Rust also reads words; Java's only ones were seen above.
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok()
}

fn read_carried(text: &str, to: DataType, zone: Zone) -> Option<i64> {
    match to {
        DataType::TinyInt => read_integer(text).filter(|v| i8::try_from(*v).is_ok()),
        DataType::SmallInt => read_integer(text).filter(|v| i16::try_from(*v).is_ok()),
        DataType::Int => read_integer(text).filter(|v| i32::try_from(*v).is_ok()),
        DataType::BigInt => read_integer(text),
        DataType::Date => calendar::parse_date(text.trim()),
        DataType::Time(_) => calendar::parse_time(text.trim()),
        DataType::Timestamp(_) | DataType::TimestampLtz(_) => {
            let precision = if let DataType::Timestamp(p) | DataType::TimestampLtz(p) = to { p } else { 0 };
            carrier_of(calendar::parse_timestamp(text)?.floored(precision), to, zone)
        }
        _ => None,
    }
}

/// Reads an integer; digits after a point are checked and cut off.
fn read_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    if digits.is_empty() {
        // `.5` and `-.5` are 0, but a lone sign or point is nothing.
        return (!fraction.is_empty()).then_some(0);
    }
    whole.parse().ok()
}
