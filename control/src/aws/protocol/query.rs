//! Calls in a form: `Action=…&Version=…&Alarms.member.1.Name=…`. Every value is a text; whoever reads a call takes numbers and
//! truths in texts.

use super::super::service::ServiceError;
use super::DEPTH_MAX;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most members of one list.
const MEMBERS_MAX: u32 = 100_000;

#[derive(Debug, Default)]
struct Tree {
    text: Option<String>,
    members: BTreeMap<String, Tree>,
}

/// The operation that a form names.
pub(in super::super) fn action(body: &[u8]) -> Option<String> {
    form_urlencoded::parse(body).find(|(name, _)| name == "Action").map(|(_, action)| action.into_owned())
}

/// The operation and the input of a call.
pub(super) fn parse(body: &[u8]) -> Result<(String, Value), ServiceError> {
    let operation = action(body).ok_or_else(|| {
        ServiceError::new("MissingAction", "The request names no Action; it is a form with Action and Version.")
    })?;
    let mut tree = Tree::default();
    for (name, text) in form_urlencoded::parse(body) {
        if name != "Action" && name != "Version" {
            insert(&mut tree, &name, text)?;
        }
    }
    match document(tree)? {
        input @ Value::Object(_) => Ok((operation, input)),
        _ => Ok((operation, Value::Object(Map::new()))),
    }
}

fn insert(tree: &mut Tree, name: &str, text: Cow<'_, str>) -> Result<(), ServiceError> {
    let mut place = tree;
    for (depth, part) in name.split('.').enumerate() {
        if depth >= DEPTH_MAX {
            let message = format!("The parameter {name:?} is nested deeper than {DEPTH_MAX} levels.");
            return Err(ServiceError::new("MalformedQueryString", message));
        }
        place = place.members.entry(part.to_owned()).or_default();
    }
    place.text = Some(text.into_owned());
    Ok(())
}

fn document(tree: Tree) -> Result<Value, ServiceError> {
    if tree.members.is_empty() {
        return Ok(Value::String(tree.text.unwrap_or_default()));
    }
    let mut members = tree.members;
    if members.len() == 1
        && let Some(list) = members.remove("member")
    {
        return listed(list);
    }
    let member = |(name, tree): (String, Tree)| Ok((name, document(tree)?));
    Ok(Value::Object(members.into_iter().map(member).collect::<Result<_, ServiceError>>()?))
}

fn listed(list: Tree) -> Result<Value, ServiceError> {
    let mut numbered: BTreeMap<u32, Tree> = BTreeMap::new();
    for (number, tree) in list.members {
        let place = number.parse::<u32>().ok().filter(|place| (1..=MEMBERS_MAX).contains(place));
        let wrong =
            || ServiceError::new("MalformedQueryString", format!("{number:?} is no number of a list's member."));
        numbered.insert(place.ok_or_else(wrong)?, tree);
    }
    Ok(Value::Array(numbered.into_values().map(document).collect::<Result<_, _>>()?))
}
