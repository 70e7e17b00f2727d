//! Which files a list of files and folders means.

use super::format::Packing;
use crate::source::{LEFT_OUT_MAX, SourceError};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Deepest nesting of folders that is followed.
const DEPTH_MAX: usize = 32;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) path: PathBuf,
    pub(super) packing: Packing,
}

/// The files to read, in order, and those of the folders that are left out.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<Listed>,
    pub(super) left_out: Vec<String>,
}

/// Lists the files of `paths`.
pub(super) fn list(paths: &[PathBuf]) -> Result<Listing, SourceError> {
    let mut listing = Listing::default();
    for path in paths {
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SourceError::NotFound { path: path.clone() });
            }
            Err(source) => return Err(SourceError::Io { path: path.clone(), source }),
        };
        if meta.is_dir() {
            let before = listing.files.len();
            folder(path, 0, &mut listing)?;
            if listing.files.len() == before {
                return Err(SourceError::NothingToRead { path: path.clone() });
            }
        } else {
            listing.files.push(Listed { path: path.clone(), packing: Packing::of_name(path) });
        }
    }
    Ok(listing)
}

fn folder(path: &Path, depth: usize, listing: &mut Listing) -> Result<(), SourceError> {
    let failed = |source| SourceError::Io { path: path.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort_unstable();
    let mut stems = HashSet::new();
    for entry in entries {
        if entry.is_dir() {
            if depth < DEPTH_MAX {
                folder(&entry, depth + 1, listing)?;
            } else {
                listing.leave_out(&entry, "nested too deeply");
            }
            continue;
        }
        match why_not(&entry, &mut stems) {
            Some(reason) => listing.leave_out(&entry, reason),
            None => listing.files.push(Listed { packing: Packing::of_name(&entry), path: entry }),
        }
    }
    Ok(())
}

/// Why a file of a folder is not read, if so. `stems` are the names of those that are, without their compression.
fn why_not(path: &Path, stems: &mut HashSet<PathBuf>) -> Option<&'static str> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if name.starts_with('.') {
        return Some("hidden");
    }
    if name.starts_with("readme") {
        return Some("a README");
    }
    let stem = match Packing::of_name(path) {
        Packing::Plain => path.to_owned(),
        _ => path.with_extension(""),
    };
    let extension = stem.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if !matches!(extension.as_str(), "ndjson" | "jsonl" | "json") {
        return Some("not named as NDJSON");
    }
    (!stems.insert(stem)).then_some("the same name as another, in another compression")
}

impl Listing {
    fn leave_out(&mut self, path: &Path, reason: &str) {
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(format!("{}: {reason}", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_by_name_and_tells_what_it_leaves_out() {
        let home = tempfile::tempdir().unwrap();
        let names = [
            "b.ndjson",
            "a/z.jsonl.gz",
            "README.ndjson",
            "trips.ndjson.zst",
            "trips.ndjson.lz4",
            "expected.csv",
            ".x.json",
        ];
        for name in names {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let listing = list(&[home.path().to_owned()]).unwrap();
        let short = |path: &Path| path.strip_prefix(home.path()).unwrap().display().to_string();
        let files: Vec<String> = listing.files.iter().map(|file| short(&file.path)).collect();
        assert_eq!(files, ["a/z.jsonl.gz", "b.ndjson", "trips.ndjson.lz4"]);
        let reasons: Vec<&str> = listing.left_out.iter().map(|line| line.rsplit(": ").next().unwrap()).collect();
        let twin = "the same name as another, in another compression";
        assert_eq!(reasons, ["hidden", "a README", "not named as NDJSON", twin]);
    }

    #[test]
    fn what_is_not_there_or_empty_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let missing = home.path().join("none");
        assert!(matches!(list(&[missing]), Err(SourceError::NotFound { .. })));
        assert!(matches!(list(&[home.path().to_owned()]), Err(SourceError::NothingToRead { .. })));
    }

    #[test]
    fn a_file_named_outright_is_read_whatever_its_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("README");
        fs::write(&path, "").unwrap();
        assert_eq!(list(std::slice::from_ref(&path)).unwrap().files, [Listed { path, packing: Packing::Plain }]);
    }
}
