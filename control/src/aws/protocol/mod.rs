//! The protocols of the door: where each has the operation, how it writes a call, an answer and an error.

mod body;
mod cbor;
mod json;
mod query;
mod xml;

pub(super) use body::{plain, read};
pub(super) use query::action;

use super::service::{Form, ServiceError};
use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

const JSON_1_0: &str = "application/x-amz-json-1.0";
const JSON_1_1: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/cbor";
const FORM: &str = "application/x-www-form-urlencoded";
const XML: &str = "text/xml";

/// Deepest nesting of a call.
const DEPTH_MAX: usize = model::limits::JSON_DEPTH_MAX;

/// How a call came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The operation in a header, JSON of this content type in the body.
    Json(&'static str),
    /// The operation in the path, CBOR in the body.
    Cbor,
    /// The operation and everything else in a form, the answer in XML.
    Query,
}

/// What a request's head says of the call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) protocol: Protocol,
    /// What the service is called where calls name it; `None` in a form, which tells a version.
    pub(super) target: Option<&'a str>,
    /// The operation; `None` in a form, whose body says it.
    pub(super) operation: Option<&'a str>,
}

/// What the head of a request says; `None` where it is no call of any of these protocols.
pub(super) fn head<'a>(headers: &'a HeaderMap, path: &'a str) -> Option<Head<'a>> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is = |known: &str| kind.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known.as_bytes()));
    if let Some(named) = path.strip_prefix("/service/") {
        let (target, operation) = named.split_once("/operation/")?;
        let speaks = headers.get("smithy-protocol").is_some_and(|value| value == "rpc-v2-cbor");
        return speaks.then_some(Head { protocol: Protocol::Cbor, target: Some(target), operation: Some(operation) });
    }
    if let Some(target) = headers.get("x-amz-target") {
        let (target, operation) = target.to_str().ok()?.split_once('.')?;
        let version = if is(JSON_1_0) { JSON_1_0 } else { JSON_1_1 };
        return Some(Head { protocol: Protocol::Json(version), target: Some(target), operation: Some(operation) });
    }
    (is(FORM) && path == "/").then_some(Head { protocol: Protocol::Query, target: None, operation: None })
}

impl Protocol {
    /// The operation of a call, where its head does not say it, and its input.
    pub(super) fn input(self, body: &[u8]) -> Result<(Option<String>, Value), ServiceError> {
        match self {
            Self::Json(_) => json::parse(body).map(|input| (None, input)),
            Self::Cbor => cbor::parse(body).map(|input| (None, input)),
            Self::Query => query::parse(body).map(|(operation, input)| (Some(operation), input)),
        }
    }

    /// The content type of answers.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json(version) => version,
            Self::Cbor => CBOR,
            Self::Query => XML,
        }
    }

    /// An answer.
    pub(super) fn output(self, operation: &str, output: &Value, form: Option<&Form>, request_id: &str) -> Vec<u8> {
        match (self, form) {
            (Self::Cbor, Some(form)) => cbor::write(output, form),
            (Self::Query, Some(form)) => xml::answer(operation, output, form, request_id).into_bytes(),
            _ => output.to_string().into_bytes(),
        }
    }

    /// An error.
    pub(super) fn error(self, error: &ServiceError, form: Option<&Form>, request_id: &str) -> Vec<u8> {
        let document = serde_json::json!({ "__type": error.code, "message": error.message });
        match (self, form) {
            (Self::Cbor, Some(form)) => cbor::write(&document, form),
            (Self::Query, Some(form)) => xml::error(error, form, request_id).into_bytes(),
            _ => document.to_string().into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
