//! The platform put together: command line, settings, doors, and the wiring between the stages.
//!
//! *Invariant:* nothing is decided here that a stage could decide; `wiring` translates one crate's types to another's port.

mod audit;
pub mod auth;
mod cli;
mod commands;
mod doors;
mod flink_settings;
mod outgoing;
mod platform;
mod replaying;
mod settings;
mod speed;
mod stack;
mod status;
mod telemetry;
mod trouble;
pub mod wiring;

/// Batches of rows, documents and requests are made and let go by the thousand on many threads: with this allocator the main
/// job takes less of the processor than with that of the system (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use commands::run;
