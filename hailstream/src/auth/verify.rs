//! Whether a request was signed by a key that is known, and its body as the operation wants it.

use super::chunked::{self, Chunking, Seal};
use super::claim::{Claim, claim, header};
use super::credentials::{Key, Keys};
use super::error::AuthError;
use std::sync::Arc;
use wire::signature::{ALGORITHM, SERVICE, TERMINATOR};
use wire::signature::{Head, sha256_hex};
use wire::signature::{seconds_of, stamp};

/// How far a signature's time may be from the clock, in seconds.
const SKEW_S: i64 = 300;
/// Longest life of a presigned request, in seconds: seven days.
const EXPIRES_S_MAX: i64 = 604_800;

/// A request whose signature is right.
#[derive(Debug)]
pub(super) struct Verified {
    /// The key that signed it.
    pub(super) key: Arc<Key>,
    /// Its body, where it came in chunks; else it is what arrived.
    pub(super) unchunked: Option<Vec<u8>>,
}

/// Who signed a request whose body this is, `now_ms` after the Unix epoch.
pub(super) fn verify(keys: &Keys, now_ms: u64, head: &Head<'_>, body: &[u8]) -> Result<Verified, AuthError> {
    let claim = claim(head)?;
    let now_s = (now_ms / 1000) as i64;
    check_time(&claim, now_s)?;
    let signed: Vec<&str> = claim.signed.split(';').collect();
    check_signed(head, &signed)?;
    if claim.algorithm != ALGORITHM {
        return Err(AuthError::Incomplete(format!("Unsupported AWS 'algorithm': '{}'.", claim.algorithm)));
    }
    let (id, scope) = split_credential(&claim)?;
    let [day, region, service, end] = scope;
    check_scope(scope, &claim.date, wanted_service(head))?;
    let key = keys.key(id).ok_or(AuthError::UnknownKey)?;
    key.check_token(claim.token.as_deref())?;
    if key.has_ended(now_s) {
        return Err(AuthError::ExpiredKey);
    }
    let payload = Payload::of(head, body)?;
    let canonical = head.canonical(&signed, payload.told()).map_err(|_| AuthError::Mismatch)?;
    let digest = sha256_hex(canonical.as_bytes());
    let scope = format!("{day}/{region}/{service}/{end}");
    let text = format!("{ALGORITHM}\n{}\n{scope}\n{digest}", claim.date);
    let (signing, cached) = keys.signing(&key, [day, region, service]);
    let signature = bytes_of(&claim.signature).ok_or(AuthError::Mismatch)?;
    if !signing.verifies(&text, &signature) {
        return Err(AuthError::Mismatch);
    }
    if !cached {
        keys.keep(&key, [day, region, service], &signing);
    }
    let unchunked = match payload {
        Payload::Whole(_) => None,
        Payload::Chunked(chunking, _) => {
            let seal = Seal { key: &signing, date: &claim.date, scope: &scope, seed: &claim.signature };
            Some(chunked::decode(chunking, head, body, &seal)?)
        }
    };
    Ok(Verified { key, unchunked })
}

/// What of the body was signed along with the head.
enum Payload<'a> {
    /// Its SHA-256.
    Whole(String),
    /// Nothing but how its chunks are sealed.
    Chunked(Chunking, &'a str),
}

impl<'a> Payload<'a> {
    fn of(head: &Head<'a>, body: &[u8]) -> Result<Self, AuthError> {
        let told = header(head, "x-amz-content-sha256").map(str::trim);
        if let Some((chunking, told)) = told.and_then(|told| Some((Chunking::named(told)?, told))) {
            return Ok(Self::Chunked(chunking, told));
        }
        match told {
            Some(other) if bytes_of(other).is_none() => Err(AuthError::Payload(other.to_owned())),
            told => {
                let payload = sha256_hex(body);
                // A hash that the request tells of its own body must be true.
                let is_true = told.is_none_or(|told| told == payload);
                is_true.then_some(Self::Whole(payload)).ok_or(AuthError::Mismatch)
            }
        }
    }

    fn told(&self) -> &str {
        match self {
            Self::Whole(hash) => hash,
            Self::Chunked(_, told) => told,
        }
    }
}

fn split_credential(claim: &Claim) -> Result<(&str, [&str; 4]), AuthError> {
    let parts: Vec<&str> = claim.credential.split('/').collect();
    match parts[..] {
        [id, day, region, service, end] => Ok((id, [day, region, service, end])),
        _ => Err(AuthError::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
            claim.credential
        ))),
    }
}

/// The service that a request must be signed for: the one that it calls, so that no signature is good for another.
fn wanted_service(head: &Head<'_>) -> &'static str {
    control::aws::signing_name(head.path, head.headers).unwrap_or(SERVICE)
}

/// All that is wrong with a scope, told at once. Any region is taken: there is one endpoint for all.
fn check_scope([day, region, service, end]: [&str; 4], date: &str, wanted: &str) -> Result<(), AuthError> {
    let mut wrong = Vec::new();
    if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        wrong.push(format!("Credential should be scoped to a valid region, not '{region}'."));
    }
    if service != wanted {
        wrong.push(format!("Credential should be scoped to correct service: '{wanted}'."));
    }
    if end != TERMINATOR {
        wrong.push(format!("Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{end}'."));
    }
    let of_date = &date[..8];
    if of_date != day {
        wrong.push(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != \
             '{of_date}', from '{date}'."
        ));
    }
    if wrong.is_empty() { Ok(()) } else { Err(AuthError::Scope(wrong.join(" "))) }
}

/// What names the receiver, the operation and the rest of the request must be signed.
fn check_signed(head: &Head<'_>, signed: &[&str]) -> Result<(), AuthError> {
    let is_signed = |name: &str| signed.iter().any(|signed| signed.eq_ignore_ascii_case(name));
    if !is_signed("host") {
        return Err(AuthError::Unsigned("'Host' or ':authority'".into()));
    }
    let must = head.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-amz-"));
    if let Some(name) = must.into_iter().find(|name| !is_signed(name)) {
        return Err(AuthError::Unsigned(format!("'{name}'")));
    }
    let sorted = signed.windows(2).all(|pair| pair[0] < pair[1]);
    let lower = signed.iter().all(|name| !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase()));
    if sorted && lower { Ok(()) } else { Err(AuthError::Mismatch) }
}

fn check_time(claim: &Claim, now_s: i64) -> Result<(), AuthError> {
    let at = seconds_of(&claim.date).ok_or_else(|| AuthError::Date(claim.date.clone()))?;
    let life_s = claim.expires.as_deref().map_or(Ok(SKEW_S), life)?;
    let (signed, now) = (claim.date.clone(), stamp(now_s));
    if at > now_s + SKEW_S {
        return Err(AuthError::Early { signed, latest: stamp(now_s + SKEW_S), now });
    }
    if at + life_s < now_s {
        return Err(AuthError::Expired { signed, earliest: stamp(now_s - life_s), now, life_s });
    }
    Ok(())
}

fn life(expires: &str) -> Result<i64, AuthError> {
    let seconds = expires.parse().ok().filter(|seconds| (1..=EXPIRES_S_MAX).contains(seconds));
    let digits = expires.bytes().all(|byte| byte.is_ascii_digit());
    seconds.filter(|_| digits).ok_or_else(|| AuthError::Expires { told: expires.to_owned(), max_s: EXPIRES_S_MAX })
}

/// The 32 bytes of 64 lower-case hexadecimal digits.
pub(super) fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    let digits = hex.as_bytes();
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::credentials::KeyRing;
    use super::*;
    use axum::http::{HeaderMap, HeaderValue};
    use futures_util::FutureExt;
    use model::Env;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    /// Keys with one key, as of 2015-08-30T12:36:00Z.
    fn keys() -> Arc<Keys> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        std::fs::write(&path, "[[key]]\nid = 'A'\nsecret = 's'\nrole = 'admin'\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let ring = Arc::new(KeyRing::open(&path, Env::manual(0, 1).0).unwrap());
        // A ring that was just opened looks at nothing, and so waits for nothing.
        ring.keys().now_or_never().unwrap().unwrap()
    }

    /// Texts that are almost right: some part, with something else in the middle of it.
    fn almost(right: &'static str) -> impl Strategy<Value = String> {
        let cut = (0..=right.len(), 0..=right.len(), ".{0,6}|[ 0-9/;=%,]{0,6}");
        cut.prop_map(move |(a, b, text)| format!("{}{text}{}", &right[..a], &right[b.max(a)..]))
    }

    proptest! {
        #[test]
        fn any_head_is_refused_without_a_panic(
            id in almost("A/20150830/eu-west-1/kinesis/aws4_request"),
            date in almost("20150830T123600Z"),
            names in almost("host;x-amz-date;x-amz-target"),
            signature in almost("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
            payload in almost("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            query in ".{0,40}",
            body in ".{0,40}",
            in_query: bool,
        ) {
            let mut headers = HeaderMap::new();
            let mut set = |name: &'static str, value: &str| {
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    headers.insert(name, value);
                }
            };
            set("host", "a");
            set("x-amz-content-sha256", &payload);
            let mut query = query;
            if in_query {
                let (id, names) = (id.replace('&', ""), names.replace('&', ""));
                query += &format!("&X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={id}&X-Amz-Date={date}");
                query += &format!("&X-Amz-SignedHeaders={names}&X-Amz-Signature={signature}");
            } else {
                set("x-amz-date", &date);
                let fields = format!("Credential={id}, SignedHeaders={names}, Signature={signature}");
                set("authorization", &format!("{ALGORITHM} {fields}"));
            }
            let head = Head { method: "POST", path: "/", query: &query, headers: &headers, authority: None };
            prop_assert!(verify(&keys(), 1_440_938_160_000, &head, body.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_code_is_sixty_four_small_digits() {
        for (given, expected) in
            [("0f".repeat(32), true), ("0F".repeat(32), false), ("0f".repeat(31), false), ("0g".repeat(32), false)]
        {
            assert_eq!(bytes_of(&given).is_some(), expected, "{given}");
        }
        assert_eq!(bytes_of(&"0f".repeat(32)), Some([0x0f; 32]));
    }
}
