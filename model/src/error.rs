//! The small public vocabulary of failure: what a caller can do about an error, whatever went wrong in detail.

/// What kind of failure this is, which is to say: what the caller should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request itself is wrong. Change it; the same request will fail again.
    Invalid,
    /// What was named does not exist.
    NotFound,
    /// The request contradicts the present state (it exists already, it is being changed, it is locked).
    Conflict,
    /// A limit was reached. Slow down and send it again.
    Throttled,
    /// Something that is needed is not there for the moment (a full disk, a closed door). Try again later.
    Unavailable,
    /// Stored bytes are not what was written. Nothing was guessed in their place.
    Corrupt,
    /// A fault of ours. Report it.
    Internal,
}

/// Anything that can say what kind of failure it is.
pub trait Classified {
    /// The kind of this failure.
    fn kind(&self) -> Kind;
}
