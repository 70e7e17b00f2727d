//! The layer around the AWS door: reads a request once, asks who signed it and whether they may, and hands it on.

use super::credentials::KeyRing;
use super::deeds::at_aws;
use super::error::AuthError;
use super::verify::{Verified, verify};
use super::who::Who;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::Access;
use std::sync::Arc;
use store::kinesis::{Caller, DEFAULT_ACCOUNT, give_way};
use wire::signature::Head;

/// Largest body that is read, in bytes: as much as the door itself takes.
const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;
const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";

/// The door behind its guard; without keys, the door as it is.
pub fn guarded(door: Router, keys: Option<Arc<KeyRing>>) -> Router {
    match keys {
        Some(keys) => door.layer(from_fn_with_state(keys, guard)),
        None => door,
    }
}

async fn guard(State(ring): State<Arc<KeyRing>>, request: Request, next: Next) -> Response {
    let cbor =
        request.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(CBOR.as_bytes()));
    match admitted(&ring, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => refusal(&error, cbor, &ring.env().random_uuid()),
    }
}

async fn admitted(ring: &Arc<KeyRing>, request: Request) -> Result<Request, AuthError> {
    let (mut parts, body) = request.into_parts();
    let body = read(body).await?;
    let head = Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        authority: parts.uri.authority().map(|authority| authority.as_str()),
    };
    let keys = ring.keys().await?;
    give_way(&body).await;
    let Verified { key, unchunked } = verify(&keys, ring.env().now_ms(), &head, &body)?;
    give_way(&body).await;
    let body = match unchunked {
        None => body,
        Some(body) => {
            // These told of the chunks, which are gone.
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.remove(header::CONTENT_ENCODING);
            body.into()
        }
    };
    // What the role does not allow a policy may: the door knows the resource, and decides.
    let access = at_aws(&parts.uri, &parts.headers, &body).map(|(access, _)| access);
    let allowed = key.role.may(access.unwrap_or(Access::Govern));
    parts.extensions.insert(Caller { arn: format!("arn:aws:iam::{DEFAULT_ACCOUNT}:user/{}", key.user), allowed });
    parts.extensions.insert(Who(key));
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The whole body, which is checked before anything of it is used.
pub(super) async fn read(body: Body) -> Result<Bytes, AuthError> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(AuthError::TooLarge(BODY_BYTES_MAX)),
        Err(error) => Err(AuthError::Truncated(error.to_string())),
    }
}

fn refusal(error: &AuthError, cbor: bool, request_id: &str) -> Response {
    let (name, message) = (error.name(), error.to_string());
    let (kind, body) = if cbor {
        let mut body = vec![0xa2];
        for text in ["__type", name, "message", &message] {
            text_in_cbor(&mut body, text);
        }
        (CBOR, body)
    } else {
        (JSON, serde_json::json!({ "__type": name, "message": message }).to_string().into_bytes())
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = error.status();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // A request id is made of hexadecimal digits and hyphens, which any header takes.
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

/// Appends a text string (major type 3); messages are cut at what two bytes of length can tell.
fn text_in_cbor(out: &mut Vec<u8>, text: &str) {
    let longest = text.len().min(usize::from(u16::MAX));
    let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let text = &text.as_bytes()[..end];
    match text.len() {
        n @ 0..24 => out.push(0x60 | n as u8),
        n @ 24..256 => out.extend([0x78, n as u8]),
        n => {
            out.push(0x79);
            out.extend((n as u16).to_be_bytes());
        }
    }
    out.extend(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Env;
    use std::os::unix::fs::PermissionsExt;
    use store::kinesis::client::{ClientError, KinesisClient};
    use store::{CapacityMode, Store, StoreConfig};
    use wire::signature::{ClientKey, Signer};

    /// A guarded door with a stream `trips`, and a key of each of two roles.
    async fn served(dir: &std::path::Path) -> String {
        let path = dir.join("keys.toml");
        let key = |id: &str, role: &str| format!("[[key]]\nid = '{id}'\nsecret = 'secret'\nrole = '{role}'\n");
        std::fs::write(&path, key("P", "producer") + &key("A", "analyst")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let store = StoreConfig { status_delay_ms: 0, ..StoreConfig::new(dir.join("store"), Env::system()) };
        let store = Store::open(store).unwrap();
        store.create_stream("trips", 1, CapacityMode::Provisioned).await.unwrap();
        store.settled("trips").await.unwrap();
        let door = guarded(store::kinesis::router(store), Some(Arc::new(KeyRing::open(&path, Env::system()).unwrap())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, door).await });
        address
    }

    #[tokio::test]
    async fn our_own_client_signs_what_the_door_checks() {
        let dir = tempfile::tempdir().unwrap();
        let client = KinesisClient::new(&served(dir.path()).await).unwrap();
        let record = model::PutRecord { partition_key: "k".into(), explicit_hash_key: None, data: "d".into() };
        let put = async |client: KinesisClient| match client.put_records("trips", std::slice::from_ref(&record)).await {
            Ok(result) => result.refused().to_string(),
            Err(ClientError::Refused { code, .. }) => code,
            Err(error) => error.to_string(),
        };
        let signed = |id: &str, secret: &str| {
            let key = ClientKey { id: id.to_owned(), secret: secret.to_owned(), session_token: None };
            client.clone().authorized(Arc::new(Signer::new(key, "eu-west-1", Env::system())))
        };
        assert_eq!(put(signed("P", "secret")).await, "0");
        assert_eq!(put(signed("A", "secret")).await, "AccessDeniedException");
        assert_eq!(put(signed("P", "wrong")).await, "InvalidSignatureException");
        assert_eq!(put(signed("N", "secret")).await, "UnrecognizedClientException");
        assert_eq!(put(signed("\n", "secret")).await.split(':').next(), Some("the call cannot be signed"));
        assert_eq!(put(client.clone()).await, "MissingAuthenticationTokenException");
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_or_breaks_off_is_refused() {
        let check = async |body: Body, status: u16, name: &str, message: &str| {
            let error = read(body).await.unwrap_err();
            assert_eq!((error.status().as_u16(), error.name()), (status, name));
            assert!(error.to_string().starts_with(message), "{error}");
        };
        let large = Body::from(vec![0; BODY_BYTES_MAX + 1]);
        check(large, 413, "RequestEntityTooLargeException", "The request is larger than 25165824 bytes.").await;
        let parts = [Ok("first"), Err(std::io::Error::other("the client has gone"))];
        let broken = Body::from_stream(futures_util::stream::iter(parts));
        let message = "The request's body is incomplete: the client has gone";
        check(broken, 400, "SerializationException", message).await;
        assert_eq!(read(Body::from(vec![0; BODY_BYTES_MAX])).await.map(|body| body.len()), Ok(BODY_BYTES_MAX));
    }

    #[test]
    fn texts_of_every_length_are_told_in_cbor() {
        for (length, head) in [(0, vec![0x60]), (23, vec![0x77]), (24, vec![0x78, 24]), (256, vec![0x79, 1, 0])] {
            let mut out = Vec::new();
            text_in_cbor(&mut out, &"a".repeat(length));
            assert_eq!(out[..head.len()], head, "{length}");
            assert_eq!(out.len(), head.len() + length);
        }
    }
}
