//! What readers and the writer of one log share: the list of segments and their indices, and how far records are durable.

use super::files::{Files, LogFile, read_full_at};
use super::format::{BLOCK_HEADER_BYTES, BlockHeader, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::index::SparseIndex;
use super::scan::{Damage, ScanPlan, Verify, scan};
use super::tail::LogTail;
use model::Position;
use parking_lot::RwLock;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One segment as readers see it.
#[derive(Debug, Clone)]
pub(crate) struct SegmentState {
    pub(crate) first: Position,
    /// Told apart from a file of the same name that was here before.
    pub(crate) generation: u64,
    pub(crate) path: PathBuf,
    /// How many bytes of the file are acknowledged records.
    pub(crate) len: u64,
    /// Newest arrival among the records of this segment and all before it, in ms since the Unix epoch.
    pub(crate) newest_ms: u64,
    /// Newest arrival among the records of all segments before this one.
    pub(crate) newest_before_ms: u64,
    /// Made when the segment is first read, except for the one that is being written.
    pub(crate) index: Option<SparseIndex>,
}

/// The state that the writer publishes after each commit.
#[derive(Debug, Default)]
pub(crate) struct LogState {
    pub(crate) segments: VecDeque<SegmentState>,
    /// The position that the next record will get.
    pub(crate) next: Position,
}

/// The shared side of one log.
pub(crate) struct LogView {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) folder: PathBuf,
    pub(crate) log_id: u64,
    pub(crate) state: RwLock<LogState>,
    /// What was written last, in memory.
    pub(crate) tail: Arc<LogTail>,
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogReadError {
    #[error("cannot read {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("record {position} is unreadable: {reason} ({path}, byte {offset})")]
    Damaged { path: PathBuf, offset: u64, position: Position, reason: String },
}

/// Where a read should take place.
pub(crate) enum Plan {
    /// Nothing is there yet.
    Tip,
    /// The wanted record was deleted; the first one left is given.
    Trimmed(Position),
    /// The segment has no index yet.
    NeedIndex(u64),
    /// Whole blocks stand from `offset` to `end`.
    Read { generation: u64, path: PathBuf, offset: u64, end: u64 },
}

impl LogView {
    /// The first position that is still there; equal to the next one when the log is empty.
    pub(crate) fn first(&self) -> Position {
        let state = self.state.read();
        state.segments.front().map_or(state.next, |segment| segment.first)
    }

    /// Forgets all segments, whose files are about to be deleted: readers are told that everything is trimmed.
    pub(crate) fn clear(&self) {
        self.state.write().segments.clear();
    }

    /// The position that the next record will get.
    pub(crate) fn next(&self) -> Position {
        self.state.read().next
    }

    /// Bytes that the log takes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.state.read().segments.iter().map(|segment| segment.len).sum()
    }

    /// Decides where to read the record at `position`. `known` is a segment's generation and the offset in it at which
    /// the block of that record is known to begin.
    pub(crate) fn plan(&self, position: Position, known: Option<(u64, u64)>, max_bytes: usize) -> Plan {
        let state = self.state.read();
        let Some(oldest) = state.segments.front() else {
            return if position < state.next { Plan::Trimmed(state.next) } else { Plan::Tip };
        };
        if position < oldest.first {
            return Plan::Trimmed(oldest.first);
        }
        if position >= state.next {
            return Plan::Tip;
        }
        let segment = &state.segments[state.segments.partition_point(|s| s.first <= position) - 1];
        let Some(index) = &segment.index else { return Plan::NeedIndex(segment.generation) };
        let offset = match known {
            Some((generation, offset)) if generation == segment.generation => offset,
            _ => index.offset_of(position),
        };
        let end = index.end_of_read(offset.min(segment.len), max_bytes as u64, segment.len);
        Plan::Read { generation: segment.generation, path: segment.path.clone(), offset, end }
    }

    /// Walks a segment of which only the name is known, and keeps its index. Reports what is damaged.
    pub(crate) fn build_index(&self, generation: u64) -> Result<(), LogReadError> {
        let Some((segment, stop_before)) = self.find(generation) else { return Ok(()) };
        let fail = |source| LogReadError::Io { path: segment.path.clone(), source };
        let file = match self.files.open(&segment.path) {
            // Retention may have deleted it since; the next plan will say so.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.find(generation).is_none() => return Ok(()),
            other => other.map_err(fail)?,
        };
        let plan = ScanPlan {
            log_id: self.log_id,
            first: segment.first,
            newest_before_ms: segment.newest_before_ms,
            len: file.size().map_err(fail)?,
            stop_before,
            verify: Verify::Headers,
        };
        let found = scan(file.as_ref(), &plan).map_err(fail)?;
        for damage in &found.damage {
            report_damage(&segment.path, damage);
        }
        let mut state = self.state.write();
        if let Some(segment) = state.segments.iter_mut().find(|s| s.generation == generation) {
            segment.len = found.end;
            segment.index = Some(found.index);
        }
        Ok(())
    }

    fn find(&self, generation: u64) -> Option<(SegmentState, Option<Position>)> {
        let state = self.state.read();
        let at = state.segments.iter().position(|segment| segment.generation == generation)?;
        Some((state.segments[at].clone(), state.segments.get(at + 1).map(|next| next.first)))
    }

    /// A position such that all records before it arrived before `time_ms`; the first that did not is at or after it.
    pub(crate) fn before_time(&self, time_ms: u64) -> Result<Position, LogReadError> {
        loop {
            let unindexed = {
                let state = self.state.read();
                let at = state.segments.partition_point(|segment| segment.newest_ms < time_ms);
                match state.segments.get(at) {
                    None => return Ok(state.next),
                    Some(SegmentState { index: Some(index), first, .. }) => {
                        return Ok(index.before_time(time_ms).unwrap_or(*first));
                    }
                    Some(segment) => segment.generation,
                }
            };
            self.build_index(unindexed)?;
        }
    }

    /// The header of the block that begins at `offset` of an open segment, if it can be read.
    pub(crate) fn block_header(&self, file: &dyn LogFile, offset: u64) -> Option<BlockHeader> {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        let got = read_full_at(file, &mut bytes, offset).ok()?;
        BlockHeader::decode(&bytes[..got], self.log_id, offset).ok()
    }
}

/// Reads the header of a segment, or says why it cannot be used.
pub(crate) fn read_segment_header(file: &dyn LogFile) -> io::Result<Result<SegmentHeader, super::format::FormatError>> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let got = read_full_at(file, &mut bytes, 0)?;
    Ok(SegmentHeader::decode(&bytes[..got]))
}

/// Says aloud that records cannot be read any more.
pub(crate) fn report_damage(path: &Path, damage: &Damage) {
    tracing::error!(
        segment = %path.display(), offset = damage.offset, bytes = damage.bytes,
        first = damage.first.0, next = damage.next.0, reason = %damage.reason,
        "records of a segment are damaged; restore the file from a copy or read on behind them"
    );
}
