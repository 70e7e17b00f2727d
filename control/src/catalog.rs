//! The applications as they are kept: what each is and was, whether it shall run, what was done with it.

use crate::Handover;
use crate::configuration::{Configuration, Size};
use crate::database::{Database, DatabaseError};
use crate::operation::{Operation, OperationKind, OperationStatus};
use crate::runner::Begin;
use crate::{ControlError, Status};
use model::limits::{LINES_PER_APPLICATION_MAX, OPERATIONS_PER_APPLICATION_MAX, VERSIONS_PER_APPLICATION_MAX};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Snapshots that could not be taken and are still told of; the oldest go first.
const FAILED_SNAPSHOTS_MAX: u32 = 100;

const PART: &str = "applications";

const STEPS: [&str; 1] = ["
    CREATE TABLE applications (
        name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, version INTEGER NOT NULL,
        wanted INTEGER NOT NULL, deleting INTEGER NOT NULL, more TEXT NOT NULL
    ) STRICT;
    CREATE TABLE versions (
        application TEXT NOT NULL REFERENCES applications (name) ON DELETE CASCADE, version INTEGER NOT NULL,
        created_ms INTEGER NOT NULL, status TEXT NOT NULL, updated_from INTEGER, rolled_back_from INTEGER,
        rolled_back_to INTEGER, configuration TEXT NOT NULL, PRIMARY KEY (application, version)
    ) STRICT;
    CREATE TABLE operations (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        application TEXT NOT NULL REFERENCES applications (name) ON DELETE CASCADE, kind TEXT NOT NULL,
        status TEXT NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER, version_from INTEGER, version_to INTEGER,
        failure TEXT, rolled_back_by TEXT
    ) STRICT;
    CREATE INDEX operations_by_application ON operations (application, number);
    CREATE TABLE snapshots (
        application TEXT NOT NULL REFERENCES applications (name) ON DELETE CASCADE, snapshot TEXT NOT NULL,
        version INTEGER NOT NULL, created_ms INTEGER NOT NULL, status TEXT NOT NULL, PRIMARY KEY (application, snapshot)
    ) STRICT;
    CREATE TABLE lines (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        application TEXT NOT NULL REFERENCES applications (name) ON DELETE CASCADE, at_ms INTEGER NOT NULL,
        level TEXT NOT NULL, text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX lines_by_application ON lines (application, number);"];

/// An application as it is kept, but for what its versions hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    pub(crate) version: u64,
    pub(crate) wanted: bool,
    pub(crate) deleting: bool,
    pub(crate) more: More,
}

/// What nobody searches for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct More {
    /// What the next start begins with.
    pub(crate) begin: Begin,
    /// What the last start or update was told to begin with.
    pub(crate) chosen: Begin,
    /// Whether state that the script does not use may be dropped.
    pub(crate) allow_dropped: bool,
    /// The size that a rule has given it.
    pub(crate) size: Option<Size>,
    /// It was rolled back and did not come up.
    pub(crate) rolled_back: bool,
    pub(crate) tags: BTreeMap<String, String>,
    /// When it may be maintained: hours and minutes of UTC at which eight hours begin.
    pub(crate) maintenance: String,
    /// The version of the platform that it ran on last.
    pub(crate) run_by: String,
    /// What it has taken over from another runner.
    pub(crate) handover: Option<Handover>,
    /// The same of the runner that a move under way leaves, for the way back.
    pub(crate) left: Option<Handover>,
    /// Counts logging options, so that no number is given twice.
    pub(crate) logging_count: u64,
}

/// A version of an application.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its number, from 1 on.
    pub version: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// What the application was doing when another version took its place; of the present one, when it was made.
    pub status: Status,
    /// The version that it was made from.
    pub updated_from: Option<u64>,
    /// The version that it has taken back, and the one whose configuration it has.
    pub rolled_back: Option<(u64, u64)>,
    /// What it holds.
    pub configuration: Arc<Configuration>,
}

/// A snapshot as the catalogue knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotRow {
    pub(crate) snapshot: String,
    pub(crate) version: u64,
    pub(crate) created_ms: u64,
    pub(crate) status: String,
}

/// A line that was told of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number: later lines have greater ones.
    pub number: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How bad it is: `INFO`, `WARN`, `ERROR`.
    pub level: String,
    /// What happened.
    pub text: String,
}

/// What is written together with an application.
pub(crate) enum Fact<'a> {
    Version(&'a Version),
    /// The last that the version of this number did.
    VersionStatus(u64, Status),
    Operation(&'a Operation),
    Snapshot(&'a SnapshotRow),
    NoSnapshot(&'a str),
}

/// The tables of all applications.
#[derive(Clone)]
pub(crate) struct Catalog {
    database: Arc<Database>,
}

type Sql<T> = Result<T, rusqlite::Error>;

impl Catalog {
    pub(crate) fn open(database: Arc<Database>) -> Result<Self, DatabaseError> {
        database.migrate(PART, &STEPS)?;
        Ok(Self { database })
    }

    /// Every application with its present version.
    pub(crate) fn all(&self) -> Result<Vec<(Kept, Version)>, DatabaseError> {
        self.database.read(all)
    }

    /// Writes an application and what belongs to it, all or nothing.
    pub(crate) fn write(&self, kept: &Kept, facts: &[Fact<'_>]) -> Result<(), DatabaseError> {
        self.database.write(|sql| {
            put(sql, kept)?;
            facts.iter().try_for_each(|fact| state(sql, &kept.name, fact))
        })
    }

    /// Writes what belongs to an application and does not change it.
    pub(crate) fn add(&self, application: &str, facts: &[Fact<'_>]) -> Result<(), DatabaseError> {
        self.database.write(|sql| facts.iter().try_for_each(|fact| state(sql, application, fact)))
    }

    /// Removes an application and all that belongs to it.
    pub(crate) fn remove(&self, application: &str) -> Result<(), DatabaseError> {
        self.database.write(|sql| sql.execute("DELETE FROM applications WHERE name = ?1", [application]).map(drop))
    }

    /// The versions, the newest first, with numbers below `before`.
    pub(crate) fn versions(&self, application: &str, before: u64, limit: u32) -> Result<Vec<Version>, DatabaseError> {
        self.database.read(|sql| {
            let mut statement = sql.prepare_cached(&format!(
                "SELECT {VERSION} FROM versions WHERE application = ?1 AND version < ?2 ORDER BY version DESC LIMIT ?3"
            ))?;
            statement.query_map((application, whole(before), limit), version)?.collect()
        })
    }

    pub(crate) fn version(&self, application: &str, number: u64) -> Result<Option<Version>, DatabaseError> {
        self.database.read(|sql| version_of(sql, application, number).optional())
    }

    /// The operations, the newest first, with numbers below `before`; each with its number.
    pub(crate) fn operations(
        &self,
        application: &str,
        (kind, status): (Option<&str>, Option<&str>),
        before: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Operation)>, DatabaseError> {
        self.database.read(|sql| {
            let mut statement = sql.prepare_cached(&format!(
                "SELECT {OPERATION} FROM operations WHERE application = ?1 AND number < ?2
                 AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR status = ?4) ORDER BY number DESC LIMIT ?5"
            ))?;
            statement.query_map((application, whole(before), kind, status, limit), operation)?.collect()
        })
    }

    pub(crate) fn operation(&self, application: &str, id: &str) -> Result<Option<Operation>, DatabaseError> {
        let sql = format!("SELECT {OPERATION} FROM operations WHERE application = ?1 AND id = ?2");
        let read = |connection: &Connection| connection.query_row(&sql, (application, id), operation).optional();
        Ok(self.database.read(read)?.map(|(_, operation)| operation))
    }

    pub(crate) fn snapshots(&self, application: &str) -> Result<Vec<SnapshotRow>, DatabaseError> {
        self.database.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT snapshot, version, created_ms, status FROM snapshots WHERE application = ?1 ORDER BY created_ms DESC",
            )?;
            let row = |row: &Row<'_>| {
                let (snapshot, version, created_ms, status) = row.try_into()?;
                Ok(SnapshotRow { snapshot, version: natural(version), created_ms: natural(created_ms), status })
            };
            statement.query_map([application], row)?.collect()
        })
    }

    /// Keeps a line; the oldest ones go.
    pub(crate) fn tell(&self, application: &str, at_ms: u64, level: &str, text: &str) -> Result<(), DatabaseError> {
        self.database.write(|sql| {
            let there = "INSERT INTO lines (application, at_ms, level, text)
                         SELECT name, ?2, ?3, ?4 FROM applications WHERE name = ?1";
            sql.execute(there, (application, whole(at_ms), level, text))?;
            bounded(sql, "lines", application, LINES_PER_APPLICATION_MAX)
        })
    }

    /// The programs that versions of applications name, by the SHA-256 of their bytes.
    pub(crate) fn programs(&self) -> Result<BTreeSet<String>, DatabaseError> {
        self.database.read(|sql| {
            let named = "SELECT DISTINCT json_extract(configuration, '$.code.sha256') FROM versions
                         WHERE json_type(configuration, '$.code') = 'object'";
            sql.prepare_cached(named)?.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// The lines with numbers above `after`, the oldest first; of more than `limit` the latest.
    pub(crate) fn lines(&self, application: &str, after: u64, limit: u32) -> Result<Vec<LogLine>, DatabaseError> {
        let mut lines: Vec<LogLine> = self.database.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT number, at_ms, level, text FROM lines WHERE application = ?1 AND number > ?2 ORDER BY number DESC LIMIT ?3",
            )?;
            let row = |row: &Row<'_>| {
                let (number, at_ms, level, text) = row.try_into()?;
                Ok(LogLine { number: natural(number), at_ms: natural(at_ms), level, text })
            };
            statement.query_map((application, whole(after), limit), row)?.collect()
        })?;
        lines.reverse();
        Ok(lines)
    }
}

/// The applications in a database that this process does not own.
pub(crate) fn look(database: &Connection) -> Sql<Vec<(Kept, Version)>> {
    let there = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'applications'";
    let there: i64 = database.query_row(there, [], |row| row.get(0))?;
    if there == 0 { Ok(Vec::new()) } else { all(database) }
}

const VERSION: &str = "version, created_ms, status, updated_from, rolled_back_from, rolled_back_to, configuration";
const OPERATION: &str = "number, id, kind, status, start_ms, end_ms, version_from, version_to, failure, rolled_back_by";

fn all(sql: &Connection) -> Sql<Vec<(Kept, Version)>> {
    let mut statement = sql.prepare(
        "SELECT name, created_ms, updated_ms, version, wanted, deleting, more FROM applications ORDER BY name",
    )?;
    let kept: Vec<Kept> = statement.query_map([], kept)?.collect::<Sql<_>>()?;
    let with_version = |kept: Kept| version_of(sql, &kept.name, kept.version).map(|version| (kept, version));
    kept.into_iter().map(with_version).collect()
}

fn version_of(sql: &Connection, application: &str, number: u64) -> Sql<Version> {
    let text = format!("SELECT {VERSION} FROM versions WHERE application = ?1 AND version = ?2");
    sql.query_row(&text, (application, whole(number)), version)
}

fn put(sql: &Transaction<'_>, kept: &Kept) -> Sql<()> {
    let Kept { name, created_ms, updated_ms, version, wanted, deleting, more } = kept;
    sql.execute(
        "INSERT INTO applications (name, created_ms, updated_ms, version, wanted, deleting, more)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO UPDATE SET updated_ms = excluded.updated_ms,
         version = excluded.version, wanted = excluded.wanted, deleting = excluded.deleting, more = excluded.more",
        (name, whole(*created_ms), whole(*updated_ms), whole(*version), wanted, deleting, json(more)?),
    )?;
    Ok(())
}

fn state(sql: &Transaction<'_>, application: &str, fact: &Fact<'_>) -> Sql<()> {
    match fact {
        Fact::Version(version) => put_version(sql, application, version),
        Fact::VersionStatus(version, status) => {
            let text = "UPDATE versions SET status = ?3 WHERE application = ?1 AND version = ?2";
            sql.execute(text, (application, whole(*version), status.name())).map(drop)
        }
        Fact::Operation(operation) => put_operation(sql, application, operation),
        Fact::Snapshot(row) => {
            let text = "INSERT OR REPLACE INTO snapshots (application, snapshot, version, created_ms, status)
                        VALUES (?1, ?2, ?3, ?4, ?5)";
            let SnapshotRow { snapshot, version, created_ms, status } = row;
            sql.execute(text, (application, snapshot, whole(*version), whole(*created_ms), status))?;
            let failed = "DELETE FROM snapshots WHERE application = ?1 AND status = 'FAILED' AND created_ms <=
                (SELECT created_ms FROM snapshots WHERE application = ?1 AND status = 'FAILED'
                 ORDER BY created_ms DESC LIMIT 1 OFFSET ?2)";
            sql.execute(failed, (application, FAILED_SNAPSHOTS_MAX)).map(drop)
        }
        Fact::NoSnapshot(snapshot) => {
            let text = "DELETE FROM snapshots WHERE application = ?1 AND snapshot = ?2";
            sql.execute(text, (application, snapshot)).map(drop)
        }
    }
}

fn put_version(sql: &Transaction<'_>, application: &str, version: &Version) -> Sql<()> {
    let (from, to) = version.rolled_back.map_or((None, None), |(from, to)| (Some(whole(from)), Some(whole(to))));
    sql.execute(
        "INSERT INTO versions (application, version, created_ms, status, updated_from, rolled_back_from, rolled_back_to,
         configuration) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            application,
            whole(version.version),
            whole(version.created_ms),
            version.status.name(),
            version.updated_from.map(whole),
            from,
            to,
            json(&*version.configuration)?,
        ),
    )?;
    let oldest = whole(version.version.saturating_sub(u64::from(VERSIONS_PER_APPLICATION_MAX)));
    sql.execute("DELETE FROM versions WHERE application = ?1 AND version <= ?2", (application, oldest)).map(drop)
}

fn put_operation(sql: &Transaction<'_>, application: &str, operation: &Operation) -> Sql<()> {
    let Operation { id, kind, status, start_ms, end_ms, versions, failure, rollback } = operation;
    sql.execute(
        "INSERT INTO operations (id, application, kind, status, start_ms, end_ms, version_from, version_to, failure,
         rolled_back_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET
         status = excluded.status, end_ms = excluded.end_ms, failure = excluded.failure,
         rolled_back_by = excluded.rolled_back_by",
        (
            id,
            application,
            kind.name(),
            status.name(),
            whole(*start_ms),
            end_ms.map(whole),
            versions.map(|(from, _)| whole(from)),
            versions.map(|(_, to)| whole(to)),
            failure,
            rollback,
        ),
    )?;
    bounded(sql, "operations", application, OPERATIONS_PER_APPLICATION_MAX)
}

/// Leaves the latest rows of an application.
fn bounded(sql: &Transaction<'_>, table: &str, application: &str, most: u32) -> Sql<()> {
    let text = format!(
        "DELETE FROM {table} WHERE application = ?1 AND number <=
         (SELECT number FROM {table} WHERE application = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)"
    );
    sql.prepare_cached(&text)?.execute((application, most)).map(drop)
}

fn kept(row: &Row<'_>) -> Sql<Kept> {
    Ok(Kept {
        name: row.get(0)?,
        created_ms: natural(row.get(1)?),
        updated_ms: natural(row.get(2)?),
        version: natural(row.get(3)?),
        wanted: row.get(4)?,
        deleting: row.get(5)?,
        more: parsed(row, 6)?,
    })
}

fn version(row: &Row<'_>) -> Sql<Version> {
    let status: String = row.get(2)?;
    let (from, to): (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
    Ok(Version {
        version: natural(row.get(0)?),
        created_ms: natural(row.get(1)?),
        status: Status::of(&status).ok_or_else(|| strange(2, &status))?,
        updated_from: row.get::<_, Option<i64>>(3)?.map(natural),
        rolled_back: from.zip(to).map(|(from, to)| (natural(from), natural(to))),
        configuration: Arc::new(parsed(row, 6)?),
    })
}

fn operation(row: &Row<'_>) -> Sql<(u64, Operation)> {
    let (kind, status): (String, String) = (row.get(2)?, row.get(3)?);
    let (from, to): (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
    let operation = Operation {
        id: row.get(1)?,
        kind: OperationKind::of(&kind).ok_or_else(|| strange(2, &kind))?,
        status: OperationStatus::of(&status).ok_or_else(|| strange(3, &status))?,
        start_ms: natural(row.get(4)?),
        end_ms: row.get::<_, Option<i64>>(5)?.map(natural),
        versions: from.zip(to).map(|(from, to)| (natural(from), natural(to))),
        failure: row.get(8)?,
        rollback: row.get(9)?,
    };
    Ok((natural(row.get(0)?), operation))
}

/// The database counts with a sign. Nothing here comes near its greatest number but a bound that is meant to be none.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn json<T: Serialize>(value: &T) -> Sql<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn parsed<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Sql<T> {
    let text: String = row.get(column)?;
    let wrong = |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error));
    serde_json::from_str(&text).map_err(wrong)
}

fn strange(column: usize, word: &str) -> rusqlite::Error {
    let error = ControlError::Catalog(format!("the word {word:?} is not known"));
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(dir: &std::path::Path) -> Catalog {
        Catalog::open(Arc::new(Database::open(&dir.join("control.db")).unwrap())).unwrap()
    }

    fn kept_one(version: u64) -> Kept {
        let (created_ms, updated_ms) = (1, 2);
        Kept { name: "a".into(), created_ms, updated_ms, version, wanted: true, deleting: false, more: More::default() }
    }

    fn version_one(version: u64) -> Version {
        let configuration = Arc::new(Configuration::new("FLINK-1_20", "r", "SELECT 1"));
        let (updated_from, rolled_back) = (Some(7), Some((3, 2)));
        Version { version, created_ms: 5, status: Status::Ready, updated_from, rolled_back, configuration }
    }

    fn operation_one(number: u32) -> Operation {
        let (kind, status) = (OperationKind::Update, OperationStatus::InProgress);
        let (end_ms, failure, rollback) = (None, None, None);
        Operation {
            id: format!("o{number}"),
            kind,
            status,
            start_ms: 1,
            end_ms,
            versions: Some((1, 2)),
            failure,
            rollback,
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_removed_takes_all_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = catalog(dir.path());
        let (mut kept, version) = (kept_one(1), version_one(1));
        catalog.write(&kept, &[Fact::Version(&version), Fact::Operation(&operation_one(1))]).unwrap();
        assert_eq!(catalog.all().unwrap(), [(kept.clone(), version.clone())]);
        kept.more.size = Some(Size { parallelism: 4, per_kpu: 2 });
        kept.more.begin = Begin::Snapshot("s".into());
        kept.version = 2;
        assert!(catalog.write(&kept, &[Fact::Version(&version)]).is_err(), "a version is never written twice");
        assert_eq!(catalog.all().unwrap()[0].0.version, 1, "all or nothing");
        catalog.write(&kept, &[Fact::Version(&version_one(2)), Fact::VersionStatus(1, Status::Running)]).unwrap();
        assert_eq!(catalog.all().unwrap()[0].0, kept);
        assert_eq!(catalog.version("a", 1).unwrap().unwrap().status, Status::Running);
        let done = Operation {
            status: OperationStatus::Failed,
            end_ms: Some(9),
            failure: Some("x".into()),
            ..operation_one(1)
        };
        catalog.add("a", &[Fact::Operation(&done)]).unwrap();
        assert_eq!(catalog.operation("a", "o1").unwrap(), Some(done));
        catalog.tell("a", 3, "INFO", "it began").unwrap();
        catalog.tell("nobody", 3, "INFO", "it began").unwrap();
        assert_eq!(catalog.lines("a", 0, 9).unwrap().len(), 1);
        catalog.remove("a").unwrap();
        assert!(catalog.all().unwrap().is_empty() && catalog.lines("a", 0, 9).unwrap().is_empty());
        assert!(
            catalog.versions("a", u64::MAX, 9).unwrap().is_empty() && catalog.operation("a", "o1").unwrap().is_none()
        );
    }

    #[test]
    fn histories_are_bounded_and_paged_from_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = catalog(dir.path());
        catalog.write(&kept_one(1), &[Fact::Version(&version_one(1))]).unwrap();
        let operations: Vec<Operation> = (0..OPERATIONS_PER_APPLICATION_MAX + 3).map(operation_one).collect();
        catalog.add("a", &operations.iter().map(Fact::Operation).collect::<Vec<_>>()).unwrap();
        let all = catalog.operations("a", (None, None), u64::MAX, 10_000).unwrap();
        assert_eq!((all.len(), all.last().unwrap().1.id.as_str()), (OPERATIONS_PER_APPLICATION_MAX as usize, "o3"));
        let page = catalog.operations("a", (Some("UpdateApplication"), Some("IN_PROGRESS")), all[0].0, 2).unwrap();
        assert_eq!(page.iter().map(|(_, o)| o.id.as_str()).collect::<Vec<_>>(), ["o501", "o500"]);
        assert!(catalog.operations("a", (Some("StopApplication"), None), u64::MAX, 2).unwrap().is_empty());
        let far = u64::from(VERSIONS_PER_APPLICATION_MAX) + 1;
        catalog.write(&kept_one(far), &[Fact::Version(&version_one(far))]).unwrap();
        assert_eq!(catalog.versions("a", u64::MAX, 9).unwrap().iter().map(|v| v.version).collect::<Vec<_>>(), [far]);
    }
}
