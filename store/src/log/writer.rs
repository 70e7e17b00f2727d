//! The writing side of a log: encodes one block for each group commit, makes it durable, rolls segments, deletes old ones.

use super::files::{Files, LogFile, read_full_at};
use super::format::{BLOCK_HEADER_BYTES, BlockHeader, FLAG_RELAXED, NewRecord, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::index::{Entry, SparseIndex};
use super::segment_name;
use super::tail::TailCache;
use super::view::{LogState, LogView, SegmentState};
use model::{Env, Position};
use parking_lot::RwLock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The encoding buffer keeps at most this much between commits.
const BUFFER_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// How a log is written.
#[derive(Debug, Clone)]
pub(crate) struct LogOptions {
    pub(crate) env: Env,
    /// A segment that has reached this size is followed by a new one.
    pub(crate) segment_bytes: u64,
    /// A segment that is so old is followed by a new one, so that retention can delete it.
    pub(crate) segment_age_ms: u64,
    /// Acknowledge what the operating system has taken, before it is durable.
    pub(crate) relaxed: bool,
    /// Where what was written last is kept for readers.
    pub(crate) tail: Arc<TailCache>,
}

/// The exclusive right to write a log.
pub(crate) struct Log {
    pub(super) view: Arc<LogView>,
    pub(super) options: LogOptions,
    /// `None` after a failure and after sealing: a new file must be opened before anything is acknowledged again.
    pub(super) active: Option<Active>,
    pub(super) newest_ms: u64,
    pub(super) generations: u64,
    buffer: Vec<u8>,
}

/// The segment that is being written.
pub(super) struct Active {
    pub(super) file: Arc<dyn LogFile>,
    pub(super) path: PathBuf,
    pub(super) len: u64,
    pub(super) created_ms: u64,
}

/// A commit that is durable (or, in a relaxed log, taken by the operating system).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appended {
    pub(crate) first: Position,
    /// Bytes written.
    pub(crate) bytes: u64,
    /// How long writing and syncing took.
    pub(crate) elapsed_ns: u64,
}

/// Why a commit is not durable. None of its records was acknowledged.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub(crate) struct AppendError {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl AppendError {
    /// Whether space is what is missing.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// What retention deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
}

impl Log {
    /// Makes an empty log in a new folder, durably.
    pub(crate) fn create(
        files: Arc<dyn Files>,
        folder: &Path,
        log_id: u64,
        options: LogOptions,
    ) -> Result<Self, AppendError> {
        let fail = |source| AppendError { path: folder.to_path_buf(), source };
        files.create_folder(folder).map_err(fail)?;
        let mut log = Self::detached(files, folder, log_id, options);
        log.roll()?;
        if let Some(parent) = folder.parent() {
            log.view.files.sync_folder(parent).map_err(fail)?;
        }
        Ok(log)
    }

    pub(super) fn detached(files: Arc<dyn Files>, folder: &Path, log_id: u64, options: LogOptions) -> Self {
        let state = RwLock::new(LogState::default());
        let tail = options.tail.log();
        let view = Arc::new(LogView { files, folder: folder.to_path_buf(), log_id, state, tail });
        Self { view, options, active: None, newest_ms: 0, generations: 0, buffer: Vec::new() }
    }

    /// The side that readers share.
    pub(crate) fn view(&self) -> Arc<LogView> {
        self.view.clone()
    }

    /// Writes the records as one block and makes them durable. `records` must not be empty.
    pub(crate) fn append<'a>(&mut self, records: impl Iterator<Item = NewRecord<'a>>) -> Result<Appended, AppendError> {
        if self.must_roll() {
            self.roll()?;
        }
        let first = self.view.next();
        let Some(active) = &mut self.active else { unreachable!("a roll that succeeds opens a segment") };
        let header = encode_block(&mut self.buffer, first, records, self.view.log_id, active.len);
        assert!(header.records > 0, "a commit holds at least one record");
        let started_ns = self.options.env.monotonic_ns();
        let mut written = active.file.write_all_at(&self.buffer, active.len);
        if written.is_ok() && !self.options.relaxed {
            written = active.file.sync();
        }
        if let Err(source) = written {
            let path = active.path.clone();
            self.abandon();
            return Err(AppendError { path, source });
        }
        let elapsed_ns = self.options.env.monotonic_ns() - started_ns;
        let bytes = self.buffer.len() as u64;
        self.publish(&header);
        self.keep(header);
        Ok(Appended { first, bytes, elapsed_ns })
    }

    /// Hands the block to readers near the tip, or else keeps its buffer for the next one.
    fn keep(&mut self, header: BlockHeader) {
        if self.view.tail.takes(self.buffer.capacity()) {
            // The next commit is likely to be as large as this one.
            let fresh = Vec::with_capacity(self.buffer.len().min(BUFFER_KEPT_BYTES));
            self.view.tail.push(header, std::mem::replace(&mut self.buffer, fresh));
        } else {
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        }
    }

    fn publish(&mut self, header: &BlockHeader) {
        let Some(active) = &mut self.active else { return };
        let mut state = self.view.state.write();
        let entry = Entry { first: header.first, offset: active.len, newest_before_ms: self.newest_ms };
        active.len += header.block_len();
        self.newest_ms = self.newest_ms.max(header.newest_ms);
        state.next = header.next();
        if let Some(segment) = state.segments.back_mut() {
            segment.len = active.len;
            segment.newest_ms = self.newest_ms;
            segment.index.get_or_insert_default().push(entry);
        }
    }

    /// Gives up the file after a failure: what is durable in it beyond the last commit is unknown.
    fn abandon(&mut self) {
        self.buffer.clear();
        if let Some(active) = self.active.take()
            && let Err(error) = active.file.set_len(active.len)
        {
            // Not needed for correctness: blocks behind the next segment's first position are never read.
            tracing::warn!(segment = %active.path.display(), %error, "cannot cut off what was not acknowledged");
        }
    }

    fn must_roll(&self) -> bool {
        let Some(active) = &self.active else { return true };
        let empty = active.len <= SEGMENT_HEADER_BYTES as u64;
        let age_ms = self.options.env.now_ms().saturating_sub(active.created_ms);
        !empty && (active.len >= self.options.segment_bytes || age_ms >= self.options.segment_age_ms)
    }

    /// Begins a new segment at the next position; durable when it returns.
    pub(super) fn roll(&mut self) -> Result<(), AppendError> {
        self.sync_relaxed()?;
        self.active = None;
        let first = self.view.next();
        let path = self.view.folder.join(segment_name(first));
        let header = SegmentHeader {
            flags: if self.options.relaxed { FLAG_RELAXED } else { 0 },
            log_id: self.view.log_id,
            first,
            newest_before_ms: self.newest_ms,
            created_ms: self.options.env.now_ms(),
        };
        let file = start_segment(self.view.files.as_ref(), &self.view.folder, &path, &header)
            .map_err(|source| AppendError { path: path.clone(), source })?;
        self.generations += 1;
        let mut state = self.view.state.write();
        // An empty segment that failed before was made anew under its own name.
        if state.segments.back().is_some_and(|last| last.first == first) {
            state.segments.pop_back();
        }
        state.segments.push_back(SegmentState {
            first,
            generation: self.generations,
            path: path.clone(),
            len: SEGMENT_HEADER_BYTES as u64,
            newest_ms: self.newest_ms,
            newest_before_ms: self.newest_ms,
            index: Some(SparseIndex::default()),
        });
        self.active = Some(Active { file, path, len: SEGMENT_HEADER_BYTES as u64, created_ms: header.created_ms });
        Ok(())
    }

    fn sync_relaxed(&mut self) -> Result<(), AppendError> {
        let Some(active) = self.active.as_ref().filter(|_| self.options.relaxed) else { return Ok(()) };
        active.file.sync().map_err(|source| AppendError { path: active.path.clone(), source })
    }

    /// Makes everything durable and lets go of the file. Appending again begins a new segment.
    pub(crate) fn seal(&mut self) -> Result<(), AppendError> {
        let synced = self.sync_relaxed();
        self.active = None;
        synced
    }

    /// Deletes the segments of which every record arrived before `cutoff_ms`. With `roll`, the segment that is being
    /// written is closed first if that is true of it too.
    pub(crate) fn retain(&mut self, cutoff_ms: u64, roll: bool) -> Result<Deleted, AppendError> {
        let has_records = self.active.as_ref().is_some_and(|active| active.len > SEGMENT_HEADER_BYTES as u64);
        if roll && has_records && self.newest_ms < cutoff_ms {
            self.roll()?;
        }
        let mut deleted = Deleted::default();
        while let Some(segment) = self.pop_expired(cutoff_ms) {
            match self.view.files.remove_file(&segment.path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(AppendError { path: segment.path, source });
                }
                _ => {}
            }
            deleted.segments += 1;
            deleted.bytes += segment.len;
        }
        if deleted.segments > 0 {
            let folder = &self.view.folder;
            self.view.files.sync_folder(folder).map_err(|source| AppendError { path: folder.clone(), source })?;
        }
        Ok(deleted)
    }

    fn pop_expired(&mut self, cutoff_ms: u64) -> Option<SegmentState> {
        let mut state = self.view.state.write();
        // The last segment stays: it carries the position of the next record.
        let expired = state.segments.get(1).is_some_and(|next| next.newest_before_ms < cutoff_ms);
        if expired { state.segments.pop_front() } else { None }
    }
}

fn encode_block<'a>(
    buffer: &mut Vec<u8>,
    first: Position,
    records: impl Iterator<Item = NewRecord<'a>>,
    log_id: u64,
    offset: u64,
) -> BlockHeader {
    buffer.clear();
    buffer.resize(BLOCK_HEADER_BYTES, 0);
    let (mut count, mut oldest_ms, mut newest_ms) = (0, u64::MAX, 0);
    for record in records {
        record.encode_into(buffer);
        count += 1;
        oldest_ms = oldest_ms.min(record.arrival_ms);
        newest_ms = newest_ms.max(record.arrival_ms);
    }
    let body = &buffer[BLOCK_HEADER_BYTES..];
    let header = BlockHeader {
        body_len: body.len() as u32,
        records: count,
        body_crc: crc32c::crc32c(body),
        first,
        oldest_ms,
        newest_ms,
    };
    header.encode_into(buffer, log_id, offset);
    header
}

/// Makes a segment that holds nothing but its header, verified and durable. An existing file of that name holds nothing
/// that was acknowledged, since its first position is yet to be given; it is reopened and begun anew.
pub(super) fn start_segment(
    files: &dyn Files,
    folder: &Path,
    path: &Path,
    header: &SegmentHeader,
) -> io::Result<Arc<dyn LogFile>> {
    let bytes = header.encode();
    let file = match files.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = files.open(path)?;
            file.set_len(0)?;
            file
        }
        other => other?,
    };
    file.write_all_at(&bytes, 0)?;
    file.sync()?;
    files.sync_folder(folder)?;
    let mut back = [0; SEGMENT_HEADER_BYTES];
    let got = read_full_at(file.as_ref(), &mut back, 0)?;
    if got == bytes.len() && back == bytes {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "a segment's header does not read back as written"))
    }
}
