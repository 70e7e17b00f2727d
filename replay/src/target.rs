//! The port through which a replay leaves: puts of records, answered record by record.

use model::{Classified, Kind, PutRecord};
use std::borrow::Cow;

/// Where records are put.
///
/// Law that the replay relies on for order: once a record of a shard is refused, the later records of that shard in the
/// same put are refused too.
pub trait PutTarget: Send {
    /// Puts `records` (1–500, 5 MB at most) and answers with one verdict for each, in their order.
    ///
    /// The call may block, but must return within a time that a person would wait: nothing else happens meanwhile.
    ///
    /// # Errors
    /// When the put as a whole failed. After a retriable error the same records are put again: where it is not known
    /// whether the target took them (a lost answer), it may then hold them twice.
    fn put(&mut self, records: &[PutRecord]) -> Result<Vec<PutVerdict>, PutError>;
}

/// What became of one record of a put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutVerdict {
    /// It is durable.
    Accepted,
    /// It was not taken and may be put again.
    Refused {
        /// The target's word for the reason.
        code: Cow<'static, str>,
    },
}

/// Why a put failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// It may succeed later: the target is away, busy or slow.
    #[error("{0}")]
    Retriable(String),
    /// It will never succeed: the stream is gone, the request is wrong, access is denied.
    #[error("{0}")]
    Fatal(String),
}

impl Classified for PutError {
    fn kind(&self) -> Kind {
        match self {
            Self::Retriable(_) => Kind::Unavailable,
            Self::Fatal(_) => Kind::Invalid,
        }
    }
}
