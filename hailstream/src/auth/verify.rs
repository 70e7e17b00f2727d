//! Whether a request was signed by a key that is known: in its headers or, presigned, in its query.

use super::canonical::{Head, parameters, sha256_hex};
use super::credentials::{Key, KeyRing};
use super::error::AuthError;
use super::signing::{ALGORITHM, SERVICE, SigningKey, TERMINATOR};
use super::time::{seconds_of, stamp};

/// How far a signature's time may be from the clock, in seconds.
const SKEW_S: i64 = 300;
/// Longest life of a presigned request, in seconds: seven days.
const EXPIRES_S_MAX: i64 = 604_800;

/// What a request says of its signature.
struct Claim {
    credential: String,
    signed: String,
    signature: String,
    date: String,
    token: Option<String>,
    /// Seconds that a presigned request lives.
    expires_s: Option<i64>,
}

/// The key that signed the request, whose body this is.
pub(super) fn verify(keys: &KeyRing, head: &Head<'_>, body: &[u8]) -> Result<Key, AuthError> {
    let claim = claim(head)?;
    let parts: Vec<&str> = claim.credential.split('/').collect();
    let [id, day, region, service, end] = parts[..] else {
        let what = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term";
        return Err(AuthError::Incomplete(format!("{what}, got '{}'", claim.credential)));
    };
    check_scope(day, service, end, &claim.date)?;
    check_time(&claim, keys.env().now_ms())?;
    let key = keys.key(id).ok_or(AuthError::UnknownKey)?;
    if key.session_token != claim.token {
        return Err(AuthError::UnknownKey);
    }
    let payload = sha256_hex(body);
    // A hash that the request tells of its own body must be true.
    if text(head, "x-amz-content-sha256").is_some_and(|told| told != payload) {
        return Err(AuthError::Mismatch);
    }
    let signed: Vec<&str> = claim.signed.split(';').collect();
    check_signed(head, &signed)?;
    let canonical = head.canonical(&signed, &payload).map_err(|_| AuthError::Mismatch)?;
    let digest = sha256_hex(canonical.as_bytes());
    let to_sign = format!("{ALGORITHM}\n{}\n{day}/{region}/{service}/{end}\n{digest}", claim.date);
    let signature = bytes_of(&claim.signature).ok_or(AuthError::Mismatch)?;
    if SigningKey::derive(&key.secret, [day, region, service]).verifies(&to_sign, &signature) {
        Ok(key)
    } else {
        Err(AuthError::Mismatch)
    }
}

fn text<'a>(head: &Head<'a>, name: &str) -> Option<&'a str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

fn claim(head: &Head<'_>) -> Result<Claim, AuthError> {
    match text(head, "authorization") {
        Some(value) => claim_of_header(head, value),
        None if head.query.contains("X-Amz-Algorithm=") => claim_of_query(head),
        None => Err(AuthError::Missing),
    }
}

fn claim_of_header(head: &Head<'_>, value: &str) -> Result<Claim, AuthError> {
    let Some(rest) = value.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' ')) else {
        return Err(AuthError::Incomplete(format!("Unsupported AWS 'algorithm'; only {ALGORITHM} is supported.")));
    };
    let fields: Vec<_> = rest.split(',').filter_map(|field| field.trim().split_once('=')).collect();
    let field = |name: &str| {
        let found = fields.iter().find(|(field, value)| *field == name && !value.is_empty());
        let missing = || AuthError::Incomplete(format!("Authorization header requires '{name}' parameter."));
        found.map(|(_, value)| (*value).to_owned()).ok_or_else(missing)
    };
    let no_date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
    Ok(Claim {
        credential: field("Credential")?,
        signed: field("SignedHeaders")?,
        signature: field("Signature")?,
        date: text(head, "x-amz-date").ok_or_else(|| AuthError::Incomplete(no_date.into()))?.trim().to_owned(),
        token: text(head, "x-amz-security-token").map(str::to_owned),
        expires_s: None,
    })
}

fn claim_of_query(head: &Head<'_>) -> Result<Claim, AuthError> {
    let found = parameters(head.query);
    let optional = |name: &str| {
        let value = found.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value);
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let field = |name: &str| {
        let missing = || AuthError::Incomplete(format!("AWS query-string parameters must include '{name}'."));
        optional(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    if field("X-Amz-Algorithm")? != ALGORITHM {
        return Err(AuthError::Incomplete(format!("Unsupported AWS 'algorithm'; only {ALGORITHM} is supported.")));
    }
    let expires = field("X-Amz-Expires")?;
    let expires = expires.parse().ok().filter(|seconds| (1..=EXPIRES_S_MAX).contains(seconds));
    let wrong = || AuthError::Incomplete(format!("X-Amz-Expires must be between 1 and {EXPIRES_S_MAX} seconds."));
    Ok(Claim {
        credential: field("X-Amz-Credential")?,
        signed: field("X-Amz-SignedHeaders")?,
        signature: field("X-Amz-Signature")?,
        date: field("X-Amz-Date")?,
        token: optional("X-Amz-Security-Token"),
        expires_s: Some(expires.ok_or_else(wrong)?),
    })
}

fn check_scope(day: &str, service: &str, end: &str, date: &str) -> Result<(), AuthError> {
    if end != TERMINATOR {
        let what = format!("Credential should be scoped with a valid terminator: '{TERMINATOR}'");
        return Err(AuthError::Scope(format!("{what}, not '{end}'.")));
    }
    if service != SERVICE {
        return Err(AuthError::Scope(format!("Credential should be scoped to correct service: '{SERVICE}'. ")));
    }
    let of_date = date.get(..8).unwrap_or(date);
    if of_date != day {
        let what = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP";
        return Err(AuthError::Scope(format!("{what}: '{day}' != '{of_date}', from '{date}'.")));
    }
    Ok(())
}

/// What names the receiver, the operation and the rest of the request must be signed.
fn check_signed(head: &Head<'_>, signed: &[&str]) -> Result<(), AuthError> {
    let must = head.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-amz-")).chain(["host"]);
    let sorted = signed.windows(2).all(|pair| pair[0] < pair[1]);
    let lower = signed.iter().all(|name| !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase()));
    if must.into_iter().all(|name| signed.contains(&name)) && sorted && lower {
        Ok(())
    } else {
        Err(AuthError::Mismatch)
    }
}

fn check_time(claim: &Claim, now_ms: u64) -> Result<(), AuthError> {
    let wrong = || AuthError::Incomplete(format!("Date must be in ISO-8601 'basic format'. Got '{}'.", claim.date));
    let at = seconds_of(&claim.date).ok_or_else(wrong)?;
    let now = (now_ms / 1000) as i64;
    let (signed, told) = (claim.date.clone(), stamp(now));
    if at > now + SKEW_S {
        return Err(AuthError::Early { signed, latest: stamp(now + SKEW_S), now: told });
    }
    let life_s = claim.expires_s.unwrap_or(SKEW_S);
    if at + life_s < now {
        return Err(AuthError::Expired { signed, earliest: stamp(now - life_s), now: told });
    }
    Ok(())
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| (byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)).then(|| char::from(*byte).to_digit(16));
    let digits: Option<Vec<u32>> = hex.as_bytes().iter().map(|byte| digit(byte).flatten()).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    Some(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderMap;
    use model::Env;
    use std::os::unix::fs::PermissionsExt;

    /// 2015-08-30T12:36:00Z in milliseconds.
    const NOW_MS: u64 = 1_440_938_160_000;
    const BODY: &[u8] = b"{}";
    const HEADERS: [(&str, &str); 3] =
        [("host", "localhost"), ("x-amz-date", "20150830T123600Z"), ("x-amz-target", "K.ListStreams")];

    fn ring(now_ms: u64, token: &str) -> (tempfile::TempDir, KeyRing) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        let key = format!("[[key]]\nid = 'AKID'\nsecret = 'secret'\nrole = 'admin'\n{token}\n");
        let disabled = "[[key]]\nid = 'OFF'\nsecret = 'secret'\nrole = 'admin'\nenabled = false\n";
        std::fs::write(&path, key + disabled).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let ring = KeyRing::open(&path, Env::manual(now_ms, 1).0).unwrap();
        (dir, ring)
    }

    fn head<'a>(headers: &'a HeaderMap, query: &'a str) -> Head<'a> {
        Head { method: "POST", path: "/", query, headers, authority: None }
    }

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn sign(head: &Head<'_>, secret: &str, signed: &str) -> String {
        let names: Vec<_> = signed.split(';').collect();
        let digest = sha256_hex(head.canonical(&names, &sha256_hex(BODY)).unwrap().as_bytes());
        let text = format!("{ALGORITHM}\n20150830T123600Z\n20150830/eu-west-1/kinesis/aws4_request\n{digest}");
        SigningKey::derive(secret, ["20150830", "eu-west-1", "kinesis"]).sign(&text)
    }

    fn signed(secret: &str, names: &str) -> (HeaderMap, String) {
        let headers = headers(&HEADERS);
        let signature = sign(&head(&headers, ""), secret, names);
        let scope = "AKID/20150830/eu-west-1/kinesis/aws4_request";
        (headers, format!("{ALGORITHM} Credential={scope}, SignedHeaders={names}, Signature={signature}"))
    }

    const ALL: &str = "host;x-amz-date;x-amz-target";

    fn ask(now_ms: u64, mut headers: HeaderMap, authorization: &str, body: &[u8]) -> Result<String, &'static str> {
        let (_dir, ring) = ring(now_ms, "");
        headers.insert("authorization", authorization.parse().unwrap());
        verify(&ring, &head(&headers, ""), body).map(|key| key.id).map_err(|error| error.name())
    }

    #[test]
    fn a_right_signature_passes_within_five_minutes_and_not_beyond() {
        let (headers, authorization) = signed("secret", ALL);
        let wrong = Err("InvalidSignatureException");
        for (shift_ms, expected) in
            [(0, Ok("AKID".to_owned())), (300_000, Ok("AKID".into())), (301_000, wrong.clone()), (-301_000, wrong)]
        {
            let now_ms = NOW_MS.saturating_add_signed(shift_ms);
            assert_eq!(ask(now_ms, headers.clone(), &authorization, BODY), expected, "{shift_ms}");
        }
    }

    #[test]
    fn one_change_anywhere_is_refused_by_its_name() {
        let (headers, right) = signed("secret", ALL);
        let (invalid, incomplete, unknown) =
            ("InvalidSignatureException", "IncompleteSignatureException", "UnrecognizedClientException");
        let at = right.len() - 64;
        for i in at..right.len() {
            for digit in ["0", "1", "f", "F", "g"] {
                let mut changed = right.clone();
                changed.replace_range(i..=i, digit);
                if changed != right {
                    assert_eq!(ask(NOW_MS, headers.clone(), &changed, BODY), Err(invalid), "{changed}");
                }
            }
        }
        for (from, to, expected) in [
            ("AKID", "AKIE", unknown),
            ("AKID", "OFF", unknown),
            ("20150830/", "20150831/", invalid),
            ("eu-west-1", "eu-west-2", invalid),
            ("kinesis/", "s3/", invalid),
            ("aws4_request", "aws3_request", invalid),
            ("/aws4_request", "", incomplete),
            (";x-amz-target", "", invalid),
            ("host;", "", invalid),
            ("host;x-amz-date", "x-amz-date;host", invalid),
            ("host;", "host;host;", invalid),
            ("SignedHeaders", "Headers", incomplete),
            ("Credential", "Cred", incomplete),
            ("Signature=", "Sig=", incomplete),
            ("SHA256", "SHA1", incomplete),
        ] {
            assert_eq!(ask(NOW_MS, headers.clone(), &right.replace(from, to), BODY), Err(expected), "{from} {to}");
        }
        assert_eq!(ask(NOW_MS, headers.clone(), &right, b"{ }"), Err(invalid));
        for (name, value, expected) in [
            ("x-amz-target", "K.DeleteStream", invalid),
            ("x-amz-date", "20150830T123601Z", invalid),
            ("x-amz-date", "yesterday", invalid),
            ("x-amz-date", "20150830T1236Z", incomplete),
            ("host", "elsewhere", invalid),
            ("x-amz-more", "unsigned", invalid),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", invalid),
            ("x-amz-security-token", "token", unknown),
        ] {
            let mut changed = headers.clone();
            changed.insert(name, value.parse().unwrap());
            assert_eq!(ask(NOW_MS, changed, &right, BODY), Err(expected), "{name}: {value}");
        }
        let (headers, other) = signed("other", ALL);
        assert_eq!(ask(NOW_MS, headers.clone(), &other, BODY), Err(invalid));
        let (_dir, ring) = ring(NOW_MS, "");
        assert_eq!(verify(&ring, &head(&headers, ""), BODY).unwrap_err(), AuthError::Missing);
    }

    #[test]
    fn a_presigned_request_lives_as_long_as_it_says() {
        let headers = headers(&[("host", "localhost"), ("x-amz-target", "K.ListStreams")]);
        let check = |expires: &str, age_s: u64, token: &str, expected: Result<(), &str>| {
            let scope = "AKID%2F20150830%2Feu-west-1%2Fkinesis%2Faws4_request";
            let query = format!(
                "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={scope}&X-Amz-Date=20150830T123600Z&\
                 X-Amz-Expires={expires}&X-Amz-SignedHeaders=host%3Bx-amz-target{token}"
            );
            let signature = sign(&head(&headers, &query), "secret", "host;x-amz-target");
            let query = format!("{query}&X-Amz-Signature={signature}");
            let (_dir, ring) = ring(NOW_MS + age_s * 1000, "session-token = 'T'");
            let told = verify(&ring, &head(&headers, &query), BODY).map(|_| ()).map_err(|error| error.name());
            assert_eq!(told, expected, "{expires} {age_s} {token}");
        };
        let token = "&X-Amz-Security-Token=T";
        check("3600", 3600, token, Ok(()));
        check("3600", 3601, token, Err("InvalidSignatureException"));
        check("604801", 0, token, Err("IncompleteSignatureException"));
        check("0", 0, token, Err("IncompleteSignatureException"));
        check("3600", 0, "", Err("UnrecognizedClientException"));
        check("3600", 0, "&X-Amz-Security-Token=U", Err("UnrecognizedClientException"));
    }
}
