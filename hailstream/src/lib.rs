//! The platform put together: command line, settings, doors, and the wiring between the stages.
//!
//! *Invariant:* nothing is decided here that a stage could decide; `wiring` translates one crate's types to another's port.

pub mod auth;
mod cli;
mod commands;
mod doors;
mod platform;
mod replaying;
mod settings;
mod speed;
mod stack;
mod status;
pub mod wiring;

pub use commands::run;
