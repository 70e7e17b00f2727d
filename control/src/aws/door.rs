//! The protocol AWS JSON in front of services: `POST /`, the operation in a header, a document in the body.

use super::service::{Service, ServiceError};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::Env;
use model::limits::JSON_DEPTH_MAX;
use serde_json::{Value, json};
use std::sync::Arc;

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;
const JSON_1_0: &str = "application/x-amz-json-1.0";
const JSON_1_1: &str = "application/x-amz-json-1.1";

/// The services of this crate behind one door.
#[derive(Clone)]
pub struct Door {
    services: Arc<[Arc<dyn Service>]>,
    env: Env,
}

impl Door {
    /// A door to these services; no two have the same target.
    pub fn new(services: Vec<Arc<dyn Service>>, env: Env) -> Self {
        Self { services: services.into(), env }
    }

    /// Whether a request with these headers is for one of the services.
    pub fn serves(&self, headers: &HeaderMap) -> bool {
        self.called(headers).is_some()
    }

    /// Answers a request that is for one of the services; `allowed` tells whether its caller may make it.
    pub async fn answer(&self, request: Request, allowed: bool) -> Response {
        let version = version(request.headers());
        let result = self.result(request, allowed).await;
        let (status, body) = match result {
            Ok(output) => (StatusCode::OK, output),
            Err(error) => (
                StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                json!({ "__type": error.code, "message": error.message }),
            ),
        };
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(version));
        // A request id is made of hexadecimal digits and hyphens, which any header takes.
        if let Ok(id) = HeaderValue::from_str(&request_id(&self.env)) {
            headers.insert("x-amzn-requestid", id);
        }
        response
    }

    async fn result(&self, request: Request, allowed: bool) -> Result<Value, ServiceError> {
        let Some((service, operation)) = self.called(request.headers()) else {
            return Err(ServiceError::unknown_operation(""));
        };
        let operation = operation.to_owned();
        if request.method() != Method::POST {
            return Err(ServiceError::unknown_operation(request.method().as_str()));
        }
        if !allowed {
            let message = format!("The caller's role does not allow {operation}.");
            return Err(ServiceError::new("AccessDeniedException", message));
        }
        let input = parse(&read(request.into_body()).await?)?;
        let call = move || service.call(&operation, &input);
        tokio::task::spawn_blocking(call)
            .await
            .unwrap_or_else(|_| Err(ServiceError::internal("The call broke off; the platform's log tells more.")))
    }

    /// The service and the operation that the headers name.
    fn called<'a>(&self, headers: &'a HeaderMap) -> Option<(Arc<dyn Service>, &'a str)> {
        let (target, operation) = headers.get("x-amz-target")?.to_str().ok()?.split_once('.')?;
        let service = self.services.iter().find(|service| service.target() == target)?;
        Some((service.clone(), operation))
    }
}

fn version(headers: &HeaderMap) -> &'static str {
    match headers.get(header::CONTENT_TYPE) {
        Some(kind) if kind.as_bytes().starts_with(JSON_1_0.as_bytes()) => JSON_1_0,
        _ => JSON_1_1,
    }
}

async fn read(body: Body) -> Result<Bytes, ServiceError> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("The request is larger than {BODY_BYTES_MAX} bytes.");
            Err(ServiceError { status: 413, ..ServiceError::new("RequestEntityTooLargeException", message) })
        }
        Err(error) => Err(ServiceError::serialization(format!("The request's body is incomplete: {error}"))),
    }
}

/// The input of a call: an object; no body stands for an empty one.
fn parse(body: &[u8]) -> Result<Value, ServiceError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    if !model::is_shallow(body) {
        return Err(ServiceError::serialization(format!(
            "The request's body is nested deeper than {JSON_DEPTH_MAX} levels."
        )));
    }
    match serde_json::from_slice(body) {
        Ok(input @ Value::Object(_)) => Ok(input),
        Ok(_) => Err(ServiceError::serialization("The request's body is not a JSON object.")),
        Err(error) => Err(ServiceError::serialization(format!("The request's body is not JSON: {error}"))),
    }
}

/// A name for a request and its answer, in the form of a random UUID.
fn request_id(env: &Env) -> String {
    let (a, b) = (env.random_u64(), env.random_u64());
    let (low, high) = ((a >> 16) & 0xffff, 0x4000 | (a & 0x0fff));
    format!("{:08x}-{low:04x}-{high:04x}-{:04x}-{:012x}", a >> 32, 0x8000 | (b >> 50), b & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Service for Echo {
        fn target(&self) -> &'static str {
            "Echo_1"
        }

        fn call(&self, operation: &str, input: &Value) -> Result<Value, ServiceError> {
            match operation {
                "Say" => Ok(input.clone()),
                "Fail" => Err(ServiceError::internal("no")),
                other => Err(ServiceError::unknown_operation(other)),
            }
        }
    }

    async fn ask(target: &str, kind: &str, body: &str, allowed: bool) -> (u16, String, Value) {
        let door = Door::new(vec![Arc::new(Echo)], Env::system());
        let request = Request::post("/").header("x-amz-target", target).header(header::CONTENT_TYPE, kind);
        let response = door.answer(request.body(Body::from(body.to_owned())).unwrap(), allowed).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let kind = parts.headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        (parts.status.as_u16(), kind, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_call_is_answered_in_the_version_that_it_came_in() {
        for kind in [JSON_1_0, JSON_1_1] {
            assert_eq!(ask("Echo_1.Say", kind, r#"{"A":1}"#, true).await, (200, kind.to_owned(), json!({"A": 1})));
        }
        assert_eq!(ask("Echo_1.Say", JSON_1_1, "", true).await.2, json!({}));
    }

    #[tokio::test]
    async fn what_cannot_be_answered_is_told_by_name() {
        for (target, body, allowed, status, code) in [
            ("Echo_1.Say", "{", true, 400, "SerializationException"),
            (
                "Echo_1.Say",
                "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                true,
                400,
                "SerializationException",
            ),
            ("Echo_1.Say", "[]", true, 400, "SerializationException"),
            ("Echo_1.Say", "{}", false, 400, "AccessDeniedException"),
            ("Echo_1.Fail", "{}", true, 500, "InternalFailure"),
            ("Echo_1.Shout", "{}", true, 400, "UnknownOperationException"),
        ] {
            let (got, _, answer) = ask(target, JSON_1_1, body, allowed).await;
            assert_eq!((got, answer["__type"].as_str().unwrap()), (status, code), "{target} {body}");
            assert!(!answer["message"].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn only_the_targets_of_services_are_served() {
        let door = Door::new(vec![Arc::new(Echo)], Env::system());
        for (target, served) in [("Echo_1.Say", true), ("Other_1.PutRecord", false), ("Echo_1", false)] {
            let headers = HeaderMap::from_iter([("x-amz-target".parse().unwrap(), target.parse().unwrap())]);
            assert_eq!(door.serves(&headers), served, "{target}");
        }
        assert!(!door.serves(&HeaderMap::new()));
    }
}
