//! The records of the log: what happened to which index.

use crate::codec::{DecodeError, Decoder, put_bytes, put_varint};
use crate::mapping::Mapping;
use crate::table::TableMeta;

/// One change. Records of one index stand in the log in the order of its sequence numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record<'a> {
    /// An index was created.
    Create(TableMeta, Mapping),
    /// An index was deleted.
    Drop(u64),
    /// The mapping of an index became this one.
    Map(u64, Mapping),
    /// A document was written.
    Put { table: u64, id: &'a str, version: u64, sequence: u64, source: &'a [u8] },
    /// A document was deleted, or was not there.
    Remove { table: u64, id: &'a str, version: u64, sequence: u64 },
}

impl<'a> Record<'a> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create(meta, mapping) => {
                out.push(1);
                meta.encode(out);
                mapping.encode(out);
            }
            Self::Drop(table) => {
                out.push(2);
                put_varint(out, *table);
            }
            Self::Map(table, mapping) => {
                out.push(3);
                put_varint(out, *table);
                mapping.encode(out);
            }
            Self::Put { table, id, version, sequence, source } => {
                out.push(4);
                put_varint(out, *table);
                put_bytes(out, id.as_bytes());
                put_varint(out, *version);
                put_varint(out, *sequence);
                put_bytes(out, source);
            }
            Self::Remove { table, id, version, sequence } => {
                out.push(5);
                put_varint(out, *table);
                put_bytes(out, id.as_bytes());
                put_varint(out, *version);
                put_varint(out, *sequence);
            }
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        Ok(match from.u8()? {
            1 => Self::Create(TableMeta::decode(from)?, Mapping::decode(from)?),
            2 => Self::Drop(from.varint()?),
            3 => Self::Map(from.varint()?, Mapping::decode(from)?),
            4 => Self::Put {
                table: from.varint()?,
                id: from.text()?,
                version: from.varint()?,
                sequence: from.varint()?,
                source: from.bytes()?,
            },
            5 => Self::Remove {
                table: from.varint()?,
                id: from.text()?,
                version: from.varint()?,
                sequence: from.varint()?,
            },
            _ => return Err(from.error("an unknown kind of record")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Field, FieldKind};

    #[test]
    fn what_was_written_is_read() {
        let mut mapping = Mapping::default();
        mapping.add(Field::new("a", FieldKind::Date)).unwrap();
        let meta =
            TableMeta { number: 7, name: "n".into(), uuid: "u".into(), created_ms: 5, settings: Default::default() };
        let records = [
            Record::Create(meta, mapping.clone()),
            Record::Drop(7),
            Record::Map(7, mapping),
            Record::Put { table: 1, id: "é", version: 2, sequence: 300, source: b"{}" },
            Record::Remove { table: 1, id: "x", version: 2, sequence: 1 << 40 },
        ];
        let mut out = Vec::new();
        records.iter().for_each(|r| r.encode(&mut out));
        let mut from = Decoder::new(&out);
        for record in records {
            assert_eq!(Record::decode(&mut from), Ok(record));
        }
        assert!(from.is_empty());
    }
}
