//! The folder of the metric store: which chunks and journals are there, and writing and removing them.

use super::chunk::{self, Chunk, ChunkId};
use super::error::MetricsError;
use super::tier::TIERS;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const CHUNK_SUFFIX: &str = ".points";
const JOURNAL_SUFFIX: &str = ".journal";
const HALF_SUFFIX: &str = ".next";

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// What is in it.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) chunks: Vec<ChunkId>,
    /// The starts of journals, in seconds since the Unix epoch, ascending.
    pub(super) journals: Vec<u64>,
}

impl Folder {
    /// The folder at `path`, made where there is none.
    pub(super) fn open(path: &Path) -> Result<Self, MetricsError> {
        fs::create_dir_all(path).map_err(|source| MetricsError::Io { path: path.to_owned(), source })?;
        Ok(Self(path.to_owned()))
    }

    pub(super) fn chunk_path(&self, id: ChunkId) -> PathBuf {
        self.0.join(format!("{}s-{:011}{CHUNK_SUFFIX}", TIERS[id.tier].period_s, id.start_s))
    }

    pub(super) fn journal_path(&self, start_s: u64) -> PathBuf {
        self.0.join(format!("{start_s:011}{JOURNAL_SUFFIX}"))
    }

    fn io(&self, source: io::Error) -> MetricsError {
        MetricsError::Io { path: self.0.clone(), source }
    }

    /// Lists what is there, and removes what a crash left half-written.
    pub(super) fn list(&self) -> Result<Listing, MetricsError> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.0).map_err(|source| self.io(source))? {
            let entry = entry.map_err(|source| self.io(source))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.ends_with(HALF_SUFFIX) {
                self.remove(&entry.path());
            } else if let Some(id) = parse_chunk(name) {
                listing.chunks.push(id);
            } else if let Some(start_s) = name.strip_suffix(JOURNAL_SUFFIX).and_then(|start| start.parse().ok()) {
                listing.journals.push(start_s);
            }
        }
        listing.chunks.sort_unstable();
        listing.journals.sort_unstable();
        Ok(listing)
    }

    /// Writes a chunk; it is durable as a whole when this returns, and not there at all when it fails.
    pub(super) fn write(&self, chunk: &Chunk) -> Result<(), MetricsError> {
        let path = self.chunk_path(chunk.id);
        let next = path.with_extension(HALF_SUFFIX.trim_start_matches('.'));
        let bytes = chunk::encode(chunk);
        let write = || {
            let mut file = File::create(&next)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&next, &path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(|source| MetricsError::Io { path: path.clone(), source })
    }

    /// Removes a file that is not needed any more. One that stays is found again at the next start.
    pub(super) fn remove(&self, path: &Path) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "a file of metrics cannot be removed");
            }
            _ => {}
        }
    }
}

fn parse_chunk(name: &str) -> Option<ChunkId> {
    let (period, start) = name.strip_suffix(CHUNK_SUFFIX)?.split_once("s-")?;
    let period: u64 = period.parse().ok()?;
    let tier = TIERS.iter().position(|tier| tier.period_s == period)?;
    let start_s = start.parse().ok()?;
    (TIERS[tier].chunk_start(start_s) == start_s).then_some(ChunkId { tier, start_s })
}
