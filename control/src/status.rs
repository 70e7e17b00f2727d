//! The states of an application and the ways between them.

use std::fmt;

/// What an application is doing, in the words of the managed service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It exists and does not run.
    Ready,
    /// It is on its way to running, or waits to be restarted after a failure.
    Starting,
    /// It runs.
    Running,
    /// Its parallelism is being changed.
    Updating,
    /// It is being stopped: what it has come to is kept under a name, its results are made durable.
    Stopping,
    /// It is being removed.
    Deleting,
}

impl Status {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Ready, Self::Starting, Self::Running, Self::Updating, Self::Stopping, Self::Deleting];

    /// Whether an application may go from this state to `next`.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Ready, Self::Starting | Self::Deleting)
                | (Self::Starting, Self::Running | Self::Starting | Self::Stopping)
                | (Self::Running, Self::Updating | Self::Stopping | Self::Starting | Self::Ready)
                | (Self::Updating, Self::Running | Self::Starting)
                | (Self::Stopping, Self::Ready | Self::Running)
        )
    }

    /// The state's name as the managed service writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Updating => "UPDATING",
            Self::Stopping => "STOPPING",
            Self::Deleting => "DELETING",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_but_the_last_can_be_left_and_every_state_can_be_reached() {
        for state in Status::ALL {
            let leaves = Status::ALL.iter().any(|next| *next != state && state.may_become(*next));
            assert_eq!(leaves, state != Status::Deleting, "{state}");
            let reached = Status::ALL.iter().any(|from| *from != state && from.may_become(state));
            assert!(reached, "{state}");
        }
    }
}
