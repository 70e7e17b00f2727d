//! The store as a whole: what its clones share, and how it is shut down.

use crate::catalog::{Catalog, CatalogError};
use crate::config::{Durability, Limits, StoreConfig};
use crate::error::StreamError;
use crate::log::{Log, LogOptions, TailCache};
use crate::open::RecoveryReport;
use crate::pool::Pool;
use crate::shard::{self, Command, ShardSetup};
use crate::stats::StreamStats;
use crate::stream::{Shard, ShardsShared, Stream, StreamView};
use crate::topology::ShardInfo;
use crate::wakers::{Subscription, Waker};
use model::{Sample, ShardIndex};
use parking_lot::{Mutex, RwLock};
use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The stream store. Cheap to clone; clones are the same store.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// What the clones share.
pub(crate) struct Inner {
    pub(crate) config: StoreConfig,
    pub(crate) streams: RwLock<BTreeMap<String, Arc<Stream>>>,
    /// The catalogue as it is on disk; held while it is changed, so that changes come one after the other.
    pub(crate) catalog: tokio::sync::Mutex<Catalog>,
    pub(crate) commit_pool: Arc<Pool>,
    pub(crate) read_pool: Pool,
    /// How much memory waiting records may still take, in KiB.
    pub(crate) pending_kib: Arc<Semaphore>,
    pub(crate) pending_kib_max: usize,
    pub(crate) recovery: RecoveryReport,
    tail: Arc<TailCache>,
    closing: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
    lock: Mutex<Option<Box<dyn Any + Send + Sync>>>,
}

impl Inner {
    pub(crate) fn new(
        config: StoreConfig,
        catalog: Catalog,
        pools: (Arc<Pool>, Pool),
        recovery: RecoveryReport,
        tail: Arc<TailCache>,
        lock: Box<dyn Any + Send + Sync>,
    ) -> Self {
        let pending_kib_max = (config.pending_bytes_max / 1024).min(u32::MAX as usize);
        let pending_kib = Arc::new(Semaphore::new(pending_kib_max));
        Self {
            streams: RwLock::default(),
            catalog: tokio::sync::Mutex::new(catalog),
            commit_pool: pools.0,
            read_pool: pools.1,
            pending_kib,
            pending_kib_max,
            recovery,
            tail,
            closing: watch::channel(false).0,
            tasks: Mutex::default(),
            lock: Mutex::new(Some(lock)),
            config,
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Becomes true when the store is being shut down.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Returns when the store is being shut down.
    pub(crate) async fn until_closing(&self) {
        let mut closing = self.closing();
        // The sender lives as long as this, so waiting ends with the wanted value only.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Waits; false when the store is being shut down meanwhile.
    pub(crate) async fn pause_ms(&self, ms: u64) -> bool {
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_millis(ms)) => true,
            () = self.until_closing() => false,
        }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    pub(crate) fn limited(&self) -> bool {
        self.config.limits == Limits::Enforced
    }

    /// Whether the limits hold for a stream.
    pub(crate) fn limits_hold(&self, view: &StreamView) -> bool {
        self.limited() && view.settings.limited()
    }

    /// A day on the clock of the limits, in milliseconds of the machine's.
    pub(crate) fn day_ms(&self) -> u64 {
        (DAY_MS / u64::from(self.config.limits_speedup)).max(1)
    }

    pub(crate) fn log_options(&self) -> LogOptions {
        log_options(&self.config, &self.tail)
    }

    /// The folder of a stream's logs.
    pub(crate) fn stream_folder(&self, id: u64) -> PathBuf {
        self.config.dir.join("streams").join(format!("{id:010}"))
    }

    /// The folder of a shard's log.
    pub(crate) fn shard_folder(&self, stream: u64, index: ShardIndex) -> PathBuf {
        self.stream_folder(stream).join(format!("{:010}", index.0))
    }

    /// Starts the task of a shard.
    pub(crate) fn start_shard(&self, info: ShardInfo, log: Log, shared: &ShardsShared) -> Shard {
        let setup = ShardSetup {
            env: self.config.env.clone(),
            limited: self.limited(),
            pool: self.commit_pool.clone(),
            speedup: self.config.limits_speedup,
            shared: shared.clone(),
        };
        let (handle, task) = shard::start(log, !info.is_open(), setup);
        self.spawn(task);
        Shard { info, handle }
    }

    /// Writes a catalogue on a disk thread.
    pub(crate) async fn save(&self, catalog: &Catalog) -> Result<(), CatalogError> {
        let (catalog, files, dir) = (catalog.clone(), self.config.files.clone(), self.config.dir.clone());
        let path = dir.join("catalog");
        let lost = |error| CatalogError::Io { path, source: std::io::Error::other(error) };
        self.commit_pool.run(move || catalog.save(files.as_ref(), &dir)).await.map_err(lost)?
    }

    /// Removes a folder on a disk thread. What cannot be removed is found again at the next start.
    pub(crate) async fn remove_folder(&self, folder: PathBuf) {
        let files = self.config.files.clone();
        let shown = folder.display().to_string();
        match self.commit_pool.run(move || files.remove_folder(&folder)).await {
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(folder = shown, %error, "cannot remove a folder; the next start tries again");
            }
            _ => {}
        }
    }
}

/// How the logs of a store are written.
pub(crate) fn log_options(config: &StoreConfig, tail: &Arc<TailCache>) -> LogOptions {
    LogOptions {
        env: config.env.clone(),
        segment_bytes: config.segment_bytes,
        segment_age_ms: config.segment_age_ms,
        relaxed: config.durability == Durability::Os,
        tail: tail.clone(),
    }
}

/// Stops the tasks of shards and waits until what they had queued is on disk.
pub(crate) async fn stop_shards(shards: &[Shard]) {
    let mut stopped = Vec::new();
    for shard in shards {
        let (done, waiter) = oneshot::channel();
        if shard.handle.commands.send(Command::Stop(done)).await.is_ok() {
            stopped.push(waiter);
        }
    }
    for waiter in stopped {
        // A task that ended otherwise has nothing left to write.
        let _ = waiter.await;
    }
}

impl Store {
    pub(crate) fn stream(&self, name: &str) -> Option<Arc<Stream>> {
        self.inner.streams.read().get(name).cloned()
    }

    pub(crate) fn stream_or(&self, name: &str) -> Result<Arc<Stream>, StreamError> {
        self.stream(name).ok_or_else(|| StreamError::NotFound(name.to_owned()))
    }

    /// What opening the store found and did.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.inner.recovery
    }

    /// What the store was opened with.
    pub fn config(&self) -> &StoreConfig {
        &self.inner.config
    }

    /// Calls `waker` after each commit to the stream and each change of its shards, until the subscription is dropped.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn subscribe(&self, stream: &str, waker: Waker) -> Result<Subscription, StreamError> {
        Ok(self.stream_or(stream)?.shared.wakers.subscribe(waker))
    }

    /// What was counted for a stream since the store was opened.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn stats(&self, stream: &str) -> Result<StreamStats, StreamError> {
        Ok(self.stream_or(stream)?.stats())
    }

    /// For each shard that was read since this was asked last the greatest age of what a reader left to be read, in
    /// milliseconds; 0 where all had reached the tip.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn take_read_ages(&self, stream: &str) -> Result<BTreeMap<ShardIndex, u64>, StreamError> {
        let view = self.stream_or(stream)?.view();
        let age = |shard: &Shard| Some((shard.info.index, shard.handle.counters.take_read_age()?));
        Ok(view.shards.iter().filter_map(age).collect())
    }

    /// All figures of all streams as samples. Those of a shard bear the labels `stream` and `shard`.
    pub fn samples(&self) -> Vec<Sample> {
        let streams: Vec<_> = self.inner.streams.read().values().cloned().collect();
        let mut samples = vec![Sample::new("store_streams", streams.len() as f64)];
        for stream in streams {
            stream.stats().push_samples(&mut samples);
        }
        samples
    }

    /// Refuses new puts, commits what is queued, ends all tasks and gives the data directory free. A change of shards
    /// that is under way goes on when the store is opened again. Calling it twice does nothing more.
    pub async fn shutdown(&self) {
        self.inner.closing.send_replace(true);
        // A change of the catalogue that is under way comes to its end first.
        let catalog = self.inner.catalog.lock().await;
        let streams: Vec<_> = self.inner.streams.read().values().cloned().collect();
        for stream in streams {
            stop_shards(&stream.view().shards).await;
        }
        drop(catalog);
        let mut tasks = std::mem::take(&mut *self.inner.tasks.lock());
        while tasks.join_next().await.is_some() {}
        let inner = self.inner.clone();
        let closed = tokio::task::spawn_blocking(move || {
            inner.commit_pool.close();
            inner.read_pool.close();
        });
        if closed.await.is_err() {
            tracing::error!("the disk threads could not be stopped");
        }
        self.inner.lock.lock().take();
    }
}
