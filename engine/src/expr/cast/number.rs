//! Casts between numbers, booleans and intervals: as Java's primitive conversions, and null for a decimal that does
//! not fit.

use super::super::arithmetic::as_decimal;
use super::super::decimal;
use super::super::value::{Value, narrowed, widened};
use super::{EvalError, collect, retyped};
use crate::types::DataType;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use std::sync::Arc;

/// Converts between any two of these types.
pub(super) fn convert(value: &Value, from: DataType, to: DataType) -> Result<ArrayRef, EvalError> {
    let array = &value.array;
    match from {
        DataType::Boolean => from_boolean(array, to),
        DataType::Float => from_doubles(&array.as_primitive::<Float32Type>().unary(f64::from), from, to),
        DataType::Double => from_doubles(array.as_primitive::<Float64Type>(), from, to),
        DataType::Decimal(_, scale) => from_decimals(array.as_primitive::<Decimal128Type>(), scale, to),
        _ => from_integers(array, to),
    }
}

fn fault(to: DataType) -> EvalError {
    EvalError::new(format!("internal fault: no cast to {to}"))
}

fn from_boolean(array: &ArrayRef, to: DataType) -> Result<ArrayRef, EvalError> {
    let booleans = array.as_boolean();
    let values: PrimitiveArray<Int64Type> = booleans.iter().map(|b| b.map(i64::from)).collect();
    from_long(&values, to)
}

fn from_integers(array: &ArrayRef, to: DataType) -> Result<ArrayRef, EvalError> {
    if array.data_type() == &to.arrow() {
        return Ok(retyped(array));
    }
    from_long(&widened(array)?, to)
}

fn from_long(values: &PrimitiveArray<Int64Type>, to: DataType) -> Result<ArrayRef, EvalError> {
    Ok(match to {
        DataType::Boolean => Arc::new(values.iter().map(|v| v.map(|v| v != 0)).collect::<BooleanArray>()),
        DataType::Float => Arc::new(values.unary::<_, Float32Type>(|v| v as f32)),
        DataType::Double => Arc::new(values.unary::<_, Float64Type>(|v| v as f64)),
        DataType::Decimal(p, s) => {
            let fit = |v: i64| decimal::rescale(i128::from(v), 0, s, p);
            Arc::new(to_decimals(values.iter().map(|v| v.and_then(fit)), to))
        }
        _ => narrowed(values.clone(), to).ok_or_else(|| fault(to))?,
    })
}

fn to_decimals(values: impl Iterator<Item = Option<i128>>, to: DataType) -> PrimitiveArray<Decimal128Type> {
    values.collect::<PrimitiveArray<Decimal128Type>>().with_data_type(to.arrow())
}

fn from_doubles(values: &PrimitiveArray<Float64Type>, from: DataType, to: DataType) -> Result<ArrayRef, EvalError> {
    Ok(match to {
        DataType::Boolean => Arc::new(values.iter().map(|v| v.map(|v| v != 0.0)).collect::<BooleanArray>()),
        DataType::Float => Arc::new(values.unary::<_, Float32Type>(|v| v as f32)),
        DataType::Double => Arc::new(values.clone()),
        DataType::Decimal(p, s) => {
            // A FLOAT stands for its own shortest text, not for that of the double it widens to.
            let fit = |v: f64| match from {
                DataType::Float => decimal::parse(&format!("{:e}", v as f32), (p, s)),
                _ => decimal::from_double(v, (p, s)),
            };
            Arc::new(to_decimals(values.iter().map(|v| v.and_then(fit)), to))
        }
        DataType::BigInt => Arc::new(values.unary::<_, Int64Type>(|v| v as i64)),
        // Java goes to the narrower types by way of INT.
        _ => {
            let whole = values.unary::<_, Int64Type>(|v| i64::from(v as i32));
            narrowed(whole, to).ok_or_else(|| fault(to))?
        }
    })
}

fn from_decimals(values: &PrimitiveArray<Decimal128Type>, scale: u8, to: DataType) -> Result<ArrayRef, EvalError> {
    Ok(match to {
        DataType::Boolean => Arc::new(values.iter().map(|v| v.map(|v| v != 0)).collect::<BooleanArray>()),
        DataType::Float => Arc::new(values.unary::<_, Float32Type>(|v| decimal::to_double(v, scale) as f32)),
        DataType::Double => Arc::new(values.unary::<_, Float64Type>(|v| decimal::to_double(v, scale))),
        DataType::Decimal(_, _) => {
            let (p, s) = as_decimal(to).ok_or_else(|| fault(to))?;
            Arc::new(to_decimals(values.iter().map(|v| v.and_then(|v| decimal::rescale(v, scale, s, p))), to))
        }
        _ => {
            let unit = decimal::power_of_ten(scale);
            let whole = collect::<Int64Type>(values.len(), |row| {
                Ok(values.is_valid(row).then(|| (values.value(row) / unit) as i64))
            })?;
            narrowed(whole, to).ok_or_else(|| fault(to))?
        }
    })
}
