//! The services of `control` on the AWS door, beside the streams'.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use control::aws::Door;
use store::kinesis::Caller;

/// The AWS door: what is for one of the services goes there, everything else to the streams.
pub(crate) fn beside_streams(streams: Router, services: Door) -> Router {
    streams.layer(from_fn_with_state(services, divert))
}

async fn divert(State(services): State<Door>, request: Request, next: Next) -> Response {
    if !services.serves(request.headers(), request.uri().path()) {
        return next.run(request).await;
    }
    // Without a guard nobody is known, and everybody may do everything.
    let allowed = request.extensions().get::<Caller>().is_none_or(|caller| caller.allowed);
    services.answer(request, allowed).await
}
