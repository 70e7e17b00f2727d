//! Reading NDJSON from files and folders: each row with its event time and key, in order as far as a bounded buffer reaches.

mod format;
mod iso;
mod lines;
mod list;
mod order;
mod scan;

pub use iso::parse_time;

use crate::source::{Findings, Progress, Row, Source, SourceError};
use bytes::Bytes;
use format::OpenFile;
use lines::{Line, LineReader};
use list::Listed;
use model::{EventTime, limits};
use order::OrderBuffer;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows that are held back to be put in order, by default.
pub const BUFFER_ROWS_DEFAULT: usize = 100_000;
/// Most bytes of rows that are held back, whatever their number.
pub const BUFFER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// The attribute that holds the event time, as ISO-8601 text or as milliseconds since 1970. Default
    /// `dropoff_datetime`. A row without it is bad.
    pub time_attribute: String,
    /// The attribute that becomes the partition key, text or a number. Default `trip_id`. A row without it, or with a
    /// value that is no key, gets its number in the reading order.
    pub key_attribute: String,
    /// Rows that are held back to be put in order: at least 1, default 100,000, and 256 MiB at most. More means that
    /// rows further out of order are put right, and memory.
    pub buffer_rows: usize,
    /// Longest row, in bytes; longer ones are bad. Default 1 MiB.
    pub row_bytes_max: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            time_attribute: "dropoff_datetime".into(),
            key_attribute: "trip_id".into(),
            buffer_rows: BUFFER_ROWS_DEFAULT,
            row_bytes_max: limits::RECORD_BYTES_MAX,
        }
    }
}

/// Rows from NDJSON files, plain or compressed (.gz, .lz4, .zst), read one after the other.
pub struct FileSource {
    options: ReadOptions,
    files: VecDeque<Listed>,
    open: Option<Reading>,
    order: OrderBuffer,
    findings: Findings,
    rows_parsed: u64,
    bytes_total: u64,
    bytes_read: Arc<AtomicU64>,
}

/// The file that is being read.
struct Reading {
    path: PathBuf,
    format: &'static str,
    lines: LineReader<Box<dyn std::io::Read + Send>>,
}

impl FileSource {
    /// Opens `paths`: files are read in the order given, folders by the names of their files.
    ///
    /// In a folder (and the folders in it) the files `*.ndjson`, `*.jsonl` and `*.json`, plain or with `.gz`, `.lz4` or
    /// `.zst`, are read; of several that differ only in compression, the first; everything else is left out and named in
    /// the findings. The first bytes of every file are checked here, so that a wrong one is found before anything is sent.
    ///
    /// # Errors
    /// When a path does not exist or cannot be read, a folder holds nothing to read, or a name and its bytes disagree.
    pub fn open(paths: &[PathBuf], options: ReadOptions) -> Result<Self, SourceError> {
        let listing = list::list(paths)?;
        let mut bytes_total = 0;
        for file in &listing.files {
            bytes_total += format::check(file)?;
        }
        Ok(Self {
            order: OrderBuffer::new(options.buffer_rows.max(1), BUFFER_BYTES_MAX),
            options,
            files: listing.files.into(),
            open: None,
            findings: Findings { left_out: listing.left_out, ..Findings::default() },
            rows_parsed: 0,
            bytes_total,
            bytes_read: Arc::new(AtomicU64::new(0)),
        })
    }

    /// Reads one line into the order buffer; `false` at the end of the last file.
    fn read_line(&mut self) -> Result<bool, SourceError> {
        let Some(reading) = &mut self.open else { return self.open_next() };
        let (line, number) = match reading.lines.next_line() {
            Ok((line, number)) => (line, number),
            Err((source, line)) => {
                let (path, format) = (reading.path.clone(), reading.format);
                return Err(match format {
                    "plain" => SourceError::Io { path, source },
                    format => SourceError::Damaged { path, line, format, source },
                });
            }
        };
        let parsed = match line {
            Line::End => {
                self.open = None;
                return Ok(true);
            }
            Line::TooLong => Err("longer than a row may be"),
            Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => return Ok(true),
            Line::Whole(line) => parse(line, &self.options, self.rows_parsed),
        };
        match parsed {
            Ok(row) => {
                self.rows_parsed += 1;
                self.order.push(row);
                self.findings.out_of_order = self.order.out_of_order();
            }
            Err(reason) => {
                let path = &reading.path;
                self.findings.bad_row(|| format!("{}:{number}", path.display()), reason);
            }
        }
        Ok(true)
    }

    fn open_next(&mut self) -> Result<bool, SourceError> {
        let Some(file) = self.files.pop_front() else { return Ok(false) };
        let OpenFile { reader, format } = format::open(&file, &self.bytes_read)?;
        let lines = LineReader::new(reader, self.options.row_bytes_max);
        self.open = Some(Reading { path: file.path, format, lines });
        Ok(true)
    }
}

/// Reads event time and key out of a line; `counter` stands in for a key that is missing.
fn parse(line: &[u8], options: &ReadOptions, counter: u64) -> Result<Row, &'static str> {
    let names = [options.time_attribute.as_bytes(), options.key_attribute.as_bytes()];
    let [time, key] = scan::attributes(line, names)?;
    let time = time.ok_or("the attribute of the event time is missing")?;
    let event_time = iso::event_time(time).ok_or("the event time is neither ISO-8601 nor milliseconds since 1970")?;
    let key = key.and_then(scan::key_text).map_or_else(|| counter.to_string(), str::to_owned);
    Ok(Row { event_time: EventTime(event_time), key, data: Bytes::copy_from_slice(line) })
}

impl Source for FileSource {
    fn next_row(&mut self) -> Result<Option<Row>, SourceError> {
        while !self.order.is_full() {
            if !self.read_line()? {
                break;
            }
        }
        Ok(self.order.pop())
    }

    fn progress(&self) -> Progress {
        let bytes_read = self.bytes_read.load(Ordering::Relaxed);
        Progress { rows_total: None, bytes_read, bytes_total: Some(self.bytes_total) }
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource").field("options", &self.options).field("files", &self.files).finish_non_exhaustive()
    }
}
