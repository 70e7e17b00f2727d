//! One put: filled to its limits, and after the answer holding exactly what was refused, in order, at the front of the next.

use crate::source::Row;
use crate::target::PutVerdict;
use model::{Env, EventTime, PutRecord, limits};

/// What one put may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutLimits {
    /// Most records: 1–500, default 500.
    pub records_max: usize,
    /// Most bytes of payloads and keys together: default 5 MiB, at most 10 MiB.
    pub bytes_max: usize,
    /// Most bytes of one payload with its key: default 1 MiB, at most `bytes_max`.
    pub record_bytes_max: usize,
}

impl PutLimits {
    /// Most bytes of one put on a stream that takes large records.
    pub(crate) const LARGE_BYTES_MAX: usize = 10 * 1024 * 1024;
}

impl Default for PutLimits {
    fn default() -> Self {
        Self {
            records_max: limits::PUT_RECORDS_MAX,
            bytes_max: limits::PUT_BYTES_MAX,
            record_bytes_max: limits::RECORD_BYTES_MAX,
        }
    }
}

/// The rows between the acknowledged ones and the unread ones: one put's worth, which is the bound of all that is pending.
///
/// *Invariant:* row numbers grow along the window, and the rows that were sent before stand at its front.
#[derive(Debug)]
pub struct Window {
    limits: PutLimits,
    records: Vec<PutRecord>,
    rows: Vec<Pending>,
    bytes: usize,
    sent_before: usize,
    opened_ns: u64,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    number: u64,
    event_time: EventTime,
}

/// Why a row was not taken into the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// The put is full; here is the row back.
    Full(Row),
    /// No put can hold it: this is the reason.
    Never(String),
}

/// What an answer meant for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Records accepted.
    pub accepted: usize,
    /// Bytes accepted, payloads and keys.
    pub accepted_bytes: usize,
    /// Records refused; they stay.
    pub refused: usize,
    /// The largest event time accepted.
    pub event_time: Option<EventTime>,
}

impl Window {
    /// An empty window.
    pub fn new(limits: PutLimits) -> Self {
        let (records, rows) = (Vec::with_capacity(limits.records_max), Vec::with_capacity(limits.records_max));
        Self { limits, records, rows, bytes: 0, sent_before: 0, opened_ns: 0 }
    }

    /// Takes row `number` of the source in at `now_ns`.
    ///
    /// # Errors
    /// When the put is full, or when the row is too large for any.
    pub fn offer(&mut self, number: u64, row: Row, now_ns: u64) -> Result<(), Unfit> {
        let size = row.data.len() + row.key.len();
        if size > self.limits.record_bytes_max {
            let max = self.limits.record_bytes_max;
            return Err(Unfit::Never(format!("row and key have {size} bytes, a record has {max} at most")));
        }
        if self.records.len() >= self.limits.records_max || self.bytes + size > self.limits.bytes_max {
            return Err(Unfit::Full(row));
        }
        debug_assert!(self.rows.last().is_none_or(|last| last.number < number), "rows enter in order");
        if self.records.is_empty() {
            self.opened_ns = now_ns;
        }
        self.bytes += size;
        self.rows.push(Pending { number, event_time: row.event_time });
        self.records.push(PutRecord { partition_key: row.key, explicit_hash_key: None, data: row.data });
        Ok(())
    }

    /// Removes what was accepted and keeps what was refused, in order. Returns `None`, and changes nothing, when there is
    /// not exactly one verdict for each record.
    pub fn settle(&mut self, verdicts: &[PutVerdict]) -> Option<Settled> {
        if verdicts.len() != self.records.len() {
            return None;
        }
        let mut settled = Settled::default();
        let mut at = 0;
        let (rows, records) = (&self.rows, &mut self.records);
        records.retain(|record| {
            let index = at;
            at += 1;
            if verdicts[index] != PutVerdict::Accepted {
                return true;
            }
            settled.accepted += 1;
            settled.accepted_bytes += record.size();
            settled.event_time = settled.event_time.max(Some(rows[index].event_time));
            false
        });
        at = 0;
        self.rows.retain(|_| {
            at += 1;
            verdicts[at - 1] != PutVerdict::Accepted
        });
        self.bytes -= settled.accepted_bytes;
        settled.refused = self.records.len();
        self.sent_before = settled.refused;
        Some(settled)
    }

    /// Notes that all of it was sent in vain.
    pub fn failed(&mut self) {
        self.sent_before = self.records.len();
    }

    /// The records of the next put.
    pub fn records(&self) -> &[PutRecord] {
        &self.records
    }

    /// How many of them were sent before.
    pub fn sent_before(&self) -> usize {
        self.sent_before
    }

    /// When the oldest row that was never refused came in.
    pub fn opened_ns(&self) -> u64 {
        self.opened_ns
    }

    /// Number and event time of the oldest row.
    pub fn oldest(&self) -> Option<(u64, EventTime)> {
        self.rows.first().map(|row| (row.number, row.event_time))
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether no further row can be sure to fit.
    pub fn is_full(&self) -> bool {
        self.records.len() >= self.limits.records_max
    }
}

/// How long to wait after an answer that was not all acceptance. Every wait is at least half a millisecond, so that a
/// target that refuses at once is never asked in a busy loop.
#[derive(Debug)]
pub struct Backoff {
    min_ns: u64,
    max_ns: u64,
    next_ns: u64,
}

impl Backoff {
    const FLOOR_NS: u64 = 500_000;
    const NS_PER_MS: u64 = 1_000_000;
    /// Refusals that are borne: one in so many records sent.
    const REFUSED_ONE_IN: usize = 8;

    /// Waits from `ms_min`, doubling up to `ms_max`.
    pub fn new(ms_min: u64, ms_max: u64) -> Self {
        let (min_ns, max_ns) = (ms_min * Self::NS_PER_MS, ms_max.max(ms_min) * Self::NS_PER_MS);
        Self { min_ns, max_ns, next_ns: min_ns }
    }

    /// The wait, in nanoseconds, after `refused` of `sent` records were refused: none when none was. Waits double while
    /// more than half is refused, grow by a quarter while more than an eighth is, and shrink by an eighth when none is, so
    /// that a target which takes so much in a second gets the time to take the next put nearly whole. Up to half of each
    /// wait is random, so that several replays against one stream do not stay in step.
    pub fn after(&mut self, refused: usize, sent: usize, env: &Env) -> u64 {
        let wait = self.next_ns;
        let next = if refused == 0 {
            wait - wait / 8
        } else if refused * 2 > sent {
            wait * 2
        } else if refused * Self::REFUSED_ONE_IN > sent {
            wait + wait / 4
        } else {
            wait
        };
        self.next_ns = next.clamp(self.min_ns, self.max_ns);
        if refused == 0 { 0 } else { Self::jittered(wait, env) }
    }

    /// Begins again with the first wait.
    pub fn reset(&mut self) {
        self.next_ns = self.min_ns;
    }

    fn jittered(ns: u64, env: &Env) -> u64 {
        let half = ns / 2;
        (ns - half + env.random_u64() % (half + 1)).max(Self::FLOOR_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn row(bytes: usize) -> Row {
        Row { event_time: EventTime(7), key: "k".into(), data: Bytes::from(vec![b'x'; bytes - 1]) }
    }

    fn refused() -> PutVerdict {
        PutVerdict::Refused { code: "Slow".into() }
    }

    fn small(records_max: usize, bytes_max: usize, record_bytes_max: usize) -> Window {
        Window::new(PutLimits { records_max, bytes_max, record_bytes_max })
    }

    #[test]
    fn a_put_is_full_by_records_or_by_bytes() {
        let mut window = small(3, 100, 50);
        for number in 0..3 {
            assert_eq!(window.offer(number, row(10), 0), Ok(()));
        }
        assert!(window.is_full());
        assert_eq!(window.offer(3, row(10), 0), Err(Unfit::Full(row(10))));

        let mut window = small(100, 100, 50);
        assert_eq!(window.offer(0, row(50), 0), Ok(()));
        assert_eq!(window.offer(1, row(50), 0), Ok(()), "the limit itself fits");
        assert_eq!(window.offer(2, row(2), 0), Err(Unfit::Full(row(2))));
    }

    #[test]
    fn a_row_that_no_put_can_hold_is_told_apart() {
        let mut window = small(3, 100, 50);
        let Err(Unfit::Never(reason)) = window.offer(0, row(51), 0) else { panic!("it must not fit") };
        assert_eq!(reason, "row and key have 51 bytes, a record has 50 at most");
    }

    #[test]
    fn what_was_refused_leads_the_next_put_in_its_order() {
        let mut window = small(4, 1_000, 100);
        for number in 0..4 {
            window.offer(number, row(10 + number as usize), 0).unwrap();
        }
        let settled = window.settle(&[PutVerdict::Accepted, refused(), PutVerdict::Accepted, refused()]).unwrap();
        assert_eq!(settled, Settled { accepted: 2, accepted_bytes: 22, refused: 2, event_time: Some(EventTime(7)) });
        assert_eq!(window.sent_before(), 2);
        window.offer(4, row(20), 0).unwrap();
        let sizes: Vec<usize> = window.records().iter().map(PutRecord::size).collect();
        assert_eq!(sizes, [11, 13, 20]);
        assert_eq!(window.oldest(), Some((1, EventTime(7))));
    }

    #[test]
    fn an_answer_of_the_wrong_length_changes_nothing() {
        let mut window = small(4, 1_000, 100);
        window.offer(0, row(10), 0).unwrap();
        assert_eq!(window.settle(&[]), None);
        assert_eq!(window.records().len(), 1);
    }

    #[test]
    fn waits_double_to_the_cap_and_start_anew_after_success() {
        let (env, _) = Env::manual(0, 3);
        let mut backoff = Backoff::new(10, 100);
        let ms = |ns: u64| ns as f64 / 1e6;
        for full in [10.0, 20.0, 40.0, 80.0, 100.0, 100.0] {
            let wait = ms(backoff.after(5, 5, &env));
            assert!((full / 2.0..=full).contains(&wait), "{wait} for {full}");
        }
        backoff.reset();
        assert!(ms(backoff.after(5, 5, &env)) <= 10.0);
    }

    #[test]
    fn waits_settle_where_a_steady_target_takes_most_of_each_put() {
        let (env, clock) = Env::manual(0, 3);
        let mut backoff = Backoff::new(10, 200);
        let (mut tokens, mut refused, mut accepted) = (0.0, 0, 0);
        for put in 0..400 {
            // 8,000 records a second, and every put carries 500.
            let taken = (tokens as usize).min(500);
            tokens -= taken as f64;
            let wait = backoff.after(500 - taken, 500, &env).next_multiple_of(1_000_000).max(1_000_000);
            clock.advance_ms(wait.div_ceil(1_000_000));
            tokens = (tokens + wait as f64 * 8e-6).min(8_000.0);
            if put >= 200 {
                (refused, accepted) = (refused + 500 - taken, accepted + taken);
            }
        }
        assert!(refused * 3 < accepted, "{refused} refused for {accepted} accepted");
        assert!(tokens < 1_000.0, "{tokens} left unused: the waits are too long");
    }

    #[test]
    fn it_never_asks_busily() {
        let (env, _) = Env::manual(0, 3);
        let mut backoff = Backoff::new(1, 100);
        assert_eq!(backoff.after(0, 500, &env), 0);
        for refused in [1, 100, 250, 499, 1, 1, 1] {
            assert!(backoff.after(refused, 500, &env) >= Backoff::FLOOR_NS);
        }
    }
}
