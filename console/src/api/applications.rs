//! Applications: looked at, started, stopped, rescaled; the one that is named, or else the one that is shown.

use super::Shared;
use super::controls::{Body, TAKEN, Taken};
use crate::Failure;
use crate::views::{APPLICATIONS_SHOWN_MAX, ApplicationLine, ApplicationView, Correction, MoveView, Snapshot};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use model::limits::PARALLELISM_MAX;
use serde::{Deserialize, Serialize};

/// Which application is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    /// Its name; without one, the one that is shown.
    pub(super) application: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Of {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let wrong = |error: QueryRejection| Failure::invalid(error.body_text());
        Query::from_request_parts(parts, state).await.map(|Query(of)| of).map_err(wrong)
    }
}

pub(super) async fn look(State(shared): State<Shared>, of: Of) -> Result<Json<ApplicationLine>, Failure> {
    let line = shared.ask(move |platform| platform.application(of.application.as_deref())).await?;
    Ok(Json(line.bounded()))
}

/// All applications.
#[derive(Serialize)]
pub(super) struct All {
    applications: Vec<ApplicationLine>,
}

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<All>, Failure> {
    let lines = shared.ask(|platform| Ok(platform.applications())).await?;
    let applications = lines.into_iter().take(APPLICATIONS_SHOWN_MAX).map(ApplicationLine::bounded).collect();
    Ok(Json(All { applications }))
}

pub(super) async fn view(State(shared): State<Shared>, of: Of) -> Result<Json<ApplicationView>, Failure> {
    let Some(name) = of.application else {
        return Err(Failure::invalid("name the application: /api/applications/view?application=NAME"));
    };
    let view = shared.ask(move |platform| platform.application_view(&name)).await?;
    Ok(Json(view.bounded()))
}

pub(super) async fn start(State(shared): State<Shared>, Body(of): Body<Of>) -> Result<Json<Taken>, Failure> {
    shared.ask(move |platform| platform.start_application(of.application.as_deref())).await.map(|()| TAKEN)
}

/// How an application is to be stopped.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    application: Option<String>,
    /// No snapshot is taken first.
    #[serde(default)]
    force: bool,
}

/// The answer about an application that was stopped.
#[derive(Serialize)]
pub(super) struct Stopped {
    taken: bool,
    /// What was kept before; none where nothing was.
    snapshot: Option<Snapshot>,
}

pub(super) async fn stop(State(shared): State<Shared>, Body(stop): Body<Stop>) -> Result<Json<Stopped>, Failure> {
    let stopping =
        move |platform: &dyn crate::Platform| platform.stop_application(stop.application.as_deref(), stop.force);
    let snapshot = shared.ask(stopping).await?;
    Ok(Json(Stopped { taken: true, snapshot: snapshot.map(Snapshot::bounded) }))
}

/// What is to become of windows that had late rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Correct {
    application: Option<String>,
    /// Nothing is done: what would be is told.
    #[serde(default)]
    plan: bool,
}

pub(super) async fn correct(
    State(shared): State<Shared>,
    Body(Correct { application, plan }): Body<Correct>,
) -> Result<Json<Correction>, Failure> {
    shared.ask(move |platform| platform.correct(application.as_deref(), plan)).await.map(Json)
}

/// Where an application is to go on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Move {
    application: Option<String>,
    /// The runner.
    runner: String,
    /// Nothing is done: what would be is told.
    #[serde(default)]
    plan: bool,
}

pub(super) async fn move_on(
    State(shared): State<Shared>,
    Body(Move { application, runner, plan }): Body<Move>,
) -> Result<Json<MoveView>, Failure> {
    let told = shared.ask(move |platform| platform.move_application(application.as_deref(), &runner, plan)).await;
    told.map(|view| Json(view.bounded()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parallelism {
    application: Option<String>,
    parallelism: u32,
}

pub(super) async fn set_parallelism(
    State(shared): State<Shared>,
    Body(Parallelism { application, parallelism }): Body<Parallelism>,
) -> Result<Json<Taken>, Failure> {
    check_parallelism(parallelism)?;
    shared.ask(move |platform| platform.set_parallelism(application.as_deref(), parallelism)).await.map(|()| TAKEN)
}

/// Whether so many subtasks can be asked for.
pub(super) fn check_parallelism(parallelism: u32) -> Result<(), Failure> {
    if (1..=PARALLELISM_MAX).contains(&parallelism) {
        return Ok(());
    }
    Err(Failure::invalid(format!("a parallelism of {parallelism} is not within 1..={PARALLELISM_MAX}")))
}
