//! Relations made cheaper without changing what they mean: filters move toward the tables, projections are merged,
//! windows are assigned where they are aggregated.

use super::fold;
use super::rank;
use super::rel::{Grouping, Rel, RelKind, RelRef, Role, Shape};
use crate::expr::Expr;
use crate::plan::{Aggregate, KeyedOperator, WindowSpec, WindowTime};
use std::sync::Arc;

/// Largest expression that merging two projections may make, in nodes.
const MERGED_SIZE_MAX: usize = 2_000;

/// The relation in its cheaper form. Column count, order and types stay.
pub(super) fn rewrite(rel: &RelRef) -> RelRef {
    let inputs: Vec<RelRef> = rel.inputs().iter().map(rewrite).collect();
    match &rel.kind {
        RelKind::Filter { predicate, .. } => filter(inputs[0].clone(), fold::all(predicate)),
        RelKind::Project { exprs, .. } => {
            let columns = exprs.iter().map(fold::all).zip(names(rel)).collect();
            project(inputs[0].clone(), columns)
        }
        RelKind::Aggregate { window, keys, aggregates, .. } => aggregate(rel, &inputs[0], window, keys, aggregates),
        _ => rel.with_inputs(inputs),
    }
}

fn names(rel: &Rel) -> Vec<String> {
    rel.schema.fields.iter().map(|f| f.name.clone()).collect()
}

/// `expr` with each column replaced by the expression that gives it.
fn substitute(expr: &Expr, by: &[Expr]) -> Expr {
    expr.map_columns(&mut |index, _| by[index].clone())
}

/// The columns that an expression reads.
fn columns_of(expr: &Expr) -> Vec<usize> {
    let mut columns = Vec::new();
    expr.each_column(&mut |c| columns.push(c));
    columns
}

/// A filter as far down as it goes.
fn filter(input: RelRef, predicate: Expr) -> RelRef {
    if predicate.as_literal() == Some(&crate::expr::Scalar::Boolean(true)) {
        return input;
    }
    match &input.kind {
        RelKind::Project { input: below, exprs } => {
            let moved = substitute(&predicate, exprs);
            if moved.size() > MERGED_SIZE_MAX {
                return Rel::filter(input, predicate);
            }
            let below = filter(below.clone(), fold::all(&moved));
            input.with_inputs(vec![below])
        }
        RelKind::Union(inputs) => {
            let filtered = inputs.iter().map(|i| filter(i.clone(), predicate.clone())).collect();
            input.with_inputs(filtered)
        }
        // Columns of the input stand before those of the window or the function.
        RelKind::Assign { input: below, .. } | RelKind::Widen { input: below, .. } => {
            let count = below.schema.fields.len();
            split(&input, predicate, &|c| c < count, &|e| e.clone())
        }
        RelKind::Aggregate { keys, .. } => {
            let keys = keys.clone();
            split(&input, predicate, &|c| c < keys.len(), &|e| {
                e.map_columns(&mut |c, column| Expr { kind: crate::expr::ExprKind::Column(keys[c]), ..column.clone() })
            })
        }
        RelKind::Keyed { operator: KeyedOperator::Rank(rank), .. } if rank.to.is_none() => {
            rank::limited(&input, predicate).unwrap_or_else(|(input, predicate)| Rel::filter(input, predicate))
        }
        _ => Rel::filter(input, predicate),
    }
}

/// Moves the conditions that read only columns that pass through `input` below it; the others stay above.
fn split(input: &RelRef, predicate: Expr, passes: &dyn Fn(usize) -> bool, below: &dyn Fn(&Expr) -> Expr) -> RelRef {
    let parts = match &predicate.kind {
        crate::expr::ExprKind::And(parts) => parts.clone(),
        _ => vec![predicate],
    };
    let (down, up): (Vec<Expr>, Vec<Expr>) = parts.into_iter().partition(|p| {
        let columns = columns_of(p);
        !columns.is_empty() && columns.into_iter().all(passes)
    });
    let mut rel = input.clone();
    if !down.is_empty() {
        let moved = Expr::and(down.iter().map(below).collect());
        let inner = filter(rel.inputs()[0].clone(), moved);
        rel = rel.with_inputs(vec![inner]);
    }
    if up.is_empty() { rel } else { Rel::filter(rel, Expr::and(up)) }
}

/// A projection, merged with one below it.
fn project(input: RelRef, columns: Vec<(Expr, String)>) -> RelRef {
    if let RelKind::Project { input: below, exprs } = &input.kind {
        let merged: Vec<(Expr, String)> =
            columns.iter().map(|(e, name)| (fold::all(&substitute(e, exprs)), name.clone())).collect();
        if merged.iter().map(|(e, _)| e.size()).sum::<usize>() <= MERGED_SIZE_MAX {
            return project(below.clone(), merged);
        }
    }
    Rel::project(input, columns)
}

/// An aggregate whose input was put into windows just for it takes over the windows itself.
fn aggregate(rel: &RelRef, input: &RelRef, window: &Grouping, keys: &[usize], aggregates: &[Aggregate]) -> RelRef {
    let kept = || rel.with_inputs(vec![input.clone()]);
    let Grouping::Attached { start, end, shape } = window else { return kept() };
    let RelKind::Project { input: assigned, exprs } = &input.kind else { return kept() };
    let RelKind::Assign { input: rows, window } = &assigned.kind else { return kept() };
    let first = rows.schema.fields.len();
    let is = |place: usize, column: usize| exprs[place].as_column() == Some(column);
    if !is(*start, first) || !is(*end, first + 1) {
        return kept();
    }
    let others: Vec<&Expr> = exprs.iter().enumerate().filter(|(i, _)| i != start && i != end).map(|(_, e)| e).collect();
    if others.iter().any(|e| columns_of(e).into_iter().any(|c| c >= first)) {
        return kept();
    }
    // Start and end are the last two columns: leaving them out moves no other.
    if *start + 2 != exprs.len() || *end + 1 != exprs.len() {
        return kept();
    }
    merge_window(rel, rows, &exprs[..*start], window, *shape, (keys, aggregates))
}

fn merge_window(
    rel: &RelRef,
    rows: &RelRef,
    exprs: &[Expr],
    window: &WindowSpec,
    shape: Shape,
    (keys, aggregates): (&[usize], &[Aggregate]),
) -> RelRef {
    let mut columns: Vec<(Expr, String)> = exprs.iter().cloned().zip(names(&rel.inputs()[0])).collect();
    let mut place = |column: usize| {
        let time = rows.column(column);
        columns.iter().position(|(e, _)| *e == time).unwrap_or_else(|| {
            columns.push((time, rows.schema.fields[column].name.clone()));
            columns.len() - 1
        })
    };
    let time = match window.time {
        WindowTime::Row(column) => WindowTime::Row(place(column)),
        WindowTime::Processing => WindowTime::Processing,
    };
    let spec = WindowSpec { time, ..window.clone() };
    let results = rel.schema.fields[keys.len()..keys.len() + aggregates.len()].to_vec();
    let input = project(rows.clone(), columns);
    Rel::aggregate(input, Grouping::Assigned(spec, shape), keys.to_vec(), aggregates.to_vec(), results)
}

impl Rel {
    /// The relations that this one reads.
    pub(super) fn inputs(&self) -> &[RelRef] {
        match &self.kind {
            RelKind::Scan { .. } | RelKind::Values(_) => &[],
            RelKind::Filter { input, .. }
            | RelKind::Project { input, .. }
            | RelKind::Widen { input, .. }
            | RelKind::Assign { input, .. }
            | RelKind::Aggregate { input, .. } => std::slice::from_ref(input),
            RelKind::Union(inputs) | RelKind::Keyed { inputs, .. } => inputs,
        }
    }

    /// The same operator over other inputs of the same columns.
    pub(super) fn with_inputs(&self, inputs: Vec<RelRef>) -> RelRef {
        let first = || inputs.first().cloned();
        let kind = match (&self.kind, first()) {
            (RelKind::Filter { predicate, .. }, Some(input)) => RelKind::Filter { input, predicate: predicate.clone() },
            (RelKind::Project { exprs, .. }, Some(input)) => RelKind::Project { input, exprs: exprs.clone() },
            (RelKind::Widen { by, .. }, Some(input)) => RelKind::Widen { input, by: by.clone() },
            (RelKind::Assign { window, .. }, Some(input)) => RelKind::Assign { input, window: window.clone() },
            (RelKind::Aggregate { window, keys, aggregates, .. }, Some(input)) => {
                RelKind::Aggregate { input, window: window.clone(), keys: keys.clone(), aggregates: aggregates.clone() }
            }
            (RelKind::Union(_), _) => RelKind::Union(inputs),
            (RelKind::Keyed { keys, operator, .. }, _) => {
                RelKind::Keyed { inputs, keys: keys.clone(), operator: operator.clone() }
            }
            (kind, _) => kind.clone(),
        };
        Arc::new(Self { kind, schema: self.schema.clone(), roles: self.roles.clone() })
    }

    /// The columns that name a row of this relation, the window's first, added at the end where they are not given;
    /// `None` when nothing names a row.
    pub(super) fn keyed(rel: &RelRef) -> Option<(RelRef, Vec<usize>)> {
        match &rel.kind {
            RelKind::Aggregate { keys, aggregates, .. } => {
                let start = keys.len() + aggregates.len();
                Some((rel.clone(), [start, start + 1].into_iter().chain(0..keys.len()).collect()))
            }
            RelKind::Filter { input, predicate } => {
                let (input, key) = Self::keyed(input)?;
                Some((Self::filter(input, predicate.clone()), key))
            }
            RelKind::Project { input, exprs } => {
                let (input, key) = Self::keyed(input)?;
                let mut columns: Vec<(Expr, String)> = exprs.iter().cloned().zip(names(rel)).collect();
                let mut place = |c: usize| {
                    let column = input.column(c);
                    columns.iter().position(|(e, _)| *e == column).unwrap_or_else(|| {
                        columns.push((column, format!("$key.{}", input.schema.fields[c].name)));
                        columns.len() - 1
                    })
                };
                let key = key.into_iter().map(&mut place).collect();
                Some((Self::project(input, columns), key))
            }
            RelKind::Scan { .. }
            | RelKind::Values(_)
            | RelKind::Union(_)
            | RelKind::Widen { .. }
            | RelKind::Keyed { .. }
            | RelKind::Assign { .. } => None,
        }
    }

    /// The role of the column at `index`.
    pub(super) fn role(&self, index: usize) -> Role {
        self.roles[index]
    }
}
