//! `filesystem` for reading: one file or all files of a folder, JSON objects one a line, plain or compressed.

use super::io;
use crate::port::{Cursor, PayloadBlock, PortError, Source, SplitId, SplitInfo, SplitRead, SplitReader, Waker};
use bytes::Bytes;
use memchr::memchr;
use model::{Kind, Position};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Files in the order of their paths. Positions in a file count its lines that are not blank.
pub(super) struct FileSource {
    files: Vec<PathBuf>,
}

impl FileSource {
    /// The file `path`, or all files below the folder `path` whose names (and folders) do not begin with `.` or `_`.
    pub(super) fn new(path: PathBuf) -> Result<Self, PortError> {
        let mut files = Vec::new();
        if std::fs::metadata(&path).map_err(io(&path))?.is_dir() {
            collect(&path, &mut files)?;
            files.sort();
        } else {
            files.push(path);
        }
        Ok(Self { files })
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), PortError> {
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let entry = entry.map_err(io(folder))?;
        let hidden = matches!(entry.file_name().as_encoded_bytes().first(), Some(b'.' | b'_'));
        if hidden {
            continue;
        }
        let path = entry.path();
        if std::fs::metadata(&path).map_err(io(&path))?.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

impl Source for FileSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let info = |(id, path): (usize, &PathBuf)| SplitInfo {
            id: SplitId(id as u32),
            name: path.display().to_string(),
            parents: Vec::new(),
            start: Position::ZERO.into(),
        };
        Ok(self.files.iter().enumerate().map(info).collect())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let missing = || PortError::new(Kind::NotFound, format!("there is no file number {}", split.0));
        let path = self.files.get(split.0 as usize).ok_or_else(missing)?.clone();
        let input = decompressed(&path)?;
        Ok(Box::new(LineReader { path, input, rest: Vec::new(), next: 0, from: from.position.0, ended: false }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn subscribe(&self, _waker: Waker) -> Box<dyn Send> {
        Box::new(())
    }
}

/// The file's content, decompressed by the ending of its name.
fn decompressed(path: &Path) -> Result<Box<dyn Read + Send>, PortError> {
    let file = File::open(path).map_err(io(path))?;
    Ok(match path.extension().and_then(|e| e.to_str()) {
        Some("gz" | "gzip") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("lz4") => Box::new(lz4_flex::frame::FrameDecoder::new(file)),
        Some("zst" | "zstd") => Box::new(zstd::stream::read::Decoder::new(file).map_err(io(path))?),
        _ => Box::new(file),
    })
}

struct LineReader {
    path: PathBuf,
    input: Box<dyn Read + Send>,
    /// What has been read past the last whole line.
    rest: Vec<u8>,
    /// The position of the next line.
    next: u64,
    /// Lines before it are passed over.
    from: u64,
    ended: bool,
}

impl LineReader {
    /// Whole lines, about `bytes_max` of them; empty at the end.
    fn lines(&mut self, bytes_max: usize) -> Result<Vec<u8>, PortError> {
        let mut data = std::mem::take(&mut self.rest);
        let mut searched = 0;
        while !self.ended {
            let filled = data.len();
            data.resize(filled + bytes_max.max(4_096), 0);
            let read = self.input.read(&mut data[filled..]).map_err(io(&self.path))?;
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
                let message = format!("{}: a line is longer than {LINE_BYTES_MAX} bytes", self.path.display());
                return Err(PortError::new(Kind::Invalid, message));
            }
        }
        Ok(data)
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
                    next: Position(self.next).into(),
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
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

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
            let source = FileSource::new(path).unwrap();
            let expected: Vec<(u64, String)> = lines.iter().filter(|l| !l.trim().is_empty()).cloned()
                .enumerate().map(|(i, l)| (i as u64, l)).collect();
            prop_assert_eq!(all(&source, 0, 1_000_000), expected.clone());
            let rest: Vec<_> = expected.into_iter().filter(|(i, _)| *i >= from).collect();
            prop_assert_eq!(all(&source, from, bytes), rest);
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
        let source = FileSource::new(folder.path().to_path_buf()).unwrap();
        let texts: Vec<String> = all(&source, 0, 64).into_iter().map(|(_, t)| t).collect();
        assert_eq!(texts, ["one", "two", "three", "four", "five"]);
    }

    #[test]
    fn what_is_broken_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(FileSource::new(folder.path().join("none")).err().unwrap().kind, Kind::NotFound);
        let path = folder.path().join("x.zst");
        std::fs::write(&path, b"not zstd").unwrap();
        let source = FileSource::new(path).unwrap();
        let mut reader = source.open(SplitId(0), Position(0).into()).unwrap();
        assert!(reader.read(100).unwrap_err().message.contains("x.zst"));
    }
}
