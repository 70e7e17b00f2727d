//! Expressions as SQL, for plans and messages.

use super::cast::CastMode;
use super::{Expr, ExprKind, Scalar, calendar, decimal, functions};
use crate::types::DataType;
use std::fmt;

/// An expression with the names of the columns it reads.
pub(crate) struct Shown<'a> {
    expr: &'a Expr,
    names: &'a dyn Fn(usize) -> String,
}

impl Expr {
    /// This expression as SQL; `names` gives the name of each column.
    pub(crate) fn shown<'a>(&'a self, names: &'a dyn Fn(usize) -> String) -> Shown<'a> {
        Shown { expr: self, names }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sub = |e| Shown { expr: e, names: self.names };
        match &self.expr.kind {
            ExprKind::Column(index) => f.write_str(&(self.names)(*index)),
            ExprKind::Literal(value) => write_scalar(f, value, self.expr.data_type),
            ExprKind::Cast { input, mode, .. } => {
                let name = if *mode == CastMode::Try { "TRY_CAST" } else { "CAST" };
                write!(f, "{name}({} AS {})", sub(input), self.expr.data_type)
            }
            ExprKind::Case { branches, otherwise } => {
                f.write_str("CASE")?;
                for (when, then) in branches {
                    write!(f, " WHEN {} THEN {}", sub(when), sub(then))?;
                }
                if otherwise.as_literal() != Some(&Scalar::Null) {
                    write!(f, " ELSE {}", sub(otherwise))?;
                }
                f.write_str(" END")
            }
            ExprKind::And(parts) => self.joined(f, parts, " AND "),
            ExprKind::Or(parts) => self.joined(f, parts, " OR "),
            ExprKind::Not(inner) => match &inner.kind {
                ExprKind::IsNull(e) => write!(f, "{} IS NOT NULL", sub(e)),
                ExprKind::IsTrue(e) => write!(f, "{} IS NOT TRUE", sub(e)),
                _ => write!(f, "NOT {}", sub(inner)),
            },
            ExprKind::IsNull(e) => write!(f, "{} IS NULL", sub(e)),
            ExprKind::IsTrue(e) => write!(f, "{} IS TRUE", sub(e)),
            ExprKind::Compare { op, left, right } => write!(f, "{} {op} {}", sub(left), sub(right)),
            ExprKind::In { input, list } => {
                write!(f, "{} IN (", sub(input))?;
                for (i, value) in list.iter().enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    write_scalar(f, value, input.data_type)?;
                }
                f.write_str(")")
            }
            ExprKind::Arithmetic { op, left, right } => write!(f, "({} {op} {})", sub(left), sub(right)),
            ExprKind::Call { function, args, .. } => {
                if let Some(infix) = self.infix(function.name(), args) {
                    return f.write_str(&infix);
                }
                write!(f, "{}(", function.name())?;
                for (i, arg) in args.iter().enumerate() {
                    write!(f, "{}{}", if i > 0 { ", " } else { "" }, sub(arg))?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Shown<'_> {
    /// A call that SQL writes between its arguments.
    fn infix(&self, name: &str, args: &[Expr]) -> Option<String> {
        let sub = |e| Shown { expr: e, names: self.names };
        let [left, right, ..] = args else { return None };
        match (name, right.as_literal().and_then(Scalar::as_integer)) {
            (functions::TIME_ADD, Some(span)) if span < 0 => {
                let back = Expr::literal(Scalar::Integer(span.saturating_neg()), right.data_type);
                Some(format!("({} - {})", sub(left), sub(&back)))
            }
            (functions::TIME_ADD, _) => Some(format!("({} + {})", sub(left), sub(right))),
            ("NOT NULL", _) => Some(sub(left).to_string()),
            ("LIKE" | "SIMILAR TO", _) if args.len() == 2 => Some(format!("{} {name} {}", sub(left), sub(right))),
            ("||", _) => Some(format!("({} || {})", sub(left), sub(right))),
            _ => None,
        }
    }

    fn joined(&self, f: &mut fmt::Formatter<'_>, parts: &[Expr], between: &str) -> fmt::Result {
        for (i, part) in parts.iter().enumerate() {
            let shown = Shown { expr: part, names: self.names };
            f.write_str(if i > 0 { between } else { "" })?;
            match part.kind {
                ExprKind::And(_) | ExprKind::Or(_) => write!(f, "({shown})")?,
                _ => write!(f, "{shown}")?,
            }
        }
        Ok(())
    }
}

fn write_scalar(f: &mut fmt::Formatter<'_>, value: &Scalar, data_type: DataType) -> fmt::Result {
    match value {
        Scalar::Null => f.write_str("NULL"),
        Scalar::Boolean(b) => f.write_str(if *b { "TRUE" } else { "FALSE" }),
        Scalar::Integer(v) => write_carried(f, *v, data_type),
        Scalar::Float(v) => write!(f, "{v:?}"),
        Scalar::Decimal(v) => {
            let mut out = String::new();
            decimal::write(&mut out, *v, if let DataType::Decimal(_, s) = data_type { s } else { 0 });
            f.write_str(&out)
        }
        Scalar::Text(s) => write!(f, "'{}'", s.replace('\'', "''")),
        Scalar::Bytes(b) => {
            f.write_str("X'")?;
            b.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
            f.write_str("'")
        }
    }
}

fn write_carried(f: &mut fmt::Formatter<'_>, value: i64, data_type: DataType) -> fmt::Result {
    let mut out = String::new();
    let word = match data_type {
        DataType::Date => {
            calendar::write_date(&mut out, value);
            "DATE"
        }
        DataType::Time(p) => {
            calendar::write_time(&mut out, value, p);
            "TIME"
        }
        DataType::Timestamp(p) => {
            calendar::write_timestamp(&mut out, calendar::Moment::from_carrier(value, p), p);
            "TIMESTAMP"
        }
        DataType::TimestampLtz(p) => {
            calendar::write_timestamp(&mut out, calendar::Moment::from_carrier(value, p), p);
            out.push('Z');
            "TIMESTAMP_LTZ"
        }
        DataType::IntervalYearMonth => {
            calendar::write_months(&mut out, value);
            return write!(f, "INTERVAL '{}' YEAR TO MONTH", out.trim_start_matches('+'));
        }
        DataType::IntervalDayTime => return write_span(f, value),
        _ => return write!(f, "{value}"),
    };
    write!(f, "{word} '{out}'")
}

/// A span in its largest unit where that is exact.
fn write_span(f: &mut fmt::Formatter<'_>, ms: i64) -> fmt::Result {
    for (unit, name) in [(86_400_000, "DAY"), (3_600_000, "HOUR"), (60_000, "MINUTE"), (1_000, "SECOND")] {
        if ms % unit == 0 {
            return write!(f, "INTERVAL '{}' {name}", ms / unit);
        }
    }
    let mut out = String::new();
    calendar::write_span(&mut out, ms);
    write!(f, "INTERVAL '{}' DAY TO SECOND", out.trim_start_matches('+'))
}
