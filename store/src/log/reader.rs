//! Reads a log in order: large reads of whole blocks into one shared buffer, every block checked against its checksum.

use super::files::{LogFile, read_full_at};
use super::format::{BLOCK_HEADER_BYTES, BlockHeader, FormatError, Row, check_body, push_rows};
use super::view::{LogReadError, LogView, Plan};
use bytes::Bytes;
use model::Position;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A place in a log, and the open file behind it. One file is open at a time.
pub(crate) struct LogReader {
    view: Arc<LogView>,
    position: Position,
    cursor: Option<Cursor>,
}

struct Cursor {
    generation: u64,
    path: PathBuf,
    file: Arc<dyn LogFile>,
    /// Where the block with the reader's position begins.
    offset: u64,
}

/// What a read found.
pub(crate) enum LogRead {
    /// Records, in order; never empty.
    Rows { data: Bytes, rows: Vec<Row> },
    /// Nothing new.
    Tip,
    /// The wanted record was deleted; the first one left is given.
    Trimmed(Position),
}

/// How often a read looks again when a segment vanished under it; each time retention must have moved on.
const LOOKS_MAX: usize = 16;

impl LogReader {
    pub(crate) fn new(view: Arc<LogView>, position: Position) -> Self {
        Self { view, position, cursor: None }
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    pub(crate) fn seek(&mut self, position: Position) {
        self.position = position;
        self.cursor = None;
    }

    /// Reads about `max_bytes` of blocks, at least one, and moves behind them.
    pub(crate) fn read(&mut self, max_bytes: usize) -> Result<LogRead, LogReadError> {
        for _ in 0..LOOKS_MAX {
            let known = self.cursor.as_ref().map(|cursor| (cursor.generation, cursor.offset));
            match self.view.plan(self.position, known, max_bytes) {
                Plan::Tip => return Ok(LogRead::Tip),
                Plan::Trimmed(first) => return Ok(LogRead::Trimmed(first)),
                Plan::NeedIndex(generation) => self.view.build_index(generation)?,
                Plan::Read { generation, path, offset, end } => {
                    if let Some((data, rows, next)) = self.view.tail.read(self.position, max_bytes) {
                        self.seek(next);
                        return Ok(LogRead::Rows { data, rows });
                    }
                    if self.open(generation, path, offset)? {
                        return self.read_blocks(offset, end);
                    }
                }
            }
        }
        Ok(LogRead::Tip)
    }

    /// The age of nothing is nothing: when the next record is there, the time at which its group commit began to arrive.
    pub(crate) fn next_arrival_ms(&mut self) -> Result<Option<u64>, LogReadError> {
        for _ in 0..LOOKS_MAX {
            let known = self.cursor.as_ref().map(|cursor| (cursor.generation, cursor.offset));
            match self.view.plan(self.position, known, 1) {
                Plan::Tip => return Ok(None),
                Plan::Trimmed(first) => self.seek(first),
                Plan::NeedIndex(generation) => self.view.build_index(generation)?,
                Plan::Read { generation, path, offset, .. } => {
                    if let Some(arrival_ms) = self.view.tail.arrival_ms(self.position) {
                        return Ok(Some(arrival_ms));
                    }
                    if self.open(generation, path, offset)? {
                        return Ok(self.peek(offset));
                    }
                }
            }
        }
        Ok(None)
    }

    fn peek(&mut self, mut offset: u64) -> Option<u64> {
        let cursor = self.cursor.as_mut()?;
        loop {
            let header = self.view.block_header(cursor.file.as_ref(), offset)?;
            cursor.offset = offset;
            if header.next() > self.position {
                return Some(header.oldest_ms);
            }
            offset += header.block_len();
        }
    }

    /// Makes the segment the open one; false when it has vanished meanwhile.
    fn open(&mut self, generation: u64, path: PathBuf, offset: u64) -> Result<bool, LogReadError> {
        if let Some(cursor) = &mut self.cursor
            && cursor.generation == generation
        {
            cursor.offset = offset;
            return Ok(true);
        }
        match self.view.files.open(&path) {
            Ok(file) => {
                self.cursor = Some(Cursor { generation, path, file, offset });
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.cursor = None;
                // Gone although still listed: not retention's doing.
                let listed = self.view.state.read().segments.iter().any(|s| s.generation == generation);
                if listed { Err(LogReadError::Io { path, source: error }) } else { Ok(false) }
            }
            Err(source) => Err(LogReadError::Io { path, source }),
        }
    }

    fn read_blocks(&mut self, offset: u64, end: u64) -> Result<LogRead, LogReadError> {
        let Some(cursor) = &mut self.cursor else { return Ok(LogRead::Tip) };
        let fail = |source| LogReadError::Io { path: cursor.path.clone(), source };
        let mut buffer = vec![0; end.saturating_sub(offset) as usize];
        let got = read_full_at(cursor.file.as_ref(), &mut buffer, offset).map_err(fail)?;
        buffer.truncate(got);
        let mut rows = Vec::new();
        let mut at = 0;
        let mut next = self.position;
        let mut stopped = None;
        while at < buffer.len() {
            match take_block(&self.view, &buffer, at, offset, next, &mut rows) {
                Ok(header) => {
                    at += header.block_len() as usize;
                    next = next.max(header.next());
                }
                Err(reason) => {
                    stopped = Some(reason);
                    break;
                }
            }
        }
        cursor.offset = offset + at as u64;
        if rows.is_empty() {
            let reason = stopped.unwrap_or(FormatError::Missing).to_string();
            let (path, offset) = (cursor.path.clone(), cursor.offset);
            // A wrong turn must not be remembered: the file may be repaired meanwhile.
            self.cursor = None;
            return Err(LogReadError::Damaged { path, offset, position: self.position, reason });
        }
        self.position = next;
        Ok(LogRead::Rows { data: Bytes::from(buffer), rows })
    }
}

/// Reads the block at `at` of a buffer that was read from `base` of the segment; `due` is the next record wanted.
fn take_block(
    view: &LogView,
    buffer: &[u8],
    at: usize,
    base: u64,
    due: Position,
    rows: &mut Vec<Row>,
) -> Result<BlockHeader, FormatError> {
    let header = BlockHeader::decode(&buffer[at..], view.log_id, base + at as u64)?;
    if header.next() <= due {
        return Ok(header);
    }
    if header.first > due {
        return Err(FormatError::OutOfOrder { expected: due.0, found: header.first.0 });
    }
    let start = at + BLOCK_HEADER_BYTES;
    let body = buffer.get(start..start + header.body_len as usize).ok_or(FormatError::BodyCutShort)?;
    check_body(&header, body)?;
    if rows.is_empty() {
        let average = header.body_len as usize / header.records as usize;
        rows.reserve(header.records as usize + (buffer.len() - at) / average.max(1));
    }
    push_rows(&header, buffer, start, due, rows)?;
    Ok(header)
}
