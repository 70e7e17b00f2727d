//! Telling a consumer group how far durable checkpoints have come.
//!
//! A client of its own does it: whatever the group answers, such as that somebody else is a member of it, those who read are
//! not concerned.

use super::client::failed;
use engine::port::PortError;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::Offset;
use std::time::Duration;

/// Answers that are heard before offsets are committed, at most: each commit has one, or a few words about the cluster.
const HEARD_MAX: usize = 32;
/// Offsets that cannot be committed, because the cluster is away, are given up after so many milliseconds: what a job that ends
/// meanwhile waits for it at most, and, with one commit a checkpoint, what bounds those that wait.
const PATIENCE_MS: &str = "6000";

/// What an application goes on from stands in its checkpoints, whatever the group is told.
const NOT_COMMITTED: &str = "the offsets of a checkpoint were not committed to the consumer group; the checkpoint stands, and the next one commits anew";

/// Commits offsets of one table.
pub(super) struct Group {
    client: BaseConsumer<Answers>,
    place: String,
}

impl Group {
    /// A client of this set-up, for the group that it names.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn open(mut config: ClientConfig, place: &str) -> Result<Self, PortError> {
        config.set("session.timeout.ms", PATIENCE_MS);
        let client = config.create_with_context(Answers { place: place.to_owned() });
        Ok(Self { client: client.map_err(|e| failed(place, &e))?, place: place.to_owned() })
    }

    /// Hands offsets of partitions to the client, which commits them by and by. Never waits; what fails is told in the log.
    pub(super) fn commit(&self, offsets: &[(String, i32, i64)]) {
        (0..HEARD_MAX).for_each(|_| drop(self.client.poll(Duration::ZERO)));
        if let Err(error) = self.hand_over(offsets) {
            tracing::warn!(place = self.place, %error, "{NOT_COMMITTED}");
        }
    }

    fn hand_over(&self, offsets: &[(String, i32, i64)]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (topic, partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        if offsets.is_empty() { Ok(()) } else { self.client.commit(&list, CommitMode::Async) }
    }
}

/// Hears what becomes of commits. What is wrong with the cluster is told by the client that reads.
struct Answers {
    place: String,
}

impl ClientContext for Answers {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(place = self.place, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(place = self.place, %error, "{reason}");
    }
}

impl ConsumerContext for Answers {
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::warn!(place = self.place, %error, "{NOT_COMMITTED}");
        }
    }
}
