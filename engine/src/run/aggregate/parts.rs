//! The groups of one slice in parts that snapshots share: a part is copied when it is written again while a snapshot
//! still holds it.
//!
//! A small slice is one part. A large one has [`PARTS`], by the spread of the keys' hash, so that no copy takes long and
//! a change of parallelism moves most parts without looking into them.

use super::keys::Keys;
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
    /// Bytes of memory as of the last change.
    bytes: usize,
}

impl SliceTable {
    pub(crate) fn new(shape: &Shape) -> Self {
        let mut table = Self { parts: vec![Arc::new(GroupTable::new(shape))], bytes: 0 };
        table.measure();
        table
    }

    /// A slice of parts that are kept as they are where they fit.
    pub(crate) fn of(shape: &Shape, mut tables: Vec<Arc<GroupTable>>) -> Result<Self, ArrowError> {
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

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn measure(&mut self) {
        self.bytes = self.parts.iter().map(|p| p.bytes()).sum();
    }

    /// All parts; those without groups as well.
    pub(crate) fn parts(&self) -> &[Arc<GroupTable>] {
        &self.parts
    }

    /// The parts that have groups, apart from the slice.
    pub(crate) fn into_groups(self) -> impl Iterator<Item = Groups> {
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
        let whole = std::mem::take(&mut self.parts);
        self.parts = (0..PARTS).map(|_| Arc::new(GroupTable::new(shape))).collect();
        whole.iter().try_for_each(|part| self.merge(shape, part.groups()))?;
        self.measure();
        Ok(())
    }
}
