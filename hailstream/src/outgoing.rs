//! The client for what the platform itself calls in the network: webhooks of alarms, a collector of metrics. HTTP, and HTTPS
//! with the certificates that the system trusts.

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection that nobody uses is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections to one host that nobody uses, at most.
const IDLE_MAX: usize = 2;

/// Calls addresses that begin with `http://` or `https://`.
pub(crate) type Outgoing = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts what the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name other certificates.
///
/// # Errors
/// When no version of TLS can be spoken.
pub(crate) fn client() -> io::Result<Outgoing> {
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_connect_timeout(Some(CONNECT_TIMEOUT));
    plain.set_nodelay(true);
    let connector = match HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider()) {
        Ok(builder) => builder,
        // A small container has none. Plain HTTP goes on, and a call over TLS says that nobody has signed the certificate.
        Err(error) => {
            tracing::info!(%error, "the system trusts no certificates: addresses with https cannot be called");
            HttpsConnectorBuilder::new().with_tls_config(trusting_nobody()?)
        }
    };
    let connector = connector.https_or_http().enable_http1().wrap_connector(plain);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT).pool_max_idle_per_host(IDLE_MAX);
    Ok(builder.build(connector))
}

fn trusting_nobody() -> io::Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// An error with what has caused it, which is what tells a person something.
pub(crate) fn reason_of(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}
