//! An ordered map of bytes in pages: the unit that snapshots share, that checkpoints write, and that goes to disk when
//! memory is short.
//!
//! A page is a range of places. It is split when it grows too large, so that copying, writing and reading one takes
//! little time however large the map is.

use super::state::KeyedPart;
use crate::run::spill::{SpillError, SpillStore, Stored};
use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Bytes of memory at which a page is split. A row that comes to a page on disk reads all of it: larger pages would make
/// that slower, smaller ones take more memory to find.
const PAGE_BYTES_MAX: usize = 8 * 1024;
/// Bytes that are encoded before they go to disk together.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

type Bytes = Box<[u8]>;

/// A page on disk, and what is to be known of it without reading it.
#[derive(Debug)]
pub(crate) struct StoredRows {
    stored: Stored,
    first: Bytes,
    last: Bytes,
    len: usize,
    sequence: u64,
}

impl StoredRows {
    fn new(stored: Stored, part: &KeyedPart) -> Option<Self> {
        let (first, last) = part.bounds()?;
        Some(Self { stored, first: first.into(), last: last.into(), len: part.len(), sequence: part.sequence() })
    }

    /// The page as it is written into a checkpoint.
    pub(crate) fn saved(&self) -> Result<Vec<u8>, String> {
        self.stored.read().map_err(|e| e.to_string())
    }

    pub(crate) fn read(&self) -> Result<KeyedPart, String> {
        KeyedPart::load(&self.saved()?)
    }
}

/// Entries in memory or on disk, behind a pointer.
#[derive(Debug, Clone)]
pub(crate) enum RowsPart {
    /// In memory.
    Held(Arc<KeyedPart>),
    /// On disk.
    Stored(Arc<StoredRows>),
}

impl RowsPart {
    /// Moves it to disk.
    pub(crate) fn stow(self, store: &Arc<SpillStore>) -> Result<Self, String> {
        let Self::Held(part) = &self else { return Ok(self) };
        let stored = store.put(&[part.save()?]).map_err(|e| e.to_string())?;
        let rows = stored.into_iter().next().and_then(|stored| StoredRows::new(stored, part));
        Ok(rows.map_or(self, |rows| Self::Stored(Arc::new(rows))))
    }

    /// Its first and last place; `None` without entries.
    fn bounds(&self) -> Option<(&[u8], &[u8])> {
        match self {
            Self::Held(part) => part.bounds(),
            Self::Stored(rows) => Some((&rows.first, &rows.last)),
        }
    }

    /// Its first place.
    pub(super) fn first(&self) -> Option<&[u8]> {
        self.bounds().map(|(first, _)| first)
    }

    /// Entries in it.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Held(part) => part.len(),
            Self::Stored(rows) => rows.len,
        }
    }

    /// What `of` makes of the spread of every key where it is the same for all. `of` must not fall where the spread rises.
    pub(crate) fn common<T: PartialEq>(&self, of: impl Fn(u32) -> T) -> Option<T> {
        let (first, last) = self.bounds()?;
        let (least, greatest) = (of(super::state::spread(first)), of(super::state::spread(last)));
        (least == greatest).then_some(least)
    }

    /// The entries, read from disk where they are there.
    pub(crate) fn part(&self) -> Result<Arc<KeyedPart>, String> {
        match self {
            Self::Held(part) => Ok(part.clone()),
            Self::Stored(rows) => Ok(Arc::new(rows.read()?)),
        }
    }
}

#[derive(Debug, Default)]
struct Slot {
    /// The entries; not there while they are on disk alone.
    page: OnceCell<Arc<KeyedPart>>,
    /// The same entries on disk.
    stored: Option<Arc<StoredRows>>,
    /// When it was looked at last.
    used: Cell<u64>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pages {
    /// By the least place that belongs to each; the first is empty.
    slots: BTreeMap<Bytes, Slot>,
    /// Bytes of the pages in memory.
    held: Cell<usize>,
    /// Looks that were taken.
    looks: Cell<u64>,
    /// Why a page could not be read. What was answered since is not to be used.
    failure: OnceCell<String>,
}

impl Default for Pages {
    fn default() -> Self {
        let first = Slot { page: OnceCell::from(Arc::default()), ..Slot::default() };
        let slots = BTreeMap::from([(Bytes::default(), first)]);
        Self { slots, held: Cell::new(0), looks: Cell::new(0), failure: OnceCell::new() }
    }
}

fn excluded(end: Option<&[u8]>) -> Bound<&[u8]> {
    end.map_or(Bound::Unbounded, Bound::Excluded)
}

impl Pages {
    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.held.get()
    }

    /// Why a page could not be read, if one could not.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Takes a page over whose places lie behind all that are there. Where it is larger than a page, or not alone in its
    /// range, its entries are taken one by one.
    pub(crate) fn append(&mut self, part: RowsPart) -> Result<(), String> {
        let Some((first, _)) = part.bounds() else { return Ok(()) };
        let behind = self.last_place().is_none_or(|last| *last < *first);
        let small = !matches!(&part, RowsPart::Held(part) if part.bytes() > PAGE_BYTES_MAX);
        if !behind || !small {
            let part = part.part()?;
            part.entries().for_each(|(place, value)| {
                self.insert(place.into(), value.into(), part.sequence());
            });
            return Ok(());
        }
        let mut slot = Slot::default();
        let bound: Bytes = first.into();
        match part {
            RowsPart::Held(part) => {
                self.held.set(self.held.get() + part.bytes());
                slot.page = OnceCell::from(part);
            }
            RowsPart::Stored(rows) => slot.stored = Some(rows),
        }
        self.slots.insert(bound, slot);
        Ok(())
    }

    /// The last place, as far as pages know it without being read.
    fn last_place(&self) -> Option<Bytes> {
        self.slots.values().rev().find_map(|slot| match (slot.page.get(), &slot.stored) {
            (Some(page), _) => page.bounds().map(|(_, last)| last.into()),
            (None, Some(rows)) => Some(rows.last.clone()),
            (None, None) => None,
        })
    }

    fn page<'a>(&'a self, slot: &'a Slot) -> Option<&'a KeyedPart> {
        self.looks.set(self.looks.get() + 1);
        slot.used.set(self.looks.get());
        if let Some(page) = slot.page.get() {
            return Some(page);
        }
        match slot.stored.as_ref()?.read() {
            Ok(page) => {
                self.held.set(self.held.get() + page.bytes());
                Some(slot.page.get_or_init(|| Arc::new(page)))
            }
            Err(error) => {
                // The first reason is the one that counts.
                let _ = self.failure.set(error);
                None
            }
        }
    }

    fn slot(&self, place: &[u8]) -> Option<(&Bytes, &Slot)> {
        self.slots.range::<[u8], _>((Bound::Unbounded, Bound::Included(place))).next_back()
    }

    pub(crate) fn get(&self, place: &[u8]) -> Option<&[u8]> {
        self.page(self.slot(place)?.1)?.get(place)
    }

    /// The bound of the page of a place, which is in memory afterwards.
    fn fetch(&self, place: &[u8]) -> Option<Bytes> {
        let (bound, slot) = self.slot(place)?;
        self.page(slot)?;
        Some(bound.clone())
    }

    /// Changes the page with a bound, which is in memory; it is split where it has grown too large, and forgotten without
    /// entries.
    fn change<T>(&mut self, bound: &Bytes, change: impl FnOnce(&mut KeyedPart) -> T) -> Option<T> {
        let slot = self.slots.get_mut(bound)?;
        let page = Arc::make_mut(slot.page.get_mut()?);
        let before = page.bytes();
        let changed = change(page);
        let after = page.bytes();
        slot.stored = None;
        self.held.set(self.held.get() + after - before);
        let right = (after > PAGE_BYTES_MAX).then(|| page.split()).flatten();
        let empty = page.len() == 0;
        if let Some(right) = right {
            self.add_right(right);
        } else if empty && !bound.is_empty() {
            self.slots.remove(bound);
        }
        Some(changed)
    }

    fn add_right(&mut self, right: KeyedPart) {
        let Some((first, _)) = right.bounds() else { return };
        let bound = first.into();
        let slot = Slot { page: OnceCell::from(Arc::new(right)), stored: None, used: Cell::new(self.looks.get()) };
        self.slots.insert(bound, slot);
    }

    /// Puts a value at a place; whether there was none. `sequence` is no less than any number that was given out.
    pub(crate) fn insert(&mut self, place: Bytes, value: Bytes, sequence: u64) -> bool {
        let Some(bound) = self.fetch(&place) else { return false };
        self.change(&bound, |page| page.insert(place, value, sequence)).unwrap_or(false)
    }

    pub(crate) fn remove(&mut self, place: &[u8]) -> Option<Bytes> {
        // A page that does not have it is not copied.
        self.get(place)?;
        let bound = self.fetch(place)?;
        self.change(&bound, |page| page.remove(place)).flatten()
    }

    /// The entries from `from` on and before `end`, in order.
    pub(crate) fn range<'a>(
        &'a self,
        from: &'a [u8],
        end: Option<Bytes>,
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a [u8])> {
        let first = self.slot(from).map_or(from, |(bound, _)| &**bound);
        let slots = self.slots.range::<[u8], _>((Bound::Included(first), excluded(end.as_deref())));
        slots.flat_map(move |(_, slot)| {
            self.page(slot)
                .map(|page| page.range(Bound::Included(from), excluded(end.as_deref())))
                .into_iter()
                .flatten()
        })
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<(&[u8], &[u8])> {
        self.slots.values().find_map(|slot| self.page(slot)?.range(Bound::Unbounded, Bound::Unbounded).next())
    }

    /// The pages with entries, as they are now. What changes later changes a copy.
    pub(crate) fn freeze(&self) -> Vec<RowsPart> {
        let part = |slot: &Slot| match (&slot.stored, slot.page.get()) {
            (Some(stored), _) => Some(RowsPart::Stored(stored.clone())),
            (None, Some(page)) => (page.len() > 0).then(|| RowsPart::Held(page.clone())),
            (None, None) => None,
        };
        self.slots.values().filter_map(part).collect()
    }

    /// No number that was given out is greater.
    pub(crate) fn sequence(&self) -> u64 {
        let of = |slot: &Slot| match (slot.page.get(), &slot.stored) {
            (Some(page), _) => page.sequence(),
            (None, Some(rows)) => rows.sequence,
            (None, None) => 0,
        };
        self.slots.values().map(of).max().unwrap_or(0)
    }

    /// Moves `surplus` bytes to disk, the pages first that were looked at longest ago. A failure is kept as one of reading is.
    pub(crate) fn stow(&mut self, surplus: usize, store: &Arc<SpillStore>) {
        if let Err(error) = self.try_stow(surplus, store) {
            // The first reason is the one that counts.
            let _ = self.failure.set(error.to_string());
        }
    }

    fn try_stow(&mut self, surplus: usize, store: &Arc<SpillStore>) -> Result<(), SpillError> {
        let goal = self.held.get().saturating_sub(surplus);
        let mut slots: Vec<&mut Slot> = self.slots.values_mut().collect();
        slots.retain(|slot| slot.page.get().is_some_and(|page| page.len() > 0));
        slots.sort_unstable_by_key(|slot| slot.used.get());
        let mut slots = slots.into_iter();
        while self.held.get() > goal {
            let (mut chosen, mut bytes) = (Vec::new(), 0);
            while bytes < BATCH_BYTES.min(self.held.get() - goal)
                && let Some(slot) = slots.next()
            {
                bytes += slot.page.get().map_or(0, |page| page.bytes());
                chosen.push(slot);
            }
            if chosen.is_empty() {
                return Ok(());
            }
            stow(&mut chosen, store)?;
            self.held.set(self.held.get() - bytes);
        }
        Ok(())
    }
}

/// Lets the pages of some slots be on disk alone; those that have not changed since they were read are there already.
fn stow(slots: &mut [&mut Slot], store: &Arc<SpillStore>) -> Result<(), SpillError> {
    let changed = |slot: &&mut &mut Slot| slot.stored.is_none();
    let pages = slots.iter_mut().filter(changed).filter_map(|slot| slot.page.get().map(|page| page.save()));
    let pages = pages.collect::<Result<Vec<_>, _>>().map_err(|e| store.failed(e))?;
    let mut stored = store.put(&pages)?.into_iter();
    for slot in slots {
        let Some(page) = slot.page.take() else { continue };
        if slot.stored.is_none() {
            slot.stored = stored.next().and_then(|stored| StoredRows::new(stored, &page)).map(Arc::new);
        }
    }
    Ok(())
}
