//! Alarms as clients see them.

use super::{PLACE, queries};
use crate::alarms::{Kept, LowSamples, Watch, Watches};
use crate::metrics::Unit;
use serde_json::{Value, json};

/// The name of an alarm as a resource.
pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:{PLACE}:alarm:{name}")
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// An alarm with its state, in the words of the service.
pub fn alarm_document(kept: &Kept) -> Value {
    let (alarm, status) = (&kept.alarm, &kept.status);
    let mut document = json!({
        "AlarmName": alarm.name,
        "AlarmArn": arn(&alarm.name),
        "ActionsEnabled": alarm.actions_enabled,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "StateValue": status.state.name(),
        "StateReason": status.reason,
        "StateUpdatedTimestamp": seconds(status.updated_ms),
        "StateTransitionedTimestamp": seconds(status.transitioned_ms),
        "AlarmConfigurationUpdatedTimestamp": seconds(status.configured_ms),
    });
    let mut tell = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            document[name] = value;
        }
    };
    tell("AlarmDescription", alarm.description.as_ref().map(|text| json!(text)));
    tell("StateReasonData", status.reason_data.as_ref().map(|text| json!(text)));
    tell("EvaluationState", kept.trouble.as_ref().map(|_| json!("EVALUATION_ERROR")));
    match &alarm.watches {
        Watches::Alarms(rule) => tell("AlarmRule", Some(json!(rule.text()))),
        Watches::Numbers(watch) => numbers(watch, &mut tell),
    }
    document
}

fn numbers(watch: &Watch, tell: &mut impl FnMut(&str, Option<Value>)) {
    tell("EvaluationPeriods", Some(json!(watch.evaluation_periods)));
    tell("DatapointsToAlarm", watch.datapoints.map(|count| json!(count)));
    tell("Threshold", Some(json!(watch.threshold)));
    tell("ComparisonOperator", Some(json!(watch.comparison.name())));
    tell("TreatMissingData", watch.missing.map(|missing| json!(missing.name())));
    let word = |low| if low == LowSamples::Ignore { "ignore" } else { "evaluate" };
    tell("EvaluateLowSampleCountPercentile", watch.low_samples.map(|low| json!(word(low))));
    match watch.series().filter(|_| watch.single) {
        None => tell("Metrics", Some(watch.questions.iter().map(queries::document).collect())),
        Some(wanted) => {
            tell("Namespace", Some(json!(wanted.key.namespace())));
            tell("MetricName", Some(json!(wanted.key.name())));
            tell("Dimensions", Some(queries::dimensions(wanted.key.dimensions())));
            tell("Period", Some(json!(wanted.period_s)));
            tell("Unit", wanted.unit.map(|unit| json!(Unit::name(unit))));
            let is_plain = wanted.asked.statistic().is_some();
            tell(if is_plain { "Statistic" } else { "ExtendedStatistic" }, Some(json!(wanted.asked.words())));
        }
    }
}
