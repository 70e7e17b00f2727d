//! An application in few words.

use super::ApplicationState;
use super::pipeline::cut;
use serde::Serialize;

/// What is to be known of an application that is being controlled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApplicationLine {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: ApplicationState,
    /// Parallel subtasks of each operator.
    pub parallelism: u32,
    /// KPUs it runs on.
    pub kpus: u32,
    /// How often it started anew after a failure.
    pub restarts: u64,
    /// The last failure.
    pub last_error: Option<String>,
}

impl ApplicationLine {
    /// The same with texts of a bounded length.
    pub(crate) fn bounded(mut self) -> Self {
        cut(&mut self.name);
        self.last_error.iter_mut().for_each(cut);
        self
    }
}
