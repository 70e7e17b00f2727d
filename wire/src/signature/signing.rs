//! The key that signs within one scope, derived from a secret, and the codes it makes.

use super::canonical::hex;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The one algorithm there is.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The service that requests are signed for.
pub const SERVICE: &str = "kinesis";
/// What every scope ends with.
pub const TERMINATOR: &str = "aws4_request";

/// Signs within one day, region and service; deriving it costs four codes, using it one.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// The key of a secret for a scope of day (`20150830`), region and service.
    pub fn derive(secret: &str, [day, region, service]: [&str; 3]) -> Self {
        let mut key = keyed(format!("AWS4{secret}").as_bytes());
        for part in [day, region, service, TERMINATOR] {
            key.update(part.as_bytes());
            key = keyed(&key.finalize().into_bytes());
        }
        Self(key)
    }

    fn code(&self, text: &str) -> Hmac<Sha256> {
        let mut code = self.0.clone();
        code.update(text.as_bytes());
        code
    }

    /// The signature of a text, in lower-case hexadecimal digits.
    pub fn sign(&self, text: &str) -> String {
        hex(&self.code(text).finalize().into_bytes())
    }

    /// Whether this is the signature of the text; takes the same time wherever the first difference is.
    pub fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        self.code(text).verify_slice(signature).is_ok()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    #[allow(clippy::expect_used, reason = "HMAC takes a key of any length")]
    Hmac::<Sha256>::new_from_slice(key).expect("any length")
}
