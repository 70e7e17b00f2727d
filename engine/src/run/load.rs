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
    /// Since when it waits in monotonic nanoseconds, and for what: see [`Self::waits`]; 0 while it does not.
    waiting: AtomicU64,
}

/// What a subtask waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    Input,
    /// Room downstream.
    Room,
    /// The pace that is set for it: it would go on computing, which is what this time counts as.
    Pace,
}

impl Load {
    /// A step begins.
    pub(crate) fn begins(&self, now_ns: u64) {
        let waited = self.waited(now_ns);
        self.waiting.store(0, Ordering::Relaxed);
        match waited {
            Some((Waiting::Input, ns)) => self.idle_ns.add(ns),
            Some((Waiting::Room, ns)) => self.blocked_ns.add(ns),
            Some((Waiting::Pace, ns)) => self.busy_ns.add(ns),
            None => {}
        }
    }

    /// A step has ended.
    pub(crate) fn worked(&self, ns: u64) {
        self.busy_ns.add(ns);
    }

    /// It waits from now on. Time stands in the upper 62 bits, what for in the lower two.
    pub(crate) fn waits(&self, now_ns: u64, what_for: Waiting) {
        let code = match what_for {
            Waiting::Input => 1,
            Waiting::Room => 2,
            Waiting::Pace => 3,
        };
        self.waiting.store(now_ns << 2 | code, Ordering::Relaxed);
    }

    /// What it waits for, and how long it has by now.
    fn waited(&self, now_ns: u64) -> Option<(Waiting, u64)> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let what_for = match waiting & 3 {
            1 => Waiting::Input,
            2 => Waiting::Room,
            3 => Waiting::Pace,
            _ => return None,
        };
        Some((what_for, now_ns.saturating_sub(waiting >> 2)))
    }

    /// All of it, of the subtask of this number.
    pub(crate) fn read(&self, index: usize, now_ns: u64) -> SubtaskMetrics {
        let waited = self.waited(now_ns);
        let until_now = |what_for| waited.filter(|(of, _)| *of == what_for).map_or(0, |(_, ns)| ns);
        SubtaskMetrics {
            index: index as u32,
            records_in: self.records_in.get(),
            records_out: self.records_out.get(),
            busy_ms: (self.busy_ns.get() + until_now(Waiting::Pace)) / 1_000_000,
            idle_ms: (self.idle_ns.get() + until_now(Waiting::Input)) / 1_000_000,
            backpressured_ms: (self.blocked_ns.get() + until_now(Waiting::Room)) / 1_000_000,
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
        load.waits(15 * MS, Waiting::Input);
        assert_eq!(told(35), (5, 20, 0));
        load.begins(45 * MS);
        load.worked(MS);
        load.waits(46 * MS, Waiting::Room);
        assert_eq!(told(50), (6, 30, 4));
        load.begins(60 * MS);
        assert_eq!(told(70), (6, 30, 14));
        load.waits(70 * MS, Waiting::Pace);
        assert_eq!(told(75), (11, 30, 14), "who keeps to a pace would compute");
    }
}
