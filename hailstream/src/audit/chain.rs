//! Reading the audit log: whether its chain is whole, and its newest entries.

use super::entry::{Entry, Event, NOTHING_BEFORE, hash};
use super::files::{LogFile, list};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where and why a log is not what was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}, line {line}: {what}")]
    Line { path: PathBuf, line: usize, what: String },
    #[error("{path}: {what}")]
    File { path: PathBuf, what: String },
}

/// A log whose chain is whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// The number of its first entry; older ones were removed where it is not 1.
    pub(crate) first: u64,
    /// The number of its last entry; 0: there is none.
    pub(crate) last: u64,
    /// The hash that the next entry carries.
    pub(crate) hash: String,
    /// Bytes of a line at the end that is not whole: it is being written, or a crash has left it.
    pub(crate) unfinished: usize,
    /// Whether the head that was asked for stands in it; `None`: none was asked for.
    pub(crate) holds_head: Option<bool>,
}

/// Reads all of a log and tells the first line that is not what was written. Whoever can write to the log can write a new
/// one as well: a `head`, the number of an entry and the hash after it, noted elsewhere before, tells that from the old one.
///
/// # Errors
/// With the first line that breaks the chain, or when a file cannot be read.
pub(crate) fn verify(folder: &Path, head: Option<(u64, &str)>) -> Result<Verified, Broken> {
    let files = list(folder).map_err(|source| Broken::Read { path: folder.to_owned(), source })?;
    let mut verified = Verified {
        first: 0,
        last: 0,
        hash: NOTHING_BEFORE.to_owned(),
        unfinished: 0,
        holds_head: head.map(|head| head == (0, NOTHING_BEFORE)),
    };
    let mut dropped = Vec::new();
    for (at, file) in files.iter().enumerate() {
        if at > 0 && file.number != files[at - 1].number + 1 {
            let what = format!("the file before it is {}: some are missing", files[at - 1].path.display());
            return Err(Broken::File { path: file.path.clone(), what });
        }
        let text = read(file)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for (line, bytes) in lines(&text[..whole]) {
            let entry = entry(file, line, bytes)?;
            verified.take(file, line, &entry)?;
            verified.hash = hash(bytes);
            dropped.extend(entry.note.filter(|_| entry.event == Event::Dropped));
            if head == Some((verified.last, &verified.hash)) {
                verified.holds_head = Some(true);
            }
        }
        verified.unfinished = text.len() - whole;
        if verified.unfinished > 0 && at + 1 < files.len() {
            let what = "it ends within a line, though a later file was begun".to_owned();
            return Err(Broken::File { path: file.path.clone(), what });
        }
    }
    match files.first() {
        // The platform removes the oldest files one by one, and writes it down.
        Some(oldest) if oldest.number > 1 && !dropped.contains(&file_name(oldest.number - 1)) => {
            let what = "the file before it is missing, and no entry tells that it was removed".to_owned();
            Err(Broken::File { path: oldest.path.clone(), what })
        }
        _ => Ok(verified),
    }
}

/// How the entry of a removal names the file.
pub(super) fn file_name(number: u32) -> String {
    format!("file {number:08}")
}

impl Verified {
    /// Takes the next entry, if it is the next one.
    fn take(&mut self, file: &LogFile, line: usize, entry: &Entry) -> Result<(), Broken> {
        let broken = |what: String| Broken::Line { path: file.path.clone(), line, what };
        if self.first == 0 {
            // What the oldest file that is left goes on from is not here any more.
            let from_the_beginning = entry.number == 1 && entry.previous == NOTHING_BEFORE;
            if !from_the_beginning && file.number == 1 {
                return Err(broken(format!("the log begins with entry {}", entry.number)));
            }
            self.first = entry.number;
        } else if entry.number != self.last + 1 {
            return Err(broken(format!("entry {} stands where {} should", entry.number, self.last + 1)));
        } else if entry.previous != self.hash {
            return Err(broken("the line before it is not the one that it was written after".to_owned()));
        }
        self.last = entry.number;
        Ok(())
    }
}

/// The number of the last entry of a file's whole lines, and the hash after it.
pub(super) fn last(file: &LogFile, text: &[u8]) -> Result<Option<(u64, String)>, Broken> {
    match lines(text).last() {
        Some((line, bytes)) => Ok(Some((entry(file, line, bytes)?.number, hash(bytes)))),
        None => Ok(None),
    }
}

/// The newest `n` entries before `before`, or of all, the newest first.
///
/// # Errors
/// When a file cannot be read, or a line is no entry.
pub(crate) fn newest(folder: &Path, before: Option<u64>, n: usize) -> Result<Vec<Entry>, Broken> {
    let files = list(folder).map_err(|source| Broken::Read { path: folder.to_owned(), source })?;
    let mut entries = Vec::new();
    for file in files.iter().rev() {
        let text = read(file)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let all: Vec<_> = lines(&text[..whole]).collect();
        for (line, bytes) in all.into_iter().rev() {
            if entries.len() == n {
                return Ok(entries);
            }
            let entry = entry(file, line, bytes)?;
            if before.is_none_or(|before| entry.number < before) {
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}

/// The lines of a text by their numbers, without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    text.split_inclusive(|byte| *byte == b'\n').enumerate().map(|(at, line)| (at + 1, &line[..line.len() - 1]))
}

fn entry(file: &LogFile, line: usize, bytes: &[u8]) -> Result<Entry, Broken> {
    let broken = |error: serde_json::Error| Broken::Line {
        path: file.path.clone(),
        line,
        what: format!("it is no entry: {error}"),
    };
    serde_json::from_slice(bytes).map_err(broken)
}

fn read(file: &LogFile) -> Result<Vec<u8>, Broken> {
    fs::read(&file.path).map_err(|source| Broken::Read { path: file.path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::super::{AuditLog, Event, Happening};
    use super::*;
    use model::Env;

    fn logged(folder: &Path, n: usize) -> PathBuf {
        let log = AuditLog::open(folder, Env::manual(7, 1).0).unwrap();
        for i in 0..n {
            let happening = Happening { subject: Some(format!("s{i}")), ..Happening::new(Event::Begun) };
            log.append(happening).unwrap();
        }
        list(folder).unwrap()[0].path.clone()
    }

    #[test]
    fn any_changed_byte_is_found_at_its_line_or_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = logged(dir.path(), 4);
        let text = fs::read(&path).unwrap();
        let (head, last) = {
            let v = verify(dir.path(), None).unwrap();
            (v.hash, v.last)
        };
        assert_eq!(verify(dir.path(), Some((last, &head))).unwrap().holds_head, Some(true));
        let mut line = 1;
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            let told = verify(dir.path(), Some((last, &head)));
            match told {
                Err(Broken::Line { line: found, .. }) => {
                    assert!((line..=line + 1).contains(&found), "byte {at} of line {line}: {found}");
                }
                Err(other) => panic!("{other}"),
                // Of the last line the noted head alone can tell; or its end is gone.
                Ok(verified) => assert!(line == 5 && verified.holds_head == Some(false), "byte {at} of line {line}"),
            }
            line += usize::from(text[at] == b'\n');
        }
    }

    #[test]
    fn what_was_taken_out_or_put_in_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = logged(dir.path(), 4);
        let text = fs::read_to_string(&path).unwrap();
        let all: Vec<&str> = text.split_inclusive('\n').collect();
        let check = |kept: &[usize], told: &str| {
            let text: String = kept.iter().map(|at| all[*at]).collect();
            fs::write(&path, text).unwrap();
            let error = verify(dir.path(), None).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        };
        check(&[0, 1, 3, 4], "line 3: entry 4 stands where 3 should");
        check(&[1, 2, 3, 4], "line 1: the log begins with entry 2");
        check(&[0, 1, 1, 2], "line 3: entry 2 stands where 3 should");
        check(&[0, 2, 1, 3, 4], "line 2: entry 3 stands where 2 should");
        // An end that is gone is told by a head that was noted.
        fs::write(&path, &text).unwrap();
        let Verified { last, hash, .. } = verify(dir.path(), None).unwrap();
        fs::write(&path, all[..3].concat()).unwrap();
        assert_eq!(verify(dir.path(), Some((last, &hash))).unwrap().holds_head, Some(false));
        assert_eq!(verify(dir.path(), None).unwrap().last, 3);
    }

    #[test]
    fn a_missing_file_is_told_and_a_line_that_is_being_written_is_not_broken() {
        let dir = tempfile::tempdir().unwrap();
        let path = logged(dir.path(), 1);
        let text = fs::read(&path).unwrap();
        fs::write(&path, [&text[..], b"{\"number\":"].concat()).unwrap();
        assert_eq!(verify(dir.path(), None).unwrap().unfinished, 10);
        assert_eq!(newest(dir.path(), None, 10).unwrap().len(), 2);
        fs::write(dir.path().join("00000003.jsonl"), b"").unwrap();
        assert!(verify(dir.path(), None).unwrap_err().to_string().contains("ends within a line"));
        fs::write(&path, &text).unwrap();
        assert!(verify(dir.path(), None).unwrap_err().to_string().contains("some are missing"));
        // The first file taken away by somebody else than the platform.
        fs::remove_file(&path).unwrap();
        assert!(verify(dir.path(), None).unwrap_err().to_string().contains("no entry tells that it was removed"));
        let none = tempfile::tempdir().unwrap();
        assert_eq!(verify(none.path(), None).unwrap().last, 0);
    }
}
