//! What each role may do. What a request does is told by the door that it comes to, beside the route or the operation itself.

use model::Access;
use serde::Deserialize;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// May do everything
    Admin,
    /// Reads and writes records, makes and changes streams, controls the console
    Operator,
    /// Writes records and documents
    Producer,
    /// Reads records
    Analyst,
    /// Looks at streams and results, not into records
    Viewer,
}

impl Role {
    /// Its name in the file and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Producer => "producer",
            Self::Analyst => "analyst",
            Self::Viewer => "viewer",
        }
    }

    /// Whether it may do that.
    pub(crate) fn may(self, access: Access) -> bool {
        match (self, access) {
            (Self::Admin, _) | (_, Access::Look) => true,
            (_, Access::Govern) => false,
            (Self::Operator, _) => true,
            (Self::Producer, access) => access == Access::Write,
            (Self::Analyst, access) => matches!(access, Access::Read | Access::Register),
            (Self::Viewer, _) => false,
        }
    }

    /// All that it may do.
    pub(crate) fn rights(self) -> Vec<Access> {
        Access::ALL.into_iter().filter(|access| self.may(*access)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_rights() {
        let roles = [Role::Admin, Role::Operator, Role::Producer, Role::Analyst, Role::Viewer];
        for (access, expected) in [
            (Access::Look, [true; 5]),
            (Access::Read, [true, true, false, true, false]),
            (Access::Register, [true, true, false, true, false]),
            (Access::Write, [true, true, true, false, false]),
            (Access::Control, [true, true, false, false, false]),
            (Access::Govern, [true, false, false, false, false]),
        ] {
            assert_eq!(roles.map(|role| role.may(access)), expected, "{access:?}");
        }
        assert_eq!(Role::Viewer.rights(), [Access::Look]);
    }
}
