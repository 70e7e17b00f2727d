//! Calls to one endpoint: signed, in JSON over HTTP, and what their failures mean.

use super::options::{Address, Keys, StreamName};
use crate::failure::in_one_line;
use crate::outgoing::{self, Trust};
use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use engine::port::PortError;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Uri, header};
use model::{Env, Kind};
use reqwest::{Client, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use wire::signature::{ClientKey, Signer};

const TARGET: &str = "x-amz-target";
const TARGET_PREFIX: &str = "Kinesis_20131202.";
const JSON: &str = "application/x-amz-json-1.1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read: ten megabytes of records in Base64, with what stands beside each.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The service has no room for it now.
    Throttled(String),
    /// Nobody has answered, or the service is at fault.
    Away(String),
    /// What it is about is busy with something that passes.
    Busy(String),
    /// The iterator is too old.
    Expired(String),
    /// There is no such thing.
    Missing(String),
    /// It will never be answered otherwise.
    Refused(String),
}

impl Failure {
    /// What a caller can do about it, and the words.
    pub(super) fn told(&self) -> (Kind, &str) {
        match self {
            Self::Throttled(what) => (Kind::Throttled, what),
            Self::Away(what) | Self::Busy(what) | Self::Expired(what) => (Kind::Unavailable, what),
            Self::Missing(what) => (Kind::NotFound, what),
            Self::Refused(what) => (Kind::Invalid, what),
        }
    }

    /// Whether waiting may help.
    pub(super) fn passes(&self) -> bool {
        !matches!(self, Self::Missing(_) | Self::Refused(_))
    }

    pub(super) fn error(&self, place: &str) -> PortError {
        let (kind, what) = self.told();
        PortError::new(kind, format!("{place}: {what}"))
    }
}

/// An answer, and the service's own time when it was given, in milliseconds since the epoch, where it tells that.
pub(super) struct Answer<T> {
    pub(super) body: T,
    pub(super) at_ms: Option<u64>,
}

/// An endpoint, and who asks there.
pub(super) struct KinesisClient {
    http: Client,
    endpoint: Uri,
    signer: Signer,
}

impl KinesisClient {
    /// A client of the address. Nothing is asked yet.
    ///
    /// # Errors
    /// When there is no key to sign with, or no TLS to be had.
    pub(super) fn new(address: &Address, place: &str, env: &Env) -> Result<Self, PortError> {
        let refused = |what: String| PortError::new(Kind::Invalid, format!("{place}: {what}"));
        let key = key(&address.keys, |name| std::env::var(name).ok()).map_err(&refused)?;
        let trust = match (address.is_insecure, address.endpoint.scheme()) {
            (_, "http") => Trust::Unneeded,
            (true, _) => Trust::Anybody,
            (false, _) => Trust::System,
        };
        let http = outgoing::build(outgoing::builder(trust).connect_timeout(CONNECT_TIMEOUT))?;
        let endpoint: Uri = address.endpoint.as_str().parse().map_err(|e| refused(format!("the endpoint: {e}")))?;
        let signer = Signer::new(key, address.region.clone(), env.clone());
        Ok(Self { http, endpoint, signer })
    }

    /// Calls an operation.
    pub(super) async fn call<T: DeserializeOwned>(&self, operation: &str, input: &Value) -> Result<Answer<T>, Failure> {
        let exchanged = async {
            let response = self.begin(operation, input).await?;
            let at_ms = response.headers().get(header::DATE).and_then(moment_ms);
            Ok((body(response, ANSWER_BYTES_MAX).await?, at_ms))
        };
        let (bytes, at_ms) = tokio::time::timeout(CALL_TIMEOUT, exchanged)
            .await
            .map_err(|_| Failure::Away(format!("{operation}: no answer within {} s", CALL_TIMEOUT.as_secs())))??;
        // Some operations answer nothing.
        let bytes = if bytes.is_empty() { Bytes::from_static(b"null") } else { bytes };
        let body = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Refused(format!("{operation}: the answer cannot be understood: {error}")))?;
        Ok(Answer { body, at_ms })
    }

    /// Calls an operation, and hands out its answer before it has come as a whole.
    pub(super) async fn begin(&self, operation: &str, input: &Value) -> Result<Response, Failure> {
        let body = input.to_string();
        let head = self.head(operation, &body)?;
        let request = self.http.post(self.endpoint.to_string()).headers(head.headers).body(body);
        let response =
            request.send().await.map_err(|error| lost(&format!("{operation} at {}", self.endpoint), &error))?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(response);
        }
        let answer = body_of_refusal(response).await;
        Err(refusal(operation, status, &answer))
    }

    fn head(&self, operation: &str, body: &str) -> Result<Parts, Failure> {
        let unsent = |error: String| Failure::Refused(format!("{operation} cannot be asked: {error}"));
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.endpoint)
            .header(header::CONTENT_TYPE, JSON)
            .header(TARGET, format!("{TARGET_PREFIX}{operation}"))
            .body(())
            .map_err(|error| unsent(error.to_string()))?;
        let (mut head, ()) = request.into_parts();
        self.signer.sign(&mut head, body.as_bytes()).map_err(|error| unsent(error.to_string()))?;
        Ok(head)
    }
}

/// A call's input about a stream, with the fields of `more`.
pub(super) fn about(stream: &StreamName, more: Value) -> Value {
    let mut input = match &stream.arn {
        Some(arn) => json!({ "StreamARN": arn }),
        None => json!({ "StreamName": stream.name }),
    };
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    input
}

/// The key that is to be used, or what is missing.
fn key(keys: &Keys, variable: impl Fn(&str) -> Option<String>) -> Result<ClientKey, String> {
    let of_key = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    let found = match keys {
        Keys::Given(key) => return Ok(key.clone()),
        Keys::Environment => ClientKey::find(None, |name| variable(name).filter(|_| of_key.contains(&name))),
        Keys::Anywhere => ClientKey::find(None, variable),
    };
    found.map_err(|error| error.to_string())?.ok_or_else(|| {
        let from = if *keys == Keys::Environment { "" } else { ", and the file of profiles has no default" };
        format!(
            "there is no key to sign with: the environment has no AWS_ACCESS_KEY_ID{from}; or give \
             'aws.credentials.basic.accesskeyid' and 'aws.credentials.basic.secretkey'"
        )
    })
}

/// A time as HTTP writes it.
fn moment_ms(value: &HeaderValue) -> Option<u64> {
    let time = DateTime::parse_from_rfc2822(value.to_str().ok()?).ok()?;
    u64::try_from(time.timestamp_millis()).ok()
}

async fn body(mut response: Response, bytes_max: usize) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost("the answer", &error))? {
        if whole.len() + chunk.len() > bytes_max {
            return Err(Failure::Refused(format!("the answer is larger than {bytes_max} bytes")));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// What stands in the answer to a call that was not taken; whatever it is, the status tells already that it was not.
async fn body_of_refusal(response: Response) -> Bytes {
    const REFUSAL_BYTES_MAX: usize = 64 * 1024;
    let read = tokio::time::timeout(CONNECT_TIMEOUT, body(response, REFUSAL_BYTES_MAX)).await;
    read.ok().and_then(Result::ok).unwrap_or_default()
}

/// A call without a whole answer.
pub(super) fn lost(what: &str, error: &reqwest::Error) -> Failure {
    let causes = in_one_line(&outgoing::causes(error));
    if error.is_builder() { Failure::Refused(causes) } else { Failure::Away(format!("{what}: {causes}")) }
}

/// A call that was answered by a refusal.
fn refusal(operation: &str, status: u16, answer: &[u8]) -> Failure {
    let parsed: Option<Value> = serde_json::from_slice(answer).ok();
    let text = |name: &str| parsed.as_ref().and_then(|answer| answer.get(name)).and_then(Value::as_str);
    let Some(code) = text("__type") else {
        let what = format!("{operation}: {} ({status})", in_one_line(&String::from_utf8_lossy(answer)));
        return if matches!(status, 408 | 429 | 500..) {
            Failure::Away(what)
        } else {
            Failure::Refused(format!("{what}; is that an endpoint of Kinesis?"))
        };
    };
    // Some services put a namespace before the name.
    let code = code.rsplit('#').next().unwrap_or_default();
    let message = text("message").or_else(|| text("Message")).unwrap_or_default();
    classified(operation, code, status, message)
}

/// What an error of this name means.
pub(super) fn classified(operation: &str, code: &str, status: u16, message: &str) -> Failure {
    let what = in_one_line(&format!("{operation}: {code}: {message}"));
    match code {
        "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded" => Failure::Throttled(what),
        "ExpiredIteratorException" => Failure::Expired(what),
        "ResourceInUseException" => Failure::Busy(what),
        "ResourceNotFoundException" => Failure::Missing(what),
        "InternalFailure" | "InternalFailureException" | "InternalServerError" | "ServiceUnavailable" => {
            Failure::Away(what)
        }
        _ if status >= 500 => Failure::Away(what),
        "AccessDeniedException"
        | "ExpiredTokenException"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException" => {
            Failure::Refused(format!("{what}; check the key, its secret, the region, and what the key may do"))
        }
        _ => Failure::Refused(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_to_ask_again_and_what_to_do() {
        let named = |code: &str| format!(r#"{{"__type":"{code}","message":"so it is"}}"#);
        for (status, answer, kind, passes, what) in [
            (400, named("ns#ProvisionedThroughputExceededException"), Kind::Throttled, true, "so it is"),
            (400, named("LimitExceededException"), Kind::Throttled, true, "LimitExceededException"),
            (400, named("ExpiredIteratorException"), Kind::Unavailable, true, "so it is"),
            (400, named("ResourceInUseException"), Kind::Unavailable, true, "so it is"),
            (500, named("InternalFailure"), Kind::Unavailable, true, "so it is"),
            (503, named("Anything"), Kind::Unavailable, true, "so it is"),
            (502, "<html>\nbad  gateway".to_owned(), Kind::Unavailable, true, "<html> bad gateway (502)"),
            (400, named("ResourceNotFoundException"), Kind::NotFound, false, "so it is"),
            (400, named("InvalidSignatureException"), Kind::Invalid, false, "check the key, its secret"),
            (400, named("ValidationException"), Kind::Invalid, false, "so it is"),
            (404, "no".to_owned(), Kind::Invalid, false, "is that an endpoint of Kinesis?"),
        ] {
            let failure = refusal("ListShards", status, answer.as_bytes());
            let (told_kind, told) = failure.told();
            assert!(told_kind == kind && told.contains(what) && told.starts_with("ListShards: "), "{failure:?}");
            assert_eq!(failure.passes(), passes, "{failure:?}");
        }
    }

    #[test]
    fn keys_are_looked_for_where_the_table_says() {
        let of = |keys, variables: &[(&str, &str)]| {
            let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            key(&keys, value).map(|key| key.id)
        };
        let pair = [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "e")];
        assert_eq!(of(Keys::Environment, &pair), Ok("E".to_owned()));
        assert_eq!(of(Keys::Anywhere, &pair), Ok("E".to_owned()));
        // A profile is none of the environment's keys.
        let profile = [("AWS_PROFILE", "p"), ("HOME", "/nonexistent")];
        assert!(of(Keys::Environment, &profile).unwrap_err().contains("no AWS_ACCESS_KEY_ID;"));
        assert!(of(Keys::Anywhere, &profile).unwrap_err().contains("cannot be read"));
        assert!(of(Keys::Anywhere, &[]).unwrap_err().contains("the file of profiles has no default"));
        assert!(of(Keys::Environment, &pair[..1]).unwrap_err().contains("without AWS_SECRET_ACCESS_KEY"));
    }

    #[test]
    fn the_time_of_an_answer_is_read() {
        let of = |text: &'static str| moment_ms(&HeaderValue::from_static(text));
        assert_eq!(of("Wed, 06 Jan 2016 07:00:00 GMT"), Some(1_452_063_600_000));
        assert_eq!(of("yesterday"), None);
    }
}
