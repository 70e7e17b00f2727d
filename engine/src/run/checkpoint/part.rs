//! A part of an operator's state, of whichever form: what snapshots share, checkpoints write and restores read.

use crate::run::aggregate::{GroupTable, Groups, Shape, Slice};
use crate::run::keyed::KeyedPart;
use std::sync::{Arc, Weak};

/// The slice of state that belongs to no slice of time.
pub(crate) const TIMELESS: Slice = Slice { start: 0, end: 0, from: 0 };

/// Some of the state of one operator.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Groups of a slice of a window aggregation.
    Groups(Slice, Arc<GroupTable>),
    /// Rows by key.
    Rows(Arc<KeyedPart>),
}

/// What the state of an operator consists of.
#[derive(Debug, Clone)]
pub(crate) enum PartShape {
    Groups(Box<Shape>),
    Rows,
}

/// The memory that a part stands in.
#[derive(Debug, Clone)]
pub(super) enum Memory {
    Groups(Weak<GroupTable>),
    Rows(Weak<KeyedPart>),
}

impl Memory {
    /// Whether the part is still there, in the state or in a snapshot.
    pub(super) fn is_in_use(&self) -> bool {
        match self {
            Self::Groups(memory) => memory.strong_count() > 0,
            Self::Rows(memory) => memory.strong_count() > 0,
        }
    }

    /// Whether it is the memory of `part`, which then has not changed.
    pub(super) fn is_of(&self, part: &Part) -> bool {
        match (self, part) {
            (Self::Groups(memory), Part::Groups(_, part)) => memory.as_ptr() == Arc::as_ptr(part),
            (Self::Rows(memory), Part::Rows(part)) => memory.as_ptr() == Arc::as_ptr(part),
            _ => false,
        }
    }
}

impl Part {
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
            Self::Groups(_, table) => table.groups().len(),
            Self::Rows(part) => part.len(),
        }
    }

    pub(super) fn memory(&self) -> Memory {
        match self {
            Self::Groups(_, table) => Memory::Groups(Arc::downgrade(table)),
            Self::Rows(part) => Memory::Rows(Arc::downgrade(part)),
        }
    }

    /// Writes it down.
    pub(super) fn save(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Groups(_, table) => table.groups().save(),
            Self::Rows(part) => part.save(),
        }
    }

    /// Reads what [`Part::save`] wrote of state of this shape.
    pub(super) fn load(shape: &PartShape, slice: Slice, bytes: &[u8]) -> Result<Self, String> {
        match shape {
            PartShape::Groups(shape) => Ok(Self::Groups(slice, Arc::new(GroupTable::of(Groups::load(shape, bytes)?)?))),
            PartShape::Rows => Ok(Self::Rows(Arc::new(KeyedPart::load(bytes)?))),
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
            Self::Groups(_, table) => table.common(&owner),
            Self::Rows(part) => part.common(&owner),
        };
        if let Some(owner) = common {
            shares[owner].push(self.clone());
            return Ok(());
        }
        match self {
            Self::Groups(slice, table) => {
                for (share, groups) in shares.iter_mut().zip(table.groups().clone().partition(parallelism, owner)) {
                    if groups.len() > 0 {
                        share.push(Self::Groups(*slice, Arc::new(GroupTable::of(groups)?)));
                    }
                }
            }
            Self::Rows(part) => {
                for (share, part) in shares.iter_mut().zip(part.divide(parallelism, owner)) {
                    if part.len() > 0 {
                        share.push(Self::Rows(Arc::new(part)));
                    }
                }
            }
        }
        Ok(())
    }
}
