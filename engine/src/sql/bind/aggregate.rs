//! Aggregate functions: which there are, and the types of their results.

use super::{Binder, place_of};
use crate::expr::Expr;
use crate::functions::AggregateRef;
use crate::plan::AggregateFunction;
use crate::sql::error::{Place, SqlError};
use crate::types::DataType;
use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments};

/// Where the columns begin that stand for aggregates until the aggregate's own columns are known. No table has so many.
pub(in crate::sql) const AGGREGATE_BASE: usize = usize::MAX / 2;

/// One aggregate of a query.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sql) struct AggregateCall {
    pub(in crate::sql) function: AggregateFunction,
    /// What is aggregated, over the input; `None` for `COUNT(*)`.
    pub(in crate::sql) argument: Option<Expr>,
    /// Each value counts once.
    pub(in crate::sql) distinct: bool,
    /// Which rows count, over the input.
    pub(in crate::sql) filter: Option<Expr>,
    pub(in crate::sql) data_type: DataType,
    pub(in crate::sql) nullable: bool,
}

/// Aggregate functions of Flink that are not there yet.
#[rustfmt::skip]
const LATER: &[&str] = &[
    "APPROX_COUNT_DISTINCT", "ARRAY_AGG", "COLLECT", "CUME_DIST", "DENSE_RANK", "FIRST_VALUE", "JSON_ARRAYAGG",
    "JSON_OBJECTAGG", "LAG", "LAST_VALUE", "LEAD", "LISTAGG", "NTILE", "PERCENTILE", "PERCENT_RANK", "RANK",
    "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "VARIANCE", "VAR_POP", "VAR_SAMP",
];

/// The aggregate function of this name.
pub(super) fn find(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "COUNT" => AggregateFunction::Count,
        "SUM" => AggregateFunction::Sum,
        "AVG" => AggregateFunction::Avg,
        "MIN" => AggregateFunction::Min,
        "MAX" => AggregateFunction::Max,
        _ => return None,
    })
}

/// Whether Flink has an aggregate function of this name that is not there yet.
pub(super) fn is_later(name: &str) -> bool {
    LATER.contains(&name)
}

impl Binder<'_> {
    /// Binds a call of an aggregate function: a column that stands for it.
    pub(super) fn aggregate(
        &mut self,
        function: AggregateFunction,
        call: &ast::Function,
        place: Place,
    ) -> Result<Expr, SqlError> {
        if self.aggregates.is_none() {
            let what = format!("{} is an aggregate function and may not stand in {}", call.name, self.clause);
            let hint = if self.clause == "WHERE" { "use HAVING" } else { "aggregate in a subquery" };
            return Err(SqlError::at(place, what).hint(hint));
        }
        let distinct = distinct(function, call, place)?;
        let argument = self.argument(function, call, distinct, place)?;
        let filter = match &call.filter {
            None => None,
            Some(condition) => Some(self.inner("FILTER", |b| b.condition(condition))?),
        };
        let (argument, data_type, nullable) = match function {
            AggregateFunction::Registered(registered) => self.registered(registered, argument, place)?,
            _ => {
                let (data_type, nullable) = result(function, argument.as_ref(), filter.is_some())
                    .map_err(|found| SqlError::at(place, format!("{} takes a number, found {found}", call.name)))?;
                (argument, data_type, nullable)
            }
        };
        let found = AggregateCall { function, argument, distinct, filter, data_type, nullable };
        let Some(known) = &mut self.aggregates else { return Err(SqlError::at(place, "no aggregate may stand here")) };
        let index = known.iter().position(|k| *k == found).unwrap_or_else(|| {
            known.push(found);
            known.len() - 1
        });
        let field = crate::types::Field { name: String::new(), data_type, nullable };
        Ok(Expr::column(AGGREGATE_BASE + index, &field))
    }

    /// The argument of a registered function in the type that it takes, and the type of its result.
    fn registered(
        &self,
        function: AggregateRef,
        argument: Option<Expr>,
        place: Place,
    ) -> Result<(Option<Expr>, DataType, bool), SqlError> {
        let types: Vec<DataType> = argument.iter().map(|a| a.data_type).collect();
        let signature = function.signature(&types).map_err(|e| SqlError::at(place, e.message))?;
        let converted = argument.into_iter().zip(&signature.args).next();
        let argument = converted.map(|(a, to)| self.implicit(a, *to, function.name(), place)).transpose()?;
        Ok((argument, signature.returns, true))
    }

    /// Binds something in which no further aggregate may stand.
    fn inner<T>(
        &mut self,
        clause: &'static str,
        f: impl FnOnce(&mut Binder<'_>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        f(&mut Binder { functions: self.functions, ..Binder::new(self.scope, self.zone, clause) })
    }

    fn argument(
        &mut self,
        function: AggregateFunction,
        call: &ast::Function,
        distinct: bool,
        place: Place,
    ) -> Result<Option<Expr>, SqlError> {
        let FunctionArguments::List(list) = &call.args else {
            return Err(SqlError::at(place, format!("{} takes one argument", call.name)));
        };
        if !list.clauses.is_empty() || !call.within_group.is_empty() || call.null_treatment.is_some() {
            return Err(SqlError::unsupported(place, format!("this form of {}", call.name)));
        }
        match list.args.as_slice() {
            [] if matches!(function, AggregateFunction::Registered(_)) => Ok(None),
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if function == AggregateFunction::Count && !distinct => {
                Ok(None)
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => {
                let bound = self.inner("the argument of an aggregate function", |b| b.bind(expr))?;
                if bound.data_type == DataType::Null {
                    return Err(SqlError::at(place_of(expr), "a bare NULL has no type").hint("CAST it"));
                }
                // Every row has a value: counting values is counting rows.
                Ok((function != AggregateFunction::Count || distinct || bound.nullable).then_some(bound))
            }
            _ => Err(SqlError::at(place, format!("{} takes one argument", call.name))),
        }
    }
}

/// Whether each value counts once. For the smallest and the largest value it makes no difference.
fn distinct(function: AggregateFunction, call: &ast::Function, place: Place) -> Result<bool, SqlError> {
    let FunctionArguments::List(list) = &call.args else { return Ok(false) };
    let given = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
    match function {
        AggregateFunction::Count | AggregateFunction::Sum | AggregateFunction::Avg => Ok(given),
        AggregateFunction::Registered(_) if given => {
            Err(SqlError::unsupported(place, format!("{}(DISTINCT …)", call.name)))
        }
        AggregateFunction::Min | AggregateFunction::Max | AggregateFunction::Registered(_) => Ok(false),
    }
}

/// The type of the result and whether it may be null, or the type of an argument that cannot be aggregated.
fn result(function: AggregateFunction, argument: Option<&Expr>, filtered: bool) -> Result<(DataType, bool), DataType> {
    use AggregateFunction as A;
    let Some(argument) = argument else { return Ok((DataType::BigInt, false)) };
    let of = argument.data_type;
    let nullable = argument.nullable || filtered;
    match (function, of) {
        (A::Count, _) => Ok((DataType::BigInt, false)),
        (A::Sum, DataType::Decimal(_, s)) => Ok((DataType::Decimal(38, s), true)),
        (A::Avg, DataType::Decimal(_, s)) => Ok((DataType::Decimal(38, s.max(6)), true)),
        (A::Sum | A::Avg, t) if t.is_numeric() => Ok((t, nullable)),
        (A::Min | A::Max, t) => Ok((t, nullable)),
        (_, t) => Err(t),
    }
}
