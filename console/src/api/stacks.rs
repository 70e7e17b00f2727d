//! Stacks: planned, and made so.

use super::Shared;
use super::controls::Body;
use crate::Failure;
use crate::views::{StackRequest, StackStep};
use axum::Json;
use axum::extract::State;
use serde::Serialize;

/// Largest stack with its files, in bytes.
pub(super) const STACK_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The steps of a stack.
#[derive(Serialize)]
pub(super) struct Steps {
    steps: Vec<StackStep>,
}

pub(super) async fn plan(
    State(shared): State<Shared>,
    Body(stack): Body<StackRequest>,
) -> Result<Json<Steps>, Failure> {
    shared.ask(move |platform| platform.plan_stack(&stack)).await.map(shown)
}

pub(super) async fn apply(
    State(shared): State<Shared>,
    Body(stack): Body<StackRequest>,
) -> Result<Json<Steps>, Failure> {
    shared.ask(move |platform| platform.apply_stack(&stack)).await.map(shown)
}

/// There are no more of them than a stack of the largest size declares.
fn shown(steps: Vec<StackStep>) -> Json<Steps> {
    Json(Steps { steps: steps.into_iter().map(StackStep::bounded).collect() })
}
