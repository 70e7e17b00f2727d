//! Holds changes back until the checkpoint that contains them is durable.
//!
//! Which rows a query shows for a moment and takes back again depends on how its input is cut into batches. After a crash the
//! same input comes in other batches: a row that was shown before it, and that nobody takes back now, would stay for ever.

use crate::port::{PortError, Refusals, RowKind, Sink, SinkBatch};
use crate::run::aggregate::{loaded, saved};
use crate::run::keyed::RowCodec;
use crate::types::Schema;
use arrow_array::{RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::{ArrowError, SchemaRef};
use model::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Most changes that are handed on at once.
const BATCH_ROWS: usize = 4_096;

/// A sink whose changes become visible with checkpoints. What waits is one change for each id that has changed since the last
/// one.
pub(crate) struct HeldSink {
    inner: Box<dyn Sink>,
    table: String,
    codec: RowCodec,
    schema: SchemaRef,
    /// Names and types of the columns: what was prepared for others cannot be written.
    columns: String,
    waiting: BTreeMap<String, Change>,
}

/// What has become of an id: the number of a [`RowKind`], and the row.
type Change = (i8, Vec<u8>);
/// The columns, and what has become of each id.
type Transaction = (String, Vec<(String, Change)>);

impl HeldSink {
    /// Holds back what goes to `inner`, a writer of `table` that replaces rows of `schema` by id. What an earlier run has
    /// prepared is written first.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) fn new(
        inner: Box<dyn Sink>,
        table: &str,
        schema: &Schema,
        prepared: &[Vec<u8>],
    ) -> Result<Self, PortError> {
        let types = schema.fields.iter().map(|f| f.data_type.arrow());
        let columns: Vec<String> = schema.fields.iter().map(|f| format!("{} {}", f.name, f.data_type)).collect();
        let mut sink = Self {
            inner,
            table: table.to_owned(),
            codec: RowCodec::new(types).map_err(wrong)?,
            schema: schema.arrow(),
            columns: columns.join(", "),
            waiting: BTreeMap::new(),
        };
        prepared.iter().try_for_each(|transaction| sink.commit(transaction))?;
        Ok(sink)
    }

    fn hand_on(&mut self, changes: &[(String, Change)]) -> Result<(), PortError> {
        let columns = self.codec.decode(changes.iter().map(|(_, (_, row))| row.as_slice())).map_err(wrong)?;
        let options = RecordBatchOptions::new().with_row_count(Some(changes.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(wrong)?;
        let ids: StringArray = changes.iter().map(|(id, _)| Some(id.as_str())).collect();
        let kinds = changes.iter().map(|(_, (kind, _))| RowKind::of(*kind)).collect();
        self.inner.write(&SinkBatch { rows, ids: Some(ids), kinds: Some(kinds) })
    }
}

fn wrong(error: ArrowError) -> PortError {
    PortError::new(Kind::Internal, format!("changes that are held back: {error}"))
}

impl Sink for HeldSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        let Some(ids) = &batch.ids else {
            return Err(PortError::new(Kind::Internal, format!("table {}: changes without ids", self.table)));
        };
        let rows = self.codec.encode(batch.rows.columns(), batch.rows.num_rows()).map_err(wrong)?;
        for row in 0..batch.rows.num_rows() {
            let change = (batch.kind(row) as i8, rows.row(row).data().to_vec());
            self.waiting.insert(ids.value(row).to_owned(), change);
        }
        Ok(())
    }

    /// What waits stays invisible.
    fn flush(&mut self) -> Result<(), PortError> {
        self.inner.flush()
    }

    fn prepare(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        let changes: Vec<(String, Change)> = std::mem::take(&mut self.waiting).into_iter().collect();
        let transaction: Transaction = (self.columns.clone(), changes);
        saved(&transaction).map(Some).map_err(|e| PortError::new(Kind::Internal, e))
    }

    fn commit(&mut self, transaction: &[u8]) -> Result<(), PortError> {
        let corrupt = |e: String| {
            PortError::new(Kind::Corrupt, format!("table {}: what was prepared for it cannot be read: {e}", self.table))
        };
        let (columns, changes): Transaction = loaded(transaction).map_err(corrupt)?;
        if columns != self.columns {
            let message = format!(
                "table {}: changes to the columns {columns} were prepared and not written before it became {}; run the \
                 earlier script until it has written them",
                self.table, self.columns
            );
            return Err(PortError::new(Kind::Conflict, message));
        }
        changes.chunks(BATCH_ROWS).try_for_each(|changes| self.hand_on(changes))?;
        self.inner.flush()
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.inner.close()
    }

    fn flush_interval(&self) -> Option<Duration> {
        self.inner.flush_interval()
    }

    fn refusals(&self) -> Option<Arc<Refusals>> {
        self.inner.refusals()
    }
}
