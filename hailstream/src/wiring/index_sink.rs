//! The engine's sink into an index of the platform: rows become documents, their ids the documents' ids.

use engine::port::{PortError, Refusals, Sink, SinkBatch, SinkSpec};
use engine::run::decode::JsonOptions;
use engine::run::encode::JsonEncoder;
use index::{Field, FieldKind, Index, IndexError, IndexSettings, Mapping, Staged};
use model::{Classified, Kind};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How times are written.
const TIMESTAMPS: &str = "json.timestamp-format.standard";
/// Documents that wait to be written at most. So few that they are still in the cache when the index reads them.
const WAITING_DOCUMENTS_MAX: usize = 512;
/// Documents that are written without being on disk at most: with the next ones they are synced.
const UNSYNCED_DOCUMENTS_MAX: usize = 5_000;

/// How often documents are offered again that the index has no room for, before the job fails: within four seconds.
const TRIES: u32 = 10;
/// How long it waits before the first time; each time twice as long, up to the most.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Flink's option that says how that is done, and its value for not at all.
const BACKOFF: &str = "sink.bulk-flush.backoff.strategy";
const DISABLED: &str = "DISABLED";

/// Writes rows into one index. What it has taken is durable after `flush`.
pub(crate) struct IndexSink {
    index: Index,
    name: String,
    encoder: JsonEncoder,
    waiting: Waiting,
    unsynced: Unsynced,
    refusals: Arc<Refusals>,
    tries: u32,
    runtime: Handle,
}

/// Documents that wait to be written, one behind the other.
#[derive(Default)]
struct Waiting {
    ids: String,
    sources: Vec<u8>,
    documents: Vec<Place>,
}

/// Where a waiting document's id and text stand; one without a text is deleted.
struct Place {
    id: Option<Range<usize>>,
    source: Option<Range<usize>>,
}

/// What was written and may not be on disk.
#[derive(Default)]
struct Unsynced {
    documents: usize,
    /// The index's ticket for the last of it.
    ticket: u64,
}

impl Waiting {
    fn push(&mut self, id: Option<&str>, write: Option<impl FnOnce(&mut Vec<u8>)>) {
        let (id_from, source_from) = (self.ids.len(), self.sources.len());
        self.ids.push_str(id.unwrap_or_default());
        let source = write.map(|write| {
            write(&mut self.sources);
            source_from..self.sources.len()
        });
        let id = id.map(|_| id_from..self.ids.len());
        self.documents.push(Place { id, source });
    }

    fn staged(&self) -> Vec<Staged<'_>> {
        let staged = |place: &Place| Staged {
            id: place.id.clone().map(|id| &self.ids[id]),
            source: place.source.clone().map(|source| &self.sources[source]),
        };
        self.documents.iter().map(staged).collect()
    }

    fn clear(&mut self) {
        self.ids.clear();
        self.sources.clear();
        self.documents.clear();
    }
}

impl IndexSink {
    /// A sink into the index `name`, which is made by the first write where there is none. It waits on `runtime`.
    ///
    /// # Errors
    /// When the table's format options are wrong.
    pub(crate) fn new(index: Index, name: String, spec: &SinkSpec, runtime: Handle) -> Result<Self, PortError> {
        let mut options = spec.table.options.clone();
        // An index holds JSON and nothing else, so that the format need not be named.
        options.entry("format".to_owned()).or_insert_with(|| "json".to_owned());
        // A field of dates reads no other form.
        options.entry(TIMESTAMPS.to_owned()).or_insert_with(|| "ISO-8601".to_owned());
        let encoder = JsonEncoder::new(&spec.schema, JsonOptions::parse(&options)?);
        let is_patient = options.get(BACKOFF).is_none_or(|strategy| !strategy.eq_ignore_ascii_case(DISABLED));
        let tries = if is_patient { TRIES } else { 0 };
        let (waiting, unsynced, refusals) = (Waiting::default(), Unsynced::default(), Arc::default());
        Ok(Self { index, name, encoder, waiting, unsynced, refusals, tries, runtime })
    }

    /// Takes rows from `from` on, as many as may wait. Returns the first that it left.
    fn take(&mut self, batch: &SinkBatch, from: usize) -> Result<usize, PortError> {
        let rows = self.encoder.bind(&batch.rows)?;
        let room = WAITING_DOCUMENTS_MAX.saturating_sub(self.waiting.documents.len());
        let end = batch.rows.num_rows().min(from + room);
        for row in from..end {
            let id = batch.ids.as_ref().map(|ids| ids.value(row));
            let write = batch.kind(row).adds().then_some(|out: &mut Vec<u8>| rows.write(row, out));
            self.waiting.push(id, write);
        }
        Ok(end)
    }

    fn refused(&self, error: &IndexError) -> PortError {
        PortError::new(error.kind(), format!("index {}: {error}", self.name))
    }

    fn write_waiting(&mut self) -> Result<(), PortError> {
        if self.waiting.documents.is_empty() {
            return Ok(());
        }
        let staged = self.stage();
        self.unsynced.documents += self.waiting.documents.len();
        self.waiting.clear();
        self.unsynced.ticket = staged.map_err(|e| self.refused(&e))?;
        Ok(())
    }

    /// Hands what waits to the index, again and again while that has no room. It takes none of them then, so that none is
    /// written twice.
    fn stage(&self) -> Result<u64, IndexError> {
        let (staged, mut pause) = (self.waiting.staged(), PAUSE);
        let rows = staged.len() as u64;
        for _ in 0..self.tries {
            match self.index.stage(&self.name, &staged) {
                Err(full) if full.kind() == Kind::Throttled => self.refusals.refused(rows),
                done => return done.inspect_err(|_| self.refusals.refused(rows)),
            }
            self.runtime.block_on(async { tokio::time::sleep(pause).await });
            pause = (pause * 2).min(PAUSE_MAX);
            self.refusals.retried(rows);
        }
        self.index.stage(&self.name, &staged).inspect_err(|_| self.refusals.refused(rows))
    }

    fn sync(&mut self) -> Result<(), PortError> {
        self.write_waiting()?;
        self.unsynced.documents = 0;
        self.index.sync(self.unsynced.ticket).map_err(|e| self.refused(&e))
    }
}

impl Sink for IndexSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        let mut from = 0;
        while from < batch.rows.num_rows() {
            from = self.take(batch, from)?;
            if self.waiting.documents.len() >= WAITING_DOCUMENTS_MAX {
                self.write_waiting()?;
            }
            if self.unsynced.documents >= UNSYNCED_DOCUMENTS_MAX {
                self.sync()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        self.sync()
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.sync()
    }

    fn refusals(&self) -> Option<Arc<Refusals>> {
        Some(self.refusals.clone())
    }
}

/// The fields of an index from the names of their types.
pub(super) fn mapping(fields: &BTreeMap<String, String>) -> Result<Mapping, String> {
    let mut mapping = Mapping::default();
    for (field, kind) in fields {
        let known = FieldKind::of(kind).ok_or_else(|| format!("field {field}: there is no type {kind:?}"))?;
        mapping.add(Field::new(field, known)).map_err(|e| e.to_string())?;
    }
    Ok(mapping)
}

/// Makes an index with the given types of fields, unless there is one of this name.
pub(crate) fn make_index(index: &Index, name: &str, fields: &BTreeMap<String, String>) -> Result<(), String> {
    match index.create_index(name, IndexSettings::default(), mapping(fields)?) {
        Ok(_) | Err(IndexError::IndexExists { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "for tests alone")]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
    use engine::plan::TableDef;
    use engine::port::RowKind;
    use engine::types::{DataType, Field as Column, Schema};
    use index::IndexConfig;
    use model::Env;
    use tokio::runtime::Runtime;

    fn batch(schema: &Schema, changes: &[(&str, i64, RowKind)]) -> SinkBatch {
        let numbers = Int64Array::from_iter_values(changes.iter().map(|c| c.1));
        SinkBatch {
            rows: RecordBatch::try_new(schema.arrow(), vec![Arc::new(numbers)]).unwrap(),
            ids: Some(changes.iter().map(|c| Some(c.0)).collect::<StringArray>()),
            kinds: Some(changes.iter().map(|c| c.2).collect()),
        }
    }

    fn schema() -> Schema {
        Schema { fields: vec![Column { name: "n".into(), data_type: DataType::BigInt, nullable: true }] }
    }

    fn spec(options: &[(&str, &str)]) -> SinkSpec {
        spec_of(schema(), options)
    }

    fn spec_of(schema: Schema, options: &[(&str, &str)]) -> SinkSpec {
        let table = TableDef {
            name: "t".into(),
            schema: schema.clone(),
            computed: vec![None],
            watermark: None,
            primary_key: vec![0],
            options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        SinkSpec {
            application: "app".into(),
            table: Arc::new(table),
            schema,
            subtask: 0,
            parallelism: 1,
            prepared: None,
            ending: <_>::default(),
        }
    }

    /// An index without any room: its one document is more than there may be.
    fn full(dir: &std::path::Path) -> Index {
        let index = Index::open(IndexConfig { memory_bytes_max: 1, ..IndexConfig::new(dir, Env::system()) }).unwrap();
        index.stage("other", &[Staged { id: Some("1"), source: Some(b"{\"n\":1}") }]).unwrap();
        index.refresh("other").unwrap();
        index
    }

    #[test]
    fn documents_wait_for_room_and_are_counted_meanwhile() {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        let index = full(dir.path());
        let mut sink = IndexSink::new(index.clone(), "docs".into(), &spec(&[]), runtime.handle().clone()).unwrap();
        let refusals = sink.refusals().unwrap();
        sink.write(&batch(&schema(), &[("a", 1, RowKind::Insert), ("b", 2, RowKind::Insert)])).unwrap();
        std::thread::scope(|scope| {
            let flushed = scope.spawn(|| sink.flush());
            while refusals.counted().1 < 4 && !flushed.is_finished() {
                std::thread::yield_now();
            }
            index.delete_index("other").unwrap();
            flushed.join().unwrap().unwrap();
        });
        let (refused, retried) = refusals.counted();
        assert_eq!((refused, refused % 2), (retried, 0), "what was refused was offered again");
        assert!(index.get("docs", "a").unwrap().is_some() && index.get("docs", "b").unwrap().is_some());
    }

    #[test]
    fn an_index_that_stays_full_fails_the_job_at_last_or_at_once_where_that_is_wanted() {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        let index = full(dir.path());
        for (options, expected) in [(&[][..], (11, 10)), (&[(BACKOFF, "DISABLED")][..], (1, 0))] {
            let handle = runtime.handle().clone();
            let mut sink = IndexSink::new(index.clone(), "docs".into(), &spec(options), handle).unwrap();
            sink.write(&batch(&schema(), &[("a", 1, RowKind::Insert)])).unwrap();
            let error = sink.flush().unwrap_err();
            assert_eq!((error.kind, sink.refusals().unwrap().counted()), (Kind::Throttled, expected), "{error}");
        }
    }

    #[test]
    fn a_document_that_does_not_fit_is_not_offered_again() {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        let index = Index::open(IndexConfig::new(dir.path(), Env::system())).unwrap();
        make_index(&index, "docs", &BTreeMap::from([("n".to_owned(), "geo_point".to_owned())])).unwrap();
        let mut sink = IndexSink::new(index, "docs".into(), &spec(&[]), runtime.handle().clone()).unwrap();
        sink.write(&batch(&schema(), &[("a", 1, RowKind::Insert)])).unwrap();
        assert_eq!(sink.flush().unwrap_err().kind, Kind::Invalid);
        assert_eq!(sink.refusals().unwrap().counted(), (1, 0));
    }

    #[test]
    fn times_are_written_as_a_field_of_dates_reads_them() {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        let index = Index::open(IndexConfig::new(dir.path(), Env::system())).unwrap();
        make_index(&index, "docs", &BTreeMap::from([("at".to_owned(), "date".to_owned())])).unwrap();
        let at = Column { name: "at".into(), data_type: DataType::TimestampLtz(3), nullable: true };
        let schema = Schema { fields: vec![at] };
        let times = TimestampMillisecondArray::from(vec![1_767_690_060_000]).with_timezone("UTC");
        let rows = RecordBatch::try_new(schema.arrow(), vec![Arc::new(times)]).unwrap();
        let ids = Some([Some("a")].into_iter().collect::<StringArray>());
        let (spec, handle) = (spec_of(schema, &[]), runtime.handle().clone());
        let mut sink = IndexSink::new(index.clone(), "docs".into(), &spec, handle).unwrap();
        sink.write(&SinkBatch { rows, ids, kinds: None }).unwrap();
        sink.close().unwrap();
        let found = index.get("docs", "a").unwrap().unwrap();
        assert!(String::from_utf8_lossy(&found.source).contains("2026-01-06T09:01:00Z"));
    }

    #[test]
    fn rows_that_are_taken_back_leave_the_index() {
        use RowKind::{Delete, Insert, UpdateAfter};
        let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        let index = Index::open(IndexConfig::new(dir.path(), Env::system())).unwrap();
        let (schema, spec) = (schema(), spec(&[]));
        let mut sink = IndexSink::new(index.clone(), "docs".into(), &spec, runtime.handle().clone()).unwrap();
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
