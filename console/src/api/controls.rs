//! Controls: each handler checks what was asked, asks the platform for it, and says whether it was taken.

use super::Shared;
use crate::Failure;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::limits::{JSON_DEPTH_MAX, SHARDS_PER_STREAM_MAX};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Fastest replay that can be asked for by a number; beyond that "as fast as possible" says the same.
const SPEEDUP_MAX: f64 = 1e9;

/// A body that must be JSON and must say so, which a plain form of another page cannot.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let bytes = match Bytes::from_request(Request::new(body), state).await {
            Ok(bytes) if model::is_shallow(&bytes) => bytes,
            Ok(_) => {
                let words = format!("the body is nested deeper than {JSON_DEPTH_MAX} levels");
                return Err(Failure::invalid(words).into_response());
            }
            Err(error) => return Err(rejected(error.status(), error.body_text())),
        };
        match Json::from_request(Request::from_parts(parts, bytes.into()), state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(error) => Err(rejected(error.status(), error.body_text())),
        }
    }
}

fn rejected(status: StatusCode, words: String) -> Response {
    let mut response = Failure::invalid(words).into_response();
    *response.status_mut() = status;
    response
}

/// The body of a control without parameters: `{}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The answer of a control that was taken.
#[derive(Serialize)]
pub(super) struct Taken {
    taken: bool,
}

pub(super) const TAKEN: Json<Taken> = Json(Taken { taken: true });

pub(super) async fn start_replay(
    State(shared): State<Shared>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Taken>, Failure> {
    shared.ask(|platform| platform.start_replay()).await.map(|()| TAKEN)
}

pub(super) async fn stop_replay(
    State(shared): State<Shared>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Taken>, Failure> {
    shared.ask(|platform| platform.stop_replay()).await.map(|()| TAKEN)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Speed {
    /// `null` = as fast as possible. The key itself must be there.
    #[serde(deserialize_with = "Option::deserialize")]
    speedup: Option<f64>,
}

pub(super) async fn set_speedup(
    State(shared): State<Shared>,
    Body(Speed { speedup }): Body<Speed>,
) -> Result<Json<Taken>, Failure> {
    if let Some(wrong) = speedup.filter(|s| !(*s > 0.0 && *s <= SPEEDUP_MAX)) {
        return Err(Failure::invalid(format!("a speed-up of {wrong} is not above 0 and at most {SPEEDUP_MAX}")));
    }
    shared.ask(move |platform| platform.set_speedup(speedup)).await.map(|()| TAKEN)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardCount {
    count: u32,
}

pub(super) async fn set_shard_count(
    State(shared): State<Shared>,
    Body(ShardCount { count }): Body<ShardCount>,
) -> Result<Json<Taken>, Failure> {
    if !(1..=SHARDS_PER_STREAM_MAX).contains(&count) {
        return Err(Failure::invalid(format!("{count} shards are not within 1..={SHARDS_PER_STREAM_MAX}")));
    }
    shared.ask(move |platform| platform.set_shard_count(count)).await.map(|()| TAKEN)
}
