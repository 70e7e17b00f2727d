//! Rows to JSON, written as Flink's JSON format writes them; and single values to text for ids and printing.

pub(crate) mod moment;
pub(crate) mod number;
mod value;

pub(crate) use value::Cell;

use crate::run::decode::{JsonOptions, TimestampFormat};
use crate::types::Schema;
use arrow_array::RecordBatch;
use model::Kind;

use crate::port::PortError;

/// Writes rows as JSON objects: members in the order of the columns, numbers as Java writes them, DECIMAL without an
/// exponent, timestamps as `json.timestamp-format.standard` says, points in time in UTC with `Z`.
#[derive(Debug, Clone)]
pub struct JsonEncoder {
    /// `{"name":` for the first column, `,"name":` for the others; without the first byte.
    keys: Vec<Vec<u8>>,
    options: JsonOptions,
    schema: Schema,
}

impl JsonEncoder {
    /// An encoder for rows of `schema`.
    pub fn new(schema: &Schema, options: JsonOptions) -> Self {
        let key = |name: &str| {
            let mut out = Vec::new();
            write_string(name, &mut out);
            out.push(b':');
            out
        };
        Self { keys: schema.fields.iter().map(|f| key(&f.name)).collect(), options, schema: schema.clone() }
    }

    /// Prepares the rows of one batch, whose columns are those of the schema, to be written.
    ///
    /// # Errors
    /// `Internal` when a column is not of the type that the schema says.
    pub fn bind<'a>(&'a self, batch: &'a RecordBatch) -> Result<BoundRows<'a>, PortError> {
        if batch.num_columns() != self.schema.fields.len() {
            let message = format!("{} columns came where {} go out", batch.num_columns(), self.schema.fields.len());
            return Err(PortError::new(Kind::Internal, message));
        }
        let cells = self.schema.fields.iter().zip(batch.columns()).map(|(f, c)| Cell::bind(f, c.as_ref()));
        Ok(BoundRows { encoder: self, cells: cells.collect::<Result<_, _>>()? })
    }
}

/// The rows of one batch, ready to be written one by one.
pub struct BoundRows<'a> {
    encoder: &'a JsonEncoder,
    cells: Vec<Cell<'a>>,
}

impl BoundRows<'_> {
    /// Appends row `row` as one JSON object, without a newline.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut first = true;
        for (key, cell) in self.encoder.keys.iter().zip(&self.cells) {
            let null = cell.is_null(row);
            if null && self.encoder.options.ignore_null_fields {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(key);
            if null {
                out.extend_from_slice(b"null");
            } else {
                cell.write_json(row, self.encoder.options.timestamp_format, out);
            }
        }
        out.push(b'}');
    }
}

/// The byte between date and time.
pub(crate) fn separator(format: TimestampFormat) -> u8 {
    if format == TimestampFormat::Iso8601 { b'T' } else { b' ' }
}

/// Appends `text` in quotes, escaped as JSON wants it.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &c) in bytes.iter().enumerate() {
        if c >= b' ' && c != b'"' && c != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match c {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            _ => out.extend_from_slice(format!("\\u{c:04X}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_so_that_json_reads_them_back() {
        for text in ["", "plain", "q\"b\\n\n\r\t\u{8}\u{c}\u{1}\u{1f}", "é🚕"] {
            let mut out = Vec::new();
            write_string(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
