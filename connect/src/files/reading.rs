//! Reading an object as a stream of bytes: a window of it at a time, so that no connection waits while rows are worked on.

use crate::failure::failed;
use bytes::Bytes;
use engine::port::PortError;
use model::Kind;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore};
use std::io::{self, Read};
use std::sync::Arc;
use tokio::runtime::Handle;

/// An object that is read; its reads wait.
pub(super) struct ObjectRead {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) runtime: Handle,
    pub(super) path: Path,
    /// How messages name it.
    pub(super) shown: String,
    /// Its version, which no other may take the place of while it is read.
    pub(super) version: Option<Arc<str>>,
    /// How many bytes it has.
    pub(super) bytes: u64,
    /// Where the next window begins.
    pub(super) offset: u64,
    /// How many bytes a window has.
    pub(super) window_bytes: u64,
    pub(super) window: Bytes,
}

impl ObjectRead {
    async fn fetch(&self) -> Result<Bytes, Error> {
        let range = GetRange::Bounded(self.offset..self.offset.saturating_add(self.window_bytes).min(self.bytes));
        let if_match = self.version.as_deref().map(str::to_owned);
        let found =
            self.store.get_opts(&self.path, GetOptions { range: Some(range), if_match, ..<_>::default() }).await?;
        found.bytes().await
    }

    fn refused(&self, error: &Error) -> PortError {
        match error {
            Error::Precondition { .. } => {
                let what = "it was replaced while it was read; start the application anew without state, or put back what was there";
                PortError::new(Kind::Conflict, format!("{}: {what}", self.shown))
            }
            error => failed(&self.shown, error),
        }
    }

    fn next_window(&mut self) -> Result<(), PortError> {
        let read = self.runtime.block_on(self.fetch()).map_err(|error| self.refused(&error))?;
        if read.is_empty() {
            let what = format!("{}: it ends at byte {}, and had {}", self.shown, self.offset, self.bytes);
            return Err(PortError::new(Kind::Corrupt, what));
        }
        self.offset += read.len() as u64;
        self.window = read;
        Ok(())
    }
}

impl Read for ObjectRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.window.is_empty() && self.offset < self.bytes {
            self.next_window().map_err(io::Error::other)?;
        }
        let taken = self.window.split_to(self.window.len().min(buffer.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}
