//! The durable, sharded stream store and its Kinesis door.
//!
//! A stream has shards, each of which owns a part of the key space and an append log. One task owns each shard: it
//! gathers puts, writes them as one block, makes the block durable and only then answers. Readers share nothing with
//! writers but the list of what is durable.
//!
//! *Invariant:* an acknowledged record is on disk; positions grow by one within a shard, across restarts and clock
//! jumps; no record is written to a shard after the end that the catalogue gives it.

mod account;
mod catalog;
mod config;
mod consumers;
mod error;
mod fan_out;
mod history;
mod hot_keys;
pub mod kinesis;
mod log;
mod on_demand;
mod open;
mod pool;
mod put;
mod read;
mod reshard;
mod retention;
mod setting;
mod settings;
mod shard;
#[cfg(test)]
mod simulation;
mod stats;
mod store;
mod stream;
mod streams;
mod tallies;
#[cfg(test)]
mod tests;
mod throttle;
mod topology;
mod wakers;

pub use account::Account;
pub use catalog::CapacityMode;
pub use config::{Durability, Limits, StoreConfig};
pub use consumers::{Consumer, ConsumerStatus};
pub use error::{
    AccountError, ConsumerError, CreateError, OpenError, PushError, PutError, ReadError, Refusal, ReshardError,
    SettingError, StreamError, SubscribeError,
};
pub use fan_out::Push;
pub use history::RareChange;
pub use hot_keys::{HotKey, HotKeys, SplitAdvice};
pub use log::{DiskFiles, Files, LogDamage, LogFile, Row, TornTail};
pub use open::RecoveryReport;
pub use put::{PutOutcome, hash_key};
pub use read::{ReadAnswer, RecordBlock, ShardRead, ShardReader, StartAt};
pub use setting::{Resource, RetentionChange};
pub use settings::{Encryption, LIMITS_TAG, ShardMetric, StreamSettings};
pub use stats::{Counts, ShardStats, StreamStats};
pub use store::Store;
pub use stream::{ChildShard, ShardDescription, ShardState, StreamDescription, StreamStatus};
pub use streams::NewStream;
pub use tallies::{CallFigure, TALLY_BINS_MAX, Tally};
pub use wakers::{Subscription, Waker};
