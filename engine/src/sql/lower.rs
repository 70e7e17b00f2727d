//! From relations to a plan: what several outputs share is one chain of operators, and every operator gives only the
//! columns that someone reads.

use super::keyed;
use super::rel::{Grouping, Rel, RelKind, RelRef, Widening};
use crate::expr::{Expr, ExprKind, Scalar, functions};
use crate::plan::{Aggregate, JobPlan, KeyedOperator, Node, NodeKind, SinkTarget, TableDef, WindowSource, WindowSpec};
use crate::types::{DataType, Field, Schema};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows on their way out of a job.
pub(super) struct Root {
    pub(super) rel: RelRef,
    pub(super) target: SinkTarget,
    pub(super) columns: Vec<usize>,
    pub(super) key: Vec<usize>,
}

/// An operator of the graph before its columns are pruned.
#[derive(Debug, Clone)]
enum Op {
    Scan { table: Arc<TableDef>, upserts: bool },
    Values(Vec<Vec<Expr>>),
    Filter(Expr),
    Project(Vec<Expr>),
    Widen(Widening),
    Union,
    Assign(WindowSpec),
    Aggregate { window: WindowSource, keys: Vec<usize>, aggregates: Vec<Aggregate> },
    Keyed { keys: Vec<Vec<usize>>, operator: KeyedOperator },
}

impl PartialEq for Op {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scan { table: a, upserts: b }, Self::Scan { table: x, upserts: y }) => Arc::ptr_eq(a, x) && b == y,
            (Self::Values(a), Self::Values(b)) => a == b,
            (Self::Filter(a), Self::Filter(b)) => a == b,
            (Self::Project(a), Self::Project(b)) => a == b,
            (Self::Widen(a), Self::Widen(b)) => a == b,
            (Self::Union, Self::Union) => true,
            (Self::Assign(a), Self::Assign(b)) => a == b,
            (
                Self::Aggregate { window: a, keys: b, aggregates: c },
                Self::Aggregate { window: x, keys: y, aggregates: z },
            ) => a == x && b == y && c == z,
            (Self::Keyed { keys: a, operator: b }, Self::Keyed { keys: x, operator: y }) => a == x && b == y,
            _ => false,
        }
    }
}

/// A node of the graph before its columns are pruned.
struct Draft {
    op: Op,
    inputs: Vec<usize>,
    schema: Schema,
    /// The columns that someone reads.
    wanted: BTreeSet<usize>,
}

/// The plan that writes all `roots`.
pub(super) fn lower(roots: &[Root], settings: BTreeMap<String, String>) -> JobPlan {
    let mut graph = Graph { drafts: Vec::new() };
    let tops: Vec<usize> = roots.iter().map(|root| graph.add(&root.rel)).collect();
    for (root, &top) in roots.iter().zip(&tops) {
        graph.drafts[top].wanted.extend(root.columns.iter().chain(&root.key));
    }
    for id in (0..graph.drafts.len()).rev() {
        graph.ask_inputs(id);
    }
    let mut build = Build { graph: &graph, nodes: Vec::new(), done: Vec::new() };
    for id in 0..graph.drafts.len() {
        let built = build.node(id);
        build.done.push(built);
    }
    for (root, &top) in roots.iter().zip(&tops) {
        build.sink(root, top);
    }
    JobPlan { nodes: build.nodes, settings }
}

struct Graph {
    drafts: Vec<Draft>,
}

impl Graph {
    /// The node of a relation; the same one for the same relation.
    fn add(&mut self, rel: &Rel) -> usize {
        let inputs: Vec<usize> = rel.inputs().iter().map(|i| self.add(i)).collect();
        let op = match &rel.kind {
            RelKind::Scan { table, upserts } => Op::Scan { table: Arc::clone(table), upserts: *upserts },
            RelKind::Values(rows) => Op::Values(rows.clone()),
            RelKind::Filter { predicate, .. } => Op::Filter(predicate.clone()),
            RelKind::Project { input, exprs } => {
                // Handing on all columns as they are is doing nothing.
                let same = exprs.iter().enumerate().all(|(i, e)| e.as_column() == Some(i));
                if same && exprs.len() == input.schema.fields.len() {
                    return inputs[0];
                }
                Op::Project(exprs.clone())
            }
            RelKind::Widen { by, .. } => Op::Widen(by.clone()),
            RelKind::Union(_) => Op::Union,
            RelKind::Assign { window, .. } => Op::Assign(window.clone()),
            RelKind::Aggregate { window, keys, aggregates, .. } => {
                let window = match window {
                    Grouping::Assigned(spec, _) => WindowSource::Assigned(spec.clone()),
                    Grouping::Attached { start, end, shape } => {
                        WindowSource::Attached { start_column: *start, end_column: *end, zone: shape.zone }
                    }
                };
                Op::Aggregate { window, keys: keys.clone(), aggregates: aggregates.clone() }
            }
            RelKind::Keyed { keys, operator, .. } => Op::Keyed { keys: keys.clone(), operator: operator.clone() },
        };
        let known = self.drafts.iter().position(|d| d.inputs == inputs && d.op == op);
        known.unwrap_or_else(|| {
            self.drafts.push(Draft { op, inputs, schema: rel.schema.clone(), wanted: BTreeSet::new() });
            self.drafts.len() - 1
        })
    }

    /// Tells the inputs of a node which columns it reads. All readers of the node have been asked before.
    fn ask_inputs(&mut self, id: usize) {
        let draft = &self.drafts[id];
        let (inputs, wanted) = (draft.inputs.clone(), draft.wanted.clone());
        let mut asked = BTreeSet::new();
        if let Op::Keyed { keys, operator } = draft.op.clone() {
            let widths: Vec<usize> = inputs.iter().map(|i| self.drafts[*i].schema.fields.len()).collect();
            for (side, input) in inputs.iter().enumerate() {
                let asked = keyed::asked(&operator, &keys[side], &wanted, side, &widths);
                self.drafts[*input].wanted.extend(asked);
            }
            return;
        }
        match &draft.op {
            Op::Scan { .. } | Op::Values(_) | Op::Keyed { .. } => {}
            Op::Filter(predicate) => {
                asked = wanted;
                predicate.each_column(&mut |c| asked.extend([c]));
            }
            Op::Project(exprs) => {
                wanted.iter().for_each(|&w| exprs[w].each_column(&mut |c| asked.extend([c])));
            }
            Op::Union => asked = wanted,
            Op::Widen(by) => {
                let own = self.drafts[inputs[0]].schema.fields.len();
                asked = wanted.into_iter().filter(|&c| c < own).collect();
                by.exprs().for_each(|e| e.each_column(&mut |c| asked.extend([c])));
            }
            Op::Assign(window) => {
                let own = self.drafts[inputs[0]].schema.fields.len();
                asked = wanted.into_iter().filter(|&c| c < own).collect();
                asked.extend(window.time.column());
            }
            Op::Aggregate { window, keys, aggregates } => {
                asked.extend(keys);
                asked.extend(aggregates.iter().flat_map(|a| [a.argument, a.filter]).flatten());
                match window {
                    WindowSource::Assigned(spec) => asked.extend(spec.time.column()),
                    WindowSource::Attached { start_column, end_column, .. } => {
                        asked.extend([*start_column, *end_column]);
                    }
                }
            }
        }
        for input in inputs {
            self.drafts[input].wanted.extend(&asked);
        }
    }
}

/// A node as built, and where each column of the draft stands in its output.
#[derive(Clone)]
struct Built {
    id: usize,
    columns: BTreeMap<usize, usize>,
    /// The column that says what happens to a row.
    change: Option<usize>,
}

struct Build<'a> {
    graph: &'a Graph,
    nodes: Vec<Node>,
    done: Vec<Built>,
}

/// What rows are joined to, over the columns as they stand now.
fn widening(by: &Widening, columns: &BTreeMap<usize, usize>) -> NodeKind {
    match by {
        Widening::Function(call) => NodeKind::TableFunction {
            function: call.function,
            args: call.args.iter().map(|arg| moved(arg, columns)).collect(),
            outer: call.outer,
        },
        Widening::Lookup(call) => NodeKind::Lookup {
            table: Arc::clone(&call.table),
            keys: call.keys.iter().map(|(column, value)| (*column, moved(value, columns))).collect(),
            options: call.options,
            outer: call.outer,
        },
    }
}

/// `expr` over the columns as they stand now.
fn moved(expr: &Expr, columns: &BTreeMap<usize, usize>) -> Expr {
    expr.map_columns(&mut |c, e| Expr { kind: ExprKind::Column(columns[&c]), ..e.clone() })
}

impl Build<'_> {
    fn push(&mut self, kind: NodeKind, inputs: Vec<usize>, schema: Schema, change: Option<usize>) -> usize {
        self.nodes.push(Node { kind, inputs, schema, change });
        self.nodes.len() - 1
    }

    fn input(&self, id: usize, nth: usize) -> Built {
        self.done[self.graph.drafts[id].inputs[nth]].clone()
    }

    fn node(&mut self, id: usize) -> Built {
        let draft = &self.graph.drafts[id];
        let pick =
            |columns: &[usize]| Schema { fields: columns.iter().map(|&c| draft.schema.fields[c].clone()).collect() };
        match &draft.op {
            Op::Scan { table, upserts } => {
                let mut columns: Vec<usize> = draft.wanted.iter().copied().collect();
                if columns.is_empty() {
                    // Rows are counted by some column that has a value.
                    let marks = |c: &Option<Expr>| c.as_ref().is_some_and(functions::reads_proctime);
                    let first = table.computed.iter().position(|c| !marks(c)).unwrap_or_default();
                    columns.push(table.watermark.as_ref().map_or(first, |w| w.column));
                }
                let kind = NodeKind::Scan { table: Arc::clone(table), columns: columns.clone() };
                let (mut schema, change) = (pick(&columns), upserts.then_some(columns.len()));
                schema.fields.extend(change.map(|_| change_field()));
                let id = self.push(kind, Vec::new(), schema, change);
                Built { id, columns: places(&columns), change }
            }
            Op::Values(rows) => {
                let columns: Vec<usize> = draft.wanted.iter().copied().collect();
                let pruned = rows.iter().map(|row| columns.iter().map(|&c| row[c].clone()).collect()).collect();
                let id = self.push(NodeKind::Values { rows: pruned }, Vec::new(), pick(&columns), None);
                Built { id, columns: places(&columns), change: None }
            }
            Op::Filter(predicate) => {
                let input = self.input(id, 0);
                let predicate = moved(predicate, &input.columns);
                let schema = self.nodes[input.id].schema.clone();
                let id = self.push(NodeKind::Filter { predicate }, vec![input.id], schema, input.change);
                Built { id, ..input }
            }
            Op::Project(exprs) => {
                let input = self.input(id, 0);
                let columns: Vec<usize> = draft.wanted.iter().copied().collect();
                let exprs: Vec<Expr> = columns.iter().map(|&c| moved(&exprs[c], &input.columns)).collect();
                self.project(&input, exprs, pick(&columns), &columns)
            }
            Op::Union => self.union(id),
            Op::Widen(by) => {
                let input = self.input(id, 0);
                let kind = widening(by, &input.columns);
                self.widen(id, input, kind)
            }
            Op::Assign(window) => {
                let input = self.input(id, 0);
                let window = WindowSpec { time: window.time.moved(|c| input.columns[&c]), ..window.clone() };
                self.widen(id, input, NodeKind::WindowAssign { window })
            }
            Op::Aggregate { window, keys, aggregates } => self.aggregate(id, window, keys, aggregates),
            Op::Keyed { keys, operator } => self.keyed(id, keys, operator),
        }
    }

    /// An operator that adds columns behind those of its input.
    fn widen(&mut self, id: usize, input: Built, kind: NodeKind) -> Built {
        let draft = &self.graph.drafts[id];
        let own = self.graph.drafts[draft.inputs[0]].schema.fields.len();
        let width = self.nodes[input.id].schema.fields.len();
        let added = draft.schema.fields[own..].to_vec();
        let mut columns = input.columns;
        columns.extend((0..added.len()).map(|i| (own + i, width + i)));
        let mut schema = self.nodes[input.id].schema.clone();
        schema.fields.extend(added);
        let change = input.change;
        Built { id: self.push(kind, vec![input.id], schema, change), columns, change }
    }

    /// A projection, unless it hands on all columns as they are. What says what happens to a row stands behind the others.
    fn project(&mut self, input: &Built, mut exprs: Vec<Expr>, mut schema: Schema, columns: &[usize]) -> Built {
        let change = input.change.map(|_| exprs.len());
        if let Some(at) = input.change {
            exprs.push(Expr::column(at, &self.nodes[input.id].schema.fields[at]));
            schema.fields.push(change_field());
        }
        let same = exprs.iter().enumerate().all(|(i, e)| e.as_column() == Some(i));
        let id = if same && exprs.len() == self.nodes[input.id].schema.fields.len() {
            input.id
        } else {
            self.push(NodeKind::Project { exprs }, vec![input.id], schema, change)
        };
        Built { id, columns: places(columns), change }
    }

    /// The same rows with these columns of the draft alone.
    fn narrowed(&mut self, draft: usize, columns: &[usize]) -> Built {
        let built = self.done[draft].clone();
        let fields = &self.graph.drafts[draft].schema.fields;
        let schema = Schema { fields: columns.iter().map(|&c| fields[c].clone()).collect() };
        let exprs = columns.iter().map(|&c| Expr::column(built.columns[&c], &fields[c])).collect();
        self.project(&built, exprs, schema, columns)
    }

    /// Its inputs are brought to the columns that it reads or hands on, since it keeps them.
    fn keyed(&mut self, id: usize, keys: &[Vec<usize>], operator: &KeyedOperator) -> Built {
        let draft = &self.graph.drafts[id];
        let widths: Vec<usize> = draft.inputs.iter().map(|i| self.graph.drafts[*i].schema.fields.len()).collect();
        let mut inputs = Vec::with_capacity(draft.inputs.len());
        for (side, input) in draft.inputs.iter().enumerate() {
            let asked = keyed::asked(operator, &keys[side], &draft.wanted, side, &widths);
            let asked: Vec<usize> = asked.into_iter().collect();
            inputs.push(self.narrowed(*input, &asked));
        }
        let at = |side: usize, column: usize| inputs[side].columns[&column];
        let moved_keys =
            keys.iter().enumerate().map(|(side, keys)| keys.iter().map(|&k| at(side, k)).collect()).collect();
        let asked: Vec<Vec<usize>> = inputs.iter().map(|i| i.columns.keys().copied().collect()).collect();
        let output = keyed::output(operator, &keys[0], &asked, &widths, draft.schema.fields.len());
        let mut schema = Schema { fields: output.iter().map(|&c| draft.schema.fields[c].clone()).collect() };
        let changing = operator.is_changing() || inputs.iter().any(|i| i.change.is_some());
        let change = (changing && *operator != KeyedOperator::Final).then_some(output.len());
        if change.is_some() {
            schema.fields.push(change_field());
        }
        let operator = keyed::moved(operator, &inputs.iter().map(|i| &i.columns).collect::<Vec<_>>(), &widths);
        let ids = inputs.iter().map(|i| i.id).collect();
        let id = self.push(NodeKind::Keyed { keys: moved_keys, operator }, ids, schema, change);
        Built { id, columns: places(&output), change }
    }

    /// All inputs are brought to the same columns.
    fn union(&mut self, id: usize) -> Built {
        let draft = &self.graph.drafts[id];
        let columns: Vec<usize> = draft.wanted.iter().copied().collect();
        let fields = columns.iter().map(|&c| draft.schema.fields[c].clone()).collect();
        let schema = Schema { fields };
        let changing = draft.inputs.iter().any(|i| self.done[*i].change.is_some());
        let (mut inputs, mut change) = (Vec::with_capacity(draft.inputs.len()), None);
        for &input in &draft.inputs {
            let built = self.narrowed(input, &columns);
            let built = if changing { self.with_change(built) } else { built };
            change = built.change;
            inputs.push(built.id);
        }
        let mut schema = schema;
        if change.is_some() {
            schema.fields.push(change_field());
        }
        let id = self.push(NodeKind::Union, inputs, schema, change);
        Built { id, columns: places(&columns), change }
    }

    /// The same rows with a column that says what happens to each.
    fn with_change(&mut self, input: Built) -> Built {
        if input.change.is_some() {
            return input;
        }
        let fields = self.nodes[input.id].schema.fields.clone();
        let mut exprs: Vec<Expr> = fields.iter().enumerate().map(|(i, f)| Expr::column(i, f)).collect();
        let change = exprs.len();
        exprs.push(Expr::literal(Scalar::Integer(0), DataType::TinyInt));
        let schema = Schema { fields: fields.into_iter().chain([change_field()]).collect() };
        let id = self.push(NodeKind::Project { exprs }, vec![input.id], schema, Some(change));
        Built { id, change: Some(change), ..input }
    }

    fn aggregate(&mut self, id: usize, window: &WindowSource, keys: &[usize], aggregates: &[Aggregate]) -> Built {
        let input = self.input(id, 0);
        let at = |c: usize| input.columns[&c];
        let window = match window {
            WindowSource::Assigned(spec) => {
                WindowSource::Assigned(WindowSpec { time: spec.time.moved(at), ..spec.clone() })
            }
            WindowSource::Attached { start_column, end_column, zone } => {
                WindowSource::Attached { start_column: at(*start_column), end_column: at(*end_column), zone: *zone }
            }
        };
        let moved = |a: &Aggregate| Aggregate { argument: a.argument.map(at), filter: a.filter.map(at), ..a.clone() };
        let kind = NodeKind::WindowAggregate {
            window,
            keys: keys.iter().map(|&k| at(k)).collect(),
            aggregates: aggregates.iter().map(moved).collect(),
        };
        let schema = self.graph.drafts[id].schema.clone();
        let all: Vec<usize> = (0..schema.fields.len()).collect();
        let id = self.push(kind, vec![input.id], schema, None);
        Built { id, columns: places(&all), change: None }
    }

    fn sink(&mut self, root: &Root, top: usize) {
        let built = self.done[top].clone();
        let at = |columns: &[usize]| columns.iter().map(|c| built.columns[c]).collect();
        let (columns, key): (Vec<usize>, Vec<usize>) = (at(&root.columns), at(&root.key));
        let kind = NodeKind::Sink { target: root.target.clone(), columns, key };
        // The names are those of the root: operators in between may have merged others.
        let fields = root.columns.iter().map(|&c| root.rel.schema.fields[c].clone()).collect();
        self.push(kind, vec![built.id], Schema { fields }, built.change);
    }
}

/// The column that says what happens to a row.
fn change_field() -> Field {
    Field { name: "$change".to_owned(), data_type: DataType::TinyInt, nullable: false }
}

/// Where each of these columns stands, when they stand one after the other.
fn places(columns: &[usize]) -> BTreeMap<usize, usize> {
    columns.iter().enumerate().map(|(place, &c)| (c, place)).collect()
}
