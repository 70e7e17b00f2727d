//! One message posted once, and what its answer says: taken, come again, or never.

use super::message::{Answer, Partial, Refusal};
use super::settings::OtlpSettings;
use crate::outgoing::{Outgoing, reason_of};
use bytes::Bytes;
use chrono::DateTime;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{self, HeaderMap};
use hyper::{Request, StatusCode};
use prost::Message;
use std::time::Duration;

/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is looked at, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How many characters of a refusal are told.
const TOLD_CHARS: usize = 200;
/// The longest pause that a collector may ask for.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(300);

/// What has become of a message.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It was taken, but for so many points.
    Taken { rejected: u64, reason: String },
    /// It may be taken later, after a pause where the collector asks for one.
    Later { pause: Option<Duration>, reason: String },
    /// It will not be taken.
    Refused { reason: String },
}

/// Posts a message; `now_ms` is the time that dates in the answer are measured by.
pub(super) async fn post(client: &Outgoing, settings: &OtlpSettings, message: Bytes, now_ms: u64) -> Outcome {
    let mut request = Request::new(Full::new(message));
    *request.method_mut() = hyper::Method::POST;
    *request.uri_mut() = settings.address.clone();
    let headers = request.headers_mut();
    let agent = concat!("hailstream/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, header::HeaderValue::from_static(agent));
    headers.extend(settings.headers.clone());
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-protobuf"));
    let called = async {
        let answer = client.request(request).await.map_err(|error| reason_of(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        Ok::<_, String>((head, body.map(|body| body.to_bytes())))
    };
    match tokio::time::timeout(TIMEOUT, called).await {
        Ok(Ok((head, body))) => judged(head.status, &head.headers, body.ok().as_ref(), now_ms),
        Ok(Err(error)) => later(format!("it does not answer: {error}")),
        Err(_) => later(format!("it has not answered within {} s", TIMEOUT.as_secs())),
    }
}

fn later(reason: String) -> Outcome {
    Outcome::Later { pause: None, reason }
}

fn judged(status: StatusCode, headers: &HeaderMap, body: Option<&Bytes>, now_ms: u64) -> Outcome {
    if status.is_success() {
        // A body that is no answer of the protocol is none at all.
        let partial = body.and_then(|body| Answer::decode(body.clone()).ok()).and_then(|answer| answer.partial);
        let Partial { rejected, reason } = partial.unwrap_or_default();
        return Outcome::Taken { rejected: u64::try_from(rejected).unwrap_or(0), reason: shortened(&reason) };
    }
    let words = body.map(words).unwrap_or_default();
    let reason = format!("it answered {status}{}{words}", if words.is_empty() { "" } else { ": " });
    match status.as_u16() {
        429 | 502 | 503 | 504 => Outcome::Later { pause: asked_pause(headers, now_ms), reason },
        _ => Outcome::Refused { reason },
    }
}

/// What a refusal says: in the form of the protocol, else as text.
fn words(body: &Bytes) -> String {
    let refusal = Refusal::decode(body.clone()).map(|refusal| refusal.reason).unwrap_or_default();
    if refusal.is_empty() { shortened(&String::from_utf8_lossy(body)) } else { shortened(&refusal) }
}

/// One line of text that somebody else wrote.
fn shortened(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(TOLD_CHARS).map(shown).collect()
}

/// The pause that `Retry-After` asks for: a number of seconds, or a date.
fn asked_pause(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until_ms = u64::try_from(DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis()).ok()?;
            Duration::from_millis(until_ms.saturating_sub(now_ms))
        }
    };
    Some(pause.min(ASKED_PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_445_412_480_000;

    fn judge(status: u16, retry_after: Option<&'static str>, body: &[u8]) -> Outcome {
        let mut headers = HeaderMap::new();
        headers.extend(retry_after.map(|text| (header::RETRY_AFTER, header::HeaderValue::from_static(text))));
        let body = Bytes::copy_from_slice(body);
        judged(StatusCode::from_u16(status).unwrap(), &headers, Some(&body), NOW_MS)
    }

    #[test]
    fn what_is_taken_may_be_taken_in_part() {
        let taken = |rejected, reason: &str| Outcome::Taken { rejected, reason: reason.to_owned() };
        assert_eq!(judge(200, None, b""), taken(0, ""));
        assert_eq!(judge(202, None, b"{}"), taken(0, ""), "another form of answer is none");
        let partial = Partial { rejected: 3, reason: "too\nold".to_owned() };
        let answer = Answer { partial: Some(partial) }.encode_to_vec();
        assert_eq!(judge(200, None, &answer), taken(3, "too old"));
    }

    #[test]
    fn only_what_passes_is_tried_again_and_not_before_it_is_asked_for() {
        let seconds = |s| Some(Duration::from_secs(s));
        for (status, retry_after, pause) in [
            (429, Some("7"), seconds(7)),
            (503, None, None),
            (503, Some("Wed, 21 Oct 2015 07:28:30 GMT"), seconds(30)),
            (503, Some("Wed, 21 Oct 2015 07:27:00 GMT"), seconds(0)),
            (502, Some("soon"), None),
            (504, Some("86400"), Some(ASKED_PAUSE_MAX)),
        ] {
            match judge(status, retry_after, b"") {
                Outcome::Later { pause: asked, .. } => assert_eq!(asked, pause, "{status} {retry_after:?}"),
                other => panic!("{status}: {other:?}"),
            }
        }
        for status in [301, 400, 401, 404, 413, 500, 501] {
            assert!(matches!(judge(status, Some("1"), b""), Outcome::Refused { .. }), "{status}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_its_own_words() {
        let refusal = Refusal { reason: "no such tenant".to_owned() }.encode_to_vec();
        for (body, words) in [(&refusal[..], "no such tenant"), (b"<b>no</b>", "<b>no</b>")] {
            let Outcome::Refused { reason } = judge(400, None, body) else { panic!("taken") };
            assert_eq!(reason, format!("it answered 400 Bad Request: {words}"));
        }
    }
}
