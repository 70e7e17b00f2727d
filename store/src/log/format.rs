//! The log's bytes on disk: the header of a segment, the header of a block, and the records within a block.
//!
//! ```text
//! segment = header (64 bytes) block*
//! block   = header (48 bytes) record*          one block for each group commit
//! record  = data length u32, key length u16, flags u16, arrival ms u64, key, data
//! ```
//! All numbers are little-endian. The checksum of a block's header covers the log's identity and the block's offset too,
//! so that bytes that were written to, or read from, another place are never taken for this log's own.

use model::Position;

/// First bytes of every segment.
pub(crate) const SEGMENT_MAGIC: [u8; 8] = *b"HAILSEG\n";
/// The version of the format that this code writes.
pub(crate) const SEGMENT_VERSION: u32 = 1;
/// Length of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
/// First bytes of every block.
pub(crate) const BLOCK_MAGIC: [u8; 4] = *b"HBLK";
/// Length of a block's header.
pub(crate) const BLOCK_HEADER_BYTES: usize = 48;
/// Length of a record's header.
pub(crate) const RECORD_HEADER_BYTES: usize = 16;
/// Largest body of a block. A group commit stays far below; a header that claims more is damaged.
pub(crate) const BLOCK_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Set in a segment's header when its blocks were acknowledged before they were durable.
pub(crate) const FLAG_RELAXED: u32 = 1;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) flags: u32,
    /// Random identity of the log, the same in all its segments.
    pub(crate) log_id: u64,
    /// Position of the segment's first record.
    pub(crate) first: Position,
    /// Newest arrival among the records of all earlier segments, in ms since the Unix epoch; 0 for the first segment.
    pub(crate) newest_before_ms: u64,
    /// When the segment was made, in ms since the Unix epoch.
    pub(crate) created_ms: u64,
}

/// What a block says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) body_len: u32,
    pub(crate) records: u32,
    pub(crate) body_crc: u32,
    pub(crate) first: Position,
    /// Oldest and newest arrival among the block's records, in ms since the Unix epoch.
    pub(crate) oldest_ms: u64,
    pub(crate) newest_ms: u64,
}

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    #[error("the file ends within a header")]
    HeaderCutShort,
    #[error("the segment does not begin with the magic of a log")]
    NotASegment,
    #[error("the segment has format version {0}, this program reads version {SEGMENT_VERSION}")]
    UnknownVersion(u32),
    #[error("the header does not match its checksum")]
    HeaderChecksum,
    #[error("the file ends within a block")]
    BodyCutShort,
    #[error("the block does not match its checksum")]
    BodyChecksum,
    #[error("the block's records do not add up to its length")]
    Records,
    #[error("the file ends before the records that it should hold")]
    Missing,
    #[error("the block begins with record {found}, record {expected} was due")]
    OutOfOrder { expected: u64, found: u64 },
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out[0..8].copy_from_slice(&SEGMENT_MAGIC);
        out[8..12].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.flags.to_le_bytes());
        out[16..24].copy_from_slice(&self.log_id.to_le_bytes());
        out[24..32].copy_from_slice(&self.first.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.newest_before_ms.to_le_bytes());
        out[40..48].copy_from_slice(&self.created_ms.to_le_bytes());
        let crc = crc32c::crc32c(&out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() < SEGMENT_HEADER_BYTES {
            return Err(FormatError::HeaderCutShort);
        }
        if bytes[0..8] != SEGMENT_MAGIC {
            return Err(FormatError::NotASegment);
        }
        if crc32c::crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return Err(FormatError::HeaderChecksum);
        }
        match u32_at(bytes, 8) {
            SEGMENT_VERSION => Ok(Self {
                flags: u32_at(bytes, 12),
                log_id: u64_at(bytes, 16),
                first: Position(u64_at(bytes, 24)),
                newest_before_ms: u64_at(bytes, 32),
                created_ms: u64_at(bytes, 40),
            }),
            other => Err(FormatError::UnknownVersion(other)),
        }
    }
}

impl BlockHeader {
    fn checksum(bytes: &[u8], log_id: u64, offset: u64) -> u32 {
        let crc = crc32c::crc32c(&log_id.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &offset.to_le_bytes());
        crc32c::crc32c_append(crc, &bytes[..44])
    }

    /// Writes the header over the first bytes of `out`, for the place `offset` of the log `log_id`.
    pub(crate) fn encode_into(&self, out: &mut [u8], log_id: u64, offset: u64) {
        out[0..4].copy_from_slice(&BLOCK_MAGIC);
        out[4..8].copy_from_slice(&self.body_len.to_le_bytes());
        out[8..12].copy_from_slice(&self.records.to_le_bytes());
        out[12..16].copy_from_slice(&self.body_crc.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.oldest_ms.to_le_bytes());
        out[32..40].copy_from_slice(&self.newest_ms.to_le_bytes());
        out[40..44].fill(0);
        let crc = Self::checksum(out, log_id, offset);
        out[44..48].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the header at the beginning of `bytes`, which stand at `offset` of the log `log_id`.
    pub(crate) fn decode(bytes: &[u8], log_id: u64, offset: u64) -> Result<Self, FormatError> {
        if bytes.len() < BLOCK_HEADER_BYTES {
            return Err(FormatError::HeaderCutShort);
        }
        if bytes[0..4] != BLOCK_MAGIC || Self::checksum(bytes, log_id, offset) != u32_at(bytes, 44) {
            return Err(FormatError::HeaderChecksum);
        }
        let header = Self {
            body_len: u32_at(bytes, 4),
            records: u32_at(bytes, 8),
            body_crc: u32_at(bytes, 12),
            first: Position(u64_at(bytes, 16)),
            oldest_ms: u64_at(bytes, 24),
            newest_ms: u64_at(bytes, 32),
        };
        let body = header.body_len as usize;
        let fits = body <= BLOCK_BODY_BYTES_MAX && header.records as usize <= body / RECORD_HEADER_BYTES;
        let in_range = header.first.0.checked_add(u64::from(header.records)).is_some();
        if fits && header.records > 0 && in_range { Ok(header) } else { Err(FormatError::Records) }
    }

    /// Header and body together, in bytes.
    pub(crate) fn block_len(&self) -> u64 {
        BLOCK_HEADER_BYTES as u64 + u64::from(self.body_len)
    }

    /// The position after the block's last record.
    pub(crate) fn next(&self) -> Position {
        Position(self.first.0 + u64::from(self.records))
    }
}

/// A record as it enters the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRecord<'a> {
    pub(crate) arrival_ms: u64,
    pub(crate) key: &'a str,
    pub(crate) data: &'a [u8],
}

impl NewRecord<'_> {
    /// Appends the record to a block's body.
    pub(crate) fn encode_into(&self, body: &mut Vec<u8>) {
        // Lengths are bounded where records enter the store: 10 MiB of data, 256 characters of key.
        debug_assert!(self.data.len() <= BLOCK_BODY_BYTES_MAX && self.key.len() <= usize::from(u16::MAX));
        let mut header = [0; RECORD_HEADER_BYTES];
        header[0..4].copy_from_slice(&(self.data.len() as u32).to_le_bytes());
        header[4..6].copy_from_slice(&(self.key.len() as u16).to_le_bytes());
        header[8..16].copy_from_slice(&self.arrival_ms.to_le_bytes());
        body.extend_from_slice(&header);
        body.extend_from_slice(self.key.as_bytes());
        body.extend_from_slice(self.data);
    }
}

/// Where one record stands in a buffer that was read from the log. Offsets are bytes from the buffer's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The record's place in its shard.
    pub position: Position,
    /// When the store accepted the record, in milliseconds since the Unix epoch.
    pub arrival_ms: u64,
    /// Where the partition key begins; it ends where the payload begins.
    pub key_start: u32,
    /// Where the payload begins.
    pub data_start: u32,
    /// Where the payload ends.
    pub data_end: u32,
}

/// Checks the body of a block against its header's checksum.
pub(crate) fn check_body(header: &BlockHeader, body: &[u8]) -> Result<(), FormatError> {
    if crc32c::crc32c(body) == header.body_crc { Ok(()) } else { Err(FormatError::BodyChecksum) }
}

/// Adds the rows of a block to `rows`, those before `from` left out. The block's body stands at `start` of `buffer`.
///
/// On an error `rows` is as it was.
pub(crate) fn push_rows(
    header: &BlockHeader,
    buffer: &[u8],
    start: usize,
    from: Position,
    rows: &mut Vec<Row>,
) -> Result<(), FormatError> {
    let before = rows.len();
    let result = walk_rows(header, buffer, start, |row| {
        if row.position >= from {
            rows.push(row);
        }
    });
    if result.is_err() {
        rows.truncate(before);
    }
    result
}

fn walk_rows(header: &BlockHeader, buffer: &[u8], start: usize, mut each: impl FnMut(Row)) -> Result<(), FormatError> {
    let end = start + header.body_len as usize;
    let mut at = start;
    for i in 0..u64::from(header.records) {
        let Some(bytes) = buffer.get(at..at + RECORD_HEADER_BYTES) else { return Err(FormatError::Records) };
        let data_len = u32_at(bytes, 0) as usize;
        let key_len = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
        let key_start = at + RECORD_HEADER_BYTES;
        let data_start = key_start + key_len;
        let data_end = data_start + data_len;
        if data_end > end {
            return Err(FormatError::Records);
        }
        each(Row {
            position: Position(header.first.0 + i),
            arrival_ms: u64_at(bytes, 8),
            key_start: key_start as u32,
            data_start: data_start as u32,
            data_end: data_end as u32,
        });
        at = data_end;
    }
    if at == end { Ok(()) } else { Err(FormatError::Records) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(records: &[(&str, &[u8])]) -> (BlockHeader, Vec<u8>) {
        let mut body = Vec::new();
        for (i, (key, data)) in records.iter().enumerate() {
            NewRecord { arrival_ms: i as u64, key, data }.encode_into(&mut body);
        }
        let header = BlockHeader {
            body_len: body.len() as u32,
            records: records.len() as u32,
            body_crc: crc32c::crc32c(&body),
            first: Position(7),
            oldest_ms: 0,
            newest_ms: records.len() as u64,
        };
        (header, body)
    }

    #[test]
    fn a_segment_header_reads_back() {
        let header = SegmentHeader { flags: 1, log_id: 9, first: Position(3), newest_before_ms: 4, created_ms: 5 };
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn every_flipped_bit_of_a_segment_header_is_noticed() {
        let bytes =
            SegmentHeader { flags: 0, log_id: 9, first: Position(3), newest_before_ms: 4, created_ms: 5 }.encode();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_block_header_belongs_to_its_log_and_its_place() {
        let (header, _) = block(&[("k", b"data")]);
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        header.encode_into(&mut bytes, 9, 64);
        assert_eq!(BlockHeader::decode(&bytes, 9, 64), Ok(header));
        assert_eq!(BlockHeader::decode(&bytes, 9, 65), Err(FormatError::HeaderChecksum), "another place");
        assert_eq!(BlockHeader::decode(&bytes, 8, 64), Err(FormatError::HeaderChecksum), "another log");
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(BlockHeader::decode(&damaged, 9, 64).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn rows_point_at_keys_and_payloads() {
        let (header, body) = block(&[("a", b"one"), ("bb", b""), ("", b"three")]);
        let mut rows = Vec::new();
        push_rows(&header, &body, 0, Position(8), &mut rows).unwrap();
        let texts: Vec<_> = rows
            .iter()
            .map(|r| {
                let text = |from: u32, to: u32| std::str::from_utf8(&body[from as usize..to as usize]).unwrap();
                (r.position.0, text(r.key_start, r.data_start), text(r.data_start, r.data_end))
            })
            .collect();
        assert_eq!(texts, [(8, "bb", ""), (9, "", "three")]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), records in 1u32..40) {
            let _ = SegmentHeader::decode(&bytes);
            let _ = BlockHeader::decode(&bytes, 1, 2);
            let header = BlockHeader {
                body_len: bytes.len() as u32, records, body_crc: 0, first: Position(0), oldest_ms: 0, newest_ms: 0,
            };
            let _ = push_rows(&header, &bytes, 0, Position(0), &mut Vec::new());
        }

        #[test]
        fn every_flipped_bit_of_a_body_is_noticed(data in proptest::collection::vec(any::<u8>(), 1..100), bit in any::<u16>()) {
            let (header, mut body) = block(&[("key", &data)]);
            prop_assert_eq!(check_body(&header, &body), Ok(()));
            let bit = usize::from(bit) % (body.len() * 8);
            body[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(check_body(&header, &body), Err(FormatError::BodyChecksum));
        }
    }
}
