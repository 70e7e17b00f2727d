//! `_bulk`: lines of actions and documents.

use super::body::{Body, literal, token};
use super::call::{Answer, Call};
use super::failure::Failure;
use crate::error::IndexError;
use crate::json::{self, Member, Value};
use crate::name::random_name;
use crate::operation::{Action, Operation, Outcome, Refresh, Written};
use crate::search::Literal;
use bytes::Bytes;
use model::limits::DOCUMENT_ID_BYTES_MAX;

/// An action line.
struct Line {
    action: &'static str,
    index: Option<String>,
    id: Option<String>,
}

/// `_bulk`.
pub(super) fn bulk(call: &Call) -> Result<Answer, Failure> {
    let refresh = call.refresh()?;
    call.hints(&["timeout", "wait_for_active_shards"]);
    call.no_others()?;
    if call.body.is_empty() {
        return Err(Failure::new(400, "parse_exception", "request body is required"));
    }
    let started = call.index.env().monotonic_ns();
    let (operations, actions) = read(call)?;
    if operations.is_empty() {
        return Err(Failure::validation(&["no requests added".to_owned()]));
    }
    let answers = call.index.bulk(&operations, refresh);
    let took_ms = (call.index.env().monotonic_ns() - started) / 1_000_000;
    let mut out = Vec::with_capacity(answers.len() * 200 + 64);
    let failed = answers.iter().any(Result::is_err);
    out.extend_from_slice(format!("{{\"took\":{took_ms},\"errors\":{failed},\"items\":[").as_bytes());
    for (at, ((operation, action), answer)) in operations.iter().zip(actions).zip(&answers).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_item(call, operation, action, answer, refresh, &mut out);
    }
    out.extend_from_slice(b"]}");
    Ok(Answer::json(Value::Raw(out.into())))
}

/// The operations of a body, and the names of their actions.
fn read(call: &Call) -> Result<(Vec<Operation>, Vec<&'static str>), Failure> {
    let body = &call.body;
    let (mut operations, mut actions, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let mut lines = Lines { body, at: 0, number: 0 };
    while let Some(text) = lines.next()? {
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let number = lines.number;
        let Some(line) = action_line(&body.slice_ref(text), number, call.part("index"))? else {
            problems.push(format!("unknown action on line {number}, expected one of [create, delete, index, update]"));
            lines.next()?;
            continue;
        };
        let action = if line.action == "delete" {
            Action::Delete
        } else {
            // An action without its document at the end of the body is no request.
            let Some(document) = lines.next()? else { break };
            action_of(line.action, body.slice_ref(document))?
        };
        check_line(&line, &action, &mut problems);
        let id = line.id.unwrap_or_else(|| random_name(call.index.env(), 15));
        operations.push(Operation { index: line.index.unwrap_or_default(), id: Some(id), action });
        actions.push(line.action);
    }
    if problems.is_empty() { Ok((operations, actions)) } else { Err(Failure::validation(&problems)) }
}

struct Lines<'a> {
    body: &'a [u8],
    at: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Option<&'a [u8]>, Failure> {
        let rest = &self.body[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let Some(len) = memchr::memchr(b'\n', rest) else {
            return Err(Failure::argument("The bulk request must be terminated by a newline [\\n]"));
        };
        self.at += len + 1;
        self.number += 1;
        Ok(Some(rest[..len].strip_suffix(b"\r").unwrap_or(&rest[..len])))
    }
}

fn malformed(number: usize, expected: &str, found: &str) -> Failure {
    Failure::argument(format!("Malformed action/metadata line [{number}], expected {expected} but found [{found}]"))
}

/// An action line; `None` for an action that no one knows.
fn action_line(text: &Bytes, number: usize, default_index: &str) -> Result<Option<Line>, Failure> {
    let node = json::parse_first(text).map_err(|e| Failure::json(&e))?;
    let Some(members) = node.members() else { return Err(malformed(number, "START_OBJECT", token(&node.value))) };
    let Some(first) = members.first() else { return Err(malformed(number, "FIELD_NAME", "END_OBJECT")) };
    let action = match first.key.as_str() {
        "index" => "index",
        "create" => "create",
        "update" => "update",
        "delete" => "delete",
        _ => return Ok(None),
    };
    let index = Some(default_index).filter(|i| !i.is_empty()).map(str::to_owned);
    let mut line = Line { action, index, id: None };
    match &first.node.value {
        Value::Object(metadata) => {
            for member in metadata {
                line.take(member, number)?;
            }
        }
        other => return Err(malformed(number, "START_OBJECT or END_OBJECT", token(other))),
    }
    Ok(Some(line))
}

impl Line {
    fn take(&mut self, member: &Member, number: usize) -> Result<(), Failure> {
        let key = member.key.as_str();
        let text = match literal(&member.node.value) {
            Some(Literal::Null) => return Ok(()),
            Some(value) => value.as_text().to_owned(),
            None => return Err(malformed(number, "a simple value for field [key]", token(&member.node.value))),
        };
        match (key, text.as_str()) {
            ("_index", _) => self.index = Some(text),
            ("_id", _) => self.id = Some(text),
            ("_type", "_doc") => {}
            // There is nothing to retry: writes to a document are made one after another.
            ("retry_on_conflict" | "_retry_on_conflict", _) => {}
            ("require_alias", "false") => {}
            ("op_type", "create") if self.action == "index" => self.action = "create",
            ("op_type", "index") if self.action == "index" => {}
            _ => {
                let reason = format!("Action/metadata line [{number}] contains an unknown parameter [{key}]");
                return Err(Failure::argument(reason));
            }
        }
        Ok(())
    }
}

fn check_line(line: &Line, action: &Action, problems: &mut Vec<String>) {
    if line.index.is_none() {
        problems.push("index is missing".to_owned());
    }
    match &line.id {
        None if matches!(line.action, "update" | "delete") => problems.push("id is missing".to_owned()),
        Some(id) if id.is_empty() => problems.push("if _id is specified it must not be empty".to_owned()),
        Some(id) if id.len() > DOCUMENT_ID_BYTES_MAX => {
            problems.push(IndexError::IdTooLong { id: id.clone() }.to_string());
        }
        _ => {}
    }
    if let Action::Update { document: None, upsert, .. } = action {
        let _ = upsert;
        problems.push("script or doc is missing".to_owned());
    }
}

fn action_of(action: &str, document: Bytes) -> Result<Action, Failure> {
    Ok(match action {
        "create" => Action::Create { source: document },
        "update" => update(&Body::read(&document)?)?,
        _ => Action::Index { source: document },
    })
}

/// The body of an update.
pub(super) fn update(body: &Body) -> Result<Action, Failure> {
    const WHAT: &str = "UpdateRequest";
    let (mut document, mut upsert, mut document_is_upsert) = (None, None, false);
    let Some(members) = body.root.members() else {
        return Err(body.parsing(body.root.at, "an update is an object"));
    };
    for member in members {
        let object = || match &member.node.value {
            Value::Object(_) => Ok(body.raw(&member.node)),
            _ => Err(body.wrong_kind(WHAT, member)),
        };
        match member.key.as_str() {
            "doc" => document = Some(object()?),
            "upsert" => upsert = Some(object()?),
            "doc_as_upsert" => document_is_upsert = body.boolean(WHAT, member)?,
            "detect_noop" if body.boolean(WHAT, member)? => {}
            "script" | "scripted_upsert" | "detect_noop" | "_source" | "if_seq_no" | "if_primary_term" => {
                let cause = Failure::argument(format!("[{}] is not supported by this index", member.key));
                return Err(body.failed(WHAT, member, cause));
            }
            _ => return Err(body.unknown(WHAT, member)),
        }
    }
    Ok(Action::Update { document, upsert, document_is_upsert })
}

/// The word for an outcome, and the status of it alone.
pub(super) fn outcome(outcome: Outcome) -> (&'static str, u16) {
    match outcome {
        Outcome::Created => ("created", 201),
        Outcome::Updated => ("updated", 200),
        Outcome::Deleted => ("deleted", 200),
        Outcome::NotFound => ("not_found", 404),
        Outcome::Unchanged => ("noop", 200),
    }
}

/// The members of an answer to a write.
pub(super) fn write_members(index: &str, written: &Written, refresh: Refresh, out: &mut Vec<u8>) {
    let (word, _) = outcome(written.outcome);
    out.extend_from_slice(b"\"_index\":");
    Value::from(index).write(out);
    out.extend_from_slice(b",\"_type\":\"_doc\",\"_id\":");
    Value::from(written.id.as_str()).write(out);
    out.extend_from_slice(format!(",\"_version\":{},\"result\":\"{word}\"", written.version).as_bytes());
    let unchanged = written.outcome == Outcome::Unchanged;
    if refresh == Refresh::Now {
        out.extend_from_slice(b",\"forced_refresh\":true");
    }
    let shards = u8::from(!unchanged);
    out.extend_from_slice(
        format!(
            ",\"_shards\":{{\"total\":{shards},\"successful\":{shards},\"failed\":0}},\"_seq_no\":{},\"_primary_term\":1",
            written.sequence
        )
        .as_bytes(),
    );
}

fn write_item(
    call: &Call,
    operation: &Operation,
    action: &str,
    answer: &Result<Written, IndexError>,
    refresh: Refresh,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(format!("{{\"{action}\":{{").as_bytes());
    match answer {
        Ok(written) => {
            write_members(&operation.index, written, refresh, out);
            out.extend_from_slice(format!(",\"status\":{}}}}}", outcome(written.outcome).1).as_bytes());
        }
        Err(error) => {
            let uuid = call.index.info(&operation.index).map_or_else(|_| "_na_".to_owned(), |info| info.uuid);
            let failure = Failure::of_document(error, &operation.index, &uuid);
            out.extend_from_slice(b"\"_index\":");
            Value::from(operation.index.as_str()).write(out);
            out.extend_from_slice(b",\"_type\":\"_doc\",\"_id\":");
            operation.id.as_deref().map_or(Value::Null, Value::from).write(out);
            out.extend_from_slice(format!(",\"status\":{},\"error\":", failure.status).as_bytes());
            failure.item().write(out);
            out.extend_from_slice(b"}}");
        }
    }
}
