//! The sparse index of one segment, in memory: where its blocks begin, by position and by time of arrival.

use super::format::SEGMENT_HEADER_BYTES;
use model::Position;

/// Blocks that begin within so many bytes after an indexed one are not indexed themselves.
const SPACING_BYTES: u64 = 64 * 1024;

/// The beginning of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Position of the block's first record.
    pub(crate) first: Position,
    /// Where the block begins in its file.
    pub(crate) offset: u64,
    /// Newest arrival among all records of the log before this block, in ms since the Unix epoch.
    pub(crate) newest_before_ms: u64,
}

/// Entries in the order of the file. At 64 KiB apart, 1,024 entries of 24 bytes for a segment of 64 MiB.
#[derive(Debug, Clone, Default)]
pub(crate) struct SparseIndex {
    entries: Vec<Entry>,
}

impl SparseIndex {
    /// Notes a block, unless it stands close behind the one noted last.
    pub(crate) fn push(&mut self, entry: Entry) {
        if self.entries.last().is_none_or(|last| entry.offset - last.offset >= SPACING_BYTES) {
            self.entries.push(entry);
        }
    }

    /// Notes a block in any case, as the one behind a damaged region, which must be reachable without crossing it.
    pub(crate) fn push_always(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Where to begin in order to find the record at `position`.
    pub(crate) fn offset_of(&self, position: Position) -> u64 {
        let after = self.entries.partition_point(|entry| entry.first <= position);
        after.checked_sub(1).map_or(SEGMENT_HEADER_BYTES as u64, |i| self.entries[i].offset)
    }

    /// The first record from which to look for one that arrived at `time_ms` or later; all before it arrived earlier.
    pub(crate) fn before_time(&self, time_ms: u64) -> Option<Position> {
        let after = self.entries.partition_point(|entry| entry.newest_before_ms < time_ms);
        self.entries.get(after.saturating_sub(1)).map(|entry| entry.first)
    }

    /// Where a read that begins at `offset` should end: at the beginning of a block or at `len`, within `max_bytes` of
    /// `offset` if any known beginning is.
    pub(crate) fn end_of_read(&self, offset: u64, max_bytes: u64, len: u64) -> u64 {
        if len - offset <= max_bytes {
            return len;
        }
        let next = self.entries.partition_point(|entry| entry.offset <= offset);
        let over = self.entries.partition_point(|entry| entry.offset <= offset + max_bytes);
        let chosen = if over > next { over - 1 } else { next };
        self.entries.get(chosen).map_or(len, |entry| entry.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> SparseIndex {
        let mut index = SparseIndex::default();
        for i in 0..10 {
            index.push(Entry { first: Position(i * 10), offset: 64 + i * SPACING_BYTES, newest_before_ms: i * 100 });
        }
        index
    }

    #[test]
    fn blocks_close_together_share_an_entry() {
        let mut index = SparseIndex::default();
        for i in 0..100 {
            index.push(Entry { first: Position(i), offset: 64 + i * 1_000, newest_before_ms: 0 });
        }
        assert_eq!(index.entries.len(), 2);
        assert_eq!(index.offset_of(Position(30)), 64);
        assert_eq!(index.offset_of(Position(99)), 64 + 66_000);
    }

    #[test]
    fn a_position_is_found_at_or_after_its_entry() {
        assert_eq!(SparseIndex::default().offset_of(Position(5)), 64);
        assert_eq!(index().offset_of(Position(0)), 64);
        assert_eq!(index().offset_of(Position(19)), 64 + SPACING_BYTES);
        assert_eq!(index().offset_of(Position(1_000)), 64 + 9 * SPACING_BYTES);
    }

    #[test]
    fn a_time_is_looked_for_from_the_last_block_with_nothing_newer_before_it() {
        assert_eq!(index().before_time(0), Some(Position(0)));
        assert_eq!(index().before_time(100), Some(Position(0)), "a record of the first block may have arrived at 100");
        assert_eq!(index().before_time(101), Some(Position(10)));
        assert_eq!(index().before_time(10_000), Some(Position(90)));
    }

    #[test]
    fn a_read_ends_where_a_block_begins() {
        let (index, len) = (index(), 64 + 10 * SPACING_BYTES);
        assert_eq!(index.end_of_read(64, 3 * SPACING_BYTES, len), 64 + 3 * SPACING_BYTES);
        assert_eq!(index.end_of_read(64, 3 * SPACING_BYTES + 5, len), 64 + 3 * SPACING_BYTES);
        assert_eq!(index.end_of_read(64, 10, len), 64 + SPACING_BYTES, "one block at least");
        assert_eq!(index.end_of_read(64 + 9 * SPACING_BYTES, 10, len), len);
        assert_eq!(index.end_of_read(64, u64::MAX / 2, len), len);
    }
}
