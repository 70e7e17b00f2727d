//! Whether a cluster can run applications of the platform: what it is, what it has, and whether it reaches the doors.

use crate::client::{Client, Of, Refusal};
use crate::connectors::artifact;
use crate::gateway::Session;
use crate::jobs::{self, JobStatus};
use crate::runner::FlinkOptions;
use crate::submit::{self, FUNCTIONS};
use control::RunnerError;
use model::{Env, Kind};
use reqwest::Method;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::Handle;

/// The version whose interfaces the platform speaks.
const VERSION: &str = "1.20";
/// Connectors of the platform's own tables.
const CONNECTORS: [&str; 2] = ["kinesis", "elasticsearch-7"];
/// The stream that nobody has, and the index that is made and removed.
const PROBE: &str = "hailstream-doctor";
/// How long a job of a look may take.
const JOB: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// As it has to be.
    Good,
    /// Applications run, and something is missing.
    Doubtful,
    /// No application runs like this.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What: `slots`.
    pub what: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found, and what to do.
    pub words: String,
}

impl Finding {
    fn new(what: &'static str, health: Health, words: impl Into<String>) -> Self {
        Self { what, health, words: words.into() }
    }
}

/// Looks at a cluster. The doors that the options name are reached from its workers by jobs of one row each, which end by
/// themselves.
///
/// # Errors
/// When an address makes no sense.
pub fn examine(options: &FlinkOptions, env: &Env, runtime: Handle) -> Result<Vec<Finding>, RunnerError> {
    let client = Client::new(options.addresses.clone(), runtime)?;
    let mut found = vec![job_manager(&client), gateway(&client)];
    if found.iter().any(|finding| finding.health == Health::Bad) {
        return Ok(found);
    }
    found.extend([slots(&client), places(&client, options)]);
    let connectors = connectors(&client);
    let known = connectors.as_ref().cloned().unwrap_or_default();
    found.push(match connectors {
        Ok(known) => connectors_there(&known),
        Err(refusal) => Finding::new("connectors", Health::Bad, refusal.message),
    });
    found.push(functions(&client, options));
    let has = |name: &str| known.iter().any(|known| known.starts_with(name));
    if let Some(door) = options.doors.streams.as_ref().filter(|_| has("kinesis")) {
        found.push(stream_door(&client, options, env, door, &known));
    }
    if let Some(door) = options.doors.search.as_ref().filter(|_| has("elasticsearch-7")) {
        found.push(search_door(&client, options, env, door, &known));
    }
    Ok(found)
}

fn job_manager(client: &Client) -> Finding {
    const WHAT: &str = "JobManager";
    let address = &client.addresses().rest;
    match client.get(Of::Jobs, "/config") {
        Err(refusal) => Finding::new(WHAT, Health::Bad, refusal.message),
        Ok(answer) => match answer["flink-version"].as_str() {
            Some(version) if version.starts_with(VERSION) => {
                Finding::new(WHAT, Health::Good, format!("{address} is Flink {version}"))
            }
            Some(version) => {
                let words = format!("{address} is Flink {version}; what the platform asks is that of {VERSION}");
                Finding::new(WHAT, Health::Doubtful, words)
            }
            None => {
                Finding::new(WHAT, Health::Bad, format!("{address} answers, and is no JobManager; look at the port"))
            }
        },
    }
}

fn gateway(client: &Client) -> Finding {
    const WHAT: &str = "SQL gateway";
    let address = &client.addresses().gateway;
    match client.get(Of::Gateway, "/info") {
        Err(refusal) => {
            let words =
                format!("{}; start it with bin/sql-gateway.sh, and let it listen to this machine", refusal.message);
            Finding::new(WHAT, Health::Bad, words)
        }
        Ok(answer) => match answer["version"].as_str() {
            Some(version) => Finding::new(WHAT, Health::Good, format!("{address} is of Flink {version}")),
            None => {
                Finding::new(WHAT, Health::Bad, format!("{address} answers, and is no SQL gateway; look at the port"))
            }
        },
    }
}

fn slots(client: &Client) -> Finding {
    let own = client.clone();
    match client.wait(async move { jobs::slots(&own).await }) {
        Err(refusal) => Finding::new("slots", Health::Bad, refusal.message),
        Ok((0, _)) => Finding::new("slots", Health::Bad, "there is none: no TaskManager has come; start one"),
        Ok((all, free)) => {
            let words = format!("{free} of {all} are free; an application takes as many as its parallelism");
            Finding::new("slots", if free == 0 { Health::Doubtful } else { Health::Good }, words)
        }
    }
}

/// Where state goes, and whether a parallelism changes in place.
fn places(client: &Client, options: &FlinkOptions) -> Finding {
    let settings = match client.get(Of::Jobs, "/jobmanager/config") {
        Ok(settings) => settings,
        Err(refusal) => return Finding::new("state", Health::Doubtful, refusal.message),
    };
    let setting = |names: &[&str]| {
        let list = settings.as_array().into_iter().flatten();
        let named = list.filter(|entry| names.iter().any(|name| entry["key"] == *name));
        named.filter_map(|entry| entry["value"].as_str()).next().map(str::to_owned)
    };
    let checkpoints = setting(&["execution.checkpointing.dir", "state.checkpoints.dir"]);
    let savepoints = setting(&["execution.checkpointing.savepoint-dir", "state.savepoints.dir"]);
    let savepoints = options.savepoints.clone().or(savepoints);
    let in_place = if setting(&["jobmanager.scheduler"]).is_some_and(|name| name.eq_ignore_ascii_case("adaptive")) {
        "a parallelism changes in place"
    } else {
        "a parallelism changes by a savepoint and another start; jobmanager.scheduler: adaptive does it in place"
    };
    match (checkpoints, savepoints) {
        (Some(checkpoints), Some(savepoints)) => {
            let words = format!("checkpoints go to {checkpoints}, snapshots to {savepoints}; {in_place}");
            Finding::new("state", Health::Good, words)
        }
        (None, _) => {
            let words = "checkpoints stay in the JobManager's memory; set execution.checkpointing.dir to a place that all of the cluster reach";
            Finding::new("state", Health::Bad, words)
        }
        (_, None) => {
            let words = "no stop and no snapshot has a place; set execution.checkpointing.savepoint-dir, or name one with --flink-savepoints";
            Finding::new("state", Health::Bad, words)
        }
    }
}

fn connectors(client: &Client) -> Result<Vec<String>, Refusal> {
    submit::connectors(&Session::open(client, &[])?)
}

fn connectors_there(known: &[String]) -> Finding {
    let missing: Vec<&str> = CONNECTORS.into_iter().filter(|name| !known.iter().any(|known| known == name)).collect();
    if missing.is_empty() {
        return Finding::new("connectors", Health::Good, known.join(", "));
    }
    let what: Vec<String> = missing.iter().map(|name| format!("'{name}' ({})", artifact(name))).collect();
    let words = format!("tables of the platform need {}; there are {}", what.join(" and "), known.join(", "));
    Finding::new("connectors", Health::Doubtful, words)
}

fn functions(client: &Client, options: &FlinkOptions) -> Finding {
    let names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
    let look = || {
        let session = Session::open(client, &[])?;
        let there = session.run("SHOW FUNCTIONS")?.rows;
        if names.iter().all(|name| there.iter().any(|known| known.eq_ignore_ascii_case(name))) {
            return Ok("the cluster has them".to_owned());
        }
        let missing = "build flink-functions (mvn package) and name its jar with --flink-functions";
        let jar = options.functions.as_ref().ok_or_else(|| Refusal::new(Kind::NotFound, missing))?;
        submit::declarations(jar).try_for_each(|statement| session.run(&statement).map(drop))?;
        Ok(format!("{jar} has them"))
    };
    let (health, words) = match look() {
        Ok(words) => (Health::Good, words),
        Err(Refusal { message, .. }) => (Health::Doubtful, message),
    };
    Finding::new("functions", health, format!("{}: {words}", names.join(", ")))
}

/// A worker asks for a stream that nobody has: who says so is a stream door.
fn stream_door(client: &Client, options: &FlinkOptions, env: &Env, door: &str, known: &[String]) -> Finding {
    let tables = [
        format!(
            "CREATE TABLE probe (a STRING) WITH ('connector' = 'kinesis', 'stream' = '{PROBE}', 'format' = 'json')"
        ),
        "CREATE TABLE nowhere (a STRING) WITH ('connector' = 'blackhole')".to_owned(),
    ];
    match outcome(client, options, env, &tables, "INSERT INTO nowhere SELECT a FROM probe", known) {
        Ok((JobStatus::Failed, why)) if why.contains("ResourceNotFound") || why.contains(PROBE) => {
            Finding::new("stream door", Health::Good, format!("workers reach {door}"))
        }
        Ok((_, why)) | Err(why) => {
            Finding::new("stream door", Health::Bad, unreached(door, "--flink-stream-door", &why))
        }
    }
}

/// A worker writes a document, which is taken away again.
fn search_door(client: &Client, options: &FlinkOptions, env: &Env, door: &str, known: &[String]) -> Finding {
    let table = format!(
        "CREATE TABLE probe (a STRING, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'elasticsearch-7', \
         'hosts' = 'http://localhost', 'index' = '{PROBE}')"
    );
    match outcome(client, options, env, &[table], "INSERT INTO probe VALUES ('a')", known) {
        Ok((JobStatus::Finished, _)) => match clear(client, door) {
            Ok(()) => Finding::new("search door", Health::Good, format!("workers reach {door}")),
            Err(refusal) => {
                let words = format!("workers reach {door}; the index {PROBE} stays there: {}", refusal.message);
                Finding::new("search door", Health::Doubtful, words)
            }
        },
        Ok((_, why)) | Err(why) => {
            Finding::new("search door", Health::Bad, unreached(door, "--flink-search-door", &why))
        }
    }
}

/// Takes the document's index away again.
fn clear(client: &Client, door: &str) -> Result<(), Refusal> {
    let (own, address) = (client.clone(), format!("{door}/{PROBE}"));
    client.wait(async move { own.fetch(Method::DELETE, &address, None).await.map(drop) })
}

fn unreached(door: &str, option: &str, why: &str) -> String {
    format!(
        "workers do not reach {door}, or it refuses them ({why}); name the address that they have for it with {option}, and see to it that the platform runs"
    )
}

/// Runs a job to its end; how it ended, and why.
fn outcome(
    client: &Client,
    options: &FlinkOptions,
    env: &Env,
    tables: &[String],
    job: &str,
    known: &[String],
) -> Result<(JobStatus, String), String> {
    let id = format!("{:016x}{:016x}", env.random_u64(), env.random_u64());
    let run = || {
        let settings = [
            ("pipeline.name", PROBE.to_owned()),
            ("$internal.pipeline.job-id", id.clone()),
            ("restart-strategy.type", "none".to_owned()),
            ("parallelism.default", "1".to_owned()),
        ];
        let settings: Vec<_> = settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let session = Session::open(client, &settings)?;
        for table in tables {
            for statement in crate::script::statements(table)? {
                session.run(&crate::connectors::translated(&statement, known, &options.doors, &BTreeMap::new())?)?;
            }
        }
        session.run(job)?;
        let (own, of) = (client.clone(), id.clone());
        client.wait(async move { ended(&own, &of).await }).map_err(RunnerError::from)
    };
    let ended = run().map_err(|error| error.message);
    if !matches!(&ended, Ok((status, _)) if !status.is_alive())
        && let Err(refusal) = jobs::cancel(client, &id)
    {
        tracing::warn!(job = id, reason = refusal.message, "a job of this look could not be ended");
    }
    ended
}

async fn ended(client: &Client, job: &str) -> Result<(JobStatus, String), Refusal> {
    let ended = async {
        loop {
            let (status, _) = jobs::detail(client, job).await?;
            if !status.is_alive() {
                let why = if status == JobStatus::Failed { jobs::exception(client, job).await? } else { String::new() };
                return Ok((status, why));
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = || (JobStatus::Coming, format!("nothing has come back within {} s", JOB.as_secs()));
    tokio::time::timeout(JOB, ended).await.unwrap_or_else(|_| Ok(late()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectors_that_are_missing_are_named_with_what_has_them() {
        let found = connectors_there(&["kinesis".to_owned()]);
        assert_eq!(found.health, Health::Doubtful);
        assert!(
            found.words.contains("'elasticsearch-7' (put flink-sql-connector-elasticsearch7 into"),
            "{}",
            found.words
        );
    }
}
