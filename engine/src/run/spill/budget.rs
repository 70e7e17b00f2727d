//! How much memory the operators of a job may hold together. One that is past its part moves state to disk when all of
//! them are past the whole; as long as there is room, any of them may take more than its part.

use super::store::SpillStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much more an operator may hold before it looks at the budget again, in bytes.
const STEP_BYTES: usize = 64 * 1024;

/// The memory of all operators of a job.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
    members: AtomicUsize,
    store: Arc<SpillStore>,
}

impl Budget {
    /// `limit` bytes; what is past them goes to `store`.
    pub(crate) fn new(limit: usize, store: Arc<SpillStore>) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0), members: AtomicUsize::new(0), store })
    }

    /// One more operator that takes part.
    pub(crate) fn join(self: &Arc<Self>) -> Share {
        self.members.fetch_add(1, Ordering::Relaxed);
        Share { budget: self.clone(), held: 0 }
    }
}

/// What one operator holds of a budget.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: usize,
}

impl Share {
    /// Whether holding `bytes` is worth a look at the budget.
    pub(crate) fn is_due(&self, bytes: usize) -> bool {
        bytes >= self.held + STEP_BYTES.min(self.budget.limit / 16 + 1)
    }

    /// It holds so many bytes now; gives how many of them are to go to disk.
    pub(crate) fn hold(&mut self, bytes: usize) -> usize {
        let budget = &self.budget;
        if bytes > self.held {
            budget.used.fetch_add(bytes - self.held, Ordering::Relaxed);
        } else {
            budget.used.fetch_sub(self.held - bytes, Ordering::Relaxed);
        }
        self.held = bytes;
        if budget.used.load(Ordering::Relaxed) <= budget.limit {
            return 0;
        }
        let part = budget.limit / budget.members.load(Ordering::Relaxed).max(1);
        if bytes <= part {
            return 0;
        }
        // A little more than need be, so that the next row does not ask again.
        bytes - (part - part / 8)
    }

    pub(crate) fn store(&self) -> &Arc<SpillStore> {
        &self.budget.store
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.held, Ordering::Relaxed);
        self.budget.members.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_past_its_part_gives_when_all_are_past_the_whole() {
        let budget = Budget::new(1_000, SpillStore::new(std::env::temp_dir()));
        let (mut one, mut two) = (budget.join(), budget.join());
        assert_eq!(one.hold(900), 0, "there is room");
        assert_eq!(two.hold(100), 0);
        assert_eq!(two.hold(300), 0, "it is not the one that is past its part");
        assert_eq!(one.hold(900), 900 - (500 - 62));
        assert_eq!(one.hold(438), 0);
        assert_eq!(two.hold(562), 0);
        assert_eq!(two.hold(563), 563 - 438);
        drop(one);
        assert_eq!(two.hold(1_000), 0, "what is given back is there for the others");
        assert_eq!(two.hold(1_001), 1_001 - 875);
    }
}
