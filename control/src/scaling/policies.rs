//! Policies as they are kept: one of its own for a subject, and others by name.

use super::{Policy, Subject, WrongPolicy};
use crate::database::{Database, DatabaseError};
use model::{Classified, Kind};
use rusqlite::OptionalExtension;
use std::sync::Arc;

/// Most policies that are kept.
pub const POLICIES_MAX: u32 = 1_000;

/// Why a policy could not be kept or fired.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is wrong.
    #[error(transparent)]
    Wrong(#[from] WrongPolicy),
    /// There is none of this name.
    #[error("there is no scaling policy {0}")]
    Unknown(String),
    /// There are as many as there may be.
    #[error("there are {POLICIES_MAX} scaling policies, which is the most; remove one first")]
    Full,
    /// The capacity that it is about is not seen: what is scaled does not run, or does not exist.
    #[error("{0} has no size now: it does not run, or does not exist")]
    NoCapacity(Subject),
    /// A step is under way.
    #[error("{0} is being changed; try again when that is over")]
    Changing(Subject),
    /// A step was not taken.
    #[error("{0}")]
    Step(String),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Classified for PolicyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Wrong(_) => Kind::Invalid,
            Self::Unknown(_) => Kind::NotFound,
            Self::Full | Self::NoCapacity(_) | Self::Changing(_) => Kind::Conflict,
            Self::Step(_) => Kind::Unavailable,
            Self::Database(error) => error.kind(),
        }
    }
}

/// A policy that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptPolicy {
    /// Its name: that of its subject where it is the subject's own.
    pub id: String,
    /// What it is for.
    pub subject: Subject,
    /// The policy.
    pub policy: Policy,
}

/// The policies of a database.
#[derive(Clone)]
pub(super) struct PolicyBook(Arc<Database>);

impl PolicyBook {
    pub(super) fn open(database: Arc<Database>) -> Self {
        Self(database)
    }

    pub(super) fn put(&self, kept: &KeptPolicy, now_ms: u64) -> Result<(), PolicyError> {
        kept.policy.check()?;
        let text = serde_json::to_string(&kept.policy).map_err(|error| WrongPolicy(error.to_string()))?;
        let full = self.0.write(|sql| {
            let known =
                sql.query_row("SELECT 1 FROM scaling_policies WHERE id = ?1", [&kept.id], |_| Ok(())).optional()?;
            let count: u32 = sql.query_row("SELECT count(*) FROM scaling_policies", [], |row| row.get(0))?;
            if known.is_none() && count >= POLICIES_MAX {
                return Ok(true);
            }
            sql.execute(
                "INSERT OR REPLACE INTO scaling_policies (id, subject, policy, kept_ms) VALUES (?1, ?2, ?3, ?4)",
                (&kept.id, kept.subject.to_string(), text, now_ms as i64),
            )?;
            Ok(false)
        })?;
        if full { Err(PolicyError::Full) } else { Ok(()) }
    }

    pub(super) fn remove(&self, id: &str) -> Result<bool, DatabaseError> {
        self.0.write(|sql| Ok(sql.execute("DELETE FROM scaling_policies WHERE id = ?1", [id])? > 0))
    }

    /// All that are kept, by name. One that cannot be understood is told in the log and left out.
    pub(super) fn all(&self) -> Result<Vec<KeptPolicy>, DatabaseError> {
        let rows: Vec<(String, String, String)> = self.0.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT id, subject, policy FROM scaling_policies ORDER BY id")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })?;
        let read = |(id, subject, text): (String, String, String)| {
            let policy = Policy::read(&text);
            if let Err(error) = &policy {
                tracing::error!(policy = id, %error, "a kept scaling policy cannot be used");
            }
            Some(KeptPolicy { subject: Subject::read(&subject)?, policy: policy.ok()?, id })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}
