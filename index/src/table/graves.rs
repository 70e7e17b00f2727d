//! The versions of documents that were deleted a short while ago, so that a version is not given twice.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Deletions remembered at most; the oldest is forgotten first.
const GRAVES_MAX: usize = 65_536;

/// Ids that were deleted, and their last versions.
#[derive(Debug, Default)]
pub(super) struct Graves {
    versions: FxHashMap<String, u64>,
    order: VecDeque<(String, u64)>,
}

impl Graves {
    /// Notes a deletion.
    pub(super) fn dig(&mut self, id: &str, version: u64) {
        self.versions.insert(id.to_owned(), version);
        self.order.push_back((id.to_owned(), version));
        while self.order.len() > GRAVES_MAX {
            if let Some((oldest, version)) = self.order.pop_front()
                && self.versions.get(&oldest) == Some(&version)
            {
                self.versions.remove(&oldest);
            }
        }
    }

    /// The version of a deleted document; 0 when none is known.
    pub(super) fn version(&self, id: &str) -> u64 {
        self.versions.get(id).copied().unwrap_or(0)
    }

    /// Forgets an id, which is written again.
    pub(super) fn fill(&mut self, id: &str) {
        if !self.versions.is_empty() {
            self.versions.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut graves = Graves::default();
        graves.dig("first", 3);
        graves.dig("again", 1);
        for i in 0..GRAVES_MAX - 1 {
            graves.dig(&format!("{i}"), 1);
            graves.dig("again", i as u64 + 2);
        }
        assert_eq!(graves.version("first"), 0);
        assert_eq!(graves.version("again"), GRAVES_MAX as u64);
        graves.fill("again");
        assert_eq!(graves.version("again"), 0);
        assert!(graves.order.len() <= GRAVES_MAX);
    }
}
