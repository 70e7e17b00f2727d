//! What a client may cost before it is answered: how long a body may take and how large it may be, whatever it is for.

use crate::Failure;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::time::Duration;

/// Largest body of any request, in bytes. Controls take less.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// How long a client may take over a body.
const BODY: Duration = Duration::from_secs(10);

/// Reads the body before anything else is done for the request, so that a slow client holds nothing but its connection.
pub(crate) async fn read_ahead(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // These have none, and what is sent all the same is nobody's.
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return next.run(Request::from_parts(parts, Body::empty())).await;
    }
    match tokio::time::timeout(BODY, collected(body)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(response)) => response,
        Err(_) => {
            let words = format!("the body did not arrive within {} s", BODY.as_secs());
            refused(StatusCode::REQUEST_TIMEOUT, words)
        }
    }
}

async fn collected(body: Body) -> Result<Vec<u8>, Response> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| refused(StatusCode::BAD_REQUEST, format!("the body broke off: {error}")))?;
        if bytes.len() + chunk.len() > BODY_BYTES_MAX {
            let words = format!("the body is larger than {BODY_BYTES_MAX} bytes");
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
