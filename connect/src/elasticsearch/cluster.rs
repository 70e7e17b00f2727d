//! The hosts of a cluster, and asking them one after the other until one answers.

use super::bulk::{reason_of, shortened};
use super::options::{Login, Options};
use crate::outgoing::{self, Trust};
use bytes::{Bytes, BytesMut};
use engine::port::PortError;
use model::Kind;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Largest answer that is read: an action of the largest bulk takes some hundred bytes of it.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest answer that is read of a request that was not taken.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// Connections to one host that nobody uses, at most.
const IDLE_MAX: usize = 1;

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The cluster has no room for it now.
    Rejected(String),
    /// Nobody has taken it, or nobody knows: a connection broke, an answer did not come, a node is away.
    Away(String),
    /// It will never be taken.
    Refused(String),
}

impl Failure {
    /// What the caller can do about it, and the words.
    pub(super) fn told(&self) -> (Kind, &str) {
        match self {
            Self::Rejected(what) => (Kind::Throttled, what),
            Self::Away(what) => (Kind::Unavailable, what),
            Self::Refused(what) => (Kind::Invalid, what),
        }
    }
}

/// A cluster.
pub(super) struct Cluster {
    client: Client,
    hosts: Vec<String>,
    login: Option<Login>,
    /// The host that is asked next.
    next: AtomicUsize,
}

impl Cluster {
    /// A cluster that is asked from host number `first` on. Nothing is asked yet.
    ///
    /// # Errors
    /// When TLS is wanted and the system trusts nobody.
    pub(super) fn new(options: &Options, first: usize) -> Result<Self, PortError> {
        let trust = match options.is_insecure {
            true => Trust::Anybody,
            false if options.hosts.iter().all(|host| host.starts_with("http://")) => Trust::Unneeded,
            false => Trust::System,
        };
        let builder = outgoing::builder(trust)
            .connect_timeout(options.connect_timeout)
            .timeout(options.socket_timeout)
            .pool_max_idle_per_host(IDLE_MAX);
        let client = outgoing::build(builder)?;
        let (hosts, login) = (options.hosts.clone(), options.login.clone());
        Ok(Self { client, hosts, login, next: AtomicUsize::new(first) })
    }

    /// Sends a bulk to one host after the other, each once, until one answers for the cluster.
    pub(super) async fn bulk(&self, text: Bytes) -> Result<Bytes, Failure> {
        let mut away = Vec::new();
        for _ in 0..self.hosts.len() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let host = &self.hosts[number % self.hosts.len()];
            match self.ask(host, text.clone()).await {
                Err(Failure::Away(why)) => away.push(format!("{host}: {why}")),
                Err(Failure::Rejected(why)) => return Err(Failure::Rejected(format!("{host}: {why}"))),
                Err(Failure::Refused(why)) => return Err(Failure::Refused(format!("{host}: {why}"))),
                Ok(answer) => return Ok(answer),
            }
        }
        Err(Failure::Away(away.join("; ")))
    }

    async fn ask(&self, host: &str, text: Bytes) -> Result<Bytes, Failure> {
        let mut request = self.client.post(format!("{host}/_bulk"));
        request = request.header(CONTENT_TYPE, "application/x-ndjson").body(text);
        if let Some(login) = &self.login {
            request = request.basic_auth(&login.name, Some(&login.password));
        }
        let response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        if !status.is_success() {
            let answer = body(response, REFUSAL_BYTES_MAX).await.unwrap_or_default();
            return Err(refusal(status, &answer));
        }
        body(response, ANSWER_BYTES_MAX).await
    }
}

/// Reads an answer up to a bound.
async fn body(mut response: Response, bytes_max: usize) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        if whole.len() + chunk.len() > bytes_max {
            return Err(Failure::Refused(format!("the answer is larger than {bytes_max} bytes")));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// A request without an answer. It may have been carried out all the same.
fn lost(error: &reqwest::Error) -> Failure {
    let what = if error.is_builder() {
        return Failure::Refused(causes(error));
    } else if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke before the answer was whole"
    };
    Failure::Away(format!("{what} ({})", causes(error)))
}

/// What has caused an error, short.
fn causes(error: &reqwest::Error) -> String {
    shortened(&outgoing::causes(error))
}

/// A request that was answered by a refusal of all of it.
fn refusal(status: StatusCode, answer: &[u8]) -> Failure {
    let parsed: Option<Value> = serde_json::from_slice(answer).ok();
    let why = match parsed.as_ref().and_then(|answer| answer.get("error")) {
        Some(error) => reason_of(error, status.as_u16()),
        None => {
            let text = String::from_utf8_lossy(answer);
            format!("{} ({})", shortened(&text), status.as_u16()).trim_start().to_owned()
        }
    };
    match status.as_u16() {
        429 => Failure::Rejected(why),
        408 | 500..=599 => Failure::Away(why),
        401 | 403 => Failure::Refused(format!("{why}; check 'username' and 'password', and what they may write")),
        404 | 405 => Failure::Refused(format!("{why}; check 'hosts' and 'connection.path-prefix'")),
        413 => {
            Failure::Refused(format!("{why}; lower 'sink.bulk-flush.max-size' below what the cluster takes at once"))
        }
        _ => Failure::Refused(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_to_ask_again_and_what_to_do() {
        let error = br#"{"error":{"type":"security_exception","reason":"missing credentials"},"status":401}"#;
        for (status, answer, kind, what) in [
            (429, &b"slow down"[..], Kind::Throttled, "slow down (429)"),
            (503, b"<html>\n<p>away</p>", Kind::Unavailable, "<html> <p>away</p> (503)"),
            (500, b"", Kind::Unavailable, "(500)"),
            (401, error, Kind::Invalid, "security_exception: missing credentials (401); check 'username'"),
            (404, b"no", Kind::Invalid, "check 'hosts'"),
            (413, b"", Kind::Invalid, "lower 'sink.bulk-flush.max-size'"),
            (301, b"", Kind::Invalid, "(301)"),
        ] {
            let failure = refusal(StatusCode::from_u16(status).unwrap(), answer);
            let (told_kind, told) = failure.told();
            assert!(told_kind == kind && told.contains(what), "{status}: {failure:?}");
        }
    }
}
