//! The older form of windows: `GROUP BY TUMBLE(time, size)` with `TUMBLE_START`, `TUMBLE_END`, `TUMBLE_ROWTIME` and
//! `TUMBLE_PROCTIME`.

use super::bind::{Binder, place_of};
use super::catalog::Catalog;
use super::error::{Place, SqlError};
use super::rel::{Rel, RelRef};
use super::scope::Scope;
use super::window;
use crate::expr::{Expr, Zone};
use crate::plan::{WindowKind, WindowSpec, WindowTime};
use crate::types::Field;
use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments};

/// The window that a GROUP BY names.
#[derive(Debug, Clone)]
pub(super) struct LegacyWindow {
    /// The call without its name, for comparison.
    args: String,
    /// `TUMBLE` or `HOP`.
    name: String,
    time: WindowTime,
    /// Where `window_start` stands; the end and the time follow.
    first: usize,
    fields: Vec<Field>,
}

/// The rows of `input` put into the window that `group` names, if it names one.
pub(super) fn assign(
    input: &RelRef,
    scope: &Scope,
    group: &[ast::Expr],
    catalog: &Catalog,
) -> Result<Option<(RelRef, LegacyWindow)>, SqlError> {
    let mut calls = group.iter().filter_map(|e| match e {
        ast::Expr::Function(f) if window_name(f).is_some() => Some((f, place_of(e))),
        _ => None,
    });
    let Some((call, place)) = calls.next() else { return Ok(None) };
    let name = window_name(call).unwrap_or_default();
    if calls.next().is_some() {
        return Err(SqlError::at(place, "GROUP BY names one window at most"));
    }
    let args = arguments(call, place)?;
    let wanted = if name == "HOP" { 3 } else { 2 };
    let [time, spans @ ..] = args.as_slice() else { return Err(wrong(&name, place)) };
    if args.len() != wanted {
        return Err(wrong(&name, place));
    }
    let ast::Expr::Identifier(time) = time else { return Err(wrong(&name, place)) };
    let (index, column) = Scope::of(None, input.schema.clone()).column(time)?;
    let time = window::time_attribute(time, input.role(index), index, column.data_type)?;
    let spans = spans.iter().map(|s| window::span(s)).collect::<Result<Vec<i64>, _>>()?;
    let (slide_ms, size_ms) = (spans[0], spans[spans.len() - 1]);
    if size_ms <= 0 || slide_ms <= 0 {
        return Err(SqlError::at(place, format!("the size and the slide of {name} must be greater than zero")));
    }
    let zone = window::zone_of(time, input, catalog.zone());
    let named = |rel: RelRef| {
        let first = rel.schema.fields.len() - 3;
        let fields = rel.schema.fields[first..].to_vec();
        Some((rel, LegacyWindow { args: call.args.to_string(), name: name.clone(), time, first, fields }))
    };
    if name == "SESSION" {
        let others = group.iter().filter(|e| !matches!(e, ast::Expr::Function(f) if window_name(f).is_some()));
        let mut binder = Binder::new(scope, catalog.zone(), "GROUP BY").with_functions(&catalog.functions);
        let keys = others.map(|e| binder.bind(e)).collect::<Result<Vec<_>, _>>()?;
        return Ok(named(sessions(input, &keys, time, size_ms, zone)));
    }
    let spec = WindowSpec { time, kind: WindowKind::Sliding, size_ms, slide_ms, offset_ms: 0, zone };
    Ok(named(Rel::assign(input.clone(), spec)))
}

/// The rows with the session that each is in, by keys that may have to be computed.
fn sessions(input: &RelRef, keys: &[Expr], time: WindowTime, gap_ms: i64, zone: Zone) -> RelRef {
    let mut columns: Vec<(Expr, String)> =
        input.schema.fields.iter().enumerate().map(|(i, f)| (input.column(i), f.name.clone())).collect();
    let mut place = |key: &Expr| {
        columns.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            columns.push((key.clone(), "$key".to_owned()));
            columns.len() - 1
        })
    };
    let keys = keys.iter().map(&mut place).collect();
    Rel::session(Rel::project(input.clone(), columns), keys, time, gap_ms, zone)
}

fn wrong(name: &str, place: Place) -> SqlError {
    let takes = if name == "HOP" { "(time column, slide, size)" } else { "(time column, size)" };
    SqlError::at(place, format!("{name} takes {takes}"))
}

fn window_name(call: &ast::Function) -> Option<String> {
    let name = call.name.to_string().to_ascii_uppercase();
    matches!(name.as_str(), "TUMBLE" | "HOP" | "SESSION").then_some(name)
}

fn arguments(call: &ast::Function, place: Place) -> Result<Vec<&ast::Expr>, SqlError> {
    let FunctionArguments::List(list) = &call.args else { return Err(SqlError::at(place, "a window has arguments")) };
    let arg = |a: &'_ FunctionArg| matches!(a, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
    if !list.args.iter().all(arg) {
        return Err(SqlError::at(place, "a window takes a column and intervals"));
    }
    Ok(list
        .args
        .iter()
        .filter_map(|a| if let FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) = a { Some(e) } else { None })
        .collect())
}

impl LegacyWindow {
    /// The columns of the window: start, end and time.
    pub(super) fn columns(&self) -> Vec<Expr> {
        self.fields.iter().enumerate().map(|(i, f)| Expr::column(self.first + i, f)).collect()
    }

    /// Whether a call in GROUP BY is this window.
    pub(super) fn is(&self, call: &ast::Function) -> bool {
        window_name(call).is_some_and(|name| name == self.name) && call.args.to_string() == self.args
    }

    /// The column that `TUMBLE_START(…)` and its kin stand for.
    pub(super) fn part(&self, call: &ast::Function, place: Place) -> Result<Option<Expr>, SqlError> {
        let name = call.name.to_string().to_ascii_uppercase();
        let Some(part) = name.strip_prefix(&format!("{}_", self.name)) else { return Ok(None) };
        let index = match part {
            "START" => 0,
            "END" => 1,
            "ROWTIME" if self.time == WindowTime::Processing => {
                let hint = format!("write {}_PROCTIME", self.name);
                return Err(SqlError::at(place, "a window over processing time has no event time").hint(hint));
            }
            "ROWTIME" => 2,
            "PROCTIME" if self.time == WindowTime::Processing => 2,
            _ => return Ok(None),
        };
        if call.args.to_string() != self.args {
            return Err(SqlError::at(place, format!("{name} must have the arguments of {} in GROUP BY", self.name)));
        }
        Ok(self.columns().into_iter().nth(index))
    }
}
