//! Shapes that many functions share: what arguments they want, typed rows in, one builder out.

use super::super::function::Signature;
use super::super::value::{Rows, Value, integer_at};
use super::super::{EvalError, Expr};
use super::type_list;
use crate::types::DataType;
use arrow_array::builder::StringBuilder;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, PrimitiveArray, StringArray};
use std::sync::Arc;

/// What a function wants as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Text,
    Integer,
    /// Any number, taken as a `DOUBLE`.
    Double,
}

impl Want {
    fn takes(self, found: DataType) -> Option<DataType> {
        match (self, found) {
            (Self::Text, DataType::Null) => Some(DataType::STRING),
            (Self::Integer, DataType::Null) => Some(DataType::Int),
            (Self::Double, DataType::Null) => Some(DataType::Double),
            (Self::Text, t) if t.is_text() => Some(t),
            (Self::Integer, t) if t.is_integer() => Some(t),
            (Self::Double, t) if t.is_numeric() => Some(DataType::Double),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Double => "number",
        }
    }
}

/// The signature of a function that wants these arguments, of which the last `optional` ones may be left out.
pub(super) fn wanting(
    name: &str,
    args: &[Expr],
    wants: &[Want],
    optional: usize,
    returns: DataType,
) -> Result<Signature, String> {
    let fits = (wants.len() - optional..=wants.len()).contains(&args.len());
    let types: Option<Vec<DataType>> = args.iter().zip(wants).map(|(a, w)| w.takes(a.data_type)).collect();
    match types {
        Some(types) if fits => Ok(Signature { args: types, returns, nullable: false }),
        _ => {
            let word = |(i, w): (usize, &Want)| match i >= wants.len() - optional {
                true => format!("[{}]", w.word()),
                false => w.word().to_owned(),
            };
            let words: Vec<String> = wants.iter().enumerate().map(word).collect();
            Err(format!("{name} takes ({}), found ({})", words.join(", "), type_list(args)))
        }
    }
}

/// The same signature with a result that may be null although no argument is.
pub(super) fn or_null(signature: Result<Signature, String>) -> Result<Signature, String> {
    signature.map(|s| Signature { nullable: true, ..s })
}

/// The rows of a text argument.
pub(super) fn texts(value: &Value) -> Result<Rows<'_, StringArray>, EvalError> {
    value.rows::<StringArray>()
}

/// A column of what `f` writes for each row; false stands for null.
pub(super) fn build_text(
    rows: usize,
    mut f: impl FnMut(usize, &mut String) -> Result<bool, EvalError>,
) -> Result<ArrayRef, EvalError> {
    let mut out = StringBuilder::with_capacity(rows, rows * 12);
    let mut buffer = String::new();
    for row in 0..rows {
        buffer.clear();
        if f(row, &mut buffer)? {
            out.append_value(&buffer);
        } else {
            out.append_null();
        }
    }
    Ok(Arc::new(out.finish()))
}

/// A column of numbers.
pub(super) fn build_numbers<T: ArrowPrimitiveType>(
    rows: usize,
    f: impl FnMut(usize) -> Result<Option<T::Native>, EvalError>,
) -> Result<ArrayRef, EvalError> {
    Ok(Arc::new((0..rows).map(f).collect::<Result<PrimitiveArray<T>, EvalError>>()?))
}

/// A column of booleans.
pub(super) fn build_booleans(
    rows: usize,
    f: impl FnMut(usize) -> Result<Option<bool>, EvalError>,
) -> Result<ArrayRef, EvalError> {
    Ok(Arc::new((0..rows).map(f).collect::<Result<BooleanArray, EvalError>>()?))
}

/// The rows of a `DOUBLE` argument.
pub(super) fn doubles(value: &Value) -> Result<Rows<'_, Float64Array>, EvalError> {
    value.rows::<Float64Array>()
}

/// The integers of an argument, whatever they stand for.
pub(super) struct Integers<'a> {
    value: &'a Value,
}

impl<'a> Integers<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        Self { value }
    }

    /// The integer of row `row`, `None` when it is null.
    pub(super) fn get(&self, row: usize) -> Result<Option<i64>, EvalError> {
        let array = &self.value.array;
        let row = if self.value.scalar { 0 } else { row };
        if array.is_null(row) {
            return Ok(None);
        }
        integer_at(array, row).map(Some).ok_or_else(|| EvalError::mismatch("integers", array.data_type()))
    }
}
