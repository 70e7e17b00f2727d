//! A topic that each row is written to once. Rows wait with the checkpoint, and are written in one transaction when it is
//! durable, together with its number, as the offset of a group of the transaction's id. Who is asked to write it again, in
//! another process or after an answer that never came, reads that number first. `docs/decisions/0017-kafka.md` tells why.

use super::client::{self, ASK, Failure, Told, failed};
use super::options::{Guarantee, SinkOptions};
use super::records::RecordEncoder;
use super::sink::{Writing, fixed_partition};
use super::transaction::{Address, Staged, Transaction};
use engine::port::{PortError, Sink, SinkBatch, SinkSpec};
use model::Kind;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;

/// How often one step is tried again that the client says may be, and how often a transaction that has to be given up.
const TRIES: u32 = 10;
/// A transaction that its writer leaves open is given up by the cluster after so long, in milliseconds, unless the table says
/// otherwise. So long do those wait who read what is committed, where the writer does not come back.
const TIMEOUT_MS: &str = "300000";
/// The partition whose offset holds the number: each topic has it.
const RECORDED_IN: i32 = 0;

/// Writes under one transactional id. Opening it ends whatever another writer of that id has begun.
struct Channel {
    address: Address,
    writing: Writing,
    group: ConsumerGroupMetadata,
    /// The number of the last transaction that was committed; 0 before the first.
    recorded: i64,
}

impl Channel {
    fn open(properties: &BTreeMap<String, String>, address: &Address, place: &str) -> Result<Self, PortError> {
        let Address { id, topic, .. } = address;
        let mut config = client::producer(properties);
        if config.get("transaction.timeout.ms").is_none() {
            config.set("transaction.timeout.ms", TIMEOUT_MS);
        }
        // A record lives as long as its transaction, where nothing else is said.
        if !properties.contains_key("delivery.timeout.ms") {
            config.remove("delivery.timeout.ms");
        }
        config.set("transactional.id", id);
        let writing = Writing::open(&config, place)?;
        writing.partitions(topic)?;
        again(place, || writing.producer.init_transactions(ASK))?;
        let mut config = client::consumer(properties, "");
        config.set("group.id", id).set("isolation.level", "read_committed");
        let consumer: BaseConsumer<Told> = client::create(&config, place, &Failure::default())?;
        let recorded = recorded(&consumer, topic, place)?;
        let none = || PortError::new(Kind::Internal, format!("{place}: the group {id} has no name for its members"));
        let group = consumer.group_metadata().ok_or_else(none)?;
        Ok(Self { address: address.clone(), writing, group, recorded })
    }

    /// Writes a transaction, unless it was written.
    fn commit(&mut self, transaction: &Transaction) -> Result<(), PortError> {
        let place = self.writing.place.clone();
        if transaction.number <= self.recorded {
            tracing::info!(
                place,
                id = self.address.id,
                number = transaction.number,
                "a transaction was committed before"
            );
            return Ok(());
        }
        for tried in 1.. {
            match self.write(transaction) {
                Ok(()) => break,
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Abort(error)) if tried >= TRIES => return Err(error),
                Err(Broken::Abort(error)) => {
                    tracing::warn!(place, id = self.address.id, %error, "a transaction is given up and written again");
                    again(&place, || self.writing.producer.abort_transaction(ASK))?;
                }
            }
        }
        self.recorded = transaction.number;
        Ok(())
    }

    fn write(&self, transaction: &Transaction) -> Result<(), Broken> {
        let Self { writing, address, .. } = self;
        let (place, topic) = (&writing.place, &address.topic);
        writing.failure.clear();
        writing.producer.begin_transaction().map_err(|e| Broken::of(place, &e))?;
        let mut send = |key: Option<&[u8]>, value: Option<&[u8]>| writing.send(topic, address.partition, key, value);
        transaction.each(&mut send).map_err(Broken::record)?;
        writing.flush().map_err(Broken::record)?;
        let mut offsets = TopicPartitionList::new();
        let number = Offset::Offset(transaction.number);
        let added = offsets.add_partition_offset(topic, RECORDED_IN, number);
        added.map_err(|e| Broken::Final(failed(place, &e)))?;
        step(place, || writing.producer.send_offsets_to_transaction(&offsets, &self.group, ASK))?;
        step(place, || writing.producer.commit_transaction(ASK))
    }
}

/// Why a transaction was not committed.
enum Broken {
    /// It can be given up and written again.
    Abort(PortError),
    /// This writer can do no more. Whether the transaction was committed is found out by the next one.
    Final(PortError),
}

impl Broken {
    /// A record that the client has not taken: one that no topic takes will not be taken the next time either.
    fn record(error: PortError) -> Self {
        if error.kind == Kind::Unavailable { Self::Abort(error) } else { Self::Final(error) }
    }

    fn of(place: &str, error: &KafkaError) -> Self {
        let told = failed(place, error);
        match error {
            KafkaError::Transaction(error) if error.txn_requires_abort() => Self::Abort(told),
            _ => Self::Final(told),
        }
    }
}

/// Whether the same call may be made again, and goes on where this one stopped.
fn may_be_repeated(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable() && !error.txn_requires_abort(),
        KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
        _ => false,
    }
}

fn step(place: &str, mut call: impl FnMut() -> KafkaResult<()>) -> Result<(), Broken> {
    for tried in 1.. {
        match call() {
            Err(error) if may_be_repeated(&error) && tried < TRIES => {
                tracing::warn!(place, %error, "a step of a transaction is tried again");
            }
            done => return done.map_err(|e| Broken::of(place, &e)),
        }
    }
    Ok(())
}

fn again(place: &str, call: impl FnMut() -> KafkaResult<()>) -> Result<(), PortError> {
    step(place, call).map_err(|broken| match broken {
        Broken::Abort(error) | Broken::Final(error) => error,
    })
}

/// The number of the last transaction of the consumer's group; 0 where there is none.
fn recorded(consumer: &BaseConsumer<Told>, topic: &str, place: &str) -> Result<i64, PortError> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, RECORDED_IN);
    let found = consumer.committed_offsets(list, ASK).map_err(|e| failed(place, &e))?;
    let mut last = 0;
    for element in found.elements() {
        element.error().map_err(|e| failed(place, &e))?;
        if let Offset::Offset(number) = element.offset() {
            last = number;
        }
    }
    Ok(last)
}

/// Commits what an earlier run has prepared for the table, whatever its writers promise now.
///
/// # Errors
/// When that cannot be done.
pub(super) fn commit_prepared(spec: &SinkSpec, properties: &BTreeMap<String, String>) -> Result<(), PortError> {
    let place = format!("table {}", spec.table.name);
    let prepared = spec.prepared.iter().flatten().map(|bytes| Transaction::read(bytes));
    let mut prepared = prepared.collect::<Result<Vec<_>, _>>().map_err(|e| at(&place, e))?;
    prepared.sort_by(|a, b| (&a.address.id, a.number).cmp(&(&b.address.id, b.number)));
    prepared
        .iter()
        .try_for_each(|transaction| Channel::open(properties, &transaction.address, &place)?.commit(transaction))
}

/// Holds rows back until the checkpoint that keeps them is durable. They are bounded, as [`Staged`] says.
pub(super) struct TransactionalSink {
    channel: Channel,
    encoder: RecordEncoder,
    properties: BTreeMap<String, String>,
    staged: Staged,
    /// The number of the next transaction.
    next: i64,
}

impl TransactionalSink {
    /// Connects, and commits what an earlier run has prepared.
    ///
    /// # Errors
    /// When the cluster is not reachable, there is no such topic, or what was prepared cannot be committed.
    pub(super) fn open(spec: &SinkSpec, options: SinkOptions) -> Result<Self, PortError> {
        let place = format!("table {}", spec.table.name);
        let Guarantee::ExactlyOnce(prefix) = &options.guarantee else {
            return Err(PortError::new(Kind::Internal, format!("{place}: its rows are not to be written once")));
        };
        let id = |subtask: u32| format!("{prefix}-{}-{subtask}", spec.table.name);
        let mut address = Address { id: id(spec.subtask), topic: options.topic.clone(), partition: None };
        if options.fixed {
            let writing = Writing::open(&client::producer(&options.properties), &place)?;
            address.partition = fixed_partition(&options, spec.subtask, writing.partitions(&options.topic)?);
        }
        commit_prepared(spec, &options.properties)?;
        let channel = Channel::open(&options.properties, &address, &place)?;
        let encoder = RecordEncoder::new(&spec.schema, &options.layout);
        let next = channel.recorded + 1;
        Ok(Self { channel, encoder, properties: options.properties, staged: Staged::default(), next })
    }
}

fn at(place: &str, error: PortError) -> PortError {
    PortError::new(error.kind, format!("{place}: {error}"))
}

impl Sink for TransactionalSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        let Self { encoder, staged, channel, .. } = self;
        let written = encoder.each(batch, &mut |key, value| staged.push(key, value));
        written.map_err(|e| at(&channel.writing.place, e))
    }

    /// What waits is durable with the next checkpoint.
    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn prepare(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        if self.staged.is_empty() {
            return Ok(None);
        }
        let transaction = self.staged.seal(&self.channel.address, self.next)?;
        self.next += 1;
        Ok(Some(transaction.bytes()))
    }

    fn commit(&mut self, transaction: &[u8]) -> Result<(), PortError> {
        let place = self.channel.writing.place.clone();
        let transaction = Transaction::read(transaction).map_err(|e| at(&place, e))?;
        if transaction.address == self.channel.address {
            return self.channel.commit(&transaction);
        }
        Channel::open(&self.properties, &transaction.address, &place)?.commit(&transaction)
    }

    fn close(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}
