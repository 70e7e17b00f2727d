//! Calls with OVER: a function, and the rows that it sees.

use super::aggregate::{AGGREGATE_BASE, AggregateCall, find};
use super::{Binder, place_of};
use crate::expr::{Expr, Scalar};
use crate::plan::AggregateFunction;
use crate::sql::error::{Place, SqlError, did_you_mean};
use crate::types::{DataType, Field};
use sqlparser::ast::{self, NamedWindowExpr, WindowFrameBound, WindowFrameUnits, WindowType};

/// Where the columns begin that stand for calls with OVER until their own columns are known. No table has so many.
pub(in crate::sql) const OVER_BASE: usize = AGGREGATE_BASE / 2;

/// One call with OVER.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sql) struct OverCall {
    pub(in crate::sql) function: OverFunction,
    pub(in crate::sql) partition: Vec<Expr>,
    /// What rows are ordered by, whether greater values go first, and whether nulls do.
    pub(in crate::sql) order: Vec<(Expr, bool, bool)>,
    pub(in crate::sql) frame: Frame,
}

/// What is computed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sql) enum OverFunction {
    RowNumber,
    Aggregate(AggregateCall),
}

/// The rows from some before the current one up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Frame {
    UnboundedRows,
    UnboundedRange,
    Rows(u64),
    /// In milliseconds.
    Range(i64),
}

impl Binder<'_> {
    /// Binds a call with OVER: a column that stands for it.
    pub(super) fn over(&mut self, name: &str, call: &ast::Function, place: Place) -> Result<Expr, SqlError> {
        if self.overs.is_none() {
            let what = format!("{name} OVER may not stand in {}", self.clause);
            return Err(SqlError::at(place, what).hint("compute it in a subquery, and name its column here"));
        }
        let spec = self.window_spec(call, place)?.clone();
        if spec.window_name.is_some() {
            return Err(SqlError::unsupported(place, "a window that is built upon another one"));
        }
        let mut inner = Binder { functions: self.functions, ..Binder::new(self.scope, self.zone, "OVER") };
        let partition = inner.bind_all(&spec.partition_by)?;
        let mut order = Vec::with_capacity(spec.order_by.len());
        for by in &spec.order_by {
            let descending = matches!(by.options.sort, Some(ast::OrderBySort::Desc));
            order.push((inner.bind(&by.expr)?, descending, by.options.nulls_first.unwrap_or(!descending)));
        }
        let frame = spec.window_frame.as_ref().map_or(Ok(Frame::UnboundedRange), |f| self.frame(f, place))?;
        let (function, data_type, nullable) = self.over_function(name, call, place)?;
        let found = OverCall { function, partition, order, frame };
        let Some(known) = &mut self.overs else { return Err(SqlError::at(place, "OVER may not stand here")) };
        let index = known.iter().position(|k| *k == found).unwrap_or_else(|| {
            known.push(found);
            known.len() - 1
        });
        Ok(Expr::column(OVER_BASE + index, &Field { name: String::new(), data_type, nullable }))
    }

    fn over_function(
        &mut self,
        name: &str,
        call: &ast::Function,
        place: Place,
    ) -> Result<(OverFunction, DataType, bool), SqlError> {
        if name == "ROW_NUMBER" {
            return Ok((OverFunction::RowNumber, DataType::BigInt, false));
        }
        let Some(function) = find(name).filter(|f| !matches!(f, AggregateFunction::Registered(_))) else {
            return Err(SqlError::unsupported(place, format!("{name} OVER"))
                .hint("ROW_NUMBER, COUNT, SUM, AVG, MIN and MAX are"));
        };
        let mut calls = Vec::new();
        let mut binder = Binder { functions: self.functions, ..Binder::collecting(self.scope, self.zone, &mut calls) };
        let plain = ast::Function { over: None, ..call.clone() };
        let column = binder.aggregate(function, &plain, place)?;
        let found = calls.pop().ok_or_else(|| SqlError::at(place, "an aggregate is wanted before OVER"))?;
        // A frame may be without a value for a moment only where rows leave it; it always has the current row.
        Ok((OverFunction::Aggregate(found), column.data_type, column.nullable))
    }

    fn window_spec<'c>(&'c self, call: &'c ast::Function, place: Place) -> Result<&'c ast::WindowSpec, SqlError> {
        match &call.over {
            Some(WindowType::WindowSpec(spec)) => Ok(spec),
            Some(WindowType::NamedWindow(name)) => {
                let found = self.named_windows.iter().find(|w| w.0.value == name.value);
                match found.map(|w| &w.1) {
                    Some(NamedWindowExpr::WindowSpec(spec)) => Ok(spec),
                    Some(NamedWindowExpr::NamedWindow(_)) => {
                        Err(SqlError::unsupported(place, "a window that is named after another one"))
                    }
                    None => {
                        let names = self.named_windows.iter().map(|w| w.0.value.as_str());
                        Err(SqlError::at(name.span, format!("unknown window \"{}\"", name.value))
                            .maybe_hint(did_you_mean(&name.value, names)))
                    }
                }
            }
            None => Err(SqlError::at(place, "OVER is wanted here")),
        }
    }

    fn frame(&self, frame: &ast::WindowFrame, place: Place) -> Result<Frame, SqlError> {
        if !matches!(frame.end_bound, None | Some(WindowFrameBound::CurrentRow)) {
            return Err(SqlError::unsupported(place, "a frame that goes on behind the current row")
                .hint("end it AND CURRENT ROW"));
        }
        let start = match &frame.start_bound {
            WindowFrameBound::Preceding(None) => None,
            WindowFrameBound::Preceding(Some(value)) => Some(&**value),
            WindowFrameBound::CurrentRow => {
                return Ok(match frame.units {
                    WindowFrameUnits::Range => Frame::Range(0),
                    _ => Frame::Rows(0),
                });
            }
            WindowFrameBound::Following(_) => {
                return Err(SqlError::at(place, "a frame begins before the current row").hint("write n PRECEDING"));
            }
        };
        match (frame.units, start) {
            (WindowFrameUnits::Rows, None) => Ok(Frame::UnboundedRows),
            (WindowFrameUnits::Range, None) => Ok(Frame::UnboundedRange),
            (WindowFrameUnits::Range, Some(value)) => crate::sql::window::span(value).map(Frame::Range),
            (WindowFrameUnits::Rows, Some(value)) => self.rows(value),
            (WindowFrameUnits::Groups, _) => Err(SqlError::at(place, "Flink has no GROUPS in OVER")),
        }
    }

    fn rows(&self, value: &ast::Expr) -> Result<Frame, SqlError> {
        let bound = Binder::new(self.scope, self.zone, "a frame").bind(value)?;
        match bound.as_literal() {
            Some(Scalar::Integer(rows)) if *rows >= 0 && bound.data_type.is_integer() => Ok(Frame::Rows(*rows as u64)),
            _ => Err(SqlError::at(place_of(value), "a constant number of rows is wanted here")),
        }
    }
}
