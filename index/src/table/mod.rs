//! One index at work: the rows that are being written, the chunks behind them, and the snapshot that searches see.

mod compact;
mod graves;
mod meta;
mod prepared;
mod save;
mod snapshot;
mod state;
mod write;

pub use meta::IndexSettings;
pub(crate) use meta::TableMeta;
pub(crate) use prepared::{Prepared, cells};
pub(crate) use snapshot::{Snapshot, View};
pub(crate) use state::State;
pub(crate) use write::{Change, Decided};

use crate::error::IndexError;
use crate::mapping::Mapping;
use crate::operation::Wanted;
use parking_lot::{Condvar, Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// An index.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) meta: TableMeta,
    pub(crate) state: Mutex<State>,
    snapshot: RwLock<Arc<Snapshot>>,
    /// The sequence number below which every write is visible.
    visible: Mutex<u64>,
    refreshed: Condvar,
    /// Counts, over all indices, how often what searches see has changed.
    revision: Arc<AtomicU64>,
}

/// A document as a get sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// How often it was written.
    pub version: u64,
    /// The number of the write among all of its index.
    pub sequence: u64,
    /// Its JSON text.
    pub source: Vec<u8>,
}

impl Table {
    pub(crate) fn new(meta: TableMeta, state: State, revision: Arc<AtomicU64>) -> Self {
        let snapshot = RwLock::new(Arc::new(Snapshot::empty(&meta)));
        let (state, visible, refreshed) = (Mutex::new(state), Mutex::new(0), Condvar::new());
        Self { meta, state, snapshot, visible, refreshed, revision }
    }

    /// The rows that searches see now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().clone()
    }

    pub(crate) fn mapping(&self) -> Arc<Mapping> {
        self.state.lock().mapping.clone()
    }

    /// Reads documents by the mapping of now, before the index is locked.
    pub(crate) fn prepare<'a>(&self, wanted: impl Iterator<Item = Wanted<'a>>) -> Prepared {
        let (mapping, dictionaries) = {
            let state = self.state.lock();
            (state.mapping.clone(), state.dictionaries.clone())
        };
        Prepared::read(wanted, &mapping, &dictionaries)
    }

    /// Makes all writes so far visible. Does nothing when they are.
    pub(crate) fn refresh(&self) {
        let mut state = self.state.lock();
        if !state.take_dirty() {
            return;
        }
        let snapshot = Arc::new(state.freeze(&self.meta));
        let sequence = state.next_sequence();
        *self.snapshot.write() = snapshot;
        drop(state);
        self.revision.fetch_add(1, Ordering::Release);
        *self.visible.lock() = sequence;
        self.refreshed.notify_all();
    }

    /// Waits until the writes below `sequence` are visible; after `patience` it makes them so itself.
    pub(crate) fn wait_visible(&self, sequence: u64, patience: Duration) {
        let mut visible = self.visible.lock();
        while *visible < sequence {
            if self.refreshed.wait_for(&mut visible, patience).timed_out() {
                drop(visible);
                self.refresh();
                return;
            }
        }
    }

    /// The document of an id as the last write left it, visible to searches or not.
    ///
    /// # Errors
    /// When the document cannot be read.
    pub(crate) fn get(&self, id: &str) -> Result<Option<Document>, IndexError> {
        let state = self.state.lock();
        let Some(row) = state.find(id) else { return Ok(None) };
        let (version, sequence) = state.version(row);
        let source = state.source(row).map_err(|e| IndexError::Corrupt(e.to_string()))?;
        Ok(Some(Document { id: id.to_owned(), version, sequence, source }))
    }
}
