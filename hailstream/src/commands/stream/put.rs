//! `stream put`: texts or lines into a stream, in their order, until all of them are stored.

use super::args::PutArgs;
use super::{Failure, Session};
use bytes::Bytes;
use model::{Classified, Kind, PutRecord, limits};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::Duration;
use store::kinesis::client::{PutResult, RecordResult};

/// Bytes of a put, well below what the service takes.
const PUT_BYTES: usize = 1024 * 1024;
/// A put of which nothing is stored so many times in a row is given up.
const TRIES_MAX: u32 = 60;
const PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn put(session: &Session, args: &PutArgs) -> Result<(), Failure> {
    let mut lines = lines(args)?;
    let (mut stored, mut retried) = (0_u64, 0_u64);
    let mut waiting: Vec<PutRecord> = Vec::new();
    let mut ended = false;
    while !ended || !waiting.is_empty() {
        let mut bytes = waiting.iter().map(PutRecord::size).sum::<usize>();
        while !ended && waiting.len() < limits::PUT_RECORDS_MAX && bytes < PUT_BYTES {
            match lines.next() {
                Some(line) => waiting.push(record(line?, args)?),
                None => ended = true,
            }
            bytes += waiting.last().map_or(0, PutRecord::size);
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

fn record(line: String, args: &PutArgs) -> Result<PutRecord, Failure> {
    let partition_key = match (&args.key, &args.key_field) {
        (Some(key), _) => key.clone(),
        (None, Some(member)) => key_of(&line, member)?,
        // Spread over all shards, and the same record always to the same one.
        (None, None) => format!("{:016x}", hash(&line)),
    };
    Ok(PutRecord { partition_key, explicit_hash_key: args.explicit_hash_key, data: Bytes::from(line) })
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

/// Sends records until one of them at least is stored; gives back those that have to be sent again, in order.
async fn send(
    session: &Session,
    stream: &str,
    records: Vec<PutRecord>,
    retried: &mut u64,
) -> Result<Vec<PutRecord>, Failure> {
    if records.is_empty() {
        return Ok(records);
    }
    let mut refusal = String::new();
    for _ in 0..TRIES_MAX {
        match session.admin.put(stream, &records).await {
            Err(error) if error.kind() == Kind::Throttled => refusal = error.to_string(),
            Err(error) => return Err(error.into()),
            Ok(result) => {
                let refused = result.refused();
                *retried += refused as u64;
                if refused < records.len() {
                    if refused > 0 {
                        tokio::time::sleep(PAUSE).await;
                    }
                    return Ok(left(records, result));
                }
                refusal = first_refusal(&result);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(format!("records are refused again and again: {refusal}").into())
}

fn left(records: Vec<PutRecord>, result: PutResult) -> Vec<PutRecord> {
    let refused = |(_, outcome): &(PutRecord, RecordResult)| matches!(outcome, RecordResult::Refused { .. });
    records.into_iter().zip(result.records).filter(refused).map(|(record, _)| record).collect()
}

fn first_refusal(result: &PutResult) -> String {
    let refusal = result.records.iter().find_map(|outcome| match outcome {
        RecordResult::Refused { code, message } => Some(format!("{code}: {message}")),
        RecordResult::Accepted { .. } => None,
    });
    refusal.unwrap_or_default()
}
