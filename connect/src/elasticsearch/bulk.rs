//! The text of a bulk: gathering its actions, and what the cluster says of each.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// Longest reason of a refusal that is handed on, in characters.
const REASON_CHARS_MAX: usize = 400;

/// Actions that wait to be sent. Of several for one document only the last stands: no bulk has an id twice, so that what of
/// it is sent again cannot overtake anything.
#[derive(Default)]
pub(super) struct Gathering {
    text: Vec<u8>,
    actions: Vec<Action>,
    /// Index and id as they stand in the text, with the last action for them.
    last: HashMap<Vec<u8>, usize>,
    replaced: usize,
}

struct Action {
    place: Range<usize>,
    deletes: bool,
    is_replaced: bool,
}

impl Gathering {
    /// Adds a document, or the end of one where `source` writes none.
    pub(super) fn push(&mut self, index: &str, id: Option<&str>, source: Option<impl FnOnce(&mut Vec<u8>)>) {
        let from = self.text.len();
        let deletes = source.is_none();
        self.text.extend_from_slice(if deletes { b"{\"delete\":" } else { b"{\"index\":" });
        let target = self.text.len();
        self.text.extend_from_slice(b"{\"_index\":");
        write_string(index, &mut self.text);
        if let Some(id) = id {
            self.text.extend_from_slice(b",\"_id\":");
            write_string(id, &mut self.text);
        }
        self.text.push(b'}');
        let number = self.actions.len();
        if id.is_some()
            && let Some(earlier) = self.last.insert(self.text[target..].to_vec(), number)
        {
            self.actions[earlier].is_replaced = true;
            self.replaced += 1;
        }
        self.text.extend_from_slice(b"}\n");
        if let Some(write) = source {
            write(&mut self.text);
            self.text.push(b'\n');
        }
        self.actions.push(Action { place: from..self.text.len(), deletes, is_replaced: false });
    }

    /// How many actions would be sent.
    pub(super) fn actions(&self) -> usize {
        self.actions.len() - self.replaced
    }

    /// How many bytes are held.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Takes everything that waits.
    pub(super) fn take(&mut self) -> Bulk {
        let Self { text, actions, last, replaced } = self;
        last.clear();
        let whole = Bulk {
            text: Bytes::from(std::mem::take(text)),
            actions: actions.iter().map(|a| Sent { place: a.place.clone(), deletes: a.deletes }).collect(),
        };
        let standing: Vec<usize> = (0..actions.len()).filter(|number| !actions[*number].is_replaced).collect();
        let is_whole = std::mem::take(replaced) == 0;
        actions.clear();
        if is_whole { whole } else { whole.only(&standing) }
    }
}

/// Actions on their way.
#[derive(Debug, Clone)]
pub(super) struct Bulk {
    text: Bytes,
    actions: Vec<Sent>,
}

#[derive(Debug, Clone)]
struct Sent {
    place: Range<usize>,
    deletes: bool,
}

impl Bulk {
    /// The body of the request.
    pub(super) fn text(&self) -> Bytes {
        self.text.clone()
    }

    /// How many actions it has.
    pub(super) fn actions(&self) -> usize {
        self.actions.len()
    }

    /// Some of the actions, in their order.
    pub(super) fn only(&self, numbers: &[usize]) -> Self {
        let bytes = numbers.iter().map(|number| self.actions[*number].place.len()).sum();
        let (mut text, mut actions) = (BytesMut::with_capacity(bytes), Vec::with_capacity(numbers.len()));
        for number in numbers {
            let Sent { place, deletes } = &self.actions[*number];
            let from = text.len();
            text.put_slice(&self.text[place.clone()]);
            actions.push(Sent { place: from..text.len(), deletes: *deletes });
        }
        Self { text: text.freeze(), actions }
    }

    /// What the cluster's answer says of each action.
    ///
    /// # Errors
    /// When it is no answer to this bulk.
    pub(super) fn read(&self, answer: &[u8]) -> Result<Outcome, String> {
        let answer: Answer<'_> = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        if answer.items.len() != self.actions.len() {
            return Err(format!("it tells of {} actions where {} were sent", answer.items.len(), self.actions.len()));
        }
        let mut outcome = Outcome::default();
        for (number, (item, sent)) in answer.items.iter().zip(&self.actions).enumerate() {
            let item = item.values().next().ok_or_else(|| format!("it says nothing of action {number}"))?;
            match item.status {
                200..=299 => {}
                // What is not there need not be taken away.
                404 if sent.deletes => {}
                429 => {
                    outcome.rejected.push(number);
                    outcome.why_again.get_or_insert_with(|| item.told());
                }
                500..=599 => {
                    outcome.failed.push(number);
                    outcome.why_again.get_or_insert_with(|| item.told());
                }
                _ => {
                    outcome.refused += 1;
                    outcome.why_refused.get_or_insert_with(|| item.told());
                }
            }
        }
        Ok(outcome)
    }
}

/// What became of a bulk's actions, but for those that are done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// There was no room for these.
    pub(super) rejected: Vec<usize>,
    /// These found something missing that may come back: a shard, a node.
    pub(super) failed: Vec<usize>,
    /// What was said of the first of either.
    pub(super) why_again: Option<String>,
    /// So many will never be taken.
    pub(super) refused: u64,
    /// What was said of the first of those.
    pub(super) why_refused: Option<String>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    items: Vec<HashMap<Cow<'a, str>, Item<'a>>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "_index", default)]
    index: Cow<'a, str>,
    #[serde(borrow, rename = "_id", default)]
    id: Option<Cow<'a, str>>,
    status: u16,
    #[serde(default)]
    error: Value,
}

impl Item<'_> {
    fn told(&self) -> String {
        let id = self.id.as_deref().unwrap_or("(none)");
        format!("index {}, id {id}: {}", self.index, reason_of(&self.error, self.status))
    }
}

/// The type and reason of an error, with what has caused it.
pub(super) fn reason_of(error: &Value, status: u16) -> String {
    let (mut told, mut level) = (String::new(), Some(error));
    while let Some(error) = level {
        let text = |member| error.get(member).and_then(Value::as_str);
        for part in [text("type"), text("reason"), error.as_str()].into_iter().flatten() {
            if !told.is_empty() {
                told.push_str(": ");
            }
            told.push_str(part);
        }
        level = error.get("caused_by");
    }
    if told.is_empty() {
        told = "no reason given".to_owned();
    }
    format!("{} ({status})", shortened(&told))
}

/// A text in one line, and no longer than a person reads.
pub(super) fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Appends a text in quotes, escaped as JSON wants it.
fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a text into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &'static str) -> Option<impl FnOnce(&mut Vec<u8>)> {
        Some(move |out: &mut Vec<u8>| out.extend_from_slice(text.as_bytes()))
    }

    fn gone() -> Option<fn(&mut Vec<u8>)> {
        None
    }

    fn text(bulk: &Bulk) -> String {
        String::from_utf8(bulk.text().to_vec()).unwrap()
    }

    #[test]
    fn actions_stand_one_after_the_other() {
        let mut gathering = Gathering::default();
        gathering.push("docs", Some("a\"b"), document("{\"n\":1}"));
        gathering.push("docs", None, document("{\"n\":2}"));
        gathering.push("docs", Some("c"), gone());
        assert_eq!((gathering.actions(), gathering.bytes() > 100), (3, true));
        let bulk = gathering.take();
        let lines = [
            "{\"index\":{\"_index\":\"docs\",\"_id\":\"a\\\"b\"}}",
            "{\"n\":1}",
            "{\"index\":{\"_index\":\"docs\"}}",
            "{\"n\":2}",
            "{\"delete\":{\"_index\":\"docs\",\"_id\":\"c\"}}",
            "",
        ];
        assert_eq!(text(&bulk), lines.join("\n"));
        assert_eq!((gathering.actions(), gathering.bytes()), (0, 0));
        assert_eq!(text(&bulk.only(&[1])), lines[2..4].join("\n") + "\n");
    }

    #[test]
    fn the_last_action_of_a_document_stands() {
        let mut gathering = Gathering::default();
        gathering.push("docs", Some("a"), document("1"));
        gathering.push("docs", None, document("2"));
        gathering.push("other", Some("a"), document("3"));
        gathering.push("docs", Some("a"), gone());
        gathering.push("docs", None, document("2"));
        assert_eq!(gathering.actions(), 4);
        let bulk = gathering.take();
        assert_eq!(bulk.actions(), 4);
        assert_eq!(text(&bulk).matches("\"_id\":\"a\"").count(), 2);
        assert!(!text(&bulk).contains("\n1\n") && text(&bulk).contains("{\"delete\":{\"_index\":\"docs\""));
        gathering.push("docs", Some("a"), document("5"));
        assert_eq!(text(&gathering.take()).lines().count(), 2, "nothing is remembered of an earlier bulk");
    }

    #[test]
    fn each_action_has_its_outcome() {
        let mut gathering = Gathering::default();
        for _ in 0..4 {
            gathering.push("docs", None, document("{}"));
        }
        gathering.push("docs", Some("x"), gone());
        gathering.push("docs", Some("y"), gone());
        let bulk = gathering.take();
        let answer = br#"{"took":3,"errors":true,"items":[
            {"index":{"_index":"docs","_type":"_doc","_id":"1","status":201}},
            {"index":{"_index":"docs","_id":"2","status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
            {"index":{"_index":"docs","_id":"3","status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse",
              "caused_by":{"type":"number_format_exception","reason":"For input \"x\""}}}},
            {"index":{"_index":"docs","_id":"4","status":503,"error":{"type":"unavailable_shards_exception","reason":"away"}}},
            {"delete":{"_index":"docs","_id":"x","status":404,"result":"not_found"}},
            {"delete":{"_index":"docs","_id":"y","status":404,"error":{"type":"index_not_found_exception","reason":"none"}}}]}"#;
        let outcome = bulk.read(answer).unwrap();
        assert_eq!((&outcome.rejected[..], &outcome.failed[..], outcome.refused), (&[1][..], &[3][..], 1));
        assert_eq!(
            outcome.why_refused.unwrap(),
            "index docs, id 3: mapper_parsing_exception: failed to parse: number_format_exception: For input \"x\" (400)"
        );
        assert_eq!(outcome.why_again.unwrap(), "index docs, id 2: es_rejected_execution_exception: full (429)");
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let mut gathering = Gathering::default();
        gathering.push("docs", None, document("{}"));
        let bulk = gathering.take();
        for (answer, what) in [
            ("<html>", "expected value"),
            ("{}", "missing field `items`"),
            ("{\"items\":[]}", "tells of 0 actions where 1 were sent"),
            ("{\"items\":[{}]}", "says nothing of action 0"),
            ("{\"items\":[{\"index\":{\"status\":\"fine\"}}]}", "invalid type"),
        ] {
            let error = bulk.read(answer.as_bytes()).unwrap_err();
            assert!(error.contains(what), "{answer}: {error}");
        }
        assert_eq!(reason_of(&Value::Null, 418), "no reason given (418)");
        assert!(reason_of(&Value::from("é\n".repeat(900)), 400).chars().count() < 420);
    }
}
