//! Names of tables: catalogs and databases other than the only ones are refused.

use super::error::{Place, SqlError};
use super::reserved;
use sqlparser::ast::{Ident, ObjectName};

/// The catalog and the database that all tables are in, as in a fresh Flink session.
const HOME: [&str; 2] = ["default_catalog", "default_database"];

/// The path of a column without the only catalog and database in front.
pub(super) fn without_home(path: &[Ident]) -> &[Ident] {
    let is = |n: usize, name: &str| path.get(n).is_some_and(|p| p.value == name);
    if path.len() > 3 && is(0, HOME[0]) && is(1, HOME[1]) {
        &path[2..]
    } else if path.len() > 2 && is(0, HOME[1]) {
        &path[1..]
    } else {
        path
    }
}

/// The last part of a name whose other parts, if any, are those of the only catalog and database.
pub(super) fn single(name: &ObjectName, place: Place) -> Result<Ident, SqlError> {
    let parts: Vec<&Ident> = name.0.iter().filter_map(|p| p.as_ident()).collect();
    let place = parts.first().map_or(place, |p| Place::from(p.span));
    let fits = |found: &[&Ident], wanted: &[&str]| found.iter().map(|p| p.value.as_str()).eq(wanted.iter().copied());
    if let Some(name) = parts.last() {
        reserved::check(name)?;
    }
    match parts.as_slice() {
        [name] => Ok((*name).clone()),
        [home @ .., name] if fits(home, &HOME[1..]) || fits(home, &HOME) => Ok((*name).clone()),
        [] => Err(SqlError::at(place, "expected a name")),
        _ => Err(SqlError::unsupported(place, format!("the catalog or database of {name}"))),
    }
}
