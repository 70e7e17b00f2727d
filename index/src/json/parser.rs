//! A strict pull parser over JSON text: it knows where each token stands and refuses names that come twice.

use rustc_hash::FxHashSet;
use std::borrow::Cow;

/// Deepest nesting that is read; deeper input is refused before it can exhaust the stack.
pub const DEPTH_MAX: usize = 64;
/// From this many members on, duplicate keys of an object are found by hashing in place of comparing.
const HASHED_KEYS_MIN: usize = 24;

/// One step through a JSON text.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// The name of a member.
    Key(Cow<'a, str>),
    /// A string value.
    Text(Cow<'a, str>),
    /// A number, as it is written.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// `null`
    Null,
    /// Nothing follows.
    End,
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// A character that cannot stand there.
    Syntax,
    /// The text ends too early.
    Truncated,
    /// An object has two members of one name.
    Duplicate,
    /// More than [`DEPTH_MAX`] levels.
    TooDeep,
}

/// A JSON text that cannot be read, with the place (line and column, both from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line}, column {column}")]
pub struct JsonError {
    /// What kind of fault it is.
    pub fault: JsonFault,
    /// What is wrong.
    pub message: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 1.
    pub column: usize,
}

/// Line and column (both from 1, the column in bytes) of a byte offset.
pub fn line_and_column(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    (memchr::memchr_iter(b'\n', before).count() + 1, before.len() - line_start + 1)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    FirstItem,
    FirstKey,
    Key,
    CommaOrEnd,
    Done,
}

struct Frame<'a> {
    object: bool,
    keys_from: usize,
    hashed: Option<Box<FxHashSet<Cow<'a, str>>>>,
}

/// A pull parser over one JSON text.
pub struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    token_at: usize,
    expect: Expect,
    stack: Vec<Frame<'a>>,
    keys: Vec<Cow<'a, str>>,
}

impl<'a> Parser<'a> {
    /// A parser at the beginning of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, token_at: 0, expect: Expect::Value, stack: Vec::new(), keys: Vec::new() }
    }

    /// Begins with another text. What it holds for its own use is kept, which spares the allocations.
    pub fn reset(&mut self, text: &'a [u8]) {
        self.stack.clear();
        self.keys.clear();
        (self.text, self.at, self.token_at, self.expect) = (text, 0, 0, Expect::Value);
    }

    /// Where the token returned last begins, in bytes.
    pub fn token_at(&self) -> usize {
        self.token_at
    }

    /// Where the next token is looked for, in bytes.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next step.
    ///
    /// # Errors
    /// When the text is no JSON, names a member twice, or nests too deeply.
    #[allow(clippy::should_implement_trait, reason = "it fails and borrows from the text, which an iterator's cannot")]
    pub fn next(&mut self) -> Result<Event<'a>, JsonError> {
        loop {
            self.skip_blanks();
            self.token_at = self.at;
            let Some(&byte) = self.text.get(self.at) else {
                return if self.expect == Expect::Done { Ok(Event::End) } else { Err(self.truncated()) };
            };
            match (self.expect, byte) {
                (Expect::Done, _) => return Err(self.unexpected()),
                (Expect::CommaOrEnd, b',') => {
                    self.at += 1;
                    let object = self.stack.last().is_some_and(|f| f.object);
                    self.expect = if object { Expect::Key } else { Expect::Value };
                }
                (Expect::CommaOrEnd | Expect::FirstKey, b'}') if self.stack.last().is_some_and(|f| f.object) => {
                    return Ok(self.close(Event::ObjectEnd));
                }
                (Expect::CommaOrEnd | Expect::FirstItem, b']') if self.stack.last().is_some_and(|f| !f.object) => {
                    return Ok(self.close(Event::ArrayEnd));
                }
                (Expect::Key | Expect::FirstKey, b'"') => return self.key(),
                (Expect::Value | Expect::FirstItem, _) => return self.value(byte),
                _ => return Err(self.unexpected()),
            }
        }
    }

    /// Passes over the value that `event` began.
    ///
    /// # Errors
    /// When the text is no JSON.
    pub fn skip(&mut self, event: &Event<'a>) -> Result<(), JsonError> {
        if !matches!(event, Event::ObjectStart | Event::ArrayStart) {
            return Ok(());
        }
        let depth = self.stack.len();
        while self.stack.len() >= depth {
            self.next()?;
        }
        Ok(())
    }

    fn skip_blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn close(&mut self, event: Event<'a>) -> Event<'a> {
        self.at += 1;
        if let Some(frame) = self.stack.pop() {
            self.keys.truncate(frame.keys_from);
        }
        self.after_value();
        event
    }

    fn after_value(&mut self) {
        self.expect = if self.stack.is_empty() { Expect::Done } else { Expect::CommaOrEnd };
    }

    fn open(&mut self, object: bool) -> Result<Event<'a>, JsonError> {
        if self.stack.len() == DEPTH_MAX {
            return Err(self.fault(JsonFault::TooDeep, format!("more than {DEPTH_MAX} levels of nesting")));
        }
        self.at += 1;
        self.stack.push(Frame { object, keys_from: self.keys.len(), hashed: None });
        self.expect = if object { Expect::FirstKey } else { Expect::FirstItem };
        Ok(if object { Event::ObjectStart } else { Event::ArrayStart })
    }

    fn key(&mut self) -> Result<Event<'a>, JsonError> {
        let key = self.string()?;
        self.note_key(key.clone())?;
        self.skip_blanks();
        match self.text.get(self.at) {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.unexpected()),
            None => return Err(self.truncated()),
        }
        self.expect = Expect::Value;
        Ok(Event::Key(key))
    }

    fn note_key(&mut self, key: Cow<'a, str>) -> Result<(), JsonError> {
        let Some(frame) = self.stack.last_mut() else { return Ok(()) };
        let known = &self.keys[frame.keys_from..];
        let seen = if let Some(hashed) = &mut frame.hashed {
            !hashed.insert(key.clone())
        } else if known.len() < HASHED_KEYS_MIN {
            known.contains(&key)
        } else {
            let mut hashed: FxHashSet<_> = known.iter().cloned().collect();
            let seen = !hashed.insert(key.clone());
            frame.hashed = Some(Box::new(hashed));
            seen
        };
        if seen {
            return Err(self.fault(JsonFault::Duplicate, format!("Duplicate field '{key}'")));
        }
        if frame.hashed.is_none() {
            self.keys.push(key);
        }
        Ok(())
    }

    fn value(&mut self, first: u8) -> Result<Event<'a>, JsonError> {
        let event = match first {
            b'{' => return self.open(true),
            b'[' => return self.open(false),
            b'"' => Event::Text(self.string()?),
            b'-' | b'0'..=b'9' => Event::Number(self.number()?),
            b't' => self.word("true", Event::Bool(true))?,
            b'f' => self.word("false", Event::Bool(false))?,
            b'n' => self.word("null", Event::Null)?,
            _ => return Err(self.unexpected()),
        };
        self.after_value();
        Ok(event)
    }

    fn word(&mut self, word: &str, event: Event<'a>) -> Result<Event<'a>, JsonError> {
        let rest = &self.text[self.at..];
        let ends = !rest.get(word.len()).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if rest.starts_with(word.as_bytes()) && ends {
            self.at += word.len();
            return Ok(event);
        }
        if word.as_bytes().starts_with(rest) { Err(self.truncated()) } else { Err(self.unexpected()) }
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - from
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let from = self.at;
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        let whole_at = self.at;
        let whole = self.digits();
        let mut good = whole > 0 && (whole == 1 || self.text[whole_at] != b'0');
        if good && self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            good = self.digits() > 0;
        }
        if good && matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            good = self.digits() > 0;
        }
        if !good || self.text.get(self.at).is_some_and(u8::is_ascii_alphabetic) {
            return Err(if self.at >= self.text.len() { self.truncated() } else { self.unexpected() });
        }
        // Only ASCII was passed over.
        std::str::from_utf8(&self.text[from..self.at]).map_err(|_| self.unexpected())
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let from = self.at + 1;
        let mut at = from;
        loop {
            match self.text.get(at) {
                Some(b'"') => {
                    let text = self.utf8(from, at)?;
                    self.at = at + 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped_string(from, at),
                Some(0..=0x1f) => {
                    self.at = at;
                    return Err(self.unexpected());
                }
                Some(_) => at += 1,
                None => return Err(self.truncated()),
            }
        }
    }

    fn utf8(&self, from: usize, to: usize) -> Result<&'a str, JsonError> {
        std::str::from_utf8(&self.text[from..to])
            .map_err(|_| self.fault(JsonFault::Syntax, "Invalid UTF-8 in a string".to_owned()))
    }

    fn escaped_string(&mut self, from: usize, first_escape: usize) -> Result<Cow<'a, str>, JsonError> {
        let mut text = self.utf8(from, first_escape)?.to_owned();
        self.at = first_escape;
        loop {
            let plain_from = self.at;
            while !matches!(self.text.get(self.at), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            text.push_str(self.utf8(plain_from, self.at)?);
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.unexpected()),
                None => return Err(self.truncated()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(&code) = self.text.get(self.at + 1) else { return Err(self.truncated()) };
        let plain = match code {
            b'"' | b'\\' | b'/' => char::from(code),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(self.fault(JsonFault::Syntax, "Unrecognized character escape".to_owned())),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.hex4(self.at + 2)?;
        self.at += 6;
        let code = match first {
            0xD800..=0xDBFF if self.text[self.at.min(self.text.len())..].starts_with(b"\\u") => {
                let second = self.hex4(self.at + 2)?;
                self.at += 6;
                match second {
                    0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => return Err(self.fault(JsonFault::Syntax, "Unpaired surrogate in a string".to_owned())),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.fault(JsonFault::Syntax, "Unpaired surrogate in a string".to_owned()))
    }

    fn hex4(&self, at: usize) -> Result<u32, JsonError> {
        let Some(digits) = self.text.get(at..at + 4) else { return Err(self.truncated()) };
        std::str::from_utf8(digits)
            .ok()
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|d| u32::from_str_radix(d, 16).ok())
            .ok_or_else(|| self.fault(JsonFault::Syntax, "Unrecognized unicode escape".to_owned()))
    }

    fn unexpected(&self) -> JsonError {
        let shown = self.text.get(self.at).map_or_else(String::new, |b| char::from(*b).escape_default().to_string());
        self.fault(JsonFault::Syntax, format!("Unexpected character ('{shown}')"))
    }

    fn truncated(&self) -> JsonError {
        self.fault(JsonFault::Truncated, "Unexpected end-of-input".to_owned())
    }

    fn fault(&self, fault: JsonFault, message: String) -> JsonError {
        let (line, column) = line_and_column(self.text, self.at);
        JsonError { fault, message, line, column }
    }
}
