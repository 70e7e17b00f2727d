//! What happened, asked for by a range of time.

use super::Shared;
use super::results::{Parameters, read};
use crate::Failure;
use crate::views::{HAPPENINGS_SHOWN_MAX, Happening};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    /// In milliseconds since the Unix epoch.
    from: u64,
    to: u64,
}

/// What happened in a range.
#[derive(Serialize)]
pub(super) struct Timeline {
    events: Vec<Happening>,
}

pub(super) async fn look(State(shared): State<Shared>, range: Parameters<Range>) -> Result<Json<Timeline>, Failure> {
    let Range { from, to } = read(range)?;
    if from >= to {
        return Err(Failure::invalid(format!("the range from {from} to {to} is empty")));
    }
    let events = shared.ask(move |platform| platform.timeline(from, to, HAPPENINGS_SHOWN_MAX)).await?;
    let shown = events.into_iter().take(HAPPENINGS_SHOWN_MAX).map(Happening::bounded).collect();
    Ok(Json(Timeline { events: shown }))
}
