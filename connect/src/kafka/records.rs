//! Rows as keys and values of records.

use super::options::{KeyFormat, Layout};
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use engine::port::{PortError, SinkBatch};
use engine::run::encode::{BoundRows, JsonEncoder};
use engine::types::{Field, Schema};
use model::Kind;

/// Takes a record: its key and its value, either of which may be absent.
pub(super) type Taker<'a> = dyn FnMut(Option<&[u8]>, Option<&[u8]>) -> Result<(), PortError> + 'a;

/// Writes rows of one schema.
#[derive(Debug)]
pub(super) struct RecordEncoder {
    key: Option<Key>,
    value: Part,
}

#[derive(Debug)]
enum Key {
    Json(Part),
    /// The text of a column.
    Raw(usize),
}

/// Some columns, as one object.
#[derive(Debug)]
struct Part {
    columns: Vec<usize>,
    encoder: JsonEncoder,
}

impl Part {
    fn project(&self, rows: &RecordBatch) -> Result<RecordBatch, PortError> {
        rows.project(&self.columns).map_err(|e| wrong(&e))
    }
}

fn wrong(error: &dyn std::fmt::Display) -> PortError {
    PortError::new(Kind::Internal, format!("rows for a topic: {error}"))
}

impl RecordEncoder {
    /// An encoder of rows of `schema`, whose columns are those of the table.
    pub(super) fn new(schema: &Schema, layout: &Layout) -> Self {
        let key = layout.key.as_ref().map(|key| match (key.format, key.columns.first()) {
            (KeyFormat::Raw, Some(column)) => Key::Raw(*column),
            _ => {
                let field = |c: &usize| {
                    let field = &schema.fields[*c];
                    let name = field.name.strip_prefix(&key.prefix).unwrap_or(&field.name).to_owned();
                    Field { name, ..field.clone() }
                };
                let own = Schema { fields: key.columns.iter().map(field).collect() };
                Key::Json(Part { columns: key.columns.clone(), encoder: JsonEncoder::new(&own, key.json) })
            }
        });
        let own = Schema { fields: layout.value.iter().map(|c| schema.fields[*c].clone()).collect() };
        let value = Part { columns: layout.value.clone(), encoder: JsonEncoder::new(&own, layout.value_json) };
        Self { key, value }
    }

    /// Gives each row of the batch to `take`, in its order; one that is taken back as a key without a value.
    ///
    /// # Errors
    /// What `take` gives; `Internal` for columns of other types.
    pub(super) fn each(&self, batch: &SinkBatch, take: &mut Taker<'_>) -> Result<(), PortError> {
        let rows = &batch.rows;
        let key_rows = match &self.key {
            Some(Key::Json(part)) => Some(part.project(rows)?),
            _ => None,
        };
        let value_rows = self.value.project(rows)?;
        let keys = Keys::bind(self.key.as_ref(), rows, key_rows.as_ref())?;
        let values = self.value.encoder.bind(&value_rows)?;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for row in 0..rows.num_rows() {
            key.clear();
            let has_key = keys.write(row, &mut key);
            let adds = batch.kind(row).adds();
            if adds {
                value.clear();
                values.write(row, &mut value);
            }
            take(has_key.then_some(&key), adds.then_some(&value))?;
        }
        Ok(())
    }
}

/// The keys of one batch.
enum Keys<'a> {
    None,
    Json(BoundRows<'a>),
    Raw(&'a arrow_array::StringArray),
}

impl<'a> Keys<'a> {
    fn bind(key: Option<&'a Key>, rows: &'a RecordBatch, own: Option<&'a RecordBatch>) -> Result<Self, PortError> {
        match (key, own) {
            (Some(Key::Json(part)), Some(own)) => Ok(Self::Json(part.encoder.bind(own)?)),
            (Some(Key::Raw(column)), _) => {
                let text = rows.column(*column).as_string_opt::<i32>();
                text.map(Self::Raw).ok_or_else(|| wrong(&"the key's column is no text"))
            }
            _ => Ok(Self::None),
        }
    }

    /// Appends the key of a row; whether it has one.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> bool {
        match self {
            Self::None => false,
            Self::Json(rows) => {
                rows.write(row, out);
                true
            }
            Self::Raw(text) if text.is_null(row) => false,
            Self::Raw(text) => {
                out.extend_from_slice(text.value(row).as_bytes());
                true
            }
        }
    }
}
