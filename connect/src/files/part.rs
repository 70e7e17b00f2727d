//! A part that is written as an object of a hidden name.

use crate::failure::failed;
use bytes::Bytes;
use engine::port::PortError;
use engine::run::connectors::storage::Part;
use model::Kind;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{Error, ObjectStore};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;

/// Up to so many bytes are one request; more are sent in pieces of this size.
const PIECE_BYTES: usize = 8 * 1024 * 1024;
/// Pieces that are on their way at the same time, at most: with the one that is filled a writer holds three.
const PIECES_AT_ONCE: usize = 2;

/// An object that is being written. Of an upload that is not completed nothing is to be seen.
pub(super) struct ObjectPart {
    /// `None` once it is finished or has failed.
    writer: Option<BufWriter>,
    runtime: Handle,
    shown: String,
}

impl ObjectPart {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, shown: String, runtime: Handle) -> Self {
        let writer = BufWriter::with_capacity(store, path, PIECE_BYTES).with_max_concurrency(PIECES_AT_ONCE);
        Self { writer: Some(writer), runtime, shown }
    }

    fn failed(&mut self, error: &Error) -> PortError {
        self.give_up();
        failed(&self.shown, error)
    }

    /// Lets go of what was sent, without waiting for that.
    fn give_up(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        let shown = self.shown.clone();
        self.runtime.spawn(async move {
            if let Err(error) = writer.abort().await {
                tracing::warn!(%error, "pieces of {shown}, which is not completed, may stay in the object store");
            }
        });
    }
}

impl Part for ObjectPart {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let what = || PortError::new(Kind::Internal, format!("{}: it has failed before", self.shown));
        let writer = self.writer.as_mut().ok_or_else(what)?;
        let sent = self.runtime.block_on(writer.put(Bytes::copy_from_slice(bytes)));
        sent.map_err(|error| self.failed(&error))
    }

    fn finish(mut self: Box<Self>) -> Result<(), PortError> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        // What a shutdown that fails leaves is given up by the library itself.
        let completed = self.runtime.block_on(writer.shutdown());
        completed.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => failed(&self.shown, error),
            None => PortError::new(Kind::Unavailable, format!("{}: {error}", self.shown)),
        })
    }
}

impl Drop for ObjectPart {
    fn drop(&mut self) {
        self.give_up();
    }
}
