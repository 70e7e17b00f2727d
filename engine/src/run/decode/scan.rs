//! One pass over the bytes of a JSON object: finds the values of wanted keys, checks the rest, copies nothing.

/// Deepest nesting of arrays and objects that is followed.
const DEPTH_MAX: u32 = 128;
/// Most keys of a record whose order is remembered for the next one.
const PREDICTED_KEYS_MAX: usize = 256;

/// Why bytes are no JSON object, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    /// What was expected or found.
    pub(super) reason: &'static str,
    /// Offset into the payload.
    pub(super) at: usize,
}

/// What kind of value stands at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Shape {
    /// The key is not there.
    #[default]
    Missing,
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number without fraction or exponent.
    Integer,
    /// A number with one of them.
    Float,
    /// A string without escapes; the span is what stands between the quotes.
    Plain,
    /// A string with escapes.
    Escaped,
    /// An array or object.
    Nested,
}

/// Where a value stands in the payload, and what scanning it has told already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Value {
    pub(super) shape: Shape,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The digits of a number without point and sign; saturated when there are more than 19.
    pub(super) mantissa: u64,
    /// The power of ten that `mantissa` is to be multiplied by; `i32::MAX` when the digits did not fit.
    pub(super) exponent: i32,
}

impl Value {
    fn of(shape: Shape, start: usize, end: usize) -> Self {
        Self { shape, start: start as u32, end: end as u32, mantissa: 0, exponent: 0 }
    }

    /// The bytes of the value (of a string: what stands between the quotes).
    pub(super) fn bytes<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        data.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Finds the values of a fixed set of keys in one record after the other.
///
/// Records of one stream nearly always have their keys in the same order: the order of the last record is tried first,
/// which makes finding a key one comparison.
pub(super) struct Scanner {
    keys: Vec<Vec<u8>>,
    values: Vec<Value>,
    predicted: Vec<Predicted>,
}

/// A key as the last record had it: `"key":` and the column it belongs to.
struct Predicted {
    bytes: Vec<u8>,
    /// The same bytes eight by eight, each with the bits that count: a key is compared without a call.
    words: Vec<(u64, u64)>,
    column: Option<usize>,
}

impl Predicted {
    fn new(bytes: &[u8], column: Option<usize>) -> Self {
        let word = |part: &[u8]| {
            let (mut word, mut mask) = ([0; 8], [0; 8]);
            word[..part.len()].copy_from_slice(part);
            mask[..part.len()].fill(0xff);
            (u64::from_le_bytes(word), u64::from_le_bytes(mask))
        };
        Self { bytes: bytes.to_vec(), words: bytes.chunks(8).map(word).collect(), column }
    }

    /// Whether this key stands at `p`.
    #[inline]
    fn stands_at(&self, data: &[u8], p: usize) -> bool {
        let Some(window) = data.get(p..p + self.words.len() * 8) else {
            // So near to the end that the last word would reach beyond it.
            return data.get(p..p + self.bytes.len()) == Some(&self.bytes);
        };
        let found = window.as_chunks().0.iter().map(|chunk| u64::from_le_bytes(*chunk));
        found.zip(&self.words).fold(0, |differs, (found, (word, mask))| differs | (found ^ word) & mask) == 0
    }
}

impl Scanner {
    pub(super) fn new<'a>(keys: impl Iterator<Item = &'a str>) -> Self {
        let keys: Vec<Vec<u8>> = keys.map(|k| k.as_bytes().to_vec()).collect();
        Self { values: vec![Value::default(); keys.len()], keys, predicted: Vec::new() }
    }

    /// The values found by the last successful [`Scanner::scan`], in the order of the keys.
    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }

    /// Reads one record. A key that occurs twice has its last value, as in Flink.
    pub(super) fn scan(&mut self, data: &[u8]) -> Result<(), Malformed> {
        self.values.fill(Value::default());
        let mut p = space(data, 0);
        if data.get(p) != Some(&b'{') {
            return Err(Malformed { reason: "not a JSON object", at: p });
        }
        p = space(data, p + 1);
        if data.get(p) == Some(&b'}') {
            return finish(data, p + 1);
        }
        for field in 0.. {
            let (column, at) = self.key(data, p, field)?;
            p = space(data, at);
            p = match column {
                Some(column) => {
                    let (value, after) = value(data, p)?;
                    self.values[column] = value;
                    after
                }
                None => skip(data, p)?,
            };
            p = space(data, p);
            match data.get(p) {
                Some(b',') => p = space(data, p + 1),
                Some(b'}') => break,
                _ => return Err(Malformed { reason: "expected , or } after a value", at: p }),
            }
        }
        finish(data, p + 1)
    }

    /// The column of the key at `p` and where its value begins.
    #[inline]
    fn key(&mut self, data: &[u8], p: usize, field: usize) -> Result<(Option<usize>, usize), Malformed> {
        if let Some(predicted) = self.predicted.get(field)
            && predicted.stands_at(data, p)
        {
            return Ok((predicted.column, p + predicted.bytes.len()));
        }
        self.unpredicted_key(data, p, field)
    }

    #[cold]
    fn unpredicted_key(&mut self, data: &[u8], p: usize, field: usize) -> Result<(Option<usize>, usize), Malformed> {
        if data.get(p) != Some(&b'"') {
            return Err(Malformed { reason: "expected a key in quotes", at: p });
        }
        let (end, escaped) = string_end(data, p + 1)?;
        let raw = &data[p + 1..end];
        let column = if escaped {
            let mut key = Vec::new();
            super::text::unescape(raw, &mut key);
            self.keys.iter().position(|k| *k == key)
        } else {
            self.keys.iter().position(|k| k == raw)
        };
        let colon = space(data, end + 1);
        if data.get(colon) != Some(&b':') {
            return Err(Malformed { reason: "expected : after a key", at: colon });
        }
        if field < PREDICTED_KEYS_MAX && field <= self.predicted.len() {
            let predicted = Predicted::new(&data[p..=colon], column);
            match self.predicted.get_mut(field) {
                Some(old) => *old = predicted,
                None => self.predicted.push(predicted),
            }
        }
        Ok((column, colon + 1))
    }
}

fn finish(data: &[u8], p: usize) -> Result<(), Malformed> {
    let end = space(data, p);
    if end == data.len() { Ok(()) } else { Err(Malformed { reason: "bytes after the end of the object", at: end }) }
}

#[inline]
fn space(data: &[u8], mut p: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = data.get(p) {
        p += 1;
    }
    p
}

/// Reads the value at `p`; gives it and where the next byte is.
#[inline]
fn value(data: &[u8], p: usize) -> Result<(Value, usize), Malformed> {
    match data.get(p) {
        Some(b'"') => {
            let (end, escaped) = string_end(data, p + 1)?;
            let shape = if escaped { Shape::Escaped } else { Shape::Plain };
            Ok((Value::of(shape, p + 1, end), end + 1))
        }
        Some(b'-' | b'0'..=b'9') => number(data, p),
        Some(b't') => literal(data, p, b"true").map(|end| (Value::of(Shape::True, p, end), end)),
        Some(b'f') => literal(data, p, b"false").map(|end| (Value::of(Shape::False, p, end), end)),
        Some(b'n') => literal(data, p, b"null").map(|end| (Value::of(Shape::Null, p, end), end)),
        Some(b'{' | b'[') => nested(data, p).map(|end| (Value::of(Shape::Nested, p, end), end)),
        _ => Err(Malformed { reason: "expected a value", at: p }),
    }
}

/// Checks the value at `p` without keeping it; gives where the next byte is.
#[inline]
fn skip(data: &[u8], p: usize) -> Result<usize, Malformed> {
    match data.get(p) {
        Some(b'"') => string_end(data, p + 1).map(|(end, _)| end + 1),
        Some(b'-' | b'0'..=b'9') => skip_number(data, p),
        Some(b't') => literal(data, p, b"true"),
        Some(b'f') => literal(data, p, b"false"),
        Some(b'n') => literal(data, p, b"null"),
        Some(b'{' | b'[') => nested(data, p),
        _ => Err(Malformed { reason: "expected a value", at: p }),
    }
}

fn literal(data: &[u8], p: usize, word: &[u8]) -> Result<usize, Malformed> {
    if data[p..].starts_with(word) {
        Ok(p + word.len())
    } else {
        Err(Malformed { reason: "expected true, false or null", at: p })
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte of `word` that equals `byte` (and perhaps of later ones: only the first is sure).
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    let x = word ^ (ONES * u64::from(byte));
    x.wrapping_sub(ONES) & !x & HIGHS
}

/// Where the string that begins at `p` (after its quote) has its closing quote, and whether it holds escapes.
/// Unescaped control characters pass, as in Flink.
#[inline]
fn string_end(data: &[u8], mut p: usize) -> Result<(usize, bool), Malformed> {
    let mut escaped = false;
    loop {
        while let Some(chunk) = data.get(p..p + 8) {
            let word =
                u64::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7]]);
            let found = equal(word, b'"') | equal(word, b'\\');
            if found != 0 {
                p += (found.trailing_zeros() / 8) as usize;
                break;
            }
            p += 8;
        }
        match data.get(p) {
            Some(b'"') => return Ok((p, escaped)),
            Some(b'\\') => {
                escaped = true;
                p = escape_end(data, p)?;
            }
            Some(_) => p += 1,
            None => return Err(Malformed { reason: "a string without an end", at: p }),
        }
    }
}

#[cold]
fn escape_end(data: &[u8], p: usize) -> Result<usize, Malformed> {
    match data.get(p + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(p + 2),
        Some(b'u') if data.get(p + 2..p + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => Ok(p + 6),
        _ => Err(Malformed { reason: "an unknown escape in a string", at: p }),
    }
}

/// Reads the number at `p` and its digits with it.
#[inline]
fn number(data: &[u8], start: usize) -> Result<(Value, usize), Malformed> {
    let mut p = start + usize::from(data.get(start) == Some(&b'-'));
    let (mut mantissa, mut exponent, mut shape) = (0_u64, 0_i32, Shape::Integer);
    let first = p;
    while let Some(d @ b'0'..=b'9') = data.get(p) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(d - b'0'));
        p += 1;
    }
    let mut digits = p - first;
    if digits == 0 || (digits > 1 && data.get(first) == Some(&b'0')) {
        return Err(Malformed { reason: "a malformed number", at: p });
    }
    if data.get(p) == Some(&b'.') {
        shape = Shape::Float;
        let point = p;
        p += 1;
        while let Some(d @ b'0'..=b'9') = data.get(p) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(d - b'0'));
            p += 1;
        }
        let fraction = p - point - 1;
        if fraction == 0 {
            return Err(Malformed { reason: "a number that ends with its point", at: p });
        }
        digits += fraction;
        exponent = -(fraction as i32);
    }
    if let Some(b'e' | b'E') = data.get(p) {
        shape = Shape::Float;
        let (power, after) = power(data, p)?;
        exponent = exponent.saturating_add(power);
        p = after;
    }
    if digits > 19 {
        exponent = i32::MAX;
    }
    Ok((Value { shape, start: start as u32, end: p as u32, mantissa, exponent }, p))
}

#[cold]
fn power(data: &[u8], p: usize) -> Result<(i32, usize), Malformed> {
    let sign = data.get(p + 1);
    let first = p + 1 + usize::from(matches!(sign, Some(b'+' | b'-')));
    let mut at = first;
    let mut power = 0_i32;
    while let Some(d @ b'0'..=b'9') = data.get(at) {
        power = power.saturating_mul(10).saturating_add(i32::from(d - b'0'));
        at += 1;
    }
    if at == first {
        return Err(Malformed { reason: "a number without the digits of its exponent", at });
    }
    Ok((if sign == Some(&b'-') { -power } else { power }, at))
}

#[inline]
fn skip_number(data: &[u8], start: usize) -> Result<usize, Malformed> {
    let first = start + usize::from(data.get(start) == Some(&b'-'));
    let mut p = first;
    while let Some(b'0'..=b'9') = data.get(p) {
        p += 1;
    }
    if p == first || (p - first > 1 && data.get(first) == Some(&b'0')) {
        return Err(Malformed { reason: "a malformed number", at: p });
    }
    if data.get(p) == Some(&b'.') {
        let point = p;
        p += 1;
        while let Some(b'0'..=b'9') = data.get(p) {
            p += 1;
        }
        if p == point + 1 {
            return Err(Malformed { reason: "a number that ends with its point", at: p });
        }
    }
    if let Some(b'e' | b'E') = data.get(p) {
        p = power(data, p)?.1;
    }
    Ok(p)
}

/// Checks an array or object and all in it; gives where the next byte is.
fn nested(data: &[u8], start: usize) -> Result<usize, Malformed> {
    // Bit i says whether level i is an object.
    let mut objects: u128 = 0;
    let mut depth: u32 = 0;
    let mut p = start;
    loop {
        // Here a value begins, or a container may close because it is empty.
        let opened = match data.get(p) {
            Some(c @ (b'{' | b'[')) => {
                if depth == DEPTH_MAX {
                    return Err(Malformed { reason: "arrays and objects nested too deep", at: p });
                }
                let bit = 1_u128 << depth;
                objects = if *c == b'{' { objects | bit } else { objects & !bit };
                depth += 1;
                p = space(data, p + 1);
                true
            }
            _ => {
                p = skip(data, p)?;
                false
            }
        };
        if opened && !closes(data, p, objects, depth) {
            p = nested_key(data, p, objects, depth)?;
            continue;
        }
        loop {
            p = space(data, p);
            if closes(data, p, objects, depth) {
                depth -= 1;
                p += 1;
                if depth == 0 {
                    return Ok(p);
                }
            } else if data.get(p) == Some(&b',') {
                p = nested_key(data, space(data, p + 1), objects, depth)?;
                break;
            } else {
                return Err(Malformed { reason: "expected , or the end of an array or object", at: p });
            }
        }
    }
}

fn closes(data: &[u8], p: usize, objects: u128, depth: u32) -> bool {
    data.get(p) == Some(if objects >> (depth - 1) & 1 == 1 { &b'}' } else { &b']' })
}

/// Inside an object: passes the key at `p` and its colon. Inside an array: nothing.
fn nested_key(data: &[u8], p: usize, objects: u128, depth: u32) -> Result<usize, Malformed> {
    if objects >> (depth - 1) & 1 == 0 {
        return Ok(p);
    }
    if data.get(p) != Some(&b'"') {
        return Err(Malformed { reason: "expected a key in quotes", at: p });
    }
    let (end, _) = string_end(data, p + 1)?;
    let colon = space(data, end + 1);
    if data.get(colon) != Some(&b':') {
        return Err(Malformed { reason: "expected : after a key", at: colon });
    }
    Ok(space(data, colon + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(text: &str, keys: &[&str]) -> Result<Vec<String>, Malformed> {
        let mut scanner = Scanner::new(keys.iter().copied());
        scanner.scan(text.as_bytes())?;
        let shown = |v: &Value| format!("{:?} {}", v.shape, String::from_utf8_lossy(v.bytes(text.as_bytes())));
        Ok(scanner.values().iter().map(shown).collect())
    }

    #[test]
    fn wanted_values_are_found_and_the_rest_is_passed() {
        let text = r#" { "x" : [1,{"a":[]},"]"] , "a":-1.5e3,"b":"q\"r","c":{"a":9},"d":null } "#;
        let found = scan(text, &["a", "b", "c", "d", "e"]).unwrap();
        assert_eq!(found, ["Float -1.5e3", r#"Escaped q\"r"#, r#"Nested {"a":9}"#, "Null null", "Missing "]);
        assert_eq!(scan(r#"{"a":1,"a":2}"#, &["a"]).unwrap(), ["Integer 2"]);
        assert_eq!(scan(r#"{"\u0061":1}"#, &["a"]).unwrap(), ["Integer 1"]);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [
            "",
            "{",
            "[1]",
            "{}x",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":-}",
            "{\"a\":1e}",
            "{\"a\":tru}",
            "{\"a\":\"x}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12\"}",
            "{\"a\":[1,]}",
            "{\"a\":{\"b\"}}",
            "{\"a\":[}",
            "{\"a\":[1 2]}",
            "{a:1}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "null",
        ] {
            assert!(scan(text, &["a"]).is_err(), "{text}");
            assert!(scan(text, &["z"]).is_err(), "{text} with the key unwanted");
        }
        assert!(scan(&format!("{{\"a\":{}{}}}", "[".repeat(129), "]".repeat(129)), &["a"]).is_err());
        assert!(scan(&format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128)), &["a"]).is_ok());
    }

    proptest! {
        /// Whatever the bytes, we accept what serde_json accepts as an object, and nothing but what it accepts.
        #[test]
        fn the_scanner_agrees_with_a_full_parser(text in r#"[\{\}\[\]",:0-9a-c\.eE \-]{0,24}"#, cut in 0usize..80) {
            let valid = r#"{"a":[{"b":1.5e-3},null,"x\n"],"c":{"d":[[],{}]},"e":true}"#;
            let mut cut_text = valid.to_owned();
            let at = cut.min(cut_text.len());
            cut_text.insert_str(at, &text);
            for candidate in [text.clone(), format!("{{{text}}}"), cut_text] {
                let serde = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&candidate);
                // A number beyond the range of a double is JSON, but that parser refuses it.
                let serde_ok = match &serde { Ok(_) => true, Err(e) => e.to_string().contains("out of range") };
                prop_assert_eq!(scan(&candidate, &["a"]).is_ok(), serde_ok, "{}", candidate);
            }
        }
    }
}
