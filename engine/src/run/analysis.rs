//! What a plan implies for running it: who reads whom, which windows a source's rows go into first, and whose results may
//! be shown before they are final.

use crate::expr::{Comparison, Expr, ExprKind};
use crate::plan::{AggregateFunction, JobPlan, KeyedOperator, NodeId, NodeKind, WindowSource, WindowSpec, WindowTime};
use std::collections::BTreeSet;

/// The edges of a plan from inputs to readers.
pub(crate) struct Readers(Vec<Vec<NodeId>>);

impl Readers {
    pub(crate) fn of(plan: &JobPlan) -> Self {
        let mut readers = vec![Vec::new(); plan.nodes.len()];
        for (id, node) in plan.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|input| readers[*input].push(id));
        }
        Self(readers)
    }

    /// Who reads `node`; twice who reads it twice.
    pub(crate) fn of_node(&self, node: NodeId) -> &[NodeId] {
        &self.0[node]
    }
}

/// The windows that the rows of `source` go into first, on each path to a sink.
pub(crate) fn first_windows(plan: &JobPlan, readers: &Readers, source: NodeId) -> Vec<WindowSpec> {
    let mut found = Vec::new();
    walk(plan, readers, source, None, &mut found);
    found
}

/// `assigned` is the window that rows were given without being aggregated yet.
fn walk(plan: &JobPlan, readers: &Readers, node: NodeId, assigned: Option<&WindowSpec>, found: &mut Vec<WindowSpec>) {
    for reader in readers.of_node(node) {
        let first = match &plan.nodes[*reader].kind {
            NodeKind::WindowAssign { window } => {
                let window = (window.time != WindowTime::Processing).then_some(window);
                walk(plan, readers, *reader, window, found);
                continue;
            }
            kind if kind.goes_by_the_clock() => continue,
            NodeKind::WindowAggregate { window: WindowSource::Assigned(spec), .. } => Some(spec),
            NodeKind::WindowAggregate { window: WindowSource::Attached { .. }, .. } => assigned,
            _ => {
                walk(plan, readers, *reader, assigned, found);
                continue;
            }
        };
        found.extend(first.filter(|spec| !found.contains(spec)).cloned());
    }
}

/// The sources (by their place in `sources`) whose rows come to each node.
pub(crate) fn sources_of(plan: &JobPlan, sources: &[NodeId], node: NodeId) -> BTreeSet<usize> {
    let mut of: BTreeSet<usize> = sources.iter().position(|s| *s == node).into_iter().collect();
    plan.nodes[node].inputs.iter().for_each(|input| of.extend(sources_of(plan, sources, *input)));
    of
}

/// Whether the clock takes the place of the watermark at a node or somewhere above it.
pub(crate) fn follows_the_clock(plan: &JobPlan, node: NodeId) -> bool {
    let node = &plan.nodes[node];
    node.kind.goes_by_the_clock() || node.inputs.iter().any(|input| follows_the_clock(plan, *input))
}

/// Whether rows of a sink may go away again, so that which of them are shown for a moment depends on how its input is cut
/// into batches. Groups and ranks of rows that only come are replaced and never go away.
pub(crate) fn takes_back(plan: &JobPlan, sink: NodeId) -> bool {
    let node = &plan.nodes[sink];
    if node.change.is_none() {
        return false;
    }
    let mut at = node.inputs[0];
    while matches!(plan.nodes[at].kind, NodeKind::Project { .. }) {
        at = plan.nodes[at].inputs[0];
    }
    let grows = match &plan.nodes[at].kind {
        NodeKind::Keyed { operator: KeyedOperator::Group { .. }, .. } => true,
        NodeKind::Keyed { operator: KeyedOperator::Rank(rank), .. } => rank.numbered || rank.to == Some(1),
        _ => false,
    };
    !grows || plan.nodes[at].inputs.iter().any(|input| plan.nodes[*input].change.is_some())
}

/// How a column of a window's result changes while the window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Never: a key or the window itself.
    Fixed,
    /// It only grows: a count.
    Grows,
    /// It may do anything.
    Free,
}

/// For each reader of `aggregate` whether it may have results before their windows close: every row given early is
/// replaced by a final one under the same id, so that nothing untrue stays behind. By the clock they close soon enough.
pub(crate) fn may_be_early(plan: &JobPlan, readers: &Readers, aggregate: NodeId) -> Vec<bool> {
    let NodeKind::WindowAggregate { keys, aggregates, .. } = &plan.nodes[aggregate].kind else { return Vec::new() };
    if plan.nodes[aggregate].kind.goes_by_the_clock() {
        return vec![false; readers.of_node(aggregate).len()];
    }
    let grows = |f: AggregateFunction| if f == AggregateFunction::Count { Course::Grows } else { Course::Free };
    let mut courses = vec![Course::Fixed; keys.len()];
    courses.extend(aggregates.iter().map(|a| grows(a.function)));
    courses.resize(plan.nodes[aggregate].schema.fields.len(), Course::Fixed);
    readers.of_node(aggregate).iter().map(|reader| takes_early(plan, readers, *reader, &courses)).collect()
}

/// Whether `node`, whose input's columns take these courses, and all below it may have rows that are replaced later.
fn takes_early(plan: &JobPlan, readers: &Readers, node: NodeId, courses: &[Course]) -> bool {
    let below = |courses: &[Course]| readers.of_node(node).iter().all(|r| takes_early(plan, readers, *r, courses));
    match &plan.nodes[node].kind {
        NodeKind::Filter { predicate } => stays_true(predicate, courses) && below(courses),
        NodeKind::Project { exprs } => below(&exprs.iter().map(|e| course(e, courses)).collect::<Vec<_>>()),
        NodeKind::Union => below(courses),
        NodeKind::Sink { key, .. } => !key.is_empty() && key.iter().all(|k| courses[*k] == Course::Fixed),
        _ => false,
    }
}

fn course(expr: &Expr, courses: &[Course]) -> Course {
    if let Some(column) = expr.as_column() {
        return courses[column];
    }
    let mut fixed = true;
    expr.each_column(&mut |c| fixed &= courses[c] == Course::Fixed);
    if fixed { Course::Fixed } else { Course::Free }
}

/// Whether a condition that is true of a result stays true of all later ones.
fn stays_true(predicate: &Expr, courses: &[Course]) -> bool {
    let constant = |e: &Expr| course(e, courses) == Course::Fixed;
    match &predicate.kind {
        _ if constant(predicate) => true,
        ExprKind::And(parts) | ExprKind::Or(parts) => parts.iter().all(|p| stays_true(p, courses)),
        ExprKind::IsTrue(inner) => stays_true(inner, courses),
        ExprKind::Compare { op: Comparison::Greater | Comparison::GreaterOrEqual, left, right } => {
            course(left, courses) == Course::Grows && constant(right)
        }
        ExprKind::Compare { op: Comparison::Less | Comparison::LessOrEqual, left, right } => {
            course(right, courses) == Course::Grows && constant(left)
        }
        _ => false,
    }
}

pub(crate) fn is_head(kind: &NodeKind) -> bool {
    matches!(
        kind,
        NodeKind::Scan { .. }
            | NodeKind::Values { .. }
            | NodeKind::Union
            | NodeKind::Lookup { .. }
            | NodeKind::WindowAggregate { .. }
            | NodeKind::Keyed { .. }
    )
}
