//! Who may do what at the doors: Signature Version 4, the file of credentials, roles, the layers that ask them, and the signer
//! of our own clients.

mod basic;
mod canonical;
mod chunked;
mod claim;
mod client_keys;
mod credentials;
mod error;
mod layer;
mod minting;
#[cfg(test)]
mod refusals;
mod roles;
mod signer;
mod signing;
#[cfg(test)]
mod suite;
mod time;
mod verify;

pub(crate) use basic::{Rule, asked};
pub use client_keys::{ClientKey, ClientKeyError};
pub use credentials::{CredentialsError, KeyRing};
pub(crate) use credentials::{Key, read};
pub use layer::guarded;
pub(crate) use minting::{NewKey, add};
pub(crate) use roles::Role;
pub use signer::{SignError, Signer};
