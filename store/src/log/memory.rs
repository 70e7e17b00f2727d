//! A file system in memory that fails when told to, and on a crash forgets what was not synced: all of it behind a point, or
//! from a seed any of its sectors and names. For tests.

use super::files::{Files, LogFile};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    current: Vec<u8>,
    /// Parts that were written since the last sync, in their order: offset and length.
    unsynced: Vec<(usize, usize)>,
}

/// What a disk writes as a whole or not at all, in bytes.
const SECTOR: usize = 512;

/// What should go wrong next.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) write: Option<io::ErrorKind>,
    /// How many bytes of a failing write arrive all the same.
    pub(crate) written_before_error: usize,
    pub(crate) sync: Option<io::ErrorKind>,
    pub(crate) create: Option<io::ErrorKind>,
    pub(crate) rename: Option<io::ErrorKind>,
    pub(crate) read: Option<io::ErrorKind>,
    /// How long each sync takes, in milliseconds.
    pub(crate) sync_ms: u64,
}

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    durable_names: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    folders: BTreeSet<PathBuf>,
    faults: Faults,
    syncs: u64,
    /// From this sync on, all fail.
    last_sync: Option<u64>,
    failed: bool,
}

impl State {
    /// Counts a sync, or fails it.
    fn sync(&mut self) -> io::Result<()> {
        if self.last_sync.is_some_and(|last| self.syncs >= last) {
            self.failed = true;
            return Err(io::Error::other("the disk is dead"));
        }
        check(self.faults.sync)?;
        self.syncs += 1;
        Ok(())
    }
}

/// See the module.
#[derive(Clone, Default)]
pub(crate) struct MemoryFiles {
    state: Arc<Mutex<State>>,
}

struct MemoryFile {
    state: Arc<Mutex<State>>,
    content: Arc<Mutex<Content>>,
}

impl MemoryFiles {
    pub(crate) fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// The disk dies for good after so many more syncs.
    pub(crate) fn fail_after_syncs(&self, more: u64) {
        let mut state = self.state.lock();
        state.last_sync = Some(state.syncs + more);
    }

    /// Whether a sync has failed since the disk died.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.lock().failed
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// The power fails: names and bytes that were not synced are gone, except that of each file's unsynced bytes
    /// the first `kept` arrived.
    pub(crate) fn crash(&self, kept: usize) {
        let mut state = self.state.lock();
        state.names = state.durable_names.clone();
        for content in state.names.values() {
            let mut content = content.lock();
            let len = content.durable.len();
            let mut survived = content.durable.clone();
            if content.current.len() > len {
                let more = kept.min(content.current.len() - len);
                survived.extend_from_slice(&content.current[len..len + more]);
            }
            content.settle(survived);
        }
    }

    /// The power fails: of what was not synced any sectors arrived, in any order, and any names. `coin` decides.
    pub(crate) fn crash_by(&self, coin: &mut impl FnMut() -> bool) {
        let mut state = self.state.lock();
        let (now, mut survived) = (state.names.clone(), state.durable_names.clone());
        for (path, content) in &now {
            let same = survived.get(path).is_some_and(|durable| Arc::ptr_eq(durable, content));
            if !same && coin() {
                survived.insert(path.clone(), content.clone());
            }
        }
        survived.retain(|path, _| now.contains_key(path) || coin());
        for content in survived.values() {
            let mut content = content.lock();
            let bytes = content.survivors(coin);
            content.settle(bytes);
        }
        state.durable_names = survived.clone();
        state.names = survived;
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.state.lock().names.keys().cloned().collect()
    }

    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        self.state.lock().names[path].lock().current.clone()
    }

    /// Replaces a file's bytes behind the store's back.
    pub(crate) fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        let content = state.names.entry(path.to_path_buf()).or_default().clone();
        content.lock().settle(bytes);
        state.durable_names.insert(path.to_path_buf(), content);
    }

    /// An independent copy, in which what was not synced is still not synced.
    pub(crate) fn fork_durable(&self) -> Self {
        let (copy, state) = (Self::default(), self.state.lock());
        let mut copied: BTreeMap<*const Mutex<Content>, Arc<Mutex<Content>>> = BTreeMap::new();
        let mut copy_of = |content: &Arc<Mutex<Content>>| {
            if let Some(copy) = copied.get(&Arc::as_ptr(content)) {
                return copy.clone();
            }
            let from = content.lock();
            let (durable, current, unsynced) = (from.durable.clone(), from.current.clone(), from.unsynced.clone());
            let to = Arc::new(Mutex::new(Content { durable, current, unsynced }));
            copied.insert(Arc::as_ptr(content), to.clone());
            to
        };
        let names = state.names.iter().map(|(path, content)| (path.clone(), copy_of(content))).collect();
        let durable_names =
            state.durable_names.iter().map(|(path, content)| (path.clone(), copy_of(content))).collect();
        let folders = state.folders.clone();
        *copy.state.lock() = State { names, durable_names, folders, ..State::default() };
        copy
    }

    /// An independent copy of everything.
    pub(crate) fn fork(&self) -> Self {
        let copy = Self::default();
        for path in self.paths() {
            copy.put(&path, self.bytes(&path));
        }
        copy
    }
}

impl Content {
    /// What is on the disk from now on, and all that is there.
    fn settle(&mut self, bytes: Vec<u8>) {
        self.durable.clone_from(&bytes);
        self.current = bytes;
        self.unsynced.clear();
    }

    /// What a crash leaves: what was synced, and those sectors of what was written since that `coin` lets arrive.
    fn survivors(&self, coin: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for &(offset, len) in &self.unsynced {
            let end = (offset + len).min(self.current.len());
            let mut start = offset;
            while start < end {
                let stop = ((start / SECTOR + 1) * SECTOR).min(end);
                if coin() {
                    if bytes.len() < stop {
                        bytes.resize(stop, 0);
                    }
                    bytes[start..stop].copy_from_slice(&self.current[start..stop]);
                }
                start = stop;
            }
        }
        bytes
    }
}

fn check(fault: Option<io::ErrorKind>) -> io::Result<()> {
    fault.map_or(Ok(()), |kind| Err(kind.into()))
}

impl LogFile for MemoryFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let faults = self.state.lock().faults;
        let arrived = if faults.write.is_some() { faults.written_before_error.min(bytes.len()) } else { bytes.len() };
        let mut content = self.content.lock();
        let end = offset as usize + arrived;
        if content.current.len() < end {
            content.current.resize(end, 0);
        }
        content.current[offset as usize..end].copy_from_slice(&bytes[..arrived]);
        content.unsynced.push((offset as usize, arrived));
        check(faults.write)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        check(self.state.lock().faults.read)?;
        let content = self.content.lock();
        let rest = content.current.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn sync(&self) -> io::Result<()> {
        let sync_ms = self.state.lock().faults.sync_ms;
        if sync_ms > 0 {
            std::thread::park_timeout(Duration::from_millis(sync_ms));
        }
        let mut state = self.state.lock();
        state.sync()?;
        let mut content = self.content.lock();
        let bytes = content.current.clone();
        content.settle(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.content.lock().current.resize(len as usize, 0);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.content.lock().current.len() as u64)
    }
}

impl Files for MemoryFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let mut state = self.state.lock();
        check(state.faults.create)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = Arc::<Mutex<Content>>::default();
        state.names.insert(path.to_path_buf(), content.clone());
        Ok(Arc::new(MemoryFile { state: self.state.clone(), content }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let content = self.state.lock().names.get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile { state: self.state.clone(), content }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        let below = state.names.keys().chain(&state.folders).filter_map(|path| path.strip_prefix(folder).ok());
        let names: BTreeSet<String> =
            below.filter_map(|rest| Some(rest.iter().next()?.to_string_lossy().into_owned())).collect();
        Ok(names.into_iter().collect())
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        check(state.faults.create)?;
        state.folders.insert(folder.to_path_buf());
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.state.lock().names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.names.retain(|path, _| !path.starts_with(folder));
        state.durable_names.retain(|path, _| !path.starts_with(folder));
        state.folders.retain(|path| !path.starts_with(folder));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        check(state.faults.rename)?;
        let content = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_path_buf(), content);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.sync()?;
        let inside = |path: &PathBuf| path.parent() == Some(folder);
        state.durable_names.retain(|path, _| !inside(path));
        let now: Vec<_> =
            state.names.iter().filter(|(path, _)| inside(path)).map(|(p, c)| (p.clone(), c.clone())).collect();
        state.durable_names.extend(now);
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(()))
    }
}
