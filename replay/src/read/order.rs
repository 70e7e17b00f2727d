//! Puts rows in the order of their event time, as far as a bounded buffer reaches.

use crate::source::Row;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Rows held back to be put in order. Rows of the same time keep the order in which they came.
///
/// Rows that come in order, as almost all do, stand in a queue; only the others pay for a heap.
pub(super) struct OrderBuffer {
    run: VecDeque<Held>,
    strays: BinaryHeap<Reverse<Held>>,
    rows_max: usize,
    bytes_max: usize,
    bytes: usize,
    came: u64,
    last_out_ms: i64,
    out_of_order: u64,
}

struct Held {
    /// Event time, then the order of coming.
    rank: (i64, u64),
    row: Row,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl OrderBuffer {
    /// A buffer of at most `rows_max` rows; one row beyond `bytes_max` bytes.
    pub(super) fn new(rows_max: usize, bytes_max: usize) -> Self {
        Self {
            run: VecDeque::new(),
            strays: BinaryHeap::new(),
            rows_max,
            bytes_max,
            bytes: 0,
            came: 0,
            last_out_ms: i64::MIN,
            out_of_order: 0,
        }
    }

    /// Whether a row must be taken out before the next comes in.
    pub(super) fn is_full(&self) -> bool {
        self.run.len() + self.strays.len() >= self.rows_max || self.bytes >= self.bytes_max
    }

    /// Takes a row in.
    pub(super) fn push(&mut self, row: Row) {
        let time = row.event_time.0;
        // A row older than one that has left can no longer be put right.
        self.out_of_order += u64::from(time < self.last_out_ms);
        self.bytes += row.data.len() + row.key.len();
        let held = Held { rank: (time, self.came), row };
        self.came += 1;
        if self.run.back().is_none_or(|last| last.rank < held.rank) {
            self.run.push_back(held);
        } else {
            self.strays.push(Reverse(held));
        }
    }

    /// The oldest row.
    pub(super) fn pop(&mut self) -> Option<Row> {
        let from_run = match (self.run.front(), self.strays.peek()) {
            (Some(run), Some(Reverse(stray))) => run.rank < stray.rank,
            (run, _) => run.is_some(),
        };
        let held = if from_run { self.run.pop_front() } else { self.strays.pop().map(|Reverse(held)| held) }?;
        self.bytes -= held.row.data.len() + held.row.key.len();
        self.last_out_ms = self.last_out_ms.max(held.rank.0);
        Some(held.row)
    }

    /// Rows that came after a younger one had left.
    pub(super) fn out_of_order(&self) -> u64 {
        self.out_of_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::EventTime;
    use proptest::prelude::*;

    fn run(times: &[i64], rows_max: usize) -> (Vec<(i64, String)>, u64) {
        let mut buffer = OrderBuffer::new(rows_max, usize::MAX);
        let mut out = Vec::new();
        for (i, time) in times.iter().enumerate() {
            buffer.push(Row { event_time: EventTime(*time), key: i.to_string(), data: Bytes::new() });
            if buffer.is_full() {
                out.extend(buffer.pop());
            }
        }
        out.extend(std::iter::from_fn(|| buffer.pop()));
        assert_eq!(buffer.bytes, 0);
        (out.into_iter().map(|row| (row.event_time.0, row.key)).collect(), buffer.out_of_order())
    }

    #[test]
    fn what_the_buffer_reaches_is_put_right_and_the_rest_is_counted() {
        let times = |rows: Vec<(i64, String)>| rows.into_iter().map(|(time, _)| time).collect::<Vec<_>>();
        let (rows, out_of_order) = run(&[3, 1, 2, 5, 4], 3);
        assert_eq!((times(rows), out_of_order), (vec![1, 2, 3, 4, 5], 0));
        let (rows, out_of_order) = run(&[5, 6, 7, 1, 8], 2);
        assert_eq!((times(rows), out_of_order), (vec![5, 6, 1, 7, 8], 1));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut buffer = OrderBuffer::new(100, 10);
        buffer.push(Row { event_time: EventTime(1), key: "k".into(), data: Bytes::from_static(b"123456789") });
        assert!(buffer.is_full());
        buffer.pop();
        assert!(!buffer.is_full());
    }

    proptest! {
        #[test]
        fn a_buffer_for_all_sorts_stably(times in proptest::collection::vec(0i64..20, 0..200)) {
            let (rows, out_of_order) = run(&times, 1_000);
            let mut expected: Vec<(i64, usize)> = times.iter().copied().enumerate().map(|(i, time)| (time, i)).collect();
            expected.sort_unstable();
            let expected: Vec<(i64, String)> = expected.into_iter().map(|(time, i)| (time, i.to_string())).collect();
            prop_assert_eq!(rows, expected);
            prop_assert_eq!(out_of_order, 0);
        }

        #[test]
        fn no_row_is_lost_whatever_the_buffer(times in proptest::collection::vec(0i64..50, 0..200), max in 1usize..20) {
            let (rows, out_of_order) = run(&times, max);
            prop_assert_eq!(rows.len(), times.len());
            let mut newest = i64::MIN;
            let late = rows.iter().filter(|(time, _)| { let late = *time < newest; newest = newest.max(*time); late }).count();
            prop_assert_eq!(out_of_order, late as u64);
        }
    }
}
