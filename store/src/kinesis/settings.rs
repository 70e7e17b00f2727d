//! IncreaseStreamRetentionPeriod, DecreaseStreamRetentionPeriod and DescribeLimits.

use super::error::ApiError;
use super::validate::Check;
use super::{Door, check_stream, parse, to_json};
use crate::catalog::CapacityMode;
use crate::setting::RetentionChange;
use model::limits;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RetentionInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    retention_period_hours: Option<i64>,
}

#[derive(Deserialize)]
struct NoInput {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeLimitsOutput {
    shard_limit: u32,
    open_shard_count: usize,
    on_demand_stream_count: usize,
    on_demand_stream_count_limit: u32,
}

impl Door {
    pub(super) async fn increase_stream_retention_period(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.change_retention(body, RetentionChange::Increase).await
    }

    pub(super) async fn decrease_stream_retention_period(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.change_retention(body, RetentionChange::Decrease).await
    }

    async fn change_retention(&self, body: &[u8], change: RetentionChange) -> Result<Vec<u8>, ApiError> {
        let input: RetentionInput = parse(body)?;
        let mut check = Check::default();
        check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.present("retentionPeriodHours", input.retention_period_hours.as_ref());
        check.finish()?;
        let stream = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let hours = input.retention_period_hours.unwrap_or_default().clamp(0, i64::from(u32::MAX)) as u32;
        let changed = self.store.set_retention_hours(stream, hours, change).await;
        changed.map(|()| Vec::new()).map_err(|error| self.setting_error(error))
    }

    pub(super) fn describe_limits(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let NoInput {} = parse(body)?;
        let names = self.store.list_streams();
        let streams: Vec<_> = names.iter().filter_map(|name| self.store.describe_stream(name).ok()).collect();
        to_json(&DescribeLimitsOutput {
            shard_limit: limits::SHARDS_PER_STREAM_MAX,
            open_shard_count: streams.iter().map(|stream| stream.open_shards()).sum(),
            on_demand_stream_count: streams.iter().filter(|s| s.settings.mode == CapacityMode::OnDemand).count(),
            on_demand_stream_count_limit: limits::ON_DEMAND_STREAMS_MAX,
        })
    }
}
