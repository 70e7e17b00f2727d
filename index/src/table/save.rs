//! From memory to chunk files: what a checkpoint takes from an index, and what it gives back.

use super::Table;
use crate::bitmap::Bitmap;
use crate::chunk::Chunk;
use crate::dictionary::Dictionary;
use crate::mapping::Mapping;
use crate::source::BlockPlace;
use std::fs::File;
use std::sync::Arc;

/// An index at the moment of a checkpoint.
pub(crate) struct Cut {
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) dictionaries: Arc<Vec<Option<Arc<Dictionary>>>>,
    pub(crate) next_sequence: u64,
    pub(crate) chunks: Vec<CutChunk>,
}

/// A chunk at that moment.
pub(crate) struct CutChunk {
    pub(crate) chunk: Arc<Chunk>,
    pub(crate) live: Arc<Bitmap>,
    pub(crate) file: Option<u64>,
}

impl Table {
    /// Ends the tail and tells what there is; `None` when the index was deleted.
    pub(crate) fn cut(&self) -> Option<Cut> {
        let mut state = self.state.lock();
        if state.dropped {
            return None;
        }
        state.seal();
        let of = |at: &u32| {
            let slot = state.slots[*at as usize].as_ref()?;
            (slot.dead < slot.chunk.rows()).then(|| CutChunk {
                chunk: slot.chunk.clone(),
                live: slot.live.clone(),
                file: slot.file,
            })
        };
        Some(Cut {
            mapping: state.mapping.clone(),
            dictionaries: state.dictionaries.clone(),
            next_sequence: state.next_sequence(),
            chunks: state.order.iter().filter_map(of).collect(),
        })
    }

    /// The chunk files that hold rows of the index.
    pub(crate) fn files(&self) -> Vec<u64> {
        self.state.lock().slots.iter().flatten().filter_map(|slot| slot.file).collect()
    }

    /// Notes that a chunk stands in a file and lets go of its documents in memory. Snapshots that hold the chunk read
    /// them from the file from now on.
    pub(crate) fn saved(&self, chunk: &Arc<Chunk>, number: u64, file: File, places: Vec<BlockPlace>) {
        let mut state = self.state.lock();
        for slot in state.slots.iter_mut().flatten().filter(|s| Arc::ptr_eq(&s.chunk, chunk)) {
            slot.file = Some(number);
        }
        chunk.sources.move_to_disk(file, places);
    }
}
