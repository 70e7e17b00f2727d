//! A set of rows as one bit each.

/// A fixed number of bits. *Invariant:* bits at and beyond `len` are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// `len` bits, all 0.
    pub(crate) fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// `len` bits, all 1.
    pub(crate) fn all(len: usize) -> Self {
        let mut bits = Self { words: vec![u64::MAX; len.div_ceil(64)], len };
        bits.clear_tail();
        bits
    }

    /// The bits that were written by [`Bitmap::words`]; `None` when there are too few or too many words.
    pub(crate) fn from_words(words: Vec<u64>, len: usize) -> Option<Self> {
        (words.len() == len.div_ceil(64)).then(|| {
            let mut bits = Self { words, len };
            bits.clear_tail();
            bits
        })
    }

    fn clear_tail(&mut self) {
        if let (Some(last), tail @ 1..) = (self.words.last_mut(), self.len % 64) {
            *last &= (1 << tail) - 1;
        }
    }

    /// How many bits there are, set or not.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bits in words of 64, the first bit lowest.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Appends one bit.
    pub(crate) fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        self.len += 1;
        if bit {
            self.set(self.len - 1);
        }
    }

    pub(crate) fn set(&mut self, at: usize) {
        self.words[at / 64] |= 1 << (at % 64);
    }

    pub(crate) fn clear(&mut self, at: usize) {
        self.words[at / 64] &= !(1 << (at % 64));
    }

    pub(crate) fn get(&self, at: usize) -> bool {
        self.words[at / 64] >> (at % 64) & 1 == 1
    }

    /// How many bits are set.
    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    pub(crate) fn is_none(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// Keeps what is set in both. A shorter `other` counts as 0 beyond its end.
    pub(crate) fn and(&mut self, other: &Self) {
        for (i, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(i).copied().unwrap_or(0);
        }
    }

    pub(crate) fn or(&mut self, other: &Self) {
        for (word, o) in self.words.iter_mut().zip(&other.words) {
            *word |= o;
        }
        self.clear_tail();
    }

    /// Clears what is set in `other`.
    pub(crate) fn and_not(&mut self, other: &Self) {
        for (word, o) in self.words.iter_mut().zip(&other.words) {
            *word &= !o;
        }
    }

    /// The positions of the set bits, rising.
    pub(crate) fn ones(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    i as u32 * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(len in 1usize..300, a in proptest::collection::btree_set(0usize..300, 0..80),
                       b in proptest::collection::btree_set(0usize..300, 0..80)) {
            let of = |set: &BTreeSet<usize>| {
                let mut bits = Bitmap::none(len);
                set.iter().filter(|i| **i < len).for_each(|i| bits.set(*i));
                bits
            };
            let back = |bits: &Bitmap| bits.ones().map(|i| i as usize).collect::<BTreeSet<_>>();
            let (a, b): (BTreeSet<_>, BTreeSet<_>) =
                (a.into_iter().filter(|i| *i < len).collect(), b.into_iter().filter(|i| *i < len).collect());
            let (mut and, mut or, mut not) = (of(&a), of(&a), of(&a));
            and.and(&of(&b));
            or.or(&of(&b));
            not.and_not(&of(&b));
            prop_assert_eq!(back(&and), a.intersection(&b).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(back(&or), a.union(&b).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(back(&not), a.difference(&b).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(Bitmap::all(len).count(), len);
            prop_assert_eq!(of(&a).count(), a.len());
            prop_assert_eq!(Bitmap::from_words(of(&a).words().to_vec(), len), Some(of(&a)));
        }
    }
}
