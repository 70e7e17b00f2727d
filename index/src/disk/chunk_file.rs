//! Chunk files: one chunk each, written once. The body (ids, columns, block places) is read when the index is opened, the
//! documents behind it when they are asked for.
//!
//! 8 bytes magic, u32 version, u64 length of the body, u32 CRC32C of the body, u32 CRC32C of the header so far, the
//! body, then the blocks of documents, each with its own CRC32C in the body. Integers are little-endian.

use super::sync_dir;
use crate::chunk::{Chunk, Ids};
use crate::codec::{DecodeError, Decoder, put_bytes, put_varint};
use crate::column::{Column, Packed};
use crate::dictionary::Dictionary;
use crate::mapping::{FieldKind, Mapping};
use crate::source::{BlockPlace, Sources};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"HSTRCHNK";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 28;

/// The dictionaries of an index, by the place of their field.
pub(crate) type Dictionaries = [Option<Arc<Dictionary>>];

/// The path of a chunk file.
pub(crate) fn chunk_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.chunk"))
}

/// Writes a chunk whose documents are in memory. Returns the file and where its documents stand in it; both are durable.
///
/// # Errors
/// When the operating system refuses, or the documents are on disk already.
pub(crate) fn write_chunk(
    path: &Path,
    chunk: &Chunk,
    mapping: &Mapping,
    dictionaries: &Dictionaries,
) -> io::Result<(File, Vec<BlockPlace>)> {
    let blocks = chunk.sources.blocks().ok_or_else(|| io::Error::other("the chunk is on disk already"))?;
    let mut places = Vec::with_capacity(blocks.len());
    let mut offset = 0u64;
    for block in &blocks {
        let (len, crc) = (block.packed.len() as u32, crc32c::crc32c(&block.packed));
        places.push(BlockPlace { first_row: block.first_row, rows: block.rows, offset, len, crc });
        offset += u64::from(len);
    }
    let body = encode_body(chunk, mapping, dictionaries, &places);
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&(body.len() as u64).to_le_bytes());
    header.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());

    let next = path.with_extension("next");
    let mut file = File::create(&next)?;
    file.write_all(&header)?;
    file.write_all(&body)?;
    blocks.iter().try_for_each(|block| file.write_all(&block.packed))?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    let start = (HEADER_BYTES + body.len()) as u64;
    places.iter_mut().for_each(|p| p.offset += start);
    Ok((File::open(path)?, places))
}

fn encode_body(chunk: &Chunk, mapping: &Mapping, dictionaries: &Dictionaries, places: &[BlockPlace]) -> Vec<u8> {
    let mut body = Vec::new();
    chunk.ids.encode(&mut body);
    chunk.versions.encode(&mut body);
    chunk.sequences.encode(&mut body);
    let columns: Vec<(usize, &Column)> =
        chunk.columns.iter().enumerate().filter_map(|(at, c)| c.as_ref().map(|c| (at, c))).collect();
    put_varint(&mut body, columns.len() as u64);
    for (at, column) in columns {
        let field = &mapping.fields()[at];
        put_bytes(&mut body, field.path.as_bytes());
        put_bytes(&mut body, field.kind.name().as_bytes());
        match (&dictionaries.get(at), field.kind) {
            (Some(Some(dictionary)), FieldKind::Keyword) => encode_keywords(column, dictionary, &mut body),
            _ => column.encode(&mut body),
        }
    }
    put_varint(&mut body, places.len() as u64);
    for place in places {
        put_varint(&mut body, place.first_row.into());
        put_varint(&mut body, place.rows.into());
        put_varint(&mut body, place.offset);
        put_varint(&mut body, place.len.into());
        body.extend_from_slice(&place.crc.to_le_bytes());
    }
    body
}

/// The keywords that the column uses, then the column with numbers that count these.
fn encode_keywords(column: &Column, dictionary: &Dictionary, body: &mut Vec<u8>) {
    let rows: Vec<u32> = (0..column.row_count() as u32).collect();
    let mut used = Vec::new();
    column.each(&rows, |_, number| used.push(number));
    used.sort_unstable();
    used.dedup();
    put_varint(body, used.len() as u64);
    used.iter().for_each(|number| put_bytes(body, dictionary.word(*number).as_bytes()));
    if let Some(local) = column.map(|number| used.partition_point(|u| *u < number) as i64) {
        local.encode(body);
    }
}

/// Reads a chunk. Its keywords get numbers of `dictionaries`.
///
/// # Errors
/// When the file cannot be read, or its bytes are not what was written; the text says which.
pub(crate) fn read_chunk(path: &Path, mapping: &Mapping, dictionaries: &Dictionaries) -> Result<Chunk, String> {
    let text = |e: io::Error| e.to_string();
    let mut file = File::open(path).map_err(text)?;
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header).map_err(text)?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if &header[..8] != MAGIC || crc32c::crc32c(&header[..24]) != word(24) {
        return Err("the header is damaged".to_owned());
    }
    if word(8) != VERSION {
        return Err(format!("version {}, but this build reads version {VERSION}", word(8)));
    }
    let body_len = u64::from(word(12)) | u64::from(word(16)) << 32;
    let file_len = file.metadata().map_err(text)?.len();
    if body_len > file_len.saturating_sub(HEADER_BYTES as u64) {
        return Err("the file is too short".to_owned());
    }
    let mut body = vec![0; body_len as usize];
    file.read_exact(&mut body).map_err(text)?;
    if crc32c::crc32c(&body) != word(20) {
        return Err("the checksum does not match".to_owned());
    }
    decode_body(&body, file, HEADER_BYTES as u64 + body_len, mapping, dictionaries).map_err(|e| e.to_string())
}

fn decode_body(
    body: &[u8],
    file: File,
    blocks_start: u64,
    mapping: &Mapping,
    dictionaries: &Dictionaries,
) -> Result<Chunk, DecodeError> {
    let mut from = Decoder::new(body);
    let ids = Ids::decode(&mut from)?;
    let rows = ids.len();
    let (versions, sequences) = (Packed::decode(&mut from)?, Packed::decode(&mut from)?);
    if versions.len() != rows || sequences.len() != rows {
        return Err(from.error("versions of another number of rows"));
    }
    let mut columns: Vec<Option<Column>> = Vec::new();
    columns.resize_with(mapping.fields().len(), || None);
    for _ in 0..from.count(4)? {
        let (path, kind) = (from.text()?, from.text()?);
        let at = mapping
            .position(path)
            .filter(|at| mapping.fields()[*at].kind.name() == kind)
            .ok_or_else(|| from.error("a column of a field that the mapping does not have"))?;
        columns[at] = match dictionaries.get(at) {
            Some(Some(dictionary)) => decode_keywords(&mut from, rows, dictionary)?,
            _ => Some(Column::decode(&mut from, rows)?),
        };
    }
    let mut places = Vec::new();
    for _ in 0..from.count(8)? {
        let (first_row, rows) = (from.u32()?, from.u32()?);
        let offset = from.varint()?.saturating_add(blocks_start);
        let len = from.u32()?;
        let crc = from.take(4)?;
        places.push(BlockPlace {
            first_row,
            rows,
            offset,
            len,
            crc: u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]),
        });
    }
    Ok(Chunk { ids, versions, sequences, columns, sources: Sources::on_disk(file, places) })
}

fn decode_keywords(
    from: &mut Decoder<'_>,
    rows: usize,
    dictionary: &Dictionary,
) -> Result<Option<Column>, DecodeError> {
    let count = from.count(1)?;
    let numbers = (0..count).map(|_| Ok(i64::from(dictionary.intern(from.text()?)))).collect::<Result<Vec<_>, _>>()?;
    let local = Column::decode(from, rows)?;
    let (mut in_range, all) = (true, (0..rows as u32).collect::<Vec<_>>());
    local.each(&all, |_, number| in_range &= (0..count as i64).contains(&number));
    if !in_range {
        return Err(from.error("a keyword that is not listed"));
    }
    // The cells of rows without a value mean nothing, but they are mapped with the others.
    Ok(local.map(|number| numbers[number.clamp(0, count as i64 - 1) as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Tail;
    use crate::mapping::Field;

    fn sample() -> (Chunk, Mapping, Vec<Option<Arc<Dictionary>>>) {
        let mut mapping = Mapping::default();
        mapping.add(Field::new("n", FieldKind::Long)).unwrap();
        mapping.add(Field::new("k", FieldKind::Keyword)).unwrap();
        let dictionary = Arc::new(Dictionary::default());
        dictionary.intern("unused");
        let mut tail = Tail::default();
        for row in 0..200 {
            tail.push(&format!("id{row}"), 1, row, format!("{{\"n\":{row}}}").as_bytes());
            tail.put(0, row as i64 * 10, false);
            if row % 3 == 0 {
                tail.put(1, dictionary.intern(&format!("word{}", row % 7)).into(), true);
                tail.put(1, dictionary.intern("both").into(), true);
            }
        }
        (tail.freeze(), mapping, vec![None, Some(dictionary)])
    }

    #[test]
    fn a_chunk_comes_back_with_its_keywords_numbered_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = chunk_path(dir.path(), 1);
        let (chunk, mapping, dictionaries) = sample();
        let (file, places) = write_chunk(&path, &chunk, &mapping, &dictionaries).unwrap();
        chunk.sources.move_to_disk(file, places);
        let fresh = vec![None, Some(Arc::new(Dictionary::default()))];
        let read = read_chunk(&path, &mapping, &fresh).unwrap();
        assert_eq!(fresh[1].as_ref().unwrap().len(), 8, "only the keywords that are used");
        assert_eq!(read.ids, chunk.ids);
        assert_eq!(read.column(0), chunk.column(0));
        let words = |c: &Chunk, d: &[Option<Arc<Dictionary>>], row| {
            let mut words: Vec<String> =
                c.column(1).unwrap().of_row(row).iter().map(|n| d[1].as_ref().unwrap().word(*n)).collect();
            words.sort();
            words
        };
        for row in 0..200 {
            assert_eq!(words(&read, &fresh, row), words(&chunk, &dictionaries, row));
            assert_eq!(read.sources.document(row).unwrap(), format!("{{\"n\":{row}}}").into_bytes());
            assert_eq!(chunk.sources.document(row).unwrap(), format!("{{\"n\":{row}}}").into_bytes());
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = chunk_path(dir.path(), 1);
        let (chunk, mapping, dictionaries) = sample();
        write_chunk(&path, &chunk, &mapping, &dictionaries).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let fresh = vec![None, Some(Arc::new(Dictionary::default()))];
            let found = match read_chunk(&path, &mapping, &fresh) {
                Err(_) => true,
                Ok(read) => (0..200).any(|row| read.sources.document(row).is_err()),
            };
            assert!(found, "byte {at}");
        }
        for end in (0..whole.len()).step_by(11) {
            fs::write(&path, &whole[..end]).unwrap();
            if let Ok(read) = read_chunk(&path, &mapping, &[None, Some(Arc::new(Dictionary::default()))]) {
                assert!((0..200).any(|row| read.sources.document(row).is_err()), "cut at {end}");
            }
        }
    }
}
