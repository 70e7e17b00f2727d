//! Snapshots of the application that is named, or else of the one that is shown: listed, taken, gone back to, removed.

use super::Shared;
use super::applications::{Of, check_parallelism};
use super::controls::{Body, TAKEN, Taken};
use crate::Failure;
use crate::views::{SNAPSHOTS_SHOWN_MAX, Snapshot};
use axum::Json;
use axum::extract::State;
use model::limits::SNAPSHOT_NAME_CHARS_MAX;
use serde::{Deserialize, Serialize};

/// The answer about all snapshots.
#[derive(Serialize)]
pub(super) struct Snapshots {
    snapshots: Vec<Snapshot>,
}

pub(super) async fn list(State(shared): State<Shared>, of: Of) -> Result<Json<Snapshots>, Failure> {
    let mut snapshots = shared.ask(move |platform| platform.snapshots(of.application.as_deref())).await?;
    snapshots.truncate(SNAPSHOTS_SHOWN_MAX);
    Ok(Json(Snapshots { snapshots: snapshots.into_iter().map(Snapshot::bounded).collect() }))
}

fn check(name: &str) -> Result<(), Failure> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=SNAPSHOT_NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    let wanted = format!("the name of a snapshot is 1 to {SNAPSHOT_NAME_CHARS_MAX} letters, digits, '.', '_' and '-'");
    Err(Failure::invalid(wanted))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    application: Option<String>,
    name: String,
}

pub(super) async fn take(
    State(shared): State<Shared>,
    Body(Named { application, name }): Body<Named>,
) -> Result<Json<Taken>, Failure> {
    check(&name)?;
    shared.ask(move |platform| platform.take_snapshot(application.as_deref(), &name)).await.map(|()| TAKEN)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Restored {
    application: Option<String>,
    name: String,
    parallelism: Option<u32>,
}

pub(super) async fn restore(
    State(shared): State<Shared>,
    Body(Restored { application, name, parallelism }): Body<Restored>,
) -> Result<Json<Taken>, Failure> {
    check(&name)?;
    parallelism.map_or(Ok(()), check_parallelism)?;
    let restoring =
        move |platform: &dyn crate::Platform| platform.restore_snapshot(application.as_deref(), &name, parallelism);
    shared.ask(restoring).await.map(|()| TAKEN)
}

pub(super) async fn remove(
    State(shared): State<Shared>,
    Body(Named { application, name }): Body<Named>,
) -> Result<Json<Taken>, Failure> {
    check(&name)?;
    shared.ask(move |platform| platform.remove_snapshot(application.as_deref(), &name)).await.map(|()| TAKEN)
}
