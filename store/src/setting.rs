//! Settings of a stream that change at once: how long records are kept, and tags.

use crate::catalog::{Catalog, StreamRecord};
use crate::error::{SettingError, StreamError};
use crate::store::Store;
use crate::stream::{Stream, StreamStatus};
use model::limits;
use std::collections::BTreeMap;
use std::sync::Arc;

/// In which direction a retention may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionChange {
    /// To at least what it is.
    Increase,
    /// To at most what it is.
    Decrease,
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
        let mut catalog = self.inner.catalog.lock().await;
        let stream = self.stream_or(name)?;
        check_retention(&stream, hours, change)?;
        self.store_setting(&mut catalog, &stream, |record| record.retention_hours = hours).await?;
        stream.publish(|view| view.retention_hours = hours);
        Ok(())
    }

    /// Writes tags on a stream; one that is there already gets its new value.
    ///
    /// # Errors
    /// When there is no such stream, it would bear too many tags, or the disk refuses.
    pub async fn tag(&self, name: &str, tags: BTreeMap<String, String>) -> Result<(), SettingError> {
        self.change_tags(name, |all| all.extend(tags)).await
    }

    /// Removes tags from a stream; those that it does not bear are passed over.
    ///
    /// # Errors
    /// When there is no such stream, or the disk refuses.
    pub async fn untag(&self, name: &str, keys: &[String]) -> Result<(), SettingError> {
        self.change_tags(name, |all| all.retain(|key, _| !keys.contains(key))).await
    }

    async fn change_tags(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), SettingError> {
        let mut catalog = self.inner.catalog.lock().await;
        let stream = self.stream_or(name)?;
        let mut tags = BTreeMap::clone(&stream.view().tags);
        change(&mut tags);
        if tags.len() > limits::TAGS_MAX {
            return Err(SettingError::Tags(tags.len()));
        }
        self.store_setting(&mut catalog, &stream, |record| record.tags = tags.clone()).await?;
        stream.publish(|view| view.tags = Arc::new(tags));
        Ok(())
    }

    /// Makes a change of a stream's record durable.
    async fn store_setting(
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

fn check_retention(stream: &Stream, hours: u32, change: RetentionChange) -> Result<(), SettingError> {
    let view = stream.view();
    if view.status != StreamStatus::Active {
        return Err(StreamError::NotActive { stream: stream.name.clone(), status: view.status }.into());
    }
    if !(limits::RETENTION_HOURS_MIN..=limits::RETENTION_HOURS_MAX).contains(&hours) {
        return Err(SettingError::Retention(hours));
    }
    let current = view.retention_hours;
    let fits = match change {
        RetentionChange::Increase => hours >= current,
        RetentionChange::Decrease => hours <= current,
    };
    if fits { Ok(()) } else { Err(SettingError::Direction { current, wanted: hours }) }
}
