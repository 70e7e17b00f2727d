//! The journal: what was recorded since the open chunk of seconds began, one block for each record, synced in intervals.
//!
//! Layout, integers big-endian: 8 bytes magic, u32 version, u64 start of the chunk in seconds, u32 CRC32C of these; then
//! blocks: u32 length, u32 CRC32C, payload. A payload: number of new series and their keys, which get the next numbers,
//! then number of points and for each the series' number, the slot and the summary. A block that is cut ends the journal.

use super::bytes::{Reader, put_bytes, put_varint};
use super::error::MetricsError;
use super::key::SeriesKey;
use super::point::{put_summary, read_summary};
use super::summary::Summary;
use super::tier::TIERS;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"HAILJRNL";
/// Version 2 knows sketches; what version 1 has written is read as before.
const VERSION: u32 = 2;
/// How the name of a journal ends that is not whole yet; a start removes such files.
const HALF_EXTENSION: &str = "next";
const HEADER_BYTES: usize = 24;
/// Largest block, in bytes: what all series together can record at once, with their keys.
const BLOCK_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is written at once.
#[derive(Debug, Default)]
pub(super) struct Block {
    keys: Vec<Vec<u8>>,
    points: Vec<(u32, u32, Summary)>,
}

impl Block {
    /// A series whose number is the next one of this journal.
    pub(super) fn name(&mut self, key: &SeriesKey) {
        self.keys.push(key.encode());
    }

    /// A summary of a series by its number.
    pub(super) fn push(&mut self, series: u32, slot: u32, summary: Summary) {
        self.points.push((series, slot, summary));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; 8];
        put_varint(&mut out, self.keys.len() as u64);
        self.keys.iter().for_each(|key| put_bytes(&mut out, key));
        put_varint(&mut out, self.points.len() as u64);
        for (series, slot, summary) in &self.points {
            put_varint(&mut out, u64::from(*series));
            put_varint(&mut out, u64::from(*slot));
            put_summary(&mut out, summary);
        }
        let (length, crc) = ((out.len() - 8) as u32, crc32c::crc32c(&out[8..]));
        out[..4].copy_from_slice(&length.to_be_bytes());
        out[4..8].copy_from_slice(&crc.to_be_bytes());
        out
    }
}

/// A journal that is being written.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    /// Up to where it is whole.
    length: u64,
    /// Whether something was written since the last sync.
    unsynced: bool,
}

/// What a journal held.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) start_s: u64,
    pub(super) keys: Vec<Arc<SeriesKey>>,
    /// Series by its number, slot, summary, in the order of writing.
    pub(super) points: Vec<(u32, u32, Summary)>,
    /// Up to where it is whole, in bytes.
    pub(super) length: u64,
}

impl Journal {
    /// Begins a journal for the chunk of seconds that starts at `start_s`.
    pub(super) fn create(path: PathBuf, start_s: u64) -> Result<Self, MetricsError> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_be_bytes());
        header.extend_from_slice(&start_s.to_be_bytes());
        header.extend_from_slice(&crc32c::crc32c(&header).to_be_bytes());
        // In append mode, so that what is cut off after a failed write leaves no hole.
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let made = opened.and_then(|mut file| {
            file.set_len(0)?;
            file.write_all(&header)?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(Self { file, path, length: HEADER_BYTES as u64, unsynced: true }),
            Err(source) => Err(MetricsError::Io { path, source }),
        }
    }

    /// Puts a journal that begins with these blocks in the place of the one at `path`: as a whole, or not at all.
    pub(super) fn replace(
        path: PathBuf,
        start_s: u64,
        blocks: impl Iterator<Item = Block>,
    ) -> Result<Self, MetricsError> {
        let next = path.with_extension(HALF_EXTENSION);
        let mut journal = Self::create(next.clone(), start_s)?;
        for block in blocks {
            journal.append(&block)?;
        }
        journal.sync()?;
        match fs::rename(&next, &path) {
            Ok(()) => Ok(Self { path, ..journal }),
            Err(source) => Err(MetricsError::Io { path, source }),
        }
    }

    /// Goes on with a journal that was replayed, behind its last whole block.
    pub(super) fn reopen(path: PathBuf, length: u64) -> Result<Self, MetricsError> {
        let opened = OpenOptions::new().append(true).open(&path).and_then(|file| file.set_len(length).map(|()| file));
        match opened {
            Ok(file) => Ok(Self { file, path, length, unsynced: true }),
            Err(source) => Err(MetricsError::Io { path, source }),
        }
    }

    /// Appends a block. It survives the end of the process at once, and that of the machine after [`Journal::sync`].
    pub(super) fn append(&mut self, block: &Block) -> Result<(), MetricsError> {
        let bytes = block.encode();
        match self.file.write_all(&bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                self.unsynced = true;
                Ok(())
            }
            Err(source) => Err(self.undo(source)),
        }
    }

    /// Takes half a block away, so that later ones can be read.
    fn undo(&mut self, source: io::Error) -> MetricsError {
        if let Err(error) = self.file.set_len(self.length) {
            tracing::warn!(%error, "half a block of metrics stays in the journal; a restart loses what follows it");
        }
        self.failed(source)
    }

    /// Makes durable what was appended.
    pub(super) fn sync(&mut self) -> Result<(), MetricsError> {
        if self.unsynced {
            self.file.sync_data().map_err(|source| self.failed(source))?;
            self.unsynced = false;
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> MetricsError {
        MetricsError::Io { path: self.path.clone(), source }
    }

    /// Lets every write from now on fail.
    #[cfg(test)]
    pub(super) fn break_file(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }
}

/// Reads a journal up to its first block that is not whole. `None` when even its header is not.
pub(super) fn replay(path: &Path) -> Result<Option<Replayed>, MetricsError> {
    let bytes = std::fs::read(path).map_err(|source| MetricsError::Io { path: path.to_owned(), source })?;
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Option<Replayed> {
    let mut reader = Reader(bytes);
    let head = bytes.get(..20)?;
    if reader.take(8)? != MAGIC || !(1..=VERSION).contains(&reader.u32()?) {
        return None;
    }
    let start_s = reader.u64()?;
    if reader.u32()? != crc32c::crc32c(head) {
        return None;
    }
    let mut replayed = Replayed { start_s, length: HEADER_BYTES as u64, ..Replayed::default() };
    while let Some(payload) = next_payload(&mut reader) {
        if parse_payload(payload, &mut replayed).is_none() {
            break;
        }
        replayed.length += 8 + payload.len() as u64;
    }
    Some(replayed)
}

fn next_payload<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let (length, crc) = (reader.u32()? as usize, reader.u32()?);
    let payload = reader.take(length).filter(|_| length <= BLOCK_BYTES_MAX)?;
    (crc32c::crc32c(payload) == crc).then_some(payload)
}

/// Adds a payload as a whole, or nothing of it.
fn parse_payload(payload: &[u8], into: &mut Replayed) -> Option<()> {
    let mut reader = Reader(payload);
    let mut keys = Vec::new();
    for _ in 0..reader.varint()? {
        keys.push(Arc::new(SeriesKey::decode(reader.bytes()?)?));
    }
    let known = into.keys.len() + keys.len();
    let mut points = Vec::new();
    for _ in 0..reader.varint()? {
        let series = u32::try_from(reader.varint()?).ok().filter(|series| (*series as usize) < known)?;
        let slot = reader.varint().filter(|slot| *slot < TIERS[0].slots())? as u32;
        points.push((series, slot, read_summary(&mut reader)?));
    }
    into.keys.extend(keys);
    into.points.extend(points);
    reader.0.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::super::point::StatisticSet;
    use super::*;

    fn block(first: u32, name: Option<&str>, value: f64) -> Block {
        let mut block = Block::default();
        if let Some(name) = name {
            block.name(&SeriesKey::new("N", name, []).unwrap());
        }
        block.push(first, 7, StatisticSet::of(value).into());
        block
    }

    fn written() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::create(path.clone(), 600).unwrap();
        journal.append(&block(0, Some("a"), 1.5)).unwrap();
        journal.append(&block(1, Some("b"), 2.0)).unwrap();
        journal.append(&block(0, None, 3.0)).unwrap();
        journal.sync().unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn every_cut_leaves_the_whole_blocks_before_it() {
        let bytes = written();
        let whole = parse(&bytes).unwrap();
        assert_eq!(
            (whole.start_s, whole.keys.len(), whole.points.len(), whole.length),
            (600, 2, 3, bytes.len() as u64)
        );
        for length in 0..bytes.len() {
            match parse(&bytes[..length]) {
                None => assert!(length < HEADER_BYTES),
                Some(part) => {
                    assert!(part.points.len() < 3 && part.length <= length as u64);
                    assert_eq!(part.points[..], whole.points[..part.points.len()]);
                }
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = written();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&flipped).is_none_or(|part| part.points.len() < 3), "bit {bit}");
        }
    }

    #[test]
    fn what_follows_a_cut_block_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let bytes = written();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let cut = replay(&path).unwrap().unwrap();
        assert_eq!(cut.points.len(), 2);
        let mut journal = Journal::reopen(path.clone(), cut.length).unwrap();
        journal.append(&block(1, None, 9.0)).unwrap();
        let again = replay(&path).unwrap().unwrap();
        assert_eq!(again.points[2], (1, 7, StatisticSet::of(9.0).into()));
    }
}
