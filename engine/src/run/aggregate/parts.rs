//! The groups of one slice in parts that snapshots share: a part is copied when it is written again while a snapshot
//! still holds it.
//!
//! A small slice is one part. A large one has [`PARTS`], by the spread of the keys' hash, so that no copy takes long and
//! a change of parallelism moves most parts without looking into them. A part that memory has no room for goes to disk and
//! begins anew; what it was is added when its window leaves, part by part.

use super::keys::Keys;
use super::stored::{GroupsPart, StoredGroups};
use super::table::{GroupTable, Groups, Shape};
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use std::sync::Arc;

/// Parts of a large slice; a power of two.
const PARTS: usize = 64;
/// Groups at which a slice becomes a large one.
const SMALL_GROUPS_MAX: usize = 16_384;

/// The part of a large slice that a key belongs to.
fn part_of(spread: u32) -> usize {
    (spread >> (32 - PARTS.trailing_zeros())) as usize
}

/// The groups of one slice.
#[derive(Debug, Clone)]
pub(crate) struct SliceTable {
    /// One part, or [`PARTS`].
    parts: Vec<Arc<GroupTable>>,
    /// Of each part what is on disk, in any order; no entries where nothing is.
    stored: Vec<Vec<Arc<StoredGroups>>>,
    /// Bytes of memory as of the last change.
    bytes: usize,
}

fn unread(error: String) -> ArrowError {
    ArrowError::ExternalError(error.into())
}

impl SliceTable {
    pub(crate) fn new(shape: &Shape) -> Self {
        let mut table = Self { parts: vec![Arc::new(GroupTable::new(shape))], stored: Vec::new(), bytes: 0 };
        table.measure();
        table
    }

    /// A slice of parts that are kept as they are where they fit.
    pub(crate) fn of(shape: &Shape, parts: Vec<GroupsPart>) -> Result<Self, ArrowError> {
        let (mut held, mut stored) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                GroupsPart::Held(table) => held.push(table),
                GroupsPart::Stored(groups) => stored.push(groups),
            }
        }
        let mut table = Self::of_held(shape, held)?;
        for groups in stored {
            match groups.common(part_of) {
                Some(part) => table.push_stored(shape, part, groups)?,
                None => table.merge(shape, &groups.read().map_err(unread)?)?,
            }
        }
        Ok(table)
    }

    fn of_held(shape: &Shape, mut tables: Vec<Arc<GroupTable>>) -> Result<Self, ArrowError> {
        let mut table = Self::new(shape);
        let groups: usize = tables.iter().map(|t| t.groups().len()).sum();
        if groups > SMALL_GROUPS_MAX {
            table.parts = (0..PARTS).map(|_| Arc::new(GroupTable::new(shape))).collect();
        } else if tables.len() == 1 {
            table.parts = std::mem::take(&mut tables);
        }
        for from in tables {
            let fits = (table.parts.len() > 1).then(|| from.common(part_of)).flatten();
            match fits.filter(|part| table.parts[*part].groups().len() == 0) {
                Some(part) => table.parts[part] = from,
                None => table.merge(shape, from.groups())?,
            }
        }
        table.measure();
        Ok(table)
    }

    /// Groups of a part that are on disk.
    pub(crate) fn push_stored(
        &mut self,
        shape: &Shape,
        part: usize,
        groups: Arc<StoredGroups>,
    ) -> Result<(), ArrowError> {
        self.enlarge(shape)?;
        if self.stored.is_empty() {
            self.stored = vec![Vec::new(); PARTS];
        }
        self.stored[part].push(groups);
        Ok(())
    }

    /// The parts with groups in memory, with their bytes, after the slice has been made a large one.
    pub(crate) fn held(&mut self, shape: &Shape) -> Result<Vec<(usize, usize)>, ArrowError> {
        self.enlarge(shape)?;
        let parts = self.parts.iter().enumerate().filter(|(_, p)| p.groups().len() > 0);
        Ok(parts.map(|(at, part)| (at, part.bytes())).collect())
    }

    /// Takes what a part has in memory out of it; it goes on without.
    pub(crate) fn take(&mut self, shape: &Shape, part: usize) -> Arc<GroupTable> {
        let taken = std::mem::replace(&mut self.parts[part], Arc::new(GroupTable::new(shape)));
        self.bytes = (self.bytes + self.parts[part].bytes()).saturating_sub(taken.bytes());
        taken
    }

    /// All that has groups, in memory and on disk.
    pub(crate) fn all(&self) -> impl Iterator<Item = GroupsPart> {
        let held = self.parts.iter().filter(|p| p.groups().len() > 0).cloned().map(GroupsPart::Held);
        held.chain(self.stored.iter().flatten().cloned().map(GroupsPart::Stored))
    }

    /// The groups of `part` where the slice is a large one, with those on disk; of a small one all of them.
    fn add_to(&self, table: &mut GroupTable, part: usize) -> Result<(), ArrowError> {
        if let Some(held) = self.parts.get(part) {
            table.merge(held.groups())?;
        }
        let stored = self.stored.get(part).into_iter().flatten();
        stored.into_iter().try_for_each(|groups| table.merge(&groups.read().map_err(unread)?))
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn measure(&mut self) {
        self.bytes = self.parts.iter().map(|p| p.bytes()).sum();
    }

    /// Groups of all parts; one that is in memory and on disk counts twice.
    pub(crate) fn len(&self) -> usize {
        self.all().map(|part| part.len()).sum()
    }

    /// The parts that have groups, apart from the slice, of which nothing is on disk.
    pub(crate) fn into_groups(self) -> impl Iterator<Item = Groups> {
        debug_assert!(self.stored.is_empty(), "what is handed on has no part in the job's memory");
        let groups =
            |part| Arc::try_unwrap(part).map_or_else(|shared| shared.groups().clone(), GroupTable::into_groups);
        self.parts.into_iter().filter(|p| p.groups().len() > 0).map(groups)
    }

    /// Takes the rows `rows` of `batch` in; `keys` are the keys of all its rows.
    pub(crate) fn update(
        &mut self,
        shape: &Shape,
        batch: &RecordBatch,
        keys: &Keys,
        rows: &[u32],
    ) -> Result<(), ArrowError> {
        if let [part] = self.parts.as_mut_slice() {
            Arc::make_mut(part).update(shape, batch, keys, rows)?;
            self.bytes = part.bytes();
            return self.divide(shape);
        }
        let mut by_part: Vec<Vec<u32>> = vec![Vec::new(); PARTS];
        rows.iter().for_each(|row| by_part[part_of(keys.spread(*row as usize))].push(*row));
        for (part, rows) in self.parts.iter_mut().zip(&by_part).filter(|(_, rows)| !rows.is_empty()) {
            let before = part.bytes();
            Arc::make_mut(part).update(shape, batch, keys, rows)?;
            self.bytes = (self.bytes + part.bytes()).saturating_sub(before);
        }
        Ok(())
    }

    /// Takes other groups of the same shape in.
    pub(crate) fn merge(&mut self, shape: &Shape, other: &Groups) -> Result<(), ArrowError> {
        if let [part] = self.parts.as_mut_slice() {
            Arc::make_mut(part).merge(other)?;
            self.bytes = part.bytes();
            return self.divide(shape);
        }
        let shares = other.clone().partition(PARTS, part_of);
        let mut shares = shares.iter().enumerate().filter(|(_, share)| share.len() > 0);
        shares.try_for_each(|(part, share)| self.merge_part(part, share))
    }

    fn merge_part(&mut self, part: usize, other: &Groups) -> Result<(), ArrowError> {
        let part = &mut self.parts[part];
        let before = part.bytes();
        Arc::make_mut(part).merge(other)?;
        self.bytes = (self.bytes + part.bytes()).saturating_sub(before);
        Ok(())
    }

    /// Makes a large slice of a small one that has grown too large.
    fn divide(&mut self, shape: &Shape) -> Result<(), ArrowError> {
        if self.parts.iter().all(|p| p.groups().len() <= SMALL_GROUPS_MAX) {
            return Ok(());
        }
        self.enlarge(shape)
    }

    /// Makes a large slice of a small one.
    fn enlarge(&mut self, shape: &Shape) -> Result<(), ArrowError> {
        if self.parts.len() > 1 {
            return Ok(());
        }
        let whole = std::mem::take(&mut self.parts);
        self.parts = (0..PARTS).map(|_| Arc::new(GroupTable::new(shape))).collect();
        whole.iter().try_for_each(|part| self.merge(shape, part.groups()))?;
        self.measure();
        Ok(())
    }
}

/// The slices of a window, from which its groups are taken part by part, so that no more than one part is put together
/// at a time.
#[derive(Debug)]
pub(crate) struct WindowParts {
    slices: Vec<SliceTable>,
    next: usize,
}

impl WindowParts {
    /// The window that these slices make.
    pub(crate) fn new(shape: &Shape, mut slices: Vec<SliceTable>) -> Result<Self, ArrowError> {
        if slices.iter().any(|s| s.parts.len() > 1) {
            slices.iter_mut().try_for_each(|s| s.enlarge(shape))?;
        }
        Ok(Self { slices, next: 0 })
    }

    /// The next groups; `None` when there are no more.
    pub(crate) fn take(&mut self, shape: &Shape) -> Result<Option<Arc<GroupTable>>, ArrowError> {
        let part = self.next;
        if part >= self.slices.first().map_or(0, |s| s.parts.len()) {
            return Ok(None);
        }
        self.next += 1;
        if let [slice] = self.slices.as_mut_slice()
            && slice.stored.get(part).is_none_or(Vec::is_empty)
        {
            return Ok(Some(slice.take(shape, part)));
        }
        let mut table = GroupTable::new(shape);
        for slice in &mut self.slices {
            slice.add_to(&mut table, part)?;
            slice.take(shape, part);
        }
        Ok(Some(Arc::new(table)))
    }
}
