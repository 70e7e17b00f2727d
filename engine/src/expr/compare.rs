//! Comparisons with Java's view of floating point: NaN equals nothing, and both zeros are one.

use super::value::{Rows, Value};
use super::{EvalError, decimal};
use crate::types::DataType;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayAccessor, BooleanArray, Float32Array, Float64Array, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use std::cmp::Ordering;
use std::fmt;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `IS DISTINCT FROM`
    Distinct,
    /// `IS NOT DISTINCT FROM`
    NotDistinct,
}

impl Comparison {
    /// Whether null is a value like others to this comparison, so that its result is never null.
    pub fn sees_null(self) -> bool {
        matches!(self, Self::Distinct | Self::NotDistinct)
    }

    /// The comparison that holds exactly when this one does with its sides swapped.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            other => other,
        }
    }

    /// Whether it holds for two values that are not null; `None` stands for values without an order (NaN).
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal | Self::NotDistinct => order == Some(Ordering::Equal),
            Self::NotEqual | Self::Distinct => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Distinct => "IS DISTINCT FROM",
            Self::NotDistinct => "IS NOT DISTINCT FROM",
        })
    }
}

/// Compares row by row; the types are those of the two expressions.
pub(super) fn compare(
    op: Comparison,
    left: &Value,
    right: &Value,
    types: (DataType, DataType),
) -> Result<BooleanArray, EvalError> {
    match types {
        (DataType::Double, DataType::Double) => {
            let (l, r) = (left.rows::<Float64Array>()?, right.rows::<Float64Array>()?);
            Ok(floats(op, l, r, |a, i| a.values()[i]))
        }
        (DataType::Float, DataType::Float) => {
            let (l, r) = (left.rows::<Float32Array>()?, right.rows::<Float32Array>()?);
            Ok(floats(op, l, r, |a, i| a.values()[i]))
        }
        (DataType::Decimal(_, a), DataType::Decimal(_, b)) if types.0 != types.1 => decimals(op, left, right, (a, b)),
        _ => others(op, left, right),
    }
}

fn others(op: Comparison, left: &Value, right: &Value) -> Result<BooleanArray, EvalError> {
    use arrow_ord::cmp;
    Ok(match op {
        Comparison::Equal => cmp::eq(left, right)?,
        Comparison::NotEqual => cmp::neq(left, right)?,
        Comparison::Less => cmp::lt(left, right)?,
        Comparison::LessOrEqual => cmp::lt_eq(left, right)?,
        Comparison::Greater => cmp::gt(left, right)?,
        Comparison::GreaterOrEqual => cmp::gt_eq(left, right)?,
        Comparison::Distinct => cmp::distinct(left, right)?,
        Comparison::NotDistinct => cmp::not_distinct(left, right)?,
    })
}

/// Number of rows of two values of which one may be a constant.
fn common_length<A: Array>(left: &Rows<'_, A>, right: &Rows<'_, A>) -> usize {
    if left.scalar { right.array.len() } else { left.array.len() }
}

/// Rows that are null on either side.
fn common_nulls<A: Array>(left: &Rows<'_, A>, right: &Rows<'_, A>, length: usize) -> Option<NullBuffer> {
    let of = |side: &Rows<'_, A>, other_scalar: bool| {
        let nulls = side.array.nulls()?;
        if side.scalar && !other_scalar {
            return (nulls.null_count() > 0).then(|| NullBuffer::new_null(length));
        }
        Some(nulls.clone())
    };
    NullBuffer::union(of(left, right.scalar).as_ref(), of(right, left.scalar).as_ref())
}

fn floats<'a, A, T>(
    op: Comparison,
    left: Rows<'a, A>,
    right: Rows<'a, A>,
    at: impl Fn(&'a A, usize) -> T,
) -> BooleanArray
where
    A: Array,
    &'a A: ArrayAccessor<Item = T>,
    T: PartialOrd + Copy,
{
    let length = common_length(&left, &right);
    if op.sees_null() {
        let order = |i| match (left.get(i), right.get(i)) {
            (Some(a), Some(b)) => op.holds(a.partial_cmp(&b)),
            (None, None) => op == Comparison::NotDistinct,
            _ => op == Comparison::Distinct,
        };
        return BooleanArray::new(BooleanBuffer::collect_bool(length, order), None);
    }
    let nulls = common_nulls(&left, &right, length);
    // One closure for each comparison, so that each loop is a plain one over two slices.
    let run = |holds: fn(&T, &T) -> bool| {
        if right.scalar && !left.scalar {
            let b = at(right.array, 0);
            return BooleanBuffer::collect_bool(length, |i| holds(&at(left.array, i), &b));
        }
        let (l, r) = (usize::from(!left.scalar), usize::from(!right.scalar));
        BooleanBuffer::collect_bool(length, |i| holds(&at(left.array, i * l), &at(right.array, i * r)))
    };
    let values = match op {
        Comparison::Equal | Comparison::NotDistinct => run(T::eq),
        Comparison::NotEqual | Comparison::Distinct => run(T::ne),
        Comparison::Less => run(T::lt),
        Comparison::LessOrEqual => run(T::le),
        Comparison::Greater => run(T::gt),
        Comparison::GreaterOrEqual => run(T::ge),
    };
    BooleanArray::new(values, nulls)
}

fn decimals(op: Comparison, left: &Value, right: &Value, scales: (u8, u8)) -> Result<BooleanArray, EvalError> {
    let l = left.rows::<PrimitiveArray<Decimal128Type>>()?;
    let r = right.rows::<PrimitiveArray<Decimal128Type>>()?;
    let row = |i| match (l.get(i), r.get(i)) {
        (Some(a), Some(b)) => Some(op.holds(Some(decimal::compare((a, scales.0), (b, scales.1))))),
        (None, None) if op.sees_null() => Some(op == Comparison::NotDistinct),
        _ if op.sees_null() => Some(op == Comparison::Distinct),
        _ => None,
    };
    Ok((0..common_length(&l, &r)).map(row).collect())
}
