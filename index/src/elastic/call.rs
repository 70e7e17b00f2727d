//! One request, taken apart, and its answer.

use super::failure::Failure;
use crate::index::Index;
use crate::json::Value;
use crate::operation::Refresh;
use bytes::Bytes;
use std::cell::RefCell;

/// Parameters that every route takes.
const EVERYWHERE: [&str; 4] = ["pretty", "human", "filter_path", "format"];

/// A request.
pub(super) struct Call {
    pub(super) index: Index,
    /// The path as it was sent.
    pub(super) path: String,
    /// Values of the variable parts of the path, decoded.
    pub(super) parts: Vec<(&'static str, String)>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// Parameters that the handler has asked for.
    pub(super) known: RefCell<Vec<&'static str>>,
}

/// What is answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content: Content,
    pub(super) location: Option<String>,
}

/// The body of an answer.
pub(super) enum Content {
    Json(Value),
    Text(String),
    Empty,
}

impl Answer {
    pub(super) fn json(value: Value) -> Self {
        Self::status(200, value)
    }

    pub(super) fn status(status: u16, value: Value) -> Self {
        Self { status, content: Content::Json(value), location: None }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, content: Content::Empty, location: None }
    }

    pub(super) fn text(text: String) -> Self {
        Self { status: 200, content: Content::Text(text), location: None }
    }
}

impl Call {
    /// A variable part of the path; empty where the path has none.
    pub(super) fn part(&self, name: &str) -> &str {
        self.parts.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// A parameter.
    pub(super) fn parameter(&self, name: &'static str) -> Option<&str> {
        self.known.borrow_mut().push(name);
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Parameters that are hints without an effect on answers here.
    pub(super) fn hints(&self, names: &[&'static str]) {
        self.known.borrow_mut().extend_from_slice(names);
    }

    /// A yes or no; a parameter without a value is a yes.
    pub(super) fn flag(&self, name: &'static str, default: bool) -> Result<bool, Failure> {
        match self.parameter(name) {
            None => Ok(default),
            Some("" | "true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Failure::argument(format!(
                "Failed to parse value [{other}] as only [true] or [false] are allowed."
            ))),
        }
    }

    /// A whole number.
    pub(super) fn whole(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        self.parameter(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    Failure::argument(format!("Failed to parse int parameter [{name}] with value [{text}]"))
                })
            })
            .transpose()
    }

    /// Several texts, separated by commas.
    pub(super) fn list(&self, name: &'static str) -> Option<Vec<String>> {
        self.parameter(name).map(|text| text.split(',').filter(|t| !t.is_empty()).map(str::to_owned).collect())
    }

    pub(super) fn refresh(&self) -> Result<Refresh, Failure> {
        match self.parameter("refresh") {
            None | Some("false") => Ok(Refresh::Later),
            Some("" | "true") => Ok(Refresh::Now),
            Some("wait_for") => Ok(Refresh::Wait),
            Some(other) => Err(Failure::argument(format!("Unknown value for refresh: [{other}]."))),
        }
    }

    /// Refuses parameters that no one has asked for. Call it before anything is changed.
    pub(super) fn no_others(&self) -> Result<(), Failure> {
        let known = self.known.borrow();
        let unknown: Vec<&str> = self
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| !known.contains(name) && !EVERYWHERE.contains(name))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let plural = if unknown.len() > 1 { "s" } else { "" };
        let listed: Vec<String> = unknown.iter().map(|name| format!("[{name}]")).collect();
        Err(Failure::argument(format!(
            "request [{}] contains unrecognized parameter{plural}: {}",
            self.path,
            listed.join(", ")
        )))
    }

    /// Whether the client wants a tabular answer as JSON.
    pub(super) fn wants_json(&self) -> Result<bool, Failure> {
        match self.parameter("format") {
            Some("json") => Ok(true),
            None | Some("text" | "txt") => Ok(false),
            Some(other) => Err(Failure::argument(format!("format [{other}] is not supported"))),
        }
    }
}
