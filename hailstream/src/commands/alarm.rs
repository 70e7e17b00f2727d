//! `hailstream alarm`: alarms of a running platform, looked at, tried and put into a state, through its console.

use super::app::look::moment;
use super::{ConsoleArgs, Failure, say};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Options of `alarm`.
#[derive(Debug, Args)]
pub(crate) struct AlarmArgs {
    /// What to do with alarms.
    #[command(subcommand)]
    pub(crate) action: AlarmAction,
}

/// What can be done with alarms.
#[derive(Debug, Subcommand)]
pub(crate) enum AlarmAction {
    /// List the alarms with their states
    List(ConsoleArgs),
    /// Tell all of an alarm: what it watches, its state and why
    Describe {
        /// The alarm
        name: String,
        #[command(flatten)]
        console: ConsoleArgs,
    },
    /// Tell what happened to an alarm, or to all of them, the latest first
    History {
        /// The alarm
        name: Option<String>,
        /// How many happenings
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
        #[command(flatten)]
        console: ConsoleArgs,
    },
    /// Put an alarm into a state until it is evaluated the next time: its actions follow
    #[command(after_help = "Example: hailstream alarm set-state taxi-millis-behind-latest ALARM --reason drill")]
    SetState {
        /// The alarm
        name: String,
        /// OK, ALARM or INSUFFICIENT_DATA
        state: String,
        /// Why
        #[arg(long, default_value = "set on the command line")]
        reason: String,
        #[command(flatten)]
        console: ConsoleArgs,
    },
    /// Tell what an alarm would have said about recorded numbers
    #[command(after_help = "Example: hailstream alarm test taxi-millis-behind-latest --hours 24\n         \
                            hailstream alarm test --file alarm.json")]
    Test {
        /// An alarm that there is
        #[arg(required_unless_present = "file", conflicts_with = "file")]
        name: Option<String>,
        /// An alarm that there may be: a file with the document of PutMetricAlarm in JSON
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// How far back
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=168))]
        hours: u64,
        #[command(flatten)]
        console: ConsoleArgs,
    },
}

#[derive(Deserialize)]
struct Line {
    name: String,
    state: String,
    watches: String,
    since_ms: i64,
}

#[derive(Deserialize)]
struct Lines {
    alarms: Vec<Line>,
}

#[derive(Deserialize)]
struct Item {
    at_ms: i64,
    alarm: String,
    kind: String,
    summary: String,
}

#[derive(Deserialize)]
struct Change {
    at_ms: i64,
    state: String,
    reason: String,
}

#[derive(Deserialize)]
struct Trial {
    alarms: u64,
    alarm_s: u64,
    evaluations: u64,
    with_values: u64,
    state: Option<String>,
    doubt: Option<String>,
    changes: Vec<Change>,
}

pub(super) async fn run(args: &AlarmArgs) -> Result<(), Failure> {
    match &args.action {
        AlarmAction::List(console) => list(console).await,
        AlarmAction::Describe { name, console } => describe(name, console).await,
        AlarmAction::History { name, limit, console } => history(name.as_deref(), *limit, console).await,
        AlarmAction::SetState { name, state, reason, console } => {
            let body = json!({ "alarm": name, "state": state, "reason": reason });
            let _: Value = console.place.open()?.post("/api/alarms/state", &body).await?;
            let text = format!("Alarm {name} is {state} until it is evaluated the next time.");
            say(&if console.json { json!({ "name": name, "state": state }).to_string() } else { text });
            Ok(())
        }
        AlarmAction::Test { name, file, hours, console } => {
            let alarm = match (name, file) {
                (Some(name), _) => json!(name),
                (None, Some(path)) => {
                    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
                    serde_json::from_str(&text).map_err(|error| format!("{} is not JSON: {error}", path.display()))?
                }
                (None, None) => return Err("name an alarm, or give one with --file".into()),
            };
            test(&alarm, *hours, console).await
        }
    }
}

async fn list(console: &ConsoleArgs) -> Result<(), Failure> {
    let answer: Value = console.place.open()?.get("/api/alarms").await?;
    if console.json {
        answer["alarms"].as_array().into_iter().flatten().for_each(|alarm| say(&alarm.to_string()));
        return Ok(());
    }
    let Lines { alarms } = serde_json::from_value(answer)?;
    if alarms.is_empty() {
        say("There are no alarms.");
    }
    for alarm in alarms {
        let (state, since) = (alarm.state.to_uppercase(), moment(alarm.since_ms));
        say(&format!("{state:<18} {:<40} since {since}  {}", alarm.name, alarm.watches));
    }
    Ok(())
}

async fn describe(name: &str, console: &ConsoleArgs) -> Result<(), Failure> {
    let path = format!("/api/alarms/describe?name={}", super::app::orders::escaped(name));
    let alarm: Value = console.place.open()?.get(&path).await?;
    if console.json {
        say(&alarm.to_string());
        return Ok(());
    }
    let text = |member: &str| alarm[member].as_str().unwrap_or_default().to_owned();
    let since_ms = alarm["StateTransitionedTimestamp"].as_f64().unwrap_or_default() * 1_000.0;
    say(&format!("{} is {} since {}", text("AlarmName"), text("StateValue"), moment(since_ms as i64)));
    say(&format!("  {}", text("StateReason")));
    for (member, value) in alarm.as_object().into_iter().flatten() {
        let is_told = matches!(member.as_str(), "AlarmName" | "StateValue" | "StateReason" | "StateReasonData");
        if !is_told && !member.ends_with("Timestamp") {
            say(&format!("  {member}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
    }
    Ok(())
}

async fn history(name: Option<&str>, limit: u32, console: &ConsoleArgs) -> Result<(), Failure> {
    let named = name.map_or_else(String::new, |name| format!("&alarm={}", super::app::orders::escaped(name)));
    let answer: Value = console.place.open()?.get(&format!("/api/alarms/history?limit={limit}{named}")).await?;
    for item in answer["items"].as_array().into_iter().flatten() {
        if console.json {
            say(&item.to_string());
            continue;
        }
        let Item { at_ms, alarm, kind, summary } = serde_json::from_value(item.clone())?;
        say(&format!("{} {alarm:<32} {kind:<20} {summary}", moment(at_ms)));
    }
    Ok(())
}

async fn test(alarm: &Value, hours: u64, console: &ConsoleArgs) -> Result<(), Failure> {
    let body = json!({ "alarm": alarm, "seconds": hours * 3_600 });
    let answer: Value = console.place.open()?.post("/api/alarms/backtest", &body).await?;
    if console.json {
        say(&answer.to_string());
        return Ok(());
    }
    let Trial { alarms, alarm_s, evaluations, with_values, state, doubt, changes } = serde_json::from_value(answer)?;
    for Change { at_ms, state, reason } in changes {
        say(&format!("{} {state:<18} {reason}", moment(at_ms)));
    }
    let often = if alarms == 1 { "once".to_owned() } else { format!("{alarms} times") };
    say(&format!(
        "In the last {hours} h it would have come to ALARM {often}, for {alarm_s} s; {evaluations} evaluations, \
         {with_values} of them with a value; at the end it would be {}.",
        state.as_deref().unwrap_or("unknown")
    ));
    if let Some(doubt) = doubt {
        say(&format!("It cannot say what it is meant to: {doubt}."));
    }
    Ok(())
}
