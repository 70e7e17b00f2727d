//! Properties of an application, and their places in its script: `${name}`.

use std::collections::BTreeMap;

/// Properties by name, in groups by name.
pub type PropertyGroups = BTreeMap<String, BTreeMap<String, String>>;

/// The group that is looked into first.
pub const FIRST_GROUP: &str = "FlinkApplicationProperties";

/// Names that an error lists.
const NAMES_TOLD: usize = 20;

/// A place of a script that names no property.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct PropertyError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    what: String,
}

/// The script with every `${name}` replaced by the property of this name: the one in [`FIRST_GROUP`], else the one in the
/// first other group that has it; `${group.name}` names the group. Values stand as they are, also within quotes.
///
/// # Errors
/// Names the first place whose property is unknown, or that does not end.
pub(crate) fn substitute(script: &str, groups: &PropertyGroups) -> Result<String, PropertyError> {
    let mut out = String::with_capacity(script.len());
    let mut rest = script;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let place = script.len() - rest.len() + at;
        let within = &rest[at + 2..];
        let end = within.find(['}', '\n']).filter(|end| within[*end..].starts_with('}'));
        let end = end.ok_or_else(|| wrong(script, place, "\"${\" has no \"}\" on its line".to_owned()))?;
        let name = within[..end].trim();
        let value = find(name, groups).ok_or_else(|| wrong(script, place, unknown(name, groups)))?;
        out.push_str(value);
        rest = &within[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn find<'a>(name: &str, groups: &'a PropertyGroups) -> Option<&'a String> {
    let in_first = groups.get(FIRST_GROUP).and_then(|group| group.get(name));
    let in_any = || groups.values().find_map(|group| group.get(name));
    let in_named =
        || groups.iter().find_map(|(id, group)| group.get(name.strip_prefix(id.as_str())?.strip_prefix('.')?));
    in_first.or_else(in_any).or_else(in_named)
}

fn unknown(name: &str, groups: &PropertyGroups) -> String {
    let names: Vec<&str> =
        groups.values().flat_map(|group| group.keys()).map(String::as_str).take(NAMES_TOLD).collect();
    let known = if names.is_empty() { "has none".to_owned() } else { format!("has: {}", names.join(", ")) };
    format!("${{{name}}} is no property of the application, which {known}; add it to a property group")
}

fn wrong(script: &str, place: usize, what: String) -> PropertyError {
    let before = &script[..place];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    PropertyError { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn groups() -> PropertyGroups {
        let group =
            |entries: &[(&str, &str)]| entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        PropertyGroups::from([
            (FIRST_GROUP.to_owned(), group(&[("stream", "trips"), ("a.b", "dotted")])),
            ("A".to_owned(), group(&[("stream", "other"), ("only", "here")])),
        ])
    }

    #[test]
    fn each_place_gets_its_property_and_the_first_group_comes_first() {
        for (script, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("'${stream}' ${ only }", "'trips' here"),
            ("${a.b}/${A.stream}", "dotted/other"),
            ("$stream $ {stream} é${only}", "$stream $ {stream} éhere"),
        ] {
            assert_eq!(substitute(script, &groups()).unwrap(), expected);
        }
    }

    #[test]
    fn an_unknown_name_is_told_with_its_place_and_what_there_is() {
        let told = |script: &str, groups: &PropertyGroups| substitute(script, groups).unwrap_err().to_string();
        let error = told("a\né ${none}", &groups());
        assert!(
            error.starts_with("line 2, column 3: ${none} is no property") && error.contains("only, stream"),
            "{error}"
        );
        assert!(told("${x}", &PropertyGroups::new()).contains("which has none"));
        assert!(told("ab ${stream\n}", &groups()).starts_with("line 1, column 4: \"${\" has no \"}\""));
    }

    proptest! {
        #[test]
        fn a_script_without_places_is_itself_and_none_makes_it_panic(script in "[a-z${}\\n é]{0,40}") {
            let done = substitute(&script, &groups());
            if !script.contains("${") {
                prop_assert_eq!(done.unwrap(), script);
            }
        }
    }
}
