//! The rows of an index as they were at one moment. A search works on one snapshot from beginning to end.

use super::TableMeta;
use crate::bitmap::Bitmap;
use crate::chunk::Chunk;
use crate::dictionary::Dictionary;
use crate::mapping::Mapping;
use std::sync::Arc;

/// Rows of one chunk.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) chunk: Arc<Chunk>,
    /// The rows that count; `None`: all of them.
    pub(crate) live: Option<Arc<Bitmap>>,
    /// The number of rows in the views before this one.
    pub(crate) base: u64,
}

impl View {
    /// The rows that count.
    pub(crate) fn live_bits(&self) -> Bitmap {
        self.live.as_ref().map_or_else(|| Bitmap::all(self.chunk.rows()), |bits| (**bits).clone())
    }
}

/// An index at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) name: Arc<str>,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) dictionaries: Arc<Vec<Option<Arc<Dictionary>>>>,
    pub(crate) views: Vec<View>,
    pub(crate) documents: u64,
    /// Rows that do not count any more and were not cleared away yet.
    pub(crate) dead_rows: u64,
    pub(crate) memory_bytes: usize,
}

impl Snapshot {
    pub(super) fn empty(meta: &TableMeta) -> Self {
        Self {
            name: meta.name.as_str().into(),
            mapping: Arc::default(),
            dictionaries: Arc::default(),
            views: Vec::new(),
            documents: 0,
            dead_rows: 0,
            memory_bytes: 0,
        }
    }

    /// The dictionary of a keyword field.
    pub(crate) fn dictionary(&self, field: usize) -> Option<&Arc<Dictionary>> {
        self.dictionaries.get(field).and_then(Option::as_ref)
    }

    /// How many rows there are, those that do not count included.
    pub(crate) fn rows(&self) -> u64 {
        self.views.last().map_or(0, |v| v.base + v.chunk.rows() as u64)
    }
}
