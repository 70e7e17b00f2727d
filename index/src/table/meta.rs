//! What identifies an index and never changes.

use crate::codec::{DecodeError, Decoder, put_bytes, put_i64, put_varint};

/// What was asked for when an index was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexSettings {
    /// The number of shards asked for; told back, without effect: an index is one shard here.
    pub shards: Option<u32>,
    /// The number of replicas asked for; told back, without effect.
    pub replicas: Option<u32>,
    /// How long writes may stay invisible, in milliseconds; −1: until a refresh is asked for. `None`: the platform's.
    pub refresh_interval_ms: Option<i64>,
}

/// The identity of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMeta {
    /// Its number on this data directory, never given twice.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) created_ms: u64,
    pub(crate) settings: IndexSettings,
}

impl TableMeta {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.number);
        put_bytes(out, self.name.as_bytes());
        put_bytes(out, self.uuid.as_bytes());
        put_varint(out, self.created_ms);
        let settings = &self.settings;
        put_varint(out, settings.shards.map_or(0, |n| u64::from(n) + 1));
        put_varint(out, settings.replicas.map_or(0, |n| u64::from(n) + 1));
        out.push(u8::from(settings.refresh_interval_ms.is_some()));
        put_i64(out, settings.refresh_interval_ms.unwrap_or(0));
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let number = from.varint()?;
        let (name, uuid) = (from.text()?.to_owned(), from.text()?.to_owned());
        let created_ms = from.varint()?;
        let (shards, replicas) = (from.u32()?.checked_sub(1), from.u32()?.checked_sub(1));
        let has_interval = from.u8()? != 0;
        let refresh_interval_ms = Some(from.i64()?).filter(|_| has_interval);
        let settings = IndexSettings { shards, replicas, refresh_interval_ms };
        Ok(Self { number, name, uuid, created_ms, settings })
    }
}
