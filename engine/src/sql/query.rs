//! From the syntax of queries to relations.

use super::bind::{AggregateCall, Binder, place_of};
use super::catalog::{Catalog, Entry};
use super::coerce::common_type;
use super::error::{Place, SqlError};
use super::fold;
use super::group;
use super::hints::Hints;
use super::join;
use super::legacy;
use super::names;
use super::over;
use super::rel::{Rel, RelRef};
use super::reserved;
use super::scope::Scope;
use super::window;
use crate::expr::{CastMode, Expr};
use crate::functions::Functions;
use crate::plan::TableDef;
use crate::port::{Changelog, Connectors};
use crate::types::{DataType, Field, Schema};
use sqlparser::ast::{
    self, Distinct, GroupByExpr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator, SetQuantifier, Spanned, TableFactor,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Turns queries into relations over the tables and views of a catalog.
pub(super) struct Planner<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) hints: &'a Hints,
    connectors: &'a dyn Connectors,
    /// The relations that WITH gave names to.
    local: BTreeMap<String, RelRef>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(catalog: &'a Catalog, hints: &'a Hints, connectors: &'a dyn Connectors) -> Self {
        Self { catalog, hints, connectors, local: BTreeMap::new() }
    }

    /// The relation that a query gives.
    pub(super) fn query(&self, query: &Query) -> Result<RelRef, SqlError> {
        refuse_clauses(query)?;
        let Some(with) = &query.with else { return self.set_expr(&query.body) };
        if with.recursive {
            return Err(SqlError::unsupported(with.span(), "WITH RECURSIVE"));
        }
        let mut inner = Self { local: self.local.clone(), ..*self };
        for table in &with.cte_tables {
            let rel = inner.query(&table.query)?;
            let columns: Vec<Ident> = table.alias.columns.iter().map(|c| c.name.clone()).collect();
            let rel = renamed(rel, &columns)?;
            inner.local.insert(table.alias.name.value.clone(), rel);
        }
        inner.set_expr(&query.body)
    }

    fn set_expr(&self, body: &SetExpr) -> Result<RelRef, SqlError> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => {
                let rows: Vec<&[ast::Expr]> = values.rows.iter().map(|r| r.content.as_slice()).collect();
                self.values(&rows)
            }
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier: SetQuantifier::All, right } => {
                let inputs = vec![self.set_expr(left)?, self.set_expr(right)?];
                self.union(inputs, right.span().into())
            }
            SetExpr::SetOperation {
                left,
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::None | SetQuantifier::Distinct,
                right,
            } => {
                let place = Place::from(right.span());
                let all = self.union(vec![self.set_expr(left)?, self.set_expr(right)?], place)?;
                group::distinct(all, place)
            }
            SetExpr::SetOperation { op, set_quantifier, right, .. } => {
                let hint = "UNION and UNION ALL are";
                let all = if matches!(set_quantifier, SetQuantifier::All) { " ALL" } else { "" };
                Err(SqlError::unsupported(right.span(), format!("{op}{all}")).hint(hint))
            }
            _ => Err(SqlError::at(body.span(), "a query is wanted here").hint("write SELECT, VALUES or WITH")),
        }
    }

    /// Constant rows. The columns are called EXPR$0, EXPR$1 and so on.
    fn values(&self, rows: &[&[ast::Expr]]) -> Result<RelRef, SqlError> {
        let scope = Scope::empty();
        let mut binder = Binder::new(&scope, self.catalog.zone(), "VALUES");
        let mut bound: Vec<Vec<Expr>> = Vec::with_capacity(rows.len());
        let mut fields: Vec<Field> = Vec::new();
        for row in rows {
            let place = row.first().map_or(Place::NONE, place_of);
            let exprs = binder.bind_all(*row)?;
            if bound.is_empty() {
                let field = |(i, e): (usize, &Expr)| Field {
                    name: format!("EXPR${i}"),
                    data_type: e.data_type,
                    nullable: e.nullable,
                };
                fields = exprs.iter().enumerate().map(field).collect();
            } else if exprs.len() != fields.len() {
                let what = format!("the rows have {} and {} values", fields.len(), exprs.len());
                return Err(SqlError::at(place, what).hint("all rows have as many values"));
            }
            for (field, e) in fields.iter_mut().zip(&exprs) {
                field.nullable |= e.nullable;
                field.data_type = common_type(field.data_type, e.data_type).ok_or_else(|| {
                    let what = format!("{} and {} cannot stand in one column", field.data_type, e.data_type);
                    SqlError::at(place, what).hint("CAST them to one type")
                })?;
            }
            bound.push(exprs);
        }
        let to = |(e, f): (Expr, &Field)| fold::constant(e.cast(f.data_type, CastMode::Strict, self.catalog.zone()));
        let rows = bound.into_iter().map(|row| row.into_iter().zip(&fields).map(to).collect()).collect();
        Ok(Rel::values(rows, Schema { fields }))
    }

    fn union(&self, inputs: Vec<RelRef>, place: Place) -> Result<RelRef, SqlError> {
        let (left, right) = (&inputs[0].schema.fields, &inputs[1].schema.fields);
        if left.len() != right.len() {
            let what = format!("the inputs of UNION ALL have {} and {} columns", left.len(), right.len());
            return Err(SqlError::at(place, what));
        }
        let mut types = Vec::with_capacity(left.len());
        for (l, r) in left.iter().zip(right) {
            types.push(common_type(l.data_type, r.data_type).ok_or_else(|| {
                let what = format!("column \"{}\" of UNION ALL is {} and {}", l.name, l.data_type, r.data_type);
                SqlError::at(place, what).hint("CAST them to one type")
            })?);
        }
        let names: Vec<String> = left.iter().map(|f| f.name.clone()).collect();
        let zone = self.catalog.zone();
        let to_common = |rel: &RelRef| {
            let same = rel.schema.fields.iter().zip(&types).all(|(f, t)| f.data_type == *t);
            if same {
                return rel.clone();
            }
            let cast = |(i, t): (usize, &DataType)| rel.column(i).cast(*t, CastMode::Strict, zone);
            let columns = types.iter().enumerate().map(cast).zip(names.iter().cloned()).collect();
            Rel::project(rel.clone(), columns)
        };
        Ok(Rel::union(inputs.iter().map(to_common).collect()))
    }

    fn select(&self, select: &Select) -> Result<RelRef, SqlError> {
        refuse_select_clauses(select)?;
        let (mut input, scope, joined_where) = self.from(select)?;
        let (zone, functions) = (self.catalog.zone(), &self.catalog.functions);
        if let Some(condition) = select.selection.as_ref().filter(|_| !joined_where) {
            let predicate = Binder::new(&scope, zone, "WHERE").with_functions(functions).condition(condition)?;
            input = Rel::filter(input, predicate);
        }
        let GroupByExpr::Expressions(group, modifiers) = &select.group_by else {
            return Err(SqlError::unsupported(select.span(), "GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(SqlError::unsupported(select.span(), "GROUP BY … WITH"));
        }
        let legacy = legacy::assign(&input, &scope, group, self.catalog)?;
        let (input, legacy) = legacy.map_or((input, None), |(input, window)| (input, Some(window)));
        let (mut calls, mut overs) = (Vec::new(), Vec::new());
        let mut binder = Binder::collecting(&scope, zone, &mut calls).with_window(legacy.as_ref());
        binder = binder.with_functions(functions).with_overs(&mut overs, &select.named_window);
        let columns = select_list(&mut binder, &select.projection, &scope)?;
        let having = select.having.as_ref().map(|h| binder.condition(h)).transpose()?;
        let places = std::mem::take(&mut binder.places);
        let distinct = matches!(select.distinct, Some(Distinct::Distinct));
        let place = select.span().into();
        let (input, columns) = match overs.as_slice() {
            [] => (input, columns),
            _ if group.is_empty() && calls.is_empty() && having.is_none() => {
                over::apply(&input, columns, &overs, place)?
            }
            _ => {
                return Err(SqlError::unsupported(place, "OVER in a query that aggregates")
                    .hint("aggregate in a subquery, and write OVER in the query around it"));
            }
        };
        let grouped =
            Grouped { functions, select, columns, having, calls, places, scope: &scope, legacy: legacy.as_ref() };
        if group.is_empty() && !distinct && grouped.calls.is_empty() && grouped.having.is_none() {
            return Ok(Rel::project(input, grouped.columns));
        }
        if !group.is_empty() || !distinct || !grouped.calls.is_empty() {
            let rel = group::group_by(input, group, grouped, zone)?;
            return if distinct { group::distinct(rel, select.span().into()) } else { Ok(rel) };
        }
        group::distinct(Rel::project(input, grouped.columns), select.span().into())
    }

    /// The relation that a SELECT reads, and its names.
    ///
    /// The last one says whether the condition of WHERE has become that of a join.
    fn from(&self, select: &Select) -> Result<(RelRef, Scope, bool), SqlError> {
        match select.from.as_slice() {
            [] => Ok((Rel::values(vec![Vec::new()], Schema::default()), Scope::empty(), false)),
            [first, others @ ..] => {
                let hints = self.hints.lookups(select.select_token.0.span);
                join::from(self, first, others, select.selection.as_ref(), hints)
            }
        }
    }

    /// What stands in FROM: a relation and the name that it has in the query.
    pub(super) fn factor(&self, factor: &TableFactor) -> Result<(RelRef, Option<String>), SqlError> {
        let (rel, alias, own_name) = match factor {
            TableFactor::Table { name, alias, args, version, sample, .. } => {
                let place = Place::from(name.span());
                if args.is_some() {
                    return Err(SqlError::at(place, "a table function stands in TABLE(…)")
                        .hint(format!("write TABLE({name}(…))")));
                }
                if version.is_some() || sample.is_some() {
                    return Err(SqlError::unsupported(place, "FOR SYSTEM_TIME AS OF or TABLESAMPLE"));
                }
                let name = names::single(name, place)?;
                (self.named(&name)?, alias, Some(name.value))
            }
            TableFactor::Derived { lateral: false, subquery, alias, .. } => (self.query(subquery)?, alias, None),
            TableFactor::TableFunction { expr, alias } => (window::table_function(self, expr)?, alias, None),
            TableFactor::NestedJoin { table_with_joins, alias } if table_with_joins.joins.is_empty() => {
                let (rel, name) = self.factor(&table_with_joins.relation)?;
                (rel, alias, name)
            }
            TableFactor::UNNEST { .. } => return Err(SqlError::unsupported(factor.span(), "UNNEST")),
            TableFactor::MatchRecognize { .. } => return Err(SqlError::unsupported(factor.span(), "MATCH_RECOGNIZE")),
            _ => return Err(SqlError::unsupported(factor.span(), "this kind of table expression")),
        };
        let Some(alias) = alias else { return Ok((rel, own_name)) };
        reserved::check(&alias.name)?;
        let columns: Vec<Ident> = alias.columns.iter().map(|c| c.name.clone()).collect();
        Ok((renamed(rel, &columns)?, Some(alias.name.value.clone())))
    }

    /// The rows of a table, which `name` stands for.
    fn scan(&self, table: Arc<TableDef>, name: &Ident) -> Result<RelRef, SqlError> {
        if self.connectors.gives(&table) == Changelog::Append {
            return Ok(Rel::scan(table));
        }
        if table.primary_key.is_empty() {
            let what = format!(
                "rows of the table \"{}\" replace each other, and it has no key to tell them apart",
                table.name
            );
            return Err(SqlError::at(name.span, what).hint("declare PRIMARY KEY (…) NOT ENFORCED"));
        }
        Ok(Rel::upserted(table))
    }

    /// The relation called `name`.
    pub(super) fn named(&self, name: &Ident) -> Result<RelRef, SqlError> {
        match self.local.get(&name.value) {
            Some(rel) => Ok(rel.clone()),
            None => match self.catalog.get(name)? {
                Entry::Table(table, _) => self.scan(self.hints.apply(table, name.span), name),
                Entry::View(rel) => Ok(rel.clone()),
            },
        }
    }
}

/// A SELECT whose list was bound, aggregates taken out of it.
pub(super) struct Grouped<'a> {
    pub(super) functions: &'a Functions,
    pub(super) select: &'a Select,
    pub(super) columns: Vec<(Expr, String)>,
    pub(super) having: Option<Expr>,
    pub(super) calls: Vec<AggregateCall>,
    pub(super) places: Vec<(usize, sqlparser::tokenizer::Span)>,
    pub(super) scope: &'a Scope,
    pub(super) legacy: Option<&'a legacy::LegacyWindow>,
}

/// The relation with other column names; as they are where none are given.
pub(super) fn renamed(rel: RelRef, names: &[Ident]) -> Result<RelRef, SqlError> {
    if names.is_empty() {
        return Ok(rel);
    }
    if names.len() != rel.schema.fields.len() {
        let what = format!("{} names are given for {} columns", names.len(), rel.schema.fields.len());
        return Err(SqlError::at(names[0].span, what));
    }
    names.iter().try_for_each(reserved::check)?;
    let columns = names.iter().enumerate().map(|(i, name)| (rel.column(i), name.value.clone())).collect();
    Ok(Rel::project(rel, columns))
}

/// The columns of a select list with their names.
fn select_list(binder: &mut Binder<'_>, items: &[SelectItem], scope: &Scope) -> Result<Vec<(Expr, String)>, SqlError> {
    let mut columns = Vec::new();
    for item in items {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let bound = binder.bind(expr)?;
                let name = match expr {
                    ast::Expr::Identifier(name) => name.value.clone(),
                    ast::Expr::CompoundIdentifier(path) => path.last().map_or(String::new(), |p| p.value.clone()),
                    _ => format!("EXPR${}", columns.len()),
                };
                columns.push((bound, name));
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                reserved::check(alias)?;
                columns.push((binder.bind(expr)?, alias.value.clone()));
            }
            SelectItem::Wildcard(options) => {
                all_columns(binder, scope, 0..scope.schema.fields.len(), options, &mut columns)?;
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let qualifier = names::single(name, name.span().into())?;
                let range = scope.columns_of(&qualifier)?;
                all_columns(binder, scope, range, options, &mut columns)?;
            }
            _ => return Err(SqlError::unsupported(item.span(), "this form of a column")),
        }
    }
    Ok(columns)
}

fn all_columns(
    binder: &mut Binder<'_>,
    scope: &Scope,
    range: Range<usize>,
    options: &ast::WildcardAdditionalOptions,
    columns: &mut Vec<(Expr, String)>,
) -> Result<(), SqlError> {
    let place = options.wildcard_token.0.span;
    if options.to_string() != "" {
        return Err(SqlError::unsupported(place, "an option of *"));
    }
    if scope.schema.fields.is_empty() {
        return Err(SqlError::at(place, "* needs a FROM clause"));
    }
    for (i, field) in scope.schema.fields.iter().enumerate().skip(range.start).take(range.len()) {
        binder.places.push((i, place));
        columns.push((Expr::column(i, field), field.name.clone()));
    }
    Ok(())
}

/// Clauses of a query that are not there yet.
fn refuse_clauses(query: &Query) -> Result<(), SqlError> {
    let place = Place::from(query.span());
    if let Some(order) = &query.order_by {
        return Err(SqlError::unsupported(order.span(), "ORDER BY").hint("sort where the rows are read"));
    }
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err(SqlError::unsupported(place, "LIMIT, OFFSET or FETCH"));
    }
    if !query.locks.is_empty() || query.for_clause.is_some() || !query.pipe_operators.is_empty() {
        return Err(SqlError::at(place, "Flink has no such clause of a query"));
    }
    Ok(())
}

/// Clauses of a SELECT that are not there yet.
fn refuse_select_clauses(select: &Select) -> Result<(), SqlError> {
    let place = Place::from(select.span());
    let foreign = select.top.is_some()
        || select.into.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || select.value_table_mode.is_some()
        || matches!(select.distinct, Some(Distinct::On(_)));
    if foreign {
        return Err(SqlError::at(place, "Flink has no such clause of SELECT"));
    }
    if let Some(condition) = &select.qualify {
        return Err(SqlError::unsupported(condition.span(), "QUALIFY"));
    }
    Ok(())
}
