//! Which columns an expression may name.

use super::error::{Place, SqlError, did_you_mean};
use super::names;
use crate::expr::Expr;
use crate::types::Schema;
use sqlparser::ast::Ident;
use std::ops::Range;

/// The columns of a relation under the name that the query gave it.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// The name of the relation, if it has one.
    pub(super) alias: Option<String>,
    /// Its columns.
    pub(super) schema: Schema,
    /// Relations joined to it: the name of each, and its first column.
    joined: Vec<(Option<String>, usize)>,
}

impl Scope {
    /// A scope without columns, for constants.
    pub(super) fn empty() -> Self {
        Self::of(None, Schema::default())
    }

    /// The columns of one relation.
    pub(super) fn of(alias: Option<String>, schema: Schema) -> Self {
        Self { alias, schema, joined: Vec::new() }
    }

    /// The same columns, and behind them those of another relation.
    pub(super) fn join(mut self, alias: Option<String>, schema: Schema) -> Self {
        self.joined.push((alias, self.schema.fields.len()));
        self.schema.fields.extend(schema.fields);
        self
    }

    /// The names of the relations.
    pub(super) fn aliases(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.alias).chain(self.joined.iter().map(|(alias, _)| alias)).filter_map(Option::as_deref)
    }

    /// The columns of the relation called `qualifier`.
    pub(super) fn columns_of(&self, qualifier: &Ident) -> Result<Range<usize>, SqlError> {
        let starts = std::iter::once((&self.alias, 0)).chain(self.joined.iter().map(|(alias, first)| (alias, *first)));
        let starts: Vec<(&Option<String>, usize)> = starts.collect();
        let Some(at) = starts.iter().position(|(alias, _)| alias.as_deref() == Some(&qualifier.value)) else {
            let names: Vec<&str> = self.aliases().collect();
            let hint = match names.as_slice() {
                [] => "the table here has no name: give it one with AS".to_owned(),
                [alias] => format!("the table here is called \"{alias}\""),
                _ => format!("the tables here are called {}", names.join(", ")),
            };
            return Err(SqlError::at(qualifier.span, format!("unknown table \"{}\"", qualifier.value)).hint(hint));
        };
        let end = starts.get(at + 1).map_or(self.schema.fields.len(), |(_, first)| *first);
        Ok(starts[at].1..end)
    }

    /// The column called `name`, or an error that says which name was probably meant.
    pub(super) fn column(&self, name: &Ident) -> Result<(usize, Expr), SqlError> {
        self.column_within(name, 0..self.schema.fields.len())
    }

    fn column_within(&self, name: &Ident, range: Range<usize>) -> Result<(usize, Expr), SqlError> {
        let fields = self.schema.fields.iter().enumerate().skip(range.start).take(range.len());
        let mut found = fields.filter(|(_, f)| f.name == name.value);
        match (found.next(), found.next()) {
            (Some((i, field)), None) => Ok((i, Expr::column(i, field))),
            (Some(_), Some(_)) => Err(SqlError::at(name.span, format!("column \"{}\" is ambiguous", name.value)).hint(
                if self.joined.is_empty() {
                    "give the columns of the subquery different names"
                } else {
                    "write its table's name and a point before it"
                },
            )),
            _ => Err(SqlError::at(name.span, format!("unknown column \"{}\"", name.value))
                .maybe_hint(self.columns_hint(&name.value))),
        }
    }

    /// The column `table.name`.
    pub(super) fn qualified(&self, path: &[Ident]) -> Result<(usize, Expr), SqlError> {
        let [qualifier, name] = names::without_home(path) else {
            let place = path.first().map_or(Place::NONE, |p| p.span.into());
            return Err(SqlError::unsupported(place, "a nested column"));
        };
        self.column_within(name, self.columns_of(qualifier)?)
    }

    fn columns_hint(&self, written: &str) -> Option<String> {
        let names = || self.schema.fields.iter().map(|f| f.name.as_str());
        did_you_mean(written, names()).or_else(|| {
            let listed: Vec<&str> = names().take(12).collect();
            let more = if names().count() > listed.len() { ", …" } else { "" };
            (!listed.is_empty()).then(|| format!("there are {}{more}", listed.join(", ")))
        })
    }
}
