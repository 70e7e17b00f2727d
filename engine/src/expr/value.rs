//! Values between two steps of an evaluation: a column of the batch's length, or one value that stands for all rows.

use super::EvalError;
use crate::types::DataType;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayAccessor, ArrayRef, Datum, PrimitiveArray, UInt32Array};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use std::sync::Arc;

/// A column, or one value for all rows.
#[derive(Debug, Clone)]
pub(super) struct Value {
    /// The rows; a single one for a constant.
    pub(super) array: ArrayRef,
    /// Whether the single row stands for all rows.
    pub(super) scalar: bool,
}

impl Value {
    pub(super) fn column(array: ArrayRef) -> Self {
        Self { array, scalar: false }
    }

    pub(super) fn constant(array: ArrayRef) -> Self {
        Self { array, scalar: true }
    }

    /// The rows as an array of type `A`.
    pub(super) fn rows<A: Array + 'static>(&self) -> Result<Rows<'_, A>, EvalError>
    where
        for<'a> &'a A: ArrayAccessor,
    {
        let array = self.array.as_any().downcast_ref::<A>();
        let array = array.ok_or_else(|| EvalError::mismatch(std::any::type_name::<A>(), self.array.data_type()))?;
        Ok(Rows { array, scalar: self.scalar, has_nulls: array.null_count() > 0 })
    }

    /// The value of every row, `rows` of them.
    pub(super) fn into_array(self, rows: usize) -> Result<ArrayRef, EvalError> {
        if !self.scalar {
            return Ok(self.array);
        }
        if rows == 1 {
            return Ok(self.array);
        }
        Ok(arrow_select::take::take(&self.array, &UInt32Array::from_value(0, rows), None)?)
    }
}

impl Datum for Value {
    fn get(&self) -> (&dyn Array, bool) {
        (&*self.array, self.scalar)
    }
}

/// Typed reading of a [`Value`] row by row.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, A> {
    pub(super) array: &'a A,
    pub(super) scalar: bool,
    has_nulls: bool,
}

impl<'a, A: Array> Rows<'a, A>
where
    &'a A: ArrayAccessor,
{
    /// The value of row `row`, `None` when it is null.
    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<<&'a A as ArrayAccessor>::Item> {
        let row = if self.scalar { 0 } else { row };
        if self.has_nulls && self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }
}

/// The integer that carries row `row`, whatever it stands for.
pub(super) fn integer_at(array: &dyn Array, row: usize) -> Option<i64> {
    match array.data_type() {
        ArrowType::Int8 => Some(i64::from(array.as_primitive::<Int8Type>().value(row))),
        ArrowType::Int16 => Some(i64::from(array.as_primitive::<Int16Type>().value(row))),
        ArrowType::Int32 => Some(i64::from(array.as_primitive::<Int32Type>().value(row))),
        ArrowType::Date32 => Some(i64::from(array.as_primitive::<Date32Type>().value(row))),
        ArrowType::Time32(TimeUnit::Millisecond) => {
            Some(i64::from(array.as_primitive::<Time32MillisecondType>().value(row)))
        }
        _ => long_values(array).map(|values| values[row]),
    }
}

/// The 64-bit integers that carry an array, when it is carried by such.
pub(super) fn long_values(array: &dyn Array) -> Option<&[i64]> {
    match array.data_type() {
        ArrowType::Int64 => Some(array.as_primitive::<Int64Type>().values()),
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            Some(array.as_primitive::<TimestampMillisecondType>().values())
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            Some(array.as_primitive::<TimestampMicrosecondType>().values())
        }
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => Some(array.as_primitive::<TimestampNanosecondType>().values()),
        _ => None,
    }
}

/// Integers that any integer array carries, widened to 64 bits, with nulls.
pub(super) fn widened(array: &dyn Array) -> Result<PrimitiveArray<Int64Type>, EvalError> {
    let widen = || match array.data_type() {
        ArrowType::Int8 => Some(array.as_primitive::<Int8Type>().unary(i64::from)),
        ArrowType::Int16 => Some(array.as_primitive::<Int16Type>().unary(i64::from)),
        ArrowType::Int32 => Some(array.as_primitive::<Int32Type>().unary(i64::from)),
        ArrowType::Date32 => Some(array.as_primitive::<Date32Type>().unary(i64::from)),
        ArrowType::Time32(TimeUnit::Millisecond) => {
            Some(array.as_primitive::<Time32MillisecondType>().unary(i64::from))
        }
        ArrowType::Int64 => Some(array.as_primitive::<Int64Type>().clone()),
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            Some(array.as_primitive::<TimestampMillisecondType>().reinterpret_cast())
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            Some(array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast())
        }
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
            Some(array.as_primitive::<TimestampNanosecondType>().reinterpret_cast())
        }
        _ => None,
    };
    widen().ok_or_else(|| EvalError::mismatch("integers", array.data_type()))
}

/// An array of `data_type` carried by integers, made of 64-bit ones that fit it; `None` for other types.
pub(super) fn narrowed(values: PrimitiveArray<Int64Type>, data_type: DataType) -> Option<ArrayRef> {
    Some(match data_type.arrow() {
        ArrowType::Int8 => Arc::new(values.unary::<_, Int8Type>(|v| v as i8)) as ArrayRef,
        ArrowType::Int16 => Arc::new(values.unary::<_, Int16Type>(|v| v as i16)),
        ArrowType::Int32 => Arc::new(values.unary::<_, Int32Type>(|v| v as i32)),
        ArrowType::Int64 => Arc::new(values),
        ArrowType::Date32 => Arc::new(values.unary::<_, Date32Type>(|v| v as i32)),
        ArrowType::Time32(_) => Arc::new(values.unary::<_, Time32MillisecondType>(|v| v as i32)),
        ArrowType::Timestamp(unit, zone) => match unit {
            TimeUnit::Microsecond => {
                Arc::new(values.reinterpret_cast::<TimestampMicrosecondType>().with_timezone_opt(zone))
            }
            TimeUnit::Nanosecond => {
                Arc::new(values.reinterpret_cast::<TimestampNanosecondType>().with_timezone_opt(zone))
            }
            _ => Arc::new(values.reinterpret_cast::<TimestampMillisecondType>().with_timezone_opt(zone)),
        },
        _ => return None,
    })
}

/// An array of `data_type` carried by integers; `None` for other types.
pub(super) fn typed_primitive(data_type: DataType, values: &[i64]) -> Option<ArrayRef> {
    narrowed(PrimitiveArray::<Int64Type>::from(values.to_vec()), data_type)
}
