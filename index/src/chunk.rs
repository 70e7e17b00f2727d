//! Chunks: up to 65,536 rows, each with an id, a version, a source, and values in columns. A chunk never changes; which
//! of its rows still count is told beside it.

use crate::codec::{DecodeError, Decoder, put_varint};
use crate::column::{Column, Packed};
use crate::source::{SourceError, SourceWriter, Sources};

/// Most rows of a chunk.
pub(crate) const CHUNK_ROWS_MAX: usize = 65_536;

/// Ids one behind the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ids {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Ids {
    pub(crate) fn push(&mut self, id: &str) {
        self.bytes.extend_from_slice(id.as_bytes());
        self.ends.push(self.bytes.len() as u32);
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.bytes[start..self.ends[row] as usize]
    }

    pub(crate) fn text(&self, row: usize) -> String {
        String::from_utf8_lossy(self.get(row)).into_owned()
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.ends.len() as u64);
        for row in 0..self.len() {
            put_varint(out, self.get(row).len() as u64);
        }
        out.extend_from_slice(&self.bytes);
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let count = from.count(1)?;
        let mut ends = Vec::with_capacity(count);
        let mut end = 0u64;
        for _ in 0..count {
            end += from.varint()?.min(1 << 32);
            ends.push(u32::try_from(end).map_err(|_| from.error("ids are too long"))?);
        }
        let bytes = from.take(end as usize)?.to_vec();
        if std::str::from_utf8(&bytes).is_err() {
            return Err(from.error("an id is no UTF-8"));
        }
        Ok(Self { bytes, ends })
    }
}

/// Rows that never change.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) ids: Ids,
    pub(crate) versions: Packed,
    /// Numbers of the writes, in the order of the index.
    pub(crate) sequences: Packed,
    /// Columns by the place of their field in the mapping; fields that are newer than the chunk have none.
    pub(crate) columns: Vec<Option<Column>>,
    pub(crate) sources: Sources,
}

impl Chunk {
    pub(crate) fn rows(&self) -> usize {
        self.ids.len()
    }

    /// The column of a field, if one of the rows has a value for it.
    pub(crate) fn column(&self, field: usize) -> Option<&Column> {
        self.columns.get(field).and_then(Option::as_ref)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().flatten().map(Column::memory_bytes).sum();
        self.ids.bytes.capacity() + self.rows() * 4 + columns + self.sources.memory_bytes() + self.rows() * 4
    }
}

/// Values of one field in the order of their rows.
#[derive(Debug, Default)]
struct Entries {
    rows: Vec<u16>,
    values: Vec<i64>,
    /// Whether equal values of a row count once.
    distinct: bool,
}

/// Rows that are being added, not yet a chunk.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    ids: Ids,
    versions: Vec<i64>,
    sequences: Vec<i64>,
    entries: Vec<Entries>,
    sources: SourceWriter,
    value_bytes: usize,
}

impl Tail {
    pub(crate) fn rows(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn id(&self, row: usize) -> &[u8] {
        self.ids.get(row)
    }

    pub(crate) fn version(&self, row: usize) -> u64 {
        self.versions[row] as u64
    }

    pub(crate) fn sequence(&self, row: usize) -> u64 {
        self.sequences[row] as u64
    }

    /// The document of a row.
    ///
    /// # Errors
    /// When its block cannot be opened.
    pub(crate) fn source(&self, row: usize) -> Result<Vec<u8>, SourceError> {
        self.sources.document(row as u32)
    }

    /// Begins a row. Its values follow by [`Tail::put`].
    pub(crate) fn push(&mut self, id: &str, version: u64, sequence: u64, source: &[u8]) {
        self.ids.push(id);
        self.versions.push(version as i64);
        self.sequences.push(sequence as i64);
        self.sources.push(source);
    }

    /// A value of the row that was begun last.
    pub(crate) fn put(&mut self, field: usize, value: i64, distinct: bool) {
        if self.entries.len() <= field {
            self.entries.resize_with(field + 1, Entries::default);
        }
        let entries = &mut self.entries[field];
        entries.rows.push((self.ids.len() - 1) as u16);
        entries.values.push(value);
        entries.distinct = distinct;
        self.value_bytes += 10;
    }

    /// All rows so far as a chunk.
    pub(crate) fn freeze(&self) -> Chunk {
        let column = |e: &Entries| Column::build(self.rows(), &e.rows, &e.values, e.distinct);
        Chunk {
            ids: self.ids.clone(),
            versions: Packed::pack(&self.versions),
            sequences: Packed::pack(&self.sequences),
            columns: self.entries.iter().map(column).collect(),
            sources: Sources::in_memory(self.sources.blocks()),
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.ids.bytes.capacity() + self.rows() * 20 + self.value_bytes + self.sources.memory_bytes()
    }
}
