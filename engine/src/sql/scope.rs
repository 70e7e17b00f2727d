//! Which columns an expression may name.

use super::error::{Place, SqlError, did_you_mean};
use super::names;
use crate::expr::Expr;
use crate::types::Schema;
use sqlparser::ast::Ident;

/// The columns of a relation under the name that the query gave it.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// The name of the relation, if it has one.
    pub(super) alias: Option<String>,
    /// Its columns.
    pub(super) schema: Schema,
}

impl Scope {
    /// A scope without columns, for constants.
    pub(super) fn empty() -> Self {
        Self { alias: None, schema: Schema::default() }
    }

    /// The column called `name`, or an error that says which name was probably meant.
    pub(super) fn column(&self, name: &Ident) -> Result<(usize, Expr), SqlError> {
        let mut found = self.schema.fields.iter().enumerate().filter(|(_, f)| f.name == name.value);
        match (found.next(), found.next()) {
            (Some((i, field)), None) => Ok((i, Expr::column(i, field))),
            (Some(_), Some(_)) => Err(SqlError::at(name.span, format!("column \"{}\" is ambiguous", name.value))
                .hint("give the columns of the subquery different names")),
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
        self.check_qualifier(qualifier)?;
        self.column(name)
    }

    /// Fails unless `qualifier` names this relation.
    pub(super) fn check_qualifier(&self, qualifier: &Ident) -> Result<(), SqlError> {
        if self.alias.as_deref() == Some(qualifier.value.as_str()) {
            return Ok(());
        }
        let hint = match &self.alias {
            Some(alias) => format!("the table here is called \"{alias}\""),
            None => "the table here has no name: give it one with AS".to_owned(),
        };
        Err(SqlError::at(qualifier.span, format!("unknown table \"{}\"", qualifier.value)).hint(hint))
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
