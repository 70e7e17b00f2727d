//! Joins of two relations: without a bound, within an interval of event time, or of rows that share a window.

use super::bind::{Binder, place_of};
use super::error::SqlError;
use super::join::Kind;
use super::query::Planner;
use super::rel::{Part, Rel, RelRef, Role, Shape};
use super::reserved;
use super::scope::Scope;
use crate::expr::{Comparison, Expr, ExprKind, Scalar, functions};
use crate::plan::{JoinTime, Joining, KeyedOperator};
use crate::types::Schema;
use sqlparser::ast;

/// The two sides of a join while its condition is taken apart.
struct Sides<'a> {
    left: &'a RelRef,
    right: &'a RelRef,
}

/// What a condition consists of.
#[derive(Default)]
struct Parts {
    /// Equalities: an expression over the left side, and one over the right side by its own columns.
    keys: Vec<(Expr, Expr)>,
    /// Bounds of a left time less a right time: the columns, and the least and greatest difference in milliseconds.
    times: Option<(usize, usize)>,
    lower_ms: Option<i64>,
    upper_ms: Option<i64>,
    /// All else, over both sides.
    rest: Vec<Expr>,
}

/// The rows so far joined to those of another relation.
pub(super) fn join(
    planner: &Planner<'_>,
    (left, scope): (RelRef, Scope),
    (right, alias): (RelRef, Option<String>),
    kind: &Kind<'_>,
) -> Result<(RelRef, Scope), SqlError> {
    let (on, keeps_left, keeps_right): (Option<&ast::Expr>, bool, bool) = match kind {
        Kind::Cross => (None, false, false),
        Kind::Inner(on) => (Some(on), false, false),
        Kind::Left(on) => (Some(on), true, false),
        Kind::Right(on) => (Some(on), false, true),
        Kind::Full(on) => (Some(on), true, true),
    };
    if let Some(alias) = &alias {
        reserved::check(&ast::Ident::new(alias.as_str()))?;
    }
    let both = scope.clone().join(alias.clone(), right.schema.clone());
    let functions = &planner.catalog.functions;
    let condition =
        on.map(|on| Binder::new(&both, planner.catalog.zone(), "ON").with_functions(functions).condition(on));
    let sides = Sides { left: &left, right: &right };
    let parts = sides.take_apart(condition.transpose()?);
    if let (Some(on), Some((_, shape))) = (on, sides.window(&parts.keys))
        && shape.processing
    {
        return Err(SqlError::unsupported(place_of(on), "a join of windows of processing time")
            .hint("use windows over the columns that the tables have their WATERMARK on"));
    }
    let rel = sides.joined(parts, keeps_left, keeps_right);
    let own = left.schema.fields.len();
    let fields = rel.schema.fields.clone();
    let mut scope = scope;
    scope.schema = Schema { fields: fields[..own].to_vec() };
    Ok((rel.clone(), scope.join(alias, Schema { fields: fields[own..].to_vec() })))
}

/// A time and what is added to it, in milliseconds.
fn shifted(e: &Expr) -> Option<(usize, i64)> {
    match &e.kind {
        ExprKind::Call { function, args, .. } if Some(*function) == functions::find(functions::TIME_ADD) => {
            let (column, shift) = shifted(args.first()?)?;
            match args.get(1)?.as_literal()? {
                Scalar::Integer(ms) if args[1].data_type == crate::types::DataType::IntervalDayTime => {
                    Some((column, shift.checked_add(*ms)?))
                }
                _ => None,
            }
        }
        ExprKind::Cast { input, .. } if input.data_type.is_timestamp() && e.data_type.is_timestamp() => shifted(input),
        _ => e.as_column().map(|c| (c, 0)),
    }
}

impl Sides<'_> {
    fn own(&self) -> usize {
        self.left.schema.fields.len()
    }

    /// `e` over the columns of the right side alone.
    fn of_right(&self, e: &Expr) -> Expr {
        let own = self.own();
        e.map_columns(&mut |c, column| Expr { kind: ExprKind::Column(c - own), ..column.clone() })
    }

    fn only(&self, e: &Expr, left: bool) -> bool {
        let (mut some, mut all) = (false, true);
        e.each_column(&mut |c| {
            some = true;
            all &= (c < self.own()) == left;
        });
        some && all
    }

    fn take_apart(&self, condition: Option<Expr>) -> Parts {
        let mut parts = Parts::default();
        let Some(condition) = condition else { return parts };
        let all = match condition.kind {
            ExprKind::And(all) => all,
            _ => vec![condition],
        };
        for part in all {
            if !self.time_bound(&part, &mut parts) {
                match self.key(&part) {
                    Some(key) => parts.keys.push(key),
                    None => parts.rest.push(part),
                }
            }
        }
        parts
    }

    fn key(&self, part: &Expr) -> Option<(Expr, Expr)> {
        let ExprKind::Compare { op: Comparison::Equal, left, right } = &part.kind else { return None };
        if left.data_type != right.data_type {
            return None;
        }
        if self.only(left, true) && self.only(right, false) {
            return Some(((**left).clone(), self.of_right(right)));
        }
        (self.only(right, true) && self.only(left, false)).then(|| ((**right).clone(), self.of_right(left)))
    }

    /// Takes a comparison of event times of both sides in; whether it was one.
    fn time_bound(&self, part: &Expr, parts: &mut Parts) -> bool {
        let ExprKind::Compare { op, left, right } = &part.kind else { return false };
        let (Some((a, plus_a)), Some((b, plus_b))) = (shifted(left), shifted(right)) else { return false };
        let own = self.own();
        let (l, r, plus_l, plus_r, op) = match (a < own, b < own) {
            (true, false) => (a, b - own, plus_a, plus_b, *op),
            (false, true) => (b, a - own, plus_b, plus_a, turned(*op)),
            _ => return false,
        };
        let rowtime = |role: Role| role == Role::Rowtime;
        if !rowtime(self.left.role(l)) || !rowtime(self.right.role(r)) || parts.times.is_some_and(|t| t != (l, r)) {
            return false;
        }
        let difference = plus_r - plus_l;
        let (lower, upper) = match op {
            Comparison::Less => (None, Some(difference - 1)),
            Comparison::LessOrEqual => (None, Some(difference)),
            Comparison::Greater => (Some(difference + 1), None),
            Comparison::GreaterOrEqual => (Some(difference), None),
            Comparison::Equal => (Some(difference), Some(difference)),
            _ => return false,
        };
        parts.times = Some((l, r));
        parts.lower_ms = parts.lower_ms.max(lower);
        parts.upper_ms = match (parts.upper_ms, upper) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        // It stays a condition too, for the case that no interval comes of it.
        parts.rest.push(part.clone());
        true
    }

    /// The columns that say when the windows end that both sides share, and what these look like.
    fn window(&self, keys: &[(Expr, Expr)]) -> Option<([usize; 2], Shape)> {
        let shared = |wanted: Part| {
            keys.iter().find_map(|(l, r)| {
                let (l, r) = (l.as_column()?, r.as_column()?);
                match (self.left.role(l), self.right.role(r)) {
                    (Role::Window(a, shape), Role::Window(b, other)) if a == wanted && b == wanted => {
                        let same = (shape.kind, shape.size_ms, shape.slide_ms, shape.zone, shape.processing)
                            == (other.kind, other.size_ms, other.slide_ms, other.zone, other.processing);
                        same.then_some(([l, r], shape))
                    }
                    _ => None,
                }
            })
        };
        shared(Part::Start).and(shared(Part::End))
    }

    fn joined(&self, parts: Parts, keeps_left: bool, keeps_right: bool) -> RelRef {
        let changing = self.left.is_changing() || self.right.is_changing();
        let interval = match (parts.times, parts.lower_ms, parts.upper_ms) {
            (Some((l, r)), Some(lower_ms), Some(upper_ms)) if !changing => {
                Some(JoinTime::Interval { times: [l, r], lower_ms, upper_ms })
            }
            _ => None,
        };
        let window = self.window(&parts.keys).filter(|_| !changing);
        let time = match (window, interval) {
            (Some((ends, shape)), _) => JoinTime::Window { ends, zone: shape.zone },
            (None, Some(interval)) => interval,
            (None, None) => JoinTime::Unbounded,
        };
        let (left, left_keys) = keyed(self.left, parts.keys.iter().map(|(l, _)| l));
        let (right, right_keys) = keyed(self.right, parts.keys.iter().map(|(_, r)| r));
        let (own, width) = (self.own(), left.schema.fields.len());
        let over_both = |e: &Expr| {
            e.map_columns(&mut |c, column| {
                let at = if c < own { c } else { c - own + width };
                Expr { kind: ExprKind::Column(at), ..column.clone() }
            })
        };
        // Null equals nothing. Rows without a key are left out where they are not kept; where all are kept, they meet
        // each other under one key and must not be pairs.
        let mut conditions: Vec<Expr> = parts.rest.iter().map(over_both).collect();
        if keeps_left && keeps_right {
            conditions.extend(left_keys.iter().map(|k| left.column(*k)).filter(|k| k.nullable).map(Expr::is_not_null));
        }
        let left = if keeps_left { left } else { with_keys(left, &left_keys) };
        let right = if keeps_right { right } else { with_keys(right, &right_keys) };
        let condition = (!conditions.is_empty()).then(|| Expr::and(conditions));
        let above = condition.clone().filter(|_| !keeps_left && !keeps_right);
        let condition = condition.filter(|_| keeps_left || keeps_right);
        let operator = KeyedOperator::Join(Joining { condition, keeps_left, keeps_right, time });
        let joined = Rel::keyed_by(vec![left, right], vec![left_keys, right_keys], operator, Vec::new());
        let joined = match above {
            Some(above) => Rel::filter(joined, above),
            None => joined,
        };
        let places = (0..own).chain(width..width + self.right.schema.fields.len());
        let columns = places.map(|c| (joined.column(c), joined.schema.fields[c].name.clone())).collect();
        Rel::project(joined, columns)
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

/// The relation with its keys as columns, and where they stand.
fn keyed<'a>(rel: &RelRef, keys: impl Iterator<Item = &'a Expr>) -> (RelRef, Vec<usize>) {
    let mut columns: Vec<(Expr, String)> =
        rel.schema.fields.iter().enumerate().map(|(i, f)| (rel.column(i), f.name.clone())).collect();
    let mut place = |key: &Expr| {
        columns.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            columns.push((key.clone(), "$key".to_owned()));
            columns.len() - 1
        })
    };
    let places: Vec<usize> = keys.map(&mut place).collect();
    (Rel::project(rel.clone(), columns), places)
}

/// The rows that have all keys.
fn with_keys(rel: RelRef, keys: &[usize]) -> RelRef {
    let given: Vec<Expr> = keys.iter().map(|k| rel.column(*k)).filter(|k| k.nullable).map(Expr::is_not_null).collect();
    if given.is_empty() { rel } else { Rel::filter(rel, Expr::and(given)) }
}
