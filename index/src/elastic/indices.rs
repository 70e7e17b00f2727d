//! Indices: creating, deleting, looking at them, making writes visible.

use super::body::{Body, token};
use super::call::{Answer, Call};
use super::failure::{Failure, no_index};
use super::mapping::{parse_mapping, render_mapping};
use crate::index::IndexInfo;
use crate::json::{Member, Node, Value};
use crate::mapping::Mapping;
use crate::search::matches_pattern;
use crate::table::IndexSettings;

/// The version that the real one writes into the settings of an index.
const CREATED_VERSION: &str = "7100299";

fn acknowledged() -> Value {
    Value::object([("acknowledged", true)].map(|(k, v)| (k, Value::from(v))))
}

/// Creates an index.
pub(super) fn create(call: &Call) -> Result<Answer, Failure> {
    call.hints(&["timeout", "master_timeout", "wait_for_active_shards"]);
    call.no_others()?;
    let name = call.part("index");
    crate::name::check_name(name)?;
    let body = Body::read(&call.body)
        .map_err(|cause| Failure::new(400, "parse_exception", "Failed to parse content to map").caused_by(cause))?;
    let (mut settings, mut mapping) = (IndexSettings::default(), Mapping::default());
    let Some(members) = body.root.members() else {
        return Err(Failure::new(400, "not_x_content_exception", "the body of a new index is an object"));
    };
    for member in members {
        match (member.key.as_str(), &member.node.value) {
            ("settings", Value::Object(_)) => settings = parse_settings(&member.node)?,
            ("mappings", Value::Object(_)) => mapping = parse_mapping(&member.node)?,
            ("aliases", Value::Object(aliases)) if aliases.is_empty() => {}
            ("aliases", _) => return Err(Failure::argument("[aliases] are not supported by this index")),
            (key, _) => {
                return Err(Failure::new(400, "parse_exception", format!("unknown key [{key}] for create index")));
            }
        }
    }
    call.index.create_index(name, settings, mapping)?;
    let answer = acknowledged().with("shards_acknowledged", true).with("index", name);
    Ok(Answer::json(answer))
}

/// Settings, nested or with dots, with or without `index.` before them.
fn parse_settings(node: &Node) -> Result<IndexSettings, Failure> {
    let mut flat = Vec::new();
    flatten(node, "", &mut flat);
    let mut settings = IndexSettings::default();
    for (key, value) in flat {
        let name = key.strip_prefix("index.").unwrap_or(&key);
        let wrong = || Failure::argument(format!("Failed to parse value [{value}] for setting [index.{name}]"));
        let number = || value.parse::<u32>().map_err(|_| wrong());
        match name {
            "number_of_shards" => settings.shards = Some(number()?),
            "number_of_replicas" => settings.replicas = Some(number()?),
            "refresh_interval" => {
                settings.refresh_interval_ms = Some(super::histogram::time_value(&value, "index.refresh_interval")?);
            }
            _ => {
                return Err(Failure::argument(format!(
                    "unknown setting [index.{name}] please check that any required plugins are installed, or check the \
                     breaking changes documentation for removed settings"
                )));
            }
        }
    }
    Ok(settings)
}

fn flatten(node: &Node, path: &str, out: &mut Vec<(String, String)>) {
    match &node.value {
        Value::Object(members) => {
            for Member { key, node, .. } in members {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(node, &path, out);
            }
        }
        Value::Text(text) | Value::Number(text) => out.push((path.to_owned(), text.clone())),
        Value::Bool(value) => out.push((path.to_owned(), value.to_string())),
        other => out.push((path.to_owned(), token(other).to_owned())),
    }
}

/// Deletes indices.
pub(super) fn delete(call: &Call) -> Result<Answer, Failure> {
    call.hints(&["timeout", "master_timeout"]);
    let names = call.indices()?;
    call.no_others()?;
    for name in names {
        call.index.delete_index(&name)?;
    }
    Ok(Answer::json(acknowledged()))
}

/// Whether indices are there.
pub(super) fn exists(call: &Call) -> Result<Answer, Failure> {
    call.hints(&["local", "include_defaults", "flat_settings"]);
    let found = call.indices();
    call.no_others()?;
    let there = found.is_ok_and(|names| !names.is_empty() || call.part("index").contains('*'));
    Ok(Answer::empty(if there { 200 } else { 404 }))
}

fn infos(call: &Call) -> Result<Vec<IndexInfo>, Failure> {
    call.hints(&["local", "master_timeout"]);
    let names = call.indices()?;
    call.no_others()?;
    // One that is deleted meanwhile is left out.
    Ok(names.iter().filter_map(|name| call.index.info(name).ok()).collect())
}

/// Everything about indices.
pub(super) fn get(call: &Call) -> Result<Answer, Failure> {
    let shown = infos(call)?.into_iter().map(|info| {
        let all = Value::object([
            ("aliases", Value::object::<&str>([])),
            ("mappings", render_mapping(&info.mapping)),
            ("settings", render_settings(&info)),
        ]);
        (info.name.clone(), all)
    });
    Ok(Answer::json(Value::object(shown)))
}

/// The mappings of indices.
pub(super) fn get_mapping(call: &Call) -> Result<Answer, Failure> {
    let shown = infos(call)?
        .into_iter()
        .map(|info| (info.name.clone(), Value::object([("mappings", render_mapping(&info.mapping))])));
    Ok(Answer::json(Value::object(shown)))
}

/// The settings of indices.
pub(super) fn get_settings(call: &Call) -> Result<Answer, Failure> {
    let shown =
        infos(call)?.into_iter().map(|info| (info.name.clone(), Value::object([("settings", render_settings(&info))])));
    Ok(Answer::json(Value::object(shown)))
}

fn render_settings(info: &IndexInfo) -> Value {
    let mut settings = Value::object([("creation_date", Value::from(info.created_ms.to_string()))]);
    if let Some(ms) = info.settings.refresh_interval_ms {
        let text = match ms {
            -1 => "-1".to_owned(),
            ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
            ms => format!("{ms}ms"),
        };
        settings.push("refresh_interval", text);
    }
    settings.push("number_of_shards", info.settings.shards.unwrap_or(1).to_string());
    settings.push("number_of_replicas", info.settings.replicas.unwrap_or(1).to_string());
    settings.push("uuid", info.uuid.as_str());
    settings.push("version", Value::object([("created", Value::from(CREATED_VERSION))]));
    settings.push("provided_name", info.name.as_str());
    Value::object([("index", settings)])
}

/// Adds fields to mappings.
pub(super) fn put_mapping(call: &Call) -> Result<Answer, Failure> {
    call.hints(&["timeout", "master_timeout"]);
    let names = call.indices()?;
    call.no_others()?;
    if names.is_empty() {
        return Err(no_index(call.part("index"), "index_or_alias"));
    }
    let body = Body::read(&call.body)?;
    let mapping = parse_mapping(&body.root)?;
    for name in names {
        call.index.put_mapping(&name, &mapping)?;
    }
    Ok(Answer::json(acknowledged()))
}

/// Makes writes visible.
pub(super) fn refresh(call: &Call) -> Result<Answer, Failure> {
    let names = call.indices()?;
    call.no_others()?;
    for name in &names {
        call.index.refresh(name)?;
    }
    let shards = [("total", names.len()), ("successful", names.len()), ("failed", 0)];
    Ok(Answer::json(Value::object([("_shards", Value::object(shards.map(|(k, v)| (k, Value::from(v)))))])))
}

/// Moves what the log has to chunk files, for all indices together.
pub(super) fn flush(call: &Call) -> Result<Answer, Failure> {
    call.hints(&["force", "wait_if_ongoing"]);
    let names = call.indices()?;
    call.no_others()?;
    call.index.checkpoint()?;
    let shards = [("total", names.len()), ("successful", names.len()), ("failed", 0)];
    Ok(Answer::json(Value::object([("_shards", Value::object(shards.map(|(k, v)| (k, Value::from(v)))))])))
}

/// Whether a name is meant by an expression of names and wildcards.
pub(super) fn is_meant(expression: &str, name: &str) -> bool {
    expression.is_empty() || expression.split(',').any(|e| e == "_all" || matches_pattern(e, name))
}
