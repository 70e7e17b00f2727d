//! Clients of a cluster: how they are set up, what they tell, and what their errors say to a caller.

use engine::port::PortError;
use model::Kind;
use parking_lot::Mutex;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a question to the cluster may take before it counts as not reachable.
pub(super) const ASK: Duration = Duration::from_secs(30);
/// In such steps, so that an error that the client is told meanwhile is seen.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// What a consumer is set up with where the table says nothing: records of transactions that were not committed stay
/// unread; records that were fetched and wait take 4 MiB for each partition, and a fetch more; a partition whose records waited
/// is asked again soon after they were taken.
const CONSUMER: [(&str, &str); 3] =
    [("isolation.level", "read_committed"), ("queued.max.messages.kbytes", "4096"), ("fetch.queue.backoff.ms", "20")];
/// What it is always set up with: an offset that is not to be had is told and not guessed.
const CONSUMER_ALWAYS: [(&str, &str); 4] = [
    ("auto.offset.reset", "error"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
];
/// What a producer is set up with where the table says nothing: the partition of a key is the one that Java's clients
/// choose, no record is written twice or in another order by a retry, and records that wait take at most 64 MiB.
const PRODUCER: [(&str, &str); 4] = [
    ("partitioner", "murmur2_random"),
    ("enable.idempotence", "true"),
    ("delivery.timeout.ms", "120000"),
    ("queue.buffering.max.kbytes", "65536"),
];

/// How a consumer for a table is set up.
pub(super) fn consumer(properties: &BTreeMap<String, String>, table: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.extend(CONSUMER.map(|(k, v)| (k.to_owned(), v.to_owned())));
    // Flink's name for the group of a table that names none.
    config.set("group.id", format!("KafkaSource-{table}"));
    config.extend(properties.clone());
    config.extend(CONSUMER_ALWAYS.map(|(k, v)| (k.to_owned(), v.to_owned())));
    config.set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// How a producer is set up.
pub(super) fn producer(properties: &BTreeMap<String, String>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.extend(PRODUCER.map(|(k, v)| (k.to_owned(), v.to_owned())));
    config.extend(properties.clone());
    config.remove("group.id");
    config.set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// Checks properties without connecting to anything.
///
/// # Errors
/// `Invalid`, with the name of the property and what the client says of it.
pub(super) fn check(config: &ClientConfig, place: &str) -> Result<(), PortError> {
    config.create_native_config().map(drop).map_err(|e| failed(place, &e))
}

/// A client of this set-up that tells of `place`.
pub(super) fn create<T: FromClientConfigAndContext<Told>>(
    config: &ClientConfig,
    place: &str,
    failure: &Failure,
) -> Result<T, PortError> {
    let told = Told { place: place.to_owned(), failure: failure.clone() };
    config.create_with_context(told).map_err(|e| failed(place, &e))
}

/// The first record that could not be written, or what else waiting does not mend, and why; told at the next call.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<KafkaError>>>);

impl Failure {
    /// Keeps the first one; whether this is it.
    fn set(&self, error: &KafkaError) -> bool {
        let mut first = self.0.lock();
        let is_first = first.is_none();
        first.get_or_insert_with(|| error.clone());
        is_first
    }

    pub(super) fn clear(&self) {
        self.0.lock().take();
    }

    /// # Errors
    /// What was set since it was cleared.
    pub(super) fn check(&self, place: &str) -> Result<(), PortError> {
        self.0.lock().as_ref().map_or(Ok(()), |error| Err(failed(place, error)))
    }
}

/// What the cluster says of a topic, as far as it answers in time.
///
/// # Errors
/// `NotFound` where there is no such topic; what the client has told meanwhile, such as a name that may not come in; when
/// the cluster does not answer.
pub(super) fn partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    place: &str,
    failure: &Failure,
    hear: &dyn Fn(),
) -> Result<Vec<i32>, PortError> {
    let mut waited = Duration::ZERO;
    let metadata = loop {
        match client.fetch_metadata(Some(topic), ASK_AGAIN) {
            Ok(metadata) => break metadata,
            Err(error) => {
                hear();
                failure.check(place)?;
                waited += ASK_AGAIN;
                if waited >= ASK {
                    return Err(failed(place, &error));
                }
            }
        }
    };
    let about = metadata.topics().iter().find(|t| t.name() == topic);
    if let Some(error) = about.and_then(|t| t.error()) {
        return Err(failed(&format!("{place}: topic {topic}"), &KafkaError::MetadataFetch(error.into())));
    }
    let mut numbers: Vec<i32> = about.iter().flat_map(|t| t.partitions()).map(|p| p.id()).collect();
    if numbers.is_empty() {
        let what = format!("{place}: there is no topic {topic}; create it first");
        return Err(PortError::new(Kind::NotFound, what));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Hands what a client tells to the log.
pub(super) struct Told {
    place: String,
    failure: Failure,
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel::{Debug, Info, Notice};
        // Broken connections are told as errors as well.
        if matches!(level, Debug | Info | Notice) || facility == "FAIL" {
            tracing::debug!(place = self.place, facility, "{message}");
        } else {
            tracing::warn!(place = self.place, facility, "{message}");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is news for its reader alone.
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        tracing::warn!(place = self.place, %error, "{reason}");
        if failed(&self.place, &error).kind == Kind::Invalid {
            self.failure.set(&error);
        }
    }
}

impl ConsumerContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else { return };
        if self.failure.set(error) {
            tracing::warn!(place = self.place, partition = message.partition(), %error, "a record was not written");
        }
    }
}

/// Longest text of an error that is handed on, in characters.
const REASON_CHARS_MAX: usize = 400;

/// The failure that `error` is of what stands at `place`.
pub(super) fn failed(place: &str, error: &KafkaError) -> PortError {
    let (kind, hint) = judged(error);
    let reason: String = match error {
        KafkaError::ClientConfig(_, reason, key, _) => format!("'properties.{key}': {reason}"),
        KafkaError::Transaction(error) => error.string(),
        error => error.to_string(),
    };
    let reason: String =
        reason.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON_CHARS_MAX).collect();
    PortError::new(kind, format!("{place}: {reason}{hint}"))
}

/// What the caller can do about it, and a hint. What is not known to be final may be over in a moment.
fn judged(error: &KafkaError) -> (Kind, &'static str) {
    use RDKafkaErrorCode as Code;
    const ACCESS: &str = "; check the name and password, and what they may do";
    match error {
        KafkaError::ClientConfig(..) => return (Kind::Invalid, property_hint(error)),
        KafkaError::ClientCreation(_) | KafkaError::Nul(_) => return (Kind::Invalid, ""),
        _ => {}
    }
    match error.rdkafka_error_code() {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            (Kind::NotFound, "; create the topic first")
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::UnsupportedSASLMechanism,
        ) => (Kind::Invalid, ACCESS),
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => (
            Kind::Invalid,
            "; a record is larger than the topic takes: raise its max.message.bytes and 'properties.message.max.bytes'",
        ),
        Some(Code::InvalidArgument | Code::InvalidConfig | Code::InvalidTransactionTimeout) => (Kind::Invalid, ""),
        Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch | Code::InvalidProducerIdMapping) => (
            Kind::Conflict,
            "; another writer uses the same transactional id: is the application running twice, or do two tables share \
             'sink.transactional-id-prefix'?",
        ),
        _ => (Kind::Unavailable, "; is the cluster reachable?"),
    }
}

/// Properties of Java's client have other names here, or need a part of the client that is not in every build.
fn property_hint(error: &KafkaError) -> &'static str {
    let KafkaError::ClientConfig(_, reason, key, _) = error else { return "" };
    let key = key.as_str();
    let needs_tls = key.starts_with("ssl.") || key == "security.protocol" || key.starts_with("sasl.mechanism");
    if key.contains("truststore") || key.contains("keystore.type") {
        "; certificates are given as PEM: 'properties.ssl.ca.location', 'properties.ssl.certificate.location', \
         'properties.ssl.key.location'"
    } else if needs_tls
        && (reason.contains("not available") || reason.contains("disabled") || reason.contains("not supported"))
    {
        "; this binary was built without TLS for Kafka: build it with --features kafka-tls"
    } else if reason.contains("No such configuration") {
        "; properties go to librdkafka, whose CONFIGURATION.md lists them"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let more = more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        more.chain([("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned())]).collect()
    }

    #[test]
    fn a_property_overrides_a_default_and_not_what_the_connector_lives_on() {
        let config =
            consumer(&properties(&[("isolation.level", "read_uncommitted"), ("enable.auto.commit", "true")]), "t");
        assert_eq!(config.get("isolation.level"), Some("read_uncommitted"));
        assert_eq!(config.get("enable.auto.commit"), Some("false"));
        assert_eq!(config.get("group.id"), Some("KafkaSource-t"));
        assert_eq!(consumer(&properties(&[("group.id", "g")]), "t").get("group.id"), Some("g"));
        let config = producer(&properties(&[("linger.ms", "1"), ("group.id", "g")]));
        assert_eq!((config.get("linger.ms"), config.get("group.id")), (Some("1"), None));
        for config in [consumer(&properties(&[]), "t"), producer(&properties(&[]))] {
            check(&config, "table t").unwrap();
        }
    }

    #[test]
    fn a_property_that_there_is_not_is_named_before_anything_is_opened() {
        for (key, value, hint) in [
            ("max.poll.recrods", "1", "CONFIGURATION.md"),
            ("isolation.level", "most", "isolation.level"),
            ("ssl.truststore.location", "x.jks", "ssl.ca.location"),
        ] {
            let error = check(&consumer(&properties(&[(key, value)]), "t"), "table t").unwrap_err();
            assert_eq!(error.kind, Kind::Invalid, "{error}");
            assert!(error.message.starts_with(&format!("table t: 'properties.{key}'")), "{error}");
            assert!(error.message.contains(hint), "{error}");
        }
    }

    #[cfg(not(feature = "kafka-tls"))]
    #[test]
    fn tls_that_was_not_built_in_is_told_with_what_to_do() {
        let config = consumer(&properties(&[("security.protocol", "ssl")]), "t");
        let error = match check(&config, "table t") {
            Err(error) => error,
            Ok(()) => {
                create::<rdkafka::consumer::BaseConsumer<Told>>(&config, "table t", &Failure::default()).err().unwrap()
            }
        };
        assert_eq!(error.kind, Kind::Invalid, "{error}");
        assert!(error.message.contains("kafka-tls"), "{error}");
    }

    #[test]
    fn errors_have_a_kind_a_place_and_a_hint() {
        use RDKafkaErrorCode as Code;
        for (code, kind, hint) in [
            (Code::UnknownTopicOrPartition, Kind::NotFound, "create the topic"),
            (Code::TopicAuthorizationFailed, Kind::Invalid, "what they may do"),
            (Code::MessageSizeTooLarge, Kind::Invalid, "max.message.bytes"),
            (Code::Fenced, Kind::Conflict, "running twice"),
            (Code::AllBrokersDown, Kind::Unavailable, "reachable?"),
        ] {
            let error = failed("table t", &KafkaError::MessageProduction(code));
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.starts_with("table t: ") && error.message.contains(hint), "{error}");
        }
    }
}
