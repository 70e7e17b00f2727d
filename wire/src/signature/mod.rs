//! Signature Version 4: the canonical form of a request, the keys that sign it, and the signer of our own clients. The doors
//! check by the same code what clients sign by it.

mod canonical;
mod client_keys;
mod signer;
mod signing;
#[cfg(test)]
mod suite;
mod time;

pub use canonical::{Head, parameters, sha256_hex};
pub use client_keys::{ClientKey, ClientKeyError};
pub use signer::{SignError, Signer};
pub use signing::{ALGORITHM, SERVICE, SigningKey, TERMINATOR};
pub use time::{seconds_of, stamp};

use http::request::Parts;

/// Adds to a call what an endpoint asks for beside the protocol, such as a signature.
pub trait Authorize: Send + Sync {
    /// Adds headers to a call whose head is complete otherwise, and whose body this is.
    ///
    /// # Errors
    /// When the call cannot be sent so, in words.
    fn authorize(&self, request: &mut Parts, body: &[u8]) -> Result<(), String>;
}
