//! Reads the state of an earlier run: verifies all of it, compares it with what the new script needs, and shares it out to
//! any number of subtasks.

use super::cut::{Cut, OperatorCut, Parts};
use super::layout::{StateLayout, layouts};
use super::manifest::{
    Manifest, PART_MAGIC, SavedOperator, SavedPart, VERSION, manifest_name, number_of, snapshot_names, snapshot_of,
};
use super::part::{Part, PartShape};
use super::storage::CheckpointStorage;
use super::{Checkpointing, Restore};
use crate::plan::{JobPlan, NodeKind};
use crate::port::PortError;
use crate::run::aggregate::owner_of;
use crate::run::error::JobError;
use crate::run::spill::SpillStore;
use model::{Kind, Watermark};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What becomes of the state of one operator or source when a script goes on from a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It goes on as it is.
    Kept,
    /// It goes on, but other rows come to it now; the text says which.
    KeptThough(String),
    /// The script has nothing of this name; what it kept is lost.
    Dropped,
    /// The script wants something else under this name; the text says what differs.
    Refused(String),
    /// It has no state yet and begins empty.
    New,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => f.write_str("kept"),
            Self::KeptThough(why) => write!(f, "kept, although {why}"),
            Self::Dropped => f.write_str("dropped: the script has no such operator any more"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::New => f.write_str("begins empty"),
        }
    }
}

/// What a script makes of the state of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateReport {
    /// Sources by table.
    pub sources: BTreeMap<String, Fate>,
    /// Aggregations by name.
    pub operators: BTreeMap<String, Fate>,
}

impl StateReport {
    /// What stands against going on, one sentence for each; with `allow_dropped` state may be dropped.
    pub fn objections(&self, allow_dropped: bool) -> Vec<String> {
        let all = self.sources.iter().map(|e| ("source", e)).chain(self.operators.iter().map(|e| ("operator", e)));
        let object = |(sort, (name, fate)): (&str, (&String, &Fate))| match fate {
            Fate::Refused(_) if allow_dropped => None,
            Fate::Dropped if allow_dropped => None,
            Fate::Refused(_) | Fate::Dropped => Some(format!("the state of {sort} {name} is {fate}")),
            Fate::Kept | Fate::KeptThough(_) | Fate::New => None,
        };
        all.filter_map(object).collect()
    }
}

/// The names of all snapshots, in order.
///
/// # Errors
/// When they cannot be listed.
pub fn snapshots(storage: &dyn CheckpointStorage) -> Result<Vec<String>, PortError> {
    let mut names: Vec<String> =
        storage.list()?.iter().filter_map(|name| snapshot_of(name)).map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// Removes a snapshot; there may be none of this name.
///
/// # Errors
/// When some of it stays.
pub fn remove_snapshot(storage: &dyn CheckpointStorage, name: &str) -> Result<(), PortError> {
    let (manifest, state) = snapshot_names(name);
    storage.remove(&manifest)?;
    // A checkpoint that was taken up from it may need its state for a while.
    let checkpoints = storage.list()?.into_iter().filter(|n| n.ends_with(".manifest"));
    let mut needed = false;
    for checkpoint in checkpoints {
        needed |= read_manifest(storage, &checkpoint).is_ok_and(|m| m.files().any(|file| file == state));
    }
    if needed { Ok(()) } else { storage.remove(&state) }
}

/// Makes a snapshot the newest checkpoint, so that whoever comes next goes on from it, whatever was written after it.
///
/// # Errors
/// When it cannot be read, or the manifest cannot be written.
pub(crate) fn adopt(storage: &dyn CheckpointStorage, name: &str) -> Result<(), PortError> {
    let mut manifest = read_manifest(storage, &snapshot_names(name).0)?;
    let numbers = storage.list()?.into_iter().filter_map(|n| number_of(&n));
    manifest.number = numbers.max().unwrap_or(0) + 1;
    let bytes = manifest.write().map_err(|e| PortError::new(Kind::Internal, e))?;
    storage.write(&manifest_name(manifest.number), &[&bytes])
}

/// What `plan` would make of the state that `restore` names; `None` when there is none.
///
/// # Errors
/// When it cannot be read.
pub fn compare(
    storage: &dyn CheckpointStorage,
    restore: &Restore,
    plan: &JobPlan,
) -> Result<Option<StateReport>, PortError> {
    Ok(manifest(storage, restore)?.map(|manifest| report(&manifest, plan)))
}

/// The cut that a job of `plan` goes on from; `None` when it begins anew.
///
/// # Errors
/// When there is state that cannot be read, or that the script cannot go on from.
pub(crate) fn restore(
    options: &Checkpointing,
    restore: &Restore,
    allow_dropped: bool,
    plan: &JobPlan,
    shapes: &BTreeMap<String, PartShape>,
    room: Option<Room>,
) -> Result<Option<Cut>, JobError> {
    let Some(storage) = &options.storage else { return Ok(None) };
    let port = JobError::port("the job's state");
    let storage = storage.as_ref();
    let mut damaged = Vec::new();
    for candidate in candidates(storage, restore).map_err(&port)? {
        match read_manifest(storage, &candidate).and_then(|m| {
            let report = report(&m, plan);
            let objections = report.objections(allow_dropped);
            Ok((load(storage, &m, &report, (shapes, room.clone()), objections.is_empty())?, objections))
        }) {
            Ok((cut, objections)) if objections.is_empty() => {
                damaged.iter().for_each(|e: &String| tracing::warn!("{e}; an earlier checkpoint is used"));
                return Ok(Some(cut));
            }
            Ok((_, objections)) => {
                let objections = objections.join("; ");
                let hint = "change the script back, allow state to be dropped, or begin without it";
                return Err(JobError::Plan(format!("{candidate}: {objections}; {hint}")));
            }
            Err(error) if error.kind == Kind::Corrupt || error.kind == Kind::NotFound => damaged.push(error.message),
            Err(error) => return Err(port(error)),
        }
    }
    if damaged.is_empty() && !matches!(restore, Restore::Snapshot(_)) {
        return Ok(None);
    }
    let what = if damaged.is_empty() { "there is no such snapshot".to_owned() } else { damaged.join("; ") };
    let message =
        format!("{what}; no earlier checkpoint can be read. Restore the files from a copy, or begin without state");
    Err(port(PortError::new(Kind::Corrupt, message)))
}

/// The names of the manifests that may be used, the best first.
fn candidates(storage: &dyn CheckpointStorage, restore: &Restore) -> Result<Vec<String>, PortError> {
    match restore {
        Restore::Nothing => Ok(Vec::new()),
        Restore::Snapshot(name) => Ok(vec![snapshot_names(name).0]),
        Restore::Latest => {
            let mut names: Vec<(u64, String)> = storage
                .list()?
                .into_iter()
                .filter(|n| n.ends_with(".manifest"))
                .filter_map(|n| number_of(&n).map(|number| (number, n)))
                .collect();
            names.sort();
            Ok(names.into_iter().rev().map(|(_, name)| name).collect())
        }
    }
}

pub(super) fn manifest(storage: &dyn CheckpointStorage, restore: &Restore) -> Result<Option<Manifest>, PortError> {
    let mut last = Ok(None);
    for name in candidates(storage, restore)? {
        match read_manifest(storage, &name) {
            Ok(manifest) => return Ok(Some(manifest)),
            Err(error) => last = Err(error),
        }
    }
    last
}

fn read_manifest(storage: &dyn CheckpointStorage, name: &str) -> Result<Manifest, PortError> {
    let bytes = storage.read(name, 0, None)?;
    Manifest::read(&bytes).map_err(|e| PortError::new(Kind::Corrupt, format!("{name}: {e}")))
}

pub(super) fn report(manifest: &Manifest, plan: &JobPlan) -> StateReport {
    let wanted: BTreeMap<String, Arc<StateLayout>> =
        layouts(plan).into_values().map(|layout| (layout.name.clone(), layout)).collect();
    let mut report = StateReport::default();
    for SavedOperator { layout, .. } in &manifest.operators {
        let fate = match wanted.get(&layout.name) {
            None => Fate::Dropped,
            Some(new) => match (layout.unlike(new), layout.other_input(new)) {
                (Some(why), _) => Fate::Refused(why),
                (None, Some(note)) => Fate::KeptThough(note),
                (None, None) => Fate::Kept,
            },
        };
        report.operators.insert(layout.name.clone(), fate);
    }
    for name in wanted.into_keys() {
        report.operators.entry(name).or_insert(Fate::New);
    }
    let scans: Vec<String> = scans(plan);
    manifest.sources.keys().for_each(|name| {
        let fate = if scans.contains(name) { Fate::Kept } else { Fate::Dropped };
        report.sources.insert(name.clone(), fate);
    });
    for name in scans {
        report.sources.entry(name).or_insert(Fate::New);
    }
    report
}

/// The names of the sources of a plan, as the graph gives them.
fn scans(plan: &JobPlan) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for node in &plan.nodes {
        let table = match &node.kind {
            NodeKind::Scan { table, .. } => table.name.as_str(),
            NodeKind::Values { .. } => "VALUES",
            _ => continue,
        };
        let twins = names.iter().filter(|n| n.split('#').next() == Some(table)).count();
        names.push(if twins == 0 { table.to_owned() } else { format!("{table}#{twins}") });
    }
    names
}

/// The memory that state may take as it is read; what is past it goes to disk.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) store: Arc<SpillStore>,
}

impl Room {
    /// A part that was read, moved to disk where there is no room for it.
    fn take_in(room: &mut Option<Self>, part: Part, shape: &PartShape) -> Result<Part, PortError> {
        let Some(room) = room else { return Ok(part) };
        if part.bytes() > room.bytes {
            return part.stow(shape, &room.store).map_err(|e| PortError::new(Kind::Unavailable, e));
        }
        room.bytes -= part.bytes();
        Ok(part)
    }
}

/// Reads the parts that the script keeps; without `wanted` none of them.
fn load(
    storage: &dyn CheckpointStorage,
    manifest: &Manifest,
    report: &StateReport,
    (shapes, mut room): (&BTreeMap<String, PartShape>, Option<Room>),
    wanted: bool,
) -> Result<Cut, PortError> {
    let mut cut = Cut { sinks: manifest.sinks.clone(), ..Cut::default() };
    let kept = |fate: Option<&Fate>| matches!(fate, Some(Fate::Kept | Fate::KeptThough(_)));
    let sources = manifest.sources.iter().filter(|(name, _)| kept(report.sources.get(*name)));
    cut.sources.extend(sources.map(|(name, source)| (name.clone(), source.clone())));
    for operator in manifest.operators.iter().filter(|o| wanted && kept(report.operators.get(&o.layout.name))) {
        let name = &operator.layout.name;
        let Some(shape) = shapes.get(name) else { continue };
        let mut parts = Vec::with_capacity(operator.parts.len());
        for part in &operator.parts {
            let loaded = load_part(storage, part, shape).map_err(|e| {
                PortError::new(e.kind, format!("checkpoint {}, {name}: {}", manifest.number, e.message))
            })?;
            parts.push(Room::take_in(&mut room, loaded, shape)?);
        }
        let (layout, watermark) = (Arc::new(operator.layout.clone()), Watermark(operator.watermark));
        cut.operators.insert(name.clone(), OperatorCut { layout, watermark, parts });
    }
    Ok(cut)
}

pub(super) fn load_part(
    storage: &dyn CheckpointStorage,
    part: &SavedPart,
    shape: &PartShape,
) -> Result<Part, PortError> {
    let bytes = storage.read(&part.file, part.offset, Some(part.length))?;
    model::unseal(PART_MAGIC, VERSION, &bytes)
        .and_then(|payload| Part::load(shape, part.slice(), payload))
        .map_err(|e| PortError::new(Kind::Corrupt, format!("{} at {}: {e}", part.file, part.offset)))
}

/// Shares the parts of an operator out to `parallelism` subtasks by the key groups that each owns. A part that one
/// subtask owns whole is handed over as it is.
pub(crate) fn share_out(parts: &[Part], key_groups: u32, parallelism: usize) -> Result<Vec<Parts>, String> {
    let mut shares: Vec<Parts> = vec![Vec::new(); parallelism];
    let owner = |spread: u32| owner_of(spread, key_groups, parallelism);
    parts.iter().try_for_each(|part| part.share_out(parallelism, owner, &mut shares))?;
    Ok(shares)
}
