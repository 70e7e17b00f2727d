//! Opens a log that was written before: finds its segments, cuts a torn tail, and says what it lost.

use super::files::{Files, LogFile};
use super::format::{FLAG_RELAXED, FormatError, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::scan::{Scan, ScanPlan, Verify, scan};
use super::view::{SegmentState, read_segment_header, report_damage};
use super::writer::{Active, Log, LogOptions, start_segment};
use super::{segment_first, segment_name};
use model::Position;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogOpenError {
    #[error("cannot read {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{folder} holds no segment although the catalog says that this log exists; restore it from a copy")]
    Missing { folder: PathBuf },
    #[error("{path} belongs to another log; put it back where it was")]
    Foreign { path: PathBuf },
    #[error("{path} has format version {version}, which this program does not know; use a newer program")]
    Version { path: PathBuf, version: u32 },
}

/// What opening a log found and did.
#[derive(Debug, Default)]
pub(crate) struct LogRecovery {
    /// A torn tail that was cut off.
    pub(crate) torn: Option<TornTail>,
    /// What cannot be read any more.
    pub(crate) damage: Vec<LogDamage>,
    pub(crate) segments: usize,
    pub(crate) bytes: u64,
}

/// Bytes at the end of a log that no acknowledged record stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The file that was cut.
    pub segment: PathBuf,
    /// Where it was cut, in bytes from its beginning.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// What was wrong with them.
    pub reason: String,
}

/// Bytes of a log that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDamage {
    /// The damaged file.
    pub segment: PathBuf,
    /// Where the damage begins, in bytes from the file's beginning.
    pub offset: u64,
    /// The first record that is lost, and the first one behind the damage; equal when none is lost.
    pub lost: (Position, Position),
    /// What is wrong.
    pub reason: String,
}

struct Found {
    path: PathBuf,
    first: Position,
    len: u64,
    header: Result<SegmentHeader, FormatError>,
}

impl Log {
    /// Opens the log in `folder`. `ended` is the position after the last record of a log that was sealed for good.
    pub(crate) fn open(
        files: Arc<dyn Files>,
        folder: &Path,
        log_id: u64,
        options: LogOptions,
        ended: Option<Position>,
    ) -> Result<(Self, LogRecovery), LogOpenError> {
        let mut found = list_segments(files.as_ref(), folder, log_id)?;
        let Some(last) = found.pop() else { return Err(LogOpenError::Missing { folder: folder.to_path_buf() }) };
        let mut log = Self::detached(files, folder, log_id, options);
        let mut recovery = LogRecovery { segments: found.len() + 1, ..LogRecovery::default() };
        log.adopt_sealed(&found, &last, &mut recovery)?;
        log.adopt_last(last, found.last(), ended.is_some(), &mut recovery)?;
        let next = log.view.next();
        if let Some(ended) = ended
            && next < ended
        {
            let segment = log.view.state.read().segments.back().map(|s| s.path.clone()).unwrap_or_default();
            let reason = "the end of a closed shard is missing".to_owned();
            tracing::error!(segment = %segment.display(), next = next.0, ended = ended.0, "{reason}");
            recovery.damage.push(LogDamage { segment, offset: 0, lost: (next, ended), reason });
            log.view.state.write().next = ended;
        }
        recovery.bytes = log.view.bytes();
        Ok((log, recovery))
    }

    fn adopt_sealed(&mut self, sealed: &[Found], last: &Found, out: &mut LogRecovery) -> Result<(), LogOpenError> {
        let mut newest_before_ms = 0;
        for (i, found) in sealed.iter().enumerate() {
            let after = sealed.get(i + 1).unwrap_or(last);
            if let Err(reason) = found.header {
                out.damage.push(header_damage(found, reason));
            }
            let newest_ms = after.header.map_or(newest_before_ms, |header| header.newest_before_ms);
            self.push_segment(found, newest_before_ms, newest_ms, None);
            newest_before_ms = newest_ms;
        }
        Ok(())
    }

    /// The last segment is the only one in which a write can have been under way: it is walked, and its torn tail cut.
    fn adopt_last(
        &mut self,
        last: Found,
        before: Option<&Found>,
        closed: bool,
        out: &mut LogRecovery,
    ) -> Result<(), LogOpenError> {
        let fail = |source| LogOpenError::Io { path: last.path.clone(), source };
        if last.header.is_err() && last.len <= SEGMENT_HEADER_BYTES as u64 {
            return self.restart_torn(&last, before, out);
        }
        if let Err(reason) = last.header {
            out.damage.push(header_damage(&last, reason));
        }
        let relaxed = last.header.is_ok_and(|header| header.flags & FLAG_RELAXED != 0);
        let file = self.view.files.open(&last.path).map_err(fail)?;
        let plan = ScanPlan {
            log_id: self.view.log_id,
            first: last.first,
            newest_before_ms: last.header.map_or(0, |header| header.newest_before_ms),
            len: last.len,
            stop_before: None,
            verify: if relaxed { Verify::Bodies } else { Verify::Headers },
        };
        let mut found = scan(file.as_ref(), &plan).map_err(fail)?;
        for damage in &found.damage {
            report_damage(&last.path, damage);
            out.damage.push(LogDamage {
                segment: last.path.clone(),
                offset: damage.offset,
                lost: (damage.first, damage.next),
                reason: damage.reason.to_string(),
            });
        }
        cut_tail(file.as_ref(), &last.path, &mut found, out).map_err(fail)?;
        if !closed {
            // What a killed process had written and not synced is here as long as the machine is up; so is a name. Both
            // are made durable before anybody reads what they hold or writes behind it.
            file.sync().map_err(fail)?;
            self.view.files.sync_folder(&self.view.folder).map_err(fail)?;
        }
        self.newest_ms = found.newest_ms;
        self.push_segment(&last, plan.newest_before_ms, found.newest_ms, Some((found.index, found.end)));
        self.view.state.write().next = found.next;
        // Damage within the file: it is left as it is, and what comes goes into a new one.
        if found.damage.is_empty() && last.header.is_ok() {
            let created_ms = last.header.map_or(0, |header| header.created_ms);
            self.active = Some(Active { file, path: last.path, len: found.end, created_ms });
        }
        Ok(())
    }

    /// A crash came while the segment was being made: nothing in it was acknowledged, so it is made again.
    fn restart_torn(
        &mut self,
        last: &Found,
        before: Option<&Found>,
        out: &mut LogRecovery,
    ) -> Result<(), LogOpenError> {
        let fail = |source| LogOpenError::Io { path: last.path.clone(), source };
        if let Some(before) = before {
            self.newest_ms = self.newest_of(before).map_err(fail)?;
        }
        let header = SegmentHeader {
            flags: if self.options.relaxed { FLAG_RELAXED } else { 0 },
            log_id: self.view.log_id,
            first: last.first,
            newest_before_ms: self.newest_ms,
            created_ms: self.options.env.now_ms(),
        };
        let file = start_segment(self.view.files.as_ref(), &self.view.folder, &last.path, &header).map_err(fail)?;
        let reason = FormatError::HeaderCutShort.to_string();
        let tail = TornTail { segment: last.path.clone(), offset: 0, bytes: last.len, reason };
        report_torn(&tail);
        out.torn = Some(tail);
        if let Some(segment) = self.view.state.write().segments.back_mut() {
            segment.newest_ms = self.newest_ms;
        }
        let len = SEGMENT_HEADER_BYTES as u64;
        self.push_segment(last, self.newest_ms, self.newest_ms, Some((super::index::SparseIndex::default(), len)));
        self.view.state.write().next = last.first;
        self.active = Some(Active { file, path: last.path.clone(), len, created_ms: header.created_ms });
        Ok(())
    }

    fn newest_of(&self, segment: &Found) -> io::Result<u64> {
        let file = self.view.files.open(&segment.path)?;
        let plan = ScanPlan {
            log_id: self.view.log_id,
            first: segment.first,
            newest_before_ms: segment.header.map_or(0, |header| header.newest_before_ms),
            len: segment.len,
            stop_before: None,
            verify: Verify::Headers,
        };
        Ok(scan(file.as_ref(), &plan)?.newest_ms)
    }

    fn push_segment(
        &mut self,
        found: &Found,
        newest_before_ms: u64,
        newest_ms: u64,
        walked: Option<(super::index::SparseIndex, u64)>,
    ) {
        self.generations += 1;
        let (index, len) = walked.map_or((None, found.len), |(index, end)| (Some(index), end));
        self.view.state.write().segments.push_back(SegmentState {
            first: found.first,
            generation: self.generations,
            path: found.path.clone(),
            len,
            newest_ms,
            newest_before_ms,
            index,
        });
    }
}

fn list_segments(files: &dyn Files, folder: &Path, log_id: u64) -> Result<Vec<Found>, LogOpenError> {
    let names = match files.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(|source| LogOpenError::Io { path: folder.to_path_buf(), source })?,
    };
    let mut firsts: Vec<Position> = names.iter().filter_map(|name| segment_first(name)).collect();
    firsts.sort_unstable();
    firsts.into_iter().map(|first| inspect(files, folder.join(segment_name(first)), first, log_id)).collect()
}

fn inspect(files: &dyn Files, path: PathBuf, first: Position, log_id: u64) -> Result<Found, LogOpenError> {
    let fail = |source| LogOpenError::Io { path: path.clone(), source };
    let file = files.open(&path).map_err(fail)?;
    let len = file.size().map_err(fail)?;
    let header = read_segment_header(file.as_ref()).map_err(fail)?;
    match header {
        Ok(header) if header.log_id != log_id || header.first != first => Err(LogOpenError::Foreign { path }),
        Err(FormatError::UnknownVersion(version)) => Err(LogOpenError::Version { path, version }),
        header => Ok(Found { path, first, len, header }),
    }
}

fn header_damage(found: &Found, reason: FormatError) -> LogDamage {
    tracing::error!(segment = %found.path.display(), %reason, "a segment's header is damaged; its records are tried");
    let lost = (found.first, found.first);
    LogDamage { segment: found.path.clone(), offset: 0, lost, reason: reason.to_string() }
}

fn cut_tail(file: &dyn LogFile, path: &Path, found: &mut Scan, out: &mut LogRecovery) -> io::Result<()> {
    let Some(tail) = found.torn.take() else { return Ok(()) };
    file.set_len(found.end)?;
    file.sync()?;
    let (offset, bytes, reason) = (tail.offset, tail.bytes, tail.reason.to_string());
    let tail = TornTail { segment: path.to_path_buf(), offset, bytes, reason };
    report_torn(&tail);
    out.torn = Some(tail);
    Ok(())
}

fn report_torn(tail: &TornTail) {
    tracing::warn!(
        segment = %tail.segment.display(), offset = tail.offset, bytes = tail.bytes, reason = %tail.reason,
        "a torn tail was cut off; no acknowledged record stood in it"
    );
}
