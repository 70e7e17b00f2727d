//! Id and secret of a key as HTTP's basic authentication carries them, and the guard of the search door, whose clients do not
//! sign.

use super::attempts::Attempts;
use super::credentials::{Key, KeyRing, Keys};
use super::error::AuthError;
use super::who::Who;
use crate::doors::{DoorName, Origin};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Why nobody is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum BasicError {
    #[error("this door asks for the id and the secret of a key (HTTP basic authentication)")]
    Missing,
    #[error("the id or the secret is wrong, or the key is disabled, has ended, or needs a token")]
    Wrong,
    #[error("there were too many wrong attempts from this address: wait {0} s before the next one")]
    TooMany(u64),
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl BasicError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Auth(error) => error.status(),
        }
    }

    /// The refusal in the form of a door; `asking` is how a client is asked for what is missing.
    pub(super) fn refusal(&self, door: DoorName, asking: &'static str) -> Response {
        let mut response = door.refusal(self.status(), "AccessDeniedException", &self.to_string());
        if self.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(asking));
        }
        if let Self::TooMany(seconds) = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
        }
        response
    }
}

/// How a program is asked for a key.
pub(super) const ASKING: &str = "Basic realm=\"hailstream\", charset=\"UTF-8\"";

#[derive(Clone)]
struct Guard {
    ring: Arc<KeyRing>,
    attempts: Arc<Attempts>,
}

/// The search door behind its guard; without keys, the door as it is. What who may do is asked behind it.
pub(crate) fn asked(door: Router, keys: Option<Arc<KeyRing>>, attempts: Arc<Attempts>) -> Router {
    match keys {
        Some(ring) => door.layer(from_fn_with_state(Guard { ring, attempts }, guard)),
        None => door,
    }
}

async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let now_s = (guard.ring.env().now_ms() / 1000) as i64;
    // The request is no one's but this task's, so that it is looked at between two waits, never across one.
    let known = match guard.ring.keys().await {
        Ok(keys) => known(&keys, now_s, &guard.attempts, address(&request), request.headers()),
        Err(error) => Err(error.into()),
    };
    match known {
        Ok(key) => {
            request.extensions_mut().insert(Who(key));
            next.run(request).await
        }
        Err(error) => error.refusal(DoorName::Search, ASKING),
    }
}

/// From where a request is; where nobody has said so, from nowhere.
pub(super) fn address(request: &Request) -> IpAddr {
    request.extensions().get::<Origin>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |origin| origin.address)
}

/// The key whose id and secret the request carries.
pub(super) fn known(
    keys: &Keys,
    now_s: i64,
    attempts: &Attempts,
    address: IpAddr,
    headers: &HeaderMap,
) -> Result<Arc<Key>, BasicError> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(BasicError::Missing)?;
    let (scheme, pair) = value.trim().split_once(' ').ok_or(BasicError::Missing)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(BasicError::Missing);
    }
    let pair = STANDARD.decode(pair.trim()).ok().and_then(|pair| String::from_utf8(pair).ok());
    let pair = pair.ok_or(BasicError::Wrong)?;
    let (id, secret) = pair.split_once(':').ok_or(BasicError::Wrong)?;
    of_pair(keys, now_s, attempts, address, id, secret)
}

/// The key of this id and secret. Whoever fails too often from one address is not heard for a while, right or wrong.
pub(super) fn of_pair(
    keys: &Keys,
    now_s: i64,
    attempts: &Attempts,
    address: IpAddr,
    id: &str,
    secret: &str,
) -> Result<Arc<Key>, BasicError> {
    attempts.admit(address, id).map_err(BasicError::TooMany)?;
    let key = keys.key(id);
    // Hashes are compared, of unknown keys too, so that the time it takes tells nothing of the secret.
    let wanted = Sha256::digest(key.as_ref().map_or("", |key| key.secret.as_str()).as_bytes());
    let right = wanted == Sha256::digest(secret.as_bytes());
    // A key with a token is for those who sign: here nothing could carry the token.
    match key.filter(|key| right && key.session_token.is_none() && !key.has_ended(now_s)) {
        Some(key) => {
            attempts.succeeded(address, id);
            Ok(key)
        }
        None => {
            attempts.failed(address, id);
            Err(BasicError::Wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::any;
    use http_body_util::BodyExt;
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

    /// The door with its keys.
    fn door(dir: &tempfile::TempDir) -> Router {
        let file = dir.path().join("keys.toml");
        std::fs::write(&file, KEYS).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let env = Env::manual(1_000, 1).0;
        let ring = Arc::new(KeyRing::open(&file, env.clone()).unwrap());
        let role = |request: Request| async move { request.extensions().get::<Who>().unwrap().role().name() };
        asked(Router::new().fallback(any(role)), Some(ring), Arc::new(Attempts::new(env)))
    }

    /// The status of a request with this header, whether a key is asked for, and the role that is known then.
    async fn ask(door: &Router, authorization: &str) -> (u16, bool, String) {
        let mut request = Request::builder().uri("/a");
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = TowerToHyperService::new(door.clone()).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let asks = parts.headers.contains_key("www-authenticate");
        (parts.status.as_u16(), asks, String::from_utf8_lossy(&body).into_owned())
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[tokio::test]
    async fn a_right_pair_is_known_by_its_role() {
        let dir = tempfile::tempdir().unwrap();
        let door = door(&dir);
        for (pair, role) in [("A:a:b", "admin"), ("V:v", "viewer"), ("P:p", "producer")] {
            assert_eq!(ask(&door, &basic(pair)).await, (200, false, role.to_owned()), "{pair}");
        }
        assert_eq!(ask(&door, &basic("V:v").replace("Basic", "bASIC")).await.0, 200);
    }

    #[tokio::test]
    async fn anything_else_is_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let door = door(&dir);
        for pair in ["A:a", "A:a:c", "A:", "A", "", ":", "a:a:b", "T:t", "OFF:o", "OLD:o", "N:a", "A:a:b "] {
            let (status, asks, _) = ask(&door, &basic(pair)).await;
            assert_eq!((status, asks), (401, true), "{pair}");
        }
        for value in
            ["", "Basic", "Basic ", "Basic %%%", "Basic /w==", "Bearer QTphOmI=", "AWS4-HMAC-SHA256 Credential=A"]
        {
            let (status, asks, _) = ask(&door, value).await;
            assert_eq!((status, asks), (401, true), "{value}");
        }
    }

    #[tokio::test]
    async fn guessing_is_not_heard_any_more_after_ten_failures_be_it_right_or_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let door = door(&dir);
        for _ in 0..10 {
            assert_eq!(ask(&door, &basic("V:wrong")).await.0, 401);
        }
        let (status, asks, body) = ask(&door, &basic("V:v")).await;
        assert_eq!((status, asks), (429, false));
        assert!(body.contains("wait 30 s"), "{body}");
        assert_eq!(ask(&door, &basic("A:a:b")).await.0, 200, "another key is not shut");
    }
}
