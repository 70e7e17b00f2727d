//! Lookup joins: `JOIN t FOR SYSTEM_TIME AS OF o.proc_time ON t.k = o.k`, and the options of the `LOOKUP` hint.

use super::bind::{Binder, place_of};
use super::catalog::Entry;
use super::error::{Place, SqlError, did_you_mean};
use super::hints::LookupHint;
use super::join::{Kind, is_true};
use super::names;
use super::query::Planner;
use super::rel::{LookupCall, Rel, RelRef, Widening};
use super::reserved;
use super::scope::Scope;
use super::statement::Text;
use crate::expr::{Comparison, Expr, ExprKind};
use crate::plan::{LookupCache, LookupOptions, LookupRetry, TableDef};
use crate::run::duration_ms;
use crate::types::{Field, Schema};
use sqlparser::ast::{self, ObjectName, Spanned, TableAlias, TableVersion};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The keys of the `LOOKUP` hint.
const HINT_KEYS: [&str; 9] = [
    "table",
    "async",
    "output-mode",
    "capacity",
    "timeout",
    "retry-predicate",
    "retry-strategy",
    "fixed-delay",
    "max-attempts",
];

/// The settings that hold where the hint says nothing: key of the hint, key of the setting.
const SETTINGS: [(&str, &str); 3] = [
    ("capacity", "table.exec.async-lookup.buffer-capacity"),
    ("timeout", "table.exec.async-lookup.timeout"),
    ("output-mode", "table.exec.async-lookup.output-mode"),
];

/// A table as it stands in a lookup join.
pub(super) struct Looked<'a> {
    pub(super) name: &'a ObjectName,
    pub(super) alias: Option<&'a TableAlias>,
    pub(super) version: &'a TableVersion,
}

/// The rows so far, joined to what a table says of their keys.
pub(super) fn join(
    planner: &Planner<'_>,
    (input, scope): (RelRef, Scope),
    looked: &Looked<'_>,
    kind: &Kind<'_>,
    hints: &[LookupHint],
) -> Result<(RelRef, Scope), SqlError> {
    let place = Place::from(looked.name.span());
    check_time(&input, &scope, looked.version)?;
    let name = names::single(looked.name, place)?;
    let Entry::Table(table, _) = planner.catalog.get(&name)? else {
        return Err(SqlError::at(place, format!("\"{name}\" is a view: only a table can be looked up")));
    };
    let table = planner.hints.apply(table, name.span);
    if table.computed.iter().any(Option::is_some) {
        return Err(SqlError::unsupported(place, "a computed column of a table that is looked up"));
    }
    let called = looked.alias.map_or(&name.value, |a| &a.name.value);
    if let Some(alias) = looked.alias {
        reserved::check(&alias.name)?;
    }
    let hint = hints.iter().find(|h| h.value("table").is_some_and(|t| t.value == *called || t.value == name.value));
    let options = options(hint, &table, &planner.catalog.settings, place)?;
    let (on, outer) = match kind {
        Kind::Inner(on) => (*on, false),
        Kind::Left(on) => (*on, true),
        Kind::Right(on) | Kind::Full(on) => {
            return Err(SqlError::at(place_of(on), "a lookup joins by JOIN or LEFT JOIN"));
        }
        Kind::Cross => return Err(SqlError::at(place, "a lookup needs a key").hint("write JOIN … ON t.k = o.k")),
    };
    let own = input.schema.fields.len();
    let field = |f: &Field| Field { nullable: f.nullable || outer, ..f.clone() };
    let fields: Vec<Field> = renamed(&table, looked.alias)?.iter().map(field).collect();
    let scope = scope.join(Some(called.clone()), Schema { fields: fields.clone() });
    let functions = &planner.catalog.functions;
    let condition = Binder::new(&scope, planner.catalog.zone(), "ON").with_functions(functions).condition(on)?;
    let (keys, rest) = split(condition, own);
    if keys.is_empty() || is_true(on) {
        let hint = format!("write {called}.k = o.k, both of one type");
        return Err(
            SqlError::at(place_of(on), format!("no column of {called} equals one of the rows before it")).hint(hint)
        );
    }
    if outer && !rest.is_empty() {
        return Err(SqlError::unsupported(place_of(on), "a condition beside the keys in a LEFT JOIN with a lookup"));
    }
    let rel = Rel::widen(input, Widening::Lookup(Box::new(LookupCall { table, keys, options, outer })), fields);
    Ok((if rest.is_empty() { rel } else { Rel::filter(rel, Expr::and(rest)) }, scope))
}

/// `FOR SYSTEM_TIME AS OF` names a processing-time column.
fn check_time(input: &RelRef, scope: &Scope, version: &TableVersion) -> Result<(), SqlError> {
    let TableVersion::ForSystemTimeAsOf(time) = version else {
        return Err(SqlError::at(Place::NONE, "a table is read FOR SYSTEM_TIME AS OF a column"));
    };
    let place = place_of(time);
    let bound = Binder::new(scope, crate::expr::Zone::UTC, "FOR SYSTEM_TIME AS OF").bind(time)?;
    match bound.as_column().map(|c| input.roles[c]) {
        Some(role) if role.is_proctime() => Ok(()),
        Some(role) if role.is_rowtime() => Err(SqlError::unsupported(place, "a join with a table as of event time")
            .hint("declare a column AS PROCTIME() and name it here")),
        _ => Err(SqlError::at(place, "a processing-time column is wanted here").hint("declare one AS PROCTIME()")),
    }
}

/// The table's columns under the names that the query gives them.
fn renamed(table: &TableDef, alias: Option<&TableAlias>) -> Result<Vec<Field>, SqlError> {
    let names: Vec<&ast::Ident> = alias.iter().flat_map(|a| &a.columns).map(|c| &c.name).collect();
    let fields = &table.schema.fields;
    if let Some(first) = names.first().filter(|_| names.len() != fields.len()) {
        let what = format!("{} names are given for {} columns", names.len(), fields.len());
        return Err(SqlError::at(first.span, what));
    }
    let name = |i: usize, f: &Field| names.get(i).map_or_else(|| f.name.clone(), |n| n.value.clone());
    Ok(fields.iter().enumerate().map(|(i, f)| Field { name: name(i, f), ..f.clone() }).collect())
}

/// Column of the table and expression over the rows before it, for each equality between them; and all other conditions.
fn split(condition: Expr, own: usize) -> (Vec<(usize, Expr)>, Vec<Expr>) {
    let parts = match condition.kind {
        ExprKind::And(parts) => parts,
        _ => vec![condition],
    };
    let (mut keys, mut rest): (Vec<(usize, Expr)>, Vec<Expr>) = (Vec::new(), Vec::new());
    for part in parts {
        match key(&part, own) {
            Some((column, value)) if keys.iter().all(|(known, _)| *known != column) => keys.push((column, value)),
            _ => rest.push(part),
        }
    }
    keys.sort_by_key(|(column, _)| *column);
    (keys, rest)
}

fn key(part: &Expr, own: usize) -> Option<(usize, Expr)> {
    let ExprKind::Compare { op: Comparison::Equal, left, right } = &part.kind else { return None };
    let before = |e: &Expr| {
        let mut all = true;
        e.each_column(&mut |c| all &= c < own);
        all
    };
    let of = |column: &Expr, value: &Expr| {
        let at = column.as_column().filter(|c| *c >= own)?;
        let same = column.data_type == value.data_type || (column.data_type.is_text() && value.data_type.is_text());
        (same && before(value)).then(|| (at - own, value.clone()))
    };
    of(left, right).or_else(|| of(right, left))
}

/// What the hint, the session and the table say of the lookup, in this order.
fn options(
    hint: Option<&LookupHint>,
    table: &TableDef,
    settings: &BTreeMap<String, String>,
    place: Place,
) -> Result<LookupOptions, SqlError> {
    let mut given: BTreeMap<&str, Text> = BTreeMap::new();
    for (key, setting) in SETTINGS {
        if let Some(value) = settings.get(setting) {
            given.insert(key, Text { value: value.clone(), place: place_span(hint) });
        }
    }
    for (key, value) in hint.iter().flat_map(|h| &h.options) {
        let Some(known) = HINT_KEYS.iter().find(|k| **k == key.value) else {
            return Err(SqlError::at(place_span(hint), format!("the hint LOOKUP has no option '{}'", key.value))
                .maybe_hint(did_you_mean(&key.value, HINT_KEYS)));
        };
        given.insert(known, value.clone());
    }
    let at = hint.map_or(place, |h| h.place.into());
    let read = Given { given, at };
    let mut options = LookupOptions { cache: cache(table, place)?, ..LookupOptions::default() };
    options.ordered = match read.text("output-mode").map(|v| v.to_ascii_lowercase()).as_deref() {
        None | Some("ordered") => true,
        Some("allow_unordered") => false,
        Some(_) => return Err(read.wrong("output-mode", "ordered or allow_unordered")),
    };
    if let Some(capacity) = read.number("capacity", 1, LookupOptions::CAPACITY_MAX as u64)? {
        options.capacity = capacity as usize;
    }
    if let Some(timeout) = read.duration("timeout")? {
        options.timeout_ms = timeout;
    }
    match read.text("async").map(|v| v.to_ascii_lowercase()).as_deref() {
        None | Some("true") => {}
        Some("false") => (options.capacity, options.ordered) = (1, true),
        Some(_) => return Err(read.wrong("async", "true or false")),
    }
    options.retry = retry(&read)?;
    Ok(options)
}

fn place_span(hint: Option<&LookupHint>) -> sqlparser::tokenizer::Span {
    hint.map_or_else(sqlparser::tokenizer::Span::empty, |h| h.place)
}

fn retry(read: &Given<'_>) -> Result<Option<LookupRetry>, SqlError> {
    let keys = ["retry-predicate", "retry-strategy", "fixed-delay", "max-attempts"];
    if keys.iter().all(|k| read.text(k).is_none()) {
        return Ok(None);
    }
    if let Some(missing) = keys.iter().find(|k| read.text(k).is_none()) {
        return Err(SqlError::at(read.at, format!("the hint LOOKUP lacks '{missing}'")).hint("a retry needs all four"));
    }
    if read.text("retry-predicate") != Some("lookup_miss") {
        return Err(read.wrong("retry-predicate", "lookup_miss"));
    }
    if read.text("retry-strategy") != Some("fixed_delay") {
        return Err(read.wrong("retry-strategy", "fixed_delay"));
    }
    let delay_ms = read.duration("fixed-delay")?.unwrap_or_default();
    let attempts = read.number("max-attempts", 1, 1_000)?.unwrap_or_default() as u32;
    Ok(Some(LookupRetry { delay_ms, attempts }))
}

/// The options of a hint, to be read.
struct Given<'a> {
    given: BTreeMap<&'a str, Text>,
    at: Place,
}

impl Given<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(|t| t.value.as_str())
    }

    fn wrong(&self, key: &str, wanted: &str) -> SqlError {
        let value = self.text(key).unwrap_or_default();
        SqlError::at(self.at, format!("'{key}' of a lookup is {wanted}, not '{value}'"))
    }

    fn number(&self, key: &str, least: u64, most: u64) -> Result<Option<u64>, SqlError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let number = text.trim().parse().ok().filter(|n| (least..=most).contains(n));
        number.map(Some).ok_or_else(|| self.wrong(key, &format!("a whole number from {least} to {most}")))
    }

    fn duration(&self, key: &str) -> Result<Option<u64>, SqlError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let found = duration_ms(text).filter(|ms| *ms > 0);
        found.map(Some).ok_or_else(|| self.wrong(key, "a duration such as '5 s'"))
    }
}

/// What the table's options say of a cache.
fn cache(table: &TableDef, place: Place) -> Result<Option<LookupCache>, SqlError> {
    let text = |key: &str| table.options.get(key).map(String::as_str);
    let wrong = |key: &str, wanted: &str| {
        let value = text(key).unwrap_or_default();
        SqlError::at(place, format!("table \"{}\": '{key}' is {wanted}, not '{value}'", table.name))
    };
    let [kind, rows, ttl, misses] = LookupCache::KEYS;
    match text(kind).map(str::to_ascii_uppercase).as_deref() {
        None | Some("NONE" | "FULL") => return Ok(None),
        Some("PARTIAL") => {}
        Some(_) => return Err(wrong(kind, "NONE, PARTIAL or FULL")),
    }
    let number = |key: &str| text(key).map(|t| t.trim().parse::<usize>().ok());
    let keys_max = match number(rows) {
        None => LookupCache::KEYS_DEFAULT,
        Some(n) => n
            .filter(|n| (1..=LookupCache::KEYS_MAX).contains(n))
            .ok_or_else(|| wrong(rows, &format!("a whole number from 1 to {}", LookupCache::KEYS_MAX)))?,
    };
    let Some(ttl_ms) = text(ttl) else {
        return Err(SqlError::at(place, format!("table \"{}\": a cache needs the option '{ttl}'", table.name))
            .hint("like '10 min'"));
    };
    let ttl_ms = duration_ms(ttl_ms).filter(|ms| *ms > 0).ok_or_else(|| wrong(ttl, "a duration such as '10 min'"))?;
    let misses = match text(misses) {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(wrong(misses, "true or false")),
    };
    Ok(Some(LookupCache { keys_max, ttl_ms, misses }))
}

/// The table that a lookup reads, among what a relation is made of.
pub(super) fn table_of(widening: &Widening) -> Option<&Arc<TableDef>> {
    match widening {
        Widening::Lookup(call) => Some(&call.table),
        Widening::Function(_) => None,
    }
}
