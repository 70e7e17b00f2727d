//! Why metrics could not be kept or asked for.

use model::{Classified, Kind};
use std::io;
use std::path::PathBuf;

/// Why metrics could not be kept or asked for.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The operating system refused.
    #[error("metrics: {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A moment ago the operating system refused, and it is not asked again yet.
    #[error("{0}")]
    Waiting(String),
    /// A file does not hold what was written.
    #[error("metrics: {path} is damaged ({what}); remove it to go on without what it held")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The register of series cannot be written.
    #[error("metrics: {0}")]
    Register(String),
    /// The period is none for which points are kept.
    #[error("a period of {0} s is not a whole number of seconds above 0")]
    Period(u64),
    /// The range is empty.
    #[error("the range from {start_ms} to {end_ms} is empty: the start must be before the end")]
    Range {
        /// The asked start, in milliseconds since the Unix epoch.
        start_ms: u64,
        /// The asked end, in milliseconds since the Unix epoch.
        end_ms: u64,
    },
    /// The answer would be too large.
    #[error(
        "the answer would have up to {points} points, and may have {max}: ask for fewer series, less time or a longer period"
    )]
    TooManyPoints {
        /// How many there could be.
        points: u64,
        /// How many there may be.
        max: u64,
    },
}

impl Classified for MetricsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { .. } | Self::Waiting(_) | Self::Register(_) => Kind::Unavailable,
            Self::Damaged { .. } => Kind::Corrupt,
            Self::Period(_) | Self::Range { .. } | Self::TooManyPoints { .. } => Kind::Invalid,
        }
    }
}
