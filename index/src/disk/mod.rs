//! What stands on disk: the write-ahead log, chunk files, and the checkpoint that says which of them count.

mod checkpoint;
mod chunk_file;
mod log;
mod record;

pub(crate) use checkpoint::{Checkpoint, SavedChunk, SavedTable};
pub(crate) use chunk_file::{chunk_path, read_chunk, write_chunk};
pub(crate) use log::{Log, LogError};
pub(crate) use record::Record;

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes names created in, removed from or renamed within a directory survive a crash.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
