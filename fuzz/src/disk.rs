//! The store's own files, damaged at will: segments and the catalogue.

use model::{Env, Position, PutRecord};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use store::{CapacityMode, Files, Limits, LogFile, ShardRead, Store, StoreConfig};

type Content = Arc<Mutex<Vec<u8>>>;

/// A file system in memory.
#[derive(Default)]
struct Memory {
    files: Mutex<BTreeMap<PathBuf, Content>>,
}

struct MemoryFile(Content);

impl LogFile for MemoryFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (mut content, start) = (self.0.lock(), offset as usize);
        let len = content.len().max(start + bytes.len());
        content.resize(len, 0);
        content[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.0.lock();
        let rest = content.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().resize(len as usize, 0);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }
}

impl Files for Memory {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let mut files = self.files.lock();
        if files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = files.entry(path.to_path_buf()).or_default().clone();
        Ok(Arc::new(MemoryFile(content)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let content = self.files.lock().get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile(content)))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let files = self.files.lock();
        let below = files.keys().filter_map(|path| path.strip_prefix(folder).ok());
        let names: BTreeSet<String> =
            below.filter_map(|rest| Some(rest.iter().next()?.to_string_lossy().into_owned())).collect();
        Ok(names.into_iter().collect())
    }

    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.files.lock().remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.files.lock().retain(|path, _| !path.starts_with(folder));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files.lock();
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_path_buf(), content);
        Ok(())
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(()))
    }
}

fn config(files: Memory) -> StoreConfig {
    StoreConfig {
        limits: Limits::Unlimited,
        status_delay_ms: 0,
        commit_threads: 1,
        read_threads: 1,
        retention_check_ms: 0,
        segment_bytes: 4_096,
        files: Arc::new(files),
        ..StoreConfig::new("/data", Env::manual(1_000_000, 7).0)
    }
}

/// A disk with a few segments of two shards, and its files in the order of their names.
static DISK: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = config(Memory::default());
        let store = Store::open(config.clone()).unwrap();
        store.create_stream("s", 2, CapacityMode::Provisioned).await.unwrap();
        for round in 0..12_u8 {
            let record = |i: u8| PutRecord {
                partition_key: format!("k{i}"),
                explicit_hash_key: None,
                data: vec![round; 200].into(),
            };
            store.put_records("s", (0..6).map(record).collect()).await.unwrap();
        }
        store.shutdown().await;
        let dir = Path::new("/data");
        let mut found = Vec::new();
        collect(config.files.as_ref(), dir, &mut found);
        found
    })
});

fn collect(files: &dyn Files, path: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    if let Ok(file) = files.open(path) {
        let mut bytes = vec![0; file.size().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        return found.push((path.to_path_buf(), bytes));
    }
    for name in files.list(path).unwrap() {
        collect(files, &path.join(name), found);
    }
}

/// The first byte says which file is damaged, the next two where, the rest is what stands there then; with a place behind
/// the end the file holds nothing else.
pub fn disk(data: &[u8]) {
    let Some((head, rest)) = data.split_at_checked(3) else { return };
    let memory = Memory::default();
    let hurt = usize::from(head[0]) % DISK.len();
    for (i, (path, bytes)) in DISK.iter().enumerate() {
        let mut bytes = bytes.clone();
        let at = usize::from(u16::from_be_bytes([head[1], head[2]]));
        if i == hurt && at >= bytes.len() {
            bytes = rest.to_vec();
        } else if i == hurt {
            let end = (at + rest.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&rest[..end - at]);
        }
        memory.files.lock().insert(path.clone(), Arc::new(Mutex::new(bytes)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Ok(store) = Store::open(config(memory)) else { return };
        for stream in store.list_streams() {
            for shard in store.shards(&stream).unwrap() {
                read(&store, &stream, shard.index);
            }
        }
        store.shutdown().await;
    });
}

/// Reads to the end or to the damage; what is handed out was written once.
fn read(store: &Store, stream: &str, shard: model::ShardIndex) {
    let mut reader = store.shard_reader(stream, shard, Position::ZERO).unwrap();
    loop {
        match reader.read(8 * 1024) {
            Ok(ShardRead::Block(block)) => {
                for row in &block.rows {
                    let payload = block.payload(row);
                    assert!(
                        payload.len() == 200 && payload.iter().all(|byte| *byte == payload[0]),
                        "a damaged payload"
                    );
                }
            }
            Ok(ShardRead::Trimmed { first }) => reader.seek(first),
            Ok(ShardRead::Tip | ShardRead::End { .. }) | Err(_) => return,
        }
    }
}
