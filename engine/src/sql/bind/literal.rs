//! Constants: numbers, texts, booleans, dates, times and timestamps.

use crate::expr::{CastMode, Expr, Scalar, Zone};
use crate::sql::coerce::fold;
use crate::sql::error::SqlError;
use crate::types::DataType;
use sqlparser::ast::{DataType as AstType, TypedString, Value, ValueWithSpan};

/// A plain constant.
pub(super) fn value(value: &ValueWithSpan) -> Result<Expr, SqlError> {
    match &value.value {
        Value::Number(digits, _) => number(digits)
            .ok_or_else(|| SqlError::at(value.span, format!("{digits} is no number that a type can hold"))),
        Value::SingleQuotedString(text) => Ok(Expr::text(text)),
        Value::Boolean(b) => Ok(Expr::boolean(*b)),
        Value::Null => Ok(Expr::null(DataType::Null)),
        Value::DoubleQuotedString(text) => Err(SqlError::at(value.span, format!("\"{text}\" is no text"))
            .hint(format!("write '{text}' for a text, `{text}` for a name"))),
        other => Err(SqlError::unsupported(value.span, format!("the constant {other}"))),
    }
}

/// A number: `INT`, `BIGINT` or `DECIMAL` by its size, `DECIMAL` with a point, `DOUBLE` with an exponent.
pub(super) fn number(digits: &str) -> Option<Expr> {
    if digits.contains(['e', 'E']) {
        return digits.parse().ok().map(|v: f64| Expr::literal(Scalar::Float(v), DataType::Double));
    }
    let whole = digits.strip_suffix('.').unwrap_or(digits);
    if let Ok(value) = whole.parse::<i64>() {
        let data_type = if i32::try_from(value).is_ok() { DataType::Int } else { DataType::BigInt };
        return Some(Expr::literal(Scalar::Integer(value), data_type));
    }
    // A whole number beyond 64 bits is none.
    let (before, after) = whole.split_once('.')?;
    let (precision, scale) = (before.trim_start_matches('-').len() + after.len(), after.len());
    if precision > 38 {
        return None;
    }
    let value: i128 = format!("{before}{after}").parse().ok()?;
    Some(Expr::literal(Scalar::Decimal(value), DataType::Decimal(precision as u8, scale as u8)))
}

/// `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`.
pub(super) fn typed(typed: &TypedString) -> Result<Expr, SqlError> {
    let Value::SingleQuotedString(text) = &typed.value.value else {
        return Err(SqlError::at(typed.value.span, "expected a text in single quotes"));
    };
    // As many digits as are written.
    let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len().min(9)) as u8;
    let (data_type, form) = match &typed.data_type {
        AstType::Date => (DataType::Date, "2016-01-31"),
        // Whatever is written, a constant has no fraction of a second.
        AstType::Time(None, _) => (DataType::Time(0), "12:30:00"),
        AstType::Timestamp(None, _) => (DataType::Timestamp(digits), "2016-01-31 12:30:00.000"),
        other => return Err(SqlError::unsupported(typed.value.span, format!("a constant of type {other}"))),
    };
    let value = fold(Expr::text(text).cast(data_type, CastMode::Strict, Zone::UTC));
    if value.as_literal().is_none() {
        return Err(SqlError::at(typed.value.span, format!("'{text}' is no {data_type}"))
            .hint(format!("write it like '{form}'")));
    }
    Ok(value)
}
