//! JSON strings to UTF-8, and nested JSON back to compact text.

use crate::run::encode::number::write_f64;

/// Appends what the inside of a JSON string means. Escapes are known to be well formed; half of a surrogate pair
/// becomes `?`, as where Flink encodes strings.
pub(super) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut p = 0;
    while let Some(at) = memchr::memchr(b'\\', &raw[p..]) {
        out.extend_from_slice(&raw[p..p + at]);
        p += at + 1;
        let c = raw.get(p).copied().unwrap_or(b'\\');
        p += 1;
        match c {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (decoded, used) = unicode(&raw[p..]);
                out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
                p += used;
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(&raw[p.min(raw.len())..]);
}

/// The character behind the hex digits after `\u`, a following second half included, and how many bytes were used.
fn unicode(rest: &[u8]) -> (char, usize) {
    let Some(first) = hex(rest) else { return ('?', rest.len().min(4)) };
    if (0xD800..0xDC00).contains(&first)
        && rest.get(4..6) == Some(b"\\u")
        && let Some(second) = hex(&rest[6..]).filter(|s| (0xDC00..0xE000).contains(s))
    {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or('?'), 10);
    }
    (char::from_u32(first).unwrap_or('?'), 4)
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits.get(..4)?).ok()?, 16).ok()
}

/// Appends nested JSON as Flink hands it to a `STRING` column: without blanks, doubles in Java's writing. The text is
/// known to be well formed.
pub(super) fn minify(raw: &[u8], out: &mut Vec<u8>) {
    let mut p = 0;
    while let Some(&c) = raw.get(p) {
        match c {
            b' ' | b'\t' | b'\n' | b'\r' => p += 1,
            b'"' => {
                let end = string_after(raw, p);
                out.extend_from_slice(&raw[p..end]);
                p = end;
            }
            b'-' | b'0'..=b'9' => {
                let length =
                    raw[p..].iter().take_while(|c| matches!(c, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
                let end = p + length.count();
                write_number(&raw[p..end], out);
                p = end;
            }
            other => {
                out.push(other);
                p += 1;
            }
        }
    }
}

fn string_after(raw: &[u8], start: usize) -> usize {
    let mut p = start + 1;
    while let Some(&c) = raw.get(p) {
        match c {
            b'\\' => p += 2,
            b'"' => return p + 1,
            _ => p += 1,
        }
    }
    raw.len()
}

fn write_number(text: &[u8], out: &mut Vec<u8>) {
    let fraction = text.iter().any(|c| matches!(c, b'.' | b'e' | b'E'));
    match std::str::from_utf8(text).ok().filter(|_| fraction).and_then(|t| t.parse::<f64>().ok()) {
        Some(double) => write_f64(double, out),
        None => out.extend_from_slice(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_what_json_says() {
        for (raw, meant) in [
            (r"plain", "plain"),
            (r#"a\"b\\c\/d"#, r#"a"b\c/d"#),
            (r"\b\f\n\r\t", "\u{8}\u{c}\n\r\t"),
            (r"\u00e9\uD83D\uDE95!", "é🚕!"),
            (r"\uD83Dx", "?x"),
            (r"\uDE95", "?"),
        ] {
            let mut out = Vec::new();
            unescape(raw.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), meant, "{raw}");
        }
    }

    #[test]
    fn nested_text_loses_its_blanks_only() {
        let mut out = Vec::new();
        minify(br#"{ "a b" : [1 , 2.50, 1e10], "c":"x \" y" }"#, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a b":[1,2.5,1.0E10],"c":"x \" y"}"#);
    }
}
