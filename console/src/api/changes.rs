//! Applications as such: made, changed, taken back, removed, and all that is told of them.

use super::Shared;
use super::applications::{Of, check_parallelism};
use super::controls::{Body, TAKEN, Taken};
use super::results::{Parameters, read};
use crate::Failure;
use crate::views::{ApplicationChange, ApplicationDetail, ApplicationLog, NewApplication, OperationLine};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

/// Operations of one answer.
const OPERATIONS_SHOWN_MAX: u32 = 100;
/// Lines of one answer.
const LINES_SHOWN_MAX: u32 = 1_000;

pub(super) async fn create(
    State(shared): State<Shared>,
    Body(new): Body<NewApplication>,
) -> Result<Json<Taken>, Failure> {
    check_parallelism(new.parallelism)?;
    shared.ask(move |platform| platform.create_application(new)).await.map(|()| TAKEN)
}

/// The answer to an order that takes its time.
#[derive(Serialize)]
pub(super) struct Ordered {
    taken: bool,
    /// The operation that tells how far it is.
    operation: String,
}

pub(super) async fn update(
    State(shared): State<Shared>,
    Body(change): Body<ApplicationChange>,
) -> Result<Json<Ordered>, Failure> {
    change.parallelism.map_or(Ok(()), check_parallelism)?;
    let operation = shared.ask(move |platform| platform.update_application(change)).await?;
    Ok(Json(Ordered { taken: true, operation }))
}

pub(super) async fn roll_back(State(shared): State<Shared>, Body(of): Body<Of>) -> Result<Json<Ordered>, Failure> {
    let operation = shared.ask(move |platform| platform.roll_back_application(of.application.as_deref())).await?;
    Ok(Json(Ordered { taken: true, operation }))
}

pub(super) async fn delete(State(shared): State<Shared>, Body(of): Body<Of>) -> Result<Json<Taken>, Failure> {
    shared.ask(move |platform| platform.delete_application(of.application.as_deref())).await.map(|()| TAKEN)
}

pub(super) async fn describe(State(shared): State<Shared>, of: Of) -> Result<Json<ApplicationDetail>, Failure> {
    shared.ask(move |platform| platform.describe_application(of.application.as_deref())).await.map(Json)
}

/// The answer about a plan.
#[derive(Serialize)]
pub(super) struct Plan {
    plan: String,
}

pub(super) async fn explain(State(shared): State<Shared>, of: Of) -> Result<Json<Plan>, Failure> {
    let plan = shared.ask(move |platform| platform.explain_application(of.application.as_deref())).await?;
    Ok(Json(Plan { plan }))
}

/// The answer about what was done.
#[derive(Serialize)]
pub(super) struct Operations {
    operations: Vec<OperationLine>,
}

pub(super) async fn operations(State(shared): State<Shared>, of: Of) -> Result<Json<Operations>, Failure> {
    let asking =
        move |platform: &dyn crate::Platform| platform.operations(of.application.as_deref(), OPERATIONS_SHOWN_MAX);
    let operations = shared.ask(asking).await?.into_iter().map(OperationLine::bounded).collect();
    Ok(Json(Operations { operations }))
}

/// Which lines are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    application: Option<String>,
    /// The number of the last line that is known.
    #[serde(default)]
    after: u64,
    limit: Option<u32>,
}

/// The answer about lines.
#[derive(Serialize)]
pub(super) struct Lines {
    lines: Vec<ApplicationLog>,
}

pub(super) async fn lines(State(shared): State<Shared>, asked: Parameters<After>) -> Result<Json<Lines>, Failure> {
    let After { application, after, limit } = read(asked)?;
    let limit = limit.unwrap_or(LINES_SHOWN_MAX).min(LINES_SHOWN_MAX);
    let asking = move |platform: &dyn crate::Platform| platform.application_lines(application.as_deref(), after, limit);
    let lines = shared.ask(asking).await?.into_iter().map(ApplicationLog::bounded).collect();
    Ok(Json(Lines { lines }))
}
