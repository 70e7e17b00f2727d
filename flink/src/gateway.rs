//! Sessions of the SQL gateway: statements, one after the other.

use crate::client::{Client, Of, Refusal};
use model::Kind;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Which of its interfaces a gateway is asked by: that of Flink 1.20, which later ones have too.
const VERSION: &str = "/v3";
/// How often it is asked whether a statement is done.
const LOOK: Duration = Duration::from_millis(50);
/// How long a statement may take.
const STATEMENT: Duration = Duration::from_secs(120);
/// What a gateway says when it does not reach its own cluster.
const AWAY: [&str; 4] = ["Connection refused", "Connection reset", "Could not submit", "TimeoutException"];

/// A session; it is closed when it is dropped.
pub(crate) struct Session<'a> {
    client: &'a Client,
    path: String,
}

/// What a statement has answered.
pub(crate) struct Answered {
    /// The job that it has made.
    pub(crate) job: Option<String>,
    /// The first field of each row.
    pub(crate) rows: Vec<String>,
}

impl<'a> Session<'a> {
    pub(crate) fn open(client: &'a Client, properties: &[(String, String)]) -> Result<Self, Refusal> {
        let properties: serde_json::Map<String, Value> =
            properties.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect();
        let body = json!({ "properties": properties });
        let opened = client.ask(Of::Gateway, Method::POST, &format!("{VERSION}/sessions"), Some(body))?;
        let handle = opened["sessionHandle"].as_str().ok_or_else(|| {
            let address = &client.addresses().gateway;
            Refusal::new(Kind::Invalid, format!("{address} opens no session; it has to be a SQL gateway of Flink 1.20"))
        })?;
        Ok(Self { client, path: format!("{VERSION}/sessions/{handle}") })
    }

    /// Runs a statement to its end; one that makes a job until the cluster has that.
    pub(crate) fn run(&self, statement: &str) -> Result<Answered, Refusal> {
        let (client, path, statement) = (self.client.clone(), self.path.clone(), statement.to_owned());
        self.client.wait(async move { run(&client, &path, &statement).await })
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let (client, path) = (self.client.clone(), self.path.clone());
        self.client.runtime().spawn(async move {
            if let Err(refusal) = client.answer(Of::Gateway, Method::DELETE, &path, None).await {
                tracing::debug!(reason = refusal.message, "a session of the SQL gateway was left to its own end");
            }
        });
    }
}

async fn run(client: &Client, path: &str, statement: &str) -> Result<Answered, Refusal> {
    let body = json!({ "statement": statement });
    let made = client.answer(Of::Gateway, Method::POST, &format!("{path}/statements"), Some(body)).await?;
    let handle = made["operationHandle"].as_str().unwrap_or_default();
    let operation = format!("{path}/operations/{handle}");
    let ended = tokio::time::timeout(STATEMENT, ended(client, &operation)).await;
    ended.unwrap_or_else(|_| {
        let what = format!("the SQL gateway has not done a statement within {} s", STATEMENT.as_secs());
        Err(Refusal::new(Kind::Unavailable, what))
    })?;
    // Also why a statement failed stands where its result would.
    let page = format!("{operation}/result/0?rowFormat=JSON");
    let result = client.answer(Of::Gateway, Method::GET, &page, None).await.map_err(away)?;
    let rows = result["results"]["data"].as_array().into_iter().flatten();
    let rows = rows.filter_map(|row| row["fields"][0].as_str().map(str::to_owned)).collect();
    Ok(Answered { job: result["jobID"].as_str().map(str::to_owned), rows })
}

async fn ended(client: &Client, operation: &str) -> Result<(), Refusal> {
    let status = format!("{operation}/status");
    loop {
        let answer = client.answer(Of::Gateway, Method::GET, &status, None).await?;
        if !matches!(answer["status"].as_str(), Some("INITIALIZED" | "PENDING" | "RUNNING")) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A failure as one that waiting helps against, where it is.
fn away(refusal: Refusal) -> Refusal {
    let is_away = AWAY.iter().any(|words| refusal.message.contains(words));
    if is_away { Refusal { kind: Kind::Unavailable, ..refusal } } else { Refusal { kind: Kind::Invalid, ..refusal } }
}
