//! Checkpoints: what a job keeps, cut at a barrier, written beside the stream and read back by the next run.
//!
//! *Invariant:* a checkpoint is a manifest and the parts of state that it names, some of them in files of earlier
//! checkpoints. The manifest is written last, so that whatever it names is whole and durable. Nothing that a kept
//! manifest names is removed.

mod cut;
mod layout;
mod manifest;
mod part;
mod restore;
mod storage;
mod view;
mod writer;

pub(crate) use cut::{Cut, Parts, SplitCut};
pub(crate) use layout::{StateLayout, layouts};
pub(crate) use part::{Part, PartShape};
pub(crate) use restore::{Room, adopt, restore, share_out};
#[cfg(test)]
pub(crate) use writer::WriterWork;
pub(crate) use writer::{Task as WriterTask, Writer};

pub use restore::{Fate, StateReport, compare, remove_snapshot, snapshots};
pub use storage::{CheckpointStorage, Folder};
pub use view::{GroupRows, OperatorState, SliceState, SourceState, SplitState, StateView, groups, inspect};
pub use writer::{CheckpointStats, CheckpointSummary};

use std::sync::Arc;

/// How a job's state is kept.
#[derive(Clone)]
pub struct Checkpointing {
    /// Where checkpoints are kept; `None`: nowhere, and barriers only flush the sinks.
    pub storage: Option<Arc<dyn CheckpointStorage>>,
    /// From the beginning of one checkpoint to that of the next, in milliseconds; at least 1.
    pub interval_ms: u64,
    /// From the end of one checkpoint to the beginning of the next, at least, in milliseconds.
    pub min_pause_ms: u64,
    /// After how long a checkpoint that is not complete is given up, in milliseconds.
    pub timeout_ms: u64,
    /// How many checkpoints are kept, at least 1. A damaged one falls back on the one before it.
    pub retained: usize,
}

impl Default for Checkpointing {
    /// Every second, three kept, nowhere to keep them.
    fn default() -> Self {
        Self { storage: None, interval_ms: 1_000, min_pause_ms: 0, timeout_ms: 600_000, retained: 3 }
    }
}

/// What a job begins with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Restore {
    /// The newest checkpoint that can be read; nothing where there is none.
    #[default]
    Latest,
    /// A snapshot, by its name.
    Snapshot(String),
    /// Nothing; checkpoints that are there are removed, snapshots stay.
    Nothing,
}
