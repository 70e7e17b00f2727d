//! A move to another runner: told first, then ordered and waited for.

use super::look::moment;
use super::manage::finished;
use super::orders::Session;
use super::{Failure, say};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the console tells of a move.
#[derive(Deserialize)]
struct Move {
    from: String,
    to: String,
    closed_ms: Option<i64>,
    windows: Vec<Windows>,
    starts: Vec<Start>,
    sinks: Vec<String>,
    hints: Vec<String>,
}

#[derive(Deserialize)]
struct Windows {
    operator: String,
    begins_ms: i64,
}

#[derive(Deserialize)]
struct Start {
    table: String,
    arrived_ms: Option<i64>,
}

pub(super) async fn give(session: &Session<'_>, runner: &str, only_plan: bool) -> Result<(), Failure> {
    let told: Value = session.order("move", json!({ "runner": runner, "plan": true })).await?;
    if session.json {
        if only_plan {
            say(&told.to_string());
        }
    } else {
        lines(session.name, &serde_json::from_value(told)?).iter().for_each(|line| say(line));
    }
    if only_plan {
        return Ok(());
    }
    let ordered: Value = session.order("move", json!({ "runner": runner })).await?;
    finished(session, &ordered, &format!("runs on {runner}")).await
}

/// What will be done, step by step, as it would be now.
fn lines(application: &str, told: &Move) -> Vec<String> {
    let Move { from, to, .. } = told;
    let mut lines = vec![format!("{application} moves from {from} to {to}:")];
    lines.push(match told.closed_ms {
        Some(closed) => format!(
            "1. {from} ends at a watermark, at {} or later; windows that close by then are its own and stay as they are.",
            moment(closed)
        ),
        None => format!("1. {from} ends; no window has closed yet."),
    });
    lines.push(format!("2. {to} reads again what the windows need that are open then:"));
    lines.extend(told.starts.iter().map(|start| match start.arrived_ms {
        Some(ms) => format!("     table {}: records that arrived from {} on", start.table, moment(ms)),
        None => format!("     table {}: from the oldest record on", start.table),
    }));
    let windows = told.windows.iter();
    lines.extend(
        windows.map(|w| format!("     {}: windows that begin at {} or later", w.operator, moment(w.begins_ms))),
    );
    lines.push(format!(
        "3. {to} writes these windows and all later ones into {}, under the same ids.",
        told.sinks.join(", ")
    ));
    lines.push(format!("If {to} does not come up, {from} goes on where it ended."));
    lines.extend(told.hints.iter().map(|hint| format!("Note: {hint}.")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_told_step_by_step() {
        let told: Move = serde_json::from_value(json!({
            "from": "embedded", "to": "flink", "closed_ms": 3_600_000, "windows": [{ "operator": "window aggregate 4", "begins_ms": 3_600_000 }],
            "starts": [{ "table": "trips", "arrived_ms": 7_200_000 }, { "table": "zones", "arrived_ms": null }],
            "sinks": ["pickups", "durations"], "hints": ["late rows are late"],
        }))
        .unwrap();
        let said = lines("taxi", &told);
        assert_eq!(
            said,
            [
                "taxi moves from embedded to flink:",
                "1. embedded ends at a watermark, at 1970-01-01T01:00:00.000Z or later; windows that close by then are its own and stay as they are.",
                "2. flink reads again what the windows need that are open then:",
                "     table trips: records that arrived from 1970-01-01T02:00:00.000Z on",
                "     table zones: from the oldest record on",
                "     window aggregate 4: windows that begin at 1970-01-01T01:00:00.000Z or later",
                "3. flink writes these windows and all later ones into pickups, durations, under the same ids.",
                "If flink does not come up, embedded goes on where it ended.",
                "Note: late rows are late.",
            ]
        );
        let early = lines("taxi", &Move { closed_ms: None, ..told });
        assert_eq!(early[1], "1. embedded ends; no window has closed yet.");
    }
}
