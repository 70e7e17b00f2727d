//! From a plan to subtasks: which operators share one, where channels run, and which thread steps whom.

use super::aggregate::{Aggregation, Shape, Windows};
use super::analysis::{Readers, first_windows, follows_the_clock, is_head, may_be_early, sources_of, takes_back};
use super::channel::Channel;
use super::checkpoint::{
    Cut, Part, PartShape, Parts, SplitCut, StateLayout, Writer as CheckpointWriter, layouts, share_out,
};
use super::connectors::{HeldSink, ValuesSource};
use super::coordinator::{Coordinator, Member};
use super::correction::place_of;
use super::decode::{JsonOptions, OnParseError};
use super::encode::JsonEncoder;
use super::error::JobError;
use super::ids::{IdMaker, IdRule};
use super::inputs::Inputs;
use super::job::JobOptions;
use super::keyed::KeyedState;
use super::keyed_parts::{KeyedParts, codec_of};
use super::lookup::Flight;
use super::meter::Meter;
use super::pace::Pace;
use super::spill::{Budget, SpillStore};
use super::task::{
    AggregateTask, Expander, KeyedTask, LookupTask, LookupTaskOptions, Op, OpKind, Output, Pipeline, PreAggregate,
    Reading, Rejects, Scan, SinkTask, SinkTaskOptions, SourceTask, SourceTaskOptions, Target, Task, UnionTask,
    WindowAssigner, Writer,
};
use super::time::{Operators, ProcessingTime, Subtasks, Tracker, TrackerOptions, subtasks};
use super::wake::{Parker, Wake};
use super::worker::{Seat, Shared};
use crate::expr::{Expr, Program};
use crate::plan::{JobPlan, Node, NodeId, NodeKind, SinkTarget, WindowSource, WindowSpec};
use crate::port::{Changelog, Lookup, LookupSpec, SinkSpec, Source, SplitId, SplitInfo};
use crate::types::{DataType, Field, Schema};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use crossbeam_channel::{Receiver, Sender, bounded};
use model::Watermark;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Most batches of a collected result that wait to be taken.
const COLLECTED_BATCHES_MAX: usize = 16;

/// The column of a collected result that says what happens to a row.
fn op_field() -> Field {
    Field { name: "op".to_owned(), data_type: DataType::Char(2), nullable: false }
}

/// A job ready to run.
pub(crate) struct Graph {
    /// For each thread its name, where it rests, and its subtasks.
    pub(crate) threads: Vec<(String, Arc<Parker>, Vec<Seat>)>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) trackers: Vec<Arc<Tracker>>,
    pub(crate) operators: Operators,
    pub(crate) collected: Option<(Schema, Receiver<RecordBatch>)>,
}

/// What a run takes over from the one before it.
#[derive(Default)]
pub(crate) struct Inherited {
    /// What it begins with.
    pub(crate) cut: Cut,
    /// The counters of the run before.
    pub(crate) meter: Option<Arc<Meter>>,
    pub(crate) writer: Option<Arc<CheckpointWriter>>,
    /// Where state is that memory has no room for.
    pub(crate) spill: Option<Arc<SpillStore>>,
}

/// Builds the graph of `plan`.
pub(crate) fn build(
    plan: &JobPlan,
    options: &JobOptions,
    parallelism: usize,
    inherited: Inherited,
) -> Result<Graph, JobError> {
    let layout = Layout::of(plan, options, parallelism);
    let Inherited { cut, meter, writer, spill } = inherited;
    let sources = open_sources(plan, options, &layout, &cut)?;
    let meter = Arc::new(Meter::new(&options.env, meter.as_deref(), options.dead_letters.clone()));
    let coordinator = coordinator(options, &layout, writer)?;
    let mut builder = Builder {
        plan,
        options,
        layout: &layout,
        sources: &sources,
        shared: Shared::new(options.env.clone(), layout.parkers.clone()),
        coordinator,
        meter,
        progress: layout.progress(plan),
        incoming: BTreeMap::new(),
        sides: BTreeMap::new(),
        collected: None,
        lookups: BTreeMap::new(),
        layouts: layouts(plan),
        cut: &cut,
        shares: BTreeMap::new(),
        paces: Pace::of_threads(options.records_per_kpu_s, layout.workers, &options.env),
        budget: options.state_memory.as_ref().zip(spill).map(|(memory, store)| {
            let bytes = memory.bytes_per_kpu.saturating_mul(layout.workers as u64);
            Budget::new(usize::try_from(bytes).unwrap_or(usize::MAX), store)
        }),
    };
    let seats = builder.seats()?;
    let threads = layout.threads(seats);
    let Builder { shared, coordinator, meter, collected, progress, .. } = builder;
    let collected = collected.map(|(schema, _, receiver)| (schema, receiver));
    let tracked: Vec<_> = sources.iter().map(|s| (s.node, s.tracker.clone())).collect();
    let operators = Operators::new(plan, &progress, &tracked);
    let trackers = tracked.into_iter().map(|(_, tracker)| tracker).collect();
    Ok(Graph { threads, shared, coordinator, meter, trackers, operators, collected })
}

/// Which subtasks there are and which threads step them.
struct Layout {
    parallelism: usize,
    per_thread: usize,
    workers: usize,
    readers: Readers,
    /// Nodes that begin a subtask, and sinks.
    heads: Vec<NodeId>,
    sinks: Vec<NodeId>,
    sources: Vec<NodeId>,
    /// Workers first, then one for each writer of each sink.
    parkers: Vec<Arc<Parker>>,
    wakes: BTreeMap<(NodeId, usize), Arc<Wake>>,
}

impl Layout {
    fn of(plan: &JobPlan, options: &JobOptions, parallelism: usize) -> Self {
        let per_thread = (options.parallelism_per_kpu.max(1) as usize).min(parallelism);
        let workers = options.kpus(parallelism);
        let having = |f: fn(&NodeKind) -> bool| -> Vec<NodeId> {
            plan.nodes.iter().enumerate().filter(|(_, n)| f(&n.kind)).map(|(id, _)| id).collect()
        };
        let sources = having(|k| matches!(k, NodeKind::Scan { .. } | NodeKind::Values { .. }));
        let heads = having(is_head);
        let sinks = having(|k| matches!(k, NodeKind::Sink { .. }));
        let parkers: Vec<Arc<Parker>> = (0..workers * (1 + sinks.len())).map(|_| Arc::default()).collect();
        let mut wakes = BTreeMap::new();
        for head in &heads {
            (0..parallelism).for_each(|s| {
                wakes.insert((*head, s), Wake::new(parkers[s / per_thread].clone()));
            });
        }
        for (index, sink) in sinks.iter().enumerate() {
            (0..workers).for_each(|w| {
                wakes.insert((*sink, w), Wake::new(parkers[workers * (1 + index) + w].clone()));
            });
        }
        let readers = Readers::of(plan);
        Self { parallelism, per_thread, workers, readers, heads, sinks, sources, parkers, wakes }
    }

    fn wake(&self, node: NodeId, index: usize) -> Arc<Wake> {
        self.wakes[&(node, index)].clone()
    }

    /// Where the subtasks of each operator tell how far they are.
    fn progress(&self, plan: &JobPlan) -> Subtasks {
        let heads = self.heads.iter().map(|head| (*head, self.parallelism));
        let all = heads.chain(self.sinks.iter().map(|sink| (*sink, self.workers)));
        all.map(|(node, count)| (node, subtasks(plan, node, count))).collect()
    }

    fn threads(&self, mut seats: Vec<(usize, Seat)>) -> Vec<(String, Arc<Parker>, Vec<Seat>)> {
        let mut threads: Vec<(String, Arc<Parker>, Vec<Seat>)> = Vec::new();
        for (index, parker) in self.parkers.iter().enumerate() {
            let kind = if index < self.workers { "worker" } else { "writer" };
            threads.push((format!("{kind}-{}", index % self.workers), parker.clone(), Vec::new()));
        }
        seats.drain(..).for_each(|(thread, seat)| threads[thread].2.push(seat));
        threads
    }
}

/// A source that has been opened.
struct Opened {
    node: NodeId,
    /// The table's name, made unique.
    name: String,
    source: Arc<dyn Source>,
    tracker: Arc<Tracker>,
    floor: Watermark,
    /// The windows that its rows go into first.
    windows: Vec<WindowSpec>,
}

fn open_sources(plan: &JobPlan, options: &JobOptions, layout: &Layout, cut: &Cut) -> Result<Vec<Opened>, JobError> {
    let mut opened: Vec<Opened> = Vec::new();
    for node in &layout.sources {
        let (table, source): (String, Arc<dyn Source>) = match &plan.nodes[*node].kind {
            NodeKind::Scan { table, .. } => {
                let source = options.connectors.source(table).map_err(JobError::port(&table.name))?;
                (table.name.clone(), source)
            }
            NodeKind::Values { rows } => {
                let schema = &plan.nodes[*node].schema;
                ("VALUES".into(), Arc::new(ValuesSource::new(rows, schema).map_err(JobError::evaluate("VALUES"))?))
            }
            _ => continue,
        };
        let batch = plan.settings.get("execution.runtime-mode").is_some_and(|m| m.eq_ignore_ascii_case("batch"));
        if batch && !source.is_bounded() {
            return Err(JobError::Plan(format!(
                "table {table} never ends, and 'execution.runtime-mode' is 'batch': nothing would ever come of it; SET it \
                 to 'streaming'"
            )));
        }
        let twins = opened.iter().filter(|o| o.name.split('#').next() == Some(&table)).count();
        let name = if twins == 0 { table.clone() } else { format!("{table}#{twins}") };
        let stood = cut.sources.get(&name);
        let floor = stood.map_or(Watermark::MIN, |s| Watermark(s.watermark));
        let tracker_options = TrackerOptions {
            table: name.clone(),
            timed: matches!(&plan.nodes[*node].kind, NodeKind::Scan { table, .. } if table.watermark.is_some()),
            bounded: source.is_bounded(),
            drift_ms: options.alignment_ms,
            floor,
            splits: stood.map(|s| s.splits.clone()).unwrap_or_default(),
        };
        if stood.is_some() {
            source.goes_on(&tracker_options.splits.keys().map(|id| SplitId(*id)).collect());
        }
        let splits = source.splits().map_err(JobError::port(&table))?;
        same_splits(&name, &splits, &tracker_options.splits)?;
        let wakes = (0..layout.parallelism).map(|s| layout.wake(*node, s)).collect();
        let tracker = Arc::new(Tracker::new(tracker_options, splits, wakes));
        let windows = first_windows(plan, &layout.readers, *node);
        opened.push(Opened { node: *node, name, source, tracker, floor, windows });
    }
    Ok(opened)
}

/// Refuses positions that belong to other splits than those that the source has under the same numbers now.
fn same_splits(table: &str, now: &[SplitInfo], then: &BTreeMap<u32, SplitCut>) -> Result<(), JobError> {
    let changed = |s: &&SplitInfo| then.get(&s.id.0).is_some_and(|t| t.name != s.name);
    match now.iter().find(changed) {
        None => Ok(()),
        Some(split) => Err(JobError::Plan(format!(
            "table {table}: split {} was {} when the job's state was kept and is {} now, so that positions mean \
             something else; begin without state, or restore what the table read",
            split.id.0, then[&split.id.0].name, split.name
        ))),
    }
}

fn coordinator(
    options: &JobOptions,
    layout: &Layout,
    writer: Option<Arc<CheckpointWriter>>,
) -> Result<Arc<Coordinator>, JobError> {
    if layout.sinks.is_empty() {
        return Err(JobError::Plan("the job has no sink".into()));
    }
    let of_sources = layout.sources.iter().flat_map(|n| (0..layout.parallelism).map(|s| layout.wake(*n, s)));
    let of_sinks = layout.sinks.iter().flat_map(|n| (0..layout.workers).map(|w| layout.wake(*n, w)));
    let wakes = of_sources.chain(of_sinks).collect();
    Ok(Arc::new(Coordinator::new(options.env.clone(), options.checkpointing.clone(), writer, wakes)))
}

struct Builder<'a> {
    plan: &'a JobPlan,
    options: &'a JobOptions,
    layout: &'a Layout,
    sources: &'a [Opened],
    shared: Arc<Shared>,
    coordinator: Arc<Coordinator>,
    meter: Arc<Meter>,
    paces: Vec<Arc<Pace>>,
    progress: Subtasks,
    /// Channels into each subtask or writer, as far as they have been made.
    incoming: BTreeMap<(NodeId, usize), Vec<Arc<Channel>>>,
    /// For each channel into a subtask of a join which side it belongs to.
    sides: BTreeMap<(NodeId, usize), Vec<usize>>,
    collected: Option<(Schema, Sender<RecordBatch>, Receiver<RecordBatch>)>,
    /// Tables that are looked up, opened, by node.
    lookups: BTreeMap<NodeId, Arc<dyn Lookup>>,
    layouts: BTreeMap<NodeId, Arc<StateLayout>>,
    cut: &'a Cut,
    /// What each subtask of an aggregation begins with, as far as it has not been handed over.
    shares: BTreeMap<NodeId, Vec<Parts>>,
    /// The memory of all that keeps state; `None` where nothing bounds it.
    budget: Option<Arc<Budget>>,
}

impl Builder<'_> {
    fn node(&self, id: NodeId) -> &Node {
        &self.plan.nodes[id]
    }

    /// All subtasks with the threads that step them. Inputs stand before their readers, so that all channels into a
    /// subtask exist when it is made.
    fn seats(&mut self) -> Result<Vec<(usize, Seat)>, JobError> {
        let mut seats = Vec::new();
        for head in self.layout.heads.clone() {
            for subtask in 0..self.layout.parallelism {
                let task = self.task(head, subtask)?;
                let progress = self.progress[&head][subtask].clone();
                let seat = Seat { task, wake: self.layout.wake(head, subtask), progress };
                seats.push((subtask / self.layout.per_thread, seat));
            }
        }
        for (index, sink) in self.layout.sinks.clone().into_iter().enumerate() {
            for worker in 0..self.layout.workers {
                let task = self.sink(sink, worker)?;
                let progress = self.progress[&sink][worker].clone();
                let seat = Seat { task, wake: self.layout.wake(sink, worker), progress };
                seats.push((self.layout.workers * (1 + index) + worker, seat));
            }
        }
        Ok(seats)
    }

    fn task(&mut self, head: NodeId, subtask: usize) -> Result<Box<dyn Task>, JobError> {
        let pipeline = self.pipeline(head, subtask)?;
        match &self.plan.nodes[head].kind {
            NodeKind::Scan { table, columns } => {
                let node = self.node(head);
                let reading = Reading { upserts: node.change.is_some(), layout: self.opened(head)?.source.layout() };
                let on_parse_error = reading.on_parse_error(table, self.options.strict)?;
                let scan = Scan::new(table, columns, &node.schema, self.options.strict, &reading)?;
                self.source(head, subtask, scan, pipeline, on_parse_error)
            }
            NodeKind::Values { .. } => {
                let table = ValuesSource::table(&self.node(head).schema);
                let columns: Vec<usize> = (0..table.schema.fields.len()).collect();
                let scan = Scan::new(&table, &columns, &table.schema, self.options.strict, &Reading::default())?;
                self.source(head, subtask, scan, pipeline, OnParseError::Fail)
            }
            NodeKind::Union => Ok(Box::new(UnionTask {
                place: "UNION ALL".into(),
                inputs: self.inputs(head, subtask, self.floor(head)),
                pipeline,
                schema: nullable(&self.node(head).schema),
            })),
            NodeKind::Lookup { .. } => self.lookup(head, subtask, pipeline),
            NodeKind::Keyed { .. } => self.keyed(head, subtask, pipeline),
            _ => self.aggregate(head, subtask, pipeline),
        }
    }

    fn opened(&self, head: NodeId) -> Result<&Opened, JobError> {
        let opened = self.sources.iter().find(|o| o.node == head);
        opened.ok_or_else(|| JobError::internal("the graph", "a source was not opened"))
    }

    fn source(
        &self,
        head: NodeId,
        subtask: usize,
        scan: Scan,
        pipeline: Pipeline,
        on_parse_error: OnParseError,
    ) -> Result<Box<dyn Task>, JobError> {
        let opened = self.opened(head)?;
        let options = SourceTaskOptions {
            table: opened.name.clone(),
            source: opened.source.clone(),
            tracker: opened.tracker.clone(),
            coordinator: self.coordinator.clone(),
            meter: self.meter.clone(),
            windows: opened.windows.clone(),
            read_bytes: self.options.read_bytes,
            idle_timeout_ns: self.options.idle_timeout_ns(&self.plan.settings, opened.source.is_bounded())?,
            on_parse_error,
            pace: self.paces.get(subtask / self.layout.per_thread).cloned(),
        };
        let news = Arc::new(AtomicBool::new(false));
        let (wake, flag) = (self.layout.wake(head, subtask), news.clone());
        let subscription = opened.source.subscribe(Arc::new(move || {
            flag.store(true, std::sync::atomic::Ordering::Release);
            wake.wake();
        }));
        Ok(Box::new(SourceTask::new(options, subtask, scan, pipeline, news, subscription)))
    }

    fn lookup(&mut self, head: NodeId, subtask: usize, pipeline: Pipeline) -> Result<Box<dyn Task>, JobError> {
        let plan = self.plan;
        let NodeKind::Lookup { table, keys, options, outer } = &plan.nodes[head].kind else {
            return Err(JobError::internal("the graph", "no lookup stands where one was expected"));
        };
        let lookup = match self.lookups.get(&head) {
            Some(lookup) => lookup.clone(),
            None => {
                let spec = LookupSpec { table: table.clone(), keys: keys.iter().map(|(c, _)| *c).collect() };
                let lookup = self.options.connectors.lookup(&spec).map_err(JobError::port(&table.name))?;
                self.lookups.insert(head, lookup.clone());
                lookup
            }
        };
        let values: Vec<Expr> = keys.iter().map(|(_, value)| value.clone()).collect();
        let input = &plan.nodes[plan.nodes[head].inputs[0]].schema;
        let task = LookupTaskOptions {
            place: table.name.clone(),
            keys: Program::compile(&values).map_err(JobError::evaluate(&table.name))?,
            key_types: values.iter().map(|v| v.data_type).collect(),
            lookup,
            outer: *outer,
            schema: nullable(&plan.nodes[head].schema),
            right: nullable(&table.schema),
            encoder: JsonEncoder::new(input, JsonOptions::default()),
            meter: self.meter.clone(),
            strict: self.options.strict,
        };
        let flight = Flight::new(*options, self.meter.lookup(&table.name));
        let wake = self.layout.wake(head, subtask);
        Ok(Box::new(LookupTask::new(task, self.inputs(head, subtask, self.floor(head)), pipeline, flight, wake)))
    }

    fn aggregate(&mut self, head: NodeId, subtask: usize, pipeline: Pipeline) -> Result<Box<dyn Task>, JobError> {
        let (mut state, place) = self.aggregation(head)?;
        let input = self.node(self.node(head).inputs[0]).schema.clone();
        let layout =
            self.layouts.get(&head).ok_or_else(|| JobError::internal(&place, "its state has no layout"))?.clone();
        let restored = self.share(head, subtask)?.into_iter().filter_map(Part::into_groups).collect();
        if let Some(budget) = &self.budget {
            state.keep_to(budget.join());
        }
        state.restore(self.watermark(head), restored).map_err(JobError::arrow(&place))?;
        let input = &input;
        Ok(Box::new(AggregateTask {
            seat: self.coordinator.join(Member::Operator(layout)),
            coordinator: self.coordinator.clone(),
            rejects: Rejects::new(&place, input, self.meter.clone(), self.options.strict),
            place,
            inputs: self.inputs(head, subtask, self.taken(head)),
            clock: self.clock(head),
            state,
            pipeline,
            gauge: self.meter.state_gauge(),
            meter: self.meter.clone(),
            early: may_be_early(self.plan, &self.layout.readers, head),
            leaving: None,
        }))
    }

    fn keyed(&mut self, head: NodeId, subtask: usize, pipeline: Pipeline) -> Result<Box<dyn Task>, JobError> {
        let parts = KeyedParts::of(self.plan, head).map_err(JobError::arrow(&format!("operator {head}")))?;
        let KeyedParts { place, delay_ms, operator, changes, sides } = parts;
        let rejects = |id: NodeId| Rejects::new(&place, &self.node(id).schema, self.meter.clone(), self.options.strict);
        let inputs = &self.node(head).inputs;
        let sides = sides.into_iter().zip(inputs).map(|(side, input)| side.side(rejects(*input))).collect();
        let layout =
            self.layouts.get(&head).ok_or_else(|| JobError::internal(&place, "its state has no layout"))?.clone();
        let rows = self.share(head, subtask)?.into_iter().filter_map(Part::into_rows).collect();
        let state = KeyedState::of(rows, self.budget.as_ref().map(Budget::join));
        let state = state.map_err(|e| JobError::internal(&place, e))?;
        let watermark = self.watermark(head);
        Ok(Box::new(KeyedTask {
            seat: self.coordinator.join(Member::Operator(layout)),
            coordinator: self.coordinator.clone(),
            place,
            side_of: self.sides.remove(&(head, subtask)).unwrap_or_default(),
            inputs: self.inputs(head, subtask, self.taken(head)),
            clock: self.clock(head),
            sides,
            operator,
            delay_ms,
            state,
            changes,
            pipeline,
            gauge: self.meter.state_gauge(),
            meter: self.meter.clone(),
            watermark,
            rising: None,
        }))
    }

    /// Channels from one subtask to those that own the keys of its rows; `side` is that of `node` among the inputs.
    fn keyed_output(
        &mut self,
        (head, node): (NodeId, NodeId),
        (reader, side): (NodeId, usize),
        subtask: usize,
    ) -> Result<Output, JobError> {
        let parallelism = self.layout.parallelism;
        let channels: Vec<Arc<Channel>> = (0..parallelism)
            .map(|to| {
                self.sides.entry((reader, to)).or_default().push(side);
                self.channel((head, subtask), (reader, to), parallelism)
            })
            .collect();
        let NodeKind::Keyed { keys, .. } = &self.plan.nodes[reader].kind else {
            return Err(JobError::internal("the graph", "no keyed operator stands where one was expected"));
        };
        let schema = &self.plan.nodes[node].schema;
        let codec = codec_of(schema, &keys[side]).map_err(JobError::arrow("the exchange"))?;
        if let ([channel], 1) = (channels.as_slice(), parallelism) {
            return Ok(Output::Forward(channel.clone()));
        }
        Ok(Output::Keyed { channels, key_groups: self.options.key_groups, keys: keys[side].clone(), codec })
    }

    /// Either half of an aggregation, and what to call it.
    fn aggregation(&self, id: NodeId) -> Result<(Aggregation, String), JobError> {
        let node = self.node(id);
        let NodeKind::WindowAggregate { window, keys, aggregates } = &node.kind else {
            return Err(JobError::internal("the graph", "no aggregation stands where one was expected"));
        };
        let place = place_of(id);
        let input = &self.node(node.inputs[0]).schema.fields;
        let shape = Shape::new(keys, aggregates, input, &node.schema.fields).map_err(JobError::Plan)?;
        let windows = match window {
            WindowSource::Assigned(spec) => Windows::assigned(spec.clone()),
            WindowSource::Attached { zone, .. } => Windows::Attached { zone: *zone },
        };
        let output = Schema { fields: node.schema.fields.iter().map(super::nullable_field).collect() };
        let mut state = Aggregation::new(shape, windows, window.clone(), &output);
        state.leave_closed(self.options.closed_elsewhere);
        // By the clock the first half knows no time: it hands on what comes.
        state.restore(self.taken(id), Vec::new()).map_err(JobError::arrow(&place))?;
        Ok((state, place))
    }

    /// The clock of an operator that goes by it.
    fn clock(&self, head: NodeId) -> Option<ProcessingTime> {
        let by_the_clock = self.node(head).kind.goes_by_the_clock();
        by_the_clock.then(|| ProcessingTime::new(self.options.env.clone(), self.watermark(head)))
    }

    /// The watermark that an operator with state finds at its inputs: one that goes by the clock makes its own.
    fn taken(&self, head: NodeId) -> Watermark {
        if self.node(head).kind.goes_by_the_clock() { Watermark::MIN } else { self.watermark(head) }
    }

    /// The watermark that an aggregation begins with, both of its halves.
    fn watermark(&self, aggregation: NodeId) -> Watermark {
        let stood = self.layouts.get(&aggregation).and_then(|l| self.cut.operators.get(&l.name));
        stood.map_or_else(|| self.floor(aggregation), |o| o.watermark)
    }

    /// What a subtask of an aggregation begins with.
    fn share(&mut self, aggregation: NodeId, subtask: usize) -> Result<Parts, JobError> {
        let Some(stood) = self.layouts.get(&aggregation).and_then(|l| self.cut.operators.get(&l.name)) else {
            return Ok(Vec::new());
        };
        if !self.shares.contains_key(&aggregation) {
            let shares = share_out(&stood.parts, self.options.key_groups, self.layout.parallelism);
            self.shares.insert(aggregation, shares.map_err(|e| JobError::internal(&stood.layout.name, e))?);
        }
        let share = self.shares.get_mut(&aggregation).and_then(|shares| shares.get_mut(subtask));
        Ok(share.map(std::mem::take).unwrap_or_default())
    }

    /// The least watermark with which the sources above a node begin; none where the clock has taken its place.
    fn floor(&self, node: NodeId) -> Watermark {
        if follows_the_clock(self.plan, node) {
            return Watermark::MIN;
        }
        let of = sources_of(self.plan, &self.layout.sources, node);
        of.iter().map(|s| self.sources[*s].floor).min().unwrap_or(Watermark::MIN)
    }

    fn inputs(&mut self, node: NodeId, index: usize, floor: Watermark) -> Inputs {
        let progress = self.progress[&node][index].clone();
        Inputs::new(self.incoming.remove(&(node, index)).unwrap_or_default(), floor, progress)
    }

    /// The operators below a head in one subtask, with the channels that leave it.
    fn pipeline(&mut self, head: NodeId, subtask: usize) -> Result<Pipeline, JobError> {
        let (ops, roots, outputs) = (Vec::new(), Vec::new(), Vec::new());
        let (meter, progress) = (self.meter.clone(), self.progress[&head][subtask].clone());
        let mut pipeline = Pipeline { ops, roots, outputs, meter, strict: self.options.strict, progress };
        pipeline.roots = self.targets(head, head, subtask, &mut pipeline)?;
        Ok(pipeline)
    }

    /// Where the rows of `node` go: one target for each reader, in their order.
    fn targets(
        &mut self,
        head: NodeId,
        node: NodeId,
        subtask: usize,
        pipeline: &mut Pipeline,
    ) -> Result<Vec<Target>, JobError> {
        let mut targets = Vec::new();
        let readers = self.layout.readers.of_node(node).to_vec();
        for (at, reader) in readers.iter().copied().enumerate() {
            if let Some(target) = self.leaving((head, node), reader, &readers[..at], subtask, pipeline)? {
                targets.push(target);
                continue;
            }
            let label = || format!("operator {reader}");
            let kind = match &self.plan.nodes[reader].kind {
                NodeKind::Filter { predicate } => {
                    let one = std::slice::from_ref(predicate);
                    OpKind::Filter(Program::compile(one).map_err(JobError::evaluate(&label()))?)
                }
                NodeKind::Project { exprs } => {
                    let program = Program::compile(exprs).map_err(JobError::evaluate(&label()))?;
                    OpKind::Project(program, nullable(&self.plan.nodes[reader].schema))
                }
                NodeKind::TableFunction { function, args, outer } => {
                    let schema = &self.plan.nodes[reader].schema;
                    let own = self.plan.nodes[node].schema.fields.len();
                    OpKind::Expand(Box::new(Expander {
                        function: *function,
                        args: Program::compile(args).map_err(JobError::evaluate(&label()))?,
                        fields: schema.fields[own..].to_vec(),
                        outer: *outer,
                        schema: nullable(schema),
                        label: label(),
                    }))
                }
                NodeKind::WindowAssign { window } => {
                    let fields = self.plan.nodes[reader].schema.fields.iter().map(super::nullable_field).collect();
                    let env = self.options.env.clone();
                    OpKind::Assign(WindowAssigner::new(window.clone(), &Schema { fields }, env))
                }
                _ => return Err(JobError::internal("the graph", "a source reads another node")),
            };
            let index = pipeline.ops.len();
            pipeline.ops.push(Op { kind, next: Vec::new(), label: label() });
            pipeline.ops[index].next = self.targets(head, reader, subtask, pipeline)?;
            targets.push(Target::Op(index));
        }
        Ok(targets)
    }

    /// Where rows of `node` leave the subtask for one that reads them: a sink, a union, a lookup, whatever keeps state.
    /// `before` are the readers of the node that come before this one.
    fn leaving(
        &mut self,
        (head, node): (NodeId, NodeId),
        reader: NodeId,
        before: &[NodeId],
        subtask: usize,
        pipeline: &mut Pipeline,
    ) -> Result<Option<Target>, JobError> {
        let one = self.layout.parallelism == 1;
        let to = match &self.plan.nodes[reader].kind {
            NodeKind::Sink { .. } => (reader, subtask / self.layout.per_thread),
            NodeKind::Union | NodeKind::Lookup { .. } => (reader, subtask),
            NodeKind::WindowAggregate { .. } if one => (reader, subtask),
            NodeKind::WindowAggregate { .. } => return self.first_half(head, reader, subtask, pipeline).map(Some),
            NodeKind::Keyed { .. } => {
                // Who reads a node twice has it on both sides, the first time on the left.
                let times = before.iter().filter(|r| **r == reader).count();
                let inputs = self.plan.nodes[reader].inputs.iter().enumerate();
                let side = inputs.filter(|(_, i)| **i == node).nth(times).map_or(0, |(side, _)| side);
                let keyed = self.keyed_output((head, node), (reader, side), subtask)?;
                return Ok(Some(output(pipeline, keyed)));
            }
            _ => return Ok(None),
        };
        let channel = self.channel((head, subtask), to, 1);
        Ok(Some(output(pipeline, Output::Forward(channel))))
    }

    /// The first half of an aggregation, and the exchange to the second one.
    fn first_half(
        &mut self,
        head: NodeId,
        aggregate: NodeId,
        subtask: usize,
        pipeline: &mut Pipeline,
    ) -> Result<Target, JobError> {
        let (state, place) = self.aggregation(aggregate)?;
        let input = &self.node(self.node(aggregate).inputs[0]).schema;
        let rejects = Rejects::new(&place, input, self.meter.clone(), self.options.strict);
        let bytes_max = self.options.pre_aggregate_bytes_max;
        let by_the_clock = self.node(aggregate).kind.goes_by_the_clock();
        let pre = PreAggregate::new(state, self.meter.state_gauge(), rejects, bytes_max);
        let pre = if by_the_clock { pre.by_the_clock() } else { pre };
        let parallelism = self.layout.parallelism;
        let channels = (0..parallelism).map(|to| self.channel((head, subtask), (aggregate, to), parallelism)).collect();
        let key_groups = self.options.key_groups;
        let next = vec![output(pipeline, Output::Exchange { channels, key_groups })];
        pipeline.ops.push(Op { kind: OpKind::PreAggregate(Box::new(pre)), next, label: place });
        Ok(Target::Op(pipeline.ops.len() - 1))
    }

    /// A channel; `siblings` share the bound of one.
    fn channel(&mut self, from: (NodeId, usize), to: (NodeId, usize), siblings: usize) -> Arc<Channel> {
        let capacity = (self.options.channel_bytes / siblings).max(64 * 1024);
        let channel = Channel::new(capacity, self.layout.wake(from.0, from.1), self.layout.wake(to.0, to.1));
        self.incoming.entry(to).or_default().push(channel.clone());
        channel
    }

    fn sink(&mut self, id: NodeId, worker: usize) -> Result<Box<dyn Task>, JobError> {
        let plan = self.plan;
        let node = &plan.nodes[id];
        let NodeKind::Sink { target, columns, key } = &node.kind else {
            return Err(JobError::internal("the graph", "no sink stands where one was expected"));
        };
        let input = &plan.nodes[node.inputs[0]].schema;
        let chosen = |c: &usize| super::nullable_field(&input.fields[*c]);
        let mut changelog = Changelog::All;
        let (place, schema, rows) = match target {
            SinkTarget::Table(table) => {
                let named = table.schema.fields.iter().map(super::nullable_field);
                let schema = Schema { fields: named.collect() };
                let spec = SinkSpec {
                    application: self.options.name.clone(),
                    table: table.clone(),
                    schema: schema.clone(),
                    subtask: worker as u32,
                    parallelism: self.layout.workers as u32,
                    prepared: (worker == 0 && self.coordinator.keeps_state())
                        .then(|| self.cut.sinks.get(&table.name).cloned().unwrap_or_default()),
                    ending: self.shared.ending.clone(),
                };
                changelog = self.options.connectors.changelog(table);
                let sink = self.options.connectors.sink(&spec).map_err(JobError::port(&table.name))?;
                // After a crash rows come to other windows of the clock than before it.
                let unsure = takes_back(plan, id) || (!key.is_empty() && follows_the_clock(plan, id));
                let held = changelog == Changelog::Upsert && self.coordinator.keeps_state() && unsure;
                let sink = if held {
                    let prepared = spec.prepared.unwrap_or_default();
                    let held = HeldSink::new(sink, &table.name, &schema, &prepared);
                    Box::new(held.map_err(JobError::port(&table.name))?)
                } else {
                    sink
                };
                (table.name.clone(), schema, Writer::Sink(sink))
            }
            SinkTarget::Collect => {
                let op = node.change.map(|_| op_field());
                let schema = Schema { fields: op.into_iter().chain(columns.iter().map(chosen)).collect() };
                ("the result".to_owned(), schema.clone(), Writer::Collect(self.collector(schema)))
            }
        };
        let ids = self.id_rule(target).filter(|_| !key.is_empty());
        let options = SinkTaskOptions {
            seat: self.coordinator.join(Member::Sink(place.clone())),
            place,
            columns: columns.clone(),
            change: node.change,
            collapses: changelog == Changelog::Upsert,
            schema: schema.arrow(),
            ids: ids.map(|rule| IdMaker::new(rule, key.clone(), input.clone())),
            coordinator: self.coordinator.clone(),
            meter: self.meter.clone(),
            flush_interval_ns: self.options.sink_flush_interval_ms.saturating_mul(1_000_000),
            ending: self.shared.ending.clone(),
            env: self.shared.env.clone(),
        };
        Ok(Box::new(SinkTask::new(options, self.inputs(id, worker, self.floor(id)), rows)))
    }

    fn id_rule(&self, target: &SinkTarget) -> Option<IdRule> {
        let SinkTarget::Table(table) = target else { return None };
        let delimiter = table.options.get("document-id.key-delimiter").cloned().unwrap_or_else(|| "_".into());
        Some(match table.primary_key.is_empty() {
            false => IdRule::PrimaryKey { delimiter },
            true => IdRule::Derived { application: self.options.name.clone(), table: table.name.clone() },
        })
    }

    fn collector(&mut self, schema: Schema) -> Sender<RecordBatch> {
        let make = || {
            let (sender, receiver) = bounded(COLLECTED_BATCHES_MAX);
            (schema, sender, receiver)
        };
        self.collected.get_or_insert_with(make).1.clone()
    }
}

fn output(pipeline: &mut Pipeline, output: Output) -> Target {
    pipeline.outputs.push(output);
    Target::Output(pipeline.outputs.len() - 1)
}

fn nullable(schema: &Schema) -> SchemaRef {
    Schema { fields: schema.fields.iter().map(super::nullable_field).collect() }.arrow()
}

/// The shapes of the state of all operators of a plan, by its name.
pub(crate) fn shapes(plan: &JobPlan) -> Result<BTreeMap<String, PartShape>, JobError> {
    let shape = |(id, layout): (NodeId, Arc<StateLayout>)| {
        let node = &plan.nodes[id];
        if let NodeKind::Keyed { .. } = &node.kind {
            return Ok(Some((layout.name.clone(), PartShape::Rows)));
        }
        let NodeKind::WindowAggregate { keys, aggregates, .. } = &node.kind else { return Ok(None) };
        let input = &plan.nodes[node.inputs[0]].schema.fields;
        let shape = Shape::new(keys, aggregates, input, &node.schema.fields).map_err(JobError::Plan)?;
        Ok(Some((layout.name.clone(), PartShape::Groups(Arc::new(shape)))))
    };
    layouts(plan).into_iter().filter_map(|entry| shape(entry).transpose()).collect()
}
