//! Why a request is refused before it reaches its operation, in the words of the service.

/// A refusal; its text is the message that clients see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("Missing Authentication Token")]
    Missing,
    #[error("{0}")]
    Incomplete(String),
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    #[error("{0}")]
    Scope(String),
    #[error("Signature expired: {signed} is now earlier than {earliest} ({now} - 5 min.)")]
    Expired { signed: String, earliest: String, now: String },
    #[error("Signature not yet current: {signed} is still later than {latest} ({now} + 5 min.)")]
    Early { signed: String, latest: String, now: String },
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    #[error("User: {user} is not authorized to perform: kinesis:{operation} because its role {role} does not allow it")]
    Denied { user: String, operation: String, role: &'static str },
    #[error("The request is larger than {0} bytes or its body is incomplete.")]
    Body(usize),
}

impl AuthError {
    /// The error's name in the protocol. All of them are answered with status 400, the body's size with 413.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Scope(_) | Self::Expired { .. } | Self::Early { .. } | Self::Mismatch => "InvalidSignatureException",
            Self::Denied { .. } => "AccessDeniedException",
            Self::Body(_) => "RequestEntityTooLargeException",
        }
    }
}
