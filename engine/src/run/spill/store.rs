//! Where pieces of state are that memory has no room for: one file without a name, gone with the process.

use parking_lot::Mutex;
use redb::backends::FileBackend;
use redb::{BackendError, Database, ReadableDatabase, StorageBackend, TableDefinition};
use std::fmt;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const PIECES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("pieces");
/// What the store itself keeps in memory.
const CACHE_BYTES: usize = 8 * 1024 * 1024;
const MAGIC: [u8; 8] = *b"HAILSPIL";
const VERSION: u32 = 1;

/// A piece of state could not be moved to disk or read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("state past its memory cannot be kept in {dir}: {message}")]
pub(crate) struct SpillError {
    dir: PathBuf,
    message: String,
}

/// The pieces of one job that are on disk. The file is made when the first one comes.
pub(crate) struct SpillStore {
    dir: PathBuf,
    database: Mutex<Option<Arc<Database>>>,
    next: AtomicU64,
    /// Pieces that nobody needs any more; they go with the next that come.
    gone: Mutex<Vec<u64>>,
    bytes: AtomicU64,
}

impl fmt::Debug for SpillStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillStore").field("dir", &self.dir).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// A piece on disk; it is there as long as this is.
#[derive(Debug)]
pub(crate) struct Stored {
    store: Arc<SpillStore>,
    id: u64,
    bytes: u64,
}

impl Stored {
    /// What was put.
    pub(crate) fn read(&self) -> Result<Vec<u8>, SpillError> {
        self.store.read(self.id)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.store.gone.lock().push(self.id);
        self.store.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl SpillStore {
    /// A store whose file will be in `dir`, which is made when it is needed.
    pub(crate) fn new(dir: PathBuf) -> Arc<Self> {
        let (database, gone) = (Mutex::new(None), Mutex::default());
        Arc::new(Self { dir, database, next: AtomicU64::new(0), gone, bytes: AtomicU64::new(0) })
    }

    /// Bytes of all pieces.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// An error of this store.
    pub(crate) fn failed(&self, message: impl fmt::Display) -> SpillError {
        SpillError { dir: self.dir.clone(), message: message.to_string() }
    }

    fn database(&self) -> Result<Arc<Database>, SpillError> {
        let mut database = self.database.lock();
        if let Some(database) = &*database {
            return Ok(database.clone());
        }
        std::fs::create_dir_all(&self.dir).map_err(|e| self.failed(e))?;
        let file = tempfile::tempfile_in(&self.dir).map_err(|e| self.failed(e))?;
        let backend = Scratch(FileBackend::new(file).map_err(|e| self.failed(e))?);
        let made = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend);
        let made = Arc::new(made.map_err(|e| self.failed(e))?);
        *database = Some(made.clone());
        Ok(made)
    }

    /// Moves pieces to disk, and lets go of those that nobody needs.
    pub(crate) fn put(self: &Arc<Self>, pieces: &[Vec<u8>]) -> Result<Vec<Stored>, SpillError> {
        let database = self.database()?;
        let gone = std::mem::take(&mut *self.gone.lock());
        let first = self.next.fetch_add(pieces.len() as u64, Ordering::Relaxed);
        let written = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(PIECES)?;
                for id in &gone {
                    table.remove(id)?;
                }
                for (id, piece) in (first..).zip(pieces) {
                    table.insert(id, model::seal(MAGIC, VERSION, piece).as_slice())?;
                }
            }
            transaction.commit()?;
            Ok(())
        };
        written().map_err(|e| self.failed(e))?;
        let stored = |(id, piece): (u64, &Vec<u8>)| {
            let bytes = piece.len() as u64;
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            Stored { store: self.clone(), id, bytes }
        };
        Ok((first..).zip(pieces).map(stored).collect())
    }

    fn read(&self, id: u64) -> Result<Vec<u8>, SpillError> {
        let database = self.database()?;
        let sealed = || -> Result<Option<Vec<u8>>, redb::Error> {
            let table = database.begin_read()?.open_table(PIECES)?;
            Ok(table.get(id)?.map(|piece| piece.value().to_vec()))
        };
        let sealed = sealed().map_err(|e| self.failed(e))?.ok_or_else(|| self.failed("a piece is not there"))?;
        model::unseal(MAGIC, VERSION, &sealed).map(<[u8]>::to_vec).map_err(|e| self.failed(e))
    }
}

/// A file whose bytes need not outlive the process: syncing it would cost time for nothing.
#[derive(Debug)]
struct Scratch(FileBackend);

impl StorageBackend for Scratch {
    fn len(&self) -> Result<u64, io::Error> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_there_until_they_are_let_go_and_their_room_is_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = SpillStore::new(dir.path().join("spill"));
        let piece = |n: usize| vec![n as u8; 100_000];
        let mut kept = store.put(&[piece(1), piece(2)]).unwrap();
        assert_eq!((kept[0].read().unwrap(), kept[1].read().unwrap()), (piece(1), piece(2)));
        assert_eq!(store.bytes(), 200_000);
        for n in 0..200 {
            kept = store.put(&[piece(n)]).unwrap();
        }
        assert_eq!(kept[0].read().unwrap(), piece(199));
        assert_eq!(store.bytes(), 100_000);
        assert_eq!(std::fs::read_dir(dir.path().join("spill")).unwrap().count(), 0, "the file has no name");
        let database = store.database().unwrap();
        let stats = database.begin_write().unwrap().stats().unwrap();
        assert!(stats.allocated_pages() * 4_096 < 2_000_000, "{stats:?}");
    }

    #[test]
    fn where_no_file_can_be_made_the_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let error = SpillStore::new(file.join("spill")).put(&[vec![1]]).unwrap_err().to_string();
        assert!(error.contains("file/spill"), "{error}");
    }
}
