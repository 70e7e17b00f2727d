//! What the audit log tells.

use serde::Serialize;

/// Some entries of the audit log, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// The number of the newest entry of all, and the hash that the next one will carry: who notes both can tell later
    /// whether the log still holds what it held.
    pub newest: u64,
    /// See above; hexadecimal.
    pub hash: String,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its number, from 1 on without a gap.
    pub number: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What it tells: `begun`, `ended`, `refused`, `login` and so on.
    pub event: String,
    /// The number of the entry in which the same action was begun.
    pub of: Option<u64>,
    /// The door.
    pub door: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// What it was about.
    pub subject: Option<String>,
    /// The id of the key.
    pub key: Option<String>,
    /// Whose key it is.
    pub user: Option<String>,
    /// The role.
    pub role: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The name of the error that was answered, or other words.
    pub note: Option<String>,
}
