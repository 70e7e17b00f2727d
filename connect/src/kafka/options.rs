//! The options of the tables, under the names and with the defaults of Flink's connectors.

use super::KafkaKind;
use super::properties;
use engine::plan::TableDef;
use engine::port::{PortError, RecordLayout};
use engine::run::decode::JsonOptions;
use engine::run::duration_ms;
use engine::types::DataType;
use model::Kind;
use std::collections::BTreeMap;

const TOPIC: &str = "topic";
const START: &str = "scan.startup.mode";
const START_OFFSETS: &str = "scan.startup.specific-offsets";
const START_TIME: &str = "scan.startup.timestamp-millis";
const BOUND: &str = "scan.bounded.mode";
const BOUND_OFFSETS: &str = "scan.bounded.specific-offsets";
const BOUND_TIME: &str = "scan.bounded.timestamp-millis";
const DISCOVERY: &str = "scan.topic-partition-discovery.interval";
const KEY_FORMAT: &str = "key.format";
const KEY_FIELDS: &str = "key.fields";
const KEY_PREFIX: &str = "key.fields-prefix";
const INCLUDE: &str = "value.fields-include";
const PARTITIONER: &str = "sink.partitioner";
const GUARANTEE: &str = "sink.delivery-guarantee";
const ID_PREFIX: &str = "sink.transactional-id-prefix";

/// What both connectors take, beside `properties.*` and the options of the formats.
const BOTH: [&str; 9] =
    ["connector", TOPIC, KEY_FORMAT, KEY_PREFIX, INCLUDE, "value.format", BOUND, BOUND_OFFSETS, BOUND_TIME];
/// What `kafka` alone takes, read or written: one definition of a table serves both.
const PLAIN: [&str; 8] = [KEY_FIELDS, START, START_OFFSETS, START_TIME, DISCOVERY, PARTITIONER, GUARANTEE, ID_PREFIX];
/// What `upsert-kafka` alone takes. The engine makes one of several changes of a key before they reach any sink.
const UPSERT: [&str; 2] = ["sink.buffer-flush.max-rows", "sink.buffer-flush.interval"];

/// How often new partitions are looked for where nothing is said, in milliseconds.
const DISCOVERY_MS: u64 = 300_000;

/// A place in each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Its oldest record.
    Earliest,
    /// Behind its newest record.
    Latest,
    /// Where the consumer group has come to.
    Group,
    /// The first record of this time or later, in milliseconds since the epoch.
    Time(i64),
    /// By partition.
    Offsets(BTreeMap<i32, i64>),
}

/// What a table that is read says.
#[derive(Debug, Clone)]
pub(super) struct SourceOptions {
    /// In the order in which they are named: splits are numbered by it.
    pub(super) topics: Vec<String>,
    pub(super) start: Place,
    /// Where reading ends; `None`: never.
    pub(super) bound: Option<Place>,
    /// How often new partitions are looked for, in milliseconds; 0: never.
    pub(super) discovery_ms: u64,
    /// Where to go on where an offset is not to be had.
    pub(super) reset: Option<Place>,
    /// Whether the group is told how far durable checkpoints have come.
    pub(super) commits: bool,
    /// How a record becomes a row, where its key says something beside its value.
    pub(super) layout: Option<RecordLayout>,
    /// A record without a value takes the row of its key away; else it is none.
    pub(super) upserts: bool,
    pub(super) properties: BTreeMap<String, String>,
}

impl SourceOptions {
    /// # Errors
    /// `Invalid`, with the option's name.
    pub(super) fn parse(table: &TableDef, kind: KafkaKind) -> Result<Self, PortError> {
        known(table, kind)?;
        let (properties, upserts) = (properties::of(table)?, kind == KafkaKind::Upsert);
        let layout = read_by_key(table, kind)?;
        let topics: Vec<String> = required(table, TOPIC)?.split(';').map(|t| t.trim().to_owned()).collect();
        let twice = |(at, topic): (usize, &String)| topics[..at].contains(topic);
        if topics.iter().any(String::is_empty) || topics.iter().enumerate().any(twice) {
            return Err(wrong(table, format!("'{TOPIC}' names topics, each once, separated by semicolons")));
        }
        let bound = match table.options.get(BOUND).map(String::as_str) {
            None | Some("unbounded") => None,
            Some("earliest-offset") => {
                return Err(wrong(table, format!("'{BOUND}' = 'earliest-offset' reads nothing")));
            }
            Some(mode) => Some(place(table, BOUND, mode, BOUND_TIME, BOUND_OFFSETS)?),
        };
        // What was replaced long ago may still be there: rows of upserts are known when all have been read.
        let first = if upserts { "earliest-offset" } else { "group-offsets" };
        let mode = table.options.get(START).map_or(first, String::as_str);
        let start = place(table, START, mode, START_TIME, START_OFFSETS)?;
        if topics.len() > 1 && [Some(&start), bound.as_ref()].iter().any(|p| matches!(p, Some(Place::Offsets(_)))) {
            return Err(wrong(table, "offsets of partitions can be given for one topic alone".into()));
        }
        let discovery_ms = match table.options.get(DISCOVERY) {
            None => DISCOVERY_MS,
            Some(text) => duration_ms(text)
                .ok_or_else(|| wrong(table, format!("'{DISCOVERY}' is a duration such as '5 min', not '{text}'")))?,
        };
        let (reset, commits) = (properties::reset(table)?, properties::commits(table)?);
        Ok(Self { topics, start, bound, discovery_ms, reset, commits, layout, upserts, properties })
    }
}

/// The place that `mode` names.
fn place(table: &TableDef, key: &str, mode: &str, time: &str, offsets: &str) -> Result<Place, PortError> {
    match mode {
        "earliest-offset" => Ok(Place::Earliest),
        "latest-offset" => Ok(Place::Latest),
        "group-offsets" => Ok(Place::Group),
        "timestamp" => {
            let text = required(table, time)?;
            let ms = text.trim().parse().ok().filter(|ms| *ms >= 0);
            let what = || wrong(table, format!("'{time}' is a time in milliseconds since 1970, not '{text}'"));
            ms.map(Place::Time).ok_or_else(what)
        }
        "specific-offsets" => {
            let text = required(table, offsets)?;
            let what = || {
                wrong(
                    table,
                    format!("'{offsets}' is written as 'partition:0,offset:42;partition:1,offset:300', not '{text}'"),
                )
            };
            by_partition(text).map(Place::Offsets).ok_or_else(what)
        }
        other => Err(wrong(
            table,
            format!(
                "'{key}' is earliest-offset, latest-offset, group-offsets, timestamp or specific-offsets, not '{other}'"
            ),
        )),
    }
}

fn by_partition(text: &str) -> Option<BTreeMap<i32, i64>> {
    let mut offsets = BTreeMap::new();
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let (partition, offset) = part.split_once(',')?;
        let number = partition.trim().strip_prefix("partition:")?.trim().parse().ok().filter(|n| *n >= 0)?;
        let offset = offset.trim().strip_prefix("offset:")?.trim().parse().ok().filter(|n| *n >= 0)?;
        offsets.insert(number, offset).is_none().then_some(())?;
    }
    (!offsets.is_empty()).then_some(offsets)
}

/// What a sink promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guarantee {
    /// Nothing: a checkpoint does not wait for records that are on their way.
    None,
    /// Each row is there at least once.
    AtLeastOnce,
    /// Each row is there once for those who read what is committed; the ids of transactions begin so.
    ExactlyOnce(String),
}

/// How the key of a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFormat {
    /// An object of its columns.
    Json,
    /// The text of its one column.
    Raw,
}

/// How rows become keys and values, by columns of the table.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) key: Option<KeyLayout>,
    pub(super) value: Vec<usize>,
    pub(super) value_json: JsonOptions,
}

impl Layout {
    /// # Errors
    /// `Invalid`, with the option's name.
    fn of(table: &TableDef, kind: KafkaKind) -> Result<Self, PortError> {
        let key = match kind {
            KafkaKind::Plain => key_layout(table)?,
            KafkaKind::Upsert => Some(primary_key_layout(table)?),
        };
        let except = excludes_key(table)?;
        let is_key = |c: &usize| key.as_ref().is_some_and(|key| key.columns.contains(c));
        let value: Vec<usize> = (0..table.schema.fields.len()).filter(|c| !except || !is_key(c)).collect();
        if key.as_ref().is_some_and(|key| !key.prefix.is_empty()) && !except {
            return Err(wrong(table, format!("'{KEY_PREFIX}' needs '{INCLUDE}' = 'EXCEPT_KEY'")));
        }
        Ok(Self { key, value, value_json: value_format(table)? })
    }
}

/// How a table is read whose records' keys say something beside their values: which rows go away, or columns that stand
/// there alone. Where values have all columns, keys are not looked at.
fn read_by_key(table: &TableDef, kind: KafkaKind) -> Result<Option<RecordLayout>, PortError> {
    let Layout { key, value, .. } = Layout::of(table, kind)?;
    let Some(key) = key.filter(|_| kind == KafkaKind::Upsert || value.len() < table.schema.fields.len()) else {
        return Ok(None);
    };
    let named = |column: &usize| {
        let name = &table.schema.fields[*column].name;
        (*column, name.strip_prefix(&key.prefix).unwrap_or(name).to_owned())
    };
    let key_format = match key.format {
        KeyFormat::Raw => engine::port::KeyFormat::Raw,
        KeyFormat::Json => engine::port::KeyFormat::Json(key.json),
    };
    Ok(Some(RecordLayout { key_format, key: key.columns.iter().map(named).collect(), value }))
}

/// What the key of a record is made of.
#[derive(Debug, Clone)]
pub(super) struct KeyLayout {
    pub(super) format: KeyFormat,
    pub(super) columns: Vec<usize>,
    /// What the names of its columns begin with in the table, and not in the key.
    pub(super) prefix: String,
    pub(super) json: JsonOptions,
}

/// What a table that is written says.
#[derive(Debug, Clone)]
pub(super) struct SinkOptions {
    pub(super) topic: String,
    pub(super) guarantee: Guarantee,
    /// Each writer keeps to one partition.
    pub(super) fixed: bool,
    pub(super) layout: Layout,
    pub(super) properties: BTreeMap<String, String>,
}

impl SinkOptions {
    /// # Errors
    /// `Invalid`, with the option's name.
    pub(super) fn parse(table: &TableDef, kind: KafkaKind) -> Result<Self, PortError> {
        known(table, kind)?;
        let topic = required(table, TOPIC)?.to_owned();
        if topic.contains(';') {
            return Err(wrong(table, format!("'{TOPIC}' names one topic where it is written to")));
        }
        let fixed = match table.options.get(PARTITIONER).map(String::as_str) {
            None | Some("default") => false,
            Some("fixed") => true,
            Some(other) => return Err(wrong(table, format!("'{PARTITIONER}' is default or fixed, not '{other}'"))),
        };
        let layout = Layout::of(table, kind)?;
        Ok(Self { topic, guarantee: guarantee(table)?, fixed, layout, properties: properties::of(table)? })
    }
}

fn guarantee(table: &TableDef) -> Result<Guarantee, PortError> {
    match table.options.get(GUARANTEE).map(String::as_str) {
        Some("none") => Ok(Guarantee::None),
        None | Some("at-least-once") => Ok(Guarantee::AtLeastOnce),
        Some("exactly-once") => Ok(Guarantee::ExactlyOnce(required(table, ID_PREFIX)?.to_owned())),
        Some(other) => {
            Err(wrong(table, format!("'{GUARANTEE}' is none, at-least-once or exactly-once, not '{other}'")))
        }
    }
}

/// The key of a plain topic: columns by name.
fn key_layout(table: &TableDef) -> Result<Option<KeyLayout>, PortError> {
    let names = table.options.get(KEY_FIELDS).map_or("", String::as_str);
    let names: Vec<&str> = names.split(';').map(str::trim).filter(|name| !name.is_empty()).collect();
    match (table.options.contains_key(KEY_FORMAT), names.is_empty()) {
        (false, true) => return Ok(None),
        (false, false) => return Err(wrong(table, format!("'{KEY_FIELDS}' needs '{KEY_FORMAT}'"))),
        (true, true) => return Err(wrong(table, format!("'{KEY_FORMAT}' needs '{KEY_FIELDS}'"))),
        (true, false) => {}
    }
    let column = |name: &&str| {
        let found = table.schema.fields.iter().position(|f| f.name == *name);
        found.ok_or_else(|| wrong(table, format!("'{KEY_FIELDS}' names '{name}', which is no column")))
    };
    with_format(table, names.iter().map(column).collect::<Result<_, _>>()?).map(Some)
}

/// The key of an upserted topic: the primary key.
fn primary_key_layout(table: &TableDef) -> Result<KeyLayout, PortError> {
    if table.primary_key.is_empty() {
        let what = "connector 'upsert-kafka' needs a PRIMARY KEY (…) NOT ENFORCED: records are replaced by it";
        return Err(wrong(table, what.into()));
    }
    required(table, KEY_FORMAT)?;
    with_format(table, table.primary_key.clone())
}

fn with_format(table: &TableDef, columns: Vec<usize>) -> Result<KeyLayout, PortError> {
    let prefix = table.options.get(KEY_PREFIX).cloned().unwrap_or_default();
    let field = |c: &usize| &table.schema.fields[*c];
    if let Some(c) = columns.iter().find(|c| !field(c).name.starts_with(&prefix)) {
        let what = format!("'{KEY_PREFIX}' is '{prefix}', but the key's column '{}' does not begin so", field(c).name);
        return Err(wrong(table, what));
    }
    let format = match required(table, KEY_FORMAT)? {
        "json" => KeyFormat::Json,
        "raw" => KeyFormat::Raw,
        other => {
            return Err(wrong(table, format!("'{KEY_FORMAT}' = '{other}' is not supported; supported: json, raw")));
        }
    };
    let is_text = |c: &usize| matches!(field(c).data_type, DataType::Char(_) | DataType::Varchar(_));
    if format == KeyFormat::Raw && !(columns.len() == 1 && columns.iter().all(is_text)) {
        return Err(wrong(table, format!("'{KEY_FORMAT}' = 'raw' takes one column, of type STRING; use json")));
    }
    let mut options: BTreeMap<String, String> = BTreeMap::from([("format".into(), "json".into())]);
    for (key, value) in &table.options {
        let own = key.strip_prefix("key.").filter(|own| own.starts_with("json."));
        options.extend(own.map(|own| (own.to_owned(), value.clone())));
    }
    let json = JsonOptions::parse(&options).map_err(|e| wrong(table, format!("key: {e}")))?;
    Ok(KeyLayout { format, columns, prefix, json })
}

fn value_format(table: &TableDef) -> Result<JsonOptions, PortError> {
    if table.options.contains_key("format") && table.options.contains_key("value.format") {
        return Err(wrong(table, "'format' and 'value.format' say the same: give one of them".into()));
    }
    JsonOptions::parse(&table.options).map_err(|e| wrong(table, e.message))
}

/// Whether values are without the columns of the key.
fn excludes_key(table: &TableDef) -> Result<bool, PortError> {
    match table.options.get(INCLUDE).map(|v| v.to_ascii_uppercase()).as_deref() {
        None | Some("ALL") => Ok(false),
        Some("EXCEPT_KEY") => Ok(true),
        Some(other) => Err(wrong(table, format!("'{INCLUDE}' is ALL or EXCEPT_KEY, not '{other}'"))),
    }
}

/// Refuses options that the connector does not have.
fn known(table: &TableDef, kind: KafkaKind) -> Result<(), PortError> {
    let own: &[&str] = match kind {
        KafkaKind::Plain => &PLAIN,
        KafkaKind::Upsert => &UPSERT,
    };
    let is_format = |key: &str| {
        let plain = key.strip_prefix("value.").or_else(|| key.strip_prefix("key.")).unwrap_or(key);
        JsonOptions::KEYS.contains(&plain)
    };
    let fits =
        |key: &str| BOTH.contains(&key) || own.contains(&key) || key.starts_with(properties::PREFIX) || is_format(key);
    match table.options.keys().find(|key| !fits(key)) {
        None => Ok(()),
        Some(key) => {
            let all: Vec<&str> = BOTH.iter().chain(own).copied().chain(["properties.*", "json.*"]).collect();
            Err(wrong(
                table,
                format!("connector '{}' has no option '{key}'; it takes: {}", kind.name(), all.join(", ")),
            ))
        }
    }
}

/// An error about a table.
pub(super) fn wrong(table: &TableDef, message: String) -> PortError {
    PortError::new(Kind::Invalid, format!("table {}: {message}", table.name))
}

fn required<'a>(table: &'a TableDef, key: &str) -> Result<&'a str, PortError> {
    let given = table.options.get(key).map(String::as_str).filter(|value| !value.trim().is_empty());
    given.ok_or_else(|| wrong(table, format!("the option '{key}' is missing")))
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
