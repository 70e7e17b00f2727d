//! `stream tail`: prints what is in a stream, parents before children, and what comes.

use super::args::TailArgs;
use super::payload::{Filter, UserRecord, shown, unpack, value};
use super::{Failure, Session, say};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use store::kinesis::admin::{Cursor, ReadFrom, ReadRecord, ShardInfo};

/// Pause between two rounds over all shards: a shard answers five reads a second, and others read too.
const ROUND_PAUSE: Duration = Duration::from_millis(500);

/// The shards that are being read.
struct Reading<'a> {
    session: &'a Session,
    args: &'a TailArgs,
    filter: Option<Filter>,
    /// Where to read on in each shard.
    cursors: BTreeMap<String, Cursor>,
    ended: BTreeSet<String>,
    left: u64,
}

pub(super) async fn tail(session: &Session, args: &TailArgs) -> Result<(), Failure> {
    let at = start(&args.from)?;
    let shards = session.admin.shards(&args.stream).await?;
    let first = first_shards(&shards, args)?;
    let mut reading = Reading {
        session,
        args,
        filter: args.filter.as_deref().map(Filter::parse),
        cursors: BTreeMap::new(),
        ended: BTreeSet::new(),
        left: args.limit.unwrap_or(u64::MAX),
    };
    // What is not there any more has ended, as far as its children are concerned.
    let known: BTreeSet<&str> = shards.iter().map(|shard| shard.name.as_str()).collect();
    let gone = shards.iter().flat_map(ShardInfo::parents).filter(|parent| !known.contains(parent)).map(str::to_owned);
    reading.ended.extend(gone);
    if args.from == "latest" {
        reading.ended.extend(shards.iter().filter(|shard| !shard.is_open()).map(|shard| shard.name.clone()));
    }
    for shard in first {
        let cursor = session.admin.read_from(&args.stream, &shard, at).await?;
        reading.cursors.insert(shard, cursor);
    }
    reading.run().await
}

fn start(from: &str) -> Result<ReadFrom, Failure> {
    match from {
        "trim-horizon" => Ok(ReadFrom::Oldest),
        "latest" => Ok(ReadFrom::Latest),
        time => {
            let wrong = || {
                format!("--from {time:?} is neither trim-horizon nor latest nor a time such as 2016-01-06T07:00:00Z")
            };
            let time = replay::parse_time(time).ok_or_else(wrong)?;
            Ok(ReadFrom::Time(u64::try_from(time.0).unwrap_or(0)))
        }
    }
}

/// The shards to begin with: from the newest on those that are open, else those whose parents are gone.
fn first_shards(shards: &[ShardInfo], args: &TailArgs) -> Result<Vec<String>, Failure> {
    if let Some(wanted) = &args.shard {
        let found = shards.iter().find(|shard| shard.name == *wanted);
        let missing = || format!("stream {} has no shard {wanted}; see: hailstream stream describe {0}", args.stream);
        return Ok(vec![found.ok_or_else(missing)?.name.clone()]);
    }
    let known: BTreeSet<&str> = shards.iter().map(|shard| shard.name.as_str()).collect();
    let is_first = |shard: &&ShardInfo| {
        if args.from == "latest" { shard.is_open() } else { shard.parents().all(|parent| !known.contains(parent)) }
    };
    Ok(shards.iter().filter(is_first).map(|shard| shard.name.clone()).collect())
}

impl Reading<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        while !self.cursors.is_empty() && self.left > 0 {
            let mut at_tip = true;
            for shard in self.cursors.keys().cloned().collect::<Vec<_>>() {
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
        let Some(cursor) = self.cursors.get(shard) else { return Ok(true) };
        let answer = self.session.admin.read(cursor).await?;
        for record in &answer.records {
            for user_record in unpack(record) {
                self.show(shard, record, &user_record);
            }
        }
        match answer.next {
            Some(next) => {
                self.cursors.insert(shard.to_owned(), next);
                Ok(answer.records.is_empty() && answer.behind_ms == 0)
            }
            None => {
                self.cursors.remove(shard);
                self.ended.insert(shard.to_owned());
                self.follow_children(answer.children).await?;
                Ok(false)
            }
        }
    }

    /// Begins with those children whose parents have all been read to their end: from their beginning.
    async fn follow_children(&mut self, children: Vec<(String, Vec<String>)>) -> Result<(), Failure> {
        if self.args.shard.is_some() {
            return Ok(());
        }
        for (child, parents) in children {
            let ready = parents.iter().all(|parent| self.ended.contains(parent));
            if ready && !self.cursors.contains_key(&child) && !self.ended.contains(&child) {
                let cursor = self.session.admin.read_from(&self.args.stream, &child, ReadFrom::Oldest).await?;
                self.cursors.insert(child, cursor);
            }
        }
        Ok(())
    }

    fn show(&mut self, shard: &str, record: &ReadRecord, user_record: &UserRecord) {
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
            "arrival_s": record.arrival_s,
            "key": user_record.key,
            "data": value(&user_record.data),
        });
        if let Some(part) = user_record.part {
            line["part"] = part.into();
        }
        say(&line.to_string());
    }
}
