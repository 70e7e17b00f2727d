//! Where the files of `filesystem` tables stand, as the connector sees it: a folder of this machine, or what others bring.

use crate::port::PortError;
use std::io::Read;
use std::sync::Arc;

/// A file that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its path or address as people know it; its ending says how it is compressed.
    pub name: String,
    /// How many bytes it had when it was found.
    pub bytes: u64,
    /// Which version of it was found, where the storage tells versions apart.
    pub version: Option<Arc<str>>,
}

/// Runs a job that may wait for a network on a thread that may, away from the threads of the engine.
pub type Away = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// The place that the `path` of one table names.
///
/// Laws: a part is seen by no reader before it is shown, and is then seen whole; what was finished survives a crash, hidden,
/// until it is shown or cleared; showing a part again changes nothing.
pub trait FileStorage: Send + Sync {
    /// The one file that the path names, or all files below it whose names (and folders) do not begin with `.` or `_`, in
    /// the order of their names.
    ///
    /// # Errors
    /// `NotFound` where there is nothing.
    fn files(&self) -> Result<Vec<StoredFile>, PortError>;

    /// Reads a file's bytes from `offset` on.
    ///
    /// # Errors
    /// When it is not there, or is another version than the one that was found; while it is read also as `std::io::Error`.
    fn open(&self, file: &StoredFile, offset: u64) -> Result<Box<dyn Read + Send>, PortError>;

    /// Gets the place ready to be written to, which shows early that it can be.
    ///
    /// # Errors
    /// When it cannot.
    fn ready(&self) -> Result<(), PortError>;

    /// Begins a hidden part of this name.
    ///
    /// # Errors
    /// When nothing can be written there.
    fn begin(&self, name: &str) -> Result<Box<dyn Part>, PortError>;

    /// Lets readers see a finished part. One that is seen already, or was since moved away, stays as it is.
    ///
    /// # Errors
    /// When it cannot be shown; it can be tried again.
    fn show(&self, name: &str) -> Result<(), PortError>;

    /// Removes all hidden parts whose names begin so.
    ///
    /// # Errors
    /// When one of them stays.
    fn clear(&self, beginning: &str) -> Result<(), PortError>;

    /// How to read without keeping the engine waiting; `None` where a read waits for a disk at most.
    fn away(&self) -> Option<Away> {
        None
    }
}

/// A part that is being written. Dropping it before it is finished gives it up.
pub trait Part: Send {
    /// Takes bytes; it may wait for the storage.
    ///
    /// # Errors
    /// When they cannot be written.
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError>;

    /// Returns when the part is durable, still hidden.
    ///
    /// # Errors
    /// When it is not.
    fn finish(self: Box<Self>) -> Result<(), PortError>;
}

/// Opens places by their addresses, as in `s3://bucket/folder`.
pub trait FileStorages: Send + Sync {
    /// The place; nothing is asked of it yet.
    ///
    /// # Errors
    /// When the address makes no sense.
    fn open(&self, address: &str) -> Result<Arc<dyn FileStorage>, PortError>;
}

/// The name of a part that is not to be seen: readers of folders, ours and others, pass over such.
pub fn hidden(name: &str) -> String {
    format!(".{name}{HIDDEN_END}")
}

/// Whether `name` is that of a hidden part that begins so.
pub fn is_hidden_part(name: &str, beginning: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(HIDDEN_END));
    inner.is_some_and(|inner| inner.starts_with(beginning))
}

/// Whether readers pass over a file or folder of this name.
pub fn is_passed_over(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

const HIDDEN_END: &str = ".inprogress";
