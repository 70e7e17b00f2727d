//! How deep a text of JSON is nested, told before anything is built of it.

use crate::limits::JSON_DEPTH_MAX;

/// Whether no object and no array of this text of JSON lies deeper than [`JSON_DEPTH_MAX`]. The text need not be right:
/// brackets within strings do not count, and everything else is the parser's business.
pub fn is_shallow(json: &[u8]) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                if depth > JSON_DEPTH_MAX {
                    return false;
                }
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brackets_that_nest_count() {
        let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        for (text, expected) in [
            (nested(JSON_DEPTH_MAX), true),
            (nested(JSON_DEPTH_MAX + 1), false),
            (vec![b'{'; 100_000], false),
            (b"[]".repeat(1_000), true),
            (format!("[\"{}\"]", "[".repeat(1_000)).into_bytes(), true),
            (format!("[\"\\\"{}\"]", "[".repeat(1_000)).into_bytes(), true),
            (format!("[\"\\\\\"{}", "[".repeat(1_000)).into_bytes(), false),
            (vec![], true),
            (vec![b']'; 1_000], true),
        ] {
            assert_eq!(is_shallow(&text), expected, "{}", String::from_utf8_lossy(&text[..text.len().min(40)]));
        }
    }
}
