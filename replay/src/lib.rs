//! Replays history into puts: reading, ordering, pacing, resending what was refused, and a generator of a plausible day.
//!
//! A [`Source`] gives rows in the order of their event time ([`FileSource`] from NDJSON files, [`Generator`] from a seed).
//! [`Schedule`] says when each row is due, [`Window`] fills one put and keeps what was refused, and [`Replay`] brings them
//! together against a [`PutTarget`], as a step machine without a thread of its own or, by [`Replay::start`], on one.
//!
//! *Invariant:* one put is in flight; what was refused leads the next put, in its order, before any new row. With a target
//! that refuses the later records of a shard once it refused one of them, the order within every key is the source's.
//! *Invariant:* this crate knows no protocol, no runtime and no store: the target is a port.

mod batch;
mod config;
mod generate;
mod handle;
mod pace;
mod read;
mod run;
mod source;
mod stats;
mod target;

pub use batch::{Backoff, PutLimits, Settled, Unfit, Window};
pub use config::{ConfigError, ReplayConfig};
pub use generate::{Generator, TRIPS_PER_HOUR_MAX};
pub use handle::{ReplayHandle, StartError};
pub use pace::{SPEEDUP_DEFAULT, SPEEDUP_MAX, Schedule, Speed};
pub use read::{BUFFER_BYTES_MAX, BUFFER_ROWS_DEFAULT, FileSource, ReadOptions, parse_time};
pub use run::{Replay, Step};
pub use source::{BadRow, Findings, Progress, Row, Source, SourceError};
pub use stats::{State, Stats};
pub use target::{PutError, PutTarget, PutVerdict};
