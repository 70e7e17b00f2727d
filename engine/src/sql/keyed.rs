//! Which columns keyed operators read, give and keep: what the plan needs to leave the others out.

use crate::expr::{Expr, ExprKind};
use crate::plan::{Aggregate, JoinTime, Joining, KeyedOperator, OrderBy, Ranking};
use std::collections::{BTreeMap, BTreeSet};

/// The columns of one input that an operator reads or hands on. `wanted` are those that someone reads of its output,
/// `widths` the numbers of columns of its inputs.
pub(super) fn asked(
    operator: &KeyedOperator,
    keys: &[usize],
    wanted: &BTreeSet<usize>,
    side: usize,
    widths: &[usize],
) -> BTreeSet<usize> {
    let first: usize = widths[..side].iter().sum();
    let handed_on = || wanted.iter().filter(|c| (first..first + widths[side]).contains(*c)).map(|c| c - first);
    let mut asked: BTreeSet<usize> = keys.iter().copied().collect();
    match operator {
        KeyedOperator::Group { aggregates } => asked.extend(aggregates.iter().flat_map(columns_of)),
        KeyedOperator::Over { time_column, aggregates, .. } => {
            asked.extend(handed_on().chain([*time_column]).chain(aggregates.iter().flat_map(columns_of)));
        }
        KeyedOperator::Session { time, .. } => asked.extend(handed_on().chain(time.column())),
        KeyedOperator::Rank(rank) => {
            asked.extend(handed_on());
            asked.extend(rank.order.iter().map(|o| o.column).chain(rank.window.map(|(end, _)| end)));
        }
        KeyedOperator::Latest | KeyedOperator::Normalize | KeyedOperator::Final => asked.extend(handed_on()),
        KeyedOperator::Join(join) => {
            asked.extend(handed_on());
            if let Some(condition) = &join.condition {
                condition.each_column(&mut |c| asked.extend(c.checked_sub(first).filter(|c| *c < widths[side])));
            }
            match join.time {
                JoinTime::Unbounded => {}
                JoinTime::Interval { times: columns, .. } | JoinTime::Window { ends: columns, .. } => {
                    asked.insert(columns[side]);
                }
            }
        }
    }
    asked
}

fn columns_of(aggregate: &Aggregate) -> impl Iterator<Item = usize> {
    aggregate.argument.into_iter().chain(aggregate.filter)
}

/// The columns that the operator gives once its inputs have only the `asked` ones; there were `all` of them.
pub(super) fn output(
    operator: &KeyedOperator,
    keys: &[usize],
    asked: &[Vec<usize>],
    widths: &[usize],
    all: usize,
) -> Vec<usize> {
    let own = match operator {
        KeyedOperator::Group { .. } => return (0..all).collect(),
        KeyedOperator::Join(_) => widths[0] + widths[1],
        _ => widths[0],
    };
    debug_assert!(keys.iter().all(|k| *k < widths[0]));
    let right = asked.get(1).into_iter().flatten().map(|c| c + widths[0]);
    asked[0].iter().copied().chain(right).chain(own..all).collect()
}

/// The operator over the columns as they stand now.
pub(super) fn moved(operator: &KeyedOperator, columns: &[&BTreeMap<usize, usize>], widths: &[usize]) -> KeyedOperator {
    let at = |c: usize| columns[0][&c];
    let aggregates = |all: &[Aggregate]| {
        let moved = |a: &Aggregate| Aggregate { argument: a.argument.map(at), filter: a.filter.map(at), ..a.clone() };
        all.iter().map(moved).collect()
    };
    match operator {
        KeyedOperator::Latest => KeyedOperator::Latest,
        KeyedOperator::Normalize => KeyedOperator::Normalize,
        KeyedOperator::Final => KeyedOperator::Final,
        KeyedOperator::Rank(rank) => KeyedOperator::Rank(Ranking {
            order: rank.order.iter().map(|o| OrderBy { column: at(o.column), ..*o }).collect(),
            window: rank.window.map(|(end, zone)| (at(end), zone)),
            ..rank.clone()
        }),
        KeyedOperator::Session { time, gap_ms, zone } => {
            KeyedOperator::Session { time: time.moved(at), gap_ms: *gap_ms, zone: *zone }
        }
        KeyedOperator::Group { aggregates: all } => KeyedOperator::Group { aggregates: aggregates(all) },
        KeyedOperator::Over { time_column, frame, aggregates: all } => {
            KeyedOperator::Over { time_column: at(*time_column), frame: *frame, aggregates: aggregates(all) }
        }
        KeyedOperator::Join(join) => KeyedOperator::Join(joined(join, columns, widths)),
    }
}

fn joined(join: &Joining, columns: &[&BTreeMap<usize, usize>], widths: &[usize]) -> Joining {
    let both = |c: usize| match c.checked_sub(widths[0]) {
        None => columns[0][&c],
        Some(right) => columns[0].len() + columns[1][&right],
    };
    let each = |pair: [usize; 2]| [columns[0][&pair[0]], columns[1][&pair[1]]];
    let condition = join.condition.as_ref();
    Joining {
        condition: condition.map(|e| e.map_columns(&mut |c, e| Expr { kind: ExprKind::Column(both(c)), ..e.clone() })),
        time: match join.time {
            JoinTime::Unbounded => JoinTime::Unbounded,
            JoinTime::Interval { times, lower_ms, upper_ms } => {
                JoinTime::Interval { times: each(times), lower_ms, upper_ms }
            }
            JoinTime::Window { ends, zone } => JoinTime::Window { ends: each(ends), zone },
        },
        ..join.clone()
    }
}
