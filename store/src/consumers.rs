//! Registered consumers of a stream: readers that records are pushed to, each with a share of its own.

use crate::error::{ConsumerError, StreamError};
use crate::store::Store;
use crate::stream::{Stream, StreamStatus};
use model::limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a consumer is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerStatus {
    /// Nothing is pushed to it yet.
    Creating,
    /// It may subscribe to shards.
    Active,
    /// It is being removed; its subscriptions have ended.
    Deleting,
}

/// A registered consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its name, of which the stream has one only.
    pub name: String,
    /// When it was registered, in milliseconds since the Unix epoch. With the name it tells it from a former one.
    pub created_ms: u64,
    /// Where it is in its life.
    pub status: ConsumerStatus,
    /// What its owner wrote on it.
    pub tags: BTreeMap<String, String>,
    /// Who else may use it: a document that the doors understand.
    pub policy: Option<String>,
}

/// What the catalogue keeps of a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsumerRecord {
    pub(crate) name: String,
    pub(crate) created_ms: u64,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) policy: Option<String>,
}

impl ConsumerRecord {
    /// The consumer as the running store holds it.
    pub(crate) fn with_status(self, status: ConsumerStatus) -> Consumer {
        let Self { name, created_ms, tags, policy } = self;
        Consumer { name, created_ms, status, tags, policy }
    }
}

impl Store {
    /// Registers a consumer of a stream. When it returns, the consumer is on disk; it is active after the configured
    /// delay.
    ///
    /// # Errors
    /// When there is no such stream, it is being created or deleted, the name is taken, there are too many consumers or
    /// tags, or the disk refuses.
    pub async fn register_consumer(
        &self,
        stream: &str,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<Consumer, ConsumerError> {
        if tags.len() > limits::TAGS_MAX {
            return Err(ConsumerError::Tags(tags.len()));
        }
        let mut catalog = self.inner.catalog.lock().await;
        let found = self.stream_or(stream)?;
        self.check_room(&found, name)?;
        let created_ms = self.inner.config.env.now_ms();
        let record = ConsumerRecord { name: name.to_owned(), created_ms, tags, policy: None };
        self.store_setting(&mut catalog, &found, |stream| stream.consumers.push(record.clone())).await?;
        let consumer = record.with_status(ConsumerStatus::Creating);
        found.publish(|view| {
            view.consumers.insert(consumer.name.clone(), consumer.clone());
        });
        drop(catalog);
        let name = name.to_owned();
        self.after_delay(move |_| async move {
            found.change_consumer(&name, created_ms, |consumer| consumer.status = ConsumerStatus::Active);
        })
        .await;
        Ok(consumer)
    }

    fn check_room(&self, stream: &Stream, name: &str) -> Result<(), ConsumerError> {
        let view = stream.view();
        if !matches!(view.status, StreamStatus::Active | StreamStatus::Updating) {
            return Err(StreamError::NotActive { stream: stream.name.clone(), status: view.status }.into());
        }
        if view.consumers.contains_key(name) {
            return Err(ConsumerError::Exists { stream: stream.name.clone(), consumer: name.to_owned() });
        }
        if view.consumers.len() >= limits::CONSUMERS_PER_STREAM_MAX {
            return Err(ConsumerError::TooMany(limits::CONSUMERS_PER_STREAM_MAX));
        }
        let creating = view.consumers.values().filter(|one| one.status == ConsumerStatus::Creating).count();
        if self.inner.limits_hold(&view) && creating >= limits::CONSUMERS_CREATING_MAX {
            return Err(ConsumerError::TooManyCreating(limits::CONSUMERS_CREATING_MAX));
        }
        Ok(())
    }

    /// Removes a consumer. When it returns, no restart brings it back and its subscriptions end; it is gone for good after
    /// the configured delay.
    ///
    /// # Errors
    /// When there is no such stream or consumer, or the disk refuses.
    pub async fn deregister_consumer(&self, stream: &str, name: &str) -> Result<(), ConsumerError> {
        let mut catalog = self.inner.catalog.lock().await;
        let found = self.stream_or(stream)?;
        let consumer = self.consumer(stream, name)?;
        if consumer.status == ConsumerStatus::Deleting {
            return Err(ConsumerError::Deleting { stream: stream.to_owned(), consumer: name.to_owned() });
        }
        self.store_setting(&mut catalog, &found, |record| record.consumers.retain(|one| one.name != name)).await?;
        let created_ms = consumer.created_ms;
        found.change_consumer(name, created_ms, |consumer| consumer.status = ConsumerStatus::Deleting);
        drop(catalog);
        let name = name.to_owned();
        self.after_delay(move |_| async move {
            found.publish(|view| {
                view.consumers.retain(|_, one| one.name != name || one.created_ms != created_ms);
            });
        })
        .await;
        Ok(())
    }

    /// A consumer as it is at this moment.
    ///
    /// # Errors
    /// When there is no such stream or consumer.
    pub fn consumer(&self, stream: &str, name: &str) -> Result<Consumer, ConsumerError> {
        let view = self.stream_or(stream)?.view();
        let missing = || ConsumerError::NotFound { stream: stream.to_owned(), consumer: name.to_owned() };
        view.consumers.get(name).cloned().ok_or_else(missing)
    }

    /// All consumers of a stream, in the order of their names.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn consumers(&self, stream: &str) -> Result<Vec<Consumer>, StreamError> {
        Ok(self.stream_or(stream)?.view().consumers.values().cloned().collect())
    }
}

impl Stream {
    /// Changes a consumer in the view, unless it is gone or another one of the same name has come.
    pub(crate) fn change_consumer(&self, name: &str, created_ms: u64, change: impl FnOnce(&mut Consumer)) {
        self.publish(|view| {
            if let Some(consumer) = view.consumers.get_mut(name).filter(|one| one.created_ms == created_ms) {
                change(consumer);
            }
        });
    }
}
