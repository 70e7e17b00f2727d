//! The newest blocks of all logs of a store, kept in memory: a reader near the tip needs neither the file nor a checksum.

use super::format::{BLOCK_HEADER_BYTES, BlockHeader, FormatError, Row, push_rows};
use bytes::Bytes;
use model::Position;
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// How many bytes the newest blocks of all logs may take together. What came first goes first, whichever log it is from,
/// so that many idle logs take nothing from a busy one.
#[derive(Debug)]
pub(crate) struct TailCache {
    bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    /// One entry for each block, in the order in which they were written. That of a log that is gone stays until its turn.
    order: VecDeque<(Weak<LogTail>, usize)>,
}

/// The newest blocks of one log, without a gap behind the last commit that was too large to be kept.
#[derive(Debug)]
pub(crate) struct LogTail {
    cache: Arc<TailCache>,
    blocks: RwLock<VecDeque<Block>>,
}

/// A block as it was written, its header included.
#[derive(Debug, Clone)]
struct Block {
    header: BlockHeader,
    bytes: Bytes,
}

impl TailCache {
    /// A cache that holds at most `bytes_max`; with 0 it holds nothing.
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, held: Mutex::default() })
    }

    /// The place of a log's blocks.
    pub(crate) fn log(self: &Arc<Self>) -> Arc<LogTail> {
        Arc::new(LogTail { cache: self.clone(), blocks: RwLock::default() })
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.held.lock().bytes
    }
}

impl LogTail {
    /// Whether a block of so many bytes would be kept.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        bytes <= self.cache.bytes_max
    }

    /// Keeps a block that is durable, and lets go of what has to make room.
    pub(crate) fn push(self: &Arc<Self>, header: BlockHeader, block: Vec<u8>) {
        let taken = block.capacity();
        if !self.takes(taken) {
            return;
        }
        self.blocks.write().push_back(Block { header, bytes: Bytes::from(block) });
        let mut held = self.cache.held.lock();
        held.bytes += taken;
        held.order.push_back((Arc::downgrade(self), taken));
        while held.bytes > self.cache.bytes_max {
            let Some((log, bytes)) = held.order.pop_front() else { return };
            held.bytes -= bytes;
            if let Some(log) = log.upgrade() {
                log.blocks.write().pop_front();
            }
        }
    }

    /// The rows from `due` on, of one block or of several with about `max_bytes`; `None` when that record is not kept. A
    /// single block is handed out as it stands, several are copied into one buffer.
    pub(crate) fn read(&self, due: Position, max_bytes: usize) -> Option<(Bytes, Vec<Row>, Position)> {
        let blocks = self.from(due, max_bytes);
        let next = blocks.last()?.header.next();
        let rows = blocks.iter().map(|block| block.header.records as usize).sum();
        let mut rows = Vec::with_capacity(rows);
        let data = take_rows(blocks, due, &mut rows).ok()?;
        Some((data, rows, next))
    }

    /// When the block of the record at `due` began to arrive, in milliseconds since the Unix epoch; `None` when it is not
    /// kept.
    pub(crate) fn arrival_ms(&self, due: Position) -> Option<u64> {
        self.from(due, 1).first().map(|block| block.header.oldest_ms)
    }

    /// The block of the record at `due` and those that follow it without a gap, within `max_bytes` but at least one.
    fn from(&self, due: Position, max_bytes: usize) -> Vec<Block> {
        let blocks = self.blocks.read();
        let at = blocks.partition_point(|block| block.header.next() <= due);
        let mut wanted = due;
        let mut left = max_bytes;
        let mut chosen = Vec::new();
        for block in blocks.range(at..) {
            let follows = if chosen.is_empty() { block.header.first <= wanted } else { block.header.first == wanted };
            if !follows || (!chosen.is_empty() && block.bytes.len() > left) {
                break;
            }
            wanted = block.header.next();
            left = left.saturating_sub(block.bytes.len());
            chosen.push(block.clone());
        }
        chosen
    }
}

fn take_rows(mut blocks: Vec<Block>, due: Position, rows: &mut Vec<Row>) -> Result<Bytes, FormatError> {
    if blocks.len() == 1
        && let Some(Block { header, bytes }) = blocks.pop()
    {
        push_rows(&header, &bytes, BLOCK_HEADER_BYTES, due, rows)?;
        return Ok(bytes);
    }
    let mut all = Vec::with_capacity(blocks.iter().map(|block| block.header.body_len as usize).sum());
    for Block { header, bytes } in blocks {
        let start = all.len();
        all.extend_from_slice(&bytes[BLOCK_HEADER_BYTES..]);
        push_rows(&header, &all, start, due, rows)?;
    }
    Ok(Bytes::from(all))
}

#[cfg(test)]
mod tests {
    use super::super::format::NewRecord;
    use super::*;

    fn block(first: u64, records: u64) -> (BlockHeader, Vec<u8>) {
        let mut bytes = vec![0; BLOCK_HEADER_BYTES];
        for i in first..first + records {
            NewRecord { arrival_ms: i, key: "k", data: format!("{i:08}").as_bytes() }.encode_into(&mut bytes);
        }
        let header = BlockHeader {
            body_len: (bytes.len() - BLOCK_HEADER_BYTES) as u32,
            records: records as u32,
            body_crc: 0,
            first: Position(first),
            oldest_ms: first,
            newest_ms: first + records - 1,
        };
        (header, bytes)
    }

    fn push(log: &Arc<LogTail>, first: u64, records: u64) -> usize {
        let (header, bytes) = block(first, records);
        let len = bytes.capacity();
        log.push(header, bytes);
        len
    }

    fn positions(log: &LogTail, due: u64, max_bytes: usize) -> Option<Vec<u64>> {
        let (data, rows, next) = log.read(Position(due), max_bytes)?;
        for row in &rows {
            let text = &data[row.data_start as usize..row.data_end as usize];
            assert_eq!(text, format!("{:08}", row.position.0).as_bytes());
            assert_eq!(row.arrival_ms, row.position.0);
        }
        assert_eq!(next.0, rows.last().unwrap().position.0 + 1);
        Some(rows.iter().map(|row| row.position.0).collect())
    }

    #[test]
    fn rows_come_from_one_block_or_from_several() {
        let log = TailCache::new(1 << 20).log();
        let len = push(&log, 10, 3);
        push(&log, 13, 1);
        push(&log, 14, 2);
        assert_eq!(positions(&log, 9, 1 << 20), None, "written before the first that is kept");
        assert_eq!(positions(&log, 10, 1 << 20), Some(vec![10, 11, 12, 13, 14, 15]));
        assert_eq!(positions(&log, 11, 1), Some(vec![11, 12]), "one block at least");
        assert_eq!(positions(&log, 11, len + 100), Some(vec![11, 12, 13]));
        assert_eq!(positions(&log, 16, 1 << 20), None, "not written yet");
        assert_eq!(log.arrival_ms(Position(12)), Some(10));
        assert_eq!(log.arrival_ms(Position(16)), None);
    }

    #[test]
    fn a_block_that_is_too_large_leaves_a_gap_that_no_read_crosses() {
        let log = TailCache::new(2_000).log();
        push(&log, 0, 2);
        push(&log, 2, 1_000);
        push(&log, 1_002, 2);
        assert_eq!(positions(&log, 0, 1 << 20), Some(vec![0, 1]));
        assert_eq!(positions(&log, 500, 1 << 20), None);
        assert_eq!(positions(&log, 1_003, 1 << 20), Some(vec![1_003]));
    }

    #[test]
    fn the_oldest_block_of_all_logs_goes_first() {
        let one = block(0, 4).1.capacity();
        let cache = TailCache::new(one * 3);
        let (a, b) = (cache.log(), cache.log());
        push(&a, 0, 4);
        push(&b, 0, 4);
        push(&a, 4, 4);
        push(&b, 4, 4);
        assert_eq!(positions(&a, 0, 1), None);
        assert_eq!(positions(&b, 0, 1), Some(vec![0, 1, 2, 3]));
        assert_eq!(cache.bytes(), one * 3);
        drop(b);
        push(&a, 8, 4);
        push(&a, 12, 4);
        push(&a, 16, 4);
        assert_eq!(positions(&a, 4, 1 << 20), None);
        assert_eq!(positions(&a, 8, 1 << 20).unwrap().len(), 12, "the place of a log that is gone is used again");
        assert_eq!(cache.bytes(), one * 3);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let log = TailCache::new(0).log();
        push(&log, 0, 1);
        assert_eq!(positions(&log, 0, 1), None);
    }
}
