//! Calls in JSON.

use super::super::service::ServiceError;
use super::DEPTH_MAX;
use serde_json::{Value, json};

/// The input of a call: an object; no body stands for an empty one.
pub(super) fn parse(body: &[u8]) -> Result<Value, ServiceError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    if depth(body) > DEPTH_MAX {
        return Err(ServiceError::serialization(format!(
            "The request's body is nested deeper than {DEPTH_MAX} levels."
        )));
    }
    match serde_json::from_slice(body) {
        Ok(input @ Value::Object(_)) => Ok(input),
        Ok(_) => Err(ServiceError::serialization("The request's body is not a JSON object.")),
        Err(error) => Err(ServiceError::serialization(format!("The request's body is not JSON: {error}"))),
    }
}

/// How deep brackets are nested outside of texts.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
