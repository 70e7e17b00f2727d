//! Top-N: a condition on ROW_NUMBER() becomes the limit of the rank.

use super::rel::{Rel, RelKind, RelRef};
use crate::expr::{Comparison, Expr, ExprKind, Scalar};
use crate::plan::{KeyedOperator, Ranking};
use crate::types::DataType;

/// The ranks that a condition leaves: the first and, where there is one, the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    from: i64,
    to: Option<i64>,
}

impl Limits {
    /// Takes in a condition on the column of the rank; `None` when it is about something else.
    fn with(self, condition: &Expr, rank: usize) -> Option<Self> {
        let ExprKind::Compare { op, left, right } = &condition.kind else { return None };
        let (op, value) = match (plain(left), integer(right)) {
            (Some(column), Some(value)) if column == rank => (*op, value),
            _ => match (integer(left), plain(right)) {
                (Some(value), Some(column)) if column == rank => (turned(*op), value),
                _ => return None,
            },
        };
        let lower = |to: i64| Some(self.to.map_or(to, |known| known.min(to)));
        Some(match op {
            Comparison::Less => Self { to: lower(value.saturating_sub(1)), ..self },
            Comparison::LessOrEqual => Self { to: lower(value), ..self },
            Comparison::Greater => Self { from: self.from.max(value.saturating_add(1)), ..self },
            Comparison::GreaterOrEqual => Self { from: self.from.max(value), ..self },
            Comparison::Equal => Self { from: self.from.max(value), to: lower(value) },
            _ => return None,
        })
    }
}

/// The column that is compared, whatever integer type it is compared in.
fn plain(expr: &Expr) -> Option<usize> {
    match &expr.kind {
        ExprKind::Cast { input, .. }
            if expr.data_type.is_integer() || matches!(expr.data_type, DataType::Decimal(_, 0)) =>
        {
            plain(input)
        }
        _ => expr.as_column(),
    }
}

fn integer(expr: &Expr) -> Option<i64> {
    match (&expr.kind, expr.as_literal()) {
        (_, Some(Scalar::Integer(value))) => Some(*value),
        (ExprKind::Cast { input, .. }, _) if expr.data_type.is_integer() => integer(input),
        _ => None,
    }
}

fn turned(op: Comparison) -> Comparison {
    match op {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        other => other,
    }
}

/// `input`, a rank without a limit, with that of `predicate`; what else it asks stays above. Both are given back when it sets
/// none.
pub(super) fn limited(input: &RelRef, predicate: Expr) -> Result<RelRef, (RelRef, Expr)> {
    let RelKind::Keyed { inputs, keys, operator: KeyedOperator::Rank(rank) } = &input.kind else {
        return Err((input.clone(), predicate));
    };
    let column = inputs[0].schema.fields.len();
    let parts = match &predicate.kind {
        ExprKind::And(parts) => parts.clone(),
        _ => vec![predicate.clone()],
    };
    let (mut limits, mut rest) = (Limits { from: 1, to: None }, Vec::new());
    for part in parts {
        match limits.with(&part, column) {
            Some(narrower) => limits = narrower,
            None => rest.push(part),
        }
    }
    let Some(to) = limits.to else { return Err((input.clone(), predicate)) };
    let to = u64::try_from(to).unwrap_or(0);
    let ranking = Ranking { from: limits.from.max(1) as u64, to: Some(to), ..rank.clone() };
    let rel = of(inputs, keys, ranking, input);
    Ok(if rest.is_empty() { rel } else { Rel::filter(rel, Expr::and(rest)) })
}

/// The rank; where only one is left, its number is no longer computed.
fn of(inputs: &[RelRef], keys: &[Vec<usize>], ranking: Ranking, unlimited: &RelRef) -> RelRef {
    let width = inputs[0].schema.fields.len();
    let number = (unlimited.schema.fields[width].clone(), unlimited.roles[width]);
    let newest_first = ranking.newest_first && (ranking.order.is_empty() || ranking.to == Some(1));
    if ranking.to != Some(ranking.from) {
        let operator = KeyedOperator::Rank(Ranking { newest_first, ..ranking });
        return Rel::keyed_by(inputs.to_vec(), keys.to_vec(), operator, vec![number]);
    }
    let rank = Expr::literal(Scalar::Integer(ranking.from as i64), DataType::BigInt);
    let operator = KeyedOperator::Rank(Ranking { numbered: false, newest_first, ..ranking });
    let rel = Rel::keyed_by(inputs.to_vec(), keys.to_vec(), operator, Vec::new());
    let mut columns: Vec<(Expr, String)> =
        (0..width).map(|c| (rel.column(c), rel.schema.fields[c].name.clone())).collect();
    columns.push((rank, number.0.name));
    Rel::project(rel, columns)
}
