//! The figures of a job under the names that every run has, from what a cluster tells of it.

use crate::client::{Client, Of, Refusal};
use control::{
    CheckpointFigures, OperatorFigures, RunMetrics, RunningStats, SinkFigures, SourceFigures, SubtaskFigures,
};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Metrics that are asked for of each part of a job, by the ends of their names, and how those of subtasks come together.
const ASKED: [(&str, Join); 9] = [
    ("currentInputWatermark", Join::Least),
    (".currentOutputWatermark", Join::Least),
    (".numLateRecordsDropped", Join::Sum),
    (".numRecordsSend", Join::Sum),
    (".numRecordsIn", Join::Sum),
    (".numRecordsSendErrors", Join::Sum),
    (".millisBehindLatest", Join::Most),
    (".numRecordsOut", Join::Sum),
    (".numBytesIn", Join::Sum),
];
/// A watermark before the first, and one behind the last.
const NO_WATERMARKS: [i64; 2] = [i64::MIN, i64::MAX];
/// Most metrics of one part that are asked for: beyond, a source of very many shards would make the question too long.
const METRICS_MAX: usize = 400;
/// Longest part of a question.
const QUESTION_BYTES_MAX: usize = 3_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    Sum,
    Least,
    Most,
}

impl Join {
    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Least => "min",
            Self::Most => "max",
        }
    }
}

/// One part of a job: operators that run chained in the same subtasks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Part {
    id: String,
    name: String,
    inputs: Vec<String>,
    subtasks: Vec<SubtaskFigures>,
    /// Metrics by name, those of the subtasks together.
    metrics: BTreeMap<String, f64>,
}

impl Part {
    /// The metrics whose names end so.
    fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = f64> + 'a {
        self.metrics.iter().filter(move |(name, _)| name.ends_with(end)).map(|(_, value)| *value)
    }

    fn watermark(&self, end: &str) -> Option<i64> {
        let least = self.ending(end).map(|value| value as i64).min();
        least.filter(|ms| !NO_WATERMARKS.contains(ms))
    }

    fn is_source(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Rows that its sinks have sent; a sink that does not count them has taken them.
    fn sent(&self) -> u64 {
        let sent: f64 = self.ending(".numRecordsSend").sum();
        let of_sink = |name: &&String| name.starts_with("Sink__") && name.ends_with(".numRecordsIn");
        let taken: f64 = self.metrics.iter().filter(|(name, _)| of_sink(name)).map(|(_, value)| value).sum();
        sent.max(taken) as u64
    }

    /// Records that its source has read: what the first of its operators has given on.
    fn read(&self) -> u64 {
        let of_source = |name: &&String| name.starts_with("Source__") && name.ends_with(".numRecordsOut");
        let read: f64 = self.metrics.iter().filter(|(name, _)| of_source(name)).map(|(_, value)| value).sum();
        read as u64
    }
}

/// What the cluster tells of a job now.
pub(crate) async fn ask(client: &Client, job: &str, detail: &Value) -> Result<Vec<Part>, Refusal> {
    let mut parts = Vec::new();
    for mut part in parts_of(detail) {
        let path = format!("/jobs/{job}/vertices/{}", part.id);
        let vertex = client.answer(Of::Jobs, Method::GET, &path, None).await?;
        part.subtasks =
            vertex["subtasks"].as_array().into_iter().flatten().map(|one| subtask(one, part.is_source())).collect();
        let listed = client.answer(Of::Jobs, Method::GET, &format!("{path}/subtasks/metrics"), None).await?;
        for (join, question) in questions(&listed) {
            let path = format!("{path}/subtasks/metrics?agg={}&get={question}", join.name());
            let answer = client.answer(Of::Jobs, Method::GET, &path, None).await?;
            part.metrics.extend(values(&answer, join));
        }
        parts.push(part);
    }
    Ok(parts)
}

/// The parts of a job with their inputs, as its plan names them.
fn parts_of(detail: &Value) -> Vec<Part> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeMap<String, String> =
        list(&detail["vertices"]).map(|vertex| (text(&vertex["id"]), text(&vertex["name"]))).collect();
    let inputs = |id: &str| {
        let node = list(&detail["plan"]["nodes"]).find(|node| node["id"] == id);
        let ids = node.into_iter().flat_map(|node| list(&node["inputs"])).map(|input| text(&input["id"]));
        ids.filter_map(|id| names.get(&id).cloned()).collect()
    };
    let part = |vertex: &Value| {
        let id = text(&vertex["id"]);
        Part { inputs: inputs(&id), name: text(&vertex["name"]), id, ..Part::default() }
    };
    list(&detail["vertices"]).map(part).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn subtask(told: &Value, is_source: bool) -> SubtaskFigures {
    let metrics = &told["metrics"];
    // A time that the cluster does not measure is told as a text.
    let count = |name: &str| metrics[name].as_f64().unwrap_or(0.0).max(0.0) as u64;
    let (read, written) = (count("read-records"), count("write-records"));
    SubtaskFigures {
        records_in: if is_source { written } else { read },
        records_out: written,
        busy_ms: count("accumulated-busy-time"),
        idle_ms: count("accumulated-idle-time"),
        backpressured_ms: count("accumulated-backpressured-time"),
    }
}

/// The questions for the metrics that are wanted of those that are listed.
fn questions(listed: &Value) -> Vec<(Join, String)> {
    let mut all: Vec<(Join, String)> = Vec::new();
    let names = list(listed).filter_map(|metric| metric["id"].as_str());
    for (name, join) in names.filter_map(|name| Some((name, join_of(name)?))).take(METRICS_MAX) {
        let name = escaped(name);
        match all.iter_mut().find(|(of, question)| *of == join && question.len() + name.len() < QUESTION_BYTES_MAX) {
            Some((_, question)) => {
                question.push(',');
                question.push_str(&name);
            }
            None => all.push((join, name)),
        }
    }
    all
}

fn join_of(name: &str) -> Option<Join> {
    ASKED.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, join)| join)
}

/// A name as a part of an address.
fn escaped(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn values(answer: &Value, join: Join) -> Vec<(String, f64)> {
    let value = |metric: &Value| {
        let number = metric[join.name()].as_f64().filter(|number| number.is_finite())?;
        Some((metric["id"].as_str()?.to_owned(), number))
    };
    list(answer).filter_map(value).collect()
}

/// The figures of a run.
pub(crate) fn figures(parts: &[Part], checkpoints: &Value, per_kpu: u32) -> RunMetrics {
    let is_read: Vec<&String> = parts.iter().flat_map(|part| &part.inputs).collect();
    let operators: Vec<OperatorFigures> =
        parts.iter().map(|part| operator(part, !is_read.contains(&&part.name))).collect();
    let parallelism = parts.iter().map(|part| part.subtasks.len() as u32).max().unwrap_or(0);
    RunMetrics {
        totals: RunningStats {
            records_in: parts.iter().map(Part::read).sum(),
            records_out: parts.iter().map(Part::sent).sum(),
            late: parts.iter().map(|part| part.ending(".numLateRecordsDropped").sum::<f64>() as u64).sum(),
            bad: 0,
        },
        watermark_ms: parts.iter().filter_map(|part| part.watermark(".currentOutputWatermark")).min(),
        millis_behind_latest: behind(parts.iter()),
        operators,
        parallelism,
        kpus: parallelism.div_ceil(per_kpu.max(1)),
        state_bytes: whole(&checkpoints["latest"]["completed"]["state_size"]),
        checkpoints: checkpoint_figures(checkpoints),
        ..RunMetrics::default()
    }
}

/// How far the slowest shard is behind; of shards that nobody has read from yet that is told as a negative number.
fn behind<'a>(parts: impl Iterator<Item = &'a Part>) -> Option<u64> {
    let known = parts.flat_map(|part| part.ending(".millisBehindLatest")).filter(|ms| *ms >= 0.0);
    known.map(|ms| ms as u64).max()
}

fn operator(part: &Part, is_last: bool) -> OperatorFigures {
    let source = SourceFigures {
        millis_behind_latest: behind(std::iter::once(part)),
        bytes: part
            .metrics
            .iter()
            .filter(|(name, _)| name.starts_with("Source__") && name.ends_with(".numBytesIn"))
            .map(|(_, value)| *value as u64)
            .sum(),
        ..SourceFigures::default()
    };
    let refused = part.ending(".numRecordsSendErrors").sum::<f64>() as u64;
    OperatorFigures {
        operator: part.name.clone(),
        inputs: part.inputs.clone(),
        subtasks: part.subtasks.clone(),
        input_ms: part.watermark("currentInputWatermark").filter(|_| !part.is_source()),
        output_ms: part.watermark(".currentOutputWatermark"),
        hold: None,
        source: part.is_source().then_some(source),
        sink: is_last.then_some(SinkFigures { refused, ..SinkFigures::default() }),
    }
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// The checkpoints of a job, savepoints among them.
pub(crate) fn checkpoint_figures(checkpoints: &Value) -> CheckpointFigures {
    let last = &checkpoints["latest"]["completed"];
    CheckpointFigures {
        completed: whole(&checkpoints["counts"]["completed"]),
        failed: whole(&checkpoints["counts"]["failed"]),
        last_duration_ms: whole(&last["end_to_end_duration"]),
        last_size_bytes: whole(&last["state_size"]),
    }
}

/// Where the newest checkpoint lies that the job goes on from by itself.
pub(crate) fn newest_checkpoint(checkpoints: &Value) -> Option<&str> {
    let last = &checkpoints["latest"]["completed"];
    last["external_path"].as_str().filter(|path| *path != "<checkpoint-not-externally-addressable>")
}

/// What a savepoint takes, where the job still knows it.
pub(crate) fn savepoint_bytes(checkpoints: &Value, path: &str) -> u64 {
    let known = list(&checkpoints["history"]).find(|checkpoint| checkpoint["external_path"] == path);
    known.map_or(0, |checkpoint| whole(&checkpoint["checkpointed_size"]))
}
