//! The guard of the doors that do not sign: id and secret of a key as HTTP's basic authentication carries them.

use super::credentials::{Key, KeyRing, Keys};
use super::error::AuthError;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What a door asks a key for.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// Whether a request changes nothing; every role may make it.
    pub(crate) only_reads: fn(&Method, &str) -> bool,
    /// Paths that are answered to everybody, such as that of a probe.
    pub(crate) open: &'static [&'static str],
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum BasicError {
    #[error("this door asks for the id and the secret of a key (HTTP basic authentication)")]
    Missing,
    #[error("the id or the secret is wrong, or the key is disabled, has ended, or needs a token")]
    Wrong,
    #[error("the role {0} may look, and change nothing")]
    Denied(&'static str),
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl BasicError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::Auth(error) => error.status(),
        }
    }
}

/// The door behind its guard; without keys, the door as it is.
pub(crate) fn asked(door: Router, keys: Option<Arc<KeyRing>>, rule: Rule) -> Router {
    match keys {
        Some(keys) => door.layer(from_fn_with_state((keys, rule), guard)),
        None => door,
    }
}

async fn guard(State((ring, rule)): State<(Arc<KeyRing>, Rule)>, request: Request, next: Next) -> Response {
    // The request is no one's but this task's, so that it is looked at between two waits, never across one.
    let admitted = match ring.keys().await {
        Ok(keys) => admit(&keys, ring.env().now_ms(), rule, &request),
        Err(error) => Err(error.into()),
    };
    match admitted {
        Ok(()) => next.run(request).await,
        Err(error) => refusal(&error),
    }
}

fn admit(keys: &Keys, now_ms: u64, rule: Rule, request: &Request) -> Result<(), BasicError> {
    let path = request.uri().path();
    if rule.open.contains(&path) {
        return Ok(());
    }
    let key = known(keys, now_ms, request.headers())?;
    if (rule.only_reads)(request.method(), path) || key.role.may_change() {
        Ok(())
    } else {
        Err(BasicError::Denied(key.role.name()))
    }
}

/// The key whose id and secret the request carries.
fn known(keys: &Keys, now_ms: u64, headers: &HeaderMap) -> Result<Arc<Key>, BasicError> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(BasicError::Missing)?;
    let (scheme, pair) = value.trim().split_once(' ').ok_or(BasicError::Missing)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(BasicError::Missing);
    }
    let pair = STANDARD.decode(pair.trim()).ok().and_then(|pair| String::from_utf8(pair).ok());
    let pair = pair.ok_or(BasicError::Wrong)?;
    let (id, secret) = pair.split_once(':').ok_or(BasicError::Wrong)?;
    let key = keys.key(id).ok_or(BasicError::Wrong)?;
    // Hashes are compared, so that the time it takes tells nothing of the secret.
    let right = Sha256::digest(key.secret.as_bytes()) == Sha256::digest(secret.as_bytes());
    // A key with a token is for those who sign: here nothing could carry the token.
    if right && key.session_token.is_none() && !key.has_ended((now_ms / 1000) as i64) {
        Ok(key)
    } else {
        Err(BasicError::Wrong)
    }
}

fn refusal(error: &BasicError) -> Response {
    let status = error.status();
    let body = serde_json::json!({ "error": error.to_string(), "status": status.as_u16() }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::UNAUTHORIZED {
        let asked = HeaderValue::from_static("Basic realm=\"hailstream\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, asked);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::any;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use model::Env;
    use std::os::unix::fs::PermissionsExt;

    const KEYS: &str = "
        [[key]]\nid = 'A'\nsecret = 'a:b'\nrole = 'admin'
        [[key]]\nid = 'V'\nsecret = 'v'\nrole = 'viewer'
        [[key]]\nid = 'P'\nsecret = 'p'\nrole = 'producer'
        [[key]]\nid = 'T'\nsecret = 't'\nrole = 'admin'\nsession-token = 'x'
        [[key]]\nid = 'OFF'\nsecret = 'o'\nrole = 'admin'\nenabled = false
        [[key]]\nid = 'OLD'\nsecret = 'o'\nrole = 'admin'\nexpires = 1970-01-01T00:00:01Z";

    /// The status of a request with this header.
    async fn ask(method: Method, path: &str, authorization: &str) -> (u16, bool) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.toml");
        std::fs::write(&file, KEYS).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let ring = Arc::new(KeyRing::open(&file, Env::manual(1_000, 1).0).unwrap());
        let rule = Rule { only_reads: |method, _| method == Method::GET, open: &["/health"] };
        let door = asked(Router::new().fallback(any(|| async { "inside" })), Some(ring), rule);
        let mut request = Request::builder().method(method).uri(path);
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        let response = TowerToHyperService::new(door).call(request.body(Body::empty()).unwrap()).await.unwrap();
        (response.status().as_u16(), response.headers().contains_key("www-authenticate"))
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[tokio::test]
    async fn a_right_pair_looks_and_only_some_roles_change() {
        for (pair, get, post) in [("A:a:b", 200, 200), ("V:v", 200, 403), ("P:p", 200, 403)] {
            assert_eq!(ask(Method::GET, "/a", &basic(pair)).await, (get, false), "{pair}");
            assert_eq!(ask(Method::POST, "/a", &basic(pair)).await, (post, false), "{pair}");
        }
        assert_eq!(ask(Method::GET, "/a", &basic("V:v").replace("Basic", "bASIC")).await.0, 200);
        assert_eq!(ask(Method::GET, "/health", "").await.0, 200);
        assert_eq!(ask(Method::GET, "/health/", "").await.0, 401);
    }

    #[tokio::test]
    async fn anything_else_is_asked_again() {
        for pair in ["A:a", "A:a:c", "A:", "A", "", ":", "a:a:b", "T:t", "OFF:o", "OLD:o", "N:a", "A:a:b "] {
            assert_eq!(ask(Method::GET, "/", &basic(pair)).await, (401, true), "{pair}");
        }
        for value in
            ["", "Basic", "Basic ", "Basic %%%", "Basic /w==", "Bearer QTphOmI=", "AWS4-HMAC-SHA256 Credential=A"]
        {
            assert_eq!(ask(Method::GET, "/", value).await, (401, true), "{value}");
        }
    }
}
