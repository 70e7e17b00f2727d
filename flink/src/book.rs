//! What is kept of the applications that run on clusters: their jobs, and where their state lies.

use control::{Database, DatabaseError, RunnerError};
use model::{Classified, Kind};
use rusqlite::{OptionalExtension, Row};
use std::sync::Arc;

const STEPS: [&str; 1] = ["CREATE TABLE flink_runs (
        name TEXT PRIMARY KEY, job TEXT, script TEXT NOT NULL, parallelism INTEGER NOT NULL, began TEXT NOT NULL,
        checkpoint TEXT, former TEXT
    ) STRICT;
    CREATE TABLE flink_savepoints (
        name TEXT NOT NULL, snapshot TEXT NOT NULL, path TEXT NOT NULL, created_ms INTEGER NOT NULL, bytes INTEGER NOT NULL,
        PRIMARY KEY (name, snapshot)
    ) STRICT, WITHOUT ROWID;"];

/// The last run of an application.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Run {
    /// Its job; `None` once that was ended.
    pub(crate) job: Option<String>,
    /// Tells its script and settings from others.
    pub(crate) script: String,
    pub(crate) parallelism: u32,
    /// What it was told to begin with: `latest`, `nothing`, or a snapshot by its name.
    pub(crate) began: String,
    /// The newest checkpoint that was seen of it.
    pub(crate) checkpoint: Option<String>,
    /// What to begin with where there is no such checkpoint: the savepoint that the run before has ended with.
    pub(crate) former: Option<String>,
}

impl Run {
    /// The newest state that there is.
    pub(crate) fn latest(&self) -> Option<&str> {
        self.checkpoint.as_deref().or(self.former.as_deref())
    }
}

/// A savepoint that somebody, or a stop, has given a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) snapshot: String,
    pub(crate) path: String,
    pub(crate) created_ms: u64,
    pub(crate) bytes: u64,
}

/// The book, in the database of the platform.
#[derive(Clone)]
pub(crate) struct Book(Arc<Database>);

pub(crate) fn unkept(error: DatabaseError) -> RunnerError {
    let kind = match error.kind() {
        Kind::Internal => Kind::Unavailable,
        kind => kind,
    };
    RunnerError::new(kind, error.to_string())
}

impl Book {
    pub(crate) fn open(database: Arc<Database>) -> Result<Self, DatabaseError> {
        database.migrate("flink", &STEPS)?;
        Ok(Self(database))
    }

    pub(crate) fn run(&self, name: &str) -> Result<Option<Run>, RunnerError> {
        let select = "SELECT job, script, parallelism, began, checkpoint, former FROM flink_runs WHERE name = ?1";
        let read = |row: &Row<'_>| {
            Ok(Run {
                job: row.get(0)?,
                script: row.get(1)?,
                parallelism: row.get(2)?,
                began: row.get(3)?,
                checkpoint: row.get(4)?,
                former: row.get(5)?,
            })
        };
        self.0.read(|sql| sql.query_row(select, [name], read).optional()).map_err(unkept)
    }

    pub(crate) fn put_run(&self, name: &str, run: &Run) -> Result<(), RunnerError> {
        let put = "INSERT OR REPLACE INTO flink_runs (name, job, script, parallelism, began, checkpoint, former)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let row = (name, &run.job, &run.script, run.parallelism, &run.began, &run.checkpoint, &run.former);
        self.0.write(|sql| sql.execute(put, row)).map(drop).map_err(unkept)
    }

    /// Keeps the newest checkpoint of a job, unless the application has another job by now.
    pub(crate) fn put_checkpoint(&self, name: &str, job: &str, path: &str) -> Result<(), RunnerError> {
        let put = "UPDATE flink_runs SET checkpoint = ?3 WHERE name = ?1 AND job = ?2";
        self.0.write(|sql| sql.execute(put, (name, job, path))).map(drop).map_err(unkept)
    }

    /// The savepoints of an application, the newest first.
    pub(crate) fn savepoints(&self, name: &str) -> Result<Vec<Kept>, RunnerError> {
        let select = "SELECT snapshot, path, created_ms, bytes FROM flink_savepoints WHERE name = ?1
            ORDER BY created_ms DESC, snapshot";
        let read = |row: &Row<'_>| {
            let (created_ms, bytes) = (row.get::<_, i64>(2)? as u64, row.get::<_, i64>(3)? as u64);
            Ok(Kept { snapshot: row.get(0)?, path: row.get(1)?, created_ms, bytes })
        };
        self.0.read(|sql| sql.prepare_cached(select)?.query_map([name], read)?.collect()).map_err(unkept)
    }

    pub(crate) fn savepoint(&self, name: &str, snapshot: &str) -> Result<Option<Kept>, RunnerError> {
        Ok(self.savepoints(name)?.into_iter().find(|kept| kept.snapshot == snapshot))
    }

    pub(crate) fn put_savepoint(&self, name: &str, kept: &Kept) -> Result<(), RunnerError> {
        let put = "INSERT INTO flink_savepoints (name, snapshot, path, created_ms, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = (name, &kept.snapshot, &kept.path, kept.created_ms as i64, kept.bytes as i64);
        self.0.write(|sql| sql.execute(put, row)).map(drop).map_err(unkept)
    }

    pub(crate) fn remove_savepoint(&self, name: &str, snapshot: &str) -> Result<(), RunnerError> {
        let delete = "DELETE FROM flink_savepoints WHERE name = ?1 AND snapshot = ?2";
        self.0.write(|sql| sql.execute(delete, (name, snapshot))).map(drop).map_err(unkept)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), RunnerError> {
        let delete = |sql: &rusqlite::Transaction<'_>| {
            sql.execute("DELETE FROM flink_savepoints WHERE name = ?1", [name])?;
            sql.execute("DELETE FROM flink_runs WHERE name = ?1", [name])
        };
        self.0.write(delete).map(drop).map_err(unkept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_savepoints_are_kept_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let database = Arc::new(Database::open(&dir.path().join("control.db")).unwrap());
        let book = Book::open(database).unwrap();
        assert_eq!(book.run("a").unwrap(), None);
        let run = Run {
            job: Some("1".into()),
            script: "s".into(),
            parallelism: 2,
            former: Some("f".into()),
            ..Run::default()
        };
        book.put_run("a", &run).unwrap();
        assert_eq!(book.run("a").unwrap().unwrap().latest(), Some("f"));
        book.put_checkpoint("a", "2", "of another job").unwrap();
        assert_eq!(book.run("a").unwrap(), Some(run));
        book.put_checkpoint("a", "1", "c").unwrap();
        assert_eq!(book.run("a").unwrap().unwrap().latest(), Some("c"));
        for (snapshot, created_ms) in [("old", 1), ("new", 2)] {
            let kept = Kept { snapshot: snapshot.into(), path: format!("file:/{snapshot}"), created_ms, bytes: 3 };
            book.put_savepoint("a", &kept).unwrap();
            assert!(book.put_savepoint("a", &kept).is_err(), "a name is taken once");
        }
        let names = || book.savepoints("a").unwrap().into_iter().map(|kept| kept.snapshot).collect::<Vec<_>>();
        assert_eq!(names(), ["new", "old"]);
        book.remove_savepoint("a", "new").unwrap();
        assert_eq!(book.savepoint("a", "old").unwrap().unwrap().path, "file:/old");
        book.remove("a").unwrap();
        assert_eq!((names(), book.run("a").unwrap()), (vec![], None));
    }
}
