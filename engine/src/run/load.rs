//! What a subtask does with its time, and how many rows it takes and gives.

use super::meter::Counter;
use crate::port::Refusals;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

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
    /// Microseconds spent computing.
    pub busy_us: u64,
    /// Milliseconds spent waiting for input.
    pub idle_ms: u64,
    /// Milliseconds spent waiting for room downstream.
    pub backpressured_ms: u64,
    /// What it reads, where it is one of a source.
    pub reads: ReadMetrics,
    /// How its writing goes, where it is one of a sink.
    pub sink: SinkMetrics,
}

/// What a subtask of a source has read; nothing for others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadMetrics {
    /// Reads, those that found nothing included.
    pub reads: u64,
    /// Bytes that they asked for at most.
    pub requested_bytes: u64,
    /// Bytes of the payloads that they gave.
    pub bytes: u64,
}

/// How the writing of a subtask of a sink goes; nothing for others. What it has written is its `records_out`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinkMetrics {
    /// Microseconds spent handing rows to the sink, the call that is under way included.
    pub write_us: u64,
    /// Microseconds spent making rows durable or visible, likewise.
    pub flush_us: u64,
    /// How often that was done.
    pub flushes: u64,
    /// Rows that were not taken, each as often as it was not.
    pub refused: u64,
    /// Of these, rows that were offered again.
    pub retried: u64,
}

/// The counters of one subtask: written by the thread that steps it alone.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) records_in: Counter,
    pub(crate) records_out: Counter,
    busy_ns: Counter,
    idle_ns: Counter,
    blocked_ns: Counter,
    pub(crate) reads: ReadLoad,
    pub(crate) sink: SinkLoad,
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

/// The counters of a source's subtask.
#[derive(Debug, Default)]
pub(crate) struct ReadLoad {
    reads: Counter,
    requested_bytes: Counter,
    bytes: Counter,
}

impl ReadLoad {
    /// A read asks for so many bytes.
    pub(crate) fn asks(&self, bytes_max: usize) {
        self.reads.add(1);
        self.requested_bytes.add(bytes_max as u64);
    }

    /// It gave so many.
    pub(crate) fn gave(&self, bytes: u64) {
        self.bytes.add(bytes);
    }

    fn read(&self) -> ReadMetrics {
        let (reads, requested_bytes) = (self.reads.get(), self.requested_bytes.get());
        ReadMetrics { reads, requested_bytes, bytes: self.bytes.get() }
    }
}

/// What a sink is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Write,
    Flush,
}

/// The counters of a sink's subtask.
#[derive(Debug, Default)]
pub(crate) struct SinkLoad {
    write_ns: Counter,
    flush_ns: Counter,
    flushes: Counter,
    /// Since when a call is under way in monotonic nanoseconds, twice, and one more when it flushes; 0 while there is none.
    calling: AtomicU64,
    /// Where the sink counts what is refused, if it does.
    refusals: OnceLock<Arc<Refusals>>,
}

impl SinkLoad {
    /// The sink counts what is refused there.
    pub(crate) fn counts(&self, refusals: Arc<Refusals>) {
        // A subtask has one sink as long as it lives.
        self.refusals.get_or_init(|| refusals);
    }

    /// A call begins.
    pub(crate) fn begins(&self, asked: Asked, now_ns: u64) {
        self.calling.store(now_ns << 1 | u64::from(asked == Asked::Flush), Ordering::Relaxed);
    }

    /// It has ended, well or not.
    pub(crate) fn ended(&self, now_ns: u64) {
        let (write, flush) = self.under_way(now_ns);
        self.flushes.add(self.calling.swap(0, Ordering::Relaxed) & 1);
        self.write_ns.add(write);
        self.flush_ns.add(flush);
    }

    /// How long the call has been under way that is: to write, and to flush.
    fn under_way(&self, now_ns: u64) -> (u64, u64) {
        match self.calling.load(Ordering::Relaxed) {
            0 => (0, 0),
            calling => {
                let passed = now_ns.saturating_sub(calling >> 1);
                if calling & 1 == 1 { (0, passed) } else { (passed, 0) }
            }
        }
    }

    fn read(&self, now_ns: u64) -> SinkMetrics {
        let (write, flush) = self.under_way(now_ns);
        let (refused, retried) = self.refusals.get().map_or((0, 0), |refusals| refusals.counted());
        SinkMetrics {
            write_us: (self.write_ns.get() + write) / 1_000,
            flush_us: (self.flush_ns.get() + flush) / 1_000,
            flushes: self.flushes.get(),
            refused,
            retried,
        }
    }
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
            busy_us: (self.busy_ns.get() + until_now(Waiting::Pace)) / 1_000,
            idle_ms: (self.idle_ns.get() + until_now(Waiting::Input)) / 1_000_000,
            backpressured_ms: (self.blocked_ns.get() + until_now(Waiting::Room)) / 1_000_000,
            reads: self.reads.read(),
            sink: self.sink.read(now_ns),
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
            (told.busy_us / 1_000, told.idle_ms, told.backpressured_ms)
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

    #[test]
    fn calls_of_a_sink_count_while_they_last_and_refusals_at_once() {
        const MS: u64 = 1_000_000;
        let load = SinkLoad::default();
        let told = |now_ms: u64| {
            let told = load.read(now_ms * MS);
            (told.write_us, told.flush_us, told.flushes)
        };
        load.begins(Asked::Write, 10 * MS);
        assert_eq!(told(14), (4_000, 0, 0));
        load.ended(15 * MS);
        load.begins(Asked::Flush, 20 * MS);
        assert_eq!(told(22), (5_000, 2_000, 0));
        load.ended(23 * MS);
        assert_eq!(told(90), (5_000, 3_000, 1));
        let refusals = Arc::new(Refusals::default());
        load.counts(refusals.clone());
        refusals.refused(7);
        refusals.retried(4);
        let now = load.read(0);
        assert_eq!((now.refused, now.retried), (7, 4));
    }
}
