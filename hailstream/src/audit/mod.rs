//! The audit log: who did what, when and from where, at every door. Lines of JSON, each with the hash of the one before it,
//! in files that are only appended to; an entry is durable before the action that it tells of is answered.

mod chain;
mod entry;
mod files;
mod log;

pub(crate) use chain::{Broken, newest, verify};
pub(crate) use entry::{Actor, Entry, Event, Happening};
pub(crate) use log::{AuditError, AuditLog};

/// The folder of the log in the data directory.
pub(crate) const FOLDER: &str = "audit";
