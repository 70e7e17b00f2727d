//! A chunk: the points of all series over one span of time, written once and read in parts.
//!
//! Layout, integers big-endian: 8 bytes magic, u32 version, u32 period in seconds, u64 start in seconds, u32 length of the
//! directory, u32 CRC32C over all of that and the directory. The directory: number of series, then for each its key, the
//! length of its points and their CRC32C. The points follow in the same order.

use super::bytes::{Reader, put_bytes, put_varint};
use super::error::MetricsError;
use super::key::SeriesKey;
use super::point::{Point, decode_points, encode_points};
use super::sketch::BINS_MAX;
use super::tier::TIERS;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"HAILPNTS";
/// Version 2 knows sketches; what version 1 has written is read as before.
const VERSION: u32 = 2;
/// Most bytes of one point: a sketch with all its bins.
const POINT_BYTES_MAX: u64 = 64 + 18 * BINS_MAX as u64;
const HEADER_BYTES: usize = 32;
/// Bytes of the header before its checksum.
const CHECKED_BYTES: usize = 28;
/// Largest directory that is read, in bytes: far more than the largest number of series needs.
const DIRECTORY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where a chunk stands: its tier and its start in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChunkId {
    pub(super) tier: usize,
    pub(super) start_s: u64,
}

/// The points of all series over one span.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) id: ChunkId,
    /// In the order of their keys; none is empty.
    pub(super) series: Vec<(Arc<SeriesKey>, Vec<Point>)>,
}

impl ChunkId {
    pub(super) fn end_s(self) -> u64 {
        self.start_s + TIERS[self.tier].chunk_s
    }
}

/// The chunk as the bytes of its file.
pub(super) fn encode(chunk: &Chunk) -> Vec<u8> {
    let (mut directory, mut data) = (Vec::new(), Vec::new());
    put_varint(&mut directory, chunk.series.len() as u64);
    for (key, points) in &chunk.series {
        let points = encode_points(points);
        put_bytes(&mut directory, &key.encode());
        put_varint(&mut directory, points.len() as u64);
        directory.extend_from_slice(&crc32c::crc32c(&points).to_be_bytes());
        data.extend_from_slice(&points);
    }
    let mut out = Vec::with_capacity(HEADER_BYTES + directory.len() + data.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&(TIERS[chunk.id.tier].period_s as u32).to_be_bytes());
    out.extend_from_slice(&chunk.id.start_s.to_be_bytes());
    out.extend_from_slice(&(directory.len() as u32).to_be_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out), &directory);
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(&directory);
    out.extend_from_slice(&data);
    out
}

/// A series in the directory of a file.
struct Entry<'a> {
    key: &'a [u8],
    offset: u64,
    length: usize,
    crc: u32,
}

/// A chunk's file, open for reading.
struct ChunkFile<'a> {
    file: File,
    path: &'a Path,
    id: ChunkId,
    directory: Vec<u8>,
}

impl<'a> ChunkFile<'a> {
    fn open(path: &'a Path, id: ChunkId) -> Result<Self, MetricsError> {
        let io = |source| MetricsError::Io { path: path.to_owned(), source };
        let damaged = |what| MetricsError::Damaged { path: path.to_owned(), what };
        let mut file = File::open(path).map_err(io)?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header).map_err(|error| cut_or(error, path))?;
        let length = check_header(&header, id).map_err(damaged)?;
        let mut directory = vec![0; length];
        file.read_exact(&mut directory).map_err(|error| cut_or(error, path))?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..CHECKED_BYTES]), &directory);
        if Reader(&header[CHECKED_BYTES..]).u32() != Some(crc) {
            return Err(damaged("the checksum of its directory does not match"));
        }
        Ok(Self { file, path, id, directory })
    }

    /// Calls `each` with every series of the directory.
    fn entries(&self, mut each: impl FnMut(&Entry<'_>) -> Result<(), MetricsError>) -> Result<(), MetricsError> {
        let damaged = || MetricsError::Damaged { path: self.path.to_owned(), what: "its directory is cut" };
        let mut reader = Reader(&self.directory);
        let mut offset = (HEADER_BYTES + self.directory.len()) as u64;
        for _ in 0..reader.varint().ok_or_else(damaged)? {
            let key = reader.bytes().ok_or_else(damaged)?;
            let length = reader.varint().and_then(|length| u32::try_from(length).ok()).ok_or_else(damaged)?;
            let crc = reader.u32().ok_or_else(damaged)?;
            each(&Entry { key, offset, length: length as usize, crc })?;
            offset += u64::from(length);
        }
        Ok(())
    }

    fn points(&self, entry: &Entry<'_>) -> Result<Vec<Point>, MetricsError> {
        let damaged = |what| MetricsError::Damaged { path: self.path.to_owned(), what };
        // Checked before memory is taken for it.
        if entry.length as u64 > TIERS[self.id.tier].slots() * POINT_BYTES_MAX {
            return Err(damaged("a series is longer than its points can be"));
        }
        let mut bytes = vec![0; entry.length];
        self.file.read_exact_at(&mut bytes, entry.offset).map_err(|error| cut_or(error, self.path))?;
        if crc32c::crc32c(&bytes) != entry.crc {
            return Err(damaged("the checksum of a series does not match"));
        }
        decode_points(&bytes, TIERS[self.id.tier].slots())
            .ok_or_else(|| damaged("the points of a series cannot be read"))
    }
}

fn cut_or(error: io::Error, path: &Path) -> MetricsError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return MetricsError::Damaged { path: path.to_owned(), what: "it is cut" };
    }
    MetricsError::Io { path: path.to_owned(), source: error }
}

/// The length of the directory, or what is wrong.
fn check_header(header: &[u8; HEADER_BYTES], id: ChunkId) -> Result<usize, &'static str> {
    let mut reader = Reader(header);
    if reader.take(8) != Some(&MAGIC) {
        return Err("it is no file of points");
    }
    if !reader.u32().is_some_and(|version| (1..=VERSION).contains(&version)) {
        return Err("it is of another version");
    }
    if reader.u32().map(u64::from) != Some(TIERS[id.tier].period_s) || reader.u64() != Some(id.start_s) {
        return Err("it is of another time than its name says");
    }
    let length = reader.u32().map_or(usize::MAX, |length| length as usize);
    if length > DIRECTORY_BYTES_MAX { Err("its directory is too long") } else { Ok(length) }
}

/// The points of the wanted series, whose encoded keys lead to their places in `out`, handed to `found`.
///
/// # Errors
/// When the file cannot be read or is damaged; what was found before the damage was handed over.
pub(super) fn read_wanted(
    path: &Path,
    id: ChunkId,
    wanted: &HashMap<Vec<u8>, usize>,
    mut found: impl FnMut(usize, Vec<Point>),
) -> Result<(), MetricsError> {
    let file = ChunkFile::open(path, id)?;
    file.entries(|entry| {
        if let Some(place) = wanted.get(entry.key) {
            found(*place, file.points(entry)?);
        }
        Ok(())
    })
}

/// All series of a file.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub(super) fn read_all(path: &Path, id: ChunkId) -> Result<Chunk, MetricsError> {
    let file = ChunkFile::open(path, id)?;
    let mut series = Vec::new();
    file.entries(|entry| {
        let damaged = || MetricsError::Damaged { path: path.to_owned(), what: "a key cannot be read" };
        let key = SeriesKey::decode(entry.key).ok_or_else(damaged)?;
        series.push((Arc::new(key), file.points(entry)?));
        Ok(())
    })?;
    Ok(Chunk { id, series })
}
