//! `filesystem` for reading: one file or all files of a folder, JSON objects one a line, plain or compressed.

use super::ahead::{Ahead, AheadReader};
use super::io;
use super::storage::{FileStorage, StoredFile};
use crate::port::{Cursor, PayloadBlock, PortError, Source, SplitId, SplitInfo, SplitRead, SplitReader, Waker, Wakers};
use bytes::Bytes;
use memchr::memchr;
use model::{Kind, Position};
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Files in the order of their names. Positions in a file count its lines that are not blank; the mark of a cursor is the
/// byte at which the next one begins, where the file is not compressed.
pub(super) struct FileSource {
    storage: Arc<dyn FileStorage>,
    files: Vec<StoredFile>,
    wakers: Arc<Wakers>,
}

impl FileSource {
    /// The files of `storage` as they are now.
    pub(super) fn new(storage: Arc<dyn FileStorage>) -> Result<Self, PortError> {
        let files = storage.files()?;
        Ok(Self { storage, files, wakers: Arc::default() })
    }

    /// A reader that waits until it has something.
    pub(super) fn reader(&self, split: SplitId, from: &Cursor) -> Result<LineReader, PortError> {
        let missing = || PortError::new(Kind::NotFound, format!("there is no file number {}", split.0));
        let file = self.files.get(split.0 as usize).ok_or_else(missing)?;
        LineReader::new(self.storage.clone(), file.clone(), from)
    }
}

impl Source for FileSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let info = |(id, file): (usize, &StoredFile)| SplitInfo {
            id: SplitId(id as u32),
            name: file.name.clone(),
            parents: Vec::new(),
            start: Position::ZERO.into(),
        };
        Ok(self.files.iter().enumerate().map(info).collect())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let reader = self.reader(split, &from)?;
        Ok(match self.storage.away() {
            None => Box::new(reader),
            Some(away) => Box::new(AheadReader::new(Box::new(reader), Ahead { away, wakers: self.wakers.clone() })),
        })
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn subscribe(&self, waker: Waker) -> Box<dyn Send> {
        Box::new(self.wakers.add(waker))
    }
}

/// How a file is compressed, by the ending of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Lz4,
    Zstd,
}

impl Compression {
    fn of(name: &str) -> Self {
        match Path::new(name).extension().and_then(|e| e.to_str()) {
            Some("gz" | "gzip") => Self::Gzip,
            Some("lz4") => Self::Lz4,
            Some("zst" | "zstd") => Self::Zstd,
            _ => Self::None,
        }
    }

    fn decompressed(self, input: Box<dyn Read + Send>) -> std::io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::None => input,
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(input)),
            Self::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(input)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(input)?),
        })
    }
}

/// Reads the lines of one file.
pub(super) struct LineReader {
    storage: Arc<dyn FileStorage>,
    file: StoredFile,
    compression: Compression,
    /// Opened by the first read.
    input: Option<Box<dyn Read + Send>>,
    /// What has been read past the last whole line.
    rest: Vec<u8>,
    /// The position of the next line.
    next: u64,
    /// The byte at which it begins.
    offset: u64,
    /// Lines before it are passed over.
    from: u64,
    ended: bool,
}

impl LineReader {
    fn new(storage: Arc<dyn FileStorage>, file: StoredFile, from: &Cursor) -> Result<Self, PortError> {
        let compression = Compression::of(&file.name);
        let offset = from.mark.as_deref().map(|mark| {
            let what = || PortError::new(Kind::Corrupt, format!("{}: {mark:?} is no place in it", file.name));
            mark.parse::<u64>().map_err(|_| what())
        });
        let from = from.position.0;
        let (next, offset) = match offset.transpose()? {
            Some(offset) if compression == Compression::None => (from, offset),
            _ => (0, 0),
        };
        Ok(Self { storage, file, compression, input: None, rest: Vec::new(), next, offset, from, ended: false })
    }

    fn failed(&self, error: &std::io::Error) -> PortError {
        // A storage tells its own failures whole; what a decompressor says lacks the place.
        let told = error.get_ref().and_then(|inner| inner.downcast_ref::<PortError>());
        told.cloned()
            .unwrap_or_else(|| io(Path::new(&self.file.name))(std::io::Error::new(error.kind(), error.to_string())))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, PortError> {
        if self.input.is_none() {
            let input = self.storage.open(&self.file, self.offset)?;
            self.input = Some(self.compression.decompressed(input).map_err(|error| self.failed(&error))?);
        }
        let Some(input) = &mut self.input else { return Ok(0) };
        input.read(buffer).map_err(|error| self.failed(&error))
    }

    /// Whole lines, about `bytes_max` of them; empty at the end.
    fn lines(&mut self, bytes_max: usize) -> Result<Vec<u8>, PortError> {
        let mut data = std::mem::take(&mut self.rest);
        let mut searched = 0;
        while !self.ended {
            let filled = data.len();
            data.resize(filled + bytes_max.max(4_096), 0);
            let read = self.fill(&mut data[filled..])?;
            data.truncate(filled + read);
            self.ended = read == 0;
            if data.len() >= bytes_max
                && let Some(newline) = memchr::memrchr(b'\n', &data[searched..])
            {
                self.rest = data.split_off(searched + newline + 1);
                return Ok(data);
            }
            if data.len() >= bytes_max {
                searched = data.len();
            }
            if data.len() > LINE_BYTES_MAX {
                let message = format!("{}: a line is longer than {LINE_BYTES_MAX} bytes", self.file.name);
                return Err(PortError::new(Kind::Invalid, message));
            }
        }
        Ok(data)
    }

    fn cursor(&self) -> Cursor {
        let mark = (self.compression == Compression::None).then(|| self.offset.to_string().into());
        Cursor { position: Position(self.next), mark }
    }
}

/// Where the lines that are not blank stand.
fn rows_of(data: &[u8]) -> Vec<Range<u32>> {
    let mut rows = Vec::with_capacity(data.len() / 256);
    let mut start = 0;
    while start < data.len() {
        let end = memchr(b'\n', &data[start..]).map_or(data.len(), |at| start + at);
        if data[start..end].iter().any(|c| !c.is_ascii_whitespace()) {
            rows.push(start as u32..end as u32);
        }
        start = end + 1;
    }
    rows
}

impl SplitReader for LineReader {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        loop {
            let data = self.lines(bytes_max.clamp(1, LINE_BYTES_MAX))?;
            if data.is_empty() {
                return Ok(SplitRead::End);
            }
            self.offset += data.len() as u64;
            let mut rows = rows_of(&data);
            let passed = (self.from.saturating_sub(self.next) as usize).min(rows.len());
            rows.drain(..passed);
            let first = Position(self.next + passed as u64);
            self.next = first.0 + rows.len() as u64;
            if !rows.is_empty() {
                return Ok(SplitRead::Payloads(PayloadBlock {
                    data: Bytes::from(data),
                    rows,
                    first,
                    next: self.cursor(),
                }));
            }
        }
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::local::LocalFiles;
    use super::*;
    use proptest::prelude::*;
    use std::fs::File;
    use std::io::Write;
    use std::path::PathBuf;

    fn source(path: PathBuf) -> FileSource {
        FileSource::new(Arc::new(LocalFiles::new(path))).unwrap()
    }

    fn all(source: &FileSource, from: u64, bytes_max: usize) -> Vec<(u64, String)> {
        let mut read = Vec::new();
        for split in source.splits().unwrap() {
            let mut reader = source.open(split.id, Position(from).into()).unwrap();
            while let SplitRead::Payloads(block) = reader.read(bytes_max).unwrap() {
                for (i, row) in block.rows.iter().enumerate() {
                    let text = &block.data[row.start as usize..row.end as usize];
                    read.push((block.first.0 + i as u64, String::from_utf8(text.to_vec()).unwrap()));
                }
            }
        }
        read
    }

    proptest! {
        /// Reading twice gives the same; reading from a position gives what a whole read gives from there.
        #[test]
        fn positions_mean_the_same_whatever_is_read_at_once(
            lines in prop::collection::vec("[a-z ]{0,30}", 0..60), from in 0u64..40, bytes in 1usize..200, ends in any::<bool>()
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("lines");
            std::fs::write(&path, lines.join("\n") + if ends { "\n" } else { "" }).unwrap();
            let source = source(path);
            let expected: Vec<(u64, String)> = lines.iter().filter(|l| !l.trim().is_empty()).cloned()
                .enumerate().map(|(i, l)| (i as u64, l)).collect();
            prop_assert_eq!(all(&source, 0, 1_000_000), expected.clone());
            let rest: Vec<_> = expected.iter().filter(|(i, _)| *i >= from).cloned().collect();
            prop_assert_eq!(all(&source, from, bytes), rest);
            // A cursor that a read gave leads to the same place by its mark, without what stands before it.
            let mut reader = source.open(SplitId(0), Position(0).into()).unwrap();
            while let SplitRead::Payloads(block) = reader.read(bytes).unwrap() {
                let mut again = source.open(SplitId(0), block.next.clone()).unwrap();
                let expected = expected.get(block.next.position.0 as usize).map(|(_, text)| text.clone());
                let first = match again.read(bytes).unwrap() {
                    SplitRead::Payloads(next) => {
                        prop_assert_eq!(next.first, block.next.position);
                        let row = &next.rows[0];
                        Some(String::from_utf8(next.data[row.start as usize..row.end as usize].to_vec()).unwrap())
                    }
                    _ => None,
                };
                prop_assert_eq!(first, expected);
            }
        }
    }

    #[test]
    fn folders_are_read_in_order_whatever_the_compression() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("b")).unwrap();
        std::fs::write(at("b/1.ndjson"), "two\n").unwrap();
        std::fs::write(at(".hidden"), "no\n").unwrap();
        std::fs::write(at("_SUCCESS"), "no\n").unwrap();
        let mut gz = flate2::write::GzEncoder::new(File::create(at("a.gz")).unwrap(), flate2::Compression::fast());
        gz.write_all(b"one").unwrap();
        gz.finish().unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(File::create(at("c.lz4")).unwrap());
        lz4.write_all(b"three\n").unwrap();
        lz4.finish().unwrap();
        std::fs::write(at("d.zst"), zstd::encode_all(&b"four\nfive"[..], 1).unwrap()).unwrap();
        let source = source(folder.path().to_path_buf());
        let texts: Vec<String> = all(&source, 0, 64).into_iter().map(|(_, t)| t).collect();
        assert_eq!(texts, ["one", "two", "three", "four", "five"]);
    }

    #[test]
    fn what_is_broken_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            FileSource::new(Arc::new(LocalFiles::new(folder.path().join("none")))).err().unwrap().kind,
            Kind::NotFound
        );
        let path = folder.path().join("x.zst");
        std::fs::write(&path, b"not zstd").unwrap();
        let source = source(path);
        let mut reader = source.open(SplitId(0), Position(0).into()).unwrap();
        let error = reader.read(100).unwrap_err();
        assert!(error.message.contains("x.zst"), "{error}");
        let wrong = Cursor { position: Position(1), mark: Some("middle".into()) };
        assert_eq!(source.open(SplitId(0), wrong).err().unwrap().kind, Kind::Corrupt);
    }
}
