//! Snapshots of the application that is shown: listed, taken, gone back to, removed.

use super::Shared;
use super::controls::{Body, TAKEN, Taken};
use crate::Failure;
use crate::views::{SNAPSHOTS_SHOWN_MAX, Snapshot};
use axum::Json;
use axum::extract::State;
use model::limits::PARALLELISM_MAX;
use serde::{Deserialize, Serialize};

/// Longest name of a snapshot, in characters.
const NAME_CHARS_MAX: usize = 256;

/// The answer about all snapshots.
#[derive(Serialize)]
pub(super) struct Snapshots {
    snapshots: Vec<Snapshot>,
}

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Snapshots>, Failure> {
    let mut snapshots = shared.ask(|platform| platform.snapshots()).await?;
    snapshots.truncate(SNAPSHOTS_SHOWN_MAX);
    Ok(Json(Snapshots { snapshots: snapshots.into_iter().map(Snapshot::bounded).collect() }))
}

fn check(name: &str) -> Result<(), Failure> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    let wanted = format!("the name of a snapshot is 1 to {NAME_CHARS_MAX} letters, digits, '.', '_' and '-'");
    Err(Failure::invalid(wanted))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: String,
}

pub(super) async fn take(
    State(shared): State<Shared>,
    Body(Named { name }): Body<Named>,
) -> Result<Json<Taken>, Failure> {
    check(&name)?;
    shared.ask(move |platform| platform.take_snapshot(&name)).await.map(|()| TAKEN)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Restored {
    name: String,
    parallelism: Option<u32>,
}

pub(super) async fn restore(
    State(shared): State<Shared>,
    Body(Restored { name, parallelism }): Body<Restored>,
) -> Result<Json<Taken>, Failure> {
    check(&name)?;
    if let Some(wrong) = parallelism.filter(|p| !(1..=PARALLELISM_MAX).contains(p)) {
        return Err(Failure::invalid(format!("a parallelism of {wrong} is not within 1..={PARALLELISM_MAX}")));
    }
    shared.ask(move |platform| platform.restore_snapshot(&name, parallelism)).await.map(|()| TAKEN)
}

pub(super) async fn remove(
    State(shared): State<Shared>,
    Body(Named { name }): Body<Named>,
) -> Result<Json<Taken>, Failure> {
    check(&name)?;
    shared.ask(move |platform| platform.remove_snapshot(&name)).await.map(|()| TAKEN)
}
