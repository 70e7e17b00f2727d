//! Groups of a slice in memory or on disk, behind a pointer.

use super::table::{GroupTable, Groups, Shape};
use crate::run::spill::{SpillStore, Stored};
use arrow_schema::ArrowError;
use std::sync::Arc;

/// Groups on disk, and what is to be known of them without reading them.
#[derive(Debug)]
pub(crate) struct StoredGroups {
    stored: Stored,
    shape: Arc<Shape>,
    spreads: (u32, u32),
    len: usize,
}

impl StoredGroups {
    /// The groups as they are written into a checkpoint.
    pub(crate) fn saved(&self) -> Result<Vec<u8>, String> {
        self.stored.read().map_err(|e| e.to_string())
    }

    /// Reads them.
    pub(crate) fn read(&self) -> Result<Groups, String> {
        Groups::load(&self.shape, &self.saved()?)
    }

    /// As [`GroupTable::common`].
    pub(crate) fn common<T: PartialEq>(&self, of: impl Fn(u32) -> T) -> Option<T> {
        let (least, greatest) = self.spreads;
        (least <= greatest && of(least) == of(greatest)).then(|| of(least))
    }
}

/// Moves tables to disk together.
pub(crate) fn stow(
    tables: &[Arc<GroupTable>],
    shape: &Arc<Shape>,
    store: &Arc<SpillStore>,
) -> Result<Vec<Arc<StoredGroups>>, ArrowError> {
    let wrong = |e: String| ArrowError::ExternalError(e.into());
    let saved = tables.iter().map(|t| t.groups().save()).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let stored = store.put(&saved).map_err(|e| ArrowError::ExternalError(Box::new(e)))?;
    let kept = |(stored, table): (Stored, &Arc<GroupTable>)| {
        let (shape, len) = (shape.clone(), table.groups().len());
        Arc::new(StoredGroups { stored, shape, spreads: table.spreads(), len })
    };
    Ok(stored.into_iter().zip(tables).map(kept).collect())
}

/// Groups of a slice.
#[derive(Debug, Clone)]
pub(crate) enum GroupsPart {
    /// In memory.
    Held(Arc<GroupTable>),
    /// On disk.
    Stored(Arc<StoredGroups>),
}

impl GroupsPart {
    /// Groups in it.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Held(table) => table.groups().len(),
            Self::Stored(groups) => groups.len,
        }
    }

    /// What `of` makes of the spread of every key where it is the same for all. `of` must not fall where the spread rises.
    pub(crate) fn common<T: PartialEq>(&self, of: impl Fn(u32) -> T) -> Option<T> {
        match self {
            Self::Held(table) => table.common(of),
            Self::Stored(groups) => groups.common(of),
        }
    }

    /// The groups, read from disk where they are there.
    pub(crate) fn groups(&self) -> Result<Groups, String> {
        match self {
            Self::Held(table) => Ok(table.groups().clone()),
            Self::Stored(groups) => groups.read(),
        }
    }
}
