//! Those who want to know at once when a stream has something new, such as threads that sleep at the tip.

use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is called after each commit and each change of shards. It must be quick and must not call the store.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The wakers of one stream.
#[derive(Default)]
pub(crate) struct Wakers {
    next: AtomicU64,
    list: RwLock<Vec<(u64, Waker)>>,
}

/// As long as this is kept, the waker is called.
#[must_use = "the waker is forgotten when this is dropped"]
pub struct Subscription {
    wakers: Arc<Wakers>,
    id: u64,
}

impl Wakers {
    pub(crate) fn wake(&self) {
        for (_, waker) in self.list.read().iter() {
            waker();
        }
    }

    pub(crate) fn subscribe(self: &Arc<Self>, waker: Waker) -> Subscription {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.list.write().push((id, waker));
        Subscription { wakers: self.clone(), id }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.wakers.list.write().retain(|(id, _)| *id != self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}
