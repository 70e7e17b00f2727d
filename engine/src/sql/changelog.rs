//! Changing rows on their way to a sink: who may read them, what names them, and what a table can take.

use super::error::{Place, SqlError};
use super::rel::{Rel, RelKind, RelRef};
use crate::plan::{KeyedOperator, TableDef};
use crate::port::Changelog;

/// Refuses what cannot be run: operators that cannot take rows back, and ranks without a limit.
pub(super) fn check(rel: &Rel, place: Place) -> Result<(), SqlError> {
    rel.inputs().iter().try_for_each(|input| check(input, place))?;
    let only_new = match &rel.kind {
        RelKind::Assign { .. } => Some("a window"),
        RelKind::Aggregate { .. } => Some("an aggregate of a window"),
        RelKind::Keyed { operator, .. } => operator.takes_only_new(),
        _ => None,
    };
    if let Some(name) = only_new.filter(|_| rel.inputs().iter().any(|i| i.is_changing())) {
        let what = format!("{name} takes new rows only, but the query below it changes rows that it has given");
        return Err(
            SqlError::at(place, what).hint("put it below GROUP BY, ROW_NUMBER or the join without a bound in time")
        );
    }
    match &rel.kind {
        RelKind::Keyed { operator: KeyedOperator::Rank(rank), .. } if rank.to.is_none() => {
            Err(SqlError::unsupported(place, "ROW_NUMBER() without a limit")
                .hint("name it in a subquery and write WHERE rn <= n around it"))
        }
        _ => Ok(()),
    }
}

/// The columns whose values tell rows apart, of which one is changed at a time; `None` when that is not known.
fn unique(rel: &Rel) -> Option<Vec<usize>> {
    match &rel.kind {
        RelKind::Keyed { operator: KeyedOperator::Group { .. }, keys, .. } => Some((0..keys[0].len()).collect()),
        RelKind::Keyed { operator: KeyedOperator::Latest | KeyedOperator::Normalize, keys, .. } => {
            Some(keys[0].clone())
        }
        RelKind::Keyed { operator: KeyedOperator::Rank(rank), keys, inputs } => {
            let number = rank.numbered.then_some(inputs[0].schema.fields.len());
            (rank.numbered || rank.to == Some(rank.from)).then(|| keys[0].iter().copied().chain(number).collect())
        }
        RelKind::Filter { input, .. } => unique(input),
        RelKind::Project { input, exprs } => {
            let place = |c: usize| exprs.iter().position(|e| e.as_column() == Some(c));
            unique(input)?.into_iter().map(place).collect()
        }
        _ => None,
    }
}

/// The rows as the table can take them. `key` are the columns of its primary key; `final_only` asks for the rows that are
/// there at the end, which every table can take.
pub(super) fn fitted(
    rel: RelRef,
    table: &TableDef,
    takes: Changelog,
    key: &[usize],
    final_only: bool,
    place: Place,
) -> Result<RelRef, SqlError> {
    if !rel.is_changing() || takes == Changelog::All {
        return Ok(rel);
    }
    if takes == Changelog::Append {
        if final_only {
            let all = (0..rel.schema.fields.len()).collect();
            return Ok(Rel::keyed_by(vec![rel], vec![all], KeyedOperator::Final, Vec::new()));
        }
        let what =
            format!("the table \"{}\" takes new rows only, but the query changes rows that it has given", table.name);
        let hint = "write into a table that replaces rows by PRIMARY KEY, aggregate by window, or SET \
                    'execution.runtime-mode' = 'batch' where all sources end";
        return Err(SqlError::at(place, what).hint(hint));
    }
    if key.is_empty() {
        let what = format!("the query changes rows that it has given, and the table \"{}\" has no key", table.name);
        return Err(SqlError::at(place, what).hint("declare PRIMARY KEY (…) NOT ENFORCED"));
    }
    // Where rows of one id come about under several keys, their changes may overtake each other.
    if unique(&rel).is_some_and(|unique| unique.iter().all(|c| key.contains(c))) {
        return Ok(rel);
    }
    Ok(Rel::keyed_by(vec![rel], vec![key.to_vec()], KeyedOperator::Latest, Vec::new()))
}
