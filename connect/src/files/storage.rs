//! A path in a bucket as the connector's storage.

use super::listing;
use super::part::ObjectPart;
use super::reading::ObjectRead;
use crate::bucket::Bucket;
use crate::failure::failed;
use bytes::Bytes;
use engine::port::PortError;
use engine::run::connectors::storage::{Away, FileStorage, Part, StoredFile, hidden, is_hidden_part};
use futures_util::TryStreamExt;
use model::Kind;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Memory for what is read of all objects of one table, in bytes, as long as each gets a window of the least size.
const WINDOWS_BYTES: u64 = 64 * 1024 * 1024;
const WINDOW_BYTES_MIN: u64 = 256 * 1024;
const WINDOW_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A path in a bucket.
pub(super) struct BucketStorage {
    bucket: Bucket,
    /// How many objects were listed last.
    objects: AtomicUsize,
    /// Lets so many reads wait at the same time.
    reads: Arc<Semaphore>,
}

impl BucketStorage {
    pub(super) fn new(bucket: Bucket, reads: Arc<Semaphore>) -> Self {
        Self { bucket, objects: AtomicUsize::new(1), reads }
    }

    fn path(&self, name: &str) -> Path {
        self.bucket.prefix().clone().join(name)
    }

    fn shown(&self, name: &str) -> String {
        format!("{}/{name}", self.bucket)
    }

    /// How much of an object is held at a time.
    fn window_bytes(&self) -> u64 {
        let each = WINDOWS_BYTES / self.objects.load(Ordering::Relaxed).max(1) as u64;
        each.clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX)
    }

    /// Shows that the bucket is there.
    async fn look(&self) -> Result<(), PortError> {
        let looked = self.bucket.store().list(Some(self.bucket.prefix())).try_next().await;
        looked.map(drop).map_err(|error| match failed(&self.bucket.to_string(), &error) {
            told if told.kind == Kind::NotFound => {
                let what = format!("{}: there is no such bucket; make it first ({})", self.bucket, told.message);
                PortError::new(Kind::NotFound, what)
            }
            told => told,
        })
    }

    /// A copy and then a removal: whoever comes back after a crash between the two does the copy again, which gives the same.
    async fn rename(&self, name: &str) -> Result<(), PortError> {
        let (from, to) = (self.path(&hidden(name)), self.path(name));
        match self.bucket.store().copy(&from, &to).await {
            Ok(()) => {}
            // It was shown before, or else the bucket itself is gone.
            Err(Error::NotFound { .. }) => return self.look().await,
            Err(error) => return Err(failed(&self.shown(name), &error)),
        }
        match self.bucket.store().delete(&from).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&self.shown(&hidden(name)), &error)),
        }
    }

    async fn remove_hidden(&self, beginning: &str) -> Result<(), PortError> {
        let refused = |error| failed(&self.bucket.to_string(), &error);
        // Names come in their order: those that begin so stand together, and nothing of the rest is listed.
        let offset = self.path(&format!(".{}", beginning.trim_end_matches('-')));
        let mut listed = self.bucket.store().list_with_offset(Some(self.bucket.prefix()), &offset);
        while let Some(meta) = listed.try_next().await.map_err(refused)? {
            if !meta.location.filename().is_some_and(|name| is_hidden_part(name, beginning)) {
                return Ok(());
            }
            self.bucket.store().delete(&meta.location).await.map_err(refused)?;
        }
        Ok(())
    }
}

impl FileStorage for BucketStorage {
    fn files(&self) -> Result<Vec<StoredFile>, PortError> {
        let found = self.bucket.runtime().block_on(listing::objects(&self.bucket))?;
        self.objects.store(found.len(), Ordering::Relaxed);
        Ok(found)
    }

    fn open(&self, file: &StoredFile, offset: u64) -> Result<Box<dyn Read + Send>, PortError> {
        if offset > file.bytes {
            let what = format!("{}: it has {} bytes, and is to be read on at {offset}", file.name, file.bytes);
            return Err(PortError::new(Kind::Corrupt, what));
        }
        Ok(Box::new(ObjectRead {
            store: self.bucket.store().clone(),
            runtime: self.bucket.runtime().clone(),
            path: self.bucket.path_of(&file.name)?,
            shown: file.name.clone(),
            version: file.version.clone(),
            bytes: file.bytes,
            offset,
            window_bytes: self.window_bytes(),
            window: Bytes::new(),
        }))
    }

    fn ready(&self) -> Result<(), PortError> {
        self.bucket.runtime().block_on(self.look())
    }

    fn begin(&self, name: &str) -> Result<Box<dyn Part>, PortError> {
        let hidden = hidden(name);
        let (store, runtime) = (self.bucket.store().clone(), self.bucket.runtime().clone());
        Ok(Box::new(ObjectPart::new(store, self.path(&hidden), self.shown(&hidden), runtime)))
    }

    fn show(&self, name: &str) -> Result<(), PortError> {
        self.bucket.runtime().block_on(self.rename(name))
    }

    fn clear(&self, beginning: &str) -> Result<(), PortError> {
        self.bucket.runtime().block_on(self.remove_hidden(beginning))
    }

    fn away(&self) -> Option<Away> {
        let (runtime, reads) = (self.bucket.runtime().clone(), self.reads.clone());
        Some(Arc::new(move |job| {
            let reads = reads.clone();
            runtime.spawn(async move {
                // It is never closed; a job that is dropped is told as one that gave no answer.
                let Ok(_turn) = reads.acquire_owned().await else { return };
                if let Err(error) = tokio::task::spawn_blocking(job).await {
                    tracing::error!(%error, "a read of an object store has failed in an unknown way");
                }
            });
        }))
    }
}
