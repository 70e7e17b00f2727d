//! What keeps other pages out: response headers, the check of the host that was asked for, the check of a control's origin.
//!
//! The cookie of a session is not sent by other sites, and its orders need a token besides; that is a guard's business
//! before the routes. Here it is about a foreign page that sends a control to a console on the same machine, or that reads
//! it under a name of its own (DNS rebinding), whether or not anybody is asked who they are.

use crate::Failure;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::Kind;
use std::net::IpAddr;
use std::sync::Arc;

/// What the page may load: its own files alone. Images may also be `data:` and `blob:` (the map's own icons).
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The same for the page of the login, whose form must reach the console: it has no script at all.
pub(crate) const LOGIN_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Another site is told nothing; the console itself is told the origin, without which a form would name none.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Host names under which the console answers, beside loopback names and IP addresses.
#[derive(Debug, Clone)]
pub(crate) struct Hosts(pub(crate) Arc<[String]>);

/// Checks the host of every request and the origin of every control, and gives every answer its headers.
pub(crate) async fn guard(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let mut response = match admit(&hosts, request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    for (name, value) in HEADERS {
        // The page of the login has a policy of its own.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn admit(hosts: &Hosts, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
    let authority = uri.authority().map(|a| a.as_str()).or_else(|| text(headers, &header::HOST)).unwrap_or_default();
    check_host(hosts, authority)?;
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    check_origin(authority, headers)
}

fn check_host(hosts: &Hosts, authority: &str) -> Result<(), Failure> {
    let name = host_name(authority);
    let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let known = |host: &String| host.eq_ignore_ascii_case(name);
    if literal || name.eq_ignore_ascii_case("localhost") || hosts.0.iter().any(known) {
        return Ok(());
    }
    Err(Failure::invalid("the console does not answer under this host name: use localhost or an address"))
}

/// The host without its port.
fn host_name(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}

fn check_origin(authority: &str, headers: &HeaderMap) -> Result<(), Failure> {
    let origin = text(headers, &header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
    let same_site = site.is_none_or(|site| site == "same-origin");
    match origin {
        Some(origin) if same_site && origin.eq_ignore_ascii_case(authority) => Ok(()),
        Some(_) => Err(refused("a control must come from the console's own page, not from another origin")),
        None => Err(refused("a control needs an Origin header that names the console's own address")),
    }
}

fn refused(message: &str) -> Failure {
    Failure::new(Kind::Invalid, message)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, pairs: &[(&'static str, &'static str)], admitted: bool) {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let hosts = Hosts(Arc::from(["wall.example".to_string()]));
        let result = admit(&hosts, &method, &Uri::from_static("/api/x"), &headers);
        assert_eq!(result.is_ok(), admitted, "{method} {pairs:?}: {result:?}");
    }

    #[test]
    fn only_known_hosts_are_answered() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "10.0.0.7", "wall.example:80"] {
            check(Method::GET, &[("host", host)], true);
        }
        for host in ["", "evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "[::1].evil"] {
            check(Method::GET, &[("host", host)], false);
        }
        check(Method::GET, &[], false);
    }

    #[test]
    fn only_the_own_page_controls() {
        let host = ("host", "localhost:8080");
        check(Method::POST, &[host, ("origin", "http://localhost:8080")], true);
        check(Method::POST, &[host, ("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")], true);
        check(Method::POST, &[host], false);
        check(Method::POST, &[host, ("origin", "null")], false);
        check(Method::POST, &[host, ("origin", "http://localhost:9999")], false);
        check(Method::POST, &[host, ("origin", "http://evil.example")], false);
        check(Method::POST, &[host, ("origin", "http://localhost:8080.evil.example")], false);
        check(Method::POST, &[host, ("origin", "http://localhost:8080"), ("sec-fetch-site", "cross-site")], false);
        check(Method::DELETE, &[host, ("origin", "http://evil.example")], false);
    }
}
