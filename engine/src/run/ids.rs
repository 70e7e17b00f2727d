//! Names of result rows: a function of application, table and key, so that writing a row again replaces it.

use super::encode::Cell;
use crate::port::PortError;
use crate::types::Schema;
use arrow_array::builder::StringBuilder;
use arrow_array::{RecordBatch, StringArray};
use model::limits::DOCUMENT_ID_BYTES_MAX;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The separator between the parts of an id that is no declared primary key.
const SEPARATOR: u8 = b'|';
/// How many bytes of an id that is too long stand before its hash.
const PREFIX_BYTES: usize = DOCUMENT_ID_BYTES_MAX - 33;

/// How rows of one sink are named.
#[derive(Debug, Clone)]
pub(crate) enum IdRule {
    /// The fields of the declared primary key, joined as Flink's connectors join them.
    PrimaryKey {
        /// The option `document-id.key-delimiter`, `_` by default.
        delimiter: String,
    },
    /// Application, table and key, with the separator escaped inside them.
    Derived { application: String, table: String },
}

/// Names the rows of batches of one schema.
#[derive(Debug, Clone)]
pub(crate) struct IdMaker {
    rule: IdRule,
    key: Vec<usize>,
    schema: Schema,
}

impl IdMaker {
    /// Names rows of `schema` by the columns `key`, which are not none.
    pub(crate) fn new(rule: IdRule, key: Vec<usize>, schema: Schema) -> Self {
        Self { rule, key, schema }
    }

    /// The names of all rows of `batch`.
    pub(crate) fn ids(&self, batch: &RecordBatch) -> Result<StringArray, PortError> {
        let cells = self.key.iter().map(|k| Cell::bind(&self.schema.fields[*k], batch.column(*k).as_ref()));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        let mut ids = StringBuilder::with_capacity(batch.num_rows(), batch.num_rows() * 32);
        let mut prefix = Vec::new();
        if let IdRule::Derived { application, table } = &self.rule {
            escape(application.as_bytes(), &mut prefix);
            prefix.push(SEPARATOR);
            escape(table.as_bytes(), &mut prefix);
        }
        let (mut id, mut value) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            id.clear();
            id.extend_from_slice(&prefix);
            for (index, cell) in cells.iter().enumerate() {
                value.clear();
                if !cell.is_null(row) {
                    cell.write_plain(row, &mut value);
                }
                self.append(index, (!cell.is_null(row)).then_some(&value), &mut id);
            }
            ids.append_value(bounded(String::from_utf8_lossy(&id)));
        }
        Ok(ids.finish())
    }

    fn append(&self, index: usize, value: Option<&Vec<u8>>, id: &mut Vec<u8>) {
        match &self.rule {
            IdRule::PrimaryKey { delimiter } => {
                if index > 0 {
                    id.extend_from_slice(delimiter.as_bytes());
                }
                id.extend_from_slice(value.map_or(b"null", Vec::as_slice));
            }
            IdRule::Derived { .. } => {
                id.push(SEPARATOR);
                match value {
                    Some(value) => escape(value, id),
                    None => id.extend_from_slice(b"\\N"),
                }
            }
        }
    }
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &c in text {
        if c == SEPARATOR || c == b'\\' {
            out.push(b'\\');
        }
        out.push(c);
    }
}

/// An id that is too long, cut and made unique again by a hash of all of it.
fn bounded(id: Cow<'_, str>) -> Cow<'_, str> {
    if id.len() <= DOCUMENT_ID_BYTES_MAX {
        return id;
    }
    let cut = (0..=PREFIX_BYTES).rev().find(|at| id.is_char_boundary(*at)).unwrap_or(0);
    let mut short = id[..cut].to_owned();
    let _ = write!(short, "#{:032x}", fnv1a_128(id.as_bytes()));
    Cow::Owned(short)
}

/// The hash of Fowler, Noll and Vo, variant 1a, in 128 bits: stable across versions and machines.
pub(crate) fn fnv1a_128(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, b| (hash ^ u128::from(*b)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DataType, Field};
    use arrow_array::{ArrayRef, Float64Array, TimestampMillisecondArray};
    use std::sync::Arc;

    fn ids(rule: IdRule, texts: Vec<Option<&str>>) -> Vec<String> {
        let rows = texts.len();
        let columns: Vec<(DataType, ArrayRef)> = vec![
            (DataType::STRING, Arc::new(StringArray::from(texts))),
            (
                DataType::TimestampLtz(3),
                Arc::new(TimestampMillisecondArray::from(vec![3_600_000; rows]).with_timezone("UTC")),
            ),
            (DataType::Double, Arc::new(Float64Array::from(vec![1e10; rows]))),
        ];
        let field = |(i, (t, _)): (usize, &(DataType, ArrayRef))| Field {
            name: format!("c{i}"),
            data_type: *t,
            nullable: true,
        };
        let schema = Schema { fields: columns.iter().enumerate().map(field).collect() };
        let arrays = columns.into_iter().map(|c| c.1).collect();
        let batch = RecordBatch::try_new(schema.arrow(), arrays).unwrap();
        let made = IdMaker::new(rule, vec![0, 1, 2], schema).ids(&batch).unwrap();
        made.iter().map(|id| id.unwrap().to_owned()).collect()
    }

    #[test]
    fn primary_keys_are_joined_as_flink_joins_them() {
        let rule = IdRule::PrimaryKey { delimiter: "_".into() };
        assert_eq!(ids(rule, vec![Some("a"), None]), ["a_1970-01-01T01:00_1.0E10", "null_1970-01-01T01:00_1.0E10"]);
    }

    #[test]
    fn derived_ids_cannot_be_mistaken_for_each_other() {
        let rule = || IdRule::Derived { application: "a|b".into(), table: "t".into() };
        let made = ids(rule(), vec![Some("x|y"), Some("x\\"), None, Some("\\N"), Some("")]);
        assert_eq!(made[0], "a\\|b|t|x\\|y|1970-01-01T01:00|1.0E10");
        for (i, id) in made.iter().enumerate() {
            assert!(!made[..i].contains(id), "{id}");
        }
        let (long, longer) = ("é".repeat(400), "é".repeat(401));
        let made = ids(rule(), vec![Some(&long), Some(&longer)]);
        assert!(made.iter().all(|id| id.len() <= DOCUMENT_ID_BYTES_MAX));
        assert_ne!(made[0], made[1]);
    }
}
