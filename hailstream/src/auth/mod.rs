//! Who may do what at the doors: signatures, the file of credentials, sessions, roles, and the layers that ask them.

mod attempts;
mod basic;
mod chunked;
mod claim;
mod console;
mod credentials;
mod deeds;
mod error;
mod layer;
mod minting;
#[cfg(test)]
mod refusals;
mod roles;
mod sessions;
mod verify;
mod who;

pub(crate) use attempts::Attempts;
pub(crate) use basic::asked;
pub(crate) use console::console_door;
pub use credentials::{CredentialsError, KeyRing};
pub(crate) use credentials::{Key, read};
pub(crate) use deeds::ruled;
pub use layer::guarded;
pub(crate) use minting::{NewKey, add};
pub(crate) use roles::Role;
