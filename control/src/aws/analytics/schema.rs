//! Shapes of a service's input, and the check of a document against one, in the words of the real service.

use crate::aws::ServiceError;
use serde_json::{Map, Value};

/// What a member of a document is.
pub(super) enum Shape {
    /// Text of so many characters, in a form where one is given.
    Text {
        min: usize,
        max: usize,
        form: Option<&'static Form>,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number within these bounds.
    Whole {
        min: i64,
        max: i64,
    },
    /// True or false; also as text, as the real service's pages print it.
    Truth,
    /// A moment: seconds since the Unix epoch, or text of ISO 8601.
    Moment,
    List {
        of: &'static Shape,
        min: usize,
        max: usize,
    },
    /// Members by name.
    Map {
        key: &'static Shape,
        value: &'static Shape,
        min: usize,
        max: usize,
    },
    Structure(&'static [Member]),
    /// Whatever it is: it is refused by name where it is met.
    Any,
}

/// A member of a structure.
pub(super) struct Member {
    pub(super) name: &'static str,
    required: bool,
    shape: &'static Shape,
}

/// The form of a text.
pub(super) struct Form {
    pub(super) pattern: &'static str,
    pub(super) fits: fn(&str) -> bool,
}

/// A member that must be there.
pub(super) const fn must(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, required: true, shape }
}

/// A member that may be there.
pub(super) const fn may(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, required: false, shape }
}

/// Checks a document, and tells all violations together.
///
/// # Errors
/// A violation of constraints, or a value of another type than its member has.
pub(super) fn check(input: &Value, shape: &Shape) -> Result<(), ServiceError> {
    let mut violations = Vec::new();
    look(input, shape, "", &mut violations)?;
    let count = violations.len();
    if count == 0 {
        return Ok(());
    }
    let errors = if count == 1 { "error" } else { "errors" };
    let message = format!("{count} validation {errors} detected: {}", violations.join("; "));
    Err(ServiceError::new("InvalidArgumentException", message))
}

fn look(value: &Value, shape: &Shape, path: &str, found: &mut Vec<String>) -> Result<(), ServiceError> {
    match (shape, value) {
        (Shape::Any, _) => {}
        (Shape::Text { min, max, form }, Value::String(text)) => look_at_text(text, (*min, *max), *form, path, found),
        (Shape::Word(words), Value::String(text)) if words.contains(&text.as_str()) => {}
        (Shape::Word(words), Value::String(text)) => {
            found.push(violated(text, path, &format!("satisfy enum value set: [{}]", words.join(", "))));
        }
        (Shape::Whole { min, max }, Value::Number(number)) => {
            let Some(number) = number.as_i64() else { return Err(mismatch(path, "a whole number")) };
            let bounds = [(number < *min, "greater", *min), (number > *max, "less", *max)];
            for (_, word, bound) in bounds.into_iter().filter(|(broken, ..)| *broken) {
                found.push(violated(&number.to_string(), path, &format!("have value {word} than or equal to {bound}")));
            }
        }
        (Shape::Truth, Value::Bool(_)) => {}
        (Shape::Truth, Value::String(text)) if truth(text).is_some() => {}
        (Shape::Moment, Value::Number(_) | Value::String(_)) if moment_s(value).is_some() => {}
        (Shape::List { of, min, max }, Value::Array(items)) => {
            look_at_count(items.len(), (*min, *max), path, found);
            for (index, item) in items.iter().enumerate() {
                look(item, of, &format!("{path}.{}.member", index + 1), found)?;
            }
        }
        (Shape::Map { key, value, min, max }, Value::Object(entries)) => {
            look_at_count(entries.len(), (*min, *max), path, found);
            for (name, of) in entries {
                look(&Value::String(name.clone()), key, &format!("{path}.{name}.key"), found)?;
                look(of, value, &format!("{path}.{name}.member"), found)?;
            }
        }
        (Shape::Structure(members), Value::Object(given)) => look_at_members(given, members, path, found)?,
        (shape, _) => return Err(mismatch(path, kind(shape))),
    }
    Ok(())
}

fn look_at_members(
    given: &Map<String, Value>,
    members: &[Member],
    path: &str,
    found: &mut Vec<String>,
) -> Result<(), ServiceError> {
    for member in members {
        let path = if path.is_empty() { lower(member.name) } else { format!("{path}.{}", lower(member.name)) };
        match given.get(member.name) {
            None | Some(Value::Null) if member.required => {
                found.push(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
            }
            None | Some(Value::Null) => {}
            Some(value) => look(value, member.shape, &path, found)?,
        }
    }
    Ok(())
}

fn look_at_text(text: &str, (min, max): (usize, usize), form: Option<&Form>, path: &str, found: &mut Vec<String>) {
    if let Some(form) = form.filter(|form| !(form.fits)(text)) {
        found.push(violated(text, path, &format!("satisfy regular expression pattern: {}", form.pattern)));
    }
    let chars = text.chars().count();
    let bounds = [(chars < min, "greater", min), (chars > max, "less", max)];
    for (_, word, bound) in bounds.into_iter().filter(|(broken, ..)| *broken) {
        found.push(violated(text, path, &format!("have length {word} than or equal to {bound}")));
    }
}

fn look_at_count(count: usize, (min, max): (usize, usize), path: &str, found: &mut Vec<String>) {
    let bounds = [(count < min, "greater", min), (count > max, "less", max)];
    for (_, word, bound) in bounds.into_iter().filter(|(broken, ..)| *broken) {
        let value = if count == 0 { "[]".to_owned() } else { format!("[{count} members]") };
        found.push(violated(&value, path, &format!("have length {word} than or equal to {bound}")));
    }
}

/// Characters of a value that a violation repeats.
const VALUE_CHARS_TOLD: usize = 2_048;

fn violated(value: &str, path: &str, constraint: &str) -> String {
    let value: String = value.chars().take(VALUE_CHARS_TOLD).collect();
    format!("Value '{value}' at '{path}' failed to satisfy constraint: Member must {constraint}")
}

fn mismatch(path: &str, wanted: &str) -> ServiceError {
    ServiceError::serialization(format!("The member '{path}' has to be {wanted}."))
}

fn kind(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text { .. } | Shape::Word(_) => "text",
        Shape::Whole { .. } => "a whole number",
        Shape::Truth => "true or false",
        Shape::Moment => "a time: seconds since 1970, or text such as 2016-01-06T07:15:30Z",
        Shape::List { .. } => "a list",
        Shape::Map { .. } | Shape::Structure(_) => "an object",
        Shape::Any => "anything",
    }
}

/// A member's name as messages have it: it begins with a small letter.
fn lower(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The second in which a moment lies, since the Unix epoch.
pub(super) fn moment_s(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_f64().filter(|s| s.is_finite()).map(|s| s.floor() as i64),
        Value::String(text) => chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp()),
        _ => None,
    }
}

/// A document that was checked.
#[derive(Clone, Copy)]
pub(super) struct Input<'a>(pub(super) &'a Value);

impl<'a> Input<'a> {
    /// A structure within; `None` where it is not given.
    pub(super) fn of(self, name: &str) -> Option<Self> {
        self.value(name).map(Input)
    }

    /// A structure further within.
    pub(super) fn at(self, names: &[&str]) -> Option<Self> {
        names.iter().try_fold(self, |input, name| input.of(name))
    }

    pub(super) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.value(name)?.as_str()
    }

    /// A text that the check has found there.
    pub(super) fn given(self, name: &str) -> &'a str {
        self.text(name).unwrap_or_default()
    }

    pub(super) fn whole(self, name: &str) -> Option<u64> {
        self.value(name)?.as_u64()
    }

    pub(super) fn truth(self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(value) => Some(*value),
            Value::String(text) => truth(text),
            _ => None,
        }
    }

    pub(super) fn moment_s(self, name: &str) -> Option<i64> {
        self.value(name).and_then(moment_s)
    }

    pub(super) fn list(self, name: &str) -> Option<impl Iterator<Item = Input<'a>> + use<'a>> {
        Some(self.value(name)?.as_array()?.iter().map(Input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static NAME: Shape = Shape::Text {
        min: 1,
        max: 3,
        form: Some(&Form { pattern: "[a-z]+", fits: |t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_lowercase()) }),
    };
    static TAG: Shape = Shape::Structure(&[must("Key", &NAME), may("On", &Shape::Truth)]);
    static TAGS: Shape = Shape::List { of: &TAG, min: 1, max: 2 };
    static PROPERTIES: Shape = Shape::Map { key: &NAME, value: &NAME, min: 1, max: 2 };
    static REQUEST: Shape = Shape::Structure(&[
        must("TheName", &NAME),
        may("Kind", &Shape::Word(&["A", "B"])),
        may("Count", &Shape::Whole { min: 1, max: 9 }),
        may("At", &Shape::Moment),
        may("Tags", &TAGS),
        may("Map", &PROPERTIES),
    ]);

    fn told(input: &Value) -> String {
        check(input, &REQUEST).map_or_else(|error| format!("{}: {}", error.code, error.message), |()| String::new())
    }

    #[test]
    fn violations_are_told_together_with_their_paths() {
        let good = json!({ "TheName": "a", "Kind": "A", "Count": 9, "At": 1.5, "Tags": [{"Key": "x", "On": "True"}],
            "Map": {"k": "v"}, "Other": [] });
        assert_eq!(told(&good), "");
        assert_eq!(told(&json!({ "TheName": "a", "At": "2016-01-06T07:15:30Z", "Kind": null })), "");
        assert_eq!(
            told(&json!({ "Kind": "C", "Count": 0, "Tags": [{"Key": "A"}, {}], "Map": {} })),
            "InvalidArgumentException: 6 validation errors detected: \
             Value null at 'theName' failed to satisfy constraint: Member must not be null; \
             Value 'C' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [A, B]; \
             Value '0' at 'count' failed to satisfy constraint: Member must have value greater than or equal to 1; \
             Value 'A' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression \
             pattern: [a-z]+; \
             Value null at 'tags.2.member.key' failed to satisfy constraint: Member must not be null; \
             Value '[]' at 'map' failed to satisfy constraint: Member must have length greater than or equal to 1"
        );
        let long = told(&json!({ "TheName": "abcd", "Tags": [], "Count": 10 }));
        assert!(
            long.contains("'theName' failed to satisfy constraint: Member must have length less than or equal to 3")
        );
        assert!(long.contains("Value '[]' at 'tags'") && long.contains("have value less than or equal to 9"), "{long}");
    }

    #[test]
    fn values_of_another_type_are_told_by_name() {
        for (input, wanted) in [
            (json!({ "TheName": 1 }), "'theName' has to be text"),
            (json!({ "TheName": "a", "Count": 1.5 }), "'count' has to be a whole number"),
            (
                json!({ "TheName": "a", "Tags": [{"Key": "a", "On": "yes"}] }),
                "'tags.1.member.on' has to be true or false",
            ),
            (json!({ "TheName": "a", "Tags": {} }), "'tags' has to be a list"),
            (json!({ "TheName": "a", "At": "noon" }), "'at' has to be a time"),
        ] {
            let told = told(&input);
            assert!(told.starts_with("SerializationException") && told.contains(wanted), "{told}");
        }
    }

    #[test]
    fn members_are_read_as_they_were_checked() {
        let value = json!({ "A": { "B": { "C": "true", "D": 7, "E": null } }, "L": [{ "K": "x" }] });
        let input = Input(&value);
        let inner = input.at(&["A", "B"]).unwrap();
        assert_eq!(
            (inner.truth("C"), inner.whole("D"), inner.text("E"), inner.given("E")),
            (Some(true), Some(7), None, "")
        );
        assert!(input.at(&["A", "X", "Y"]).is_none() && input.list("M").is_none());
        assert_eq!(input.list("L").unwrap().map(|item| item.given("K")).collect::<Vec<_>>(), ["x"]);
        assert_eq!(moment_s(&json!(1_452_064_530.75)), moment_s(&json!("2016-01-06T07:15:30.9Z")));
    }
}
