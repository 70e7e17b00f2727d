//! An append log: segments of checksummed blocks, written by one owner, read by any number, recovered after a crash.
//!
//! *Invariant:* a record is acknowledged only after the block that holds it is durable; positions grow by one and are
//! never given twice to acknowledged records, whatever fails in between.

pub(crate) mod files;
mod format;
mod index;
#[cfg(test)]
pub(crate) mod memory;
mod reader;
mod recover;
mod scan;
mod tail;
#[cfg(test)]
mod tests;
mod view;
mod writer;

pub(crate) use files::read_full_at;
pub use files::{DiskFiles, Files, LogFile};
pub use format::Row;
pub(crate) use format::{NewRecord, SEGMENT_HEADER_BYTES};
pub(crate) use reader::{LogRead, LogReader};
pub use recover::{LogDamage, TornTail};
pub(crate) use recover::{LogOpenError, LogRecovery};
pub(crate) use tail::TailCache;
pub(crate) use view::{LogReadError, LogView};
pub(crate) use writer::{AppendError, Appended, Log, LogOptions};

use model::Position;

const SUFFIX: &str = ".seg";

/// The file name of the segment that begins at `first`.
fn segment_name(first: Position) -> String {
    format!("{:020}{SUFFIX}", first.0)
}

/// The position that a segment's file name tells; `None` for any other file.
fn segment_first(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok().map(Position)).flatten()
}
