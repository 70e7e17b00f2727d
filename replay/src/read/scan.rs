//! A fast look at one line of JSON: the raw values of a few attributes, and whether the line is one whole object.
//!
//! Braces, strings and separators are checked to the end of the line, so that a line that was cut is found; numbers and
//! words are passed over by their characters alone, which whoever decodes the row checks anyway.

use model::limits;

/// The raw values (text with its quotes) of the attributes `names` of the object in `line`, outermost level only; the last
/// one where a name occurs twice. Names are compared as they are written, without resolving escapes.
pub(super) fn attributes<'a, const N: usize>(
    line: &'a [u8],
    names: [&[u8]; N],
) -> Result<[Option<&'a [u8]>; N], &'static str> {
    let mut found = [None; N];
    let mut at = blank(line, 0);
    at = expect(line, at, b'{', "not a JSON object")?;
    at = blank(line, at);
    if line.get(at) == Some(&b'}') {
        return end(line, at + 1).map(|()| found);
    }
    loop {
        let name_end = string(line, blank(line, at))?;
        let name_start = blank(line, at) + 1;
        let name = &line[name_start..name_end - 1];
        at = expect(line, blank(line, name_end), b':', "a colon is missing")?;
        let start = blank(line, at);
        at = value(line, start)?;
        if let Some(slot) = names.iter().position(|wanted| *wanted == name) {
            found[slot] = Some(&line[start..at]);
        }
        at = blank(line, at);
        match line.get(at) {
            Some(b',') => at += 1,
            Some(b'}') => return end(line, at + 1).map(|()| found),
            _ => return Err("the object does not end"),
        }
    }
}

/// The text of a raw value if it can be a partition key: a plain string or a number of 1–256 characters.
pub(super) fn key_text(value: &[u8]) -> Option<&str> {
    let text = match value {
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => text,
        [b'0'..=b'9' | b'-', ..] => value,
        _ => return None,
    };
    let text = std::str::from_utf8(text).ok()?;
    (1..=limits::PARTITION_KEY_CHARS_MAX).contains(&text.chars().count()).then_some(text)
}

fn blank(line: &[u8], mut at: usize) -> usize {
    while matches!(line.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

fn expect(line: &[u8], at: usize, byte: u8, otherwise: &'static str) -> Result<usize, &'static str> {
    if line.get(at) == Some(&byte) { Ok(at + 1) } else { Err(otherwise) }
}

fn end(line: &[u8], at: usize) -> Result<(), &'static str> {
    if blank(line, at) == line.len() { Ok(()) } else { Err("something follows the object") }
}

/// The end of the string that begins at `at`.
fn string(line: &[u8], at: usize) -> Result<usize, &'static str> {
    let mut at = expect(line, at, b'"', "a name is missing")?;
    loop {
        match line.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return Err("a string does not end"),
        }
    }
}

/// The end of the value that begins at `at`.
fn value(line: &[u8], at: usize) -> Result<usize, &'static str> {
    match line.get(at) {
        Some(b'"') => string(line, at),
        Some(b'{' | b'[') => nested(line, at),
        Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
            let length = line[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
            Ok(at + length)
        }
        _ => Err("a value is missing"),
    }
}

/// The end of the object or array that begins at `at`; depth is counted, so that no nesting exhausts the stack.
fn nested(line: &[u8], mut at: usize) -> Result<usize, &'static str> {
    let mut depth = 0_usize;
    loop {
        match line.get(at) {
            Some(b'{' | b'[') => depth += 1,
            Some(b'}' | b']') if depth == 1 => return Ok(at + 1),
            Some(b'}' | b']') => depth -= 1,
            Some(b'"') => {
                at = string(line, at)?;
                continue;
            }
            Some(_) => {}
            None => return Err("a nested value does not end"),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(line: &str) -> Result<[Option<String>; 2], &'static str> {
        let found = attributes(line.as_bytes(), [b"a", b"b"])?;
        Ok(found.map(|value| value.map(|raw| String::from_utf8(raw.to_vec()).unwrap())))
    }

    #[test]
    fn outermost_values_are_found() {
        let check = |line: &str, a: Option<&str>, b: Option<&str>| {
            assert_eq!(find(line), Ok([a.map(str::to_owned), b.map(str::to_owned)]), "{line}");
        };
        check("{}", None, None);
        check(" { } \r", None, None);
        check(r#"{"a":1,"b":"x"}"#, Some("1"), Some(r#""x""#));
        check(r#"{ "b" : null , "a" : -1.5e3 }"#, Some("-1.5e3"), Some("null"));
        check(r#"{"c":{"a":1,"d":["}",{"b":2}]},"b":[1]}"#, None, Some("[1]"));
        check(r#"{"c":"\"a\":5","a":"\\"}"#, Some(r#""\\""#), None);
        check(r#"{"a":1,"a":2}"#, Some("2"), None);
    }

    #[test]
    fn broken_lines_are_told() {
        let check = |line: &str, reason: &str| assert_eq!(find(line), Err(reason), "{line}");
        check("", "not a JSON object");
        check("[1]", "not a JSON object");
        check("null", "not a JSON object");
        check("{", "a name is missing");
        check(r#"{"a"}"#, "a colon is missing");
        check(r#"{"a":}"#, "a value is missing");
        check(r#"{"a":1"#, "the object does not end");
        check(r#"{"a":1,"b"#, "a string does not end");
        check(r#"{"a":"x"#, "a string does not end");
        check(r#"{"a":"x\"#, "a string does not end");
        check(r#"{"a":[1"#, "a nested value does not end");
        check(r#"{"a":1,}"#, "a name is missing");
        check(r#"{"a":1} x"#, "something follows the object");
    }

    #[test]
    fn a_key_is_plain_text_or_a_number() {
        assert_eq!(key_text(br#""abc""#), Some("abc"));
        assert_eq!(key_text(b"17"), Some("17"));
        let long = format!("\"{}\"", "é".repeat(257));
        for none in [r#""""#, r#""a\"b""#, "null", "true", "{}", "[1]", &long] {
            assert_eq!(key_text(none.as_bytes()), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_line_whatever_breaks_it(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = attributes(&line, [b"a", b"b"]);
        }

        #[test]
        fn it_agrees_with_a_full_parser(text in "[ -~]{0,12}", number in any::<i64>(), deep in 0usize..5) {
            let nested = (0..deep).fold(serde_json::json!({"a": text}), |inner, _| serde_json::json!([inner, {"b": 1}]));
            let line = serde_json::json!({"n": nested, "a": text, "b": number, "z": [text]}).to_string();
            let [a, b] = find(&line).unwrap();
            prop_assert_eq!(a.unwrap(), serde_json::to_string(&text).unwrap());
            prop_assert_eq!(b.unwrap(), number.to_string());
            for cut in 0..line.len() {
                prop_assert!(find(&line[..cut]).is_err(), "{}", &line[..cut]);
            }
        }
    }
}
