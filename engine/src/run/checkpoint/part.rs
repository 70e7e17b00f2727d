//! A part of an operator's state, of whichever form: what snapshots share, checkpoints write and restores read.

use crate::run::aggregate::{GroupTable, Groups, GroupsPart, Shape, Slice, StoredGroups, stow};
use crate::run::keyed::{KeyedPart, RowsPart, StoredRows};
use crate::run::spill::SpillStore;
use std::sync::{Arc, Weak};

/// The slice of state that belongs to no slice of time.
pub(crate) const TIMELESS: Slice = Slice { start: 0, end: 0, from: 0 };

/// Some of the state of one operator.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Groups of a slice of a window aggregation.
    Groups(Slice, GroupsPart),
    /// Rows by key.
    Rows(RowsPart),
}

/// What the state of an operator consists of.
#[derive(Debug, Clone)]
pub(crate) enum PartShape {
    Groups(Arc<Shape>),
    Rows,
}

/// Where a part stands, in memory or on disk.
#[derive(Debug, Clone)]
pub(super) enum Memory {
    Groups(Weak<GroupTable>),
    StoredGroups(Weak<StoredGroups>),
    Rows(Weak<KeyedPart>),
    StoredRows(Weak<StoredRows>),
}

impl Memory {
    /// Whether the part is still there, in the state or in a snapshot.
    pub(super) fn is_in_use(&self) -> bool {
        match self {
            Self::Groups(memory) => memory.strong_count() > 0,
            Self::StoredGroups(memory) => memory.strong_count() > 0,
            Self::Rows(memory) => memory.strong_count() > 0,
            Self::StoredRows(memory) => memory.strong_count() > 0,
        }
    }

    /// Whether it is where `part` stands, which then has not changed.
    pub(super) fn is_of(&self, part: &Part) -> bool {
        match (self, part) {
            (Self::Groups(memory), Part::Groups(_, GroupsPart::Held(part))) => memory.as_ptr() == Arc::as_ptr(part),
            (Self::StoredGroups(memory), Part::Groups(_, GroupsPart::Stored(part))) => {
                memory.as_ptr() == Arc::as_ptr(part)
            }
            (Self::Rows(memory), Part::Rows(RowsPart::Held(part))) => memory.as_ptr() == Arc::as_ptr(part),
            (Self::StoredRows(memory), Part::Rows(RowsPart::Stored(part))) => memory.as_ptr() == Arc::as_ptr(part),
            _ => false,
        }
    }
}

impl Part {
    /// The groups of a slice, where it is that.
    pub(crate) fn into_groups(self) -> Option<(Slice, GroupsPart)> {
        if let Self::Groups(slice, groups) = self { Some((slice, groups)) } else { None }
    }

    /// The rows by key, where it is that.
    pub(crate) fn into_rows(self) -> Option<RowsPart> {
        if let Self::Rows(rows) = self { Some(rows) } else { None }
    }

    /// The slice of time that it belongs to.
    pub(super) fn slice(&self) -> Slice {
        match self {
            Self::Groups(slice, _) => *slice,
            Self::Rows(_) => TIMELESS,
        }
    }

    /// Groups or entries in it.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Groups(_, groups) => groups.len(),
            Self::Rows(rows) => rows.len(),
        }
    }

    /// Bytes of memory; none for what is on disk.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Groups(_, GroupsPart::Held(table)) => table.bytes(),
            Self::Rows(RowsPart::Held(rows)) => rows.bytes(),
            _ => 0,
        }
    }

    pub(super) fn memory(&self) -> Memory {
        match self {
            Self::Groups(_, GroupsPart::Held(table)) => Memory::Groups(Arc::downgrade(table)),
            Self::Groups(_, GroupsPart::Stored(groups)) => Memory::StoredGroups(Arc::downgrade(groups)),
            Self::Rows(RowsPart::Held(rows)) => Memory::Rows(Arc::downgrade(rows)),
            Self::Rows(RowsPart::Stored(rows)) => Memory::StoredRows(Arc::downgrade(rows)),
        }
    }

    /// Writes it down.
    pub(super) fn save(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Groups(_, GroupsPart::Held(table)) => table.groups().save(),
            Self::Groups(_, GroupsPart::Stored(groups)) => groups.saved(),
            Self::Rows(RowsPart::Held(rows)) => rows.save(),
            Self::Rows(RowsPart::Stored(rows)) => rows.saved(),
        }
    }

    /// Reads what [`Part::save`] wrote of state of this shape.
    pub(super) fn load(shape: &PartShape, slice: Slice, bytes: &[u8]) -> Result<Self, String> {
        match shape {
            PartShape::Groups(shape) => {
                let table = GroupTable::of(Groups::load(shape, bytes)?)?;
                Ok(Self::Groups(slice, GroupsPart::Held(Arc::new(table))))
            }
            PartShape::Rows => Ok(Self::Rows(RowsPart::Held(Arc::new(KeyedPart::load(bytes)?)))),
        }
    }

    /// Moves it to disk.
    pub(super) fn stow(self, shape: &PartShape, store: &Arc<SpillStore>) -> Result<Self, String> {
        match (self, shape) {
            (Self::Groups(slice, GroupsPart::Held(table)), PartShape::Groups(shape)) => {
                let stored = stow(std::slice::from_ref(&table), shape, store).map_err(|e| e.to_string())?;
                let kept = stored.into_iter().next().map_or(GroupsPart::Held(table), GroupsPart::Stored);
                Ok(Self::Groups(slice, kept))
            }
            (Self::Rows(rows), _) => rows.stow(store).map(Self::Rows),
            (other, _) => Ok(other),
        }
    }

    /// Shares it out to `parallelism` owners; what one of them owns whole is handed over as it is.
    pub(super) fn share_out(
        &self,
        parallelism: usize,
        owner: impl Fn(u32) -> usize,
        shares: &mut [Vec<Self>],
    ) -> Result<(), String> {
        let common = match self {
            Self::Groups(_, groups) => groups.common(&owner),
            Self::Rows(rows) => rows.common(&owner),
        };
        if let Some(owner) = common {
            shares[owner].push(self.clone());
            return Ok(());
        }
        match self {
            Self::Groups(slice, groups) => {
                for (share, groups) in shares.iter_mut().zip(groups.groups()?.partition(parallelism, owner)) {
                    if groups.len() > 0 {
                        share.push(Self::Groups(*slice, GroupsPart::Held(Arc::new(GroupTable::of(groups)?))));
                    }
                }
            }
            Self::Rows(rows) => {
                for (share, rows) in shares.iter_mut().zip(rows.part()?.divide(parallelism, owner)) {
                    if rows.len() > 0 {
                        share.push(Self::Rows(RowsPart::Held(Arc::new(rows))));
                    }
                }
            }
        }
        Ok(())
    }
}
