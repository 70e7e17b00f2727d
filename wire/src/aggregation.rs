//! Aggregated records: many user records in the payload of one, as the Kinesis Producer Library writes them.
//!
//! A magic number, a protobuf message with the keys and the records, and the MD5 of the message. Whoever reads a shard
//! means the user records; a payload that is not one of these whole is a record like any other.

use md5::{Digest, Md5};
use std::ops::Range;

pub(crate) const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST_BYTES: usize = 16;

/// The fields of the message.
pub(crate) const PARTITION_KEYS: u64 = 1;
pub(crate) const EXPLICIT_HASH_KEYS: u64 = 2;
pub(crate) const RECORDS: u64 = 3;

/// One user record in an aggregated payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// The key that it was put with.
    pub partition_key: &'a str,
    /// The place in the key space that it was put with, in decimal, where there was one.
    pub explicit_hash_key: Option<&'a str>,
    /// Where its own payload stands in the aggregated one, in bytes.
    pub data: Range<usize>,
}

/// The user records of an aggregated payload, in their order; `None` for any other payload, also for one whose checksum,
/// message or keys are wrong, or that holds no record. Never panics. Takes memory for the list alone.
pub fn user_records(payload: &[u8]) -> Option<Vec<UserRecord<'_>>> {
    let rest = payload.strip_prefix(&MAGIC)?;
    let (message, digest) = rest.split_at_checked(rest.len().checked_sub(DIGEST_BYTES)?)?;
    if Md5::digest(message).as_slice() != digest {
        return None;
    }
    let (mut keys, mut hash_keys, mut found) = (Vec::new(), Vec::new(), Vec::new());
    let mut fields = Fields { bytes: message, at: 0 };
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (PARTITION_KEYS, Value::Bytes(range)) => keys.push(std::str::from_utf8(&message[range]).ok()?),
            (EXPLICIT_HASH_KEYS, Value::Bytes(range)) => hash_keys.push(std::str::from_utf8(&message[range]).ok()?),
            (RECORDS, Value::Bytes(range)) => found.push(Indices::parse(message, range)?),
            _ => {}
        }
    }
    let of = |indices: Indices| {
        Some(UserRecord {
            partition_key: keys.get(indices.key)?,
            explicit_hash_key: match indices.hash_key {
                Some(index) => Some(*hash_keys.get(index)?),
                None => None,
            },
            data: indices.data.start + MAGIC.len()..indices.data.end + MAGIC.len(),
        })
    };
    let records: Vec<_> = found.into_iter().map(of).collect::<Option<_>>()?;
    (!records.is_empty()).then_some(records)
}

/// A record of the message: places in the tables of keys, and where the payload stands in the message.
struct Indices {
    key: usize,
    hash_key: Option<usize>,
    data: Range<usize>,
}

impl Indices {
    fn parse(message: &[u8], range: Range<usize>) -> Option<Self> {
        let (mut key, mut hash_key, mut data) = (None, None, None);
        let mut fields = Fields { bytes: &message[..range.end], at: range.start };
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Number(index)) => key = Some(usize::try_from(index).ok()?),
                (2, Value::Number(index)) => hash_key = Some(usize::try_from(index).ok()?),
                (3, Value::Bytes(range)) => data = Some(range),
                _ => {}
            }
        }
        Some(Self { key: key?, hash_key, data: data? })
    }
}

/// The value of a field, as its wire type tells it.
enum Value {
    Number(u64),
    Bytes(Range<usize>),
    /// Of a type that no field of ours has.
    Skipped,
}

/// The fields of a protobuf message, one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    /// The next field; `Some(None)` at the end, `None` when the bytes are no message.
    fn next(&mut self) -> Option<Option<(u64, Value)>> {
        if self.at == self.bytes.len() {
            return Some(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                let start = self.at;
                self.skip(len)?;
                Value::Bytes(start..self.at)
            }
            5 => self.skip(4)?,
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }

    fn skip(&mut self, len: usize) -> Option<Value> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len())?;
        self.at = end;
        Some(Value::Skipped)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Plain = (String, Option<String>, Vec<u8>);

    fn put_varint(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
        put_varint(out, number << 3 | 2);
        put_varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    fn sealed(message: &[u8]) -> Vec<u8> {
        [&MAGIC[..], message, Md5::digest(message).as_slice()].concat()
    }

    fn aggregated(records: &[Plain]) -> Vec<u8> {
        let mut message = Vec::new();
        let mut hash_keys = 0;
        for (i, (key, hash_key, data)) in records.iter().enumerate() {
            put_bytes(&mut message, PARTITION_KEYS, key.as_bytes());
            let mut record = Vec::new();
            put_varint(&mut record, 1 << 3);
            put_varint(&mut record, i as u64);
            if let Some(hash_key) = hash_key {
                put_bytes(&mut message, EXPLICIT_HASH_KEYS, hash_key.as_bytes());
                put_varint(&mut record, 2 << 3);
                put_varint(&mut record, hash_keys);
                hash_keys += 1;
            }
            put_bytes(&mut record, 3, data);
            // A tag, which nobody reads, and a field of a type that the message does not have.
            put_bytes(&mut record, 4, b"\x0a\x01k");
            put_varint(&mut record, 9 << 3 | 5);
            record.extend_from_slice(&[1, 2, 3, 4]);
            put_bytes(&mut message, RECORDS, &record);
        }
        sealed(&message)
    }

    fn plain(payload: &[u8]) -> Option<Vec<Plain>> {
        let of = |r: UserRecord<'_>| {
            (r.partition_key.to_owned(), r.explicit_hash_key.map(str::to_owned), payload[r.data].to_vec())
        };
        Some(user_records(payload)?.into_iter().map(of).collect())
    }

    fn bytes_of(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn what_the_public_library_wrote_is_read() {
        let vector: serde_json::Value = serde_json::from_str(include_str!("vectors/aggregated.json")).unwrap();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let of = |record: &serde_json::Value| {
            (text(&record["key"]).unwrap(), text(&record["hash_key"]), bytes_of(record["data"].as_str().unwrap()))
        };
        let expected: Vec<Plain> = vector["records"].as_array().unwrap().iter().map(of).collect();
        assert_eq!(plain(&bytes_of(vector["payload"].as_str().unwrap())), Some(expected));
    }

    #[test]
    fn anything_else_is_a_record_like_any_other() {
        let one: Plain = ("k".into(), Some("7".into()), b"data".to_vec());
        let whole = aggregated(&[one]);
        assert!(user_records(&whole).is_some());
        for len in 0..whole.len() {
            assert!(user_records(&whole[..len]).is_none(), "cut at {len}");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(user_records(&flipped).is_none(), "bit {bit}");
        }
        let record = |fields: &[u8]| {
            let mut message = Vec::new();
            put_bytes(&mut message, PARTITION_KEYS, b"k");
            put_bytes(&mut message, RECORDS, fields);
            sealed(&message)
        };
        assert!(user_records(&record(b"\x08\x00\x1a\x00")).is_some());
        for (what, payload) in [
            ("no record", sealed(b"")),
            ("no payload", record(b"\x08\x00")),
            ("no key", record(b"\x1a\x00")),
            ("a key that is not there", record(b"\x08\x01\x1a\x00")),
            ("a hash key that is not there", record(b"\x08\x00\x10\x00\x1a\x00")),
            ("a length beyond the end", record(b"\x08\x00\x1a\x05x")),
            ("a number without end", sealed(&[0xff; 12])),
            ("an unknown type", sealed(b"\x0b")),
            ("a key that is no text", sealed(b"\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00")),
        ] {
            assert!(user_records(&payload).is_none(), "{what}");
        }
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_were_put(
            records in proptest::collection::vec(
                ("\\PC{1,20}", proptest::option::of("[0-9]{1,39}"), proptest::collection::vec(any::<u8>(), 0..300)), 1..20,
            ),
        ) {
            prop_assert_eq!(plain(&aggregated(&records)), Some(records));
        }

        #[test]
        fn any_message_is_read_without_panic(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = user_records(&message);
            let _ = user_records(&sealed(&message));
        }
    }
}
