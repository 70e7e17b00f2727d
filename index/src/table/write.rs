//! Deciding about writes: versions, conflicts, updates of parts, fields that no one announced.

use super::prepared::{Cell, cells};
use super::{State, TableMeta};
use crate::disk::Record;
use crate::document::{DocumentError, parse_document};
use crate::error::IndexError;
use crate::ids::IdHash;
use crate::json::{self, Member, Node, Value};
use crate::operation::{Outcome, Wanted};
use model::limits::DOCUMENT_ID_BYTES_MAX;
use std::borrow::Cow;

/// A change to one document, decided.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) id: &'a str,
    pub(crate) version: u64,
    pub(crate) sequence: u64,
    /// What the document becomes; `None`: it is gone.
    pub(crate) content: Option<(&'a [u8], &'a [Cell])>,
}

/// What was decided about a write that is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided {
    pub(crate) version: u64,
    pub(crate) sequence: u64,
    pub(crate) outcome: Outcome,
}

/// The values of a document that was read before the index was locked, or why it cannot be; `None`: it was not read.
type Ready<'a> = Option<Result<&'a [Cell], DocumentError>>;

/// A document's id and where it stands, if it is there.
#[derive(Clone, Copy)]
struct Target<'a> {
    id: &'a str,
    hash: IdHash,
    row: Option<u32>,
}

impl State {
    /// Decides about a write, makes its change, and appends its records to `log`. The caller makes the log durable
    /// before it tells anyone.
    pub(crate) fn write(
        &mut self,
        meta: &TableMeta,
        (id, hash): (&str, IdHash),
        wanted: Wanted<'_>,
        ready: Ready<'_>,
        log: &mut Vec<u8>,
    ) -> Result<Decided, IndexError> {
        if id.len() > DOCUMENT_ID_BYTES_MAX {
            return Err(IndexError::IdTooLong { id: id.to_owned() });
        }
        if self.dropped {
            return Err(IndexError::NoIndex(meta.name.clone()));
        }
        let row = self.row(id, hash);
        let target = Target { id, hash, row };
        match wanted {
            Wanted::Index(source) => self.put(meta, target, source, ready, log),
            Wanted::Create(source) => match row {
                Some(row) => Err(IndexError::Exists { id: id.to_owned(), version: self.version(row).0 }),
                None => self.put(meta, target, source, ready, log),
            },
            Wanted::Update { document, upsert, document_is_upsert } => match (row, document, upsert) {
                (Some(row), Some(document), _) => self.update(meta, target, row, document, log),
                (None, Some(document), _) if document_is_upsert => self.put(meta, target, document, None, log),
                (None, _, Some(upsert)) => self.put(meta, target, upsert, None, log),
                (None, _, None) => Err(IndexError::Missing { id: id.to_owned() }),
                (Some(row), None, _) => Ok(self.unchanged(row)),
            },
            Wanted::Delete => Ok(self.delete(meta, target, log)),
        }
    }

    /// The version that a write gives to a document.
    fn next_version(&self, target: &Target<'_>) -> u64 {
        1 + target.row.map_or_else(|| self.version_of_deleted(target.id), |row| self.version(row).0)
    }

    fn put(
        &mut self,
        meta: &TableMeta,
        target: Target<'_>,
        source: &[u8],
        ready: Ready<'_>,
        log: &mut Vec<u8>,
    ) -> Result<Decided, IndexError> {
        let cells = match ready {
            Some(ready) => Cow::Borrowed(ready?),
            None => Cow::Owned(self.read(meta, source, log)?),
        };
        let (id, version, sequence) = (target.id, self.next_version(&target), self.next_sequence());
        Record::Put { table: meta.number, id, version, sequence, source }.encode(log);
        self.apply(target.hash, target.row, &Change { id, version, sequence, content: Some((source, &cells)) });
        let outcome = if target.row.is_some() { Outcome::Updated } else { Outcome::Created };
        Ok(Decided { version, sequence, outcome })
    }

    /// The values of a document. Fields that it brings are added to the mapping, and the mapping to the log.
    fn read(&mut self, meta: &TableMeta, source: &[u8], log: &mut Vec<u8>) -> Result<Vec<Cell>, IndexError> {
        let parsed = parse_document(source, &self.mapping)?;
        let brings_none = parsed.found.fields().is_empty()
            && parsed.found.objects().iter().all(|o| self.mapping.objects().contains(o));
        if brings_none {
            return Ok(cells(&parsed, &self.dictionaries));
        }
        let mapping = self.mapping.merged(&parsed.found).map_err(DocumentError::Mapping)?;
        // Only a document that fits the new mapping may bring it about.
        let parsed = parse_document(source, &mapping)?;
        Record::Map(meta.number, mapping.clone()).encode(log);
        self.set_mapping(mapping);
        Ok(cells(&parsed, &self.dictionaries))
    }

    fn update(
        &mut self,
        meta: &TableMeta,
        target: Target<'_>,
        row: u32,
        document: &[u8],
        log: &mut Vec<u8>,
    ) -> Result<Decided, IndexError> {
        let old = self.source(row).map_err(|e| IndexError::Corrupt(e.to_string()))?;
        let mut merged = json::parse(&old).map_err(|e| IndexError::Corrupt(e.to_string()))?;
        let part = json::parse(document).map_err(DocumentError::Json)?;
        let Value::Object(part) = part.value else { return Err(DocumentError::NotAnObject.into()) };
        if !merge(&mut merged, part) {
            return Ok(self.unchanged(row));
        }
        self.put(meta, target, &merged.value.to_bytes(), None, log)
    }

    fn unchanged(&self, row: u32) -> Decided {
        let (version, sequence) = self.version(row);
        Decided { version, sequence, outcome: Outcome::Unchanged }
    }

    fn delete(&mut self, meta: &TableMeta, target: Target<'_>, log: &mut Vec<u8>) -> Decided {
        let (id, version, sequence) = (target.id, self.next_version(&target), self.next_sequence());
        Record::Remove { table: meta.number, id, version, sequence }.encode(log);
        self.apply(target.hash, target.row, &Change { id, version, sequence, content: None });
        let outcome = if target.row.is_some() { Outcome::Deleted } else { Outcome::NotFound };
        Decided { version, sequence, outcome }
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
