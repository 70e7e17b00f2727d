//! Opens a store: takes the lock, reads the catalogue, recovers every log, clears what an interrupted change left.

use crate::catalog::{Catalog, StreamRecord};
use crate::config::StoreConfig;
use crate::consumers::ConsumerStatus;
use crate::error::OpenError;
use crate::log::{Files, Log, LogDamage, LogOpenError, LogRecovery, SEGMENT_HEADER_BYTES, TailCache, TornTail};
use crate::on_demand;
use crate::pool::Pool;
use crate::retention;
use crate::store::{Inner, Store, log_options};
use crate::stream::{ShardsShared, Stream, StreamStatus};
use crate::topology::ShardInfo;
use model::ShardIndex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What opening a store found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Streams found.
    pub streams: usize,
    /// Segments found.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Tails that a crash tore and that were cut off; no acknowledged record stood in them.
    pub torn: Vec<TornTail>,
    /// What cannot be read any more. Readers are told when they come to it.
    pub damage: Vec<LogDamage>,
    /// Folders that a deletion or an unfinished change left, and that were removed.
    pub removed: Vec<PathBuf>,
    /// Folders with records of which the catalogue knows nothing; left alone.
    pub unknown: Vec<PathBuf>,
    /// How long opening took, in microseconds.
    pub elapsed_us: u64,
}

type Opened = oneshot::Receiver<Result<(Log, LogRecovery), LogOpenError>>;

impl Store {
    /// Opens the store in a data directory, or makes a new one. To be called within a tokio runtime; it reads the end
    /// of each shard's log and blocks meanwhile.
    ///
    /// # Errors
    /// When the directory is in use, cannot be used, or holds what is not a store's. A torn tail is no error.
    pub fn open(config: StoreConfig) -> Result<Self, OpenError> {
        if let Some(problem) = config.problem() {
            return Err(OpenError::Setting(problem));
        }
        tokio::runtime::Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let started_ns = config.env.monotonic_ns();
        let lock = lock(&config)?;
        let fail = |source| OpenError::Io { path: config.dir.clone(), source };
        let catalog = load_catalog(&config)?;
        let commit_pool = Arc::new(Pool::start("store-commit", config.commit_threads).map_err(fail)?);
        let read_pool = Pool::start("store-read", config.read_threads).map_err(fail)?;
        let mut report = RecoveryReport { streams: catalog.streams.len(), ..RecoveryReport::default() };
        clear_leftovers(config.files.as_ref(), &config.dir, &catalog, &mut report)?;
        let tail = TailCache::new(config.tail_cache_bytes);
        let open = |stream| open_logs(&config, &tail, &commit_pool, stream);
        let opened: Vec<_> = catalog.streams.iter().map(open).collect();
        let mut logs = Vec::new();
        for shards in opened {
            logs.push(collect_logs(shards, &mut report)?);
        }
        report.elapsed_us = (config.env.monotonic_ns() - started_ns) / 1_000;
        let streams = catalog.streams.clone();
        let inner = Arc::new(Inner::new(config, catalog, (commit_pool, read_pool), report, tail, lock));
        let store = Self { inner };
        for (record, shards) in streams.into_iter().zip(logs) {
            store.start_stream(record, shards);
        }
        retention::start(&store);
        on_demand::start(&store);
        Ok(store)
    }

    /// Starts a stream's shards, and goes on with a change of shards that was interrupted.
    fn start_stream(&self, record: StreamRecord, shards: Vec<(ShardInfo, Log)>) {
        let shared = ShardsShared::new(&record.settings);
        let shards = shards.into_iter().map(|(info, log)| self.inner.start_shard(info, log, &shared)).collect();
        let status = if record.resharding_to.is_some() { StreamStatus::Updating } else { StreamStatus::Active };
        let identity = (record.id, record.name.clone(), record.created_ms);
        let consumers = record.consumers.into_iter().map(|consumer| consumer.with_status(ConsumerStatus::Active));
        let stream = Arc::new(Stream::new(identity, status, record.settings, consumers, shards, shared));
        self.inner.streams.write().insert(record.name, stream.clone());
        if let Some(target) = record.resharding_to {
            self.go_on_resharding(stream, target);
        }
    }
}

fn lock(config: &StoreConfig) -> Result<Box<dyn std::any::Any + Send + Sync>, OpenError> {
    let dir = &config.dir;
    let fail = |source| OpenError::Io { path: dir.clone(), source };
    config.files.create_folder(dir).map_err(fail)?;
    config.files.lock(&dir.join("lock")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { dir: dir.clone() },
        _ => fail(error),
    })
}

/// The catalogue; a new one is written where the directory holds no streams yet.
fn load_catalog(config: &StoreConfig) -> Result<Catalog, OpenError> {
    let files = config.files.as_ref();
    if let Some(catalog) = Catalog::load(files, &config.dir)? {
        return Ok(catalog);
    }
    let streams = config.dir.join("streams");
    if !list(files, &streams)?.is_empty() {
        let text = format!("{} holds streams but the catalogue beside it is missing", streams.display());
        return Err(OpenError::Corrupt(text));
    }
    files.create_folder(&streams).map_err(|source| OpenError::Io { path: streams.clone(), source })?;
    let catalog = Catalog::default();
    catalog.save(files, &config.dir)?;
    Ok(catalog)
}

fn list(files: &dyn Files, folder: &Path) -> Result<Vec<String>, OpenError> {
    match files.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|source| OpenError::Io { path: folder.to_path_buf(), source }),
    }
}

fn open_logs(
    config: &StoreConfig,
    tail: &Arc<TailCache>,
    pool: &Pool,
    stream: &StreamRecord,
) -> Vec<(Option<ShardInfo>, Opened)> {
    let folder = config.dir.join("streams").join(format!("{:010}", stream.id));
    let open = |record: &crate::catalog::ShardRecord| {
        let info = record.info();
        let ended = info.as_ref().and_then(|info| info.closed).map(|end| end.position);
        let (files, options, log_id) = (config.files.clone(), log_options(config, tail), record.log_id);
        let folder = folder.join(format!("{:010}", record.index));
        (info, pool.submit(move || Log::open(files, &folder, log_id, options, ended)))
    };
    stream.shards.iter().map(open).collect()
}

fn collect_logs(
    shards: Vec<(Option<ShardInfo>, Opened)>,
    report: &mut RecoveryReport,
) -> Result<Vec<(ShardInfo, Log)>, OpenError> {
    let mut out = Vec::new();
    for (info, mut opened) in shards {
        let lost = || OpenError::Corrupt("a shard's log could not be opened".to_owned());
        let (mut log, found) = wait(&mut opened).ok_or_else(lost)??;
        let info = info.ok_or_else(lost)?;
        report.segments += found.segments;
        report.bytes += found.bytes;
        report.torn.extend(found.torn);
        report.damage.extend(found.damage);
        if !info.is_open() {
            // A closed shard needs no open file.
            log.seal()?;
        }
        out.push((info, log));
    }
    Ok(out)
}

/// Blocks until a disk thread has answered; the caller may be a thread of the runtime, where tokio's own way to block
/// is not allowed.
fn wait<T: Send>(receiver: &mut oneshot::Receiver<T>) -> Option<T> {
    let receiver = std::mem::replace(receiver, oneshot::channel().1);
    std::thread::scope(|scope| scope.spawn(|| receiver.blocking_recv().ok()).join().ok().flatten())
}

/// Removes the folders that deletions and unfinished changes left.
fn clear_leftovers(
    files: &dyn Files,
    dir: &Path,
    catalog: &Catalog,
    report: &mut RecoveryReport,
) -> Result<(), OpenError> {
    let streams = dir.join("streams");
    for name in list(files, &streams)? {
        let Ok(id) = name.parse::<u64>() else { continue };
        let folder = streams.join(&name);
        let Some(record) = catalog.streams.iter().find(|stream| stream.id == id) else {
            clear(files, folder, id < catalog.next_stream, report)?;
            continue;
        };
        for name in list(files, &folder)? {
            let Ok(index) = name.parse::<u32>() else { continue };
            if !record.shards.iter().any(|shard| ShardIndex(shard.index) == ShardIndex(index)) {
                clear(files, folder.join(&name), index < record.next_shard, report)?;
            }
        }
    }
    Ok(())
}

/// Removes a folder that the catalogue does not know: one that it knew once, or one in which nothing was written yet.
fn clear(files: &dyn Files, folder: PathBuf, known_once: bool, report: &mut RecoveryReport) -> Result<(), OpenError> {
    if known_once || is_empty(files, &folder).unwrap_or(false) {
        files.remove_folder(&folder).map_err(|source| OpenError::Io { path: folder.clone(), source })?;
        report.removed.push(folder);
    } else {
        tracing::warn!(folder = %folder.display(), "a folder holds records that the catalogue does not know; left alone");
        report.unknown.push(folder);
    }
    Ok(())
}

/// Whether no segment below the folder holds more than its header.
fn is_empty(files: &dyn Files, folder: &Path) -> io::Result<bool> {
    for name in files.list(folder)? {
        let path = folder.join(&name);
        let empty = if name.ends_with(".seg") {
            files.open(&path)?.size()? <= SEGMENT_HEADER_BYTES as u64
        } else {
            is_empty(files, &path)?
        };
        if !empty {
            return Ok(false);
        }
    }
    Ok(true)
}
