//! Walks one segment from its beginning: what stands in it, where it ends, and what of it is torn or damaged.

use super::files::{LogFile, read_full_at};
use super::format::{BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader, FormatError, SEGMENT_HEADER_BYTES, check_body};
use super::index::{Entry, SparseIndex};
use model::Position;
use std::io;

/// How much of a segment is checked while walking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    /// All headers, and the body of the last block: enough where each block was durable before the next was written.
    Headers,
    /// All headers and all bodies.
    Bodies,
}

/// What is known of a segment before it is walked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanPlan {
    pub(crate) log_id: u64,
    pub(crate) first: Position,
    pub(crate) newest_before_ms: u64,
    pub(crate) len: u64,
    /// Where the next segment begins. Blocks from there on in this one were never acknowledged.
    pub(crate) stop_before: Option<Position>,
    pub(crate) verify: Verify,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) index: SparseIndex,
    /// The position after the last record.
    pub(crate) next: Position,
    /// Where the last good block ends.
    pub(crate) end: u64,
    pub(crate) newest_ms: u64,
    /// What stands behind the last good block, if anything.
    pub(crate) torn: Option<Tail>,
    /// Regions that cannot be read although good blocks follow them.
    pub(crate) damage: Vec<Damage>,
}

/// Bytes at the end of a file that are not a whole block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) reason: FormatError,
}

/// Bytes within a file that are not what was written, and the records that are lost with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) first: Position,
    pub(crate) next: Position,
    pub(crate) reason: FormatError,
}

enum BlockError {
    Io(io::Error),
    Format(FormatError),
}

impl From<io::Error> for BlockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FormatError> for BlockError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

/// Walks a segment. Never fails for what the bytes are, only for not getting them.
pub(crate) fn scan(file: &dyn LogFile, plan: &ScanPlan) -> io::Result<Scan> {
    let mut found = Scan {
        index: SparseIndex::default(),
        next: plan.first,
        end: SEGMENT_HEADER_BYTES as u64,
        newest_ms: plan.newest_before_ms,
        torn: None,
        damage: Vec::new(),
    };
    let mut offset = found.end;
    let mut behind_damage = false;
    while offset < plan.len {
        match read_block(file, plan, offset, found.next) {
            Ok(header) if plan.stop_before.is_some_and(|stop| header.first >= stop) => break,
            Ok(header) => {
                found.accept(&header, offset, behind_damage);
                behind_damage = false;
                offset = found.end;
            }
            Err(BlockError::Io(error)) => return Err(error),
            Err(BlockError::Format(reason)) => {
                let gap = matches!(reason, FormatError::OutOfOrder { expected, found } if found > expected);
                let from = if gap { offset } else { offset + 1 };
                let Some((at, header)) = find_block(file, plan, from, found.next)? else {
                    found.torn = Some(Tail { offset, bytes: plan.len - offset, reason });
                    break;
                };
                let bytes = at - offset;
                found.damage.push(Damage { offset, bytes, first: found.next, next: header.first, reason });
                found.next = header.first;
                behind_damage = true;
                offset = at;
            }
        }
    }
    Ok(found)
}

impl Scan {
    fn accept(&mut self, header: &BlockHeader, offset: u64, behind_damage: bool) {
        let entry = Entry { first: header.first, offset, newest_before_ms: self.newest_ms };
        if behind_damage {
            self.index.push_always(entry);
        } else {
            self.index.push(entry);
        }
        self.next = header.next();
        self.end = offset + header.block_len();
        self.newest_ms = self.newest_ms.max(header.newest_ms);
    }
}

fn read_block(file: &dyn LogFile, plan: &ScanPlan, offset: u64, due: Position) -> Result<BlockHeader, BlockError> {
    let mut bytes = [0; BLOCK_HEADER_BYTES];
    let got = read_full_at(file, &mut bytes, offset)?;
    let header = BlockHeader::decode(&bytes[..got], plan.log_id, offset)?;
    let end = offset + header.block_len();
    if end > plan.len {
        return Err(FormatError::BodyCutShort.into());
    }
    if header.first != due {
        return Err(FormatError::OutOfOrder { expected: due.0, found: header.first.0 }.into());
    }
    if plan.verify == Verify::Bodies || end == plan.len {
        let mut body = vec![0; header.body_len as usize];
        if read_full_at(file, &mut body, offset + BLOCK_HEADER_BYTES as u64)? < body.len() {
            return Err(FormatError::BodyCutShort.into());
        }
        check_body(&header, &body)?;
    }
    Ok(header)
}

/// The next place at or after `from` where a block of this log begins that holds records not seen yet.
fn find_block(file: &dyn LogFile, plan: &ScanPlan, from: u64, due: Position) -> io::Result<Option<(u64, BlockHeader)>> {
    const CHUNK: usize = 1024 * 1024;
    let mut chunk_at = from;
    let mut chunk = vec![0; CHUNK];
    while chunk_at + BLOCK_HEADER_BYTES as u64 <= plan.len {
        let got = read_full_at(file, &mut chunk, chunk_at)?;
        if got < BLOCK_HEADER_BYTES {
            break;
        }
        for i in 0..=got - BLOCK_HEADER_BYTES {
            if chunk[i..i + 4] != BLOCK_MAGIC {
                continue;
            }
            let at = chunk_at + i as u64;
            match BlockHeader::decode(&chunk[i..], plan.log_id, at) {
                Ok(header) if header.first >= due && at + header.block_len() <= plan.len => {
                    return Ok(Some((at, header)));
                }
                _ => {}
            }
        }
        // Chunks overlap, so that a header across a border is seen whole.
        chunk_at += (got - BLOCK_HEADER_BYTES + 1) as u64;
    }
    Ok(None)
}
