//! Bucket tables: from a parent bucket and a key to the number of a bucket.

use hashbrown::HashTable;

/// Keys near the first one are found by their distance from it, without hashing: cells of one city, or values of a small
/// range. Only for buckets without a parent, which are most.
const NEAR: usize = 1 << 16;
const NONE: u32 = u32::MAX;

/// Buckets in the order in which they were met.
#[derive(Debug, Default, Clone)]
pub(super) struct BucketTable {
    keys: Vec<(u32, i64)>,
    counts: Vec<u64>,
    table: HashTable<u32>,
    /// The first of the near keys, and the number of the bucket of each.
    near_from: i64,
    near: Vec<u32>,
}

#[inline]
fn hash(parent: u32, key: i64) -> u64 {
    let mixed = (key as u64 ^ u64::from(parent).rotate_left(40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 32
}

impl BucketTable {
    /// The number of a bucket, given to it now if it has none.
    #[inline]
    pub(super) fn number(&mut self, parent: u32, key: i64) -> u32 {
        if parent != 0 {
            return self.hashed(parent, key);
        }
        if self.near.is_empty() {
            self.near_from = key & !(NEAR as i64 - 1);
            self.near = vec![NONE; NEAR];
        }
        let distance = key.wrapping_sub(self.near_from) as u64 as usize;
        match self.near.get(distance) {
            None => self.hashed(parent, key),
            Some(&NONE) => {
                let number = self.hashed(parent, key);
                self.near[distance] = number;
                number
            }
            Some(number) => *number,
        }
    }

    fn hashed(&mut self, parent: u32, key: i64) -> u32 {
        let keys = &self.keys;
        let full = hash(parent, key);
        let found = self.table.find(full, |n| keys[*n as usize] == (parent, key)).copied();
        found.unwrap_or_else(|| self.add(full, parent, key))
    }

    fn add(&mut self, full: u64, parent: u32, key: i64) -> u32 {
        let number = self.keys.len() as u32;
        self.keys.push((parent, key));
        self.counts.push(0);
        let keys = &self.keys;
        self.table.insert_unique(full, number, |n| {
            let (parent, key) = keys[*n as usize];
            hash(parent, key)
        });
        number
    }

    /// Counts documents in a bucket.
    #[inline]
    pub(super) fn add_count(&mut self, number: u32, documents: u64) {
        self.counts[number as usize] += documents;
    }

    pub(super) fn keys(&self) -> &[(u32, i64)] {
        &self.keys
    }

    pub(super) fn count_of(&self, number: u32) -> u64 {
        self.counts[number as usize]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.keys.capacity() * 24 + self.table.capacity() * 5 + self.near.capacity() * 4
    }
}
