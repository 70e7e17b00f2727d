//! Deciding about writes: versions, conflicts, updates of parts, fields that no one announced.

use super::{State, TableMeta};
use crate::disk::Record;
use crate::document::{DocumentError, Parsed, parse_document};
use crate::error::IndexError;
use crate::json::{self, Member, Node, Value};
use crate::mapping::Mapping;
use crate::operation::{Action, Outcome, Written};
use model::limits::DOCUMENT_ID_BYTES_MAX;
use std::sync::Arc;

/// A change to one document, decided.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) id: &'a str,
    pub(crate) version: u64,
    pub(crate) sequence: u64,
    /// What the document becomes; `None`: it is gone.
    pub(crate) content: Option<(&'a [u8], &'a Parsed)>,
}

/// A document that was read with a mapping before the index was locked.
#[derive(Debug)]
pub(crate) struct Prepared {
    mapping: Arc<Mapping>,
    parsed: Result<Parsed, DocumentError>,
}

impl Prepared {
    /// Reads the document of an action that brings a whole one.
    pub(crate) fn new(action: &Action, mapping: &Arc<Mapping>) -> Option<Self> {
        match action {
            Action::Index { source } | Action::Create { source } => {
                Some(Self { mapping: mapping.clone(), parsed: parse_document(source, mapping) })
            }
            Action::Update { .. } | Action::Delete => None,
        }
    }
}

impl State {
    /// Decides about an action, makes its change, and appends its records to `log`. The caller makes the log durable
    /// before it tells anyone.
    pub(crate) fn write(
        &mut self,
        meta: &TableMeta,
        id: &str,
        action: &Action,
        prepared: Option<Prepared>,
        log: &mut Vec<u8>,
    ) -> Result<Written, IndexError> {
        if id.len() > DOCUMENT_ID_BYTES_MAX {
            return Err(IndexError::IdTooLong { id: id.to_owned() });
        }
        if self.dropped {
            return Err(IndexError::NoIndex(meta.name.clone()));
        }
        let old = self.find(id);
        match action {
            Action::Index { source } => self.put(meta, id, old, source, prepared, log),
            Action::Create { source } => match old {
                Some(row) => Err(IndexError::Exists { id: id.to_owned(), version: self.version(row).0 }),
                None => self.put(meta, id, None, source, prepared, log),
            },
            Action::Update { document, upsert, document_is_upsert } => match (old, document, upsert) {
                (Some(row), Some(document), _) => self.update(meta, id, row, document, log),
                (None, Some(document), _) if *document_is_upsert => self.put(meta, id, None, document, None, log),
                (None, _, Some(upsert)) => self.put(meta, id, None, upsert, None, log),
                (None, _, None) => Err(IndexError::Missing { id: id.to_owned() }),
                (Some(row), None, _) => Ok(self.unchanged(id, row)),
            },
            Action::Delete => Ok(self.delete(meta, id, old, log)),
        }
    }

    fn put(
        &mut self,
        meta: &TableMeta,
        id: &str,
        old: Option<u32>,
        source: &[u8],
        prepared: Option<Prepared>,
        log: &mut Vec<u8>,
    ) -> Result<Written, IndexError> {
        let parsed = self.parse(meta, source, prepared, log)?;
        let version = 1 + old.map_or_else(|| self.version_of_deleted(id), |row| self.version(row).0);
        let sequence = self.next_sequence();
        Record::Put { table: meta.number, id, version, sequence, source }.encode(log);
        self.change(&Change { id, version, sequence, content: Some((source, &parsed)) });
        let outcome = if old.is_some() { Outcome::Updated } else { Outcome::Created };
        Ok(Written { id: id.to_owned(), version, sequence, outcome })
    }

    /// The values of a document. Fields that it brings are added to the mapping, and the mapping to the log.
    fn parse(
        &mut self,
        meta: &TableMeta,
        source: &[u8],
        prepared: Option<Prepared>,
        log: &mut Vec<u8>,
    ) -> Result<Parsed, IndexError> {
        let parsed = match prepared {
            // Another write may have changed the mapping since.
            Some(prepared) if Arc::ptr_eq(&prepared.mapping, &self.mapping) => prepared.parsed?,
            _ => parse_document(source, &self.mapping)?,
        };
        let brings_none = parsed.found.fields().is_empty()
            && parsed.found.objects().iter().all(|o| self.mapping.objects().contains(o));
        if brings_none {
            return Ok(parsed);
        }
        let mapping = self.mapping.merged(&parsed.found).map_err(DocumentError::Mapping)?;
        // Only a document that fits the new mapping may bring it about.
        let parsed = parse_document(source, &mapping)?;
        Record::Map(meta.number, mapping.clone()).encode(log);
        self.set_mapping(mapping);
        Ok(parsed)
    }

    fn update(
        &mut self,
        meta: &TableMeta,
        id: &str,
        row: u32,
        document: &[u8],
        log: &mut Vec<u8>,
    ) -> Result<Written, IndexError> {
        let old = self.source(row).map_err(|e| IndexError::Corrupt(e.to_string()))?;
        let mut merged = json::parse(&old).map_err(|e| IndexError::Corrupt(e.to_string()))?;
        let part = json::parse(document).map_err(DocumentError::Json)?;
        let Value::Object(part) = part.value else { return Err(DocumentError::NotAnObject.into()) };
        if !merge(&mut merged, part) {
            return Ok(self.unchanged(id, row));
        }
        self.put(meta, id, Some(row), &merged.value.to_bytes(), None, log)
    }

    fn unchanged(&self, id: &str, row: u32) -> Written {
        let (version, sequence) = self.version(row);
        Written { id: id.to_owned(), version, sequence, outcome: Outcome::Unchanged }
    }

    fn delete(&mut self, meta: &TableMeta, id: &str, old: Option<u32>, log: &mut Vec<u8>) -> Written {
        let version = 1 + old.map_or_else(|| self.version_of_deleted(id), |row| self.version(row).0);
        let sequence = self.next_sequence();
        Record::Remove { table: meta.number, id, version, sequence }.encode(log);
        self.change(&Change { id, version, sequence, content: None });
        let outcome = if old.is_some() { Outcome::Deleted } else { Outcome::NotFound };
        Written { id: id.to_owned(), version, sequence, outcome }
    }
}

/// Merges members into an object: inner objects are merged, everything else is replaced. Returns whether it changed.
fn merge(into: &mut Node, part: Vec<Member>) -> bool {
    let Value::Object(members) = &mut into.value else { return false };
    let mut changed = false;
    for new in part {
        match members.iter_mut().find(|m| m.key == new.key) {
            None => {
                members.push(new);
                changed = true;
            }
            Some(old) => match (&old.node.value, new.node.value) {
                (Value::Object(_), Value::Object(inner)) => changed |= merge(&mut old.node, inner),
                (value, replacement) if same(value, &replacement) => {}
                (_, replacement) => {
                    old.node.value = replacement;
                    changed = true;
                }
            },
        }
    }
    changed
}

/// Whether two values are the same, wherever they stand in their texts.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(&a.value, &b.value))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|m| b.iter().any(|n| n.key == m.key && same(&m.node.value, &n.node.value)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, part: &str, expected: &str, changes: bool) {
        let mut node = json::parse(old.as_bytes()).unwrap();
        let Value::Object(part) = json::parse(part.as_bytes()).unwrap().value else { panic!("no object") };
        assert_eq!(merge(&mut node, part), changes, "{old}");
        assert_eq!(String::from_utf8(node.value.to_bytes()).unwrap(), expected);
    }

    #[test]
    fn parts_are_merged() {
        check(r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":1}"#, false);
        check(r#"{"a":1}"#, r#"{"a":2,"b":[1]}"#, r#"{"a":2,"b":[1]}"#, true);
        check(r#"{"o":{"a":1}}"#, r#"{ "o":{"b":2}}"#, r#"{"o":{"a":1,"b":2}}"#, true);
        check(r#"{"o":{"a":[1,{"x":2}]}}"#, r#"{"o":{"a":[1, {"x":2}]}}"#, r#"{"o":{"a":[1,{"x":2}]}}"#, false);
        check(r#"{"o":{"a":1}}"#, r#"{"o":null}"#, r#"{"o":null}"#, true);
    }
}
