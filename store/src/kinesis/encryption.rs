//! StartStreamEncryption and StopStreamEncryption: the state that clients see.

use super::error::ApiError;
use super::validate::Check;
use super::{Door, check_stream, parse};
use crate::settings::StreamSettings;
use serde::Deserialize;

/// The words of the protocol for the two states.
pub(super) const TYPES: [&str; 2] = ["NONE", "KMS"];

/// What is said of a record that arrived then; nothing where the stream is not encrypted or was not then.
pub(super) fn encryption_word(settings: &StreamSettings, arrival_ms: u64) -> Option<&'static str> {
    settings.encryption.as_ref().filter(|encryption| arrival_ms >= encryption.since_ms).map(|_| TYPES[1])
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptionInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    encryption_type: Option<String>,
    key_id: Option<String>,
}

impl EncryptionInput {
    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let input: Self = parse(body)?;
        let mut check = Check::default();
        check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.present("encryptionType", input.encryption_type.as_ref());
        check.one_of("encryptionType", input.encryption_type.as_deref(), &TYPES);
        check.present("keyId", input.key_id.as_ref());
        if let Some(key) = input.key_id.as_deref() {
            check.length("keyId", key, 1, 2_048);
        }
        check.finish()?;
        if input.encryption_type.as_deref() != Some(TYPES[1]) {
            return Err(ApiError::invalid("The encryption type must be KMS."));
        }
        Ok(input)
    }
}

impl Door {
    pub(super) async fn start_stream_encryption(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input = EncryptionInput::parse(body)?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let started = self.store.start_encryption(name, &input.key_id.unwrap_or_default()).await;
        started.map(|()| Vec::new()).map_err(|error| self.setting_error(error))
    }

    pub(super) async fn stop_stream_encryption(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input = EncryptionInput::parse(body)?;
        let name = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let stopped = self.store.stop_encryption(name).await;
        stopped.map(|()| Vec::new()).map_err(|error| self.setting_error(error))
    }
}
