//! The programs that applications name, and those that none names any more.

use super::state::Shared;
use super::{Applications, ControlError};
use crate::{ProgramError, Programs, RunnerError};
use model::Kind;
use std::sync::Arc;

impl Applications {
    /// The bytes of programs are kept there from now on; those that no version names are removed. The first that are given
    /// stay.
    pub fn keep_programs(&self, programs: Arc<Programs>) {
        self.shared.programs.get_or_init(|| programs);
        self.shared.sweep_programs();
    }

    /// Where the bytes of programs are kept.
    ///
    /// # Errors
    /// When nobody has said where.
    pub fn programs(&self) -> Result<&Arc<Programs>, ProgramError> {
        let nowhere = || ProgramError::new(Kind::Invalid, "programs are not kept here; give the code as an SQL script");
        self.shared.programs.get().ok_or_else(nowhere)
    }
}

impl Shared {
    /// Removes programs that no version names. Where that fails they take room on the disk and do no harm; the next time is
    /// that of the next change.
    pub(super) fn sweep_programs(&self) {
        let Some(programs) = self.programs.get() else { return };
        if let Err(error) = programs.sweep(|| self.catalog.programs().map_err(ControlError::from)) {
            tracing::warn!(%error, "programs that no application names any more could not be removed");
        }
    }
}

/// A script was given where the application has none.
pub(super) fn no_script(name: &str) -> ControlError {
    let message = format!(
        "application {name} is a program: what another one makes of its state is known to the cluster alone, when it starts"
    );
    ControlError::Runner(RunnerError::new(Kind::Invalid, message))
}
