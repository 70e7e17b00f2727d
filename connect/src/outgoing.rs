//! Connections over HTTP to what a table names.

use engine::port::PortError;
use model::Kind;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use std::error::Error;
use std::time::Duration;

/// How long a connection that nobody uses is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Who is believed over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those whom the system trusts.
    System,
    /// Whoever answers.
    Anybody,
    /// No TLS is spoken: a small container trusts nobody, and need not.
    Unneeded,
}

/// What a client is made with, for somebody to add to.
pub(crate) fn builder(trust: Trust) -> ClientBuilder {
    // TLS of all that goes out is that of the doors. Somebody may have chosen it already, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A table names its hosts: neither a proxy of the environment nor an answer names another one.
    let builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .tcp_nodelay(true)
        .user_agent("hailstream");
    match trust {
        Trust::System => builder,
        Trust::Anybody => builder.tls_danger_accept_invalid_certs(true),
        Trust::Unneeded => builder.tls_certs_only([]),
    }
}

/// The client that comes of it.
///
/// # Errors
/// When TLS is wanted and the system trusts nobody.
pub(crate) fn build(builder: ClientBuilder) -> Result<Client, PortError> {
    builder.build().map_err(|error| {
        let what = format!("no connection over TLS can be made: {}", causes(&error));
        PortError::new(Kind::Invalid, format!("{what}; SSL_CERT_FILE names the certificates to trust"))
    })
}

/// What has caused an error, in one line, without the address, which is told beside it.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let (mut told, mut cause) = (Vec::new(), error.source());
    while let Some(error) = cause {
        told.push(error.to_string());
        cause = error.source();
    }
    if told.is_empty() { error.to_string() } else { told.join(": ") }
}
