//! Opaque tokens: shard iterators and page tokens. They carry all their state, so that a restart does not void them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Position, ShardIndex};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where a reader stands, as handed to it between two calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShardIterator {
    pub(super) stream: String,
    /// Tells the stream from an earlier one of the same name, in ms since the Unix epoch.
    pub(super) stream_created_ms: u64,
    pub(super) shard: ShardIndex,
    pub(super) position: Position,
    /// When the iterator was given, in ms since the Unix epoch.
    pub(super) issued_ms: u64,
}

const VERSION: u8 = 1;
const FIXED_BYTES: usize = 1 + 8 + 4 + 8 + 8;

impl ShardIterator {
    pub(super) fn encode(&self) -> String {
        let mut out = Vec::with_capacity(FIXED_BYTES + self.stream.len() + 4);
        out.push(VERSION);
        out.extend_from_slice(&self.stream_created_ms.to_be_bytes());
        out.extend_from_slice(&self.shard.0.to_be_bytes());
        out.extend_from_slice(&self.position.0.to_be_bytes());
        out.extend_from_slice(&self.issued_ms.to_be_bytes());
        out.extend_from_slice(self.stream.as_bytes());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        STANDARD.encode(out)
    }

    /// `None` for what this store did not give.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (fixed, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        if fixed.len() < FIXED_BYTES || fixed[0] != VERSION || crc != crc32c::crc32c(fixed).to_be_bytes() {
            return None;
        }
        let u64_at = |at: usize| fixed[at..at + 8].try_into().map(u64::from_be_bytes).ok();
        Some(Self {
            stream_created_ms: u64_at(1)?,
            shard: ShardIndex(u32::from_be_bytes(fixed[9..13].try_into().ok()?)),
            position: Position(u64_at(13)?),
            issued_ms: u64_at(21)?,
            stream: String::from_utf8(fixed[FIXED_BYTES..].to_vec()).ok()?,
        })
    }
}

/// A token for the next page of a list.
pub(super) fn encode_page<T: Serialize>(page: &T) -> String {
    // Pages are plain records of texts and numbers, which always have a JSON form.
    STANDARD.encode(serde_json::to_vec(page).unwrap_or_default())
}

/// `None` for what this store did not give.
pub(super) fn decode_page<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn iterators_read_back(stream in "[a-zA-Z0-9_.-]{1,128}", a: u64, b: u32, c: u64, d: u64, flip: u16) {
            let iterator = ShardIterator {
                stream, stream_created_ms: a, shard: ShardIndex(b), position: Position(c), issued_ms: d,
            };
            let text = iterator.encode();
            prop_assert!(text.len() <= 512);
            prop_assert_eq!(ShardIterator::decode(&text), Some(iterator));
            let mut bytes = STANDARD.decode(&text).unwrap();
            let bit = usize::from(flip) % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(ShardIterator::decode(&STANDARD.encode(bytes)), None);
        }

        #[test]
        fn any_text_is_decoded_without_panic(text in "\\PC{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = ShardIterator::decode(&text);
            let _ = ShardIterator::decode(&STANDARD.encode(bytes));
        }
    }
}
