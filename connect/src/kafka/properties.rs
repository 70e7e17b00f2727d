//! `properties.*`: what is handed on to the client, and the few that say something to the connector itself.

use super::options::{Place, wrong};
use engine::plan::TableDef;
use engine::port::PortError;
use std::collections::BTreeMap;

pub(super) const PREFIX: &str = "properties.";
const RESET: &str = "auto.offset.reset";
const COMMIT: &str = "commit.offsets.on.checkpoint";
const GROUP: &str = "group.id";
const JAAS: &str = "sasl.jaas.config";

/// Properties of Java's client that say nothing here: bytes are turned into rows by the table's formats.
const PASSED_OVER: [&str; 4] = ["key.deserializer", "value.deserializer", "key.serializer", "value.serializer"];
/// Properties that the connector itself sets, with the one value that says the same, where there is one.
const OWN: [(&str, &str); 5] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
    ("transactional.id", ""),
    ("group.instance.id", ""),
];

/// The client's properties that the table gives.
///
/// # Errors
/// `Invalid` where one is missing, or belongs to the connector.
pub(super) fn of(table: &TableDef) -> Result<BTreeMap<String, String>, PortError> {
    let mut found = BTreeMap::new();
    for (key, value) in &table.options {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        if PASSED_OVER.contains(&name) || [RESET, COMMIT].contains(&name) {
            continue;
        }
        match OWN.iter().find(|(own, _)| *own == name) {
            Some((_, same)) if same == value => continue,
            Some(_) => return Err(wrong(table, format!("'{key}' is set by the connector itself; leave it out"))),
            None if name == JAAS => found.extend(login(table, value)?),
            None => found.extend([(name.to_owned(), value.clone())]),
        }
    }
    match found.get("bootstrap.servers").is_some_and(|servers| !servers.trim().is_empty()) {
        true => Ok(found),
        false => Err(wrong(table, format!("the option '{PREFIX}bootstrap.servers' is missing"))),
    }
}

/// Where to go on where an offset is not to be had; `None`: nowhere, which is Flink's default.
///
/// # Errors
/// `Invalid` for another value.
pub(super) fn reset(table: &TableDef) -> Result<Option<Place>, PortError> {
    match table.options.get(&format!("{PREFIX}{RESET}")).map(String::as_str) {
        None | Some("none") => Ok(None),
        Some("earliest") => Ok(Some(Place::Earliest)),
        Some("latest") => Ok(Some(Place::Latest)),
        Some(other) => Err(wrong(table, format!("'{PREFIX}{RESET}' is none, earliest or latest, not '{other}'"))),
    }
}

/// Whether the group is told how far durable checkpoints have come: unless the table says no, or names no group.
///
/// # Errors
/// `Invalid` for what is neither true nor false.
pub(super) fn commits(table: &TableDef) -> Result<bool, PortError> {
    let wanted =
        match table.options.get(&format!("{PREFIX}{COMMIT}")).map(|value| value.to_ascii_lowercase()).as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => return Err(wrong(table, format!("'{PREFIX}{COMMIT}' is true or false, not '{other}'"))),
        };
    Ok(wanted && table.options.contains_key(&format!("{PREFIX}{GROUP}")))
}

/// Name and password as Java's client is given them.
fn login(table: &TableDef, text: &str) -> Result<[(String, String); 2], PortError> {
    let word = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}="))?;
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        Some(rest[1..].split_once(quote)?.0.to_owned())
    };
    // What it says is a secret, and is not repeated.
    let what = || {
        let what = format!(
            "'{PREFIX}{JAAS}' is read for a username=\"…\" and a password=\"…\"; give '{PREFIX}sasl.username' and \
             '{PREFIX}sasl.password' instead"
        );
        wrong(table, what)
    };
    let named = |property: &str, name: &str| Some((property.to_owned(), word(name)?));
    named("sasl.username", "username").zip(named("sasl.password", "password")).map(<[_; 2]>::from).ok_or_else(what)
}
