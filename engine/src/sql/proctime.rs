//! What a plan may do with processing time: put rows into windows and look tables up, but not read it as a value.

use super::error::SqlError;
use crate::expr::functions;
use crate::plan::{JobPlan, Node, NodeId, NodeKind, WindowSource, WindowTime};
use sqlparser::tokenizer::Span;

/// Refuses a plan that asks of processing time what cannot be had.
pub(super) fn checked(plan: JobPlan, place: Span) -> Result<JobPlan, SqlError> {
    if plan.nodes.iter().any(reads_its_value) {
        return Err(SqlError::unsupported(place, "the value of a processing-time column")
            .hint("name it behind FOR SYSTEM_TIME AS OF or as the time of a window, and not in a SELECT list"));
    }
    let by_clock = |node: &Node| node.kind.goes_by_the_clock() || assigns_by_clock(&node.kind);
    let batch = plan.settings.get("execution.runtime-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("batch"));
    if batch && plan.nodes.iter().any(by_clock) {
        return Err(SqlError::unsupported(place, "a window over processing time in batch mode")
            .hint("SET 'execution.runtime-mode' = 'streaming', or use windows over event time"));
    }
    if (0..plan.nodes.len()).any(|id| closes_what_was_assigned(&plan, id)) {
        return Err(SqlError::unsupported(place, "a condition on a window of processing time below its GROUP BY")
            .hint("write it in HAVING"));
    }
    Ok(plan)
}

fn reads_its_value(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Scan { table, columns } => {
            let marked = |c: &usize| table.computed[*c].as_ref().is_some_and(functions::reads_proctime);
            columns.iter().any(marked)
        }
        NodeKind::Filter { predicate } => functions::reads_proctime(predicate),
        NodeKind::Project { exprs } | NodeKind::TableFunction { args: exprs, .. } => {
            exprs.iter().any(functions::reads_proctime)
        }
        NodeKind::Values { rows } => rows.iter().flatten().any(functions::reads_proctime),
        NodeKind::Lookup { keys, .. } => keys.iter().any(|(_, value)| functions::reads_proctime(value)),
        _ => false,
    }
}

fn assigns_by_clock(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::WindowAssign { window } if window.time == WindowTime::Processing)
}

/// Whether this is an aggregate of windows that rows were given by the clock somewhere else: nothing tells it when they end.
fn closes_what_was_assigned(plan: &JobPlan, id: NodeId) -> bool {
    let node = &plan.nodes[id];
    if !matches!(&node.kind, NodeKind::WindowAggregate { window: WindowSource::Attached { .. }, .. }) {
        return false;
    }
    let mut above = node.inputs[0];
    while matches!(plan.nodes[above].kind, NodeKind::Filter { .. } | NodeKind::Project { .. }) {
        above = plan.nodes[above].inputs[0];
    }
    assigns_by_clock(&plan.nodes[above].kind)
}
