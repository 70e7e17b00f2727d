//! Reading request bodies: values with their places, and the errors that name them.

use super::failure::Failure;
use crate::json::{self, Member, Node, Value, line_and_column};
use crate::search::Literal;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What is to be given back with the result of an aggregation, by its path: names joined by `>`.
pub(super) type Notes = BTreeMap<String, Bytes>;

/// A JSON body.
pub(super) struct Body {
    text: Bytes,
    pub(super) root: Node,
    notes: RefCell<Notes>,
}

/// The name that the real one has for the beginning of a value.
pub(super) fn token(value: &Value) -> &'static str {
    match value {
        Value::Null => "VALUE_NULL",
        Value::Bool(_) => "VALUE_BOOLEAN",
        Value::Number(_) => "VALUE_NUMBER",
        Value::Text(_) => "VALUE_STRING",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) | Value::Raw(_) => "START_OBJECT",
    }
}

impl Body {
    /// Reads a body; an empty one is an empty object.
    pub(super) fn read(text: &Bytes) -> Result<Self, Failure> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self { text: text.clone(), root: Value::Object(Vec::new()).into(), notes: RefCell::default() });
        }
        let root = json::parse(text).map_err(|e| Failure::json(&e))?;
        Ok(Self { text: text.clone(), root, notes: RefCell::default() })
    }

    /// The bytes of a value as they were sent.
    pub(super) fn raw(&self, node: &Node) -> Bytes {
        self.text.slice(node.at..(node.end + 1).min(self.text.len()))
    }

    /// Notes what is to be given back with an aggregation.
    pub(super) fn note(&self, path: &str, node: &Node) {
        self.notes.borrow_mut().insert(path.to_owned(), self.raw(node));
    }

    /// What was noted.
    pub(super) fn take_notes(&self) -> Notes {
        self.notes.take()
    }

    /// `line:column` of a place.
    pub(super) fn place(&self, at: usize) -> String {
        let (line, column) = line_and_column(&self.text, at);
        format!("{line}:{column}")
    }

    /// A `parsing_exception` at a place.
    pub(super) fn parsing(&self, at: usize, reason: impl Into<String>) -> Failure {
        let (line, column) = line_and_column(&self.text, at);
        Failure::new(400, "parsing_exception", reason).with("line", line).with("col", column)
    }

    /// A member that is not known in `what`.
    pub(super) fn unknown(&self, what: &str, member: &Member) -> Failure {
        let reason = format!("[{}] [{what}] unknown field [{}]", self.place(member.at), member.key);
        Failure::new(400, "x_content_parse_exception", reason)
    }

    /// A member whose value cannot be.
    pub(super) fn failed(&self, what: &str, member: &Member, cause: Failure) -> Failure {
        let reason = format!("[{}] [{what}] failed to parse field [{}]", self.place(member.node.at), member.key);
        Failure::new(400, "x_content_parse_exception", reason).caused_by(cause)
    }

    /// A member whose value is of the wrong kind.
    pub(super) fn wrong_kind(&self, what: &str, member: &Member) -> Failure {
        let (place, kind) = (self.place(member.node.at), token(&member.node.value));
        let reason = format!("[{place}] [{what}] {} doesn't support values of type: {kind}", member.key);
        Failure::new(400, "x_content_parse_exception", reason)
    }

    /// A text, or a plain value as text.
    pub(super) fn text(&self, what: &str, member: &Member) -> Result<String, Failure> {
        match literal(&member.node.value) {
            Some(Literal::Null) | None => Err(self.wrong_kind(what, member)),
            Some(value) => Ok(value.as_text().to_owned()),
        }
    }

    /// A whole number; fractions are cut and texts are taken, as the real one does.
    pub(super) fn whole(&self, what: &str, member: &Member) -> Result<i64, Failure> {
        let text = self.text(what, member)?;
        crate::value::parse_whole(&text)
            .flatten()
            .ok_or_else(|| self.failed(what, member, Failure::argument(format!("For input string: \"{text}\""))))
    }

    /// A number.
    pub(super) fn number(&self, what: &str, member: &Member) -> Result<f64, Failure> {
        let text = self.text(what, member)?;
        text.parse().map_err(|_| {
            let cause = Failure::new(400, "number_format_exception", format!("For input string: \"{text}\""));
            self.failed(what, member, cause)
        })
    }

    /// `true` or `false`, as such or as text.
    pub(super) fn boolean(&self, what: &str, member: &Member) -> Result<bool, Failure> {
        match self.text(what, member)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => {
                let reason = format!("Failed to parse value [{other}] as only [true] or [false] are allowed.");
                Err(self.failed(what, member, Failure::argument(reason)))
            }
        }
    }

    /// One text, or several.
    pub(super) fn texts(&self, what: &str, member: &Member) -> Result<Vec<String>, Failure> {
        match &member.node.value {
            Value::Array(items) => items
                .iter()
                .map(|item| item.text().map(str::to_owned).ok_or_else(|| self.wrong_kind(what, member)))
                .collect(),
            _ => self.text(what, member).map(|text| vec![text]),
        }
    }
}

/// A plain value; `None` for arrays and objects.
pub(super) fn literal(value: &Value) -> Option<Literal> {
    match value {
        Value::Null => Some(Literal::Null),
        Value::Bool(b) => Some(Literal::Bool(*b)),
        Value::Number(number) => Some(Literal::Number(number.clone())),
        Value::Text(text) => Some(Literal::Text(text.clone())),
        Value::Array(_) | Value::Object(_) | Value::Raw(_) => None,
    }
}
