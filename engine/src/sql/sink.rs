//! INSERT INTO: the query's columns become those of the table, by position, with Flink's implicit casts.

use super::bind::place_of;
use super::error::{Place, SqlError};
use super::query::Planner;
use super::rel::{Rel, RelRef};
use super::statement::Insert;
use crate::expr::{CastMode, Expr, ExprKind, Scalar, Zone, can_coerce, functions};
use crate::plan::TableDef;
use crate::types::{DataType, Field};
use sqlparser::ast::{Ident, Query, SelectItem, SetExpr, Spanned};
use std::sync::Arc;

/// What happens to a null on its way into a `NOT NULL` column.
pub(super) const NOT_NULL_ENFORCER: &str = "table.exec.sink.not-null-enforcer";

/// Rows on their way to a table.
pub(super) struct Output {
    pub(super) table: Arc<TableDef>,
    pub(super) rel: RelRef,
    /// For each physical column of the table the column of `rel`.
    pub(super) columns: Vec<usize>,
    /// The columns of `rel` that name a row.
    pub(super) key: Vec<usize>,
}

/// Binds an INSERT.
pub(super) fn insert(planner: &Planner<'_>, insert: &Insert, table: &Arc<TableDef>) -> Result<Output, SqlError> {
    let rel = planner.query(&insert.query)?;
    refuse_two_times(&rel, insert)?;
    let physical: Vec<usize> = (0..table.computed.len()).filter(|&i| table.computed[i].is_none()).collect();
    let sources = positions(insert, table, &physical, &rel)?;
    let zone = planner.catalog.zone();
    let drops = planner.catalog.settings.get(NOT_NULL_ENFORCER).is_some_and(|v| v.eq_ignore_ascii_case("DROP"));
    let mut columns = Vec::with_capacity(physical.len());
    let mut dropped = Vec::new();
    for (&target, source) in physical.iter().zip(&sources) {
        let field = &table.schema.fields[target];
        let value = match source {
            Some(source) => {
                let value = rel.column(*source);
                check_type(&value, field, *source, &insert.query, &rel, table)?;
                value
            }
            None if field.nullable => Expr::null(field.data_type),
            None => {
                return Err(SqlError::at(
                    insert.table.span,
                    format!("column \"{}\" is NOT NULL and not given", field.name),
                ));
            }
        };
        let value = super::fold::constant(value.cast(field.data_type, CastMode::Strict, zone));
        let null_matters = value.nullable && !field.nullable;
        if null_matters && drops {
            dropped.push(value.clone().is_not_null());
        }
        let value = if null_matters && !drops { not_null(value, &field.name, zone) } else { value };
        columns.push((value, field.name.clone()));
    }
    let rel = if dropped.is_empty() {
        Rel::project(rel, columns)
    } else {
        Rel::project(Rel::filter(rel, Expr::and(dropped)), columns)
    };
    let key = table.primary_key.iter().filter_map(|k| physical.iter().position(|p| p == k)).collect();
    let columns = (0..physical.len()).collect();
    Ok(Output { table: Arc::clone(table), rel, columns, key })
}

/// Rows carry one event time into a sink.
fn refuse_two_times(rel: &RelRef, insert: &Insert) -> Result<(), SqlError> {
    let fields = rel.schema.fields.iter().enumerate();
    let times: Vec<&str> = fields.filter(|(i, _)| rel.role(*i).is_rowtime()).map(|(_, f)| f.name.as_str()).collect();
    if times.len() < 2 {
        return Ok(());
    }
    let what = format!("the query gives more than one time attribute: {}", times.join(", "));
    Err(SqlError::at(insert.table.span, what).hint("CAST all but one AS TIMESTAMP(3)"))
}

/// For each physical column of the table the column of the query that goes there.
fn positions(
    insert: &Insert,
    table: &TableDef,
    physical: &[usize],
    rel: &RelRef,
) -> Result<Vec<Option<usize>>, SqlError> {
    let given = rel.schema.fields.len();
    if insert.columns.is_empty() {
        if given != physical.len() {
            return Err(SqlError::at(
                insert.table.span,
                format!("the query gives {given} columns, the table \"{}\" has {}", table.name, physical.len()),
            )
            .hint(format!("query: {}; table: {}", listed(&rel.schema.fields), listed_at(table, physical))));
        }
        return Ok((0..given).map(Some).collect());
    }
    if given != insert.columns.len() {
        let what = format!("the query gives {given} columns, the list has {}", insert.columns.len());
        return Err(SqlError::at(insert.columns[0].span, what));
    }
    let mut sources = vec![None; physical.len()];
    for (i, name) in insert.columns.iter().enumerate() {
        let slot = &mut sources[target_of(name, table, physical)?];
        if slot.is_some() {
            return Err(SqlError::at(name.span, format!("column \"{}\" is given twice", name.value)));
        }
        *slot = Some(i);
    }
    Ok(sources)
}

fn target_of(name: &Ident, table: &TableDef, physical: &[usize]) -> Result<usize, SqlError> {
    let names = || physical.iter().map(|&p| table.schema.fields[p].name.as_str());
    names().position(|n| n == name.value).ok_or_else(|| {
        let what = format!("the table \"{}\" has no column \"{}\" that can be written", table.name, name.value);
        SqlError::at(name.span, what).maybe_hint(super::error::did_you_mean(&name.value, names()))
    })
}

fn check_type(
    value: &Expr,
    field: &Field,
    source: usize,
    query: &Query,
    rel: &RelRef,
    table: &TableDef,
) -> Result<(), SqlError> {
    if can_coerce(value.data_type, field.data_type) {
        return Ok(());
    }
    let what = format!(
        "column \"{}\" of \"{}\" is {}, the query gives {} at position {}",
        field.name,
        table.name,
        field.data_type,
        value.data_type,
        source + 1
    );
    let name = Some(rel.schema.fields[source].name.as_str()).filter(|n| !n.starts_with("EXPR$"));
    let hint = format!("write CAST({} AS {})", name.unwrap_or("…"), field.data_type);
    Err(SqlError::at(place_of_column(query, source), what).hint(hint))
}

/// Where a column of the query is written, where that can be told.
fn place_of_column(query: &Query, index: usize) -> Place {
    match &*query.body {
        SetExpr::Select(select) => match select.projection.get(index) {
            Some(SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. }) => place_of(e),
            _ => select.span().into(),
        },
        other => other.span().into(),
    }
}

/// The value, or an error where it is null.
fn not_null(value: Expr, column: &str, zone: Zone) -> Expr {
    let data_type = value.data_type;
    let args = vec![value, Expr::literal(Scalar::Text(column.into()), DataType::STRING)];
    Expr { kind: ExprKind::Call { function: functions::not_null(), args, zone }, data_type, nullable: false }
}

fn listed(fields: &[Field]) -> String {
    let one = |f: &Field| format!("{} {}", f.name, f.data_type);
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn listed_at(table: &TableDef, physical: &[usize]) -> String {
    let fields: Vec<Field> = physical.iter().map(|&p| table.schema.fields[p].clone()).collect();
    listed(&fields)
}
