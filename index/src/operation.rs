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

/// What is to be done with a document, without owning it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    Index(&'a [u8]),
    Create(&'a [u8]),
    Update { document: Option<&'a [u8]>, upsert: Option<&'a [u8]>, document_is_upsert: bool },
    Delete,
}

impl Action {
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        match self {
            Self::Index { source } => Wanted::Index(source),
            Self::Create { source } => Wanted::Create(source),
            Self::Update { document, upsert, document_is_upsert } => Wanted::Update {
                document: document.as_deref(),
                upsert: upsert.as_deref(),
                document_is_upsert: *document_is_upsert,
            },
            Self::Delete => Wanted::Delete,
        }
    }
}

/// One of many documents for one index, to be written over an older one.
#[derive(Debug, Clone, Copy)]
pub struct Staged<'a> {
    /// The id, at most 512 bytes; `None`: a new one is made up.
    pub id: Option<&'a str>,
    /// The document, a JSON object; `None`: it is deleted.
    pub source: Option<&'a [u8]>,
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
