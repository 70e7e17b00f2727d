//! `stream tail`: prints what is in a stream, parents before children, and what comes.

use super::api::{Child, Shard};
use super::args::TailArgs;
use super::payload::{Filter, UserRecord, shown, unpack, value};
use super::{Failure, Session, say};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Pause between two rounds over all shards: a shard answers five reads a second, and others read too.
const ROUND_PAUSE: Duration = Duration::from_millis(500);

/// The shards that are being read.
struct Reading<'a> {
    session: &'a Session,
    args: &'a TailArgs,
    filter: Option<Filter>,
    /// Where to read on in each shard.
    iterators: BTreeMap<String, String>,
    ended: BTreeSet<String>,
    left: u64,
}

pub(super) async fn tail(session: &Session, args: &TailArgs) -> Result<(), Failure> {
    let at = start(&args.from)?;
    let shards = session.api.shards(&args.stream).await?;
    let first = first_shards(&shards, args)?;
    let mut reading = Reading {
        session,
        args,
        filter: args.filter.as_deref().map(Filter::parse),
        iterators: BTreeMap::new(),
        ended: BTreeSet::new(),
        left: args.limit.unwrap_or(u64::MAX),
    };
    // What is not there any more has ended, as far as its children are concerned.
    let known: BTreeSet<&str> = shards.iter().map(|shard| shard.shard_id.as_str()).collect();
    let gone = shards.iter().flat_map(Shard::parents).filter(|parent| !known.contains(parent)).map(str::to_owned);
    reading.ended.extend(gone);
    if args.from == "latest" {
        reading.ended.extend(shards.iter().filter(|shard| !shard.is_open()).map(|shard| shard.shard_id.clone()));
    }
    for shard in first {
        let iterator = session.api.iterator(&args.stream, &shard, &at).await?;
        reading.iterators.insert(shard, iterator);
    }
    reading.run().await
}

fn start(from: &str) -> Result<Value, Failure> {
    match from {
        "trim-horizon" => Ok(json!({ "ShardIteratorType": "TRIM_HORIZON" })),
        "latest" => Ok(json!({ "ShardIteratorType": "LATEST" })),
        time => {
            let wrong = || {
                format!("--from {time:?} is neither trim-horizon nor latest nor a time such as 2016-01-06T07:00:00Z")
            };
            let time = replay::parse_time(time).ok_or_else(wrong)?;
            Ok(json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time.0 as f64 / 1_000.0 }))
        }
    }
}

/// The shards to begin with: from the newest on those that are open, else those whose parents are gone.
fn first_shards(shards: &[Shard], args: &TailArgs) -> Result<Vec<String>, Failure> {
    if let Some(wanted) = &args.shard {
        let found = shards.iter().find(|shard| shard.shard_id == *wanted);
        let missing = || format!("stream {} has no shard {wanted}; see: hailstream stream describe {0}", args.stream);
        return Ok(vec![found.ok_or_else(missing)?.shard_id.clone()]);
    }
    let known: BTreeSet<&str> = shards.iter().map(|shard| shard.shard_id.as_str()).collect();
    let is_first = |shard: &&Shard| {
        if args.from == "latest" { shard.is_open() } else { shard.parents().all(|parent| !known.contains(parent)) }
    };
    Ok(shards.iter().filter(is_first).map(|shard| shard.shard_id.clone()).collect())
}

impl Reading<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        while !self.iterators.is_empty() && self.left > 0 {
            let mut at_tip = true;
            for shard in self.iterators.keys().cloned().collect::<Vec<_>>() {
                at_tip &= self.read(&shard).await?;
            }
            if at_tip && !self.args.follow {
                return Ok(());
            }
            if at_tip {
                tokio::time::sleep(ROUND_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Reads one shard once; true where nothing is left in it for the moment.
    async fn read(&mut self, shard: &str) -> Result<bool, Failure> {
        let Some(iterator) = self.iterators.get(shard) else { return Ok(true) };
        let answer = self.session.api.read(iterator).await?;
        for record in &answer.records {
            for user_record in unpack(record)? {
                self.show(shard, record, &user_record);
            }
        }
        match answer.next_shard_iterator {
            Some(next) => {
                self.iterators.insert(shard.to_owned(), next);
                Ok(answer.records.is_empty() && answer.millis_behind_latest.unwrap_or(0) == 0)
            }
            None => {
                self.iterators.remove(shard);
                self.ended.insert(shard.to_owned());
                self.follow_children(answer.child_shards).await?;
                Ok(false)
            }
        }
    }

    /// Begins with those children whose parents have all been read to their end: from their beginning.
    async fn follow_children(&mut self, children: Vec<Child>) -> Result<(), Failure> {
        if self.args.shard.is_some() {
            return Ok(());
        }
        let oldest = json!({ "ShardIteratorType": "TRIM_HORIZON" });
        for child in children {
            let ready = child.parent_shards.iter().all(|parent| self.ended.contains(parent));
            if ready && !self.iterators.contains_key(&child.shard_id) && !self.ended.contains(&child.shard_id) {
                let iterator = self.session.api.iterator(&self.args.stream, &child.shard_id, &oldest).await?;
                self.iterators.insert(child.shard_id, iterator);
            }
        }
        Ok(())
    }

    fn show(&mut self, shard: &str, record: &super::api::Record, user_record: &UserRecord) {
        let wanted = self.filter.as_ref().is_none_or(|filter| filter.takes(&user_record.data));
        if !wanted || self.left == 0 {
            return;
        }
        self.left -= 1;
        if !self.session.json {
            return say(&shown(&user_record.data));
        }
        let mut line = json!({
            "shard": shard,
            "sequence_number": record.sequence_number,
            "arrival_s": record.approximate_arrival_timestamp,
            "key": user_record.key,
            "data": value(&user_record.data),
        });
        if let Some(part) = user_record.part {
            line["part"] = part.into();
        }
        say(&line.to_string());
    }
}
