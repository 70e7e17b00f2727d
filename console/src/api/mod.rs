//! The routes: the page, the JSON API, live updates, metrics and health.

mod alarms;
mod applications;
mod controls;
mod results;
mod scaling;
mod snapshots;
mod stacks;
mod streams;
mod timeline;
mod trials;

use crate::live::Live;
use crate::security::{Hosts, guard};
use crate::{Failure, Platform, assets, prometheus};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use model::{Env, Kind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Most questions that the platform answers at a time; more are refused as `Throttled`.
const QUESTIONS_MAX: usize = 16;
/// Largest body of a control, in bytes.
const CONTROL_BYTES_MAX: usize = 4 * 1024;

/// How a console is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the time of a message comes from.
    pub env: Env,
    /// Time between two live messages. Default 1 s; a shorter one costs one reading of the pipeline each.
    pub tick: Duration,
    /// Host names under which the console answers beside `localhost` and IP addresses. Default none.
    pub hosts: Vec<String>,
    /// Becomes `true` when the server closes, so that open pages do not hold it up. Default: never.
    pub closing: Option<watch::Receiver<bool>>,
}

impl Options {
    /// The defaults in the given environment.
    pub fn new(env: Env) -> Self {
        Self { env, tick: Duration::from_secs(1), hosts: Vec::new(), closing: None }
    }
}

/// What every route shares.
#[derive(Clone)]
struct Shared {
    platform: Arc<dyn Platform>,
    live: Arc<Live>,
    questions: Arc<Semaphore>,
}

impl Shared {
    /// Asks the platform on a thread for blocking work.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Platform) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let Ok(place) = Arc::clone(&self.questions).try_acquire_owned() else {
            let message = format!("{QUESTIONS_MAX} questions are being answered: ask again in a moment");
            return Err(Failure::new(Kind::Throttled, message));
        };
        let platform = Arc::clone(&self.platform);
        let answer = tokio::task::spawn_blocking(move || {
            // Held by the work itself, so that a page which gives up waiting does not free it too early.
            let _place = place;
            question(&*platform)
        });
        answer.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a question to the platform failed");
            Err(Failure::new(Kind::Internal, "the question failed inside the platform: its log says why"))
        })
    }
}

/// The console over `platform`: to be served by itself, or merged into a larger router.
pub fn router(platform: Arc<dyn Platform>, options: Options) -> Router {
    let live = Live::new(Arc::clone(&platform), options.env, options.tick, options.closing);
    let shared = Shared { platform, live, questions: Arc::new(Semaphore::new(QUESTIONS_MAX)) };
    let api = Router::new()
        .route("/live", get(live_ticks))
        .route("/pipeline", get(pipeline))
        .route("/results/range", get(results::range))
        .route("/results/cells", get(results::cells))
        .route("/results/summary", get(results::summary))
        .route("/results/history", get(results::history))
        .route("/streams", get(streams::list))
        .route("/streams/view", get(streams::view))
        .route("/streams/history", get(streams::history))
        .route("/streams/keys", get(streams::keys))
        .route("/streams/count", post(streams::set_count))
        .route("/streams/split", post(streams::split))
        .route("/streams/merge", post(streams::merge))
        .route("/alarms", get(alarms::list))
        .route("/alarms/view", get(alarms::view))
        .route("/alarms/actions", post(alarms::set_actions))
        .route("/stack/plan", post(stacks::plan).layer(DefaultBodyLimit::max(stacks::STACK_BYTES_MAX)))
        .route("/stack/apply", post(stacks::apply).layer(DefaultBodyLimit::max(stacks::STACK_BYTES_MAX)))
        .route("/scaling", get(scaling::look))
        .route("/scaling/mode", post(scaling::set_mode))
        .route("/timeline", get(timeline::look))
        .route("/alarms/describe", get(trials::describe))
        .route("/alarms/history", get(trials::history))
        .route("/alarms/state", post(trials::set_state))
        .route("/alarms/backtest", post(trials::backtest))
        .route("/metrics", get(trials::metrics))
        .route("/replay/start", post(controls::start_replay))
        .route("/replay/stop", post(controls::stop_replay))
        .route("/replay/speed", post(controls::set_speedup))
        .route("/stream/shards", post(controls::set_shard_count))
        .route("/applications", get(applications::list))
        .route("/applications/view", get(applications::view))
        .route("/application", get(applications::look))
        .route("/application/start", post(applications::start))
        .route("/application/stop", post(applications::stop))
        .route("/application/correct", post(applications::correct))
        .route("/application/parallelism", post(applications::set_parallelism))
        .route("/application/snapshots", get(snapshots::list))
        .route("/application/snapshots/take", post(snapshots::take))
        .route("/application/snapshots/restore", post(snapshots::restore))
        .route("/application/snapshots/remove", post(snapshots::remove))
        .route("/{*rest}", any(unknown))
        .layer(DefaultBodyLimit::max(CONTROL_BYTES_MAX))
        .layer(from_fn(uncached));
    Router::new()
        .nest("/api", api)
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/", get(assets::page))
        .route("/{*path}", get(assets::file))
        .layer(from_fn_with_state(Hosts(options.hosts.into()), guard))
        .with_state(shared)
}

/// Answers of the API are of the moment; nobody is to keep them.
async fn uncached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

async fn unknown() -> Failure {
    Failure::new(Kind::NotFound, "the console's API has no such path")
}

async fn live_ticks(State(shared): State<Shared>) -> Result<Response, Failure> {
    Ok(Sse::new(shared.live.subscribe()?).into_response())
}

async fn pipeline(State(shared): State<Shared>) -> Result<Response, Failure> {
    let pipeline = shared.ask(|platform| Ok(platform.pipeline().bounded())).await?;
    Ok(Json(pipeline).into_response())
}

async fn metrics(State(shared): State<Shared>) -> Result<Response, Failure> {
    let text = shared.ask(|platform| Ok(prometheus::text(&platform.samples(), |name| platform.help(name)))).await?;
    Ok(([(header::CONTENT_TYPE, prometheus::CONTENT_TYPE)], text).into_response())
}

async fn health(State(shared): State<Shared>) -> Result<Response, Failure> {
    shared.ask(|platform| platform.health()).await?;
    Ok((StatusCode::OK, Json(serde_json::json!({ "status": "ok" }))).into_response())
}
