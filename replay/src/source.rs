//! The port through which history enters a replay: rows in the order of event time, with what was found wrong on the way.

use bytes::Bytes;
use model::{Classified, EventTime, Kind};
use std::path::PathBuf;

/// Most bad rows that are kept as samples; all of them are counted.
pub(crate) const BAD_ROW_SAMPLES_MAX: usize = 20;
/// Most left-out files that are named.
pub(crate) const LEFT_OUT_MAX: usize = 100;

/// One row of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When it happened.
    pub event_time: EventTime,
    /// The partition key that it is put with: 1–256 characters.
    pub key: String,
    /// The row as it was read, without its line end.
    pub data: Bytes,
}

/// Where rows come from.
///
/// Laws: opened again with the same arguments, a source gives the same rows in the same order (so that a replay can
/// continue at a number of rows); rows come in the order of their event time as far as the source's buffer reaches.
pub trait Source: Send {
    /// The next row, or `None` at the end, which then stays the end.
    ///
    /// # Errors
    /// When the source cannot be read on. The source is of no use afterwards.
    fn next_row(&mut self) -> Result<Option<Row>, SourceError>;

    /// Passes over at most `rows` rows and says how many there were; fewer than asked for means the end.
    ///
    /// # Errors
    /// As [`Source::next_row`].
    fn skip_rows(&mut self, rows: u64) -> Result<u64, SourceError> {
        for skipped in 0..rows {
            if self.next_row()?.is_none() {
                return Ok(skipped);
            }
        }
        Ok(rows)
    }

    /// How far the source has come.
    fn progress(&self) -> Progress;

    /// What was found wrong so far.
    fn findings(&self) -> &Findings;
}

/// How far a source has come. A source that knows neither total reports none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Rows in all, where that is known beforehand.
    pub rows_total: Option<u64>,
    /// Bytes read so far, as they lie in the files (compressed).
    pub bytes_read: u64,
    /// Bytes in all, where there are files.
    pub bytes_total: Option<u64>,
}

/// What a source found wrong, counted in full and sampled up to a bound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Rows that could not be understood; they were skipped.
    pub unparsable: u64,
    /// The first of them, 20 at most.
    pub bad_rows: Vec<BadRow>,
    /// Rows that came too late to be put in order within the reader's buffer; they were given nevertheless.
    pub out_of_order: u64,
    /// Files of a folder that were not read, each with the reason; 100 at most.
    pub left_out: Vec<String>,
}

impl Findings {
    /// Counts a bad row, and keeps it while there is room for samples.
    pub fn bad_row(&mut self, place: impl FnOnce() -> String, reason: &str) {
        self.unparsable += 1;
        if self.bad_rows.len() < BAD_ROW_SAMPLES_MAX {
            self.bad_rows.push(BadRow { place: place(), reason: reason.to_owned() });
        }
    }
}

/// A row that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Where it stands, as `file:line`.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a source cannot be opened or read on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing has this name.
    #[error("{}: no such file or folder", .path.display())]
    NotFound {
        /// What was asked for.
        path: PathBuf,
    },
    /// A folder without a file that can be read.
    #[error("{}: holds no .ndjson, .jsonl or .json file, plain or with .gz, .lz4 or .zst", .path.display())]
    NothingToRead {
        /// The folder.
        path: PathBuf,
    },
    /// The name says one format, the first bytes say another.
    #[error("{}: is named as {named} but begins as {found}; rename it to what it is", .path.display())]
    WrongFormat {
        /// The file.
        path: PathBuf,
        /// What its name says.
        named: &'static str,
        /// What its first bytes say.
        found: &'static str,
    },
    /// The operating system refuses.
    #[error("{}: cannot be read: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The bytes are not what the compression promises: the file is damaged or cut short.
    #[error("{}:{line}: {format} data is damaged or cut short after this line: {source}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The last line that could be read.
        line: u64,
        /// Its compression.
        format: &'static str,
        /// What the decompressor says.
        source: std::io::Error,
    },
}

impl Classified for SourceError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::NothingToRead { .. } | Self::WrongFormat { .. } => Kind::Invalid,
            Self::Io { .. } => Kind::Unavailable,
            Self::Damaged { .. } => Kind::Corrupt,
        }
    }
}
