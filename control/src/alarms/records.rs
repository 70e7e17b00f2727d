//! Alarms, their states and their history in the database.

use super::spec::{Alarm, State};
use crate::database::{Database, DatabaseError};
use rusqlite::types::Value as Sql;
use rusqlite::{Row, Transaction, params, params_from_iter};

/// How long history is kept, in milliseconds.
const KEPT_MS: u64 = 30 * 86_400_000;
/// Most items of history; the oldest go first.
const ITEMS_MAX: u32 = 100_000;

const STEPS: [&str; 1] = ["CREATE TABLE alarms (
        name TEXT PRIMARY KEY, spec TEXT NOT NULL, configured_ms INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
        reason_data TEXT, updated_ms INTEGER NOT NULL, transitioned_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE alarm_history (
        id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, alarm TEXT NOT NULL, composite INTEGER NOT NULL, kind TEXT NOT NULL,
        summary TEXT NOT NULL, data TEXT NOT NULL
    ) STRICT;
    CREATE INDEX alarm_history_by_time ON alarm_history (at_ms);
    CREATE INDEX alarm_history_by_alarm ON alarm_history (alarm, at_ms);"];

/// What has become of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Its state.
    pub state: State,
    /// Why, in words.
    pub reason: String,
    /// Why, for programs: a document in JSON.
    pub reason_data: Option<String>,
    /// When the reason was last told anew, in milliseconds since the Unix epoch.
    pub updated_ms: u64,
    /// When it came to this state, likewise.
    pub transitioned_ms: u64,
    /// When somebody last changed the alarm, likewise.
    pub configured_ms: u64,
}

/// What sort of thing happened to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryKind {
    /// Somebody made, changed or removed it.
    ConfigurationUpdate,
    /// Its state changed.
    StateUpdate,
    /// Something was done about it, or was not.
    Action,
}

impl HistoryKind {
    const ALL: [Self; 3] = [Self::ConfigurationUpdate, Self::StateUpdate, Self::Action];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigurationUpdate => "ConfigurationUpdate",
            Self::StateUpdate => "StateUpdate",
            Self::Action => "Action",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Something that happened to an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryItem {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// To which alarm.
    pub alarm: String,
    /// Whether that watches other alarms.
    pub composite: bool,
    /// What sort of thing.
    pub kind: HistoryKind,
    /// In one sentence.
    pub summary: String,
    /// In full: a document in JSON.
    pub data: String,
}

/// Which items of history are asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryFilter {
    /// Those of this alarm.
    pub alarm: Option<String>,
    /// Those of alarms that watch other alarms, or that do not.
    pub composite: Option<bool>,
    /// Those of this kind.
    pub kind: Option<HistoryKind>,
    /// Those since then, in milliseconds since the Unix epoch.
    pub from_ms: Option<u64>,
    /// Those before then, likewise.
    pub to_ms: Option<u64>,
    /// The oldest first, in place of the latest.
    pub oldest_first: bool,
    /// How many are passed over.
    pub offset: u32,
    /// How many at most.
    pub limit: u32,
}

/// Brings the tables up to date.
pub(super) fn migrate(database: &Database) -> Result<(), DatabaseError> {
    database.migrate("alarms", &STEPS)
}

/// All alarms. One that this version cannot read is told in the log and left where it is.
pub(super) fn load(database: &Database) -> Result<Vec<(Alarm, Status)>, DatabaseError> {
    let rows: Vec<(String, String, Status)> = database.read(|sql| {
        let mut statement = sql.prepare(
            "SELECT name, spec, state, reason, reason_data, updated_ms, transitioned_ms, configured_ms FROM alarms ORDER BY name",
        )?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, status(row)?)))?.collect()
    })?;
    let read = |(name, spec, status): (String, String, Status)| match serde_json::from_str(&spec) {
        Ok(alarm) => Some((alarm, status)),
        Err(error) => {
            tracing::error!(alarm = name, %error, "an alarm cannot be read and is not evaluated");
            None
        }
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

fn status(row: &Row<'_>) -> Result<Status, rusqlite::Error> {
    let state: String = row.get(2)?;
    Ok(Status {
        state: State::named(&state).unwrap_or(State::InsufficientData),
        reason: row.get(3)?,
        reason_data: row.get(4)?,
        updated_ms: row.get::<_, i64>(5)? as u64,
        transitioned_ms: row.get::<_, i64>(6)? as u64,
        configured_ms: row.get::<_, i64>(7)? as u64,
    })
}

/// Keeps alarms with their states, and what happened to them, together.
pub(super) fn keep(
    database: &Database,
    alarms: &[(&Alarm, &Status)],
    items: &[HistoryItem],
) -> Result<(), DatabaseError> {
    let mut specs = Vec::with_capacity(alarms.len());
    for (alarm, _) in alarms {
        // A document of texts and numbers can always be written; what cannot is told as a fault of the database's user.
        specs.push(serde_json::to_string(alarm).map_err(|error| database.failed(error.into()))?);
    }
    database.write(|sql| {
        for ((alarm, status), spec) in alarms.iter().zip(&specs) {
            sql.execute(
                "INSERT OR REPLACE INTO alarms
                    (name, spec, configured_ms, state, reason, reason_data, updated_ms, transitioned_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    alarm.name,
                    spec,
                    status.configured_ms as i64,
                    status.state.name(),
                    status.reason,
                    status.reason_data,
                    status.updated_ms as i64,
                    status.transitioned_ms as i64
                ],
            )?;
        }
        insert(sql, items)
    })
}

fn insert(sql: &Transaction<'_>, items: &[HistoryItem]) -> Result<(), rusqlite::Error> {
    let Some(newest_ms) = items.iter().map(|item| item.at_ms).max() else { return Ok(()) };
    items.iter().try_for_each(|item| insert_one(sql, item))?;
    let last = sql.last_insert_rowid();
    sql.execute(
        "DELETE FROM alarm_history WHERE id <= ?1 OR at_ms < ?2",
        params![last - i64::from(ITEMS_MAX), newest_ms.saturating_sub(KEPT_MS) as i64],
    )?;
    Ok(())
}

fn insert_one(sql: &Transaction<'_>, item: &HistoryItem) -> Result<(), rusqlite::Error> {
    sql.execute(
        "INSERT INTO alarm_history (at_ms, alarm, composite, kind, summary, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![item.at_ms as i64, item.alarm, item.composite, item.kind.name(), item.summary, item.data],
    )
    .map(drop)
}

/// Removes alarms; their history stays, and says so.
pub(super) fn remove(database: &Database, names: &[String], items: &[HistoryItem]) -> Result<(), DatabaseError> {
    database.write(|sql| {
        for name in names {
            sql.execute("DELETE FROM alarms WHERE name = ?1", [name])?;
        }
        insert(sql, items)
    })
}

/// What happened, as far as it is asked for.
pub(super) fn history(database: &Database, filter: &HistoryFilter) -> Result<Vec<HistoryItem>, DatabaseError> {
    let (mut conditions, mut values) = (vec!["1".to_owned()], Vec::new());
    let mut condition = |text: &str, value: Option<Sql>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push(format!("{text} ?{}", values.len()));
        }
    };
    let time = |ms: u64| Sql::Integer(i64::try_from(ms).unwrap_or(i64::MAX));
    condition("alarm =", filter.alarm.clone().map(Sql::Text));
    condition("composite =", filter.composite.map(|is| Sql::Integer(i64::from(is))));
    condition("kind =", filter.kind.map(|kind| Sql::Text(kind.name().to_owned())));
    condition("at_ms >=", filter.from_ms.map(time));
    condition("at_ms <", filter.to_ms.map(time));
    let order = if filter.oldest_first { "ASC" } else { "DESC" };
    let text = format!(
        "SELECT at_ms, alarm, composite, kind, summary, data FROM alarm_history WHERE {} ORDER BY at_ms {order}, id {order}
         LIMIT {} OFFSET {}",
        conditions.join(" AND "),
        filter.limit,
        filter.offset
    );
    database.read(|sql| sql.prepare_cached(&text)?.query_map(params_from_iter(values), item)?.collect())
}

fn item(row: &Row<'_>) -> Result<HistoryItem, rusqlite::Error> {
    let kind: String = row.get(3)?;
    Ok(HistoryItem {
        at_ms: row.get::<_, i64>(0)? as u64,
        alarm: row.get(1)?,
        composite: row.get(2)?,
        kind: HistoryKind::named(&kind).unwrap_or(HistoryKind::StateUpdate),
        summary: row.get(4)?,
        data: row.get(5)?,
    })
}
