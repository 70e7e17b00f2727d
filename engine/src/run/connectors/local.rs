//! Files of this machine behind `filesystem`.

use super::io;
use super::storage::{FileStorage, Part, StoredFile, hidden, is_hidden_part, is_passed_over};
use crate::port::PortError;
use model::Kind;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file or a folder of this machine.
pub(super) struct LocalFiles {
    path: PathBuf,
}

impl LocalFiles {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn sync(&self) -> Result<(), PortError> {
        sync_folder(&self.path)
    }
}

fn sync_folder(folder: &Path) -> Result<(), PortError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io(folder))
}

fn named(path: &Path) -> Result<StoredFile, PortError> {
    let what = || PortError::new(Kind::Invalid, format!("{}: its name is no UTF-8; rename it", path.display()));
    let name = path.to_str().ok_or_else(what)?.to_owned();
    let bytes = std::fs::metadata(path).map_err(io(path))?.len();
    Ok(StoredFile { name, bytes, version: None })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), PortError> {
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let entry = entry.map_err(io(folder))?;
        if is_passed_over(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        if std::fs::metadata(&path).map_err(io(&path))?.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

impl FileStorage for LocalFiles {
    fn files(&self) -> Result<Vec<StoredFile>, PortError> {
        let mut files = Vec::new();
        if std::fs::metadata(&self.path).map_err(io(&self.path))?.is_dir() {
            collect(&self.path, &mut files)?;
            files.sort();
        } else {
            files.push(self.path.clone());
        }
        files.iter().map(|path| named(path)).collect()
    }

    fn open(&self, file: &StoredFile, offset: u64) -> Result<Box<dyn Read + Send>, PortError> {
        let path = Path::new(&file.name);
        let mut opened = File::open(path).map_err(io(path))?;
        if offset > 0 {
            opened.seek(SeekFrom::Start(offset)).map_err(io(path))?;
        }
        Ok(Box::new(opened))
    }

    fn ready(&self) -> Result<(), PortError> {
        std::fs::create_dir_all(&self.path).map_err(io(&self.path))
    }

    fn begin(&self, name: &str) -> Result<Box<dyn Part>, PortError> {
        let path = self.path.join(hidden(name));
        let file = File::create_new(&path).map_err(io(&path))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Box::new(LocalPart { folder: self.path.clone(), path, file }))
    }

    fn show(&self, name: &str) -> Result<(), PortError> {
        let path = self.path.join(name);
        match std::fs::rename(self.path.join(hidden(name)), &path) {
            Ok(()) => self.sync(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io(&path)(error)),
        }
    }

    fn clear(&self, beginning: &str) -> Result<(), PortError> {
        for entry in std::fs::read_dir(&self.path).map_err(io(&self.path))? {
            let entry = entry.map_err(io(&self.path))?;
            if is_hidden_part(&entry.file_name().to_string_lossy(), beginning) {
                std::fs::remove_file(entry.path()).map_err(io(&entry.path()))?;
            }
        }
        Ok(())
    }
}

/// A part as a file whose name is hidden.
struct LocalPart {
    folder: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
}

impl Part for LocalPart {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.file.write_all(bytes).map_err(io(&self.path))
    }

    fn finish(mut self: Box<Self>) -> Result<(), PortError> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_data()).map_err(io(&self.path))?;
        // The hidden name must survive a crash as the bytes do.
        sync_folder(&self.folder)
    }
}
