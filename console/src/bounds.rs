//! What a client may cost before it is answered: how long a body may take and how large it may be, whatever it is for.

use crate::Failure;
use crate::api::large_body;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Largest body of a request, in bytes, where its route takes no more. Controls take less.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Most larger bodies that are read at a time; who comes later waits.
const LARGE_BODIES_MAX: usize = 8;
static LARGE_BODIES: Semaphore = Semaphore::const_new(LARGE_BODIES_MAX);
/// A body that may be larger than this is a jar.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most jars that are read at a time: they are in memory until they are kept.
const JARS_MAX: usize = 2;
static JARS: Semaphore = Semaphore::const_new(JARS_MAX);
/// How long a client may take over a body.
const BODY: Duration = Duration::from_secs(10);
/// How long over a jar.
const JAR: Duration = Duration::from_secs(120);

/// Reads the body before anything else is done for the request, so that a slow client holds nothing but its connection.
pub(crate) async fn read_ahead(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // These have none, and what is sent all the same is nobody's.
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return next.run(Request::from_parts(parts, Body::empty())).await;
    }
    let large = large_body(&parts.method, parts.uri.path());
    let is_jar = large.is_some_and(|bytes| bytes > TEXT_BYTES_MAX);
    let read = async {
        // Nobody closes it.
        let _room = match large {
            None => None,
            Some(_) if is_jar => JARS.acquire().await.ok(),
            Some(_) => LARGE_BODIES.acquire().await.ok(),
        };
        collected(body, large.unwrap_or(BODY_BYTES_MAX)).await
    };
    let limit = if is_jar { JAR } else { BODY };
    match tokio::time::timeout(limit, read).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(response)) => response,
        Err(_) => {
            let words = format!("the body did not arrive within {} s", limit.as_secs());
            refused(StatusCode::REQUEST_TIMEOUT, words)
        }
    }
}

async fn collected(body: Body, bytes_max: usize) -> Result<Vec<u8>, Response> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| refused(StatusCode::BAD_REQUEST, format!("the body broke off: {error}")))?;
        if bytes.len() + chunk.len() > bytes_max {
            let words = format!("the body is larger than {bytes_max} bytes");
            return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, words));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn refused(status: StatusCode, words: String) -> Response {
    let mut response = Failure::invalid(words).into_response();
    *response.status_mut() = status;
    response
}
