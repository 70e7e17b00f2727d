//! Who counts the shards of a stream and how much it takes: UpdateStreamMode, UpdateStreamWarmThroughput,
//! UpdateMaxRecordSize, and the settings of the account.

use super::error::ApiError;
use super::streams::{MODES, ModeDetails, WarmThroughput};
use super::time::to_seconds;
use super::validate::Check;
use super::{Door, check_stream, parse, to_json};
use crate::account::Account;
use crate::catalog::CapacityMode;
use model::limits;
use serde::{Deserialize, Serialize};

pub(super) const RECORD_KIB_MIN: i64 = 1_024;
pub(super) const RECORD_KIB_MAX: i64 = 10_240;
const STATES: [&str; 2] = ["ENABLED", "DISABLED"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ModeInput {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    stream_mode_details: Option<ModeDetails>,
    warm_throughput_mi_bps: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordSizeInput {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WarmInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    warm_throughput_mi_bps: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WarmOutput<'a> {
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_name: &'a str,
    warm_throughput: Option<WarmThroughput>,
}

#[derive(Deserialize)]
struct NoInput {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccountInput {
    minimum_throughput_billing_commitment: Option<CommitmentInput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommitmentInput {
    status: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CommitmentOutput {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    earliest_allowed_end_at: Option<f64>,
}

/// What a request asks for as warm throughput, in MiB/s; a number beyond all bounds is one that no stream has.
pub(super) fn warm_mib_per_s(asked: Option<i64>) -> u32 {
    asked.map_or(0, |asked| u32::try_from(asked).unwrap_or(u32::MAX))
}

impl Door {
    /// Warm throughput is for accounts that committed themselves to a least throughput.
    pub(super) async fn check_warm(&self, mib_per_s: u32) -> Result<(), ApiError> {
        let (account, _) = self.store.account().await;
        if mib_per_s > 0 && !account.committed(self.store.config().env.now_ms()) {
            return Err(ApiError::validation(
                "WarmThroughputMiBps needs the minimum throughput billing commitment of the account. Enable it with \
                 UpdateAccountSettings.",
            ));
        }
        Ok(())
    }

    pub(super) async fn update_stream_mode(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: ModeInput = parse(body)?;
        let mut check = Check::default();
        check.present("streamARN", input.stream_arn.as_ref());
        check.arn("streamARN", input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.present("streamModeDetails", input.stream_mode_details.as_ref());
        let word = input.stream_mode_details.as_ref().and_then(|details| details.mode());
        if input.stream_mode_details.is_some() {
            check.present("streamModeDetails.streamMode", word.as_ref());
            check.one_of("streamModeDetails.streamMode", word, &MODES);
        }
        check.range("warmThroughputMiBps", input.warm_throughput_mi_bps, 0, i64::from(i32::MAX));
        check.finish()?;
        let stream = self.stream_name(None, input.stream_arn.as_deref())?;
        let mode = if word == Some(MODES[1]) { CapacityMode::OnDemand } else { CapacityMode::Provisioned };
        let warm = warm_mib_per_s(input.warm_throughput_mi_bps);
        if warm > 0 && mode == CapacityMode::Provisioned {
            return Err(ApiError::validation("WarmThroughputMiBps is for streams in ON_DEMAND mode."));
        }
        if warm > limits::SHARDS_PER_STREAM_MAX {
            return Err(self.setting_error(crate::error::SettingError::Warm(warm)));
        }
        self.check_warm(warm).await?;
        let changed = self.store.set_mode(stream, mode, warm).await;
        changed.map(|()| Vec::new()).map_err(|error| self.setting_error(error))
    }

    pub(super) async fn update_max_record_size(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: RecordSizeInput = parse(body)?;
        let mut check = Check::default();
        check.arn("streamARN", input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.present("maxRecordSizeInKiB", input.max_record_size_in_kib.as_ref());
        check.range("maxRecordSizeInKiB", input.max_record_size_in_kib, RECORD_KIB_MIN, RECORD_KIB_MAX);
        check.finish()?;
        let stream = self.stream_name(None, input.stream_arn.as_deref())?;
        let bytes = input.max_record_size_in_kib.unwrap_or(RECORD_KIB_MIN) as usize * 1_024;
        let changed = self.store.set_record_bytes_max(stream, bytes).await;
        changed.map(|()| Vec::new()).map_err(|error| self.setting_error(error))
    }

    pub(super) async fn update_stream_warm_throughput(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: WarmInput = parse(body)?;
        let mut check = Check::default();
        check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.present("warmThroughputMiBps", input.warm_throughput_mi_bps.as_ref());
        check.range("warmThroughputMiBps", input.warm_throughput_mi_bps, 0, i64::from(i32::MAX));
        check.finish()?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let warm = warm_mib_per_s(input.warm_throughput_mi_bps);
        self.check_warm(warm).await?;
        self.store.set_warm_throughput(name, warm).await.map_err(|error| self.setting_error(error))?;
        let description = self.store.describe_stream(name).map_err(|error| self.stream_error(error))?;
        let warm_throughput = WarmThroughput::of(&description);
        to_json(&WarmOutput { stream_arn: self.arn(name), stream_name: name, warm_throughput })
    }

    pub(super) async fn describe_account_settings(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let NoInput {} = parse(body)?;
        let (account, earliest_end_ms) = self.store.account().await;
        self.account_output(account, earliest_end_ms)
    }

    pub(super) async fn update_account_settings(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: AccountInput = parse(body)?;
        let mut check = Check::default();
        let commitment = input.minimum_throughput_billing_commitment.as_ref();
        check.present("minimumThroughputBillingCommitment", commitment);
        let status = commitment.and_then(|commitment| commitment.status.as_deref());
        if commitment.is_some() {
            check.present("minimumThroughputBillingCommitment.status", status.as_ref());
            check.one_of("minimumThroughputBillingCommitment.status", status, &STATES);
        }
        check.finish()?;
        let changed = self.store.set_commitment(status == Some(STATES[0])).await;
        let (account, earliest_end_ms) = changed.map_err(|error| self.account_error(error))?;
        self.account_output(account, earliest_end_ms)
    }

    fn account_output(&self, account: Account, earliest_end_ms: Option<u64>) -> Result<Vec<u8>, ApiError> {
        let committed = account.committed(self.store.config().env.now_ms());
        let status = match (committed, account.ended_ms) {
            (true, None) => "ENABLED",
            (true, Some(_)) => "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
            (false, _) => "DISABLED",
        };
        let output = CommitmentOutput {
            status,
            started_at: account.started_ms.map(to_seconds),
            ended_at: account.ended_ms.filter(|_| !committed).map(to_seconds),
            earliest_allowed_end_at: earliest_end_ms.filter(|_| committed).map(to_seconds),
        };
        to_json(&serde_json::json!({ "MinimumThroughputBillingCommitment": output }))
    }
}
