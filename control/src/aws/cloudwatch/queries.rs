//! Questions about metrics as they stand in calls and in alarms.

use super::super::service::ServiceError;
use super::input::{Input, required};
use super::{combination, invalid};
use crate::metrics::math::parse;
use crate::metrics::{Asked, Question, Unit, Wanted, What};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Longest expression, in characters.
const EXPRESSION_MAX: usize = 2_048;

/// The questions in a list.
pub(super) fn questions(input: &Input<'_>, name: &str, max: usize) -> Result<Vec<Question>, ServiceError> {
    let questions: Vec<Question> = input.list(name, max)?.iter().map(question).collect::<Result<_, _>>()?;
    let mut ids = BTreeSet::new();
    match questions.iter().find(|question| !ids.insert(&question.id)) {
        Some(twice) => Err(ServiceError::new(
            "ValidationError",
            format!("The ids in {name} must be unique: {} is there twice.", twice.id),
        )),
        None => Ok(questions),
    }
}

/// One question.
pub(super) fn question(input: &Input<'_>) -> Result<Question, ServiceError> {
    let id = input.required_text("Id", 255)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !id.starts_with(|c: char| c.is_ascii_lowercase()) || !id.chars().all(legal) {
        let message = format!(
            "The value {id} for {} must begin with a lowercase letter and hold letters, digits and underscores only.",
            input.path("Id")
        );
        return Err(ServiceError::new("ValidationError", message));
    }
    let what = match (input.inner("MetricStat"), input.text("Expression", EXPRESSION_MAX)?) {
        (Some(stat), None) => What::Series(wanted(&stat)?),
        (None, Some(expression)) => {
            parse(expression).map_err(|error| {
                ServiceError::new("ValidationError", format!("Error in expression '{id}': {error}"))
            })?;
            What::Expression(expression.to_owned(), input.period_s("Period")?)
        }
        _ => {
            let (stat, expression) = (input.path("MetricStat"), input.path("Expression"));
            return Err(combination(format!("Exactly one of {stat} and {expression} must be given.")));
        }
    };
    Ok(Question {
        id: id.to_owned(),
        what,
        label: input.text_from("Label", 0, 2_048)?.map(str::to_owned),
        returned: input.truth("ReturnData")?.unwrap_or(true),
    })
}

fn wanted(stat: &Input<'_>) -> Result<Wanted, ServiceError> {
    let metric = stat.inner("Metric").ok_or_else(|| required(&stat.path("Metric")))?;
    Ok(Wanted {
        key: metric.series()?,
        asked: asked(stat.required_text("Stat", 50)?, &stat.path("Stat"))?,
        period_s: stat.period_s("Period")?.ok_or_else(|| required(&stat.path("Period")))?,
        unit: stat.unit("Unit")?,
    })
}

/// A statistic by its words.
pub(super) fn asked(words: &str, path: &str) -> Result<Asked, ServiceError> {
    Asked::parse(words)
        .map_err(|error| invalid(format!("The value {words} for parameter {path} is not supported: {error}.")))
}

/// A question as clients see it.
pub(super) fn document(question: &Question) -> Value {
    let mut document = json!({ "Id": question.id, "ReturnData": question.returned });
    if let Some(label) = &question.label {
        document["Label"] = json!(label);
    }
    match &question.what {
        What::Series(wanted) => {
            let mut stat = json!({ "Metric": metric(wanted), "Period": wanted.period_s, "Stat": wanted.asked.words() });
            if let Some(unit) = wanted.unit {
                stat["Unit"] = json!(Unit::name(unit));
            }
            document["MetricStat"] = stat;
        }
        What::Expression(text, period_s) => {
            document["Expression"] = json!(text);
            if let Some(period_s) = period_s {
                document["Period"] = json!(period_s);
            }
        }
    }
    document
}

/// A series as clients see it.
pub(super) fn metric(wanted: &Wanted) -> Value {
    let key = &wanted.key;
    json!({ "Namespace": key.namespace(), "MetricName": key.name(), "Dimensions": dimensions(key.dimensions()) })
}

/// Dimensions as clients see them.
pub(super) fn dimensions(dimensions: &[(String, String)]) -> Value {
    dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect()
}
