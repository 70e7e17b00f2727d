//! What the doors tell of each call: values that are added up until somebody takes them, once a second.

use crate::error::StreamError;
use crate::store::Store;
use crate::stream::Stream;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// What a value tells of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallFigure {
    /// Bytes of a put of one record.
    SinglePutBytes,
    /// How long it took, in milliseconds.
    SinglePutLatency,
    /// 1 when it was taken, else 0.
    SinglePutSuccess,
    /// Bytes of a put of many records.
    PutBytes,
    /// How long it took, in milliseconds.
    PutLatency,
    /// 1 when one of its records at least was taken, else 0.
    PutSuccess,
    /// How many records it held.
    PutRecords,
    /// How many of them were taken.
    PutAccepted,
    /// How many of them failed inside.
    PutFailed,
    /// How many of them were refused because of a limit.
    PutThrottled,
    /// Bytes of the answer to a poll.
    PollBytes,
    /// Records in it.
    PollRecords,
    /// How long it took, in milliseconds.
    PollLatency,
    /// 1 when it was answered, else 0.
    PollSuccess,
    /// The age of what the poll left to be read, in milliseconds.
    PollAge,
    /// Bytes that were pushed at once.
    PushedBytes,
    /// Records that were pushed at once.
    PushedRecords,
    /// 1 for each push.
    PushSuccess,
    /// The age of what the push left to be pushed, in milliseconds.
    PushAge,
}

/// Values that were added up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// The tallies of one stream: never more than there are figures.
#[derive(Debug, Default)]
pub(crate) struct Tallies(Mutex<BTreeMap<CallFigure, Tally>>);

impl Tally {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

impl Stream {
    /// Adds what is told of one call.
    pub(crate) fn tally<const N: usize>(&self, values: [(CallFigure, f64); N]) {
        let mut tallies = self.tallies.0.lock();
        for (figure, value) in values {
            let none = Tally { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };
            tallies.entry(figure).or_insert(none).add(value);
        }
    }
}

impl Store {
    /// Takes what was told of the calls to a stream since it was taken last; nothing of figures of which nothing was told.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn take_tallies(&self, stream: &str) -> Result<BTreeMap<CallFigure, Tally>, StreamError> {
        Ok(std::mem::take(&mut *self.stream_or(stream)?.tallies.0.lock()))
    }
}
