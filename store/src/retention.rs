//! Retention: deletes segments whose records have all expired, and closed shards whose last record has.

use crate::error::StreamError;
use crate::shard::Command;
use crate::stats::Counts;
use crate::store::{Store, stop_shards};
use crate::stream::{Shard, Stream};
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

const MS_PER_HOUR: u64 = 3_600_000;

/// Looks for expired records at the configured interval for as long as the store is there.
pub(crate) fn start(store: &Store) {
    let interval_ms = store.inner.config.retention_check_ms;
    if interval_ms == 0 {
        return;
    }
    let weak = Arc::downgrade(&store.inner);
    // Holds the signal alone, so that a store that everybody has dropped can go.
    let mut closing = store.inner.closing();
    store.inner.spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(interval_ms)) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            let Some(inner) = Weak::upgrade(&weak) else { return };
            if let Err(error) = (Store { inner }).enforce_retention().await {
                tracing::error!(%error, "expired records could not be deleted; the next round tries again");
            }
        }
    });
}

impl Store {
    /// Deletes what has expired by now, in all streams. Runs by itself at the configured interval.
    ///
    /// # Errors
    /// When the disk refuses; what was deleted until then stays deleted.
    pub async fn enforce_retention(&self) -> Result<(), StreamError> {
        let streams: Vec<_> = self.inner.streams.read().values().cloned().collect();
        for stream in streams {
            let view = stream.view();
            let kept_ms = u64::from(view.settings.retention_hours) * MS_PER_HOUR;
            let cutoff_ms = self.inner.config.env.now_ms().saturating_sub(kept_ms);
            for shard in &view.shards {
                retain(shard, cutoff_ms).await?;
            }
            self.expire_shards(&stream, cutoff_ms).await?;
        }
        Ok(())
    }

    /// Forgets the closed shards of which nothing can be left.
    async fn expire_shards(&self, stream: &Stream, cutoff_ms: u64) -> Result<(), StreamError> {
        let mut catalog = self.inner.catalog.lock().await;
        let expired: Vec<Shard> = {
            let old = |shard: &&Shard| shard.info.closed.is_some_and(|end| end.at_ms < cutoff_ms);
            stream.view().shards.iter().filter(old).cloned().collect()
        };
        if expired.is_empty() || self.inner.is_closing() {
            return Ok(());
        }
        let gone = |index: u32| expired.iter().any(|shard| shard.info.index.0 == index);
        let mut next = catalog.clone();
        if let Some(record) = next.stream_mut(stream.id) {
            record.shards.retain(|shard| !gone(shard.index));
        }
        self.inner.save(&next).await.map_err(|error| StreamError::Storage(error.to_string()))?;
        *catalog = next;
        stream.publish(|view| view.shards.retain(|shard| !gone(shard.info.index.0)));
        let counts = expired.iter().map(|shard| shard.handle.counters.read());
        let counts = counts.fold(Counts::default(), Counts::plus);
        {
            let mut retired = stream.retired.lock();
            *retired = retired.plus(counts);
        }
        stop_shards(&expired).await;
        for shard in &expired {
            shard.handle.log.clear();
            self.inner.remove_folder(self.inner.shard_folder(stream.id, shard.info.index)).await;
        }
        Ok(())
    }
}

async fn retain(shard: &Shard, cutoff_ms: u64) -> Result<(), StreamError> {
    let (done, answer) = oneshot::channel();
    if shard.handle.commands.send(Command::Retain { cutoff_ms, done }).await.is_err() {
        return Ok(());
    }
    match answer.await {
        Ok(Err(error)) => Err(StreamError::Storage(error.to_string())),
        // A shard whose task has ended is being forgotten.
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}
