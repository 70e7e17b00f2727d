//! What an application could not use, kept in two streams of the platform: records that it could not read, and rows that came
//! too late.

use engine::port::{DeadLetter, DeadLetters, PortError};
use model::{Classified, Kind, PutRecord};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::time::Duration;
use store::{CapacityMode, CreateError, LIMITS_TAG, NewStream, PutOutcome, Store, StreamSettings};
use tokio::runtime::Handle;

/// What the name of the stream of late rows ends with.
const LATE: &str = "-late";
/// What the name of the stream of records that could not be read ends with.
const DEAD: &str = "-dead-letters";
/// Letters that wait at most, and their bytes: whoever brings one more writes all of them first.
const WAITING_MAX: usize = 500;
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// How long letters are kept, in hours: a week.
const RETENTION_HOURS: u32 = 168;
/// How often a put is tried that the store refuses for a moment, and how long between.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Whether a stream holds what applications could not use.
pub(super) fn holds_letters(stream: &str) -> bool {
    stream.ends_with(LATE) || stream.ends_with(DEAD)
}

/// The stream of the late rows of an application.
pub(super) fn late_stream(application: &str) -> String {
    format!("{application}{LATE}")
}

/// The letters of one application on their way into its streams, which are made by the first one.
pub(super) struct LetterStreams {
    store: Store,
    runtime: Handle,
    application: String,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    late: Vec<PutRecord>,
    dead: Vec<PutRecord>,
    bytes: usize,
}

impl LetterStreams {
    pub(super) fn new(store: Store, runtime: Handle, application: &str) -> Self {
        Self { store, runtime, application: application.to_owned(), waiting: Mutex::default() }
    }

    /// Puts everything that waits. Letters that come meanwhile wait for it.
    fn write(&self, waiting: &mut Waiting) -> Result<(), PortError> {
        let Waiting { late, dead, .. } = std::mem::take(waiting);
        for (records, kind) in [(late, LATE), (dead, DEAD)] {
            if !records.is_empty() {
                let stream = format!("{}{kind}", self.application);
                self.runtime.block_on(put(&self.store, &stream, records))?;
            }
        }
        Ok(())
    }

    /// A late row goes as it is, with what is to be said of it in members of its own, so that a table with the columns of
    /// the row reads it. Of a record that could not be read the record itself is a member.
    fn record(&self, letter: DeadLetter) -> PutRecord {
        let DeadLetter { place, split, position, reason, late, payload } = letter;
        let text = String::from_utf8(payload);
        let value = match (late, text) {
            (Some(end), Ok(text)) => {
                let mut row = serde_json::from_str(&text).unwrap_or_else(|_| json!({ "row": text }));
                if let Value::Object(members) = &mut row {
                    members.insert("_operator".into(), json!(place));
                    members.insert("_reason".into(), json!(reason));
                    members.insert("_window_end_ms".into(), json!(end));
                }
                row
            }
            (_, Ok(text)) => json!({
                "application": self.application, "table": place, "split": split, "position": position,
                "reason": reason, "record": text,
            }),
            (_, Err(bytes)) => json!({
                "application": self.application, "table": place, "split": split, "position": position,
                "reason": reason, "record_hex": hex(bytes.as_bytes()),
            }),
        };
        let partition_key = if split.is_empty() { place } else { split };
        let partition_key = partition_key.chars().take(model::limits::PARTITION_KEY_CHARS_MAX).collect();
        PutRecord { partition_key, explicit_hash_key: None, data: value.to_string().into() }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Puts records into a stream that is made where there is none.
async fn put(store: &Store, stream: &str, mut records: Vec<PutRecord>) -> Result<(), PortError> {
    let refused = |e: &dyn std::fmt::Display, kind| PortError::new(kind, format!("stream {stream}: {e}"));
    if store.describe_stream(stream).is_err() {
        make(store, stream).await?;
    }
    for _ in 0..TRIES {
        let outcomes = match store.put_records(stream, records.clone()).await {
            Ok(outcomes) => outcomes,
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Throttled) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Err(refused(&error, error.kind())),
        };
        let taken = |outcome: &PutOutcome| matches!(outcome, PutOutcome::Accepted { .. });
        let left = records.into_iter().zip(&outcomes).filter(|(_, o)| !taken(o));
        records = left.map(|(record, _)| record).collect();
        if records.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(PortError::new(Kind::Unavailable, format!("stream {stream} does not take {} letters", records.len())))
}

async fn make(store: &Store, stream: &str) -> Result<(), PortError> {
    let mut settings = StreamSettings::new(CapacityMode::Provisioned);
    settings.retention_hours = RETENTION_HOURS;
    settings.tags.insert(LIMITS_TAG.0.to_owned(), LIMITS_TAG.1.to_owned());
    match store.create_stream_with(stream, NewStream { shards: 1, settings }).await {
        Ok(()) | Err(CreateError::Exists(_)) => Ok(()),
        Err(error) => Err(PortError::new(error.kind(), format!("stream {stream}: {error}"))),
    }
}

impl DeadLetters for LetterStreams {
    fn keep(&self, letter: DeadLetter) -> Result<(), PortError> {
        let late = letter.late.is_some();
        let record = self.record(letter);
        let mut waiting = self.waiting.lock();
        if waiting.late.len() + waiting.dead.len() >= WAITING_MAX || waiting.bytes >= WAITING_BYTES_MAX {
            self.write(&mut waiting)?;
        }
        waiting.bytes += record.size();
        if late {
            waiting.late.push(record)
        } else {
            waiting.dead.push(record)
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), PortError> {
        self.write(&mut self.waiting.lock())
    }
}
