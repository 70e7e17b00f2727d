//! The engine's sink into an index of the platform: rows become documents, their ids the documents' ids.

use bytes::Bytes;
use engine::port::{PortError, Sink, SinkBatch, SinkSpec};
use engine::run::decode::JsonOptions;
use engine::run::encode::JsonEncoder;
use index::{Action, Field, FieldKind, Index, IndexError, IndexSettings, Mapping, Operation, Refresh};
use model::Classified;
use std::collections::BTreeMap;

/// Documents that wait to be written at most: a write that would exceed this writes them first.
const WAITING_DOCUMENTS_MAX: usize = 5_000;

/// Writes rows into one index. What it has taken is durable after `flush`; it keeps 5,000 documents back at most.
pub(crate) struct IndexSink {
    index: Index,
    name: String,
    encoder: JsonEncoder,
    waiting: Vec<Operation>,
}

impl IndexSink {
    /// A sink into the index `name`, which is made by the first write where there is none.
    ///
    /// # Errors
    /// When the table's format options are wrong.
    pub(crate) fn new(index: Index, name: String, spec: &SinkSpec) -> Result<Self, PortError> {
        let mut options = spec.table.options.clone();
        // An index holds JSON and nothing else, so that the format need not be named.
        options.entry("format".to_owned()).or_insert_with(|| "json".to_owned());
        let encoder = JsonEncoder::new(&spec.schema, JsonOptions::parse(&options)?);
        Ok(Self { index, name, encoder, waiting: Vec::new() })
    }

    fn documents(&self, batch: &SinkBatch) -> Result<Vec<Operation>, PortError> {
        let rows = self.encoder.bind(&batch.rows)?;
        let document = |row| {
            let id = batch.ids.as_ref().map(|ids| ids.value(row).to_owned());
            if !batch.kind(row).adds() {
                return Operation { index: self.name.clone(), id, action: Action::Delete };
            }
            let mut source = Vec::with_capacity(128);
            rows.write(row, &mut source);
            Operation { index: self.name.clone(), id, action: Action::Index { source: Bytes::from(source) } }
        };
        Ok((0..batch.rows.num_rows()).map(document).collect())
    }

    fn refused(&self, error: &IndexError) -> PortError {
        PortError::new(error.kind(), format!("index {}: {error}", self.name))
    }

    fn write_waiting(&mut self) -> Result<(), PortError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = self.index.bulk(&self.waiting, Refresh::Later);
        self.waiting.clear();
        written.into_iter().try_for_each(|one| one.map(|_| ()).map_err(|e| self.refused(&e)))
    }
}

impl Sink for IndexSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        let documents = self.documents(batch)?;
        for document in documents {
            self.waiting.push(document);
            if self.waiting.len() >= WAITING_DOCUMENTS_MAX {
                self.write_waiting()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        self.write_waiting()
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.write_waiting()
    }
}

/// Makes an index with the given types of fields, unless there is one of this name.
pub(crate) fn make_index(index: &Index, name: &str, fields: &BTreeMap<String, String>) -> Result<(), String> {
    let mut mapping = Mapping::default();
    for (field, kind) in fields {
        let known = FieldKind::of(kind).ok_or_else(|| format!("field {field}: there is no type {kind:?}"))?;
        mapping.add(Field::new(field, known)).map_err(|e| e.to_string())?;
    }
    match index.create_index(name, IndexSettings::default(), mapping) {
        Ok(_) | Err(IndexError::IndexExists { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "for tests alone")]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, RecordBatch, StringArray};
    use engine::plan::TableDef;
    use engine::port::RowKind;
    use engine::types::{DataType, Field as Column, Schema};
    use index::IndexConfig;
    use model::Env;
    use std::sync::Arc;

    fn batch(schema: &Schema, changes: &[(&str, i64, RowKind)]) -> SinkBatch {
        let numbers = Int64Array::from_iter_values(changes.iter().map(|c| c.1));
        SinkBatch {
            rows: RecordBatch::try_new(schema.arrow(), vec![Arc::new(numbers)]).unwrap(),
            ids: Some(changes.iter().map(|c| Some(c.0)).collect::<StringArray>()),
            kinds: Some(changes.iter().map(|c| c.2).collect()),
        }
    }

    #[test]
    fn rows_that_are_taken_back_leave_the_index() {
        use RowKind::{Delete, Insert, UpdateAfter};
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(IndexConfig::new(dir.path(), Env::system())).unwrap();
        let schema = Schema { fields: vec![Column { name: "n".into(), data_type: DataType::BigInt, nullable: true }] };
        let table = TableDef {
            name: "t".into(),
            schema: schema.clone(),
            computed: vec![None],
            watermark: None,
            primary_key: vec![0],
            options: BTreeMap::new(),
        };
        let spec = SinkSpec {
            application: "app".into(),
            table: Arc::new(table),
            schema: schema.clone(),
            subtask: 0,
            parallelism: 1,
            prepared: None,
        };
        let mut sink = IndexSink::new(index.clone(), "docs".into(), &spec).unwrap();
        // What was never written can be taken back, even before there is an index.
        sink.write(&batch(&schema, &[("z", 0, Delete)])).unwrap();
        sink.flush().unwrap();
        sink.write(&batch(&schema, &[("a", 1, Insert), ("b", 2, Insert)])).unwrap();
        sink.write(&batch(&schema, &[("a", 3, UpdateAfter), ("b", 2, Delete), ("c", 4, Delete)])).unwrap();
        sink.flush().unwrap();
        assert!(index.get("docs", "a").unwrap().is_some());
        assert!(index.get("docs", "b").unwrap().is_none());
        index.refresh("docs").unwrap();
        assert_eq!(index.count(&["docs"], &index::Query::All { boost: 1.0 }).unwrap(), 1);
        sink.close().unwrap();
    }
}
