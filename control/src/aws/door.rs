//! The door in front of services: tells which service and operation a request is for, and answers in its own protocol.

use super::protocol::{Protocol, head, read};
use super::service::{Form, Service, ServiceError};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use model::Env;
use serde_json::Value;
use std::sync::Arc;

/// The services of this crate behind one door.
#[derive(Clone)]
pub struct Door {
    services: Arc<[Arc<dyn Service>]>,
    env: Env,
}

/// A request that is for one of the services.
struct Called {
    service: Arc<dyn Service>,
    protocol: Protocol,
    /// `None` where the body says it.
    operation: Option<String>,
}

impl Door {
    /// A door to these services; no two have the same target.
    pub fn new(services: Vec<Arc<dyn Service>>, env: Env) -> Self {
        Self { services: services.into(), env }
    }

    /// Whether a request with these headers at this path is for one of the services.
    pub fn serves(&self, headers: &HeaderMap, path: &str) -> bool {
        self.called(headers, path).is_some()
    }

    /// Answers a request that is for one of the services; `allowed` tells whether its caller may make it.
    pub async fn answer(&self, request: Request, allowed: bool) -> Response {
        let request_id = self.env.random_uuid();
        let Some(called) = self.called(request.headers(), request.uri().path()) else {
            let error = ServiceError::unknown_operation(request.uri().path());
            return answered(Protocol::Json("application/json"), "", &Err(error), None, &request_id);
        };
        let (protocol, form) = (called.protocol, called.service.form());
        let (operation, result) = result(called, request, allowed).await;
        answered(protocol, &operation, &result, form, &request_id)
    }

    /// The service and the operation that a request names.
    fn called(&self, headers: &HeaderMap, path: &str) -> Option<Called> {
        let head = head(headers, path)?;
        let is = |service: &&Arc<dyn Service>| match (head.target, head.protocol) {
            (Some(target), Protocol::Json(_)) => service.target() == target,
            (Some(target), _) => service.target() == target && service.form().is_some(),
            (None, _) => service.form().is_some_and(|form| is_signed_for(headers, form)),
        };
        let service = self.services.iter().find(is)?.clone();
        Some(Called { service, protocol: head.protocol, operation: head.operation.map(str::to_owned) })
    }
}

/// Whether a form is signed for a service, or for none.
fn is_signed_for(headers: &HeaderMap, form: &Form) -> bool {
    let signed = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    signed.is_none_or(|signed| {
        !signed.contains("/aws4_request") || signed.contains(&format!("/{}/aws4_request", form.signing_name))
    })
}

/// The operation of a call, and what has become of it.
async fn result(called: Called, request: Request, allowed: bool) -> (String, Result<Value, ServiceError>) {
    let mut operation = called.operation.unwrap_or_default();
    if request.method() != Method::POST {
        return (operation, Err(ServiceError::unknown_operation(request.method().as_str())));
    }
    let (parts, body) = request.into_parts();
    let input = match read(&parts.headers, body).await.and_then(|body| called.protocol.input(&body)) {
        Ok((named, input)) => {
            operation = named.unwrap_or(operation);
            input
        }
        Err(error) => return (operation, Err(error)),
    };
    if !allowed {
        let message = format!("The caller's role does not allow {operation}.");
        return (operation, Err(ServiceError::new("AccessDeniedException", message)));
    }
    let (service, name) = (called.service, operation.clone());
    let call = tokio::task::spawn_blocking(move || service.call(&name, &input));
    let broken = |_| Err(ServiceError::internal("The call broke off; the platform's log tells more."));
    (operation, call.await.unwrap_or_else(broken))
}

fn answered(
    protocol: Protocol,
    operation: &str,
    result: &Result<Value, ServiceError>,
    form: Option<&Form>,
    request_id: &str,
) -> Response {
    let (status, body) = match result {
        Ok(output) => (StatusCode::OK, protocol.output(operation, output, form, request_id)),
        Err(error) => (
            StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            protocol.error(error, form, request_id),
        ),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(protocol.content_type()));
    if protocol == Protocol::Cbor {
        headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    }
    let mut tell = |name: &'static str, value: &str| {
        // Request ids and codes are made of letters, digits and hyphens, which any header takes.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    tell("x-amzn-requestid", request_id);
    if let (Err(error), Some(form)) = (result, form) {
        let blamed = if error.status < 500 { "Sender" } else { "Receiver" };
        tell("x-amzn-query-error", &format!("{};{blamed}", form.code(&error.code)));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use serde_json::json;

    const JSON_1_0: &str = "application/x-amz-json-1.0";
    const JSON_1_1: &str = "application/x-amz-json-1.1";

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
        for (target, served) in [("Echo_1.Say", true), ("Other_1.Say", false), ("Echo_1", false)] {
            let headers = HeaderMap::from_iter([("x-amz-target".parse().unwrap(), target.parse().unwrap())]);
            assert_eq!(door.serves(&headers, "/"), served, "{target}");
        }
        assert!(!door.serves(&HeaderMap::new(), "/"));
    }
}
