//! Sequence numbers: 56 decimal digits that tell the shard's birth, the record's position and the shard.
//!
//! ```text
//! 49 | birth of the shard, ms, 13 digits | position, 20 digits | shard, 10 digits | 0000000000 | 0, or 1 for an end
//! ```
//! Within a shard they grow with the position; those of a child are larger than all of its parents', since it is born
//! later. The number that ends a shard is larger than those of all its records and belongs to none.

use model::{Position, ShardIndex};

const PREFIX: &str = "49";
const DIGITS: usize = 56;
/// The year 2286, from which on the birth no longer fits.
const BIRTH_MS_MAX: u64 = 9_999_999_999_999;

/// A sequence number taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) birth_ms: u64,
    pub(super) shard: ShardIndex,
    pub(super) position: Position,
}

impl Sequence {
    fn write(self, end: u8) -> String {
        // Each acknowledged record gets one, so the digits are written straight to their places.
        let mut digits = [b'0'; DIGITS];
        digits[..2].copy_from_slice(PREFIX.as_bytes());
        write_digits(&mut digits[2..15], self.birth_ms.min(BIRTH_MS_MAX));
        write_digits(&mut digits[15..35], self.position.0);
        write_digits(&mut digits[35..45], u64::from(self.shard.0));
        write_digits(&mut digits[45..], u64::from(end));
        // Digits are text.
        String::from_utf8_lossy(&digits).into_owned()
    }

    /// The number of a record.
    pub(super) fn of_record(self) -> String {
        self.write(0)
    }

    /// The number that ends a shard whose next record would have had this position.
    pub(super) fn of_end(self) -> String {
        self.write(1)
    }

    /// A number that stands before the first record of a shard and after all records of its parents.
    pub(super) fn before_first(self) -> String {
        let birth_ms = self.birth_ms.saturating_sub(1);
        Self { birth_ms, shard: self.shard, position: Position(u64::MAX) }.write(1)
    }

    /// Whether this is the number that stands before the first record of a shard.
    pub(super) fn is_before_first(text: &str, birth_ms: u64, shard: ShardIndex) -> bool {
        text == Self { birth_ms, shard, position: Position::ZERO }.before_first()
    }

    /// `None` for what this store did not give.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        if text.len() != DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let end: u64 = digits[43..].parse().ok()?;
        let shard = ShardIndex(digits[33..43].parse().ok()?);
        let position = Position(digits[13..33].parse().ok()?);
        (end <= 1).then_some(Self { birth_ms: digits[..13].parse().ok()?, shard, position })
    }
}

/// Writes a number to the end of zeros that have room for it.
fn write_digits(zeros: &mut [u8], mut number: u64) {
    for digit in zeros.iter_mut().rev() {
        if number == 0 {
            return;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The name of a shard in the protocol.
pub(super) fn shard_id(index: ShardIndex) -> String {
    format!("shardId-{:012}", index.0)
}

/// The shard of a name, with or without its prefix; `None` for what is no name of a shard.
pub(super) fn parse_shard_id(text: &str) -> Option<ShardIndex> {
    let digits = text.strip_prefix("shardId-").unwrap_or(text);
    let all = (1..=12).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if all { digits.parse().ok().map(ShardIndex) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_have_56_digits_and_read_back(birth_ms in 0..=BIRTH_MS_MAX, shard: u32, position: u64) {
            let sequence = Sequence { birth_ms, shard: ShardIndex(shard), position: Position(position) };
            let expected = format!("49{birth_ms:013}{position:020}{shard:010}00000000000");
            prop_assert_eq!(sequence.of_record(), expected);
            for text in [sequence.of_record(), sequence.of_end()] {
                prop_assert_eq!(text.len(), DIGITS);
                prop_assert_eq!(Sequence::parse(&text), Some(sequence));
            }
        }

        #[test]
        fn numbers_grow_within_a_shard_and_from_parent_to_child(
            birth_ms in 0..BIRTH_MS_MAX, shard: u32, child: u32, a: u64, b: u64,
        ) {
            prop_assume!(a < b);
            let of = |position| Sequence { birth_ms, shard: ShardIndex(shard), position: Position(position) };
            prop_assert!(of(a).of_record() < of(a).of_end());
            prop_assert!(of(a).of_end() < of(b).of_record());
            let first = Sequence { birth_ms: birth_ms + 1, shard: ShardIndex(child), position: Position(0) };
            prop_assert!(of(b).of_end() < first.of_record());
            prop_assert!(of(b).of_end() < first.before_first() || (shard >= child && b == u64::MAX));
            prop_assert!(first.before_first() < first.of_record());
        }

        #[test]
        fn any_text_is_parsed_without_panic(text in "\\PC{0,60}", digits in "49[0-9]{54}") {
            let _ = (Sequence::parse(&text), parse_shard_id(&text));
            let _ = Sequence::parse(&digits);
        }
    }

    #[test]
    fn shard_names_read_back() {
        assert_eq!(shard_id(ShardIndex(17)), "shardId-000000000017");
        assert_eq!(parse_shard_id("shardId-000000000017"), Some(ShardIndex(17)));
        for bad in ["", "shardId-", "shardId-x", "shardId--1", "shardId-999999999999", "shard-1"] {
            assert_eq!(parse_shard_id(bad), None, "{bad}");
        }
    }
}
