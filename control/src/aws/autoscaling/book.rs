//! What the service keeps: documents by kind and key.

use crate::database::{Database, DatabaseError};
use rusqlite::OptionalExtension;
use serde_json::Value;
use std::sync::Arc;

const STEPS: [&str; 1] = ["CREATE TABLE autoscaling_documents (
        kind TEXT NOT NULL, key TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID;"];

/// The kinds of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Target,
    Policy,
    Schedule,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Policy => "policy",
            Self::Schedule => "schedule",
        }
    }

    /// Most of them, as the service allows for an account, or of schedules for a target's share.
    pub(super) fn most(self) -> u32 {
        match self {
            Self::Target => 500,
            Self::Policy => 500,
            Self::Schedule => 200,
        }
    }
}

/// The documents of a database. Keys begin with the resource, then the name; neither may hold a line break.
pub(super) struct Book(Arc<Database>);

impl Book {
    pub(super) fn open(database: Arc<Database>) -> Result<Self, DatabaseError> {
        database.migrate("autoscaling", &STEPS)?;
        Ok(Self(database))
    }

    pub(super) fn get(&self, kind: Kind, key: &str) -> Result<Option<Value>, DatabaseError> {
        let select = "SELECT document FROM autoscaling_documents WHERE kind = ?1 AND key = ?2";
        let text: Option<String> =
            self.0.read(|sql| sql.query_row(select, (kind.name(), key), |row| row.get(0)).optional())?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Keeps a document; `false` where there are as many as there may be.
    pub(super) fn put(&self, kind: Kind, key: &str, document: &Value) -> Result<bool, DatabaseError> {
        self.0.write(|sql| {
            let others = "SELECT count(*) FROM autoscaling_documents WHERE kind = ?1 AND key <> ?2";
            let count: u32 = sql.query_row(others, (kind.name(), key), |row| row.get(0))?;
            if count >= kind.most() {
                return Ok(false);
            }
            let put = "INSERT OR REPLACE INTO autoscaling_documents (kind, key, document) VALUES (?1, ?2, ?3)";
            sql.execute(put, (kind.name(), key, document.to_string()))?;
            Ok(true)
        })
    }

    pub(super) fn remove(&self, kind: Kind, key: &str) -> Result<bool, DatabaseError> {
        let delete = "DELETE FROM autoscaling_documents WHERE kind = ?1 AND key = ?2";
        self.0.write(|sql| Ok(sql.execute(delete, (kind.name(), key))? > 0))
    }

    /// All documents of a kind, by key.
    pub(super) fn all(&self, kind: Kind) -> Result<Vec<(String, Value)>, DatabaseError> {
        let rows: Vec<(String, String)> = self.0.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT key, document FROM autoscaling_documents WHERE kind = ?1 ORDER BY key")?;
            statement.query_map([kind.name()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        Ok(rows.into_iter().filter_map(|(key, text)| Some((key, serde_json::from_str(&text).ok()?))).collect())
    }
}
