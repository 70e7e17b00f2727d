//! PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy, of streams and consumers.

use super::error::{ApiError, Code};
use super::validate::{Check, arn_consumer};
use super::{Door, parse, to_json};
use crate::setting::Resource;
use serde::Deserialize;
use serde_json::Value;

/// Longest policy, in bytes; the real service's own bound.
const POLICY_BYTES_MAX: usize = 20 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyInput {
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    stream_id: Option<String>,
    policy: Option<String>,
}

/// What is wrong with a policy, if anything: its form, not what it allows.
fn policy_problem(policy: &str) -> Option<String> {
    if policy.len() > POLICY_BYTES_MAX {
        return Some(format!("it is longer than {POLICY_BYTES_MAX} bytes"));
    }
    let policy: Value = match serde_json::from_str(policy) {
        Ok(policy) => policy,
        Err(error) => return Some(format!("it is no JSON: {error}")),
    };
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => return Some("it has no Statement".to_owned()),
    };
    statements.iter().enumerate().find_map(|(i, statement)| {
        let missing =
            ["Effect", "Principal", "Action", "Resource"].into_iter().find(|name| statement.get(name).is_none());
        let effect = statement.get("Effect").and_then(Value::as_str);
        match missing {
            Some(name) => Some(format!("statement {} has no {name}", i + 1)),
            None if !matches!(effect, Some("Allow" | "Deny")) => {
                Some(format!("the Effect of statement {} must be Allow or Deny", i + 1))
            }
            None => None,
        }
    })
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
        if let Some(problem) = policy_problem(&policy) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &str, expected: Option<&str>) {
        assert_eq!(policy_problem(policy).as_deref(), expected, "{policy}");
    }

    #[test]
    fn a_policy_has_statements_with_all_their_parts() {
        let whole = r#"{"Effect":"Allow","Principal":"*","Action":"kinesis:*","Resource":"*"}"#;
        check(&format!(r#"{{"Version":"2012-10-17","Statement":[{whole}]}}"#), None);
        check(&format!(r#"{{"Statement":{whole}}}"#), None);
        check("{}", Some("it has no Statement"));
        check(r#"{"Statement":[]}"#, Some("it has no Statement"));
        check(&format!(r#"{{"Statement":[{whole},{{}}]}}"#), Some("statement 2 has no Effect"));
        let odd = whole.replace("Allow", "Maybe");
        check(&format!(r#"{{"Statement":[{odd}]}}"#), Some("the Effect of statement 1 must be Allow or Deny"));
        check("{", Some("it is no JSON: EOF while parsing an object at line 1 column 1"));
        check(&" ".repeat(20 * 1024 + 1), Some("it is longer than 20480 bytes"));
    }
}
