//! Changes a stream's shards by splits and merges, while it is read and written: to a count, or single ones.
//!
//! Each round closes some shards and opens their children in one write of the catalogue: before it a crash leaves the
//! former shards open, after it the children. Writers that come in between wait for the new view.

use crate::catalog::{CapacityMode, Catalog, Change, HexKey, ShardRecord, StreamRecord};
use crate::error::{ReshardError, StreamError};
use crate::history::RareChange;
use crate::log::Log;
use crate::shard::Command;
use crate::store::Store;
use crate::stream::{Shard, Stream, StreamStatus, StreamView};
use crate::topology::{ShardEnd, ShardInfo, Step, next_steps};
use model::{HashKeyRange, ShardIndex, limits};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where a round cannot be stored, it is tried again after this. Tests of failing disks do not wait so long.
const RETRY_MS: u64 = if cfg!(test) { 10 } else { 1_000 };

/// A round could not be taken, for the reason given.
struct RoundFailed(String);

impl Store {
    /// Begins to change a stream to `target` shards of equal size, and returns at once with the present count. The
    /// stream is updating until [`Store::settled`] returns. A restart goes on with an unfinished change.
    ///
    /// # Errors
    /// When the stream is not active or not its owner's to count, the target is out of bounds, or the disk refuses.
    /// With limits on, the target must be at most double and at least half the present count.
    pub async fn update_shard_count(&self, name: &str, target: u32) -> Result<u32, ReshardError> {
        let mut catalog = self.inner.catalog.lock().await;
        let stream = self.stream_or(name)?;
        let view = stream.view();
        let current = view.open_count() as u32;
        self.check_target(&stream, &view, current, target)?;
        if !self.allows(&catalog, &stream, RareChange::Resize) {
            return Err(ReshardError::TooOften(stream.name.clone()));
        }
        self.accept(&mut catalog, stream, Change::Count(target), Some(RareChange::Resize)).await?;
        Ok(current)
    }

    /// Begins to split an open shard in two, of which the second begins at the key `at`, and returns at once. The stream
    /// is updating until [`Store::settled`] returns. A restart goes on with an unfinished change.
    ///
    /// # Errors
    /// When the stream is not active, has no such shard or a closed one, `at` leaves one part empty, there would be too
    /// many shards, or the disk refuses.
    pub async fn split_shard(&self, name: &str, shard: ShardIndex, at: u128) -> Result<(), ReshardError> {
        let mut catalog = self.inner.catalog.lock().await;
        let stream = self.stream_or(name)?;
        let view = stream.view();
        self.check_changeable(&stream, &view)?;
        let range = open_range(&stream, &view, shard)?;
        if range.split_at(at).is_none() {
            return Err(ReshardError::SplitKey { shard, at });
        }
        let more = view.open_count() as u32 + 1;
        if more > limits::SHARDS_PER_STREAM_MAX {
            return Err(ReshardError::Shards(more));
        }
        let change = Change::Split { split: shard.0, at: HexKey(at) };
        self.accept(&mut catalog, stream, change, None).await
    }

    /// Begins to merge two open shards whose keys touch, and returns at once. The stream is updating until
    /// [`Store::settled`] returns. A restart goes on with an unfinished change.
    ///
    /// # Errors
    /// When the stream is not active, has no such shards or closed ones, they do not touch, or the disk refuses.
    pub async fn merge_shards(&self, name: &str, a: ShardIndex, b: ShardIndex) -> Result<(), ReshardError> {
        let mut catalog = self.inner.catalog.lock().await;
        let stream = self.stream_or(name)?;
        let view = stream.view();
        self.check_changeable(&stream, &view)?;
        let (left, right) = (open_range(&stream, &view, a)?, open_range(&stream, &view, b)?);
        if left.merge(right).is_none() {
            return Err(ReshardError::NotAdjacent { a, b });
        }
        self.accept(&mut catalog, stream, Change::Merge { merge: (a.0, b.0) }, None).await
    }

    /// Writes down a change that was checked, and begins it.
    pub(crate) async fn accept(
        &self,
        catalog: &mut Catalog,
        stream: Arc<Stream>,
        change: Change,
        rare: Option<RareChange>,
    ) -> Result<(), ReshardError> {
        let now_ms = self.inner.config.env.now_ms();
        let noted = |record: &mut StreamRecord| {
            record.resharding_to = Some(change);
            if let Some(rare) = rare {
                record.history.note(rare, now_ms);
            }
        };
        self.store_setting(catalog, &stream, noted).await?;
        stream.set_status(StreamStatus::Updating);
        self.go_on_resharding(stream, change);
        Ok(())
    }

    fn check_changeable(&self, stream: &Stream, view: &StreamView) -> Result<(), ReshardError> {
        if self.inner.is_closing() {
            return Err(StreamError::Closed.into());
        }
        if view.status != StreamStatus::Active {
            return Err(StreamError::NotActive { stream: stream.name.clone(), status: view.status }.into());
        }
        if view.settings.mode == CapacityMode::OnDemand {
            return Err(ReshardError::OnDemand(stream.name.clone()));
        }
        Ok(())
    }

    fn check_target(&self, stream: &Stream, view: &StreamView, current: u32, target: u32) -> Result<(), ReshardError> {
        self.check_changeable(stream, view)?;
        if !(1..=limits::SHARDS_PER_STREAM_MAX).contains(&target) {
            return Err(ReshardError::Shards(target));
        }
        let limited = self.inner.limits_hold(view);
        if limited && target > current.saturating_mul(2) {
            return Err(ReshardError::AboveDouble { current, target });
        }
        if limited && target.saturating_mul(2) < current {
            return Err(ReshardError::BelowHalf { current, target });
        }
        Ok(())
    }

    /// Takes rounds in the background until the change is made.
    pub(crate) fn go_on_resharding(&self, stream: Arc<Stream>, change: Change) {
        let store = self.clone();
        self.inner.spawn(async move {
            if store.inner.pause_ms(store.inner.config.status_delay_ms).await {
                store.reshard(&stream, change).await;
            }
        });
    }

    async fn reshard(&self, stream: &Arc<Stream>, change: Change) {
        loop {
            let mut catalog = self.inner.catalog.lock().await;
            let deleted = stream.view().status != StreamStatus::Updating;
            if deleted || self.inner.is_closing() {
                return;
            }
            match self.take_round(&mut catalog, stream, change).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(RoundFailed(reason)) => {
                    drop(catalog);
                    tracing::error!(stream = stream.name, reason, "a change of shards failed and is tried again");
                    if !self.inner.pause_ms(RETRY_MS).await {
                        return;
                    }
                }
            }
        }
    }

    /// Takes the next steps at once; true when there were none and the stream is active again.
    async fn take_round(
        &self,
        catalog: &mut Catalog,
        stream: &Arc<Stream>,
        change: Change,
    ) -> Result<bool, RoundFailed> {
        let view = stream.view();
        let open: Vec<_> =
            view.shards.iter().filter(|s| s.info.is_open()).map(|s| (s.info.index, s.info.range)).collect();
        let steps = steps_of(change, &open);
        if steps.is_empty() {
            let mut next = catalog.clone();
            if let Some(record) = next.stream_mut(stream.id) {
                record.resharding_to = None;
            }
            self.inner.save(&next).await.map_err(|error| RoundFailed(error.to_string()))?;
            *catalog = next;
            stream.set_status(StreamStatus::Active);
            return Ok(true);
        }
        let (at_ms, children) = self.plan_children(catalog, stream, &view, &steps);
        let indices: Vec<ShardIndex> = children.iter().map(|child| child.index).collect();
        let created = self.inner.create_logs(stream.id, &indices).await;
        let logs = created.map_err(|error| RoundFailed(error.to_string()))?;
        let parents: BTreeSet<ShardIndex> = children.iter().flat_map(|child| child.parents.clone()).collect();
        let parents: Vec<Shard> = parents.into_iter().filter_map(|parent| view.shard(parent).cloned()).collect();
        let closed = close(&parents).await;
        let result = match closed {
            Ok(()) => self.switch(catalog, stream, at_ms, &parents, children, logs).await,
            Err(failed) => Err(failed),
        };
        if result.is_err() {
            self.reopen(catalog, stream, &parents).await;
        }
        result.map(|()| false)
    }

    /// Names the children of the steps, and the time at which they follow their parents. Their numbers are used up also
    /// when what follows fails.
    fn plan_children(
        &self,
        catalog: &mut Catalog,
        stream: &Stream,
        view: &StreamView,
        steps: &[Step],
    ) -> (u64, Vec<ShardInfo>) {
        let info = |index: ShardIndex| view.shard(index).map(|shard| &shard.info);
        let mut born: Vec<(Vec<ShardIndex>, HashKeyRange, u64)> = Vec::new();
        for &step in steps {
            match step {
                Step::Split(parent, at) => {
                    let Some((info, (left, right))) = info(parent).and_then(|i| Some((i, i.range.split_at(at)?)))
                    else {
                        continue;
                    };
                    born.push((vec![parent], left, info.created_ms));
                    born.push((vec![parent], right, info.created_ms));
                }
                Step::Merge(a, b) => {
                    let Some((x, y)) = info(a).zip(info(b)) else { continue };
                    let Some(range) = x.range.merge(y.range) else { continue };
                    born.push((vec![a, b], range, x.created_ms.max(y.created_ms)));
                }
            }
        }
        // Later than all parents whatever the clock does: the order of births is the order of lineage, and at any time
        // the shards open then cover the key space.
        let oldest_ms = born.iter().map(|(_, _, parents_ms)| parents_ms + 1).max().unwrap_or(0);
        let at_ms = self.inner.config.env.now_ms().max(oldest_ms);
        let first = catalog.stream_mut(stream.id).map_or(0, |record| {
            record.next_shard += born.len() as u32;
            record.next_shard - born.len() as u32
        });
        let child = |(i, (parents, range, _)): (usize, (Vec<ShardIndex>, HashKeyRange, u64))| {
            let index = ShardIndex(first + i as u32);
            ShardInfo { index, parents, range, created_ms: at_ms, closed: None }
        };
        (at_ms, born.into_iter().enumerate().map(child).collect())
    }

    /// The one write that ends the parents and begins the children, and the view that tells it.
    async fn switch(
        &self,
        catalog: &mut Catalog,
        stream: &Arc<Stream>,
        at_ms: u64,
        parents: &[Shard],
        children: Vec<ShardInfo>,
        logs: Vec<Log>,
    ) -> Result<(), RoundFailed> {
        let ends: Vec<(ShardIndex, ShardEnd)> = parents
            .iter()
            .map(|shard| (shard.info.index, ShardEnd { at_ms, position: shard.handle.log.next() }))
            .collect();
        let mut next = catalog.clone();
        if let Some(record) = next.stream_mut(stream.id) {
            for (index, end) in &ends {
                if let Some(shard) = record.shards.iter_mut().find(|shard| shard.index == index.0) {
                    shard.closed = Some((end.at_ms, end.position.0));
                }
            }
            let born = children.iter().zip(&logs).map(|(info, log)| ShardRecord::new(info, log.view().log_id));
            record.shards.extend(born);
        }
        self.inner.save(&next).await.map_err(|error| RoundFailed(error.to_string()))?;
        *catalog = next;
        let started: Vec<Shard> = children
            .into_iter()
            .zip(logs)
            .map(|(info, log)| self.inner.start_shard(info, log, &stream.shared))
            .collect();
        stream.publish(|view| {
            for shard in &mut view.shards {
                let end = ends.iter().find(|(index, _)| *index == shard.info.index);
                shard.info.closed = end.map_or(shard.info.closed, |(_, end)| Some(*end));
            }
            view.shards.extend(started);
        });
        Ok(())
    }

    /// After a failure: the parents take records again, once the catalogue on disk surely says that they may.
    async fn reopen(&self, catalog: &Catalog, stream: &Stream, parents: &[Shard]) {
        while let Err(error) = self.inner.save(catalog).await {
            tracing::error!(stream = stream.name, %error, "shards stay closed until the catalogue can be written");
            if !self.inner.pause_ms(RETRY_MS).await {
                return;
            }
        }
        for shard in parents {
            // A task that has ended takes no records anyway.
            let _ = shard.handle.commands.send(Command::Reopen).await;
        }
        stream.publish(|_| {});
    }
}

/// The range of a shard that takes records.
fn open_range(stream: &Stream, view: &StreamView, shard: ShardIndex) -> Result<HashKeyRange, ReshardError> {
    let name = || stream.name.clone();
    match view.shard(shard) {
        None => Err(ReshardError::NoShard { stream: name(), shard }),
        Some(found) if !found.info.is_open() => Err(ReshardError::ShardClosed { stream: name(), shard }),
        Some(found) => Ok(found.info.range),
    }
}

/// The next steps of a change; none when it is made. The shards of a single step are closed with it, so that it is not
/// taken twice.
fn steps_of(change: Change, open: &[(ShardIndex, HashKeyRange)]) -> Vec<Step> {
    let is_open = |index: u32| open.iter().any(|(open, _)| open.0 == index);
    match change {
        Change::Count(target) => next_steps(open, target),
        Change::Split { split, at } if is_open(split) => vec![Step::Split(ShardIndex(split), at.0)],
        Change::Merge { merge: (a, b) } if is_open(a) && is_open(b) => vec![Step::Merge(ShardIndex(a), ShardIndex(b))],
        Change::Split { .. } | Change::Merge { .. } => Vec::new(),
    }
}

/// Lets shards commit what they have queued and take no more.
async fn close(parents: &[Shard]) -> Result<(), RoundFailed> {
    let mut waiting = Vec::new();
    for shard in parents {
        let (done, closed) = oneshot::channel();
        if shard.handle.commands.send(Command::Close(done)).await.is_ok() {
            waiting.push(closed);
        }
    }
    for closed in waiting {
        match closed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(RoundFailed(error.to_string())),
            Err(_) => return Err(RoundFailed("a shard's task has ended".to_owned())),
        }
    }
    Ok(())
}
