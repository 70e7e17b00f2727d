//! What a session knows by name: tables, views and settings.

use super::error::{SqlError, did_you_mean};
use super::rel::{Rel, RelRef};
use crate::expr::Zone;
use crate::functions::Functions;
use crate::plan::TableDef;
use sqlparser::ast::Ident;
use sqlparser::tokenizer::Span;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The setting that says which wall clock points in time are shown on.
pub(super) const TIME_ZONE: &str = "table.local-time-zone";

/// Tables, views and settings by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog {
    entries: BTreeMap<String, Entry>,
    /// The settings in force.
    pub(super) settings: BTreeMap<String, String>,
    zone: Option<Zone>,
    /// The functions that the program brings.
    pub(super) functions: Functions,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// A table, and where it was created.
    Table(Arc<TableDef>, Span),
    /// A view: what its query gave when it was created.
    View(RelRef),
}

impl Catalog {
    /// The zone of the session.
    pub(super) fn zone(&self) -> Zone {
        self.zone.unwrap_or(Zone::UTC)
    }

    /// Changes a setting; its value has been checked.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        if key == TIME_ZONE {
            self.zone = Zone::parse(value);
        }
        self.settings.insert(key.to_owned(), value.to_owned());
    }

    /// Forgets a setting, or all of them.
    pub(super) fn reset(&mut self, key: Option<&str>) {
        match key {
            Some(key) => drop(self.settings.remove(key)),
            None => self.settings.clear(),
        }
        if !self.settings.contains_key(TIME_ZONE) {
            self.zone = None;
        }
    }

    /// Adds a table or a view under a name that is free.
    pub(super) fn add(&mut self, name: &Ident, entry: Entry, if_not_exists: bool) -> Result<(), SqlError> {
        if self.entries.contains_key(&name.value) {
            if if_not_exists {
                return Ok(());
            }
            return Err(SqlError::at(name.span, format!("\"{}\" exists already", name.value))
                .hint("DROP it first, or write IF NOT EXISTS"));
        }
        self.entries.insert(name.value.clone(), entry);
        Ok(())
    }

    /// Removes a table or a view.
    pub(super) fn remove(&mut self, name: &Ident, view: bool, if_exists: bool) -> Result<(), SqlError> {
        let kind = if view { "view" } else { "table" };
        match self.entries.get(&name.value) {
            Some(Entry::View(_)) if view => {}
            Some(Entry::Table(..)) if !view => {}
            None if if_exists => return Ok(()),
            None => return Err(self.unknown(name)),
            Some(_) => return Err(SqlError::at(name.span, format!("\"{}\" is no {kind}", name.value))),
        }
        self.entries.remove(&name.value);
        Ok(())
    }

    /// What `name` stands for.
    pub(super) fn get(&self, name: &Ident) -> Result<&Entry, SqlError> {
        self.entries.get(&name.value).ok_or_else(|| self.unknown(name))
    }

    /// Where the table called `name` was created, if it was in this script.
    pub(super) fn place_of(&self, name: &str) -> Option<Span> {
        match self.entries.get(name)? {
            Entry::Table(_, place) => Some(*place),
            Entry::View(_) => None,
        }
    }

    fn unknown(&self, name: &Ident) -> SqlError {
        SqlError::at(name.span, format!("unknown table \"{}\"", name.value))
            .maybe_hint(did_you_mean(&name.value, self.entries.keys().map(String::as_str)))
    }

    /// The rows of the table or view called `name`.
    pub(super) fn relation(&self, name: &Ident) -> Result<RelRef, SqlError> {
        Ok(match self.get(name)? {
            Entry::Table(table, _) => Rel::scan(Arc::clone(table)),
            Entry::View(rel) => Arc::clone(rel),
        })
    }

    /// The names of all tables and views, or of the views alone, in order.
    pub(super) fn names(&self, views_only: bool) -> Vec<String> {
        let wanted = |e: &Entry| !views_only || matches!(e, Entry::View(_));
        self.entries.iter().filter(|(_, e)| wanted(e)).map(|(name, _)| name.clone()).collect()
    }

    /// Forgets where tables were created: the next script has other lines.
    pub(super) fn forget_places(&mut self) {
        for entry in self.entries.values_mut() {
            if let Entry::Table(_, place) = entry {
                *place = Span::empty();
            }
        }
    }
}
