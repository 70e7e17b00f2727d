//! The index as the rest of the platform sees it: indices by name, writes that are durable when answered, searches on
//! snapshots.

use crate::disk::{Log, Record};
use crate::error::IndexError;
use crate::mapping::Mapping;
use crate::name::check_name;
use crate::operation::{Operation, Refresh, Staged, Written};
use crate::search::{Query, Scrolls, SearchRequest, SearchResponse, count, search};
use crate::table::{Document, IndexSettings, Table};
use crate::work::Workers;
use model::{Env, Sample};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How an index is opened.
#[derive(Debug, Clone)]
pub struct IndexConfig {
    /// The data directory. It is made if it is not there; one process may have it open.
    pub dir: PathBuf,
    /// Clock and randomness.
    pub env: Env,
    /// How long writes stay invisible to searches at most, in milliseconds, where the index does not say otherwise.
    /// Default 50, at least 1. A larger one saves work, a smaller one shows results sooner.
    pub refresh_interval_ms: u64,
    /// The log is cleared once it has this many bytes. Default 64 MiB. A larger one makes recovery slower and keeps more
    /// documents in memory, a smaller one writes more small files.
    pub checkpoint_log_bytes: u64,
    /// Bytes of memory beyond which writes are refused. Default 4 GiB.
    pub memory_bytes_max: u64,
    /// Threads that one search may use. Default: as many as there are processors.
    pub search_threads: usize,
    /// After this many milliseconds a search ends with what it has. Default 30,000.
    pub search_time_ms_max: u64,
}

impl IndexConfig {
    /// The defaults, on this data directory.
    pub fn new(dir: impl Into<PathBuf>, env: Env) -> Self {
        Self {
            dir: dir.into(),
            env,
            refresh_interval_ms: 50,
            checkpoint_log_bytes: 64 * 1024 * 1024,
            memory_bytes_max: 4 * 1024 * 1024 * 1024,
            search_threads: std::thread::available_parallelism().map_or(1, usize::from),
            search_time_ms_max: 30_000,
        }
    }
}

/// What there is to know about one index.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexInfo {
    /// Its name.
    pub name: String,
    /// Its identity: another index of the same name has another one.
    pub uuid: String,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// What was asked for when it was created.
    pub settings: IndexSettings,
    /// Its fields.
    pub mapping: Arc<Mapping>,
    /// Documents that searches see.
    pub documents: u64,
    /// Rows of documents that were replaced or deleted and not cleared away yet.
    pub deleted: u64,
    /// Bytes of memory that it takes.
    pub memory_bytes: u64,
}

/// All indices of a platform. Cheap to clone; clones are the same index. When the last one is dropped its threads end; all
/// that was answered is on disk in any case.
#[derive(Clone)]
pub struct Index {
    pub(crate) core: Arc<Core>,
    workers: Arc<Workers>,
}

/// What the handles and the workers share.
pub(crate) struct Core {
    pub(crate) config: IndexConfig,
    pub(crate) tables: RwLock<BTreeMap<String, Arc<Table>>>,
    pub(crate) log: Log,
    pub(crate) scrolls: Scrolls,
    pub(crate) next_table: AtomicU64,
    pub(crate) next_file: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) counters: Counters,
    /// Counts how often what searches see has changed.
    pub(crate) revision: Arc<AtomicU64>,
    pub(crate) uuid: String,
    /// Held while a checkpoint is written.
    pub(crate) checkpointing: Mutex<()>,
    /// Held for as long as the index is open, so that no second process opens it.
    pub(crate) _lock: File,
}

/// Totals since the index was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) written: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) searches: AtomicU64,
    pub(crate) search_ns: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_failures: AtomicU64,
    /// Bytes of the log's older files, which no checkpoint has cleared yet.
    pub(crate) old_log_bytes: AtomicU64,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("dir", &self.core.config.dir).finish_non_exhaustive()
    }
}

impl Index {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let workers = Arc::new(Workers::start(core.clone()));
        Self { core, workers }
    }

    /// Creates an index.
    ///
    /// # Errors
    /// When there is one of this name, no index can have this name, or the disk refuses.
    pub fn create_index(&self, name: &str, settings: IndexSettings, mapping: Mapping) -> Result<IndexInfo, IndexError> {
        check_name(name)?;
        let (table, ticket) = {
            let mut tables = self.core.tables.write();
            if let Some(table) = tables.get(name) {
                return Err(IndexError::IndexExists { name: name.to_owned(), uuid: table.meta.uuid.clone() });
            }
            self.core.add_table(&mut tables, name, settings, mapping)?
        };
        self.core.sync(ticket)?;
        table.refresh();
        Ok(info(&table))
    }

    /// Deletes an index with all of its documents.
    ///
    /// # Errors
    /// When there is none of this name, or the disk refuses.
    pub fn delete_index(&self, name: &str) -> Result<(), IndexError> {
        let ticket = {
            let mut tables = self.core.tables.write();
            let table = tables.get(name).ok_or_else(|| IndexError::NoIndex(name.to_owned()))?.clone();
            let mut record = Vec::new();
            Record::Drop(table.meta.number).encode(&mut record);
            let mut state = table.state.lock();
            let ticket = self.core.append(&record)?;
            state.dropped = true;
            tables.remove(name);
            self.core.revision.fetch_add(1, Ordering::Release);
            ticket
        };
        self.core.sync(ticket)
    }

    /// Adds fields to the mapping of an index.
    ///
    /// # Errors
    /// When they contradict the fields that are there, there is no such index, or the disk refuses.
    pub fn put_mapping(&self, name: &str, mapping: &Mapping) -> Result<(), IndexError> {
        let table = self.table(name)?;
        let ticket = {
            let mut state = table.state.lock();
            let merged = state.mapping.merged(mapping)?;
            let mut record = Vec::new();
            Record::Map(table.meta.number, merged.clone()).encode(&mut record);
            let ticket = self.core.append(&record)?;
            state.set_mapping(merged);
            ticket
        };
        self.core.sync(ticket)?;
        table.refresh();
        Ok(())
    }

    /// The names of all indices, in order.
    pub fn names(&self) -> Vec<String> {
        self.core.tables.read().keys().cloned().collect()
    }

    /// What there is to know about an index.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn info(&self, name: &str) -> Result<IndexInfo, IndexError> {
        self.table(name).map(|table| info(&table))
    }

    fn table(&self, name: &str) -> Result<Arc<Table>, IndexError> {
        self.core.tables.read().get(name).cloned().ok_or_else(|| IndexError::NoIndex(name.to_owned()))
    }

    /// Makes writes, in their order. When this returns, those that succeeded are on disk. Each has its own answer; one that
    /// fails changes nothing and hinders no other. Missing indices are created.
    pub fn bulk(&self, operations: &[Operation], refresh: Refresh) -> Vec<Result<Written, IndexError>> {
        let mut answers = self.core.write(operations);
        self.core.count(answers.iter().map(Result::is_ok));
        if refresh != Refresh::Later {
            self.make_visible(operations, &mut answers, refresh);
        }
        answers
    }

    /// Writes documents of one index, in their order, without waiting for the disk: what is written is seen by searches
    /// within the refresh interval, and survives a crash once [`Index::sync`] has returned for the ticket that this returns.
    /// Sinks that promise durability only now and then write so. A missing index is created.
    ///
    /// # Errors
    /// The first failure of a document; it hinders no other.
    pub fn stage(&self, name: &str, documents: &[Staged<'_>]) -> Result<u64, IndexError> {
        self.core.stage(name, documents)
    }

    /// Waits until all that was staged up to `ticket` is on disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self, ticket: u64) -> Result<(), IndexError> {
        self.core.sync(ticket)
    }

    fn make_visible(&self, operations: &[Operation], answers: &mut [Result<Written, IndexError>], refresh: Refresh) {
        let mut reached: BTreeMap<&str, u64> = BTreeMap::new();
        for (operation, answer) in operations.iter().zip(answers.iter()) {
            if let Ok(written) = answer {
                let sequence = reached.entry(&operation.index).or_default();
                *sequence = (*sequence).max(written.sequence + 1);
            }
        }
        for (name, sequence) in reached {
            let Ok(table) = self.table(name) else { continue };
            match refresh {
                Refresh::Wait => table.wait_visible(sequence, Duration::from_millis(self.core.patience_ms(&table))),
                _ => table.refresh(),
            }
        }
    }

    /// The document of an id as the last write left it, whether searches see it yet or not.
    ///
    /// # Errors
    /// When there is no such index, or the document cannot be read.
    pub fn get(&self, name: &str, id: &str) -> Result<Option<Document>, IndexError> {
        self.table(name)?.get(id)
    }

    /// Searches one or more indices together.
    ///
    /// # Errors
    /// When one is not there, or the search does not fit it.
    pub fn search(&self, names: &[&str], request: &SearchRequest) -> Result<SearchResponse, IndexError> {
        let snapshots = self.snapshots(names)?;
        let started = self.core.config.env.monotonic_ns();
        let answer = search(&snapshots, request, &self.core.environment());
        let spent = self.core.config.env.monotonic_ns() - started;
        self.core.counters.searches.fetch_add(1, Ordering::Relaxed);
        self.core.counters.search_ns.fetch_add(spent, Ordering::Relaxed);
        answer
    }

    /// How many documents of one or more indices a query finds.
    ///
    /// # Errors
    /// When one is not there, or the query does not fit it.
    pub fn count(&self, names: &[&str], query: &Query) -> Result<u64, IndexError> {
        count(&self.snapshots(names)?, query, &self.core.config.env)
    }

    /// Begins a scroll over all hits of a search: returns its id and the first page, which alone has the aggregations.
    /// `keep_ms` is how long it waits for the next page.
    ///
    /// # Errors
    /// When an index is not there, the search does not fit it, or too many scrolls are open.
    pub fn scroll(
        &self,
        names: &[&str],
        request: &SearchRequest,
        keep_ms: u64,
    ) -> Result<(u64, SearchResponse), IndexError> {
        self.core.scrolls.begin(&self.snapshots(names)?, request, keep_ms, &self.core.environment())
    }

    /// The next page of a scroll; empty behind the last hit.
    ///
    /// # Errors
    /// When there is no such scroll, or not any more.
    pub fn scroll_next(&self, id: u64, keep_ms: Option<u64>) -> Result<SearchResponse, IndexError> {
        self.core.scrolls.next(id, keep_ms, self.core.config.env.now_ms())
    }

    /// Ends a scroll. Returns whether there was one.
    pub fn scroll_end(&self, id: u64) -> bool {
        self.core.scrolls.end(id)
    }

    /// Ends all scrolls. Returns how many there were.
    pub fn scroll_end_all(&self) -> usize {
        self.core.scrolls.end_all()
    }

    /// Makes all writes to an index visible to searches.
    ///
    /// # Errors
    /// When there is no such index.
    pub fn refresh(&self, name: &str) -> Result<(), IndexError> {
        self.table(name)?.refresh();
        Ok(())
    }

    fn snapshots(&self, names: &[&str]) -> Result<Vec<Arc<crate::table::Snapshot>>, IndexError> {
        names.iter().map(|name| Ok(self.table(name)?.snapshot())).collect()
    }

    /// A number that changes whenever what searches see changes: equal numbers, equal answers.
    pub fn revision(&self) -> u64 {
        self.core.revision.load(Ordering::Acquire)
    }

    /// Documents written since it was opened, replaced ones counted again.
    pub fn written(&self) -> u64 {
        self.core.counters.written.load(Ordering::Relaxed)
    }

    /// Readings for metrics.
    pub fn samples(&self) -> Vec<Sample> {
        let counters = &self.core.counters;
        let read = |of: &AtomicU64| of.load(Ordering::Relaxed) as f64;
        let (log_bytes, syncs) = self.core.log.totals();
        let mut samples = vec![
            Sample::new("index_written_documents_total", read(&counters.written)),
            Sample::new("index_refused_documents_total", read(&counters.refused)),
            Sample::new("index_searches_total", read(&counters.searches)),
            Sample::new("index_search_seconds_total", read(&counters.search_ns) / 1e9),
            Sample::new("index_checkpoints_total", read(&counters.checkpoints)),
            Sample::new("index_checkpoint_failures_total", read(&counters.checkpoint_failures)),
            Sample::new("index_log_bytes_total", log_bytes as f64),
            Sample::new("index_log_syncs_total", syncs as f64),
            Sample::new("index_open_scrolls", self.core.scrolls.len() as f64),
            Sample::new("index_writable", f64::from(u8::from(self.core.log.failure().is_none()))),
        ];
        for table in self.core.tables.read().values() {
            let info = info(table);
            let of = |name, value: u64| Sample::new(name, value as f64).with("index", info.name.clone());
            samples.push(of("index_documents", info.documents));
            samples.push(of("index_deleted_rows", info.deleted));
            samples.push(of("index_memory_bytes", info.memory_bytes));
        }
        samples
    }

    /// Ends the threads, takes no more writes, and clears the log so that the next start is quick. Clones of this handle
    /// can still search.
    ///
    /// # Errors
    /// When the disk refuses; nothing that was answered is lost by that.
    pub fn shutdown(&self) -> Result<(), IndexError> {
        self.core.closed.store(true, Ordering::SeqCst);
        self.workers.stop();
        self.core.checkpoint().map_err(IndexError::Unavailable)
    }

    /// Writes chunk files and clears the log now, as the index does by itself when the log has grown.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn checkpoint(&self) -> Result<(), IndexError> {
        self.core.compact();
        self.core.checkpoint().map_err(IndexError::Unavailable)
    }

    /// Bytes that the chunk files of an index take on disk; what is in the log alone does not count.
    ///
    /// # Errors
    /// When there is no such index.
    pub fn disk_bytes(&self, name: &str) -> Result<u64, IndexError> {
        let dir = crate::open::chunk_dir(&self.core.config.dir);
        let size = |file: &u64| std::fs::metadata(crate::disk::chunk_path(&dir, *file)).map_or(0, |m| m.len());
        Ok(self.table(name)?.files().iter().map(size).sum())
    }

    /// A name that is made up when the index is opened.
    pub(crate) fn cluster_uuid(&self) -> String {
        self.core.uuid.clone()
    }

    pub(crate) fn env(&self) -> &Env {
        &self.core.config.env
    }
}

fn info(table: &Table) -> IndexInfo {
    let snapshot = table.snapshot();
    IndexInfo {
        name: table.meta.name.clone(),
        uuid: table.meta.uuid.clone(),
        created_ms: table.meta.created_ms,
        settings: table.meta.settings,
        mapping: table.mapping(),
        documents: snapshot.documents,
        deleted: snapshot.dead_rows,
        memory_bytes: snapshot.memory_bytes as u64,
    }
}
