//! EnableEnhancedMonitoring and DisableEnhancedMonitoring: what is measured for each shard by itself.

use super::error::ApiError;
use super::validate::Check;
use super::{Door, check_stream, parse, to_json};
use crate::settings::ShardMetric;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const METRICS: [(&str, ShardMetric); 7] = [
    ("IncomingBytes", ShardMetric::IncomingBytes),
    ("IncomingRecords", ShardMetric::IncomingRecords),
    ("OutgoingBytes", ShardMetric::OutgoingBytes),
    ("OutgoingRecords", ShardMetric::OutgoingRecords),
    ("WriteProvisionedThroughputExceeded", ShardMetric::WriteThrottles),
    ("ReadProvisionedThroughputExceeded", ShardMetric::ReadThrottles),
    ("IteratorAgeMilliseconds", ShardMetric::IteratorAge),
];
const ALL: &str = "ALL";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MonitoringInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    shard_level_metrics: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MonitoringOutput<'a> {
    stream_name: &'a str,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    current_shard_level_metrics: Vec<&'static str>,
    desired_shard_level_metrics: Vec<&'static str>,
}

/// The words of the protocol for what is measured.
pub(super) fn metric_words(metrics: &BTreeSet<ShardMetric>) -> Vec<&'static str> {
    METRICS.iter().filter(|(_, metric)| metrics.contains(metric)).map(|(word, _)| *word).collect()
}

fn metrics_of(words: &[String]) -> BTreeSet<ShardMetric> {
    let all = words.iter().any(|word| word == ALL);
    METRICS.iter().filter(|(word, _)| all || words.iter().any(|w| w == word)).map(|(_, metric)| *metric).collect()
}

impl Door {
    pub(super) async fn enable_enhanced_monitoring(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.change_monitoring(body, |all, named| all.extend(named)).await
    }

    pub(super) async fn disable_enhanced_monitoring(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.change_monitoring(body, |all, named| all.retain(|metric| !named.contains(metric))).await
    }

    async fn change_monitoring(
        &self,
        body: &[u8],
        change: impl FnOnce(&mut BTreeSet<ShardMetric>, BTreeSet<ShardMetric>),
    ) -> Result<Vec<u8>, ApiError> {
        let input: MonitoringInput = parse(body)?;
        let mut check = Check::default();
        check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.present("shardLevelMetrics", input.shard_level_metrics.as_ref());
        let words = input.shard_level_metrics.unwrap_or_default();
        if !words.is_empty() {
            check.count("shardLevelMetrics", words.len(), 1, METRICS.len());
        }
        let known: Vec<&str> = METRICS.iter().map(|(word, _)| *word).chain([ALL]).collect();
        for (i, word) in words.iter().enumerate().take(METRICS.len()) {
            check.one_of(format_args!("shardLevelMetrics.{}.member", i + 1), Some(word), &known);
        }
        check.finish()?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let (mut current, mut desired) = (Vec::new(), Vec::new());
        let changed = self.store.set_shard_metrics(name, |metrics| {
            current = metric_words(metrics);
            change(metrics, metrics_of(&words));
            desired = metric_words(metrics);
        });
        changed.await.map_err(|error| self.setting_error(error))?;
        to_json(&MonitoringOutput {
            stream_name: name,
            stream_arn: self.arn(name),
            current_shard_level_metrics: current,
            desired_shard_level_metrics: desired,
        })
    }
}
