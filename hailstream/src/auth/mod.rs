//! Who may do what at the AWS door: Signature Version 4, the file of credentials, roles, and the layer that asks them; and
//! the signer of our own clients.

mod canonical;
mod chunked;
mod claim;
mod client_keys;
mod credentials;
mod error;
mod layer;
#[cfg(test)]
mod refusals;
mod roles;
mod signer;
mod signing;
#[cfg(test)]
mod suite;
mod time;
mod verify;

pub use client_keys::{ClientKey, ClientKeyError};
pub use credentials::{CredentialsError, KeyRing};
pub use layer::guarded;
pub use signer::{SignError, Signer};
