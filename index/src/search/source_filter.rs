//! Which parts of a document are returned.

use crate::json::{self, JsonError, Node, Value};

/// Paths to keep and to leave out; a star stands for any text. A path of an object means all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFilter {
    /// Whether documents are returned at all.
    pub enabled: bool,
    /// Paths to keep; none: all.
    pub includes: Vec<String>,
    /// Paths to leave out.
    pub excludes: Vec<String>,
}

impl Default for SourceFilter {
    fn default() -> Self {
        Self { enabled: true, includes: Vec::new(), excludes: Vec::new() }
    }
}

/// Whether a text matches a pattern in which a star stands for any text.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// Whether a pattern matches the path or an object around it.
fn covers(pattern: &str, path: &str) -> bool {
    path.match_indices('.').map(|(at, _)| at).chain([path.len()]).any(|end| matches_pattern(pattern, &path[..end]))
}

/// Whether something inside the object of this path could match.
fn may_match_inside(pattern: &str, path: &str) -> bool {
    let star = pattern.find('*').unwrap_or(pattern.len());
    let (prefix, inside) = (&pattern[..star], format!("{path}."));
    if star < pattern.len() {
        prefix.starts_with(&inside) || inside.starts_with(prefix)
    } else {
        pattern.starts_with(&inside)
    }
}

impl SourceFilter {
    /// Nothing of the documents.
    pub fn none() -> Self {
        Self { enabled: false, ..Self::default() }
    }

    /// What is left of a document; `None` when documents are not returned.
    ///
    /// # Errors
    /// When the document is no JSON.
    pub fn apply(&self, source: Vec<u8>) -> Result<Option<Vec<u8>>, JsonError> {
        if !self.enabled {
            return Ok(None);
        }
        if self.includes.is_empty() && self.excludes.is_empty() {
            return Ok(Some(source));
        }
        let document = json::parse(&source)?;
        let kept = self.filter(&document, "").unwrap_or(Value::Object(Vec::new()));
        Ok(Some(kept.to_bytes()))
    }

    fn filter(&self, node: &Node, path: &str) -> Option<Value> {
        match &node.value {
            Value::Object(members) => {
                let kept: Vec<_> = members
                    .iter()
                    .filter_map(|member| {
                        let path = if path.is_empty() { member.key.clone() } else { format!("{path}.{}", member.key) };
                        self.member(&member.node, &path).map(|value| (member.key.clone(), value))
                    })
                    .collect();
                // An object that was empty from the start is kept; one that was emptied is not.
                (!kept.is_empty() || members.is_empty()).then(|| Value::object(kept))
            }
            Value::Array(items) => {
                let kept: Vec<Value> = items.iter().filter_map(|item| self.item(item, path)).collect();
                (!kept.is_empty() || items.is_empty()).then(|| Value::array(kept))
            }
            scalar => Some(scalar.clone()),
        }
    }

    fn item(&self, item: &Node, path: &str) -> Option<Value> {
        match item.value {
            Value::Object(_) | Value::Array(_) => self.filter(item, path),
            ref scalar => self.is_included(path).then(|| scalar.clone()),
        }
    }

    fn is_included(&self, path: &str) -> bool {
        self.includes.is_empty() || self.includes.iter().any(|p| covers(p, path))
    }

    fn member(&self, node: &Node, path: &str) -> Option<Value> {
        if self.excludes.iter().any(|p| covers(p, path)) {
            return None;
        }
        let inner = matches!(node.value, Value::Object(_) | Value::Array(_));
        let included = self.is_included(path);
        if !inner {
            return included.then(|| node.value.clone());
        }
        if !included && !self.includes.iter().any(|p| may_match_inside(p, path)) {
            return None;
        }
        let cuts_inside = self.excludes.iter().any(|p| may_match_inside(p, path));
        if included && !cuts_inside {
            return Some(node.value.clone());
        }
        let left = self.filter(node, path);
        if !included {
            return left;
        }
        // What was asked for is shown even where nothing of it is left.
        let empty =
            if matches!(node.value, Value::Array(_)) { Value::Array(Vec::new()) } else { Value::Object(Vec::new()) };
        Some(left.unwrap_or(empty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(includes: &[&str], excludes: &[&str], expected: &str) {
        let document = br#"{"a":1,"o":{"x":1,"y":{"z":2}},"l":[{"x":1,"y":2},{"y":3}],"ab":5}"#;
        let owned = |paths: &[&str]| paths.iter().map(|p| (*p).to_owned()).collect();
        let filter = SourceFilter { enabled: true, includes: owned(includes), excludes: owned(excludes) };
        let left = filter.apply(document.to_vec()).unwrap().unwrap();
        assert_eq!(String::from_utf8(left).unwrap(), expected, "{includes:?} {excludes:?}");
    }

    #[test]
    fn parts_are_kept_and_left_out() {
        check(&["a"], &[], r#"{"a":1}"#);
        check(&["a*", "o.y"], &[], r#"{"a":1,"o":{"y":{"z":2}},"ab":5}"#);
        check(&["o.*", "l.x"], &["o.y.z"], r#"{"o":{"x":1,"y":{}},"l":[{"x":1}]}"#);
        check(&["zz"], &[], "{}");
        check(&[], &["o", "l"], r#"{"a":1,"ab":5}"#);
        check(&[], &["o.y"], r#"{"a":1,"o":{"x":1},"l":[{"x":1,"y":2},{"y":3}],"ab":5}"#);
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("abc", "abcd", false),
            ("*.x", "o.x", true),
            ("ab*bc", "abc", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }
}
