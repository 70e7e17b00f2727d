//! Alarms in full: described, put into a state for a while, tried on recorded numbers; and the points of a metric.

use super::Shared;
use super::controls::{Body, TAKEN, Taken};
use super::results::{Parameters, read};
use crate::Failure;
use crate::views::{AlarmItem, AlarmTrial, MetricLine, MetricQuestion};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest time of which points are told, in seconds.
const PAST_S_MAX: u64 = 455 * 86_400;
/// Most items of history that are told.
const ITEMS_MAX: u32 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: String,
}

pub(super) async fn describe(State(shared): State<Shared>, asked: Parameters<Named>) -> Result<Json<Value>, Failure> {
    let Named { name } = read(asked)?;
    shared.ask(move |platform| platform.alarm_document(&name)).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Past {
    /// An alarm; without one all of them are meant.
    alarm: Option<String>,
    limit: Option<u32>,
}

/// The answer about what happened.
#[derive(Serialize)]
pub(super) struct History {
    items: Vec<AlarmItem>,
}

pub(super) async fn history(State(shared): State<Shared>, asked: Parameters<Past>) -> Result<Json<History>, Failure> {
    let Past { alarm, limit } = read(asked)?;
    let limit = limit.unwrap_or(100).min(ITEMS_MAX);
    let items = shared.ask(move |platform| platform.alarm_history(alarm.as_deref(), limit)).await?;
    Ok(Json(History { items: items.into_iter().map(AlarmItem::bounded).collect() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Set {
    alarm: String,
    state: String,
    reason: String,
}

pub(super) async fn set_state(State(shared): State<Shared>, Body(set): Body<Set>) -> Result<Json<Taken>, Failure> {
    let Set { alarm, state, reason } = set;
    shared.ask(move |platform| platform.set_alarm_state(&alarm, &state, &reason)).await.map(|()| TAKEN)
}

/// What is to be tried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// An alarm that there is, by its name, or one that there may be, in the words of the metric service.
    alarm: Value,
    /// How far back, in seconds.
    seconds: u64,
}

pub(super) async fn backtest(
    State(shared): State<Shared>,
    Body(trial): Body<Trial>,
) -> Result<Json<AlarmTrial>, Failure> {
    let Trial { alarm, seconds } = trial;
    shared.ask(move |platform| platform.try_alarm(&alarm, seconds)).await.map(|trial| Json(trial.bounded()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    namespace: String,
    name: String,
    /// Dimensions as `Name=Value`, apart by commas; a comma or a backslash in a value has a backslash before it.
    #[serde(default)]
    dimensions: String,
    statistic: Option<String>,
    seconds: Option<u64>,
    period: Option<u64>,
}

/// The answer about a metric.
#[derive(Serialize)]
pub(super) struct Points {
    lines: Vec<MetricLine>,
}

pub(super) async fn metrics(State(shared): State<Shared>, asked: Parameters<Asked>) -> Result<Json<Points>, Failure> {
    let asked = read(asked)?;
    let seconds = asked.seconds.unwrap_or(3_600);
    if !(1..=PAST_S_MAX).contains(&seconds) {
        return Err(Failure::invalid(format!("the past of {seconds} s is not within 1..={PAST_S_MAX}")));
    }
    let question = MetricQuestion {
        namespace: asked.namespace,
        name: asked.name,
        dimensions: dimensions(&asked.dimensions)?,
        statistic: asked.statistic.unwrap_or_else(|| "Average".to_owned()),
        seconds,
        period_s: asked.period,
    };
    let lines = shared.ask(move |platform| platform.metric(&question)).await?;
    Ok(Json(Points { lines }))
}

fn dimensions(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let (mut pairs, mut pair, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            _ if escaped => {
                pair.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            ',' => pairs.push(std::mem::take(&mut pair)),
            c => pair.push(c),
        }
    }
    pairs.push(pair);
    pairs.retain(|pair| !pair.is_empty());
    let split = |pair: String| {
        let wrong = || Failure::invalid(format!("{pair:?} is no dimension: it is Name=Value"));
        pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(wrong)
    };
    pairs.into_iter().map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_pairs_whatever_is_in_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(dimensions("").unwrap(), []);
        assert_eq!(dimensions("A=1,B=x=y").unwrap(), [pair("A", "1"), pair("B", "x=y")]);
        assert_eq!(dimensions(r"A=a\,b\\c").unwrap(), [pair("A", r"a,b\c")]);
        assert!(dimensions("A").unwrap_err().to_string().contains("Name=Value"));
    }
}
