//! Compression: told by the name, verified by the first bytes.

use super::list::Listed;
use crate::source::SourceError;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Lz4,
    Zstd,
}

impl Packing {
    /// What the name of a file says.
    pub(super) fn of_name(path: &Path) -> Self {
        match path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase().as_str() {
            "gz" => Self::Gzip,
            "lz4" => Self::Lz4,
            "zst" => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// What the first bytes of a file say.
    fn of_bytes(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x04, 0x22, 0x4d, 0x18] => Self::Lz4,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// A file opened for reading what is in it.
pub(super) struct OpenFile {
    pub(super) reader: Box<dyn Read + Send>,
    /// The word for its compression.
    pub(super) format: &'static str,
}

/// Checks that a file can be opened and begins as its name says; returns its length in bytes.
pub(super) fn check(file: &Listed) -> Result<u64, SourceError> {
    let failed = |source| SourceError::Io { path: file.path.clone(), source };
    let opened = verified(file)?;
    Ok(opened.metadata().map_err(failed)?.len())
}

/// Opens a file; the bytes read from it, as they lie there, are added to `bytes_read`.
pub(super) fn open(file: &Listed, bytes_read: &Arc<AtomicU64>) -> Result<OpenFile, SourceError> {
    let failed = |source| SourceError::Io { path: file.path.clone(), source };
    let counted = Counted { file: verified(file)?, bytes_read: bytes_read.clone() };
    let reader: Box<dyn Read + Send> = match file.packing {
        Packing::Plain => Box::new(counted),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(counted)),
        Packing::Lz4 => Box::new(Frames(lz4_flex::frame::FrameDecoder::new(counted))),
        Packing::Zstd => Box::new(zstd::Decoder::new(counted).map_err(failed)?),
    };
    Ok(OpenFile { reader, format: file.packing.word() })
}

fn verified(file: &Listed) -> Result<File, SourceError> {
    let failed = |source| SourceError::Io { path: file.path.clone(), source };
    let mut opened = File::open(&file.path).map_err(failed)?;
    let mut first = Vec::with_capacity(4);
    opened.by_ref().take(4).read_to_end(&mut first).map_err(failed)?;
    opened.seek(SeekFrom::Start(0)).map_err(failed)?;
    let found = Packing::of_bytes(&first);
    if found != file.packing {
        return Err(SourceError::WrongFormat {
            path: file.path.clone(),
            named: file.packing.word(),
            found: found.word(),
        });
    }
    Ok(opened)
}

/// A file that counts what is read from it.
struct Counted {
    file: File,
    bytes_read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// LZ4 frames one after the other: the decoder pauses with an empty read after each.
struct Frames<R: Read>(lz4_flex::frame::FrameDecoder<R>);

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Ok(self.0.read(into)?),
            read => Ok(read),
        }
    }
}
