//! `+ - * / %`: the types of their results as Flink derives them, and their evaluation: integers wrap around, a zero
//! divisor fails for integers and gives null for decimals, decimals that do not fit are null.

use super::value::{Value, narrowed, widened};
use super::{EvalError, decimal};
use crate::types::DataType;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::i256;
use std::fmt;
use std::sync::Arc;

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%` and `MOD`
    Remainder,
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        })
    }
}

/// What a number of this type is as a decimal: precision and scale.
pub(super) fn as_decimal(data_type: DataType) -> Option<(u8, u8)> {
    match data_type {
        DataType::TinyInt => Some((3, 0)),
        DataType::SmallInt => Some((5, 0)),
        DataType::Int => Some((10, 0)),
        DataType::BigInt => Some((19, 0)),
        DataType::Decimal(p, s) => Some((p, s)),
        _ => None,
    }
}

/// The type of `left op right`, and the type that both sides are converted to before (`None` for decimals, whose sides
/// keep their own); `None` when one of the types is no number.
pub fn arithmetic_type(op: Arithmetic, left: DataType, right: DataType) -> Option<(DataType, Option<DataType>)> {
    if !left.is_numeric() || !right.is_numeric() {
        return None;
    }
    if left.is_approximate() || right.is_approximate() {
        if op == Arithmetic::Remainder {
            return None;
        }
        let common = match (left, right) {
            // Of FLOAT and DOUBLE the left one wins.
            (DataType::Float | DataType::Double, DataType::Float | DataType::Double) => left,
            // FLOAT stays FLOAT beside integers; a decimal makes it DOUBLE.
            (DataType::Double | DataType::Decimal(_, _), _) | (_, DataType::Double | DataType::Decimal(_, _)) => {
                DataType::Double
            }
            _ => DataType::Float,
        };
        return Some((common, Some(common)));
    }
    if !matches!(left, DataType::Decimal(_, _)) && !matches!(right, DataType::Decimal(_, _)) {
        let common = left.wider_integer(right);
        // A remainder is smaller than the divisor and takes its type.
        let result = if op == Arithmetic::Remainder { right } else { common };
        return Some((result, Some(common)));
    }
    let (l, r) = (as_decimal(left)?, as_decimal(right)?);
    let result = match op {
        Arithmetic::Add | Arithmetic::Subtract => decimal::sum_type(l, r),
        Arithmetic::Multiply => decimal::product_type(l, r),
        Arithmetic::Divide => decimal::quotient_type(l, r),
        Arithmetic::Remainder if l.1 == 0 && r.1 == 0 => right,
        Arithmetic::Remainder => decimal::remainder_type(l, r),
    };
    Some((result, None))
}

/// Evaluates `left op right`, whose sides have the types that [`arithmetic_type`] asked for.
pub(super) fn evaluate(
    op: Arithmetic,
    left: &Value,
    right: &Value,
    types: (DataType, DataType),
    result: DataType,
) -> Result<ArrayRef, EvalError> {
    match types.0 {
        DataType::Double => floats::<Float64Type>(op, left, right, apply_float),
        DataType::Float => floats::<Float32Type>(op, left, right, |op, a, b| match op {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide => a / b,
            Arithmetic::Remainder => a % b,
        }),
        DataType::Decimal(_, _) => decimals(op, left, right, types, result),
        _ => integers(op, left, right, types.0, result),
    }
}

fn apply_float(op: Arithmetic, a: f64, b: f64) -> f64 {
    match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
    }
}

/// Applies `f` to each pair of values of which none is null.
fn pairwise<I: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    left: &Value,
    right: &Value,
    f: impl Fn(I::Native, I::Native) -> O::Native,
) -> Result<PrimitiveArray<O>, EvalError> {
    let (l, r) = (left.rows::<PrimitiveArray<I>>()?, right.rows::<PrimitiveArray<I>>()?);
    if l.scalar == r.scalar {
        return Ok(arrow_arith::arity::binary(l.array, r.array, f)?);
    }
    let (column, constant) = if r.scalar { (l.array, r.get(0)) } else { (r.array, l.get(0)) };
    let Some(constant) = constant else { return Ok(PrimitiveArray::new_null(column.len())) };
    Ok(if r.scalar { column.unary(|v| f(v, constant)) } else { column.unary(|v| f(constant, v)) })
}

fn floats<T: ArrowPrimitiveType>(
    op: Arithmetic,
    left: &Value,
    right: &Value,
    f: impl Fn(Arithmetic, T::Native, T::Native) -> T::Native,
) -> Result<ArrayRef, EvalError> {
    Ok(Arc::new(pairwise::<T, T>(left, right, |a, b| f(op, a, b))?))
}

fn integers(
    op: Arithmetic,
    left: &Value,
    right: &Value,
    common: DataType,
    result: DataType,
) -> Result<ArrayRef, EvalError> {
    let wide =
        |v: &Value| -> Result<Value, EvalError> { Ok(Value { array: Arc::new(widened(&v.array)?), scalar: v.scalar }) };
    let (l, r) = (wide(left)?, wide(right)?);
    if matches!(op, Arithmetic::Divide | Arithmetic::Remainder) {
        refuse_zero_divisor(&l, &r)?;
    }
    let values = pairwise::<Int64Type, Int64Type>(&l, &r, |a, b| match op {
        Arithmetic::Add => a.wrapping_add(b),
        Arithmetic::Subtract => a.wrapping_sub(b),
        Arithmetic::Multiply => a.wrapping_mul(b),
        // Under a null the divisor may be anything; the result is null.
        Arithmetic::Divide => a.checked_div(b).unwrap_or(if b == 0 { 0 } else { a }),
        Arithmetic::Remainder => a.checked_rem(b).unwrap_or(0),
    })?;
    let kind = if op == Arithmetic::Remainder { result } else { common };
    narrowed(values, kind).ok_or_else(|| EvalError::new(format!("internal fault: {kind} is no integer type")))
}

/// Fails when a row with a dividend has a divisor of zero.
fn refuse_zero_divisor(left: &Value, right: &Value) -> Result<(), EvalError> {
    let (l, r) = (left.rows::<PrimitiveArray<Int64Type>>()?, right.rows::<PrimitiveArray<Int64Type>>()?);
    if r.scalar && r.get(0) != Some(0) {
        return Ok(());
    }
    let rows = if l.scalar { r.array.len() } else { l.array.len() };
    for row in 0..rows {
        if let (Some(dividend), Some(0)) = (l.get(row), r.get(row)) {
            return Err(EvalError::new(format!("division of {dividend} by zero")));
        }
    }
    Ok(())
}

fn decimals(
    op: Arithmetic,
    left: &Value,
    right: &Value,
    types: (DataType, DataType),
    result: DataType,
) -> Result<ArrayRef, EvalError> {
    let (Some((_, ls)), Some((_, rs)), Some(to)) = (as_decimal(types.0), as_decimal(types.1), as_decimal(result))
    else {
        return Err(EvalError::new("internal fault: decimal arithmetic over other types"));
    };
    let l = left.rows::<PrimitiveArray<Decimal128Type>>()?;
    let r = right.rows::<PrimitiveArray<Decimal128Type>>()?;
    let rows = if l.scalar { r.array.len() } else { l.array.len() };
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        values.push(match (l.get(row), r.get(row)) {
            (Some(a), Some(b)) => apply_decimal(op, (a, ls), (b, rs), to)?,
            _ => None,
        });
    }
    let array = PrimitiveArray::<Decimal128Type>::from(values).with_data_type(DataType::Decimal(to.0, to.1).arrow());
    if matches!(result, DataType::Decimal(_, _)) {
        return Ok(Arc::new(array));
    }
    // MOD(DECIMAL, INT) is INT: it takes the divisor's type.
    let whole: PrimitiveArray<Int64Type> = array.unary(|v| v as i64);
    narrowed(whole, result).ok_or_else(|| EvalError::new("internal fault: a remainder of no integer type"))
}

fn apply_decimal(
    op: Arithmetic,
    (a, a_scale): (i128, u8),
    (b, b_scale): (i128, u8),
    to: (u8, u8),
) -> Result<Option<i128>, EvalError> {
    let scale = a_scale.max(b_scale);
    let widen = |v: i128, s: u8| i256::from_i128(v).wrapping_mul(i256::from_i128(decimal::power_of_ten(scale - s)));
    let (wa, wb) = (widen(a, a_scale), widen(b, b_scale));
    let from = u32::from(scale);
    Ok(match op {
        Arithmetic::Add => decimal::round_wide(wa.wrapping_add(wb), from, to),
        Arithmetic::Subtract => decimal::round_wide(wa.wrapping_sub(wb), from, to),
        Arithmetic::Multiply => {
            let product = i256::from_i128(a).wrapping_mul(i256::from_i128(b));
            decimal::round_wide(product, u32::from(a_scale) + u32::from(b_scale), to)
        }
        Arithmetic::Divide if b == 0 => return Err(EvalError::new("division of a decimal by zero")),
        Arithmetic::Divide => decimal::wide_power(u32::from(to.1))
            .and_then(|unit| wa.checked_mul(unit))
            .and_then(|dividend| decimal::divide_half_up(dividend, wb))
            .filter(|&q| decimal::fits(q, to.0)),
        Arithmetic::Remainder if b == 0 => return Err(EvalError::new("remainder of a decimal by zero")),
        Arithmetic::Remainder => decimal::round_wide(wa.wrapping_rem(wb), from, to),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_derived_as_in_flink() {
        use Arithmetic::{Add, Divide, Multiply, Remainder};
        use DataType::{BigInt, Decimal, Double, Float, Int, TinyInt};
        for (op, left, right, result) in [
            (Add, TinyInt, TinyInt, TinyInt),
            (Add, Int, BigInt, BigInt),
            (Divide, Int, Int, Int),
            (Remainder, BigInt, Int, Int),
            (Multiply, Decimal(4, 3), BigInt, Decimal(24, 3)),
            (Add, Float, Int, Float),
            (Add, Float, Decimal(3, 1), Double),
            (Multiply, Double, BigInt, Double),
            (Add, Double, Float, Double),
            (Add, Float, Double, Float),
        ] {
            assert_eq!(arithmetic_type(op, left, right).map(|(t, _)| t), Some(result), "{left} {op} {right}");
        }
        assert_eq!(arithmetic_type(Add, DataType::STRING, Int), None);
        assert_eq!(arithmetic_type(Remainder, Double, Int), None);
    }
}
