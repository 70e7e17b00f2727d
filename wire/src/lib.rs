//! What both sides of the stream protocol share, the platform's own doors and the clients of others': signatures, the frames of
//! event streams, and aggregated records.
//!
//! *Invariant:* bytes in, bytes out: no connection, no runtime, no file but that of a client's keys. Nothing here panics on
//! any input.

pub mod aggregation;
pub mod aggregator;
pub mod event_stream;
pub mod signature;
