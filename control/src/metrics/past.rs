//! Values of the past: chunks that are written already are written anew with them, from the finest tier to the coarsest.

use super::chunk::{self, Chunk, ChunkId};
use super::error::MetricsError;
use super::key::SeriesKey;
use super::open::{Open, add};
use super::store::MetricStore;
use super::summary::Summary;
use super::tier::TIERS;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value that lies before the open chunk of seconds.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) at_s: u64,
    pub(super) key: Arc<SeriesKey>,
    pub(super) summary: Summary,
}

impl Open {
    /// The finest tier whose open chunk holds a time; all coarser ones hold it too, by way of this one.
    fn open_tier(&self, at_s: u64) -> usize {
        (0..TIERS.len()).find(|tier| at_s >= self.start_s(*tier)).unwrap_or(TIERS.len())
    }
}

impl MetricStore {
    /// Adds values of the past, which are durable when this returns. The caller holds the disk.
    ///
    /// # Errors
    /// When a file cannot be read or written; what stands in the others holds.
    pub(super) fn add_past(&self, past: &[Past], now_s: u64) -> Result<(), MetricsError> {
        let mut sealed: BTreeMap<ChunkId, Vec<&Past>> = BTreeMap::new();
        {
            let mut open = self.open.lock();
            for one in past {
                let first_open = open.open_tier(one.at_s);
                for (tier, spans) in TIERS.iter().enumerate().take(first_open) {
                    let id = ChunkId { tier, start_s: spans.chunk_start(one.at_s) };
                    if id.end_s() + spans.kept_s > now_s {
                        sealed.entry(id).or_default().push(one);
                    }
                }
                if first_open < TIERS.len() {
                    open.add_at(first_open, one.at_s, &one.key, &one.summary);
                }
            }
        }
        sealed.iter().try_for_each(|(id, values)| self.rewrite(*id, values))
    }

    fn rewrite(&self, id: ChunkId, values: &[&Past]) -> Result<(), MetricsError> {
        let waiting = self.open.lock().pending.iter().find(|chunk| chunk.id == id).cloned();
        if let Some(waiting) = waiting {
            let changed = Arc::new(with(waiting.as_ref().clone(), values));
            let mut open = self.open.lock();
            open.pending.iter_mut().filter(|chunk| chunk.id == id).for_each(|chunk| *chunk = Arc::clone(&changed));
            return Ok(());
        }
        let is_there = self.open.lock().files.contains(&id);
        let before =
            if is_there { chunk::read_all(&self.folder.chunk_path(id), id)? } else { Chunk { id, series: Vec::new() } };
        self.folder.write(&with(before, values))?;
        self.open.lock().files.insert(id);
        Ok(())
    }
}

/// The chunk with more values in it.
fn with(mut chunk: Chunk, values: &[&Past]) -> Chunk {
    for value in values {
        let slot = ((value.at_s - chunk.id.start_s) / TIERS[chunk.id.tier].period_s) as u32;
        let at = match chunk.series.binary_search_by(|(key, _)| key.cmp(&value.key)) {
            Ok(at) => at,
            Err(at) => {
                chunk.series.insert(at, (Arc::clone(&value.key), Vec::new()));
                at
            }
        };
        add(&mut chunk.series[at].1, slot, &value.summary);
    }
    chunk
}
