//! The files of the audit log: `00000001.jsonl` and so on, in the order of their numbers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogFile {
    pub(super) number: u32,
    pub(super) path: PathBuf,
}

impl LogFile {
    /// The file of this number in a folder.
    pub(super) fn of(folder: &Path, number: u32) -> Self {
        Self { number, path: folder.join(format!("{number:08}.jsonl")) }
    }
}

/// All files of a folder by their numbers; what has another name is none of the log's.
pub(super) fn list(folder: &Path) -> io::Result<Vec<LogFile>> {
    let mut all = Vec::new();
    for found in fs::read_dir(folder)? {
        let path = found?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_suffix(".jsonl").filter(|stem| stem.len() == 8).and_then(|stem| stem.parse().ok());
        all.extend(number.map(|number| LogFile { number, path }));
    }
    all.sort_by_key(|file| file.number);
    Ok(all)
}
