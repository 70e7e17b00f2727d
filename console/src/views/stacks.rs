//! Stacks: a stack file with what it names, and the steps from what there is to what it declares.

use super::pipeline::cut;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A stack file and the files that it names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackRequest {
    /// The stack file, YAML.
    pub stack: String,
    /// The files that it names, by the names that it has for them.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StackStep {
    /// What it is about, such as `stream trips`.
    pub subject: String,
    /// `keep`, `create`, `update`, `start` or `stop`.
    pub change: String,
    /// What is done, in words; empty where nothing is.
    pub words: String,
}

impl StackStep {
    /// The same with texts of a bounded length.
    pub(crate) fn bounded(mut self) -> Self {
        [&mut self.subject, &mut self.words].into_iter().for_each(cut);
        self
    }
}
