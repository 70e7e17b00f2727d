//! Scripts and the plans they become, as text.
#![allow(clippy::unwrap_used, missing_docs)]

mod sql_support;

use engine::plan::{JobPlan, NodeKind};
use engine::sql::Planned;
use sql_support::{explain, plan};

/// The reference application's text.
const TAXI: &str = include_str!("sql_taxi.sql");

fn job(script: &str) -> (JobPlan, String) {
    let found = plan(script).unwrap().into_iter().find_map(|p| match p {
        Planned::Job { plan, description } => Some((plan, description)),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn the_reference_script_reads_and_filters_trips_once() {
    let (plan, description) = job(TAXI);
    assert_eq!(description, "insert into pickup_count, trip_duration");
    let scans = plan.nodes.iter().filter(|n| matches!(n.kind, NodeKind::Scan { .. })).count();
    assert_eq!(scans, 1);
    println!("{}", explain(TAXI));
}
