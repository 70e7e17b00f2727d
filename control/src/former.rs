//! The catalogue of applications in the form of former versions: one sealed file, read once and then removed.

use crate::{ApplicationSpec, ControlError};
use model::SealedFile;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::Path;

const MAGIC: [u8; 8] = *b"HAILAPPS";
const VERSION: u32 = 1;

/// One application as it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) spec: ApplicationSpec,
    pub(crate) wanted: bool,
    /// A snapshot that the next start begins with.
    #[serde(default)]
    pub(crate) snapshot: Option<String>,
}

fn file(dir: &Path) -> SealedFile {
    SealedFile::new(dir.join("applications"), MAGIC, VERSION)
}

/// What the file in `dir` holds; nothing where there is none.
pub(crate) fn read(dir: &Path) -> Result<Vec<Entry>, ControlError> {
    let file = file(dir);
    let Some(bytes) = file.read()? else { return Ok(Vec::new()) };
    serde_json::from_slice(&bytes).map_err(|e| ControlError::Catalog(format!("{}: {e}", file.path().display())))
}

/// Removes the file, durably: what it holds is in the database now, and must not come back from here.
pub(crate) fn remove(dir: &Path) -> Result<(), ControlError> {
    let file = file(dir);
    let failed = |e: std::io::Error| {
        ControlError::Catalog(format!(
            "{} was taken over into the database and cannot be removed: {e}; remove it by hand",
            file.path().display()
        ))
    };
    match fs::remove_file(file.path()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(()) => File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed),
    }
}

#[cfg(test)]
pub(crate) fn write(dir: &Path, entries: &[Entry]) {
    file(dir).write(&serde_json::to_vec(entries).unwrap()).unwrap();
}
