//! Documents of one shape: the members of the first one, in its order, with plain values. They need no parser: nearly all
//! documents of a sink are so.

use crate::json::Event;
use std::borrow::Cow;

/// The members of a document that was read, in their order.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    members: Vec<Member>,
    /// Whether no member came yet that others cannot be held against.
    is_flat: bool,
}

/// A member: what stands before its value, and its field.
#[derive(Debug)]
struct Member {
    name: Vec<u8>,
    field: usize,
}

impl Shape {
    /// A shape whose members are to be added.
    pub(crate) fn begun() -> Self {
        Self { members: Vec::new(), is_flat: true }
    }

    /// Adds the next member; `None` when it belongs to no field.
    pub(crate) fn add(&mut self, key: &str, field: Option<usize>) {
        let plain = !key.bytes().any(|c| matches!(c, b'"' | b'\\' | 0..=0x1f));
        match field {
            Some(field) if self.is_flat && plain => {
                let comma = if self.members.is_empty() { "" } else { "," };
                self.members.push(Member { name: format!("{comma}\"{key}\":").into_bytes(), field });
            }
            _ => *self = Self::default(),
        }
    }

    /// Hands each value of a document of this shape to `take`, with its field; `None` when it is of another shape, or
    /// `take` does not want it. Some may have been handed out by then.
    pub(crate) fn each<'a>(
        &self,
        source: &'a [u8],
        mut take: impl FnMut(usize, Event<'a>) -> Option<()>,
    ) -> Option<()> {
        if self.members.is_empty() {
            return None;
        }
        let mut rest = source.strip_prefix(b"{")?;
        for member in &self.members {
            let (event, after) = plain_value(rest.strip_prefix(&*member.name)?)?;
            take(member.field, event)?;
            rest = after;
        }
        (rest == b"}").then_some(())
    }
}

/// A text without escapes or a number without an exponent, and what follows it.
fn plain_value(text: &[u8]) -> Option<(Event<'_>, &[u8])> {
    if let Some(inner) = text.strip_prefix(b"\"") {
        let end = inner.iter().position(|c| matches!(c, b'"' | b'\\' | 0..=0x1f))?;
        let value = std::str::from_utf8(&inner[..end]).ok()?;
        return Some((Event::Text(Cow::Borrowed(value)), inner[end..].strip_prefix(b"\"")?));
    }
    let end = number_end(text)?;
    Some((Event::Number(std::str::from_utf8(&text[..end]).ok()?), &text[end..]))
}

fn number_end(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    let from = usize::from(text.first() == Some(&b'-'));
    let whole = digits(from);
    if whole == 0 || (whole > 1 && text[from] == b'0') {
        return None;
    }
    let mut end = from + whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        end += 1 + fraction;
        if fraction == 0 {
            return None;
        }
    }
    matches!(text.get(end), Some(b',' | b'}')).then_some(end)
}
