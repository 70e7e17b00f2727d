//! PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy, of streams and consumers.

use super::error::{ApiError, Code};
use super::policy::Policy;
use super::validate::{Check, arn_consumer};
use super::{Door, parse, to_json};
use crate::setting::Resource;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyInput {
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    stream_id: Option<String>,
    policy: Option<String>,
}

impl Door {
    /// The stream or consumer that an ARN names, if it is there.
    pub(super) fn resource<'a>(&self, arn: &'a str) -> Result<Resource<'a>, ApiError> {
        let Some((stream, consumer, _)) = arn_consumer(arn) else {
            return Ok(Resource::from(self.stream_name(None, Some(arn))?));
        };
        self.consumer_of(arn)?;
        Ok(Resource { stream, consumer: Some(consumer) })
    }

    fn policy_input(body: &[u8]) -> Result<(PolicyInput, Check), ApiError> {
        let input: PolicyInput = parse(body)?;
        let mut check = Check::default();
        check.present("resourceARN", input.resource_arn.as_ref());
        check.resource_arn("resourceARN", input.resource_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        Ok((input, check))
    }

    pub(super) async fn put_resource_policy(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let (input, mut check) = Self::policy_input(body)?;
        check.present("policy", input.policy.as_ref());
        check.finish()?;
        let policy = input.policy.unwrap_or_default();
        if let Err(problem) = Policy::parse(&policy) {
            return Err(ApiError::invalid(format!("The policy is malformed: {problem}.")));
        }
        let resource = self.resource(input.resource_arn.as_deref().unwrap_or_default())?;
        let stored = self.store.set_policy(resource, Some(policy)).await;
        stored.map(|()| Vec::new()).map_err(|error| self.setting_error(error))
    }

    pub(super) fn get_resource_policy(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let (input, check) = Self::policy_input(body)?;
        check.finish()?;
        let arn = input.resource_arn.as_deref().unwrap_or_default();
        let policy = self.store.policy(self.resource(arn)?).map_err(|error| self.setting_error(error))?;
        let policy = policy.ok_or_else(|| no_policy(arn))?;
        to_json(&serde_json::json!({ "Policy": policy }))
    }

    pub(super) async fn delete_resource_policy(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let (input, check) = Self::policy_input(body)?;
        check.finish()?;
        let arn = input.resource_arn.as_deref().unwrap_or_default();
        let resource = self.resource(arn)?;
        if self.store.policy(resource).map_err(|error| self.setting_error(error))?.is_none() {
            return Err(no_policy(arn));
        }
        let removed = self.store.set_policy(resource, None).await;
        removed.map(|()| Vec::new()).map_err(|error| self.setting_error(error))
    }
}

fn no_policy(arn: &str) -> ApiError {
    ApiError::new(Code::ResourceNotFound, format!("There is no resource policy on {arn}."))
}
