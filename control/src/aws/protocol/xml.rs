//! Answers in XML.

use super::super::service::{Form, ServiceError};
use chrono::{DateTime, SecondsFormat};
use serde_json::Value;
use std::fmt::Write;

/// The answer to a call.
pub(super) fn answer(operation: &str, output: &Value, form: &Form, request_id: &str) -> String {
    let mut out = String::new();
    open(&mut out, operation, form);
    if !output.is_null() {
        element(&mut out, &format!("{operation}Result"), output, false, form);
    }
    let metadata = serde_json::json!({ "RequestId": request_id });
    element(&mut out, "ResponseMetadata", &metadata, false, form);
    // Writing to a string cannot fail.
    let _ = write!(out, "</{operation}Response>");
    out
}

fn open(out: &mut String, operation: &str, form: &Form) {
    let _ = write!(out, "<{operation}Response xmlns=\"{}\">", form.namespace);
}

/// An error, whoever is to blame for it.
pub(super) fn error(error: &ServiceError, form: &Form, request_id: &str) -> String {
    let blamed = if error.status < 500 { "Sender" } else { "Receiver" };
    let told = serde_json::json!({ "Type": blamed, "Code": form.code(&error.code), "Message": error.message });
    let mut out = format!("<ErrorResponse xmlns=\"{}\">", form.namespace);
    element(&mut out, "Error", &told, false, form);
    element(&mut out, "RequestId", &Value::String(request_id.to_owned()), false, form);
    out.push_str("</ErrorResponse>");
    out
}

fn element(out: &mut String, name: &str, value: &Value, time: bool, form: &Form) {
    if value.is_null() {
        return;
    }
    let _ = write!(out, "<{name}>");
    match value {
        Value::Null => {}
        Value::Bool(is) => {
            let _ = write!(out, "{is}");
        }
        Value::Number(number) if time => out.push_str(&moment(number.as_f64().unwrap_or_default())),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::String(text) => escaped(out, text),
        Value::Array(members) => members.iter().for_each(|member| element(out, "member", member, time, form)),
        Value::Object(members) if form.maps.contains(&name) => {
            for (key, inner) in members {
                out.push_str("<entry>");
                element(out, "key", &Value::String(key.clone()), false, form);
                element(out, "value", inner, false, form);
                out.push_str("</entry>");
            }
        }
        Value::Object(members) => {
            members.iter().for_each(|(key, inner)| element(out, key, inner, form.times.contains(&key.as_str()), form));
        }
    }
    let _ = write!(out, "</{name}>");
}

fn moment(seconds: f64) -> String {
    let moment = DateTime::from_timestamp_millis((seconds * 1_000.0) as i64).unwrap_or_default();
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Text as it may stand between tags. What XML cannot hold at all becomes a replacement character.
fn escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A parser would make a newline of it.
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(c),
            c if (c as u32) < 0x20 || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}
