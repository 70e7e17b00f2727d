//! Signs the requests of our own clients, so that they pass a guarded AWS door.

use super::Authorize;
use super::canonical::{Head, sha256_hex};
use super::client_keys::ClientKey;
use super::signing::{ALGORITHM, SERVICE, SigningKey, TERMINATOR};
use super::time::stamp;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use model::Env;
use parking_lot::Mutex;
use std::fmt;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Signs requests with one key for one region, Signature Version 4 in headers.
pub struct Signer {
    key: ClientKey,
    region: String,
    env: Env,
    /// The derived key of the day that was signed last.
    derived: Mutex<Option<(String, SigningKey)>>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key", &self.key).field("region", &self.region).finish_non_exhaustive()
    }
}

/// Why a request could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A signature always names its host.
    #[error("the request has no host to sign")]
    Host,
    /// A key's id or token holds what no header takes.
    #[error("the {0} cannot stand in a header; it has characters beyond printable ASCII")]
    Header(&'static str),
}

impl Signer {
    /// Signs with this key for a region; the clock of `env` tells the time.
    pub fn new(key: ClientKey, region: impl Into<String>, env: Env) -> Self {
        Self { key, region: region.into(), env, derived: Mutex::new(None) }
    }

    /// Adds date, token and signature to a request whose head and body are complete. Every header is signed.
    ///
    /// # Errors
    /// When the request names no host, or the key holds what a header cannot carry.
    pub fn sign(&self, request: &mut Parts, body: &[u8]) -> Result<(), SignError> {
        if !request.headers.contains_key(HOST) {
            let authority = request.uri.authority().ok_or(SignError::Host)?;
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| SignError::Host)?;
            request.headers.insert(HOST, host);
        }
        let date = stamp((self.env.now_ms() / 1000) as i64);
        request.headers.insert(DATE, value("date", &date)?);
        if let Some(token) = &self.key.session_token {
            let mut token = value("session token", token)?;
            token.set_sensitive(true);
            request.headers.insert(TOKEN, token);
        }
        request.headers.remove(AUTHORIZATION);
        let authorization = self.authorization(request, body, &date)?;
        let mut authorization = value("key id", &authorization)?;
        authorization.set_sensitive(true);
        request.headers.insert(AUTHORIZATION, authorization);
        Ok(())
    }

    fn authorization(&self, request: &Parts, body: &[u8], date: &str) -> Result<String, SignError> {
        let mut names: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let head = Head {
            method: request.method.as_str(),
            path: request.uri.path(),
            query: request.uri.query().unwrap_or_default(),
            headers: &request.headers,
            authority: None,
        };
        // Only names that stand there are asked for; what is missing could be the host alone.
        let canonical = head.canonical(&names, &sha256_hex(body)).map_err(|_| SignError::Host)?;
        let day = &date[..8];
        let scope = format!("{day}/{}/{SERVICE}/{TERMINATOR}", self.region);
        let digest = sha256_hex(canonical.as_bytes());
        let signature = self.derived(day).sign(&format!("{ALGORITHM}\n{date}\n{scope}\n{digest}"));
        let (id, names) = (&self.key.id, names.join(";"));
        Ok(format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"))
    }

    fn derived(&self, day: &str) -> SigningKey {
        let mut held = self.derived.lock();
        match &*held {
            Some((of, key)) if of == day => key.clone(),
            _ => {
                let key = SigningKey::derive(&self.key.secret, [day, &self.region, SERVICE]);
                *held = Some((day.to_owned(), key.clone()));
                key
            }
        }
    }
}

impl Authorize for Signer {
    fn authorize(&self, request: &mut Parts, body: &[u8]) -> Result<(), String> {
        self.sign(request, body).map_err(|error| error.to_string())
    }
}

fn value(what: &'static str, text: &str) -> Result<HeaderValue, SignError> {
    HeaderValue::from_str(text).map_err(|_| SignError::Header(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn signer(id: &str, token: Option<&str>) -> Signer {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned();
        let key = ClientKey { id: id.to_owned(), secret, session_token: token.map(str::to_owned) };
        Signer::new(key, "us-east-1", Env::manual(1_440_938_160_000, 1).0)
    }

    fn parts(uri: &str) -> Parts {
        Request::post(uri).header("x-amz-target", "K.ListStreams").body(()).unwrap().into_parts().0
    }

    #[test]
    fn every_header_is_signed_and_the_signature_is_the_same_for_the_same_request() {
        let signer = signer("AKID", Some("T"));
        let mut first = parts("http://localhost:4566/");
        signer.sign(&mut first, b"{}").unwrap();
        let told = first.headers[AUTHORIZATION].to_str().unwrap().to_owned();
        assert!(
            told.starts_with("AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/kinesis/aws4_request, "),
            "{told}"
        );
        assert!(told.contains("SignedHeaders=host;x-amz-date;x-amz-security-token;x-amz-target, "), "{told}");
        assert_eq!(first.headers[HOST], "localhost:4566");
        // Signing anew replaces what was signed before.
        signer.sign(&mut first, b"{}").unwrap();
        assert_eq!(first.headers[AUTHORIZATION].to_str().unwrap(), told);
        signer.sign(&mut first, b"{ }").unwrap();
        assert_ne!(first.headers[AUTHORIZATION].to_str().unwrap(), told);
    }

    #[test]
    fn what_cannot_be_signed_is_named_and_no_secret_told() {
        let error = |signer: Signer, uri: &str| signer.sign(&mut parts(uri), b"").unwrap_err().to_string();
        assert_eq!(error(signer("AKID", None), "/"), "the request has no host to sign");
        assert!(error(signer("AK\nID", None), "http://a/").starts_with("the key id cannot"));
        assert!(error(signer("AKID", Some("\n")), "http://a/").starts_with("the session token cannot"));
        assert!(!format!("{:?}", signer("AKID", None)).contains("wJalr"));
    }
}
