//! Keyed state as one ordered map of bytes, in pages that snapshots share, and the times at which keys want to be woken.
//!
//! The place of an entry is: the spread of its key (4 bytes, high end first), an area (1 byte), the key, and what the
//! operator appends. Places of one key and area stand next to each other.

use super::pages::{Pages, RowsPart};
use super::rows::spread_of;
use crate::run::aggregate::{loaded, saved};
use crate::run::spill::Share;
use serde_bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Bytes of memory that an entry takes beside its own.
const ENTRY_BYTES: usize = 64;
/// Bytes of a spread.
const SPREAD: usize = size_of::<u32>();
/// The area of times at which a key wants to be woken.
const TIMERS: u8 = 0;

type Boxed = Box<[u8]>;

/// A key and its spread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The spread, room for the area, the key.
    place: Boxed,
}

impl Key {
    /// The key of these bytes.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut place = Vec::with_capacity(SPREAD + 1 + bytes.len());
        place.extend_from_slice(&spread_of(bytes).to_be_bytes());
        place.push(TIMERS);
        place.extend_from_slice(bytes);
        Self { place: place.into() }
    }

    /// The bytes of the key alone.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.place[SPREAD + 1..]
    }

    /// Where an area of the key begins; `below` is what the operator appends.
    pub(crate) fn place(&self, area: u8, below: &[&[u8]]) -> Vec<u8> {
        let mut place = Vec::with_capacity(self.place.len() + below.iter().map(|b| b.len()).sum::<usize>());
        place.extend_from_slice(&self.place);
        place[SPREAD] = area;
        below.iter().for_each(|b| place.extend_from_slice(b));
        place
    }

    /// What was appended to the key in a place of it.
    pub(crate) fn below<'a>(&self, place: &'a [u8]) -> &'a [u8] {
        place.get(self.place.len()..).unwrap_or_default()
    }
}

/// A number as bytes that sort as it does.
pub(crate) fn ordered(value: i64) -> [u8; 8] {
    ((value as u64) ^ (1 << 63)).to_be_bytes()
}

/// What [`ordered`] made bytes of; the first eight of them are read.
pub(crate) fn ordered_value(bytes: &[u8]) -> i64 {
    let mut eight = [0; 8];
    let count = bytes.len().min(8);
    eight[..count].copy_from_slice(&bytes[..count]);
    (u64::from_be_bytes(eight) ^ (1 << 63)) as i64
}

/// A range of a state's places. Parts are shared with snapshots and copied when they are written again meanwhile.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyedPart {
    entries: BTreeMap<Boxed, Boxed>,
    bytes: usize,
    /// No number that the state has given out is greater.
    sequence: u64,
}

/// The spread of the key of a place.
pub(super) fn spread(place: &[u8]) -> u32 {
    place.first_chunk::<SPREAD>().map_or(0, |s| u32::from_be_bytes(*s))
}

fn size(place: &[u8], value: &[u8]) -> usize {
    place.len() + value.len() + ENTRY_BYTES
}

impl KeyedPart {
    /// Entries of the part.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The first and the last place.
    pub(super) fn bounds(&self) -> Option<(&[u8], &[u8])> {
        Some((self.entries.first_key_value()?.0, self.entries.last_key_value()?.0))
    }

    pub(super) fn get(&self, place: &[u8]) -> Option<&[u8]> {
        self.entries.get(place).map(|v| &**v)
    }

    /// All entries, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(place, value)| (&**place, &**value))
    }

    /// The entries between two places, in order.
    pub(super) fn range<'a>(
        &'a self,
        from: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.entries.range::<[u8], _>((from, end)).map(|(place, value)| (&**place, &**value))
    }

    /// Whether there was nothing at the place.
    pub(super) fn insert(&mut self, place: Boxed, value: Boxed, sequence: u64) -> bool {
        self.sequence = self.sequence.max(sequence);
        let added = size(&place, &value);
        let place_bytes = place.len();
        self.bytes += added;
        let old = self.entries.insert(place, value);
        if let Some(old) = &old {
            self.bytes -= place_bytes + old.len() + ENTRY_BYTES;
        }
        old.is_none()
    }

    pub(super) fn remove(&mut self, place: &[u8]) -> Option<Boxed> {
        let value = self.entries.remove(place)?;
        self.bytes -= size(place, &value);
        Some(value)
    }

    /// Takes the second half out; `None` where there are fewer than two entries.
    pub(super) fn split(&mut self) -> Option<Self> {
        let middle = self.entries.keys().nth(self.entries.len() / 2).filter(|_| self.entries.len() > 1)?.clone();
        let entries = self.entries.split_off(&middle);
        let bytes = entries.iter().map(|(place, value)| size(place, value)).sum();
        self.bytes -= bytes;
        Some(Self { entries, bytes, sequence: self.sequence })
    }

    /// The entries by what `of` makes of the spread of their key, a number below `parts`.
    pub(crate) fn divide(&self, parts: usize, of: impl Fn(u32) -> usize) -> Vec<Self> {
        let mut shares: Vec<Self> = (0..parts).map(|_| Self { sequence: self.sequence, ..Self::default() }).collect();
        for (place, value) in &self.entries {
            shares[of(spread(place))].insert(place.clone(), value.clone(), self.sequence);
        }
        shares
    }

    /// Writes the part down.
    pub(crate) fn save(&self) -> Result<Vec<u8>, String> {
        let mut lengths: Vec<(u32, u32)> = Vec::with_capacity(self.entries.len());
        let mut bytes = Vec::with_capacity(self.bytes.saturating_sub(self.entries.len() * ENTRY_BYTES));
        for (place, value) in &self.entries {
            lengths.push((place.len() as u32, value.len() as u32));
            bytes.extend_from_slice(place);
            bytes.extend_from_slice(value);
        }
        saved(&(self.sequence, lengths, Bytes::new(&bytes)))
    }

    /// Reads what [`KeyedPart::save`] wrote.
    ///
    /// # Errors
    /// Says what is wrong when the bytes are anything else.
    pub(crate) fn load(bytes: &[u8]) -> Result<Self, String> {
        let (sequence, lengths, bytes): (u64, Vec<(u32, u32)>, &Bytes) = loaded(bytes)?;
        let mut part = Self { sequence, ..Self::default() };
        let mut rest: &[u8] = bytes;
        for (place, value) in lengths {
            let entry = rest.split_at_checked(place as usize);
            let entry = entry.and_then(|(place, rest)| Some((place, rest.split_at_checked(value as usize)?)));
            let (place, (value, behind)) = entry.ok_or("an entry ends behind the entries' end")?;
            if place.len() <= SPREAD || part.entries.last_key_value().is_some_and(|(last, _)| **last >= *place) {
                return Err("the entries are not in order".to_owned());
            }
            part.insert(place.into(), value.into(), sequence);
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the entries", rest.len()));
        }
        Ok(part)
    }
}

/// What one subtask of an operator keeps.
#[derive(Debug)]
pub(crate) struct KeyedState {
    entries: Pages,
    /// The times at which keys want to be woken, before the keys; they stand among the entries as well.
    timers: Pages,
    sequence: u64,
    /// Its part of the job's memory; `None` where nothing bounds it.
    share: Option<Share>,
}

impl KeyedState {
    /// A state of these parts.
    ///
    /// # Errors
    /// When what is on disk cannot be read, or what memory has no room for cannot be moved there.
    pub(crate) fn of(mut parts: Vec<RowsPart>, share: Option<Share>) -> Result<Self, String> {
        let (entries, timers) = (Pages::default(), Pages::default());
        let mut state = Self { entries, timers, sequence: 0, share };
        parts.sort_by(|a, b| a.first().cmp(&b.first()));
        for part in parts {
            state.wake_all(&part)?;
            state.entries.append(part)?;
            state.settle();
            state.failure().map_or(Ok(()), |failure| Err(failure.to_owned()))?;
        }
        state.sequence = state.entries.sequence();
        Ok(state)
    }

    /// Notes the times at which the keys of a part want to be woken.
    fn wake_all(&mut self, part: &RowsPart) -> Result<(), String> {
        for (place, _) in part.part()?.entries() {
            if let Some((at, key)) = timer(place) {
                self.timers.insert(timer_place(at, &key), Boxed::default(), 0);
            }
        }
        Ok(())
    }

    /// The parts with entries, as they are now. What changes later changes a copy.
    pub(crate) fn freeze(&self) -> Vec<RowsPart> {
        self.entries.freeze()
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.bytes() + self.timers.bytes()
    }

    /// Why something that is on disk could not be had, or be brought there. What was answered since is not to be used.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.entries.failure().or(self.timers.failure())
    }

    /// Keeps to its part of the job's memory.
    pub(crate) fn settle(&mut self) {
        let bytes = self.bytes();
        let Some(share) = &mut self.share else { return };
        let surplus = share.hold(bytes);
        if surplus == 0 {
            return;
        }
        let store = share.store().clone();
        let of_timers = (surplus as f64 * self.timers.bytes() as f64 / bytes.max(1) as f64) as usize;
        self.entries.stow(surplus - of_timers, &store);
        self.timers.stow(of_timers, &store);
        let held = self.bytes();
        if let Some(share) = &mut self.share {
            share.hold(held);
        }
    }

    fn settle_if_due(&mut self) {
        let bytes = self.bytes();
        if self.share.as_ref().is_some_and(|share| share.is_due(bytes)) {
            self.settle();
        }
    }

    /// A number greater than all before it, also after a restart.
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(crate) fn get(&self, place: &[u8]) -> Option<&[u8]> {
        self.entries.get(place)
    }

    pub(crate) fn put(&mut self, place: Vec<u8>, value: &[u8]) {
        self.entries.insert(place.into(), value.into(), self.sequence);
        self.settle_if_due();
    }

    pub(crate) fn remove(&mut self, place: &[u8]) -> Option<Boxed> {
        let removed = self.entries.remove(place);
        self.settle_if_due();
        removed
    }

    /// The entries whose place begins with `prefix`, in order.
    pub(crate) fn within<'a>(&'a self, prefix: &'a [u8]) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a [u8])> {
        let mut behind = prefix.to_vec();
        while behind.pop_if(|b| *b == u8::MAX).is_some() {}
        let end = behind.last_mut().map(|last| *last += 1).map(|()| behind.into_boxed_slice());
        self.entries.range(prefix, end)
    }

    /// Has the key woken when the watermark reaches `at`.
    pub(crate) fn wake_at(&mut self, key: &Key, at: i64) {
        if self.timers.insert(timer_place(at, key), Boxed::default(), 0) {
            self.put(key.place(TIMERS, &[&ordered(at)]), &[]);
        }
    }

    /// Has the key not woken at `at` any more.
    pub(crate) fn let_sleep(&mut self, key: &Key, at: i64) {
        if self.timers.remove(&timer_place(at, key)).is_some() {
            self.remove(&key.place(TIMERS, &[&ordered(at)]));
        }
    }

    /// When the next key is to be woken.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.timers.first().map(|(place, _)| ordered_value(place))
    }

    /// The next key to be woken by `watermark`, taken out.
    pub(crate) fn due(&mut self, watermark: i64) -> Option<(i64, Key)> {
        let (place, _) = self.timers.first()?;
        let at = ordered_value(place);
        if at > watermark {
            return None;
        }
        let (place, key): (Boxed, Key) = (place.into(), Key { place: place[8..].into() });
        self.timers.remove(&place);
        self.remove(&key.place(TIMERS, &[&ordered(at)]));
        Some((at, key))
    }
}

/// Where a timer stands among the timers.
fn timer_place(at: i64, key: &Key) -> Boxed {
    [&ordered(at)[..], &key.place].concat().into()
}

/// The time and the key of a place in the area of timers.
fn timer(place: &[u8]) -> Option<(i64, Key)> {
    if place.get(SPREAD) != Some(&TIMERS) {
        return None;
    }
    let (key, at) = place.split_at_checked(place.len().checked_sub(8)?)?;
    (key.len() > SPREAD).then(|| (ordered_value(at), Key { place: key.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    const AREA: u8 = 7;

    fn filled(entries: &BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>) -> KeyedState {
        let mut state = KeyedState::of(Vec::new(), None).unwrap();
        for ((key, below), value) in entries {
            state.put(Key::new(key).place(AREA, &[below]), value);
            state.wake_at(&Key::new(key), below.len() as i64);
            state.next_sequence();
        }
        state
    }

    fn entries() -> impl Strategy<Value = BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>> {
        let bytes = || prop::collection::vec(prop::sample::select(vec![0, 1, 254, 255]), 0..4);
        prop::collection::btree_map((bytes(), bytes()), bytes(), 0..40)
    }

    proptest! {
        /// What is kept under a prefix is found under it, in order and alone; taken apart, written down, read and put
        /// together again at another parallelism it is the same.
        #[test]
        fn what_is_kept_is_found(entries in entries(), subtasks in 1_usize..5) {
            let state = filled(&entries);
            let mut parts = Vec::new();
            for part in state.freeze() {
                let loaded = KeyedPart::load(&part.part().unwrap().save().unwrap()).unwrap();
                let owner = |spread: u32| crate::run::aggregate::owner_of(spread, 128, subtasks);
                parts.extend(loaded.divide(subtasks, owner).into_iter().map(|part| RowsPart::Held(Arc::new(part))));
            }
            let mut again = KeyedState::of(parts, None).unwrap();
            prop_assert_eq!(again.bytes(), state.bytes());
            for (key, _) in entries.keys() {
                let prefix = Key::new(key).place(AREA, &[]);
                let all: Vec<_> = again.within(&prefix).map(|(p, v)| (p.to_vec(), v.to_vec())).collect();
                prop_assert!(all.is_sorted());
                for (place, value) in &all {
                    prop_assert_eq!(state.get(place), Some(value.as_slice()));
                }
                for ((other, below), value) in &entries {
                    if other == key {
                        prop_assert!(all.contains(&(Key::new(key).place(AREA, &[below]), value.clone())));
                    }
                }
            }
            prop_assert!(entries.is_empty() || again.next_sequence() > entries.len() as u64 / 2);
            let mut woken = Vec::new();
            while let Some((at, key)) = again.due(i64::MAX) {
                woken.push((at, key.bytes().to_vec()));
            }
            prop_assert!(woken.is_sorted_by_key(|(at, _)| *at));
            let wanted: BTreeSet<(i64, Vec<u8>)> = entries.keys().map(|(k, b)| (b.len() as i64, k.clone())).collect();
            prop_assert_eq!(woken.into_iter().collect::<BTreeSet<_>>(), wanted);
            for (key, below) in entries.keys() {
                again.remove(&Key::new(key).place(AREA, &[below]));
            }
            prop_assert_eq!(again.bytes(), 0);
        }

        /// Whatever the bytes are, reading them ends with a part or with a reason.
        #[test]
        fn any_bytes_are_a_part_or_are_refused(entries in entries(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
            for part in filled(&entries).freeze() {
                let mut bytes = part.part().unwrap().save().unwrap();
                let at = at.index(bytes.len());
                bytes[at] = with;
                for bytes in [&bytes, &bytes[..at].to_vec()] {
                    if let Ok(part) = KeyedPart::load(bytes) {
                        let _state = KeyedState::of(vec![RowsPart::Held(Arc::new(part))], None).unwrap();
                    }
                }
            }
        }

        #[test]
        fn numbers_sort_as_their_bytes(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(a.cmp(&b), ordered(a).cmp(&ordered(b)));
            prop_assert_eq!(ordered_value(&ordered(a)), a);
        }
    }

    #[test]
    fn a_snapshot_does_not_change() {
        let key = Key::new(b"k");
        let mut state = KeyedState::of(Vec::new(), None).unwrap();
        state.put(key.place(AREA, &[b"1"]), b"old");
        let frozen = state.freeze();
        state.put(key.place(AREA, &[b"1"]), b"new");
        state.put(key.place(AREA, &[b"2"]), b"more");
        assert_eq!(KeyedState::of(frozen, None).unwrap().get(&key.place(AREA, &[b"1"])), Some(b"old".as_slice()));
        assert_eq!(state.within(&key.place(AREA, &[])).count(), 2);
    }
}
