//! Who waits for news of a source.

use engine::port::Waker;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who is to be woken when there is something new to read.
#[derive(Default)]
pub(crate) struct Wakers(Mutex<(u64, BTreeMap<u64, Waker>)>);

impl Wakers {
    /// Wakes all of them.
    pub(crate) fn wake(&self) {
        self.0.lock().1.values().for_each(|waker| waker());
    }

    /// Adds one; dropping what comes back removes it.
    pub(crate) fn add(self: &Arc<Self>, waker: Waker) -> Subscription {
        let mut wakers = self.0.lock();
        wakers.0 += 1;
        let number = wakers.0;
        wakers.1.insert(number, waker);
        Subscription { wakers: self.clone(), number }
    }
}

/// A waker's place among the others.
pub(crate) struct Subscription {
    wakers: Arc<Wakers>,
    number: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.wakers.0.lock().1.remove(&self.number);
    }
}
