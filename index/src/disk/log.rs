//! The write-ahead log: blocks that are on disk before the writes in them are acknowledged, one sync for all that wait.
//!
//! A file begins with 8 bytes magic, u32 version, u64 generation, u32 CRC32C of these. Blocks follow: u32 magic, u32
//! length, u64 how many bytes of the file were on disk when the block was made, u32 CRC32C of length, that number and
//! payload, then the payload. Integers are little-endian. A block that cannot be read is the torn end of the last file
//! when no later block knows it to have been on disk; else it is corruption, and nothing is guessed.

use super::sync_dir;
use parking_lot::{Condvar, Mutex};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE_MAGIC: &[u8; 8] = b"HSTRILOG";
const FILE_VERSION: u32 = 1;
const FILE_HEADER_BYTES: usize = 24;
const BLOCK_MAGIC: [u8; 4] = *b"HIB1";
const BLOCK_HEADER_BYTES: usize = 20;
/// A buffer that was written is used again unless it has grown beyond this.
const SPARE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Writers wait before more than this many bytes are waiting for the disk.
const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why the log could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LogError {
    /// The operating system refused. After a refused write or sync the log takes nothing until it is opened again.
    #[error("{path}: {what}")]
    Io { path: PathBuf, what: String },
    /// Bytes that were on disk are not what was written.
    #[error("{path}: {what} at byte {at}, although it had been on disk; restore the file from a copy")]
    Corrupt { path: PathBuf, at: usize, what: &'static str },
}

impl LogError {
    fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), what: error.to_string() }
    }
}

/// What was found when a log was opened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Blocks that were read.
    pub(crate) blocks: u64,
    /// Bytes of a torn end that were cut off; no write in them had been acknowledged.
    pub(crate) torn_bytes: u64,
}

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    state: Mutex<State>,
    progress: Condvar,
}

#[derive(Debug)]
struct State {
    file: Arc<File>,
    generation: u64,
    /// Blocks that no thread has begun to write.
    pending: Vec<u8>,
    /// The buffer that is to be filled next, so that no fresh memory is needed for each write.
    spare: Vec<u8>,
    /// Bytes of all files since the log was opened, headers aside: appended, and of these on disk.
    appended: u64,
    durable: u64,
    /// The value of `durable` at the beginning of the present file.
    file_start: u64,
    writing: bool,
    failed: Option<LogError>,
    syncs: u64,
}

fn path_of(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("{generation:016x}.log"))
}

fn generations(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let generation =
            name.to_str().and_then(|n| n.strip_suffix(".log")).and_then(|n| u64::from_str_radix(n, 16).ok());
        found.extend(generation);
    }
    found.sort_unstable();
    Ok(found)
}

impl Log {
    /// Opens the log in `dir`: hands the blocks of the generations from `first` on to `visit`, and begins a new one.
    ///
    /// # Errors
    /// When a file cannot be read, or holds bytes that are not what was written.
    pub(crate) fn open<E: From<LogError>>(
        dir: &Path,
        first: u64,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(Self, Recovered), E> {
        fs::create_dir_all(dir).map_err(|e| LogError::io(dir, &e))?;
        let found = generations(dir).map_err(|e| LogError::io(dir, &e))?;
        let mut recovered = Recovered::default();
        for generation in found.iter().copied().filter(|g| *g >= first) {
            let path = path_of(dir, generation);
            let bytes = fs::read(&path).map_err(|e| LogError::io(&path, &e))?;
            let is_last = found.last() == Some(&generation);
            let end = read_blocks(&path, &bytes, generation, is_last, |payload| {
                recovered.blocks += 1;
                visit(payload)
            })?;
            recovered.torn_bytes += (bytes.len() - end) as u64;
            let cleaned = match end {
                // Nothing was ever written to a file without its header.
                0 => fs::remove_file(&path),
                end if end < bytes.len() => cut(&path, end),
                _ => Ok(()),
            };
            cleaned.map_err(|e| LogError::io(&path, &e))?;
        }
        let generation = found.last().map_or(first, |last| (last + 1).max(first));
        let file = begin(dir, generation)?;
        let state = State {
            file: Arc::new(file),
            generation,
            pending: Vec::new(),
            spare: Vec::new(),
            appended: 0,
            durable: 0,
            file_start: 0,
            writing: false,
            failed: None,
            syncs: 0,
        };
        Ok((Self { dir: dir.to_owned(), state: Mutex::new(state), progress: Condvar::new() }, recovered))
    }

    /// Appends a block. It is on disk once [`Log::sync`] has returned for the ticket that this returns.
    ///
    /// # Errors
    /// When an earlier write or sync was refused.
    pub(crate) fn append(&self, payload: &[u8]) -> Result<u64, LogError> {
        let mut state = self.state.lock();
        while state.pending.len() > PENDING_BYTES_MAX && state.failed.is_none() {
            if state.writing {
                self.progress.wait(&mut state);
            } else {
                self.write_pending(&mut state);
            }
        }
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        let durable_in_file = state.durable - state.file_start + FILE_HEADER_BYTES as u64;
        encode_block(&mut state.pending, durable_in_file, payload);
        state.appended += (BLOCK_HEADER_BYTES + payload.len()) as u64;
        Ok(state.appended)
    }

    /// Waits until all up to `ticket` is on disk. The first of those who wait writes and syncs for all of them.
    ///
    /// # Errors
    /// When the operating system refused; then it is not known how much of it is on disk.
    pub(crate) fn sync(&self, ticket: u64) -> Result<(), LogError> {
        let mut state = self.state.lock();
        loop {
            if state.durable >= ticket {
                return Ok(());
            }
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if state.writing {
                self.progress.wait(&mut state);
            } else {
                self.write_pending(&mut state);
            }
        }
    }

    /// Writes and syncs what is pending, without the lock while the disk is busy.
    fn write_pending(&self, state: &mut parking_lot::MutexGuard<'_, State>) {
        state.writing = true;
        let spare = std::mem::take(&mut state.spare);
        let mut pending = std::mem::replace(&mut state.pending, spare);
        let (file, target, path) = (state.file.clone(), state.appended, path_of(&self.dir, state.generation));
        let result =
            parking_lot::MutexGuard::unlocked(state, || (&*file).write_all(&pending).and_then(|()| file.sync_data()));
        if pending.capacity() <= SPARE_BYTES_MAX {
            pending.clear();
            state.spare = pending;
        }
        state.writing = false;
        state.syncs += 1;
        match result {
            Ok(()) => state.durable = target,
            Err(error) => state.failed = Some(LogError::io(&path, &error)),
        }
        self.progress.notify_all();
    }

    /// Finishes the present file and begins a new one, whose generation it returns.
    ///
    /// # Errors
    /// When the operating system refused.
    pub(crate) fn rotate(&self) -> Result<u64, LogError> {
        let mut state = self.state.lock();
        while state.failed.is_none() && (state.writing || state.durable < state.appended) {
            if state.writing {
                self.progress.wait(&mut state);
            } else {
                self.write_pending(&mut state);
            }
        }
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        let generation = state.generation + 1;
        state.file = Arc::new(begin(&self.dir, generation)?);
        state.generation = generation;
        state.file_start = state.durable;
        Ok(generation)
    }

    /// Removes the files of the generations before `first`.
    ///
    /// # Errors
    /// When the operating system refused.
    pub(crate) fn remove_before(&self, first: u64) -> Result<(), LogError> {
        let remove = || {
            for generation in generations(&self.dir)?.into_iter().filter(|g| *g < first) {
                fs::remove_file(path_of(&self.dir, generation))?;
            }
            sync_dir(&self.dir)
        };
        remove().map_err(|e| LogError::io(&self.dir, &e))
    }

    /// Bytes in the present file.
    pub(crate) fn file_bytes(&self) -> u64 {
        let state = self.state.lock();
        state.appended - state.file_start
    }

    /// Bytes appended and syncs done since the log was opened.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.appended, state.syncs)
    }

    /// Why nothing is taken any more, if so.
    pub(crate) fn failure(&self) -> Option<LogError> {
        self.state.lock().failed.clone()
    }
}

fn begin(dir: &Path, generation: u64) -> Result<File, LogError> {
    let path = path_of(dir, generation);
    let create = || {
        let mut file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        file.write_all(&file_header(generation))?;
        file.sync_all()?;
        sync_dir(dir)?;
        Ok(file)
    };
    create().map_err(|e: io::Error| LogError::io(&path, &e))
}

fn cut(path: &Path, end: usize) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(end as u64)?;
    file.sync_all()
}

fn file_header(generation: u64) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[..8].copy_from_slice(FILE_MAGIC);
    header[8..12].copy_from_slice(&FILE_VERSION.to_le_bytes());
    header[12..20].copy_from_slice(&generation.to_le_bytes());
    let crc = crc32c::crc32c(&header[..20]);
    header[20..].copy_from_slice(&crc.to_le_bytes());
    header
}

fn encode_block(out: &mut Vec<u8>, durable: u64, payload: &[u8]) {
    let mut known = [0; 12];
    known[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    known[4..].copy_from_slice(&durable.to_le_bytes());
    out.extend_from_slice(&BLOCK_MAGIC);
    out.extend_from_slice(&known);
    out.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&known), payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The block at the beginning of `bytes`: what it knew to be on disk, and its payload.
fn block(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (header, rest) = bytes.split_at_checked(BLOCK_HEADER_BYTES)?;
    if header[..4] != BLOCK_MAGIC {
        return None;
    }
    let payload = rest.get(..word(header, 4) as usize)?;
    let good = crc32c::crc32c_append(crc32c::crc32c(&header[4..16]), payload) == word(header, 16);
    good.then(|| (u64::from(word(header, 8)) | u64::from(word(header, 12)) << 32, payload))
}

/// Visits the blocks of a file; returns where the good ones end.
fn read_blocks<E: From<LogError>>(
    path: &Path,
    bytes: &[u8],
    generation: u64,
    is_last: bool,
    mut visit: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<usize, E> {
    if bytes.get(..FILE_HEADER_BYTES) != Some(&file_header(generation)[..]) {
        // A file that was being begun has no block yet; its header was synced before any was written.
        let begun = is_last && bytes.len() <= FILE_HEADER_BYTES;
        let corrupt = LogError::Corrupt { path: path.to_owned(), at: 0, what: "the header is wrong" };
        return if begun { Ok(0) } else { Err(corrupt.into()) };
    }
    let mut at = FILE_HEADER_BYTES;
    while at < bytes.len() {
        let Some((_, payload)) = block(&bytes[at..]) else {
            if !is_last || known_durable(bytes, at) {
                return Err(LogError::Corrupt { path: path.to_owned(), at, what: "a block is damaged" }.into());
            }
            return Ok(at);
        };
        visit(payload)?;
        at += BLOCK_HEADER_BYTES + payload.len();
    }
    Ok(at)
}

/// Whether a later block says that the byte at `at` had been on disk.
fn known_durable(bytes: &[u8], at: usize) -> bool {
    memchr::memmem::find_iter(&bytes[at + 1..], &BLOCK_MAGIC)
        .filter_map(|found| block(&bytes[at + 1 + found..]))
        .any(|(durable, _)| durable > at as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, first: u64) -> Result<(Log, Recovered, Vec<Vec<u8>>), LogError> {
        let mut seen = Vec::new();
        let (log, recovered) = Log::open::<LogError>(dir, first, |payload| {
            seen.push(payload.to_vec());
            Ok(())
        })?;
        Ok((log, recovered, seen))
    }

    fn written(dir: &Path, payloads: &[&[u8]], sync_each: bool) -> PathBuf {
        let (log, ..) = open(dir, 0).unwrap();
        let mut ticket = 0;
        for payload in payloads {
            ticket = log.append(payload).unwrap();
            if sync_each {
                log.sync(ticket).unwrap();
            }
        }
        log.sync(ticket).unwrap();
        path_of(dir, log.state.lock().generation)
    }

    #[test]
    fn what_was_synced_is_read_in_order_over_generations() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), &[b"one", b""], false);
        let (log, _, seen) = open(dir.path(), 0).unwrap();
        assert_eq!(seen, [&b"one"[..], b""]);
        log.sync(log.append(b"two").unwrap()).unwrap();
        let next = log.rotate().unwrap();
        log.sync(log.append(b"three").unwrap()).unwrap();
        drop(log);
        assert_eq!(open(dir.path(), 0).unwrap().2, [&b"one"[..], b"", b"two", b"three"]);
        let (log, _, seen) = open(dir.path(), next).unwrap();
        assert_eq!(seen, [&b"three"[..]]);
        log.remove_before(next).unwrap();
        drop(log);
        assert_eq!(open(dir.path(), 0).unwrap().2, [&b"three"[..]]);
    }

    #[test]
    fn a_torn_end_is_cut_at_every_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), &[b"kept", b"the last one"], true);
        let whole = fs::read(&path).unwrap();
        let last = whole.len() - BLOCK_HEADER_BYTES - b"the last one".len();
        for end in 0..whole.len() {
            let dir = tempfile::tempdir().unwrap();
            fs::write(path_of(dir.path(), 0), &whole[..end]).unwrap();
            let result = open(dir.path(), 0);
            if end < last && end > FILE_HEADER_BYTES {
                // The first block is torn and no later one is left to say that it was durable.
                assert_eq!(result.unwrap().2.len(), 0);
                continue;
            }
            let (_, recovered, seen) = result.unwrap();
            assert_eq!(seen.len(), usize::from(end >= last), "cut at {end}");
            assert_eq!(recovered.torn_bytes > 0, end != last && end != FILE_HEADER_BYTES && end != 0, "cut at {end}");
            // Opened again, the end is clean.
            assert_eq!(open(dir.path(), 0).unwrap().1.torn_bytes, 0);
        }
    }

    #[test]
    fn a_flipped_bit_is_never_taken_for_data() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), &[b"first", b"second", b"third"], true);
        let whole = fs::read(&path).unwrap();
        let last = whole.len() - BLOCK_HEADER_BYTES - b"third".len();
        for bit in 0..whole.len() * 8 {
            let dir = tempfile::tempdir().unwrap();
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(path_of(dir.path(), 0), &bytes).unwrap();
            match open(dir.path(), 0) {
                Err(LogError::Corrupt { .. }) => assert!(bit / 8 < last, "bit {bit}"),
                // Of the last block it cannot be known whether it had been on disk: it is cut, and said so.
                Ok((_, recovered, seen)) => {
                    assert!(bit / 8 >= last && seen.len() == 2 && recovered.torn_bytes > 0, "bit {bit}");
                }
                Err(error) => panic!("bit {bit}: {error}"),
            }
        }
    }

    #[test]
    fn many_writers_share_syncs() {
        let dir = tempfile::tempdir().unwrap();
        let (log, ..) = open(dir.path(), 0).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8u8 {
                let log = &log;
                scope.spawn(move || {
                    for i in 0..50u8 {
                        log.sync(log.append(&[writer, i]).unwrap()).unwrap();
                    }
                });
            }
        });
        drop(log);
        let seen = open(dir.path(), 0).unwrap().2;
        assert_eq!(seen.len(), 400);
        for writer in 0..8u8 {
            let own: Vec<u8> = seen.iter().filter(|p| p[0] == writer).map(|p| p[1]).collect();
            assert_eq!(own, (0..50).collect::<Vec<u8>>());
        }
    }
}
