//! Documents one by one.

use super::body::Body;
use super::bulk::{outcome, update, write_members};
use super::call::{Answer, Call};
use super::failure::{Failure, no_index};
use super::search::source_parameters;
use crate::error::IndexError;
use crate::json::Value;
use crate::name::random_name;
use crate::operation::{Action, Operation, Outcome};
use crate::search::SourceFilter;
use crate::table::Document;

/// Writes one document and answers as the real one does.
fn write(call: &Call, id: String, action: Action) -> Result<Answer, Failure> {
    let refresh = call.refresh()?;
    call.hints(&["timeout", "wait_for_active_shards"]);
    call.no_others()?;
    let index = call.part("index").to_owned();
    let operation = Operation { index, id: Some(id), action };
    let answer = call.index.bulk(std::slice::from_ref(&operation), refresh).pop();
    let written = match answer {
        Some(Ok(written)) => written,
        Some(Err(error)) => {
            let uuid = call.index.info(&operation.index).map_or_else(|_| "_na_".to_owned(), |info| info.uuid);
            return Err(Failure::of_document(&error, &operation.index, &uuid));
        }
        None => return Err(Failure::new(500, "illegal_state_exception", "no answer to a write")),
    };
    let mut out = vec![b'{'];
    write_members(&operation.index, &written, refresh, &mut out);
    out.push(b'}');
    let mut answer = Answer::status(outcome(written.outcome).1, Value::Raw(out.into()));
    if written.outcome == Outcome::Created {
        answer.location = Some(format!("/{}/_doc/{}", encode(&operation.index), encode(&written.id)));
    }
    Ok(answer)
}

/// A text as it may stand in a URL.
fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn required_body(call: &Call) -> Result<(), Failure> {
    if call.body.is_empty() { Err(Failure::new(400, "parse_exception", "request body is required")) } else { Ok(()) }
}

/// Writes a document with or without an id.
pub(super) fn put(call: &Call) -> Result<Answer, Failure> {
    required_body(call)?;
    let source = call.body.clone();
    let has_id = !call.part("id").is_empty();
    let id = if has_id { call.part("id").to_owned() } else { random_name(call.index.env(), 15) };
    let action = match call.parameter("op_type") {
        Some("create") => Action::Create { source },
        None | Some("index") => Action::Index { source },
        Some(other) => {
            return Err(Failure::argument(format!("opType must be 'create' or 'index', found: [{other}]")));
        }
    };
    write(call, id, action)
}

/// Writes a document that must be new.
pub(super) fn create(call: &Call) -> Result<Answer, Failure> {
    required_body(call)?;
    write(call, call.part("id").to_owned(), Action::Create { source: call.body.clone() })
}

/// Changes parts of a document.
pub(super) fn change(call: &Call) -> Result<Answer, Failure> {
    required_body(call)?;
    call.hints(&["retry_on_conflict"]);
    let action = update(&Body::read(&call.body)?)?;
    if let Action::Update { document: None, .. } = action {
        return Err(Failure::validation(&["script or doc is missing".to_owned()]));
    }
    // An update of parts does not bring an index about, unless it brings a document.
    if let Action::Update { upsert: None, document_is_upsert: false, .. } = action
        && call.index.info(call.part("index")).is_err()
    {
        return Err(no_index(call.part("index"), "index_expression"));
    }
    write(call, call.part("id").to_owned(), action)
}

/// Deletes a document.
pub(super) fn delete(call: &Call) -> Result<Answer, Failure> {
    if call.index.info(call.part("index")).is_err() {
        return Err(no_index(call.part("index"), "index_expression"));
    }
    write(call, call.part("id").to_owned(), Action::Delete)
}

/// The document that is asked for, and what to show of it.
fn found(call: &Call) -> Result<(Option<Document>, SourceFilter), Failure> {
    let mut filter = SourceFilter::default();
    source_parameters(call, &mut filter)?;
    // A get always sees the last write.
    call.flag("realtime", true)?;
    call.flag("refresh", false)?;
    call.hints(&["preference"]);
    call.no_others()?;
    let (index, id) = (call.part("index"), call.part("id"));
    match call.index.get(index, id) {
        Ok(document) => Ok((document, filter)),
        Err(IndexError::NoIndex(name)) => Err(no_index(&name, "index_expression")),
        Err(error) => Err(error.into()),
    }
}

fn filtered(document: Document, filter: &SourceFilter) -> Result<Option<Value>, Failure> {
    let left = filter.apply(document.source).map_err(|e| Failure::of(&IndexError::Corrupt(e.to_string())))?;
    Ok(left.map(|source| Value::Raw(source.into())))
}

/// A document with what is known about it.
pub(super) fn get(call: &Call) -> Result<Answer, Failure> {
    let (document, filter) = found(call)?;
    let mut shown = Value::object([
        ("_index", Value::from(call.part("index"))),
        ("_type", "_doc".into()),
        ("_id", call.part("id").into()),
    ]);
    let Some(document) = document else {
        shown.push("found", false);
        return Ok(Answer::status(404, shown));
    };
    shown.push("_version", document.version);
    shown.push("_seq_no", document.sequence);
    shown.push("_primary_term", 1u32);
    shown.push("found", true);
    if let Some(source) = filtered(document, &filter)? {
        shown.push("_source", source);
    }
    Ok(Answer::json(shown))
}

/// A document alone.
pub(super) fn source(call: &Call) -> Result<Answer, Failure> {
    let (document, filter) = found(call)?;
    let (index, id) = (call.part("index"), call.part("id"));
    let missing =
        || Failure::new(404, "resource_not_found_exception", format!("Document not found [{index}]/[_doc]/[{id}]"));
    let document = document.ok_or_else(missing)?;
    Ok(Answer::json(filtered(document, &filter)?.ok_or_else(missing)?))
}
