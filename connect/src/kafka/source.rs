//! A table that is read: each partition of its topics is a split, an offset is a position.

use super::client::{self, Failure, Told};
use super::group::Group;
use super::options::{Place, SourceOptions};
use super::places::{Finder, Partitions, no_group_offset, partitions};
use super::split::PartitionReader;
use engine::port::{Cursor, PortError, RecordLayout, Source, SplitId, SplitInfo, SplitReader, Waker, Wakers};
use model::{Env, Kind, Position};
use parking_lot::Mutex;
use rdkafka::consumer::BaseConsumer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Partitions of a topic, at most: split numbers are topic × this + partition.
const PARTITIONS_MAX: u32 = 1 << 20;
/// Stands for the beginning of a partition of which the group has committed nothing: an error where reading begins with it,
/// and of no interest where an application goes on from its own state.
const NOWHERE: Position = Position(u64::MAX);

/// What the source and its readers share.
pub(super) struct Shared {
    /// How messages begin.
    pub(super) place: String,
    /// What the client was told that waiting does not mend.
    pub(super) failure: Failure,
    pub(super) consumer: Arc<BaseConsumer<Told>>,
    pub(super) wakers: Arc<Wakers>,
    pub(super) reset: Option<Place>,
    /// Records are handed on with their keys.
    pub(super) by_key: bool,
    /// So are those without a value.
    pub(super) upserts: bool,
    pub(super) env: Env,
}

impl Shared {
    pub(super) fn finder(&self) -> Finder<'_> {
        Finder { consumer: &self.consumer, reset: self.reset.as_ref(), place: &self.place }
    }
}

/// Topics as a source. One client reads all partitions, each into a queue of its own.
pub(super) struct KafkaSource {
    shared: Arc<Shared>,
    options: SourceOptions,
    /// Told how far durable checkpoints have come, where the table says so.
    group: Option<Group>,
    known: Mutex<Known>,
}

/// The partitions that were found.
#[derive(Default)]
struct Known {
    partitions: BTreeMap<u32, Partition>,
    looked_at_ns: u64,
    /// The splits that the job's state knows, until the beginnings of the others have been found.
    gone_on: Option<BTreeSet<SplitId>>,
}

#[derive(Clone)]
struct Partition {
    topic: String,
    number: i32,
    start: Position,
    end: Option<i64>,
}

impl KafkaSource {
    /// Connects, and finds out where to begin.
    ///
    /// # Errors
    /// When the cluster is not reachable, or there is no such topic.
    pub(super) fn open(table: &str, options: SourceOptions, env: Env) -> Result<Self, PortError> {
        let place = format!("table {table}");
        let config = client::consumer(&options.properties, table);
        let failure = Failure::default();
        let consumer = Arc::new(client::create(&config, &place, &failure)?);
        let group = options.commits.then(|| Group::open(config, &place)).transpose()?;
        let (reset, by_key, upserts) = (options.reset.clone(), options.layout.is_some(), options.upserts);
        let shared = Shared { place, failure, consumer, wakers: Arc::default(), reset, by_key, upserts, env };
        let source = Self { shared: Arc::new(shared), options, group, known: Mutex::default() };
        let start = source.options.start.clone();
        source.look(&mut source.known.lock(), &start)?;
        Ok(source)
    }

    /// Takes in partitions that were not known, to be read from `start`.
    fn look(&self, known: &mut Known, start: &Place) -> Result<(), PortError> {
        known.looked_at_ns = self.shared.env.monotonic_ns();
        let mut new: Vec<u32> = Vec::new();
        let mut places: Partitions = Vec::new();
        let Shared { consumer, place, failure, .. } = self.shared.as_ref();
        for (topic, number) in partitions(consumer, &self.options.topics, place, failure)? {
            let id = self.id(&topic, number)?;
            if !known.partitions.contains_key(&id) {
                new.push(id);
                places.push((topic, number));
            }
        }
        let finder = self.shared.finder();
        let starts = finder.find(start, &places)?;
        let ends = self.options.bound.as_ref().map(|bound| finder.ends(bound, &places)).transpose()?;
        for (at, (topic, number)) in places.into_iter().enumerate() {
            let start = starts[at].map_or(NOWHERE, position);
            let partition = Partition { topic, number, start, end: ends.as_ref().map(|ends| ends[at]) };
            known.partitions.insert(new[at], partition);
        }
        Ok(())
    }

    /// Lets partitions that have appeared since a job's state was kept begin with their oldest record.
    fn begin_anew(&self, known: &mut Known) -> Result<(), PortError> {
        let Some(gone_on) = &known.gone_on else { return Ok(()) };
        let is_new = |id: &u32| !gone_on.contains(&SplitId(*id));
        let new: Vec<u32> = known.partitions.keys().copied().filter(is_new).collect();
        let place = |id: &u32| known.partitions.get(id).map(|p| (p.topic.clone(), p.number));
        let places: Partitions = new.iter().filter_map(place).collect();
        let starts = self.shared.finder().find(&Place::Earliest, &places)?;
        for (id, start) in new.iter().zip(starts) {
            if let (Some(partition), Some(start)) = (known.partitions.get_mut(id), start) {
                partition.start = position(start);
            }
        }
        known.gone_on = None;
        Ok(())
    }

    /// The offset of a cursor, with its partition; `None` where nobody knows yet where to begin.
    fn offset(&self, (split, cursor): &(SplitId, Cursor)) -> Option<(String, i32, i64)> {
        let offset = i64::try_from(cursor.position.0).ok().filter(|_| cursor.position != NOWHERE)?;
        let known = self.known.lock();
        known.partitions.get(&split.0).map(|partition| (partition.topic.clone(), partition.number, offset))
    }

    fn id(&self, topic: &str, number: i32) -> Result<u32, PortError> {
        let topic_number = self.options.topics.iter().position(|t| t == topic).and_then(|n| u32::try_from(n).ok());
        let number = u32::try_from(number).ok().filter(|n| *n < PARTITIONS_MAX);
        let id = topic_number.zip(number).and_then(|(t, n)| t.checked_mul(PARTITIONS_MAX)?.checked_add(n));
        let what = || format!("{}: topic {topic} has more than {PARTITIONS_MAX} partitions", self.shared.place);
        id.ok_or_else(|| PortError::new(Kind::Invalid, what()))
    }

    fn is_due(&self, known: &Known) -> bool {
        let passed_ns = self.shared.env.monotonic_ns().saturating_sub(known.looked_at_ns);
        let interval_ms = self.options.discovery_ms;
        self.options.bound.is_none() && interval_ms > 0 && passed_ns / 1_000_000 >= interval_ms
    }
}

impl Source for KafkaSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let mut known = self.known.lock();
        self.begin_anew(&mut known)?;
        // A partition that appears later holds nothing older than the job. What cannot be asked now is asked again: what
        // is being read goes on.
        if self.is_due(&known)
            && let Err(error) = self.look(&mut known, &Place::Earliest)
        {
            tracing::warn!(%error, "new partitions could not be looked for");
        }
        let info = |(id, partition): (&u32, &Partition)| SplitInfo {
            id: SplitId(*id),
            name: format!("{}, partition {}", partition.topic, partition.number),
            parents: Vec::new(),
            start: partition.start.into(),
        };
        Ok(known.partitions.iter().map(info).collect())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let partition = self.known.lock().partitions.get(&split.0).cloned();
        let partition = partition.ok_or_else(|| {
            let what = format!("{}: partition number {} is not there any more", self.shared.place, split.0);
            PortError::new(Kind::NotFound, what)
        })?;
        let Partition { topic, number, end, .. } = partition;
        if from.position == NOWHERE {
            return Err(no_group_offset(&self.shared.place, &(topic, number)));
        }
        Ok(Box::new(PartitionReader::open(self.shared.clone(), (topic, number), from.position, end)?))
    }

    fn goes_on(&self, known: &BTreeSet<SplitId>) {
        self.known.lock().gone_on = Some(known.clone());
    }

    fn checkpointed(&self, cursors: &[(SplitId, Cursor)]) {
        let Some(group) = &self.group else { return };
        let offsets: Vec<_> = cursors.iter().filter_map(|cursor| self.offset(cursor)).collect();
        group.commit(&offsets);
    }

    fn layout(&self) -> Option<RecordLayout> {
        self.options.layout.clone()
    }

    fn is_bounded(&self) -> bool {
        self.options.bound.is_some()
    }

    fn subscribe(&self, waker: Waker) -> Box<dyn Send> {
        Box::new(self.shared.wakers.add(waker))
    }
}

/// An offset as the engine counts; offsets are never below nought.
pub(super) fn position(offset: i64) -> Position {
    Position(u64::try_from(offset).unwrap_or(0))
}
