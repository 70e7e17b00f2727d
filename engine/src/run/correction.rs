//! Closed windows computed anew: which results of a plan can be, and the plan that computes them.
//!
//! The plan is the application's own, over sources that end, with nothing late: no watermark comes before the end of all
//! input. Only rows of the chosen windows reach the aggregations, and only their results leave.

use super::analysis::{Readers, may_be_early};
use super::error::JobError;
use super::job::{Job, JobOptions};
use crate::expr::{Comparison, Expr, ExprKind, Scalar};
use crate::plan::{
    JobPlan, Node, NodeId, NodeKind, SinkTarget, TableDef, WatermarkDef, WindowKind, WindowSource, WindowSpec,
};
use crate::port::{Changelog, Connectors};
use crate::types::{DataType, Field, Schema};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most windows that are computed anew at a time; their groups stand in memory together.
pub const CORRECTED_WINDOWS_MAX: usize = 10_000;
/// How far a wall clock may be from UTC, and change, in milliseconds: rows so near to a window are looked at, too.
const ZONE_MS: i64 = 26 * 3_600_000;

/// The name under which an aggregation tells of itself.
pub(super) fn place_of(aggregate: NodeId) -> String {
    format!("window aggregate {aggregate}")
}

/// A window, in milliseconds on the clock of its aggregation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrectedWindow {
    /// The first one after it.
    pub end_ms: i64,
    /// Its first millisecond.
    pub start_ms: i64,
}

/// What is to be computed anew of one aggregation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectedOperator {
    /// Its name, as late rows tell it.
    pub operator: String,
    /// The tables that its results go into.
    pub sinks: Vec<String>,
    /// Its windows, the earliest first.
    pub windows: Vec<CorrectedWindow>,
}

/// What can be computed anew, and what cannot.
#[derive(Debug, Clone)]
pub struct Correction {
    /// Of each aggregation that had late rows its windows.
    pub operators: Vec<CorrectedOperator>,
    /// Operators whose windows stay as they are, and why.
    pub refused: BTreeMap<String, String>,
    plan: JobPlan,
}

impl Correction {
    /// What can be done about windows that had late rows: by the name of an operator the ends of the last windows of late
    /// rows, in milliseconds on its clock.
    pub fn of(plan: &JobPlan, connectors: &dyn Connectors, late: &BTreeMap<String, BTreeSet<i64>>) -> Self {
        let (readers, mut refused, mut operators) = (Readers::of(plan), BTreeMap::new(), Vec::new());
        for (operator, ends) in late {
            match correctable(plan, connectors, &readers, operator) {
                Ok((spec, sinks)) => {
                    let windows: BTreeSet<_> = ends.iter().flat_map(|end| windows_up_to(spec, *end)).collect();
                    let windows = windows.into_iter().collect();
                    operators.push(CorrectedOperator { operator: operator.clone(), sinks, windows });
                }
                Err(why) => {
                    refused.insert(operator.clone(), why);
                }
            }
        }
        Self { operators, refused, plan: plan.clone() }
    }

    /// Leaves out the windows for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, CorrectedWindow) -> bool) {
        for operator in &mut self.operators {
            operator.windows.retain(|window| keep(&operator.operator, *window));
        }
        self.operators.retain(|operator| !operator.windows.is_empty());
    }

    /// How many windows there are.
    pub fn windows(&self) -> usize {
        self.operators.iter().map(|operator| operator.windows.len()).sum()
    }

    /// When the earliest of an operator's windows begins, in milliseconds since the epoch; somewhat before that where its
    /// wall clock is not UTC.
    pub fn begins_at(&self, operator: &str, window: CorrectedWindow) -> i64 {
        let zone = aggregate_of(&self.plan, operator).and_then(|id| spec_of(&self.plan, id)).map(|spec| spec.zone);
        zone.map_or(window.start_ms, |zone| zone.epoch_ms(window.start_ms))
    }

    /// The tables that are read for it.
    pub fn sources(&self) -> Vec<Arc<TableDef>> {
        let wanted = wanted(&self.plan, &self.chosen());
        let table = |id: &NodeId| match &self.plan.nodes[*id].kind {
            NodeKind::Scan { table, .. } => Some(table.clone()),
            _ => None,
        };
        wanted.iter().filter_map(table).collect()
    }

    fn chosen(&self) -> BTreeMap<NodeId, &[CorrectedWindow]> {
        let node = |o: &'_ CorrectedOperator| aggregate_of(&self.plan, &o.operator);
        self.operators.iter().filter_map(|o| Some((node(o)?, o.windows.as_slice()))).collect()
    }

    /// The plan that writes these windows and nothing else. Its sources must end.
    pub fn plan(&self) -> JobPlan {
        let chosen = self.chosen();
        let wanted = wanted(&self.plan, &chosen);
        let mut made = Made { nodes: Vec::new(), places: BTreeMap::new() };
        for id in wanted {
            let node = &self.plan.nodes[id];
            match &node.kind {
                NodeKind::WindowAggregate { .. } => made.aggregate(id, node, chosen.get(&id).copied().unwrap_or(&[])),
                NodeKind::Scan { table, columns } => {
                    // Without a watermark nothing is late before the end.
                    let table = Arc::new(TableDef { watermark: None, ..TableDef::clone(table) });
                    made.push(id, Node { kind: NodeKind::Scan { table, columns: columns.clone() }, ..node.clone() });
                }
                _ => made.push(id, node.clone()),
            }
        }
        JobPlan { nodes: made.nodes, settings: self.plan.settings.clone() }
    }
}

/// A plan in the making.
struct Made {
    nodes: Vec<Node>,
    /// Of each node of the former plan whose rows stand for its own now.
    places: BTreeMap<NodeId, NodeId>,
}

impl Made {
    fn push(&mut self, id: NodeId, mut node: Node) {
        node.inputs.iter_mut().for_each(|input| *input = self.places[&*input]);
        self.nodes.push(node);
        self.places.insert(id, self.nodes.len() - 1);
    }

    /// An aggregation between a filter of what it may see and one of what leaves it.
    fn aggregate(&mut self, id: NodeId, node: &Node, windows: &[CorrectedWindow]) {
        let NodeKind::WindowAggregate { window: WindowSource::Assigned(spec), .. } = &node.kind else { return };
        let Some(column) = spec.time.column() else { return };
        let input = self.places[&node.inputs[0]];
        let time = &self.nodes[input].schema.fields[column];
        let (before, after) = (near(spec, (column, time), windows), among(spec, node, windows));
        let below =
            Node { kind: NodeKind::Filter { predicate: before }, inputs: vec![input], ..self.nodes[input].clone() };
        self.nodes.push(below);
        self.nodes.push(Node { inputs: vec![self.nodes.len() - 1], ..node.clone() });
        let above =
            Node { kind: NodeKind::Filter { predicate: after }, inputs: vec![self.nodes.len() - 1], ..node.clone() };
        self.nodes.push(above);
        self.places.insert(id, self.nodes.len() - 1);
    }
}

/// Whether a row is in one of the windows, or near to it.
fn near(spec: &WindowSpec, (column, time): (usize, &Field), windows: &[CorrectedWindow]) -> Expr {
    let column = || Expr::column(column, time);
    let at = |ms: i64| Expr::literal(Scalar::Integer(ms), time.data_type);
    let stretches = stretches(windows).into_iter().map(|(start, end)| {
        let (start, end) = match spec.zone.is_utc() || !matches!(time.data_type, DataType::TimestampLtz(_)) {
            true => (start, end),
            false => (start.saturating_sub(ZONE_MS), end.saturating_add(ZONE_MS)),
        };
        let from = Expr::compare(Comparison::GreaterOrEqual, column(), at(start));
        Expr::and(vec![from, Expr::compare(Comparison::Less, column(), at(end))])
    });
    Expr::or(stretches.collect())
}

/// The stretches of time that the windows cover together.
fn stretches(windows: &[CorrectedWindow]) -> Vec<(i64, i64)> {
    let mut all: Vec<(i64, i64)> = windows.iter().map(|w| (w.start_ms, w.end_ms)).collect();
    all.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (start, end) in all {
        match joined.last_mut().filter(|last| last.1 >= start) {
            Some(last) => last.1 = last.1.max(end),
            None => joined.push((start, end)),
        }
    }
    joined
}

/// Whether a result is one of the windows': `window_end` is the last column but one.
fn among(spec: &WindowSpec, aggregate: &Node, windows: &[CorrectedWindow]) -> Expr {
    let column = aggregate.schema.fields.len() - 2;
    let end = &aggregate.schema.fields[column];
    let zoned = matches!(end.data_type, DataType::TimestampLtz(_));
    let value = |w: &CorrectedWindow| Scalar::Integer(if zoned { spec.zone.epoch_ms(w.end_ms) } else { w.end_ms });
    let input = Box::new(Expr::column(column, end));
    let kind = ExprKind::In { input, list: windows.iter().map(value).collect() };
    Expr { kind, data_type: DataType::Boolean, nullable: end.nullable }
}

/// All windows that a row is in whose last window ends at `end`. Where it stands in them is not known: those that share
/// any of the last one's beginning are all taken.
fn windows_up_to(spec: &WindowSpec, end: i64) -> Vec<CorrectedWindow> {
    let start = end.saturating_sub(spec.size_ms);
    let ends = std::iter::successors(Some(end), |end| end.checked_sub(spec.slide_ms)).take_while(|end| *end > start);
    let window = |end_ms: i64| match spec.kind {
        WindowKind::Sliding => CorrectedWindow { end_ms, start_ms: end_ms.saturating_sub(spec.size_ms) },
        WindowKind::Cumulative => CorrectedWindow { end_ms, start_ms: start },
    };
    ends.map(window).collect()
}

fn aggregate_of(plan: &JobPlan, operator: &str) -> Option<NodeId> {
    let is_aggregate = |id: &NodeId| matches!(plan.nodes[*id].kind, NodeKind::WindowAggregate { .. });
    (0..plan.nodes.len()).filter(is_aggregate).find(|id| place_of(*id) == operator)
}

fn spec_of(plan: &JobPlan, aggregate: NodeId) -> Option<&WindowSpec> {
    match &plan.nodes[aggregate].kind {
        NodeKind::WindowAggregate { window: WindowSource::Assigned(spec), .. } => Some(spec),
        _ => None,
    }
}

/// The windows of an operator, and the tables of its results; or why they stay as they are.
fn correctable<'p>(
    plan: &'p JobPlan,
    connectors: &dyn Connectors,
    readers: &Readers,
    operator: &str,
) -> Result<(&'p WindowSpec, Vec<String>), String> {
    let aggregate = aggregate_of(plan, operator).ok_or(
        "the script has no such aggregation of windows; rows that come late elsewhere are in no window by themselves",
    )?;
    let spec = spec_of(plan, aggregate).ok_or("it aggregates windows of another operator, not rows")?;
    if spec.time.column().is_none() {
        return Err("its windows go by the clock, and no row is late for them".into());
    }
    if let Some(held) = plan.nodes[aggregate].inputs.iter().find_map(|input| holder_above(plan, *input)) {
        return Err(format!("its rows come through operator {held}, which keeps rows of its own"));
    }
    // A result that replaces an earlier one while its window is open does so when it has closed, too.
    if !may_be_early(plan, readers, aggregate).into_iter().all(|replaces| replaces) {
        return Err(
            "its results are combined or filtered further on, so that new ones need not replace old ones".into()
        );
    }
    let mut sinks = Vec::new();
    for sink in sinks_below(plan, readers, aggregate) {
        let NodeKind::Sink { target: SinkTarget::Table(table), .. } = &plan.nodes[sink].kind else { continue };
        if connectors.changelog(table) == Changelog::Append {
            return Err(format!("table {} takes new rows only, and replaces none", table.name));
        }
        if let Some(other) = other_above(plan, sink) {
            return Err(format!("table {} also has rows of operator {other}, which are in no window", table.name));
        }
        sinks.push(table.name.clone());
    }
    Ok((spec, sinks))
}

/// An operator at or above `node` that is more than a function of single rows.
fn holder_above(plan: &JobPlan, node: NodeId) -> Option<NodeId> {
    use NodeKind::{Filter, Lookup, Project, Scan, TableFunction, Union};
    match &plan.nodes[node].kind {
        Scan { .. } => None,
        Filter { .. } | Project { .. } | TableFunction { .. } | Lookup { .. } | Union => {
            plan.nodes[node].inputs.iter().find_map(|input| holder_above(plan, *input))
        }
        _ => Some(node),
    }
}

/// What is above a sink and neither an aggregation of assigned windows nor a function of its results' single rows.
fn other_above(plan: &JobPlan, node: NodeId) -> Option<NodeId> {
    use NodeKind::{Filter, Project, Sink, Union};
    match &plan.nodes[node].kind {
        Filter { .. } | Project { .. } | Union | Sink { .. } => {
            plan.nodes[node].inputs.iter().find_map(|input| other_above(plan, *input))
        }
        _ if spec_of(plan, node).is_some() => None,
        _ => Some(node),
    }
}

fn sinks_below(plan: &JobPlan, readers: &Readers, node: NodeId) -> BTreeSet<NodeId> {
    if matches!(plan.nodes[node].kind, NodeKind::Sink { .. }) {
        return BTreeSet::from([node]);
    }
    readers.of_node(node).iter().flat_map(|reader| sinks_below(plan, readers, *reader)).collect()
}

/// The nodes that the results of these aggregations need, in their order.
fn wanted(plan: &JobPlan, chosen: &BTreeMap<NodeId, &[CorrectedWindow]>) -> BTreeSet<NodeId> {
    let readers = Readers::of(plan);
    let mut open: Vec<NodeId> = chosen.keys().flat_map(|id| sinks_below(plan, &readers, *id)).collect();
    let mut wanted = BTreeSet::new();
    while let Some(node) = open.pop() {
        if wanted.insert(node) {
            open.extend(&plan.nodes[node].inputs);
        }
    }
    wanted
}

/// The latest event time that records before those of `table` can have had, in milliseconds since the epoch, judged by its
/// records as `options` let them be read: the latest of them, and as much more as watermarks allow for. `None` where there
/// is none, or the table has no event time.
///
/// # Errors
/// When the records cannot be read.
pub fn earlier_than(table: &TableDef, options: JobOptions) -> Result<Option<i64>, JobError> {
    let Some(plan) = event_times(table) else { return Ok(None) };
    let job = Job::start(plan, options)?;
    let (mut latest, mut delay) = (None, 0_i64);
    // The channel of the rows is closed when all have been given.
    for rows in job.collected().into_iter().flat_map(|(_, rows)| rows.iter()) {
        let column = |at: usize| rows.column(at).as_primitive_opt::<TimestampMillisecondType>();
        let (Some(times), Some(watermarks)) = (column(0), column(1)) else { continue };
        latest = latest.max(times.iter().flatten().max());
        let delays = times.iter().zip(watermarks).filter_map(|(time, watermark)| time?.checked_sub(watermark?));
        delay = delays.fold(delay, i64::max);
    }
    job.wait()?;
    Ok(latest.map(|latest| latest.saturating_add(delay).saturating_add(1)))
}

/// The plan that gives the event time of each row of a table, and the watermark that it implies.
fn event_times(table: &TableDef) -> Option<JobPlan> {
    let WatermarkDef { column, expr } = table.watermark.clone()?;
    let (field, columns) = (&table.schema.fields[column], (0..table.schema.fields.len()).collect());
    let watermark = Field { name: "watermark".into(), data_type: expr.data_type, nullable: expr.nullable };
    let schema = Schema { fields: vec![field.clone(), watermark] };
    let exprs = vec![Expr::column(column, field), expr];
    let scanned = TableDef { watermark: None, ..table.clone() };
    let node = |kind, inputs, schema| Node { kind, inputs, schema, change: None };
    let nodes = vec![
        node(NodeKind::Scan { table: Arc::new(scanned), columns }, vec![], table.schema.clone()),
        node(NodeKind::Project { exprs }, vec![0], schema.clone()),
        node(NodeKind::Sink { target: SinkTarget::Collect, columns: vec![0, 1], key: vec![] }, vec![1], schema),
    ];
    Some(JobPlan { nodes, settings: BTreeMap::new() })
}
