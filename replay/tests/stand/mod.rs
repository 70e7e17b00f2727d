//! Stand-ins for both ends of a replay: numbered rows, and targets that refuse by a script or by limits per shard.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    missing_docs,
    reason = "each test file uses its part"
)]

use bytes::Bytes;
use model::{Env, EventTime, ManualClock, PutRecord};
use parking_lot::Mutex;
use replay::{Findings, Progress, PutError, PutTarget, PutVerdict, Row, Source, SourceError};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Numbered rows at a steady rate of event time.
pub struct Rows {
    rows: u64,
    keys: u64,
    /// Rows for each `per_ms` milliseconds.
    every: (u64, u64),
    at: u64,
    findings: Findings,
}

impl Rows {
    /// `rows` rows, `every_ms` milliseconds of event time apart, over `keys` keys.
    pub fn new(rows: u64, keys: u64, every_ms: u64) -> Self {
        Self { rows, keys, every: (1, every_ms), at: 0, findings: Findings::default() }
    }

    /// `rows` rows, `per_s` in each second of event time, over `keys` keys.
    pub fn evenly(rows: u64, keys: u64, per_s: u64) -> Self {
        Self { every: (per_s, 1_000), ..Self::new(rows, keys, 0) }
    }
}

impl Source for Rows {
    fn next_row(&mut self) -> Result<Option<Row>, SourceError> {
        if self.at == self.rows {
            return Ok(None);
        }
        let number = self.at;
        self.at += 1;
        // Keys spread over rows without a pattern that a put could share.
        let key = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % self.keys;
        let event_time = EventTime((number * self.every.1 / self.every.0) as i64);
        Ok(Some(Row { event_time, key: format!("k{key:08}"), data: Bytes::from(number.to_string()) }))
    }

    fn progress(&self) -> Progress {
        Progress { rows_total: Some(self.rows), ..Progress::default() }
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}

/// What a target answers to one put.
#[derive(Debug, Clone)]
pub enum Answer {
    AcceptAll,
    RefuseAll,
    /// In each shard refuses from some record on, by these bits.
    RefuseFromSomewhereInShards(u64),
    Fail,
}

/// How a target decides.
pub enum Script {
    /// These answers, and then acceptance.
    Answers(Vec<Answer>),
    /// This answer for ever.
    Always(Answer),
    /// As many records as each shard may take, with a second's worth in reserve.
    Limited { per_shard_per_s: f64 },
}

/// What a target saw, and what tests set in it while it is in use.
#[derive(Default)]
pub struct Log {
    /// Milliseconds (where there is a clock) and row of each accepted record.
    pub accepted: Vec<(u64, u64)>,
    pub keys: Vec<String>,
    pub longest_put: usize,
    pub env: Option<Env>,
    pub shards: u64,
    pub slow_first_put: Option<(Arc<ManualClock>, u64)>,
    /// Records that each shard may take, as of a time.
    tokens: Vec<f64>,
    tokens_at_ms: u64,
}

impl Log {
    pub fn accepted_by_key(&self) -> BTreeMap<&str, Vec<u64>> {
        let mut by_key: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for ((_, row), key) in self.accepted.iter().zip(&self.keys) {
            by_key.entry(key).or_default().push(*row);
        }
        by_key
    }

    fn now_ms(&self) -> u64 {
        self.env.as_ref().map_or(0, |env| env.monotonic_ns() / 1_000_000)
    }

    fn refill(&mut self, per_s: f64) {
        let now_ms = self.now_ms();
        self.tokens.resize(self.shards as usize, 0.0);
        let fresh = (now_ms - self.tokens_at_ms) as f64 / 1_000.0 * per_s;
        self.tokens.iter_mut().for_each(|tokens| *tokens = (*tokens + fresh).min(per_s));
        self.tokens_at_ms = now_ms;
    }
}

/// A target with shards that keeps the law of the port.
pub struct Target {
    script: Script,
    log: Arc<Mutex<Log>>,
}

impl Target {
    pub fn new(script: Script, shards: u64) -> (Self, Arc<Mutex<Log>>) {
        let log = Arc::new(Mutex::new(Log { shards, ..Log::default() }));
        (Self { script, log: log.clone() }, log)
    }
}

fn shard_of(record: &PutRecord, shards: u64) -> u64 {
    record.partition_key.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % shards
}

impl PutTarget for Target {
    fn put(&mut self, records: &[PutRecord]) -> Result<Vec<PutVerdict>, PutError> {
        let mut log = self.log.lock();
        assert!(!records.is_empty(), "an empty put");
        log.longest_put = log.longest_put.max(records.len());
        if let Some((clock, ms)) = log.slow_first_put.take() {
            clock.advance_ms(ms);
        }
        let answer = match &mut self.script {
            Script::Answers(answers) => Some(if answers.is_empty() { Answer::AcceptAll } else { answers.remove(0) }),
            Script::Always(answer) => Some(answer.clone()),
            Script::Limited { per_shard_per_s } => {
                log.refill(*per_shard_per_s);
                None
            }
        };
        let mut closed = HashSet::new();
        let now_ms = log.now_ms();
        let mut verdicts = Vec::new();
        for (i, record) in records.iter().enumerate() {
            let shard = shard_of(record, log.shards);
            let takes = match &answer {
                Some(Answer::AcceptAll) => true,
                Some(Answer::RefuseAll) => false,
                Some(Answer::Fail) => return Err(PutError::Retriable("away".into())),
                Some(Answer::RefuseFromSomewhereInShards(bits)) => bits.rotate_left(i as u32 * 7) & 7 != 0,
                None => log.tokens[shard as usize] >= 1.0,
            };
            if !takes || closed.contains(&shard) {
                closed.insert(shard);
                verdicts.push(PutVerdict::Refused { code: "Throttled".into() });
                continue;
            }
            if answer.is_none() {
                log.tokens[shard as usize] -= 1.0;
            }
            let row = std::str::from_utf8(&record.data).unwrap().parse().unwrap();
            log.accepted.push((now_ms, row));
            log.keys.push(record.partition_key.clone());
            verdicts.push(PutVerdict::Accepted);
        }
        Ok(verdicts)
    }
}

/// A target that gives one answer, or panics where there is none.
pub struct Fixed(pub Option<Result<Vec<PutVerdict>, PutError>>);

impl PutTarget for Fixed {
    fn put(&mut self, _: &[PutRecord]) -> Result<Vec<PutVerdict>, PutError> {
        self.0.clone().expect("a fault of the target")
    }
}
