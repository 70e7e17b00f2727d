//! The rows of an index as its writes change them. Rows are only ever appended; an update appends a row and takes the
//! old one out of account.

use super::graves::Graves;
use super::snapshot::{Snapshot, View};
use super::{Change, TableMeta};
use crate::bitmap::Bitmap;
use crate::chunk::{CHUNK_ROWS_MAX, Chunk, Tail};
use crate::dictionary::Dictionary;
use crate::ids::{IdHash, IdMap};
use crate::mapping::{FieldKind, Mapping};
use crate::source::SourceError;
use std::sync::Arc;

/// A chunk, and which of its rows still count.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) chunk: Arc<Chunk>,
    pub(super) live: Arc<Bitmap>,
    pub(super) dead: usize,
    /// The chunk file that holds it, once there is one.
    pub(super) file: Option<u64>,
}

/// An index that is being written. A row's number is its slot's number times 65,536 plus its place in the chunk.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) dictionaries: Arc<Vec<Option<Arc<Dictionary>>>>,
    pub(super) slots: Vec<Option<Slot>>,
    /// The slots in the order in which their chunks were written, the tail's last.
    pub(super) order: Vec<u32>,
    pub(super) tail: Tail,
    pub(super) tail_slot: u32,
    pub(super) tail_live: Bitmap,
    frozen_tail: Option<Arc<Chunk>>,
    ids: IdMap,
    graves: Graves,
    next_sequence: u64,
    dirty: bool,
    /// Set when the index is deleted: who still holds it must not write to it.
    pub(crate) dropped: bool,
}

impl State {
    pub(crate) fn new(mapping: Mapping, seed: u64) -> Self {
        let mut state = Self {
            mapping: Arc::default(),
            dictionaries: Arc::default(),
            slots: vec![None],
            order: vec![0],
            tail: Tail::default(),
            tail_slot: 0,
            tail_live: Bitmap::none(0),
            frozen_tail: None,
            ids: IdMap::new(seed),
            graves: Graves::default(),
            next_sequence: 0,
            dirty: true,
            dropped: false,
        };
        state.set_mapping(mapping);
        state
    }

    /// Replaces the mapping by one that has all of its fields, and more.
    pub(crate) fn set_mapping(&mut self, mapping: Mapping) {
        let mut dictionaries = self.dictionaries.to_vec();
        for field in &mapping.fields()[dictionaries.len()..] {
            dictionaries.push((field.kind == FieldKind::Keyword).then(Arc::default));
        }
        self.dictionaries = Arc::new(dictionaries);
        self.mapping = Arc::new(mapping);
        self.dirty = true;
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    pub(super) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    fn id_of(&self, row: u32) -> &[u8] {
        let (slot, at) = (row >> 16, (row & 0xffff) as usize);
        if slot == self.tail_slot {
            return self.tail.id(at);
        }
        self.slots[slot as usize].as_ref().map_or(&[], |s| s.chunk.ids.get(at))
    }

    /// The row of a document.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        self.row(id, self.ids.hash(id.as_bytes()))
    }

    /// The hashes of ids that are about to be written.
    pub(crate) fn hashes<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<IdHash> {
        self.ids.hashes(ids.map(str::as_bytes))
    }

    /// The row of a document whose id has this hash.
    pub(super) fn row(&self, id: &str, hash: IdHash) -> Option<u32> {
        self.ids.get(hash, |row| self.id_of(row) == id.as_bytes())
    }

    /// Version and sequence number of a row.
    pub(crate) fn version(&self, row: u32) -> (u64, u64) {
        let (slot, at) = (row >> 16, (row & 0xffff) as usize);
        if slot == self.tail_slot {
            return (self.tail.version(at), self.tail.sequence(at));
        }
        self.slots[slot as usize]
            .as_ref()
            .map_or((0, 0), |s| (s.chunk.versions.get(at) as u64, s.chunk.sequences.get(at) as u64))
    }

    /// The document of a row.
    pub(crate) fn source(&self, row: u32) -> Result<Vec<u8>, SourceError> {
        let (slot, at) = (row >> 16, row & 0xffff);
        if slot == self.tail_slot {
            return self.tail.source(at as usize);
        }
        match &self.slots[slot as usize] {
            Some(slot) => slot.chunk.sources.document(at),
            None => Err(SourceError(format!("no chunk holds row {row}"))),
        }
    }

    /// The last version of a document that is not there; 0 when it never was.
    pub(super) fn version_of_deleted(&self, id: &str) -> u64 {
        self.graves.version(id)
    }

    /// Takes a row out of account.
    pub(super) fn kill(&mut self, row: u32) {
        let (slot, at) = (row >> 16, (row & 0xffff) as usize);
        if slot == self.tail_slot {
            self.tail_live.clear(at);
        } else if let Some(slot) = &mut self.slots[slot as usize] {
            Arc::make_mut(&mut slot.live).clear(at);
            slot.dead += 1;
        }
    }

    /// Makes a change that has been decided (and logged, or read from the log).
    pub(crate) fn change(&mut self, change: &Change<'_>) {
        let hash = self.ids.hash(change.id.as_bytes());
        self.apply(hash, self.row(change.id, hash), change);
    }

    /// Makes a change to the document of this hash, which stands in row `old` if it is there.
    pub(super) fn apply(&mut self, hash: IdHash, old: Option<u32>, change: &Change<'_>) {
        self.next_sequence = self.next_sequence.max(change.sequence + 1);
        self.dirty = true;
        match &change.content {
            None => {
                if let Some(row) = old {
                    self.kill(row);
                    self.ids.remove(hash, row);
                }
                self.graves.dig(change.id, change.version);
            }
            Some((source, cells)) => {
                self.graves.fill(change.id);
                let row = self.tail_slot << 16 | self.tail.rows() as u32;
                match old {
                    Some(old) => {
                        self.kill(old);
                        self.ids.replace(hash, old, row);
                    }
                    None => self.ids.insert(hash, row),
                }
                self.tail.push(change.id, change.version, change.sequence, source);
                cells.iter().for_each(|cell| self.tail.put(cell.field, cell.value, cell.distinct));
                self.end_row();
            }
        }
    }

    fn end_row(&mut self) {
        self.tail_live.push(true);
        self.frozen_tail = None;
        if self.tail.rows() == CHUNK_ROWS_MAX {
            self.seal();
        }
    }

    /// Appends a copy of a row that stands elsewhere, and takes that one out of account.
    pub(super) fn move_row(&mut self, from: u32, chunk: &Chunk, source: &[u8]) {
        let at = (from & 0xffff) as usize;
        let id = chunk.ids.text(at);
        let hash = self.ids.hash(id.as_bytes());
        let row = self.tail_slot << 16 | self.tail.rows() as u32;
        self.kill(from);
        self.ids.replace(hash, from, row);
        self.tail.push(&id, chunk.versions.get(at) as u64, chunk.sequences.get(at) as u64, source);
        for (field, column) in chunk.columns.iter().enumerate() {
            let kind = self.mapping.fields()[field].kind;
            for value in column.iter().flat_map(|c| c.of_row(at as u32)) {
                self.tail.put(field, value, matches!(kind, FieldKind::Keyword | FieldKind::Text));
            }
        }
        self.dirty = true;
        self.end_row();
    }

    /// Ends the tail and begins another one. Does nothing to an empty tail.
    pub(super) fn seal(&mut self) {
        if self.tail.rows() == 0 {
            return;
        }
        let tail = std::mem::take(&mut self.tail);
        let chunk = self.frozen_tail.take().unwrap_or_else(|| Arc::new(tail.freeze()));
        let live = std::mem::replace(&mut self.tail_live, Bitmap::none(0));
        let dead = live.len() - live.count();
        self.slots[self.tail_slot as usize] = Some(Slot { chunk, live: Arc::new(live), dead, file: None });
        self.begin_tail();
        self.dirty = true;
    }

    fn begin_tail(&mut self) {
        let free = self.slots.iter().position(Option::is_none);
        self.tail_slot = free.unwrap_or(self.slots.len()) as u32;
        if free.is_none() {
            self.slots.push(None);
        }
        self.order.push(self.tail_slot);
    }

    /// Adds a chunk from disk, before any write. Only its rows in `live` count.
    pub(crate) fn adopt(&mut self, chunk: Chunk, live: Bitmap, file: u64) {
        let slot = self.tail_slot;
        for at in live.ones() {
            let hash = self.ids.hash(chunk.ids.get(at as usize));
            self.ids.insert(hash, slot << 16 | at);
        }
        let dead = live.len() - live.count();
        self.slots[slot as usize] = Some(Slot { chunk: Arc::new(chunk), live: Arc::new(live), dead, file: Some(file) });
        self.begin_tail();
        self.dirty = true;
    }

    /// From the checkpoint: writes with smaller numbers are in the chunks.
    pub(crate) fn set_next_sequence(&mut self, next: u64) {
        self.next_sequence = next;
    }

    /// The rows as they are now.
    pub(super) fn freeze(&mut self, meta: &TableMeta) -> Snapshot {
        self.drop_dead_chunks();
        let mut views = Vec::with_capacity(self.order.len());
        let (mut base, mut dead_rows) = (0, 0);
        for slot in self.order.iter().filter_map(|slot| self.slots[*slot as usize].as_ref()) {
            let live = (slot.dead > 0).then(|| slot.live.clone());
            dead_rows += slot.dead as u64;
            views.push(View { chunk: slot.chunk.clone(), live, base });
            base += slot.chunk.rows() as u64;
        }
        if self.tail.rows() > 0 {
            let chunk = self.frozen_tail.get_or_insert_with(|| Arc::new(self.tail.freeze())).clone();
            let dead = self.tail_live.len() - self.tail_live.count();
            let live = (dead > 0).then(|| Arc::new(self.tail_live.clone()));
            dead_rows += dead as u64;
            views.push(View { chunk, live, base });
        }
        Snapshot {
            name: meta.name.as_str().into(),
            mapping: self.mapping.clone(),
            dictionaries: self.dictionaries.clone(),
            documents: self.ids.len() as u64,
            dead_rows,
            memory_bytes: self.memory_bytes(&views),
            views,
        }
    }

    fn memory_bytes(&self, views: &[View]) -> usize {
        let chunks: usize = views.iter().map(|v| v.chunk.memory_bytes()).sum();
        let words: usize = self.dictionaries.iter().flatten().map(|d| d.memory_bytes()).sum();
        chunks + words + self.ids.memory_bytes() + self.tail.memory_bytes()
    }

    fn drop_dead_chunks(&mut self) {
        let slots = &mut self.slots;
        self.order.retain(|at| {
            let all_dead = slots[*at as usize].as_ref().is_some_and(|s| s.dead == s.chunk.rows());
            if all_dead {
                slots[*at as usize] = None;
            }
            !all_dead
        });
    }
}
