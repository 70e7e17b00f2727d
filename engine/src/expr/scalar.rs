//! Constants: one value of a type that stands beside it.

use super::value::typed_primitive;
use crate::types::DataType;
use arrow_array::types::Decimal128Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, PrimitiveArray,
    StringArray, new_null_array,
};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// One value. Its type is that of the expression that holds it.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// Null of any type.
    Null,
    /// `BOOLEAN`
    Boolean(bool),
    /// Whatever an integer carries: integers, dates (days), times (milliseconds), timestamps (in the unit of their
    /// precision) and intervals.
    Integer(i64),
    /// `FLOAT` and `DOUBLE`
    Float(f64),
    /// `DECIMAL(p, s)`: the value times 10^s.
    Decimal(i128),
    /// `CHAR`, `VARCHAR` and `STRING`
    Text(Arc<str>),
    /// `BYTES`
    Bytes(Arc<[u8]>),
}

impl Scalar {
    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number that an integer carries, if this is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// An array of one row that holds this value as `data_type`. A value of another kind than the type becomes null;
    /// the binder never makes such a pair.
    pub fn to_array(&self, data_type: DataType) -> ArrayRef {
        let null = || new_null_array(&data_type.arrow(), 1);
        match (self, data_type) {
            (Self::Boolean(b), DataType::Boolean) => Arc::new(BooleanArray::from(vec![*b])),
            (Self::Integer(v), DataType::Int | DataType::IntervalYearMonth) => {
                Arc::new(Int32Array::from(vec![*v as i32]))
            }
            (Self::Integer(v), DataType::BigInt | DataType::IntervalDayTime) => Arc::new(Int64Array::from(vec![*v])),
            (Self::Integer(v), _) => typed_primitive(data_type, &[*v]).unwrap_or_else(null),
            (Self::Float(v), DataType::Float) => Arc::new(Float32Array::from(vec![*v as f32])),
            (Self::Float(v), DataType::Double) => Arc::new(Float64Array::from(vec![*v])),
            (Self::Decimal(v), DataType::Decimal(_, _)) => {
                Arc::new(PrimitiveArray::<Decimal128Type>::from(vec![*v]).with_data_type(data_type.arrow()))
            }
            (Self::Text(s), DataType::Char(_) | DataType::Varchar(_)) => Arc::new(StringArray::from(vec![&**s])),
            (Self::Bytes(b), DataType::Bytes) => Arc::new(BinaryArray::from(vec![&**b])),
            _ => null(),
        }
    }

    /// The value in row `row` of an array that carries `data_type`.
    pub fn from_array(array: &dyn Array, row: usize, data_type: DataType) -> Self {
        use arrow_array::cast::AsArray;
        if array.is_null(row) || data_type == DataType::Null {
            return Self::Null;
        }
        match data_type {
            DataType::Boolean => array.as_boolean_opt().map_or(Self::Null, |a| Self::Boolean(a.value(row))),
            DataType::Float => array
                .as_any()
                .downcast_ref::<Float32Array>()
                .map_or(Self::Null, |a| Self::Float(f64::from(a.value(row)))),
            DataType::Double => {
                array.as_any().downcast_ref::<Float64Array>().map_or(Self::Null, |a| Self::Float(a.value(row)))
            }
            DataType::Decimal(_, _) => array
                .as_any()
                .downcast_ref::<PrimitiveArray<Decimal128Type>>()
                .map_or(Self::Null, |a| Self::Decimal(a.value(row))),
            DataType::Char(_) | DataType::Varchar(_) => {
                array.as_string_opt::<i32>().map_or(Self::Null, |a| Self::Text(a.value(row).into()))
            }
            DataType::Bytes => array.as_binary_opt::<i32>().map_or(Self::Null, |a| Self::Bytes(a.value(row).into())),
            _ => super::value::integer_at(array, row).map_or(Self::Null, Self::Integer),
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            // By bits: two constants are the same when nothing can tell them apart.
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Null => 0_u8.hash(state),
            Self::Boolean(b) => b.hash(state),
            Self::Integer(v) => v.hash(state),
            Self::Float(v) => v.to_bits().hash(state),
            Self::Decimal(v) => v.hash(state),
            Self::Text(s) => s.hash(state),
            Self::Bytes(b) => b.hash(state),
        }
    }
}
