//! Applications and what they keep, read from the data directory, whether a platform runs on it or not.

use super::args::{AppPlace, AppState};
use super::{Failure, say};
use crate::settings::{S3, StateSettings};
use crate::wiring::{DescribedTables, StatePlace, plan_of};
use chrono::DateTime;
use control::{ApplicationSpec, Applications};
use engine::plan::JobPlan;
use engine::run::decode::JsonOptions;
use engine::run::encode::JsonEncoder;
use engine::run::{CheckpointStorage, OperatorState, Restore, StateView, compare, groups, inspect, snapshots};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Slices of an operator that are listed one by one; the others are summed up.
const SLICES_SHOWN: usize = 12;

fn applications(place: &AppPlace) -> Result<Vec<ApplicationSpec>, Failure> {
    Ok(Applications::read(&place.data_dir.join("control"))?)
}

fn application(name: &str, place: &AppPlace) -> Result<ApplicationSpec, Failure> {
    let all = applications(place)?;
    let names: Vec<String> = all.iter().map(|a| a.name.clone()).collect();
    let missing = || format!("{} has no application {name}; it has: {}", place.data_dir.display(), names.join(", "));
    Ok(all.into_iter().find(|a| a.name == name).ok_or_else(missing)?)
}

/// The state of an application, which a runtime may be needed to read.
struct State {
    storage: Arc<dyn CheckpointStorage>,
    _runtime: Runtime,
}

fn state_of(name: &str, place: &AppPlace) -> Result<State, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let settings = StateSettings::new(place.checkpoint_dir.as_deref(), &place.data_dir, &S3::default(), variable)?;
    let runtime = super::runtime()?;
    let storage = StatePlace::open(&settings, runtime.handle().clone())?.existing(name)?;
    Ok(State { storage, _runtime: runtime })
}

fn restore(of: &AppState) -> Restore {
    of.snapshot.clone().map_or(Restore::Latest, Restore::Snapshot)
}

pub(super) fn list(place: &AppPlace) -> Result<(), Failure> {
    for spec in applications(place)? {
        if place.json {
            say(&json!({ "name": spec.name, "parallelism": spec.parallelism, "kpus": spec.kpus() }).to_string());
        } else {
            say(&format!("{:<24} parallelism {}, {} KPUs", spec.name, spec.parallelism, spec.kpus()));
        }
    }
    Ok(())
}

pub(super) fn list_snapshots(name: &str, place: &AppPlace) -> Result<(), Failure> {
    application(name, place)?;
    let state = state_of(name, place)?;
    for snapshot in snapshots(state.storage.as_ref())? {
        let view = inspect(state.storage.as_ref(), &Restore::Snapshot(snapshot.clone()))?;
        let (created, groups, bytes) = view.as_ref().map_or((0, 0, 0), |v| (v.created_ms, total(v).0, total(v).1));
        if place.json {
            say(&json!({ "name": snapshot, "created_ms": created, "groups": groups, "bytes": bytes }).to_string());
        } else {
            say(&format!("{snapshot:<24} {} {groups} groups, {bytes} bytes", moment(created as i64)));
        }
    }
    Ok(())
}

/// Groups and bytes of all operators.
fn total(view: &StateView) -> (u64, u64) {
    let slices = || view.operators.iter().flat_map(|o| &o.slices);
    (slices().map(|s| s.groups).sum(), slices().map(|s| s.bytes).sum())
}

pub(in crate::commands) fn moment(ms: i64) -> String {
    let at = DateTime::from_timestamp_millis(ms);
    at.map_or_else(|| "the end of time".to_owned(), |at| at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

pub(super) fn state(of: &AppState) -> Result<(), Failure> {
    application(&of.name, &of.place)?;
    let view = inspect(state_of(&of.name, &of.place)?.storage.as_ref(), &restore(of))?;
    let view = view.ok_or_else(|| format!("application {} has no checkpoint yet", of.name))?;
    if of.place.json {
        say(&as_json(&view).to_string());
        return Ok(());
    }
    let (groups, bytes) = total(&view);
    let what = of.snapshot.as_ref().map_or_else(|| format!("checkpoint {}", view.number), |s| format!("snapshot {s}"));
    say(&format!("{}: {what} of {}, {groups} groups, {bytes} bytes", of.name, moment(view.created_ms as i64)));
    for (table, source) in &view.sources {
        say(&format!("source {table}: watermark {}", source.watermark.map_or_else(|| "none yet".to_owned(), moment)));
        for split in &source.splits {
            let ended = if split.ended { ", read to its end" } else { "" };
            let mark = split.mark.as_ref().map_or_else(String::new, |mark| format!(" ({mark})"));
            say(&format!("  {} up to position {}{mark}{ended}", split.name, split.position));
        }
    }
    view.operators.iter().for_each(show_operator);
    for (table, count) in &view.prepared {
        say(&format!("sink {table}: {count} transactions prepared"));
    }
    Ok(())
}

fn show_operator(operator: &OperatorState) {
    let keys = if operator.keys.is_empty() { "nothing".to_owned() } else { operator.keys.join(", ") };
    say(&format!("operator {}: {} by {keys}", operator.name, operator.aggregates.join(", ")));
    say(&format!("  windows {}", operator.windows));
    for slice in operator.slices.iter().take(SLICES_SHOWN) {
        let (start, end) = (moment(slice.start), moment(slice.end));
        say(&format!("  {start} to {end}: {} groups, {} bytes", slice.groups, slice.bytes));
    }
    let rest = operator.slices.get(SLICES_SHOWN..).unwrap_or_default();
    if !rest.is_empty() {
        let groups: u64 = rest.iter().map(|s| s.groups).sum();
        say(&format!("  and {} more slices with {groups} groups", rest.len()));
    }
}

fn as_json(view: &StateView) -> Value {
    let sources: Vec<Value> = view
        .sources
        .iter()
        .map(|(table, source)| {
            let split = |s: &engine::run::SplitState| {
                let mut split =
                    json!({ "name": s.name, "position": s.position, "watermark_ms": s.watermark, "ended": s.ended });
                if let Some(mark) = &s.mark {
                    split["mark"] = json!(mark);
                }
                split
            };
            let splits: Vec<Value> = source.splits.iter().map(split).collect();
            json!({ "table": table, "watermark_ms": source.watermark, "splits": splits })
        })
        .collect();
    let operator = |o: &OperatorState| {
        let slice = |s: &engine::run::SliceState| json!({ "start_ms": s.start, "end_ms": s.end, "groups": s.groups, "bytes": s.bytes });
        let slices: Vec<Value> = o.slices.iter().map(slice).collect();
        json!({
            "name": o.name, "keys": o.keys, "aggregates": o.aggregates, "windows": o.windows,
            "watermark_ms": o.watermark, "slices": slices,
        })
    };
    let operators: Vec<Value> = view.operators.iter().map(operator).collect();
    json!({
        "number": view.number, "created_ms": view.created_ms, "sources": sources, "operators": operators,
        "prepared": view.prepared,
    })
}

fn plan(spec: &ApplicationSpec) -> Result<JobPlan, Failure> {
    Ok(plan_of(spec, &DescribedTables)?)
}

pub(super) fn show_groups(of: &AppState, operator: &str, limit: usize) -> Result<(), Failure> {
    let plan = plan(&application(&of.name, &of.place)?)?;
    let state = state_of(&of.name, &of.place)?;
    for part in groups(state.storage.as_ref(), &restore(of), &plan, operator, limit)? {
        let encoder = JsonEncoder::new(&part.schema, JsonOptions::default());
        let bound = encoder.bind(&part.rows)?;
        for row in 0..part.rows.num_rows() {
            let mut text = Vec::new();
            bound.write(row, &mut text);
            let text = String::from_utf8_lossy(&text);
            let (start, end) = (moment(part.start), moment(part.end));
            if of.place.json {
                say(&format!("{{\"start\":\"{start}\",\"end\":\"{end}\",\"group\":{text}}}"));
            } else {
                say(&format!("{start} to {end} {text}"));
            }
        }
    }
    Ok(())
}

pub(super) fn check(of: &AppState, script: &Path) -> Result<(), Failure> {
    let spec = application(&of.name, &of.place)?;
    let script = std::fs::read_to_string(script).map_err(|e| format!("{}: {e}", script.display()))?;
    let plan = plan(&ApplicationSpec { script, ..spec })?;
    let report = compare(state_of(&of.name, &of.place)?.storage.as_ref(), &restore(of), &plan)?;
    let report = report.ok_or_else(|| format!("application {} has no checkpoint yet", of.name))?;
    let all = report.sources.iter().map(|e| ("source", e)).chain(report.operators.iter().map(|e| ("operator", e)));
    for (sort, (name, fate)) in all {
        if of.place.json {
            say(&json!({ "sort": sort, "name": name, "fate": fate.to_string() }).to_string());
        } else {
            say(&format!("{sort} {name}: {fate}"));
        }
    }
    let objections = report.objections(false);
    if objections.is_empty() { Ok(()) } else { Err(format!("not without loss: {}", objections.join("; ")).into()) }
}
