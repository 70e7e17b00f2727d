//! Outside systems behind the engine's ports: object stores that hold checkpoints and files, clusters of Elasticsearch or OpenSearch that
//! results are written into, topics of Kafka, streams of Kinesis.
//!
//! *Invariant:* this crate knows the engine's ports and nothing of the store, the index, or who runs a job; what an outside
//! system says reaches its callers as a [`model::Kind`] and words.

mod bucket;
mod elasticsearch;
mod failure;
mod files;
mod kafka;
mod kinesis;
mod objects;
mod outgoing;
mod read_ahead;

pub use bucket::{Bucket, BucketKey, BucketSettings};
pub use elasticsearch::Elasticsearch;
pub use files::BucketFiles;
pub use kafka::{KafkaKind, KafkaTables};
pub use kinesis::KinesisStreams;
pub use objects::Objects;
