//! Orders about applications, given to a running platform through its console.

use super::args::{Order, Target};
use super::{Failure, say};
use super::{correction, manage, moving};
use crate::commands::console::{ConsoleClient, ConsoleError};
use crate::status::count;
use chrono::{DateTime, Utc};
use model::Env;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long an application may take to start before nobody waits for it any more.
const START_TIMEOUT_MS: u64 = 120_000;
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// An application as the console tells of it.
#[derive(Deserialize)]
pub(super) struct Line {
    state: String,
    parallelism: u32,
    kpus: u32,
    last_error: Option<String>,
}

/// A snapshot as the console tells of it.
#[derive(Deserialize)]
struct Snapshot {
    name: String,
    created_ms: u64,
    bytes: u64,
}

impl Snapshot {
    fn json(&self) -> Value {
        json!({ "name": self.name, "created_ms": self.created_ms, "bytes": self.bytes })
    }
}

/// One application, and the console of the platform that has it.
pub(super) struct Session<'a> {
    pub(super) name: &'a str,
    pub(super) client: ConsoleClient,
    pub(super) json: bool,
    pub(super) env: Env,
}

pub(super) async fn run(order: &Order) -> Result<(), Failure> {
    tokio::select! {
        done = give(order) => done,
        asked = crate::commands::asked_to_end() => Ok(asked?),
    }
}

async fn give(order: &Order) -> Result<(), Failure> {
    let session = Session::open(order)?;
    match order {
        Order::Start(_) => session.start().await,
        Order::Stop { force, .. } => session.stop(*force).await,
        Order::Scale { parallelism, .. } => session.scale(*parallelism).await,
        Order::Snapshot { snapshot, .. } => session.snapshot(snapshot.as_deref()).await,
        Order::Restore { snapshot, parallelism, .. } => session.restore(snapshot, *parallelism).await,
        Order::Correct { plan, .. } => session.correct(*plan).await,
        Order::Move { runner, plan, .. } => moving::give(&session, runner, *plan).await,
        Order::DeleteSnapshot { snapshot, .. } => session.delete(snapshot).await,
        other => manage::give(&session, other).await,
    }
}

impl<'a> Session<'a> {
    fn open(order: &'a Order) -> Result<Self, Failure> {
        let Target { name, console } = order.target();
        Ok(Self { name, client: console.place.open()?, json: console.json, env: Env::system() })
    }

    /// Prints `value` for a program, or else `text` for a person.
    pub(super) fn tell(&self, value: &Value, text: &str) {
        if self.json { say(&value.to_string()) } else { say(text) }
    }

    pub(super) async fn order<T: for<'d> Deserialize<'d>>(
        &self,
        path: &str,
        mut body: Value,
    ) -> Result<T, ConsoleError> {
        body["application"] = json!(self.name);
        self.client.post(&format!("/api/application/{path}"), &body).await
    }

    /// What the console answers to a question about the application.
    pub(super) async fn ask<T: for<'d> Deserialize<'d>>(&self, path: &str, more: &str) -> Result<T, ConsoleError> {
        self.client.get(&format!("/api/application/{path}?application={}{more}", escaped(self.name))).await
    }

    async fn look(&self) -> Result<Line, ConsoleError> {
        self.client.get(&format!("/api/application?application={}", escaped(self.name))).await
    }

    /// Waits until the application has started, or its start has failed.
    async fn started(&self) -> Result<Line, Failure> {
        let until_ns = self.env.monotonic_ns().saturating_add(START_TIMEOUT_MS * 1_000_000);
        loop {
            let line = self.look().await?;
            if line.state != "starting" {
                return Ok(line);
            }
            let name = self.name;
            if let Some(error) = line.last_error {
                return Err(format!("application {name} does not start, and is tried again: {error}").into());
            }
            if self.env.monotonic_ns() > until_ns {
                return Err(format!("application {name} is still starting after {} s", START_TIMEOUT_MS / 1_000).into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(super) async fn start(&self) -> Result<(), Failure> {
        let _: Value = self.order("start", json!({})).await?;
        let line = self.started().await?;
        let value =
            json!({ "name": self.name, "state": line.state, "parallelism": line.parallelism, "kpus": line.kpus });
        self.tell(
            &value,
            &format!("Application {} is {} with parallelism {}.", self.name, line.state, line.parallelism),
        );
        Ok(())
    }

    async fn stop(&self, force: bool) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Stopped {
            snapshot: Option<Snapshot>,
        }
        let Stopped { snapshot } = self.order("stop", json!({ "force": force })).await?;
        let kept = snapshot.as_ref().map_or_else(
            || "no snapshot was taken".to_owned(),
            |s| format!("snapshot {} keeps what it had come to ({} bytes)", s.name, count(s.bytes as f64)),
        );
        let value = json!({ "name": self.name, "state": "ready", "snapshot": snapshot.as_ref().map(Snapshot::json) });
        self.tell(&value, &format!("Application {} is stopped; {kept}.", self.name));
        Ok(())
    }

    async fn scale(&self, parallelism: u32) -> Result<(), Failure> {
        let before = self.look().await?.parallelism;
        let _: Value = self.order("parallelism", json!({ "parallelism": parallelism })).await?;
        let line = self.look().await?;
        let (now, kpus) = (line.parallelism, line.kpus);
        let value = json!({ "name": self.name, "parallelism": now, "before": before, "kpus": kpus });
        self.tell(&value, &format!("Application {} has parallelism {now} (before: {before}).", self.name));
        Ok(())
    }

    async fn snapshot(&self, named: Option<&str>) -> Result<(), Failure> {
        let wanted = named.map_or_else(|| taken_now(&self.env), str::to_owned);
        let _: Value = self.order("snapshots/take", json!({ "name": wanted })).await?;
        let taken = self.snapshots().await?.into_iter().find(|s| s.name == wanted);
        let taken = taken.ok_or_else(|| format!("snapshot {wanted} was taken, and removed by somebody since"))?;
        let value = json!({ "name": self.name, "snapshot": taken.json() });
        let bytes = count(taken.bytes as f64);
        self.tell(&value, &format!("Snapshot {wanted} of application {} is taken: {bytes} bytes.", self.name));
        Ok(())
    }

    async fn snapshots(&self) -> Result<Vec<Snapshot>, ConsoleError> {
        #[derive(Deserialize)]
        struct Snapshots {
            snapshots: Vec<Snapshot>,
        }
        let path = format!("/api/application/snapshots?application={}", escaped(self.name));
        let Snapshots { snapshots } = self.client.get(&path).await?;
        Ok(snapshots)
    }

    async fn restore(&self, snapshot: &str, parallelism: Option<u32>) -> Result<(), Failure> {
        let body = json!({ "name": snapshot, "parallelism": parallelism });
        let _: Value = self.order("snapshots/restore", body).await?;
        let line = self.started().await?;
        let (state, now) = (&line.state, line.parallelism);
        let value = json!({ "name": self.name, "snapshot": snapshot, "state": state, "parallelism": now });
        let text =
            format!("Application {} is {state} again, from snapshot {snapshot}, with parallelism {now}.", self.name);
        self.tell(&value, &text);
        Ok(())
    }

    async fn correct(&self, only_plan: bool) -> Result<(), Failure> {
        let told: Value = self.order("correct", json!({ "plan": only_plan })).await?;
        if self.json {
            say(&told.to_string());
        } else {
            correction::lines(self.name, &serde_json::from_value(told)?).iter().for_each(|line| say(line));
        }
        Ok(())
    }

    async fn delete(&self, snapshot: &str) -> Result<(), Failure> {
        let _: Value = self.order("snapshots/remove", json!({ "name": snapshot })).await?;
        let value = json!({ "name": self.name, "removed": snapshot });
        self.tell(&value, &format!("Snapshot {snapshot} of application {} is removed.", self.name));
        Ok(())
    }
}

/// The name of a snapshot that nobody names.
fn taken_now(env: &Env) -> String {
    let at = i64::try_from(env.now_ms()).ok().and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or_default();
    format!("taken-{}", at.format("%Y%m%dT%H%M%S%.3fZ"))
}

/// A value as a part of a query, whatever is in it.
pub(in crate::commands) fn escaped(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_applications_are_one_value_of_a_query() {
        assert_eq!(escaped("taxi-1.b_c"), "taxi-1.b_c");
        assert_eq!(escaped("a b&c=é"), "a%20b%26c%3D%C3%A9");
    }

    #[test]
    fn a_snapshot_that_nobody_names_tells_the_time() {
        assert_eq!(taken_now(&Env::manual(1_452_064_530_007, 1).0), "taken-20160106T071530.007Z");
    }
}
