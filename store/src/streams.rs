//! Streams come and go: create, delete, describe, list.

use crate::catalog::{CapacityMode, Catalog, ShardRecord, StreamRecord};
use crate::error::{CreateError, StreamError};
use crate::history::History;
use crate::log::{AppendError, Log};
use crate::on_demand::Peaks;
use crate::settings::StreamSettings;
use crate::store::{Inner, Store, stop_shards};
use crate::stream::{ShardDescription, ShardsShared, Stream, StreamDescription, StreamStatus};
use crate::topology::ShardInfo;
use model::{HashKeyRange, ShardIndex, limits};
use std::sync::Arc;

impl Inner {
    /// Makes the logs of new shards, each with an identity of its own, on disk threads at the same time.
    pub(crate) async fn create_logs(&self, stream: u64, shards: &[ShardIndex]) -> Result<Vec<Log>, AppendError> {
        let started: Vec<_> = shards
            .iter()
            .map(|&index| {
                let (files, options) = (self.config.files.clone(), self.log_options());
                let (folder, log_id) = (self.shard_folder(stream, index), self.config.env.random_u64());
                self.commit_pool.submit(move || Log::create(files, &folder, log_id, options))
            })
            .collect();
        let mut logs = Vec::new();
        for log in started {
            let lost = |error| AppendError { path: self.stream_folder(stream), source: std::io::Error::other(error) };
            logs.push(log.await.map_err(lost)??);
        }
        Ok(logs)
    }
}

fn is_name(name: &str) -> bool {
    let fits = (1..=limits::STREAM_NAME_CHARS_MAX).contains(&name.len());
    fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// What a new stream is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStream {
    /// How many shards it begins with, of equal size.
    pub shards: u32,
    /// What is set for it.
    pub settings: StreamSettings,
}

impl Store {
    /// Creates a stream of `shards` shards of equal size, as [`Store::create_stream_with`] does.
    ///
    /// # Errors
    /// As there.
    pub async fn create_stream(&self, name: &str, shards: u32, mode: CapacityMode) -> Result<(), CreateError> {
        self.create_stream_with(name, NewStream { shards, settings: StreamSettings::new(mode) }).await
    }

    /// Creates a stream. When it returns, the stream is on disk; it is active after the configured delay.
    ///
    /// # Errors
    /// When the name is taken or is none, the count of shards or tags is out of bounds, or the disk refuses.
    pub async fn create_stream_with(&self, name: &str, new: NewStream) -> Result<(), CreateError> {
        if !is_name(name) {
            return Err(CreateError::Name(name.to_owned()));
        }
        if !(1..=limits::SHARDS_PER_STREAM_MAX).contains(&new.shards) {
            return Err(CreateError::Shards(new.shards));
        }
        let (tags, record_bytes) = (new.settings.tags.len(), new.settings.record_bytes_max);
        if tags > limits::TAGS_MAX {
            return Err(CreateError::Tags(tags));
        }
        if !(limits::RECORD_BYTES_MAX..=limits::RECORD_BYTES_LARGE_MAX).contains(&record_bytes) {
            return Err(CreateError::RecordBytes(record_bytes));
        }
        let inner = &self.inner;
        let mut catalog = inner.catalog.lock().await;
        if inner.is_closing() {
            return Err(CreateError::Closed);
        }
        if self.stream(name).is_some() {
            return Err(CreateError::Exists(name.to_owned()));
        }
        self.check_creating()?;
        let stream = self.store_new_stream(&mut catalog, name, new).await?;
        inner.streams.write().insert(name.to_owned(), stream.clone());
        drop(catalog);
        self.after_delay(move |_| async move { stream.set_status(StreamStatus::Active) }).await;
        Ok(())
    }

    fn check_creating(&self) -> Result<(), CreateError> {
        let is_creating = |stream: &&Arc<Stream>| stream.view().status == StreamStatus::Creating;
        let creating = self.inner.streams.read().values().filter(is_creating).count();
        if self.inner.limited() && creating >= limits::STREAMS_CREATING_MAX {
            return Err(CreateError::TooManyCreating(creating));
        }
        Ok(())
    }

    /// Writes the stream's logs, then the catalogue that names them: a crash between leaves empty folders, which the
    /// next start removes.
    async fn store_new_stream(
        &self,
        catalog: &mut Catalog,
        name: &str,
        new: NewStream,
    ) -> Result<Arc<Stream>, CreateError> {
        let NewStream { shards: count, settings } = new;
        let inner = &self.inner;
        let created_ms = inner.config.env.now_ms();
        let id = catalog.next_stream;
        // Also when what follows fails: a number is never used for two attempts.
        catalog.next_stream += 1;
        let info = |(i, range)| {
            let index = ShardIndex(i as u32);
            ShardInfo { index, parents: Vec::new(), range, created_ms, closed: None }
        };
        let infos: Vec<ShardInfo> = HashKeyRange::partition(count).into_iter().enumerate().map(info).collect();
        let indices: Vec<ShardIndex> = infos.iter().map(|info| info.index).collect();
        let storage = |error: &dyn std::fmt::Display| CreateError::Storage(error.to_string());
        let logs = inner.create_logs(id, &indices).await.map_err(|error| storage(&error))?;
        let shards = infos.iter().zip(&logs).map(|(info, log)| ShardRecord::new(info, log.view().log_id)).collect();
        let name = name.to_owned();
        let record = StreamRecord {
            id,
            name: name.clone(),
            created_ms,
            settings: settings.clone(),
            next_shard: count,
            resharding_to: None,
            history: History::default(),
            peaks: Peaks::default(),
            consumers: Vec::new(),
            shards,
        };
        let mut next = catalog.clone();
        next.streams.push(record);
        inner.save(&next).await.map_err(|error| storage(&error))?;
        *catalog = next;
        let shared = ShardsShared::new(&settings);
        let shards = infos.into_iter().zip(logs).map(|(info, log)| inner.start_shard(info, log, &shared)).collect();
        let identity = (id, name, created_ms);
        Ok(Arc::new(Stream::new(identity, StreamStatus::Creating, settings, [], shards, shared)))
    }

    /// Runs what ends a state: at once where no delay is configured, else later and on its own.
    pub(crate) async fn after_delay<F: Future<Output = ()> + Send + 'static>(
        &self,
        end: impl FnOnce(Self) -> F + Send + 'static,
    ) {
        let delay_ms = self.inner.config.status_delay_ms;
        if delay_ms == 0 {
            return end(self.clone()).await;
        }
        let store = self.clone();
        self.inner.spawn(async move {
            if store.inner.pause_ms(delay_ms).await {
                end(store).await;
            }
        });
    }

    /// Deletes a stream as [`Store::delete_stream`] does, unless consumers are registered.
    ///
    /// # Errors
    /// As there, and when consumers are registered.
    pub async fn delete_stream_without_consumers(&self, name: &str) -> Result<(), StreamError> {
        self.delete(name, false).await
    }

    /// Deletes a stream with all its records and consumers. When it returns, no restart brings the stream back; it is gone for good
    /// after the configured delay.
    ///
    /// # Errors
    /// When there is no such stream, it is being created or deleted, or the disk refuses.
    pub async fn delete_stream(&self, name: &str) -> Result<(), StreamError> {
        self.delete(name, true).await
    }

    async fn delete(&self, name: &str, with_consumers: bool) -> Result<(), StreamError> {
        let inner = &self.inner;
        let mut catalog = inner.catalog.lock().await;
        if inner.is_closing() {
            return Err(StreamError::Closed);
        }
        let stream = self.stream_or(name)?;
        let status = stream.view().status;
        if matches!(status, StreamStatus::Creating | StreamStatus::Deleting) {
            return Err(StreamError::NotActive { stream: name.to_owned(), status });
        }
        // Consumers are registered under the same lock: none slips in between.
        let consumers = stream.view().consumers.len();
        if !with_consumers && consumers > 0 {
            return Err(StreamError::HasConsumers { stream: name.to_owned(), consumers });
        }
        let mut next = catalog.clone();
        next.streams.retain(|record| record.id != stream.id);
        inner.save(&next).await.map_err(|error| StreamError::Storage(error.to_string()))?;
        *catalog = next;
        stream.set_status(StreamStatus::Deleting);
        drop(catalog);
        self.after_delay(move |store| async move { store.forget_stream(&stream).await }).await;
        Ok(())
    }

    async fn forget_stream(&self, stream: &Stream) {
        stop_shards(&stream.view().shards).await;
        self.inner.streams.write().remove(&stream.name);
        stream.publish(|view| view.shards.clear());
        self.inner.remove_folder(self.inner.stream_folder(stream.id)).await;
    }

    /// What a stream is at this moment.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn describe_stream(&self, name: &str) -> Result<StreamDescription, StreamError> {
        Ok(self.stream_or(name)?.describe())
    }

    /// All streams, in the order of their names.
    pub fn list_streams(&self) -> Vec<String> {
        self.inner.streams.read().keys().cloned().collect()
    }

    /// The shards of a stream that have not expired, in the order of their numbers.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn shards(&self, stream: &str) -> Result<Vec<ShardDescription>, StreamError> {
        Ok(self.describe_stream(stream)?.shards)
    }

    /// Waits until the stream is neither being created nor changed nor deleted; returns what it is then.
    ///
    /// # Errors
    /// When there is no such stream (any more).
    pub async fn settled(&self, name: &str) -> Result<StreamDescription, StreamError> {
        let stream = self.stream_or(name)?;
        let mut views = stream.watch();
        let settles = |view: &Arc<crate::stream::StreamView>| {
            view.status == StreamStatus::Active || (view.status == StreamStatus::Deleting && view.shards.is_empty())
        };
        // The stream holds the sender, so waiting ends with the wanted view or with the store.
        let ended = tokio::select! {
            view = views.wait_for(settles) => view.is_ok(),
            () = self.inner.until_closing() => false,
        };
        if ended { self.describe_stream(name) } else { Err(StreamError::Closed) }
    }
}
