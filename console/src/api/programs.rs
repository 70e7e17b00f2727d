//! Programs: jars, whose bytes come as they are.

use super::Shared;
use crate::Failure;
use crate::views::ProgramLine;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};

/// What a jar is called in a request. No form of another page can send it without being asked first.
const JAR: &str = "application/java-archive";

pub(super) async fn keep(
    State(shared): State<Shared>,
    headers: HeaderMap,
    jar: Bytes,
) -> Result<Json<ProgramLine>, Failure> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != JAR) {
        return Err(Failure::invalid(format!("send the bytes of a jar with the content type {JAR}")));
    }
    shared.ask(move |platform| platform.keep_program(&jar)).await.map(Json)
}
