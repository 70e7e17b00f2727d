//! What a record holds, for people: user records taken out of aggregated ones, decompressed, and as text where it is text.

use serde_json::Value;
use std::io::Read;
use store::kinesis::admin::ReadRecord;
use wire::aggregation::user_records;

/// Largest payload after decompression; what is larger is shown as it came.
const PLAIN_BYTES_MAX: u64 = 16 * 1024 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A record as its writer put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserRecord {
    pub(super) key: String,
    /// Which one of an aggregated record, from 0; `None` for one that stands alone.
    pub(super) part: Option<usize>,
    pub(super) data: Vec<u8>,
}

/// The user records of a record: one, or all of an aggregated one.
pub(super) fn unpack(record: &ReadRecord) -> Vec<UserRecord> {
    let data = &record.data;
    let alone = || vec![UserRecord { key: record.key.clone(), part: None, data: data.clone() }];
    user_records(data).map_or_else(alone, |parts| {
        let part = |(i, part): (usize, wire::aggregation::UserRecord<'_>)| UserRecord {
            key: part.partition_key.to_owned(),
            part: Some(i),
            data: data[part.data].to_vec(),
        };
        parts.into_iter().enumerate().map(part).collect()
    })
}

/// A payload as it is meant: decompressed where it is compressed.
fn plain(data: &[u8]) -> Vec<u8> {
    if !data.starts_with(&GZIP) {
        return data.to_vec();
    }
    let mut out = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(data).take(PLAIN_BYTES_MAX + 1).read_to_end(&mut out);
    if read.is_ok() && out.len() as u64 <= PLAIN_BYTES_MAX { out } else { data.to_vec() }
}

/// A payload as one line: its text, or its bytes in hexadecimal.
pub(super) fn shown(data: &[u8]) -> String {
    let plain = plain(data);
    match String::from_utf8(plain) {
        // A line stays a line, and nothing in it commands the terminal.
        Ok(text) => text.trim_end().chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect(),
        Err(error) => format!("0x{}", hex(error.as_bytes())),
    }
}

/// A payload for programs: as JSON where it is JSON, as text, or in hexadecimal.
pub(super) fn value(data: &[u8]) -> Value {
    let plain = plain(data);
    if let Ok(value) = serde_json::from_slice(&plain) {
        return value;
    }
    match String::from_utf8(plain) {
        Ok(text) => Value::String(text),
        Err(error) => serde_json::json!({ "hex": hex(error.as_bytes()) }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which records are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    /// Those with this text in them.
    Text(String),
    /// Those whose JSON has this member with this value.
    Member(String, String),
}

impl Filter {
    /// A filter as it is written: `MEMBER=VALUE`, or any other text.
    pub(super) fn parse(text: &str) -> Self {
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c));
        match text.split_once('=') {
            Some((name, value)) if is_name(name) => Self::Member(name.to_owned(), value.to_owned()),
            _ => Self::Text(text.to_owned()),
        }
    }

    pub(super) fn takes(&self, data: &[u8]) -> bool {
        match self {
            Self::Text(text) => shown(data).contains(text.as_str()),
            Self::Member(name, wanted) => match value(data).get(name) {
                Some(Value::String(text)) => text == wanted,
                Some(other) => serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| wanted == *other),
                None => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn payloads_are_shown_as_what_they_are() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{\"a\": 1}\n").unwrap();
        let gzip = gzip.finish().unwrap();
        for (data, line, json) in [
            (b"plain".as_slice(), "plain", serde_json::json!("plain")),
            (b"{\"a\": 1}\n", "{\"a\": 1}", serde_json::json!({ "a": 1 })),
            (&gzip, "{\"a\": 1}", serde_json::json!({ "a": 1 })),
            (b"\xff\x00", "0xff00", serde_json::json!({ "hex": "ff00" })),
            (b"\x1f\x8bbroken", "0x1f8b62726f6b656e", serde_json::json!({ "hex": "1f8b62726f6b656e" })),
            (b"a\x1b[2Jb\nc", "a\u{fffd}[2Jb\u{fffd}c", serde_json::json!("a\u{1b}[2Jb\nc")),
        ] {
            assert_eq!((shown(data), value(data)), (line.to_owned(), json));
        }
    }

    #[test]
    fn filters_look_at_texts_or_members() {
        let trip = br#"{"type": "pickup", "fare": 12}"#;
        for (filter, takes) in [
            ("pick", true),
            ("type=pickup", true),
            ("fare=12", true),
            ("fare=13", false),
            ("tip=1", false),
            ("zzz", false),
        ] {
            assert_eq!(Filter::parse(filter).takes(trip), takes, "{filter}");
        }
        assert_eq!(Filter::parse("a b=c"), Filter::Text("a b=c".into()));
    }
}
