//! Connections at one door: TLS or plain text by the first byte, HTTP/1.1 or HTTP/2 by the preface, everything bounded.

use super::certificate::Certificate;
use super::lingering::{Lingering, Unread};
use super::networks::{Connected, holds};
use axum::Router;
use axum::response::IntoResponse;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// How long a client may take to send its first byte, and then to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
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

/// What one door spends on its clients at most.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Connections at once; further ones wait to be accepted.
    connections: usize,
    /// Connections of one address at once; further ones are closed. 0: as many as there are.
    of_address: usize,
    /// How long a client may take over the head of a request.
    head: Duration,
    /// Bytes of a request's head over HTTP/1.1; 0: what the library takes, which also reads bodies through this buffer.
    head_bytes: usize,
    /// Bytes of a request's head over HTTP/2, as `SETTINGS_MAX_HEADER_LIST_SIZE` tells.
    head_list_bytes: u32,
    /// Requests under way at once on one connection.
    streams: u32,
    /// Bytes a client may send of one request before it waits; of all requests of a connection twice as many.
    window: u32,
}

impl Bounds {
    /// Of the doors that data go through: the largest put fits into a window.
    pub(super) const OF_DATA: Self = Self {
        connections: 4_096,
        of_address: 0,
        head: Duration::from_secs(30),
        head_bytes: 0,
        head_list_bytes: 64 * 1024,
        streams: 1_024,
        window: 12 * 1024 * 1024,
    };
    /// Of the console, where heads and bodies are small and many may wait for messages: all connections full of half a head
    /// take less than 32 MiB.
    pub(super) const OF_PAGES: Self = Self {
        connections: 512,
        of_address: 256,
        head: Duration::from_secs(10),
        head_bytes: 32 * 1024,
        head_list_bytes: 16 * 1024,
        streams: 64,
        window: 64 * 1024,
    };
}

/// The connections of each address.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place that is free again when it is dropped.
struct Place(Places, IpAddr);

impl Places {
    /// A place for another connection of this address, unless it has `most` already.
    fn take(&self, address: IpAddr, most: usize) -> Option<Place> {
        let mut all = self.0.lock();
        let taken = all.entry(address).or_default();
        if most > 0 && *taken >= most {
            return None;
        }
        *taken += 1;
        Some(Place(self.clone(), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.0.0.lock();
        if let Some(taken) = all.get_mut(&self.1) {
            *taken -= 1;
            if *taken == 0 {
                all.remove(&self.1);
            }
        }
    }
}

/// What serves a connection.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) name: &'static str,
    pub(super) router: Router,
    pub(super) mode: TlsMode,
    pub(super) bounds: Bounds,
    /// Proxies, whose connections are many people's.
    pub(super) proxies: Arc<[IpNet]>,
    /// None where the mode is off.
    pub(super) certificate: Option<Arc<Certificate>>,
}

/// Takes connections until the platform ends, then waits until the requests under way are answered.
pub(super) async fn serve(listener: TcpListener, door: Door, mut ended: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(door.bounds.connections));
    let places = Places::default();
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
            Ok((stream, peer)) => {
                let address = peer.ip().to_canonical();
                let most = if holds(&door.proxies, address) { 0 } else { door.bounds.of_address };
                let Some(place) = places.take(address, most) else {
                    tracing::debug!(door = door.name, %peer, "an address has as many connections as it may");
                    continue;
                };
                let (door, watcher) = (door.clone(), graceful.watcher());
                tokio::spawn(async move {
                    connection(stream, peer.ip(), door, watcher).await;
                    drop((permit, place));
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

async fn connection(stream: TcpStream, peer: IpAddr, door: Door, watcher: Watcher) {
    let mut first = [0];
    match tokio::time::timeout(HANDSHAKE, stream.peek(&mut first)).await {
        Ok(Ok(1)) => {}
        // Nothing came in time, or the client has gone: nobody waits for an answer.
        _ => return,
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(door = door.name, %error, "small answers may wait");
    }
    let unread = Unread::default();
    let stream = Lingering::new(stream, unread.clone());
    match (first[0] == TLS_HANDSHAKE, door.mode, door.certificate.clone()) {
        (true, TlsMode::Required | TlsMode::Optional, Some(certificate)) => {
            let acceptor = TlsAcceptor::from(certificate.current());
            let stream = BufReader::with_capacity(TLS_READ_BYTES, stream);
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => answer(stream, Connected { peer, tls: true }, unread, door, watcher).await,
                Ok(Err(error)) => tracing::debug!(door = door.name, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(door = door.name, "a TLS handshake took too long"),
            }
        }
        (false, TlsMode::Required, _) => tracing::debug!(door = door.name, "plain text where TLS is required"),
        _ => answer(stream, Connected { peer, tls: false }, unread, door, watcher).await,
    }
}

/// Answers the requests of one connection, in the version its first bytes tell.
async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    connected: Connected,
    unread: Unread,
    Door { router, name: door, bounds, .. }: Door,
    watcher: Watcher,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(bounds.head);
    if bounds.head_bytes > 0 {
        builder.http1().max_buf_size(bounds.head_bytes);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        .max_header_list_size(bounds.head_list_bytes)
        .initial_stream_window_size(bounds.window)
        .initial_connection_window_size(2 * bounds.window)
        .max_pending_accept_reset_streams(RESETS);
    let service = TowerToHyperService::new(router);
    let answered = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(connected);
        let request = request.map(|body| unread.told_by(body));
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
    use axum::routing::{get, post};
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
        served_within(mode, Bounds::OF_DATA, &[]).await
    }

    async fn served_within(mode: TlsMode, bounds: Bounds, proxies: &[IpNet]) -> Served {
        let dir = tempfile::tempdir().unwrap();
        let certificate = Some(Arc::new(Certificate::self_signed(dir.path(), model::Env::system()).unwrap()));
        let router = Router::new()
            .route("/", get(|| async { "answered" }))
            .route("/refused", post(|| async { StatusCode::PAYLOAD_TOO_LARGE }))
            .route("/panic", get(|| async { ["panicked"].get(1).copied().unwrap() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (proxies, (end, ended)) = (Arc::from(proxies), watch::channel(false));
        let task =
            tokio::spawn(serve(listener, Door { name: "door", router, mode, bounds, proxies, certificate }, ended));
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

    /// What comes back for these bytes, until the other side ends.
    async fn answered(stream: &mut TcpStream, bytes: &[u8]) -> String {
        // Whoever is hung up on while they still write has their answer all the same, or a reset.
        let _written = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_or_too_slow_ends_its_connection() {
        let bounds = Bounds { head: Duration::from_millis(300), ..Bounds::OF_PAGES };
        let served = served_within(TlsMode::Off, bounds, &[]).await;
        let connect = async || TcpStream::connect(served.address).await.unwrap();
        let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(bounds.head_bytes));
        let told = answered(&mut connect().await, large.as_bytes()).await;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 431"), "{told}");
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1_000));
        let told = answered(&mut connect().await, many.as_bytes()).await;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 431"), "{told}");
        let told = answered(&mut connect().await, b"GET / HTTP/1.1\r\nhost: ").await;
        assert!(!told.contains("200"), "{told}");
        let fine = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        assert!(answered(&mut connect().await, fine).await.ends_with("answered"));
    }

    /// More than the buffers of both sides hold, so that the client still writes when it has been answered.
    #[tokio::test]
    async fn whoever_still_writes_when_they_are_refused_has_their_answer() {
        async fn refused<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
            let body = vec![b'x'; 16 * 1024 * 1024];
            let head = format!("POST /refused HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
            let mut told = [0; 12];
            stream.read_exact(&mut told).await.unwrap();
            assert_eq!(&told, b"HTTP/1.1 413");
        }
        let served = served(TlsMode::Optional).await;
        refused(TcpStream::connect(served.address).await.unwrap()).await;
        refused(tls(&served, &[]).await).await;
    }

    #[tokio::test]
    async fn an_address_has_its_share_of_connections() {
        let bounds = Bounds { of_address: 3, ..Bounds::OF_PAGES };
        let served = served_within(TlsMode::Off, bounds, &[]).await;
        let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(TcpStream::connect(served.address).await.unwrap());
        }
        let mut one_more = TcpStream::connect(served.address).await.unwrap();
        assert_eq!(answered(&mut one_more, request).await, "");
        let mut first = held.remove(0);
        assert!(answered(&mut first, request).await.ends_with("answered"));
        drop(first);
        // A proxy that is named asks for many people.
        let proxy = ["127.0.0.0/8".parse().unwrap()];
        let behind = served_within(TlsMode::Off, bounds, &proxy).await;
        for _ in 0..10 {
            held.push(TcpStream::connect(behind.address).await.unwrap());
        }
        for mut connection in held.drain(2..) {
            assert!(answered(&mut connection, request).await.ends_with("answered"));
        }
        // The place is free when the connection has ended on the other side too, a moment later.
        for _ in 0..200 {
            let mut next = TcpStream::connect(served.address).await.unwrap();
            if answered(&mut next, request).await.ends_with("answered") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the place was not given back");
    }
}
