//! The replay's target: the store of this process, or the AWS door of another one.

use model::{Classified, Kind, PutRecord};
use replay::{PutError, PutTarget, PutVerdict};
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use store::kinesis::client::{KinesisClient, RecordResult};
use store::{PutOutcome, Refusal, Store};
use tokio::runtime::Handle;

/// Puts into a stream of this process, without a request and without a copy.
pub struct StoreTarget {
    store: Store,
    stream: String,
    runtime: Handle,
}

impl StoreTarget {
    /// Puts into `stream` of `store`; `runtime` is the one that the store lives on.
    pub fn new(store: Store, stream: impl Into<String>, runtime: Handle) -> Self {
        Self { store, stream: stream.into(), runtime }
    }
}

impl PutTarget for StoreTarget {
    fn put(&mut self, records: &[PutRecord]) -> Result<Vec<PutVerdict>, PutError> {
        let put = self.store.put_records(&self.stream, records.to_vec());
        let outcomes = self.runtime.block_on(put).map_err(|e| put_error(&e))?;
        Ok(outcomes.iter().map(verdict).collect())
    }
}

fn verdict(outcome: &PutOutcome) -> PutVerdict {
    match outcome {
        PutOutcome::Accepted { .. } => PutVerdict::Accepted,
        PutOutcome::Refused { reason, .. } => PutVerdict::Refused { code: Cow::Borrowed(code(*reason)) },
    }
}

fn code(reason: Refusal) -> &'static str {
    match reason {
        Refusal::Throttled => "throttled",
        Refusal::StorageFull => "storage full",
        Refusal::StorageFailed => "storage failed",
        Refusal::Resharding => "resharding",
    }
}

/// What can be mended by waiting is tried again; the rest ends the replay.
fn put_error(error: &(impl Classified + std::fmt::Display)) -> PutError {
    match error.kind() {
        Kind::Throttled | Kind::Unavailable | Kind::Conflict => PutError::Retriable(error.to_string()),
        Kind::Invalid | Kind::NotFound | Kind::Corrupt | Kind::Internal => PutError::Fatal(error.to_string()),
    }
}

/// More than the frame of one record in an aggregated one takes, in bytes.
pub(super) const PUT_FRAME_BYTES: usize = 80;

/// Puts into a stream of any running platform, through its AWS door.
pub struct HttpTarget {
    client: KinesisClient,
    stream: String,
    runtime: Handle,
}

impl HttpTarget {
    /// Puts into `stream` through `client`.
    pub fn new(client: KinesisClient, stream: impl Into<String>, runtime: Handle) -> Self {
        Self { client, stream: stream.into(), runtime }
    }
}

impl HttpTarget {
    pub(super) fn stream(&self) -> &str {
        &self.stream
    }
}

impl PutTarget for HttpTarget {
    fn put(&mut self, records: &[PutRecord]) -> Result<Vec<PutVerdict>, PutError> {
        let put = self.client.put_records(&self.stream, records);
        let result = self.runtime.block_on(put).map_err(|e| put_error(&e))?;
        let verdict = |record| match record {
            RecordResult::Accepted { .. } => PutVerdict::Accepted,
            RecordResult::Refused { code, .. } => PutVerdict::Refused { code: Cow::Owned(code) },
        };
        Ok(result.records.into_iter().map(verdict).collect())
    }
}

/// Accepts without a put what is known to have been acknowledged already: after a kill, between the position that was
/// written down and the ends of the shards.
pub(crate) struct Remembering<T> {
    target: T,
    hasher: RandomState,
    already: HashMap<u64, u32>,
}

impl<T: PutTarget> Remembering<T> {
    /// Wraps `target`; nothing is remembered yet.
    pub(crate) fn new(target: T) -> Self {
        Self { target, hasher: RandomState::new(), already: HashMap::new() }
    }

    /// How many records are remembered.
    pub(crate) fn remembered(&self) -> u64 {
        self.already.values().map(|count| u64::from(*count)).sum()
    }

    /// Remembers that a record with this payload stands in the stream.
    pub(crate) fn remember(&mut self, data: &[u8]) {
        *self.already.entry(self.hasher.hash_one(data)).or_insert(0) += 1;
    }

    /// Whether the record stands in the stream already; each remembered one answers once.
    fn recall(&mut self, data: &[u8]) -> bool {
        let hash = self.hasher.hash_one(data);
        let Some(count) = self.already.get_mut(&hash) else { return false };
        *count -= 1;
        if *count == 0 {
            self.already.remove(&hash);
        }
        true
    }
}

impl<T: PutTarget> PutTarget for Remembering<T> {
    fn put(&mut self, records: &[PutRecord]) -> Result<Vec<PutVerdict>, PutError> {
        if self.already.is_empty() {
            return self.target.put(records);
        }
        let known: Vec<bool> = records.iter().map(|r| self.recall(&r.data)).collect();
        let new: Vec<PutRecord> =
            records.iter().zip(&known).filter(|(_, known)| !**known).map(|(r, _)| r.clone()).collect();
        let answer = if new.is_empty() { Ok(Vec::new()) } else { self.target.put(&new) };
        let mut verdicts = match answer {
            Ok(verdicts) => verdicts.into_iter(),
            Err(error) => {
                // The whole put is sent again, so what was recalled must be known then too.
                records.iter().zip(&known).filter(|(_, known)| **known).for_each(|(r, _)| self.remember(&r.data));
                return Err(error);
            }
        };
        let verdict = |known: &bool| if *known { Some(PutVerdict::Accepted) } else { verdicts.next() };
        known.iter().map(verdict).collect::<Option<_>>().ok_or_else(|| {
            PutError::Fatal("the target answered for fewer records than were put; please report it".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// A target that notes what it gets, or fails.
    #[derive(Default)]
    struct Notes {
        got: Vec<String>,
        fail: bool,
    }

    impl PutTarget for &mut Notes {
        fn put(&mut self, records: &[PutRecord]) -> Result<Vec<PutVerdict>, PutError> {
            if self.fail {
                return Err(PutError::Retriable("away".into()));
            }
            self.got.extend(records.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()));
            Ok(vec![PutVerdict::Accepted; records.len()])
        }
    }

    fn records(texts: &[&'static str]) -> Vec<PutRecord> {
        let record = |text: &&'static str| PutRecord {
            partition_key: "k".into(),
            explicit_hash_key: None,
            data: Bytes::from_static(text.as_bytes()),
        };
        texts.iter().map(record).collect()
    }

    #[test]
    fn what_is_in_the_stream_already_is_not_put_again_and_only_that() {
        let mut notes = Notes::default();
        let mut target = Remembering::new(&mut notes);
        for text in ["a", "c", "c"] {
            target.remember(text.as_bytes());
        }
        assert_eq!(target.put(&records(&["a", "b", "c"])), Ok(vec![PutVerdict::Accepted; 3]));
        assert_eq!(target.put(&records(&["c", "c", "a"])), Ok(vec![PutVerdict::Accepted; 3]));
        assert_eq!(notes.got, ["b", "c", "a"]);
    }

    #[test]
    fn a_put_that_failed_forgets_nothing() {
        let mut notes = Notes { fail: true, ..Notes::default() };
        let mut target = Remembering::new(&mut notes);
        target.remember(b"a");
        assert!(target.put(&records(&["a", "b"])).is_err());
        target.target.fail = false;
        assert_eq!(target.put(&records(&["a", "b"])), Ok(vec![PutVerdict::Accepted; 2]));
        assert_eq!(notes.got, ["b"]);
    }
}
