//! Changes of a stream's settings: each is on disk before the view shows it.

use crate::catalog::{CapacityMode, Catalog, StreamRecord};
use crate::consumers::Consumer;
use crate::error::{SettingError, StreamError};
use crate::history::RareChange;
use crate::settings::{Encryption, LIMITS_TAG, ShardMetric, StreamSettings};
use crate::store::Store;
use crate::stream::{Stream, StreamStatus, StreamView};
use model::limits;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// In which direction a retention may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionChange {
    /// To at least what it is.
    Increase,
    /// To at most what it is.
    Decrease,
}

/// What tags and policies are written on: a stream, or one of its consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The stream's name.
    pub stream: &'a str,
    /// The consumer's name, where one is meant.
    pub consumer: Option<&'a str>,
}

impl<'a> From<&'a str> for Resource<'a> {
    fn from(stream: &'a str) -> Self {
        Self { stream, consumer: None }
    }
}

/// When a change of settings may be made, and what is seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// At any time; nobody sees the stream being updated.
    Quiet,
    /// On an active stream.
    Active,
    /// On an active stream, which is then seen being updated for the configured delay.
    Shown,
    /// Like `Shown`, and so many times a day.
    Rare(RareChange),
}

impl Store {
    /// Changes how long the records of a stream are kept, in hours. What a shorter retention lets expire is deleted with
    /// the next round; what had expired before a longer one is gone.
    ///
    /// # Errors
    /// When the stream is not active, `hours` is out of bounds or on the wrong side of the present retention, or the disk
    /// refuses.
    pub async fn set_retention_hours(
        &self,
        name: &str,
        hours: u32,
        change: RetentionChange,
    ) -> Result<(), SettingError> {
        self.change_settings(name, Change::Active, |settings| {
            check_retention(settings.retention_hours, hours, change)?;
            settings.retention_hours = hours;
            Ok(())
        })
        .await
    }

    /// Lets a stream take larger records, or no larger ones than before. Records that it holds stay as they are.
    ///
    /// # Errors
    /// When the stream is not active, `bytes` is out of bounds, or the disk refuses.
    pub async fn set_record_bytes_max(&self, name: &str, bytes: usize) -> Result<(), SettingError> {
        if !(limits::RECORD_BYTES_MAX..=limits::RECORD_BYTES_LARGE_MAX).contains(&bytes) {
            return Err(SettingError::RecordBytes(bytes));
        }
        self.change_settings(name, Change::Shown, |settings| {
            settings.record_bytes_max = bytes;
            Ok(())
        })
        .await
    }

    /// Says who counts the shards of a stream from now on; the shards stay as they are at first. `warm_mib_per_s` is what
    /// a stream counted by the platform shall take at once.
    ///
    /// # Errors
    /// When the stream is not active, is in that mode already, changed its mode too often today, or the disk refuses.
    pub async fn set_mode(&self, name: &str, mode: CapacityMode, warm_mib_per_s: u32) -> Result<(), SettingError> {
        self.change_settings(name, Change::Rare(RareChange::Mode), |settings| {
            if settings.mode == mode {
                return Err(SettingError::Unchanged(name.to_owned()));
            }
            settings.mode = mode;
            settings.warm_mib_per_s = if mode == CapacityMode::OnDemand { warm_mib_per_s } else { 0 };
            Ok(())
        })
        .await
    }

    /// Says what a stream that the platform counts shall take without being grown, in MiB/s. Shards are added in the
    /// background.
    ///
    /// # Errors
    /// When the stream is not active or counted by its owner, the throughput is out of bounds, or the disk refuses.
    pub async fn set_warm_throughput(&self, name: &str, mib_per_s: u32) -> Result<(), SettingError> {
        if mib_per_s > limits::SHARDS_PER_STREAM_MAX {
            return Err(SettingError::Warm(mib_per_s));
        }
        self.change_settings(name, Change::Shown, |settings| {
            if settings.mode != CapacityMode::OnDemand {
                return Err(SettingError::NotOnDemand(name.to_owned()));
            }
            settings.warm_mib_per_s = mib_per_s;
            Ok(())
        })
        .await
    }

    /// Begins to encrypt a stream with a key, or to encrypt it with another one.
    ///
    /// # Errors
    /// When the stream is not active, encryption changed too often today, or the disk refuses.
    pub async fn start_encryption(&self, name: &str, key: &str) -> Result<(), SettingError> {
        let since_ms = self.inner.config.env.now_ms();
        self.change_settings(name, Change::Rare(RareChange::Encryption), |settings| {
            settings.encryption = Some(Encryption { key: key.to_owned(), since_ms });
            Ok(())
        })
        .await
    }

    /// Ends the encryption of a stream.
    ///
    /// # Errors
    /// When the stream is not active or not encrypted, encryption changed too often today, or the disk refuses.
    pub async fn stop_encryption(&self, name: &str) -> Result<(), SettingError> {
        self.change_settings(name, Change::Rare(RareChange::Encryption), |settings| {
            settings.encryption.take().map(drop).ok_or_else(|| SettingError::NotEncrypted(name.to_owned()))
        })
        .await
    }

    /// Says what is measured for each shard of a stream by itself.
    ///
    /// # Errors
    /// When the stream is not active, or the disk refuses.
    pub async fn set_shard_metrics(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeSet<ShardMetric>),
    ) -> Result<(), SettingError> {
        self.change_settings(name, Change::Active, |settings| {
            change(&mut settings.shard_metrics);
            Ok(())
        })
        .await
    }

    /// Writes tags on a stream or consumer; one that is there already gets its new value.
    ///
    /// # Errors
    /// When there is no such stream or consumer, it would bear too many tags, or the disk refuses.
    pub async fn tag(
        &self,
        resource: impl Into<Resource<'_>>,
        tags: BTreeMap<String, String>,
    ) -> Result<(), SettingError> {
        if let Some(value) = tags.get(LIMITS_TAG.0).filter(|value| *value != LIMITS_TAG.1) {
            return Err(SettingError::LimitsTag(value.clone()));
        }
        self.change_tags(resource.into(), |all| all.extend(tags)).await
    }

    /// Removes tags from a stream or consumer; those that it does not bear are passed over.
    ///
    /// # Errors
    /// When there is no such stream or consumer, or the disk refuses.
    pub async fn untag(&self, resource: impl Into<Resource<'_>>, keys: &[String]) -> Result<(), SettingError> {
        self.change_tags(resource.into(), |all| all.retain(|key, _| !keys.contains(key))).await
    }

    /// The tags of a stream or consumer.
    ///
    /// # Errors
    /// When there is no such stream or consumer.
    pub fn tags<'a>(&self, resource: impl Into<Resource<'a>>) -> Result<BTreeMap<String, String>, SettingError> {
        let resource = resource.into();
        let view = self.stream_or(resource.stream)?.view();
        match resource.consumer {
            None => Ok(view.settings.tags.clone()),
            Some(_) => Ok(known_consumer(&view, resource)?.tags.clone()),
        }
    }

    /// Says who else may use a stream or consumer: a document that the doors understand, or `None` for nobody.
    ///
    /// # Errors
    /// When there is no such stream or consumer, or the disk refuses.
    pub async fn set_policy(
        &self,
        resource: impl Into<Resource<'_>>,
        policy: Option<String>,
    ) -> Result<(), SettingError> {
        let resource = resource.into();
        if resource.consumer.is_some() {
            let change = |consumer: &mut Consumer| {
                consumer.policy = policy;
                Ok(())
            };
            return self.change_consumer_record(resource, change).await;
        }
        self.change_settings(resource.stream, Change::Quiet, |settings| {
            settings.policy = policy;
            Ok(())
        })
        .await
    }

    /// Who else may use a stream or consumer, as it was said last.
    ///
    /// # Errors
    /// When there is no such stream or consumer.
    pub fn policy<'a>(&self, resource: impl Into<Resource<'a>>) -> Result<Option<String>, SettingError> {
        let resource = resource.into();
        let view = self.stream_or(resource.stream)?.view();
        match resource.consumer {
            None => Ok(view.settings.policy.clone()),
            Some(_) => Ok(known_consumer(&view, resource)?.policy.clone()),
        }
    }

    /// Whether any stream or consumer has a policy.
    pub(crate) fn any_policy(&self) -> bool {
        self.inner.streams.read().values().any(|stream| {
            let view = stream.view();
            view.settings.policy.is_some() || view.consumers.values().any(|consumer| consumer.policy.is_some())
        })
    }

    async fn change_tags(
        &self,
        resource: Resource<'_>,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), SettingError> {
        let change = |tags: &mut BTreeMap<String, String>| {
            change(tags);
            if tags.len() > limits::TAGS_MAX { Err(SettingError::Tags(tags.len())) } else { Ok(()) }
        };
        match resource.consumer {
            Some(_) => self.change_consumer_record(resource, |consumer| change(&mut consumer.tags)).await,
            None => self.change_settings(resource.stream, Change::Quiet, |settings| change(&mut settings.tags)).await,
        }
    }

    /// Changes a consumer on disk and in the view.
    async fn change_consumer_record(
        &self,
        resource: Resource<'_>,
        change: impl FnOnce(&mut Consumer) -> Result<(), SettingError>,
    ) -> Result<(), SettingError> {
        let mut catalog = self.inner.catalog.lock().await;
        let stream = self.stream_or(resource.stream)?;
        let mut consumer = known_consumer(&stream.view(), resource)?.clone();
        change(&mut consumer)?;
        let (name, created_ms) = (consumer.name.clone(), consumer.created_ms);
        self.store_setting(&mut catalog, &stream, |record| {
            if let Some(found) = record.consumers.iter_mut().find(|one| one.name == name) {
                (found.tags, found.policy) = (consumer.tags.clone(), consumer.policy.clone());
            }
        })
        .await?;
        stream.change_consumer(&name, created_ms, |found| {
            (found.tags, found.policy) = (consumer.tags, consumer.policy);
        });
        Ok(())
    }

    /// Checks and changes settings, on disk first.
    async fn change_settings(
        &self,
        name: &str,
        kind: Change,
        change: impl FnOnce(&mut StreamSettings) -> Result<(), SettingError>,
    ) -> Result<(), SettingError> {
        let mut catalog = self.inner.catalog.lock().await;
        let stream = self.stream_or(name)?;
        let view = stream.view();
        if kind != Change::Quiet && view.status != StreamStatus::Active {
            return Err(StreamError::NotActive { stream: name.to_owned(), status: view.status }.into());
        }
        let mut settings = StreamSettings::clone(&view.settings);
        change(&mut settings)?;
        let rare = if let Change::Rare(rare) = kind { Some(rare) } else { None };
        if let Some(rare) = rare.filter(|rare| !self.allows(&catalog, &stream, *rare)) {
            return Err(SettingError::TooOften(rare));
        }
        let now_ms = self.inner.config.env.now_ms();
        let stored = |record: &mut StreamRecord| {
            record.settings = settings.clone();
            if let Some(rare) = rare {
                record.history.note(rare, now_ms);
            }
        };
        self.store_setting(&mut catalog, &stream, stored).await?;
        stream.set_settings(settings);
        if matches!(kind, Change::Shown | Change::Rare(_)) {
            stream.set_status(StreamStatus::Updating);
            drop(catalog);
            self.after_delay(|_| async move { settle(&stream) }).await;
        }
        Ok(())
    }

    /// How many more times the count of a stream's shards may be changed within the rolling day; `None` where these are not
    /// counted.
    ///
    /// # Errors
    /// When there is no such stream.
    pub async fn resizes_left(&self, name: &str) -> Result<Option<u32>, StreamError> {
        let catalog = self.inner.catalog.lock().await;
        let stream = self.stream_or(name)?;
        if !self.inner.limits_hold(&stream.view()) {
            return Ok(None);
        }
        let (now_ms, day_ms) = (self.inner.config.env.now_ms(), self.inner.day_ms());
        let record = catalog.streams.iter().find(|record| record.id == stream.id);
        Ok(record.map(|record| record.history.left(RareChange::Resize, now_ms, day_ms) as u32))
    }

    /// Whether a change that is counted over a day may be made now.
    pub(crate) fn allows(&self, catalog: &Catalog, stream: &Stream, change: RareChange) -> bool {
        let now_ms = self.inner.config.env.now_ms();
        let record = catalog.streams.iter().find(|record| record.id == stream.id);
        !self.inner.limits_hold(&stream.view())
            || record.is_none_or(|record| record.history.allows(change, now_ms, self.inner.day_ms()))
    }

    /// Makes a change of a stream's record durable.
    pub(crate) async fn store_setting(
        &self,
        catalog: &mut Catalog,
        stream: &Stream,
        change: impl FnOnce(&mut StreamRecord),
    ) -> Result<(), StreamError> {
        if self.inner.is_closing() {
            return Err(StreamError::Closed);
        }
        let mut next = catalog.clone();
        // A stream that is being deleted has no record any more.
        let record = next.stream_mut(stream.id).ok_or_else(|| StreamError::NotFound(stream.name.clone()))?;
        change(record);
        self.inner.save(&next).await.map_err(|error| StreamError::Storage(error.to_string()))?;
        *catalog = next;
        Ok(())
    }
}

/// Ends the time in which a stream is seen being updated, unless it is being deleted by now.
fn settle(stream: &Arc<Stream>) {
    stream.publish(|view| {
        if view.status == StreamStatus::Updating {
            view.status = StreamStatus::Active;
        }
    });
}

fn known_consumer<'a>(view: &'a StreamView, resource: Resource<'_>) -> Result<&'a Consumer, SettingError> {
    let name = resource.consumer.unwrap_or_default();
    let missing = || SettingError::NoConsumer { stream: resource.stream.to_owned(), consumer: name.to_owned() };
    view.consumers.get(name).ok_or_else(missing)
}

fn check_retention(current: u32, hours: u32, change: RetentionChange) -> Result<(), SettingError> {
    if !(limits::RETENTION_HOURS_MIN..=limits::RETENTION_HOURS_MAX).contains(&hours) {
        return Err(SettingError::Retention(hours));
    }
    let fits = match change {
        RetentionChange::Increase => hours >= current,
        RetentionChange::Decrease => hours <= current,
    };
    if fits { Ok(()) } else { Err(SettingError::Direction { current, wanted: hours }) }
}
