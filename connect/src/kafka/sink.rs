//! A topic that is written to as rows come: at least once, or without any promise. Upserted topics are written so too: a
//! record that comes twice replaces itself.

use super::client::{self, Failure, Told, failed};
use super::options::{Guarantee, SinkOptions};
use super::records::RecordEncoder;
use engine::port::{PortError, Sink, SinkBatch, SinkSpec};
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use std::time::Duration;

/// How long to wait at once for room, or for records to arrive: the client does not tell sooner that they have.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A client that writes to topics. Records that wait in it are bounded by `queue.buffering.max.kbytes`; each arrives or is
/// given up within `delivery.timeout.ms`.
pub(super) struct Writing {
    pub(super) producer: ThreadedProducer<Told>,
    pub(super) failure: Failure,
    pub(super) place: String,
}

impl Writing {
    pub(super) fn open(config: &ClientConfig, place: &str) -> Result<Self, PortError> {
        let failure = Failure::default();
        let producer = client::create(config, place, &failure)?;
        Ok(Self { producer, failure, place: place.to_owned() })
    }

    /// How many partitions the topic has.
    ///
    /// # Errors
    /// As [`client::partitions`].
    pub(super) fn partitions(&self, topic: &str) -> Result<i32, PortError> {
        // What the client has to say is heard on its own thread.
        let found = client::partitions(self.producer.client(), topic, &self.place, &self.failure, &|| ())?;
        Ok(i32::try_from(found.len()).unwrap_or(i32::MAX))
    }

    /// Hands a record to the client, and waits while it has no room.
    ///
    /// # Errors
    /// When this record is refused, or an earlier one was not written.
    pub(super) fn send(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), PortError> {
        let mut record = BaseRecord::<[u8], [u8]> { key, payload: value, partition, ..BaseRecord::to(topic) };
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, back)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    self.failure.check(&self.place)?;
                    record = back;
                    self.producer.poll(LOOK_EVERY);
                }
                Err((error, _)) => return Err(failed(&self.place, &error)),
            }
        }
    }

    /// Returns when every record is written.
    ///
    /// # Errors
    /// When one was not, in the time that it has.
    pub(super) fn flush(&self) -> Result<(), PortError> {
        loop {
            let flushed = self.producer.flush(LOOK_EVERY);
            self.failure.check(&self.place)?;
            match flushed {
                Ok(()) => return Ok(()),
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut) => {}
                Err(error) => return Err(failed(&self.place, &error)),
            }
        }
    }
}

/// The partition of a writer that keeps to one.
pub(super) fn fixed_partition(options: &SinkOptions, subtask: u32, partitions: i32) -> Option<i32> {
    options.fixed.then(|| (i64::from(subtask) % i64::from(partitions)) as i32)
}

/// Writes rows as they come.
pub(super) struct KafkaSink {
    writing: Writing,
    encoder: RecordEncoder,
    topic: String,
    partition: Option<i32>,
    /// A flush waits until all is written.
    waits: bool,
}

impl KafkaSink {
    /// Connects.
    ///
    /// # Errors
    /// When the cluster is not reachable, or there is no such topic.
    pub(super) fn open(spec: &SinkSpec, options: SinkOptions) -> Result<Self, PortError> {
        let place = format!("table {}", spec.table.name);
        let writing = Writing::open(&client::producer(&options.properties), &place)?;
        let partition = fixed_partition(&options, spec.subtask, writing.partitions(&options.topic)?);
        let encoder = RecordEncoder::new(&spec.schema, &options.layout);
        let waits = options.guarantee != Guarantee::None;
        Ok(Self { writing, encoder, topic: options.topic, partition, waits })
    }
}

impl Sink for KafkaSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        self.writing.failure.check(&self.writing.place)?;
        let Self { writing, encoder, topic, partition, .. } = self;
        encoder.each(batch, &mut |key, value| writing.send(topic, *partition, key, value))
    }

    fn flush(&mut self) -> Result<(), PortError> {
        if self.waits { self.writing.flush() } else { self.writing.failure.check(&self.writing.place) }
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.writing.flush()
    }
}
