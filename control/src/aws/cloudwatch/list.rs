//! `ListMetrics`.

use super::super::service::ServiceError;
use super::input::Input;
use super::{CloudWatch, invalid, queries, tokens};
use crate::metrics::SeriesKey;
use serde_json::{Value, json};

/// Most metrics of a page.
const PAGE: usize = 500;
/// Since when a metric has had values that is recently active, in seconds.
const RECENT_S: u64 = 3 * 3_600;

impl CloudWatch {
    pub(super) fn list_metrics(&self, input: &Input<'_>) -> Result<Value, ServiceError> {
        let (namespace, name) = (input.text("Namespace", 255)?, input.text("MetricName", 255)?);
        let mut dimensions = Vec::new();
        for filter in input.list("Dimensions", 10)? {
            dimensions.push((filter.required_text("Name", 255)?, filter.text("Value", 1_024)?));
        }
        let since_s = match input.text("RecentlyActive", 16)? {
            None => 0,
            Some("PT3H") => (self.env.now_ms() / 1_000).saturating_sub(RECENT_S),
            Some(other) => {
                return Err(invalid(format!("The value {other} for parameter RecentlyActive must be PT3H.")));
            }
        };
        let holds = |key: &SeriesKey, (name, value): &(&str, Option<&str>)| {
            key.dimensions().iter().any(|(own, held)| own == name && value.is_none_or(|value| value == held))
        };
        let fits = |key: &SeriesKey| {
            namespace.is_none_or(|namespace| key.namespace() == namespace)
                && name.is_none_or(|name| key.name() == name)
                && dimensions.iter().all(|filter| holds(key, filter))
        };
        let asked = format!("{namespace:?} {name:?} {dimensions:?} {since_s}");
        // The time of the question is none of what a token is for.
        let asked = if since_s == 0 { asked } else { format!("{namespace:?} {name:?} {dimensions:?} recent") };
        let begin = tokens::begin(input, &asked)?;
        let found: Vec<_> = self.metrics.listed(since_s).into_iter().filter(|one| fits(&one.key)).collect();
        let metric = |key: &SeriesKey| {
            let dimensions = queries::dimensions(key.dimensions());
            json!({ "Namespace": key.namespace(), "MetricName": key.name(), "Dimensions": dimensions })
        };
        let page: Vec<Value> = found.iter().skip(begin).take(PAGE).map(|one| metric(&one.key)).collect();
        let mut output = json!({ "Metrics": page });
        if found.len() > begin + PAGE {
            output["NextToken"] = json!(tokens::token(begin + PAGE, &asked));
        }
        Ok(output)
    }
}
