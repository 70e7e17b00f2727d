//! Scaling as the console shows it: load, lag and size over time, decisions with their reasons, and what rules may do.

use super::scaling::subject_of;
use super::{Parts, Scaling};
use console::{Failure, views};
use control::aws::{ApplicationMetric, Measured, StreamMetric, application_series, stream_series};
use control::metrics::{KeyError, SeriesKey, Value};
use control::scaling::{Bounds, Decision, DecisionState, KeptPolicy, Policy, Step, Subject};
use control::{Expected, Update};
use model::Kind;
use std::collections::BTreeMap;
use store::ShardDescription;

/// Points of a line over time: enough for a chart as wide as a window.
const POINTS: u64 = 180;
/// Decisions that are shown.
const DECISIONS: u32 = 100;

impl Scaling {
    /// The last `seconds` of the pipeline that is shown, with decisions and rules.
    pub(super) fn past(&self, parts: &Parts, seconds: u64) -> Result<views::Scaling, Failure> {
        let period_s = if seconds <= 900 { 5 } else { (seconds / POINTS).next_multiple_of(60) };
        let decisions = self.scaler().decisions(None, DECISIONS).map_err(Failure::from_error)?;
        Ok(views::Scaling {
            period_s,
            points: points(parts, period_s, seconds)?,
            decisions: decisions.into_iter().map(decision).collect(),
            policies: self.lines(parts),
        })
    }

    /// What is scaled by rules, and the applications that could be.
    fn lines(&self, parts: &Parts) -> Vec<views::PolicyLine> {
        let line = |subject: &Subject, policy: &Policy, mode| views::PolicyLine {
            subject: subject.to_string(),
            policy: policy.rule.name().to_owned(),
            bounds: bounds(&policy.bounds),
            mode,
        };
        let kept = self.scaler().policies();
        let mode = |policy: &Policy| if policy.dry_run { views::ScalingMode::DryRun } else { views::ScalingMode::On };
        let mut lines: Vec<_> = kept.iter().map(|kept| line(&kept.subject, &kept.policy, mode(&kept.policy))).collect();
        for view in parts.applications().views() {
            let subject = Subject::Application(view.spec.name.clone());
            if kept.iter().all(|kept| kept.subject != subject) {
                let mode = if view.auto_scaling() { views::ScalingMode::On } else { views::ScalingMode::Off };
                lines.push(line(&subject, &Policy::default(), mode));
            }
        }
        lines.sort_by(|a, b| a.subject.cmp(&b.subject));
        lines
    }

    /// Says what the rule of a subject may do: that of its own, or ours where it has none.
    pub(super) fn set_mode(&self, parts: &Parts, subject: &str, mode: views::ScalingMode) -> Result<(), Failure> {
        let known = subject_of(subject)?;
        let kept = self.scaler().policies().into_iter().find(|kept| kept.subject == known);
        match (mode, kept) {
            (views::ScalingMode::Off, Some(kept)) => {
                self.scaler().remove_policy(&kept.id).map_err(Failure::from_error)?;
                rest(parts, &known)
            }
            (views::ScalingMode::Off, None) => rest(parts, &known),
            (mode, kept) => {
                let fresh = || KeptPolicy { id: known.to_string(), subject: known.clone(), policy: Policy::default() };
                let mut kept = kept.unwrap_or_else(fresh);
                kept.policy.dry_run = mode == views::ScalingMode::DryRun;
                self.scaler().put_policy(kept).map_err(Failure::from_error)
            }
        }
    }
}

/// An application that says itself that rules may scale it says so no longer.
fn rest(parts: &Parts, subject: &Subject) -> Result<(), Failure> {
    let Subject::Application(name) = subject else { return Ok(()) };
    let view = parts.applications().view(name).map_err(Failure::from_error)?;
    if !view.auto_scaling() {
        return Ok(());
    }
    let mut configuration = (*view.version.configuration).clone();
    configuration.parallelism.auto_scaling = false;
    let update = Update { configuration, resized: false, beginning: None };
    let done = parts.applications().update(name, Expected::Version(view.version.version), update);
    done.map(drop).map_err(Failure::from_error)
}

fn bounds(bounds: &Bounds) -> String {
    let mut words = vec![
        format!("parallelism {} to {}", bounds.parallelism_min, bounds.parallelism_max),
        format!("at most {} KPUs", bounds.kpus_max),
        format!("{} to {} shards", bounds.shards_min, bounds.shards_max),
    ];
    words.extend(bounds.cost_per_hour_max.map(|usd| format!("at most {usd:.2} USD/h")));
    words.join(", ")
}

fn decision(decision: Decision) -> views::Decision {
    let Decision { account, refusal, steps, outcome, .. } = decision;
    let (before, after) = account.price_per_hour;
    let measured = outcome.as_ref().map(spoken).unwrap_or_default();
    views::Decision {
        at_ms: decision.at_ms,
        subject: decision.subject.to_string(),
        policy: decision.rule,
        what: match &refusal {
            Some(refusal) if steps.is_empty() => format!("stays as it is: {}", refusal.cause.name()),
            _ => steps.iter().map(words).collect::<Vec<_>>().join(", "),
        },
        reason: refusal.map_or(account.reason, |refusal| refusal.text),
        formula: account.formula,
        inputs: inputs(&account.inputs, &account.bounded, &account.otherwise),
        price_per_hour: ((after - before).abs() >= 0.005).then_some(after - before),
        outcome: match decision.state {
            DecisionState::Acting => views::Outcome::UnderWay,
            DecisionState::Done => views::Outcome::Done,
            DecisionState::Failed | DecisionState::Interrupted => views::Outcome::Failed,
            DecisionState::DryRun => views::Outcome::DryRun,
            DecisionState::Refused => views::Outcome::Refused,
        },
        outcome_text: decision.error.unwrap_or(measured),
    }
}

fn words(step: &Step) -> String {
    match step {
        Step::Shards(shards) => format!("to {shards} shards"),
        Step::Split(shards) => {
            let shards: Vec<String> = shards.iter().map(u32::to_string).collect();
            format!("split shards {}", shards.join(", "))
        }
        Step::Scale { parallelism, per_kpu } => {
            format!("to parallelism {parallelism} on {} KPUs", parallelism.div_ceil((*per_kpu).max(1)))
        }
    }
}

/// The numbers that a decision was computed from, and what it says beside them.
fn inputs(inputs: &serde_json::Value, bounded: &[String], otherwise: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    flatten("", inputs, &mut all);
    all.extend((!bounded.is_empty()).then(|| ("bounds that held".to_owned(), bounded.join("; "))));
    all.extend((!otherwise.is_empty()).then(|| ("otherwise".to_owned(), otherwise.to_owned())));
    all
}

/// What was measured afterwards, in one line.
fn spoken(outcome: &serde_json::Value) -> String {
    let mut all = Vec::new();
    flatten("", outcome, &mut all);
    all.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

/// The numbers of a document with the names of all that they stand in; what is not known is left out.
fn flatten(within: &str, value: &serde_json::Value, into: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Object(members) => members.iter().for_each(|(name, value)| {
            let name = name.replace('_', " ");
            let full = if within.is_empty() { name } else { format!("{within} {name}") };
            flatten(&full, value, into);
        }),
        serde_json::Value::Null => {}
        value => into.push((within.to_owned(), text(value))),
    }
}

fn text(value: &serde_json::Value) -> String {
    match (value.as_str(), value.as_f64()) {
        (Some(text), _) => text.to_owned(),
        (_, Some(number)) if number.fract() == 0.0 || number.abs() >= 1_000.0 => format!("{number:.0}"),
        (_, Some(number)) => format!("{number:.2}"),
        _ => value.to_string(),
    }
}

/// Values of one measurement by where their periods begin.
type Line = BTreeMap<u64, Value>;

fn points(parts: &Parts, period_s: u64, seconds: u64) -> Result<Vec<views::ScalingPoint>, Failure> {
    let stream = parts.stream();
    let (from_ms, to_ms) = {
        let now_ms = parts.env().now_ms();
        (now_ms.saturating_sub(seconds * 1_000), now_ms + 1)
    };
    let wrong = |error: KeyError| Failure::new(Kind::Invalid, error.to_string());
    let mut keys: Vec<SeriesKey> = Vec::new();
    for metric in [StreamMetric::IncomingRecords, StreamMetric::WriteThrottles] {
        keys.push(stream_series(stream.as_deref().unwrap_or("-"), None, metric).map_err(wrong)?);
    }
    let application = parts.application_name();
    let named = if application.is_empty() { "-" } else { &application };
    for metric in
        [ApplicationMetric::RecordsInPerSecond, ApplicationMetric::MillisBehindLatest, ApplicationMetric::Kpus]
    {
        keys.push(application_series(named, Measured::Whole, metric).map_err(wrong)?);
    }
    let values = parts.metrics().query(&keys, period_s, from_ms..to_ms).map_err(Failure::from_error)?;
    let lines: Vec<Line> =
        values.into_iter().map(|line| line.into_iter().map(|value| (value.at_ms, value)).collect()).collect();
    let described = stream.and_then(|name| parts.store().describe_stream(&name).ok());
    let shards = described.map(|stream| stream.shards).unwrap_or_default();
    let times: std::collections::BTreeSet<u64> = lines.iter().flat_map(|line| line.keys().copied()).collect();
    Ok(times.into_iter().map(|at_ms| point(at_ms, &lines, &shards, period_s)).collect())
}

fn point(at_ms: u64, lines: &[Line], shards: &[ShardDescription], period_s: u64) -> views::ScalingPoint {
    let average = |line: usize| lines[line].get(&at_ms).map(|value| value.set.sum / value.set.count);
    views::ScalingPoint {
        at_ms,
        accepted_per_s: average(0).unwrap_or(0.0),
        throttled_per_s: average(1).unwrap_or(0.0),
        read_per_s: average(2).unwrap_or(0.0),
        // A lag that nobody knows is told as -1.
        lag_ms: lines[3].get(&at_ms).map(|value| value.set.max).filter(|lag| *lag >= 0.0),
        shards: open_at(shards, at_ms + period_s * 1_000 - 1),
        kpus: average(4),
    }
}

/// How many shards took records at a time, as far back as they are remembered.
fn open_at(shards: &[ShardDescription], at_ms: u64) -> Option<f64> {
    let open = |shard: &&ShardDescription| {
        shard.created_ms <= at_ms && shard.closed_ms.is_none_or(|closed_ms| closed_ms > at_ms)
    };
    let count = shards.iter().filter(open).count();
    (count > 0).then_some(count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_told_one_by_one_with_what_they_belong_to() {
        let inputs =
            json!({"stream": {"open_shards": 8, "offered_records": 8_429.487_8, "law": {"c": 0.25}}, "none": null});
        let told = super::inputs(&inputs, &["at most 4 KPUs".into()], "it falls behind");
        let told: Vec<(&str, &str)> = told.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("stream law c", "0.25"),
                ("stream offered records", "8429"),
                ("stream open shards", "8"),
                ("bounds that held", "at most 4 KPUs"),
                ("otherwise", "it falls behind"),
            ]
        );
        assert_eq!(spoken(&json!({"application": {"pause_ms": 113.401}})), "application pause ms 113.40");
    }

    #[test]
    fn shards_are_counted_as_they_were_open() {
        let shard = |created_ms, closed_ms| ShardDescription {
            index: model::ShardIndex(0),
            parents: vec![],
            range: model::HashKeyRange::new(0, u128::MAX).unwrap(),
            state: store::ShardState::Open,
            first: model::Position(0),
            next: model::Position(0),
            ending: None,
            created_ms,
            closed_ms,
        };
        let shards = [shard(10, Some(20)), shard(20, None), shard(20, None)];
        let told: Vec<_> = [5, 10, 19, 20, 99].map(|at_ms| open_at(&shards, at_ms)).into();
        assert_eq!(told, [None, Some(1.0), Some(1.0), Some(2.0), Some(2.0)]);
    }
}
