//! The checkpoint: which indices there are, which chunk files hold their rows, which of these rows still count, and from
//! which generation on the log is newer.

use crate::bitmap::Bitmap;
use crate::chunk::CHUNK_ROWS_MAX;
use crate::codec::{DecodeError, Decoder, put_varint};
use crate::column::{decode_bitmap, encode_bitmap};
use crate::mapping::Mapping;
use crate::table::TableMeta;
use model::SealedFile;
use std::path::Path;

const MAGIC: [u8; 8] = *b"HSTRICPT";
const VERSION: u32 = 1;

/// All that counts on disk, the log's newer records aside.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Checkpoint {
    /// The first generation of the log whose records may be newer.
    pub(crate) log_first: u64,
    /// Numbers that were given to indices and chunk files so far are below these.
    pub(crate) next_table: u64,
    pub(crate) next_file: u64,
    pub(crate) tables: Vec<SavedTable>,
}

/// One index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SavedTable {
    pub(crate) meta: TableMeta,
    pub(crate) mapping: Mapping,
    /// Records of the log with a smaller sequence number are in the chunks already.
    pub(crate) next_sequence: u64,
    pub(crate) chunks: Vec<SavedChunk>,
}

/// One chunk file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SavedChunk {
    pub(crate) file: u64,
    /// The rows that count.
    pub(crate) live: Bitmap,
}

/// The file of the checkpoint in a data directory.
pub(crate) fn file(dir: &Path) -> SealedFile {
    SealedFile::new(dir.join("CHECKPOINT"), MAGIC, VERSION)
}

impl Checkpoint {
    /// Reads the checkpoint of a data directory; an empty one where there is none yet.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged; the text says which.
    pub(crate) fn read(dir: &Path) -> Result<Self, String> {
        match file(dir).read().map_err(|e| e.to_string())? {
            None => Ok(Self::default()),
            Some(payload) => Self::decode(&payload).map_err(|e| format!("{}: {e}", file(dir).path().display())),
        }
    }

    /// Replaces the checkpoint; durable when this returns.
    ///
    /// # Errors
    /// When the operating system refuses, or the indices have so many chunks that the file would be too large.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), String> {
        file(dir).write(&self.encode()).map_err(|e| e.to_string())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.log_first);
        put_varint(&mut out, self.next_table);
        put_varint(&mut out, self.next_file);
        put_varint(&mut out, self.tables.len() as u64);
        for table in &self.tables {
            table.meta.encode(&mut out);
            table.mapping.encode(&mut out);
            put_varint(&mut out, table.next_sequence);
            put_varint(&mut out, table.chunks.len() as u64);
            for chunk in &table.chunks {
                put_varint(&mut out, chunk.file);
                put_varint(&mut out, chunk.live.len() as u64);
                let full = chunk.live.count() == chunk.live.len();
                out.push(u8::from(full));
                if !full {
                    encode_bitmap(&chunk.live, &mut out);
                }
            }
        }
        out
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Decoder::new(payload);
        let mut checkpoint = Self {
            log_first: from.varint()?,
            next_table: from.varint()?,
            next_file: from.varint()?,
            tables: Vec::new(),
        };
        for _ in 0..from.count(4)? {
            let (meta, mapping) = (TableMeta::decode(&mut from)?, Mapping::decode(&mut from)?);
            let next_sequence = from.varint()?;
            let mut chunks = Vec::new();
            for _ in 0..from.count(3)? {
                let file = from.varint()?;
                let rows = from.varint()? as usize;
                if rows > CHUNK_ROWS_MAX {
                    return Err(from.error("a chunk has too many rows"));
                }
                let full = from.u8()? == 1;
                let live = if full { Bitmap::all(rows) } else { decode_bitmap(&mut from, rows)? };
                chunks.push(SavedChunk { file, live });
            }
            checkpoint.tables.push(SavedTable { meta, mapping, next_sequence, chunks });
        }
        if from.is_empty() { Ok(checkpoint) } else { Err(from.error("bytes are left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_damage_is_refused() {
        let mut live = Bitmap::all(100);
        live.clear(7);
        let meta =
            TableMeta { number: 3, name: "n".into(), uuid: "u".into(), created_ms: 5, settings: Default::default() };
        let chunks = vec![SavedChunk { file: 9, live }, SavedChunk { file: 10, live: Bitmap::all(5) }];
        let table = SavedTable { meta, mapping: Mapping::default(), next_sequence: 77, chunks };
        let checkpoint = Checkpoint { log_first: 4, next_table: 5, next_file: 11, tables: vec![table] };
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Checkpoint::read(dir.path()), Ok(Checkpoint::default()));
        checkpoint.write(dir.path()).unwrap();
        assert_eq!(Checkpoint::read(dir.path()), Ok(checkpoint.clone()));
        let encoded = checkpoint.encode();
        assert!((0..encoded.len()).all(|cut| Checkpoint::decode(&encoded[..cut]).is_err()));
    }
}
