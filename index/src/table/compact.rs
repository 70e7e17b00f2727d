//! Clearing away rows that do not count any more: what still counts of a sparse chunk is appended to the tail, and the
//! chunk is dropped once nothing of it counts.

use super::{State, Table};
use crate::chunk::CHUNK_ROWS_MAX;
use crate::error::IndexError;

/// Chunks with fewer rows are joined once there are [`SMALL_CHUNKS`] of them: each checkpoint leaves one.
const SMALL_ROWS: usize = 8_192;
const SMALL_CHUNKS: usize = 8;
/// Rows that are moved while writes wait.
const ROWS_AT_ONCE: usize = 512;

impl State {
    /// The slots that are worth clearing: over half dead, or small ones in numbers.
    fn sparse(&self) -> Vec<u32> {
        let of = |at: &u32| self.slots[*at as usize].as_ref().map(|s| (s.chunk.rows(), s.dead));
        let dead = |at: &&u32| of(at).is_some_and(|(rows, dead)| dead * 2 > rows && dead < rows);
        let small =
            |at: &&u32| of(at).is_some_and(|(rows, dead)| rows - dead < SMALL_ROWS && rows < CHUNK_ROWS_MAX / 2);
        let mut slots: Vec<u32> = self.order.iter().filter(dead).copied().collect();
        let smalls: Vec<u32> = self.order.iter().filter(small).copied().collect();
        if smalls.len() >= SMALL_CHUNKS {
            slots.extend(smalls.iter().filter(|s| !slots.contains(s)).copied().collect::<Vec<_>>());
        }
        slots
    }

    /// Moves some rows of a slot. Returns whether there are more.
    fn clear_some(&mut self, at: u32) -> Result<bool, IndexError> {
        let Some(slot) = &self.slots[at as usize] else { return Ok(false) };
        let (chunk, live) = (slot.chunk.clone(), slot.live.clone());
        let rows: Vec<u32> = live.ones().take(ROWS_AT_ONCE).collect();
        // The rows leave `live` one by one below; holding it here would copy it each time.
        drop(live);
        for row in &rows {
            let source = chunk.sources.document(*row).map_err(|e| IndexError::Corrupt(e.to_string()))?;
            self.move_row(at << 16 | row, &chunk, &source);
        }
        Ok(rows.len() == ROWS_AT_ONCE)
    }
}

impl Table {
    /// Clears away what is worth it, a few rows at a time. Returns how many bytes of documents it moved.
    ///
    /// # Errors
    /// When a document cannot be read: then the chunk stays as it is.
    pub(crate) fn compact(&self) -> Result<usize, IndexError> {
        let before = self.state.lock().tail.memory_bytes();
        let slots = self.state.lock().sparse();
        for slot in slots {
            while self.state.lock().clear_some(slot)? {}
        }
        Ok(self.state.lock().tail.memory_bytes().saturating_sub(before))
    }
}
