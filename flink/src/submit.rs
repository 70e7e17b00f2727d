//! A script as the cluster is given it: checked, explained, or started as a job.

use crate::client::{Client, Refusal};
use crate::connectors::{Doors, named, translated};
use crate::gateway::Session;
use crate::handover::without_closed;
use crate::script::{Statement, StatementKind, statements};
use control::{ApplicationSpec, Handover, RunnerError};
use model::Kind;
use std::collections::BTreeMap;

/// Key groups of a job, which bound its parallelism for ever: as many as the embedded engine has.
const KEY_GROUPS: u32 = 1_024;
/// After so many seconds without a row a subtask of a source counts as idle, unless the script says otherwise. Longer than the
/// embedded engine waits for a shard: a cluster takes its time to start all subtasks, and what counts as idle too early is late.
const IDLE_S: u32 = 30;
/// How often a cluster tries a job again by itself. Beyond, whoever looks after the application does, and tells the first cause.
const RESTARTS: u32 = 3;
/// SQL functions of the platform that Flink lacks, and the classes that they are there.
pub(crate) const FUNCTIONS: [(&str, &str); 1] = [("GEOHASH", "hailstream.functions.Geohash")];

/// What a job begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// Its id, which no other job has or had.
    pub(crate) job: String,
    /// The savepoint or checkpoint that it goes on from.
    pub(crate) restore: Option<String>,
    /// State that nothing in the script has a use for may be dropped.
    pub(crate) allow_dropped: bool,
}

/// What the gateway is asked with.
pub(crate) struct Submitter<'a> {
    pub(crate) client: &'a Client,
    pub(crate) doors: &'a Doors,
    /// The jar with the platform's functions, as the gateway sees it.
    pub(crate) functions: Option<&'a str>,
}

/// A statement that is ready for the gateway.
struct Ready {
    text: String,
    line: u64,
    is_job: bool,
}

impl Submitter<'_> {
    /// The plan of the one job of a script; nothing is started.
    pub(crate) fn explain(&self, spec: &ApplicationSpec) -> Result<String, RunnerError> {
        let session = Session::open(self.client, &properties(spec, None))?;
        let mut plan = String::new();
        for statement in self.ready(&session, spec)? {
            let text = if statement.is_job { explaining(&statement.text) } else { statement.text.clone() };
            let answered = session.run(&text).map_err(|refusal| at(spec, &statement, refusal))?;
            if statement.is_job {
                plan = answered.rows.into_iter().next().unwrap_or_default();
            }
        }
        Ok(plan)
    }

    /// Starts the one job of a script.
    pub(crate) fn start(&self, spec: &ApplicationSpec, start: &Start) -> Result<(), RunnerError> {
        let session = Session::open(self.client, &properties(spec, Some(start)))?;
        for statement in self.ready(&session, spec)? {
            let answered = session.run(&statement.text).map_err(|refusal| at(spec, &statement, refusal))?;
            if statement.is_job && answered.job.as_ref().is_some_and(|job| *job != start.job) {
                let message = format!(
                    "application {}: the cluster has started job {} under an id of its own; cancel it there: this version of \
                     Flink does not take ids of jobs",
                    spec.name,
                    answered.job.unwrap_or_default()
                );
                return Err(RunnerError::new(Kind::Invalid, message));
            }
        }
        Ok(())
    }

    /// All statements of a script in the cluster's words, functions that it lacks before them.
    fn ready(&self, session: &Session<'_>, spec: &ApplicationSpec) -> Result<Vec<Ready>, RunnerError> {
        let wrong = |message: String| RunnerError::new(Kind::Invalid, format!("application {}: {message}", spec.name));
        let known = connectors(session)?;
        let mut all = self.functions(session, spec)?;
        for statement in statements(&spec.script).map_err(|error| wrong(error.message))? {
            if matches!(&statement.kind, StatementKind::Set(key) if is_ours(key)) {
                continue;
            }
            let text = match &spec.handover {
                Some(handover) => handed_over(&statement, &known, self.doors, handover),
                None => translated(&statement, &known, self.doors, &BTreeMap::new()),
            };
            let text = text.map_err(|error| wrong(error.message))?;
            all.push(Ready { text, line: statement.line, is_job: statement.kind == StatementKind::Job });
        }
        let jobs = all.iter().filter(|statement| statement.is_job).count();
        if jobs != 1 {
            let found = if jobs == 0 { "no" } else { "several" };
            return Err(wrong(format!(
                "its script has {found} jobs; an application runs one: put all INSERT statements into EXECUTE STATEMENT SET BEGIN … END"
            )));
        }
        Ok(all)
    }

    /// The functions that the script uses and the cluster lacks.
    fn functions(&self, session: &Session<'_>, spec: &ApplicationSpec) -> Result<Vec<Ready>, RunnerError> {
        let script = spec.script.to_ascii_uppercase();
        let used: Vec<_> = FUNCTIONS.into_iter().filter(|(name, _)| script.contains(&format!("{name}("))).collect();
        if used.is_empty() {
            return Ok(Vec::new());
        }
        let there = session.run("SHOW FUNCTIONS")?.rows;
        let is_there = |name: &str| there.iter().any(|known| known.eq_ignore_ascii_case(name));
        let Some((first, _)) = used.into_iter().find(|(name, _)| !is_there(name)) else { return Ok(Vec::new()) };
        let Some(jar) = self.functions else {
            let message = format!(
                "application {}: the Flink cluster has no function {first}; build flink-functions (mvn package) and name its jar \
                 with --flink-functions, as the SQL gateway sees it",
                spec.name
            );
            return Err(RunnerError::new(Kind::Invalid, message));
        };
        Ok(declarations(jar).map(|text| Ready { text, line: 0, is_job: false }).collect())
    }
}

/// A statement of an application that another runner has begun.
fn handed_over(
    statement: &Statement,
    known: &[String],
    doors: &Doors,
    handover: &Handover,
) -> Result<String, RunnerError> {
    match statement.kind {
        StatementKind::Table { .. } => translated(statement, known, doors, &handover.starts),
        _ => without_closed(statement, handover),
    }
}

/// The statements by which a session has the platform's functions.
pub(crate) fn declarations(jar: &str) -> impl Iterator<Item = String> + use<> {
    // For the whole session: the code that is made of a statement has to find the classes too.
    let jar = format!("ADD JAR '{}'", jar.replace('\'', "''"));
    let declare = |(name, class)| format!("CREATE TEMPORARY SYSTEM FUNCTION IF NOT EXISTS {name} AS '{class}'");
    std::iter::once(jar).chain(FUNCTIONS.into_iter().map(declare))
}

/// The connectors of a cluster: it names them when it is asked for one that there is not.
pub(crate) fn connectors(session: &Session<'_>) -> Result<Vec<String>, Refusal> {
    session.run("CREATE TEMPORARY TABLE hailstream_asks (a INT) WITH ('connector' = 'hailstream-asks')")?;
    let known = match session.run("EXPLAIN SELECT * FROM hailstream_asks") {
        Ok(_) => Vec::new(),
        Err(refusal) if refusal.kind == Kind::Unavailable => return Err(refusal),
        Err(refusal) => named(&refusal.message),
    };
    session.run("DROP TEMPORARY TABLE hailstream_asks")?;
    Ok(known)
}

fn at(spec: &ApplicationSpec, statement: &Ready, refusal: Refusal) -> RunnerError {
    let place = if statement.line == 0 { String::new() } else { format!(", line {}", statement.line) };
    RunnerError::new(refusal.kind, format!("application {}{place}: {}", spec.name, refusal.message))
}

/// A job statement as a question for its plan.
fn explaining(statement: &str) -> String {
    let rest = statement.get(..7).filter(|word| word.eq_ignore_ascii_case("EXECUTE")).map(|_| &statement[7..]);
    format!("EXPLAIN {}", rest.unwrap_or(statement).trim_start())
}

/// Whether a setting is the platform's to make, whatever the script says.
fn is_ours(key: &str) -> bool {
    ["parallelism.default", "pipeline.name", "pipeline.max-parallelism"].contains(&key)
        || key.starts_with("execution.checkpointing.")
        || key.starts_with("execution.state-recovery.")
}

/// The settings of a job, whatever it is made of.
pub(crate) fn settings(spec: &ApplicationSpec) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("pipeline.name", spec.name.clone()),
        ("parallelism.default", spec.parallelism.to_string()),
        ("pipeline.max-parallelism", KEY_GROUPS.to_string()),
        ("restart-strategy.type", "fixed-delay".to_owned()),
        ("restart-strategy.fixed-delay.attempts", RESTARTS.to_string()),
        ("restart-strategy.fixed-delay.delay", "1 s".to_owned()),
        // A checkpoint is there for the next run, however this one ends.
        ("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION".to_owned()),
        ("execution.checkpointing.num-retained", "3".to_owned()),
        ("execution.checkpointing.mode", "EXACTLY_ONCE".to_owned()),
    ];
    if let Some(checkpoints) = spec.checkpoints.filter(|checkpoints| checkpoints.enabled) {
        all.push(("execution.checkpointing.interval", format!("{} ms", checkpoints.interval_ms)));
        all.push(("execution.checkpointing.min-pause", format!("{} ms", checkpoints.min_pause_ms)));
    }
    all
}

/// The settings of a session.
fn properties(spec: &ApplicationSpec, start: Option<&Start>) -> Vec<(String, String)> {
    let mut all = settings(spec);
    all.push(("table.local-time-zone", "UTC".to_owned()));
    // A subtask without a shard, or whose shard rests, holds nobody up.
    all.push(("table.exec.source.idle-timeout", format!("{IDLE_S} s")));
    if let Some(start) = start {
        all.push(("$internal.pipeline.job-id", start.job.clone()));
        if let Some(path) = &start.restore {
            all.push(("execution.state-recovery.path", path.clone()));
            all.push(("execution.state-recovery.ignore-unclaimed-state", start.allow_dropped.to_string()));
        }
    }
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_statements_are_explained_whatever_their_form() {
        assert_eq!(explaining("INSERT INTO a SELECT 1"), "EXPLAIN INSERT INTO a SELECT 1");
        let set = "execute STATEMENT SET BEGIN INSERT INTO a SELECT 1; END";
        assert_eq!(explaining(set), "EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1; END");
    }

    #[test]
    fn a_script_does_not_say_what_the_platform_says() {
        for (key, ours) in [
            ("parallelism.default", true),
            ("execution.checkpointing.interval", true),
            ("table.local-time-zone", false),
            ("execution.runtime-mode", false),
        ] {
            assert_eq!(is_ours(key), ours, "{key}");
        }
    }
}
