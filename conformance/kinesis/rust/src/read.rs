//! Polling: each type of iterator, and a whole stream from its first shards through their children to the tips.

use crate::check::{holds, same, there, Failure, Outcome};
use crate::put::{self, Book};
use crate::streams;
use crate::STREAM;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use aws_sdk_kinesis::Client;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A shard takes five reads a second.
const PAUSE: Duration = Duration::from_millis(220);

async fn iterator(
    kinesis: &Client,
    shard: &str,
    kind: ShardIteratorType,
    number: Option<&str>,
    time: Option<DateTime>,
) -> Outcome<String> {
    let ask = kinesis.get_shard_iterator().stream_name(STREAM).shard_id(shard).shard_iterator_type(kind);
    let ask = ask.set_starting_sequence_number(number.map(Into::into)).set_timestamp(time);
    there("ShardIterator", ask.send().await?.shard_iterator)
}

async fn page(kinesis: &Client, iterator: String, limit: Option<i32>) -> Outcome<GetRecordsOutput> {
    tokio::time::sleep(PAUSE).await;
    Ok(kinesis.get_records().shard_iterator(iterator).set_limit(limit).send().await?)
}

/// Each type of iterator begins at the record that it should.
pub async fn iterators(kinesis: &Client, book: &Book) -> Outcome<String> {
    use ShardIteratorType::{AfterSequenceNumber, AtSequenceNumber, AtTimestamp, Latest, TrimHorizon};
    let shard = "shardId-000000000000";
    let numbers = book.of_shard(shard);
    let (first, second) = (numbers[0], numbers[1]);
    let at = Some(book.0[first].1.as_str());
    let oldest = page(kinesis, iterator(kinesis, shard, TrimHorizon, None, None).await?, Some(1)).await?;
    let arrived = there("ApproximateArrivalTimestamp", oldest.records[0].approximate_arrival_timestamp)?;
    let cases = [
        (TrimHorizon, None, None, Some(first)),
        (AtSequenceNumber, at, None, Some(first)),
        (AfterSequenceNumber, at, None, Some(second)),
        (AtTimestamp, None, Some(arrived), Some(first)),
        (Latest, None, None, None),
    ];
    for (kind, number, time, expected) in cases {
        let what = format!("the first record of {kind}");
        let page = page(kinesis, iterator(kinesis, shard, kind, number, time).await?, Some(1)).await?;
        let found = page.records.first().map(|record| put::number(record.data.as_ref())).transpose()?;
        same(&what, found, expected)?;
        holds("NextShardIterator of an open shard", page.next_shard_iterator.is_some())?;
    }
    Ok("all five types begin where they should".into())
}

/// The records of one shard to its tip or its end, and the children that its last answer named.
async fn shard(kinesis: &Client, id: &str) -> Outcome<(Vec<Record>, Option<Vec<String>>)> {
    let mut next = iterator(kinesis, id, ShardIteratorType::TrimHorizon, None, None).await?;
    let mut records = Vec::new();
    loop {
        let page = page(kinesis, next, None).await?;
        records.extend(page.records);
        let Some(following) = page.next_shard_iterator else {
            let children = page.child_shards.unwrap_or_default();
            return Ok((records, Some(children.into_iter().map(|child| child.shard_id).collect())));
        };
        if page.millis_behind_latest == Some(0) && page.child_shards.is_none() {
            return Ok((records, None));
        }
        next = following;
    }
}

/// All records that were put, each once, each key in order, parents before their children.
pub async fn everything(kinesis: &Client, book: &Book) -> Outcome<String> {
    let all = streams::shards(kinesis).await?;
    let parents: BTreeMap<&str, Vec<&str>> = all
        .iter()
        .map(|s| {
            (
                s.shard_id.as_str(),
                s.parent_shard_id.iter().chain(&s.adjacent_parent_shard_id).map(String::as_str).collect(),
            )
        })
        .collect();
    let mut waiting: VecDeque<&str> = all.iter().map(|shard| shard.shard_id.as_str()).collect();
    let (mut read, mut numbers) = (BTreeSet::new(), Vec::new());
    while let Some(id) = waiting.pop_front() {
        if parents[id].iter().any(|parent| !read.contains(parent)) {
            waiting.push_back(id);
            continue;
        }
        let (records, children) = shard(kinesis, id).await?;
        in_shard(id, &records, book)?;
        let known: BTreeSet<&str> =
            all.iter().map(|s| s.shard_id.as_str()).filter(|s| parents[s].contains(&id)).collect();
        let told = children.unwrap_or_default();
        same(&format!("the children of {id}"), told.iter().map(String::as_str).collect(), known)?;
        numbers.extend(records.iter().map(|r| put::number(r.data.as_ref())).collect::<Outcome<Vec<_>>>()?);
        read.insert(id);
    }
    each_once_in_order(&numbers, book.0.len())?;
    Ok(format!("{} records of {} shards to their tips, each once, each key in order", numbers.len(), all.len()))
}

/// What one shard holds is what the puts were told.
pub fn in_shard(id: &str, records: &[Record], book: &Book) -> Outcome<()> {
    let numbers = records.iter().map(|r| put::number(r.data.as_ref())).collect::<Outcome<Vec<_>>>()?;
    same(&format!("the records of {id}"), &numbers, &book.of_shard(id))?;
    for (record, number) in records.iter().zip(numbers) {
        same("the sequence number", &record.sequence_number, &book.0[number].1)?;
        same("the partition key", record.partition_key.as_deref(), Some(put::key(number).as_str()))?;
        holds("a record has a time", record.approximate_arrival_timestamp.is_some())?;
    }
    Ok(())
}

fn each_once_in_order(numbers: &[usize], count: usize) -> Outcome<()> {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for number in numbers {
        if let Some(before) = last.insert(put::key(*number), *number).filter(|before| before >= number) {
            return Err(Failure::new(format!("record {number} comes behind record {before} of the same key")));
        }
    }
    same("the number of records", numbers.len(), count)
}
