//! The applications as kept on disk: what each is, and whether it shall run.

use crate::{ApplicationSpec, ControlError};
use model::SealedFile;
use serde::{Deserialize, Serialize};
use std::path::Path;

const MAGIC: [u8; 8] = *b"HAILAPPS";
const VERSION: u32 = 1;

/// One application as kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) spec: ApplicationSpec,
    pub(crate) wanted: bool,
    /// A snapshot that the next start begins with.
    #[serde(default)]
    pub(crate) snapshot: Option<String>,
}

/// The file that holds all applications.
#[derive(Debug)]
pub(crate) struct Catalog {
    file: SealedFile,
}

impl Catalog {
    pub(crate) fn open(dir: &Path) -> Self {
        Self { file: SealedFile::new(dir.join("applications"), MAGIC, VERSION) }
    }

    pub(crate) fn read(&self) -> Result<Vec<Entry>, ControlError> {
        let Some(bytes) = self.file.read()? else { return Ok(Vec::new()) };
        serde_json::from_slice(&bytes)
            .map_err(|e| ControlError::Catalog(format!("{}: {e}", self.file.path().display())))
    }

    pub(crate) fn write(&self, entries: &[Entry]) -> Result<(), ControlError> {
        let bytes = serde_json::to_vec(entries).map_err(|e| ControlError::Catalog(e.to_string()))?;
        Ok(self.file.write(&bytes)?)
    }
}
