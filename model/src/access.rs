//! What a request does, as far as it matters for who may make it.

/// What a request at any door does to the platform. Every route and every operation has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Tells about the platform and its results, not what is in records.
    Look,
    /// Reads records.
    Read,
    /// Registers readers of records, or takes them back.
    Register,
    /// Writes records, documents or measurements.
    Write,
    /// Changes streams, indices, applications, alarms or a replay.
    Control,
    /// Changes who may do what or the account, or tells what others did.
    Govern,
}

impl Access {
    /// Each of them, from the least to the most.
    pub const ALL: [Self; 6] = [Self::Look, Self::Read, Self::Register, Self::Write, Self::Control, Self::Govern];

    /// Whether something is different afterwards; what tells about others' deeds counts as that, so that it is asked for
    /// from where changes may come only.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Look | Self::Read)
    }

    /// Whether it is a control action, which the audit log keeps: everything that changes but the data that flow.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Register | Self::Control | Self::Govern)
    }

    /// Its name in logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Read => "read",
            Self::Register => "register",
            Self::Write => "write",
            Self::Control => "control",
            Self::Govern => "govern",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_control_action_changes_something() {
        let names: std::collections::BTreeSet<_> = Access::ALL.iter().map(|access| access.name()).collect();
        assert_eq!(names.len(), Access::ALL.len());
        assert!(Access::ALL.iter().all(|access| !access.is_control() || access.changes()));
        assert_eq!(Access::ALL.map(Access::changes), [false, false, true, true, true, true]);
        assert_eq!(Access::ALL.map(Access::is_control), [false, false, true, false, true, true]);
    }
}
