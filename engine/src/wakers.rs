//! Who waits for news of a source.

use crate::port::Waker;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who is to be woken when there is something new to read, one for each subtask that reads a source.
#[derive(Default)]
pub struct Wakers(Mutex<(u64, BTreeMap<u64, Waker>)>);

impl Wakers {
    /// Wakes all of them.
    pub fn wake(&self) {
        self.0.lock().1.values().for_each(|waker| waker());
    }

    /// Adds one; dropping what comes back removes it.
    pub fn add(self: &Arc<Self>, waker: Waker) -> Subscription {
        let mut wakers = self.0.lock();
        wakers.0 += 1;
        let number = wakers.0;
        wakers.1.insert(number, waker);
        Subscription { wakers: self.clone(), number }
    }
}

/// A waker's place among the others.
pub struct Subscription {
    wakers: Arc<Wakers>,
    number: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.wakers.0.lock().1.remove(&self.number);
    }
}
