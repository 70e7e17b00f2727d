//! The two codecs of the protocol, JSON 1.1 and CBOR 1.1, which carry the same members.
//!
//! Operations are written for JSON. A CBOR body is translated on its way in and out, by the few members whose form
//! differs: payloads are byte strings instead of Base64, times are tagged milliseconds instead of seconds.

use super::error::{ApiError, Code};
use super::time::{from_seconds, to_seconds};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value as Cbor;
use serde_json::Value as Json;
use std::borrow::Cow;

pub(super) const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";
/// The member that carries a payload.
const PAYLOAD: &str = "Data";
/// Members of answers that carry a time.
const TIMES: [&str; 6] = [
    "ApproximateArrivalTimestamp",
    "ConsumerCreationTimestamp",
    "EarliestAllowedEndAt",
    "EndedAt",
    "StartedAt",
    "StreamCreationTimestamp",
];
/// The tag of a time since the Unix epoch (RFC 8949, 3.4.2).
const TIME_TAG: u64 = 1;
/// Deepest nesting of a request; the deepest shape of the protocol has six levels.
const DEPTH_MAX: usize = 32;

/// How a request is written, and so its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Json,
    Cbor,
}

impl Codec {
    /// The codec that a request names; `Err` tells the content type that is neither.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match value.split(';').next().unwrap_or_default().trim() {
            JSON | "application/json" => Ok(Self::Json),
            CBOR => Ok(Self::Cbor),
            other => Err(malformed(format!("The content type must be {JSON} or {CBOR}, not {other:?}."))),
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Cbor => CBOR,
        }
    }

    /// What an answer says of itself.
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// A request's body as JSON.
    pub(super) fn read(self, body: &[u8]) -> Result<Cow<'_, [u8]>, ApiError> {
        if self == Self::Json || body.is_empty() {
            return Ok(Cow::Borrowed(body));
        }
        let mut rest = body;
        let value: Cbor = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX)
            .map_err(|error| malformed(format!("The request's body is no CBOR: {error}")))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes follow the end of the request's body.", rest.len())));
        }
        let json = json_of(value, "")?;
        serde_json::to_vec(&json).map(Cow::Owned).map_err(|error| malformed(error.to_string()))
    }

    /// An answer that was written as JSON, in the form of the request.
    pub(super) fn write(self, body: Vec<u8>) -> Result<Vec<u8>, ApiError> {
        if self == Self::Json || body.is_empty() {
            return Ok(body);
        }
        let failed = |error: &dyn std::fmt::Display| ApiError::new(Code::InternalFailure, error.to_string());
        let json: Json = serde_json::from_slice(&body).map_err(|error| failed(&error))?;
        let mut out = Vec::with_capacity(body.len());
        ciborium::into_writer(&cbor_of(json, ""), &mut out).map_err(|error| failed(&error))?;
        Ok(out)
    }
}

fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::Serialization, message)
}

/// The value of the member `name`, or of a list of that name, as JSON.
fn json_of(value: Cbor, name: &str) -> Result<Json, ApiError> {
    if name == PAYLOAD && !matches!(value, Cbor::Bytes(_) | Cbor::Null) {
        return Err(malformed("Data must be a byte string."));
    }
    Ok(match value {
        Cbor::Null => Json::Null,
        Cbor::Bool(value) => Json::Bool(value),
        Cbor::Text(text) => Json::String(text),
        Cbor::Float(value) => Json::from(value),
        Cbor::Integer(value) => json_number(value, name)?,
        Cbor::Bytes(bytes) if name == PAYLOAD => Json::String(STANDARD.encode(bytes)),
        Cbor::Tag(TIME_TAG, time) => match *time {
            Cbor::Integer(ms) => Json::from(to_seconds(u64::try_from(ms).map_err(|_| out_of_range(name))?)),
            Cbor::Float(seconds) => Json::from(seconds),
            _ => return Err(malformed(format!("{name} is tagged as a time and is no number."))),
        },
        Cbor::Array(values) => values.into_iter().map(|value| json_of(value, name)).collect::<Result<_, _>>()?,
        Cbor::Map(members) => members.into_iter().map(member).collect::<Result<_, _>>()?,
        _ => return Err(malformed(format!("{name} has a form that no member of a request has."))),
    })
}

fn member((name, value): (Cbor, Cbor)) -> Result<(String, Json), ApiError> {
    let Cbor::Text(name) = name else { return Err(malformed("The name of a member must be a text.")) };
    let value = json_of(value, &name)?;
    Ok((name, value))
}

fn json_number(value: ciborium::value::Integer, name: &str) -> Result<Json, ApiError> {
    let signed = i64::try_from(value).map(Json::from);
    signed.or_else(|_| u64::try_from(value).map(Json::from)).map_err(|_| out_of_range(name))
}

fn out_of_range(name: &str) -> ApiError {
    malformed(format!("{name} is out of the range of its type."))
}

/// The value of the member `name`, or of a list of that name, as CBOR.
fn cbor_of(value: Json, name: &str) -> Cbor {
    match value {
        Json::Null => Cbor::Null,
        Json::Bool(value) => Cbor::Bool(value),
        Json::Number(number) => cbor_number(&number, name),
        Json::String(text) if name == PAYLOAD => STANDARD.decode(&text).map_or(Cbor::Text(text), Cbor::Bytes),
        Json::String(text) => Cbor::Text(text),
        Json::Array(values) => Cbor::Array(values.into_iter().map(|value| cbor_of(value, name)).collect()),
        Json::Object(members) => {
            let member = |(name, value): (String, Json)| (Cbor::Text(name.clone()), cbor_of(value, &name));
            Cbor::Map(members.into_iter().map(member).collect())
        }
    }
}

fn cbor_number(number: &serde_json::Number, name: &str) -> Cbor {
    let seconds = number.as_f64().unwrap_or_default();
    if TIMES.contains(&name) {
        return Cbor::Tag(TIME_TAG, Box::new(Cbor::Integer(from_seconds(seconds).unwrap_or_default().into())));
    }
    match (number.as_i64(), number.as_u64()) {
        (Some(value), _) => Cbor::Integer(value.into()),
        (None, Some(value)) => Cbor::Integer(value.into()),
        (None, None) => Cbor::Float(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(cbor: &[u8], expected: Result<&str, &str>) {
        let json = Codec::Cbor.read(cbor).map(|json| String::from_utf8(json.into_owned()).unwrap());
        match (json, expected) {
            (Ok(json), Ok(expected)) => assert_eq!(json, expected),
            (Err(error), Err(part)) => {
                assert_eq!(error.code, Code::Serialization);
                assert!(error.message.contains(part), "{error:?}");
            }
            (other, _) => panic!("{other:?} for {cbor:02x?}, not {expected:?}"),
        }
    }

    #[test]
    fn requests_are_read_also_with_lengths_that_stand_at_the_end() {
        check(b"", Ok(""));
        check(b"\xa0", Ok("{}"));
        // A map, a text and a byte string in pieces, as some clients write them.
        check(b"\xbf\x64Data\x5f\x42ab\x41c\xff\x61k\x7f\x61x\x61y\xff\xff", Ok(r#"{"Data":"YWJj","k":"xy"}"#));
        check(b"\xa1\x65Limit\x19\x27\x10", Ok(r#"{"Limit":10000}"#));
        check(b"\xa1\x69Timestamp\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x01", Ok(r#"{"Timestamp":1700000000.001}"#));
        check(b"\xa1\x69Timestamp\xc1\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00", Ok(r#"{"Timestamp":1.5}"#));
        check(b"\xa1\x67Records\x81\xa1\x64Data\x40", Ok(r#"{"Records":[{"Data":""}]}"#));
    }

    #[test]
    fn what_is_malformed_is_said() {
        check(b"\xa1\x64Data\x61x", Err("Data must be a byte string"));
        check(b"\xa1\x61k\x41x", Err("k has a form"));
        check(b"\xa1\x01\x01", Err("name of a member"));
        check(b"\xa1\x61k\x3b\xff\xff\xff\xff\xff\xff\xff\xff", Err("k is out of the range"));
        check(b"\xa0\xa0", Err("1 bytes follow"));
        check(b"\xbf\x61k", Err("no CBOR"));
        check(b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", Err("no CBOR"));
        check(&[0x81; 100_000], Err("no CBOR"));
    }

    #[test]
    fn answers_carry_payloads_as_bytes_and_times_as_tagged_milliseconds() {
        let json = br#"{"Records":[{"Data":"YWJj","ApproximateArrivalTimestamp":1.5}],"MillisBehindLatest":7}"#;
        let cbor = Codec::Cbor.write(json.to_vec()).unwrap();
        let bytes = |part: &[u8]| cbor.windows(part.len()).any(|window| window == part);
        assert!(bytes(b"\x64Data\x43abc"), "{cbor:02x?}");
        assert!(bytes(b"ApproximateArrivalTimestamp\xc1\x19\x05\xdc"), "{cbor:02x?}");
        assert!(bytes(b"MillisBehindLatest\x07"), "{cbor:02x?}");
        assert!(Codec::Cbor.write(Vec::new()).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_put_in_either_codec_is_the_same(
            data in proptest::collection::vec(any::<u8>(), 0..50), key in "\\PC{0,10}", number: i64, flag: bool,
        ) {
            let json = serde_json::json!({ "Data": STANDARD.encode(data), "Key": key, "N": number, "F": flag, "L": [null] });
            let text = serde_json::to_vec(&json).unwrap();
            let cbor = Codec::Cbor.write(text).unwrap();
            let back: Json = serde_json::from_slice(&Codec::Cbor.read(&cbor).unwrap()).unwrap();
            prop_assert_eq!(back, json);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Codec::Cbor.read(&bytes);
        }
    }
}
