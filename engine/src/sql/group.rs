//! GROUP BY: which columns are keys, what is computed before and after the aggregate.

use super::bind::{AGGREGATE_BASE, Binder, place_of};
use super::error::{Place, SqlError};
use super::query::Grouped;
use super::rel::{Grouping, Part, Rel, RelKind, RelRef, Role, Shape};
use crate::expr::{Expr, Zone};
use crate::plan::{Aggregate, KeyedOperator};
use crate::types::Field;
use sqlparser::ast;

/// What GROUP BY lists, sorted out.
struct Keys {
    /// Every expression of the clause, over the input.
    group: Vec<Expr>,
    /// For each of them its place in the aggregate's output.
    output: Vec<usize>,
    /// Those that are no part of the window.
    keys: Vec<Expr>,
    /// Start, end and shape of the window that rows are grouped by, if they are.
    window: Option<(usize, usize, Shape)>,
}

/// A SELECT with aggregates or GROUP BY.
pub(super) fn group_by(
    input: RelRef,
    group: &[ast::Expr],
    grouped: Grouped<'_>,
    zone: Zone,
) -> Result<RelRef, SqlError> {
    let Grouped { functions, select, columns, having, calls, places, scope, legacy } = grouped;
    let mut binder = Binder::new(scope, zone, "GROUP BY").with_functions(functions);
    let place = group.first().map_or_else(|| first_place(select), place_of);
    let mut bound = Vec::with_capacity(group.len());
    for expr in group {
        match (expr, legacy) {
            (ast::Expr::Function(call), Some(window)) if window.is(call) => bound.extend(window.columns()),
            _ => {
                refuse_grouping(expr)?;
                bound.push(binder.bind(expr)?);
            }
        }
    }
    let keys = sort_out(&input, bound, calls.len(), place)?;
    let output_keys = keys.keys.len();

    // Before the aggregate: keys, arguments, filters, and the window.
    let mut before: Vec<(Expr, String)> = keys.keys.iter().map(|e| (e.clone(), key_name(e, &input))).collect();
    let mut add = |e: &Expr, name: &str| {
        let known = before.iter().position(|(b, _)| b == e);
        known.unwrap_or_else(|| {
            before.push((e.clone(), name.to_owned()));
            before.len() - 1
        })
    };
    let mut aggregates = Vec::with_capacity(calls.len());
    let mut results = Vec::with_capacity(calls.len());
    for (i, call) in calls.iter().enumerate() {
        let named = |e: &Expr, name: String| e.as_column().map_or(name, |c| input.schema.fields[c].name.clone());
        let argument = call.argument.as_ref().map(|e| add(e, &named(e, format!("$arg{i}"))));
        let filter = call.filter.as_ref().map(|e| add(e, &named(e, format!("$filter{i}"))));
        aggregates.push(Aggregate { function: call.function, argument, distinct: call.distinct, filter });
        results.push(Field { name: format!("$agg{i}"), data_type: call.data_type, nullable: call.nullable });
    }
    let mut rel = aggregated(&input, before, &keys, aggregates, results);

    // After it: columns and conditions over its output.
    let after = |e: &Expr| regrouped(e, &keys, output_keys, &rel, &places, scope);
    let columns =
        columns.iter().map(|(e, name)| Ok((after(e)?, name.clone()))).collect::<Result<Vec<_>, SqlError>>()?;
    if let Some(having) = &having {
        rel = Rel::filter(rel.clone(), after(having)?);
    }
    Ok(Rel::project(rel, columns))
}

/// The aggregates over `before`, which begins with the keys: of each window, or of all rows until now.
fn aggregated(
    input: &RelRef,
    mut before: Vec<(Expr, String)>,
    keys: &Keys,
    aggregates: Vec<Aggregate>,
    results: Vec<Field>,
) -> RelRef {
    let by: Vec<usize> = (0..keys.keys.len()).collect();
    let Some((start, end, shape)) = keys.window else {
        let added = results.into_iter().map(|field| (field, Role::Plain)).collect();
        let rows = Rel::project(input.clone(), before);
        return Rel::keyed_by(vec![rows], vec![by], KeyedOperator::Group { aggregates }, added);
    };
    let window = Grouping::Attached { start: before.len(), end: before.len() + 1, shape };
    before.push((input.column(start), "window_start".to_owned()));
    before.push((input.column(end), "window_end".to_owned()));
    Rel::aggregate(Rel::project(input.clone(), before), window, by, aggregates, results)
}

/// SELECT DISTINCT: grouping by all columns, the window's among them where there is one.
pub(super) fn distinct(input: RelRef, place: Place) -> Result<RelRef, SqlError> {
    let count = input.schema.fields.len();
    let group: Vec<Expr> = (0..count).map(|i| input.column(i)).collect();
    let names: Vec<String> = input.schema.fields.iter().map(|f| f.name.clone()).collect();
    let keys = sort_out(&input, group, 0, place)?;
    let before = keys.keys.iter().map(|e| (e.clone(), key_name(e, &input))).collect();
    let rel = aggregated(&input, before, &keys, Vec::new(), Vec::new());
    let columns = keys.output.iter().zip(names).map(|(&o, name)| (rel.column(o), name)).collect();
    Ok(Rel::project(rel, columns))
}

fn refuse_grouping(expr: &ast::Expr) -> Result<(), SqlError> {
    match expr {
        ast::Expr::GroupingSets(_) | ast::Expr::Cube(_) | ast::Expr::Rollup(_) => {
            Err(SqlError::unsupported(place_of(expr), "GROUPING SETS, CUBE and ROLLUP"))
        }
        _ => Ok(()),
    }
}

fn first_place(select: &ast::Select) -> Place {
    use ast::Spanned;
    select.span().into()
}

/// Separates the window from the keys and finds where each stands in the aggregate's output.
fn sort_out(input: &RelRef, group: Vec<Expr>, aggregates: usize, place: Place) -> Result<Keys, SqlError> {
    let role = |e: &Expr| e.as_column().map_or(Role::Plain, |c| input.roles[c]);
    let part = |wanted: Part| {
        group.iter().find_map(|e| match role(e) {
            Role::Window(p, shape) if p == wanted => e.as_column().map(|c| (c, shape)),
            _ => None,
        })
    };
    let window = part(Part::Start).zip(part(Part::End)).map(|((start, shape), (end, _))| (start, end, shape));
    // Behind an aggregate of processing time its windows are columns like others, as in Flink: no clock closes them again.
    let window = window.filter(|(.., shape)| !shape.processing || is_put_into_windows(input));
    if let Some((.., shape)) = window
        && shape.size_ms % shape.slide_ms != 0
    {
        let what =
            format!("the size of a HOP ({} ms) must be a multiple of its slide ({} ms)", shape.size_ms, shape.slide_ms);
        return Err(SqlError::at(place, what));
    }
    let own = |s: Shape| window.is_some_and(|(.., shape)| s == shape);
    let is_window = |e: &Expr| matches!(role(e), Role::Window(_, s) if own(s));
    let mut keys: Vec<Expr> = Vec::new();
    for e in group.iter().filter(|e| !is_window(e)) {
        if !keys.contains(e) {
            keys.push(e.clone());
        }
    }
    let place_in_output = |e: &Expr| match role(e) {
        Role::Window(Part::Start, s) if own(s) => keys.len() + aggregates,
        Role::Window(Part::End, s) if own(s) => keys.len() + aggregates + 1,
        Role::Window(Part::Time, s) if own(s) => keys.len() + aggregates + 2,
        _ => keys.iter().position(|k| k == e).unwrap_or_default(),
    };
    let output = group.iter().map(place_in_output).collect();
    Ok(Keys { output, group, keys, window })
}

/// Whether the rows come from where they were put into windows, nothing but columns and conditions in between.
fn is_put_into_windows(rel: &Rel) -> bool {
    match &rel.kind {
        RelKind::Assign { .. } | RelKind::Keyed { operator: KeyedOperator::Session { .. }, .. } => true,
        RelKind::Project { input, .. } | RelKind::Filter { input, .. } => is_put_into_windows(input),
        _ => false,
    }
}

/// The name of a key's column.
fn key_name(key: &Expr, input: &RelRef) -> String {
    key.as_column().map_or_else(|| "$key".to_owned(), |c| input.schema.fields[c].name.clone())
}

/// An expression over the input, aggregates in it, as one over the aggregate's output.
fn regrouped(
    e: &Expr,
    keys: &Keys,
    aggregates_from: usize,
    rel: &Rel,
    places: &[(usize, sqlparser::tokenizer::Span)],
    scope: &super::scope::Scope,
) -> Result<Expr, SqlError> {
    if let Some(i) = keys.group.iter().position(|g| g == e) {
        return Ok(rel.column(keys.output[i]));
    }
    if let Some(column) = e.as_column() {
        if column >= AGGREGATE_BASE {
            return Ok(rel.column(aggregates_from + column - AGGREGATE_BASE));
        }
        let place = places.iter().find(|(c, _)| *c == column).map_or(Place::NONE, |(_, span)| (*span).into());
        let name = scope.schema.fields.get(column).map_or("", |f| f.name.as_str());
        return Err(SqlError::at(place, format!("column \"{name}\" is neither grouped nor aggregated"))
            .hint("add it to GROUP BY or aggregate it"));
    }
    let children = e.children().into_iter().map(|c| regrouped(c, keys, aggregates_from, rel, places, scope));
    Ok(e.with_children(children.collect::<Result<_, _>>()?))
}
