//! Alarms: listed, looked at, their actions turned on and off.

use super::Shared;
use super::controls::{Body, TAKEN, Taken};
use super::results::{Parameters, read};
use crate::Failure;
use crate::views::{ALARMS_SHOWN_MAX, AlarmLine, AlarmView};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

/// The times that can be looked back on, in seconds.
pub(super) const SPANS_S: [u64; 4] = [900, 3_600, 86_400, 604_800];

/// All alarms.
#[derive(Serialize)]
pub(super) struct Alarms {
    alarms: Vec<AlarmLine>,
    /// Whether alarms were left out.
    truncated: bool,
}

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Alarms>, Failure> {
    let mut alarms = shared.ask(|platform| platform.alarms()).await?;
    let truncated = alarms.len() > ALARMS_SHOWN_MAX;
    alarms.truncate(ALARMS_SHOWN_MAX);
    Ok(Json(Alarms { alarms: alarms.into_iter().map(AlarmLine::bounded).collect(), truncated }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    name: String,
    seconds: u64,
}

pub(super) async fn view(State(shared): State<Shared>, parameters: Parameters<Of>) -> Result<Json<AlarmView>, Failure> {
    let Of { name, seconds } = read(parameters)?;
    check_span(seconds)?;
    let view = shared.ask(move |platform| platform.alarm_view(&name, seconds)).await?;
    Ok(Json(view.bounded()))
}

/// Whether so far back can be looked.
pub(super) fn check_span(seconds: u64) -> Result<(), Failure> {
    match SPANS_S.contains(&seconds) {
        true => Ok(()),
        false => Err(Failure::invalid(format!("the past of {seconds} s is none of {SPANS_S:?}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Actions {
    name: String,
    enabled: bool,
}

pub(super) async fn set_actions(
    State(shared): State<Shared>,
    Body(Actions { name, enabled }): Body<Actions>,
) -> Result<Json<Taken>, Failure> {
    shared.ask(move |platform| platform.set_alarm_actions(&name, enabled)).await.map(|()| TAKEN)
}
