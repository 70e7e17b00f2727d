//! How far each operator of a job is in event time, which split its watermark waits for, and how much it has to do.
//!
//! Each subtask writes down the watermarks that it takes and gives; whoever asks reads them without stopping anybody. The
//! numbers of different subtasks are therefore not of one moment: what they say of a job at rest is exact, of one under
//! load it is a moment old.

use super::tracker::{Tracker, WatermarkHold};
use crate::plan::{JobPlan, NodeId, NodeKind, SinkTarget, TableDef};
use crate::run::load::{Load, SubtaskMetrics};
use model::Watermark;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// How far an operator is in event time, what holds it there, and what its subtasks do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorMetrics {
    /// The operator: what it is, with its table or its number in the plan. No two of a job are called the same.
    pub operator: String,
    /// The least watermark that its subtasks have taken, over all inputs, in milliseconds since the epoch; of a source that
    /// of its splits. `None` before the first one, `i64::MAX` at the end.
    pub input: Option<i64>,
    /// The least watermark that they have given, likewise; of a sink what it has taken.
    pub watermark: Option<i64>,
    /// The split that it waits for, down the inputs that are least; `None` when all splits there have ended or are set
    /// aside, and where it goes by the clock, whose time its watermark is then.
    pub hold: Option<WatermarkHold>,
    /// The first operator on the way from here to that split whose watermark is not as far as what comes to it.
    pub lag: Option<WatermarkLag>,
    /// The names of the operators whose rows it reads.
    pub inputs: Vec<String>,
    /// What each of its subtasks has done; a sink has one for each thread.
    pub subtasks: Vec<SubtaskMetrics>,
}

impl OperatorMetrics {
    /// What it waits for, in words.
    pub fn why(&self) -> Option<String> {
        match (&self.lag, &self.hold) {
            (Some(lag), Some(hold)) => Some(format!("{lag}; {hold}")),
            (Some(lag), None) => Some(lag.to_string()),
            (None, hold) => hold.as_ref().map(WatermarkHold::to_string),
        }
    }
}

/// A watermark that has come to an operator and waits there for rows that came before it: they have not been taken yet,
/// their lookups are not answered, or their results have not left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatermarkLag {
    /// The operator.
    pub operator: String,
    /// How far that puts it behind, in milliseconds of event time; `None` where one of the two watermarks is the first or
    /// the last.
    pub behind_ms: Option<u64>,
}

impl fmt::Display for WatermarkLag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} waits for rows before it", self.operator)?;
        self.behind_ms.map_or(Ok(()), |ms| write!(f, ", {:.1} s behind what comes to it", ms as f64 / 1e3))
    }
}

/// The watermark of one end of a subtask.
#[derive(Debug)]
struct End {
    watermark: AtomicI64,
    /// It says nothing about time for now.
    idle: AtomicBool,
}

impl End {
    fn new() -> Self {
        Self { watermark: AtomicI64::new(i64::MIN), idle: AtomicBool::new(false) }
    }

    fn reach(&self, watermark: Watermark) {
        self.watermark.fetch_max(watermark.0, Ordering::Relaxed);
        self.rest(false);
    }

    fn rest(&self, idle: bool) {
        if self.idle.load(Ordering::Relaxed) != idle {
            self.idle.store(idle, Ordering::Relaxed);
        }
    }

    fn read(&self) -> (i64, bool) {
        (self.watermark.load(Ordering::Relaxed), self.idle.load(Ordering::Relaxed))
    }
}

/// How far one subtask is, and what it does: written by it alone.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) load: Load,
    taken: End,
    given: End,
    /// So far it gives less than it takes, in milliseconds.
    delay_ms: i64,
}

impl Progress {
    /// A subtask that gives a watermark `delay_ms` behind the one that it takes.
    pub(crate) fn new(delay_ms: i64) -> Arc<Self> {
        Arc::new(Self { load: Load::default(), taken: End::new(), given: End::new(), delay_ms })
    }

    /// Where it begins.
    pub(crate) fn begin(&self, floor: Watermark) {
        self.taken.reach(floor);
        self.given.reach(floor);
    }

    /// Its inputs have come to `watermark`.
    pub(crate) fn took(&self, watermark: Watermark) {
        self.taken.reach(watermark);
    }

    /// Its inputs say nothing for now, or speak again.
    pub(crate) fn takes_nothing(&self, idle: bool) {
        self.taken.rest(idle);
    }

    /// It has handed on `watermark`.
    pub(crate) fn gave(&self, watermark: Watermark) {
        self.given.reach(watermark);
    }

    /// It says nothing for now, or speaks again.
    pub(crate) fn gives_nothing(&self, idle: bool) {
        self.given.rest(idle);
    }

    fn expected(&self) -> i64 {
        let taken = self.taken.read().0;
        if taken == i64::MAX { taken } else { taken.saturating_sub(self.delay_ms) }
    }
}

/// The least watermark of those who speak, and whether anybody does; of those who rest when all do.
fn least(ends: impl Iterator<Item = (i64, bool)>) -> (i64, bool) {
    let (mut speaking, mut resting) = (None, i64::MAX);
    for (watermark, idle) in ends {
        if idle {
            resting = resting.min(watermark);
        } else {
            speaking = Some(speaking.map_or(watermark, |s: i64| s.min(watermark)));
        }
    }
    (speaking.unwrap_or(resting), speaking.is_none())
}

/// One operator with all its subtasks.
struct Operator {
    name: String,
    /// Whose rows it reads, by their place in the list of all operators.
    inputs: Vec<usize>,
    tracker: Option<Arc<Tracker>>,
    is_sink: bool,
    by_the_clock: bool,
    subtasks: Vec<Arc<Progress>>,
}

impl Operator {
    /// What comes to it.
    fn taken(&self) -> i64 {
        match &self.tracker {
            Some(tracker) => tracker.watermark().0,
            None => least(self.subtasks.iter().map(|s| s.taken.read())).0,
        }
    }

    /// What it gives, and whether it says nothing for now.
    fn given(&self) -> (i64, bool) {
        let end = |s: &Arc<Progress>| if self.is_sink { s.taken.read() } else { s.given.read() };
        least(self.subtasks.iter().map(end))
    }

    /// What it must give when nothing keeps it from doing so.
    fn expected(&self) -> i64 {
        match &self.tracker {
            Some(_) => self.taken(),
            None => least(self.subtasks.iter().map(|s| (s.expected(), s.taken.read().1))).0,
        }
    }
}

/// All operators of a run.
pub(crate) struct Operators(Vec<Operator>);

/// The subtasks of all operators, by node.
pub(crate) type Subtasks = BTreeMap<NodeId, Vec<Arc<Progress>>>;

/// The subtasks of an operator, none of which has come anywhere yet.
pub(crate) fn subtasks(plan: &JobPlan, node: NodeId, count: usize) -> Vec<Arc<Progress>> {
    let delay_ms = match &plan.nodes[node].kind {
        NodeKind::Keyed { operator, .. } => operator.delay_ms(),
        _ => 0,
    };
    (0..count).map(|_| Progress::new(delay_ms)).collect()
}

impl Operators {
    /// The operators of `plan` that stand in `subtasks`; the sources have names and trackers.
    pub(crate) fn new(plan: &JobPlan, subtasks: &Subtasks, sources: &[(NodeId, Arc<Tracker>)]) -> Self {
        let nodes: Vec<NodeId> = subtasks.keys().copied().collect();
        let place = |node: NodeId| nodes.binary_search(&node).ok();
        let operator = |(node, subtasks): (&NodeId, &Vec<Arc<Progress>>)| {
            let tracker = sources.iter().find(|(source, _)| source == node).map(|(_, tracker)| tracker.clone());
            let inputs = plan.nodes[*node].inputs.iter();
            Operator {
                name: match &tracker {
                    Some(tracker) => format!("source {}", tracker.options().table),
                    None => name(plan, *node),
                },
                inputs: inputs.filter_map(|i| above(plan, *i, &place)).collect(),
                tracker,
                by_the_clock: plan.nodes[*node].kind.goes_by_the_clock(),
                is_sink: matches!(plan.nodes[*node].kind, NodeKind::Sink { .. }),
                subtasks: subtasks.clone(),
            }
        };
        Self(subtasks.iter().map(operator).collect())
    }

    /// How far each operator is and what it does, sources first and each behind its inputs.
    pub(crate) fn metrics(&self, now_ns: u64) -> Vec<OperatorMetrics> {
        let known = |ms: i64| (ms != i64::MIN).then_some(ms);
        let metrics = |(at, operator): (usize, &Operator)| {
            let (hold, lag) = self.hold(at, now_ns);
            OperatorMetrics {
                operator: operator.name.clone(),
                input: known(operator.taken()),
                watermark: known(operator.given().0),
                hold,
                lag,
                inputs: operator.inputs.iter().map(|input| self.0[*input].name.clone()).collect(),
                subtasks: operator.subtasks.iter().enumerate().map(|(i, s)| s.load.read(i, now_ns)).collect(),
            }
        };
        self.0.iter().enumerate().map(metrics).collect()
    }

    /// The split that an operator waits for, and the first place on the way to it where rows are before a watermark.
    fn hold(&self, mut at: usize, now_ns: u64) -> (Option<WatermarkHold>, Option<WatermarkLag>) {
        let mut lag = None;
        loop {
            let operator = &self.0[at];
            if operator.by_the_clock {
                return (None, lag);
            }
            let (given, expected) = (operator.given().0, operator.expected());
            lag = lag.or_else(|| self.lag(at, given, expected));
            if let Some(tracker) = &operator.tracker {
                return (tracker.hold(now_ns), lag);
            }
            let inputs = operator.inputs.iter().map(|input| (*input, self.0[*input].given()));
            let speaking = inputs.filter(|(_, (_, idle))| !idle);
            let Some((input, (sent, _))) = speaking.min_by_key(|(_, (sent, _))| *sent) else { return (None, lag) };
            let taken = operator.taken();
            lag = lag.or_else(|| self.lag(at, taken, sent));
            // Inputs stand before those who read them: the way ends at a source.
            at = input;
        }
    }

    fn lag(&self, at: usize, is: i64, could_be: i64) -> Option<WatermarkLag> {
        let bounds = [i64::MIN, i64::MAX];
        let told = !bounds.contains(&is) && !bounds.contains(&could_be);
        (is < could_be)
            .then(|| WatermarkLag { operator: self.0[at].name.clone(), behind_ms: told.then(|| could_be.abs_diff(is)) })
    }
}

/// The operator with subtasks of its own whose rows `node` gives.
fn above(plan: &JobPlan, mut node: NodeId, place: &impl Fn(NodeId) -> Option<usize>) -> Option<usize> {
    loop {
        if let Some(found) = place(node) {
            return Some(found);
        }
        node = *plan.nodes[node].inputs.first()?;
    }
}

/// What an operator is called: by its table where no other one has it, else by its number as well.
fn name(plan: &JobPlan, id: NodeId) -> String {
    let told = |what: &str, table: &str, same: &dyn Fn(&NodeKind) -> bool| {
        let twins = plan.nodes.iter().filter(|n| same(&n.kind)).count();
        if twins > 1 { format!("{what} {table} {id}") } else { format!("{what} {table}") }
    };
    match &plan.nodes[id].kind {
        NodeKind::Sink { target, .. } => {
            let table = table_of(target);
            told("sink", table, &|k| matches!(k, NodeKind::Sink { target, .. } if table_of(target) == table))
        }
        NodeKind::Lookup { table, .. } => {
            let same = |t: &Arc<TableDef>| t.name == table.name;
            told("lookup", &table.name, &|k| matches!(k, NodeKind::Lookup { table, .. } if same(table)))
        }
        NodeKind::Keyed { operator, .. } => format!("{} {id}", operator.label()),
        NodeKind::Union => format!("union {id}"),
        NodeKind::WindowAggregate { .. } => format!("window aggregate {id}"),
        _ => format!("operator {id}"),
    }
}

fn table_of(target: &SinkTarget) -> &str {
    match target {
        SinkTarget::Table(table) => &table.name,
        SinkTarget::Collect => "the result",
    }
}
