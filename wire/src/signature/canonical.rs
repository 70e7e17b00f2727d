//! The canonical form of a request, which is what is signed of it.

use http::HeaderMap;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// SHA-256 in lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// Percent-encodes all but unreserved characters.
fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _written = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// Undoes percent-encoding; what is no valid escape stays as it is.
fn decode(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let [first, tail @ ..] = rest {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let digits = escape.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        if segment == ".." {
            kept.pop();
        } else {
            kept.push(segment);
        }
    }
    let end = if kept.is_empty() || !path.ends_with('/') { "" } else { "/" };
    format!("/{}{end}", kept.iter().map(|segment| encode(segment.as_bytes())).collect::<Vec<_>>().join("/"))
}

/// The parameters of a query, decoded, in the order in which they were sent.
pub fn parameters(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect()
}

fn query(query: &str) -> String {
    let pairs = parameters(query).into_iter().filter(|(name, _)| name != b"X-Amz-Signature");
    let mut pairs: Vec<_> = pairs.map(|(name, value)| (encode(&name), encode(&value))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// What is signed of a request's head.
pub struct Head<'a> {
    /// `POST`, for instance.
    pub method: &'a str,
    /// Its path, as it was sent.
    pub path: &'a str,
    /// What follows the question mark, as it was sent.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The authority of the request, where HTTP/2 brings it in place of a header.
    pub authority: Option<&'a str>,
}

impl Head<'_> {
    /// The value of a header in canonical form; nothing where the request does not have it.
    fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.get_all(name).iter();
        let trimmed = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" "));
        let values: Vec<_> = trimmed.collect();
        match (values.is_empty(), name) {
            (false, _) => Some(values.join(",")),
            (true, "host") => self.authority.map(str::to_owned),
            (true, _) => None,
        }
    }

    /// The canonical request over these headers.
    ///
    /// # Errors
    /// The name of a header that is missing.
    pub fn canonical(&self, signed: &[&str], payload: &str) -> Result<String, String> {
        let mut headers = String::new();
        for name in signed {
            let value = self.header(name).ok_or_else(|| (*name).to_owned())?;
            let _written = writeln!(headers, "{name}:{value}");
        }
        let (path, query) = (path(self.path), query(self.query));
        Ok(format!("{}\n{path}\n{query}\n{headers}\n{}\n{payload}", self.method, signed.join(";")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::signing::SigningKey;
    use super::*;

    #[test]
    fn paths_and_queries_become_canonical() {
        for (given, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/a/../b/./c", "/b/c"),
            ("/../..", "/"),
            ("/a/", "/a/"),
            ("/a b", "/a%20b"),
            ("/%20", "/%2520"),
        ] {
            assert_eq!(path(given), expected, "{given}");
        }
        for (given, expected) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1", "a=1&a=2"),
            ("a", "a="),
            ("a=%2f&X-Amz-Signature=0", "a=%2F"),
            ("a=%zz%", "a=%25zz%25"),
        ] {
            assert_eq!(query(given), expected, "{given}");
        }
    }

    #[test]
    fn the_published_example_gets_its_published_signature() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "example.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", " 20150830T123600Z ".parse().unwrap());
        let head = Head { method: "GET", path: "/", query: "", headers: &headers, authority: None };
        let request = head.canonical(&["host", "x-amz-date"], &sha256_hex(b"")).unwrap();
        let digest = sha256_hex(request.as_bytes());
        assert_eq!(digest, "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63");
        let text = format!("AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n{digest}");
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let key = SigningKey::derive(secret, ["20150830", "us-east-1", "service"]);
        assert_eq!(key.sign(&text), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        assert_eq!(head.canonical(&["x-none"], ""), Err("x-none".to_owned()));
    }
}
