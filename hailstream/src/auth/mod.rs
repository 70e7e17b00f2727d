//! Who may do what at the AWS door: Signature Version 4, the file of credentials, roles, and the layer that asks them.

mod canonical;
mod credentials;
mod error;
mod layer;
mod roles;
#[cfg(test)]
mod suite;
mod verify;

pub(crate) use credentials::{CredentialsError, KeyRing};
pub(crate) use layer::guarded;
