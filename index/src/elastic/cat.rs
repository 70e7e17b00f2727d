//! `_cat`: tables for people, and the same as JSON.

use super::call::{Answer, Call};
use super::failure::Failure;
use super::indices::is_meant;
use crate::index::IndexInfo;
use crate::json::Value;
use crate::time::{DateFormat, Zone};

/// A column of a table: its name, its short names, whether it is shown unasked, whether it stands to the right.
struct ColumnOf<T> {
    name: &'static str,
    short: &'static [&'static str],
    shown: bool,
    right: bool,
    value: fn(&T) -> String,
}

fn column<T>(
    name: &'static str,
    short: &'static [&'static str],
    shown: bool,
    right: bool,
    value: fn(&T) -> String,
) -> ColumnOf<T> {
    ColumnOf { name, short, shown, right, value }
}

/// Bytes as people read them.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["b", "kb", "mb", "gb", "tb"];
    let (mut size, mut unit) = (count as f64, 0);
    while size >= 1_024.0 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count}b") } else { format!("{:.1}{}", (size * 10.0).floor() / 10.0, UNITS[unit]) }
}

fn index_columns() -> Vec<ColumnOf<(IndexInfo, u64)>> {
    vec![
        column("health", &["h"], true, false, |_| "green".to_owned()),
        column("status", &["s"], true, false, |_| "open".to_owned()),
        column("index", &["i", "idx"], true, false, |(i, _)| i.name.clone()),
        column("uuid", &["id"], true, false, |(i, _)| i.uuid.clone()),
        column("pri", &["p", "shards.primary"], true, true, |(i, _)| i.settings.shards.unwrap_or(1).to_string()),
        column("rep", &["r", "shards.replica"], true, true, |(i, _)| i.settings.replicas.unwrap_or(1).to_string()),
        column("docs.count", &["dc", "docsCount"], true, true, |(i, _)| i.documents.to_string()),
        column("docs.deleted", &["dd", "docsDeleted"], true, true, |(i, _)| i.deleted.to_string()),
        column("store.size", &["ss", "storeSize"], true, true, |(_, disk)| bytes(*disk)),
        column("pri.store.size", &[], true, true, |(_, disk)| bytes(*disk)),
        column("creation.date", &["cd"], false, true, |(i, _)| i.created_ms.to_string()),
    ]
}

/// `_cat/indices`.
pub(super) fn indices(call: &Call) -> Result<Answer, Failure> {
    call.hints(&["local", "master_timeout", "time"]);
    let names = call.indices()?;
    let rows: Vec<_> = names
        .iter()
        .filter(|name| is_meant(call.part("index"), name))
        .filter_map(|name| Some((call.index.info(name).ok()?, call.index.disk_bytes(name).ok()?)))
        .collect();
    table(call, &index_columns(), &rows)
}

/// `_cat/count`.
pub(super) fn count(call: &Call) -> Result<Answer, Failure> {
    let names = call.indices()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let count = call.index.count(&names, &crate::search::Query::ALL)?;
    let now_ms = call.index.env().now_ms();
    let columns = vec![
        column("epoch", &["t", "time"], true, false, |(_, ms): &(u64, u64)| (ms / 1_000).to_string()),
        column("timestamp", &["ts", "hms", "hhmmss"], true, false, |(_, ms)| clock(*ms)),
        column("count", &["dc", "docs.count", "docsCount"], true, false, |(count, _)| count.to_string()),
    ];
    table(call, &columns, &[(count, now_ms)])
}

/// `_cat/health`.
pub(super) fn health(call: &Call) -> Result<Answer, Failure> {
    call.hints(&["ts", "time"]);
    let rows = [(call.index.names().len(), call.index.env().now_ms())];
    let columns: Vec<ColumnOf<(usize, u64)>> = vec![
        column("epoch", &["t", "time"], true, false, |(_, ms)| (ms / 1_000).to_string()),
        column("timestamp", &["ts", "hms", "hhmmss"], true, false, |(_, ms)| clock(*ms)),
        column("cluster", &["cl"], true, false, |_| super::cluster::NAME.to_owned()),
        column("status", &["st"], true, false, |_| "green".to_owned()),
        column("node.total", &["nt", "nodeTotal"], true, true, |_| "1".to_owned()),
        column("node.data", &["nd", "nodeData"], true, true, |_| "1".to_owned()),
        column("shards", &["t", "sh", "shards.total"], true, true, |(n, _)| n.to_string()),
        column("pri", &["p", "shards.primary"], true, true, |(n, _)| n.to_string()),
        column("relo", &["r"], true, true, |_| "0".to_owned()),
        column("init", &["i"], true, true, |_| "0".to_owned()),
        column("unassign", &["u"], true, true, |_| "0".to_owned()),
        column("pending_tasks", &["pt"], true, true, |_| "0".to_owned()),
        column("max_task_wait_time", &["mtwt"], true, true, |_| "-".to_owned()),
        column("active_shards_percent", &["asp"], true, true, |_| "100.0%".to_owned()),
    ];
    table(call, &columns, &rows)
}

fn clock(ms: u64) -> String {
    DateFormat::new("HH:mm:ss").map_or_else(|_| String::new(), |f| f.print(ms as i64, Zone::UTC))
}

fn table<T>(call: &Call, columns: &[ColumnOf<T>], rows: &[T]) -> Result<Answer, Failure> {
    let heads = call.flag("v", false)?;
    let json = call.wants_json()?;
    let chosen: Vec<&ColumnOf<T>> = match call.list("h") {
        None => columns.iter().filter(|c| c.shown).collect(),
        Some(names) => {
            let one = |name: &String| {
                columns
                    .iter()
                    .find(|c| c.name == name || c.short.contains(&name.as_str()))
                    .ok_or_else(|| Failure::argument(format!("no column [{name}] in this table")))
            };
            names.iter().map(one).collect::<Result<_, _>>()?
        }
    };
    call.no_others()?;
    let values: Vec<Vec<String>> = rows.iter().map(|row| chosen.iter().map(|c| (c.value)(row)).collect()).collect();
    if json {
        let row = |row: &Vec<String>| {
            Value::object(chosen.iter().zip(row).map(|(c, value)| (c.name, Value::from(value.as_str()))))
        };
        return Ok(Answer::json(Value::array(values.iter().map(row))));
    }
    let head = heads.then(|| chosen.iter().map(|c| c.name.to_owned()).collect());
    let lines: Vec<Vec<String>> = head.into_iter().chain(values).collect();
    let width = |at: usize| lines.iter().map(|l| l[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..chosen.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&chosen)
            .zip(&widths)
            .map(|((value, c), w)| if c.right { format!("{value:>w$}") } else { format!("{value:<w$}") })
            .collect();
        text.push_str(cells.join(" ").trim_end());
        text.push('\n');
    }
    Ok(Answer::text(text))
}
