//! `GetMetricStatistics`.

use super::super::service::ServiceError;
use super::input::{Input, required};
use super::queries::asked;
use super::{CloudWatch, combination, invalid};
use crate::metrics::{Asked, Summary};
use serde_json::{Map, Value, json};

/// Most points of an answer.
const POINTS_MAX: u64 = 1_440;

impl CloudWatch {
    pub(super) fn get_metric_statistics(&self, input: &Input<'_>) -> Result<Value, ServiceError> {
        let key = input.series()?;
        let (start_ms, end_ms) = (input.required_time_ms("StartTime")?, input.required_time_ms("EndTime")?);
        let period_s = input.period_s("Period")?.ok_or_else(|| required("Period"))?;
        if start_ms >= end_ms {
            return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
        }
        let points = (end_ms - start_ms).div_ceil(period_s * 1_000);
        if points > POINTS_MAX {
            let message = format!(
                "You have requested up to {points} datapoints, which exceeds the limit of {POINTS_MAX}. You may reduce the \
                 datapoints requested by increasing Period, or decreasing the time range."
            );
            return Err(combination(message));
        }
        let plain = statistics(input, "Statistics", 5)?;
        let extended = statistics(input, "ExtendedStatistics", 10)?;
        if plain.is_empty() && extended.is_empty() {
            return Err(required("Statistics"));
        }
        if let Some(wrong) = plain.iter().find(|asked| asked.statistic().is_none()) {
            return Err(invalid(format!("The value {} for parameter Statistics is not supported.", wrong.words())));
        }
        let (held, wanted) = (self.metrics.unit(&key).unwrap_or_default(), input.unit("Unit")?);
        let name = key.name().to_owned();
        let mut found = self.metrics.summaries(&[key], period_s, 0, start_ms..end_ms)?.swap_remove(0);
        if wanted.is_some_and(|wanted| wanted != held) {
            found.clear();
        }
        let point = |(at_ms, summary): &(u64, Summary)| datapoint(*at_ms, summary, &plain, &extended, held.name());
        Ok(json!({ "Label": name, "Datapoints": found.iter().map(point).collect::<Vec<_>>() }))
    }
}

fn statistics(input: &Input<'_>, name: &str, max: usize) -> Result<Vec<Asked>, ServiceError> {
    input.texts(name, max, 50)?.iter().map(|words| asked(words, name)).collect()
}

fn datapoint(at_ms: u64, summary: &Summary, plain: &[Asked], extended: &[Asked], unit: &str) -> Value {
    let mut point = json!({ "Timestamp": at_ms as f64 / 1_000.0, "Unit": unit });
    for asked in plain {
        point[asked.words()] = json!(asked.of(summary));
    }
    let of = |asked: &Asked| Some((asked.words().to_owned(), json!(asked.of(summary)?)));
    let told: Map<String, Value> = extended.iter().filter_map(of).collect();
    if !extended.is_empty() {
        point["ExtendedStatistics"] = Value::Object(told);
    }
    point
}
