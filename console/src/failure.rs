//! Failures as the console passes them on: a kind that decides the HTTP status, and words for people.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{Classified, Kind};
use serde_json::json;

/// Why a question could not be answered or a control not be obeyed. The message is shown to people as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    kind: Kind,
    message: String,
}

impl Failure {
    /// A failure of the given kind; `message` says what was wrong, where, and what to do.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The failure that any classified error is, in its own words.
    pub fn from_error(error: impl Classified + std::fmt::Display) -> Self {
        Self::new(error.kind(), error.to_string())
    }

    /// A wrong request.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }
}

impl Classified for Failure {
    fn kind(&self) -> Kind {
        self.kind
    }
}

/// The HTTP status of each kind, and the name under which the page knows it.
fn status(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::Invalid => (StatusCode::BAD_REQUEST, "Invalid"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "NotFound"),
        Kind::Conflict => (StatusCode::CONFLICT, "Conflict"),
        Kind::Throttled => (StatusCode::TOO_MANY_REQUESTS, "Throttled"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
        Kind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, "Corrupt"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal"),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, kind) = status(self.kind);
        (status, Json(json!({ "error": { "kind": kind, "message": self.message } }))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_the_kind_and_the_words_of_what_caused_it() {
        let cause = Failure::new(Kind::Conflict, "stream trips is being resharded; wait until it is ACTIVE");
        let failure = Failure::from_error(cause.clone());
        assert_eq!(failure, cause);
        assert_eq!(failure.to_string(), "stream trips is being resharded; wait until it is ACTIVE");
        assert_eq!(failure.into_response().status(), StatusCode::CONFLICT);
    }
}
