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
    /// It becomes another version, or someone changes its size.
    Updating,
    /// A rule changes its size.
    Autoscaling,
    /// It is being stopped: what it has come to is kept under a name, its results are made durable.
    Stopping,
    /// The same without a snapshot; what else was under way is given up.
    ForceStopping,
    /// It is being removed.
    Deleting,
    /// A former version takes its place again.
    RollingBack,
    /// The former version is in its place and does not come up either; it waits for somebody.
    RolledBack,
    /// It is being started again by a later version of the platform than it ran on before.
    Maintenance,
}

impl Status {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::Ready,
        Self::Starting,
        Self::Running,
        Self::Updating,
        Self::Autoscaling,
        Self::Stopping,
        Self::ForceStopping,
        Self::Deleting,
        Self::RollingBack,
        Self::RolledBack,
        Self::Maintenance,
    ];

    /// Whether an application may go from this state to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use Status::{
            Autoscaling, Deleting, ForceStopping, Maintenance, Ready, RolledBack, RollingBack, Running, Starting,
            Stopping, Updating,
        };
        match self {
            Ready | RolledBack => matches!(next, Starting | Deleting),
            Starting | Maintenance => matches!(next, Running | Starting | Stopping | ForceStopping | RollingBack),
            Running => {
                matches!(
                    next,
                    Updating | Autoscaling | Stopping | ForceStopping | Starting | Ready | RollingBack | Deleting
                )
            }
            Updating => matches!(next, Running | Starting | RollingBack | ForceStopping | Ready),
            Autoscaling => matches!(next, Running | Starting | RollingBack | ForceStopping | Ready),
            RollingBack => matches!(next, Running | RolledBack | ForceStopping | Starting | Ready),
            Stopping => matches!(next, Ready | Running | ForceStopping),
            ForceStopping => next == Ready,
            Deleting => next == Ready,
        }
    }

    /// Whether it is on the way from one state that lasts to another.
    pub fn is_passing(self) -> bool {
        !matches!(self, Self::Ready | Self::Running | Self::RolledBack)
    }

    /// The state's name as the managed service writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Updating => "UPDATING",
            Self::Autoscaling => "AUTOSCALING",
            Self::Stopping => "STOPPING",
            Self::ForceStopping => "FORCE_STOPPING",
            Self::Deleting => "DELETING",
            Self::RollingBack => "ROLLING_BACK",
            Self::RolledBack => "ROLLED_BACK",
            Self::Maintenance => "MAINTENANCE",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
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
    fn every_state_can_be_left_and_all_but_those_that_an_opening_gives_can_be_reached() {
        for state in Status::ALL {
            assert!(Status::ALL.iter().any(|next| *next != state && state.may_become(*next)), "{state}");
            let reached = Status::ALL.iter().any(|from| *from != state && from.may_become(state));
            assert_eq!(reached, state != Status::Maintenance, "{state}");
            assert_eq!(Status::of(state.name()), Some(state));
        }
    }

    #[test]
    fn what_lasts_is_reached_from_everywhere() {
        for state in Status::ALL {
            let mut seen = vec![state];
            while let Some(next) =
                Status::ALL.into_iter().find(|n| !seen.contains(n) && seen.iter().any(|s| s.may_become(*n)))
            {
                seen.push(next);
            }
            assert!(seen.contains(&Status::Ready) && seen.contains(&Status::Running), "{state} leads to {seen:?}");
        }
    }
}
