//! OVER in a SELECT list: a rank, or aggregates along the rows' time.

use super::bind::{Frame, OVER_BASE, OverCall, OverFunction};
use super::error::{Place, SqlError};
use super::rel::{Part, Rel, RelRef, Role};
use crate::expr::{Expr, ExprKind};
use crate::plan::{Aggregate, KeyedOperator, OrderBy, OverFrame, Ranking};
use crate::types::{DataType, Field};

/// The rows of `input` with what OVER computes, and the columns of the SELECT list over them.
pub(super) fn apply(
    input: &RelRef,
    columns: Vec<(Expr, String)>,
    overs: &[OverCall],
    place: Place,
) -> Result<(RelRef, Vec<(Expr, String)>), SqlError> {
    let first = &overs[0];
    let same = |o: &OverCall| (&o.partition, &o.order, o.frame) == (&first.partition, &first.order, first.frame);
    if !overs.iter().all(same) {
        return Err(SqlError::unsupported(place, "more than one OVER window in a SELECT")
            .hint("compute the second one in a query around this one"));
    }
    let mut before = Before::of(input);
    let keys: Vec<usize> = first.partition.iter().map(|e| before.add(e, "$partition")).collect();
    let rel = match overs {
        [OverCall { function: OverFunction::RowNumber, .. }] => rank(input, before, keys, first, place)?,
        _ => aggregates(input, before, keys, overs, place)?,
    };
    let results = rel.schema.fields.len() - overs.len();
    let moved = |e: &Expr| {
        e.map_columns(&mut |c, column| match c.checked_sub(OVER_BASE) {
            Some(index) if index < overs.len() => Expr { kind: ExprKind::Column(results + index), ..column.clone() },
            _ => column.clone(),
        })
    };
    let columns = columns.iter().map(|(e, name)| (moved(e), name.clone())).collect();
    Ok((rel, columns))
}

/// The columns of the input, and behind them what is computed for the window.
struct Before {
    columns: Vec<(Expr, String)>,
}

impl Before {
    fn of(input: &RelRef) -> Self {
        let names = input.schema.fields.iter().map(|f| f.name.clone());
        Self { columns: names.enumerate().map(|(i, name)| (input.column(i), name)).collect() }
    }

    fn add(&mut self, e: &Expr, name: &str) -> usize {
        self.columns.iter().position(|(known, _)| known == e).unwrap_or_else(|| {
            self.columns.push((e.clone(), name.to_owned()));
            self.columns.len() - 1
        })
    }
}

fn role(input: &RelRef, e: &Expr) -> Role {
    e.as_column().map_or(Role::Plain, |c| input.role(c))
}

fn rank(
    input: &RelRef,
    mut before: Before,
    keys: Vec<usize>,
    call: &OverCall,
    place: Place,
) -> Result<RelRef, SqlError> {
    let (mut order, mut newest_first) = (Vec::new(), false);
    for (e, descending, nulls_first) in &call.order {
        match role(input, e) {
            // Rows come in the order of processing time.
            of if of.is_proctime() => newest_first = *descending,
            of => {
                newest_first = of.is_rowtime() && *descending && call.order.len() == 1;
                let column = before.add(e, "$order");
                order.push(OrderBy { column, descending: *descending, nulls_first: *nulls_first });
            }
        }
    }
    let part = |wanted: Part| {
        call.partition.iter().find_map(|e| match role(input, e) {
            Role::Window(part, shape) if part == wanted => e.as_column().map(|c| (c, shape)),
            _ => None,
        })
    };
    let window = part(Part::Start).and(part(Part::End));
    if window.is_some_and(|(_, shape)| shape.processing) {
        return Err(SqlError::unsupported(place, "a top-N or a deduplication within a window of processing time")
            .hint("use windows over the column that the table has its WATERMARK on"));
    }
    let window = window.map(|(column, shape)| (column, shape.zone));
    let rows = Rel::project(input.clone(), before.columns);
    let ranking = Ranking { order, from: 1, to: None, numbered: true, newest_first, window };
    let number = Field { name: "$rank".to_owned(), data_type: DataType::BigInt, nullable: false };
    Ok(Rel::keyed_by(vec![rows], vec![keys], KeyedOperator::Rank(ranking), vec![(number, Role::Plain)]))
}

fn aggregates(
    input: &RelRef,
    mut before: Before,
    keys: Vec<usize>,
    overs: &[OverCall],
    place: Place,
) -> Result<RelRef, SqlError> {
    let time = match overs[0].order.as_slice() {
        [(e, false, _)] if role(input, e).is_rowtime() => before.add(e, "$time"),
        [(_, true, _)] => {
            return Err(SqlError::at(place, "OVER windows of aggregates are ordered ascending by time"));
        }
        _ => {
            return Err(SqlError::at(place, "OVER windows of aggregates are ordered by one event-time column")
                .hint("write ORDER BY the column that the table has its WATERMARK on"));
        }
    };
    let frame = match overs[0].frame {
        Frame::UnboundedRows => OverFrame::Unbounded { peers: false },
        Frame::UnboundedRange => OverFrame::Unbounded { peers: true },
        Frame::Rows(preceding) => OverFrame::Rows { preceding },
        Frame::Range(preceding_ms) => OverFrame::Range { preceding_ms },
    };
    let (mut all, mut added) = (Vec::with_capacity(overs.len()), Vec::with_capacity(overs.len()));
    for (i, over) in overs.iter().enumerate() {
        let OverFunction::Aggregate(call) = &over.function else {
            return Err(SqlError::unsupported(place, "ROW_NUMBER beside other functions with OVER"));
        };
        let argument = call.argument.as_ref().map(|e| before.add(e, &format!("$arg{i}")));
        let filter = call.filter.as_ref().map(|e| before.add(e, &format!("$filter{i}")));
        all.push(Aggregate { function: call.function, argument, distinct: call.distinct, filter });
        let field = Field { name: format!("$over{i}"), data_type: call.data_type, nullable: call.nullable };
        added.push((field, Role::Plain));
    }
    let rows = Rel::project(input.clone(), before.columns);
    let operator = KeyedOperator::Over { time_column: time, frame, aggregates: all };
    Ok(Rel::keyed_by(vec![rows], vec![keys], operator, added))
}
