//! Calls and answers in CBOR.

use super::super::service::{Form, ServiceError};
use super::DEPTH_MAX;
use ciborium::Value as Cbor;
use ciborium::value::Integer;
use serde_json::{Map, Number, Value, json};

/// A time in seconds since the Unix epoch.
const EPOCH_TAG: u64 = 1;

/// The input of a call: a map; no body stands for an empty one.
pub(super) fn parse(body: &[u8]) -> Result<Value, ServiceError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let read = ciborium::de::from_reader_with_recursion_limit::<Cbor, _>(body, DEPTH_MAX);
    let wrong = |error: String| ServiceError::serialization(format!("The request's body is not CBOR: {error}"));
    match document(read.map_err(|error| wrong(error.to_string()))?).map_err(wrong)? {
        input @ Value::Object(_) => Ok(input),
        _ => Err(ServiceError::serialization("The request's body is not a CBOR map.")),
    }
}

fn document(value: Cbor) -> Result<Value, String> {
    Ok(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(is) => Value::Bool(is),
        Cbor::Integer(number) => {
            let number = i128::from(number);
            let whole = i64::try_from(number).map(Number::from).or_else(|_| u64::try_from(number).map(Number::from));
            whole.map(Value::Number).map_err(|_| format!("the number {number} is too large"))?
        }
        Cbor::Float(number) => Number::from_f64(number).map(Value::Number).ok_or("a number is none or infinite")?,
        Cbor::Text(text) => Value::String(text),
        Cbor::Array(members) => Value::Array(members.into_iter().map(document).collect::<Result<_, _>>()?),
        Cbor::Tag(EPOCH_TAG, time) => document(*time)?,
        Cbor::Map(members) => {
            let mut map = Map::new();
            for (key, value) in members {
                let Cbor::Text(key) = key else { return Err("a key is no text".to_owned()) };
                map.insert(key, document(value)?);
            }
            Value::Object(map)
        }
        _ => return Err("there is a value of a kind that no call has".to_owned()),
    })
}

/// A document as bytes, its times tagged.
pub(super) fn write(output: &Value, form: &Form) -> Vec<u8> {
    let mut out = Vec::new();
    // A vector takes whatever is written into it.
    if let Err(error) = ciborium::into_writer(&value(output, false, form), &mut out) {
        tracing::error!(%error, "an answer could not be written as CBOR");
    }
    out
}

fn value(output: &Value, time: bool, form: &Form) -> Cbor {
    match output {
        Value::Null => Cbor::Null,
        Value::Bool(is) => Cbor::Bool(*is),
        Value::Number(number) if time => {
            Cbor::Tag(EPOCH_TAG, Box::new(Cbor::Float(number.as_f64().unwrap_or_default())))
        }
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Cbor::Integer(Integer::from(whole)),
            (None, Some(whole)) => Cbor::Integer(Integer::from(whole)),
            (None, None) => Cbor::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(members) => Cbor::Array(members.iter().map(|member| value(member, time, form)).collect()),
        Value::Object(members) => {
            let member = |(key, inner): (&String, &Value)| {
                (Cbor::Text(key.clone()), value(inner, form.times.contains(&key.as_str()), form))
            };
            Cbor::Map(members.iter().map(member).collect())
        }
    }
}
