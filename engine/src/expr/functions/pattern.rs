//! Patterns: LIKE, SIMILAR TO and regular expressions.
//!
//! Regular expressions are Java's without look-around, back references and possessive quantifiers: those are refused.

use super::super::EvalError;
use super::super::function::{CallSite, Kernel, ScalarFunction, Signature};
use super::super::value::Value;
use super::Expr;
use super::kernels::{Integers, Want, build_booleans, build_text, or_null, texts, wanting};
use crate::types::DataType;
use regex::{NoExpand, Regex};
use std::sync::Arc;

use Want::{Integer, Text};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction { name: "LIKE", signature: like_types, prepare: |s| matching(s, like_regex), can_fail: true },
    ScalarFunction {
        name: "SIMILAR TO",
        signature: similar_types,
        prepare: |s| matching(s, similar_regex),
        can_fail: true,
    },
    ScalarFunction {
        name: "REGEXP",
        signature: regexp_types,
        prepare: |s| matching(s, |p, _| java_regex(p)),
        can_fail: true,
    },
    ScalarFunction { name: "REGEXP_EXTRACT", signature: extract_types, prepare: extract, can_fail: true },
    ScalarFunction { name: "REGEXP_REPLACE", signature: replace_types, prepare: replace, can_fail: true },
];

/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

fn like_types(args: &[Expr]) -> Result<Signature, String> {
    let signature = wanting("LIKE", args, &[Text, Text, Text], 1, DataType::Boolean)?;
    checked(args, signature, like_regex)
}

fn similar_types(args: &[Expr]) -> Result<Signature, String> {
    let signature = wanting("SIMILAR TO", args, &[Text, Text, Text], 1, DataType::Boolean)?;
    checked(args, signature, similar_regex)
}

fn regexp_types(args: &[Expr]) -> Result<Signature, String> {
    checked(args, wanting("REGEXP", args, &[Text, Text], 0, DataType::Boolean)?, |p, _| java_regex(p))
}

fn extract_types(args: &[Expr]) -> Result<Signature, String> {
    let signature = or_null(wanting("REGEXP_EXTRACT", args, &[Text, Text, Integer], 1, DataType::STRING))?;
    checked(args, signature, |p, _| java_regex(p))
}

fn replace_types(args: &[Expr]) -> Result<Signature, String> {
    let signature = wanting("REGEXP_REPLACE", args, &[Text, Text, Text], 0, DataType::STRING)?;
    checked(args, signature, |p, _| java_regex(p))
}

type Translate = fn(&str, Option<&str>) -> Result<String, String>;

/// The signature, unless a constant pattern is none.
fn checked(args: &[Expr], signature: Signature, translate: Translate) -> Result<Signature, String> {
    let text = |i: usize| args.get(i).and_then(|a| a.as_literal()).and_then(|v| v.as_text().map(str::to_owned));
    if let Some(pattern) = text(1) {
        build(&translate(&pattern, text(2).as_deref())?, &pattern)?;
    }
    Ok(signature)
}

fn build(regex: &str, written: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(regex).size_limit(PATTERN_BYTES_MAX).build().map_err(|e| {
        let reason = e.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("the pattern '{written}' cannot be used: {reason}")
    })
}

/// The pattern of each row; that of a constant is made once, another one is kept while rows have it.
struct Patterns {
    translate: Translate,
    constant: Option<Arc<Regex>>,
}

impl Patterns {
    /// For a call whose second argument is the pattern and whose argument at `escape_at`, if any, is the escape.
    fn new(site: &CallSite<'_>, translate: Translate, escape_at: Option<usize>) -> Result<Self, EvalError> {
        let escape_at = escape_at.filter(|&i| i < site.args.len());
        let escape = escape_at.and_then(|i| site.constant_text(i));
        let constant = match site.constant_text(1) {
            Some(pattern) if escape_at.is_none() || escape.is_some() => {
                Some(Arc::new(Self::compile(translate, pattern, escape)?))
            }
            _ => None,
        };
        Ok(Self { translate, constant })
    }

    fn compile(translate: Translate, pattern: &str, escape: Option<&str>) -> Result<Regex, EvalError> {
        translate(pattern, escape).and_then(|r| build(&r, pattern)).map_err(EvalError::new)
    }

    /// The regular expression for `pattern`; `last` holds the one made before.
    fn get(
        &self,
        pattern: &str,
        escape: Option<&str>,
        last: &mut Option<(String, Arc<Regex>)>,
    ) -> Result<Arc<Regex>, EvalError> {
        if let Some(regex) = &self.constant {
            return Ok(Arc::clone(regex));
        }
        let key = format!("{}\u{0}{pattern}", escape.unwrap_or_default());
        match last {
            Some((known, regex)) if *known == key => Ok(Arc::clone(regex)),
            _ => {
                let regex = Arc::new(Self::compile(self.translate, pattern, escape)?);
                *last = Some((key, Arc::clone(&regex)));
                Ok(regex)
            }
        }
    }
}

/// Whether the pattern is found.
fn matching(site: &CallSite<'_>, translate: Translate) -> Result<Kernel, EvalError> {
    let patterns = Patterns::new(site, translate, Some(2))?;
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, pattern) = (texts(&args[0])?, texts(&args[1])?);
        let escape = args.get(2).map(texts).transpose()?;
        let mut last = None;
        if let Some(regex) = &patterns.constant {
            return build_booleans(rows, |row| Ok(text.get(row).map(|s| regex.is_match(s))));
        }
        build_booleans(rows, |row| {
            let (Some(s), Some(pattern)) = (text.get(row), pattern.get(row)) else { return Ok(None) };
            let escape = match &escape {
                None => None,
                Some(escapes) => match escapes.get(row) {
                    None => return Ok(None),
                    some => some,
                },
            };
            Ok(Some(patterns.get(pattern, escape, &mut last)?.is_match(s)))
        })
    }))
}

/// The part of the text that a group matched: the whole match without a group; null for no match or no such group.
fn extract(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let patterns = Patterns::new(site, |p, _| java_regex(p), None)?;
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, pattern) = (texts(&args[0])?, texts(&args[1])?);
        let group = args.get(2).map(Integers::of);
        let mut last = None;
        build_text(rows, |row, out| {
            let (Some(s), Some(pattern)) = (text.get(row), pattern.get(row)) else { return Ok(false) };
            let group = match &group {
                None => Some(0),
                Some(group) => group.get(row)?,
            };
            let Some(group) = group.and_then(|g| usize::try_from(g).ok()) else { return Ok(false) };
            let regex = patterns.get(pattern, None, &mut last)?;
            let found = regex.captures(s).and_then(|c| c.get(group).map(|m| m.as_str()));
            Ok(found.map(|m| out.push_str(m)).is_some())
        })
    }))
}

/// Replaces every match; the replacement stands as it is, `$1` has no meaning.
fn replace(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let patterns = Patterns::new(site, |p, _| java_regex(p), None)?;
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, pattern, by) = (texts(&args[0])?, texts(&args[1])?, texts(&args[2])?);
        let mut last = None;
        build_text(rows, |row, out| {
            let (Some(s), Some(pattern), Some(by)) = (text.get(row), pattern.get(row), by.get(row)) else {
                return Ok(false);
            };
            out.push_str(&patterns.get(pattern, None, &mut last)?.replace_all(s, NoExpand(by)));
            Ok(true)
        })
    }))
}

/// `%` is any text, `_` any character; the escape character takes the meaning from the one behind it. In a pattern with
/// `_` or an escape neither stands for the end of a line, as in Flink.
fn like_regex(pattern: &str, escape: Option<&str>) -> Result<String, String> {
    let any = if pattern.contains('_') || escape.is_some() { NO_LINE_END } else { "." };
    let escape = escape_char(escape)?;
    let mut out = String::from("(?s)^");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            _ if Some(c) == escape => match chars.next() {
                Some(next) if next == '%' || next == '_' || Some(next) == escape => push_literal(&mut out, next),
                _ => return Err(format!("the pattern '{pattern}' has an escape character before nothing to escape")),
            },
            '%' => out.extend([any, "*"]),
            '_' => out.push_str(any),
            _ => push_literal(&mut out, c),
        }
    }
    out.push('$');
    Ok(out)
}

/// What a point stands for in Java.
const NO_LINE_END: &str = r"[^\n\r\x{85}\x{2028}\x{2029}]";

/// A SQL pattern: `%` and `_` as in LIKE, with alternatives, groups, classes and repetitions.
fn similar_regex(pattern: &str, escape: Option<&str>) -> Result<String, String> {
    let escape = escape_char(escape)?;
    let mut out = String::from("(?s)^(?:");
    let mut chars = pattern.chars();
    let mut class = false;
    while let Some(c) = chars.next() {
        match c {
            _ if Some(c) == escape => match chars.next() {
                Some(next) => push_literal(&mut out, next),
                None => return Err(format!("the pattern '{pattern}' ends with its escape character")),
            },
            '[' | ']' => {
                class = c == '[';
                out.push(c);
            }
            _ if class => out.push(c),
            '%' => out.extend([NO_LINE_END, "*"]),
            '_' => out.push_str(NO_LINE_END),
            '|' | '(' | ')' | '{' | '}' | '*' | '+' | '?' => out.push(c),
            _ => push_literal(&mut out, c),
        }
    }
    out.push_str(")$");
    Ok(out)
}

fn escape_char(escape: Option<&str>) -> Result<Option<char>, String> {
    let Some(text) = escape else { return Ok(None) };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(Some(c)),
        _ => Err(format!("the escape is one character, not '{text}'")),
    }
}

fn push_literal(out: &mut String, c: char) {
    out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

/// Java's `\w`, `\d` and `\s` are those of ASCII.
fn java_regex(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars();
    let mut depth = 0_u32;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('Q') => quoted(&mut chars, &mut out),
                Some(next) => match ascii_class(next, depth > 0) {
                    Some(class) => out.push_str(&class),
                    None => out.extend([c, next]),
                },
                None => return Err(format!("the pattern '{pattern}' ends with a backslash")),
            },
            '[' => {
                depth += 1;
                out.push(c);
            }
            ']' => {
                depth = depth.saturating_sub(1);
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// Everything up to `\E` as it stands.
fn quoted(chars: &mut std::str::Chars<'_>, out: &mut String) {
    let rest = chars.as_str();
    let (text, after) = rest.split_once("\\E").unwrap_or((rest, ""));
    out.push_str(&regex::escape(text));
    *chars = after.chars();
}

fn ascii_class(letter: char, inside: bool) -> Option<String> {
    let (members, negated) = match letter {
        'd' => ("0-9", false),
        'D' => ("0-9", true),
        'w' => ("0-9A-Za-z_", false),
        'W' => ("0-9A-Za-z_", true),
        's' => (r" \t\n\x0B\f\r", false),
        'S' => (r" \t\n\x0B\f\r", true),
        _ => return None,
    };
    Some(match (negated, inside) {
        (false, true) => members.to_owned(),
        (false, false) => format!("[{members}]"),
        (true, _) => format!("[^{members}]"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(regex: Result<String, String>, text: &str) -> bool {
        build(&regex.unwrap(), "").unwrap().is_match(text)
    }

    #[test]
    fn like_takes_the_whole_text() {
        assert!(is(like_regex("t%", None), "t\nx"));
        assert!(!is(like_regex("t_x", None), "t\nx"));
        assert!(is(like_regex("a!_b", Some("!")), "a_b"));
        assert!(!is(like_regex("a!_b", Some("!")), "axb"));
        assert!(!is(like_regex("a.b", None), "axb"));
        assert!(like_regex("a!b", Some("!")).is_err());
        assert!(like_regex("a", Some("!!")).is_err());
    }

    #[test]
    fn similar_to_knows_alternatives() {
        assert!(is(similar_regex("(taxi|cab)+", None), "taxicab"));
        assert!(is(similar_regex("[a-c]%", None), "cab"));
        assert!(!is(similar_regex("taxi|cab", None), "xcab"));
        assert!(!is(similar_regex("a.c", None), "abc"));
    }

    #[test]
    fn classes_are_those_of_ascii() {
        assert!(!is(java_regex(r"^\w$"), "é"));
        assert!(is(java_regex(r"^[\w-]+$"), "a-b"));
        assert!(is(java_regex(r"^\Qa.b\E$"), "a.b"));
        assert!(java_regex("a\\").is_err());
        assert!(build(&java_regex("(?=a)").unwrap(), "(?=a)").is_err());
    }
}
