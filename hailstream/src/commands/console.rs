//! A client for the console of a running platform: questions and orders in JSON, in plain text or over TLS.
//!
//! The secret of a key is sent only to a console that asks for one, and only where nobody else can read it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use model::{Classified, Kind};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wire::signature::{ClientKey, ClientKeyError};

/// An answer larger than this is none of the console's.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const QUESTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Of an order, which is answered when all of it is durable: a snapshot of large state takes its time.
const ORDER_TIMEOUT: Duration = Duration::from_secs(600);

/// Why a console did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConsoleError {
    #[error("{0:?} is no console: write it as http://host:port or https://host:port")]
    Endpoint(String),
    #[error(
        "{0} is asked over TLS: name its certificate with --console-cert (that of a platform stands in its data directory, tls/cert.pem)"
    )]
    NoCertificate(String),
    #[error("the certificate {path} cannot be used: {reason}")]
    Certificate { path: PathBuf, reason: String },
    #[error(transparent)]
    Key(#[from] ClientKeyError),
    #[error("{0} asks for a key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a --profile")]
    NoKey(String),
    #[error("{0} asks for a key, whose secret is sent over TLS or to this machine only: ask it under https://")]
    InTheClear(String),
    #[error(
        "{console} does not answer: {reason}; is a platform running there? Another console is named with --console"
    )]
    Unreachable { console: String, reason: String },
    #[error("{message}")]
    Refused { kind: Kind, message: String },
    #[error("{console} answers something else than a console: {reason}")]
    Answer { console: String, reason: String },
}

impl Classified for ConsoleError {
    fn kind(&self) -> Kind {
        match self {
            Self::Endpoint(_) | Self::NoCertificate(_) | Self::Certificate { .. } => Kind::Invalid,
            Self::Key(_) | Self::NoKey(_) | Self::InTheClear(_) => Kind::Invalid,
            Self::Unreachable { .. } => Kind::Unavailable,
            Self::Refused { kind, .. } => *kind,
            Self::Answer { .. } => Kind::Internal,
        }
    }
}

/// Talks to one console.
pub(crate) struct ConsoleClient {
    console: String,
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    profile: Option<String>,
}

const JSON: &str = "application/json";
const JAR: &str = "application/java-archive";

/// What is sent with a request.
#[derive(Clone, Default)]
struct Content {
    kind: &'static str,
    bytes: Bytes,
}

/// A connection, whatever is under it.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl ConsoleClient {
    /// A client of the console at `address`, which shows the certificate `cert` where it is asked over TLS; the key that
    /// it may ask for stands in `profile`, or where every client of the platform looks for one.
    ///
    /// # Errors
    /// When the address is none, or there is no certificate to trust.
    pub(crate) fn new(address: &str, cert: Option<&Path>, profile: Option<&str>) -> Result<Self, ConsoleError> {
        let wrong = || ConsoleError::Endpoint(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?.to_owned();
        let tls = match (uri.scheme_str(), cert) {
            (Some("http"), _) => None,
            (Some("https"), Some(path)) => Some(connector(path)?),
            (Some("https"), None) => return Err(ConsoleError::NoCertificate(address.to_owned())),
            _ => return Err(wrong()),
        };
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let console = address.trim_end_matches('/').to_owned();
        Ok(Self { console, host, port, tls, profile: profile.map(str::to_owned) })
    }

    /// What the console answers to a question.
    pub(crate) async fn get<T: for<'d> Deserialize<'d>>(&self, path: &str) -> Result<T, ConsoleError> {
        self.asked(Method::GET, path, Content::default(), QUESTION_TIMEOUT).await
    }

    /// What the console answers to an order.
    pub(crate) async fn post<T: for<'d> Deserialize<'d>>(&self, path: &str, body: &Value) -> Result<T, ConsoleError> {
        self.asked(Method::POST, path, Content { kind: JSON, bytes: body.to_string().into() }, ORDER_TIMEOUT).await
    }

    /// What the console answers to the bytes of a jar.
    pub(crate) async fn send_jar<T: for<'d> Deserialize<'d>>(
        &self,
        path: &str,
        jar: Vec<u8>,
    ) -> Result<T, ConsoleError> {
        self.asked(Method::POST, path, Content { kind: JAR, bytes: jar.into() }, ORDER_TIMEOUT).await
    }

    async fn asked<T: for<'d> Deserialize<'d>>(
        &self,
        method: Method,
        path: &str,
        body: Content,
        limit: Duration,
    ) -> Result<T, ConsoleError> {
        let mut answer = self.sent(&method, path, &body, None, limit).await?;
        if answer.0 == StatusCode::UNAUTHORIZED {
            // The request has reached nobody but the door's guard: it is made once more, with the key.
            answer = self.sent(&method, path, &body, Some(self.key()?), limit).await?;
        }
        let (status, body) = answer;
        if !status.is_success() {
            return Err(self.refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| self.strange(&error.to_string()))
    }

    async fn sent(
        &self,
        method: &Method,
        path: &str,
        body: &Content,
        key: Option<HeaderValue>,
        limit: Duration,
    ) -> Result<(StatusCode, Bytes), ConsoleError> {
        let request = self.request(method, path, body.clone(), key)?;
        let late = |_| self.away(&format!("no answer within {} s", limit.as_secs()));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, self.connected()).await;
        let stream = stream.map_err(|_| self.away("no connection in time"))??;
        tokio::time::timeout(limit, self.exchange(stream, request)).await.map_err(late)?
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Content,
        key: Option<HeaderValue>,
    ) -> Result<Request<Full<Bytes>>, ConsoleError> {
        let (scheme, authority) = (if self.tls.is_some() { "https" } else { "http" }, self.authority());
        let mut request = Request::builder().method(method.clone()).uri(path).header(HOST, &authority);
        if method == Method::POST {
            // The console takes orders from its own page alone; whoever can set this header is no page of somebody else.
            request = request.header(ORIGIN, format!("{scheme}://{authority}")).header(CONTENT_TYPE, body.kind);
        }
        if let Some(key) = key {
            request = request.header(AUTHORIZATION, key);
        }
        request.body(Full::new(body.bytes)).map_err(|error| self.strange(&error.to_string()))
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    async fn connected(&self) -> Result<Box<dyn Stream>, ConsoleError> {
        let away = |error: std::io::Error| self.away(&error.to_string());
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, self.port)).await.map_err(away)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| ConsoleError::Endpoint(self.console.clone()))?;
        Ok(Box::new(tls.connect(name, stream).await.map_err(away)?))
    }

    async fn exchange(
        &self,
        stream: Box<dyn Stream>,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), ConsoleError> {
        let away = |error: hyper::Error| self.away(&error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(away)?;
        let driven = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(away)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        driven.abort();
        Ok((status, body.map_err(|error| self.strange(&error.to_string()))?.to_bytes()))
    }

    /// The key for a console that asks for one, as the door takes it.
    fn key(&self) -> Result<HeaderValue, ConsoleError> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let here = bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if self.tls.is_none() && !here {
            return Err(ConsoleError::InTheClear(self.console.clone()));
        }
        let key = ClientKey::find(self.profile.as_deref(), |name| std::env::var(name).ok())?;
        let key = key.ok_or_else(|| ConsoleError::NoKey(self.console.clone()))?;
        let pair = STANDARD.encode(format!("{}:{}", key.id, key.secret));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}")).map_err(|e| self.strange(&e.to_string()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn away(&self, reason: &str) -> ConsoleError {
        ConsoleError::Unreachable { console: self.console.clone(), reason: reason.to_owned() }
    }

    fn strange(&self, reason: &str) -> ConsoleError {
        ConsoleError::Answer { console: self.console.clone(), reason: reason.to_owned() }
    }

    /// What the console, or the guard of its door, says of a request that it refuses.
    fn refused(&self, status: StatusCode, body: &[u8]) -> ConsoleError {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let message = body["error"]["message"].as_str().or_else(|| body["error"].as_str());
        let Some(message) = message else { return self.strange(&status.to_string()) };
        ConsoleError::Refused { kind: kind_of(status), message: message.to_owned() }
    }
}

/// What a status of the console says of a failure.
fn kind_of(status: StatusCode) -> Kind {
    match status {
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::CONFLICT => Kind::Conflict,
        StatusCode::TOO_MANY_REQUESTS => Kind::Throttled,
        StatusCode::SERVICE_UNAVAILABLE => Kind::Unavailable,
        status if status.is_server_error() => Kind::Internal,
        _ => Kind::Invalid,
    }
}

fn connector(path: &Path) -> Result<TlsConnector, ConsoleError> {
    let wrong = |reason: String| ConsoleError::Certificate { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
        roots.add(certificate.map_err(|e| wrong(e.to_string()))?).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is none in it".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(e.to_string()))?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(address: &str) -> Result<ConsoleClient, String> {
        ConsoleClient::new(address, None, None).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_told_apart_from_what_is_none() {
        assert_eq!(opened("http://127.0.0.1:8080/").unwrap().authority(), "127.0.0.1:8080");
        assert_eq!(opened("http://[::1]:81").unwrap().authority(), "[::1]:81");
        assert_eq!(opened("http://localhost").unwrap().authority(), "localhost:80");
        for wrong in ["", "8080", "127.0.0.1:8080", "ftp://127.0.0.1", "http://"] {
            assert!(opened(wrong).err().unwrap().contains("is no console"), "{wrong}");
        }
        assert!(opened("https://127.0.0.1").err().unwrap().contains("--console-cert"));
        let missing = ConsoleClient::new("https://127.0.0.1", Some(Path::new("no-such.pem")), None);
        assert!(missing.err().unwrap().to_string().contains("no-such.pem"));
    }

    #[test]
    fn a_secret_is_not_sent_in_the_clear_to_another_machine() {
        let told = opened("http://10.0.0.7:8080").unwrap().key().unwrap_err().to_string();
        assert!(told.contains("ask it under https://"), "{told}");
    }

    #[test]
    fn refusals_keep_their_words_and_kinds() {
        let client = opened("http://localhost").unwrap();
        let told = |status: u16, body: &str| {
            let error = client.refused(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            (error.kind(), error.to_string())
        };
        let body = r#"{"error":{"kind":"Conflict","message":"application taxi is READY"}}"#;
        assert_eq!(told(409, body), (Kind::Conflict, "application taxi is READY".to_owned()));
        assert_eq!(told(403, r#"{"error":"the role viewer may look","status":403}"#).0, Kind::Invalid);
        assert_eq!(told(404, r#"{"error":{"message":"m"}}"#).0, Kind::NotFound);
        assert_eq!(told(503, r#"{"error":{"message":"m"}}"#).0, Kind::Unavailable);
        assert!(told(502, "<html>").1.contains("something else than a console"));
    }
}
