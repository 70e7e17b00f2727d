//! What is to be seen of an application.

use crate::catalog::Version;
use crate::configuration::Size;
use crate::runner::Beginning;
use crate::{ApplicationSpec, RunMetrics, Status};
use std::collections::BTreeMap;

/// What is to be seen of one application.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationView {
    /// What the runner is given: its properties in their places, at its present size.
    pub spec: ApplicationSpec,
    /// What it is doing.
    pub status: Status,
    /// Its figures; `None` while it does not run.
    pub metrics: Option<RunMetrics>,
    /// Where its runner shows its run on a page of its own.
    pub page: Option<String>,
    /// Restarts after failures since the platform started.
    pub restarts: u64,
    /// Why it last failed.
    pub last_error: Option<String>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it was last changed, likewise.
    pub updated_ms: u64,
    /// Its present version.
    pub version: Version,
    /// Tags by name.
    pub tags: BTreeMap<String, String>,
    /// When it may be maintained: hours and minutes of UTC, such as `06:00`, at which eight hours begin.
    pub maintenance: String,
    /// What its last start or update was told to begin with.
    pub beginning: Beginning,
    /// The operation that is under way.
    pub operation: Option<String>,
}

impl ApplicationView {
    /// The size that it has been set up with.
    pub fn configured_size(&self) -> Size {
        let parallelism = self.version.configuration.parallelism;
        Size { parallelism: parallelism.parallelism, per_kpu: parallelism.per_kpu }
    }

    /// Whether rules may change its size.
    pub fn auto_scaling(&self) -> bool {
        self.version.configuration.parallelism.auto_scaling
    }
}

/// A snapshot, or one that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotView {
    /// Its name.
    pub name: String,
    /// When it was taken, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// What it takes, in bytes.
    pub bytes: u64,
    /// The version of the application that it was taken of; `None` where that was not noted.
    pub version: Option<u64>,
    /// `CREATING`, `READY` or `FAILED`.
    pub status: String,
}
