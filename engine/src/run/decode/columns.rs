//! Columns under construction: one value after the other from JSON into Arrow, with Flink's conversions.

use super::moment::{Moment, MomentReader, TimestampFormat};
use super::scan::{Shape, Value};
use super::text;
use crate::types::DataType;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, NullArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use std::str::FromStr;
use std::sync::Arc;

/// What the conversions of one record share.
pub(super) struct Context {
    pub(super) format: TimestampFormat,
    pub(super) moments: MomentReader,
    pub(super) scratch: Vec<u8>,
}

/// A column of numbers.
pub(super) struct Numbers<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    fn new() -> Self {
        Self { values: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }

    fn push(&mut self, value: Option<T::Native>) {
        self.nulls.append(value.is_some());
        self.values.push(value.unwrap_or_default());
    }

    fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.nulls.truncate(rows);
    }

    fn finish(&mut self) -> PrimitiveArray<T> {
        let capacity = self.values.len();
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(capacity));
        PrimitiveArray::new(ScalarBuffer::from(values), self.nulls.finish())
    }
}

/// A column of byte strings.
pub(super) struct Strings {
    offsets: Vec<i32>,
    values: Vec<u8>,
    nulls: NullBufferBuilder,
}

impl Strings {
    fn new() -> Self {
        Self { offsets: vec![0], values: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }

    fn end_value(&mut self, valid: bool) -> Result<(), &'static str> {
        let end = i32::try_from(self.values.len()).map_err(|_| "more than 2 GiB of text in one batch")?;
        self.offsets.push(end);
        self.nulls.append(valid);
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.values.truncate(self.offsets.last().map_or(0, |end| *end as usize));
        self.nulls.truncate(rows);
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Buffer, Option<arrow_buffer::NullBuffer>) {
        let (rows, bytes) = (self.offsets.len(), self.values.len());
        let mut fresh = Vec::with_capacity(rows);
        fresh.push(0);
        let offsets = std::mem::replace(&mut self.offsets, fresh);
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(bytes));
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(values), self.nulls.finish())
    }
}

/// One column under construction.
pub(super) enum Column {
    Null(usize),
    Boolean(BooleanBufferBuilder, NullBufferBuilder),
    TinyInt(Numbers<Int8Type>),
    SmallInt(Numbers<Int16Type>),
    Int(Numbers<Int32Type>),
    BigInt(Numbers<Int64Type>),
    Float(Numbers<Float32Type>),
    Double(Numbers<Float64Type>),
    Decimal(Numbers<Decimal128Type>, u8, u8),
    String(Strings),
    Bytes(Strings),
    Date(Numbers<Date32Type>),
    Time(Numbers<Time32MillisecondType>),
    Millis(Numbers<TimestampMillisecondType>, bool),
    Micros(Numbers<TimestampMicrosecondType>, bool),
    Nanos(Numbers<TimestampNanosecondType>, bool),
}

impl Column {
    pub(super) fn new(data_type: DataType) -> Self {
        let timestamp = |precision: u8, zoned: bool| match precision {
            0..=3 => Self::Millis(Numbers::new(), zoned),
            4..=6 => Self::Micros(Numbers::new(), zoned),
            _ => Self::Nanos(Numbers::new(), zoned),
        };
        match data_type {
            DataType::Null => Self::Null(0),
            DataType::Boolean => Self::Boolean(BooleanBufferBuilder::new(0), NullBufferBuilder::new(0)),
            DataType::TinyInt => Self::TinyInt(Numbers::new()),
            DataType::SmallInt => Self::SmallInt(Numbers::new()),
            DataType::Int | DataType::IntervalYearMonth => Self::Int(Numbers::new()),
            DataType::BigInt | DataType::IntervalDayTime => Self::BigInt(Numbers::new()),
            DataType::Float => Self::Float(Numbers::new()),
            DataType::Double => Self::Double(Numbers::new()),
            DataType::Decimal(p, s) => Self::Decimal(Numbers::new(), p, s),
            DataType::Char(_) | DataType::Varchar(_) => Self::String(Strings::new()),
            DataType::Bytes => Self::Bytes(Strings::new()),
            DataType::Date => Self::Date(Numbers::new()),
            DataType::Time(_) => Self::Time(Numbers::new()),
            DataType::Timestamp(p) => timestamp(p, false),
            DataType::TimestampLtz(p) => timestamp(p, true),
        }
    }

    /// Appends what `value` means for this column; after an error the column may be one value longer or not, and is
    /// to be cut with [`Column::truncate`].
    #[inline]
    pub(super) fn push(&mut self, value: &Value, data: &[u8], context: &mut Context) -> Result<(), &'static str> {
        if matches!(value.shape, Shape::Missing | Shape::Null) {
            return self.push_null();
        }
        match self {
            Self::Double(column) => column.push(Some(double(value, data, &mut context.scratch)?)),
            Self::Millis(column, zoned) => column.push(Some(moment(value, data, context, *zoned)?.millis())),
            Self::String(column) => {
                string(value, data, &mut column.values);
                column.end_value(true)?;
            }
            Self::BigInt(column) => column.push(Some(integer(value, data, &mut context.scratch)?)),
            Self::Int(column) => column.push(Some(integer(value, data, &mut context.scratch)?)),
            other => other.push_rare(value, data, context)?,
        }
        Ok(())
    }

    fn push_rare(&mut self, value: &Value, data: &[u8], context: &mut Context) -> Result<(), &'static str> {
        let scratch = &mut context.scratch;
        match self {
            Self::Null(rows) => *rows += 1,
            Self::Boolean(values, nulls) => {
                values.append(value.shape == Shape::True || plain(value, data, scratch)?.eq_ignore_ascii_case("true"));
                nulls.append_non_null();
            }
            Self::TinyInt(column) => column.push(Some(parse(plain(value, data, scratch)?)?)),
            Self::SmallInt(column) => column.push(Some(parse(plain(value, data, scratch)?)?)),
            Self::Float(column) => column.push(Some(real(plain(value, data, scratch)?)?)),
            Self::Decimal(column, p, s) => column.push(decimal(plain(value, data, scratch)?, *p, *s)?),
            Self::Date(column) => {
                let days = context.moments.date(plain(value, data, scratch)?.as_bytes());
                column.push(Some(days.and_then(|d| i32::try_from(d).ok()).ok_or("not a DATE")?));
            }
            Self::Time(column) => {
                // Flink's format keeps whole seconds of a TIME.
                let (seconds, _) =
                    super::moment::time(plain(value, data, scratch)?.as_bytes(), false).ok_or("not a TIME")?;
                column.push(Some(seconds as i32 * 1_000));
            }
            Self::Micros(column, zoned) => {
                let micros = moment(value, data, context, *zoned)?.micros();
                column.push(Some(micros.ok_or("a TIMESTAMP out of range")?));
            }
            Self::Nanos(column, zoned) => {
                let nanos = moment(value, data, context, *zoned)?.nanos();
                column.push(Some(nanos.ok_or("a TIMESTAMP out of range")?));
            }
            Self::Bytes(column) => {
                base64(plain(value, data, scratch)?.as_bytes(), &mut column.values).ok_or("not base64")?;
                column.end_value(true)?;
            }
            // Those that `push` has taken.
            Self::Int(_) | Self::BigInt(_) | Self::Double(_) | Self::String(_) | Self::Millis(..) => {}
        }
        Ok(())
    }

    pub(super) fn push_null(&mut self) -> Result<(), &'static str> {
        match self {
            Self::Null(rows) => *rows += 1,
            Self::Boolean(values, nulls) => {
                values.append(false);
                nulls.append_null();
            }
            Self::TinyInt(c) => c.push(None),
            Self::SmallInt(c) => c.push(None),
            Self::Int(c) => c.push(None),
            Self::BigInt(c) => c.push(None),
            Self::Float(c) => c.push(None),
            Self::Double(c) => c.push(None),
            Self::Decimal(c, ..) => c.push(None),
            Self::String(c) | Self::Bytes(c) => c.end_value(false)?,
            Self::Date(c) => c.push(None),
            Self::Time(c) => c.push(None),
            Self::Millis(c, _) => c.push(None),
            Self::Micros(c, _) => c.push(None),
            Self::Nanos(c, _) => c.push(None),
        }
        Ok(())
    }

    /// Forgets all values from row `rows` on.
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Null(n) => *n = rows.min(*n),
            Self::Boolean(values, nulls) => {
                if values.len() > rows {
                    values.truncate(rows);
                }
                nulls.truncate(rows);
            }
            Self::TinyInt(c) => c.truncate(rows),
            Self::SmallInt(c) => c.truncate(rows),
            Self::Int(c) => c.truncate(rows),
            Self::BigInt(c) => c.truncate(rows),
            Self::Float(c) => c.truncate(rows),
            Self::Double(c) => c.truncate(rows),
            Self::Decimal(c, ..) => c.truncate(rows),
            Self::String(c) | Self::Bytes(c) => c.truncate(rows),
            Self::Date(c) => c.truncate(rows),
            Self::Time(c) => c.truncate(rows),
            Self::Millis(c, _) => c.truncate(rows),
            Self::Micros(c, _) => c.truncate(rows),
            Self::Nanos(c, _) => c.truncate(rows),
        }
    }

    /// The finished column; a new one begins.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let zone = |zoned: &bool| zoned.then(|| Arc::from("UTC"));
        Ok(match self {
            Self::Null(rows) => Arc::new(NullArray::new(std::mem::take(rows))),
            Self::Boolean(values, nulls) => Arc::new(BooleanArray::new(values.finish(), nulls.finish())),
            Self::TinyInt(c) => Arc::new(c.finish()),
            Self::SmallInt(c) => Arc::new(c.finish()),
            Self::Int(c) => Arc::new(c.finish()),
            Self::BigInt(c) => Arc::new(c.finish()),
            Self::Float(c) => Arc::new(c.finish()),
            Self::Double(c) => Arc::new(c.finish()),
            Self::Decimal(c, p, s) => Arc::new(c.finish().with_precision_and_scale(*p, *s as i8)?),
            Self::String(c) => {
                let (offsets, values, nulls) = c.finish();
                Arc::new(StringArray::try_new(offsets, values, nulls)?)
            }
            Self::Bytes(c) => {
                let (offsets, values, nulls) = c.finish();
                Arc::new(BinaryArray::try_new(offsets, values, nulls)?)
            }
            Self::Date(c) => Arc::new(c.finish()),
            Self::Time(c) => Arc::new(c.finish()),
            Self::Millis(c, z) => Arc::new(c.finish().with_timezone_opt(zone(z))),
            Self::Micros(c, z) => Arc::new(c.finish().with_timezone_opt(zone(z))),
            Self::Nanos(c, z) => Arc::new(c.finish().with_timezone_opt(zone(z))),
        })
    }
}

/// The text of a scalar, without blanks around it.
fn plain<'a>(value: &Value, data: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a str, &'static str> {
    let bytes = match value.shape {
        Shape::Nested => return Err("an array or object where a scalar was expected"),
        Shape::Escaped => {
            scratch.clear();
            text::unescape(value.bytes(data), scratch);
            scratch.as_slice()
        }
        _ => value.bytes(data),
    };
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    Ok(text.trim_matches(|c: char| c <= ' '))
}

fn string(value: &Value, data: &[u8], out: &mut Vec<u8>) {
    match value.shape {
        Shape::Escaped => text::unescape(value.bytes(data), out),
        Shape::Nested => text::minify(value.bytes(data), out),
        _ => out.extend_from_slice(value.bytes(data)),
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "not an integer of the column's size")
}

/// An integer: a number cut toward zero, or text that is one.
#[inline]
fn integer<T: TryFrom<i64> + FromStr>(value: &Value, data: &[u8], scratch: &mut Vec<u8>) -> Result<T, &'static str> {
    const ERROR: &str = "not an integer of the column's size";
    let wide = match value.shape {
        Shape::Integer if value.exponent == 0 && value.mantissa <= i64::MAX as u64 => {
            let negative = data.get(value.start as usize) == Some(&b'-');
            if negative { -(value.mantissa as i64) } else { value.mantissa as i64 }
        }
        Shape::Float => {
            let number = double(value, data, scratch)?;
            // The bounds as a double: -2^63 and 2^63, of which the latter is no i64 any more.
            if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
                return Err(ERROR);
            }
            number as i64
        }
        _ => return parse(plain(value, data, scratch)?),
    };
    T::try_from(wide).map_err(|_| ERROR)
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

#[inline]
fn double(value: &Value, data: &[u8], scratch: &mut Vec<u8>) -> Result<f64, &'static str> {
    if matches!(value.shape, Shape::Float | Shape::Integer) {
        // Where digits and power of ten are both exact doubles, one division rounds correctly.
        if value.mantissa < 1 << 53 && (-22..=0).contains(&value.exponent) {
            let magnitude = value.mantissa as f64 / POWERS[value.exponent.unsigned_abs() as usize];
            return Ok(if data.get(value.start as usize) == Some(&b'-') { -magnitude } else { magnitude });
        }
    }
    real(plain(value, data, scratch)?)
}

/// Text as Java reads a float or double.
fn real<T: FromStr>(text: &str) -> Result<T, &'static str> {
    const ERROR: &str = "not a number";
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(digits, "NaN" | "Infinity") {
        return text.parse().map_err(|_| ERROR);
    }
    let body = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    if body.bytes().all(|c| matches!(c, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        body.parse().map_err(|_| ERROR)
    } else {
        Err(ERROR)
    }
}

fn moment(value: &Value, data: &[u8], context: &mut Context, zoned: bool) -> Result<Moment, &'static str> {
    let Context { format, moments, scratch } = context;
    let text = match value.shape {
        Shape::Plain => value.bytes(data),
        Shape::Escaped => {
            scratch.clear();
            text::unescape(value.bytes(data), scratch);
            scratch.as_slice()
        }
        _ => return Err("not a TIMESTAMP"),
    };
    moments.timestamp(text, *format, zoned).ok_or("not a TIMESTAMP in the table's json.timestamp-format.standard")
}

/// A decimal rounded half up to `scale`; `None` (null) when it needs more than `precision` digits.
fn decimal(text: &str, precision: u8, scale: u8) -> Result<Option<i128>, &'static str> {
    const ERROR: &str = "not a DECIMAL";
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (number, power) = match body.split_once(['e', 'E']) {
        Some((number, power)) => (number, power.parse::<i32>().map_err(|_| ERROR)?),
        None => (body, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = || whole.bytes().chain(fraction.bytes());
    if all_digits().next().is_none() || !all_digits().all(|c| c.is_ascii_digit()) {
        return Err(ERROR);
    }
    // How many of the digits stand before the place that is rounded at.
    let kept = i64::from(power) + whole.len() as i64 + i64::from(scale);
    let mut unscaled: i128 = 0;
    let mut digits = all_digits();
    let mut left = whole.len() + fraction.len();
    for _ in 0..kept.max(0) {
        let digit = digits.next().map_or(0, |d| i128::from(d - b'0'));
        left = left.saturating_sub(1);
        match unscaled.checked_mul(10).and_then(|u| u.checked_add(digit)) {
            Some(next) => unscaled = next,
            None => return Ok(None),
        }
        if unscaled == 0 && left == 0 {
            break;
        }
    }
    if kept >= 0 && digits.next().is_some_and(|d| d >= b'5') {
        unscaled += 1;
    }
    let fits = unscaled < 10_i128.pow(u32::from(precision));
    Ok(fits.then_some(if negative { -unscaled } else { unscaled }))
}

/// Decodes base64 (standard alphabet, padded or not) onto `out`; `None` when it is none.
fn base64(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let body = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    if body.len() % 4 == 1 {
        return None;
    }
    for chunk in body.chunks(4) {
        let mut bits = 0_u32;
        for c in chunk {
            let six = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        bits <<= 6 * (4 - chunk.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_round_half_up_and_overflow_to_null() {
        for (text, expected) in [
            ("1.005", Ok(Some(101))),
            ("-1.005", Ok(Some(-101))),
            ("1.004999", Ok(Some(100))),
            ("0.004", Ok(Some(0))),
            ("0.005", Ok(Some(1))),
            ("5e-3", Ok(Some(1))),
            ("12e2", Ok(Some(120_000))),
            ("999.99", Ok(Some(99_999))),
            ("999.995", Ok(Some(100_000))),
            ("9999.995", Ok(None)),
            ("99999", Ok(None)),
            ("1e40", Ok(None)),
            ("0e999999999", Ok(Some(0))),
            (".5", Ok(Some(50))),
            ("", Err("not a DECIMAL")),
            (".", Err("not a DECIMAL")),
            ("1x", Err("not a DECIMAL")),
        ] {
            assert_eq!(decimal(text, 6, 2), expected, "{text}");
        }
    }

    #[test]
    fn base64_is_decoded_with_and_without_padding() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")] {
            let mut out = Vec::new();
            base64(text.as_bytes(), &mut out).unwrap();
            assert_eq!(out, bytes.as_bytes(), "{text}");
        }
        assert_eq!(base64(b"Z", &mut Vec::new()), None);
        assert_eq!(base64(b"Z?==", &mut Vec::new()), None);
    }

    #[test]
    fn text_is_read_as_java_reads_doubles() {
        assert_eq!(real::<f64>("1.5d"), Ok(1.5));
        assert_eq!(real::<f64>("-Infinity"), Ok(f64::NEG_INFINITY));
        assert!(real::<f64>("NaN").unwrap().is_nan());
        assert!(real::<f64>("inf").is_err());
        assert!(real::<f64>("").is_err());
    }

    proptest! {
        #[test]
        fn doubles_are_exact(mantissa in any::<i64>(), shift in 0u32..24, cut in 0u32..18) {
            let mantissa = mantissa / 10_i64.pow(cut);
            let text = match mantissa.to_string() {
                t if shift == 0 => t,
                t => format!("{t}e-{shift}"),
            };
            let record = format!("{{\"a\":{text}}}");
            let mut scanner = super::super::scan::Scanner::new(["a"].into_iter());
            scanner.scan(record.as_bytes()).unwrap();
            let read = double(&scanner.values()[0], record.as_bytes(), &mut Vec::new()).unwrap();
            prop_assert_eq!(read.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
        }
    }
}
