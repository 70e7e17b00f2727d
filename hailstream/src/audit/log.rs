//! Writing the audit log.

use super::entry::{Entry, Event, Happening, NOTHING_BEFORE, hash};
use super::files::{LogFile, list};
use super::{Broken, chain};
use model::Env;
use parking_lot::Mutex;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes after which the next entry begins another file.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Most files; the oldest one goes when there are more: half a gigabyte, two million entries or so.
const FILES_MAX: usize = 64;

/// Why something could not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    #[error("the audit log {path} cannot be written: {source}; free its disk, or start again where it can be written")]
    Write { path: PathBuf, source: io::Error },
    #[error("the audit log is damaged: {0}; keep the folder aside for a look, and the platform begins a new one")]
    Broken(#[from] Broken),
}

/// The log of one platform, open for appending.
pub(crate) struct AuditLog {
    folder: PathBuf,
    env: Env,
    end: Mutex<End>,
    file_bytes: u64,
    files_max: usize,
}

/// Where the log ends.
struct End {
    number: u64,
    hash: String,
    file: LogFile,
    open: File,
    bytes: u64,
    /// Something could not be written: what stands there must be looked at before anything else is.
    torn: bool,
}

impl AuditLog {
    /// Opens the log in this folder, which is made where there is none. Half of a line at its end is cut off.
    ///
    /// # Errors
    /// When it cannot be read or written, or its last file is damaged.
    pub(crate) fn open(folder: &Path, env: Env) -> Result<Self, AuditError> {
        Self::with_bounds(folder, env, FILE_BYTES, FILES_MAX)
    }

    fn with_bounds(folder: &Path, env: Env, file_bytes: u64, files_max: usize) -> Result<Self, AuditError> {
        let failed = |source| AuditError::Write { path: folder.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        sync_folder(folder.parent().unwrap_or(folder)).map_err(failed)?;
        let (end, cut) = end_of(folder)?;
        let log = Self { folder: folder.to_owned(), env, end: Mutex::new(end), file_bytes, files_max };
        if cut > 0 {
            log.append(Happening { note: Some(format!("{cut} bytes")), ..Happening::new(Event::Repaired) })?;
        }
        log.append(Happening::new(Event::Opened))?;
        Ok(log)
    }

    /// Writes something down and answers its number when it is durable. It waits for the disk.
    ///
    /// # Errors
    /// When it is not; then nothing of it stands there.
    pub(crate) fn append(&self, happening: Happening) -> Result<u64, AuditError> {
        let mut end = self.end.lock();
        if end.torn {
            let (again, _) = end_of(&self.folder)?;
            *end = again;
        }
        if end.bytes >= self.file_bytes {
            self.begin_next(&mut end)?;
        }
        self.write(&mut end, happening)
    }

    /// The number of the newest entry, and the hash that the next one will carry.
    pub(crate) fn head(&self) -> (u64, String) {
        let end = self.end.lock();
        (end.number, end.hash.clone())
    }

    /// The newest `n` entries before `before`, or of all, the newest first.
    ///
    /// # Errors
    /// When a file cannot be read, or a line is no entry.
    pub(crate) fn newest(&self, before: Option<u64>, n: usize) -> Result<Vec<Entry>, Broken> {
        chain::newest(&self.folder, before, n)
    }

    /// Lets the next entry fail, as on a disk that takes no more.
    #[cfg(test)]
    pub(crate) fn fail_next(&self) {
        let mut end = self.end.lock();
        end.open = File::open(&end.file.path).unwrap();
        end.torn = false;
    }

    fn write(&self, end: &mut End, happening: Happening) -> Result<u64, AuditError> {
        let failed = |path: &Path, source| AuditError::Write { path: path.to_owned(), source };
        let entry = Entry::new(happening, end.number + 1, self.env.now_ms(), end.hash.clone());
        let mut line = serde_json::to_vec(&entry).map_err(|error| failed(&end.file.path, error.into()))?;
        let next = hash(&line);
        line.push(b'\n');
        if let Err(source) = end.open.write_all(&line).and_then(|()| end.open.sync_data()) {
            // After a failed sync nobody knows what is there: it is cut back as well as can be, and looked at anew before
            // anything else is written.
            if let Err(error) = end.open.set_len(end.bytes).and_then(|()| end.open.sync_data()) {
                tracing::warn!(%error, "what was half written to the audit log could not be cut off yet");
            }
            end.torn = true;
            return Err(failed(&end.file.path, source));
        }
        end.bytes += line.len() as u64;
        (end.number, end.hash) = (entry.number, next);
        Ok(entry.number)
    }

    fn begin_next(&self, end: &mut End) -> Result<(), AuditError> {
        let failed = |source| AuditError::Write { path: self.folder.clone(), source };
        let file = LogFile::of(&self.folder, end.file.number + 1);
        end.open = append_to(&file.path).map_err(failed)?;
        (end.file, end.bytes) = (file, 0);
        sync_folder(&self.folder).map_err(failed)?;
        let files = list(&self.folder).map_err(failed)?;
        for oldest in files.iter().take(files.len().saturating_sub(self.files_max)) {
            // First it is written down, then done: a file that is missing without a word is one that somebody took.
            let note = chain::file_name(oldest.number);
            self.write(end, Happening { note: Some(note), ..Happening::new(Event::Dropped) })?;
            fs::remove_file(&oldest.path).map_err(failed)?;
        }
        sync_folder(&self.folder).map_err(failed)
    }
}

/// Where the log ends, ready to go on, and how many bytes were cut off.
fn end_of(folder: &Path) -> Result<(End, u64), AuditError> {
    let failed = |source| AuditError::Write { path: folder.to_owned(), source };
    let files = list(folder).map_err(failed)?;
    let file = files.last().cloned().unwrap_or_else(|| LogFile::of(folder, 1));
    let open = append_to(&file.path).map_err(failed)?;
    sync_folder(folder).map_err(failed)?;
    let text = fs::read(&file.path).map_err(failed)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let cut = (text.len() - whole) as u64;
    if cut > 0 {
        open.set_len(whole as u64).and_then(|()| open.sync_data()).map_err(failed)?;
    }
    let before = files.len().checked_sub(2).map(|at| &files[at]);
    let last = chain::last(&file, &text[..whole])?;
    // A file that was begun and not yet written to goes on from the one before it.
    let last = match (last, before) {
        (None, Some(before)) => chain::last(before, &fs::read(&before.path).map_err(failed)?)?,
        (last, _) => last,
    };
    let (number, hash) = last.unwrap_or((0, NOTHING_BEFORE.to_owned()));
    Ok((End { number, hash, file, open, bytes: whole as u64, torn: false }, cut))
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::verify;
    use super::*;

    fn opened(dir: &Path) -> AuditLog {
        AuditLog::with_bounds(dir, Env::manual(7, 1).0, 1_000, 3).unwrap()
    }

    fn did(subject: &str) -> Happening {
        Happening { subject: Some(subject.into()), door: Some("aws"), ..Happening::new(Event::Begun) }
    }

    #[test]
    fn the_chain_goes_on_over_starts_files_and_their_removal() {
        let dir = tempfile::tempdir().unwrap();
        let mut last = 0;
        for start in 0..5 {
            let log = opened(dir.path());
            for i in 0..10 {
                let number = log.append(did(&format!("{start}-{i}"))).unwrap();
                assert!(number > last);
                last = number;
            }
            assert_eq!(log.head().0, last);
        }
        assert!(list(dir.path()).unwrap().len() <= 3);
        let verified = verify(dir.path(), None).unwrap();
        assert_eq!(verified.last, last);
        assert!(verified.first > 1, "old files were removed");
        let log = opened(dir.path());
        let head = log.head().0;
        let numbers = |before, n| log.newest(before, n).unwrap().iter().map(|entry| entry.number).collect::<Vec<_>>();
        assert_eq!(numbers(None, 3), [head, head - 1, head - 2]);
        assert_eq!(numbers(Some(head), 2), [head - 1, head - 2]);
        assert_eq!(log.newest(Some(last + 1), 1).unwrap()[0].subject.as_deref(), Some("4-9"));
        let all = log.newest(None, 10_000).unwrap();
        assert_eq!(all.len() as u64, head - verify(dir.path(), None).unwrap().first + 1);
        assert!(all.iter().any(|entry| entry.event == Event::Dropped));
    }

    #[test]
    fn half_a_line_is_cut_and_told_and_a_damaged_end_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        opened(dir.path()).append(did("a")).unwrap();
        let path = list(dir.path()).unwrap()[0].path.clone();
        let whole = fs::read(&path).unwrap();
        for cut in 1..40 {
            fs::write(&path, [&whole[..], &whole[..cut]].concat()).unwrap();
            let log = opened(dir.path());
            assert_eq!(log.newest(None, 2).unwrap()[1].event, Event::Repaired, "{cut}");
            verify(dir.path(), None).unwrap();
        }
        fs::write(&path, [&whole[..], b"{}\n"].concat()).unwrap();
        let error = AuditLog::open(dir.path(), Env::manual(7, 1).0).err().unwrap().to_string();
        assert!(error.contains("00000001.jsonl, line 3"), "{error}");
    }

    #[test]
    fn a_file_that_was_begun_and_not_written_goes_on_from_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let log = opened(dir.path());
        let (number, hash) = log.head();
        drop(log);
        fs::write(LogFile::of(dir.path(), 2).path, b"").unwrap();
        let log = opened(dir.path());
        assert_eq!(log.head().0, number + 1);
        assert_eq!(log.newest(None, 1).unwrap()[0].previous, hash);
        verify(dir.path(), None).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_told_and_leaves_the_chain_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("audit");
        let log = opened(&folder);
        log.fail_next();
        let head = log.head();
        let error = log.append(did("a")).unwrap_err().to_string();
        assert!(error.contains("cannot be written"), "{error}");
        assert_eq!(log.head(), head);
        // Once it can be written again, it goes on.
        let number = log.append(did("b")).unwrap();
        assert_eq!(number, head.0 + 1);
        verify(&folder, None).unwrap();
    }
}
