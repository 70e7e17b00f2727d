//! The routes: the page, the JSON API, live updates, metrics and health.

mod alarms;
mod applications;
mod changes;
mod controls;
mod people;
mod programs;
mod results;
mod routes;
mod scaling;
mod sizes;
mod snapshots;
mod stacks;
mod streams;
mod timeline;
mod trials;

use crate::bounds::read_ahead;
use crate::live::Live;
use crate::security::{Hosts, guard};
use crate::{Failure, Platform, prometheus};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use model::{Env, Kind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

pub use people::{Login, Person, login_page};
pub(crate) use routes::large_body;
pub use routes::{Rule, rule, rules};

/// Most questions that the platform answers at a time; more are refused as `Throttled`.
const QUESTIONS_MAX: usize = 16;
/// Largest body of a control, in bytes.
const CONTROL_BYTES_MAX: usize = 4 * 1024;
/// Largest body of a control that brings a script, in bytes.
const SCRIPT_BYTES_MAX: usize = 1024 * 1024;

/// Largest jar of a program, in bytes. Larger ones come from a bucket.
const JAR_BYTES_MAX: usize = 64 * 1024 * 1024;

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
    router_behind(platform, options, |routes| routes)
}

/// The console over `platform` with a guard of somebody else's before its routes, which [`rule`] tells what each of them
/// does and which says who asks by a [`Person`] among the request's extensions. The console's own guard, of hosts and
/// origins, stands before that one, and gives its answers their headers too.
pub fn router_behind(platform: Arc<dyn Platform>, options: Options, guarded: impl FnOnce(Router) -> Router) -> Router {
    let live = Live::new(Arc::clone(&platform), options.env, options.tick, options.closing);
    let shared = Shared { platform, live, questions: Arc::new(Semaphore::new(QUESTIONS_MAX)) };
    let routes = routes::all().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.answers));
    let routes = routes
        .route("/api/{*rest}", any(unknown))
        .layer(DefaultBodyLimit::max(CONTROL_BYTES_MAX))
        .layer(from_fn(uncached_api))
        .with_state(shared);
    guarded(routes).layer(from_fn(read_ahead)).layer(from_fn_with_state(Hosts(options.hosts.into()), guard))
}

/// Answers of the API are of the moment; nobody is to keep them.
async fn uncached_api(request: Request, next: Next) -> Response {
    let of_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    if of_api {
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    }
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
