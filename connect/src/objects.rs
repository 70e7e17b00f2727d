//! Checkpoints as objects under one prefix of an object store.

use crate::failure::failed;
use crate::read_ahead::{ReadAhead, WINDOW_BYTES};
use bytes::{Bytes, BytesMut};
use engine::port::PortError;
use engine::run::CheckpointStorage;
use futures_util::future::try_join_all;
use model::Kind;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::runtime::Handle;

/// An object of more bytes than this is written in parts of this size.
const PART_BYTES: usize = 16 * 1024 * 1024;
/// Parts that are on their way at the same time, at most.
const PARTS_AT_ONCE: usize = 4;

/// The objects of one application. Its calls wait, and must come from a thread that may.
#[derive(Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
    prefix: Path,
    /// What stands before a name in a message.
    shown: String,
    ahead: Mutex<ReadAhead>,
}

impl Objects {
    /// The objects of `store` whose names begin with `prefix`, which messages call `shown`; calls run on `runtime`.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, runtime: Handle, prefix: Path, shown: String) -> Self {
        Self { store, runtime, prefix, shown, ahead: Mutex::default() }
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    fn failed<'a>(&'a self, name: &'a str) -> impl Fn(Error) -> PortError + 'a {
        move |error| failed(&format!("{}/{name}", self.shown), &error)
    }

    async fn put(&self, name: &str, parts: &[&[u8]]) -> Result<(), Error> {
        let path = self.path(name);
        if parts.iter().map(|part| part.len()).sum::<usize>() <= PART_BYTES {
            let payload: PutPayload = parts.iter().map(|part| Bytes::copy_from_slice(part)).collect();
            return self.store.put(&path, payload).await.map(drop);
        }
        // Of an upload that is not completed nothing is to be seen, as of a file that is not renamed.
        let mut upload = self.store.put_multipart(&path).await?;
        let completed = match send(upload.as_mut(), parts).await {
            Ok(()) => upload.complete().await.map(drop),
            Err(error) => Err(error),
        };
        if completed.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%path, %error, "parts of an upload that has failed may stay in the object store");
        }
        completed
    }

    /// Reads a range, and what follows it: as much as a window holds, or the object has.
    async fn get(&self, name: &str, offset: u64, length: u64) -> Result<Bytes, PortError> {
        let path = self.path(name);
        let short = || {
            let what = format!("{}/{name}: it ends before the {length} bytes from {offset} on", self.shown);
            PortError::new(Kind::Corrupt, what)
        };
        let end = offset.checked_add(length.max(WINDOW_BYTES)).ok_or_else(short)?;
        let read = match self.store.get_range(&path, offset..end).await {
            Ok(bytes) => bytes,
            Err(error @ Error::NotFound { .. }) => return Err(self.failed(name)(error)),
            // A range that begins past the end is an error by itself, which each store tells in its own way.
            Err(error) => {
                let ends_before = |size: u64| size < offset.saturating_add(length);
                let is_short = self.store.head(&path).await.is_ok_and(|found| ends_before(found.size));
                return Err(if is_short { short() } else { self.failed(name)(error) });
            }
        };
        if (read.len() as u64) < length {
            return Err(short());
        }
        self.ahead.lock().hold(name, offset, read.clone());
        Ok(read.slice(..length as usize))
    }

    async fn get_whole(&self, name: &str, offset: u64) -> Result<Bytes, PortError> {
        let found = self.store.get(&self.path(name)).await.map_err(self.failed(name))?;
        let bytes = found.bytes().await.map_err(self.failed(name))?;
        let from = usize::try_from(offset).ok().filter(|from| *from <= bytes.len());
        let short = || PortError::new(Kind::Corrupt, format!("{}/{name}: it ends before {offset}", self.shown));
        from.map(|from| bytes.slice(from..)).ok_or_else(short)
    }
}

/// Sends everything in parts of equal size, several at a time.
async fn send(upload: &mut dyn MultipartUpload, parts: &[&[u8]]) -> Result<(), Error> {
    let mut under_way = Vec::with_capacity(PARTS_AT_ONCE);
    let mut next = BytesMut::with_capacity(PART_BYTES);
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            let (now, after) = rest.split_at(rest.len().min(PART_BYTES - next.len()));
            next.extend_from_slice(now);
            rest = after;
            if next.len() == PART_BYTES {
                under_way.push(upload.put_part(next.split().freeze().into()));
                next.reserve(PART_BYTES);
            }
            if under_way.len() == PARTS_AT_ONCE {
                try_join_all(under_way.drain(..)).await?;
            }
        }
    }
    if !next.is_empty() {
        under_way.push(upload.put_part(next.freeze().into()));
    }
    try_join_all(under_way).await.map(drop)
}

impl CheckpointStorage for Objects {
    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), PortError> {
        self.ahead.lock().forget(name);
        self.runtime.block_on(self.put(name, parts)).map_err(self.failed(name))
    }

    fn read(&self, name: &str, offset: u64, length: Option<u64>) -> Result<Bytes, PortError> {
        let Some(length) = length else { return self.runtime.block_on(self.get_whole(name, offset)) };
        let held = self.ahead.lock().get(name, offset, length);
        held.map_or_else(|| self.runtime.block_on(self.get(name, offset, length)), Ok)
    }

    fn list(&self) -> Result<Vec<String>, PortError> {
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(&self.prefix)));
        let listed = listed.map_err(|error| failed(&self.shown, &error))?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        Ok(listed.objects.iter().filter_map(|object| name(&object.location)).collect())
    }

    fn remove(&self, name: &str) -> Result<(), PortError> {
        self.ahead.lock().forget(name);
        match self.runtime.block_on(self.store.delete(&self.path(name))) {
            Err(Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(self.failed(name)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    /// Objects in memory, with the runtime that their calls run on.
    fn objects(store: &Arc<InMemory>, application: &str) -> Objects {
        static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
        let runtime = RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().unwrap()).handle().clone();
        let prefix = Path::from("kept").join(application);
        Objects::new(store.clone(), runtime, prefix, format!("memory/{application}"))
    }

    #[test]
    fn what_was_written_is_read_and_listed_until_it_is_removed() {
        let store = Arc::new(InMemory::new());
        let objects = objects(&store, "a");
        objects.write("one", &[b"first ", b"and second"]).unwrap();
        objects.write("two", &[]).unwrap();
        assert_eq!(objects.read("one", 0, None).unwrap(), "first and second");
        assert_eq!(objects.read("one", 6, None).unwrap(), "and second");
        assert_eq!(objects.read("one", 6, Some(3)).unwrap(), "and");
        assert_eq!(objects.read("one", 10, Some(6)).unwrap(), "second", "from what was read ahead");
        assert_eq!(objects.read("one", 0, Some(5)).unwrap(), "first", "from before it");
        for (offset, length) in [(6, Some(30)), (100, Some(1)), (16, Some(1)), (u64::MAX, Some(2)), (17, None)] {
            assert_eq!(objects.read("one", offset, length).unwrap_err().kind, Kind::Corrupt, "{offset} {length:?}");
        }
        for length in [None, Some(1)] {
            let error = objects.read("none", 0, length).unwrap_err();
            assert!(error.kind == Kind::NotFound && error.message.starts_with("memory/a/none: "), "{error}");
        }
        let mut names = objects.list().unwrap();
        names.sort();
        assert_eq!(names, ["one", "two"]);
        objects.write("one", &[b"another"]).unwrap();
        assert_eq!(objects.read("one", 0, Some(7)).unwrap(), "another", "nothing of what stood there is held");
        objects.remove("one").unwrap();
        objects.remove("one").unwrap();
        assert_eq!(objects.read("one", 0, Some(7)).unwrap_err().kind, Kind::NotFound);
        assert_eq!(objects.list().unwrap(), ["two"]);
    }

    #[test]
    fn applications_do_not_see_each_other() {
        let store = Arc::new(InMemory::new());
        let (one, other) = (objects(&store, "a"), objects(&store, "a.b"));
        one.write("x", &[b"1"]).unwrap();
        other.write("x", &[b"2"]).unwrap();
        other.write("y", &[b"3"]).unwrap();
        assert_eq!((one.list().unwrap().len(), other.list().unwrap().len()), (1, 2));
        other.remove("x").unwrap();
        assert_eq!(one.read("x", 0, None).unwrap(), "1");
    }

    #[test]
    fn what_is_large_is_sent_in_parts_and_is_whole() {
        let store = Arc::new(InMemory::new());
        let objects = objects(&store, "a");
        let number = |i: usize| (i / 3 % 251) as u8;
        let bytes: Vec<u8> = (0..6 * PART_BYTES + 5).map(number).collect();
        let (first, rest) = bytes.split_at(PART_BYTES / 2 + 1);
        objects.write("large", &[first, rest]).unwrap();
        assert!(objects.read("large", 0, None).unwrap() == bytes);
        let at = 2 * PART_BYTES - 7;
        assert_eq!(objects.read("large", at as u64, Some(20)).unwrap(), bytes[at..at + 20]);
    }
}
