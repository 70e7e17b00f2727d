//! What can go wrong, and what the caller can do about it.

use crate::document::DocumentError;
use crate::mapping::MappingError;
use model::limits::{BUCKETS_MAX, DOCUMENT_ID_BYTES_MAX};
use model::{Classified, Kind};

/// Why the index could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be used.
    #[error("{path}: {what}")]
    Io {
        /// The file or directory.
        path: std::path::PathBuf,
        /// What the operating system said.
        what: String,
    },
    /// Another process has it open.
    #[error("{0}: another process has this index open; stop it, or choose another data directory")]
    Locked(std::path::PathBuf),
    /// Stored bytes are not what was written.
    #[error("{0}; restore the data directory from a copy")]
    Corrupt(String),
}

impl Classified for OpenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { .. } => Kind::Unavailable,
            Self::Locked(_) => Kind::Conflict,
            Self::Corrupt(_) => Kind::Corrupt,
        }
    }
}

/// Why a request could not be served.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IndexError {
    /// No index of this name.
    #[error("no such index [{0}]")]
    NoIndex(String),
    /// An index of this name is there already.
    #[error("index [{name}/{uuid}] already exists")]
    IndexExists {
        /// The name.
        name: String,
        /// The identity of the one that is there.
        uuid: String,
    },
    /// A name that no index can have.
    #[error("Invalid index name [{name}], {what}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A mapping that contradicts itself or the present one.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A document that does not fit.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A document of this id is there already.
    #[error("[{id}]: version conflict, document already exists (current version [{version}])")]
    Exists {
        /// The id.
        id: String,
        /// The version of the one that is there.
        version: u64,
    },
    /// No document of this id to update.
    #[error("[_doc][{id}]: document missing")]
    Missing {
        /// The id.
        id: String,
    },
    /// An id that is too long.
    #[error("id [{id}] is too long, must be no longer than {DOCUMENT_ID_BYTES_MAX} bytes but was: {}", id.len())]
    IdTooLong {
        /// The id.
        id: String,
    },
    /// A search that does not fit the mapping.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The memory that indices may take is used up.
    #[error("the indices take {used_bytes} of {limit_bytes} bytes of memory; delete an index or give them more memory")]
    Memory {
        /// Bytes in use.
        used_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// No such scroll, or not any more.
    #[error("No search context found for id [{0}]")]
    NoScroll(u64),
    /// Too many scrolls are open.
    #[error("Trying to create too many scroll contexts. Must be less than or equal to: [{0}]")]
    TooManyScrolls(usize),
    /// The disk refuses writes, or the index was shut down.
    #[error("the index takes no writes: {0}")]
    Unavailable(String),
    /// Stored bytes are not what was written.
    #[error("{0}")]
    Corrupt(String),
}

/// Why a search cannot be made on an index. The first three differ only in what protocols call them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// A query or sort key that does not fit its field.
    #[error("{message}")]
    Field {
        /// The index.
        index: String,
        /// What does not fit.
        message: String,
    },
    /// An argument that cannot be.
    #[error("{0}")]
    Argument(String),
    /// A text that is no date.
    #[error("{0}")]
    Date(String),
    /// An aggregation that cannot be computed.
    #[error("{0}")]
    Execution(String),
    /// More buckets than one answer may have.
    #[error(
        "Trying to create too many buckets. Must be less than or equal to: [{BUCKETS_MAX}] but was [{0}]. Narrow the range, or ask for larger intervals."
    )]
    TooManyBuckets(u64),
    /// The aggregations would need more memory than a search may take.
    #[error("the aggregations need more than {0} bytes of memory; narrow the query or ask for fewer buckets")]
    Memory(usize),
}

impl Classified for IndexError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoIndex(_) | Self::Missing { .. } | Self::NoScroll(_) => Kind::NotFound,
            Self::IndexExists { .. } | Self::Exists { .. } => Kind::Conflict,
            Self::InvalidName { .. }
            | Self::Mapping(_)
            | Self::Document(_)
            | Self::IdTooLong { .. }
            | Self::Query(_) => Kind::Invalid,
            Self::Memory { .. } | Self::TooManyScrolls(_) => Kind::Throttled,
            Self::Unavailable(_) => Kind::Unavailable,
            Self::Corrupt(_) => Kind::Corrupt,
        }
    }
}
