//! JSON as a tree that keeps the order of members and the text of numbers, and writing it.

use super::parser::{Event, JsonError, Parser};
use bytes::Bytes;
use std::fmt::Write;

/// A JSON value with the place where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The offset of its first byte.
    pub at: usize,
    /// The offset of its last token (of a scalar: of itself).
    pub end: usize,
    /// The value.
    pub value: Value,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub key: String,
    /// The offset of its name.
    pub at: usize,
    /// Its value.
    pub node: Node,
}

/// A JSON value. Numbers keep their text; objects keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Node>),
    /// An object.
    Object(Vec<Member>),
    /// JSON text that is written as it stands.
    Raw(Bytes),
}

/// Reads a whole text as one value.
///
/// # Errors
/// When the text is not exactly one JSON value.
pub fn parse(text: &[u8]) -> Result<Node, JsonError> {
    let mut parser = Parser::new(text);
    let first = parser.next()?;
    let node = read_node(&mut parser, first)?;
    parser.next()?;
    Ok(node)
}

/// Reads the first value of a text and lets be what follows.
///
/// # Errors
/// When the text does not begin with a JSON value.
pub fn parse_first(text: &[u8]) -> Result<Node, JsonError> {
    let mut parser = Parser::new(text);
    let first = parser.next()?;
    read_node(&mut parser, first)
}

/// Reads the value that `event` began.
///
/// # Errors
/// When the text is no JSON.
pub fn read_node<'a>(parser: &mut Parser<'a>, event: Event<'a>) -> Result<Node, JsonError> {
    let at = parser.token_at();
    let value = match event {
        Event::ObjectStart => {
            let mut members = Vec::new();
            while let Event::Key(key) = parser.next()? {
                let key_at = parser.token_at();
                let first = parser.next()?;
                members.push(Member { key: key.into_owned(), at: key_at, node: read_node(parser, first)? });
            }
            Value::Object(members)
        }
        Event::ArrayStart => {
            let mut items = Vec::new();
            loop {
                match parser.next()? {
                    Event::ArrayEnd => break,
                    first => items.push(read_node(parser, first)?),
                }
            }
            Value::Array(items)
        }
        Event::Text(text) => Value::Text(text.into_owned()),
        Event::Number(number) => Value::Number(number.to_owned()),
        Event::Bool(bool) => Value::Bool(bool),
        Event::Null | Event::ObjectEnd | Event::ArrayEnd | Event::Key(_) | Event::End => Value::Null,
    };
    Ok(Node { at, end: parser.token_at(), value })
}

impl Node {
    /// The members, if this is an object.
    pub fn members(&self) -> Option<&[Member]> {
        match &self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Value {
    /// An object of these members, in this order.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Object(
            members.into_iter().map(|(key, value)| Member { key: key.into(), at: 0, node: value.into() }).collect(),
        )
    }

    /// An array of these values.
    pub fn array(items: impl IntoIterator<Item = Value>) -> Self {
        Self::Array(items.into_iter().map(Node::from).collect())
    }

    /// Adds a member at the end; does nothing to what is no object.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        if let Self::Object(members) = self {
            members.push(Member { key: key.into(), at: 0, node: value.into().into() });
        }
    }

    /// The same object with one more member at the end.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.push(key, value);
        self
    }

    /// The value of a member, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(members) => members.iter().find(|m| m.key == key).map(|m| &m.node.value),
            _ => None,
        }
    }

    /// Appends the JSON text.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::Text(text) => write_text(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.value.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (i, member) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_text(&member.key, out);
                    out.push(b':');
                    member.node.value.write(out);
                }
                out.push(b'}');
            }
            Self::Raw(text) => out.extend_from_slice(text),
        }
    }

    /// The JSON text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        plain_from = at + 1;
        if escape.is_empty() {
            let mut code = String::with_capacity(6);
            // Writing to a string cannot fail.
            let _ = write!(code, "\\u{byte:04x}");
            out.extend_from_slice(code.as_bytes());
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
    out.push(b'"');
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self { at: 0, end: 0, value }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

macro_rules! from_whole {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::Number(value.to_string())
            }
        }
    )*};
}
from_whole!(u16, u32, u64, i32, i64, usize);

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        // JSON has no word for these; the real service writes them as texts.
        match value {
            v if v.is_nan() => Self::Text("NaN".to_owned()),
            f64::INFINITY => Self::Text("Infinity".to_owned()),
            f64::NEG_INFINITY => Self::Text("-Infinity".to_owned()),
            v => Self::Number(format!("{v:?}")),
        }
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        if value.is_finite() { Self::Number(format!("{value:?}")) } else { Self::from(f64::from(value)) }
    }
}
