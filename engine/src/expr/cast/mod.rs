//! Casts: which are allowed, explicitly and implicitly, and how one is evaluated.

mod number;
mod text;
mod time;

use super::value::Value;
use super::{EvalError, Zone};
use crate::types::DataType;
use arrow_array::{Array, ArrayRef, PrimitiveArray, new_null_array};
use std::sync::Arc;

/// What happens to a value that the target type cannot hold or that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CastMode {
    /// `CAST`: it fails the job.
    Strict,
    /// `TRY_CAST`: it becomes null.
    Try,
}

impl CastMode {
    /// What a failed row gives.
    fn failed<T>(self, message: impl FnOnce() -> String) -> Result<Option<T>, EvalError> {
        match self {
            Self::Strict => Err(EvalError::new(message())),
            Self::Try => Ok(None),
        }
    }
}

/// Whether `CAST(from AS to)` may be written.
pub fn can_cast(from: DataType, to: DataType) -> bool {
    use DataType as T;
    if can_coerce(from, to) {
        return true;
    }
    match to {
        T::Char(_) | T::Varchar(_) => true,
        T::Boolean => from.is_text() || from.is_numeric(),
        T::Bytes => from.is_text(),
        T::TinyInt | T::SmallInt | T::Int | T::BigInt | T::Float | T::Double | T::Decimal(_, _) => {
            from.is_numeric() || from.is_text() || from == T::Boolean
        }
        T::Date | T::Time(_) => from.is_text() || from.is_timestamp(),
        T::Timestamp(_) | T::TimestampLtz(_) => {
            from.is_text() || from.is_timestamp() || matches!(from, T::Date | T::Time(_))
        }
        T::IntervalYearMonth | T::IntervalDayTime | T::Null => false,
    }
}

/// Whether a value of type `from` goes without being asked where one of type `to` is wanted (into a column of a sink,
/// as an argument).
pub fn can_coerce(from: DataType, to: DataType) -> bool {
    use DataType as T;
    if from == to || from == T::Null {
        return true;
    }
    match to {
        T::Char(_) => matches!(from, T::Char(_)),
        T::Varchar(_) => from.is_text(),
        T::SmallInt | T::Int | T::BigInt => from.is_integer() && from.wider_integer(to) == to,
        T::Float => from.is_integer() || matches!(from, T::Float | T::Decimal(_, _)),
        T::Double | T::Decimal(_, _) => from.is_numeric(),
        T::Date => matches!(from, T::Timestamp(_)),
        T::Time(_) => matches!(from, T::Time(_) | T::Timestamp(_)),
        T::Timestamp(_) | T::TimestampLtz(_) => from.is_timestamp(),
        T::Null | T::Boolean | T::TinyInt | T::Bytes | T::IntervalYearMonth | T::IntervalDayTime => false,
    }
}

/// Whether the cast can fail for some value.
pub(super) fn can_fail(from: DataType, mode: CastMode) -> bool {
    // Reading text is what fails; numbers wrap around, are cut, or become null.
    mode == CastMode::Strict && from.is_text()
}

/// Evaluates a cast that [`can_cast`] allows.
pub(super) fn cast(
    value: &Value,
    (from, to): (DataType, DataType),
    mode: CastMode,
    zone: Zone,
) -> Result<ArrayRef, EvalError> {
    if from == DataType::Null {
        return Ok(new_null_array(&to.arrow(), value.array.len()));
    }
    match (from, to) {
        (_, DataType::Char(_) | DataType::Varchar(_)) => text::write(value, from, to, zone),
        (DataType::Char(_) | DataType::Varchar(_), _) => text::read(value, to, mode, zone),
        _ if is_time(from) && is_time(to) => time::convert(value, from, to, zone),
        _ => number::convert(value, from, to),
    }
}

fn is_time(data_type: DataType) -> bool {
    data_type.is_timestamp() || matches!(data_type, DataType::Date | DataType::Time(_))
}

/// An array of what `f` gives for each row.
fn collect<T: arrow_array::types::ArrowPrimitiveType>(
    rows: usize,
    mut f: impl FnMut(usize) -> Result<Option<T::Native>, EvalError>,
) -> Result<PrimitiveArray<T>, EvalError> {
    (0..rows).map(&mut f).collect()
}

/// The same values under another type of the same carrier.
fn retyped(array: &ArrayRef) -> ArrayRef {
    Arc::clone(array)
}
