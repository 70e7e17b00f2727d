//! What was done with an application, from the order to its end.

use std::fmt;

/// What sort of thing was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// It was to run.
    Start,
    /// It was to end.
    Stop,
    /// It was to become another version.
    Update,
    /// Another runner was to go on with it.
    Move,
    /// A former version was to take its place again.
    Rollback,
    /// A rule changed its size.
    AutoScale,
    /// What it had come to was to be kept under a name.
    Snapshot,
    /// It was to be removed.
    Delete,
}

impl OperationKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::Stop,
        Self::Update,
        Self::Move,
        Self::Rollback,
        Self::AutoScale,
        Self::Snapshot,
        Self::Delete,
    ];

    /// Its name as the managed service writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "StartApplication",
            Self::Stop => "StopApplication",
            Self::Update => "UpdateApplication",
            Self::Move => "MoveApplication",
            Self::Rollback => "RollbackApplication",
            Self::AutoScale => "AutoScaling",
            Self::Snapshot => "CreateApplicationSnapshot",
            Self::Delete => "DeleteApplication",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationStatus {
    /// It goes on.
    InProgress,
    /// Something else came before it was done.
    Cancelled,
    /// It was done.
    Successful,
    /// It was not done; the operation says why.
    Failed,
}

impl OperationStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::InProgress, Self::Cancelled, Self::Successful, Self::Failed];

    /// Its name as the managed service writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Cancelled => "CANCELLED",
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for OperationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One operation on an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its name, which no other has: 32 hexadecimal digits.
    pub id: String,
    /// What was ordered.
    pub kind: OperationKind,
    /// How far it is.
    pub status: OperationStatus,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// When it ended, likewise; `None` while it goes on.
    pub end_ms: Option<u64>,
    /// The version before and the version that was wanted, of what changes it.
    pub versions: Option<(u64, u64)>,
    /// Why it failed.
    pub failure: Option<String>,
    /// The operation that has taken it back.
    pub rollback: Option<String>,
}
