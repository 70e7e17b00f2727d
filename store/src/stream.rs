//! One stream as the running store holds it: its present view, its shards' handles, and those who watch it.

use crate::consumers::Consumer;
use crate::error::ReadError;
use crate::fan_out::Subscriptions;
use crate::settings::StreamSettings;
use crate::shard::ShardHandle;
use crate::stats::{Counts, ShardStats, StreamStats};
use crate::tallies::Tallies;
use crate::topology::{Routes, ShardInfo};
use crate::wakers::Wakers;
use model::{HashKeyRange, Position, ShardIndex};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Where a stream is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStatus {
    /// It takes no records yet.
    Creating,
    /// It can be used and changed.
    Active,
    /// Its shards are being changed; it can be used.
    Updating,
    /// It takes no records any more.
    Deleting,
}

impl fmt::Display for StreamStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "being created",
            Self::Active => "active",
            Self::Updating => "being updated",
            Self::Deleting => "being deleted",
        })
    }
}

/// A stream, with a view that changes as a whole.
pub(crate) struct Stream {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) created_ms: u64,
    pub(crate) shared: ShardsShared,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) tallies: Tallies,
    /// What the shards counted that have expired since.
    pub(crate) retired: Mutex<Counts>,
    view: watch::Sender<Arc<StreamView>>,
}

/// What the shards of a stream have in common while they run.
#[derive(Clone, Default)]
pub(crate) struct ShardsShared {
    /// Those who wait for records.
    pub(crate) wakers: Arc<Wakers>,
    /// Whether the limits hold for this stream, as far as they hold for the store.
    pub(crate) limited: Arc<AtomicBool>,
}

impl ShardsShared {
    pub(crate) fn new(settings: &StreamSettings) -> Self {
        Self { wakers: Arc::default(), limited: Arc::new(AtomicBool::new(settings.limited())) }
    }
}

/// What a stream is at one moment.
#[derive(Clone)]
pub(crate) struct StreamView {
    /// Grows with each change.
    pub(crate) version: u64,
    pub(crate) status: StreamStatus,
    pub(crate) settings: Arc<StreamSettings>,
    /// By their names; never more than a stream may have.
    pub(crate) consumers: BTreeMap<String, Consumer>,
    /// In the order of their numbers.
    pub(crate) shards: Vec<Shard>,
    routes: Routes,
}

/// A shard in the view of its stream.
#[derive(Clone)]
pub(crate) struct Shard {
    pub(crate) info: ShardInfo,
    pub(crate) handle: Arc<ShardHandle>,
}

/// A shard that takes over a part of the keys of a closed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildShard {
    /// Its number in the stream.
    pub index: ShardIndex,
    /// All its parents: two after a merge.
    pub parents: Vec<ShardIndex>,
    /// The part of the key space that it takes.
    pub range: HashKeyRange,
}

impl Stream {
    pub(crate) fn new(
        (id, name, created_ms): (u64, String, u64),
        status: StreamStatus,
        settings: StreamSettings,
        consumers: impl IntoIterator<Item = Consumer>,
        shards: Vec<Shard>,
        shared: ShardsShared,
    ) -> Self {
        let routes = Routes::new(shards.iter().map(|shard| &shard.info));
        let consumers = consumers.into_iter().map(|consumer| (consumer.name.clone(), consumer)).collect();
        let view = StreamView { version: 0, status, settings: Arc::new(settings), consumers, shards, routes };
        let (view, _) = watch::channel(Arc::new(view));
        Self {
            id,
            name,
            created_ms,
            shared,
            subscriptions: Subscriptions::default(),
            tallies: Tallies::default(),
            retired: Mutex::default(),
            view,
        }
    }

    pub(crate) fn view(&self) -> Arc<StreamView> {
        self.view.borrow().clone()
    }

    /// Follows the view as it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<StreamView>> {
        self.view.subscribe()
    }

    /// Changes the view as a whole and wakes everybody.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut StreamView)) {
        self.view.send_modify(|view| {
            let mut next = StreamView::clone(view);
            change(&mut next);
            next.version += 1;
            next.shards.sort_unstable_by_key(|shard| shard.info.index);
            next.routes = Routes::new(next.shards.iter().map(|shard| &shard.info));
            *view = Arc::new(next);
        });
        self.shared.wakers.wake();
    }

    /// Puts other settings in force, once they are on disk.
    pub(crate) fn set_settings(&self, settings: StreamSettings) {
        self.shared.limited.store(settings.limited(), Ordering::Relaxed);
        self.publish(|view| view.settings = Arc::new(settings));
    }

    pub(crate) fn set_status(&self, status: StreamStatus) {
        self.publish(|view| view.status = status);
    }

    pub(crate) fn shard(&self, index: ShardIndex) -> Result<Shard, ReadError> {
        let not_found = || ReadError::ShardNotFound { stream: self.name.clone(), shard: index };
        self.view().shard(index).cloned().ok_or_else(not_found)
    }

    pub(crate) fn stats(&self) -> StreamStats {
        let view = self.view();
        let shards: Vec<ShardStats> = view
            .shards
            .iter()
            .map(|shard| ShardStats {
                shard: shard.info.index,
                open: shard.info.is_open(),
                counts: shard.handle.counters.read(),
                disk_bytes: shard.handle.log.bytes(),
            })
            .collect();
        StreamStats {
            stream: self.name.clone(),
            total: shards.iter().fold(*self.retired.lock(), |sum, shard| sum.plus(shard.counts)),
            open_shards: view.open_count(),
            disk_bytes: shards.iter().map(|shard| shard.disk_bytes).sum(),
            shards,
        }
    }
}

impl StreamView {
    pub(crate) fn shard(&self, index: ShardIndex) -> Option<&Shard> {
        self.shards.binary_search_by_key(&index, |shard| shard.info.index).ok().map(|at| &self.shards[at])
    }

    /// The open shard that takes `key`.
    pub(crate) fn route(&self, key: u128) -> Option<ShardIndex> {
        self.routes.find(key)
    }

    pub(crate) fn open_count(&self) -> usize {
        self.routes.len()
    }

    pub(crate) fn children_of(&self, parent: ShardIndex) -> Vec<ChildShard> {
        let is_child = |shard: &&Shard| shard.info.parents.contains(&parent);
        let child = |Shard { info, .. }: &Shard| ChildShard {
            index: info.index,
            parents: info.parents.clone(),
            range: info.range,
        };
        self.shards.iter().filter(is_child).map(child).collect()
    }
}

/// Whether a shard takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardState {
    /// It does.
    Open,
    /// It does not any more; its records are there until they expire.
    Closed,
}

/// A shard as it is told to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardDescription {
    /// Its number in the stream.
    pub index: ShardIndex,
    /// None for a shard that was there from the beginning, one after a split, two after a merge. They may have expired.
    pub parents: Vec<ShardIndex>,
    /// The part of the key space that it takes or took.
    pub range: HashKeyRange,
    /// Whether it takes records.
    pub state: ShardState,
    /// The oldest record that is still there; equal to `next` when there is none.
    pub first: Position,
    /// The position that the next record gets.
    pub next: Position,
    /// The position after the last record of a closed shard.
    pub ending: Option<Position>,
    /// When it was opened, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it was closed, in milliseconds since the Unix epoch.
    pub closed_ms: Option<u64>,
}

/// A stream as it is told to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub status: StreamStatus,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// What its owner has set.
    pub settings: Arc<StreamSettings>,
    /// How many consumers are registered.
    pub consumers: usize,
    /// All shards that have not expired, in the order of their numbers.
    pub shards: Vec<ShardDescription>,
}

impl StreamDescription {
    /// How many shards take records.
    pub fn open_shards(&self) -> usize {
        self.shards.iter().filter(|shard| shard.state == ShardState::Open).count()
    }
}

impl Shard {
    pub(crate) fn describe(&self) -> ShardDescription {
        let Self { info, handle } = self;
        ShardDescription {
            index: info.index,
            parents: info.parents.clone(),
            range: info.range,
            state: if info.is_open() { ShardState::Open } else { ShardState::Closed },
            first: handle.log.first(),
            next: handle.log.next(),
            ending: info.closed.map(|end| end.position),
            created_ms: info.created_ms,
            closed_ms: info.closed.map(|end| end.at_ms),
        }
    }
}

impl Stream {
    pub(crate) fn describe(&self) -> StreamDescription {
        let view = self.view();
        StreamDescription {
            name: self.name.clone(),
            status: view.status,
            created_ms: self.created_ms,
            settings: view.settings.clone(),
            consumers: view.consumers.len(),
            shards: view.shards.iter().map(Shard::describe).collect(),
        }
    }
}
