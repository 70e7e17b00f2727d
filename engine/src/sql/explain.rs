//! Plans as text: one line for each operator, the sinks first, inputs below what reads them.

use crate::expr::Expr;
use crate::plan::{
    Aggregate, AggregateFunction, JobPlan, JoinTime, Joining, KeyedOperator, Node, NodeId, NodeKind, OrderBy,
    OverFrame, SinkTarget, TableDef, WindowKind, WindowSource, WindowSpec, WindowTime,
};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The plan as an indented tree. An operator that several others read is written out once and then referred to.
pub fn text(plan: &JobPlan) -> String {
    let mut writer = Writer { plan, out: String::new(), written: BTreeSet::new() };
    for (id, node) in plan.nodes.iter().enumerate() {
        if matches!(node.kind, NodeKind::Sink { .. }) {
            writer.node(id, 0);
        }
    }
    writer.out
}

struct Writer<'a> {
    plan: &'a JobPlan,
    out: String,
    written: BTreeSet<NodeId>,
}

impl Writer<'_> {
    fn node(&mut self, id: NodeId, depth: usize) {
        let node = &self.plan.nodes[id];
        let readers = self.plan.nodes.iter().flat_map(|n| &n.inputs).filter(|&&i| i == id).count();
        let indent = "  ".repeat(depth);
        let tag = if readers > 1 { format!(" #{id}") } else { String::new() };
        if !self.written.insert(id) {
            let _ = writeln!(self.out, "{indent}{}{tag} (see above)", self.title(node));
            return;
        }
        let _ = writeln!(self.out, "{indent}{}{tag}{}", self.title(node), self.details(node));
        for &input in &node.inputs {
            self.node(input, depth + 1);
        }
    }

    fn title(&self, node: &Node) -> &'static str {
        match &node.kind {
            NodeKind::Scan { .. } => "Scan",
            NodeKind::Values { .. } => "Values",
            NodeKind::Filter { .. } => "Filter",
            NodeKind::Project { .. } => "Project",
            NodeKind::Lookup { .. } => "Lookup",
            NodeKind::TableFunction { .. } => "TableFunction",
            NodeKind::Union => "Union",
            NodeKind::WindowAssign { .. } => "WindowAssign",
            NodeKind::WindowAggregate { .. } => "WindowAggregate",
            NodeKind::Keyed { operator, .. } => keyed_title(operator),
            NodeKind::Sink { .. } => "Sink",
        }
    }

    /// The name of a column of the first input of a node.
    fn input_name(&self, node: &Node, column: usize) -> String {
        let input = node.inputs.first().map(|&i| &self.plan.nodes[i]);
        input.and_then(|i| i.schema.fields.get(column)).map_or_else(|| format!("${column}"), |f| f.name.clone())
    }

    fn shown(&self, node: &Node, expr: &Expr) -> String {
        expr.shown(&|c| self.input_name(node, c)).to_string()
    }

    fn names(&self, node: &Node, columns: &[usize]) -> String {
        columns.iter().map(|&c| self.input_name(node, c)).collect::<Vec<_>>().join(", ")
    }

    fn details(&self, node: &Node) -> String {
        match &node.kind {
            NodeKind::Scan { table, .. } => scan(table, node),
            NodeKind::Values { rows } => format!("(rows=[{}])", rows.len()),
            NodeKind::Filter { predicate } => format!("(condition=[{}])", self.shown(node, predicate)),
            NodeKind::Project { exprs } => {
                let one = |(e, f): (&Expr, &crate::types::Field)| {
                    let text = self.shown(node, e);
                    if text == f.name { text } else { format!("{text} AS {}", f.name) }
                };
                format!("(select=[{}])", exprs.iter().zip(&node.schema.fields).map(one).collect::<Vec<_>>().join(", "))
            }
            NodeKind::Lookup { table, keys, options, outer } => {
                let key = |(c, e): &(usize, Expr)| format!("{}={}", table.schema.fields[*c].name, self.shown(node, e));
                let keys: Vec<String> = keys.iter().map(key).collect();
                let join = if *outer { ", join=[left]" } else { "" };
                let order = if options.ordered { "ordered" } else { "unordered" };
                let how =
                    format!("{order}, capacity {}, timeout {}", options.capacity, span(options.timeout_ms as i64));
                format!("(table=[{}], keys=[{}], how=[{how}]{join})", table.name, keys.join(", "))
            }
            NodeKind::TableFunction { function, args, outer } => {
                let args: Vec<String> = args.iter().map(|a| self.shown(node, a)).collect();
                let join = if *outer { ", join=[left]" } else { "" };
                format!("(call=[{}({})]{join})", function.name(), args.join(", "))
            }
            NodeKind::Union => String::new(),
            NodeKind::WindowAssign { window } => format!("(window=[{}])", self.window(node, window)),
            NodeKind::WindowAggregate { window, keys, aggregates } => self.aggregate(node, window, keys, aggregates),
            NodeKind::Keyed { keys, operator } => self.keyed(node, keys, operator),
            NodeKind::Sink { target, columns, key } => {
                let name = match target {
                    SinkTarget::Table(table) => &table.name,
                    SinkTarget::Collect => "collect",
                };
                let key = if key.is_empty() { String::new() } else { format!(", key=[{}]", self.names(node, key)) };
                format!("(table=[{name}], columns=[{}]{key})", self.names(node, columns))
            }
        }
    }

    fn time(&self, node: &Node, time: WindowTime) -> String {
        time.column().map_or_else(|| "PROCTIME()".to_owned(), |column| self.input_name(node, column))
    }

    fn window(&self, node: &Node, window: &WindowSpec) -> String {
        let time = self.time(node, window.time);
        let offset = if window.offset_ms == 0 { String::new() } else { format!(", offset {}", span(window.offset_ms)) };
        let zone = if window.zone.is_utc() { String::new() } else { format!(", zone {}", window.zone) };
        if window.size_ms == window.slide_ms {
            return format!("TUMBLE {time}, size {}{offset}{zone}", span(window.size_ms));
        }
        let (name, step) = match window.kind {
            WindowKind::Sliding => ("HOP", "slide"),
            WindowKind::Cumulative => ("CUMULATE", "step"),
        };
        format!("{name} {time}, size {}, {step} {}{offset}{zone}", span(window.size_ms), span(window.slide_ms))
    }

    fn aggregate(&self, node: &Node, window: &WindowSource, keys: &[usize], aggregates: &[Aggregate]) -> String {
        let window = match window {
            WindowSource::Assigned(spec) => self.window(node, spec),
            WindowSource::Attached { start_column, end_column, .. } => {
                format!("attached {} to {}", self.input_name(node, *start_column), self.input_name(node, *end_column))
            }
        };
        let calls: Vec<String> = aggregates.iter().map(|a| self.call(node, a)).collect();
        // Rows of one key and window meet in one subtask.
        let exchange =
            if keys.is_empty() { "window".to_owned() } else { format!("window, {}", self.names(node, keys)) };
        format!(
            "(window=[{window}], keys=[{}], aggregates=[{}], exchange=[hash({exchange})])",
            self.names(node, keys),
            calls.join(", ")
        )
    }

    fn keyed(&self, node: &Node, keys: &[Vec<usize>], operator: &KeyedOperator) -> String {
        let calls = |all: &[Aggregate]| all.iter().map(|a| self.call(node, a)).collect::<Vec<_>>().join(", ");
        let what = match operator {
            KeyedOperator::Rank(rank) => {
                let one = |o: &OrderBy| {
                    format!("{}{}", self.input_name(node, o.column), if o.descending { " DESC" } else { "" })
                };
                let order = if rank.order.is_empty() {
                    format!("arrival{}", if rank.newest_first { " DESC" } else { "" })
                } else {
                    rank.order.iter().map(one).collect::<Vec<_>>().join(", ")
                };
                let to = rank.to.map_or_else(|| "…".to_owned(), |to| to.to_string());
                let window = rank
                    .window
                    .map_or_else(String::new, |(end, _)| format!(", window=[to {}]", self.input_name(node, end)));
                format!(", order=[{order}], ranks=[{} to {to}]{window}", rank.from)
            }
            KeyedOperator::Latest | KeyedOperator::Normalize | KeyedOperator::Final => String::new(),
            KeyedOperator::Session { time, gap_ms, .. } => {
                format!(", time=[{}], gap=[{}]", self.time(node, *time), span(*gap_ms))
            }
            KeyedOperator::Group { aggregates } => format!(", aggregates=[{}]", calls(aggregates)),
            KeyedOperator::Over { time_column, frame, aggregates } => {
                let frame = match frame {
                    OverFrame::Unbounded { peers: true } => "all before it and those of its time".to_owned(),
                    OverFrame::Unbounded { peers: false } => "all before it".to_owned(),
                    OverFrame::Rows { preceding } => format!("{preceding} rows before it"),
                    OverFrame::Range { preceding_ms } => format!("{} before it", span(*preceding_ms)),
                };
                let time = self.input_name(node, *time_column);
                format!(", time=[{time}], frame=[{frame}], aggregates=[{}]", calls(aggregates))
            }
            KeyedOperator::Join(join) => self.join(node, join),
        };
        let all: Vec<String> = keys.iter().enumerate().map(|(side, k)| self.names_of(node, side, k)).collect();
        let change = if node.change.is_some() { ", changelog=[all]" } else { "" };
        format!("(keys=[{}]{what}, exchange=[hash]{change})", all.join(" = "))
    }

    fn names_of(&self, node: &Node, side: usize, columns: &[usize]) -> String {
        let fields = &self.plan.nodes[node.inputs[side]].schema.fields;
        columns.iter().map(|&c| fields[c].name.clone()).collect::<Vec<_>>().join(", ")
    }

    fn join(&self, node: &Node, join: &Joining) -> String {
        let kind = match (join.keeps_left, join.keeps_right) {
            (false, false) => "inner",
            (true, false) => "left",
            (false, true) => "right",
            (true, true) => "full",
        };
        let time = match join.time {
            JoinTime::Unbounded => String::new(),
            JoinTime::Interval { times, lower_ms, upper_ms } => format!(
                ", time=[{} - {}: {lower_ms} ms to {upper_ms} ms]",
                self.names_of(node, 0, &times[..1]),
                self.names_of(node, 1, &times[1..])
            ),
            JoinTime::Window { ends, .. } => format!(", window=[to {}]", self.names_of(node, 0, &ends[..1])),
        };
        let condition = join.condition.as_ref().map_or_else(String::new, |c| {
            let name =
                |column: usize| node.schema.fields.get(column).map_or_else(|| format!("${column}"), |f| f.name.clone());
            format!(", condition=[{}]", c.shown(&name))
        });
        format!(", join=[{kind}]{time}{condition}")
    }

    fn call(&self, node: &Node, aggregate: &Aggregate) -> String {
        let name = match aggregate.function {
            AggregateFunction::Count => "COUNT",
            AggregateFunction::Sum => "SUM",
            AggregateFunction::Avg => "AVG",
            AggregateFunction::Min => "MIN",
            AggregateFunction::Max => "MAX",
            AggregateFunction::Registered(function) => function.name(),
        };
        let argument = aggregate.argument.map_or_else(|| "*".to_owned(), |a| self.input_name(node, a));
        let filter = aggregate.filter.map_or_else(String::new, |f| format!(" FILTER ({})", self.input_name(node, f)));
        let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
        format!("{name}({distinct}{argument}){filter}")
    }
}

fn keyed_title(operator: &KeyedOperator) -> &'static str {
    match operator {
        KeyedOperator::Rank(_) => "Rank",
        KeyedOperator::Latest => "Latest",
        KeyedOperator::Normalize => "ChangelogNormalize",
        KeyedOperator::Final => "Final",
        KeyedOperator::Session { .. } => "Session",
        KeyedOperator::Group { .. } => "GroupAggregate",
        KeyedOperator::Over { .. } => "OverAggregate",
        KeyedOperator::Join(join) => match join.time {
            JoinTime::Unbounded => "Join",
            JoinTime::Interval { .. } => "IntervalJoin",
            JoinTime::Window { .. } => "WindowJoin",
        },
    }
}

fn scan(table: &TableDef, node: &Node) -> String {
    let fields = node.schema.fields.iter().enumerate().filter(|(i, _)| Some(*i) != node.change);
    let columns: Vec<&str> = fields.map(|(_, f)| f.name.as_str()).collect();
    let change = if node.change.is_some() { ", changelog=[upsert]" } else { "" };
    let names = |c: usize| table.schema.fields[c].name.clone();
    let watermark =
        table.watermark.as_ref().map_or_else(String::new, |w| format!(", watermark=[{}]", w.expr.shown(&names)));
    let connector = table.options.get("connector").map_or_else(String::new, |c| format!(", connector=[{c}]"));
    format!("(table=[{}]{connector}, columns=[{}]{watermark}{change})", table.name, columns.join(", "))
}

/// Milliseconds in the largest unit that holds them exactly.
fn span(ms: i64) -> String {
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if ms % unit == 0 {
            return format!("{} {name}", ms / unit);
        }
    }
    format!("{ms} ms")
}
