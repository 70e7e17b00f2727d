//! Decisions as they are kept: what was decided and why before it is done, what became of it afterwards.

use super::{Account, Refusal, Step, Subject};
use crate::database::{Database, DatabaseError};
use rusqlite::{OptionalExtension, Row};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Decisions that are kept; the oldest go first.
pub const DECISIONS_MAX: u32 = 10_000;

/// The tables of decisions and policies.
pub(super) const STEPS: [&str; 1] = ["CREATE TABLE scaling_decisions (
        id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, subject TEXT NOT NULL, rule TEXT NOT NULL, policy TEXT NOT NULL,
        steps TEXT NOT NULL, refusal TEXT, account TEXT NOT NULL, state TEXT NOT NULL, error TEXT, ended_ms INTEGER,
        outcome TEXT
    ) STRICT;
    CREATE INDEX scaling_decisions_by_subject ON scaling_decisions (subject, id);
    CREATE TABLE scaling_policies (
        id TEXT PRIMARY KEY, subject TEXT NOT NULL, policy TEXT NOT NULL, kept_ms INTEGER NOT NULL
    ) STRICT;"];

/// What has become of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecisionState {
    /// Its steps are being taken.
    Acting,
    /// They were taken.
    Done,
    /// One of them was not taken; the error says why.
    Failed,
    /// They are not taken, since the policy only tells.
    DryRun,
    /// There are none: more would not help.
    Refused,
    /// The platform ended on the way.
    Interrupted,
}

impl DecisionState {
    fn name(self) -> &'static str {
        match self {
            Self::Acting => "acting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::DryRun => "dry-run",
            Self::Refused => "refused",
            Self::Interrupted => "interrupted",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "acting" => Self::Acting,
            "done" => Self::Done,
            "dry-run" => Self::DryRun,
            "refused" => Self::Refused,
            "interrupted" => Self::Interrupted,
            _ => Self::Failed,
        }
    }
}

/// A decision that was kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Its number; later ones are larger.
    pub id: i64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What it is about.
    pub subject: Subject,
    /// The rule that decided.
    pub rule: String,
    /// The policy: the subject's own, or a name.
    pub policy: String,
    /// What is done.
    pub steps: Vec<Step>,
    /// What is refused.
    pub refusal: Option<Refusal>,
    /// Why.
    pub account: Account,
    /// What has become of it.
    pub state: DecisionState,
    /// Why a step was not taken.
    pub error: Option<String>,
    /// When its steps had been taken, in milliseconds since the Unix epoch.
    pub ended_ms: Option<u64>,
    /// What was measured some time afterwards.
    pub outcome: Option<Value>,
}

/// The decisions of a database.
#[derive(Clone)]
pub(super) struct Decisions(Arc<Database>);

const COLUMNS: &str = "id, at_ms, subject, rule, policy, steps, refusal, account, state, error, ended_ms, outcome";

impl Decisions {
    /// Those of this database; what was under way when the platform ended is interrupted.
    pub(super) fn open(database: Arc<Database>) -> Result<Self, DatabaseError> {
        database.migrate("scaling", &STEPS)?;
        database.write(|sql| {
            sql.execute("UPDATE scaling_decisions SET state = 'interrupted' WHERE state = 'acting'", [])
        })?;
        Ok(Self(database))
    }

    /// Keeps a decision and gives back its number; it is durable when this returns.
    pub(super) fn keep(&self, decision: &Decision) -> Result<i64, DatabaseError> {
        let refusal = decision.refusal.as_ref().map(text);
        self.0.write(|sql| {
            sql.execute(
                "INSERT INTO scaling_decisions (at_ms, subject, rule, policy, steps, refusal, account, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                (
                    decision.at_ms as i64,
                    decision.subject.to_string(),
                    &decision.rule,
                    &decision.policy,
                    text(&decision.steps),
                    refusal,
                    text(&decision.account),
                    decision.state.name(),
                ),
            )?;
            let last = sql.last_insert_rowid();
            sql.execute("DELETE FROM scaling_decisions WHERE id <= ?1", [last - i64::from(DECISIONS_MAX)])?;
            Ok(last)
        })
    }

    /// Notes what has become of a decision's steps.
    pub(super) fn ended(&self, id: i64, now_ms: u64, error: Option<&str>) -> Result<(), DatabaseError> {
        let state = if error.is_some() { DecisionState::Failed } else { DecisionState::Done };
        let update = "UPDATE scaling_decisions SET state = ?2, ended_ms = ?3, error = ?4 WHERE id = ?1";
        self.0.write(|sql| sql.execute(update, (id, state.name(), now_ms as i64, error))).map(drop)
    }

    /// Notes what was measured after a decision.
    pub(super) fn measured(&self, id: i64, outcome: &Value) -> Result<(), DatabaseError> {
        let update = "UPDATE scaling_decisions SET outcome = ?2 WHERE id = ?1";
        self.0.write(|sql| sql.execute(update, (id, outcome.to_string()))).map(drop)
    }

    /// The latest decisions, the newest first; of one subject, or of all.
    pub(super) fn latest(&self, subject: Option<&Subject>, limit: u32) -> Result<Vec<Decision>, DatabaseError> {
        let subject = subject.map(Subject::to_string);
        let select = format!(
            "SELECT {COLUMNS} FROM scaling_decisions WHERE ?1 IS NULL OR subject = ?1 ORDER BY id DESC LIMIT ?2"
        );
        self.0.read(|sql| sql.prepare_cached(&select)?.query_map((&subject, limit), decision)?.collect())
    }

    /// One decision.
    pub(super) fn get(&self, id: i64) -> Result<Option<Decision>, DatabaseError> {
        let select = format!("SELECT {COLUMNS} FROM scaling_decisions WHERE id = ?1");
        self.0.read(|sql| sql.prepare_cached(&select)?.query_row([id], decision).optional())
    }
}

fn text(value: &impl Serialize) -> String {
    // What is serialised here are plain structs with text keys, for which this cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

fn parsed<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> Result<T, rusqlite::Error> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn decision(row: &Row<'_>) -> Result<Decision, rusqlite::Error> {
    let whole = |ms: i64| ms as u64;
    let subject: String = row.get(2)?;
    let refusal: Option<String> = row.get(6)?;
    let outcome: Option<String> = row.get(11)?;
    Ok(Decision {
        id: row.get(0)?,
        at_ms: whole(row.get(1)?),
        subject: parsed(2, &Value::from(subject).to_string())?,
        rule: row.get(3)?,
        policy: row.get(4)?,
        steps: parsed(5, &row.get::<_, String>(5)?)?,
        refusal: refusal.map(|text| parsed(6, &text)).transpose()?,
        account: parsed(7, &row.get::<_, String>(7)?)?,
        state: DecisionState::of(&row.get::<_, String>(8)?),
        error: row.get(9)?,
        ended_ms: row.get::<_, Option<i64>>(10)?.map(whole),
        outcome: outcome.map(|text| parsed(11, &text)).transpose()?,
    })
}
