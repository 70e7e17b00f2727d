//! `hailstream app`: what applications keep, read from the data directory, and orders to a running platform.

pub(crate) mod args;
mod correction;
pub(super) mod look;
mod manage;
mod moving;
pub(super) mod orders;

use super::{Failure, runtime, say};
use args::{AppAction, AppArgs};

pub(super) fn run(args: &AppArgs) -> Result<(), Failure> {
    match &args.action {
        AppAction::List(place) => look::list(place),
        AppAction::State { of, groups: None, .. } => look::state(of),
        AppAction::State { of, groups: Some(operator), limit } => look::show_groups(of, operator, *limit),
        AppAction::Check { of, script } => look::check(of, script),
        AppAction::Snapshots { name, place } => look::list_snapshots(name, place),
        AppAction::Order(order) => runtime()?.block_on(orders::run(order)),
    }
}
