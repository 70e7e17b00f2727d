//! The words that every stage shares: records, shards, positions, event time, limits, kinds of error, signals, and the
//! environment (clock and randomness) through which everything that is not deterministic enters the platform.
//!
//! *Invariant:* this crate knows no runtime, no serialisation, no protocol and no columnar format.

mod access;
mod env;
mod error;
pub mod limits;
mod nesting;
mod record;
mod sealed;
mod shard;
mod signal;
mod time;

pub use access::Access;
pub use env::{Clock, Env, ManualClock, Random, SeededRandom};
pub use error::{Classified, Kind};
pub use nesting::is_shallow;
pub use record::{PutRecord, Record};
pub use sealed::{SEAL_BYTES, SealedError, SealedFile, seal, unseal};
pub use shard::{HashKeyRange, Position, ShardIndex};
pub use signal::Sample;
pub use time::{EventTime, Watermark};
