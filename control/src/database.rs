//! The embedded SQL database of `control`: one file, one writer, every change durable before it is acknowledged.
//!
//! Each part of the crate has tables of its own, made and changed by numbered steps that stand beside the part's code.

use model::{Classified, Kind};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a change waits for somebody who looks into the file: no longer than a look takes.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// The database; it is used by one thread at a time.
pub struct Database {
    path: PathBuf,
    connection: Mutex<Connection>,
    /// Locked as long as this process changes the database.
    _owner: File,
}

/// Why something could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The database refused, or its file could not be read or written.
    #[error("the database {path}: {source}{}", advice(source))]
    Sql {
        /// Its file.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
    /// What is in the file is not what was written.
    #[error(
        "the database {path} is damaged: {found}. Nothing was changed. Keep a copy of it for whoever looks into it; then put a \
         copy from before in its place, without its -wal and -shm beside it, or move all three away to begin without \
         applications, alarms, policies and what is told of them: streams, results, numbers and the audit log are elsewhere"
    )]
    Damaged {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// Another process changes it.
    #[error("the database {path} is open in another process; stop it, or name another data directory")]
    Owned {
        /// Its file.
        path: PathBuf,
    },
    /// The file that tells who changes it cannot be made.
    #[error("the lock {path} cannot be taken: {source}")]
    Lock {
        /// That file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file was written by a later version of the platform.
    #[error(
        "the database {path} holds {part} in form {found}, and this version knows forms up to {known}; \
         start the version that wrote it, or another data directory"
    )]
    Newer {
        /// Its file.
        path: PathBuf,
        /// The part of the platform whose tables they are.
        part: String,
        /// The form of what is there.
        found: usize,
        /// The last form that is known.
        known: usize,
    },
}

impl Classified for DatabaseError {
    fn kind(&self) -> Kind {
        match self {
            Self::Newer { .. } | Self::Damaged { .. } => Kind::Corrupt,
            Self::Owned { .. } | Self::Lock { .. } => Kind::Unavailable,
            Self::Sql { source, .. } => match source.sqlite_error_code() {
                Some(_) => Kind::Unavailable,
                None => Kind::Internal,
            },
        }
    }
}

/// What to do about what a database says.
fn advice(source: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode;
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; make room on its disk, and it goes on by itself",
        Some(ErrorCode::SystemIoFailure) => "; look after its disk: the log of the operating system tells more",
        Some(ErrorCode::ReadOnly) => "; see to it that the platform may write its file and folder",
        _ => "",
    }
}

fn failure(path: &Path, source: rusqlite::Error) -> DatabaseError {
    use rusqlite::ErrorCode;
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            DatabaseError::Damaged { path, found: source.to_string() }
        }
        _ => DatabaseError::Sql { path, source },
    }
}

impl Database {
    /// Opens the database in this file, which is made where there is none. The whole of it is read, so that damage is told
    /// before anything is built on it.
    ///
    /// # Errors
    /// When the file cannot be made or read, is damaged or no database, or another process has it open.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let owner = own(path)?;
        let failed = |source| failure(path, source);
        let connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(LOOK_TIMEOUT).map_err(failed)?;
        // Full: a commit is on disk when it returns.
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 CREATE TABLE IF NOT EXISTS forms (part TEXT PRIMARY KEY, form INTEGER NOT NULL) STRICT;",
            )
            .map_err(failed)?;
        let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
        if found != "ok" {
            return Err(DatabaseError::Damaged { path: path.to_owned(), found });
        }
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection), _owner: owner })
    }

    /// Reads from the database in this file, whether a process has it open or not; `None` where there is no file.
    ///
    /// # Errors
    /// When it cannot be read, or `work` fails.
    pub fn look<T>(
        path: &Path,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, DatabaseError> {
        if !path.exists() {
            return Ok(None);
        }
        let looked = || {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(LOOK_TIMEOUT)?;
            work(&connection).map(Some)
        };
        looked().map_err(|source| failure(path, source))
    }

    /// Brings the tables of a part up to date: takes those of its steps that were not taken yet. A step that was released is
    /// never changed; a new one is added behind it.
    ///
    /// # Errors
    /// When a step fails (then none of them was taken), or the tables are from a later version.
    pub fn migrate(&self, part: &str, steps: &[&str]) -> Result<(), DatabaseError> {
        let newer = self.write(|sql| {
            let form: Option<u32> =
                sql.query_row("SELECT form FROM forms WHERE part = ?1", [part], |row| row.get(0)).optional()?;
            let form = form.map_or(0, |form| form as usize);
            if form > steps.len() {
                return Ok(Some(form));
            }
            for step in &steps[form..] {
                sql.execute_batch(step)?;
            }
            sql.execute("INSERT OR REPLACE INTO forms (part, form) VALUES (?1, ?2)", (part, steps.len() as u32))?;
            Ok(None)
        })?;
        match newer {
            None => Ok(()),
            Some(found) => {
                Err(DatabaseError::Newer { path: self.path.clone(), part: part.to_owned(), found, known: steps.len() })
            }
        }
    }

    /// The failure of what is to be kept, in the name of this database.
    pub(crate) fn failed(&self, source: Box<dyn std::error::Error + Send + Sync>) -> DatabaseError {
        DatabaseError::Sql { path: self.path.clone(), source: rusqlite::Error::ToSqlConversionFailure(source) }
    }

    /// Reads, or changes, in one transaction, which is durable when this returns; when `work` fails nothing has changed.
    ///
    /// # Errors
    /// When `work` fails, or the disk does not take the change.
    pub fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, DatabaseError> {
        let mut connection = self.connection.lock();
        let attempt = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        attempt().map_err(|source| failure(&self.path, source))
    }

    /// Brings all changes into the file itself, so that a copy of it alone is whole. Called when the platform ends.
    ///
    /// # Errors
    /// When the disk does not take it; what is beside the file holds the changes then, as before.
    pub fn settle(&self) -> Result<(), DatabaseError> {
        self.read(|sql| sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    /// Reads.
    ///
    /// # Errors
    /// When `work` fails.
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>) -> Result<T, DatabaseError> {
        work(&self.connection.lock()).map_err(|source| failure(&self.path, source))
    }
}

/// The lock of whoever changes the database: the data directory has one process.
fn own(path: &Path) -> Result<File, DatabaseError> {
    let lock = path.with_extension("lock");
    let failed = |source| DatabaseError::Lock { path: lock.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&lock).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DatabaseError::Owned { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE things (name TEXT PRIMARY KEY) STRICT;";
    const SECOND: &str = "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7;";

    fn sizes(database: &Database) -> Vec<(String, i64)> {
        let read = |sql: &Connection| {
            let mut statement = sql.prepare("SELECT name, size FROM things ORDER BY name")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        database.read(read).unwrap()
    }

    #[test]
    fn steps_are_taken_once_and_later_ones_find_what_earlier_versions_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let database = Database::open(&path).unwrap();
        database.migrate("things", &[FIRST]).unwrap();
        database.write(|sql| sql.execute("INSERT INTO things VALUES ('a')", [])).unwrap();
        drop(database);
        let database = Database::open(&path).unwrap();
        for _ in 0..2 {
            database.migrate("things", &[FIRST, SECOND]).unwrap();
        }
        assert_eq!(sizes(&database), [("a".to_owned(), 7)]);
        let error = database.migrate("things", &[FIRST]).unwrap_err();
        assert!(error.to_string().contains("holds things in form 2, and this version knows forms up to 1"), "{error}");
        assert_eq!(error.kind(), Kind::Corrupt);
    }

    #[test]
    fn work_that_fails_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("control.db")).unwrap();
        database.migrate("things", &[FIRST, SECOND]).unwrap();
        let twice = |sql: &Transaction<'_>| {
            sql.execute("INSERT INTO things (name) VALUES ('a')", [])?;
            sql.execute("INSERT INTO things (name) VALUES ('a')", [])
        };
        assert!(database.write(twice).is_err());
        assert_eq!(sizes(&database), []);
        assert!(database.migrate("things", &[FIRST, SECOND, "CREATE TABLE other (a TEXT); nonsense"]).is_err());
        database.migrate("things", &[FIRST, SECOND, "CREATE TABLE other (a TEXT) STRICT;"]).unwrap();
    }

    #[test]
    fn whoever_looks_reads_beside_the_one_that_changes_it_and_makes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let count = |sql: &Connection| sql.query_row("SELECT COUNT(*) FROM things", [], |row| row.get::<_, i64>(0));
        assert_eq!(Database::look(&path, count).unwrap(), None);
        assert!(!path.exists());
        let database = Database::open(&path).unwrap();
        database.migrate("things", &[FIRST]).unwrap();
        database.write(|sql| sql.execute("INSERT INTO things VALUES ('a')", [])).unwrap();
        assert_eq!(Database::look(&path, count).unwrap(), Some(1));
        database.write(|sql| sql.execute("INSERT INTO things VALUES ('b')", [])).unwrap();
        assert_eq!(Database::look(&path, count).unwrap(), Some(2));
        assert!(Database::look(&path, |sql| sql.execute("DELETE FROM things", [])).is_err());
        drop(database);
        assert_eq!(Database::look(&path, count).unwrap(), Some(2));
    }

    #[test]
    fn a_second_process_and_a_file_that_is_none_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let _first = Database::open(&path).unwrap();
        let error = Database::open(&path).err().unwrap();
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        let path = dir.path().join("other.db");
        std::fs::write(&path, vec![b'x'; 8_192]).unwrap();
        let error = Database::open(&path).err().unwrap();
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    }

    /// A database with a table, an index and a hundred rows, of which all stands in the file itself.
    fn full(path: &Path) -> Vec<u8> {
        let database = Database::open(path).unwrap();
        database.migrate("things", &[FIRST, SECOND, "CREATE INDEX by_size ON things (size);"]).unwrap();
        for number in 0..100 {
            let name = format!("{number:0>200}");
            database.write(|sql| sql.execute("INSERT INTO things VALUES (?1, ?2)", (name, number))).unwrap();
        }
        drop(database);
        assert!(!path.with_extension("db-wal").exists(), "the last one to leave brings all into the file");
        std::fs::read(path).unwrap()
    }

    #[test]
    fn damage_is_told_with_what_to_do_and_never_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let whole = full(&path);
        let expected = sizes(&Database::open(&path).unwrap());
        let mut told = 0;
        // Every way to cut it at a part of a page, and a bit of every 61st byte.
        let cuts = (1..whole.len()).step_by(512).map(|length| whole[..length].to_vec());
        let flips = (0..whole.len()).step_by(61).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            bytes
        });
        for bytes in cuts.chain(flips) {
            std::fs::write(&path, &bytes).unwrap();
            match Database::open(&path) {
                Ok(database) => {
                    let read = |sql: &Connection| sql.query_row("SELECT COUNT(*) FROM things", [], |row| row.get(0));
                    let rows: Result<i64, DatabaseError> = database.read(read);
                    // A bit of a value, or of the parts of the header that nobody needs, is not noticed.
                    assert!(rows.is_err() || rows.is_ok_and(|rows| rows == expected.len() as i64));
                }
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
                    assert!(error.to_string().contains("put a copy from before in its place"), "{error}");
                    told += 1;
                }
            }
            for suffix in ["db-wal", "db-shm"] {
                drop(std::fs::remove_file(path.with_extension(suffix)));
            }
        }
        assert!(told > 100, "{told}");
    }

    #[test]
    fn a_full_disk_is_told_as_one_and_takes_changes_again_when_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("control.db")).unwrap();
        database.migrate("things", &[FIRST, SECOND]).unwrap();
        let pages = |count: u32| {
            let set = format!("PRAGMA max_page_count = {count}");
            database.read(|sql| sql.query_row(&set, [], |row| row.get::<_, i64>(0))).unwrap()
        };
        pages(1);
        let put = |name: &str| database.write(|sql| sql.execute("INSERT INTO things (name) VALUES (?1)", [name]));
        let error = (0..100).find_map(|number| put(&format!("{number:0>200}")).err()).unwrap();
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        assert!(error.to_string().contains("make room on its disk"), "{error}");
        let before = sizes(&database).len();
        pages(1_000);
        put("b").unwrap();
        assert_eq!(sizes(&database).len(), before + 1);
    }
}
