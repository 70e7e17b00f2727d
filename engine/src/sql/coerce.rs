//! Common types: what two sides of a comparison, the branches of a CASE, or the inputs of a UNION are converted to.

use crate::expr::{CastMode, Comparison, Expr, Zone};
use crate::types::DataType;

/// The type that values of both types are converted to where one type must hold all, `None` when there is none.
pub(crate) fn common_type(a: DataType, b: DataType) -> Option<DataType> {
    use DataType as T;
    if a == b {
        return Some(a);
    }
    Some(match (a, b) {
        (T::Null, other) | (other, T::Null) => other,
        (T::Char(m) | T::Varchar(m), T::Char(n) | T::Varchar(n)) => T::Varchar(m.max(n)),
        _ if a.is_numeric() && b.is_numeric() => common_number(a, b),
        (T::Timestamp(m), T::Timestamp(n)) => T::Timestamp(m.max(n)),
        (T::TimestampLtz(m), T::TimestampLtz(n)) => T::TimestampLtz(m.max(n)),
        (T::Time(m), T::Time(n)) => T::Time(m.max(n)),
        _ => return None,
    })
}

fn common_number(a: DataType, b: DataType) -> DataType {
    use DataType as T;
    if a.is_integer() && b.is_integer() {
        return a.wider_integer(b);
    }
    if a.is_approximate() || b.is_approximate() {
        let double = [a, b].iter().any(|t| matches!(t, T::Double | T::Decimal(_, _)));
        return if double { T::Double } else { T::Float };
    }
    let ((p1, s1), (p2, s2)) = (digits(a), digits(b));
    let scale = s1.max(s2);
    let whole = (p1 - s1).max(p2 - s2);
    // Digits before the point are kept first.
    let precision = (whole + scale).min(38);
    T::Decimal(precision, scale.min(38 - whole.min(38)))
}

/// Precision and scale of an exact number.
pub(super) fn digits(data_type: DataType) -> (u8, u8) {
    match data_type {
        DataType::TinyInt => (3, 0),
        DataType::SmallInt => (5, 0),
        DataType::Int => (10, 0),
        DataType::Decimal(p, s) => (p, s),
        _ => (19, 0),
    }
}

/// Both sides of a comparison in types that can be compared; `None` when there are none.
pub(super) fn comparable(left: Expr, right: Expr, zone: Zone) -> Option<(Expr, Expr)> {
    use DataType as T;
    let (l, r) = (left.data_type, right.data_type);
    let exact_decimal = |t: T| matches!(t, T::Decimal(_, _));
    if (exact_decimal(l) || exact_decimal(r))
        && !l.is_approximate()
        && !r.is_approximate()
        && l.is_numeric()
        && r.is_numeric()
    {
        // Decimals are compared whatever their scales.
        let exact = |e: Expr| {
            let (p, s) = digits(e.data_type);
            fold(e.cast(T::Decimal(p, s), CastMode::Strict, zone))
        };
        return Some((exact(left), exact(right)));
    }
    let common = match (l, r) {
        (T::Char(_) | T::Varchar(_), T::Char(_) | T::Varchar(_)) => return Some((left, right)),
        // Text beside a time is read as one.
        (t, T::Char(_) | T::Varchar(_)) | (T::Char(_) | T::Varchar(_), t) if t.is_timestamp() || t == T::Date => t,
        (T::Timestamp(m), T::TimestampLtz(n)) | (T::TimestampLtz(n), T::Timestamp(m)) => T::TimestampLtz(m.max(n)),
        (t @ T::Time(_), T::Char(_) | T::Varchar(_)) | (T::Char(_) | T::Varchar(_), t @ T::Time(_)) => t,
        _ => common_type(l, r)?,
    };
    let to = |e: Expr| fold(e.cast(common, CastMode::Strict, zone));
    Some((to(left), to(right)))
}

/// `left op right` with both sides made comparable; `None` when the types cannot be compared.
pub(super) fn comparison(op: Comparison, left: Expr, right: Expr, zone: Zone) -> Option<Expr> {
    let (left, right) = comparable(left, right, zone)?;
    Some(Expr::compare(op, left, right))
}

/// A constant cast is done at once, where it can be done.
pub(super) fn fold(expr: Expr) -> Expr {
    super::fold::constant(expr)
}
