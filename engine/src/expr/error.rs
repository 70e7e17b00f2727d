//! What can go wrong while an expression is evaluated.

use model::{Classified, Kind};

/// A value for which an expression has no result. It fails the job, as in Flink.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot evaluate {expression}: {message}")]
pub struct EvalError {
    /// The expression, as SQL.
    pub expression: String,
    /// What was wrong, with the value.
    pub message: String,
}

impl EvalError {
    /// An error that says `message`; the expression is named by whoever knows it.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { expression: String::new(), message: message.into() }
    }

    /// A fault of ours: an array of another type than the binder said.
    pub(super) fn mismatch(wanted: &str, found: &arrow_schema::DataType) -> Self {
        Self::new(format!("internal fault: an array of {wanted} was expected, {found} was found"))
    }
}

impl From<arrow_schema::ArrowError> for EvalError {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::new(error.to_string())
    }
}

impl Classified for EvalError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}
