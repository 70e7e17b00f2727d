//! `PutMetricData`.

use super::super::service::ServiceError;
use super::input::{Input, required};
use super::{CloudWatch, combination, invalid};
use crate::metrics::{Entry, StatisticSet, Summary, Unit};
use serde_json::Value;
use std::sync::Arc;

/// Most data of a call.
const DATA_MAX: usize = 1_000;
/// Most values of a datum.
const VALUES_MAX: usize = 150;
/// Largest absolute value: 2 to the power of 360.
const VALUE_MAX: f64 = 2.348_542_582_773_833_4e108;
/// How far back a value may lie, in milliseconds.
const PAST_MS: u64 = 14 * 86_400_000;
/// How far ahead of the platform's clock, likewise.
const AHEAD_MS: u64 = 60_000;

impl CloudWatch {
    pub(super) fn put_metric_data(&self, input: &Input<'_>) -> Result<Value, ServiceError> {
        let namespace = input.required_text("Namespace", 255)?;
        if namespace.starts_with("AWS/") || namespace.starts_with("Hailstream/") {
            let message = format!(
                "The value {namespace} for parameter Namespace is invalid: the platform itself measures there."
            );
            return Err(invalid(message));
        }
        let mut data = input.list("MetricData", DATA_MAX)?;
        for entity in input.list("EntityMetricData", 2)? {
            data.extend(entity.list("MetricData", DATA_MAX)?);
        }
        if data.is_empty() {
            return Err(required("MetricData"));
        }
        let entries: Vec<Entry> = data.iter().map(|datum| self.entry(namespace, datum)).collect::<Result<_, _>>()?;
        let recorded = self.metrics.record_entries(&entries)?;
        if recorded.refused > 0 {
            let message =
                format!("{} of {} data have no place: there are too many metrics.", recorded.refused, entries.len());
            return Err(ServiceError::new("LimitExceededFault", message));
        }
        Ok(Value::Null)
    }

    fn entry(&self, namespace: &str, datum: &Input<'_>) -> Result<Entry, ServiceError> {
        let key = Arc::new(datum.series_in(namespace)?);
        if !matches!(datum.whole("StorageResolution", 1, 60)?, None | Some(1 | 60)) {
            return Err(invalid(format!("The parameter {} must be 1 or 60.", datum.path("StorageResolution"))));
        }
        let unit = datum.unit("Unit")?.unwrap_or_default();
        if let Some(held) = self.metrics.unit(&key).filter(|held| unit != Unit::None && unit.factor_to(*held).is_none())
        {
            let (path, name) = (datum.path("Unit"), key.name());
            let message = format!("The parameter {path} is {}, and {name} is kept in {}.", unit.name(), held.name());
            return Err(combination(message));
        }
        let at_ms = datum.time_ms("Timestamp")?;
        let now_ms = self.env.now_ms();
        if at_ms.is_some_and(|at_ms| at_ms + PAST_MS < now_ms || at_ms > now_ms + AHEAD_MS) {
            let path = datum.path("Timestamp");
            let message = format!(
                "The parameter {path} must be a time of the last 14 days, and not ahead of the platform's clock."
            );
            return Err(invalid(message));
        }
        Ok(Entry { key, at_ms, summary: summary(datum)?, unit })
    }
}

/// The values of a datum, which are there in exactly one of three ways.
fn summary(datum: &Input<'_>) -> Result<Summary, ServiceError> {
    let ways = ["Value", "Values", "StatisticValues"].into_iter().filter(|name| datum.has(name)).count();
    if ways == 0 {
        return Err(required(&datum.path("Value")));
    }
    if ways > 1 {
        let paths = ["Value", "Values", "StatisticValues"].map(|name| datum.path(name)).join(", ");
        return Err(combination(format!("The parameters {paths} are mutually exclusive; give one of them.")));
    }
    if let Some(set) = datum.inner("StatisticValues") {
        return statistics(&set).map(Summary::from);
    }
    if let Some(value) = datum.number("Value")? {
        return Ok(StatisticSet::of(bounded(datum, "Value", value)?).into());
    }
    let (values, counts) = (datum.numbers("Values", VALUES_MAX)?, datum.numbers("Counts", VALUES_MAX)?);
    if datum.has("Counts") && counts.len() != values.len() {
        let (values, counts) = (datum.path("Values"), datum.path("Counts"));
        return Err(combination(format!("The parameters {values} and {counts} must have the same number of members.")));
    }
    let mut pairs = Vec::with_capacity(values.len());
    for (nth, value) in values.into_iter().enumerate() {
        let count = counts.get(nth).copied().unwrap_or(1.0);
        if !(0.0..=1e15).contains(&count) {
            return Err(invalid(format!("The parameter {} must have no negative member.", datum.path("Counts"))));
        }
        pairs.push((bounded(datum, "Values", value)?, count));
    }
    pairs.retain(|(_, count)| *count > 0.0);
    Summary::of(pairs).ok_or_else(|| invalid(format!("The parameter {} must hold a value.", datum.path("Values"))))
}

fn bounded(datum: &Input<'_>, name: &str, value: f64) -> Result<f64, ServiceError> {
    if value.abs() <= VALUE_MAX {
        return Ok(value);
    }
    Err(invalid(format!("The parameter {} must be a number from -2^360 to 2^360.", datum.path(name))))
}

fn statistics(set: &Input<'_>) -> Result<StatisticSet, ServiceError> {
    let part = |name: &str| {
        let value = set.number(name)?.ok_or_else(|| required(&set.path(name)))?;
        bounded(set, name, value)
    };
    let set_of =
        StatisticSet { sum: part("Sum")?, count: part("SampleCount")?, min: part("Minimum")?, max: part("Maximum")? };
    if set_of.min > set_of.max {
        let (min, max) = (set.path("Minimum"), set.path("Maximum"));
        return Err(combination(format!("The parameter {max} must not be less than the parameter {min}.")));
    }
    if set_of.count <= 0.0 {
        return Err(invalid(format!("The parameter {} must be greater than 0.", set.path("SampleCount"))));
    }
    Ok(set_of)
}
