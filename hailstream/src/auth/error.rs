//! Why a request is refused before it reaches its operation, in the words of the service.

use axum::http::StatusCode;

/// A refusal; its text is the message that clients see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("Missing Authentication Token")]
    Missing,
    #[error("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")]
    Both,
    #[error("{0}")]
    Incomplete(String),
    #[error("Date must be in ISO-8601 'basic format'. Got '{0}'. See http://en.wikipedia.org/wiki/ISO_8601")]
    Date(String),
    #[error("X-Amz-Expires must be between 1 and {max_s} seconds. Got '{told}'.")]
    Expires { told: String, max_s: i64 },
    #[error("The chunked payload is malformed: {0}.")]
    Chunks(String),
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    #[error("The security token included in the request is expired")]
    ExpiredKey,
    #[error("{0}")]
    Scope(String),
    #[error("{0} must be a 'SignedHeader' in the AWS Authorization.")]
    Unsigned(String),
    #[error(
        "x-amz-content-sha256 must be the SHA-256 of the payload, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or STREAMING-UNSIGNED-PAYLOAD-TRAILER. Got '{0}'."
    )]
    Payload(String),
    #[error("Signature expired: {signed} is now earlier than {earliest} ({now} - {}.)", span(*life_s))]
    Expired { signed: String, earliest: String, now: String, life_s: i64 },
    #[error("Signature not yet current: {signed} is still later than {latest} ({now} + 5 min.)")]
    Early { signed: String, latest: String, now: String },
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    #[error("The request is larger than {0} bytes.")]
    TooLarge(usize),
    #[error("The request's body is incomplete: {0}")]
    Truncated(String),
    #[error("The credentials could not be looked at: {0}")]
    Internal(String),
}

/// How long that is, in the unit that tells it in whole numbers.
fn span(seconds: i64) -> String {
    if seconds % 60 == 0 { format!("{} min", seconds / 60) } else { format!("{seconds} sec") }
}

impl AuthError {
    /// The error's name in the protocol.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) | Self::Date(_) | Self::Expires { .. } | Self::Chunks(_) => {
                "IncompleteSignatureException"
            }
            Self::UnknownKey => "UnrecognizedClientException",
            Self::ExpiredKey => "ExpiredTokenException",
            Self::Both
            | Self::Scope(_)
            | Self::Unsigned(_)
            | Self::Payload(_)
            | Self::Expired { .. }
            | Self::Early { .. }
            | Self::Mismatch => "InvalidSignatureException",
            Self::TooLarge(_) => "RequestEntityTooLargeException",
            Self::Truncated(_) => "SerializationException",
            Self::Internal(_) => "InternalFailure",
        }
    }

    /// The status it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
