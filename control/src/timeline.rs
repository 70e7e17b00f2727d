//! What happened, on one axis of time: throttles, reshards, stalls, failures, restarts, decisions, alarms.
//!
//! Whoever sees something happen tells it here once, when it begins and when it is over. What goes wrong within minutes of
//! each other is one trouble, and its first cause is what went wrong first.

use crate::database::{Database, DatabaseError};
use rusqlite::Row;
use serde_json::Value;
use std::sync::Arc;

/// Happenings that are kept; the oldest go first.
pub const EVENTS_MAX: u32 = 20_000;

const STEPS: [&str; 1] = ["CREATE TABLE events (
        id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, severity TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
        text TEXT NOT NULL, details TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_by_time ON events (at_ms);"];

/// What goes wrong within this time of what went wrong before belongs to the same trouble, in milliseconds.
const TROUBLE_GAP_MS: u64 = 5 * 60 * 1_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It belongs to a good day.
    Info,
    /// Something is at its limit.
    Warning,
    /// Something does not work.
    Fault,
}

impl Severity {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "fault" => Self::Fault,
            "warning" => Self::Warning,
            _ => Self::Info,
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How bad it is.
    pub severity: Severity,
    /// What sort of thing, in one word: `throttle`, `reshard`, `stall`, `checkpoint`, `restart`, `scaling`, `alarm`, `sink`, …
    pub kind: String,
    /// To what: `stream/trips`, `application/taxi`, `alarm/lag`.
    pub subject: String,
    /// What happened, as a sentence.
    pub text: String,
    /// Figures that belong to it; null where there are none.
    pub details: Value,
}

/// The happenings of the platform.
#[derive(Clone)]
pub struct Timeline {
    database: Arc<Database>,
}

impl Timeline {
    /// The happenings that are kept in this database.
    ///
    /// # Errors
    /// When its tables cannot be made.
    pub fn open(database: Arc<Database>) -> Result<Self, DatabaseError> {
        database.migrate("timeline", &STEPS)?;
        Ok(Self { database })
    }

    /// Keeps that something happened. What cannot be kept is told in the log.
    pub fn tell(&self, event: &Event) {
        let Event { at_ms, severity, kind, subject, text, details } = event;
        let kept = self.database.write(|sql| {
            sql.execute(
                "INSERT INTO events (at_ms, severity, kind, subject, text, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (*at_ms as i64, severity.name(), kind, subject, text, details.to_string()),
            )?;
            let last = sql.last_insert_rowid();
            sql.execute("DELETE FROM events WHERE id <= ?1", [last - i64::from(EVENTS_MAX)])
        });
        if let Err(error) = kept {
            tracing::error!(%error, kind, subject, text, "a happening could not be kept");
        }
    }

    /// What happened from `from_ms` until before `to_ms`, the oldest first; of more than `limit` the latest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn between(&self, from_ms: u64, to_ms: u64, limit: u32) -> Result<Vec<Event>, DatabaseError> {
        let whole = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let mut events: Vec<Event> = self.database.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT at_ms, severity, kind, subject, text, details FROM events
                 WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY at_ms DESC, id DESC LIMIT ?3",
            )?;
            statement.query_map((whole(from_ms), whole(to_ms), limit), event)?.collect()
        })?;
        events.reverse();
        Ok(events)
    }
}

/// Which of the happenings, given in the order of time, are first causes: in each run of warnings and faults that come within
/// five minutes of each other the first one, if a fault is among them.
pub fn first_causes(events: &[Event]) -> Vec<bool> {
    let mut first = vec![false; events.len()];
    let mut trouble: Option<(usize, u64)> = None;
    for (at, event) in events.iter().enumerate().filter(|(_, event)| event.severity >= Severity::Warning) {
        let goes_on = trouble.filter(|(_, last_ms)| event.at_ms.saturating_sub(*last_ms) <= TROUBLE_GAP_MS);
        let begun = goes_on.map_or(at, |(begun, _)| begun);
        trouble = Some((begun, event.at_ms));
        first[begun] |= event.severity == Severity::Fault;
    }
    first
}

fn event(row: &Row<'_>) -> Result<Event, rusqlite::Error> {
    let (at_ms, severity, details): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(5)?);
    Ok(Event {
        at_ms: at_ms as u64,
        severity: Severity::of(&severity),
        kind: row.get(2)?,
        subject: row.get(3)?,
        text: row.get(4)?,
        details: serde_json::from_str(&details).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn happening(at_ms: u64) -> Event {
        Event {
            at_ms,
            severity: Severity::Fault,
            kind: "restart".into(),
            subject: "application/taxi".into(),
            text: format!("restarted at {at_ms}"),
            details: json!({ "attempt": at_ms }),
        }
    }

    #[test]
    fn the_first_cause_is_what_went_wrong_first_in_a_trouble_with_a_fault() {
        use Severity::{Fault, Info, Warning};
        let minutes = |(minute, severity): (u64, Severity)| Event { severity, ..happening(minute * 60_000) };
        let check = |all: &[(u64, Severity)], expected: &[usize]| {
            let events: Vec<Event> = all.iter().copied().map(minutes).collect();
            let first = first_causes(&events);
            let marked: Vec<usize> = (0..first.len()).filter(|at| first[*at]).collect();
            assert_eq!(marked, expected, "{all:?}");
        };
        check(&[], &[]);
        check(&[(0, Info), (1, Warning), (2, Info), (3, Fault), (7, Fault)], &[1]);
        check(&[(0, Warning), (6, Fault)], &[1]);
        check(&[(0, Warning), (4, Warning), (9, Fault), (20, Fault)], &[0, 3]);
        check(&[(0, Warning), (1, Warning)], &[]);
    }

    #[test]
    fn what_happened_is_told_in_the_order_of_time_and_the_latest_where_it_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let database = Arc::new(Database::open(&dir.path().join("control.db")).unwrap());
        let timeline = Timeline::open(database).unwrap();
        for at_ms in [30, 10, 20, 40] {
            timeline.tell(&happening(at_ms));
        }
        let told = |from, to, limit| {
            timeline.between(from, to, limit).unwrap().iter().map(|event| event.at_ms).collect::<Vec<_>>()
        };
        assert_eq!(told(0, u64::MAX, 10), [10, 20, 30, 40]);
        assert_eq!(told(10, 40, 2), [20, 30]);
        assert_eq!(timeline.between(10, 11, 9).unwrap(), [happening(10)]);
    }
}
