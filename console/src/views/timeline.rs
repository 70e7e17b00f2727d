//! What happened, on one axis of time.

use super::pipeline::cut;
use serde::Serialize;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It belongs to a good day.
    Info,
    /// Something is at its limit.
    Warning,
    /// Something does not work.
    Fault,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happening {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How bad it is.
    pub severity: Severity,
    /// What sort of thing, in one word.
    pub kind: String,
    /// To what, such as `stream/trips`.
    pub subject: String,
    /// What happened, as a sentence.
    pub text: String,
    /// Everything that went wrong soon after it came after this.
    pub first_cause: bool,
}

impl Happening {
    /// The same with texts of a bounded length.
    pub(crate) fn bounded(mut self) -> Self {
        [&mut self.kind, &mut self.subject, &mut self.text].into_iter().for_each(cut);
        self
    }
}
