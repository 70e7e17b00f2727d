//! From the id of a document to the row that holds it.

use rustc_hash::FxHasher;
use std::hash::Hasher;

/// The table is split, so that growing it moves a 64th of the entries at a time and no write waits long.
const PARTS: usize = 64;
/// Slots of a part that holds something, at least.
const SLOTS_MIN: usize = 16;
/// A slot that holds nothing: no word has its highest bit.
const EMPTY: u64 = u64::MAX;

/// Ids and their rows. Rows are kept with 31 bits of their id's hash; the ids themselves stand in the chunks.
#[derive(Debug)]
pub(crate) struct IdMap {
    parts: Vec<Part>,
    seed: u64,
}

/// The hash of an id in one [`IdMap`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdHash(u64);

/// A table with open addressing: an id stands in the first free slot from its home on. Word and row stand together, so
/// that looking for an id brings the very line into the cache that adding it writes to.
#[derive(Debug, Default)]
struct Part {
    /// The word in the upper half, the row in the lower. As many as a power of two, or none.
    slots: Vec<u64>,
    len: usize,
}

impl IdHash {
    fn part(self) -> usize {
        (self.0 >> 58) as usize
    }

    fn word(self) -> u32 {
        (self.0 >> 16) as u32 & 0x7fff_ffff
    }
}

fn pack(word: u32, row: u32) -> u64 {
    u64::from(word) << 32 | u64::from(row)
}

fn unpack(slot: u64) -> (u32, u32) {
    ((slot >> 32) as u32, slot as u32)
}

impl Part {
    /// Where an id with this word stands if nothing is in its way. There are slots.
    fn home(&self, word: u32) -> usize {
        let spread = u64::from(word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (spread >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// The first slot from the word's home on that passes; `None` when a free one comes first.
    fn find(&self, word: u32, passes: impl Fn(u32, u32) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.home(word);
        while self.slots[at] != EMPTY {
            let (of, row) = unpack(self.slots[at]);
            if passes(of, row) {
                return Some(at);
            }
            at = self.next(at);
        }
        None
    }

    fn insert(&mut self, word: u32, row: u32) {
        // A quarter stays free, so that searches for what is not there end soon.
        if self.len * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        self.place(pack(word, row));
        self.len += 1;
    }

    fn place(&mut self, slot: u64) {
        let mut at = self.home(unpack(slot).0);
        while self.slots[at] != EMPTY {
            at = self.next(at);
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let fresh = vec![EMPTY; (self.slots.len() * 2).max(SLOTS_MIN)];
        let old = std::mem::replace(&mut self.slots, fresh);
        old.into_iter().filter(|slot| *slot != EMPTY).for_each(|slot| self.place(slot));
    }

    /// Frees a slot, and moves those behind it up that would not be found any more.
    fn free(&mut self, mut free: usize) {
        self.len -= 1;
        let mut at = self.next(free);
        while self.slots[at] != EMPTY {
            let distance = |from: usize| at.wrapping_sub(from) & (self.slots.len() - 1);
            if distance(self.home(unpack(self.slots[at]).0)) >= distance(free) {
                self.slots[free] = self.slots[at];
                free = at;
            }
            at = self.next(at);
        }
        self.slots[free] = EMPTY;
    }
}

impl IdMap {
    /// An empty map. A seed that no one outside knows keeps ids from being chosen to collide.
    pub(crate) fn new(seed: u64) -> Self {
        Self { parts: (0..PARTS).map(|_| Part::default()).collect(), seed }
    }

    pub(crate) fn hash(&self, id: &[u8]) -> IdHash {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.seed);
        hasher.write(id);
        // One more mix: the part and the word must not depend on the same few bits.
        IdHash((hasher.finish() ^ self.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23))
    }

    /// The hashes of ids that are looked for next. Their homes are fetched into the cache together: one by one each
    /// would wait for the memory by itself.
    pub(crate) fn hashes<'a>(&self, ids: impl Iterator<Item = &'a [u8]>) -> Vec<IdHash> {
        let hashes: Vec<IdHash> = ids.map(|id| self.hash(id)).collect();
        let home = |hash: &IdHash| {
            let part = &self.parts[hash.part()];
            if part.slots.is_empty() { 0 } else { part.slots[part.home(hash.word())] }
        };
        std::hint::black_box(hashes.iter().fold(0, |all, hash| all ^ home(hash)));
        hashes
    }

    /// The row of an id; `is_id` tells whether a row holds it.
    pub(crate) fn get(&self, hash: IdHash, is_id: impl Fn(u32) -> bool) -> Option<u32> {
        let (part, word) = (&self.parts[hash.part()], hash.word());
        part.find(word, |of, row| of == word && is_id(row)).map(|at| unpack(part.slots[at]).1)
    }

    /// Adds an id that is not there.
    pub(crate) fn insert(&mut self, hash: IdHash, row: u32) {
        self.parts[hash.part()].insert(hash.word(), row);
    }

    /// Gives the id that is held by `old` the row `new`.
    pub(crate) fn replace(&mut self, hash: IdHash, old: u32, new: u32) {
        let (part, word) = (&mut self.parts[hash.part()], hash.word());
        if let Some(at) = part.find(word, |_, row| row == old) {
            part.slots[at] = pack(word, new);
        }
    }

    /// Takes out the id that is held by `row`.
    pub(crate) fn remove(&mut self, hash: IdHash, row: u32) {
        let part = &mut self.parts[hash.part()];
        if let Some(at) = part.find(hash.word(), |_, of| of == row) {
            part.free(at);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len).sum()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.slots.capacity() * size_of::<u64>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0u8..3, 0u32..40), 1..300)) {
            let mut map = IdMap::new(7);
            let mut model: HashMap<String, u32> = HashMap::new();
            let mut rows: Vec<String> = Vec::new();
            for (step, n) in steps {
                let id = format!("id-{n}");
                let hash = map.hash(id.as_bytes());
                let found = map.get(hash, |row| rows[row as usize] == id);
                prop_assert_eq!(found, model.get(&id).copied());
                match (step, found) {
                    (0, Some(row)) => { map.remove(hash, row); model.remove(&id); }
                    (0, None) => {}
                    (_, found) => {
                        let row = rows.len() as u32;
                        rows.push(id.clone());
                        match found { Some(old) => map.replace(hash, old, row), None => map.insert(hash, row) }
                        model.insert(id, row);
                    }
                }
                prop_assert_eq!(map.len(), model.len());
            }
        }
    }
}
