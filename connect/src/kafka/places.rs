//! Which offset a place is, asked of the cluster.

use super::client::{self, ASK, Failure, Told, failed};
use super::options::Place;
use engine::port::PortError;
use model::Kind;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;
use std::time::Duration;

/// Partitions of topics.
pub(super) type Partitions = Vec<(String, i32)>;

/// The partitions of `topics`, in their order.
///
/// # Errors
/// As [`client::partitions`].
pub(super) fn partitions(
    consumer: &BaseConsumer<Told>,
    topics: &[String],
    place: &str,
    failure: &Failure,
) -> Result<Partitions, PortError> {
    // What the client has to say is heard by asking for records; none come before a partition is read.
    let hear = || drop(consumer.poll(Duration::ZERO));
    let mut found = Vec::new();
    for topic in topics {
        let numbers = client::partitions(consumer.client(), topic, place, failure, &hear)?;
        found.extend(numbers.into_iter().map(|number| (topic.clone(), number)));
    }
    Ok(found)
}

/// Finds the offsets of places.
pub(super) struct Finder<'a> {
    pub(super) consumer: &'a BaseConsumer<Told>,
    /// Where a partition begins of which the group knows nothing.
    pub(super) reset: Option<&'a Place>,
    pub(super) place: &'a str,
}

impl Finder<'_> {
    /// The offset of `place` in each of `partitions`; `None` where the group has none and nothing says where to begin then.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub(super) fn find(&self, place: &Place, partitions: &Partitions) -> Result<Vec<Option<i64>>, PortError> {
        match place {
            Place::Earliest => partitions.iter().map(|p| Ok(Some(self.edges(p)?.0))).collect(),
            Place::Latest => partitions.iter().map(|p| Ok(Some(self.edges(p)?.1))).collect(),
            Place::Time(ms) => self.by_time(*ms, partitions),
            Place::Group => {
                let committed = self.committed(partitions)?;
                committed.into_iter().zip(partitions).map(|(at, p)| self.or_reset(at, p)).collect()
            }
            Place::Offsets(given) => {
                // As in Flink: what is not given is where the group has come to, or the oldest.
                let committed = self.committed(partitions)?;
                let each = partitions.iter().zip(committed);
                each.map(|(p, committed)| match given.get(&p.1).copied().or(committed) {
                    Some(offset) => Ok(Some(offset)),
                    None => Ok(Some(self.edges(p)?.0)),
                })
                .collect()
            }
        }
    }

    /// Where reading of each partition ends.
    ///
    /// # Errors
    /// As [`Finder::find`]; `Invalid` where the group knows nothing of a partition.
    pub(super) fn ends(&self, bound: &Place, partitions: &Partitions) -> Result<Vec<i64>, PortError> {
        if let Place::Offsets(given) = bound {
            // As in Flink: a partition that is not named is not read.
            return Ok(partitions.iter().map(|p| given.get(&p.1).copied().unwrap_or(0)).collect());
        }
        let found = self.find(bound, partitions)?;
        let each = found.into_iter().zip(partitions);
        each.map(|(at, p)| at.ok_or_else(|| no_group_offset(self.place, p))).collect()
    }

    /// The first offset of a partition, and the one behind its last that may be read.
    pub(super) fn edges(&self, partition: &(String, i32)) -> Result<(i64, i64), PortError> {
        let (topic, number) = partition;
        let edges = self.consumer.fetch_watermarks(topic, *number, ASK);
        edges.map_err(|e| failed(&format!("{}: {topic}, partition {number}", self.place), &e))
    }

    fn or_reset(&self, at: Option<i64>, partition: &(String, i32)) -> Result<Option<i64>, PortError> {
        match (at, self.reset) {
            (Some(at), _) => Ok(Some(at)),
            (None, Some(Place::Latest)) => Ok(Some(self.edges(partition)?.1)),
            (None, Some(_)) => Ok(Some(self.edges(partition)?.0)),
            (None, None) => Ok(None),
        }
    }

    fn committed(&self, partitions: &Partitions) -> Result<Vec<Option<i64>>, PortError> {
        let list = self.list(partitions, Offset::Invalid)?;
        let found = self.consumer.committed_offsets(list, ASK).map_err(|e| failed(self.place, &e))?;
        self.offsets(&found, partitions)
    }

    fn by_time(&self, ms: i64, partitions: &Partitions) -> Result<Vec<Option<i64>>, PortError> {
        let list = self.list(partitions, Offset::Offset(ms))?;
        let found = self.consumer.offsets_for_times(list, ASK).map_err(|e| failed(self.place, &e))?;
        let found = self.offsets(&found, partitions)?;
        // Nothing is as young as that: what comes next is.
        let each = found.into_iter().zip(partitions);
        each.map(|(at, p)| at.map_or_else(|| Ok(Some(self.edges(p)?.1)), |at| Ok(Some(at)))).collect()
    }

    fn list(&self, partitions: &Partitions, offset: Offset) -> Result<TopicPartitionList, PortError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, number) in partitions {
            list.add_partition_offset(topic, *number, offset).map_err(|e| failed(self.place, &e))?;
        }
        Ok(list)
    }

    fn offsets(&self, found: &TopicPartitionList, partitions: &Partitions) -> Result<Vec<Option<i64>>, PortError> {
        let mut offsets = BTreeMap::new();
        for element in found.elements() {
            element.error().map_err(|e| failed(self.place, &e))?;
            let Offset::Offset(offset) = element.offset() else { continue };
            offsets.insert((element.topic().to_owned(), element.partition()), offset);
        }
        Ok(partitions.iter().map(|p| offsets.get(p).copied()).collect())
    }
}

/// There is nothing to begin with.
pub(super) fn no_group_offset(place: &str, (topic, number): &(String, i32)) -> PortError {
    let what = format!(
        "{place}: {topic}, partition {number}: the group has committed no offset to begin with; set 'scan.startup.mode' to \
         'earliest-offset' or 'latest-offset', or say by 'properties.auto.offset.reset' where to begin then"
    );
    PortError::new(Kind::Invalid, what)
}
