//! Waking: a subtask is marked ready, and the thread that steps it leaves its rest.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where one worker thread rests while none of its subtasks is ready.
#[derive(Default)]
pub(crate) struct Parker {
    notified: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    /// Rests until [`Parker::unpark`] is or was called, at most `limit`.
    pub(crate) fn park(&self, limit: Option<Duration>) {
        let mut notified = self.notified.lock();
        if !*notified {
            match limit {
                Some(limit) => {
                    let _ = self.changed.wait_for(&mut notified, limit);
                }
                None => self.changed.wait(&mut notified),
            }
        }
        *notified = false;
    }

    /// Ends the rest, or the next one.
    pub(crate) fn unpark(&self) {
        let mut notified = self.notified.lock();
        if !*notified {
            *notified = true;
            self.changed.notify_one();
        }
    }
}

/// Wakes one subtask.
pub(crate) struct Wake {
    ready: AtomicBool,
    parker: Arc<Parker>,
}

impl Wake {
    /// A subtask of the thread that rests at `parker`; it is ready at first.
    pub(crate) fn new(parker: Arc<Parker>) -> Arc<Self> {
        Arc::new(Self { ready: AtomicBool::new(true), parker })
    }

    /// Marks the subtask ready.
    pub(crate) fn wake(&self) {
        if !self.ready.swap(true, Ordering::AcqRel) {
            self.parker.unpark();
        }
    }

    /// Takes the mark.
    pub(crate) fn take(&self) -> bool {
        self.ready.swap(false, Ordering::AcqRel)
    }
}
