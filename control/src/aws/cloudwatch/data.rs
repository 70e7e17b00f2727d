//! `GetMetricData`.

use super::super::service::ServiceError;
use super::input::{Input, required};
use super::{CloudWatch, invalid, queries, tokens};
use crate::metrics::math::{Line, Worth};
use crate::metrics::{Answers, Question, What};
use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};

/// Most questions of a call.
const QUERIES_MAX: usize = 500;
/// Most points of an answer; what is beyond stands on the next page.
const POINTS_MAX: u64 = 100_800;

/// The answer to a question, the points in the order that was asked for.
struct Told {
    id: String,
    label: String,
    points: Vec<(u64, f64)>,
    trouble: Option<String>,
}

impl CloudWatch {
    pub(super) fn get_metric_data(&self, input: &Input<'_>) -> Result<Value, ServiceError> {
        let questions = queries::questions(input, "MetricDataQueries", QUERIES_MAX)?;
        if questions.is_empty() {
            return Err(required("MetricDataQueries"));
        }
        let (start_ms, end_ms) = (input.required_time_ms("StartTime")?, input.required_time_ms("EndTime")?);
        if start_ms >= end_ms {
            return Err(ServiceError::new(
                "ValidationError",
                "The parameter StartTime must be less than the parameter EndTime.",
            ));
        }
        let latest_first = match input.text("ScanBy", 64)? {
            None | Some("TimestampDescending") => true,
            Some("TimestampAscending") => false,
            Some(other) => return Err(invalid(format!("The value {other} for parameter ScanBy is not supported."))),
        };
        let zone = zone(input)?;
        let points_max = input.whole("MaxDatapoints", 1, POINTS_MAX)?.unwrap_or(POINTS_MAX) as usize;
        let sealed = format!("{questions:?} {start_ms} {end_ms} {latest_first}");
        let begin = tokens::begin(input, &sealed)?;
        let answers = Answers::read(&self.metrics, &questions, start_ms..end_ms, 0)?;
        let mut told = Vec::new();
        for question in questions.iter().filter(|question| question.returned) {
            told.extend(answer(&answers, question, start_ms..end_ms, zone));
        }
        if latest_first {
            told.iter_mut().for_each(|one| one.points.reverse());
        }
        let (results, next) = page(&told, begin, points_max);
        let mut output = json!({ "MetricDataResults": results, "Messages": [] });
        if let Some(next) = next {
            output["NextToken"] = json!(tokens::token(next, &sealed));
        }
        Ok(output)
    }
}

fn zone(input: &Input<'_>) -> Result<FixedOffset, ServiceError> {
    let text = input.inner("LabelOptions").map(|options| options.text("Timezone", 5)).transpose()?.flatten();
    let Some(text) = text else { return Ok(FixedOffset::east_opt(0).unwrap_or_else(utc)) };
    let parsed = || {
        let (sign, digits) = text.split_at_checked(1)?;
        let (hours, minutes) = digits.split_at_checked(2)?;
        let seconds = hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60;
        match sign {
            "+" => FixedOffset::east_opt(seconds),
            "-" => FixedOffset::west_opt(seconds),
            _ => None,
        }
    };
    parsed()
        .ok_or_else(|| invalid("The parameter LabelOptions.Timezone must be + or - with four digits, such as +0130."))
}

fn utc() -> FixedOffset {
    chrono::Offset::fix(&chrono::Utc)
}

fn answer(answers: &Answers<'_>, question: &Question, range: std::ops::Range<u64>, zone: FixedOffset) -> Vec<Told> {
    let whole = |points: Vec<(u64, f64)>| points.into_iter().filter(|(at_ms, _)| *at_ms < range.end).collect();
    let one = |line: Line| Told {
        id: question.id.clone(),
        label: labelled(&line, question, zone),
        points: whole(line.points),
        trouble: None,
    };
    match answers.of(&question.id) {
        Ok(Worth::Line(line)) => vec![one(line)],
        Ok(Worth::Lines(lines)) => lines.into_iter().map(one).collect(),
        Ok(Worth::Number(number)) => {
            let what = format!("the expression is worth the number {number} and no series; wrap it in TIME_SERIES");
            vec![Told { id: question.id.clone(), label: question.id.clone(), points: vec![], trouble: Some(what) }]
        }
        Err(error) => {
            let label = question.label.clone().unwrap_or_else(|| question.id.clone());
            vec![Told { id: question.id.clone(), label, points: vec![], trouble: Some(error.to_string()) }]
        }
    }
}

/// What an answer is called, with what its label asks to be filled in.
fn labelled(line: &Line, question: &Question, zone: FixedOffset) -> String {
    let mut label = line.label.clone();
    if !label.contains("${") {
        return label;
    }
    let values = || line.points.iter().map(|(_, value)| *value);
    let told = |value: Option<f64>| value.map_or_else(|| "--".to_owned(), |value| format!("{value}"));
    let sum: f64 = values().sum();
    let count = line.points.len();
    for (name, value) in [
        ("${AVG}", told((count > 0).then(|| sum / count as f64))),
        ("${SUM}", told((count > 0).then_some(sum))),
        ("${MIN}", told(values().reduce(f64::min))),
        ("${MAX}", told(values().reduce(f64::max))),
        ("${LAST}", told(line.points.last().map(|(_, value)| *value))),
        ("${FIRST}", told(line.points.first().map(|(_, value)| *value))),
        ("${DATAPOINT_COUNT}", count.to_string()),
        ("${LAST_TIME}", line.points.last().map_or_else(|| "--".to_owned(), |(at_ms, _)| moment(*at_ms, zone))),
        ("${FIRST_TIME}", line.points.first().map_or_else(|| "--".to_owned(), |(at_ms, _)| moment(*at_ms, zone))),
        ("${PERIOD}", line.period_s.to_string()),
        ("${LABEL}", question.id.clone()),
    ] {
        label = label.replace(name, &value);
    }
    if let What::Series(wanted) = &question.what {
        for (name, value) in wanted.key.dimensions() {
            label = label.replace(&format!("${{PROP('Dim.{name}')}}"), value);
        }
        label = label.replace("${PROP('MetricName')}", wanted.key.name());
        label = label.replace("${PROP('Namespace')}", wanted.key.namespace());
        label = label.replace("${PROP('Stat')}", wanted.asked.words());
    }
    label
}

fn moment(at_ms: u64, zone: FixedOffset) -> String {
    let moment = DateTime::from_timestamp_millis(at_ms as i64).unwrap_or_default().with_timezone(&zone);
    moment.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The results with the points from the `begin`th on, at most `max` of them, and where the next page begins.
fn page(told: &[Told], begin: usize, max: usize) -> (Vec<Value>, Option<usize>) {
    let (mut results, mut passed, end) = (Vec::new(), 0, begin + max);
    let total: usize = told.iter().map(|one| one.points.len()).sum();
    for one in told {
        let (first, last) = (passed, passed + one.points.len());
        passed = last;
        let (from, to) = (begin.clamp(first, last), end.clamp(first, last));
        // What has no points, or all of them on other pages, stands on the page where its place is.
        let here = from < to || (first == last && (begin..=end).contains(&first) && (begin == 0 || first > begin));
        if here {
            results.push(result(one, from - first..to - first, to == last));
        }
    }
    (results, (end < total).then_some(end))
}

fn result(one: &Told, range: std::ops::Range<usize>, complete: bool) -> Value {
    let points = &one.points[range];
    let mut result = json!({
        "Id": one.id,
        "Label": one.label,
        "Timestamps": points.iter().map(|(at_ms, _)| *at_ms as f64 / 1_000.0).collect::<Vec<_>>(),
        "Values": points.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
        "StatusCode": if complete { "Complete" } else { "PartialData" },
    });
    if let Some(trouble) = &one.trouble {
        result["StatusCode"] = json!("InternalError");
        result["Messages"] = json!([{ "Code": "ArithmeticError", "Value": trouble }]);
    }
    result
}
