//! Answers kept by key for a while, a bounded number of them.

use super::Key;
use crate::plan::LookupCache;
use arrow_array::RecordBatch;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The newest answers, each until it expires.
pub(super) struct Cache {
    options: LookupCache,
    known: FxHashMap<Key, (RecordBatch, u64)>,
    /// Keys in the order in which their answers expire.
    order: VecDeque<(u64, Key)>,
}

impl Cache {
    pub(super) fn new(options: LookupCache) -> Self {
        Self { options, known: FxHashMap::default(), order: VecDeque::new() }
    }

    /// The answer for `key`, unless it has expired.
    pub(super) fn get(&self, key: &Key, now_ns: u64) -> Option<RecordBatch> {
        self.known.get(key).filter(|(_, until)| *until > now_ns).map(|(rows, _)| rows.clone())
    }

    /// Keeps an answer; the oldest goes when there are too many.
    pub(super) fn put(&mut self, key: &Key, rows: &RecordBatch, now_ns: u64) {
        if rows.num_rows() == 0 && !self.options.misses {
            return;
        }
        let until = now_ns.saturating_add(self.options.ttl_ms.saturating_mul(1_000_000));
        self.known.insert(key.clone(), (rows.clone(), until));
        self.order.push_back((until, key.clone()));
        while self.order.front().is_some_and(|(at, _)| *at <= now_ns || self.order.len() > self.options.keys_max) {
            let Some((at, key)) = self.order.pop_front() else { break };
            // An answer that was replaced since stands further back in the order.
            if self.known.get(&key).is_some_and(|(_, until)| *until == at) {
                self.known.remove(&key);
            }
        }
    }
}
