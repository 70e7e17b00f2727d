//! The rows of one subtask that wait for answers, and the requests that they wait for.

use super::cache::Cache;
use super::guard::Guard;
use super::meter::LookupMeter;
use crate::expr::Scalar;
use crate::plan::LookupOptions;
use crate::port::PortError;
use crate::run::channel::Epoch;
use arrow_array::RecordBatch;
use model::{Kind, Watermark};
use rustc_hash::FxHashMap;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// The values that are looked up, in the order of the key's columns.
pub(crate) type Key = Arc<[Scalar]>;

/// Rows that may stand in the queue beside those that requests are out for.
const ROWS_BEHIND_MAX: usize = 4_096;
/// Most rows of an answer.
const ANSWER_ROWS_MAX: usize = 10_000;

/// A row of the input.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    pub(crate) batch: Arc<RecordBatch>,
    pub(crate) row: u32,
}

/// What became of a row.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The rows of its key, maybe none.
    Found(RecordBatch),
    /// Its request has failed for good.
    Dead(PortError),
}

/// What stands between rows and is not overtaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    Watermark(Watermark),
    Barrier(Epoch),
    Idle,
    End,
}

enum Entry {
    Row(u64, Left),
    Marker(Marker),
}

struct Request {
    key: Key,
    /// The rows that wait for it, by number.
    rows: Vec<u64>,
    deadline_ns: u64,
    /// When the call that is out was made; `None` while a retry is waited for.
    called_ns: Option<u64>,
    retry_ns: Option<u64>,
    /// Calls that may still follow.
    retries: u32,
    /// The last answer that came: one without rows.
    last: Option<RecordBatch>,
}

/// Rows in flight. The caller tells the time, makes the calls and hands in the answers.
pub(crate) struct Flight {
    options: LookupOptions,
    queue: VecDeque<Entry>,
    rows: usize,
    next_row: u64,
    outcomes: FxHashMap<u64, Outcome>,
    requests: FxHashMap<u64, Request>,
    by_key: FxHashMap<Key, u64>,
    next_request: u64,
    /// Deadlines and retries: time and request.
    due: BTreeSet<(u64, u64)>,
    out: usize,
    calls: Vec<(u64, Key)>,
    cache: Option<Cache>,
    guard: Guard,
    meter: Arc<LookupMeter>,
}

impl Flight {
    pub(crate) fn new(options: LookupOptions, meter: Arc<LookupMeter>) -> Self {
        Self {
            guard: Guard::new(options.capacity),
            cache: options.cache.map(Cache::new),
            options,
            queue: VecDeque::new(),
            rows: 0,
            next_row: 0,
            outcomes: FxHashMap::default(),
            requests: FxHashMap::default(),
            by_key: FxHashMap::default(),
            next_request: 0,
            due: BTreeSet::new(),
            out: 0,
            calls: Vec::new(),
            meter,
        }
    }

    /// Takes a row whose key is `key`; `None` when a part of it is null, which equals nothing: the row is `missed`. False
    /// when there is no room for it now.
    pub(crate) fn row(&mut self, left: Left, key: Option<Key>, missed: &RecordBatch, now_ns: u64) -> bool {
        if self.rows >= self.options.capacity + ROWS_BEHIND_MAX {
            return false;
        }
        let number = self.next_row;
        match key {
            None => drop(self.outcomes.insert(number, Outcome::Found(missed.clone()))),
            Some(key) => {
                let cached = self.cache.as_ref().and_then(|c| c.get(&key, now_ns));
                if let Some(rows) = cached {
                    self.meter.hits.add(1);
                    self.outcomes.insert(number, Outcome::Found(rows));
                } else if let Some(request) = self.by_key.get(&key).and_then(|id| self.requests.get_mut(id)) {
                    request.rows.push(number);
                } else if !self.begin(key, number, now_ns) {
                    return false;
                }
            }
        }
        self.next_row += 1;
        self.rows += 1;
        self.queue.push_back(Entry::Row(number, left));
        true
    }

    fn begin(&mut self, key: Key, row: u64, now_ns: u64) -> bool {
        if !self.guard.allows(self.out, now_ns) {
            return self.refuse(row, now_ns);
        }
        if self.requests.len() >= self.options.capacity {
            return false;
        }
        let id = self.next_request;
        self.next_request += 1;
        let deadline_ns = now_ns.saturating_add(self.timeout_ns());
        let retries = self.options.retry.map_or(0, |r| r.attempts);
        let (called_ns, retry_ns, last) = (Some(now_ns), None, None);
        self.by_key.insert(key.clone(), id);
        self.due.insert((deadline_ns, id));
        let request = Request { key: key.clone(), rows: vec![row], deadline_ns, called_ns, retry_ns, retries, last };
        self.requests.insert(id, request);
        self.call(id, key);
        true
    }

    fn timeout_ns(&self) -> u64 {
        self.options.timeout_ms.saturating_mul(1_000_000)
    }

    /// A row waits while the circuit is open, but no longer than for an answer: then it is a dead letter. Whether it is.
    fn refuse(&mut self, row: u64, now_ns: u64) -> bool {
        let Some(since) = self.guard.broken_since().filter(|at| at.saturating_add(self.timeout_ns()) <= now_ns) else {
            return false;
        };
        let what = format!("nothing was answered for {} ms, the circuit is open", (now_ns - since) / 1_000_000);
        self.outcomes.insert(row, Outcome::Dead(PortError::new(Kind::Unavailable, what)));
        self.meter.dead.add(1);
        true
    }

    fn call(&mut self, id: u64, key: Key) {
        self.out += 1;
        self.guard.sent();
        self.meter.requests.add(1);
        self.meter.in_flight.set(self.requests.len() as u64);
        self.calls.push((id, key));
    }

    /// Puts a mark behind all rows that have come.
    pub(crate) fn marker(&mut self, marker: Marker) {
        match (self.queue.back_mut(), marker) {
            // Of several in a row the last one says it all.
            (Some(Entry::Marker(Marker::Watermark(before))), Marker::Watermark(after)) => *before = after.max(*before),
            (Some(Entry::Marker(Marker::Idle)), Marker::Idle) => {}
            _ => self.queue.push_back(Entry::Marker(marker)),
        }
    }

    /// The calls to be made now: the number to answer under, and the key.
    pub(crate) fn calls(&mut self) -> Vec<(u64, Key)> {
        std::mem::take(&mut self.calls)
    }

    /// An answer to the call of request `id`; one that nobody waits for any more is passed over.
    pub(crate) fn answer(&mut self, id: u64, answer: Result<RecordBatch, PortError>, now_ns: u64) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let Some(called_ns) = request.called_ns.take() else { return };
        let took_ns = now_ns.saturating_sub(called_ns);
        self.out -= 1;
        self.meter.answers.add(1);
        self.meter.latency_ns.add(took_ns);
        self.meter.latencies.add(took_ns);
        match answer {
            Ok(rows) if rows.num_rows() > ANSWER_ROWS_MAX => {
                let what = format!("an answer has {} rows; {ANSWER_ROWS_MAX} are the most", rows.num_rows());
                self.finish(id, Outcome::Dead(PortError::new(Kind::Invalid, what)));
            }
            Ok(rows) => {
                self.guard.answered(took_ns);
                if rows.num_rows() == 0 && self.retry(id, now_ns) {
                    if let Some(request) = self.requests.get_mut(&id) {
                        request.last = Some(rows);
                    }
                    return;
                }
                let key = self.requests.get(&id).map(|r| r.key.clone());
                if let (Some(cache), Some(key)) = (&mut self.cache, key) {
                    cache.put(&key, &rows, now_ns);
                }
                self.finish(id, Outcome::Found(rows));
            }
            Err(error) => self.failure(id, error, took_ns, now_ns),
        }
    }

    fn failure(&mut self, id: u64, error: PortError, took_ns: u64, now_ns: u64) {
        let mends = matches!(error.kind, Kind::Unavailable | Kind::Throttled);
        // Who refuses a request is there all the same.
        if mends {
            self.fail(now_ns);
        } else {
            self.guard.answered(took_ns);
        }
        if !(mends && self.retry(id, now_ns)) {
            self.give_up(id, error);
        }
    }

    fn fail(&mut self, now_ns: u64) {
        if self.guard.failed(now_ns) {
            self.meter.opened.add(1);
        }
    }

    /// Puts a retry on the calendar; false when none may follow, or none could before the deadline.
    fn retry(&mut self, id: u64, now_ns: u64) -> bool {
        let (Some(retry), Some(request)) = (self.options.retry, self.requests.get_mut(&id)) else { return false };
        let at = now_ns.saturating_add(retry.delay_ms.saturating_mul(1_000_000));
        if request.retries == 0 || at >= request.deadline_ns {
            return false;
        }
        request.retries -= 1;
        request.retry_ns = Some(at);
        self.due.insert((at, id));
        true
    }

    /// No further call: the last answer that came is the result; without one the rows are dead letters.
    fn give_up(&mut self, id: u64, error: PortError) {
        let last = self.requests.get_mut(&id).and_then(|r| r.last.take());
        self.finish(id, last.map_or(Outcome::Dead(error), Outcome::Found));
    }

    fn finish(&mut self, id: u64, outcome: Outcome) {
        let Some(request) = self.requests.remove(&id) else { return };
        self.by_key.remove(&request.key);
        self.due.remove(&(request.deadline_ns, id));
        if let Some(at) = request.retry_ns {
            self.due.remove(&(at, id));
        }
        if matches!(outcome, Outcome::Dead(_)) {
            self.meter.dead.add(request.rows.len() as u64);
        }
        self.outcomes.extend(request.rows.into_iter().map(|row| (row, outcome.clone())));
        self.meter.in_flight.set(self.requests.len() as u64);
    }

    /// Does what is due. Answers that have come must have been handed in before.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        while let Some(&(at, id)) = self.due.first() {
            if at > now_ns {
                break;
            }
            self.due.pop_first();
            let Some(request) = self.requests.get_mut(&id) else { continue };
            if request.deadline_ns <= now_ns {
                if request.called_ns.take().is_some() {
                    self.out -= 1;
                    self.fail(now_ns);
                }
                let what = format!("no answer within {} ms", self.options.timeout_ms);
                self.give_up(id, PortError::new(Kind::Unavailable, what));
                continue;
            }
            if !self.guard.allows(self.out, now_ns) {
                // Others are out, or the circuit is open: a little later.
                let later = self.guard.open_until().map_or(0, |u| u.saturating_sub(now_ns)).max(1_000_000);
                let at = now_ns.saturating_add(later).min(request.deadline_ns);
                request.retry_ns = Some(at);
                self.due.insert((at, id));
                continue;
            }
            (request.retry_ns, request.called_ns) = (None, Some(now_ns));
            let key = request.key.clone();
            self.meter.retries.add(1);
            self.call(id, key);
        }
    }

    /// When something is due next, given whether rows wait to come in, as they do while the circuit is open.
    pub(crate) fn next_due(&self, rows_wait: bool, now_ns: u64) -> Option<u64> {
        let broken = self.guard.broken_since().map(|at| at.saturating_add(self.timeout_ns()));
        let circuit = self.guard.open_until().into_iter().chain(broken).filter(|at| rows_wait && *at > now_ns);
        self.due.first().map(|(at, _)| *at).into_iter().chain(circuit).min()
    }

    /// The rows that may leave now, and the mark behind them if it may leave too.
    pub(crate) fn take(&mut self) -> (Vec<(Left, Outcome)>, Option<Marker>) {
        let mut leaving = Vec::new();
        let mut waiting = VecDeque::new();
        loop {
            match self.queue.pop_front() {
                Some(Entry::Row(number, left)) => match self.outcomes.remove(&number) {
                    Some(outcome) => leaving.push((left, outcome)),
                    None => {
                        waiting.push_back(Entry::Row(number, left));
                        if self.options.ordered {
                            break;
                        }
                    }
                },
                Some(Entry::Marker(marker)) if waiting.is_empty() => {
                    self.rows -= leaving.len();
                    return (leaving, Some(marker));
                }
                Some(entry) => {
                    self.queue.push_front(entry);
                    break;
                }
                None => break,
            }
        }
        while let Some(entry) = waiting.pop_back() {
            self.queue.push_front(entry);
        }
        self.rows -= leaving.len();
        (leaving, None)
    }
}

#[cfg(test)]
mod tests;
