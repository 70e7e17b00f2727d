//! Connections at one door: TLS or plain text by the first byte, HTTP/1.1 or HTTP/2 by the preface, everything bounded.

use super::certificate::Certificate;
use axum::Router;
use axum::response::IntoResponse;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// Connections one door holds at once; further ones wait to be accepted.
const CONNECTIONS: usize = 4_096;
/// How long a client may take to send its first byte, and then to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take over the head of a request.
const HEAD: Duration = Duration::from_secs(30);
/// Requests under way at once on one connection.
const STREAMS: u32 = 1_024;
/// Bytes of a request's head, as `SETTINGS_MAX_HEADER_LIST_SIZE` tells.
const HEAD_BYTES: u32 = 64 * 1024;
/// Bytes a client may send of one request, and of all together, before it waits: the largest put fits.
const STREAM_WINDOW: u32 = 12 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 2 * STREAM_WINDOW;
/// Streams a client may have opened and reset before they were taken up; beyond it the connection ends.
const RESETS: usize = 20;
/// What is read at once of a TLS connection: two records of the largest size. The TLS library itself asks for 4 KiB at a time,
/// which costs a call of the system for each.
const TLS_READ_BYTES: usize = 33 * 1024;
/// First byte of a TLS handshake record; no HTTP request begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whether a door speaks TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TlsMode {
    /// TLS alone; plain text is hung up on
    Required,
    /// TLS and plain text on the same port
    #[default]
    Optional,
    /// Plain text alone
    Off,
}

/// What serves a connection.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) name: &'static str,
    pub(super) router: Router,
    pub(super) mode: TlsMode,
    /// None where the mode is off.
    pub(super) certificate: Option<Arc<Certificate>>,
}

/// Takes connections until the platform ends, then waits until the requests under way are answered.
pub(super) async fn serve(listener: TcpListener, door: Door, mut ended: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let permit = room.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, stream) = tokio::select! {
            // An error means that the platform is gone, which is an end as well.
            _ = ended.wait_for(|ended| *ended) => break,
            accepted = accepted => accepted,
        };
        match stream {
            Ok((stream, _)) => {
                let (door, watcher) = (door.clone(), graceful.watcher());
                tokio::spawn(async move {
                    connection(stream, door, watcher).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Mostly too many open files: time must pass before it gets better.
                tracing::warn!(door = door.name, %error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn connection(stream: TcpStream, door: Door, watcher: Watcher) {
    let mut first = [0];
    match tokio::time::timeout(HANDSHAKE, stream.peek(&mut first)).await {
        Ok(Ok(1)) => {}
        // Nothing came in time, or the client has gone: nobody waits for an answer.
        _ => return,
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(door = door.name, %error, "small answers may wait");
    }
    match (first[0] == TLS_HANDSHAKE, door.mode, door.certificate) {
        (true, TlsMode::Required | TlsMode::Optional, Some(certificate)) => {
            let acceptor = TlsAcceptor::from(certificate.current());
            let stream = BufReader::with_capacity(TLS_READ_BYTES, stream);
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => answer(stream, door.router, door.name, watcher).await,
                Ok(Err(error)) => tracing::debug!(door = door.name, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(door = door.name, "a TLS handshake took too long"),
            }
        }
        (false, TlsMode::Required, _) => tracing::debug!(door = door.name, "plain text where TLS is required"),
        _ => answer(stream, door.router, door.name, watcher).await,
    }
}

/// Answers the requests of one connection, in the version its first bytes tell.
async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    door: &'static str,
    watcher: Watcher,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_pending_accept_reset_streams(RESETS);
    let service = TowerToHyperService::new(router);
    let answered = service_fn(move |request: hyper::Request<Incoming>| {
        // A panic ends its own request alone: nothing of the router's is held across requests but what is locked.
        let answer = AssertUnwindSafe(service.call(request)).catch_unwind();
        async move {
            Ok::<_, Infallible>(match answer.await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => {
                    tracing::error!(door, "the handling of a request panicked");
                    axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            })
        }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), answered);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(door, %error, "a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use hyper::client::conn::{http1, http2};
    use hyper::{Request, StatusCode, Version};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;

    struct Served {
        dir: tempfile::TempDir,
        address: SocketAddr,
        end: watch::Sender<bool>,
        task: tokio::task::JoinHandle<()>,
    }

    async fn served(mode: TlsMode) -> Served {
        let dir = tempfile::tempdir().unwrap();
        let certificate = Some(Arc::new(Certificate::self_signed(dir.path(), model::Env::system()).unwrap()));
        let router = Router::new()
            .route("/", get(|| async { "answered" }))
            .route("/panic", get(|| async { ["panicked"].get(1).copied().unwrap() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = watch::channel(false);
        let task = tokio::spawn(serve(listener, Door { name: "door", router, mode, certificate }, ended));
        Served { dir, address, end, task }
    }

    async fn tls(served: &Served, alpn: &[&str]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(served.dir.path().join("cert.pem")).unwrap()).unwrap();
        let mut config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(served.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// Asks twice on one connection: first what panics, then what answers.
    async fn check<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, version: Version) {
        let request = |path| Request::get(format!("http://localhost{path}")).body(Body::empty()).unwrap();
        let io = TokioIo::new(stream);
        let statuses = if version == Version::HTTP_2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            let panicked = sender.send_request(request("/panic")).await.unwrap();
            let answered = sender.send_request(request("/")).await.unwrap();
            assert_eq!(answered.version(), version);
            [panicked.status(), answered.status()]
        } else {
            let (mut sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let panicked = sender.send_request(request("/panic")).await.unwrap().status();
            sender.ready().await.unwrap();
            let answered = sender.send_request(request("/")).await.unwrap();
            assert_eq!(answered.version(), version);
            [panicked, answered.status()]
        };
        assert_eq!(statuses, [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::OK]);
    }

    #[tokio::test]
    async fn every_version_is_spoken_over_tls_and_in_plain_text_on_one_port() {
        let served = served(TlsMode::Optional).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            check(TcpStream::connect(served.address).await.unwrap(), version).await;
            check(tls(&served, &[]).await, version).await;
        }
        for (alpn, version) in [("h2", Version::HTTP_2), ("http/1.1", Version::HTTP_11)] {
            let stream = tls(&served, &[alpn]).await;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
            check(stream, version).await;
        }
        served.end.send_replace(true);
        served.task.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_request_closes_its_own_connection_alone() {
        let served = served(TlsMode::Required).await;
        for bytes in [&b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..], b"\x16\x03\x01\x00\x04junk", b"\0\0\0\0"] {
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let mut answer = Vec::new();
            // Hung up on, with a reset or without one; an alert of TLS is all that may come.
            let _end = stream.read_to_end(&mut answer).await;
            assert!(!answer.starts_with(b"HTTP"), "plain text was answered");
        }
        check(tls(&served, &["h2"]).await, Version::HTTP_2).await;
    }
}
