//! Questions to a cluster: JSON over HTTP, with bounds on time and size, and the first cause of what went wrong there.

use control::RunnerError;
use model::Kind;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use std::fs::File;
use std::future::Future;
use std::io::Seek;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a cluster may take over an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may take over a jar, and over the `main` of a program.
const PROGRAM: Duration = Duration::from_secs(300);
/// How long it may take over a connection.
const CONNECTION: Duration = Duration::from_secs(5);
/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest cause that is told, in characters.
const CAUSE_CHARS_MAX: usize = 1_000;

/// Where a cluster is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The JobManager's REST API, such as `http://127.0.0.1:8081`.
    pub rest: String,
    /// The SQL gateway, such as `http://127.0.0.1:8083`.
    pub gateway: String,
}

/// A file for the JobManager's disk, under the name of a jar.
pub(crate) struct Upload {
    name: String,
    content: Content,
}

enum Content {
    Bytes(Vec<u8>),
    File(File, u64),
}

impl Upload {
    pub(crate) fn of_bytes(name: String, bytes: Vec<u8>) -> Self {
        Self { name, content: Content::Bytes(bytes) }
    }

    /// A whole file, wherever it was read to.
    pub(crate) fn of_file(name: String, mut file: File) -> std::io::Result<Self> {
        file.rewind()?;
        let bytes = file.metadata()?.len();
        Ok(Self { name, content: Content::File(file, bytes) })
    }

    fn part(self) -> Part {
        let part = match self.content {
            Content::Bytes(bytes) => Part::bytes(bytes),
            Content::File(file, bytes) => Part::stream_with_length(tokio::fs::File::from_std(file), bytes),
        };
        part.file_name(self.name)
    }
}

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

impl From<Refusal> for RunnerError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind, refusal.message)
    }
}

impl Refusal {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.kind == Kind::NotFound
    }
}

/// Asks one cluster. Its calls run on a runtime; those that wait may be made on any thread, also on one of that runtime's.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    runtime: Handle,
    addresses: Addresses,
}

/// Whom a question goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Jobs,
    Gateway,
}

impl Client {
    pub(crate) fn new(addresses: Addresses, runtime: Handle) -> Result<Self, RunnerError> {
        // TLS is that of the doors. Somebody may have chosen it already, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let addresses = Addresses { rest: base(&addresses.rest)?, gateway: base(&addresses.gateway)? };
        // A cluster is named by its addresses: neither a proxy of the environment nor an answer names another one.
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECTION)
            .timeout(ANSWER);
        if [&addresses.rest, &addresses.gateway].iter().all(|address| address.starts_with("http://")) {
            // A small container trusts nobody, and need not where no TLS is spoken.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| {
            let message = format!(
                "no connection to a Flink cluster can be made: {}; SSL_CERT_FILE names the certificates to trust",
                innermost(&error)
            );
            RunnerError::new(Kind::Invalid, message)
        })?;
        Ok(Self { http, runtime, addresses })
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Waits for an answer.
    pub(crate) fn ask(&self, of: Of, method: Method, path: &str, body: Option<Value>) -> Result<Value, Refusal> {
        let (own, path) = (self.clone(), path.to_owned());
        self.wait(async move { own.answer(of, method, &path, body).await })
    }

    pub(crate) fn get(&self, of: Of, path: &str) -> Result<Value, Refusal> {
        self.ask(of, Method::GET, path, None)
    }

    /// Waits until a file is on the JobManager's disk; its place there.
    pub(crate) fn upload(&self, upload: Upload) -> Result<String, Refusal> {
        let (own, address) = (self.clone(), format!("{}/jars/upload", self.addresses.rest));
        self.wait(async move {
            let form = Form::new().part("jarfile", upload.part());
            let request = own.http.post(&address).timeout(PROGRAM).multipart(form);
            let answer = match answered(request, &address).await {
                Err(refusal) if refusal.is_missing() => {
                    let message = "the Flink cluster takes no jars; set web.submit.enable: true in its configuration";
                    return Err(Refusal::new(Kind::Invalid, message));
                }
                answer => answer?,
            };
            match answer["filename"].as_str() {
                Some(place) => Ok(place.to_owned()),
                None => {
                    let message = format!("{address} does not say where it has put a jar; look at the address");
                    Err(Refusal::new(Kind::Invalid, message))
                }
            }
        })
    }

    /// Waits for what the JobManager makes of a program, whose `main` it calls.
    pub(crate) fn call_program(&self, path: &str, body: Value) -> Result<Value, Refusal> {
        let (own, address) = (self.clone(), format!("{}{path}", self.addresses.rest));
        self.wait(async move {
            let request = own.http.post(&address).timeout(PROGRAM).header("content-type", "application/json");
            answered(request.body(body.to_string()), &address).await
        })
    }

    /// Waits for what runs on the runtime, without being one of its tasks.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (give, take) = sync_channel(1);
        self.runtime.spawn(async move {
            // Nobody waits any more where the platform ends.
            let _ = give.send(work.await);
        });
        take.recv().unwrap_or_else(|_| Err(Refusal::new(Kind::Unavailable, "the platform ends")))
    }

    /// One question and its answer.
    pub(crate) async fn answer(
        &self,
        of: Of,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Refusal> {
        let base = match of {
            Of::Jobs => &self.addresses.rest,
            Of::Gateway => &self.addresses.gateway,
        };
        self.fetch(method, &format!("{base}{path}"), body).await
    }

    /// The same at a whole address.
    pub(crate) async fn fetch(&self, method: Method, address: &str, body: Option<Value>) -> Result<Value, Refusal> {
        let mut request = self.http.request(method, address);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        answered(request, address).await
    }
}

/// The answer to a request.
async fn answered(request: RequestBuilder, address: &str) -> Result<Value, Refusal> {
    let unreachable = |error: reqwest::Error| {
        let what = innermost(&error);
        Refusal::new(Kind::Unavailable, format!("nobody answers at {address}: {what}"))
    };
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            let message = format!("{address}: the answer is larger than {ANSWER_BYTES_MAX} bytes");
            return Err(Refusal::new(Kind::Unavailable, message));
        }
        bytes.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        return Err(Refusal::new(kind(status), cause(&String::from_utf8_lossy(&bytes))));
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("{address} does not answer as a Flink cluster does ({error}); look at the address");
        Refusal::new(Kind::Invalid, message)
    })
}

/// An address without what stands behind its host and port.
fn base(address: &str) -> Result<String, RunnerError> {
    let wrong = |what: &str| RunnerError::new(Kind::Invalid, format!("{address:?} is no address of a cluster: {what}"));
    let url = reqwest::Url::parse(address).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("write it as http://HOST:PORT"));
    }
    Ok(address.trim_end_matches('/').to_owned())
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn kind(status: StatusCode) -> Kind {
    match status {
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::CONFLICT => Kind::Conflict,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Kind::Unavailable,
        _ => Kind::Invalid,
    }
}

/// What a cluster says went wrong: of a Java trace the first cause, which stands last.
pub(crate) fn cause(text: &str) -> String {
    let errors = serde_json::from_str::<Value>(text).ok();
    let errors = errors.as_ref().and_then(|answer| answer["errors"].as_array());
    let told = match errors {
        Some(errors) => errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
        None => text.to_owned(),
    };
    let first = told.rsplit_once("Caused by: ").map_or(told.as_str(), |(_, first)| first);
    // A trace begins behind the words of its exception, which may have several lines.
    let end = ["\n\tat ", "\nEnd of exception", "\n\t... "].iter().filter_map(|mark| first.find(mark)).min();
    let words = without_class(first[..end.unwrap_or(first.len())].trim());
    match words.char_indices().nth(CAUSE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None if words.is_empty() => "it gives no reason; look into the cluster's log".to_owned(),
        None => words.to_owned(),
    }
}

/// The words of an exception without the name of its class.
fn without_class(words: &str) -> &str {
    let words = words.trim_start_matches("<Exception on server side:").trim_start();
    match words.split_once(": ") {
        Some((class, rest)) if class.contains('.') && !class.contains(char::is_whitespace) => rest,
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cause_of_a_trace_is_told() {
        for (text, told) in [
            (
                r#"{"errors":["Internal server error.","<Exception on server side:\norg.apache.flink.table.gateway.api.utils.SqlGatewayException: Failed to fetchResults.\n\tat org.x.A.b(A.java:1)\nCaused by: org.apache.flink.table.api.ValidationException: SQL validation failed. From line 1\n\tat org.x\nCaused by: org.apache.calcite.sql.validate.SqlValidatorException: Column 'x' not found in any table\n\tat org.y.Z.c(Z.java:2)\n\t... 12 more\n\nEnd of exception on server side>"]}"#,
                "Column 'x' not found in any table",
            ),
            (
                r#"{"errors":["Job 00000000000000000000000000000001 not found"]}"#,
                "Job 00000000000000000000000000000001 not found",
            ),
            ("<html>no</html>", "<html>no</html>"),
            ("", "it gives no reason; look into the cluster's log"),
            ("Caused by: java.lang.IllegalStateException: first line\nsecond line\n\tat x", "first line\nsecond line"),
        ] {
            assert_eq!(cause(text), told);
        }
        assert_eq!(cause(&"x".repeat(5_000)).chars().count(), CAUSE_CHARS_MAX + 1);
    }

    #[test]
    fn an_address_is_a_web_address() {
        assert_eq!(base("http://127.0.0.1:8081/").unwrap(), "http://127.0.0.1:8081");
        for wrong in ["127.0.0.1:8081", "ftp://a", "", "http://"] {
            assert!(base(wrong).unwrap_err().message.contains("no address"), "{wrong}");
        }
    }
}
