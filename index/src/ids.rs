//! From the id of a document to the row that holds it.

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;

/// The table is split, so that growing it moves a 64th of the entries at a time and no write waits long.
const PARTS: usize = 64;

/// Ids and their rows. Rows are kept with 32 bits of their id's hash; the ids themselves stand in the chunks.
#[derive(Debug)]
pub(crate) struct IdMap {
    parts: Vec<HashTable<(u32, u32)>>,
    seed: u64,
    len: usize,
}

/// The hash of an id in one [`IdMap`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdHash(u64);

impl IdMap {
    /// An empty map. A seed that no one outside knows keeps ids from being chosen to collide.
    pub(crate) fn new(seed: u64) -> Self {
        Self { parts: (0..PARTS).map(|_| HashTable::new()).collect(), seed, len: 0 }
    }

    pub(crate) fn hash(&self, id: &[u8]) -> IdHash {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.seed);
        hasher.write(id);
        // One more mix: the part, the tag and the bucket must not depend on the same few bits.
        IdHash((hasher.finish() ^ self.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23))
    }

    fn place(hash: IdHash) -> (usize, u32, u64) {
        let word = (hash.0 >> 16) as u32;
        ((hash.0 >> 58) as usize, word, spread(word))
    }

    /// The row of an id; `is_id` tells whether a row holds it.
    pub(crate) fn get(&self, hash: IdHash, is_id: impl Fn(u32) -> bool) -> Option<u32> {
        let (part, word, full) = Self::place(hash);
        self.parts[part].find(full, |(w, row)| *w == word && is_id(*row)).map(|(_, row)| *row)
    }

    /// Adds an id that is not there.
    pub(crate) fn insert(&mut self, hash: IdHash, row: u32) {
        let (part, word, full) = Self::place(hash);
        self.parts[part].insert_unique(full, (word, row), |(w, _)| spread(*w));
        self.len += 1;
    }

    /// Gives the id that is held by `old` the row `new`.
    pub(crate) fn replace(&mut self, hash: IdHash, old: u32, new: u32) {
        let (part, _, full) = Self::place(hash);
        if let Some(entry) = self.parts[part].find_mut(full, |(_, row)| *row == old) {
            entry.1 = new;
        }
    }

    /// Takes out the id that is held by `row`.
    pub(crate) fn remove(&mut self, hash: IdHash, row: u32) {
        let (part, _, full) = Self::place(hash);
        if let Ok(entry) = self.parts[part].find_entry(full, |(_, r)| *r == row) {
            entry.remove();
            self.len -= 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.parts.iter().map(|p| p.capacity() * 8 / 7 * 9).sum()
    }
}

/// 32 bits spread over 64, for the table looks at the highest and the lowest ones.
fn spread(word: u32) -> u64 {
    u64::from(word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
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
