//! What is kept of the programs of applications that were sent to the cluster.

use crate::book::unkept;
use control::{Database, DatabaseError, RunnerError};
use rusqlite::OptionalExtension;
use std::sync::Arc;

const STEPS: [&str; 1] = ["CREATE TABLE flink_uploads (
        name TEXT PRIMARY KEY, identity TEXT NOT NULL, jar TEXT, properties TEXT
    ) STRICT;"];

/// What the cluster has of one application.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sent {
    /// Tells what was sent from other programs and properties.
    pub(crate) identity: String,
    /// The id of its jar there.
    pub(crate) jar: Option<String>,
    /// The id of the file with its properties, which is a jar by name alone.
    pub(crate) properties: Option<String>,
}

/// All that was sent, in the database of the platform.
#[derive(Clone)]
pub(crate) struct Uploads(Arc<Database>);

impl Uploads {
    pub(crate) fn open(database: Arc<Database>) -> Result<Self, DatabaseError> {
        database.migrate("flink uploads", &STEPS)?;
        Ok(Self(database))
    }

    pub(crate) fn of(&self, name: &str) -> Result<Option<Sent>, RunnerError> {
        let select = "SELECT identity, jar, properties FROM flink_uploads WHERE name = ?1";
        let read =
            |row: &rusqlite::Row<'_>| Ok(Sent { identity: row.get(0)?, jar: row.get(1)?, properties: row.get(2)? });
        self.0.read(|sql| sql.query_row(select, [name], read).optional()).map_err(unkept)
    }

    pub(crate) fn put(&self, name: &str, sent: &Sent) -> Result<(), RunnerError> {
        let put = "INSERT OR REPLACE INTO flink_uploads (name, identity, jar, properties) VALUES (?1, ?2, ?3, ?4)";
        let row = (name, &sent.identity, &sent.jar, &sent.properties);
        self.0.write(|sql| sql.execute(put, row)).map(drop).map_err(unkept)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), RunnerError> {
        let delete = "DELETE FROM flink_uploads WHERE name = ?1";
        self.0.write(|sql| sql.execute(delete, [name])).map(drop).map_err(unkept)
    }
}
