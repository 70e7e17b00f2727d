//! Jobs of a cluster, by the JobManager's REST API.

use crate::client::{Client, Of, Refusal};
use model::Kind;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often it is asked how far something is.
const LOOK: Duration = Duration::from_millis(50);
/// How long a savepoint may take.
const SAVEPOINT: Duration = Duration::from_secs(600);

/// What a job does, in the cluster's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobStatus {
    /// All its tasks run.
    Running,
    /// It is on its way to that.
    Coming,
    Finished,
    Canceled,
    Failed,
}

impl JobStatus {
    fn read(text: &str) -> Self {
        match text {
            "RUNNING" => Self::Running,
            "FINISHED" => Self::Finished,
            "CANCELED" => Self::Canceled,
            "FAILED" => Self::Failed,
            _ => Self::Coming,
        }
    }

    /// Whether it takes part of the cluster.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Coming)
    }
}

/// What became of a job; `None` where the cluster knows none of this id.
pub(crate) fn status(client: &Client, job: &str) -> Result<Option<JobStatus>, Refusal> {
    match client.get(Of::Jobs, &format!("/jobs/{job}/status")) {
        Ok(answer) => Ok(Some(JobStatus::read(answer["status"].as_str().unwrap_or_default()))),
        Err(refusal) if refusal.is_missing() => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

pub(crate) async fn detail(client: &Client, job: &str) -> Result<(JobStatus, Value), Refusal> {
    let answer = client.answer(Of::Jobs, Method::GET, &format!("/jobs/{job}"), None).await?;
    Ok((JobStatus::read(answer["state"].as_str().unwrap_or_default()), answer))
}

/// Why a job failed: the first cause of its last exception.
pub(crate) async fn exception(client: &Client, job: &str) -> Result<String, Refusal> {
    let answer = client.answer(Of::Jobs, Method::GET, &format!("/jobs/{job}/exceptions"), None).await?;
    let newest = answer["exceptionHistory"]["entries"][0]["stacktrace"].as_str();
    let told = newest.or_else(|| answer["root-exception"].as_str()).unwrap_or_default();
    Ok(crate::client::cause(told))
}

/// A savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Savepoint {
    /// Where it lies, as the cluster sees it.
    pub(crate) path: String,
}

/// Takes a savepoint; the job goes on, or ends with it.
pub(crate) fn savepoint(client: &Client, job: &str, folder: Option<&str>, stops: bool) -> Result<Savepoint, Refusal> {
    let (path, body) = if stops {
        (format!("/jobs/{job}/stop"), json!({ "drain": false, "targetDirectory": folder }))
    } else {
        (format!("/jobs/{job}/savepoints"), json!({ "cancel-job": false, "target-directory": folder }))
    };
    let (client, job) = (client.clone(), job.to_owned());
    client.clone().wait(async move {
        let asked = client.answer(Of::Jobs, Method::POST, &path, Some(body)).await?;
        let id = asked["request-id"].as_str().unwrap_or_default();
        let operation = done(&client, &format!("/jobs/{job}/savepoints/{id}")).await?;
        let path = operation["location"].as_str().map(str::to_owned);
        let path =
            path.ok_or_else(|| Refusal::new(Kind::Unavailable, "the cluster does not say where a savepoint lies"))?;
        Ok(Savepoint { path })
    })
}

/// Removes a savepoint.
pub(crate) fn dispose(client: &Client, path: &str) -> Result<(), Refusal> {
    let (client, body) = (client.clone(), json!({ "savepoint-path": path }));
    client.clone().wait(async move {
        let asked = client.answer(Of::Jobs, Method::POST, "/savepoint-disposal", Some(body)).await?;
        let id = asked["request-id"].as_str().unwrap_or_default();
        done(&client, &format!("/savepoint-disposal/{id}")).await.map(drop)
    })
}

/// Waits for the end of something that a cluster does beside; the operation, or why it failed.
async fn done(client: &Client, path: &str) -> Result<Value, Refusal> {
    let ended = async {
        loop {
            let answer = client.answer(Of::Jobs, Method::GET, path, None).await?;
            if answer["status"]["id"] == "COMPLETED" {
                return Ok(answer["operation"].clone());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let operation = tokio::time::timeout(SAVEPOINT, ended).await.unwrap_or_else(|_| {
        let what = format!("the Flink cluster has not done it within {} s", SAVEPOINT.as_secs());
        Err(Refusal::new(Kind::Unavailable, what))
    })?;
    match operation["failure-cause"]["stack-trace"].as_str() {
        Some(trace) => Err(Refusal::new(Kind::Unavailable, crate::client::cause(trace))),
        None => Ok(operation),
    }
}

/// Ends a job at once, without a savepoint. Returns when it has ended.
pub(crate) fn cancel(client: &Client, job: &str) -> Result<(), Refusal> {
    let (client, job) = (client.clone(), job.to_owned());
    client.clone().wait(async move {
        match client.answer(Of::Jobs, Method::PATCH, &format!("/jobs/{job}?mode=cancel"), None).await {
            Ok(_) => {}
            // It has ended by itself, or nobody knows it any more.
            Err(refusal) if matches!(refusal.kind, Kind::Conflict | Kind::NotFound) => return Ok(()),
            Err(refusal) => return Err(refusal),
        }
        let ended = async {
            loop {
                match detail(&client, &job).await {
                    Ok((status, _)) if status.is_alive() => tokio::time::sleep(LOOK).await,
                    Ok(_) => return Ok(()),
                    Err(refusal) if refusal.is_missing() => return Ok(()),
                    Err(refusal) => return Err(refusal),
                }
            }
        };
        tokio::time::timeout(SAVEPOINT, ended).await.unwrap_or_else(|_| {
            Err(Refusal::new(
                Kind::Unavailable,
                format!("job {job} does not end; look at it on the cluster's own page"),
            ))
        })
    })
}

/// Gives each part of a running job another parallelism, in place. `NotFound` or `Invalid` where the cluster's scheduler does
/// not take that.
pub(crate) fn require(client: &Client, job: &str, parallelism: u32) -> Result<(), Refusal> {
    let path = format!("/jobs/{job}/resource-requirements");
    let known = client.get(Of::Jobs, &path)?;
    let wanted: BTreeMap<&String, Value> = known
        .as_object()
        .into_iter()
        .flatten()
        .map(|(vertex, _)| (vertex, json!({ "parallelism": { "lowerBound": 1, "upperBound": parallelism } })))
        .collect();
    client.ask(Of::Jobs, Method::PUT, &path, Some(json!(wanted))).map(drop)
}

/// The slots of a cluster: all, and those that are free.
pub(crate) async fn slots(client: &Client) -> Result<(u64, u64), Refusal> {
    let overview = client.answer(Of::Jobs, Method::GET, "/overview", None).await?;
    let count = |name: &str| overview[name].as_u64().unwrap_or(0);
    Ok((count("slots-total"), count("slots-available")))
}
