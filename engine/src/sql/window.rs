//! Window table functions: TUMBLE, HOP, CUMULATE and SESSION.

use super::bind::{Binder, place_of};
use super::dialect::TABLE_ARGUMENT;
use super::error::{Place, SqlError, did_you_mean};
use super::query::Planner;
use super::rel::{Rel, RelRef, Role};
use super::scope::Scope;
use crate::expr::{Expr, Scalar, Zone};
use crate::plan::{WindowKind, WindowSpec, WindowTime};
use crate::types::DataType;
use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments, Ident};

/// The names of a window function's arguments, in order; the last one may be left out.
const TUMBLE: [&str; 4] = ["DATA", "TIMECOL", "SIZE", "OFFSET"];
const HOP: [&str; 5] = ["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"];
const CUMULATE: [&str; 5] = ["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"];
/// Its last one may not be left out.
const SESSION: [&str; 3] = ["DATA", "TIMECOL", "GAP"];

/// The relation that `TABLE(expr)` gives.
pub(super) fn table_function(planner: &Planner<'_>, expr: &ast::Expr) -> Result<RelRef, SqlError> {
    let place = place_of(expr);
    let ast::Expr::Function(call) = expr else {
        return Err(SqlError::at(place, "a table function is wanted in TABLE(…)").hint("like TUMBLE"));
    };
    let name = call.name.to_string().to_ascii_uppercase();
    let names: &[&str] = match name.as_str() {
        "TUMBLE" => &TUMBLE,
        "HOP" => &HOP,
        "CUMULATE" => &CUMULATE,
        "SESSION" => return session(planner, call, place),
        _ => {
            return Err(SqlError::at(place, format!("unknown table function {name}"))
                .maybe_hint(did_you_mean(&name, ["TUMBLE", "HOP", "CUMULATE", "SESSION"])));
        }
    };
    let args = arguments(call, names, place)?;
    let (input, partition) = data(planner, args[0])?;
    if !partition.is_empty() {
        return Err(
            SqlError::at(place_of(args[0]), format!("{name} takes no PARTITION BY")).hint("GROUP BY the columns")
        );
    }
    let time = descriptor(args[1], &input)?;
    let spans = args[2..].iter().map(|arg| span(arg)).collect::<Result<Vec<i64>, _>>()?;
    let (size_ms, slide_ms) = if name == "TUMBLE" { (spans[0], spans[0]) } else { (spans[1], spans[0]) };
    let kind = if name == "CUMULATE" { WindowKind::Cumulative } else { WindowKind::Sliding };
    check_spans(&name, kind, size_ms, slide_ms, place)?;
    let offset = spans.get(names.len() - 3).copied().unwrap_or(0);
    let distance = if kind == WindowKind::Cumulative { size_ms } else { slide_ms };
    if offset.abs() >= distance {
        return Err(SqlError::at(place_of(args[args.len() - 1]), "the offset must be less than the windows' distance"));
    }
    let zone = zone_of(time, &input, planner.catalog.zone());
    let window = WindowSpec { time, kind, size_ms, slide_ms, offset_ms: offset.rem_euclid(distance), zone };
    Ok(Rel::assign(input, window))
}

/// `SESSION(TABLE t PARTITION BY k, DESCRIPTOR(time), gap)`.
fn session(planner: &Planner<'_>, call: &ast::Function, place: Place) -> Result<RelRef, SqlError> {
    let args = arguments(call, &SESSION, place)?;
    let [table, time, gap] = args.as_slice() else {
        return Err(SqlError::at(place, "SESSION lacks the argument GAP").hint(SESSION.join(", ")));
    };
    let (input, partition) = data(planner, table)?;
    let time = descriptor(time, &input)?;
    let gap_ms = span(gap)?;
    if gap_ms <= 0 {
        return Err(SqlError::at(place_of(gap), "the gap of SESSION must be greater than zero"));
    }
    let scope = Scope::of(None, input.schema.clone());
    let key = partition.iter().map(|name| Ok(scope.column(name)?.0)).collect::<Result<Vec<usize>, SqlError>>()?;
    let zone = zone_of(time, &input, planner.catalog.zone());
    Ok(Rel::session(input, key, time, gap_ms, zone))
}

fn check_spans(name: &str, kind: WindowKind, size_ms: i64, slide_ms: i64, place: Place) -> Result<(), SqlError> {
    let step = if kind == WindowKind::Cumulative { "step" } else { "slide" };
    if size_ms <= 0 || slide_ms <= 0 {
        return Err(SqlError::at(place, format!("the size and the {step} of {name} must be greater than zero")));
    }
    if kind == WindowKind::Cumulative && size_ms % slide_ms != 0 {
        let what = format!("the size of {name} ({size_ms} ms) must be a multiple of its {step} ({slide_ms} ms)");
        return Err(SqlError::at(place, what));
    }
    Ok(())
}

/// The arguments in the order of `names`, whether they were named or not.
fn arguments<'a>(call: &'a ast::Function, names: &[&str], place: Place) -> Result<Vec<&'a ast::Expr>, SqlError> {
    let FunctionArguments::List(list) = &call.args else {
        return Err(SqlError::at(place, format!("{} takes {}", call.name, names.join(", "))));
    };
    let mut found: Vec<Option<&ast::Expr>> = vec![None; names.len()];
    for (i, arg) in list.args.iter().enumerate() {
        let (index, expr) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => (i, e),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(e), .. } => (named(name, names)?, e),
            _ => return Err(SqlError::at(place, format!("this argument of {} is not possible", call.name))),
        };
        match found.get_mut(index) {
            Some(slot @ None) => *slot = Some(expr),
            Some(_) => return Err(SqlError::at(place_of(expr), format!("{} is given twice", names[index]))),
            None => {
                return Err(SqlError::at(
                    place_of(expr),
                    format!("{} takes at most {} arguments", call.name, names.len()),
                )
                .hint(names.join(", ")));
            }
        }
    }
    let given = found.iter().filter(|f| f.is_some()).count();
    let found: Vec<&ast::Expr> = found.into_iter().map_while(|f| f).collect();
    if found.len() != given || found.len() + 1 < names.len() {
        let missing = names[found.len()];
        return Err(SqlError::at(place, format!("{} lacks the argument {missing}", call.name)).hint(names.join(", ")));
    }
    Ok(found)
}

fn named(name: &Ident, names: &[&str]) -> Result<usize, SqlError> {
    let wanted = name.value.to_ascii_uppercase();
    names.iter().position(|n| *n == wanted).ok_or_else(|| {
        SqlError::at(name.span, format!("unknown argument {}", name.value))
            .maybe_hint(did_you_mean(&wanted, names.iter().copied()))
    })
}

/// `TABLE t`, `TABLE t PARTITION BY k`, or a subquery; the columns of PARTITION BY.
fn data<'a>(planner: &Planner<'_>, arg: &'a ast::Expr) -> Result<(RelRef, Vec<&'a Ident>), SqlError> {
    let mut partition = Vec::new();
    let name = match arg {
        ast::Expr::Prefixed { prefix, value } if prefix.value == TABLE_ARGUMENT => {
            match unpartitioned(value, &mut partition) {
                ast::Expr::Identifier(name) => name.clone(),
                ast::Expr::CompoundIdentifier(path) => {
                    let name = ast::ObjectName::from(path.clone());
                    super::names::single(&name, place_of(arg))?
                }
                _ => return Err(SqlError::at(place_of(arg), "a table is wanted behind TABLE")),
            }
        }
        ast::Expr::Subquery(query) => return Ok((planner.query(query)?, partition)),
        ast::Expr::Identifier(name) => {
            return Err(SqlError::at(name.span, "a table is wanted here").hint(format!("write TABLE {name}")));
        }
        _ => return Err(SqlError::at(place_of(arg), "a table is wanted here").hint("write TABLE and its name")),
    };
    Ok((planner.named(&name)?, partition))
}

/// The table of an argument, and the columns that stand behind it as the dialect puts them.
fn unpartitioned<'a>(value: &'a ast::Expr, partition: &mut Vec<&'a Ident>) -> &'a ast::Expr {
    let ast::Expr::Tuple(parts) = value else { return value };
    let Some((table, columns)) = parts.split_first() else { return value };
    partition.extend(columns.iter().filter_map(|c| match c {
        ast::Expr::Identifier(name) => Some(name),
        _ => None,
    }));
    table
}

/// On whose clock windows over this time are.
pub(super) fn zone_of(time: WindowTime, input: &RelRef, session: Zone) -> Zone {
    match time.column().map(|column| input.schema.fields[column].data_type) {
        Some(DataType::TimestampLtz(_)) | None => session,
        Some(_) => Zone::UTC,
    }
}

/// The time attribute that `DESCRIPTOR(column)` names.
fn descriptor(arg: &ast::Expr, input: &RelRef) -> Result<WindowTime, SqlError> {
    let place = place_of(arg);
    let wrong = || SqlError::at(place, "the time column is wanted here").hint("write DESCRIPTOR(column)");
    let ast::Expr::Function(call) = arg else { return Err(wrong()) };
    let FunctionArguments::List(list) = &call.args else { return Err(wrong()) };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Identifier(name)))] = list.args.as_slice() else {
        return Err(wrong());
    };
    if !call.name.to_string().eq_ignore_ascii_case("DESCRIPTOR") {
        return Err(wrong());
    }
    let (index, column) = Scope::of(None, input.schema.clone()).column(name)?;
    time_attribute(name, input.role(index), index, column.data_type)
}

/// The time that a column tells.
pub(super) fn time_attribute(
    name: &Ident,
    role: Role,
    index: usize,
    data_type: DataType,
) -> Result<WindowTime, SqlError> {
    if role.is_proctime() {
        return Ok(WindowTime::Processing);
    }
    if role.is_rowtime() {
        return Ok(WindowTime::Row(index));
    }
    let what = format!("windows need a time attribute, \"{}\" is a plain {data_type}", name.value);
    let hint = "declare WATERMARK FOR it or a column AS PROCTIME(), and take it over as it is in views and subqueries";
    Err(SqlError::at(name.span, what).hint(hint))
}

/// A constant interval of days to seconds, in milliseconds.
pub(super) fn span(arg: &ast::Expr) -> Result<i64, SqlError> {
    let place = place_of(arg);
    let bound: Expr = Binder::new(&Scope::empty(), Zone::UTC, "a window function").bind(arg)?;
    match (bound.data_type, bound.as_literal()) {
        (DataType::IntervalDayTime, Some(Scalar::Integer(ms))) => Ok(*ms),
        (DataType::IntervalYearMonth, _) => {
            Err(SqlError::at(place, "windows of months are not possible").hint("use days"))
        }
        _ => Err(SqlError::at(place, "a constant interval is wanted here").hint("like INTERVAL '1' HOUR")),
    }
}
