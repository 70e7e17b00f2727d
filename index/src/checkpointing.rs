//! Moving what the log has to chunk files, so that the log can be cleared.

use crate::disk::{Checkpoint, SavedChunk, SavedTable, chunk_path, write_chunk};
use crate::index::Core;
use crate::open::chunk_dir;
use crate::table::Table;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Core {
    /// Clears away dead rows of all indices. Returns how many bytes of documents were moved in memory by that.
    pub(crate) fn compact(&self) -> usize {
        let tables: Vec<_> = self.tables.read().values().cloned().collect();
        let mut moved = 0;
        for table in tables {
            match table.compact() {
                Ok(bytes) => moved += bytes,
                Err(error) => tracing::error!(%error, index = table.meta.name, "dead rows could not be cleared away"),
            }
        }
        moved
    }

    /// Writes a checkpoint. On failure the log and the last checkpoint stay as they are.
    pub(crate) fn checkpoint(&self) -> Result<(), String> {
        let result = self.try_checkpoint();
        let counter = if result.is_ok() { &self.counters.checkpoints } else { &self.counters.checkpoint_failures };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }

    fn try_checkpoint(&self) -> Result<(), String> {
        let _one_at_a_time = self.checkpointing.lock();
        let (log_first, tables) = {
            // No index may be created or deleted between the new log file and the list of indices.
            let tables = self.tables.write();
            let log_first = self.log.rotate().map_err(|e| e.to_string())?;
            (log_first, tables.values().cloned().collect::<Vec<_>>())
        };
        let next_table = self.next_table.load(Ordering::SeqCst);
        let mut saved = Vec::with_capacity(tables.len());
        for table in &tables {
            saved.extend(self.save(table)?);
        }
        let next_file = self.next_file.load(Ordering::SeqCst);
        let checkpoint = Checkpoint { log_first, next_table, next_file, tables: saved };
        checkpoint.write(&self.config.dir)?;
        self.counters.old_log_bytes.store(0, Ordering::Relaxed);
        self.log.remove_before(log_first).map_err(|e| e.to_string())?;
        self.remove_old_files(&checkpoint)
    }

    /// Writes the chunks of an index that no file has yet.
    fn save(&self, table: &Arc<Table>) -> Result<Option<SavedTable>, String> {
        let Some(cut) = table.cut() else { return Ok(None) };
        let mut chunks = Vec::with_capacity(cut.chunks.len());
        for of in cut.chunks {
            let file = match of.file {
                Some(file) => file,
                None => {
                    let number = self.next_file.fetch_add(1, Ordering::SeqCst);
                    let path = chunk_path(&chunk_dir(&self.config.dir), number);
                    let (file, places) = write_chunk(&path, &of.chunk, &cut.mapping, &cut.dictionaries)
                        .map_err(|e| format!("{}: {e}", path.display()))?;
                    table.saved(&of.chunk, number, file, places);
                    number
                }
            };
            chunks.push(SavedChunk { file, live: (*of.live).clone() });
        }
        let mapping = (*cut.mapping).clone();
        Ok(Some(SavedTable { meta: table.meta.clone(), mapping, next_sequence: cut.next_sequence, chunks }))
    }

    fn remove_old_files(&self, checkpoint: &Checkpoint) -> Result<(), String> {
        let dir = chunk_dir(&self.config.dir);
        let used: BTreeSet<PathBuf> =
            checkpoint.tables.iter().flat_map(|t| &t.chunks).map(|c| chunk_path(&dir, c.file)).collect();
        for entry in fs::read_dir(&dir).map_err(|e| e.to_string())? {
            let path = entry.map_err(|e| e.to_string())?.path();
            if !used.contains(&path) {
                fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
        Ok(())
    }
}
