//! FROM with more than one relation: table functions and tables that are looked up, joined to the rows before them.

use super::bind::{Binder, place_of};
use super::error::{Place, SqlError, did_you_mean};
use super::hints::LookupHint;
use super::lookup::{self, Looked};
use super::query::Planner;
use super::rel::{Rel, RelRef, TableCall, Widening};
use super::relation;
use super::reserved;
use super::scope::Scope;
use crate::types::{Field, Schema};
use sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, JoinConstraint, JoinOperator, Spanned, TableAlias,
    TableFactor, TableWithJoins,
};

/// How a relation is joined to what stands before it.
pub(super) enum Kind<'a> {
    /// By a comma or `CROSS JOIN`.
    Cross,
    /// `JOIN … ON`.
    Inner(&'a ast::Expr),
    /// `LEFT JOIN … ON`.
    Left(&'a ast::Expr),
    /// `RIGHT JOIN … ON`.
    Right(&'a ast::Expr),
    /// `FULL OUTER JOIN … ON`.
    Full(&'a ast::Expr),
}

/// The relation that a FROM clause names, and its columns.
pub(super) fn from(
    planner: &Planner<'_>,
    first: &TableWithJoins,
    others: &[TableWithJoins],
    condition: Option<&ast::Expr>,
    hints: &[LookupHint],
) -> Result<(RelRef, Scope, bool), SqlError> {
    check_hints(first, others, hints)?;
    let (rel, alias) = planner.factor(&first.relation)?;
    let scope = Scope::of(alias, rel.schema.clone());
    let mut found = (rel, scope);
    for join in &first.joins {
        found = joined(planner, found, &join.relation, kind(&join.join_operator, &join.relation)?, hints)?;
    }
    // `FROM a, b WHERE …` is the join of both on that condition.
    if let ([other], [], Some(condition)) = (others, first.joins.as_slice(), condition)
        && other.joins.is_empty()
        && is_relation(&other.relation)
    {
        let (rel, scope) = joined(planner, found, &other.relation, Kind::Inner(condition), hints)?;
        return Ok((rel, scope, true));
    }
    for other in others {
        found = joined(planner, found, &other.relation, Kind::Cross, hints)?;
        for join in &other.joins {
            found = joined(planner, found, &join.relation, kind(&join.join_operator, &join.relation)?, hints)?;
        }
    }
    Ok((found.0, found.1, false))
}

/// Whether this is a relation by itself, rather than something that is asked for each row.
fn is_relation(factor: &TableFactor) -> bool {
    !matches!(factor, TableFactor::Table { version: Some(_), .. } | TableFactor::Function { .. })
}

/// Every hint names a table that is looked up.
fn check_hints(first: &TableWithJoins, others: &[TableWithJoins], hints: &[LookupHint]) -> Result<(), SqlError> {
    let joins = std::iter::once(first).chain(others).flat_map(|t| &t.joins);
    let names: Vec<String> = joins
        .flat_map(|join| match &join.relation {
            TableFactor::Table { name, alias, version: Some(_), .. } => {
                let own =
                    name.0.last().map(|part| part.as_ident().map_or_else(|| part.to_string(), |i| i.value.clone()));
                own.into_iter().chain(alias.as_ref().map(|a| a.name.value.clone())).collect()
            }
            _ => Vec::new(),
        })
        .collect();
    for hint in hints {
        let Some(table) = hint.value("table") else {
            return Err(
                SqlError::at(hint.place, "the hint LOOKUP lacks 'table'").hint("it names the table or its alias")
            );
        };
        if !names.contains(&table.value) {
            return Err(SqlError::at(hint.place, format!("no table '{}' is looked up here", table.value))
                .maybe_hint(did_you_mean(&table.value, names.iter().map(String::as_str))));
        }
    }
    Ok(())
}

fn kind<'a>(operator: &'a JoinOperator, relation: &TableFactor) -> Result<Kind<'a>, SqlError> {
    use JoinOperator as J;
    match operator {
        J::CrossJoin(JoinConstraint::None) => Ok(Kind::Cross),
        J::Join(JoinConstraint::On(on)) | J::Inner(JoinConstraint::On(on)) => Ok(Kind::Inner(on)),
        J::Left(JoinConstraint::On(on)) | J::LeftOuter(JoinConstraint::On(on)) => Ok(Kind::Left(on)),
        J::Right(JoinConstraint::On(on)) | J::RightOuter(JoinConstraint::On(on)) => Ok(Kind::Right(on)),
        J::FullOuter(JoinConstraint::On(on)) => Ok(Kind::Full(on)),
        _ => Err(SqlError::unsupported(relation.span(), "this kind of join")
            .hint("JOIN … ON, LEFT, RIGHT and FULL JOIN … ON and CROSS JOIN are")),
    }
}

/// The rows so far, joined to one more relation.
fn joined(
    planner: &Planner<'_>,
    (input, scope): (RelRef, Scope),
    relation: &TableFactor,
    kind: Kind<'_>,
    hints: &[LookupHint],
) -> Result<(RelRef, Scope), SqlError> {
    match relation {
        TableFactor::Table { name, alias, args: None, version: Some(version), sample: None, .. } => {
            let looked = Looked { name, alias: alias.as_ref(), version };
            lookup::join(planner, (input, scope), &looked, &kind, hints)
        }
        TableFactor::Function { lateral: true, name, args, alias, .. } => {
            let place = Place::from(name.span());
            if !name.to_string().eq_ignore_ascii_case("TABLE") {
                let hint = format!("write LATERAL TABLE({name}(…))");
                return Err(SqlError::at(place, "a table function stands in TABLE(…)").hint(hint));
            }
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Function(call)))] = args.as_slice() else {
                return Err(SqlError::at(place, "LATERAL TABLE(…) takes a call of a table function"));
            };
            table_function(planner, (input, scope), call, alias.as_ref(), kind)
        }
        other => {
            let (right, alias) = planner.factor(other)?;
            relation::join(planner, (input, scope), (right, alias), &kind)
        }
    }
}

fn table_function(
    planner: &Planner<'_>,
    (input, scope): (RelRef, Scope),
    call: &ast::Function,
    alias: Option<&TableAlias>,
    kind: Kind<'_>,
) -> Result<(RelRef, Scope), SqlError> {
    let place: Place = call.name.span().into();
    let functions = &planner.catalog.functions;
    let name = call.name.to_string().to_ascii_uppercase();
    let Some(function) = functions.find_table(&name) else {
        return Err(SqlError::at(place, format!("unknown table function {name}"))
            .maybe_hint(did_you_mean(&name, functions.names(true))));
    };
    let mut binder =
        Binder::new(&scope, planner.catalog.zone(), "the arguments of a table function").with_functions(functions);
    let mut args = Vec::new();
    for arg in plain_args(call, place)? {
        args.push(binder.bind(arg)?);
    }
    let types: Vec<_> = args.iter().map(|a| a.data_type).collect();
    let signature = function.signature(&types).map_err(|e| SqlError::at(place, e.message))?;
    let converted = args.into_iter().zip(&signature.args);
    let args = converted.map(|(a, to)| binder.implicit(a, *to, &name, place)).collect::<Result<_, _>>()?;
    if let Kind::Right(on) | Kind::Full(on) = kind {
        return Err(SqlError::unsupported(place_of(on), "RIGHT or FULL JOIN with a table function"));
    }
    let outer = matches!(kind, Kind::Left(_));
    let fields = fields(signature.columns, alias, outer)?;
    let rel = Rel::widen(input, Widening::Function(TableCall { function, args, outer }), fields.clone());
    let scope = scope.join(alias.map(|a| a.name.value.clone()), Schema { fields });
    match kind {
        Kind::Cross => Ok((rel, scope)),
        Kind::Left(on) | Kind::Inner(on) if is_true(on) => Ok((rel, scope)),
        Kind::Left(on) | Kind::Right(on) | Kind::Full(on) => {
            Err(SqlError::unsupported(place_of(on), "a condition of LEFT JOIN LATERAL").hint("write ON TRUE"))
        }
        Kind::Inner(on) => {
            let binder = Binder::new(&scope, planner.catalog.zone(), "ON").with_functions(functions).condition(on)?;
            Ok((Rel::filter(rel, binder), scope))
        }
    }
}

pub(super) fn is_true(on: &ast::Expr) -> bool {
    matches!(on, ast::Expr::Value(v) if v.value == ast::Value::Boolean(true))
}

/// The columns of a table function under the names that the query gives them.
fn fields(columns: Vec<Field>, alias: Option<&TableAlias>, outer: bool) -> Result<Vec<Field>, SqlError> {
    let names: Vec<&ast::Ident> = alias.iter().flat_map(|a| &a.columns).map(|c| &c.name).collect();
    if let Some(alias) = alias {
        reserved::check(&alias.name)?;
    }
    names.iter().try_for_each(|n| reserved::check(n))?;
    if let Some(first) = names.first().filter(|_| names.len() != columns.len()) {
        let what = format!("{} names are given for {} columns", names.len(), columns.len());
        return Err(SqlError::at(first.span, what));
    }
    let named = |(i, field): (usize, Field)| Field {
        name: names.get(i).map_or(field.name, |n| n.value.clone()),
        nullable: field.nullable || outer,
        ..field
    };
    Ok(columns.into_iter().enumerate().map(named).collect())
}

fn plain_args(call: &ast::Function, place: Place) -> Result<Vec<&ast::Expr>, SqlError> {
    let wrong = || SqlError::unsupported(place, format!("this form of {}", call.name));
    let FunctionArguments::List(list) = &call.args else { return Err(wrong()) };
    let plain = |arg| match arg {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref e)) => Ok(e),
        _ => Err(wrong()),
    };
    list.args.iter().map(plain).collect()
}
