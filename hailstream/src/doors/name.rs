//! The doors by their names, and how each of them says no.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use std::fmt;

/// One of the doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoorName {
    /// Streams, and the services beside them.
    Aws,
    /// Documents.
    Search,
    /// The page and its API.
    Console,
}

impl fmt::Display for DoorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws => "AWS door",
            Self::Search => "search door",
            Self::Console => "console",
        })
    }
}

impl DoorName {
    /// Its name in settings and in the audit log.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Search => "search",
            Self::Console => "console",
        }
    }

    /// A refusal in the form that the door's clients read: `code` is its name, where they know names.
    pub(crate) fn refusal(self, status: StatusCode, code: &str, message: &str) -> Response {
        let number = status.as_u16();
        let body: Value = match self {
            Self::Aws => json!({ "__type": code, "message": message }),
            Self::Search => json!({ "error": message, "status": number }),
            Self::Console => json!({ "error": { "kind": kind(status), "message": message } }),
        };
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let json = if self == Self::Aws { "application/x-amz-json-1.1" } else { "application/json" };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(json));
        response
    }
}

/// The name under which the page knows a status.
fn kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "Unknown",
        StatusCode::FORBIDDEN => "Denied",
        StatusCode::TOO_MANY_REQUESTS => "Throttled",
        StatusCode::SERVICE_UNAVAILABLE => "Unavailable",
        status if status.is_server_error() => "Internal",
        _ => "Invalid",
    }
}
