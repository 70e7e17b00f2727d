//! Alarms as calls describe them.

use super::super::service::ServiceError;
use super::input::{Input, required};
use super::{combination, queries};
use crate::alarms::{Alarm, Comparison, Composite, LowSamples, Missing, Watch, Watches};
use crate::metrics::{Question, Wanted, What};

/// Most actions for one state.
const ACTIONS_MAX: usize = 5;
/// Most metrics and expressions of one alarm.
const QUERIES_MAX: usize = 20;
/// The name of the one series of an alarm that was not asked for as an expression.
pub(super) const SINGLE_ID: &str = "m1";

type Result<T> = std::result::Result<T, ServiceError>;

pub(super) fn validation(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationError", message)
}

/// The alarm of `PutMetricAlarm`.
pub(super) fn metric_alarm(input: &Input<'_>) -> Result<Alarm> {
    for name in ["ThresholdMetricId", "EvaluationCriteria", "EvaluationInterval"] {
        if input.has(name) {
            return Err(validation(format!("{name} is not supported: alarms compare numbers with a fixed threshold.")));
        }
    }
    let comparison = input.required_text("ComparisonOperator", 64)?;
    let comparison = Comparison::named(comparison)
        .ok_or_else(|| validation(format!("The value {comparison} for ComparisonOperator is not supported; give one of the four that compare with a threshold.")))?;
    let missing = input.text("TreatMissingData", 255)?;
    let missing = missing
        .map(|word| Missing::named(word).ok_or_else(|| validation(format!("Option {word} is not supported for TreatMissingData; there are breaching, notBreaching, ignore and missing."))))
        .transpose()?;
    let low_samples = match input.text("EvaluateLowSampleCountPercentile", 255)? {
        None => None,
        Some("evaluate") => Some(LowSamples::Evaluate),
        Some("ignore") => Some(LowSamples::Ignore),
        Some(other) => {
            return Err(validation(format!(
                "Option {other} is not supported for EvaluateLowSampleCountPercentile; there are evaluate and ignore."
            )));
        }
    };
    let (questions, single) = watched(input)?;
    let periods = input.whole("EvaluationPeriods", 1, 100_000)?.ok_or_else(|| required("EvaluationPeriods"))?;
    let watch = Watch {
        questions,
        single,
        evaluation_periods: periods as u32,
        datapoints: input.whole("DatapointsToAlarm", 1, 100_000)?.map(|count| count as u32),
        threshold: input.number("Threshold")?.ok_or_else(|| required("Threshold"))?,
        comparison,
        missing,
        low_samples,
    };
    described(input, Watches::Numbers(watch))
}

/// What an alarm watches, and whether it names one series in members of its own.
fn watched(input: &Input<'_>) -> Result<(Vec<Question>, bool)> {
    let questions = queries::questions(input, "Metrics", QUERIES_MAX)?;
    if questions.is_empty() {
        return Ok((vec![single(input)?], true));
    }
    let own = ["MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit"];
    if let Some(name) = own.into_iter().find(|name| input.has(name)) {
        return Err(validation(format!("{name} must not be given together with Metrics.")));
    }
    Ok((questions, false))
}

fn single(input: &Input<'_>) -> Result<Question> {
    let asked = match (input.text("Statistic", 64)?, input.text("ExtendedStatistic", 50)?) {
        (Some(statistic), None) => {
            let asked = queries::asked(statistic, "Statistic")?;
            if asked.statistic().is_none() {
                return Err(validation(format!("{statistic} is an extended statistic; give it as ExtendedStatistic.")));
            }
            asked
        }
        (None, Some(extended)) => queries::asked(extended, "ExtendedStatistic")?,
        (None, None) => return Err(required("Statistic")),
        _ => return Err(combination("The parameters Statistic and ExtendedStatistic are mutually exclusive.")),
    };
    let wanted = Wanted {
        key: input.series()?,
        asked,
        period_s: input.period_s("Period")?.ok_or_else(|| required("Period"))?,
        unit: input.unit("Unit")?,
    };
    Ok(Question { id: SINGLE_ID.to_owned(), what: What::Series(wanted), label: None, returned: true })
}

/// The alarm of `PutCompositeAlarm`.
pub(super) fn composite_alarm(input: &Input<'_>) -> Result<Alarm> {
    for name in ["ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"] {
        if input.has(name) {
            return Err(validation(format!("{name} is not supported; put the condition into AlarmRule.")));
        }
    }
    let rule = Composite::parse(input.required_text("AlarmRule", 10_240)?);
    let rule = rule.map_err(|error| validation(format!("AlarmRule: {error}.")))?;
    described(input, Watches::Alarms(rule))
}

fn described(input: &Input<'_>, watches: Watches) -> Result<Alarm> {
    Ok(Alarm {
        name: input.required_text("AlarmName", 255)?.to_owned(),
        description: input.text_from("AlarmDescription", 0, 1_024)?.map(str::to_owned),
        actions_enabled: input.truth("ActionsEnabled")?.unwrap_or(true),
        ok_actions: input.texts("OKActions", ACTIONS_MAX, 1_024)?,
        alarm_actions: input.texts("AlarmActions", ACTIONS_MAX, 1_024)?,
        insufficient_data_actions: input.texts("InsufficientDataActions", ACTIONS_MAX, 1_024)?,
        watches,
    })
}
