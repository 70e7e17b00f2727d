//! Asking a shard for its records.

use super::client::{Failure, about};
use super::pauses::Pauses;
use super::place::Place;
use super::queue::Fetched;
use super::shapes::{Iterator, ReadRecord, Records};
use super::shard::Feed;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Fetches a shard from `place` to its end, or until something stands against it for good.
pub(super) async fn run(feed: Feed, place: Place, records_max: u64, interval: Duration) {
    let pauses = Pauses::new(feed.place(), feed.shared.env.clone());
    let mut poll = Poll { feed, place, records_max, iterator: None };
    if let Err(failure) = poll.until_the_end(pauses, interval).await {
        let place = poll.feed.place();
        poll.feed.queue.fail(failure.error(&place));
    }
}

struct Poll {
    feed: Feed,
    /// Where an iterator begins that is asked for anew.
    place: Place,
    records_max: u64,
    iterator: Option<String>,
}

impl Poll {
    async fn until_the_end(&mut self, mut pauses: Pauses, interval: Duration) -> Result<(), Failure> {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.feed.queue.room().await;
            ticks.tick().await;
            match self.once().await {
                Ok(false) => pauses.over(),
                Ok(true) => return Ok(()),
                // The iterator is as good as before where there was only no answer.
                Err(Failure::Expired(_)) => self.iterator = None,
                Err(failure) if failure.passes() => {
                    self.feed.queue.is_cut_off();
                    pauses.wait(&failure).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Fetches once. Whether the shard has ended.
    async fn once(&mut self) -> Result<bool, Failure> {
        let shared = self.feed.shared.clone();
        let iterator = match self.iterator.clone() {
            Some(iterator) => iterator,
            None => self.iterator().await?,
        };
        let input = match &shared.stream.arn {
            Some(arn) => json!({ "StreamARN": arn, "ShardIterator": iterator, "Limit": self.records_max }),
            None => json!({ "ShardIterator": iterator, "Limit": self.records_max }),
        };
        let answer: Records = shared.client.call("GetRecords", &input).await?.body;
        if answer.next_shard_iterator.is_none() {
            // Before anybody hears of the end, the shards that follow are known.
            shared.learn(&self.feed.shard, answer.child_shards.unwrap_or_default()).await?;
        }
        // Some endpoints do not tell how far behind they are.
        let behind_ms = answer.millis_behind_latest.or_else(|| answer.records.is_empty().then_some(0));
        let records: VecDeque<Fetched> = answer.records.into_iter().map(Fetched::from).collect();
        if let Some(last) = records.back() {
            self.place = Place::After(last.number.clone());
        }
        self.feed.queue.push(records, behind_ms);
        if answer.next_shard_iterator.is_none() {
            self.feed.queue.end();
            return Ok(true);
        }
        self.iterator = answer.next_shard_iterator;
        Ok(false)
    }

    async fn iterator(&mut self) -> Result<String, Failure> {
        let shared = &self.feed.shared;
        let mut input = about(&shared.stream, json!({ "ShardId": self.feed.shard }));
        if let (Some(input), Value::Object(place)) = (input.as_object_mut(), self.place.iterator()) {
            input.extend(place);
        }
        let found: Iterator = shared.client.call("GetShardIterator", &input).await?.body;
        self.iterator = Some(found.shard_iterator.clone());
        Ok(found.shard_iterator)
    }
}

impl From<ReadRecord> for Fetched {
    fn from(record: ReadRecord) -> Self {
        Self { number: record.sequence_number, data: record.data }
    }
}
