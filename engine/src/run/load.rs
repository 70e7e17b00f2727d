//! What a subtask does with its time, and how many rows it takes and gives.

use super::meter::Counter;
use std::sync::atomic::{AtomicU64, Ordering};

/// What one subtask of an operator has done since the job began or its parallelism last changed. At each moment it computes, waits for input or waits for
/// room downstream, so the three times grow by one second a second together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubtaskMetrics {
    /// Which, from 0.
    pub index: u32,
    /// Rows taken; of a source those that were read.
    pub records_in: u64,
    /// Rows given to those who read the operator, each as often as there are; of a sink those that were written.
    pub records_out: u64,
    /// Milliseconds spent computing.
    pub busy_ms: u64,
    /// Milliseconds spent waiting for input.
    pub idle_ms: u64,
    /// Milliseconds spent waiting for room downstream.
    pub backpressured_ms: u64,
}

/// The counters of one subtask: written by the thread that steps it alone.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) records_in: Counter,
    pub(crate) records_out: Counter,
    busy_ns: Counter,
    idle_ns: Counter,
    blocked_ns: Counter,
    /// Since when it waits in monotonic nanoseconds, twice, and one more when it waits for room; 0 while it does not.
    waiting: AtomicU64,
}

impl Load {
    /// A step begins.
    pub(crate) fn begins(&self, now_ns: u64) {
        let (idle, blocked) = self.waited(now_ns);
        self.waiting.store(0, Ordering::Relaxed);
        self.idle_ns.add(idle);
        self.blocked_ns.add(blocked);
    }

    /// A step has ended.
    pub(crate) fn worked(&self, ns: u64) {
        self.busy_ns.add(ns);
    }

    /// It waits from now on: for room downstream, or for input.
    pub(crate) fn waits(&self, now_ns: u64, for_room: bool) {
        self.waiting.store(now_ns << 1 | u64::from(for_room), Ordering::Relaxed);
    }

    /// How long it has been waiting by now: for input, and for room.
    fn waited(&self, now_ns: u64) -> (u64, u64) {
        match self.waiting.load(Ordering::Relaxed) {
            0 => (0, 0),
            waiting => {
                let waited = now_ns.saturating_sub(waiting >> 1);
                if waiting & 1 == 1 { (0, waited) } else { (waited, 0) }
            }
        }
    }

    /// All of it, of the subtask of this number.
    pub(crate) fn read(&self, index: usize, now_ns: u64) -> SubtaskMetrics {
        let (idle, blocked) = self.waited(now_ns);
        SubtaskMetrics {
            index: index as u32,
            records_in: self.records_in.get(),
            records_out: self.records_out.get(),
            busy_ms: self.busy_ns.get() / 1_000_000,
            idle_ms: (self.idle_ns.get() + idle) / 1_000_000,
            backpressured_ms: (self.blocked_ns.get() + blocked) / 1_000_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_spent_in_one_of_three_ways_and_counted_while_it_passes() {
        const MS: u64 = 1_000_000;
        let load = Load::default();
        let told = |now_ms: u64| {
            let told = load.read(3, now_ms * MS);
            (told.busy_ms, told.idle_ms, told.backpressured_ms)
        };
        load.begins(10 * MS);
        load.worked(5 * MS);
        load.waits(15 * MS, false);
        assert_eq!(told(35), (5, 20, 0));
        load.begins(45 * MS);
        load.worked(MS);
        load.waits(46 * MS, true);
        assert_eq!(told(50), (6, 30, 4));
        load.begins(60 * MS);
        assert_eq!(told(70), (6, 30, 14));
    }
}
