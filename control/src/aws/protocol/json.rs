//! Calls in JSON.

use super::super::service::ServiceError;
use model::limits::JSON_DEPTH_MAX;
use serde_json::{Value, json};

/// The input of a call: an object; no body stands for an empty one.
pub(super) fn parse(body: &[u8]) -> Result<Value, ServiceError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    if !model::is_shallow(body) {
        let message = format!("The request's body is nested deeper than {JSON_DEPTH_MAX} levels.");
        return Err(ServiceError::serialization(message));
    }
    match serde_json::from_slice(body) {
        Ok(input @ Value::Object(_)) => Ok(input),
        Ok(_) => Err(ServiceError::serialization("The request's body is not a JSON object.")),
        Err(error) => Err(ServiceError::serialization(format!("The request's body is not JSON: {error}"))),
    }
}
