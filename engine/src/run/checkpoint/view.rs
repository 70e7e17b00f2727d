//! A look at what a job keeps, without running it.

use super::Restore;
use super::cut::SplitCut;
use super::manifest::{Manifest, SavedOperator, SavedPart};
use super::part::{Part, PartShape};
use super::restore::{load_part, manifest, report};
use super::storage::CheckpointStorage;
use crate::plan::{JobPlan, NodeKind};
use crate::port::PortError;
use crate::run::aggregate::GroupsPart;
use crate::run::graph::shapes;
use crate::types::{Field, Schema};
use arrow_array::RecordBatch;
use model::Kind;
use std::collections::BTreeMap;

/// What a checkpoint or a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateView {
    /// Which checkpoint it is, or was when the snapshot was taken.
    pub number: u64,
    /// When it was cut, in milliseconds since the epoch.
    pub created_ms: u64,
    /// The sources by table.
    pub sources: BTreeMap<String, SourceState>,
    /// The aggregations by name.
    pub operators: Vec<OperatorState>,
    /// How many transactions of each table are prepared and perhaps not committed.
    pub prepared: BTreeMap<String, usize>,
}

/// Where a source stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// Its watermark in milliseconds since the epoch; `None` before the first one.
    pub watermark: Option<i64>,
    /// Its splits.
    pub splits: Vec<SplitState>,
}

/// Where a split stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitState {
    /// Its name.
    pub name: String,
    /// The first position that is not in the state.
    pub position: u64,
    /// What the source goes by beside it, such as a number that another system gave.
    pub mark: Option<String>,
    /// Its watermark in milliseconds since the epoch; `None` before the first one.
    pub watermark: Option<i64>,
    /// Whether it was read to its end.
    pub ended: bool,
}

/// What an aggregation kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorState {
    /// Its name: that of the sink that it feeds.
    pub name: String,
    /// Its grouping columns, as expressions over tables.
    pub keys: Vec<String>,
    /// Its aggregates likewise.
    pub aggregates: Vec<String>,
    /// Its windows.
    pub windows: String,
    /// Its watermark in milliseconds since the epoch; `None` before the first one.
    pub watermark: Option<i64>,
    /// Its slices, the earliest first.
    pub slices: Vec<SliceState>,
}

/// One slice of time. Windows that overlap share slices; otherwise a slice is a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceState {
    /// Its start on the wall clock of the windows, in milliseconds.
    pub start: i64,
    /// Its end likewise; the first millisecond after it.
    pub end: i64,
    /// How many groups it has.
    pub groups: u64,
    /// Their bytes on disk.
    pub bytes: u64,
}

/// What `restore` names; `None` where there is nothing.
///
/// # Errors
/// When it cannot be read.
pub fn inspect(storage: &dyn CheckpointStorage, restore: &Restore) -> Result<Option<StateView>, PortError> {
    Ok(manifest(storage, restore)?.map(|m| view(&m)))
}

fn view(manifest: &Manifest) -> StateView {
    let split = |s: &SplitCut| SplitState {
        name: s.name.clone(),
        position: s.position,
        mark: s.mark.clone(),
        watermark: known(s.watermark),
        ended: s.ended,
    };
    let source = |(name, cut): (&String, &super::cut::SourceCut)| {
        let splits = cut.splits.values().map(split).collect();
        (name.clone(), SourceState { watermark: known(cut.watermark), splits })
    };
    StateView {
        number: manifest.number,
        created_ms: manifest.created_ms,
        sources: manifest.sources.iter().map(source).collect(),
        operators: manifest.operators.iter().map(operator).collect(),
        prepared: manifest.sinks.iter().map(|(table, all)| (table.clone(), all.len())).collect(),
    }
}

fn known(watermark: i64) -> Option<i64> {
    (watermark != i64::MIN).then_some(watermark)
}

fn operator(saved: &SavedOperator) -> OperatorState {
    let mut slices: BTreeMap<(i64, i64), (u64, u64)> = BTreeMap::new();
    for part in &saved.parts {
        let slice = slices.entry((part.end, part.start)).or_default();
        (slice.0, slice.1) = (slice.0 + part.groups, slice.1 + part.length);
    }
    let slice = |((end, start), (groups, bytes))| SliceState { start, end, groups, bytes };
    let layout = &saved.layout;
    OperatorState {
        name: layout.name.clone(),
        keys: layout.keys.clone(),
        aggregates: layout.aggregates.clone(),
        windows: layout.windows.clone(),
        watermark: known(saved.watermark),
        slices: slices.into_iter().map(slice).collect(),
    }
}

/// Some groups of a slice: keys and what the aggregates have come to until now.
#[derive(Debug, Clone)]
pub struct GroupRows {
    /// The slice's start on the wall clock of the windows, in milliseconds.
    pub start: i64,
    /// Its end likewise.
    pub end: i64,
    /// The columns of `rows`.
    pub schema: Schema,
    /// One row for each group.
    pub rows: RecordBatch,
}

/// The groups of an aggregation of `plan`, at most `rows_max` of them, slice by slice.
///
/// # Errors
/// When there is no state, the plan has no such aggregation or wants other state under its name, or a part cannot be
/// read.
pub fn groups(
    storage: &dyn CheckpointStorage,
    restore: &Restore,
    plan: &JobPlan,
    operator: &str,
    rows_max: usize,
) -> Result<Vec<GroupRows>, PortError> {
    let missing = |what: String| PortError::new(Kind::NotFound, what);
    let manifest = manifest(storage, restore)?.ok_or_else(|| missing("there is no state".into()))?;
    let saved = manifest.operators.iter().find(|o| o.layout.name == operator);
    let saved = saved.ok_or_else(|| missing(format!("there is no state of an operator {operator}")))?;
    if let Some(super::Fate::Refused(why)) = report(&manifest, plan).operators.get(operator) {
        return Err(PortError::new(Kind::Invalid, format!("the script has another {operator}: {why}")));
    }
    let shapes = shapes(plan).map_err(|e| PortError::new(Kind::Invalid, e.to_string()))?;
    let shape = shapes.get(operator).ok_or_else(|| missing(format!("the script has no operator {operator}")))?;
    let schema = schema(plan, operator).ok_or_else(|| missing(format!("the script has no operator {operator}")))?;
    let mut parts: Vec<&SavedPart> = saved.parts.iter().collect();
    parts.sort_by_key(|p| (p.end, p.start, p.from));
    let PartShape::Groups(shape) = shape else {
        let what = format!("operator {operator} keeps rows by key, which cannot be shown one by one");
        return Err(PortError::new(Kind::Invalid, what));
    };
    let (mut found, mut left) = (Vec::new(), rows_max);
    for part in parts {
        if left == 0 {
            break;
        }
        let Part::Groups(_, GroupsPart::Held(table)) = load_part(storage, part, &PartShape::Groups(shape.clone()))?
        else {
            continue;
        };
        let count = table.groups().len().min(left);
        left -= count;
        let internal = |e: arrow_schema::ArrowError| PortError::new(Kind::Internal, e.to_string());
        let columns = table.groups().columns(shape, 0..count).map_err(internal)?;
        let rows = RecordBatch::try_new(schema.arrow(), columns).map_err(internal)?;
        found.push(GroupRows { start: part.start, end: part.end, schema: schema.clone(), rows });
    }
    Ok(found)
}

/// The keys and aggregates of an operator; what follows them in its rows is the window.
fn schema(plan: &JobPlan, operator: &str) -> Option<Schema> {
    let (id, _) = super::layouts(plan).into_iter().find(|(_, layout)| layout.name == operator)?;
    let NodeKind::WindowAggregate { keys, aggregates, .. } = &plan.nodes[id].kind else { return None };
    let nullable = |f: &Field| Field { nullable: true, ..f.clone() };
    Some(Schema {
        fields: plan.nodes[id].schema.fields[..keys.len() + aggregates.len()].iter().map(nullable).collect(),
    })
}
