//! Applications as such: made, changed, taken back, removed, and all that is told of them.

use super::args::Order;
use super::look::moment;
use super::orders::Session;
use super::{Failure, say};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The group of properties that are given without one.
const GROUP: &str = control::FIRST_GROUP;
/// How long an operation may take before nobody waits for it any more.
const OPERATION_TIMEOUT_MS: u64 = 600_000;
/// How often it is looked at meanwhile, and how often for new lines.
const LOOK: Duration = Duration::from_millis(200);

/// An operation as the console tells of it.
#[derive(Deserialize)]
struct Operation {
    id: String,
    kind: String,
    status: String,
    start_ms: i64,
    end_ms: Option<i64>,
    versions: Option<(u64, u64)>,
    failure: Option<String>,
}

/// A line as the console tells it.
#[derive(Deserialize)]
struct Line {
    number: u64,
    at_ms: i64,
    level: String,
    text: String,
}

pub(super) async fn give(session: &Session<'_>, order: &Order) -> Result<(), Failure> {
    match order {
        Order::Create { script, jar, parallelism, parallelism_per_kpu, properties, start, .. } => {
            let properties = groups(properties)?;
            let script = script.as_deref().map(read).transpose()?;
            let body = json!({
                "name": session.name, "script": script, "program": send(session, jar.as_deref()).await?,
                "parallelism": parallelism, "parallelism_per_kpu": parallelism_per_kpu, "properties": properties,
            });
            create(session, &body, *start).await
        }
        Order::Update { script, jar, properties, .. } => {
            let script = script.as_deref().map(read).transpose()?;
            let properties = if properties.is_empty() { None } else { Some(groups(properties)?) };
            let program = send(session, jar.as_deref()).await?;
            update(session, order, (script, program), properties).await
        }
        Order::Rollback(_) => {
            let ordered: Value = session.order("rollback", json!({})).await?;
            finished(session, &ordered, "is rolled back").await
        }
        Order::Delete(_) => {
            let _: Value = session.order("delete", json!({})).await?;
            let value = json!({ "name": session.name, "deleted": true });
            session.tell(&value, &format!("Application {} is deleted.", session.name));
            Ok(())
        }
        Order::Describe(_) => describe(session).await,
        Order::Explain(_) => {
            let told: Value = session.ask("explain", "").await?;
            session.tell(&told, told["plan"].as_str().unwrap_or_default().trim_end());
            Ok(())
        }
        Order::Operations(_) => operations(session).await,
        Order::Logs { lines, follow, .. } => logs(session, *lines, *follow).await,
        _ => Err("this order is none about applications as such".into()),
    }
}

async fn create(session: &Session<'_>, body: &Value, start: bool) -> Result<(), Failure> {
    let _: Value = session.client.post("/api/application/create", body).await?;
    if start {
        return session.start().await;
    }
    let name = session.name;
    let text = format!("Application {name} is made; `hailstream app start {name}` lets it run.");
    session.tell(&json!({ "name": name, "state": "ready" }), &text);
    Ok(())
}

async fn update(
    session: &Session<'_>,
    order: &Order,
    (script, program): (Option<String>, Option<String>),
    properties: Option<BTreeMap<String, BTreeMap<String, String>>>,
) -> Result<(), Failure> {
    let Order::Update { parallelism, parallelism_per_kpu, rollback, allow_dropped_state, anew, .. } = order else {
        return Ok(());
    };
    let nothing = script.is_none() && program.is_none() && properties.is_none() && rollback.is_none();
    if nothing && parallelism.is_none() && parallelism_per_kpu.is_none() {
        return Err(
            "say what is to change: --script, --jar, --parallelism, --parallelism-per-kpu, --property or --rollback"
                .into(),
        );
    }
    let body = json!({
        "script": script, "program": program, "parallelism": parallelism,
        "parallelism_per_kpu": parallelism_per_kpu, "properties": properties, "rollback": rollback, "allow_dropped": allow_dropped_state, "anew": anew,
    });
    let ordered: Value = session.order("update", body).await?;
    finished(session, &ordered, "is updated").await
}

/// Waits until an operation has ended, and tells how.
pub(super) async fn finished(session: &Session<'_>, ordered: &Value, done: &str) -> Result<(), Failure> {
    let id = ordered["operation"].as_str().unwrap_or_default();
    let name = session.name;
    let until_ns = session.env.monotonic_ns().saturating_add(OPERATION_TIMEOUT_MS * 1_000_000);
    loop {
        let all = all_operations(session).await?;
        let operation = all.into_iter().find(|operation| operation.id == id);
        let operation = operation.ok_or_else(|| format!("application {name} has no operation {id} any more"))?;
        match operation.status.as_str() {
            "IN_PROGRESS" if session.env.monotonic_ns() < until_ns => tokio::time::sleep(LOOK).await,
            "IN_PROGRESS" => {
                let seconds = OPERATION_TIMEOUT_MS / 1_000;
                return Err(format!("operation {id} on application {name} is not done after {seconds} s").into());
            }
            "SUCCESSFUL" => {
                let version = operation.versions.map_or(0, |(_, to)| to);
                let value = json!({ "name": name, "operation": id, "status": operation.status, "version": version });
                session.tell(&value, &format!("Application {name} {done}: it is version {version} now."));
                return Ok(());
            }
            _ => return Err(operation.failure.unwrap_or_else(|| format!("operation {id} failed")).into()),
        }
    }
}

async fn all_operations(session: &Session<'_>) -> Result<Vec<Operation>, Failure> {
    #[derive(Deserialize)]
    struct Operations {
        operations: Vec<Operation>,
    }
    let Operations { operations } = session.ask("operations", "").await?;
    Ok(operations)
}

async fn operations(session: &Session<'_>) -> Result<(), Failure> {
    for operation in all_operations(session).await?.into_iter().rev() {
        let Operation { id, kind, status, start_ms, end_ms, versions, failure } = operation;
        let value = json!({ "id": id, "kind": kind, "status": status, "start_ms": start_ms, "end_ms": end_ms,
            "versions": versions, "failure": failure });
        let change = versions.map_or_else(String::new, |(from, to)| format!(", version {from} to {to}"));
        let why = failure.map_or_else(String::new, |failure| format!(": {failure}"));
        session.tell(&value, &format!("{} {kind} {status}{change}{why}", moment(start_ms)));
    }
    Ok(())
}

async fn describe(session: &Session<'_>) -> Result<(), Failure> {
    let told: Value = session.ask("describe", "").await?;
    if session.json {
        say(&told.to_string());
        return Ok(());
    }
    let text = |name: &str| told[name].as_str().map_or_else(|| told[name].to_string(), str::to_owned);
    say(&format!("{} is {}, version {}", text("name"), text("status"), text("version")));
    let (now, set) = (text("current_parallelism"), text("parallelism"));
    let (per_kpu, kpus, auto) = (text("parallelism_per_kpu"), text("kpus"), text("auto_scaling"));
    let of = if kpus == "1" { "KPU" } else { "KPUs" };
    say(&format!("parallelism {now} (set up with {set}), {per_kpu} per KPU, {kpus} {of}, auto-scaling {auto}"));
    if let Some(program) = told["program"].as_object() {
        let of = |name: &str| program[name].as_str().map_or_else(|| program[name].to_string(), str::to_owned);
        say(&format!("program of {} bytes, SHA-256 {}", of("bytes"), of("sha256")));
    }
    let checkpoints = told["checkpoint_interval_ms"].as_u64().map_or("none".to_owned(), |ms| format!("every {ms} ms"));
    say(&format!("checkpoints {checkpoints}, snapshots {}, rollback {}", text("snapshots"), text("rollback")));
    let (created, updated) = (told["created_ms"].as_i64(), told["updated_ms"].as_i64());
    say(&format!("made {}, changed {}", moment(created.unwrap_or(0)), moment(updated.unwrap_or(0))));
    for (group, entries) in told["properties"].as_object().into_iter().flatten() {
        let entries = entries.as_object().into_iter().flatten();
        entries.for_each(|(name, value)| {
            say(&format!("property {group}.{name} = {}", value.as_str().unwrap_or_default()))
        });
    }
    if let Some(error) = told["last_error"].as_str() {
        say(&format!("restarts {}, the last failure: {error}", text("restarts")));
    }
    Ok(())
}

async fn logs(session: &Session<'_>, lines: u32, follow: bool) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Lines {
        lines: Vec<Line>,
    }
    let (mut after, mut limit) = (0, lines);
    loop {
        let Lines { lines } = session.ask("lines", &format!("&after={after}&limit={limit}")).await?;
        for line in lines {
            after = line.number;
            let value = json!({ "at_ms": line.at_ms, "level": line.level, "text": line.text });
            session.tell(&value, &format!("{} {:<5} {}", moment(line.at_ms), line.level, line.text));
        }
        if !follow {
            return Ok(());
        }
        limit = 1_000;
        tokio::time::sleep(LOOK).await;
    }
}

fn read(script: &Path) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(script).map_err(|e| format!("{}: {e}", script.display()))?)
}

/// Sends the jar of a program; by what the platform knows it from then on.
async fn send(session: &Session<'_>, jar: Option<&Path>) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    struct Kept {
        sha256: String,
    }
    let Some(jar) = jar else { return Ok(None) };
    let bytes = std::fs::read(jar).map_err(|e| format!("{}: {e}", jar.display()))?;
    let kept: Kept = session.client.send_jar("/api/application/program", bytes).await?;
    Ok(Some(kept.sha256))
}

/// Properties as they are given on a command line, in their groups.
fn groups(given: &[String]) -> Result<BTreeMap<String, BTreeMap<String, String>>, Failure> {
    let mut groups: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for property in given {
        let wrong = || format!("the property {property:?} is not of the form group.name=value or name=value");
        let (name, value) = property.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
        let (group, name) = name.split_once('.').unwrap_or((GROUP, name));
        groups.entry(group.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_stand_in_their_groups() {
        let given = |texts: &[&str]| groups(&texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        let found = given(&["stream=trips", "window.hours=1=1", "window.x="]).unwrap();
        assert_eq!(found[GROUP]["stream"], "trips");
        assert_eq!((found["window"]["hours"].as_str(), found["window"]["x"].as_str()), ("1=1", ""));
        for wrong in ["stream", "=x"] {
            assert!(given(&[wrong]).unwrap_err().to_string().contains(wrong));
        }
    }
}
