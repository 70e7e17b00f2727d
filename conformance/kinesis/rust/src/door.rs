//! A client of one door, over TLS with a certificate of one's own or in plain text.

use crate::check::Outcome;
use aws_config::BehaviorVersion;
use aws_sdk_kinesis::config::{Credentials, Region};
use aws_sdk_kinesis::Client;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::Builder;

/// Over TLS only the given certificate is trusted. Without `keys` they come from the environment.
pub async fn client(endpoint: &str, certificate: Option<&str>, keys: Option<(&str, &str)>) -> Outcome<Client> {
    let mut trusted = TrustStore::empty();
    if let Some(path) = certificate {
        trusted = trusted.with_pem_certificate(std::fs::read(path)?);
    }
    let tls = TlsContext::builder().with_trust_store(trusted).build()?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
    let mut config = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .http_client(http);
    if let Some((id, secret)) = keys {
        config = config.credentials_provider(Credentials::new(id, secret, None, None, "given"));
    }
    Ok(Client::new(&config.load().await))
}
