//! Bucket tables: from a parent bucket and a key to the number of a bucket.

use hashbrown::HashTable;

/// Buckets in the order in which they were met.
#[derive(Debug, Default, Clone)]
pub(super) struct BucketTable {
    keys: Vec<(u32, i64)>,
    counts: Vec<u64>,
    table: HashTable<u32>,
    last: Option<(u32, i64, u32)>,
}

#[inline]
fn hash(parent: u32, key: i64) -> u64 {
    let mixed = (key as u64 ^ u64::from(parent).rotate_left(40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 32
}

impl BucketTable {
    /// Counts a document in a bucket and returns the bucket's number.
    #[inline]
    pub(super) fn count(&mut self, parent: u32, key: i64) -> u32 {
        if let Some((p, k, number)) = self.last
            && p == parent
            && k == key
        {
            self.counts[number as usize] += 1;
            return number;
        }
        let keys = &self.keys;
        let full = hash(parent, key);
        let found = self.table.find(full, |n| keys[*n as usize] == (parent, key)).copied();
        let number = found.unwrap_or_else(|| self.add(full, parent, key));
        self.counts[number as usize] += 1;
        self.last = Some((parent, key, number));
        number
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

    pub(super) fn keys(&self) -> &[(u32, i64)] {
        &self.keys
    }

    pub(super) fn count_of(&self, number: u32) -> u64 {
        self.counts[number as usize]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.keys.capacity() * 24 + self.table.capacity() * 5
    }
}
