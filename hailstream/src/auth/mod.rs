//! Who may do what at the doors: Signature Version 4, the file of credentials, sessions, roles, the layers that ask them, and
//! the signer of our own clients.

mod attempts;
mod basic;
mod canonical;
mod chunked;
mod claim;
mod client_keys;
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
mod signer;
mod signing;
#[cfg(test)]
mod suite;
mod time;
mod verify;
mod who;

pub(crate) use attempts::Attempts;
pub(crate) use basic::asked;
pub use client_keys::{ClientKey, ClientKeyError};
pub(crate) use console::console_door;
pub use credentials::{CredentialsError, KeyRing};
pub(crate) use credentials::{Key, read};
pub(crate) use deeds::ruled;
pub use layer::guarded;
pub(crate) use minting::{NewKey, add};
pub(crate) use roles::Role;
pub use signer::{SignError, Signer};
