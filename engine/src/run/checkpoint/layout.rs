//! What the state of an operator means: its place in the script, its keys, its aggregates and its windows. By it the state
//! of one script is compared with what another one needs.

use crate::plan::{
    Aggregate, AggregateFunction, JobPlan, JoinTime, KeyedOperator, Node, NodeId, NodeKind, SinkTarget, WindowKind,
    WindowSource,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The meaning of an operator's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateLayout {
    /// The first sink that it feeds, and its place among the aggregations above it.
    pub(crate) name: String,
    /// The grouping columns as expressions over tables, with their types.
    pub(crate) keys: Vec<String>,
    /// The aggregates likewise, with the types of argument and result.
    pub(crate) aggregates: Vec<String>,
    /// The windows.
    pub(crate) windows: String,
    /// Conditions between the tables and the operator, and what else changes which rows come.
    pub(crate) input: Vec<String>,
}

impl StateLayout {
    /// Why groups of this layout cannot be those of `wanted`; `None` when they can.
    pub(crate) fn unlike(&self, wanted: &Self) -> Option<String> {
        let list = |texts: &[String]| if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
        let differ = |what: &str, old: &str, new: &str| Some(format!("its {what} were {old} and are now {new}"));
        if self.keys != wanted.keys {
            return differ("grouping columns", &list(&self.keys), &list(&wanted.keys));
        }
        if self.aggregates != wanted.aggregates {
            return differ("aggregates", &list(&self.aggregates), &list(&wanted.aggregates));
        }
        (self.windows != wanted.windows).then(|| differ("windows", &self.windows, &wanted.windows)).flatten()
    }

    /// What is to be said of groups that go on although other rows come now; `None` when the same ones do.
    pub(crate) fn other_input(&self, wanted: &Self) -> Option<String> {
        let list = |texts: &[String]| if texts.is_empty() { "all rows".to_owned() } else { texts.join("; ") };
        (self.input != wanted.input)
            .then(|| format!("it took {} and takes {} now", list(&self.input), list(&wanted.input)))
    }
}

/// The layouts of all operators with state of a plan.
pub(crate) fn layouts(plan: &JobPlan) -> BTreeMap<NodeId, Arc<StateLayout>> {
    let mut found: BTreeMap<NodeId, Arc<StateLayout>> = BTreeMap::new();
    for (id, node) in plan.nodes.iter().enumerate() {
        let NodeKind::Sink { target, .. } = &node.kind else { continue };
        let sink = match target {
            SinkTarget::Table(table) => table.name.as_str(),
            SinkTarget::Collect => "the result",
        };
        let mut above = Vec::new();
        aggregations(plan, id, &mut above);
        for (place, aggregation) in above.into_iter().enumerate() {
            if found.contains_key(&aggregation) {
                continue;
            }
            let mut name = if place == 0 { sink.to_owned() } else { format!("{sink}#{place}") };
            while found.values().any(|l| l.name == name) {
                name.push('+');
            }
            if let Some(layout) = layout(plan, aggregation, name) {
                found.insert(aggregation, Arc::new(layout));
            }
        }
    }
    found
}

/// The operators with state above `node`, the nearest ones first.
fn aggregations(plan: &JobPlan, node: NodeId, found: &mut Vec<NodeId>) {
    for input in &plan.nodes[node].inputs {
        let keeps = matches!(plan.nodes[*input].kind, NodeKind::WindowAggregate { .. } | NodeKind::Keyed { .. });
        if keeps && !found.contains(input) {
            found.push(*input);
        }
        aggregations(plan, *input, found);
    }
}

fn layout(plan: &JobPlan, id: NodeId, name: String) -> Option<StateLayout> {
    let node = &plan.nodes[id];
    let (window, keys, aggregates) = match &node.kind {
        NodeKind::WindowAggregate { window, keys, aggregates } => (window, keys, aggregates),
        NodeKind::Keyed { keys, operator } => return Some(keyed(plan, node, keys, operator, name)),
        _ => return None,
    };
    let above = node.inputs[0];
    let typed = |column: usize| {
        format!("{} {}", origin(plan, above, column), plan.nodes[above].schema.fields[column].data_type)
    };
    let results = &node.schema.fields[keys.len()..];
    let aggregate = |(a, f): (&Aggregate, &crate::types::Field)| format!("{} {}", call(a, &typed), f.data_type);
    let windows = match window {
        WindowSource::Assigned(spec) => {
            let kind = match spec.kind {
                WindowKind::Sliding => "sliding",
                WindowKind::Cumulative => "cumulative",
            };
            let time = spec.time.column().map_or_else(|| "the clock".to_owned(), |c| origin(plan, above, c));
            let (size, slide, offset, zone) = (spec.size_ms, spec.slide_ms, spec.offset_ms, spec.zone);
            format!("{kind} over {time}: size {size} ms, slide {slide} ms, offset {offset} ms, zone {zone}")
        }
        WindowSource::Attached { start_column, end_column, zone } => {
            format!("from {} to {}, zone {zone}", origin(plan, above, *start_column), origin(plan, above, *end_column))
        }
    };
    let mut input = Vec::new();
    conditions(plan, above, &mut input);
    Some(StateLayout {
        name,
        keys: keys.iter().map(|k| typed(*k)).collect(),
        aggregates: aggregates.iter().zip(results).map(aggregate).collect(),
        windows,
        input,
    })
}

/// The layout of an operator that keeps rows: what it does, and all columns of the rows that it keeps.
fn keyed(plan: &JobPlan, node: &Node, keys: &[Vec<usize>], operator: &KeyedOperator, name: String) -> StateLayout {
    let typed = |side: usize, column: usize| {
        let above = node.inputs[side];
        format!("{} {}", origin(plan, above, column), plan.nodes[above].schema.fields[column].data_type)
    };
    let listed = |side: usize, columns: &mut dyn Iterator<Item = usize>| {
        columns.map(|c| typed(side, c)).collect::<Vec<_>>().join(", ")
    };
    let first = |column: usize| typed(0, column);
    let mut kept = vec![match operator {
        KeyedOperator::Rank(rank) => {
            let way =
                |o: &crate::plan::OrderBy| format!("{}{}", first(o.column), if o.descending { " DESC" } else { "" });
            let order: Vec<String> = rank.order.iter().map(way).collect();
            format!("rank by [{}], to {:?}, newest first {}", order.join(", "), rank.to, rank.newest_first)
        }
        KeyedOperator::Latest => "latest".to_owned(),
        KeyedOperator::Normalize => "normalized".to_owned(),
        KeyedOperator::Final => "final".to_owned(),
        KeyedOperator::Session { .. } => "session".to_owned(),
        KeyedOperator::Join(_) => "join".to_owned(),
        KeyedOperator::Group { aggregates } | KeyedOperator::Over { aggregates, .. } => {
            aggregates.iter().map(|a| call(a, &first)).collect::<Vec<_>>().join(", ")
        }
    }];
    if !matches!(operator, KeyedOperator::Group { .. }) {
        let rows = |side: usize| {
            let above = &plan.nodes[node.inputs[side]];
            let columns = (0..above.schema.fields.len()).filter(|c| Some(*c) != above.change);
            format!("rows of [{}]", listed(side, &mut columns.into_iter()))
        };
        kept.extend((0..node.inputs.len()).map(rows));
    }
    let windows = match operator {
        KeyedOperator::Session { time, gap_ms, zone } => {
            let time = time.column().map_or_else(|| "the clock".to_owned(), first);
            format!("session over {time}: gap {gap_ms} ms, zone {zone}")
        }
        KeyedOperator::Over { time_column, frame, .. } => format!("over {}: {frame:?}", first(*time_column)),
        KeyedOperator::Join(join) => match &join.time {
            JoinTime::Unbounded => "none".to_owned(),
            JoinTime::Interval { times, lower_ms, upper_ms } => {
                format!("{} - {}: {lower_ms} to {upper_ms} ms", typed(0, times[0]), typed(1, times[1]))
            }
            JoinTime::Window { ends, zone } => format!("to {}, zone {zone}", typed(0, ends[0])),
        },
        KeyedOperator::Rank(rank) => {
            rank.window.map_or_else(|| "none".to_owned(), |(end, zone)| format!("to {}, zone {zone}", first(end)))
        }
        _ => "none".to_owned(),
    };
    let mut input = Vec::new();
    node.inputs.iter().for_each(|above| conditions(plan, *above, &mut input));
    let keys = keys.iter().enumerate().map(|(side, k)| listed(side, &mut k.iter().copied())).collect();
    StateLayout { name, keys, aggregates: kept, windows, input }
}

fn call(aggregate: &Aggregate, typed: &dyn Fn(usize) -> String) -> String {
    let name = match aggregate.function {
        AggregateFunction::Count => "COUNT",
        AggregateFunction::Sum => "SUM",
        AggregateFunction::Avg => "AVG",
        AggregateFunction::Min => "MIN",
        AggregateFunction::Max => "MAX",
        AggregateFunction::Registered(function) => function.name(),
    };
    let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
    let argument = aggregate.argument.map_or_else(|| "*".to_owned(), typed);
    let filter = aggregate.filter.map_or_else(String::new, |f| format!(" FILTER {}", typed(f)));
    format!("{name}({distinct}{argument}){filter} ->")
}

/// A column of a node as an expression over tables.
fn origin(plan: &JobPlan, id: NodeId, column: usize) -> String {
    let node = &plan.nodes[id];
    let named = || node.schema.fields.get(column).map_or_else(|| format!("${column}"), |f| f.name.clone());
    let below = |c: usize| node.inputs.first().map_or_else(named, |input| origin(plan, *input, c));
    let own = |columns_above: usize| if column < columns_above { below(column) } else { named() };
    let above = || node.inputs.first().map_or(0, |input| plan.nodes[*input].schema.fields.len());
    match &node.kind {
        NodeKind::Scan { table, .. } => format!("{}.{}", table.name, named()),
        NodeKind::Filter { .. } | NodeKind::Union => below(column),
        NodeKind::Project { exprs } => exprs.get(column).map_or_else(named, |e| e.shown(&|c| below(c)).to_string()),
        NodeKind::TableFunction { .. } | NodeKind::WindowAssign { .. } => own(above()),
        NodeKind::Keyed { keys, operator: KeyedOperator::Group { .. } } => {
            keys[0].get(column).map_or_else(named, |k| below(*k))
        }
        NodeKind::Keyed { operator: KeyedOperator::Join(_), .. } if column >= above() => {
            node.inputs.get(1).map_or_else(named, |right| origin(plan, *right, column - above()))
        }
        NodeKind::Keyed { .. } => own(above()),
        NodeKind::Lookup { table, .. } if column >= above() => format!("{}.{}", table.name, named()),
        NodeKind::Lookup { .. } => below(column),
        NodeKind::WindowAggregate { keys, .. } => keys.get(column).map_or_else(named, |k| below(*k)),
        NodeKind::Values { .. } | NodeKind::Sink { .. } => named(),
    }
}

/// What decides which rows come to a node, from the tables down.
fn conditions(plan: &JobPlan, id: NodeId, found: &mut Vec<String>) {
    let node = &plan.nodes[id];
    node.inputs.iter().for_each(|input| conditions(plan, *input, found));
    let below = |c: usize| node.inputs.first().map_or_else(String::new, |input| origin(plan, *input, c));
    match &node.kind {
        NodeKind::Filter { predicate } => found.push(predicate.shown(&below).to_string()),
        NodeKind::TableFunction { function, args, outer } => {
            let args: Vec<String> = args.iter().map(|a| a.shown(&below).to_string()).collect();
            found.push(format!("{}({}){}", function.name(), args.join(", "), if *outer { ", outer" } else { "" }));
        }
        NodeKind::Lookup { table, keys, outer, .. } => {
            let keys: Vec<String> = keys.iter().map(|(_, e)| e.shown(&below).to_string()).collect();
            let join = if *outer { "left joined" } else { "joined" };
            found.push(format!("{join} to {} on {}", table.name, keys.join(", ")));
        }
        NodeKind::Scan { table, .. } => found.push(format!("rows of {}", table.name)),
        _ => {}
    }
}
