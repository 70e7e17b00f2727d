//! `stream put`: texts or lines into a stream, in their order, until all of them are stored.

use super::api::is_throttled;
use super::args::PutArgs;
use super::{Failure, Session};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::limits;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

/// Bytes of a put: well below what the service takes, since the Base64 of it is larger.
const PUT_BYTES: usize = 1024 * 1024;
/// A record that is refused so many times in a row is given up.
const TRIES_MAX: u32 = 60;
const PAUSE: Duration = Duration::from_millis(250);

/// A record, and what it is sent as.
struct Entry {
    value: Value,
    bytes: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    records: Vec<Outcome>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    error_code: Option<String>,
    error_message: Option<String>,
}

pub(super) async fn put(session: &Session, args: &PutArgs) -> Result<(), Failure> {
    let mut lines = lines(args)?;
    let (mut stored, mut retried) = (0_u64, 0_u64);
    let mut waiting: Vec<Entry> = Vec::new();
    let mut ended = false;
    while !ended || !waiting.is_empty() {
        while !ended && waiting.len() < limits::PUT_RECORDS_MAX && bytes(&waiting) < PUT_BYTES {
            match lines.next() {
                Some(line) => waiting.push(entry(&line?, args)?),
                None => ended = true,
            }
        }
        let sent = waiting.len();
        waiting = send(session, &args.stream, waiting, &mut retried).await?;
        stored += (sent - waiting.len()) as u64;
    }
    session.tell(&json!({ "stored": stored, "retried": retried }), || {
        let again = if retried > 0 { format!(" ({retried} of them after having been refused)") } else { String::new() };
        format!("{stored} records are stored{again}.")
    });
    Ok(())
}

fn bytes(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.bytes).sum()
}

type Lines = Box<dyn Iterator<Item = Result<String, Failure>>>;

fn lines(args: &PutArgs) -> Result<Lines, Failure> {
    if !args.texts.is_empty() {
        return Ok(Box::new(args.texts.clone().into_iter().map(Ok)));
    }
    let reader: Box<dyn BufRead> = match args.file.as_deref() {
        Some(path) if path != Path::new("-") => {
            let shown = path.display().to_string();
            Box::new(BufReader::new(File::open(path).map_err(|error| format!("{shown} cannot be read: {error}"))?))
        }
        _ => Box::new(BufReader::new(io::stdin())),
    };
    let is_empty = |line: &Result<String, io::Error>| line.as_ref().is_ok_and(String::is_empty);
    Ok(Box::new(reader.lines().filter(move |line| !is_empty(line)).map(|line| line.map_err(Failure::from))))
}

fn entry(line: &str, args: &PutArgs) -> Result<Entry, Failure> {
    let key = match (&args.key, &args.key_field) {
        (Some(key), _) => key.clone(),
        (None, Some(member)) => key_of(line, member)?,
        // Spread over all shards, and the same record always to the same one.
        (None, None) => format!("{:016x}", hash(line)),
    };
    let mut value = json!({ "Data": STANDARD.encode(line), "PartitionKey": key });
    if let Some(place) = args.explicit_hash_key {
        value["ExplicitHashKey"] = place.to_string().into();
    }
    Ok(Entry { value, bytes: line.len() + key.len() })
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn key_of(line: &str, member: &str) -> Result<String, Failure> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("{line:.60?} is no JSON: {error}"))?;
    match value.get(member) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(other) if other.is_number() || other.is_boolean() => Ok(other.to_string()),
        _ => Err(format!("{line:.60?} has no member {member:?} that could be a key").into()),
    }
}

/// Sends records until at least the first of them is stored; gives back those that have to be sent again, in order.
async fn send(session: &Session, stream: &str, entries: Vec<Entry>, retried: &mut u64) -> Result<Vec<Entry>, Failure> {
    if entries.is_empty() {
        return Ok(entries);
    }
    let mut refusal = String::new();
    for _ in 0..TRIES_MAX {
        let records: Vec<&Value> = entries.iter().map(|entry| &entry.value).collect();
        let answer: Answer =
            match session.api.call("PutRecords", json!({ "StreamName": stream, "Records": records })).await {
                Err(error) if is_throttled(&error) => {
                    refusal = error.to_string();
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                answer => answer?,
            };
        if answer.records.len() != entries.len() {
            return Err(format!("{} results for {} records", answer.records.len(), entries.len()).into());
        }
        let stored = answer.records.iter().filter(|outcome| outcome.error_code.is_none()).count();
        *retried += (entries.len() - stored) as u64;
        if let Some(Outcome { error_code: Some(code), error_message }) =
            answer.records.iter().find(|outcome| outcome.error_code.is_some())
        {
            refusal = format!("{code}: {}", error_message.as_deref().unwrap_or_default());
            tokio::time::sleep(PAUSE).await;
        }
        if stored > 0 {
            let left = entries.into_iter().zip(answer.records).filter(|(_, outcome)| outcome.error_code.is_some());
            return Ok(left.map(|(entry, _)| entry).collect());
        }
    }
    Err(format!("records are refused again and again: {refusal}").into())
}
