//! Opening an index: the checkpoint, its chunks, then the log's newer records.

use crate::codec::Decoder;
use crate::disk::{Checkpoint, Log, LogError, Record, SavedTable, chunk_path, read_chunk};
use crate::document::parse_document;
use crate::error::OpenError;
use crate::index::{Core, Counters, Index, IndexConfig};
use crate::mapping::Mapping;
use crate::search::Scrolls;
use crate::table::{Change, State, Table, TableMeta, cells};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// A table on its way: what its log records change.
struct Opening {
    meta: TableMeta,
    state: State,
    /// Records with smaller sequence numbers are in its chunks.
    from_sequence: u64,
}

struct Replay {
    tables: BTreeMap<u64, Opening>,
    next_table: u64,
    seed: u64,
    log_bytes: u64,
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Io { path, what } => Self::Io { path, what },
            corrupt @ LogError::Corrupt { .. } => Self::Corrupt(corrupt.to_string()),
        }
    }
}

fn io_error(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Io { path: path.to_owned(), what: error.to_string() }
}

impl Index {
    /// Opens the index of a data directory, and makes it where there is none. All that was ever answered is there again;
    /// writes that were not answered when the process ended may be.
    ///
    /// # Errors
    /// When another process has it open, the directory cannot be used, or stored bytes are not what was written.
    pub fn open(config: IndexConfig) -> Result<Self, OpenError> {
        let chunks = chunk_dir(&config.dir);
        fs::create_dir_all(&chunks).map_err(|e| io_error(&chunks, &e))?;
        let lock = lock(&config.dir.join("LOCK"))?;
        let checkpoint = Checkpoint::read(&config.dir).map_err(OpenError::Corrupt)?;
        let seed = config.env.random_u64();
        let mut replay = Replay { tables: BTreeMap::new(), next_table: checkpoint.next_table, seed, log_bytes: 0 };
        for saved in &checkpoint.tables {
            let state = load(saved, &chunks, seed)?;
            let opening = Opening { meta: saved.meta.clone(), state, from_sequence: saved.next_sequence };
            replay.tables.insert(saved.meta.number, opening);
        }
        let (log, recovered) =
            Log::open(&config.dir.join("log"), checkpoint.log_first, |payload| replay.block(payload))?;
        if recovered.torn_bytes > 0 {
            tracing::warn!(bytes = recovered.torn_bytes, "the index's log had a torn end, which was cut off");
        }
        remove_unused(&chunks, &checkpoint)?;
        let revision = Arc::new(AtomicU64::new(0));
        let table = |o: Opening| (o.meta.name.clone(), Arc::new(Table::new(o.meta, o.state, revision.clone())));
        let tables: BTreeMap<String, Arc<Table>> = replay.tables.into_values().map(table).collect();
        tables.values().for_each(|table| table.refresh());
        let counters = Counters { old_log_bytes: AtomicU64::new(replay.log_bytes), ..Counters::default() };
        let uuid = crate::name::random_name(&config.env, 16);
        Ok(Self::new(Arc::new(Core {
            config,
            uuid,
            tables: RwLock::new(tables),
            log,
            scrolls: Scrolls::default(),
            next_table: AtomicU64::new(replay.next_table),
            next_file: AtomicU64::new(checkpoint.next_file),
            closed: AtomicBool::new(false),
            counters,
            revision,
            checkpointing: Mutex::new(()),
            _lock: lock,
        })))
    }
}

/// Where the chunk files of a data directory stand.
pub(crate) fn chunk_dir(dir: &Path) -> PathBuf {
    dir.join("chunks")
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(|e| io_error(path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(io_error(path, &error)),
    }
}

fn load(saved: &SavedTable, chunks: &Path, seed: u64) -> Result<State, OpenError> {
    let mut state = State::new(saved.mapping.clone(), seed);
    for saved_chunk in &saved.chunks {
        let path = chunk_path(chunks, saved_chunk.file);
        let wrong = |what: String| OpenError::Corrupt(format!("{}: {what}", path.display()));
        let chunk = read_chunk(&path, &state.mapping, &state.dictionaries).map_err(wrong)?;
        if chunk.rows() != saved_chunk.live.len() {
            return Err(wrong("it has another number of rows than the checkpoint says".to_owned()));
        }
        state.adopt(chunk, saved_chunk.live.clone(), saved_chunk.file);
    }
    state.set_next_sequence(saved.next_sequence);
    Ok(state)
}

/// Removes chunk files that a checkpoint did not come to count, or does not any more.
fn remove_unused(chunks: &Path, checkpoint: &Checkpoint) -> Result<(), OpenError> {
    let used: BTreeSet<PathBuf> =
        checkpoint.tables.iter().flat_map(|t| &t.chunks).map(|c| chunk_path(chunks, c.file)).collect();
    let remove = || {
        for entry in fs::read_dir(chunks)? {
            let path = entry?.path();
            if !used.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    };
    remove().map_err(|e: io::Error| io_error(chunks, &e))
}

impl Replay {
    fn block(&mut self, payload: &[u8]) -> Result<(), OpenError> {
        self.log_bytes += payload.len() as u64;
        let mut from = Decoder::new(payload);
        while !from.is_empty() {
            let record =
                Record::decode(&mut from).map_err(|e| OpenError::Corrupt(format!("a record of the log: {e}")))?;
            self.record(record)?;
        }
        Ok(())
    }

    fn record(&mut self, record: Record<'_>) -> Result<(), OpenError> {
        match record {
            Record::Create(meta, mapping) => {
                self.next_table = self.next_table.max(meta.number + 1);
                let state = || State::new(mapping, self.seed);
                self.tables.entry(meta.number).or_insert_with(|| Opening { meta, state: state(), from_sequence: 0 });
            }
            Record::Drop(table) => {
                self.tables.remove(&table);
            }
            Record::Map(table, mapping) => {
                if let Some(opening) = self.tables.get_mut(&table) {
                    opening.extend_mapping(&mapping)?;
                }
            }
            Record::Put { table, id, version, sequence, source } => {
                if let Some(opening) = self.tables.get_mut(&table).filter(|o| sequence >= o.from_sequence) {
                    let parsed = parse_document(source, &opening.state.mapping)
                        .map_err(|e| OpenError::Corrupt(format!("document [{id}] of the log: {e}")))?;
                    let cells = cells(&parsed, &opening.state.dictionaries);
                    opening.state.change(&Change { id, version, sequence, content: Some((source, &cells)) });
                }
            }
            Record::Remove { table, id, version, sequence } => {
                if let Some(opening) = self.tables.get_mut(&table).filter(|o| sequence >= o.from_sequence) {
                    opening.state.change(&Change { id, version, sequence, content: None });
                }
            }
        }
        Ok(())
    }
}

impl Opening {
    /// The checkpoint's mapping may be newer than a record of the log: fields are only ever added.
    fn extend_mapping(&mut self, mapping: &Mapping) -> Result<(), OpenError> {
        let merged = self
            .state
            .mapping
            .merged(mapping)
            .map_err(|e| OpenError::Corrupt(format!("a mapping of the log for [{}]: {e}", self.meta.name)))?;
        self.state.set_mapping(merged);
        Ok(())
    }
}
