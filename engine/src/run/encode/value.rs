//! One value of a column as text: in JSON, or as Java's `toString` would show it.

use super::moment::{TimeStyle, write_date, write_time, write_timestamp};
use super::number::{write_decimal, write_f32, write_f64, write_i64};
use super::{separator, write_string};
use crate::port::PortError;
use crate::run::decode::TimestampFormat;
use crate::types::{DataType, Field};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use model::Kind;

/// A column whose values are to be written.
pub(crate) struct Cell<'a> {
    array: &'a dyn Array,
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    TinyInt(&'a PrimitiveArray<Int8Type>),
    SmallInt(&'a PrimitiveArray<Int16Type>),
    Int(&'a PrimitiveArray<Int32Type>),
    BigInt(&'a PrimitiveArray<Int64Type>),
    Float(&'a PrimitiveArray<Float32Type>),
    Double(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, u32),
    String(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a PrimitiveArray<Date32Type>),
    Time(&'a PrimitiveArray<Time32MillisecondType>),
    Millis(&'a PrimitiveArray<TimestampMillisecondType>, bool),
    Micros(&'a PrimitiveArray<TimestampMicrosecondType>, bool),
    Nanos(&'a PrimitiveArray<TimestampNanosecondType>, bool),
}

impl<'a> Cell<'a> {
    /// Binds the column `array` of type `field`.
    pub(crate) fn bind(field: &Field, array: &'a dyn Array) -> Result<Self, PortError> {
        let values = Self::values(field.data_type, array).ok_or_else(|| {
            let message =
                format!("column {} is {} where {} was planned", field.name, array.data_type(), field.data_type);
            PortError::new(Kind::Internal, message)
        })?;
        Ok(Self { array, values })
    }

    fn values(data_type: DataType, array: &'a dyn Array) -> Option<Values<'a>> {
        Some(match data_type {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Boolean(array.as_boolean_opt()?),
            DataType::TinyInt => Values::TinyInt(array.as_primitive_opt()?),
            DataType::SmallInt => Values::SmallInt(array.as_primitive_opt()?),
            DataType::Int | DataType::IntervalYearMonth => Values::Int(array.as_primitive_opt()?),
            DataType::BigInt | DataType::IntervalDayTime => Values::BigInt(array.as_primitive_opt()?),
            DataType::Float => Values::Float(array.as_primitive_opt()?),
            DataType::Double => Values::Double(array.as_primitive_opt()?),
            DataType::Decimal(_, scale) => Values::Decimal(array.as_primitive_opt()?, u32::from(scale)),
            DataType::Char(_) | DataType::Varchar(_) => Values::String(array.as_string_opt()?),
            DataType::Bytes => Values::Bytes(array.as_binary_opt()?),
            DataType::Date => Values::Date(array.as_primitive_opt()?),
            DataType::Time(_) => Values::Time(array.as_primitive_opt()?),
            DataType::Timestamp(p) => Self::timestamps(p, false, array)?,
            DataType::TimestampLtz(p) => Self::timestamps(p, true, array)?,
        })
    }

    fn timestamps(precision: u8, zoned: bool, array: &'a dyn Array) -> Option<Values<'a>> {
        Some(match precision {
            0..=3 => Values::Millis(array.as_primitive_opt()?, zoned),
            4..=6 => Values::Micros(array.as_primitive_opt()?, zoned),
            _ => Values::Nanos(array.as_primitive_opt()?, zoned),
        })
    }

    /// Whether the value in `row` is null.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.array.is_null(row)
    }

    /// Appends the value in `row`, which is not null, as JSON.
    pub(crate) fn write_json(&self, row: usize, format: TimestampFormat, out: &mut Vec<u8>) {
        match &self.values {
            Values::String(a) => write_string(a.value(row), out),
            Values::Bytes(a) => quoted(out, |out| base64(a.value(row), out)),
            Values::Float(a) if !a.value(row).is_finite() => quoted(out, |out| write_f32(a.value(row), out)),
            Values::Double(a) if !a.value(row).is_finite() => quoted(out, |out| write_f64(a.value(row), out)),
            Values::Decimal(a, scale) => write_decimal(a.value(row), *scale, true, out),
            Values::Date(_) => quoted(out, |out| self.write_plain(row, out)),
            Values::Time(a) => quoted(out, |out| time_of_day(a.value(row), TimeStyle::Json, out)),
            Values::Millis(_, zoned) | Values::Micros(_, zoned) | Values::Nanos(_, zoned) => {
                quoted(out, |out| {
                    self.write_moment(row, separator(format), TimeStyle::Json, out);
                    if *zoned {
                        out.push(b'Z');
                    }
                });
            }
            _ => self.write_plain(row, out),
        }
    }

    /// Appends the value in `row`, which is not null, as Java's `toString` of Flink's value shows it.
    pub(crate) fn write_plain(&self, row: usize, out: &mut Vec<u8>) {
        match &self.values {
            Values::Null => out.extend_from_slice(b"null"),
            Values::Boolean(a) => out.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
            Values::TinyInt(a) => write_i64(a.value(row).into(), out),
            Values::SmallInt(a) => write_i64(a.value(row).into(), out),
            Values::Int(a) => write_i64(a.value(row).into(), out),
            Values::BigInt(a) => write_i64(a.value(row), out),
            Values::Float(a) => write_f32(a.value(row), out),
            Values::Double(a) => write_f64(a.value(row), out),
            Values::Decimal(a, scale) => write_decimal(a.value(row), *scale, false, out),
            Values::String(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Values::Bytes(a) => base64(a.value(row), out),
            Values::Date(a) => write_date(a.value(row), out),
            Values::Time(a) => time_of_day(a.value(row), TimeStyle::Java, out),
            Values::Millis(..) | Values::Micros(..) | Values::Nanos(..) => {
                self.write_moment(row, b'T', TimeStyle::Java, out);
            }
        }
    }

    /// Appends the value in `row`, which is not null, as Flink prints it: as [`Cell::write_plain`], but a point in time
    /// as `Instant` shows it.
    pub(crate) fn write_shown(&self, row: usize, out: &mut Vec<u8>) {
        match &self.values {
            Values::Millis(_, true) | Values::Micros(_, true) | Values::Nanos(_, true) => {
                self.write_moment(row, b'T', TimeStyle::Instant, out);
                out.push(b'Z');
            }
            _ => self.write_plain(row, out),
        }
    }

    fn write_moment(&self, row: usize, separator: u8, style: TimeStyle, out: &mut Vec<u8>) {
        let (value, per_second) = match &self.values {
            Values::Millis(a, _) => (a.value(row), 1_000),
            Values::Micros(a, _) => (a.value(row), 1_000_000),
            Values::Nanos(a, _) => (a.value(row), 1_000_000_000),
            _ => return,
        };
        let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
        write_timestamp(value.div_euclid(per_second), nanos as u32, separator, style, out);
    }
}

fn time_of_day(millis: i32, style: TimeStyle, out: &mut Vec<u8>) {
    let millis = millis.rem_euclid(86_400_000) as u32;
    write_time(millis / 1_000, millis % 1_000 * 1_000_000, style, out);
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Appends `bytes` in base64, padded.
fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let six = bits >> (18 - 6 * i) & 63;
            out.push(if i <= chunk.len() { ALPHABET[six as usize] } else { b'=' });
        }
    }
}
