//! Why something could not be done with an application.

use crate::configuration::ConfigurationError;
use crate::database::DatabaseError;
use crate::runner::StateFate;
use crate::{ProgramError, RunnerError, SpecError, Status};
use model::limits::{APPLICATIONS_MAX, SNAPSHOTS_PER_APPLICATION_MAX};
use model::{Classified, Kind, SealedError};

/// Why something could not be done with an application.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The specification is out of bounds.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The configuration makes no sense.
    #[error(transparent)]
    Configuration(ConfigurationError),
    /// No application has this name.
    #[error("there is no application {0:?}")]
    Unknown(String),
    /// An application of this name exists already.
    #[error("an application {0:?} exists already")]
    Exists(String),
    /// There are as many applications as there may be.
    #[error("there are {APPLICATIONS_MAX} applications, which is the most; delete one first")]
    Full,
    /// The application has been changed since the caller looked.
    #[error("application {name} is at version {found}, not {expected}; look at it again and repeat the change")]
    Version {
        /// The application.
        name: String,
        /// The version that the caller knows.
        expected: u64,
        /// The present one.
        found: u64,
    },
    /// There is nothing that the application could be rolled back to.
    #[error(
        "application {0} cannot be rolled back: its present version was not made by an update of one that is still kept"
    )]
    NoFormer(String),
    /// A new version could not go on from the state that is kept.
    #[error("application {name} keeps state that the new version would lose: {}; {}", lost(fates), WAYS)]
    State {
        /// The application.
        name: String,
        /// What would become of all of it.
        fates: Vec<StateFate>,
    },
    /// The application has no snapshot of this name.
    #[error("application {name} has no snapshot {snapshot:?}")]
    Snapshot {
        /// The application.
        name: String,
        /// The name that was asked for.
        snapshot: String,
    },
    /// The application has a snapshot of this name already.
    #[error("application {name} has a snapshot {snapshot:?} already")]
    SnapshotTaken {
        /// The application.
        name: String,
        /// The name that was wanted.
        snapshot: String,
    },
    /// The application has as many snapshots as it may, and somebody has named each of them.
    #[error("application {0} has {SNAPSHOTS_PER_APPLICATION_MAX} snapshots, which is the most; remove one first")]
    SnapshotsFull(String),
    /// The application is set up to have no snapshots.
    #[error("application {0} takes no snapshots; enable them in its configuration first")]
    SnapshotsOff(String),
    /// The snapshot that comes before a stop or an update could not be taken; the application goes on running.
    #[error(
        "application {name} goes on running: the snapshot before its stop failed: {cause}; a forced stop takes none"
    )]
    StopSnapshot {
        /// The application.
        name: String,
        /// Why there is no snapshot.
        cause: Box<ControlError>,
    },
    /// A new version was started and did not come up.
    #[error("application {name}: version {version} does not come up: {cause}; {then}")]
    Update {
        /// The application.
        name: String,
        /// The version.
        version: u64,
        /// Why.
        cause: String,
        /// What has become of the application.
        then: &'static str,
    },
    /// Something else came before what was asked was done.
    #[error("application {name}: this was given up, because {status} came before it was done")]
    GivenUp {
        /// The application.
        name: String,
        /// What the application does instead.
        status: Status,
    },
    /// What was asked does not go with what the application is doing.
    #[error("application {name} is {status}; {hint}")]
    Status {
        /// The application.
        name: String,
        /// What it is doing.
        status: Status,
        /// What to do about it.
        hint: &'static str,
    },
    /// The runner refused.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// A program could not be kept or read.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The catalogue could not be read or written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The catalogue of a former version could not be read.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The catalogue's content makes no sense.
    #[error("the application catalog cannot be understood: {0}")]
    Catalog(String),
    /// The supervisor thread could not be started.
    #[error("the application supervisor cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

const WAYS: &str = "change the script back, allow state that is not restored, or start without it";

fn lost(fates: &[StateFate]) -> String {
    let lost = fates.iter().filter(|fate| fate.lost).map(|fate| format!("{} is {}", fate.of, fate.fate));
    let kept = fates.iter().filter(|fate| !fate.lost).map(|fate| format!("{} ({})", fate.of, fate.fate));
    let (lost, kept) = (lost.collect::<Vec<_>>().join("; "), kept.collect::<Vec<_>>().join(", "));
    if kept.is_empty() { lost } else { format!("{lost}; what goes on: {kept}") }
}

impl From<ConfigurationError> for ControlError {
    fn from(error: ConfigurationError) -> Self {
        match error {
            ConfigurationError::Spec(error) => Self::Spec(error),
            other => Self::Configuration(other),
        }
    }
}

impl Classified for ControlError {
    fn kind(&self) -> Kind {
        match self {
            Self::Spec(e) => e.kind(),
            Self::Configuration(_) => Kind::Invalid,
            Self::Unknown(_) | Self::Snapshot { .. } => Kind::NotFound,
            Self::Exists(_)
            | Self::Full
            | Self::Version { .. }
            | Self::NoFormer(_)
            | Self::State { .. }
            | Self::SnapshotTaken { .. }
            | Self::SnapshotsFull(_)
            | Self::SnapshotsOff(_)
            | Self::Update { .. }
            | Self::GivenUp { .. }
            | Self::Status { .. } => Kind::Conflict,
            Self::StopSnapshot { cause, .. } => cause.kind(),
            Self::Runner(e) => e.kind(),
            Self::Program(e) => e.kind(),
            Self::Database(e) => e.kind(),
            Self::Sealed(e) => e.kind(),
            Self::Catalog(_) => Kind::Corrupt,
            Self::Thread(_) => Kind::Unavailable,
        }
    }
}
