//! What a service on the AWS door is: operations by name, a document in and a document out.

use serde_json::Value;
use std::borrow::Cow;

/// A service that is called by operation. Which protocol a call came in, and who made it, is the door's business.
pub trait Service: Send + Sync {
    /// What stands before the dot in `X-Amz-Target`, such as `KinesisAnalytics_20180523`.
    fn target(&self) -> &'static str;

    /// How it is spoken to beside AWS JSON; `None`: not at all.
    fn form(&self) -> Option<&'static Form> {
        None
    }

    /// Answers one call. It may wait for disks and threads: it is called on a thread that may be held up.
    ///
    /// # Errors
    /// As the real service has them; an operation that there is not is [`ServiceError::unknown_operation`].
    fn call(&self, operation: &str, input: &Value) -> Result<Value, ServiceError>;
}

/// What the codecs of the other protocols have to know of a service.
#[derive(Debug)]
pub struct Form {
    /// The name under which its requests are signed.
    pub signing_name: &'static str,
    /// The version of its API, as requests in the form of a query tell it.
    pub version: &'static str,
    /// The namespace of its answers in XML.
    pub namespace: &'static str,
    /// Members of answers that are times: numbers of seconds since the Unix epoch.
    pub times: &'static [&'static str],
    /// Members of answers that are maps, not structures.
    pub maps: &'static [&'static str],
    /// Shapes of errors and their codes in the other protocols, where these differ.
    pub codes: &'static [(&'static str, &'static str)],
}

impl Form {
    /// The code of an error's shape.
    pub fn code<'a>(&self, shape: &'a str) -> &'a str {
        self.codes.iter().find(|(known, _)| *known == shape).map_or(shape, |(_, code)| *code)
    }
}

/// An error as clients of a service know it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ServiceError {
    /// The name of its shape, such as `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// The status of the answer, 400–599.
    pub status: u16,
    /// What was wrong, where, and what to do.
    pub message: String,
}

impl ServiceError {
    /// An error of the caller: status 400.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), status: 400, message: message.into() }
    }

    /// The operation is not one of the service.
    pub fn unknown_operation(operation: &str) -> Self {
        let message = format!("The operation {operation:?} is not known to this endpoint.");
        Self::new("UnknownOperationException", message)
    }

    /// The body of the call cannot be understood.
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    /// The service itself failed: status 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, ..Self::new("InternalFailure", message) }
    }
}
