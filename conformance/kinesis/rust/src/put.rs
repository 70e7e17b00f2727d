//! Numbered records, and a book of where each was stored.

use crate::check::{holds, same, there, Failure, Outcome};
use crate::STREAM;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use aws_sdk_kinesis::Client;

/// Records share this many partition keys.
const KEYS: usize = 50;

/// Where record `n` was stored: its shard and its sequence number.
#[derive(Default)]
pub struct Book(pub Vec<(String, String)>);

impl Book {
    /// The numbers of the records of one shard, in their order.
    pub fn of_shard(&self, shard: &str) -> Vec<usize> {
        (0..self.0.len()).filter(|n| self.0[*n].0 == shard).collect()
    }
}

/// The partition key of record `number`.
pub fn key(number: usize) -> String {
    format!("key-{}", number % KEYS)
}

/// The payload of record `number`.
pub fn payload(number: usize) -> String {
    format!("record {number} ÿ")
}

/// The number that a payload names.
pub fn number(payload: &[u8]) -> Outcome<usize> {
    let text = std::str::from_utf8(payload)?;
    let middle = text.strip_prefix("record ").and_then(|rest| rest.strip_suffix(" ÿ"));
    Ok(there("the number in a payload", middle)?.parse()?)
}

/// Stores three records one by one, two of them by explicit hash keys.
pub async fn single(kinesis: &Client, book: &mut Book) -> Outcome<String> {
    let mut last = None;
    for explicit in [None, Some("0"), Some("340282366920938463463374607431768211455")] {
        let number = book.0.len();
        let put = kinesis.put_record().stream_name(STREAM).partition_key(key(number)).data(Blob::new(payload(number)));
        let put = put.set_explicit_hash_key(explicit.map(Into::into));
        let answer = put.set_sequence_number_for_ordering(last).send().await?;
        let shard = match explicit {
            None => answer.shard_id.clone(),
            Some("0") => "shardId-000000000000".to_owned(),
            Some(_) => "shardId-000000000001".to_owned(),
        };
        same("the shard of an explicit hash key", &answer.shard_id, &shard)?;
        holds("a sequence number is a number", answer.sequence_number.bytes().all(|b| b.is_ascii_digit()))?;
        last = Some(answer.sequence_number.clone());
        book.0.push((answer.shard_id, answer.sequence_number));
    }
    Ok("3 records, two of them where their explicit hash keys belong".into())
}

/// Stores the next records in requests of at most 500.
pub async fn many(kinesis: &Client, book: &mut Book, count: usize) -> Outcome<String> {
    let from = book.0.len();
    for start in (from..from + count).step_by(500) {
        let numbers = start..(from + count).min(start + 500);
        let entry = |n| PutRecordsRequestEntry::builder().partition_key(key(n)).data(Blob::new(payload(n))).build();
        let entries: Vec<_> = numbers.clone().map(entry).collect::<Result<_, _>>()?;
        let answer = kinesis.put_records().stream_name(STREAM).set_records(Some(entries)).send().await?;
        same("FailedRecordCount", answer.failed_record_count, Some(0))?;
        same("the number of results", answer.records.len(), numbers.len())?;
        for result in answer.records {
            let (Some(shard), Some(at)) = (result.shard_id, result.sequence_number) else {
                return Err(Failure::new("a result without a shard or a sequence number"));
            };
            book.0.push((shard, at));
        }
    }
    Ok(format!("{count} records in requests of at most 500"))
}
