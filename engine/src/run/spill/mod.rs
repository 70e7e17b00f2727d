//! State past its budget of memory: pieces of it on disk, and who may hold how much in memory.
//!
//! What stands on disk here is scratch: checkpoints are what a job goes on from. A piece is immutable; whoever changes it
//! has it in memory again and lets go of the one on disk.

mod budget;
mod store;

pub(crate) use budget::{Budget, Share};
pub(crate) use store::{SpillError, SpillStore, Stored};
