//! One entry of the audit log, and its line.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Longest text in an entry, in characters; the rest is cut off with an ellipsis.
const TEXT_CHARS_MAX: usize = 256;
/// What the first entry of all has in the place of the hash of the one before.
pub(super) const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A control action is about to be done. What follows it is the entry that it ended, or the end of the platform.
    Begun,
    /// It has been answered.
    Ended,
    /// A control action was not let through.
    Refused,
    /// Somebody has logged in.
    Login,
    /// Somebody was not let in.
    LoginRefused,
    /// Somebody has left.
    Logout,
    /// The platform has opened the log.
    Opened,
    /// The end of the log was half of a line, as a crash leaves it; it has been cut off.
    Repaired,
    /// The oldest file was removed, since there are as many as there may be.
    Dropped,
}

impl Event {
    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Ended => "ended",
            Self::Refused => "refused",
            Self::Login => "login",
            Self::LoginRefused => "login-refused",
            Self::Logout => "logout",
            Self::Opened => "opened",
            Self::Repaired => "repaired",
            Self::Dropped => "dropped",
        }
    }
}

/// Who does something; where the doors ask nobody, only from where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) key: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) address: Option<String>,
}

/// Something that is to be written down. No text of it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) event: Event,
    /// The number of the entry that it belongs to.
    pub(crate) of: Option<u64>,
    pub(crate) door: Option<&'static str>,
    pub(crate) operation: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) actor: Actor,
    pub(crate) status: Option<u16>,
    pub(crate) note: Option<String>,
}

impl Happening {
    /// Something of which only the kind is known.
    pub(crate) fn new(event: Event) -> Self {
        Self {
            event,
            of: None,
            door: None,
            operation: None,
            subject: None,
            actor: Actor::default(),
            status: None,
            note: None,
        }
    }
}

/// An entry, as its line has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// From 1 on without a gap.
    pub(crate) number: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    pub(crate) event: Event,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) of: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) door: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) note: Option<String>,
    /// The SHA-256 of the line before, in hexadecimal.
    pub(crate) previous: String,
}

impl Entry {
    /// The entry of something that happened, with its place in the chain.
    pub(super) fn new(happening: Happening, number: u64, at_ms: u64, previous: String) -> Self {
        let Happening { event, of, door, operation, subject, actor, status, note } = happening;
        Self {
            number,
            at_ms,
            event,
            of,
            door: door.map(str::to_owned),
            operation: operation.map(bounded),
            subject: subject.map(bounded),
            key: actor.key.map(bounded),
            user: actor.user.map(bounded),
            role: actor.role.map(bounded),
            address: actor.address.map(bounded),
            status,
            note: note.map(bounded),
            previous,
        }
    }
}

fn bounded(text: String) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// The hash of a line, without its end.
pub(super) fn hash(line: &[u8]) -> String {
    Sha256::digest(line).iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_stand_on_one_line() {
        let mut happening = Happening::new(Event::Begun);
        happening.subject = Some("ä\n\"".repeat(1_000));
        let entry = Entry::new(happening, 1, 2, NOTHING_BEFORE.into());
        let line = serde_json::to_string(&entry).unwrap();
        assert!(!line.contains('\n') && line.len() < 2_000, "{line}");
        assert_eq!(entry.subject.as_ref().unwrap().chars().count(), TEXT_CHARS_MAX + 1);
        assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), entry);
        for event in [Event::Begun, Event::LoginRefused, Event::Dropped] {
            assert_eq!(serde_json::to_value(event).unwrap(), event.name());
        }
    }
}
