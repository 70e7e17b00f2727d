//! What writers ask for, and what they are told.

use bytes::Bytes;

/// A write to one document.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The index; it is created when it is not there.
    pub index: String,
    /// The id, at most 512 bytes; `None`: a new one is made up.
    pub id: Option<String>,
    /// What is to be done.
    pub action: Action,
}

/// What is to be done with a document. Documents are JSON objects.
#[derive(Debug, Clone)]
pub enum Action {
    /// Write it, over an older one too.
    Index {
        /// The document.
        source: Bytes,
    },
    /// Write it, unless there is one.
    Create {
        /// The document.
        source: Bytes,
    },
    /// Merge members into it.
    Update {
        /// The members. `None` changes nothing.
        document: Option<Bytes>,
        /// The whole document, in case there is none yet.
        upsert: Option<Bytes>,
        /// Whether `document` is the whole document in that case.
        document_is_upsert: bool,
    },
    /// Delete it.
    Delete,
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It replaced an older one.
    Updated,
    /// It is gone.
    Deleted,
    /// There was none to delete.
    NotFound,
    /// It was as it was to become.
    Unchanged,
}

/// The answer to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The document's id.
    pub id: String,
    /// How often it was written.
    pub version: u64,
    /// The number of the write among all of its index.
    pub sequence: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// When the writes of a request become visible to searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refresh {
    /// Within the refresh interval.
    #[default]
    Later,
    /// Before the request is answered.
    Now,
    /// With the next refresh, for which the request waits.
    Wait,
}
