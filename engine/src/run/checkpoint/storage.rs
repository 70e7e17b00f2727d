//! Where checkpoints are kept: whole objects under flat names, as a folder or an object store has them.

use crate::port::PortError;
use bytes::Bytes;
use model::{Classified, Kind};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Keeps objects under flat names of letters, digits, `-`, `_` and `.`.
pub trait CheckpointStorage: Send + Sync {
    /// Writes an object. When this returns it is durable and whole; before that there is none of this name, or the one
    /// that was there.
    ///
    /// # Errors
    /// When it could not be made durable.
    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), PortError>;

    /// `length` bytes of an object from `offset`, or up to its end without a length.
    ///
    /// # Errors
    /// When there is no such object or it is shorter.
    fn read(&self, name: &str, offset: u64, length: Option<u64>) -> Result<Bytes, PortError>;

    /// The names of all objects, in any order.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn list(&self) -> Result<Vec<String>, PortError>;

    /// Removes an object; there may be none.
    ///
    /// # Errors
    /// When it stays.
    fn remove(&self, name: &str) -> Result<(), PortError>;
}

/// A folder of files.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder `path`, which is made where there is none.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, PortError> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(failed(&path))?;
        Ok(Self { path })
    }

    fn write_whole(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        // The name of what is not whole is one that nothing else has.
        let next = self.path.join(format!("{name}.next"));
        let mut file = File::create(&next)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        fs::rename(&next, self.path.join(name))?;
        // The rename itself must survive a crash, not only the bytes.
        File::open(&self.path)?.sync_all()
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> PortError + '_ {
    move |error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            io::ErrorKind::UnexpectedEof => Kind::Corrupt,
            _ => Kind::Unavailable,
        };
        PortError::new(kind, format!("{}: {error}", path.display()))
    }
}

impl CheckpointStorage for Folder {
    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), PortError> {
        self.write_whole(name, parts).map_err(failed(&self.path.join(name)))
    }

    fn read(&self, name: &str, offset: u64, length: Option<u64>) -> Result<Bytes, PortError> {
        let path = self.path.join(name);
        let read = || {
            let mut file = File::open(&path)?;
            let whole = file.metadata()?.len();
            let length = length.unwrap_or(whole.saturating_sub(offset));
            if offset.checked_add(length).is_none_or(|end| end > whole) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = vec![0; length as usize];
            file.read_exact(&mut bytes)?;
            Ok(Bytes::from(bytes))
        };
        read().map_err(failed(&path))
    }

    fn list(&self) -> Result<Vec<String>, PortError> {
        let entries = fs::read_dir(&self.path).map_err(failed(&self.path))?;
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<io::Result<_>>().map_err(failed(&self.path))
    }

    fn remove(&self, name: &str) -> Result<(), PortError> {
        let path = self.path.join(name);
        match fs::remove_file(&path).map_err(failed(&path)) {
            Err(error) if error.kind() != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_listed_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path().join("a/b")).unwrap();
        folder.write("one", &[b"first ", b"and second"]).unwrap();
        folder.write("two", &[]).unwrap();
        assert_eq!(folder.read("one", 0, None).unwrap(), "first and second");
        assert_eq!(folder.read("one", 6, Some(3)).unwrap(), "and");
        assert_eq!(folder.read("one", 6, Some(30)).unwrap_err().kind, Kind::Corrupt);
        assert_eq!(folder.read("none", 0, None).unwrap_err().kind, Kind::NotFound);
        let mut names = folder.list().unwrap();
        names.sort();
        assert_eq!(names, ["one", "two"]);
        folder.remove("one").unwrap();
        folder.remove("one").unwrap();
        assert_eq!(folder.list().unwrap(), ["two"]);
    }
}
