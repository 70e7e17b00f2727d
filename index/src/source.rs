//! The documents' own JSON, compressed in blocks of neighbours; in memory until their chunk is on disk.

use parking_lot::{Mutex, RwLock};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A block is closed once it holds this many bytes before compression.
const BLOCK_BYTES_MIN: usize = 16 * 1024;

/// Documents of neighbouring rows, compressed together. Before compression: the end of each document as a u32
/// (little-endian), then the documents.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) first_row: u32,
    pub(crate) rows: u32,
    pub(crate) packed: Vec<u8>,
}

/// Where a block stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockPlace {
    pub(crate) first_row: u32,
    pub(crate) rows: u32,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

/// A document could not be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the source of a document cannot be read: {0}")]
pub(crate) struct SourceError(pub(crate) String);

#[derive(Debug)]
enum Place {
    Memory(Vec<Arc<Block>>),
    Disk(Arc<File>, Arc<Vec<BlockPlace>>),
}

/// The documents of a chunk.
#[derive(Debug)]
pub(crate) struct Sources {
    place: RwLock<Place>,
    /// The block that was opened last: rows are mostly read in order.
    opened: Mutex<Option<(u32, Arc<Opened>)>>,
}

#[derive(Debug)]
struct Opened {
    first_row: u32,
    rows: u32,
    bytes: Vec<u8>,
}

impl Opened {
    fn new(first_row: u32, rows: u32, packed: &[u8]) -> Result<Self, SourceError> {
        let bytes = lz4_flex::block::decompress_size_prepended(packed).map_err(|e| SourceError(e.to_string()))?;
        if bytes.len() < rows as usize * 4 {
            return Err(SourceError("a block is too short".to_owned()));
        }
        Ok(Self { first_row, rows, bytes })
    }

    fn document(&self, row: u32) -> Result<&[u8], SourceError> {
        let at = (row - self.first_row) as usize;
        let body = &self.bytes[self.rows as usize * 4..];
        let end = |i: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&self.bytes[i * 4..i * 4 + 4]);
            u32::from_le_bytes(word) as usize
        };
        let start = if at == 0 { 0 } else { end(at - 1) };
        body.get(start..end(at)).ok_or_else(|| SourceError("a block's ends are wrong".to_owned()))
    }
}

impl Sources {
    pub(crate) fn in_memory(blocks: Vec<Arc<Block>>) -> Self {
        Self { place: RwLock::new(Place::Memory(blocks)), opened: Mutex::new(None) }
    }

    pub(crate) fn on_disk(file: File, places: Vec<BlockPlace>) -> Self {
        Self { place: RwLock::new(Place::Disk(Arc::new(file), Arc::new(places))), opened: Mutex::new(None) }
    }

    /// From now on the documents are read from this file.
    pub(crate) fn move_to_disk(&self, file: File, places: Vec<BlockPlace>) {
        *self.place.write() = Place::Disk(Arc::new(file), Arc::new(places));
    }

    /// The blocks, if they are in memory.
    pub(crate) fn blocks(&self) -> Option<Vec<Arc<Block>>> {
        match &*self.place.read() {
            Place::Memory(blocks) => Some(blocks.clone()),
            Place::Disk(..) => None,
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        match &*self.place.read() {
            Place::Memory(blocks) => blocks.iter().map(|b| b.packed.len() + size_of::<Block>()).sum(),
            Place::Disk(_, places) => places.len() * size_of::<BlockPlace>(),
        }
    }

    /// The document of a row.
    ///
    /// # Errors
    /// When it cannot be read, or its bytes are not what was written.
    pub(crate) fn document(&self, row: u32) -> Result<Vec<u8>, SourceError> {
        let mut opened = self.opened.lock();
        if let Some((_, block)) = opened.as_ref().filter(|(_, b)| (b.first_row..b.first_row + b.rows).contains(&row)) {
            return block.document(row).map(<[u8]>::to_vec);
        }
        let (at, block) = self.open(row)?;
        let document = block.document(row).map(<[u8]>::to_vec);
        *opened = Some((at, Arc::new(block)));
        document
    }

    fn open(&self, row: u32) -> Result<(u32, Opened), SourceError> {
        let missing = || SourceError(format!("no block holds row {row}"));
        match &*self.place.read() {
            Place::Memory(blocks) => {
                let at = blocks.partition_point(|b| b.first_row <= row).checked_sub(1).ok_or_else(missing)?;
                let block = &blocks[at];
                if row >= block.first_row + block.rows {
                    return Err(missing());
                }
                Ok((at as u32, Opened::new(block.first_row, block.rows, &block.packed)?))
            }
            Place::Disk(file, places) => {
                let at = places.partition_point(|b| b.first_row <= row).checked_sub(1).ok_or_else(missing)?;
                let place = places[at];
                if row >= place.first_row + place.rows {
                    return Err(missing());
                }
                let mut packed = vec![0; place.len as usize];
                file.read_exact_at(&mut packed, place.offset).map_err(|e| SourceError(e.to_string()))?;
                if crc32c::crc32c(&packed) != place.crc {
                    return Err(SourceError(format!("the checksum of the block at {} does not match", place.offset)));
                }
                Ok((at as u32, Opened::new(place.first_row, place.rows, &packed)?))
            }
        }
    }
}

/// Collects the documents of rows that are being added.
#[derive(Debug, Default)]
pub(crate) struct SourceWriter {
    blocks: Vec<Arc<Block>>,
    first_row: u32,
    ends: Vec<u32>,
    bytes: Vec<u8>,
    packed_bytes: usize,
}

impl SourceWriter {
    /// Adds the document of the next row.
    pub(crate) fn push(&mut self, document: &[u8]) {
        self.bytes.extend_from_slice(document);
        self.ends.push(self.bytes.len() as u32);
        if self.bytes.len() >= BLOCK_BYTES_MIN {
            let block = Arc::new(self.close());
            self.packed_bytes += block.packed.len();
            self.first_row += self.ends.len() as u32;
            self.blocks.push(block);
            self.ends.clear();
            self.bytes.clear();
        }
    }

    fn close(&self) -> Block {
        let mut plain = Vec::with_capacity(self.ends.len() * 4 + self.bytes.len());
        self.ends.iter().for_each(|e| plain.extend_from_slice(&e.to_le_bytes()));
        plain.extend_from_slice(&self.bytes);
        let packed = lz4_flex::block::compress_prepend_size(&plain);
        Block { first_row: self.first_row, rows: self.ends.len() as u32, packed }
    }

    /// All documents so far.
    pub(crate) fn blocks(&self) -> Vec<Arc<Block>> {
        let mut blocks = self.blocks.clone();
        if !self.ends.is_empty() {
            blocks.push(Arc::new(self.close()));
        }
        blocks
    }

    /// The document of a row.
    ///
    /// # Errors
    /// When its block cannot be opened.
    pub(crate) fn document(&self, row: u32) -> Result<Vec<u8>, SourceError> {
        if let Some(at) = row.checked_sub(self.first_row).map(|at| at as usize) {
            let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
            return Ok(self.bytes[start..self.ends[at] as usize].to_vec());
        }
        let at = self.blocks.partition_point(|b| b.first_row <= row) - 1;
        let block = &self.blocks[at];
        Opened::new(block.first_row, block.rows, &block.packed)?.document(row).map(<[u8]>::to_vec)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.packed_bytes + self.bytes.capacity() + self.ends.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back_in_any_order() {
        let documents: Vec<Vec<u8>> = (0..3_000u32)
            .map(|i| format!("{{\"n\":{i},\"s\":\"{}\"}}", "x".repeat(i as usize % 50)).into_bytes())
            .collect();
        let mut writer = SourceWriter::default();
        for (row, document) in documents.iter().enumerate() {
            writer.push(document);
            assert_eq!(&writer.document(row as u32).unwrap(), document);
        }
        let sources = Sources::in_memory(writer.blocks());
        for row in [0, 2_999, 1_500, 1_501, 7] {
            assert_eq!(sources.document(row).unwrap(), documents[row as usize]);
            assert_eq!(writer.document(row).unwrap(), documents[row as usize]);
        }
        assert!(sources.document(3_000).is_err());
    }
}
