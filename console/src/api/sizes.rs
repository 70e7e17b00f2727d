//! Scaling: decisions with their reasons, the policies, and what is seen of what they scale.

use super::Shared;
use super::controls::{Body, TAKEN, Taken};
use crate::Failure;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

pub(super) async fn look(State(shared): State<Shared>) -> Result<Json<Value>, Failure> {
    shared.ask(|platform| platform.sizes()).await.map(Json)
}

/// A policy for a subject; without one its policy is taken away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPolicy {
    /// `application/NAME` or `stream/NAME`.
    subject: String,
    policy: Option<Value>,
}

pub(super) async fn set_policy(
    State(shared): State<Shared>,
    Body(set): Body<SetPolicy>,
) -> Result<Json<Taken>, Failure> {
    let SetPolicy { subject, policy } = set;
    shared.ask(move |platform| platform.set_scaling_policy(&subject, policy)).await.map(|()| TAKEN)
}
