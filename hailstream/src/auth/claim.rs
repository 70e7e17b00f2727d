//! What a request says of its own signature, in its headers or, presigned, in its query.

use super::error::AuthError;
use chrono::DateTime;
use wire::signature::{Head, parameters};
use wire::signature::{seconds_of, stamp};

/// What a request says of its signature. Nothing of it is checked but that it is there.
pub(super) struct Claim {
    pub(super) algorithm: String,
    pub(super) credential: String,
    pub(super) signed: String,
    pub(super) signature: String,
    /// As it was signed: `20150830T123600Z` where the request is right.
    pub(super) date: String,
    pub(super) token: Option<String>,
    /// How long it lives, where it was presigned and tells so.
    pub(super) expires: Option<String>,
}

/// The value of a header that is text; where there are several, the first.
pub(super) fn header<'a>(head: &Head<'a>, name: &str) -> Option<&'a str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

/// The claim, or what is missing, all of it at once.
pub(super) fn claim(head: &Head<'_>) -> Result<Claim, AuthError> {
    let in_query = head.query.contains("X-Amz-Algorithm");
    match header(head, "authorization").map(str::trim) {
        Some(_) if in_query => Err(AuthError::Both),
        Some(value) if value.starts_with("AWS4-") => of_header(head, value),
        None if in_query => of_query(head),
        _ => Err(AuthError::Missing),
    }
}

fn of_header(head: &Head<'_>, value: &str) -> Result<Claim, AuthError> {
    let (algorithm, rest) = value.split_once([' ', ',']).unwrap_or((value, ""));
    let mut fields = Vec::new();
    for field in rest.split([',', ' ', '\t']).filter(|field| !field.is_empty()) {
        let odd =
            || format!("'{field}' not a valid key=value pair (missing equal-sign) in Authorization header: '{rest}'.");
        fields.push(field.split_once('=').ok_or_else(|| AuthError::Incomplete(odd()))?);
    }
    let field = |name: &str| {
        let found = fields.iter().find(|(field, value)| *field == name && !value.is_empty());
        found.map(|(_, value)| (*value).to_owned())
    };
    let (mut missing, date) = (String::new(), date_of_header(head));
    for name in ["Credential", "Signature", "SignedHeaders"].into_iter().filter(|name| field(name).is_none()) {
        missing += &format!("Authorization header requires '{name}' parameter. ");
    }
    if date.is_none() {
        missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
    }
    match (field("Credential"), field("Signature"), field("SignedHeaders"), date) {
        (Some(credential), Some(signature), Some(signed), Some(date)) => {
            let token = header(head, "x-amz-security-token").map(str::to_owned);
            Ok(Claim { algorithm: algorithm.to_owned(), credential, signed, signature, date, token, expires: None })
        }
        _ => Err(AuthError::Incomplete(format!("{missing}Authorization={value}"))),
    }
}

/// `X-Amz-Date`, else `Date`, which may be written as HTTP writes times.
fn date_of_header(head: &Head<'_>) -> Option<String> {
    if let Some(date) = header(head, "x-amz-date") {
        return Some(date.trim().to_owned());
    }
    let date = header(head, "date")?.trim();
    match DateTime::parse_from_rfc2822(date) {
        Ok(time) if seconds_of(date).is_none() => Some(stamp(time.timestamp())),
        _ => Some(date.to_owned()),
    }
}

fn of_query(head: &Head<'_>) -> Result<Claim, AuthError> {
    let found = parameters(head.query);
    let field = |name: &str| {
        let value = found.iter().find(|(key, value)| key == name.as_bytes() && !value.is_empty());
        value.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let needed = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
    let [Some(algorithm), Some(credential), Some(signature), Some(signed), Some(date)] = needed.map(field) else {
        let missing = needed.iter().filter(|name| field(name).is_none());
        let told: String = missing.map(|name| format!("AWS query-string parameters must include '{name}'. ")).collect();
        return Err(AuthError::Incomplete(format!("{told}Re-examine the query-string parameters.")));
    };
    let (token, expires) = (field("X-Amz-Security-Token"), field("X-Amz-Expires"));
    Ok(Claim { algorithm, credential, signed, signature, date, token, expires })
}
