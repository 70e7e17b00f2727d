//! Why a job could not be started or has failed.

use crate::expr::EvalError;
use crate::port::PortError;
use arrow_schema::ArrowError;
use model::{Classified, Kind};

/// Why a job could not be started or has failed. Clones of one error are the same failure.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobError {
    /// The plan asks for something that cannot be run.
    #[error("{0}")]
    Plan(String),
    /// A source or a sink could not do what was asked.
    #[error("{place}: {error}")]
    Port {
        /// The table.
        place: String,
        /// What it said.
        error: PortError,
    },
    /// A value has no result under an expression.
    #[error("{place}: {error}")]
    Evaluate {
        /// The operator.
        place: String,
        /// The expression and the value.
        error: EvalError,
    },
    /// A record cannot be read, and the table (or the job's options) says that this fails the job.
    #[error("table {table}, split {split}, position {position}: {reason}")]
    BadRecord {
        /// The table.
        table: String,
        /// The split's name.
        split: String,
        /// The record's position in it.
        position: u64,
        /// Why it cannot be read.
        reason: String,
    },
    /// A row without event time came to a window, which fails the job as in Flink where bad records do.
    #[error("{place}: a row's time is null; filter such rows out before the window")]
    Timeless {
        /// The operator.
        place: String,
    },
    /// A fault of ours in an operator; the job has stopped, nothing wrong was written.
    #[error("{place}: internal fault: {message}")]
    Internal {
        /// The operator.
        place: String,
        /// What was seen.
        message: String,
    },
}

impl JobError {
    pub(crate) fn port(place: &str) -> impl Fn(PortError) -> Self + '_ {
        |error| Self::Port { place: place.to_owned(), error }
    }

    pub(crate) fn evaluate(place: &str) -> impl Fn(EvalError) -> Self + '_ {
        |error| Self::Evaluate { place: place.to_owned(), error }
    }

    pub(crate) fn arrow(place: &str) -> impl Fn(ArrowError) -> Self + '_ {
        |error| match error {
            // A registered function has failed inside an aggregation.
            ArrowError::ExternalError(inner) if inner.is::<EvalError>() => match inner.downcast::<EvalError>() {
                Ok(error) => Self::Evaluate { place: place.to_owned(), error: *error },
                Err(other) => Self::Internal { place: place.to_owned(), message: other.to_string() },
            },
            other => Self::Internal { place: place.to_owned(), message: other.to_string() },
        }
    }

    pub(crate) fn internal(place: &str, message: impl Into<String>) -> Self {
        Self::Internal { place: place.to_owned(), message: message.into() }
    }
}

impl Classified for JobError {
    fn kind(&self) -> Kind {
        match self {
            Self::Plan(_) | Self::BadRecord { .. } | Self::Timeless { .. } => Kind::Invalid,
            Self::Port { error, .. } => error.kind(),
            Self::Evaluate { error, .. } => error.kind(),
            Self::Internal { .. } => Kind::Internal,
        }
    }
}
