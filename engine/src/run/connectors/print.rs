//! `print`: writes rows as Flink prints them, one a line.

use super::Output;
use crate::port::{PortError, Sink, SinkBatch, SinkSpec};
use crate::run::encode::Cell;
use crate::types::Schema;
use model::Kind;

pub(super) struct PrintSink {
    schema: Schema,
    prefix: String,
    output: Output,
}

impl PrintSink {
    /// A writer to `output`. As in Flink a line begins with the identifier and the writer's number, where there is one
    /// or several.
    pub(super) fn new(spec: &SinkSpec, output: Output) -> Self {
        let identifier = spec.table.options.get("print-identifier").cloned().unwrap_or_default();
        let number = if spec.parallelism > 1 { (spec.subtask + 1).to_string() } else { String::new() };
        let parts: Vec<String> = [identifier, number].into_iter().filter(|p| !p.is_empty()).collect();
        let prefix = if parts.is_empty() { String::new() } else { format!("{}> ", parts.join(":")) };
        Self { schema: spec.schema.clone(), prefix, output }
    }
}

fn gone(error: std::io::Error) -> PortError {
    PortError::new(Kind::Unavailable, format!("the output cannot be written: {error}"))
}

impl Sink for PrintSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        let columns = self.schema.fields.iter().zip(batch.rows.columns());
        let cells = columns.map(|(f, c)| Cell::bind(f, c.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let mut text = Vec::new();
        for row in 0..batch.rows.num_rows() {
            text.extend_from_slice(self.prefix.as_bytes());
            text.extend_from_slice(batch.kind(row).sign().as_bytes());
            text.push(b'[');
            for (index, cell) in cells.iter().enumerate() {
                if index > 0 {
                    text.extend_from_slice(b", ");
                }
                if cell.is_null(row) {
                    text.extend_from_slice(b"null");
                } else {
                    cell.write_shown(row, &mut text);
                }
            }
            text.extend_from_slice(b"]\n");
        }
        self.output.lock().write_all(&text).map_err(gone)
    }

    fn flush(&mut self) -> Result<(), PortError> {
        self.output.lock().flush().map_err(gone)
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.flush()
    }
}
