//! Scaling: looked at, and its rules turned on, off, or to telling only.

use super::Shared;
use super::alarms::check_span;
use super::controls::{Body, TAKEN, Taken};
use super::results::{Parameters, read};
use crate::Failure;
use crate::views::{Scaling, ScalingMode};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Past {
    seconds: u64,
}

pub(super) async fn look(State(shared): State<Shared>, parameters: Parameters<Past>) -> Result<Json<Scaling>, Failure> {
    let Past { seconds } = read(parameters)?;
    check_span(seconds)?;
    let scaling = shared.ask(move |platform| platform.scaling(seconds)).await?;
    Ok(Json(scaling.bounded()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mode {
    subject: String,
    mode: ScalingMode,
}

pub(super) async fn set_mode(
    State(shared): State<Shared>,
    Body(Mode { subject, mode }): Body<Mode>,
) -> Result<Json<Taken>, Failure> {
    shared.ask(move |platform| platform.set_scaling_mode(&subject, mode)).await.map(|()| TAKEN)
}
