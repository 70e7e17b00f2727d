//! Intervals: constants, and arithmetic with times.

use super::negative;
use crate::expr::{Arithmetic, CastMode, Expr, ExprKind, Scalar, Zone, functions};
use crate::sql::coerce::fold;
use crate::sql::error::{Place, SqlError};
use crate::types::DataType;
use sqlparser::ast::{self, DateTimeField, Interval, UnaryOperator, Value};

/// Milliseconds of a unit of fixed length.
fn milliseconds(field: &DateTimeField) -> Option<i64> {
    Some(match field {
        DateTimeField::Day | DateTimeField::Days => 86_400_000,
        DateTimeField::Hour | DateTimeField::Hours => 3_600_000,
        DateTimeField::Minute | DateTimeField::Minutes => 60_000,
        DateTimeField::Second | DateTimeField::Seconds => 1_000,
        _ => return None,
    })
}

/// Months of a unit of months.
fn months(field: &DateTimeField) -> Option<i64> {
    Some(match field {
        DateTimeField::Year | DateTimeField::Years => 12,
        DateTimeField::Month | DateTimeField::Months => 1,
        _ => return None,
    })
}

/// `INTERVAL '…' unit [TO unit]`.
pub(super) fn literal(interval: &Interval, place: Place) -> Result<Expr, SqlError> {
    let (value, minus) = match &*interval.value {
        ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => (&**expr, true),
        ast::Expr::UnaryOp { op: UnaryOperator::Plus, expr } => (&**expr, false),
        other => (other, false),
    };
    let text = match value {
        ast::Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(text) => text.trim(),
            other => {
                let hint = format!("write INTERVAL '{other}' …");
                return Err(SqlError::at(v.span, "an interval's value stands in single quotes").hint(hint));
            }
        },
        _ => return Err(SqlError::at(place, "an interval's value is a text in single quotes")),
    };
    let Some(from) = &interval.leading_field else {
        return Err(SqlError::at(place, "an interval needs a unit").hint("write INTERVAL '1' HOUR"));
    };
    if matches!(from, DateTimeField::Week(_) | DateTimeField::Weeks | DateTimeField::Quarter) {
        let hint = "write it in days or months";
        return Err(SqlError::at(place, format!("an interval has no unit {from}")).hint(hint));
    }
    let precision = interval.leading_precision.unwrap_or(2).clamp(1, 10) as usize;
    let wrong = || {
        let to = interval.last_field.as_ref().map_or(String::new(), |f| format!(" TO {f}"));
        SqlError::at(place, format!("'{text}' is no interval of {from}{to}"))
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let leading = digits.bytes().take_while(u8::is_ascii_digit).count();
    if leading > precision {
        let what = format!("'{text}' has more than {precision} digits of {from}");
        return Err(SqlError::at(place, what).hint(format!("write INTERVAL '{text}' {from}({leading})")));
    }
    let (value, data_type) = match (months(from), &interval.last_field) {
        (Some(unit), None) => (whole(digits).and_then(|v| v.checked_mul(unit)), DataType::IntervalYearMonth),
        (Some(12), Some(DateTimeField::Month)) => (year_to_month(digits), DataType::IntervalYearMonth),
        (None, last) if milliseconds(from).is_some() => {
            (span(digits, from, last.as_ref().unwrap_or(from)), DataType::IntervalDayTime)
        }
        _ => return Err(SqlError::unsupported(place, format!("an interval of {from}"))),
    };
    let value = value.ok_or_else(wrong)?;
    Ok(Expr::literal(Scalar::Integer(if negative != minus { -value } else { value }), data_type))
}

fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn year_to_month(text: &str) -> Option<i64> {
    let (years, months) = text.split_once('-')?;
    whole(years)?.checked_mul(12)?.checked_add(whole(months).filter(|m| *m < 12)?)
}

/// Reads `1`, `1.5`, `1 02`, `02:30`, `1 02:30:00.5` … by the first and the last unit.
fn span(text: &str, from: &DateTimeField, to: &DateTimeField) -> Option<i64> {
    const UNITS: [i64; 4] = [86_400_000, 3_600_000, 60_000, 1_000];
    /// How many of a unit make one of the unit before.
    const WITHIN: [i64; 4] = [i64::MAX, 24, 60, 60];
    let place = |f: &DateTimeField| UNITS.iter().position(|u| Some(*u) == milliseconds(f));
    let (first, last) = (place(from)?, place(to)?);
    let parts: Vec<&str> = text.split([' ', ':']).collect();
    if first > last || parts.len() != last - first + 1 {
        return None;
    }
    let mut total = 0_i64;
    for (i, part) in parts.iter().enumerate() {
        let unit = &UNITS[first + i];
        let (digits, fraction) = match part.split_once('.') {
            // Only seconds have a fraction.
            Some((digits, fraction)) if *unit == 1_000 => (digits, thousandths(fraction)?),
            Some(_) => return None,
            None => (*part, 0),
        };
        let value = whole(digits)?;
        if i > 0 && value >= WITHIN[first + i] {
            return None;
        }
        total = total.checked_add(value.checked_mul(*unit)?)?.checked_add(fraction)?;
    }
    Some(total)
}

fn thousandths(fraction: &str) -> Option<i64> {
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    whole(fraction)?;
    digits.parse().ok()
}

/// Arithmetic in which a time or an interval takes part; `None` when neither does.
pub(super) fn combine(op: Arithmetic, left: &Expr, right: &Expr, zone: Zone) -> Option<Result<Expr, String>> {
    let (l, r) = (left.data_type, right.data_type);
    let time = |t: DataType| t.is_timestamp() || matches!(t, DataType::Date | DataType::Time(_));
    if !(time(l) || time(r) || l.is_interval() || r.is_interval()) {
        return None;
    }
    let refused = || Err(format!("{l} {op} {r} is not possible"));
    Some(match op {
        Arithmetic::Add if time(l) && r.is_interval() => add(left.clone(), right.clone(), zone),
        Arithmetic::Add if l.is_interval() && time(r) => add(right.clone(), left.clone(), zone),
        Arithmetic::Subtract if time(l) && r.is_interval() => add(left.clone(), negative(right.clone()), zone),
        Arithmetic::Subtract if time(l) && time(r) => {
            Err(format!("{l} - {r} is not possible; use TIMESTAMPDIFF(unit, from, to)"))
        }
        Arithmetic::Add | Arithmetic::Subtract if l == r => Ok(plain(op, left.clone(), right.clone(), l)),
        Arithmetic::Multiply if l.is_interval() && r.is_integer() => {
            Ok(plain(op, left.clone(), right.clone().cast(DataType::BigInt, CastMode::Strict, zone), l))
        }
        Arithmetic::Multiply if l.is_integer() && r.is_interval() => return combine(op, right, left, zone),
        _ => refused(),
    })
}

/// Integer arithmetic on what carries an interval.
fn plain(op: Arithmetic, left: Expr, right: Expr, data_type: DataType) -> Expr {
    let nullable = left.nullable || right.nullable;
    fold(Expr { kind: ExprKind::Arithmetic { op, left: Box::new(left), right: Box::new(right) }, data_type, nullable })
}

/// `time + interval`.
fn add(time: Expr, interval: Expr, zone: Zone) -> Result<Expr, String> {
    let function = functions::find(functions::TIME_ADD).ok_or("the sum of a time and an interval is not known")?;
    let args = vec![time, interval];
    let signature = function.signature(&args)?;
    let nullable = signature.nullable || args.iter().any(|a| a.nullable);
    Ok(fold(Expr { kind: ExprKind::Call { function, args, zone }, data_type: signature.returns, nullable }))
}
