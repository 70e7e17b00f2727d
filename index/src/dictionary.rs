//! The distinct keywords of one field, numbered in order of arrival, and their ranks in byte order.

use crate::bitmap::Bitmap;
use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock, RwLockWriteGuard};
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Keywords and their numbers. It only grows, so that a number means the same keyword for as long as the index is open;
/// keywords that no document has any more are let go when the index is opened again.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    words: RwLock<Words>,
    ranking: Mutex<Arc<Ranking>>,
}

#[derive(Debug, Default)]
struct Words {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    table: HashTable<u32>,
}

/// The order of the first keywords of a dictionary.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    /// Keyword numbers in byte order of their keywords.
    order: Vec<u32>,
    /// The rank of each keyword number.
    ranks: Vec<u32>,
}

impl Ranking {
    /// The rank of a keyword.
    pub(crate) fn rank(&self, number: i64) -> u32 {
        self.ranks[number as usize]
    }

    /// The keyword of a rank.
    pub(crate) fn number(&self, rank: usize) -> Option<u32> {
        self.order.get(rank).copied()
    }
}

impl Words {
    fn word(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.bytes[start..self.ends[number]]
    }

    fn find(&self, word: &[u8]) -> Option<u32> {
        self.table.find(FxBuildHasher.hash_one(word), |n| self.word(*n) == word).copied()
    }
}

impl Words {
    /// The number of a keyword, given to it now if it has none.
    fn intern(&mut self, word: &[u8]) -> u32 {
        if let Some(number) = self.find(word) {
            return number;
        }
        let number = self.ends.len() as u32;
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
        let Self { bytes, ends, table } = self;
        let of = |n: u32| &bytes[if n == 0 { 0 } else { ends[n as usize - 1] }..ends[n as usize]];
        table.insert_unique(FxBuildHasher.hash_one(word), number, |n| FxBuildHasher.hash_one(of(*n)));
        number
    }
}

/// Numbers keywords of several fields. Each dictionary stays locked until it is dropped: a lock for each keyword would
/// cost more than the look-up, for it waits until all that was written before has reached the cache.
pub(crate) struct Interner<'a> {
    dictionaries: &'a [Option<Arc<Dictionary>>],
    open: Vec<Option<RwLockWriteGuard<'a, Words>>>,
}

impl<'a> Interner<'a> {
    /// Numbers keywords by the dictionaries of all fields, of which those of keywords have one.
    pub(crate) fn new(dictionaries: &'a [Option<Arc<Dictionary>>]) -> Self {
        Self { dictionaries, open: dictionaries.iter().map(|_| None).collect() }
    }

    /// The number of a keyword of a field, given to it now if it has none; `None` when the field has no dictionary.
    pub(crate) fn number(&mut self, field: usize, word: &str) -> Option<u32> {
        if let Some(Some(words)) = self.open.get_mut(field) {
            return Some(words.intern(word.as_bytes()));
        }
        let dictionary = self.dictionaries.get(field)?.as_ref()?;
        let mut words = dictionary.words.try_write().unwrap_or_else(|| {
            // Whoever has it may wait for one of ours.
            self.open.iter_mut().for_each(|words| *words = None);
            dictionary.words.write()
        });
        let number = words.intern(word.as_bytes());
        self.open[field] = Some(words);
        Some(number)
    }
}

impl Dictionary {
    /// The number of a keyword, given to it now if it has none.
    pub(crate) fn intern(&self, word: &str) -> u32 {
        self.words.write().intern(word.as_bytes())
    }

    /// The number of a keyword, if it has one.
    pub(crate) fn number(&self, word: &str) -> Option<u32> {
        self.words.read().find(word.as_bytes())
    }

    /// The keyword of a number.
    pub(crate) fn word(&self, number: i64) -> String {
        String::from_utf8_lossy(self.words.read().word(number as u32)).into_owned()
    }

    /// A hash of the keyword that is the same in every index.
    pub(crate) fn hash(&self, number: i64) -> u64 {
        FxBuildHasher.hash_one(self.words.read().word(number as u32))
    }

    /// How many keywords there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.words.read().ends.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let words = self.words.read();
        words.bytes.capacity() + words.ends.capacity() * 8 + words.table.capacity() * 5
    }

    /// The order of all keywords that are there now.
    pub(crate) fn ranking(&self) -> Arc<Ranking> {
        let mut cached = self.ranking.lock();
        let words = self.words.read();
        let (known, all) = (cached.order.len() as u32, words.ends.len() as u32);
        if known < all {
            let mut order: Vec<u32> = cached.order.iter().copied().chain(known..all).collect();
            // The sort finds and keeps the run that is in order already.
            order.sort_by(|a, b| words.word(*a).cmp(words.word(*b)));
            let mut ranks = vec![0; order.len()];
            for (rank, number) in order.iter().enumerate() {
                ranks[*number as usize] = rank as u32;
            }
            *cached = Arc::new(Ranking { order, ranks });
        }
        cached.clone()
    }

    /// The ranking, and the rank of the first keyword that is not below `word`, with whether it is `word` itself.
    pub(crate) fn position(&self, word: &str) -> (Arc<Ranking>, usize, bool) {
        let ranking = self.ranking();
        let words = self.words.read();
        let at = ranking.order.partition_point(|n| words.word(*n) < word.as_bytes());
        let is_word = ranking.order.get(at).is_some_and(|n| words.word(*n) == word.as_bytes());
        (ranking, at, is_word)
    }

    /// The numbers of the keywords in a range of ranks.
    pub(crate) fn between(ranking: &Ranking, from: usize, to: usize) -> Bitmap {
        let mut numbers = Bitmap::none(ranking.order.len());
        let to = to.min(ranking.order.len());
        ranking.order[from.min(to)..to].iter().for_each(|n| numbers.set(*n as usize));
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_follow_bytes_while_it_grows(words in proptest::collection::vec("[a-zé]{0,3}", 1..60), cut in 0usize..60) {
            let dictionary = Dictionary::default();
            let mut numbers = Vec::new();
            for (i, word) in words.iter().enumerate() {
                if i == cut { dictionary.ranking(); }
                numbers.push(dictionary.intern(word));
            }
            let ranking = dictionary.ranking();
            for (word, number) in words.iter().zip(&numbers) {
                prop_assert_eq!(dictionary.number(word), Some(*number));
                prop_assert_eq!(&dictionary.word((*number).into()), word);
                let (_, at, is_word) = dictionary.position(word);
                prop_assert!(is_word);
                prop_assert_eq!(ranking.rank((*number).into()) as usize, at);
            }
            for a in 0..words.len() {
                for b in 0..words.len() {
                    let ranks = (ranking.rank(numbers[a].into()), ranking.rank(numbers[b].into()));
                    prop_assert_eq!(ranks.0.cmp(&ranks.1), words[a].as_bytes().cmp(words[b].as_bytes()));
                }
            }
        }
    }
}
